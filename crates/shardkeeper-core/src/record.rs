//! Records as the user sees them, and batches of them.
//!
//! A record keeps the bytes that `GetRecords` answered and decodes an image only when asked: decoding
//! costs ten times what reading does, and most consumers look at a few attributes. How images are
//! kept is nobody else's business.
//!
//! `Debug` never prints item data (G11, S16). What does print data says so in its name: the
//! `*_json` accessors.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::checkpoint::Timestamp;
use crate::ids::{SequenceNumber, ShardId};
pub use crate::page::{Page, PageError};

/// What happened to the item (F44).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// `INSERT`: the item is new.
    Insert,
    /// `MODIFY`: the item was changed or replaced.
    Modify,
    /// `REMOVE`: the item was deleted.
    Remove,
    /// A name that this version does not know. Delivered, never dropped.
    Unknown,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// Why an image could not be decoded into the type asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The stream's view type leaves this image out (F47).
    #[error(
        "the record has no {image}: the stream's view type is {view}; a typed image needs NEW_AND_OLD_IMAGES or the matching single one"
    )]
    NotInView {
        /// Which image was asked for.
        image: &'static str,
        /// The stream's view type.
        view: String,
    },
    /// The image is not what the type expects. The message names types and fields, never values.
    #[error("the {image} does not fit the type {target}: {why}")]
    Mismatch {
        /// Which image was asked for.
        image: &'static str,
        /// The type it was to become.
        target: &'static str,
        /// Where and how, without the data.
        why: String,
    },
}

/// One change of one item, with its place in the shard.
#[derive(Clone)]
pub struct Record {
    pub(crate) page: Bytes,
    pub(crate) head: Head,
}

/// What is decoded of every record; the rest are places in the page.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) kind: ChangeKind,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) size_bytes: u64,
    pub(crate) event_id: Option<Place>,
    pub(crate) identity: Option<Place>,
    pub(crate) view: Option<Place>,
    pub(crate) keys: Option<Place>,
    pub(crate) new_image: Option<Place>,
    pub(crate) old_image: Option<Place>,
}

