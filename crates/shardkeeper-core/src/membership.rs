//! Who lives: worker rows, the group row, and the verdict on a silent worker.
//!
//! Workers beat, leases do not: a worker is alive while the `beatId` of its row changes. No clock is
//! compared with another machine's; a verdict needs a strongly consistent read that was sent a whole
//! lease duration after the same beat was first seen (G9, S5, L4).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::checkpoint::Timestamp;
use crate::ids::{StreamArn, WorkerId};
use crate::lease::Stop;
use crate::lease::column::{ENTITY, STOPPED_AT, STOPPED_BY, STOPPED_WHY};
use crate::planted;
use crate::row::{Condition, Effect, Row, RowKey, Write};

mod watch;

pub use watch::{Fate, ReadAt, Watch, neighbours};

/// `entityType` of a worker row.
pub const WORKER_ENTITY: &str = "SHARDKEEPER_WORKER";
/// `entityType` of the group row.
pub const GROUP_ENTITY: &str = "SHARDKEEPER_GROUP";
/// The version of the table's format that this code writes; a row with a higher one is refused.
pub const SCHEMA: u64 = 1;

const BEAT: &str = "beat";
const BEAT_ID: &str = "beatId";
const INBOX: &str = "inbox";
const LEASES: &str = "leases";
const STATE: &str = "state";
const HOST: &str = "host";
const LEASE_DURATION: &str = "leaseDurationMillis";
const APPLICATION: &str = "application";
const SCHEMA_COLUMN: &str = "schema";
const MEMBERS: &str = "members";
const CHANGES: &str = "changes";
const DISCOVERER: &str = "discoverer";
const TERM: &str = "term";
const EPOCH_FLOOR: &str = "epochFloor";
const STARTED_AT: &str = "startedAtMillis";
const LISTED: &str = "listedStreams";
const STARTS: &str = "tableStarts";
const ENDED: &str = "endedStreams";

/// What a worker says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// At work.
    Living,
    /// Handing its leases over; give it nothing.
    Leaving,
    /// Gone in order; what it still owns is free at once.
    Left,
}

impl WorkerState {
    fn name(self) -> &'static str {
        match self {
            Self::Living => "living",
            Self::Leaving => "leaving",
            Self::Left => "left",
        }
    }
}

/// The row of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// The incarnation.
    pub id: WorkerId,
    /// The name of its latest beat.
    pub beat_id: String,
    /// How many beats there were.
    pub beat: u64,
    /// Grows whenever somebody wants its attention.
    pub inbox: u64,
    /// How many leases it owned at its latest beat.
    pub leases: u64,
    /// What it says of itself.
    pub state: WorkerState,
    /// How long after its latest beat it believes in itself; observers wait as long.
    pub lease_duration: Duration,
}

/// The key of a worker's row.
pub fn worker_key(id: &WorkerId) -> RowKey {
    RowKey::new(format!("shardkeeper/worker/{id}"))
}

impl WorkerRow {
    /// Reads a worker row; `None` when it is not one or is damaged.
    pub fn parse(row: &Row) -> Option<Self> {
        if row.text(ENTITY) != Some(WORKER_ENTITY) {
            return None;
        }
        Some(Self {
            id: WorkerId::from_row(row.key.as_str().strip_prefix("shardkeeper/worker/")?),
            beat_id: row.text(BEAT_ID)?.to_owned(),
            beat: row.number(BEAT).unwrap_or(0),
            inbox: row.number(INBOX).unwrap_or(0),
            leases: row.number(LEASES).unwrap_or(0),
            state: match row.text(STATE)? {
                "leaving" => WorkerState::Leaving,
                "left" => WorkerState::Left,
                _ => WorkerState::Living,
            },
            lease_duration: Duration::from_millis(row.number(LEASE_DURATION)?),
        })
    }

    /// *Join*: the row of a new incarnation, acknowledged before its first take.
    pub fn join(id: &WorkerId, host: &str, lease_duration: Duration, beat_id: &str) -> Write {
        let millis = u64::try_from(lease_duration.as_millis()).unwrap_or(u64::MAX);
        let effects = vec![
            Effect::Set(ENTITY.into(), WORKER_ENTITY.into()),
            Effect::Set(SCHEMA_COLUMN.into(), SCHEMA.into()),
            Effect::Set(HOST.into(), host.into()),
            Effect::Set(LEASE_DURATION.into(), millis.into()),
            Effect::Set(STATE.into(), WorkerState::Living.name().into()),
            Effect::Set(BEAT_ID.into(), beat_id.into()),
            Effect::Set(BEAT.into(), 0.into()),
            Effect::Set(INBOX.into(), 0.into()),
            Effect::Set(LEASES.into(), 0.into()),
        ];
        Write::update(worker_key(id), vec![Condition::RowAbsent], effects)
    }

