//! The body of a `GetRecords` answer, taken apart without decoding the images.
//!
//! Two things that the usual decoders cannot do are done here. An empty 200 body or `{}` is told
//! apart from a page without records, so it is never the end of a shard; and one record that cannot
//! be read costs one record, not the page.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::checkpoint::Timestamp;
use crate::ids::SequenceNumber;
use crate::record::{ChangeKind, Head, Place, Record};

/// Why a body is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer to GetRecords is not a page: {0}")]
pub struct PageError(&'static str);

/// The records of one answer, and the records of it that could not be read.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The records that could be read, in the order of the answer.
    pub records: Vec<Record>,
    /// For each record that could not be read: how many of [`Page::records`] came before it, and its
    /// sequence number where that could be read.
    pub undecodable: Vec<Undecodable>,
    /// The size of the body in bytes.
    pub bytes: usize,
}

impl Page {
    /// True when there was no record, readable or not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.undecodable.is_empty()
    }
}

/// A record of a page that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// How many readable records of the page came before it.
    pub index: usize,
    /// Its position, where that much could be read.
    pub sequence_number: Option<SequenceNumber>,
}

/// A page and the iterator that follows it, both as the service said them.
#[derive(Clone)]
pub struct PageBody {
    /// The records.
    pub page: Page,
    /// The text of `NextShardIterator`; `None` when it was absent or null.
    pub next: Option<String>,
}

impl fmt::Debug for PageBody {
    /// The iterator is nobody's to print (S16).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageBody")
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct RawBody<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<RawRecord<'a>>>,
    #[serde(rename = "NextShardIterator")]
    next: Option<String>,
}

/// The same, with every record still unread.
#[derive(Deserialize)]
struct UnreadBody<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(rename = "NextShardIterator")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(rename = "eventID", borrow)]
    event_id: Option<&'a RawValue>,
    #[serde(rename = "eventName", borrow)]
    event_name: Option<&'a RawValue>,
    #[serde(rename = "userIdentity", borrow)]
    identity: Option<&'a RawValue>,
    #[serde(borrow)]
    dynamodb: RawStreamRecord<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawStreamRecord<'a> {
    approximate_creation_date_time: Option<f64>,
    #[serde(borrow)]
    keys: Option<&'a RawValue>,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
    #[serde(borrow)]
    old_image: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence_number: &'a RawValue,
    size_bytes: Option<i64>,
    #[serde(borrow)]
    stream_view_type: Option<&'a RawValue>,
}

impl PageBody {
    /// Reads the body of a successful answer.
    pub fn parse(body: Bytes) -> Result<Self, PageError> {
        if u32::try_from(body.len()).is_err() {
            return Err(PageError("it is larger than 4 GiB"));
        }
        if let Ok(raw) = serde_json::from_slice::<RawBody<'_>>(&body) {
            let records = raw.records.ok_or(PageError("it has no member Records"))?;
            let read: Option<Vec<Record>> =
                records.iter().map(|record| record.read(&body)).collect();
            if let Some(records) = read {
                let page = Page {
                    records,
                    undecodable: Vec::new(),
                    bytes: body.len(),
                };
                return Ok(Self {
                    page,
                    next: raw.next,
                });
            }
        }
        Self::parse_one_by_one(&body)
    }

    /// The slow way, taken only when something in the page is odd.
    fn parse_one_by_one(body: &Bytes) -> Result<Self, PageError> {
        let raw: UnreadBody<'_> =
            serde_json::from_slice(body).map_err(|_| PageError("it is not the JSON of a page"))?;
        let mut page = Page {
            bytes: body.len(),
            ..Page::default()
        };
        for unread in raw.records.ok_or(PageError("it has no member Records"))? {
            let parsed = serde_json::from_str::<RawRecord<'_>>(unread.get());
            match parsed.ok().and_then(|record| record.read(body)) {
                Some(record) => page.records.push(record),
                None => page.undecodable.push(Undecodable {
                    index: page.records.len(),
                    sequence_number: sequence_number_of(unread),
                }),
            }
        }
        Ok(Self {
            page,
            next: raw.next,
        })
    }
}

impl Record {
    /// A record from its own JSON, in the form that `GetRecords` answers: for in-memory sources and
    /// for tests. `None` when it cannot be read.
    pub fn from_json(json: impl Into<Bytes>) -> Option<Self> {
        let json = json.into();
        serde_json::from_slice::<RawRecord<'_>>(&json)
            .ok()?
            .read(&json)
    }
}

impl RawRecord<'_> {
    fn read(&self, body: &Bytes) -> Option<Record> {
        let place = |raw: Option<&RawValue>| raw.and_then(|raw| place_in(body, raw));
        let dynamodb = &self.dynamodb;
        let head = Head {
            sequence_number: SequenceNumber::from_service(plain(dynamodb.sequence_number)?).ok()?,
            kind: kind_of(self.event_name),
            created_at: dynamodb
                .approximate_creation_date_time
                .and_then(Timestamp::from_epoch_seconds),
            size_bytes: dynamodb
                .size_bytes
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(0),
            event_id: place(self.event_id),
            identity: place(self.identity),
            view: place(dynamodb.stream_view_type),
            keys: place(dynamodb.keys),
            new_image: place(dynamodb.new_image),
            old_image: place(dynamodb.old_image),
        };
        Some(Record {
            page: body.clone(),
            head,
        })
    }
}

