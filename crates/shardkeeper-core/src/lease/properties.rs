//! Every write of the protocol against a model of what it means, on rows that are fresh or out of date.

use super::*;
use proptest::prelude::*;

const ARN: &str =
    "arn:aws:dynamodb:us-west-2:111122223333:table/Forum/stream/2015-05-20T20:51:10.252";

/// Every column that a lease has, and one that it has not.
const COLUMNS: [&str; 17] = [
    column::OWNER,
    column::VERSION,
    column::CHECKPOINT,
    column::CHECKPOINT_SUB,
    column::SWITCHES,
    column::PARENTS,
    column::CHILDREN,
    column::SHARD,
    column::ENTITY,
    column::STREAM_ARN,
    column::EPOCH,
    column::WRITE_ID,
    column::NEXT_OWNER,
    column::REQUEST_ID,
    column::START_AT,
    column::STOPPED_WHY,
    "other",
];

#[derive(Debug, Clone)]
enum Step {
    Take(WorkerId),
    Request(WorkerId, String),
    Withdraw(WorkerId, String),
    GiveUp,
    Raise(u64),
    Forget,
    Checkpoint(Checkpoint),
    Depart(Checkpoint, Departure),
    End(Vec<ShardId>),
}

fn worker() -> impl Strategy<Value = WorkerId> {
    "[ab]".prop_map(|name| WorkerId::new(&name, 1))
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    prop_oneof![
        Just(Checkpoint::TrimHorizon),
        Just(Checkpoint::ShardEnd),
        any::<u64>().prop_map(|millis| Checkpoint::At(Timestamp::from_millis(millis))),
        "[0-9]{1,40}"
            .prop_map(|digits| Checkpoint::After(SequenceNumber::from_service(&digits).unwrap())),
    ]
}