    /// *Beat*: conditional on the beat before being the worker's own, so that a clone of the same
    /// incarnation is noticed by both. Never creates a row.
    pub fn beat(
        id: &WorkerId,
        state: WorkerState,
        leases: u64,
        before: &str,
        beat_id: &str,
    ) -> Write {
        let effects = vec![
            Effect::Set(BEAT_ID.into(), beat_id.into()),
            Effect::Add(BEAT.into(), 1),
            Effect::Set(LEASES.into(), leases.into()),
            Effect::Set(STATE.into(), state.name().into()),
        ];
        Write::update(
            worker_key(id),
            vec![Condition::Equals(BEAT_ID.into(), before.into())],
            effects,
        )
    }

    /// True for the row of a worker that is not its latest, but its own as it was before the `counted` beats: only a restore
    /// does that while it is entitled. Once it has lapsed its row may have been reaped, and made again by its own late join.
    pub fn was_set_back(&self, counted: u64, entitled: bool) -> bool {
        entitled && self.beat < counted && self.state != WorkerState::Left
    }

    /// *Bump*: asks for a worker's attention. Fails when its row is gone or it has left.
    pub fn bump(id: &WorkerId) -> Write {
        let conditions = vec![
            Condition::RowExists,
            Condition::Differs(STATE.into(), WorkerState::Left.name().into()),
        ];
        Write::update(
            worker_key(id),
            conditions,
            vec![Effect::Add(INBOX.into(), 1)],
        )
    }

    /// The target of a transfer is there and not about to go.
    pub fn bump_living(id: &WorkerId) -> Write {
        let conditions = vec![Condition::Equals(
            STATE.into(),
            WorkerState::Living.name().into(),
        )];
        Write::update(
            worker_key(id),
            conditions,
            vec![Effect::Add(INBOX.into(), 1)],
        )
    }

    /// *Bury*: publishes the verdict on an incarnation that was found dead, if it still has the beat that
    /// was judged. Its own next beat is refused then, and nobody needs to wait for it a second time.
    pub fn bury(id: &WorkerId, judged: &str, by: &WorkerId) -> Write {
        let effects = vec![
            Effect::Set(BEAT_ID.into(), format!("buried by {by}").into()),
            Effect::Set(STATE.into(), WorkerState::Left.name().into()),
        ];
        Write::update(
            worker_key(id),
            vec![Condition::Equals(BEAT_ID.into(), judged.into())],
            effects,
        )
    }

    /// A check that the incarnation is alive as its row says: who enrols again was not buried meanwhile.
    pub fn check_living(id: &WorkerId) -> Write {
        let living = WorkerState::Living.name();
        let conditions = vec![Condition::Equals(STATE.into(), living.into())];
        Write::check(worker_key(id), conditions)
    }

    /// A check that the incarnation has left, was buried, or has no row. Who is struck off must be so at that moment: a
    /// copy of its machine may have joined under its name since it was judged (S5).
    pub fn check_gone(id: &WorkerId) -> Write {
        let alive = [WorkerState::Living, WorkerState::Leaving];
        let other_than = |state: WorkerState| Condition::Differs(STATE.into(), state.name().into());
        Write::check(worker_key(id), alive.map(other_than).to_vec())
    }

    /// *Reap*: removes the row of an incarnation that is dead or has left, if it still has the beat
    /// that was judged.
    pub fn reap(id: &WorkerId, beat_id: &str) -> Write {
        Write::delete(
            worker_key(id),
            vec![Condition::Equals(BEAT_ID.into(), beat_id.into())],
        )
    }
}

/// Where an application begins with a table. What comes first reads more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableStart {
    /// At the oldest records.
    Horizon,
    /// At this time on the service's clock.
    At(Timestamp),
}

