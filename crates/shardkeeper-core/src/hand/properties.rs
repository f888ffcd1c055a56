//! One batch in hand, worked off by any processor: a record is done once, in order, and none is passed over.

use super::*;
use crate::ids::ShardId;
use crate::record::Record;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Up to a position, which may be before, inside or behind the delivery.
    Acknowledge(u64),
    AcknowledgeAll,
    Failed,
    Skip,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..60).prop_map(Step::Acknowledge),
        1 => Just(Step::AcknowledgeAll),
        1 => Just(Step::Failed),
        3 => Just(Step::Skip),
    ]
}

fn at(position: u64) -> SequenceNumber {
    SequenceNumber::from_service(&position.to_string()).unwrap()
}

fn batch(count: u64) -> Batch {
    let record =
        |n| Record::from_json(format!(r#"{{"dynamodb":{{"SequenceNumber":"{n}"}}}}"#)).unwrap();
    Batch::new(
        ShardId::from_service("s"),
        (1..=count).map(record).collect::<Vec<_>>(),
    )
}

fn positions(batch: &Batch) -> Vec<SequenceNumber> {
    batch.iter().map(Record::sequence_number).collect()
}

proptest! {
    #[test]
    fn s1_s3_any_sequence_of_failures_skips_and_parts_works_off_every_record_once_and_in_order(
        count in 1u64..=50, steps in prop::collection::vec(step(), 1..200)
    ) {
        let mut hand = Hand::new(batch(count), Duration::ZERO).unwrap();
        // The model: how many of the batch are done.
        let mut done = 0u64;
        for (now, step) in (1u64..).zip(steps) {
            let (now, before) = (Duration::from_secs(now), hand.clone());
            let delivery = positions(&hand.delivery());
            let last = done + delivery.len() as u64;
            prop_assert!(!delivery.is_empty());
            prop_assert_eq!(&delivery, &(done + 1..=last).map(at).collect::<Vec<_>>(), "what is next, without a gap");
            let (outcome, through) = match step {
                Step::Acknowledge(to) => (hand.acknowledge(Some(at(to)), now), to.min(last)),
                Step::AcknowledgeAll => (hand.acknowledge(None, now), last),
                Step::Skip if delivery.len() == 1 => (hand.skip(now), last),
                Step::Skip => {
                    prop_assert_eq!(hand.skip(now), None);
                    prop_assert!(hand.delivery().len() < delivery.len(), "a smaller part");
                    continue;
                }
                Step::Failed => {
                    hand.failed();
                    prop_assert_eq!((hand.attempt(), hand.since()), (before.attempt() + 1, before.since()));
                    continue;
                }
            };
            if through <= done {
                prop_assert_eq!(outcome, None, "no progress");
                continue;
            }
            let expected = Acknowledged { through: at(through), records: (through - done) as usize, rest: through < count };
            prop_assert_eq!(outcome, Some(expected));
            prop_assert!(through == count || (hand.attempt(), hand.since()) == (1, now));
            done = through;
            if done == count {
                break;
            }
        }
    }
}
