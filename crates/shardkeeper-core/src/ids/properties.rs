//! What holds of every name, however odd.

use std::collections::BTreeSet;

use super::*;
use crate::lease::lease_key;
use proptest::prelude::*;

/// The number as two halves of twenty digits, each of which fits: an order that knows nothing of text.
fn halves(digits: &str) -> (u128, u128) {
    let padded = format!("{digits:0>40}");
    let half = |text: &str| text.parse().unwrap();
    (half(&padded[..20]), half(&padded[20..]))
}

fn number(digits: &str) -> SequenceNumber {
    SequenceNumber::from_service(digits).unwrap()
}

fn hash(number: SequenceNumber) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    number.hash(&mut hasher);
    hasher.finish()
}

/// Numbers of every width, of which many share a beginning and differ late.
fn digits() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,40}",
        "0{0,20}[0-9]{1,20}",
        "[12]0{20,37}[0-9]",
        "[0-9]{40}",
    ]
}

/// Names as the service gives them, and others of the same shape.
fn arn_parts() -> impl Strategy<Value = [String; 5]> {
    let label = prop_oneof![
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}",
        "[:/_a-z0-9]{1,30}",
        ".{1,30}",
    ];
    (
        "aws(-[a-z]{1,6}){0,2}|[^:]{0,4}",
        "[a-z]{2}-[a-z]{4,9}-[0-9]|[^:]{0,20}",
        "[0-9]{12}|[^:]{0,8}",
        "[A-Za-z0-9_.-]{3,40}",
        label,
    )
        .prop_map(|(partition, region, account, table, label)| {
            [partition, region, account, table, label]
        })
}

fn joined([partition, region, account, table, label]: &[String; 5]) -> String {
    format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}/stream/{label}")
}

/// What the service gives: digits, letters and a time.
fn real_arn() -> impl Strategy<Value = StreamArn> {
    let text = "arn:aws:dynamodb:(us-east-1|eu-west-1):[0-9]{12}:table/[ab_.-]{1,3}/stream/2026-1[12]-0[12]T0[01]:0[01]:00\\.00[01]";
    text.prop_map(|text| StreamArn::parse(&text).unwrap())
}

proptest! {
    #[test]
    fn s14_sequence_numbers_of_every_width_are_ordered_as_numbers(a in digits(), b in digits()) {
        let (x, y) = (number(&a), number(&b));
        prop_assert_eq!(x.cmp(&y), halves(&a).cmp(&halves(&b)));
        prop_assert_eq!(x == y, halves(&a) == halves(&b));
        prop_assert!(x != y || hash(x) == hash(y), "equal numbers have one hash");
    }

    #[test]
    fn f31_a_sequence_number_is_printed_as_it_was_read(text in digits()) {
        prop_assert_eq!(number(&text).to_string(), text.clone());
        prop_assert_eq!(format!("{:?}", number(&text)), text.clone());
        prop_assert_eq!(SequenceNumber::parse(&text).is_ok(), text.len() >= 21);
    }

    #[test]
    fn f31_what_is_not_one_to_forty_digits_is_no_sequence_number(
        text in prop_oneof![".{0,50}", "[0-9]{0,60}", "[0-9]{0,20}.[0-9]{0,20}", "[٠-٩]{1,20}"]
    ) {
        let valid = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        prop_assert_eq!(SequenceNumber::from_service(&text).is_ok(), valid);
        prop_assert_eq!(SequenceNumber::parse(&text).is_ok(), valid && text.len() >= 21);
    }

    #[test]
    fn f25_f54_an_arn_of_any_partition_region_and_label_gives_its_parts_back(parts in arn_parts()) {
        let text = joined(&parts);
        prop_assume!((37..=1024).contains(&text.len()));
        let arn = StreamArn::parse(&text).unwrap();
        let [_, region, account, table, label] = &parts;
        prop_assert_eq!([arn.region(), arn.account(), arn.table(), arn.label()], [region, account, table, label]);
        prop_assert_eq!(arn.as_str(), text);
    }

    #[test]
    fn f25_a_damaged_arn_is_refused_or_gives_its_own_parts_back(
        parts in arn_parts(), at in any::<prop::sample::Index>(), put in ".{0,3}", cut in 0usize..4
    ) {
        let mut letters: Vec<char> = joined(&parts).chars().collect();
        let at = at.index(letters.len());
        let end = (at + cut).min(letters.len());
        letters.splice(at..end, put.chars());
        let text: String = letters.into_iter().collect();
        if let Ok(arn) = StreamArn::parse(&text) {
            let rest = format!(":dynamodb:{}:{}:table/{}/stream/{}", arn.region(), arn.account(), arn.table(), arn.label());
            prop_assert!(text.starts_with("arn:") && text.ends_with(&rest), "{text}");
            prop_assert!(!arn.table().is_empty() && !arn.label().is_empty());
        }
    }

    #[test]
    fn what_was_refused_is_quoted_in_part_only(text in ".{0,2000}") {
        let refusals = [
            SequenceNumber::from_service(&text).err(), StreamArn::parse(&text).err(), ShardId::parse(&text).err(),
        ];
        for refusal in refusals.into_iter().flatten() {
            // A character takes at most ten when it is escaped.
            prop_assert!(refusal.to_string().chars().count() < 120 * 10 + 200);
        }
    }

    #[test]
    fn s13_two_leases_share_a_key_only_when_stream_and_shard_are_the_same(
        streams in prop::collection::vec(real_arn(), 2), shards in prop::collection::vec("[a:1_]{1,6}", 2)
    ) {
        let leases: BTreeSet<(&StreamArn, &String)> =
            streams.iter().flat_map(|stream| shards.iter().map(move |shard| (stream, shard))).collect();
        let keys: BTreeSet<_> =
            leases.iter().map(|(stream, shard)| lease_key(stream, &ShardId::from_service(shard))).collect();
        prop_assert_eq!(keys.len(), leases.len());
    }

    #[test]
    fn s5_two_lives_of_one_name_are_two_workers_and_both_keep_the_name(name in ".{0,20}", a: u128, b: u128) {
        let (one, other) = (WorkerId::new(&name, a), WorkerId::new(&name, b));
        prop_assert_eq!(one == other, a == b);
        prop_assert_eq!(one.name(), name);
        prop_assert_eq!(WorkerId::from_row(one.as_str()), one);
    }
}
