//! What a worker's processors got: how late, and whether anything is missing or out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use shardkeeper::{Batch, Progress, Record, RecordProcessor, ShardContext};

use crate::stopwatch::wall_clock;

/// Everything that came. A clone is another handle to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Came>>);

/// What came so far.
#[derive(Debug, Default)]
pub(crate) struct Came {
    /// How late each record was, and which of its shard it was: 0 for the first.
    pub(crate) late: Vec<Late>,
    items: BTreeMap<String, Item>,
    pub(crate) out_of_order: usize,
    pub(crate) again: usize,
}

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) shard: String,
    pub(crate) nth: usize,
    pub(crate) by: Duration,
    /// When it came, on the wall's clock.
    pub(crate) at: Duration,
}

/// The numbers of an item begin with 1 and have no gaps.
#[derive(Debug, Default)]
struct Item {
    last: u64,
    missing: BTreeSet<u64>,
}

impl Arrivals {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Came> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A processor that notes what it gets.
    pub(crate) fn processor(&self) -> Note {
        Note {
            arrivals: self.clone(),
            nth: 0,
        }
    }
}

impl Came {
    fn take(&mut self, key: &str, number: u64) {
        let item = self.items.entry(key.to_owned()).or_default();
        if number > item.last {
            item.missing.extend(item.last + 1..number);
            item.last = number;
        } else if item.missing.remove(&number) {
            self.out_of_order += 1;
        } else {
            self.again += 1;
        }
    }

    /// How many records of what was written have not come: the last number of each item.
    pub(crate) fn lost(&self, written: &BTreeMap<String, u64>) -> u64 {
        let lost = written.iter().map(|(key, last)| match self.items.get(key) {
            Some(item) => last.saturating_sub(item.last) + item.missing.len() as u64,
            None => *last,
        });
        lost.sum()
    }
}

/// Notes what it gets.
#[derive(Debug)]
pub(crate) struct Note {
    arrivals: Arrivals,
    nth: usize,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    number: Number<'a>,
    #[serde(borrow)]
    written: Number<'a>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(rename = "S")]
    text: &'a str,
}

/// A number attribute of an item.
#[derive(Deserialize)]
pub(crate) struct Number<'a> {
    #[serde(rename = "N")]
    pub(crate) digits: &'a str,
}

impl RecordProcessor for Note {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, Infallible> {
        let now = wall_clock();
        let mut came = self.arrivals.lock();
        for record in &batch {
            // What the search for keys wrote has number 0.
            if let Some((key, number, written)) = read(record).filter(|read| read.1 > 0) {
                came.take(key, number);
                came.late.push(Late {
                    shard: cx.shard_id().to_string(),
                    nth: self.nth,
                    by: now.saturating_sub(written),
                    at: now,
                });
            }
            self.nth += 1;
        }
        Ok(Progress::Done)
    }
}

fn read(record: &Record) -> Option<(&str, u64, Duration)> {
    let image: Image<'_> = serde_json::from_str(record.new_image_json()?).ok()?;
    let number = image.number.digits.parse().ok()?;
    let written = Duration::from_nanos(image.written.digits.parse().ok()?);
    Some((image.id.text, number, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_late_or_there_twice_is_told_apart() {
        let mut came = Came::default();
        for number in [1, 2, 4, 3, 4, 6] {
            came.take("a", number);
        }
        assert_eq!((came.out_of_order, came.again), (1, 1));
        let written = [("a".to_owned(), 7), ("b".to_owned(), 2)];
        assert_eq!(came.lost(&written.into()), 1 + 1 + 2, "5, 7, and both of b");
    }
}
