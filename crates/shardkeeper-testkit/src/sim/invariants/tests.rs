//! Judges that no run of ours makes object: shown that they can, on made-up facts.

use std::time::Duration;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::{Acquired, DataLoss, Event, LossCause};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Lease, NewLease};

use super::SLACK;
use crate::sim::calm::{Glance, Stage};
use crate::sim::fleet::millis;
use crate::sim::ground::{BIRTH, MINUTE, SECOND, Time};
use crate::sim::oracle::{Author, DONE, Dispatch, Fact, Oracle, Paper, Scene};
use crate::sim::scenario::Scenario;
use crate::sim::world::shards::Coming;
use crate::sim::world::{Op, Streams};

mod shown;

const EPOCH: u64 = 3;
const KIB: u64 = 1024;

/// A stage on which a story is made up: two shards, and worker 0 that owns them.
struct Stagecraft {
    now: Time,
    streams: Streams,
    scenario: Scenario,
    oracle: Oracle,
    calm: bool,
}

impl Stagecraft {
    fn set() -> Self {
        let mut dice = fastrand::Rng::with_seed(1);
        let mut streams = Streams::new(&mut dice);
        for salt in 0..2 {
            let shard = streams.make(None, vec![salt], BIRTH, salt);
            (0..20).for_each(|_| streams.write(shard, salt, Coming::at(BIRTH)));
        }
        let mut scenario = Scenario::of(1);
        scenario.settings.lease_duration = Duration::from_secs(10);
        scenario.settings.fetched_bytes_max = 2 * KIB * KIB;
        scenario.settings.prefetch_pages = 1;
        let mut stage = Self {
            now: BIRTH,
            streams,
            scenario,
            oracle: Oracle::new(),
            calm: true,
        };
        let worker = WorkerId::new("w0", 1);
        stage.says(None, Event::WorkerJoined { worker });
        (0..2).for_each(|shard| stage.acquires(shard));
        stage
    }

