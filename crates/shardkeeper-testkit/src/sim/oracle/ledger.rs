//! What is known of every shard: what was delivered, acknowledged, stored, lost, and who owned it when.

use std::collections::BTreeMap;
use std::ops::Range;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::{DataLoss, Event, LossCause};
use shardkeeper_core::ids::SequenceNumber;
use shardkeeper_core::lease::Lease;

use super::Scene;
use super::fact::{Author, Dispatch, Fact};
use super::holdings::Holdings;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::invariants::{SLACK, before_the_start, place_after};
use crate::sim::world::ShardNo;
use crate::sim::world::shards::{Shard, number_of};

/// Everything that happened, by shard.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) shards: Vec<ShardLog>,
    /// What is in the hands of the workers.
    pub(crate) holdings: Holdings,
    /// Records whose first delivery was later than that of a later change, by item: the latest first delivery.
    pub(crate) latest: BTreeMap<(usize, u32), u128>,
}

/// What happened to one shard.
#[derive(Default)]
pub(crate) struct ShardLog {
    marks: Vec<Mark>,
    /// The row as it is.
    pub(crate) lease: Option<Lease>,
    /// By epoch.
    pub(crate) reigns: BTreeMap<u64, Reign>,
    /// Under which epoch each seat last took the lease up.
    held: BTreeMap<usize, u64>,
    /// It had a lease while the service still knew it, so that records of it may be in somebody's hand.
    pub(crate) leased_in_time: bool,
    /// The end was stored once.
    pub(crate) finished: Option<Time>,
    /// The processor accepted the end once.
    pub(crate) end_accepted: bool,
    /// A person has changed the row: until then, workers may not have seen that, which is nobody's fault.
    edited_until: Time,
    /// The row was restored from an older copy: until then tokens may be used again. That is over when the application is
    /// resumed, or the epoch is above all that were ever given and workers have seen that.
    set_back_until: Time,
    /// A person took the row away, or the copy had none, or none with a position: nobody knows what was read, until a position
    /// is stored again.
    pub(crate) forgotten: bool,
    /// Of what was trimmed before this place nobody could know.
    unknown_before: usize,
    /// The application had read up to here before the world began.
    pub(crate) read_before: u128,
    /// A loss of the whole rest was told.
    pub(crate) rest_lost: bool,
    /// A loss was told whose end is not known: it reaches to the next record that is given out.
    gap_is_open: bool,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) delivered: bool,
    /// The latest epoch under which it was.
    pub(crate) delivered_under: Option<u64>,
    pub(crate) acked: bool,
    /// The latest epoch under which it was.
    pub(crate) acked_under: Option<u64>,
    /// By the owner of the moment, or a position behind it was stored since: whoever goes on knows of it.
    known: bool,
    /// The processor had it skipped.
    pub(crate) skipped: bool,
    /// Its loss was told.
    pub(crate) told: bool,
    /// It was trimmed before anybody acknowledged it.
    pub(crate) lost: bool,
}

impl Mark {
    /// A checkpoint may pass it.
    pub(crate) fn is_settled(self) -> bool {
        self.acked || self.skipped || self.told
    }
}

/// One owner's time under one epoch.
#[derive(Debug, Clone)]
pub(crate) struct Reign {
    pub(crate) owner: Option<String>,
    /// The checkpoint with which it began.
    pub(crate) from: Checkpoint,
    /// Behind the furthest record that was delivered.
    pub(crate) reached: Option<usize>,
    losses: Vec<Told>,
    /// Acknowledgements were dropped: what follows comes again.
    pub(crate) dropped: bool,
}

/// A loss that was told: behind which position, why, and for which child where a parent was lost.
type Told = (Checkpoint, LossCause, Option<SequenceNumber>);

impl Reign {
    pub(crate) fn has_told(&self, loss: &DataLoss) -> bool {
        self.losses.contains(&told(loss))
    }
}

impl ShardLog {
    pub(crate) fn mark(&self, place: usize) -> Mark {
        self.marks.get(place).copied().unwrap_or_default()
    }

    pub(crate) fn mark_mut(&mut self, place: usize) -> &mut Mark {
        if self.marks.len() <= place {
            self.marks.resize(place + 1, Mark::default());
        }
        &mut self.marks[place]
    }

    /// What happened under the epoch that a seat took up last.
    pub(crate) fn reign_of(&self, seat: usize) -> Option<&Reign> {
        self.reigns.get(self.held.get(&seat)?)
    }

