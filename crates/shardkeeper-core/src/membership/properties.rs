//! The rows of workers and of the group against a model, and the verdict on the silent.

use super::*;
use proptest::prelude::*;

fn id(name: &str) -> WorkerId {
    WorkerId::new(name, 1)
}

fn worker() -> impl Strategy<Value = WorkerId> {
    "[abc]".prop_map(|name| id(&name))
}

fn any_row() -> impl Strategy<Value = Row> {
    let names = vec![
        ENTITY,
        BEAT,
        BEAT_ID,
        INBOX,
        LEASES,
        STATE,
        LEASE_DURATION,
        APPLICATION,
        SCHEMA_COLUMN,
        MEMBERS,
        CHANGES,
        DISCOVERER,
        TERM,
        EPOCH_FLOOR,
        STARTED_AT,
        LISTED,
        ENDED,
        STOPPED_WHY,
    ];
    let texts = prop::collection::btree_set(".{0,5}", 0..3);
    let text = prop_oneof![
        ".{0,9}",
        Just(WORKER_ENTITY.to_owned()),
        Just("leaving".to_owned())
    ];
    let value = prop_oneof![
        text.prop_map(crate::row::Value::from),
        any::<u64>().prop_map(crate::row::Value::Number),
        texts.prop_map(crate::row::Value::Texts),
    ];
    let name = prop::sample::select(names).prop_map(Into::into);
    let key = prop_oneof!["shardkeeper/worker/.{0,5}", ".{0,9}"].prop_map(RowKey::new);
    (key, prop::collection::btree_map(name, value, 0..18)).prop_map(|(key, columns)| Row {
        key,
        columns: columns.into(),
    })
}

#[derive(Debug, Clone)]
enum Step {
    Enrol(WorkerId),
    Strike(WorkerId),
    Announce,
    Lead(WorkerId),
    Stop(u64),
    Resume(bool),
    RaiseFloor(WorkerId, u64),
    Listed(WorkerId),
    Ended(WorkerId),
    AnnounceInTerm(WorkerId),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        worker().prop_map(Step::Enrol),
        worker().prop_map(Step::Strike),
        Just(Step::Announce),
        worker().prop_map(Step::Lead),
        (0u64..5).prop_map(Step::Stop),
        any::<bool>().prop_map(Step::Resume),
        (worker(), 1u64..9).prop_map(|(me, epoch)| Step::RaiseFloor(me, epoch)),
        worker().prop_map(Step::Listed),
        worker().prop_map(Step::Ended),
        worker().prop_map(Step::AnnounceInTerm),
    ]
}

fn arn() -> StreamArn {
    StreamArn::parse(
        "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252",
    )
    .unwrap()
}

fn stop() -> Stop {
    Stop {
        why: "restored".into(),
        by: id("a"),
        at: Some(Timestamp::from_millis(5)),
    }
}

fn write(step: &Step, seen: &GroupRow) -> Write {
    match step {
        Step::Enrol(who) => GroupRow::enrol(who),
        Step::Strike(who) => GroupRow::strike(who),
        Step::Announce => GroupRow::announce(),
        Step::Lead(me) => seen.lead(me),
        Step::Stop(highest) => seen.stop(&stop(), *highest),
        Step::Resume(known) => GroupRow::resume(if *known { "restored" } else { "another" }),
        Step::RaiseFloor(me, epoch) => seen.raise_floor(me, *epoch),
        Step::Listed(me) => GroupRow::mark_listed(me, seen.term, &arn()),
        Step::Ended(me) => GroupRow::mark_ended(me, seen.term, &arn()),
        Step::AnnounceInTerm(me) => GroupRow::announce_in_term(me, seen.term),
    }
}

fn may(step: &Step, seen: &GroupRow, now: &GroupRow) -> bool {
    match step {
        Step::Enrol(_) | Step::Strike(_) | Step::Announce => true,
        Step::Lead(_) => seen.term == now.term,
        Step::Stop(_) => seen.epoch_floor == now.epoch_floor,
        Step::Resume(known) => *known && now.stopped.is_some(),
        Step::RaiseFloor(me, _) | Step::Listed(me) | Step::Ended(me) | Step::AnnounceInTerm(me) => {
            now.discoverer.as_ref() == Some(me) && seen.term == now.term
        }
    }
}

fn meaning(step: &Step, seen: &GroupRow, mut now: GroupRow) -> GroupRow {
    match step {
        Step::Enrol(who) => {
            now.members.insert(who.clone());
            now.changes += 1;
        }
        Step::Strike(who) => {
            now.members.remove(who);
            now.changes += 1;
        }
        Step::Announce | Step::AnnounceInTerm(_) => now.changes += 1,
        Step::Lead(me) => {
            now.discoverer = Some(me.clone());
            now.term += 1;
        }
        Step::Stop(highest) => {
            now.stopped = Some("restored".into());
            now.epoch_floor = now.epoch_floor.max(*highest);
        }
        Step::Resume(_) => now.stopped = None,
        // The discoverer alone raises it within its term, one write at a time.
        Step::RaiseFloor(_, epoch) => now.epoch_floor = seen.epoch_floor.max(*epoch),
        Step::Listed(_) => {
            now.listed.insert(arn().to_string());
        }
        Step::Ended(_) => {
            now.ended.insert(arn().to_string());
            now.changes += 1;
        }
    }
    now
}