/// Bytes of the page that hold one JSON value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Record {
    /// The position of the record in its shard. Increases along the shard, and for each item across
    /// the shards of its lineage.
    pub fn sequence_number(&self) -> SequenceNumber {
        self.head.sequence_number
    }

    /// Insert, modify or remove.
    pub fn kind(&self) -> ChangeKind {
        self.head.kind
    }

    /// About when the change was made, rounded down to the second by the service; absent on old or
    /// odd servers. For lag only: times are not monotone (F50).
    pub fn created_at(&self) -> Option<Timestamp> {
        self.head.created_at
    }

    /// The size that the service reports, in bytes (F46).
    pub fn size_bytes(&self) -> u64 {
        self.head.size_bytes
    }

    /// The globally unique id of the change: the key to recognise a record that is delivered again.
    pub fn event_id(&self) -> Option<String> {
        self.string_at(self.head.event_id)
    }

    /// True when DynamoDB itself deleted the item because its time to live was over (F45).
    pub fn is_ttl_delete(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Identity<'a> {
            #[serde(rename = "Type", alias = "type", borrow, default)]
            kind: Cow<'a, str>,
            #[serde(rename = "PrincipalId", alias = "principalId", borrow, default)]
            principal: Cow<'a, str>,
        }
        let Some(identity) = self.json_at(self.head.identity) else {
            return false;
        };
        serde_json::from_str::<Identity<'_>>(identity)
            .is_ok_and(|who| who.kind == "Service" && who.principal == "dynamodb.amazonaws.com")
    }

    /// What the record carries, as the service names it: `KEYS_ONLY`, `NEW_IMAGE`, `OLD_IMAGE` or
    /// `NEW_AND_OLD_IMAGES`.
    pub fn view_type(&self) -> Option<String> {
        self.string_at(self.head.view)
    }

    /// The primary key of the item as `T`.
    pub fn keys<T: DeserializeOwned>(&self) -> Result<T, ImageError> {
        self.image("keys", self.head.keys)?
            .ok_or_else(|| self.not_in_view("keys"))
    }

    /// The item after the change as `T`; `None` when it was removed.
    ///
    /// # Errors
    /// [`ImageError::NotInView`] when the stream does not carry new images.
    pub fn new_image<T: DeserializeOwned>(&self) -> Result<Option<T>, ImageError> {
        self.image_or_view(
            "new image",
            self.head.new_image,
            self.kind() == ChangeKind::Remove,
        )
    }

    /// The item before the change as `T`; `None` when it did not exist.
    ///
    /// # Errors
    /// [`ImageError::NotInView`] when the stream does not carry old images.
    pub fn old_image<T: DeserializeOwned>(&self) -> Result<Option<T>, ImageError> {
        self.image_or_view(
            "old image",
            self.head.old_image,
            self.kind() == ChangeKind::Insert,
        )
    }

    /// The change as one value of the user's type. Needs `NEW_AND_OLD_IMAGES`, or `NEW_IMAGE` for all
    /// but the old sides.
    pub fn change<T: DeserializeOwned>(&self) -> Result<Change<T>, ImageError> {
        let new = || {
            self.new_image::<T>()?
                .ok_or_else(|| self.not_in_view("new image"))
        };
        let old = || match self.old_image::<T>() {
            Err(ImageError::NotInView { .. }) => Ok(None),
            other => other,
        };
        Ok(match self.kind() {
            ChangeKind::Insert => Change::Inserted { new: new()? },
            ChangeKind::Modify => Change::Modified {
                old: old()?,
                new: new()?,
            },
            // An unknown kind is told apart by what it carries, as local servers' TTL deletes need.
            ChangeKind::Unknown if self.head.new_image.is_some() => Change::Modified {
                old: old()?,
                new: new()?,
            },
            ChangeKind::Remove | ChangeKind::Unknown => Change::Removed { old: old()? },
        })
    }

    /// The primary key as DynamoDB JSON. **Prints item data.**
    pub fn keys_json(&self) -> &str {
        self.json_at(self.head.keys).unwrap_or("{}")
    }

    /// The item after the change as DynamoDB JSON, where the record carries it. **Prints item data.**
    pub fn new_image_json(&self) -> Option<&str> {
        self.json_at(self.head.new_image)
    }

    /// The item before the change as DynamoDB JSON, where the record carries it. **Prints item data.**
    pub fn old_image_json(&self) -> Option<&str> {
        self.json_at(self.head.old_image)
    }

    fn json_at(&self, place: Option<Place>) -> Option<&str> {
        let Place { start, len } = place?;
        let bytes = self
            .page
            .get(start as usize..start as usize + len as usize)?;
        std::str::from_utf8(bytes).ok()
    }

    fn string_at(&self, place: Option<Place>) -> Option<String> {
        serde_json::from_str(self.json_at(place)?).ok()
    }

    fn image<T: DeserializeOwned>(
        &self,
        image: &'static str,
        place: Option<Place>,
    ) -> Result<Option<T>, ImageError> {
        let Some(json) = self.json_at(place) else {
            return Ok(None);
        };
        let target = std::any::type_name::<T>();
        let mismatch = |why: String| ImageError::Mismatch { image, target, why };
        let item: serde_dynamo::Item = serde_json::from_str(json)
            .map_err(|e| mismatch(format!("it is not DynamoDB JSON at column {}", e.column())))?;
        let found =
            serde_dynamo::from_item(item).map_err(|e| mismatch(without_values(&e.to_string())))?;
        Ok(Some(found))
    }

    fn image_or_view<T: DeserializeOwned>(
        &self,
        image: &'static str,
        place: Option<Place>,
        absent_by_kind: bool,
    ) -> Result<Option<T>, ImageError> {
        match self.image(image, place)? {
            None if absent_by_kind && self.view_has(image) => Ok(None),
            None => Err(self.not_in_view(image)),
            found => Ok(found),
        }
    }

    /// An unstated view type is not held against the record.
    fn view_has(&self, image: &str) -> bool {
        match self.view_type().as_deref() {
            Some("KEYS_ONLY") => false,
            Some("NEW_IMAGE") => image == "new image",
            Some("OLD_IMAGE") => image == "old image",
            _ => true,
        }
    }

    fn not_in_view(&self, image: &'static str) -> ImageError {
        ImageError::NotInView {
            image,
            view: self.view_type().unwrap_or_else(|| "not stated".into()),
        }
    }
}

