//! What colours mean. They are left out where standard output is no terminal, and when `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

/// Needs somebody.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// May need somebody.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// As it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Less important.
pub(crate) const QUIET: Style = Style::new().dimmed();
/// Headings and names.
pub(crate) const STRONG: Style = Style::new().bold();
/// Nothing special.
pub(crate) const PLAIN: Style = Style::new();
