//! One line of the ledger: a range of seeds, and what became of it.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};

/// What nobody found.
const NOTHING: &str = "-";

/// A range of seeds that was run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The version of the code.
    pub(super) version: String,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Virtual hours in which a worker was at work.
    pub(super) hours: u64,
    pub(super) records: u64,
    pub(super) faults: u64,
    pub(super) violations: u64,
    /// Of the stories of all seeds.
    pub(super) hash: u64,
    pub(super) cores: u64,
    /// Virtual time over real time, for each core.
    pub(super) speed: u64,
    /// Seeds that found something, and the judges that objected.
    pub(super) found: Vec<String>,
}

impl Entry {
    /// The names of the columns, above them.
    pub(super) const HEAD: &'static str = "# version        first       last   hours    records      faults  violations              hash  cores  speed  found";
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.found.is_empty() {
            NOTHING.to_owned()
        } else {
            self.found.join(",")
        };
        write!(
            f,
            "{:<12} {:>9}  {:>9}  {:>6}  {:>9}  {:>10}  {:>10}  {:016x}  {:>5}  {:>5}  {found}",
            self.version,
            self.first,
            self.last,
            self.hours,
            self.records,
            self.faults,
            self.violations,
            self.hash,
            self.cores,
            self.speed,
        )
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let version = word(&mut words, "version")?.to_owned();
        let mut number = |name| {
            let word = word(&mut words, name)?;
            word.parse::<u64>()
                .map_err(|_| format!("{name} is no number: {word}"))
        };
        let [first, last] = [number("first")?, number("last")?];
        let [hours, records, faults] = [number("hours")?, number("records")?, number("faults")?];
        let violations = number("violations")?;
        let hash = word(&mut words, "hash")?;
        let hash = u64::from_str_radix(hash, 16).map_err(|_| format!("no hash: {hash}"))?;
        let mut number = |name| {
            let word = word(&mut words, name)?;
            word.parse::<u64>()
                .map_err(|_| format!("{name} is no number: {word}"))
        };
        let [cores, speed] = [number("cores")?, number("speed")?];
        let found = word(&mut words, "found")?;
        if last < first {
            return Err(format!("{first} to {last} is no range"));
        }
        Ok(Self {
            version,
            first,
            last,
            hours,
            records,
            faults,
            violations,
            hash,
            cores,
            speed,
            found: if found == NOTHING {
                Vec::new()
            } else {
                found.split(',').map(ToOwned::to_owned).collect()
            },
        })
    }
}

fn word<'a>(words: &mut SplitWhitespace<'a>, name: &str) -> Result<&'a str, String> {
    words.next().ok_or_else(|| format!("there is no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            version: "0123456789".into(),
            first: 2001,
            last: 2200,
            hours: 209,
            records: 58_823,
            faults: 283_375,
            violations: 2,
            hash: 0xab,
            cores: 2,
            speed: 4_321,
            found: vec!["2010:S5".into(), "2117:L1".into()],
        }
    }

    #[test]
    fn a_line_says_what_was_written_into_it() {
        for found in [entry().found, Vec::new()] {
            let entry = Entry { found, ..entry() };
            assert_eq!(entry.to_string().parse(), Ok(entry));
        }
    }

    #[test]
    fn columns_stand_below_their_names() {
        let (head, line) = (Entry::HEAD, entry().to_string());
        for (name, ends) in [("first", "2001"), ("faults", "283375"), ("speed", "4321")] {
            let column = |text: &str, word: &str| text.find(word).map(|at| at + word.len());
            assert_eq!(column(head, name), column(&line, ends), "{name}");
        }
    }

    #[test]
    fn a_line_that_was_cut_short_is_none() {
        let line = Entry {
            found: Vec::new(),
            ..entry()
        };
        let line = line.to_string();
        for end in 0..line.len() {
            assert!(line[..end].parse::<Entry>().is_err(), "{:?}", &line[..end]);
        }
    }
}
