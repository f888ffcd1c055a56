//! Golden rows as the adapter documents and writes them, and what becomes of them.

use super::giving_back::{Form, plan};
use super::*;
use crate::membership::{GroupRow, group_key};
use crate::row::Value;
use proptest::prelude::*;

const SHARD: &str = "shardId-00000001762992402730-85636fc9";

fn ours() -> StreamArn {
    StreamArn::parse(
        "arn:aws:dynamodb:us-west-2:111122223333:table/Forum/stream/2015-05-20T20:51:10.252",
    )
    .unwrap()
}

/// A row of columns that are texts, or numbers where they look like one.
fn row(key: &str, columns: &[(&'static str, &str)]) -> Row {
    let mut row = Row::empty(RowKey::new(key));
    for (name, value) in columns {
        let is_number = ["leaseCounter", "checkpointSubSequenceNumber", "epoch"].contains(name);
        let value = match value.parse::<u64>() {
            Ok(number) if is_number => Value::Number(number),
            _ => Value::from(*value),
        };
        row.columns.insert((*name).into(), value);
    }
    row
}

/// Adapter 1.6.1 on KCL 1.14.9.
fn v1(checkpoint: &str) -> Row {
    row(
        SHARD,
        &[
            ("leaseOwner", "java-1"),
            ("leaseCounter", "412"),
            ("checkpoint", checkpoint),
            ("checkpointSubSequenceNumber", "0"),
            ("startingHashKey", "0"),
            ("endingHashKey", "1"),
        ],
    )
}

fn parsed(row: &Row) -> KclLease {
    KclLease::parse(row, &ours()).unwrap().unwrap()
}

fn refused(row: &Row) -> String {
    KclLease::parse(row, &ours()).unwrap().unwrap_err().why
}

fn adopted(row: &Row) -> Row {
    let write = parsed(row).adopt(1, &Checkpoint::TrimHorizon, "w1");
    assert!(write.allowed(Some(row)), "{write:?}");
    write.apply(Some(row)).unwrap()
}

fn multi_key(label: &str) -> String {
    format!("111122223333:us-west-2$111122223333$Forum${label}:1:{SHARD}")
}

#[test]
fn a_single_stream_row_is_adopted_where_it_stands_with_its_checkpoint() {
    let mut before = v1("820400000000000001192334");
    before.columns.insert("somebodysOwn".into(), "kept".into());
    let after = adopted(&before);
    let lease = Lease::parse(&after).unwrap();
    assert_eq!(lease.key.as_str(), SHARD);
    assert_eq!((lease.stream, lease.shard.as_str()), (ours(), SHARD));
    assert_eq!((lease.owner, lease.epoch, lease.version), (None, 1, 413));
    assert_eq!(lease.checkpoint.to_string(), "820400000000000001192334");
    assert_eq!(after.text("somebodysOwn"), Some("kept"));
    assert_eq!(after.text(column::ENTITY), Some(LEASE_ENTITY));
}

#[test]
fn every_sentinel_of_kcl_is_known() {
    let position = |checkpoint| parsed(&v1(checkpoint)).position;
    assert_eq!(position("TRIM_HORIZON"), Some(Checkpoint::TrimHorizon));
    assert_eq!(position("SHARD_END"), Some(Checkpoint::ShardEnd));
    assert_eq!(position("LATEST"), None);
    assert_eq!(position("AT_TIMESTAMP"), None);
    assert!(refused(&v1("half past nine")).contains("half past nine"));
}

#[test]
fn s2_a_row_without_a_position_begins_where_nothing_is_lost() {
    for sentinel in ["LATEST", "AT_TIMESTAMP"] {
        let lease = Lease::parse(&adopted(&v1(sentinel))).unwrap();
        assert_eq!(lease.checkpoint, Checkpoint::TrimHorizon);
    }
}

#[test]
fn a_part_of_a_record_is_no_checkpoint_of_dynamodb_streams() {
    let mut odd = v1("820400000000000001192334");
    odd.columns
        .insert(column::CHECKPOINT_SUB.into(), Value::Number(3));
    assert!(refused(&odd).contains("checkpointSubSequenceNumber"));
}

#[test]
fn a_multi_stream_row_says_which_stream_it_is_of() {
    let columns = [("leaseCounter", "7"), ("checkpoint", "TRIM_HORIZON")];
    let now = parsed(&row(&multi_key("2015-05-20T20_51_10.252"), &columns));
    assert_eq!((now.stream, now.shard.as_str()), (ours(), SHARD));
    assert_eq!(now.key, lease_key(&ours(), &ShardId::from_service(SHARD)));
    let earlier = parsed(&row(&multi_key("2014-01-02T03_04_05.678"), &columns));
    assert_eq!(earlier.stream.label(), "2014-01-02T03:04:05.678");
    let other = multi_key("2015-05-20T20_51_10.252").replace("Forum", "Threads");
    assert!(refused(&row(&other, &columns)).contains("Threads"));
}

#[test]
fn rows_of_other_kinds_are_left_alone() {
    for kind in [
        "LEADER",
        "STREAM",
        "WORKER_METRIC_STATS",
        "CLIENT_VERSION_MIGRATION",
        "TABLE_MIGRATION",
    ] {
        let odd = row("Leader", &[("entityType", kind), ("leaseCounter", "1")]);
        assert_eq!(KclLease::parse(&odd, &ours()), None, "{kind}");
    }
    assert_eq!(KclLease::parse(&row("x", &[("a", "b")]), &ours()), None);
    assert_eq!(KclLease::parse(&adopted(&v1("LATEST")), &ours()), None);
    let v3 = row(
        SHARD,
        &[
            ("entityType", "LEASE"),
            ("leaseCounter", "1"),
            ("checkpoint", "LATEST"),
        ],
    );
    assert!(KclLease::parse(&v3, &ours()).is_some());
}

#[test]
fn adopt_is_refused_for_a_row_that_moved_and_for_one_that_was_adopted() {
    let before = v1("LATEST");
    let write = parsed(&before).adopt(1, &Checkpoint::TrimHorizon, "w1");
    for (name, value) in [
        ("leaseCounter", Value::Number(413)),
        ("leaseOwner", "java-2".into()),
        ("checkpoint", "820".into()),
    ] {
        let mut moved = before.clone();
        moved.columns.insert(name.into(), value);
        assert!(!write.allowed(Some(&moved)), "{name}");
    }
    assert!(!write.allowed(Some(&adopted(&before))));
    assert!(!write.allowed(None), "hole 14: it never creates a row");
}

#[test]
fn a_worker_is_alive_while_anything_of_its_rows_moves() {
    let sign = |after: &[Row]| {
        let parse = |row: &Row| KclLease::parse(row, &ours())?.ok();
        let now: Vec<KclLease> = after.iter().filter_map(parse).collect();
        sign_of_life(&[parsed(&v1("820"))], &now, after).map(|sign| sign.to_string())
    };
    assert_eq!(sign(&[v1("820")]), None);
    assert_eq!(sign(&[adopted(&v1("820"))]), None, "one of us was faster");
    let with = |name: &'static str, value: Value| {
        let mut row = v1("820");
        row.columns.insert(name.into(), value);
        sign(&[row]).unwrap()
    };
    let beat = with("leaseCounter", Value::Number(413));
    assert!(beat.contains("java-1") && beat.contains("leaseCounter"));
    assert!(with("leaseOwner", "java-2".into()).contains("java-2"));
    assert!(with("checkpoint", "999".into()).contains("checkpoint"));
    assert!(sign(&[]).unwrap().contains("deleted"));
    let mut child = v1("TRIM_HORIZON");
    child.key = RowKey::new("shardId-child");
    assert!(sign(&[v1("820"), child]).unwrap().contains("made a lease"));
}

#[test]
fn ancestors_whose_leases_kcl_deleted_are_done_and_siblings_are_not() {
    let shard = |(id, parent): &(&str, Option<&str>)| {
        let id = ShardId::from_service(id);
        let shard = Shard {
            id: id.clone(),
            parent: parent.map(ShardId::from_service),
            starting: None,
            ending: None,
        };
        (id, shard)
    };
    let listed = |all: &[(&str, Option<&str>)]| all.iter().map(shard).collect();
    let done = |all: &[(&str, Option<&str>)], leased: &[&str]| {
        let leased = leased.iter().map(ShardId::from_service).collect();
        let found: BTreeMap<ShardId, Shard> = listed(all);
        let done = done_before(&found, &leased);
        done.iter().map(|s| s.id.to_string()).collect::<Vec<_>>()
    };
    let family = [
        ("a", Some("trimmed")),
        ("b", Some("a")),
        ("c", Some("b")),
        ("sibling", Some("b")),
        ("other", None),
    ];
    assert_eq!(done(&family, &["c"]), ["a", "b"]);
    assert_eq!(
        done(&family, &["a", "c"]),
        Vec::<String>::new(),
        "b may be unread"
    );
    assert_eq!(done(&family, &[]), Vec::<String>::new());
    assert_eq!(
        done(&[("x", Some("y")), ("y", Some("x"))], &["x"]),
        Vec::<String>::new()
    );
}

#[test]
fn a_counter_that_moves_under_an_old_write_id_was_moved_by_a_stranger() {
    let row = adopted(&v1("820"));
    let lease = Lease::parse(&row).unwrap();
    let me = WorkerId::new("a", 1);
    let taken = lease.take(&me, "w2").apply(Some(&row)).unwrap();
    let taken = Lease::parse(&taken).unwrap();
    assert!(!foreign_write(&lease, &taken), "our own take");
    assert!(!foreign_write(&lease, &lease));
    let mut stolen = taken.clone();
    stolen.version += 1;
    stolen.owner = Some(WorkerId::from_row("java-1"));
    assert!(foreign_write(&taken, &stolen));
    let (stop, why) = stop_foreign(&stolen, &me, None, "w3");
    assert!(why.contains("java-1"), "{why}");
    assert!(!stop.allowed(Some(&row)), "only the row as it was read");
}

#[test]
fn what_is_given_back_is_what_kcl_wrote() {
    let before = v1("820400000000000001192334");
    let back = plan(&[adopted(&before)], Form::SingleStream);
    let [returned] = &back.leases[..] else {
        panic!("one lease");
    };
    let after = returned.writes[0].apply(Some(&adopted(&before))).unwrap();
    let mut expected = before;
    expected.columns.remove("leaseOwner");
    expected
        .columns
        .insert("leaseCounter".into(), Value::Number(413));
    assert_eq!(after, expected);
}

#[test]
fn a_prepared_checkpoint_is_given_back_while_ours_is_before_it() {
    let given = |checkpoint: &str| {
        let mut row = adopted(&v1(checkpoint));
        row.columns.insert("pendingCheckpoint".into(), "900".into());
        let back = plan(std::slice::from_ref(&row), Form::SingleStream);
        let after = back.leases[0].writes[0].apply(Some(&row)).unwrap();
        after.text("pendingCheckpoint").map(str::to_owned)
    };
    assert_eq!(given("820").as_deref(), Some("900"));
    assert_eq!(given("1000"), None);
    assert_eq!(given("SHARD_END"), None);
}

#[test]
fn the_form_of_a_table_is_read_off_its_rows() {
    assert_eq!(Form::of(&[]), None);
    assert_eq!(Form::of(&[v1("LATEST")]), Some(Form::SingleStream));
    let mut multi = v1("LATEST");
    multi.columns.insert("streamName".into(), "x".into());
    assert_eq!(Form::of(&[multi]), Some(Form::MultiStream));
}

#[test]
fn the_group_row_goes_only_if_nobody_joined_meanwhile() {
    let founded = GroupRow::found("orders", None).apply(None).unwrap();
    let joined = GroupRow::enrol(&WorkerId::new("a", 1))
        .apply(Some(&founded))
        .unwrap();
    let group = |row: &Row| plan(std::slice::from_ref(row), Form::SingleStream).group;
    let remove = group(&founded).unwrap();
    assert_eq!(remove.key, group_key());
    assert!(remove.allowed(Some(&founded)) && !remove.allowed(Some(&joined)));
    assert!(group(&joined).unwrap().allowed(Some(&joined)));
}

proptest! {
    #[test]
    fn any_row_is_read_or_refused_without_a_panic(key in ".{0,60}", checkpoint in ".{0,50}", counter: u64) {
        let mut odd = row(&key, &[("checkpoint", &checkpoint)]);
        odd.columns.insert(column::VERSION.into(), Value::Number(counter));
        let _ = KclLease::parse(&odd, &ours());
    }
}
