//! Acknowledgements in any order: what was given out, what came back, and how far the contiguous prefix goes.

use std::collections::VecDeque;

use crate::ids::SequenceNumber;
use crate::planted;
use crate::record::Batch;

/// The records of one batch that are acknowledged one by one, in any order.
#[derive(Debug, Clone)]
pub struct Acks {
    /// In order; true when acknowledged. The front is the first that is not.
    open: VecDeque<(SequenceNumber, bool)>,
    frontier: Option<SequenceNumber>,
    abandoned: bool,
    bytes: u64,
}

impl Acks {
    /// Everything in the batch is given out.
    pub fn new(batch: &Batch) -> Self {
        Self {
            open: batch
                .iter()
                .map(|record| (record.sequence_number(), false))
                .collect(),
            frontier: None,
            abandoned: false,
            bytes: batch.iter().map(crate::record::Record::size_bytes).sum(),
        }
    }

    /// Acknowledges one record. False when it was not given out, or was acknowledged before.
    pub fn acknowledge(&mut self, sequence_number: SequenceNumber) -> bool {
        let Ok(index) = self
            .open
            .binary_search_by_key(&sequence_number, |(position, _)| *position)
        else {
            return false;
        };
        let fresh = self
            .open
            .get_mut(index)
            .is_some_and(|(_, done)| !std::mem::replace(done, true));
        if planted!(CheckpointRunsAhead) {
            self.frontier = self.frontier.max(Some(sequence_number));
        }
        while let Some((position, true)) = self.open.front() {
            self.frontier = Some(*position);
            self.open.pop_front();
        }
        fresh
    }

    /// Nobody will acknowledge what is still out.
    pub fn abandon(&mut self) {
        if planted!(AbandonedIsDone) {
            let last = self.open.back().map(|(position, _)| *position);
            self.frontier = last.or(self.frontier);
            self.open.clear();
        }
        self.abandoned |= !self.open.is_empty();
    }

    /// Everything up to here is acknowledged; `None` when the first record is not.
    pub fn frontier(&self) -> Option<SequenceNumber> {
        self.frontier
    }

    /// The oldest record that is not acknowledged.
    pub fn oldest(&self) -> Option<SequenceNumber> {
        self.open.front().map(|(position, _)| *position)
    }

    /// True when everything is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// True when something is out that nobody will acknowledge.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// The size of the batch, as the service counts it; 0 when it is settled.
    pub fn bytes(&self) -> u64 {
        if self.is_settled() { 0 } else { self.bytes }
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

    fn batch(count: usize) -> Batch {
        let record = |n: usize| {
            let json = format!(
                r#"{{"dynamodb":{{"SequenceNumber":"{}","SizeBytes":10}}}}"#,
                n + 1
            );
            Record::from_json(json).unwrap()
        };
        Batch::new(
            ShardId::from_service("s"),
            (0..count).map(record).collect::<Vec<_>>(),
        )
    }

    fn position(n: usize) -> SequenceNumber {
        SequenceNumber::from_service(&(n + 1).to_string()).unwrap()
    }

    proptest! {
        /// S7: the frontier is never beyond a record that is not acknowledged, and it ends at the last one.
        #[test]
        fn s7_the_frontier_is_the_contiguous_prefix(order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle()) {
            let mut acks = Acks::new(&batch(20));
            let mut done = [false; 20];
            for n in order {
                prop_assert!(acks.acknowledge(position(n)));
                done[n] = true;
                let prefix = done.iter().take_while(|done| **done).count();
                prop_assert_eq!(acks.frontier(), prefix.checked_sub(1).map(position));
            }
            prop_assert!(acks.is_settled());
            prop_assert_eq!(acks.bytes(), 0);
        }
    }

    #[test]
    fn a_record_is_acknowledged_once_and_a_foreign_one_never() {
        let mut acks = Acks::new(&batch(3));
        assert!(acks.acknowledge(position(1)));
        assert!(!acks.acknowledge(position(1)));
        assert!(!acks.acknowledge(position(7)));
        assert_eq!((acks.frontier(), acks.bytes()), (None, 30));
    }

    #[test]
    fn abandoning_a_settled_batch_is_nothing() {
        let mut acks = Acks::new(&batch(1));
        acks.acknowledge(position(0));
        acks.abandon();
        assert!(!acks.is_abandoned());
    }
}
