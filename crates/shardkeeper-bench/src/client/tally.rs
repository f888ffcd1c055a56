//! Counts records and knows when to look at the clocks.

use std::time::Duration;

use super::Sample;
use crate::Outcome;
use crate::stopwatch::Moment;

/// The stopwatch runs from the receipt of the first page to the end of the last one's processing. So it
/// covers the processing of every page and the fetching, decoding and dropping of all but one, in
/// whatever order a client does them.
#[derive(Debug)]
pub(super) struct Tally {
    expected: u64,
    seen: u64,
    first_page: u64,
    start: Option<Moment>,
    fetches: Vec<Duration>,
}

impl Tally {
    pub(super) fn of(expected: u64) -> Self {
        Self {
            expected,
            seen: 0,
            first_page: 0,
            start: None,
            fetches: Vec::new(),
        }
    }

    /// A page was received.
    pub(super) fn page(&mut self, records: usize) -> Outcome<()> {
        if records == 0 {
            let (seen, expected) = (self.seen, self.expected);
            return Err(format!("the backlog ended after {seen} of {expected} records").into());
        }
        let records = u64::try_from(records)?;
        self.seen += records;
        if self.start.is_none() {
            self.first_page = records;
            self.start = Some(Moment::now());
        }
        Ok(())
    }

    /// A fetch of a page took so long. The first one also connects, and does not count.
    pub(super) fn fetched(&mut self, took: Duration) {
        if self.start.is_some() {
            self.fetches.push(took);
        }
    }

    /// The sample, once the last page is processed.
    pub(super) fn complete(&mut self) -> Option<Sample> {
        let start = self.start.filter(|_| self.seen >= self.expected)?;
        let span = start.until_now();
        self.fetches.sort();
        Some(Sample {
            records: self.seen - self.first_page,
            cpu: span.cpu,
            wall: span.wall,
            fetch: self.fetches.get(self.fetches.len() / 2).copied(),
            page_bytes: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_starts_the_clock_and_is_not_counted() {
        let mut tally = Tally::of(2500);
        tally.fetched(Duration::from_secs(9));
        for page in [1000, 1000] {
            tally.page(page).unwrap();
            tally.fetched(Duration::from_millis(3));
            assert!(tally.complete().is_none());
        }
        tally.page(500).unwrap();
        let sample = tally.complete().unwrap();
        assert_eq!(sample.records, 1500);
        assert_eq!(sample.fetch, Some(Duration::from_millis(3)));
    }

    #[test]
    fn a_page_without_records_is_an_error_and_not_an_endless_loop() {
        let error = Tally::of(1000).page(0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the backlog ended after 0 of 1000 records"
        );
    }
}
