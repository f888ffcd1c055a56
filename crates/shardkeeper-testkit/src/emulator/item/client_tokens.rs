//! `ClientRequestToken`: a transaction sent twice is done once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::emulator::error::ServiceError;

/// How long the service remembers a token.
const REMEMBERED: Duration = Duration::from_mins(10);

/// The tokens of the transactions that succeeded lately.
#[derive(Debug, Default)]
pub(crate) struct ClientTokens {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    request: Value,
    at: Duration,
}

impl ClientTokens {
    /// Whether a transaction with this token was done before. The same token on another request is refused.
    pub(crate) fn is_repeat(
        &mut self,
        token: &str,
        request: &Value,
        now: Duration,
    ) -> Result<bool, ServiceError> {
        self.seen
            .retain(|_, seen| now.saturating_sub(seen.at) < REMEMBERED);
        match self.seen.get(token) {
            None => Ok(false),
            Some(seen) if &seen.request == request => Ok(true),
            Some(_) => Err(ServiceError::idempotent_parameter_mismatch()),
        }
    }

    /// A transaction was done. One that was cancelled is not remembered: it may be sent again.
    pub(crate) fn remember(&mut self, token: String, request: Value, now: Duration) {
        self.seen.insert(token, Seen { request, at: now });
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
