//! Judges that no planted mistake makes object, and that every judge is shown to.

use std::collections::BTreeSet;

use super::*;
use crate::sim::world::shards::{CANARY, sequence_number};

impl Stagecraft {
    /// The position behind a record.
    fn behind(&self, shard: usize, place: usize) -> Checkpoint {
        let number = self.streams.shards[shard].records[place].number;
        Checkpoint::After(sequence_number(number).expect("a number"))
    }

    fn dispatches(&mut self, shard: usize, places: &[usize]) {
        self.happens(Fact::Dispatched(Dispatch {
            seat: 0,
            worker: "w0".into(),
            shard,
            epoch: EPOCH,
            places: places.iter().copied().map(Some).collect(),
        }));
    }
}

#[test]
fn every_judge_is_shown_to_object_by_a_planted_mistake_or_here() {
    let plants = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SIMULATION.md");
    let plants = std::fs::read_to_string(plants).expect("the table of plants");
    let tests = [include_str!("../tests.rs"), include_str!("shown.rs")].concat();
    let judges: BTreeSet<&str> = super::super::all()
        .iter()
        .map(|judge| judge.name())
        .collect();
    for judge in judges {
        let caught = plants.contains(&format!("| {judge} |"));
        let shown = tests.contains(&format!("fn {}_", judge.to_lowercase()));
        assert!(caught || shown, "nobody has seen {judge} object");
    }
}

#[test]
fn s1_a_record_that_nobody_can_reach_any_more_is_lost() {
    for (acked, said) in [(6, 0), (5, 1)] {
        let mut stage = Stagecraft::set();
        stage.returns(0, (0..acked).collect());
        let behind = stage.behind(0, 5);
        stage.leases_at(0, behind, None);
        stage.looks(&Glance::default());
        let told = stage.said_by("S1");
        assert_eq!(told.len(), said, "{told:?}");
        assert!(
            told.iter()
                .all(|told| told.starts_with("shard 0: record 5 ("))
        );
    }
}

#[test]
fn s1_what_can_still_be_read_is_not_lost() {
    let mut stage = Stagecraft::set();
    stage.leases(0, None);
    stage.looks(&Glance::default());
    assert!(stage.said_by("S1").is_empty());
}

#[test]
fn s5_only_the_owner_moves_the_position() {
    let owner = WorkerId::new("w0", 1);
    for (by, said) in [(0, 0), (1, 1)] {
        let mut stage = Stagecraft::set();
        stage.leases(0, Some(&owner));
        stage.returns(0, vec![0]);
        let before = stage.lease(0, Checkpoint::TrimHorizon, Some(&owner));
        let after = stage.lease(0, stage.behind(0, 0), Some(&owner));
        stage.changes(0, Some(before), Some(after), Author::Worker(by));
        assert_eq!(stage.said_by("S5").len(), said, "w{by}");
    }
}

#[test]
fn s5_whoever_asks_for_a_lease_does_not_write_under_the_epoch_of_its_owner() {
    let owner = WorkerId::new("w0", 1);
    let mut stage = Stagecraft::set();
    stage.leases(0, Some(&owner));
    let before = stage.lease(0, Checkpoint::TrimHorizon, Some(&owner));
    let mut after = before.clone();
    after.next_owner = Some(WorkerId::new("w1", 1));
    stage.changes(0, Some(before), Some(after.clone()), Author::Worker(1));
    assert!(stage.said_by("S5").is_empty());
    let asked = after.clone();
    after.owner = None;
    stage.changes(0, Some(asked), Some(after), Author::Worker(1));
    let said = stage.said_by("S5");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("shard 0: w1 writes under epoch 3 of the lease, which is w0#"));
}

#[test]
fn s8_children_that_are_named_have_leases_with_the_next_fact() {
    let owner = WorkerId::new("w0", 1);
    for (born, named, said) in [(true, true, 0), (false, true, 1), (false, false, 1)] {
        let mut stage = Stagecraft::set();
        stage.scenario.faults.clear();
        let mut dice = fastrand::Rng::with_seed(2);
        let child = stage.streams.roll(0, 1, BIRTH, &mut dice)[0];
        let end = Fact::EndAccepted {
            seat: 0,
            shard: 0,
            epoch: EPOCH,
        };
        stage.happens(end);
        let before = stage.lease(0, Checkpoint::TrimHorizon, Some(&owner));
        let mut after = stage.lease(0, Checkpoint::ShardEnd, None);
        if named {
            after
                .children
                .insert(stage.streams.shards[child].id.clone());
        }
        stage.changes(0, Some(before), Some(after), Author::Worker(0));
        if born {
            stage.leases(child, Some(&owner));
        }
        stage.happens(Fact::Healed);
        let told = stage.said_by("S8");
        assert_eq!(told.len(), said, "{told:?}");
    }
}