fn departure() -> impl Strategy<Value = Departure> {
    prop_oneof![
        4 => worker().prop_map(Departure::To),
        4 => Just(Departure::Free),
        1 => (".{0,600}", any::<u64>())
            .prop_map(|(why, at)| Departure::Stopped { why, at: Some(Timestamp::from_millis(at)) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let shard = "[xyz]".prop_map(ShardId::from_service);
    prop_oneof![
        4 => worker().prop_map(Step::Take),
        2 => (worker(), "[12]").prop_map(|(who, request)| Step::Request(who, request)),
        1 => (worker(), "[12]").prop_map(|(who, request)| Step::Withdraw(who, request)),
        1 => Just(Step::GiveUp),
        1 => (0u64..9).prop_map(Step::Raise),
        1 => Just(Step::Forget),
        3 => checkpoint().prop_map(Step::Checkpoint),
        3 => (checkpoint(), departure()).prop_map(|(at, to)| Step::Depart(at, to)),
        1 => prop::collection::vec(shard, 0..3).prop_map(Step::End),
    ]
}

/// A lease and the request that it carries, which only the row knows.
#[derive(Debug, Clone)]
struct Known {
    lease: Lease,
    request: Option<String>,
}

impl Known {
    fn of(row: &Row) -> Self {
        let request = row.text(column::REQUEST_ID).map(str::to_owned);
        Self {
            lease: Lease::parse(row).unwrap(),
            request,
        }
    }

    fn let_go(&mut self) {
        self.lease.owner = None;
        (self.lease.next_owner, self.request) = (None, None);
    }

    fn hand_to(&mut self, next: &WorkerId) {
        self.let_go();
        self.lease.owner = Some(next.clone());
        self.lease.epoch += 1;
    }

    fn written(&mut self, write_id: &str) {
        self.lease.version += 1;
        self.lease.write_id = Some(write_id.to_owned());
    }
}

/// The write that a worker makes who believes in `seen`; `None` when an owner's proof is lacking.
fn write(step: &Step, seen: &Lease, write_id: &str) -> Option<Write> {
    let held = || seen.owner.as_ref().and_then(|owner| seen.held_by(owner));
    Some(match step {
        Step::Take(me) => seen.take(me, write_id),
        Step::Request(me, request) => seen.request(me, request),
        Step::Withdraw(me, request) => Lease::withdraw(seen.key.clone(), me, Some(request)),
        Step::GiveUp => seen.give_up(write_id),
        Step::Raise(floor) => seen.raise(*floor, write_id),
        Step::Forget => seen.forget(),
        Step::Checkpoint(at) => held()?.checkpoint(at, write_id),
        Step::Depart(at, departure) => held()?.depart(at, departure, write_id),
        Step::End(children) => held()?.end(&[], &[], children, write_id).remove(0),
    })
}

/// May this be written by one who believes in `seen`, while the lease is really `now`?
fn may(step: &Step, seen: &Known, now: &Known) -> bool {
    let (old, new) = (&seen.lease, &now.lease);
    let as_read = old.owner == new.owner && old.epoch == new.epoch;
    match step {
        Step::Take(_) => as_read && new.stopped.is_none(),
        Step::Request(..) => as_read && old.next_owner == new.next_owner,
        Step::Withdraw(me, request) => {
            new.next_owner.as_ref() == Some(me) && now.request.as_ref() == Some(request)
        }
        Step::GiveUp | Step::Raise(_) => as_read,
        Step::Forget => as_read && new.is_finished(),
        Step::Checkpoint(_) | Step::Depart(..) | Step::End(_) => {
            as_read && old.version == new.version
        }
    }
}

/// What the lease is afterwards; `None` when it is gone.
fn meaning(step: &Step, seen: &Known, mut now: Known, write_id: &str) -> Option<Known> {
    match step {
        Step::Take(me) => now.hand_to(me),
        Step::Request(me, request) => {
            (now.lease.next_owner, now.request) = (Some(me.clone()), Some(request.clone()));
            return Some(now);
        }
        Step::Withdraw(..) => {
            (now.lease.next_owner, now.request) = (None, None);
            return Some(now);
        }
        Step::GiveUp => now.let_go(),
        Step::Raise(floor) => {
            now.let_go();
            now.lease.epoch = seen.lease.epoch.max(*floor) + 1;
        }
        Step::Forget => return None,
        Step::Checkpoint(at) => now.lease.checkpoint = *at,
        Step::Depart(at, departure) => {
            now.lease.checkpoint = *at;
            match departure {
                Departure::To(next) => now.hand_to(next),
                Departure::Free => now.let_go(),
                Departure::Stopped { why, .. } => {
                    now.let_go();
                    now.lease.stopped = Some(why.chars().take(500).collect());
                }
            }
        }
        Step::End(children) => {
            now.let_go();
            now.lease.checkpoint = Checkpoint::ShardEnd;
            if !children.is_empty() {
                now.lease.children = children.iter().cloned().collect();
            }
        }
    }
    now.written(write_id);
    Some(now)
}

fn any_row() -> impl Strategy<Value = Row> {
    let text = prop_oneof![
        ".{0,12}",
        Just(ARN.to_owned()),
        "(TRIM_HORIZON|AT_TIMESTAMP|SHARD_END|[0-9]{1,45})",
    ];
    let texts = prop::collection::btree_set(".{0,5}", 0..3);
    let value = prop_oneof![
        3 => text.prop_map(Value::from),
        2 => any::<u64>().prop_map(Value::Number),
        1 => texts.prop_map(Value::Texts),
    ];
    let name = prop::sample::select(COLUMNS.to_vec()).prop_map(Into::into);
    let damaged = prop::collection::btree_map(name, value, 0..8);
    (".{0,10}", any::<bool>(), damaged).prop_map(|(key, whole, damage)| {
        let mut row = Row::empty(RowKey::new(key));
        if whole {
            let columns = new_lease(None, Checkpoint::TrimHorizon)
                .create(None, "w")
                .apply(None)
                .unwrap()
                .columns;
            row.columns = columns;
        }
        row.columns.extend(damage);
        row
    })
}

fn new_lease(parent: Option<ShardId>, checkpoint: Checkpoint) -> NewLease {
    let stream = StreamArn::parse(ARN).unwrap();
    NewLease {
        stream,
        shard: ShardId::from_service("x"),
        parent,
        checkpoint,
        epoch: 4,
        stopped: None,
    }
}

proptest! {
    #[test]
    fn any_row_is_a_lease_or_is_refused_with_its_key(row in any_row()) {
        match Lease::parse(&row) {
            Ok(lease) => {
                prop_assert_eq!(Some(lease.epoch), row.number(column::EPOCH));
                prop_assert_eq!(&lease.key, &row.key);
            }
            Err(why) => prop_assert_eq!(why.key, row.key),
        }
    }

    #[test]
    fn what_is_created_is_read_back(
        parent in prop::option::of("[a-z]{1,9}".prop_map(ShardId::from_service)), checkpoint in checkpoint(),
        owner in prop::option::of(worker()), stop in prop::option::of(".{0,600}")
    ) {
        let mut new = new_lease(parent, checkpoint);
        new.stopped = stop.clone().map(|why| Stop { why, by: WorkerId::new("a", 1), at: None });
        let write = new.create(owner.as_ref(), "w0");
        prop_assert_eq!(Write::why_refused(std::slice::from_ref(&write)), None);
        prop_assert!(write.allowed(None));
        let row = write.apply(None).unwrap();
        prop_assert!(!write.allowed(Some(&row)), "only where there is no row");
        let expected = Lease {
            key: lease_key(&new.stream, &new.shard), stream: new.stream, shard: new.shard, owner, epoch: 4, version: 1,
            write_id: Some("w0".into()), checkpoint, parents: new.parent.into_iter().collect(),
            children: BTreeSet::new(), next_owner: None, stopped: stop.map(|why| why.chars().take(500).collect()),
        };
        prop_assert_eq!(Lease::parse(&row).unwrap(), expected);
    }

    #[test]
    fn s5_s11_a_write_is_applied_exactly_when_its_writers_belief_is_true_and_does_what_it_says(
        steps in prop::collection::vec((step(), prop_oneof![3 => Just(0usize), 1 => 0usize..6]), 1..40)
    ) {
        let mut row = new_lease(None, Checkpoint::TrimHorizon).create(None, "w").apply(None).unwrap();
        let mut history = vec![Known::of(&row)];
        for (n, (step, age)) in steps.iter().enumerate() {
            let now = history[history.len() - 1].clone();
            // Not everybody has read the latest.
            let seen = history[history.len().saturating_sub(1 + age)].clone();
            let write_id = format!("w{n}");
            let Some(write) = write(step, &seen.lease, &write_id) else { continue };
            prop_assert_eq!(Write::why_refused(std::slice::from_ref(&write)), None);
            prop_assert_eq!(write.allowed(Some(&row)), may(step, &seen, &now), "{:?} on {:?}", step, now);
            if !write.allowed(Some(&row)) {
                continue;
            }
            let expected = meaning(step, &seen, now.clone(), &write_id);
            let Some(after) = write.apply(Some(&row)) else {
                prop_assert!(expected.is_none());
                break;
            };
            let (after_it, expected) = (Known::of(&after), expected.unwrap());
            prop_assert_eq!(&after_it.lease, &expected.lease);
            prop_assert_eq!(&after_it.request, &expected.request);
            prop_assert!(after_it.lease.epoch >= now.lease.epoch, "epochs only rise");
            let new_owner = after_it.lease.owner.is_some() && matches!(step, Step::Take(_) | Step::Depart(..));
            prop_assert!(!new_owner || after_it.lease.epoch > now.lease.epoch, "a new owner has a new epoch");
            row = after;
            history.push(after_it);
        }
    }
}
