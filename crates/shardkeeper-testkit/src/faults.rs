//! Faults by script: what goes wrong, in which operation, how often.
//!
//! ```
//! use shardkeeper_testkit::emulator::Emulator;
//! use shardkeeper_testkit::faults::{Effect, Fault};
//!
//! let emulator = Emulator::default();
//! emulator.faults().inject(Fault::new("GetRecords", Effect::throttle()).times(3));
//! emulator.faults().inject(Fault::new("UpdateItem", Effect::AppliedButHangs).skip(1).times(1));
//! ```

mod effect;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::effect::Effect;
use crate::emulator::{Call, Fate, Interceptor};

/// The faults that an emulator is going to have. A clone is another handle to the same script.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Adds a fault. Those added first are used first.
    pub fn inject(&self, fault: Fault) {
        self.script().push(fault);
    }

    /// Everything works again.
    pub fn clear(&self) {
        self.script().clear();
    }

    /// How many calls have still to fail: zero when every fault with a bound has been met.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let script = self.script();
        script
            .iter()
            .filter_map(|fault| fault.times)
            .fold(0, u64::saturating_add)
    }

    fn script(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interceptor for Faults {
    fn intercept(&self, call: &Call<'_>) -> Option<Fate> {
        let mut script = self.script();
        let index = script.iter_mut().position(|fault| fault.strikes(call))?;
        let fate = script.get(index)?.effect.fate();
        script.retain(|fault| fault.times != Some(0));
        Some(fate)
    }
}

/// One line of the script.
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Cow<'static, str>,
    containing: Option<String>,
    skip: u64,
    times: Option<u64>,
    effect: Effect,
}

impl Fault {
    /// This effect on every call of `operation` (e.g. `GetRecords`; `*` is any), until cleared.
    #[must_use]
    pub fn new(operation: impl Into<Cow<'static, str>>, effect: Effect) -> Self {
        Self {
            operation: operation.into(),
            containing: None,
            skip: 0,
            times: None,
            effect,
        }
    }

    /// Only on calls whose body contains this text: a shard id, a table name.
    #[must_use]
    pub fn containing(mut self, text: impl Into<String>) -> Self {
        self.containing = Some(text.into());
        self
    }

    /// Not on the first `calls` that fit.
    #[must_use]
    pub fn skip(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// On so many calls, and then no more.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.times = Some(calls);
        self
    }

    /// Whether this call is hit; counts it.
    fn strikes(&mut self, call: &Call<'_>) -> bool {
        let fits = (self.operation == "*" || self.operation == call.operation)
            && self
                .containing
                .as_ref()
                .is_none_or(|text| contains(call.body, text.as_bytes()));
        if !fits || self.times == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times = self.times.map(|times| times - 1);
        true
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn call<'a>(operation: &'a str, body: &'a str) -> Call<'a> {
        Call::new(operation, body.as_bytes(), Duration::ZERO)
    }

    #[test]
    fn a_fault_skips_strikes_and_is_used_up() {
        let faults = Faults::default();
        faults.inject(Fault::new("GetRecords", Effect::Hangs).skip(1).times(2));
        let struck = |operation| faults.intercept(&call(operation, "{}")).is_some();
        assert_eq!(
            [
                struck("GetItem"),
                struck("GetRecords"),
                struck("GetRecords")
            ],
            [false, false, true]
        );
        assert_eq!(faults.pending(), 1);
        assert_eq!([struck("GetRecords"), struck("GetRecords")], [true, false]);
        assert_eq!(faults.pending(), 0);
    }

    #[test]
    fn a_fault_can_be_meant_for_one_shard() {
        let faults = Faults::default();
        faults.inject(Fault::new("*", Effect::throttle()).containing("shard-2"));
        assert!(
            faults
                .intercept(&call("GetShardIterator", r#"{"ShardId":"shard-1"}"#))
                .is_none()
        );
        assert!(
            faults
                .intercept(&call("GetShardIterator", r#"{"ShardId":"shard-2"}"#))
                .is_some()
        );
    }
}