/// `raw` borrows from `body`, so its place is the distance between the two; JSON `null` is absence.
fn place_in(body: &Bytes, raw: &RawValue) -> Option<Place> {
    let text = raw.get();
    if text == "null" {
        return None;
    }
    let start = (text.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    Some(Place {
        start: u32::try_from(start).ok()?,
        len: u32::try_from(text.len()).ok()?,
    })
}

/// The inside of a JSON string without escapes, which names and numbers never need.
fn plain(raw: &RawValue) -> Option<&str> {
    raw.get()
        .strip_prefix('"')?
        .strip_suffix('"')
        .filter(|text| !text.contains('\\'))
}

fn kind_of(name: Option<&RawValue>) -> ChangeKind {
    match name.and_then(plain) {
        Some("INSERT") => ChangeKind::Insert,
        Some("MODIFY") => ChangeKind::Modify,
        Some("REMOVE") => ChangeKind::Remove,
        _ => ChangeKind::Unknown,
    }
}

fn sequence_number_of(unread: &RawValue) -> Option<SequenceNumber> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        dynamodb: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(rename = "SequenceNumber", borrow)]
        sequence_number: &'a RawValue,
    }
    let outer: Outer<'_> = serde_json::from_str(unread.get()).ok()?;
    let inner: Inner<'_> = serde_json::from_str(outer.dynamodb.get()).ok()?;
    SequenceNumber::from_service(plain(inner.sequence_number)?).ok()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Change, ImageError};
    use proptest::prelude::*;
    use serde_json::json;

    fn wire(sequence_number: &str) -> serde_json::Value {
        json!({
            "eventID": "e1", "eventName": "MODIFY", "eventVersion": "1.1", "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_396_672,
                "Keys": {"id": {"S": "secret-key"}},
                "NewImage": {"id": {"S": "secret-key"}, "total": {"N": "42"}},
                "OldImage": {"id": {"S": "secret-key"}, "total": {"N": "41"}},
                "SequenceNumber": sequence_number, "SizeBytes": 58,
                "StreamViewType": "NEW_AND_OLD_IMAGES"
            }
        })
    }

    fn body(value: serde_json::Value) -> Result<PageBody, PageError> {
        PageBody::parse(Bytes::from(value.to_string()))
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Order {
        id: String,
        total: u32,
    }

    #[test]
    fn a_page_gives_its_records_and_the_next_iterator() {
        let parsed =
            body(json!({"Records": [wire("11"), wire("12")], "NextShardIterator": "next"}))
                .unwrap();
        assert_eq!(parsed.page.records.len(), 2);
        assert_eq!(parsed.next.as_deref(), Some("next"));
        let order = |total| Order {
            id: "secret-key".into(),
            total,
        };
        let change = parsed.page.records[0].change::<Order>().unwrap();
        assert_eq!(
            change,
            Change::Modified {
                old: Some(order(41)),
                new: order(42)
            }
        );
    }

    #[test]
    fn s8_an_empty_or_memberless_answer_is_never_a_page() {
        for odd in [
            "",
            "{}",
            "null",
            "[]",
            "<html></html>",
            "{\"NextShardIterator\":\"x\"}",
            "{\"Records\":",
        ] {
            assert!(
                PageBody::parse(Bytes::from_static(odd.as_bytes())).is_err(),
                "{odd:?}"
            );
        }
        assert!(
            body(json!({"Records": []})).unwrap().next.is_none(),
            "this one is a real end"
        );
    }

    #[test]
    fn one_record_that_cannot_be_read_costs_one_record() {
        let mut poison = wire("12");
        poison["dynamodb"]["Keys"] = json!(null);
        poison["dynamodb"]["SizeBytes"] = json!("many");
        let parsed = body(json!({"Records": [wire("11"), poison, wire("13")]})).unwrap();
        let read: Vec<_> = parsed
            .page
            .records
            .iter()
            .map(|r| r.sequence_number().to_string())
            .collect();
        assert_eq!(read, ["11", "13"]);
        let lost = Undecodable {
            index: 1,
            sequence_number: SequenceNumber::from_service("12").ok(),
        };
        assert_eq!(parsed.page.undecodable, [lost]);
    }

    #[test]
    fn s16_debug_never_prints_item_data() {
        let parsed = body(json!({"Records": [wire("11")]})).unwrap();
        assert!(!format!("{parsed:?}").contains("secret"));
        let wrong = parsed.page.records[0].new_image::<std::collections::BTreeMap<String, u8>>();
        let message = wrong.unwrap_err().to_string();
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn f47_a_missing_image_says_which_view_type_is_to_blame() {
        let mut keys_only = wire("11");
        let inner = keys_only["dynamodb"].as_object_mut().unwrap();
        inner.retain(|name, _| !name.ends_with("Image"));
        inner.insert("StreamViewType".into(), json!("KEYS_ONLY"));
        let parsed = body(json!({"Records": [keys_only]})).unwrap();
        let error = parsed.page.records[0].new_image::<Order>().unwrap_err();
        assert!(
            matches!(&error, ImageError::NotInView { view, .. } if view == "KEYS_ONLY"),
            "{error}"
        );
    }

    #[test]
    fn f45_a_ttl_delete_is_told_from_a_users_delete() {
        let mut expired = wire("11");
        expired["eventName"] = json!("REMOVE");
        assert!(
            !Record::from_json(expired.to_string())
                .unwrap()
                .is_ttl_delete()
        );
        expired["userIdentity"] =
            json!({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"});
        assert!(
            Record::from_json(expired.to_string())
                .unwrap()
                .is_ttl_delete()
        );
        expired["userIdentity"] =
            json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
        assert!(
            Record::from_json(expired.to_string())
                .unwrap()
                .is_ttl_delete()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = PageBody::parse(Bytes::from(bytes));
        }
    }
}