impl TableStart {
    /// Tables that were begun together, and where.
    fn parse(text: &str) -> Option<(impl Iterator<Item = &str>, Self)> {
        let (tables, start) = text.rsplit_once(' ')?;
        let start = match start {
            "TRIM_HORIZON" => Self::Horizon,
            millis => Self::At(Timestamp::from_millis(millis.parse().ok()?)),
        };
        Some((tables.split(' '), start))
    }

    fn all(texts: &BTreeSet<String>) -> BTreeMap<String, Self> {
        let mut starts = BTreeMap::new();
        for (tables, start) in texts.iter().filter_map(|text| Self::parse(text)) {
            for table in tables {
                // Two that begin a table at once may differ by a moment.
                let known = starts.entry(table.to_owned()).or_insert(start);
                *known = start.min(*known);
            }
        }
        starts
    }

    fn text(self, tables: &[&str]) -> String {
        let tables = tables.join(" ");
        match self {
            Self::Horizon => format!("{tables} TRIM_HORIZON"),
            Self::At(time) => format!("{tables} {}", time.millis()),
        }
    }
}

/// The one row that all workers of an application share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// The application that the table belongs to.
    pub application: String,
    /// The format of the table.
    pub schema: u64,
    /// Every incarnation that has joined and was not struck off.
    pub members: BTreeSet<WorkerId>,
    /// Grows when members join or go, and when leases were created free: sweep.
    pub changes: u64,
    /// Who lists the stream now.
    pub discoverer: Option<WorkerId>,
    /// Grows with every change of discoverer.
    pub term: u64,
    /// No epoch at or below this one is ever given to a new lease.
    pub epoch_floor: u64,
    /// When the application was first started, on the service's clock: what `Latest` means.
    pub started_at: Option<Timestamp>,
    /// Streams whose first listing is complete: shards found later start at their oldest record.
    pub listed: BTreeSet<String>,
    /// Streams that were read by their ARN to the end: nothing will ever come of them.
    pub ended: BTreeSet<String>,
    /// Where the application begins with each table, decided once: a table's first streams may be found by several
    /// workers, and none of them may see it otherwise.
    pub starts: BTreeMap<String, TableStart>,
    /// Why no worker may go on until a person has looked (design rule 13).
    pub stopped: Option<String>,
}

/// The key of the group row.
pub fn group_key() -> RowKey {
    RowKey::new("shardkeeper/group")
}

impl GroupRow {
    /// Reads the group row; `None` when it is damaged.
    pub fn parse(row: &Row) -> Option<Self> {
        Some(Self {
            application: row.text(APPLICATION)?.to_owned(),
            schema: row.number(SCHEMA_COLUMN)?,
            members: row
                .texts(MEMBERS)
                .iter()
                .map(|id| WorkerId::from_row(id.as_str()))
                .collect(),
            changes: row.number(CHANGES).unwrap_or(0),
            discoverer: row.shared_text(DISCOVERER).map(WorkerId::from_shared),
            term: row.number(TERM).unwrap_or(0),
            epoch_floor: row.number(EPOCH_FLOOR).unwrap_or(0),
            started_at: row.number(STARTED_AT).map(Timestamp::from_millis),
            listed: row.texts(LISTED).clone(),
            ended: row.texts(ENDED).clone(),
            starts: TableStart::all(row.texts(STARTS)),
            stopped: row.text(STOPPED_WHY).map(str::to_owned),
        })
    }

    /// *Found*: marks the table as this application's, once.
    pub fn found(application: &str, started_at: Option<Timestamp>) -> Write {
        let mut effects = vec![
            Effect::Set(ENTITY.into(), GROUP_ENTITY.into()),
            Effect::Set(APPLICATION.into(), application.into()),
            Effect::Set(SCHEMA_COLUMN.into(), SCHEMA.into()),
        ];
        effects.extend(started_at.map(|time| Effect::Set(STARTED_AT.into(), time.millis().into())));
        Write::update(group_key(), vec![Condition::RowAbsent], effects)
    }

    /// *Found* on leases that KCL left: its streams are listed already, so that shards found later begin at their
    /// oldest record.
    pub fn found_on(application: &str, started_at: Option<Timestamp>, stream: &StreamArn) -> Write {
        let mut write = Self::found(application, started_at);
        write
            .effects
            .push(Effect::Include(LISTED.into(), stream.to_string()));
        write
    }

    /// Nobody joined, left or announced anything since this row was read.
    pub fn unchanged(&self) -> Condition {
        match self.changes {
            0 => Condition::Missing(CHANGES.into()),
            changes => Condition::Equals(CHANGES.into(), changes.into()),
        }
    }

