//! The contracts of the two ports as checks that any implementation can be held to.
//!
//! A suite makes a fresh scene for every check and returns a [`Report`]: which checks passed, which
//! failed and why, and which could not be made because the scene lacks a capability. Nothing is
//! skipped silently: [`Report::assert_lacking_only`] fails unless exactly the named capabilities are
//! lacking.
//!
//! ```
//! use shardkeeper_testkit::conformance::lease_store::{self, Capability, Scene};
//! use shardkeeper_testkit::memory::MemoryLeases;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let report = lease_store::check_all(async || Ok(Scene::new(MemoryLeases::new()))).await;
//! report.assert_lacking_only(&[Capability::ForeignColumns]);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod lease_store;
pub mod stream_source;

use std::fmt;

/// Why a check failed, or could not be made.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The rule holds.
    Passed,
    /// The scene has not what the check needs; it was not made.
    Lacking,
    /// The rule does not hold.
    Failed(String),
}

/// One rule of a contract, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<C> {
    /// The rule, as a sentence.
    pub rule: String,
    /// What a scene needs for it.
    pub needs: C,
    /// What became of it.
    pub verdict: Verdict,
}

/// What a suite found. Its `Display` is a table for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<C> {
    /// Every check of the suite, in its order.
    pub checks: Vec<Checked<C>>,
}

impl<C: Copy + PartialEq + fmt::Debug> Report<C> {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Checked<C>> {
        self.checks
            .iter()
            .filter(|check| matches!(check.verdict, Verdict::Failed(_)))
    }

    /// The capabilities that were needed and lacking, each once, in the order of the suite.
    #[must_use]
    pub fn lacking(&self) -> Vec<C> {
        let mut lacking = Vec::new();
        for check in self
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Lacking)
        {
            if !lacking.contains(&check.needs) {
                lacking.push(check.needs);
            }
        }
        lacking
    }

    /// Fails the test unless every check passed but those that need one of `expected`, and all of
    /// `expected` are lacking indeed.
    ///
    /// # Panics
    /// With the whole report as the message.
    #[track_caller]
    pub fn assert_lacking_only(&self, expected: &[C]) {
        let lacking = self.lacking();
        let as_expected =
            lacking.len() == expected.len() && lacking.iter().all(|one| expected.contains(one));
        assert!(
            as_expected && self.failed().next().is_none(),
            "expected to lack {expected:?}, lacking {lacking:?}\n{self}"
        );
    }
}

impl<C: fmt::Debug> fmt::Display for Report<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs = |check: &Checked<C>| format!("{:?}", check.needs);
        let width = self
            .checks
            .iter()
            .map(|check| needs(check).len())
            .max()
            .unwrap_or(0);
        for check in &self.checks {
            let (word, why) = match &check.verdict {
                Verdict::Passed => ("passed", ""),
                Verdict::Lacking => ("lacking", ""),
                Verdict::Failed(why) => ("FAILED", why.as_str()),
            };
            let separator = if why.is_empty() { "" } else { ": " };
            writeln!(
                f,
                "{word:<8}{:<width$}  {}{separator}{why}",
                needs(check),
                check.rule
            )?;
        }
        Ok(())
    }
}

/// `a_rule_in_code` as `a rule in code`.
fn sentence(name: &str) -> String {
    name.replace('_', " ")
}

/// Lists checks of a suite as `(name, needed capability, function)`: the function's name is the rule.
macro_rules! checks {
    ($scene:ty: $($needs:ident { $($check:path),+ $(,)? })+) => {
        vec![$($((
            stringify!($check),
            Capability::$needs,
            (|scene: $scene| Box::pin($check(scene))) as Check,
        )),+),+]
    };
}
pub(crate) use checks;

/// A failure unless `found` is `expected`.
fn same<T: PartialEq + fmt::Debug>(found: T, expected: T, what: &str) -> Result<(), Trouble> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}").into())
}

/// A failure unless `holds`.
fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(rule: &str, needs: u8, verdict: Verdict) -> Checked<u8> {
        Checked {
            rule: rule.to_owned(),
            needs,
            verdict,
        }
    }

    #[test]
    fn a_report_is_a_table_and_a_failure_says_why() {
        let report = Report {
            checks: vec![
                checked("it works", 1, Verdict::Passed),
                checked("it splits", 200, Verdict::Lacking),
                checked("it lasts", 1, Verdict::Failed("it broke".into())),
            ],
        };
        let table =
            "passed  1    it works\nlacking 200  it splits\nFAILED  1    it lasts: it broke\n";
        assert_eq!(report.to_string(), table);
        assert_eq!(report.lacking(), [200]);
        assert_eq!(report.failed().count(), 1);
    }

    #[test]
    #[should_panic(expected = "expected to lack []")]
    fn a_capability_that_is_lacking_unannounced_fails_the_test() {
        let report = Report {
            checks: vec![checked("it splits", 2, Verdict::Lacking)],
        };
        report.assert_lacking_only(&[]);
    }
}