#[test]
fn s9_what_is_listed_and_has_no_lease_is_told_of_in_time() {
    let mut stage = Stagecraft::set();
    stage.leases(0, None);
    stage.looks(&calm(Stage::Healing));
    stage.waits(10 * MINUTE);
    stage.looks(&calm(Stage::RolledOver));
    assert!(stage.said_by("S9").is_empty());
    stage.waits(1);
    stage.looks(&calm(Stage::RolledOver));
    assert_eq!(
        stage.said_by("S9"),
        ["shard 1 is listed and nobody covers it for 600001 ms"]
    );
}

#[test]
fn s13_a_position_of_another_shard_is_no_place_to_go_on() {
    for (shard, said) in [(0, 0), (1, 1)] {
        let mut stage = Stagecraft::set();
        let at = stage.streams.shards[0].records[3].number;
        stage.happens(Fact::Opened { shard, at });
        assert_eq!(stage.said_by("S13").len(), said);
    }
}

#[test]
fn s14_a_batch_is_in_the_order_of_its_shard() {
    for (places, said) in [([0, 1], 0), ([1, 0], 1), ([1, 1], 1)] {
        let mut stage = Stagecraft::set();
        stage.dispatches(0, &places);
        assert_eq!(stage.said_by("S14").len(), said);
    }
}

#[test]
fn s16_an_event_that_shows_an_item_is_told_of() {
    for (error, said) in [
        ("as the seed wants".to_owned(), 0),
        (format!("{CANARY}-1"), 1),
    ] {
        let mut stage = Stagecraft::set();
        stage.scenario.seed = 8;
        stage.fails(Duration::from_secs(1), Some(error));
        assert_eq!(stage.said_by("S16").len(), said);
    }
}

#[test]
fn l9_two_pauses_of_one_length_are_no_accident_but_for_a_copy_of_a_machine() {
    for (copy, said) in [(false, 1), (true, 0)] {
        let mut stage = Stagecraft::set();
        stage.fails(Duration::from_millis(1_234), None);
        stage.happens(launched(0, copy));
        stage.fails(Duration::from_millis(1_234), None);
        assert_eq!(stage.said_by("L9").len(), said);
    }
}

impl Stagecraft {
    fn fails(&mut self, retry_in: Duration, error: Option<String>) {
        let failed = Event::BatchFailed {
            stream: self.streams.streams[0].arn.clone(),
            shard: self.streams.shards[0].id.clone(),
            attempt: 1,
            retry_in,
            error,
        };
        self.says(Some(0), failed);
    }
}

#[test]
fn s2_a_parent_is_gone_only_when_the_service_does_not_show_it() {
    for (vanished, said) in [(true, 0), (false, 1)] {
        let mut stage = Stagecraft::set();
        let mut dice = fastrand::Rng::with_seed(2);
        let child = stage.streams.roll(0, 1, BIRTH, &mut dice)[0];
        stage.oracle.ledger.log_mut(child);
        stage.streams.shards[0].vanished = vanished;
        stage.loses(LossCause::ParentVanished);
        assert_eq!(stage.said_by("S2").len(), said);
    }
}

impl Stagecraft {
    /// Everything from the start of shard 0 on is told as lost.
    fn loses(&mut self, why: LossCause) {
        let loss = DataLoss {
            stream: self.streams.streams[0].arn.clone(),
            shard: self.streams.shards[0].id.clone(),
            from: Checkpoint::TrimHorizon,
            to: None,
            why,
            noticed: None,
        };
        self.says(Some(0), Event::DataLost(loss));
    }

    fn trims(&mut self, to: usize) {
        let from = std::mem::replace(&mut self.streams.shards[0].trimmed, to);
        self.happens(Fact::Trimmed { shard: 0, from, to });
    }
}

#[test]
fn l8_a_page_behind_a_gap_is_read_again_when_the_gap_was_told() {
    for (why, said) in [(LossCause::Trimmed, 0), (LossCause::Undecodable, 1)] {
        let mut stage = Stagecraft::set();
        (0..2).for_each(|place| stage.page(0, place, KIB));
        stage.loses(why);
        stage.page(0, 0, KIB);
        assert_eq!(stage.said_by("L8").len(), said);
    }
}

#[test]
fn s2_a_start_knows_only_of_what_was_given_out_since() {
    for (given, said) in [(2, 0), (3, 1)] {
        let mut stage = Stagecraft::set();
        stage.leases(0, Some(&WorkerId::new("w0", 1)));
        stage.dispatches(0, &[given]);
        stage.trims(3);
        stage.loses(LossCause::Trimmed);
        assert_eq!(stage.said_by("S2").len(), said);
    }
}

#[test]
fn s2_a_gap_is_told_again_only_when_more_is_gone() {
    for (gone, said) in [(4, 0), (3, 1)] {
        let mut stage = Stagecraft::set();
        stage.leases(0, Some(&WorkerId::new("w0", 1)));
        stage.dispatches(0, &[2]);
        stage.trims(3);
        stage.loses(LossCause::Trimmed);
        stage.dispatches(0, &[3]);
        stage.trims(gone);
        stage.loses(LossCause::Trimmed);
        assert_eq!(stage.said_by("S2").len(), said);
    }
}