    fn reign_of_mut(&mut self, seat: usize) -> Option<&mut Reign> {
        self.reigns.get_mut(self.held.get(&seat)?)
    }

    /// Nobody can know of it: it never had a lease, or the copy that was put in place of the table has none.
    pub(crate) fn is_unheard_of(&self) -> bool {
        self.reigns.is_empty() || (self.forgotten && self.lease.is_none())
    }

    /// None of its records was ever delivered.
    pub(crate) fn has_given_nothing(&self) -> bool {
        self.reigns.values().all(|reign| reign.reached.is_none())
    }

    /// A person has changed the row, and not everybody need have seen that.
    pub(crate) fn is_edited(&self, now: Time) -> bool {
        now < self.edited_until
    }

    /// The row is of an older copy, and tokens may be used again.
    pub(crate) fn is_set_back(&self, now: Time) -> bool {
        now < self.set_back_until
    }

    /// Somebody took the position away with which it could be known that this record was there.
    pub(crate) fn is_unknown(&self, place: usize) -> bool {
        self.forgotten || place < self.unknown_before
    }

    /// Whoever reads on can know that something was there: something before it was acknowledged, or was told. Who begins at a
    /// start knows nothing of what its predecessor told.
    pub(crate) fn could_know_of(&self, place: usize) -> bool {
        let reign = self.lease.as_ref().map(|lease| lease.epoch);
        let reign = reign.and_then(|epoch| self.reigns.get(&epoch));
        let anew = reign.is_some_and(|reign| reign.from.is_start());
        self.is_known_before(place, !anew)
    }

    /// The owner of the moment was given it, and so knows of it.
    pub(crate) fn is_with_the_owner(&self, place: usize) -> bool {
        let owned = self.lease.as_ref().map(|lease| lease.epoch);
        owned.is_some() && self.mark(place).delivered_under == owned
    }

    /// Something before this place was given to who took the lease up last on this seat, or to somebody later.
    pub(crate) fn gave_of(&self, seat: usize, before: usize) -> bool {
        let since = self.held.get(&seat).copied();
        let mut marks = self.marks.iter().take(before);
        since.is_some() && marks.any(|mark| mark.delivered_under >= since && !mark.told)
    }

    /// A record that no stored checkpoint has passed is gone: the gap before it may be told again. Also when it was
    /// acknowledged out of order, which nobody can tell from a position.
    fn grow_gaps(&mut self, truth: &Shard, place: usize) {
        let passed = |lease: &Lease| place_after(truth, &lease.checkpoint) > place;
        if self.lease.as_ref().is_some_and(passed) {
            return;
        }
        for reign in self.reigns.values_mut() {
            reign.losses.retain(|(from, why, _)| {
                *why != LossCause::Trimmed || place_after(truth, from) > place
            });
        }
    }

    /// It has a lease, or had one to its end.
    pub(crate) fn was_leased(&self) -> bool {
        self.lease.is_some() || self.finished.is_some()
    }

    /// Something before this place was acknowledged, as far as whoever goes on can know.
    pub(crate) fn begun_before(&self, place: usize) -> bool {
        self.is_known_before(place, true)
    }

    fn is_known_before(&self, place: usize, told_counts: bool) -> bool {
        let known = |mark: &Mark| mark.known || mark.skipped || (mark.told && told_counts);
        self.read_before > 0 || self.marks.iter().take(place).any(known)
    }
}

impl Ledger {
    pub(crate) fn log(&self, shard: ShardNo) -> &ShardLog {
        &self.shards[shard]
    }

    pub(crate) fn log_mut(&mut self, shard: ShardNo) -> &mut ShardLog {
        while self.shards.len() <= shard {
            self.shards.push(ShardLog::default());
        }
        &mut self.shards[shard]
    }

    /// True when nothing took the lineage of a shard apart: no shard of it went before it was leased.
    pub(crate) fn has_intact_lineage(&self, scene: &Scene<'_>, shard: ShardNo) -> bool {
        let parent = |shard: &ShardNo| scene.streams.shards[*shard].parent;
        let mut lineage = std::iter::successors(Some(shard), parent);
        lineage.all(|ancestor| {
            let leased = self.shards.get(ancestor).is_some_and(ShardLog::was_leased);
            leased || !scene.streams.shards[ancestor].is_gone(scene.now)
        })
    }

