//! Bytes of every kind: pages by hand (`corpus/page`), the same damaged, and pages put together of odd records.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::*;
use crate::ids::ShardId;
use crate::record::{Batch, ImageError};
use proptest::prelude::*;
use proptest::sample::Index;

/// Item data of every seed begins with the first, iterators with the second.
const NEVER_PRINTED: [&str; 2] = ["zq-secret", "zq-iterator"];

static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/page");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
});

/// What happens to a seed on its way.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Truncate(Index),
    Cut(Index, Index),
    /// A part of another seed is put in.
    Splice(Index, Index, Index, Index),
    Insert(Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    let odd = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b"\\ud800".to_vec()),
        Just(b"1e999".to_vec()),
        Just(vec![b'['; 200]),
        Just(vec![0xff]),
        Just(b"null".to_vec()),
        Just(b"{}".to_vec()),
        prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop_oneof![
        (place(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        place().prop_map(Damage::Truncate),
        (place(), place()).prop_map(|(from, to)| Damage::Cut(from, to)),
        (place(), place(), place(), place())
            .prop_map(|(at, seed, from, to)| Damage::Splice(at, seed, from, to)),
        (place(), odd).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn part(bytes: &[u8], from: &Index, to: &Index) -> std::ops::Range<usize> {
    let (a, b) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
    a.min(b)..a.max(b)
}

fn damaged(mut bytes: Vec<u8>, damage: &Damage, seeds: &[Vec<u8>]) -> Vec<u8> {
    let at = |index: &Index| index.index(bytes.len() + 1);
    match damage {
        Damage::Flip(index, bit) => {
            let at = at(index);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Damage::Truncate(index) => bytes.truncate(at(index)),
        Damage::Cut(from, to) => drop(bytes.drain(part(&bytes, from, to))),
        Damage::Splice(index, seed, from, to) => {
            let (at, other) = (at(index), &seeds[seed.index(seeds.len())]);
            bytes.splice(at..at, other[part(other, from, to)].iter().copied());
        }
        Damage::Insert(index, odd) => {
            let at = at(index);
            bytes.splice(at..at, odd.iter().copied());
        }
    }
    bytes
}

#[derive(Debug, serde::Deserialize)]
enum Status {
    Open,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what it is decoded into is not looked at")]
struct Order {
    id: Status,
    total: u8,
}

/// A user's own type, whose message quotes what it was given.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "String")]
struct Picky;

impl TryFrom<String> for Picky {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        Err(format!("not picked: {given}"))
    }
}

/// Everything that may be printed of a record, and everything that is said when its images do not fit.
fn printed(record: &Record) -> Vec<String> {
    let mut said = vec![format!("{record:?} {record:#?}")];
    let mut hear = |error: Option<ImageError>| {
        // A view type is the service's word; damage can put anything into it.
        if let Some(error) = error.filter(|error| !matches!(error, ImageError::NotInView { .. })) {
            said.push(format!("{error} {error:?}"));
        }
    };
    hear(record.keys::<Order>().err());
    hear(record.keys::<BTreeMap<String, u8>>().err());
    hear(record.keys::<BTreeMap<String, Picky>>().err());
    hear(record.new_image::<Order>().err());
    hear(record.new_image::<BTreeMap<String, Picky>>().err());
    hear(record.old_image::<BTreeMap<String, Vec<Status>>>().err());
    hear(record.change::<BTreeMap<String, f32>>().err());
    let _ = (
        record.event_id(),
        record.is_ttl_delete(),
        record.keys_json(),
        record.view_type(),
    );
    said
}

fn check_nothing_is_told(bytes: &[u8]) -> Result<(), TestCaseError> {
    let said = match PageBody::parse(Bytes::from(bytes.to_vec())) {
        Err(error) => vec![format!("{error} {error:?}")],
        Ok(body) => {
            let records = body.page.records.clone();
            let batch = Batch::new(ShardId::from_service("s"), records);
            let mut said = vec![format!("{body:?} {batch:?}")];
            said.extend(batch.iter().flat_map(printed));
            prop_assert_eq!(body.page.bytes, bytes.len());
            said
        }
    };
    for line in said {
        for secret in NEVER_PRINTED {
            prop_assert!(!line.contains(secret), "{line}");
        }
    }
    Ok(())
}

#[test]
fn s16_every_page_of_the_corpus_is_read_or_refused_without_telling_its_data() {
    let seeds = &*CORPUS;
    assert!(seeds.len() >= 10, "{} seeds", seeds.len());
    let pages = seeds
        .iter()
        .filter(|seed| PageBody::parse(Bytes::copy_from_slice(seed)).is_ok());
    assert!(pages.count() >= 5, "most of them are pages");
    for seed in seeds {
        check_nothing_is_told(seed).unwrap();
    }
}

/// Text that can be put into a JSON string as it is.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ,:`']{0,8}",
        Just(", expected ".to_owned()),
        Just("missing field `".to_owned()),
        Just("invalid type: ".to_owned()),
        Just("unknown field `".to_owned())
    ]
}

/// One attribute whose data is the secret in any wording.
fn secret_attribute() -> impl Strategy<Value = String> {
    (words(), words(), 0usize..6).prop_map(|(before, after, kind)| {
        let text = format!("{before}zq-secret{after}");
        match kind {
            0 => format!(r#"{{"S":"{text}"}}"#),
            1 => format!(r#"{{"N":"{text}"}}"#),
            2 => format!(r#"{{"SS":["{text}"]}}"#),
            3 => format!(r#"{{"M":{{"{text}":{{"NULL":true}}}}}}"#),
            4 => format!(r#"{{"B":"{text}"}}"#),
            _ => format!(r#""{text}""#),
        }
    })
}

/// An element of `Records`: fit to be a record, nearly, or anything that is JSON.
fn element() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "1e999",
        "-?[1-9][0-9]{0,400}",
        "[1-9]\\.[0-9]{1,30}E-?[0-9]{1,3}",
        "-0"
    ];
    let odd = prop_oneof![
        number,
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just(r#""zq-secret\ud800""#.to_owned()),
        (1usize..2000).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
        (1usize..600).prop_map(|depth| format!(
            "{}1{}",
            r#"{"L":"#.repeat(depth),
            "}".repeat(depth)
        )),
        Just(r#"{"dynamodb":{"SequenceNumber":"7"}}"#.to_owned()),
    ];
    let member = prop::sample::select(vec![
        "SequenceNumber",
        "SizeBytes",
        "ApproximateCreationDateTime",
        "Keys",
        "NewImage",
        "OldImage",
        "StreamViewType",
        "More",
    ]);
    let extra = prop::option::of((member, odd.clone()));
    let record = ("[0-9]{0,42}", extra, "(INSERT|MODIFY|REMOVE|[A-Z]{0,5})", odd.clone()).prop_map(|(number, extra, kind, identity)| {
        let extra = extra.map(|(name, value)| format!(r#","{name}":{value}"#)).unwrap_or_default();
        format!(r#"{{"eventName":"{kind}","userIdentity":{identity},"dynamodb":{{"SequenceNumber":"{number}"{extra}}}}}"#)
    });
    prop_oneof![
        3 => "[1-9][0-9]{0,39}".prop_map(|number| format!(r#"{{"dynamodb":{{"SequenceNumber":"{number}"}}}}"#)),
        3 => record,
        1 => odd,
    ]
}

proptest! {
    #[test]
    fn s15_s16_a_damaged_page_is_read_or_refused_without_a_panic_and_without_telling_its_data(
        seed: Index, damages in prop::collection::vec(damage(), 1..6)
    ) {
        let seeds = &*CORPUS;
        let intact = seeds[seed.index(seeds.len())].clone();
        let bytes = damages.iter().fold(intact, |bytes, damage| damaged(bytes, damage, seeds));
        check_nothing_is_told(&bytes)?;
    }

    #[test]
    fn s15_a_page_gives_every_record_that_can_be_read_alone_and_counts_every_other(
        elements in prop::collection::vec(element(), 0..8)
    ) {
        let body = format!(r#"{{"Records":[{}],"NextShardIterator":"zq-iterator"}}"#, elements.join(","));
        let parsed = PageBody::parse(Bytes::from(body)).unwrap();
        let (mut read, mut odd) = (Vec::new(), Vec::new());
        for element in elements {
            match Record::from_json(element) {
                Some(record) => read.push(record),
                None => odd.push(read.len()),
            }
        }
        let shown = |records: &[Record]| -> Vec<String> {
            let parts = records.iter().map(|r| format!("{r:?} {} {:?} {:?}", r.keys_json(), r.new_image_json(), r.old_image_json()));
            parts.collect()
        };
        prop_assert_eq!(shown(&parsed.page.records), shown(&read));
        prop_assert_eq!(parsed.page.undecodable.iter().map(|odd| odd.index).collect::<Vec<_>>(), odd);
        prop_assert_eq!(parsed.next.as_deref(), Some("zq-iterator"));
    }

    #[test]
    fn s16_whatever_an_image_holds_no_message_about_it_tells_its_data(attribute in secret_attribute(), name in "(id|total|zq-secret)") {
        let image = format!(r#"{{"{name}":{attribute}}}"#);
        let json = format!(r#"{{"eventName":"MODIFY","dynamodb":{{"SequenceNumber":"1","Keys":{image},"NewImage":{image},"OldImage":{image}}}}}"#);
        let page = format!(r#"{{"Records":[{json}],"NextShardIterator":"zq-iterator"}}"#);
        check_nothing_is_told(page.as_bytes())?;
    }
}