#[test]
fn s7_what_was_given_out_and_is_gone_may_not_be_passed_though_the_start_is_unknown() {
    for (given, said) in [(1, 0), (0, 1)] {
        let mut stage = Stagecraft::set();
        let owner = WorkerId::new("w0", 1);
        stage.leases(0, Some(&owner));
        let before = stage.lease(0, Checkpoint::TrimHorizon, Some(&owner));
        stage.dispatches(0, &[given]);
        stage.trims(1);
        stage.returns(0, vec![1]);
        let after = stage.lease(0, stage.behind(0, 1), Some(&owner));
        stage.changes(0, Some(before), Some(after), Author::Worker(0));
        assert_eq!(stage.said_by("S7").len(), said);
    }
}

#[test]
fn s4_a_child_may_not_overtake_what_a_parent_that_is_gone_has_in_hand() {
    for (leased_in_time, said) in [(false, 0), (true, 1)] {
        let mut stage = Stagecraft::set();
        let mut dice = fastrand::Rng::with_seed(2);
        let child = stage.streams.roll(0, 1, BIRTH, &mut dice)[0];
        stage.streams.write(child, 0, Coming::at(BIRTH));
        stage.oracle.ledger.log_mut(child);
        stage.streams.shards[0].vanished = !leased_in_time;
        stage.leases(0, Some(&WorkerId::new("w0", 1)));
        stage.streams.shards[0].vanished = true;
        stage.dispatches(child, &[0]);
        assert_eq!(stage.said_by("S4").len(), said);
    }
}

#[test]
fn s11_a_person_who_changed_a_row_excuses_its_owner_until_that_is_seen() {
    let seen_by = (180 + 30) * SECOND + SLACK;
    for (later, said) in [(seen_by - 1, 0), (seen_by, 1)] {
        let mut stage = Stagecraft::set();
        stage.leases(0, Some(&WorkerId::new("w0", 1)));
        let before = stage.lease(0, Checkpoint::TrimHorizon, Some(&WorkerId::new("w0", 1)));
        let after = stage.lease(
            0,
            Checkpoint::TrimHorizon,
            Some(&WorkerId::new("nobody", 1)),
        );
        stage.changes(0, Some(before), Some(after), Author::Operator);
        stage.waits(later);
        stage.begins(0, 0);
        assert_eq!(stage.said_by("S11").len(), said);
    }
}

#[test]
fn s3_what_was_trimmed_is_unknown_until_a_position_is_stored_again() {
    let mut stage = Stagecraft::set();
    stage.leases(0, None);
    let row = stage.lease(0, Checkpoint::TrimHorizon, None);
    stage.changes(0, Some(row.clone()), None, Author::Operator);
    stage.changes(0, None, Some(row.clone()), Author::Worker(0));
    stage.returns(0, vec![0]);
    stage.streams.shards[0].trimmed = 3;
    stage.dispatches(0, &[3]);
    assert_eq!(stage.said_by("S3"), [""; 0], "nobody could know of 1 and 2");
    stage.returns(0, vec![3]);
    let stored = stage.lease(0, stage.behind(0, 3), None);
    stage.changes(0, Some(row), Some(stored), Author::Worker(0));
    stage.streams.shards[0].trimmed = 6;
    stage.dispatches(0, &[6]);
    assert_eq!(
        stage.said_by("S3"),
        ["shard 0: record 6 was delivered under epoch 3 before record 4"]
    );
}

#[test]
fn s3_what_was_given_comes_again_only_when_it_failed() {
    for (how, said) in [("failed", 0), (DONE, 1)] {
        let mut stage = Stagecraft::set();
        stage.leases(0, None);
        stage.dispatches(0, &[0, 1]);
        stage.happens(Fact::Returned {
            seat: 0,
            shard: 0,
            epoch: EPOCH,
            acked: Vec::new(),
            how,
        });
        (0..3).for_each(|place| stage.dispatches(0, &[place]));
        assert_eq!(stage.said_by("S3").len(), said, "{how}");
    }
}

#[test]
fn s10_nothing_comes_twice_where_nothing_is_wrong() {
    for (faults, said) in [(false, 1), (true, 0)] {
        let mut stage = Stagecraft::set();
        stage.calm = false;
        if !faults {
            stage.scenario.faults.clear();
        }
        stage.leases(0, None);
        (0..2).for_each(|_| stage.dispatches(0, &[0]));
        assert_eq!(stage.said_by("S10").len(), said);
    }
}

#[test]
fn l7_a_shard_has_one_reader_and_two_while_it_changes_hands() {
    for (later, said) in [(14 * SECOND, 0), (15 * SECOND, 1)] {
        let mut stage = Stagecraft::set();
        stage.waits(later);
        (0..2).for_each(|seat| stage.happens(Fact::Polled { seat, shard: 0 }));
        assert_eq!(stage.said_by("L7").len(), said);
    }
}

#[test]
fn l7_the_streams_are_listed_five_times_a_second() {
    let mut stage = Stagecraft::set();
    for count in 1..8 {
        let op = Op::ListStreams;
        stage.happens(Fact::Called { seat: 0, op });
        assert_eq!(stage.said_by("L7").len(), usize::from(count > 6));
    }
}
