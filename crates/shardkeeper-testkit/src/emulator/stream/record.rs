//! Stream records: what a change looks like to those who read the stream.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::sequence::Sequence;
use crate::emulator::value::{Item, item_size, item_to_json};
use crate::emulator::world::Identity;

/// Which images the records of a stream carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewType {
    /// `KEYS_ONLY`
    KeysOnly,
    /// `NEW_IMAGE`
    NewImage,
    /// `OLD_IMAGE`
    OldImage,
    /// `NEW_AND_OLD_IMAGES`
    NewAndOldImages,
}

impl ViewType {
    /// Reads the value of a `StreamViewType`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::KeysOnly,
            Self::NewImage,
            Self::OldImage,
            Self::NewAndOldImages,
        ]
        .into_iter()
        .find(|view| view.as_str() == text)
    }

    /// As the service writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    fn has_new(self) -> bool {
        matches!(self, Self::NewImage | Self::NewAndOldImages)
    }

    fn has_old(self) -> bool {
        matches!(self, Self::OldImage | Self::NewAndOldImages)
    }
}

/// One change of one item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) keys: &'a Item,
    pub(crate) old: Option<&'a Item>,
    pub(crate) new: Option<&'a Item>,
    pub(crate) identity: Option<Identity>,
}

/// A record as a shard keeps it: rendered once, when it was written.
#[derive(Clone, Debug)]
pub(crate) struct StoredRecord {
    pub(crate) sequence: Sequence,
    pub(crate) written: Duration,
    /// `SizeBytes`: what the record counts for in a page.
    pub(crate) size: usize,
    pub(crate) json: Bytes,
}

impl StoredRecord {
    /// Renders the change as its stream shows it.
    pub(crate) fn render(
        change: &Change<'_>,
        view: ViewType,
        sequence: Sequence,
        written: Duration,
        origin: &Origin<'_>,
    ) -> Self {
        let new = change.new.filter(|_| view.has_new());
        let old = change.old.filter(|_| view.has_old());
        let size = item_size(change.keys) + new.map_or(0, item_size) + old.map_or(0, item_size);
        let mut data = Map::new();
        // The service rounds down to the second.
        data.insert(
            "ApproximateCreationDateTime".to_owned(),
            json!(written.as_secs()),
        );
        data.insert("Keys".to_owned(), item_to_json(change.keys));
        if let Some(new) = new {
            data.insert("NewImage".to_owned(), item_to_json(new));
        }
        if let Some(old) = old {
            data.insert("OldImage".to_owned(), item_to_json(old));
        }
        data.insert("SequenceNumber".to_owned(), json!(sequence.to_string()));
        data.insert("SizeBytes".to_owned(), json!(size));
        data.insert("StreamViewType".to_owned(), json!(view.as_str()));
        let mut record = json!({
            "awsRegion": origin.region,
            "eventID": origin.event_id,
            "eventName": event_name(change),
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
        });
        record["dynamodb"] = Value::Object(data);
        if change.identity == Some(Identity::TimeToLive) {
            record["userIdentity"] =
                json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"});
        }
        Self {
            sequence,
            written,
            size,
            json: Bytes::from(record.to_string()),
        }
    }
}

/// Where a record comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) region: &'a str,
    pub(crate) event_id: String,
}

fn event_name(change: &Change<'_>) -> &'static str {
    match (change.old, change.new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    }
}
