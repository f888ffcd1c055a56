//! Why a command did not work, for the person who typed it.

use std::error::Error;

use anstream::eprintln;
use anstyle::{AnsiColor, Style};

/// A failure and, where we know, what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    advice: Option<String>,
}

impl Failure {
    /// A failure in these words.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: None,
        }
    }

    /// The same failure with something to do about it.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Writes it to standard error.
    pub(crate) fn tell(&self) {
        let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        eprintln!("{red}error:{red:#} {}", self.what);
        if let Some(advice) = &self.advice {
            eprintln!("  {advice}");
        }
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let said = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
        Self::new(said.collect::<Vec<_>>().join(": "))
    }
}
