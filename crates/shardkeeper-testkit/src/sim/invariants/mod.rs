//! The judges: one invariant per file, each with a message that says what is wrong.
//!
//! A judge sees every fact together with what was known *before* it, so that it can say at the very step at
//! which something goes wrong.

mod l01_recovery;
mod l02_children_follow;
mod l02_somebody_lists;
mod l03_no_starvation;
mod l04_take_over;
mod l05_shutdown_ends;
mod l06_no_lease_is_stuck;
mod l07_budgets;
mod l07_readers;
mod l08_memory;
mod l09_calls_stay_bounded;
mod l09_pauses_spread;
mod l10_progress;
mod s01_no_loss;
mod s02_no_silent_loss;
mod s03_in_order_within_a_shard;
mod s04_in_order_for_an_item;
mod s05_one_writer;
mod s06_checkpoints_never_move_left;
mod s07_checkpoints_never_run_ahead;
mod s08_an_end_is_certain;
mod s09_the_family_tree_stays_whole;
mod s10_few_duplicates;
mod s11_nothing_after_the_loss_of_a_lease;
mod s12_ambiguity_is_resolved;
mod s13_checkpoints_belong_to_a_stream;
mod s14_numbers_are_numbers;
mod s15_trouble_stays_its_own;
mod s16_no_item_data;
#[cfg(test)]
mod tests;

pub(crate) use self::s01_no_loss::first_unread;
pub(crate) use self::s09_the_family_tree_stays_whole::is_covered;
use super::calm::Glance;
use super::ground::{SECOND, Time};
use super::oracle::{Fact, Ledger, Scene, ShardLog};
use super::scenario::Beginning;
use super::world::ShardNo;
use super::world::shards::{Shard, number_of};
use shardkeeper_core::checkpoint::Checkpoint;

/// The longest pause between two attempts at anything, and the calls around it.
pub(crate) const SLACK: Time = 45 * SECOND;
/// What a fetch sets aside before its page is there.
const BUDGET_OF_ONE_PAGE: u64 = 1024 * 1024;

/// What a judge says, and of which shard.
pub(crate) type Verdict = (Option<ShardNo>, String);

/// Judges one invariant.
pub(crate) trait Judge: Send {
    /// The number of the invariant.
    fn name(&self) -> &'static str;

    /// Looks at a fact and at what was known before it; says what is wrong.
    fn see(&mut self, _: &Scene<'_>, _: &Ledger, _: &Fact) -> Option<String> {
        None
    }

    /// Looks at the world as it stands, from time to time.
    fn look(&mut self, _: &Scene<'_>, _: &Ledger, _: &Glance) -> Option<Verdict> {
        None
    }
}

/// Every judge, for one world.
pub(crate) fn all() -> Vec<Box<dyn Judge>> {
    vec![
        Box::new(s01_no_loss::NoLoss),
        Box::new(s02_no_silent_loss::NoSilentLoss),
        Box::new(s03_in_order_within_a_shard::InOrderWithinAShard::default()),
        Box::new(s04_in_order_for_an_item::InOrderForAnItem),
        Box::new(s05_one_writer::OneWriter::default()),
        Box::new(s06_checkpoints_never_move_left::NeverLeft),
        Box::new(s07_checkpoints_never_run_ahead::NeverAhead),
        Box::new(s08_an_end_is_certain::EndIsCertain::default()),
        Box::new(s09_the_family_tree_stays_whole::TreeStaysWhole::default()),
        Box::new(s10_few_duplicates::FewDuplicates),
        Box::new(s11_nothing_after_the_loss_of_a_lease::NothingAfterLoss),
        Box::new(s12_ambiguity_is_resolved::AmbiguityIsResolved::default()),
        Box::new(s13_checkpoints_belong_to_a_stream::BelongToAStream),
        Box::new(s14_numbers_are_numbers::NumbersAreNumbers),
        Box::new(s15_trouble_stays_its_own::TroubleStaysItsOwn),
        Box::new(s16_no_item_data::NoItemData),
        Box::new(l01_recovery::Recovery::default()),
        Box::new(l02_children_follow::ChildrenFollow::default()),
        Box::new(l02_somebody_lists::SomebodyLists::default()),
        Box::new(l03_no_starvation::NoStarvation),
        Box::new(l04_take_over::TakeOver::default()),
        Box::new(l05_shutdown_ends::ShutdownEnds::default()),
        Box::new(l06_no_lease_is_stuck::NoLeaseIsStuck::default()),
        Box::new(l07_budgets::Budgets::default()),
        Box::new(l07_readers::Readers::default()),
        Box::new(l08_memory::Memory),
        Box::new(l09_calls_stay_bounded::CallsStayBounded::default()),
        Box::new(l09_pauses_spread::PausesSpread::default()),
        Box::new(l10_progress::Progress),
    ]
}

/// The first record that a reader which goes on at this checkpoint may get.
pub(crate) fn place_after(shard: &Shard, checkpoint: &Checkpoint) -> usize {
    match checkpoint {
        Checkpoint::After(number) => shard.after(number_of(*number)),
        Checkpoint::ShardEnd => shard.records.len(),
        _ => 0,
    }
}

/// True when a checkpoint may pass this record: it was acknowledged, or it is not the application's to read, or
/// its loss was told or could not be noticed.
pub(crate) fn may_be_passed(
    scene: &Scene<'_>,
    shard: &Shard,
    log: &ShardLog,
    place: usize,
) -> bool {
    let mark = log.mark(place);
    mark.is_settled()
        || log.rest_lost
        || before_the_start(scene, shard, log, place)
        // Nothing before it was ever acknowledged, or a person took the position away, so nobody could know that it
        // had been there, but for who was given it.
        || (place < shard.trimmed
            && (log.is_unknown(place)
                || !(log.could_know_of(place) || log.is_with_the_owner(place))))
}

/// True when the record is older than where the application began. A later stream may have such records, too: the table
/// was switched before the first worker came.
pub(crate) fn before_the_start(
    scene: &Scene<'_>,
    shard: &Shard,
    log: &ShardLog,
    place: usize,
) -> bool {
    let change = &shard.records[place];
    if change.number <= log.read_before {
        return true;
    }
    let latest = scene.scenario.beginning == Beginning::Latest;
    // By the times that are told, for nobody knows others.
    latest && scene.started_at.is_none_or(|start| change.newest < start)
}