    /// *Enrol*: a new incarnation is known to the others.
    pub fn enrol(id: &WorkerId) -> Write {
        let effects = vec![
            Effect::Include(MEMBERS.into(), id.to_string()),
            Effect::Add(CHANGES.into(), 1),
        ];
        Write::update(group_key(), vec![Condition::RowExists], effects)
    }

    /// *Strike*: an incarnation that is dead or has left is no longer a member.
    pub fn strike(id: &WorkerId) -> Write {
        let effects = vec![
            Effect::Exclude(MEMBERS.into(), id.to_string()),
            Effect::Add(CHANGES.into(), 1),
        ];
        Write::update(group_key(), vec![Condition::RowExists], effects)
    }

    /// *Announce*: something is there to be taken; everybody sweeps.
    pub fn announce() -> Write {
        Write::update(
            group_key(),
            vec![Condition::RowExists],
            vec![Effect::Add(CHANGES.into(), 1)],
        )
    }

    /// *Lead*: becomes the discoverer, if nobody else did since the group row was read.
    pub fn lead(&self, me: &WorkerId) -> Write {
        let before = match self.term {
            0 => Condition::Missing(TERM.into()),
            term => Condition::Equals(TERM.into(), term.into()),
        };
        let effects = vec![
            Effect::Set(DISCOVERER.into(), me.as_str().into()),
            Effect::Add(TERM.into(), 1),
        ];
        Write::update(group_key(), vec![Condition::RowExists, before], effects)
    }

    /// *Stop*: no worker goes on until a person has looked. The floor rises above every epoch that was ever seen,
    /// so that whoever goes on can begin above it. Refused when another floor was written since the row was read.
    pub fn stop(&self, stop: &Stop, highest_epoch: u64) -> Write {
        let floor = self.epoch_floor.max(highest_epoch);
        let mut effects = stop.effects();
        // A floor of 0 is an absent column, as the next stop expects it.
        if floor > 0 {
            effects.push(Effect::Set(EPOCH_FLOOR.into(), floor.into()));
        }
        let before = match self.epoch_floor {
            0 => Condition::Missing(EPOCH_FLOOR.into()),
            floor => Condition::Equals(EPOCH_FLOOR.into(), floor.into()),
        };
        Write::update(group_key(), vec![Condition::RowExists, before], effects)
    }

    /// *Resume*: takes back the stop that was read.
    pub fn resume(why: &str) -> Write {
        let conditions = vec![Condition::Equals(STOPPED_WHY.into(), why.into())];
        let stopped = [STOPPED_WHY, STOPPED_BY, STOPPED_AT];
        let effects = stopped.map(|name| Effect::Remove(name.into())).to_vec();
        Write::update(group_key(), conditions, effects)
    }

    /// True when `earlier`, which was read before, is ahead of this row: the table was set back in time.
    pub fn is_behind(&self, earlier: &Self) -> bool {
        self.term < earlier.term
            || self.epoch_floor < earlier.epoch_floor
            || self.changes < earlier.changes
    }

    /// True when nobody is the discoverer, or the one who was is over, about to go, or no member.
    pub fn is_leaderless(&self, fate: impl Fn(&WorkerId) -> Fate) -> bool {
        self.discoverer.as_ref().is_none_or(|id| {
            fate(id).is_over() || fate(id) == Fate::Leaving || !self.members.contains(id)
        })
    }

    /// The discoverer's writes hold only while its term lasts (hole 17).
    pub fn in_term(me: &WorkerId, term: u64) -> Vec<Condition> {
        vec![
            Condition::Equals(DISCOVERER.into(), me.as_str().into()),
            Condition::Equals(TERM.into(), term.into()),
        ]
    }

    /// A lease with this epoch is about to be deleted: raises the floor, within the term.
    pub fn raise_floor(&self, me: &WorkerId, epoch: u64) -> Write {
        let floor = self.epoch_floor.max(epoch);
        let effects = vec![Effect::Set(EPOCH_FLOOR.into(), floor.into())];
        Write::update(group_key(), Self::in_term(me, self.term), effects)
    }

    /// *Listed*: every shard of the stream's first listing has a lease or is covered.
    pub fn mark_listed(me: &WorkerId, term: u64, stream: &StreamArn) -> Write {
        let effects = vec![Effect::Include(LISTED.into(), stream.to_string())];
        Write::update(group_key(), Self::in_term(me, term), effects)
    }