/// What happens to a worker before it is looked at again.
#[derive(Debug, Clone)]
struct Look {
    /// Since the look before, in seconds.
    later: u64,
    /// How long the answer took.
    took: u64,
    beats: bool,
    present: bool,
}

fn look() -> impl Strategy<Value = Look> {
    (
        0u64..8,
        0u64..8,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(later, took, beats, present)| Look {
            later,
            took,
            beats,
            present,
        })
}

proptest! {
    #[test]
    fn any_row_is_a_worker_or_a_group_or_neither(row in any_row()) {
        if let Some(worker) = WorkerRow::parse(&row) {
            prop_assert_eq!(worker_key(&worker.id), row.key.clone());
        }
        if let Some(group) = GroupRow::parse(&row) {
            prop_assert_eq!(Some(group.application.as_str()), row.text(APPLICATION));
        }
    }

    #[test]
    fn what_a_worker_says_of_itself_is_read_back(
        name in ".{0,20}", millis in any::<u64>(), leases: u64, leaving: bool, bumps in 0u64..5
    ) {
        let me = id(&name);
        let duration = Duration::from_millis(millis);
        let join = WorkerRow::join(&me, "host", duration, "b0");
        prop_assert_eq!(Write::why_refused(std::slice::from_ref(&join)), None);
        let mut row = join.apply(None).unwrap();
        for _ in 0..bumps {
            let bump = WorkerRow::bump_living(&me);
            prop_assert!(bump.allowed(Some(&row)) && WorkerRow::bump(&me).allowed(Some(&row)));
            row = bump.apply(Some(&row)).unwrap();
        }
        let state = if leaving { WorkerState::Leaving } else { WorkerState::Living };
        let beat = WorkerRow::beat(&me, state, leases, "b0", "b1");
        prop_assert!(beat.allowed(Some(&row)));
        row = beat.apply(Some(&row)).unwrap();
        let expected = WorkerRow {
            id: me.clone(), beat_id: "b1".into(), beat: 1, inbox: bumps, leases, state, lease_duration: duration,
        };
        prop_assert_eq!(WorkerRow::parse(&row), Some(expected));
        prop_assert_eq!(WorkerRow::bump_living(&me).allowed(Some(&row)), !leaving);
        let bury = WorkerRow::bury(&me, "b1", &id("b"));
        prop_assert!(bury.allowed(Some(&row)) && WorkerRow::reap(&me, "b1").allowed(Some(&row)));
        row = bury.apply(Some(&row)).unwrap();
        prop_assert_eq!(WorkerRow::parse(&row).unwrap().state, WorkerState::Left);
        prop_assert!(!WorkerRow::bump(&me).allowed(Some(&row)), "nobody calls the dead");
    }

    #[test]
    fn s5_hole_17_every_write_of_the_group_row_does_what_it_says_to_whoever_read_the_truth(
        steps in prop::collection::vec((step(), prop_oneof![3 => Just(0usize), 1 => 0usize..6]), 1..40)
    ) {
        let mut row = GroupRow::found("orders", Some(Timestamp::from_millis(9))).apply(None).unwrap();
        let mut history = vec![GroupRow::parse(&row).unwrap()];
        for (step, age) in &steps {
            let now = history[history.len() - 1].clone();
            let seen = history[history.len().saturating_sub(1 + age)].clone();
            let write = write(step, &seen);
            prop_assert_eq!(Write::why_refused(std::slice::from_ref(&write)), None);
            prop_assert_eq!(write.allowed(Some(&row)), may(step, &seen, &now), "{:?} on {:?}", step, now);
            prop_assert!(!write.allowed(None), "no write makes a group row of nothing");
            if !write.allowed(Some(&row)) {
                continue;
            }
            row = write.apply(Some(&row)).unwrap();
            let after = GroupRow::parse(&row).unwrap();
            prop_assert_eq!(&after, &meaning(step, &seen, now.clone()));
            if !matches!(step, Step::RaiseFloor(..)) {
                prop_assert!(!after.is_behind(&now), "its counters only rise");
            }
            history.push(after);
        }
    }

    #[test]
    fn l4_s5_a_worker_is_dead_exactly_when_a_read_was_sent_a_lease_duration_after_its_beat_was_first_seen(
        looks in prop::collection::vec(look(), 1..40)
    ) {
        let (mut watch, me, lease_duration) = (Watch::default(), id("a"), Duration::from_secs(10));
        let (mut clock, mut beat, mut since, mut dead) = (0, 0u64, None, false);
        for look in looks {
            clock += look.later;
            beat += u64::from(look.beats);
            let row = WorkerRow {
                id: me.clone(), beat_id: format!("b{beat}"), beat, inbox: 0, leases: 0, state: WorkerState::Living,
                lease_duration,
            };
            let seconds = Duration::from_secs;
            let read = ReadAt { sent: seconds(clock), received: seconds(clock + look.took) };
            // An absent row is a sighting like any other.
            let sighting = look.present.then_some(beat);
            let first = match since {
                // Whoever beats under a dead name is a copy that lives; that the row is gone changes nothing.
                Some((before, first)) if before == sighting || (dead && !look.present) => first,
                _ => {
                    since = Some((sighting, clock + look.took));
                    dead = false;
                    clock + look.took
                }
            };
            dead |= clock >= first + 10;
            let fate = watch.observe(&me, look.present.then_some(&row), read, lease_duration);
            prop_assert_eq!(fate, if dead { Fate::Dead } else { Fate::Alive });
            clock += look.took;
        }
    }
}
