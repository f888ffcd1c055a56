//! What the doctor found, told as it is found.

use std::fmt::Write as _;

use anstyle::Style;
use serde_json::{Value, json};

use crate::colours::{BAD, GOOD, ODD};
use crate::failure::Failure;
use crate::screen::{show, show_json};

/// Wide enough for the name of every check.
const NAMES: usize = 12;

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Odd,
    Bad,
}

/// Everything found so far.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    found: Vec<Value>,
    bad: usize,
}

impl Report {
    /// Empty. With `json` it says nothing before the end.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            found: Vec::new(),
            bad: 0,
        }
    }

    /// As it should be.
    pub(crate) fn good(&mut self, check: &str, what: impl AsRef<str>) -> Result<(), Failure> {
        self.tell(Grade::Good, check, what.as_ref(), None)
    }

    /// May need somebody.
    pub(crate) fn odd(
        &mut self,
        check: &str,
        what: impl AsRef<str>,
        advice: &str,
    ) -> Result<(), Failure> {
        self.tell(Grade::Odd, check, what.as_ref(), Some(advice))
    }

    /// Needs somebody.
    pub(crate) fn bad(
        &mut self,
        check: &str,
        what: impl AsRef<str>,
        advice: &str,
    ) -> Result<(), Failure> {
        self.tell(Grade::Bad, check, what.as_ref(), Some(advice))
    }

    /// A check that could not be made, which is bad.
    pub(crate) fn failed(
        &mut self,
        check: &str,
        failure: impl Into<Failure>,
    ) -> Result<(), Failure> {
        let failure = failure.into();
        self.tell(Grade::Bad, check, failure.what(), failure.what_to_do())
    }

    /// The last words, and the failure that becomes the exit status.
    pub(crate) fn end(self) -> Result<(), Failure> {
        if self.json {
            show_json(&json!({"bad": self.bad, "checks": self.found}))?;
        }
        match self.bad {
            0 => Ok(()),
            1 => Err(Failure::new("one thing is wrong: see above")),
            bad => Err(Failure::new(format!("{bad} things are wrong: see above"))),
        }
    }

    fn tell(
        &mut self,
        grade: Grade,
        check: &str,
        what: &str,
        advice: Option<&str>,
    ) -> Result<(), Failure> {
        self.bad += usize::from(grade == Grade::Bad);
        let (word, style) = grade.said();
        if self.json {
            let found = json!({"check": check, "grade": word, "what": what, "advice": advice});
            self.found.push(found);
            return Ok(());
        }
        let mut text = format!("{style}{word:<4}{style:#}  {check:<NAMES$} {what}\n");
        if let Some(advice) = advice {
            let _ = writeln!(text, "{:w$}{advice}", "", w = NAMES + 7);
        }
        show(&text)
    }
}

impl Grade {
    fn said(self) -> (&'static str, Style) {
        match self {
            Self::Good => ("ok", GOOD),
            Self::Odd => ("look", ODD),
            Self::Bad => ("BAD", BAD),
        }
    }
}