/// The longest part of a deserialiser's message that is kept, in characters.
const MAX_WHY: usize = 120;

/// How serde begins the messages that end with what was expected, in the words of the type alone.
const ENDS_WITH_EXPECTED: [&str; 5] = [
    "invalid type: ",
    "invalid value: ",
    "invalid length ",
    "unknown variant `",
    UNKNOWN_FIELD,
];
const UNKNOWN_FIELD: &str = "unknown field `";

/// Deserialisers quote the offending value, and the names of unknown attributes may be data as well; both
/// are item data and may be worded like anything. What is kept names only the type's own fields: a message
/// that begins with a missing one, or what stands behind the last thing expected, where serde itself worded
/// the message. Anybody else's may end with the value.
fn without_values(message: &str) -> String {
    let short = |text: &str| text.chars().take(MAX_WHY).collect::<String>();
    if message.starts_with("missing field `") {
        return short(message);
    }
    let is_serdes = ENDS_WITH_EXPECTED
        .iter()
        .any(|beginning| message.starts_with(beginning));
    let expects_nothing = message.ends_with("`, there are no variants")
        || message.ends_with("`, there are no fields");
    let expected = message
        .rsplit_once(", expected ")
        .filter(|_| is_serdes && !expects_nothing);
    let unknown = if message.starts_with(UNKNOWN_FIELD) {
        "an attribute that the type does not know, "
    } else {
        ""
    };
    match expected {
        Some((_, expected)) => format!("{unknown}expected {}", short(expected)),
        None => "a value has another type than the field".into(),
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.head.kind)
            .field("sequence_number", &self.head.sequence_number)
            .field("created_at", &self.head.created_at)
            .field("size_bytes", &self.head.size_bytes)
            .finish_non_exhaustive()
    }
}

/// A change with both sides decoded: see [`Record::change`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<T> {
    /// The item is new.
    Inserted {
        /// The item.
        new: T,
    },
    /// The item was changed or replaced.
    Modified {
        /// Before; `None` where the stream carries no old images.
        old: Option<T>,
        /// After.
        new: T,
    },
    /// The item was deleted.
    Removed {
        /// Before; `None` where the stream carries no old images.
        old: Option<T>,
    },
}

/// Some records of one shard, in order. Cheap to clone; never empty when it is delivered.
#[derive(Clone)]
pub struct Batch {
    shard: ShardId,
    records: Arc<[Record]>,
    range: Range<usize>,
}

impl Batch {
    /// A batch of these records of one shard.
    pub fn new(shard: ShardId, records: impl Into<Arc<[Record]>>) -> Self {
        let records = records.into();
        let range = 0..records.len();
        Self {
            shard,
            records,
            range,
        }
    }

    /// The shard that the records come from.
    pub fn shard(&self) -> &ShardId {
        &self.shard
    }

    /// The records.
    pub fn records(&self) -> &[Record] {
        self.records.get(self.range.clone()).unwrap_or_default()
    }

    /// The records, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.records().iter()
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The position of the first record.
    pub fn first(&self) -> Option<SequenceNumber> {
        self.records().first().map(Record::sequence_number)
    }

    /// The position of the last record.
    pub fn last(&self) -> Option<SequenceNumber> {
        self.records().last().map(Record::sequence_number)
    }

    /// The records after this position.
    #[must_use]
    pub fn after(&self, position: SequenceNumber) -> Self {
        let skip = self
            .records()
            .partition_point(|record| record.sequence_number() <= position);
        self.slice(skip..self.len())
    }

    /// The records at these indices, clamped to the batch.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let start = self.range.start + range.start.min(self.len());
        let end = (self.range.start + range.end.min(self.len())).max(start);
        Self {
            shard: self.shard.clone(),
            records: Arc::clone(&self.records),
            range: start..end,
        }
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Record;
    type IntoIter = std::slice::Iter<'a, Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("shard", &self.shard)
            .field("records", &self.len())
            .field("first", &self.first())
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}