    fn with(&mut self, act: impl FnOnce(&mut Oracle, &Scene<'_>)) {
        let scene = Scene {
            now: self.now,
            streams: &self.streams,
            scenario: &self.scenario,
            healing: self.calm,
            started_at: None,
        };
        act(&mut self.oracle, &scene);
    }

    fn happens(&mut self, fact: Fact) {
        self.with(|oracle, scene| oracle.happened(scene, fact));
    }

    fn says(&mut self, shard: Option<usize>, event: Event) {
        let event = Box::new(event);
        self.happens(Fact::Said {
            seat: 0,
            shard,
            event,
        });
    }

    fn acquires(&mut self, shard: usize) {
        let acquired = Event::LeaseAcquired {
            stream: self.streams.streams[0].arn.clone(),
            shard: self.streams.shards[shard].id.clone(),
            epoch: EPOCH,
            from: Checkpoint::TrimHorizon,
            how: Acquired::Free,
        };
        self.says(Some(shard), acquired);
    }

    fn polls(&mut self, shard: usize) {
        self.happens(Fact::Polled { seat: 0, shard });
    }

    fn page(&mut self, shard: usize, from: usize, bytes: u64) {
        let to = from + 1;
        let page = Paper { from, to, bytes };
        self.happens(Fact::PageCame {
            seat: 0,
            shard,
            page,
        });
    }

    fn begins(&mut self, shard: usize, place: usize) {
        self.happens(Fact::Dispatched(Dispatch {
            seat: 0,
            worker: "w0".into(),
            shard,
            epoch: EPOCH,
            places: vec![Some(place)],
        }));
    }

    fn returns(&mut self, shard: usize, acked: Vec<usize>) {
        self.happens(Fact::Returned {
            seat: 0,
            shard,
            epoch: EPOCH,
            acked,
            how: DONE,
        });
    }

    /// Puts a row in place.
    fn leases(&mut self, shard: usize, owner: Option<&WorkerId>) {
        self.leases_at(shard, Checkpoint::TrimHorizon, owner);
    }

    fn leases_at(&mut self, shard: usize, checkpoint: Checkpoint, owner: Option<&WorkerId>) {
        let lease = self.lease(shard, checkpoint, owner);
        self.changes(shard, None, Some(lease), Author::Worker(0));
    }

    /// A row as it may stand in the table.
    fn lease(&self, shard: usize, checkpoint: Checkpoint, owner: Option<&WorkerId>) -> Box<Lease> {
        let new = NewLease {
            stream: self.streams.streams[0].arn.clone(),
            shard: self.streams.shards[shard].id.clone(),
            parent: None,
            checkpoint,
            epoch: EPOCH,
            stopped: None,
        };
        let row = new.create(owner, "made up").apply(None).expect("a row");
        Box::new(Lease::parse(&row).expect("a lease"))
    }

    fn changes(
        &mut self,
        shard: usize,
        before: Option<Box<Lease>>,
        after: Option<Box<Lease>>,
        by: Author,
    ) {
        self.happens(Fact::LeaseChanged {
            shard,
            before,
            after,
            by,
            sent: self.now,
        });
    }

    fn waits(&mut self, time: Time) {
        self.now += time;
    }

    fn looks(&mut self, glance: &Glance) {
        self.with(|oracle, scene| oracle.look(scene, glance));
    }

    /// What this judge has said. Others may find fault with a story that is made up.
    fn said_by(&self, judge: &str) -> Vec<&str> {
        let violations = self.oracle.violations.iter();
        violations
            .filter(|violation| violation.judge == judge)
            .map(|violation| violation.message.as_str())
            .collect()
    }
}

fn launched(seat: usize, copy: bool) -> Fact {
    let life = 1;
    Fact::Launched { seat, life, copy }
}

fn calm(stage: Stage) -> Glance {
    Glance {
        calm: Some((stage, BIRTH)),
        ..Glance::default()
    }
}

#[test]
fn l3_a_shard_that_is_not_polled_while_another_is_starves() {
    let mut stage = Stagecraft::set();
    for _ in 0..12 {
        stage.waits(10 * SECOND);
        stage.polls(0);
        stage.looks(&Glance::default());
    }
    let said = stage.said_by("L3");
    assert!(said[0].starts_with("shard 1: w0 owns it"), "{said:?}");
}

#[test]
fn l3_a_shard_that_is_busy_is_not_polled() {
    let mut stage = Stagecraft::set();
    stage.page(1, 0, KIB);
    stage.begins(1, 0);
    for _ in 0..12 {
        stage.waits(10 * SECOND);
        stage.polls(0);
        stage.looks(&Glance::default());
    }
    assert!(stage.said_by("L3").is_empty());
}

#[test]
fn l8_pages_of_all_shards_of_a_worker_are_counted_until_they_are_acknowledged() {
    let mut stage = Stagecraft::set();
    stage.page(0, 0, 1000 * KIB);
    stage.page(1, 0, 1000 * KIB);
    stage.begins(0, 0);
    stage.returns(0, vec![0]);
    stage.page(0, 1, 1000 * KIB);
    assert!(stage.said_by("L8").is_empty());
    stage.page(1, 1, 1000 * KIB);
    assert_eq!(
        stage.said_by("L8"),
        ["shard 1: with this page w0 holds 3072000 bytes, and 2097152 are allowed"]
    );
}

#[test]
fn l8_one_shard_gets_no_further_ahead_than_the_settings_say() {
    let mut stage = Stagecraft::set();
    for place in 0..3 {
        stage.page(0, place, KIB);
    }
    assert_eq!(
        stage.said_by("L8"),
        ["shard 0: w0 holds 3 pages of it of which nothing was begun, and 2 are allowed"]
    );
}

#[test]
fn s15_a_page_that_waits_while_another_shard_is_busy_is_trouble_that_spread() {
    let mut stage = Stagecraft::set();
    stage.page(0, 0, KIB);
    stage.begins(0, 0);
    stage.page(1, 0, KIB);
    stage.waits(2 * MINUTE);
    stage.looks(&Glance::default());
    assert_eq!(
        stage.said_by("S15"),
        [
            "shard 1: w0 has had a page of it in hand for 120000 ms and begins no batch; it is busy with shards [0]"
        ]
    );
}

#[test]
fn s15_a_machine_that_stands_still_begins_nothing() {
    let mut stage = Stagecraft::set();
    stage.page(1, 0, KIB);
    stage.happens(Fact::Halted {
        seat: 0,
        how: "frozen",
        long: 3 * MINUTE,
    });
    stage.waits(2 * MINUTE);
    stage.looks(&Glance::default());
    assert!(stage.said_by("S15").is_empty());
}

#[test]
fn s15_a_batch_that_is_given_again_is_in_work_though_all_of_it_was_acknowledged() {
    let mut stage = Stagecraft::set();
    stage.page(0, 0, KIB);
    stage.begins(0, 0);
    stage.returns(0, vec![0]);
    stage.page(0, 0, KIB);
    stage.begins(0, 0);
    stage.page(0, 1, KIB);
    stage.waits(2 * MINUTE);
    stage.looks(&Glance::default());
    assert!(stage.said_by("S15").is_empty());
    stage.returns(0, vec![0]);
    stage.waits(2 * MINUTE);
    stage.looks(&Glance::default());
    assert_eq!(stage.said_by("S15").len(), 1);
}

#[test]
fn l7_who_starts_may_ask_whether_the_stream_is_there_and_one_worker_lists_it() {
    let mut stage = Stagecraft::set();
    let lists = |stage: &mut Stagecraft, seat| {
        let op = Op::ListShards;
        stage.happens(Fact::Called { seat, op });
    };
    stage.waits(2 * MINUTE);
    lists(&mut stage, 0);
    stage.happens(launched(1, false));
    lists(&mut stage, 1);
    assert!(stage.said_by("L7").is_empty());
    lists(&mut stage, 1);
    assert_eq!(stage.said_by("L7"), ["w1 lists the stream, and so does w0"]);
}

#[test]
fn l6_a_lease_that_stays_with_the_dead_is_stuck_and_one_of_the_living_is_not() {
    let mut stage = Stagecraft::set();
    stage.leases(0, Some(&WorkerId::new("w0", 1)));
    stage.leases(1, Some(&WorkerId::new("dead", 1)));
    stage.looks(&calm(Stage::RolledOver));
    stage.waits(3 * MINUTE);
    stage.looks(&calm(Stage::RolledOver));
    let said = stage.said_by("L6");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("shard 1: its lease is stuck for 180000 ms: dead#"));
}

