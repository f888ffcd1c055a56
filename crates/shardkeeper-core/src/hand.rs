//! The batch in hand: what is delivered next of it, and how one bad record is found among good ones.
//!
//! A batch is delivered whole. After a failure that is to be skipped it is halved: the half that
//! succeeds is acknowledged, the half that fails is halved again, until one record is left.

use std::time::Duration;

use crate::ids::SequenceNumber;
use crate::planted;
use crate::record::Batch;

/// A batch that is being worked off.
#[derive(Debug, Clone)]
pub struct Hand {
    /// What is not acknowledged yet.
    rest: Batch,
    /// How many records of `rest` are delivered next.
    window: usize,
    /// How many records of `rest` are known to contain the one that fails; 0 when none is.
    suspect: usize,
    attempt: u32,
    since: Duration,
}

/// What an acknowledgement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Everything up to here is acknowledged.
    pub through: SequenceNumber,
    /// How many records that were.
    pub records: usize,
    /// True when records of the batch are left.
    pub rest: bool,
}

impl Hand {
    /// Takes a batch in hand; `None` when it is empty.
    pub fn new(batch: Batch, now: Duration) -> Option<Self> {
        let window = batch.len();
        (window > 0).then_some(Self {
            rest: batch,
            window,
            suspect: 0,
            attempt: 1,
            since: now,
        })
    }

    /// What to deliver now.
    pub fn delivery(&self) -> Batch {
        self.rest.slice(0..self.window)
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the first attempt of what is in hand began.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// The processor acknowledged what was delivered, up to `through` or all of it. `None` when that
    /// is no progress: then it counts as a failure.
    pub fn acknowledge(
        &mut self,
        through: Option<SequenceNumber>,
        now: Duration,
    ) -> Option<Acknowledged> {
        let delivered = self.delivery();
        let last = delivered.last()?;
        let through = through.filter(|_| !planted!(PartIsWhole));
        let through = through.map_or(last, |position| position.min(last));
        let rest = self.rest.after(through);
        let records = self.rest.len() - rest.len();
        if records == 0 {
            return None;
        }
        self.suspect = self.suspect.saturating_sub(records);
        self.advance(rest, now);
        Some(Acknowledged {
            through,
            records,
            rest: !self.rest.is_empty(),
        })
    }

    /// The delivery failed and is to be tried again as it is.
    pub fn failed(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The delivery failed and its bad record is to be skipped. `Some` is that record, which counts as
    /// acknowledged from now on; `None` means that a smaller part is to be delivered.
    pub fn skip(&mut self, now: Duration) -> Option<Acknowledged> {
        self.suspect = self.window;
        if self.window > 1 && !planted!(SkipsTheBatch) {
            self.window = self.suspect / 2;
            return None;
        }
        let through = if planted!(SkipsTheBatch) {
            self.delivery().last()?
        } else {
            self.rest.first()?
        };
        self.suspect = 0;
        let rest = self.rest.after(through);
        self.advance(rest, now);
        Some(Acknowledged {
            through,
            records: 1,
            rest: !self.rest.is_empty(),
        })
    }

    fn advance(&mut self, rest: Batch, now: Duration) {
        self.rest = rest;
        self.window = match self.suspect {
            0 => self.rest.len(),
            suspect => (suspect / 2).max(1),
        };
        self.attempt = 1;
        self.since = now;
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShardId;
    use crate::record::Record;
    use proptest::prelude::*;

    fn batch(count: u64) -> Batch {
        let record = |n: u64| {
            let json = format!(r#"{{"dynamodb":{{"SequenceNumber":"{}"}}}}"#, n + 1);
            Record::from_json(json).unwrap()
        };
        Batch::new(
            ShardId::from_service("s"),
            (0..count).map(record).collect::<Vec<_>>(),
        )
    }

    fn number(record: &Record) -> u64 {
        record.sequence_number().to_string().parse().unwrap()
    }

    #[test]
    fn a_position_before_the_batch_is_no_progress() {
        let mut hand = Hand::new(batch(3), Duration::ZERO).unwrap();
        let before = SequenceNumber::from_service("0").unwrap();
        assert_eq!(hand.acknowledge(Some(before), Duration::ZERO), None);
        assert_eq!(hand.delivery().len(), 3);
    }

    #[test]
    fn a_position_behind_the_delivery_counts_as_all_of_it() {
        let mut hand = Hand::new(batch(3), Duration::ZERO).unwrap();
        let behind = SequenceNumber::from_service("99").unwrap();
        let done = hand.acknowledge(Some(behind), Duration::ZERO).unwrap();
        assert_eq!((number(&batch(3).records()[2]), done.rest), (3, false));
        assert_eq!(done.through.to_string(), "3");
    }

    #[test]
    fn what_is_left_is_delivered_again() {
        let mut hand = Hand::new(batch(5), Duration::ZERO).unwrap();
        let second = SequenceNumber::from_service("2").unwrap();
        let done = hand.acknowledge(Some(second), Duration::ZERO).unwrap();
        assert!(done.rest);
        assert_eq!(
            hand.delivery().iter().map(number).collect::<Vec<_>>(),
            [3, 4, 5]
        );
    }

    proptest! {
        /// Each bad record is skipped, each good one is acknowledged, in order, in few deliveries.
        #[test]
        fn exactly_the_bad_records_are_skipped(bad in proptest::collection::btree_set(1u64..=64, 0..4), count in 1u64..=64) {
            let mut hand = Hand::new(batch(count), Duration::ZERO);
            let (mut good, mut skipped, mut deliveries) = (Vec::new(), Vec::new(), 0);
            while let Some(held) = hand.as_mut() {
                deliveries += 1;
                prop_assert!(deliveries <= 64, "it does not end");
                let delivery: Vec<u64> = held.delivery().iter().map(number).collect();
                prop_assert!(!delivery.is_empty());
                let outcome = if delivery.iter().any(|n| bad.contains(n)) {
                    let skip = held.skip(Duration::ZERO);
                    skipped.extend(skip.map(|skip| skip.through.to_string().parse::<u64>().unwrap()));
                    skip
                } else {
                    good.extend(delivery);
                    held.acknowledge(None, Duration::ZERO)
                };
                if outcome.is_some_and(|done| !done.rest) {
                    hand = None;
                }
            }
            let present: Vec<u64> = bad.iter().copied().filter(|n| *n <= count).collect();
            prop_assert_eq!(skipped, present.clone());
            prop_assert_eq!(good, (1..=count).filter(|n| !present.contains(n)).collect::<Vec<_>>());
        }
    }
}
