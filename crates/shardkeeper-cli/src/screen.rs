//! Standard output: aligned tables and JSON.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

use anstyle::Style;
use serde_json::Value;

use crate::colours::{PLAIN, STRONG};
use crate::failure::Failure;

/// Writes text at once. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn show(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(io::Error::into(error)),
        _ => Ok(()),
    }
}

/// Writes JSON for programs.
pub(crate) fn show_json(value: &Value) -> Result<(), Failure> {
    show(&format!("{value:#}\n"))
}

/// Text in a style.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// In this style.
    pub(crate) fn new(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }

    /// Without a style.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, PLAIN)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows under headings. A heading that begins with `>` is of a column of numbers, set to the right.
#[derive(Debug)]
pub(crate) struct Grid<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Grid<N> {
    /// Without rows yet.
    pub(crate) fn new(headings: [&'static str; N]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// True without rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each column as wide as its widest cell.
    pub(crate) fn render(&self) -> String {
        let heads = self
            .headings
            .map(|heading| Cell::new(heading.trim_start_matches('>'), STRONG));
        let widest = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].width());
            cells.chain([heads[column].width()]).max().unwrap_or(0)
        };
        let widths: [usize; N] = std::array::from_fn(widest);
        let mut text = String::new();
        for row in std::iter::once(&heads).chain(&self.rows) {
            self.line(&mut text, row, &widths);
        }
        text
    }

    fn line(&self, text: &mut String, row: &[Cell; N], widths: &[usize; N]) {
        for (column, cell) in row.iter().enumerate() {
            let gap = widths[column].saturating_sub(cell.width());
            let to_the_right = self.headings[column].starts_with('>');
            let is_last = column + 1 == N;
            let (before, after) = match (to_the_right, is_last) {
                (true, _) => (gap, 0),
                (false, true) => (0, 0),
                (false, false) => (0, gap),
            };
            let Cell { text: said, style } = cell;
            let style = if said.is_empty() { &PLAIN } else { style };
            let _ = write!(text, "{:before$}{style}{said}{style:#}{:after$}", "", "");
            text.push_str(if is_last { "" } else { "  " });
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() {
        let mut grid = Grid::new(["NAME", ">N", "WHY"]);
        grid.row([Cell::plain("a"), Cell::plain("12"), Cell::new("", STRONG)]);
        grid.row([Cell::plain("longer"), Cell::plain("3"), Cell::plain("x")]);
        let plain = anstream::adapter::strip_str(&grid.render()).to_string();
        assert_eq!(plain, "NAME     N  WHY\na       12\nlonger   3  x\n");
    }
}
