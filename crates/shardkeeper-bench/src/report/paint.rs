//! Colour, where somebody sees it.

use std::io::IsTerminal;

/// Paints or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    pub(crate) fn for_stdout() -> Self {
        Self(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    }

    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self(false)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrapped("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrapped("2", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrapped("32", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrapped("1;31", text)
    }

    /// Whether a goal is met, always as wide.
    pub(crate) fn verdict(self, met: bool) -> String {
        if met {
            self.green("met   ")
        } else {
            self.red("MISSED")
        }
    }

    /// A line for each goal.
    pub(crate) fn goals<'a>(self, goals: impl IntoIterator<Item = (&'a str, bool)>) -> String {
        let line = |(goal, met)| format!("goal {goal}: {}\n", self.verdict(met));
        goals.into_iter().map(line).collect()
    }

    fn wrapped(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