    /// *Ended*: nothing will ever come of the stream, and every shard of it was read to its end. Everybody looks.
    pub fn mark_ended(me: &WorkerId, term: u64, stream: &StreamArn) -> Write {
        let mut write = Self::announce_in_term(me, term);
        let ended = Effect::Include(ENDED.into(), stream.to_string());
        write.effects.push(ended);
        write
    }

    /// The first leases of a table are announced together with where the application begins with it, and with the
    /// others that are begun with it.
    pub fn begin_tables_in_term(
        me: &WorkerId,
        term: u64,
        tables: &[&str],
        start: TableStart,
    ) -> Write {
        let mut write = Self::announce_in_term(me, term);
        let begin = Effect::Include(STARTS.into(), start.text(tables));
        write.effects.push(begin);
        write
    }

    /// New leases are announced in the transaction that creates them, within the term.
    pub fn announce_in_term(me: &WorkerId, term: u64) -> Write {
        Write::update(
            group_key(),
            Self::in_term(me, term),
            vec![Effect::Add(CHANGES.into(), 1)],
        )
    }
}

/// Until when a worker is entitled that was entitled until `until` and hears, at `heard`, of a beat that entitles it
/// until `next`. What has lapsed stays lapsed, however good the answer is: a beat that landed late may have come after
/// an observer's verdict, and the leases may be another's by now (S5, S11).
/// `T` is a moment of the worker's own clock.
pub fn prolonged<T: Ord>(until: T, heard: T, next: T) -> T {
    if heard < until || planted!(DemotedResumes) {
        until.max(next)
    } else {
        until
    }
}

/// Whose beat is in a worker's own row, after its beat was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeatFound {
    /// The latest one that it knows of: the refusal was about an older row.
    Known,
    /// An earlier one whose answer was lost: go on from there.
    Unresolved,
    /// Somebody else's: it was found dead, or it was cloned.
    Foreign,
    /// The row is gone.
    Gone,
}

