//! The table that `cargo xtask test` draws while it works.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::totals::Totals;

/// Wide enough for the longest step and its explanation.
const NAME_WIDTH: usize = 18;
const WHAT_WIDTH: usize = 52;

/// Draws a row for every step. On a terminal the row of a running step is there before its time is known.
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
        }
    }

    pub(crate) fn heading(&self) {
        println!("{}", row("step", "what", "time", "result"));
    }

    /// A step begins. `talks` means that its own output follows, so its row cannot be overwritten.
    pub(crate) fn begin(&self, name: &str, what: &str, talks: bool) {
        if talks {
            println!("{}", row(name, what, "", "running"));
        } else if self.terminal {
            print!("{}\r", row(name, what, "", "running"));
            // A row that appears late is no reason to fail.
            let _ = std::io::stdout().flush();
        }
    }

    pub(crate) fn end(&self, name: &str, what: &str, took: Duration, result: Result<Totals, ()>) {
        let result = match result {
            Ok(totals) if totals.ran() => format!("ok: {totals}"),
            // The blanks wipe out "running".
            Ok(_) => "ok     ".to_owned(),
            Err(()) => "FAILED ".to_owned(),
        };
        println!("{}", row(name, what, &seconds(took), &result));
    }
}

fn row(name: &str, what: &str, time: &str, result: &str) -> String {
    format!("{name:<NAME_WIDTH$}{what:<WHAT_WIDTH$}{time:>9}  {result}")
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_two_rows_stand_below_each_other() {
        let (one, two) = (
            row("a", "b", "1.0 s", "ok"),
            row("format", "style", "100.0 s", "ok"),
        );
        assert_eq!(one.find("ok"), two.find("ok"));
        assert_eq!(one.find(" s  "), two.find(" s  "));
    }

    #[test]
    fn times_are_in_tenths_of_seconds() {
        assert_eq!(seconds(Duration::from_millis(61_249)), "61.2 s");
    }
}
