//! The model is not blind: each answer of the protocol, taken away, is missed by it.
//!
//! One mistake per test, in the smallest scenario that shows it. What the protocol as it is does in the same scenarios,
//! `cargo xtask model` walks through to the end.

use std::num::NonZeroUsize;

use shardkeeper_model::{Budget, Plant, Scenario, Story, check};

/// The scenario of this name, where this may go wrong.
fn scenario(name: &str, budget: Budget) -> Scenario {
    let scenario = Scenario::named(name).expect("the scenario is there");
    Scenario { budget, ..scenario }
}

fn is_found(scenario: &Scenario, plant: Plant, rules: &[&str]) {
    let checked = check(scenario, Some(plant), None);
    let name = scenario.name;
    let found = checked
        .found
        .unwrap_or_else(|| panic!("{plant:?} was not found in {name}"));
    println!("{plant:?} in {name}: {} states", checked.states);
    println!("{}", Story(&found));
    let expected = rules.iter().any(|rule| found.rule.starts_with(rule));
    assert!(expected, "{plant:?} broke {}", found.rule);
}

/// A test for each mistake: the scenario, what may go wrong in it, and the rules of which one breaks.
macro_rules! found {
    ($($name:ident: $plant:ident in $scenario:literal { $($fault:ident: $times:literal),* } breaks $($rule:literal)|+;)*) => {
        $(#[test]
        fn $name() {
            let budget = Budget { $($fault: $times,)* ..Budget::default() };
            is_found(&scenario($scenario, budget), Plant::$plant, &[$($rule),+]);
        })*
    };
}

found! {
    hole_1_a_verdict_from_an_old_answer: CachedVerdict in "old-answers" { slow_reads: 1 } breaks "S5 two";
    hole_2_a_request_that_is_enforced: Force in "hand-off" { asks: 1 } breaks "S5 two";
    hole_3_a_bump_that_is_lost_before_the_force: ForceAfterLostBump in "hand-off" { asks: 1 } breaks "S5 two";
    hole_4_an_absent_row_frees_at_once: AbsentIsOver in "vanished-row" { vanishing: 1 } breaks "S5 two";
    hole_5_a_request_before_the_takes_answer_and_force: ForceUnheardTake in "free" { asks: 1, lost: 1 } breaks "S5 two";
    hole_6_belief_counted_from_the_answer: BelieveFromAnswer in "take-over" { slow_beats: 1 } breaks "S5 two";
    hole_7_a_late_take_that_nobody_adopts: NoAdoption in "free" { late: 1 } breaks "L6";
    hole_8_ownership_by_write_id_under_force: ForceMineByWriteId in "hand-off" { asks: 1, late: 1 } breaks "L6" | "S5 two";
    hole_9_a_request_that_stamps_the_row: RequestStamps in "hand-off" { asks: 1, lost: 1 } breaks "an owner is hindered";
    hole_10_an_end_that_creates_what_exists: EndCreatesAll in "split-early-child" {} breaks "L6";
    hole_11_a_finished_parent_that_covers: FinishedParentCovers in "split-late-child" { shows: 1 } breaks "L6";
    hole_12_an_old_request_under_force: ForceOldRequest in "hand-off" { asks: 1 } breaks "S5 two";
    hole_13_the_observers_own_duration: OwnDuration in "mixed-durations" {} breaks "S5 two";
    hole_14_a_beat_without_a_condition: BeatUpserts in "take-over" { late: 1 } breaks "S11";
    hole_16_a_start_at_the_checkpoint_that_was_read: StartFromRead in "old-answers" { slow_reads: 1, late: 1 } breaks "S10";
    hole_17_a_discoverer_without_a_term: NoTerm in "forgetting" { trims: 1, slow_reads: 1 } breaks "S9";
    hole_18_epochs_that_begin_again: NoFloor in "flapping" { trims: 1, flaps: 1 } breaks "S5 every";
    hole_19_beats_without_a_keeper: BeatsWithoutKeeper in "hung-keeper" { hangs: 1, asks: 1 } breaks "L6";
    hole_20_left_at_the_deadline: LeftAtDeadline in "leaving" { leaves: 1 } breaks "S5 two";
    a_failed_condition_taken_as_lost: RefusedIsLost in "lost-answers" { late: 1 } breaks "S12";
    a_failed_condition_taken_as_success: RefusedIsDone in "hand-off" { asks: 1 } breaks "S12";
    an_unanswered_write_taken_as_done: UnansweredIsDone in "lost-answers" { late: 1 } breaks "S12";
    a_checkpoint_on_the_owner_alone: CheckpointByOwnerAlone in "there-and-back" { asks: 2, late: 1 } breaks "S11" | "S6";
    an_absent_parent_taken_as_finished: AbsentParentIsFinished in "first-listing" {} breaks "S4";
    a_take_that_leaves_the_epoch: TakeWithoutEpoch in "free" {} breaks "S5 every";
    a_delete_without_a_condition: DeleteUnconditional in "flapping" { trims: 1, flaps: 1, late: 1 } breaks "S9";
    a_lapsed_worker_that_goes_on: DemotedResumes in "take-over" { slow_beats: 1 } breaks "S5 two" | "L6";
}

/// The version of a lease rises with its epoch, so a condition on the epoch beside one on the version refuses nothing more.
#[test]
fn a_checkpoint_without_the_epoch_alone_is_as_good() {
    let budget = Budget {
        asks: 1,
        late: 1,
        ..Budget::default()
    };
    let checked = check(
        &scenario("mixed-durations", budget),
        Some(Plant::CheckpointWithoutEpoch),
        None,
    );
    assert!(
        checked.complete,
        "{:?}",
        checked.found.map(|found| found.rule)
    );
}

#[test]
fn a_walk_that_is_cut_short_does_not_call_itself_complete() {
    let walk = |most| check(&scenario("take-over", Budget::default()), None, most);
    let whole = walk(None);
    assert!(whole.complete && whole.states > 100, "{}", whole.states);
    let cut = walk(NonZeroUsize::new(whole.states / 2));
    assert!(!cut.complete && cut.states < whole.states, "{}", cut.states);
}