#[test]
fn l1_and_l4_what_nobody_owns_is_told_once_when_it_is_late() {
    for (judge, stage_of_calm, bound) in [
        ("L1", Stage::Healing, 30 * SECOND + SLACK),
        ("L4", Stage::Crashed, 21 * SECOND),
    ] {
        let mut stage = Stagecraft::set();
        let glance = Glance {
            unowned: Some((Some(0), "nobody's".into())),
            ..calm(stage_of_calm)
        };
        stage.waits(bound);
        stage.looks(&glance);
        assert!(stage.said_by(judge).is_empty());
        stage.waits(1);
        (0..2).for_each(|_| stage.looks(&glance));
        assert_eq!(stage.said_by(judge), ["nobody's"]);
    }
}

#[test]
fn l2_a_stream_that_nobody_lists_any_more_is_told_of() {
    let (listed, created, forgotten) = (2, 0, 0);
    for (pages, said) in [(1, 0), (1, 1), (300, 0), (300, 1)] {
        let mut stage = Stagecraft::set();
        let interval = millis(stage.scenario.settings.discovery_interval);
        for _ in 0..pages {
            let op = Op::ListShards;
            stage.happens(Fact::Called { seat: 0, op });
            stage.waits(SECOND);
        }
        let bound = (2 * interval).max(interval + pages * SECOND) + SLACK;
        stage.says(
            None,
            Event::ShardsListed {
                table: "orders".to_owned(),
                listed,
                created,
                forgotten,
            },
        );
        stage.waits(bound + said);
        stage.looks(&calm(Stage::Healing));
        assert_eq!(stage.said_by("L2").len() as u64, said, "{pages} pages");
    }
}

#[test]
fn l1_a_worker_that_the_group_does_not_know_is_told_of_though_everything_is_owned() {
    let mut stage = Stagecraft::set();
    let glance = Glance {
        unknown: Some((None, "a stranger".into())),
        ..calm(Stage::Healing)
    };
    stage.waits(30 * SECOND + SLACK);
    stage.looks(&glance);
    assert!(stage.said_by("L1").is_empty());
    stage.waits(1);
    (0..2).for_each(|_| stage.looks(&glance));
    assert_eq!(stage.said_by("L1"), ["a stranger"]);
}

