//! What went wrong, what the program that failed said, and what to do about it.

use std::fmt;

/// How much of a failing program's output is shown: the end, where the reason is.
const SHOWN_LINES: usize = 200;

/// One failed task, told to a person.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    output: String,
    advice: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            output: String::new(),
            advice: None,
        }
    }

    /// What the failing program printed.
    pub(crate) fn output(mut self, output: impl Into<String>) -> Self {
        self.output = output.into();
        self
    }

    /// What the reader should do now.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same, unless somebody closer to the trouble has said it.
    pub(crate) fn or_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice.get_or_insert_with(|| advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left_out, shown) = tail(&self.output, SHOWN_LINES);
        if left_out > 0 {
            writeln!(f, "[{left_out} lines left out]")?;
        }
        if !shown.is_empty() {
            writeln!(f, "{shown}\n")?;
        }
        writeln!(f, "error: {}", self.what)?;
        if let Some(advice) = &self.advice {
            writeln!(f, "  what to do: {advice}")?;
        }
        Ok(())
    }
}

/// The last `count` lines of a text, and how many came before them.
fn tail(text: &str, count: usize) -> (usize, String) {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let left_out = lines.len().saturating_sub(count);
    (left_out, lines[left_out..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_shown_because_the_reason_is_there() {
        assert_eq!(tail("a\nb\nc\n", 2), (1, "b\nc".to_owned()));
        assert_eq!(tail("", 2), (0, String::new()));
    }

    #[test]
    fn a_failure_says_what_and_what_to_do_after_the_output() {
        let failure = Failure::new("clippy failed")
            .output("warning: x")
            .advice("mend x");
        let text = failure.to_string();
        assert_eq!(
            text,
            "warning: x\n\nerror: clippy failed\n  what to do: mend x\n"
        );
    }
}