/// Compares what a consistent read shows with the beats that the worker sent.
pub fn beat_found(row: Option<&WorkerRow>, acknowledged: &str, unresolved: &[String]) -> BeatFound {
    match row {
        None => BeatFound::Gone,
        Some(row) if unresolved.contains(&row.beat_id) => BeatFound::Unresolved,
        Some(row) if row.beat_id == acknowledged => BeatFound::Known,
        Some(_) => BeatFound::Foreign,
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    const D: Duration = Duration::from_secs(10);

    fn id(name: &str) -> WorkerId {
        WorkerId::new(name, 1)
    }

    fn at(sent: u64) -> ReadAt {
        ReadAt {
            sent: Duration::from_secs(sent),
            received: Duration::from_secs(sent),
        }
    }

    fn row(beat: &str, state: WorkerState) -> WorkerRow {
        let (id, beat_id) = (id("a"), beat.to_owned());
        WorkerRow {
            id,
            beat_id,
            beat: 1,
            inbox: 0,
            leases: 2,
            state,
            lease_duration: D,
        }
    }

    #[test]
    fn a_worker_is_dead_when_a_read_sent_a_lease_duration_later_shows_the_same_beat() {
        let mut watch = Watch::default();
        let beat = row("b1", WorkerState::Living);
        assert_eq!(watch.observe(&id("a"), Some(&beat), at(0), D), Fate::Alive);
        assert_eq!(watch.observe(&id("a"), Some(&beat), at(9), D), Fate::Alive);
        let late = ReadAt {
            sent: Duration::from_secs(9),
            received: Duration::from_secs(30),
        };
        assert_eq!(
            watch.observe(&id("a"), Some(&beat), late, D),
            Fate::Alive,
            "hole 1: sent too early"
        );
        assert_eq!(watch.observe(&id("a"), Some(&beat), at(10), D), Fate::Dead);
        assert_eq!(watch.observe(&id("a"), None, at(11), D), Fate::Dead);
    }

    #[test]
    fn s5_beats_that_an_older_copy_of_the_table_does_not_have_are_no_silence() {
        let mut watch = Watch::default();
        let copied = row("b1", WorkerState::Living);
        watch.observe(&id("a"), Some(&copied), at(0), D);
        watch.observe(&id("over"), Some(&row("b1", WorkerState::Left)), at(0), D);
        // Its next beat came before the table was away, and is not in the copy that is in its place.
        watch.table_was_away();
        let fates = [12, 21, 22].map(|now| watch.observe(&id("a"), Some(&copied), at(now), D));
        assert_eq!(fates, [Fate::Alive, Fate::Alive, Fate::Dead]);
        assert_eq!(watch.fate(&id("over")), Fate::Left);
    }

    #[test]
    fn s5_who_beats_on_under_the_name_of_a_worker_that_is_over_lives_as_long_as_any_other() {
        for state in [WorkerState::Living, WorkerState::Left] {
            let mut watch = Watch::default();
            let (last, copy) = (row("b1", state), row("c1", WorkerState::Living));
            watch.observe(&id("a"), Some(&last), at(0), D);
            assert!(watch.observe(&id("a"), Some(&last), at(10), D).is_over());
            let fates = [20, 29, 30].map(|now| watch.observe(&id("a"), Some(&copy), at(now), D));
            assert_eq!(fates, [Fate::Alive, Fate::Alive, Fate::Dead]);
        }
    }

    /// Its copy is buried like any other when it falls silent, but never for the silence of the one before.
    #[test]
    fn s5_who_is_struck_off_is_gone_at_that_moment() {
        let (me, by) = (id("a"), id("b"));
        let join = |beat| WorkerRow::join(&me, "host", D, beat).apply(None);
        let (copy, buried) = (
            join("c0"),
            WorkerRow::bury(&me, "b0", &by).apply(join("b0").as_ref()),
        );
        let leaving =
            WorkerRow::beat(&me, WorkerState::Leaving, 0, "c0", "c1").apply(copy.as_ref());
        let gone = |row: &Option<Row>| WorkerRow::check_gone(&me).allowed(row.as_ref());
        let rows = [None, buried.clone(), copy.clone(), leaving];
        assert_eq!(rows.each_ref().map(gone), [true, true, false, false]);
        let lives = |row: &Option<Row>| WorkerRow::check_living(&me).allowed(row.as_ref());
        assert_eq!(rows.each_ref().map(lives), [false, false, true, false]);
        // Others may bury what this watch has judged: what is left to do is to strike it off.
        let mut watch = Watch::default();
        let before = row("b0", WorkerState::Living);
        watch.observe(&me, Some(&before), at(0), D);
        assert_eq!(watch.observe(&me, Some(&before), at(10), D), Fate::Dead);
        assert_eq!(watch.last_beat(&me), Some("b0"));
        let gone = watch.observe(&me, None, at(11), D);
        assert_eq!((gone, watch.last_beat(&me)), (Fate::Dead, None));
        let buried = buried.as_ref().and_then(WorkerRow::parse);
        assert_eq!(watch.observe(&me, buried.as_ref(), at(12), D), Fate::Left);
    }

    #[test]
    fn l4_a_silent_worker_is_looked_at_when_it_can_be_judged_and_a_beating_one_no_sooner() {
        let mut watch = Watch::default();
        let (watched, beat) = ([id("a")], row("b1", WorkerState::Living));
        let look = |sent: u64| ReadAt {
            sent: Duration::from_millis(sent),
            received: Duration::from_millis(sent + 7),
        };
        watch.observe(&id("a"), Some(&beat), look(0), D);
        assert_eq!(watch.verdict_due(&watched, look(0)), None, "just seen");
        watch.observe(&id("a"), Some(&beat), look(2_000), D);
        let due = watch.verdict_due(&watched, look(2_000)).unwrap();
        assert_eq!(due, Duration::from_millis(10_007));
        let judged = ReadAt {
            sent: due,
            received: due,
        };
        assert_eq!(watch.observe(&id("a"), Some(&beat), judged, D), Fate::Dead);
        assert_eq!(watch.verdict_due(&watched, judged), None);
    }

    #[test]
    fn failure_1_a_verdict_does_not_depend_on_where_a_clock_begins() {
        for begin in [0, 1, 3600, 10 * 365 * 86_400] {
            let mut watch = Watch::default();
            let beat = row("b1", WorkerState::Living);
            let fates: Vec<Fate> = [0, 9, 10]
                .map(|seconds| watch.observe(&id("a"), Some(&beat), at(begin + seconds), D))
                .to_vec();
            assert_eq!(fates, [Fate::Alive, Fate::Alive, Fate::Dead], "{begin}");
        }
    }

    /// The worker counts from sending a beat, on a clock that runs slow; the observer from seeing it, on one that runs
    /// fast. Up to the drift that the margin pays for the worker stops first; beyond it this very check fails.
    #[test]
    fn failure_2_a_clock_within_the_margin_never_lets_two_workers_believe_at_once() {
        let (margin, unit) = (2_000, 10_000);
        let overlap = |drift: u64| {
            // Milliseconds of true time: the worker's clock lags by `drift` per cent, the observer's leads by it.
            let stops = (unit - margin) * 100 / (100 - drift);
            let judges = unit * 100 / (100 + drift);
            let mut watch = Watch::default();
            let beat = row("b1", WorkerState::Living);
            watch.observe(&id("a"), Some(&beat), at(0), D);
            let by_its_clock = |true_millis: u64| ReadAt {
                sent: Duration::from_millis(true_millis * (100 + drift) / 100),
                received: Duration::from_millis(true_millis * (100 + drift) / 100),
            };
            let before = watch.observe(&id("a"), Some(&beat), by_its_clock(judges - 2), D);
            let after = watch.observe(&id("a"), Some(&beat), by_its_clock(judges + 2), D);
            assert_eq!((before, after), (Fate::Alive, Fate::Dead), "{drift} %");
            stops > judges
        };
        assert!((0..=10).all(|drift| !overlap(drift)));
        assert!(
            (13..50).all(overlap),
            "a check that cannot fail shows nothing"
        );
    }

    #[test]
    fn s11_who_has_lapsed_is_not_entitled_again_by_a_late_answer() {
        let at = Duration::from_secs;
        assert_eq!(prolonged(at(8), at(7), at(12)), at(12));
        assert_eq!(prolonged(at(8), at(7), at(3)), at(8), "never shorter");
        assert_eq!(prolonged(at(8), at(8), at(12)), at(8), "lapsed");
    }

    #[test]
    fn every_beat_starts_the_wait_again() {
        let mut watch = Watch::default();
        for second in 0..100 {
            let beat = row(&format!("b{second}"), WorkerState::Living);
            assert_eq!(
                watch.observe(&id("a"), Some(&beat), at(second), D),
                Fate::Alive
            );
        }
    }

    #[test]
    fn hole_4_an_absent_row_is_waited_for_like_a_silent_one() {
        let mut watch = Watch::default();
        assert_eq!(watch.observe(&id("a"), None, at(0), D), Fate::Alive);
        assert_eq!(watch.observe(&id("a"), None, at(9), D), Fate::Alive);
        assert_eq!(watch.observe(&id("a"), None, at(10), D), Fate::Dead);
    }

    #[test]
    fn hole_13_the_owners_lease_duration_counts_not_the_observers() {
        let mut watch = Watch::default();
        let beat = row("b1", WorkerState::Living);
        watch.observe(&id("a"), Some(&beat), at(0), Duration::from_secs(1));
        assert_eq!(
            watch.observe(&id("a"), Some(&beat), at(9), Duration::from_secs(1)),
            Fate::Alive
        );
    }

    #[test]
    fn a_worker_that_left_is_gone_at_once() {
        let mut watch = Watch::default();
        assert_eq!(
            watch.observe(&id("a"), Some(&row("b1", WorkerState::Left)), at(0), D),
            Fate::Left
        );
    }

    #[test]
    fn hole_15_two_clones_of_one_incarnation_cannot_both_beat() {
        let me = id("a");
        let born = WorkerRow::join(&me, "host", D, "b0").apply(None);
        let one = WorkerRow::beat(&me, WorkerState::Living, 0, "b0", "b1");
        let other = WorkerRow::beat(&me, WorkerState::Living, 0, "b0", "c1");
        let after = one.apply(born.as_ref());
        assert!(one.allowed(born.as_ref()) && !other.allowed(after.as_ref()));
    }

    #[test]
    fn s11_an_incarnation_that_was_buried_cannot_beat_again_and_one_that_beat_cannot_be_buried() {
        let me = id("a");
        let born = WorkerRow::join(&me, "host", D, "b0").apply(None);
        let bury = WorkerRow::bury(&me, "b0", &id("b"));
        let beat = WorkerRow::beat(&me, WorkerState::Living, 0, "b0", "b1");
        assert!(!beat.allowed(bury.apply(born.as_ref()).as_ref()));
        assert!(!bury.allowed(beat.apply(born.as_ref()).as_ref()));
    }

    #[test]
    fn hole_14_a_beat_or_a_bump_never_creates_a_row_and_a_beat_keeps_the_inbox() {
        let me = id("a");
        let beat = WorkerRow::beat(&me, WorkerState::Living, 3, "b0", "b1");
        assert!(!beat.allowed(None) && !WorkerRow::bump(&me).allowed(None));
        let bumped =
            WorkerRow::bump(&me).apply(WorkerRow::join(&me, "host", D, "b0").apply(None).as_ref());
        let after = WorkerRow::parse(&beat.apply(bumped.as_ref()).unwrap()).unwrap();
        assert_eq!((after.inbox, after.leases), (1, 3));
    }

    #[test]
    fn rule_13_a_group_that_was_stopped_is_resumed_by_its_own_words_only_and_its_floor_rose() {
        let founded = GroupRow::found("orders", None).apply(None).unwrap();
        let stop = Stop {
            why: "restored".into(),
            by: id("a"),
            at: None,
        };
        let group = GroupRow::parse(&founded).unwrap();
        let stopped = group.stop(&stop, 9).apply(Some(&founded)).unwrap();
        let seen = GroupRow::parse(&stopped).unwrap();
        assert_eq!(
            (seen.stopped.as_deref(), seen.epoch_floor),
            (Some("restored"), 9)
        );
        assert!(!GroupRow::resume("another").allowed(Some(&stopped)));
        let resumed = GroupRow::resume("restored").apply(Some(&stopped)).unwrap();
        let resumed = GroupRow::parse(&resumed).unwrap();
        assert_eq!((resumed.stopped, resumed.epoch_floor), (None, 9));
    }

    #[test]
    fn hole_18_a_group_row_whose_counters_fell_was_set_back() {
        let founded = GroupRow::found("orders", None).apply(None).unwrap();
        let now = GroupRow::announce().apply(Some(&founded)).unwrap();
        let group = |row: &Row| GroupRow::parse(row).unwrap();
        assert!(group(&founded).is_behind(&group(&now)));
        assert!(!group(&now).is_behind(&group(&founded)));
        assert!(!group(&now).is_behind(&group(&now)));
    }

    /// A join may land minutes after it was sent, when the row that it made the first time is reaped.
    #[test]
    fn hole_18_a_row_that_its_own_late_join_made_again_was_not_set_back() {
        let again = WorkerRow::join(&id("a"), "host", D, "b0").apply(None);
        let again = again.as_ref().and_then(WorkerRow::parse).unwrap();
        assert!(again.was_set_back(7, true), "only a restore does that");
        assert!(!again.was_set_back(7, false), "it has lapsed");
        assert!(!again.was_set_back(0, true), "it has not beaten yet");
        let buried = row("buried", WorkerState::Left);
        assert!(!buried.was_set_back(7, true));
    }

    #[test]
    fn hole_17_a_former_discoverer_writes_nothing() {
        let founded = GroupRow::found("orders", None).apply(None).unwrap();
        let group = |row: &Row| GroupRow::parse(row).unwrap();
        let first = group(&founded)
            .lead(&id("a"))
            .apply(Some(&founded))
            .unwrap();
        assert!(
            !group(&founded).lead(&id("b")).allowed(Some(&first)),
            "one wins"
        );
        let second = group(&first).lead(&id("b")).apply(Some(&first)).unwrap();
        let term = group(&first).term;
        assert!(GroupRow::announce_in_term(&id("a"), term).allowed(Some(&first)));
        assert!(!GroupRow::announce_in_term(&id("a"), term).allowed(Some(&second)));
    }

    #[test]
    fn hole_21_a_large_fleet_watches_three_neighbours_each_and_everybody_is_watched() {
        let members: BTreeSet<WorkerId> = (0..100).map(|n| id(&format!("{n:03}"))).collect();
        let mut watched = BTreeSet::new();
        for me in &members {
            let mine = neighbours(&members, me, false);
            assert_eq!(mine.len(), 3);
            assert!(!mine.contains(me));
            watched.extend(mine);
        }
        assert_eq!(watched, members);
        let small: BTreeSet<WorkerId> = members.iter().take(5).cloned().collect();
        assert_eq!(neighbours(&small, &id("000"), false).len(), 4);
        assert_eq!(neighbours(&members, &id("000"), true).len(), 99);
    }
}
