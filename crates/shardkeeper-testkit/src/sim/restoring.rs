//! The lease table is restored from an older copy under the workers that live, and a person who goes by the book lets them
//! go on.

use std::collections::{BTreeMap, BTreeSet};

use shardkeeper_core::lease::Lease;
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::row::{Row, RowKey};

use super::chaos::Fault;
use super::fleet::Seat;
use super::ground::{BIRTH, MINUTE, SECOND, Time};
use super::oracle::{Author, Fact};
use super::world::World;

/// The oldest copy.
const OLDEST_COPY: Time = 10 * MINUTE;
/// No copy is put in place when the world is about to heal: whoever slept must have time to see it.
const BEFORE_THE_END: Time = 8 * MINUTE;
/// A copy is restored under another name: who wants it under the old one deletes the table first, and it is gone until the
/// copy is there. Often that is longer than any worker believes in itself.
const LONGEST_GONE: Time = 3 * MINUTE;
/// A person comes by then.
const LATEST_HELP: Time = 5 * MINUTE;
/// And looks after it so often until everything is over: one who slept may see only then that rows fell.
const ROUND: Time = 15 * SECOND;

impl World {
    /// Takes a copy of the lease table, which is put in place of it after a while.
    pub(super) fn copy_table(&mut self) {
        let copy = self.table.rows.clone();
        let group = copy.get(&group_key()).and_then(GroupRow::parse);
        // A copy that says itself that the application is stopped would be resumed at its own floor, whatever was given
        // out since: docs/OPERATIONS.md says not to put that one back.
        let whole = group.is_some_and(|group| group.stopped.is_none());
        if whole && !self.weather.lease_table_missing {
            let (made, age) = (self.now, self.long(OLDEST_COPY));
            self.after(age, move |world| world.set_back(made, copy));
        }
    }

    /// Puts a copy in place of the table: at once, or the table is gone first.
    fn set_back(&mut self, made: Time, copy: BTreeMap<RowKey, Row>) {
        let gone = if self.dice.bool() {
            self.long(LONGEST_GONE)
        } else {
            0
        };
        if !self.may_be_set_back_after(gone) || self.weather.lease_table_missing {
            return;
        }
        self.struck(Fault::LeaseTableGone, None, gone);
        if gone == 0 {
            return self.put_back(made, copy);
        }
        self.weather.lease_table_missing = true;
        self.after(gone, move |world| {
            world.weather.lease_table_missing = false;
            if world.may_be_set_back_after(0) {
                world.put_back(made, copy);
            }
        });
    }

    fn may_be_set_back_after(&self, wait: Time) -> bool {
        let late = self.now + wait + BEFORE_THE_END >= BIRTH + self.scenario.trouble;
        // Whoever comes new cannot know of what was.
        let mut well = self.well().into_iter();
        let witnessed = well.any(|seat| self.fleet.seats[seat].incarnation.is_some());
        witnessed && !late && !self.healing
    }

    fn put_back(&mut self, made: Time, copy: BTreeMap<RowKey, Row>) {
        let fell = self.whose_beats_fall(made, &copy);
        self.happened(Fact::Restored { fell });
        let before = self.all_leases();
        self.table.rows = copy;
        self.compare_leases(before);
        let help = self.long(LATEST_HELP);
        self.after(help, World::look_after_the_group);
    }

    /// Workers that have beaten since the copy was made, and have heard of it: who has not goes on from what the row shows.
    fn whose_beats_fall(&self, made: Time, copy: &BTreeMap<RowKey, Row>) -> BTreeSet<usize> {
        let beaten = |seat: &Seat| {
            if !seat.beats.has_heard_since(made) {
                return Some(false);
            }
            let name = seat.incarnation.as_ref()?;
            let key = self
                .table
                .rows
                .keys()
                .find(|key| key.as_str().ends_with(name))?;
            Some(copy.get(key)? != self.table.rows.get(key)?)
        };
        let seats = self.fleet.seats.iter().enumerate();
        seats
            .filter(|(_, seat)| beaten(seat).unwrap_or(false))
            .map(|(number, _)| number)
            .collect()
    }

    fn look_after_the_group(&mut self) {
        self.resume_if_stopped();
        self.after(ROUND, World::look_after_the_group);
    }

    /// What `shardkeeper leases --resume` does, when the application is stopped: all workers are ended first, every lease
    /// is raised above the floor, and the stop is taken back.
    pub(super) fn resume_if_stopped(&mut self) {
        if self.weather.lease_table_missing {
            return;
        }
        let group = self.table.rows.get(&group_key()).and_then(GroupRow::parse);
        let Some((why, floor)) = group.and_then(|group| Some((group.stopped?, group.epoch_floor)))
        else {
            return;
        };
        for seat in 0..self.fleet.seats.len() {
            self.crash(seat);
            let pause = self.dice.u64(SECOND..5 * SECOND);
            self.after(pause, move |world| world.launch(seat));
        }
        let before = self.all_leases();
        for lease in before.iter().flatten() {
            if lease.epoch <= floor {
                self.table.write(&[lease.raise(floor, "by hand")]);
            }
        }
        self.table.write(&[GroupRow::resume(&why)]);
        self.compare_leases(before);
        self.happened(Fact::Resumed);
    }

    fn all_leases(&self) -> Vec<Option<Lease>> {
        let shards = 0..self.streams.shards.len();
        shards.map(|shard| self.lease_of(shard)).collect()
    }

    fn compare_leases(&mut self, before: Vec<Option<Lease>>) {
        for (shard, before) in before.into_iter().enumerate() {
            let after = self.lease_of(shard);
            self.lease_changed(shard, before, after, Author::Restorer);
        }
    }
}
