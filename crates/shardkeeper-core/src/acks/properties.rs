//! Several batches are out at once, and acknowledgements and drops come in any order.

use super::*;
use crate::ids::ShardId;
use crate::record::Record;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Step {
    /// A position of any batch, given out or not.
    Acknowledge {
        batch: usize,
        position: u64,
    },
    Abandon {
        batch: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => (0usize..4, 0u64..40).prop_map(|(batch, position)| Step::Acknowledge { batch, position }),
        1 => (0usize..4).prop_map(|batch| Step::Abandon { batch }),
    ]
}

fn at(position: u64) -> SequenceNumber {
    SequenceNumber::from_service(&position.to_string()).unwrap()
}

/// Positions with gaps: the service counts as it likes.
fn given_out(sizes: &[usize]) -> Vec<Vec<u64>> {
    let mut next = 0;
    let mut positions = |size: &usize| {
        (0..*size)
            .map(|n| {
                next += 1 + (n as u64 % 3);
                next
            })
            .collect()
    };
    sizes.iter().map(&mut positions).collect()
}

fn batch(positions: &[u64]) -> Batch {
    let record = |position: &u64| {
        let json = format!(r#"{{"dynamodb":{{"SequenceNumber":"{position}","SizeBytes":10}}}}"#);
        Record::from_json(json).unwrap()
    };
    Batch::new(
        ShardId::from_service("s"),
        positions.iter().map(record).collect::<Vec<_>>(),
    )
}

/// The positions before the first that is missing.
fn prefix<'a>(all: &'a [u64], done: &BTreeSet<u64>) -> &'a [u64] {
    let length = all
        .iter()
        .take_while(|position| done.contains(position))
        .count();
    &all[..length]
}

proptest! {
    #[test]
    fn s7_each_of_several_batches_tells_its_own_contiguous_prefix_whatever_is_acknowledged_or_dropped(
        sizes in prop::collection::vec(1usize..7, 4), steps in prop::collection::vec(step(), 0..120)
    ) {
        let given = given_out(&sizes);
        let mut tables: Vec<Acks> = given.iter().map(|positions| Acks::new(&batch(positions))).collect();
        let mut done = vec![BTreeSet::new(); 4];
        let mut dropped = [false; 4];
        for step in steps {
            match step {
                Step::Acknowledge { batch, position } => {
                    let is_new = given[batch].contains(&position) && done[batch].insert(position);
                    prop_assert_eq!(tables[batch].acknowledge(at(position)), is_new);
                }
                Step::Abandon { batch } => {
                    dropped[batch] |= done[batch].len() < given[batch].len();
                    tables[batch].abandon();
                }
            }
            for ((table, given), (done, dropped)) in tables.iter().zip(&given).zip(done.iter().zip(dropped)) {
                let settled = done.len() == given.len();
                prop_assert_eq!(table.frontier(), prefix(given, done).last().copied().map(at));
                prop_assert_eq!(table.is_settled(), settled);
                prop_assert_eq!(table.is_abandoned(), dropped);
                prop_assert_eq!(table.bytes(), if settled { 0 } else { 10 * given.len() as u64 });
            }
        }
    }
}
