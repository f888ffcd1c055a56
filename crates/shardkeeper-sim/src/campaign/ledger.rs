//! The file: what was run, by anybody, with any version of the code.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::entry::Entry;

/// A ledger that is open, and nobody else's meanwhile.
pub(super) struct Ledger(File);

impl Ledger {
    /// Opens the ledger, and makes it if there is none. A last line that is torn, because somebody pulled the plug, is cut
    /// off: its range is run again.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Entry>), String> {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(|error| at(&error))?;
        file.try_lock()
            .map_err(|_| at(&"another campaign is writing to it"))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| at(&error))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let entries = entries(&text[..whole]).map_err(|error| at(&error))?;
        let cut = file.set_len(whole as u64);
        let end = cut.and_then(|()| file.seek(SeekFrom::End(0)));
        if end.map_err(|error| at(&error))? == 0 {
            writeln!(file, "{}", Entry::HEAD).map_err(|error| at(&error))?;
        }
        Ok((Self(file), entries))
    }

    /// Adds a line, and sees to it that it is there to stay.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), String> {
        let line = format!("{entry}\n");
        let written = self.0.write_all(line.as_bytes());
        let kept = written.and_then(|()| self.0.sync_data());
        kept.map_err(|error| format!("the ledger cannot be written: {error}"))
    }
}

fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
        .map(|(number, line)| line.parse().map_err(|why| format!("line {number}: {why}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(first: u64, last: u64) -> String {
        let entry = Entry {
            version: "a".into(),
            first,
            last,
            ..Entry::default()
        };
        format!("{entry}\n")
    }

    #[test]
    fn remarks_are_none_of_its_lines_and_a_bad_line_is_named() {
        let text = format!("# said\n\n{}", line(1, 2));
        assert_eq!(entries(&text).map(|entries| entries.len()), Ok(1));
        let text = format!("{}nonsense\n{}", line(1, 2), line(3, 4));
        assert_eq!(entries(&text), Err("line 2: there is no first".into()));
    }
}