    /// Writes down what happened.
    pub(super) fn take_in(&mut self, scene: &Scene<'_>, fact: &Fact) {
        self.holdings.take_in(scene.now, fact);
        match fact {
            Fact::LeaseChanged {
                shard, after, by, ..
            } => {
                self.lease_changed(scene, *shard, after.as_deref(), *by);
            }
            Fact::Dispatched(dispatch) => self.dispatched(scene, dispatch),
            Fact::Returned {
                seat,
                shard,
                acked,
                epoch,
                ..
            } => {
                let log = self.log_mut(*shard);
                let owned = log.lease.as_ref().map(|lease| lease.epoch) == Some(*epoch);
                for place in acked {
                    let mark = log.mark_mut(*place);
                    mark.acked = true;
                    mark.known |= owned;
                    mark.acked_under = mark.acked_under.max(Some(*epoch));
                }
                self.put_down(scene, (*seat, *shard));
            }
            Fact::Resumed => self
                .shards
                .iter_mut()
                .for_each(|log| log.set_back_until = 0),
            Fact::EndAccepted { shard, .. } => self.log_mut(*shard).end_accepted = true,
            Fact::Trimmed { shard, from, to } => {
                let truth = &scene.streams.shards[*shard];
                let log = self.log_mut(*shard);
                for place in *from..*to {
                    let in_the_gap = log.gap_is_open;
                    let mark = log.mark_mut(place);
                    mark.told |= in_the_gap;
                    mark.lost |= !mark.is_settled();
                    if !mark.told {
                        log.grow_gaps(truth, place);
                    }
                }
            }
            Fact::Said {
                shard: Some(shard),
                seat,
                event,
            } => self.said(scene, (*seat, *shard), event),
            _ => {}
        }
    }

    fn dispatched(&mut self, scene: &Scene<'_>, dispatch: &Dispatch) {
        let Dispatch {
            shard,
            epoch,
            places,
            ..
        } = dispatch;
        let truth = &scene.streams.shards[*shard];
        let intact = self.has_intact_lineage(scene, *shard);
        let log = &mut self.shards[*shard];
        log.gap_is_open = false;
        for place in places.iter().flatten() {
            let change = &truth.records[*place];
            let mark = log.mark_mut(*place);
            mark.delivered_under = mark.delivered_under.max(Some(*epoch));
            if !std::mem::replace(&mut mark.delivered, true) && intact {
                let latest = self.latest.entry((truth.stream, change.item)).or_default();
                *latest = change.number.max(*latest);
            }
        }
        if let (Some(reign), Some(last)) =
            (log.reigns.get_mut(epoch), places.iter().flatten().last())
        {
            reign.reached = reign.reached.max(Some(last + 1));
        }
    }

    /// A worker puts down the pages of a shard in which everything is processed.
    fn put_down(&mut self, scene: &Scene<'_>, (seat, shard): (usize, ShardNo)) {
        let (truth, log) = (&scene.streams.shards[shard], &self.shards[shard]);
        let done = |epoch, place| {
            let mark = log.mark(place);
            let acked = mark.acked_under.is_some_and(|under| under >= epoch);
            let nobody_s = truth.records[place].record.is_none();
            acked
                || mark.skipped
                || mark.told
                || nobody_s
                || before_the_start(scene, truth, log, place)
        };
        self.holdings.settle((seat, shard), scene.now, done);
    }

    fn said(&mut self, scene: &Scene<'_>, (seat, shard): (usize, ShardNo), event: &Event) {
        let truth = &scene.streams.shards[shard];
        let log = self.log_mut(shard);
        match event {
            Event::RecordSkipped {
                sequence_number, ..
            } => {
                if let Some(place) = truth.place_of(number_of(*sequence_number)) {
                    log.mark_mut(place).skipped = true;
                }
                self.put_down(scene, (seat, shard));
            }
            Event::LeaseAcquired { epoch, .. } => {
                log.held.insert(seat, *epoch);
            }
            Event::DeferralDropped { .. } => {
                if let Some(reign) = log.reign_of_mut(seat) {
                    reign.dropped = true;
                }
            }
            Event::DataLost(loss) => {
                if let Some(reign) = log.reign_of_mut(seat) {
                    reign.losses.push(told(loss));
                }
                self.lost(scene, shard, loss);
            }
            _ => {}
        }
    }
}

