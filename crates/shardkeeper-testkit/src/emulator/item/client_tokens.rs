//! `ClientRequestToken`: a transaction sent twice is done once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::emulator::error::ServiceError;

/// How long the service remembers a token.
const REMEMBERED: Duration = Duration::from_mins(10);

/// The tokens of the transactions that succeeded lately.
#[derive(Debug, Default)]
pub(crate) struct ClientTokens {
    requests: BTreeMap<String, Value>,
    /// The same tokens, oldest first, so that forgetting costs nothing while nothing is due.
    by_age: VecDeque<(Duration, String)>,
}

impl ClientTokens {
    /// Whether a transaction with this token was done before. The same token on another request is refused.
    pub(crate) fn is_repeat(
        &mut self,
        token: &str,
        request: &Value,
        now: Duration,
    ) -> Result<bool, ServiceError> {
        while let Some((at, _)) = self.by_age.front()
            && now.saturating_sub(*at) >= REMEMBERED
        {
            if let Some((_, forgotten)) = self.by_age.pop_front() {
                self.requests.remove(&forgotten);
            }
        }
        match self.requests.get(token) {
            None => Ok(false),
            Some(seen) if seen == request => Ok(true),
            Some(_) => Err(ServiceError::idempotent_parameter_mismatch()),
        }
    }

    /// A transaction was done. One that was cancelled is not remembered: it may be sent again.
    pub(crate) fn remember(&mut self, token: String, request: Value, now: Duration) {
        self.by_age.push_back((now, token.clone()));
        self.requests.insert(token, request);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_remembered_for_ten_minutes_and_bound_to_its_request() {
        let mut tokens = ClientTokens::default();
        let (now, request) = (Duration::from_secs(100), json!([1]));
        assert_eq!(tokens.is_repeat("t", &request, now), Ok(false));
        tokens.remember("t".to_owned(), request.clone(), now);
        let almost = now + REMEMBERED - Duration::from_millis(1);
        assert_eq!(tokens.is_repeat("t", &request, almost), Ok(true));
        assert!(tokens.is_repeat("t", &json!([2]), almost).is_err());
        assert_eq!(
            tokens.is_repeat("t", &json!([2]), now + REMEMBERED),
            Ok(false)
        );
    }
}