#[test]
fn l5_a_worker_that_does_not_leave_is_told_of_though_it_never_ends() {
    let mut stage = Stagecraft::set();
    let settings = &stage.scenario.settings;
    let bound = millis(settings.shutdown_grace) + 4 * millis(settings.call_timeout);
    stage.happens(Fact::Leaving { seat: 0 });
    stage.waits(bound);
    stage.looks(&Glance::default());
    assert!(stage.said_by("L5").is_empty());
    stage.waits(1);
    stage.looks(&Glance::default());
    assert_eq!(stage.said_by("L5").len(), 1);
}

#[test]
fn l10_a_world_that_does_not_come_to_rest_makes_no_progress() {
    let mut stage = Stagecraft::set();
    let glance = Glance {
        unsettled: Some((Some(0), "unread".into())),
        ..calm(Stage::Left)
    };
    stage.waits(15 * MINUTE);
    stage.looks(&glance);
    assert!(stage.said_by("L10").is_empty());
    stage.waits(1);
    stage.looks(&glance);
    assert_eq!(stage.said_by("L10"), ["unread"]);
}

#[test]
fn s5_a_worker_that_knows_better_stops_an_application_whose_table_was_set_back() {
    let bound = 10 * SECOND + SLACK;
    for (stops, said) in [(true, 0), (false, 1)] {
        let mut stage = Stagecraft::set();
        let fell = [0].into();
        stage.happens(Fact::Restored { fell });
        stage.waits(bound);
        stage.looks(&Glance::default());
        assert!(stage.said_by("S5").is_empty());
        if stops {
            let why = "it fell".to_owned();
            stage.says(None, Event::GroupStopped { why });
        }
        stage.waits(1);
        stage.looks(&Glance::default());
        assert_eq!(stage.said_by("S5").len(), said);
    }
}

#[test]
fn s5_after_a_restore_tokens_are_judged_again_once_a_person_has_resumed() {
    for (resumed, said) in [(false, 0), (true, 1)] {
        let mut stage = Stagecraft::set();
        let lease = |stage: &mut Stagecraft, owner| {
            let before = stage.oracle.ledger.log(0).lease.clone().map(Box::new);
            let mut after = before.clone().expect("a row");
            after.owner = Some(WorkerId::new(owner, 1));
            (before, Some(after))
        };
        stage.leases(0, None);
        let (before, after) = lease(&mut stage, "copied");
        stage.changes(0, before, after, Author::Restorer);
        if resumed {
            stage.happens(Fact::Resumed);
        }
        let (before, after) = lease(&mut stage, "w0");
        stage.changes(0, before, after, Author::Worker(0));
        assert_eq!(stage.said_by("S5").len(), said, "the epoch did not rise");
    }
}

#[test]
fn s5_after_a_restore_nobody_gives_out_a_token_that_it_has_held_itself() {
    let ended = Fact::Ended { seat: 0, why: None };
    for (between, late, said) in [
        (None, false, 1),
        // Another process cannot know, and a call may have been on its way.
        (Some(ended), false, 0),
        (None, true, 0),
    ] {
        let mut stage = Stagecraft::set();
        stage.leases(0, None);
        let copied = stage.oracle.ledger.log(0).lease.clone().map(Box::new);
        let (mut back, mut taken) = (copied.clone().expect("a row"), copied.expect("a row"));
        back.epoch = EPOCH - 1;
        taken.owner = Some(WorkerId::new("w0", 2));
        let sent = stage.now;
        stage.waits(SECOND);
        stage.happens(Fact::Restored { fell: [].into() });
        let known = stage.oracle.ledger.log(0).lease.clone().map(Box::new);
        stage.changes(0, known, Some(back.clone()), Author::Restorer);
        between.into_iter().for_each(|fact| stage.happens(fact));
        stage.happens(Fact::LeaseChanged {
            shard: 0,
            before: Some(back),
            after: Some(taken),
            by: Author::Worker(0),
            sent: if late { sent } else { stage.now },
        });
        assert_eq!(stage.said_by("S5").len(), said);
    }
}