impl Ledger {
    /// A row is another one now.
    fn lease_changed(
        &mut self,
        scene: &Scene<'_>,
        shard: ShardNo,
        after: Option<&Lease>,
        by: Author,
    ) {
        let truth = &scene.streams.shards[shard];
        let seen_by = scene.now + seen_within(scene);
        let log = self.log_mut(shard);
        match by {
            Author::Worker(_) => {
                if let Some(lease) = after.filter(|lease| !lease.checkpoint.is_start())
                    && std::mem::take(&mut log.forgotten)
                {
                    let behind = place_after(truth, &lease.checkpoint);
                    log.unknown_before = log.unknown_before.max(behind);
                }
                if log.forgotten && log.lease.is_none() {
                    // Tokens may be used again of which nobody who lives knows: what was done under them says nothing.
                    let marks = log.marks.iter_mut();
                    marks.for_each(|mark| (mark.acked_under, mark.delivered_under) = (None, None));
                }
                let highest = log.reigns.keys().next_back();
                if after.is_some_and(|lease| Some(&lease.epoch) > highest) {
                    log.set_back_until = log.set_back_until.min(seen_by);
                }
            }
            Author::Operator => {
                log.edited_until = seen_by;
                log.forgotten |= after.is_none();
            }
            Author::Restorer => {
                log.set_back_until = Time::MAX;
                log.forgotten |= after.is_none_or(|lease| lease.checkpoint.is_start());
            }
        }
        log.leased_in_time |= after.is_some() && !truth.is_gone(scene.now);
        log.lease_changed(scene.now, after);
    }

    /// A loss was told.
    fn lost(&mut self, scene: &Scene<'_>, shard: ShardNo, loss: &DataLoss) {
        let truth = &scene.streams.shards[shard];
        let log = self.log_mut(shard);
        let begins = match loss.from {
            Checkpoint::After(number) => truth.after(number_of(number)),
            _ => 0,
        };
        // Behind a whole shard that is lost the next record is one of its child.
        let places = match (loss.why, loss.to) {
            // It was read from a start, and what is undecodable before that is nobody's.
            (LossCause::Undecodable, _) => undecodable_from(scene, (truth, log), begins),
            (_, Some(to)) => begins..truth.after(number_of(to).saturating_sub(1)),
            (LossCause::Trimmed, None) => {
                log.gap_is_open = true;
                begins..truth.trimmed
            }
            _ => {
                log.rest_lost = true;
                begins..truth.records.len()
            }
        };
        for place in places {
            log.mark_mut(place).told = true;
        }
    }
}

/// What makes a loss another one.
fn told(loss: &DataLoss) -> Told {
    let by_child = loss.why == LossCause::ParentVanished;
    (loss.from, loss.why, loss.to.filter(|_| by_child))
}

/// What somebody else did to a row is seen by the next sweep of the whole table, and a lease duration later by those who have
/// to be asked, or found dead, first.
fn seen_within(scene: &Scene<'_>) -> Time {
    let settings = &scene.scenario.settings;
    millis(settings.sweep_interval) + 3 * millis(settings.lease_duration) + SLACK
}

/// The next records that cannot be decoded.
fn undecodable_from(
    scene: &Scene<'_>,
    (shard, log): (&Shard, &ShardLog),
    begins: usize,
) -> Range<usize> {
    let bad = |place: &usize| shard.records[*place].record.is_none();
    // What was told when it was trimmed is not on a page any more.
    let gone = |place: usize| place < shard.trimmed && log.mark(place).told;
    let ours = |place: &usize| !gone(*place) && !before_the_start(scene, shard, log, *place);
    let first = (begins..shard.records.len()).find(|place| bad(place) && ours(place));
    let first = first.unwrap_or(begins);
    first..first + (first..shard.records.len()).take_while(bad).count()
}

impl ShardLog {
    /// Its row was there before the world began.
    pub(crate) fn remembered(&mut self, now: Time, lease: Option<Lease>) {
        self.leased_in_time = lease.is_some();
        self.lease_changed(now, lease.as_ref());
    }

    fn lease_changed(&mut self, now: Time, after: Option<&Lease>) {
        let epoch_before = self.lease.as_ref().map(|lease| lease.epoch);
        self.lease = after.cloned();
        let Some(lease) = after else {
            return;
        };
        if lease.is_finished() {
            self.finished.get_or_insert(now);
        }
        if epoch_before != Some(lease.epoch) || !self.reigns.contains_key(&lease.epoch) {
            let reign = Reign {
                owner: lease.owner.as_ref().map(ToString::to_string),
                from: lease.checkpoint,
                reached: None,
                losses: Vec::new(),
                dropped: false,
            };
            self.reigns.insert(lease.epoch, reign);
            if lease.checkpoint.is_start() {
                // What another owner had done and not stored died with it.
                self.marks.iter_mut().for_each(|mark| mark.known = false);
            }
        }
    }
}
