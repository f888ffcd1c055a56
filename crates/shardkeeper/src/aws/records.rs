//! Our records as the SDK's, for code that is written against those.
#![expect(
    clippy::disallowed_types,
    reason = "the SDK's maps; walked only to fill another"
)]

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::types;
use aws_smithy_types::{Blob, DateTime, base64};
use serde::Deserialize;
use shardkeeper_core::record::{ChangeKind, ImageError, Record};

/// A record in the form that the SDK's `get_records` returns it, with every image decoded.
///
/// Fields that a [`Record`] does not keep (`eventVersion`, `awsRegion`) stay unset.
///
/// # Errors
/// [`ImageError::Mismatch`] when an image is not DynamoDB JSON. The message holds no item data.
pub fn sdk_record(record: &Record) -> Result<types::Record, ImageError> {
    let change = types::StreamRecord::builder()
        .set_approximate_creation_date_time(
            record
                .created_at()
                .and_then(|time| i64::try_from(time.millis()).ok().map(DateTime::from_millis)),
        )
        .set_keys(Some(item("keys", record.keys_json())?))
        .set_new_image(
            record
                .new_image_json()
                .map(|json| item("new image", json))
                .transpose()?,
        )
        .set_old_image(
            record
                .old_image_json()
                .map(|json| item("old image", json))
                .transpose()?,
        )
        .sequence_number(record.sequence_number().as_str())
        .set_size_bytes(i64::try_from(record.size_bytes()).ok())
        .set_stream_view_type(
            record
                .view_type()
                .as_deref()
                .map(types::StreamViewType::from),
        );
    let kind = match record.kind() {
        ChangeKind::Insert => Some(types::OperationType::Insert),
        ChangeKind::Modify => Some(types::OperationType::Modify),
        ChangeKind::Remove => Some(types::OperationType::Remove),
        _ => None,
    };
    let service = || {
        types::Identity::builder()
            .r#type("Service")
            .principal_id("dynamodb.amazonaws.com")
    };
    Ok(types::Record::builder()
        .set_event_id(record.event_id())
        .set_event_name(kind)
        .event_source("aws:dynamodb")
        .set_user_identity(record.is_ttl_delete().then(|| service().build()))
        .dynamodb(change.build())
        .build())
}

/// DynamoDB JSON: one attribute, told by its type.
#[derive(Deserialize)]
enum Attribute {
    S(String),
    N(String),
    B(Base64),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    M(HashMap<String, Attribute>),
    L(Vec<Attribute>),
    #[serde(rename = "SS")]
    Ss(Vec<String>),
    #[serde(rename = "NS")]
    Ns(Vec<String>),
    #[serde(rename = "BS")]
    Bs(Vec<Base64>),
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Base64(Blob);

impl TryFrom<String> for Base64 {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        base64::decode(text).map(|bytes| Self(Blob::new(bytes)))
    }
}

impl From<Attribute> for types::AttributeValue {
    fn from(attribute: Attribute) -> Self {
        match attribute {
            Attribute::S(text) => Self::S(text),
            Attribute::N(number) => Self::N(number),
            Attribute::B(Base64(bytes)) => Self::B(bytes),
            Attribute::Bool(value) => Self::Bool(value),
            Attribute::Null(value) => Self::Null(value),
            Attribute::M(map) => Self::M(converted(map)),
            Attribute::L(list) => Self::L(list.into_iter().map(Self::from).collect()),
            Attribute::Ss(texts) => Self::Ss(texts),
            Attribute::Ns(numbers) => Self::Ns(numbers),
            Attribute::Bs(all) => Self::Bs(all.into_iter().map(|Base64(bytes)| bytes).collect()),
        }
    }
}

fn converted(map: HashMap<String, Attribute>) -> HashMap<String, types::AttributeValue> {
    map.into_iter()
        .map(|(name, attribute)| (name, attribute.into()))
        .collect()
}

fn item(
    image: &'static str,
    json: &str,
) -> Result<HashMap<String, types::AttributeValue>, ImageError> {
    // The depth is bounded by the decoder; its message may quote a value, so only the place is told.
    serde_json::from_str(json)
        .map(converted)
        .map_err(|odd| ImageError::Mismatch {
            image,
            target: "aws_sdk_dynamodbstreams::types::AttributeValue",
            why: format!("it is not DynamoDB JSON at column {}", odd.column()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodbstreams::types::AttributeValue;
    use serde_json::{Value, json};

    fn record(new_image: &Value) -> Record {
        let wire = json!({
            "eventID": "e1", "eventName": "REMOVE",
            "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_396_672, "Keys": {"id": {"S": "k"}},
                "NewImage": new_image, "SequenceNumber": "111", "SizeBytes": 7,
                "StreamViewType": "NEW_IMAGE"
            }
        });
        Record::from_json(wire.to_string()).unwrap()
    }

    #[test]
    fn f48_all_ten_attribute_types_reach_the_sdks_types() {
        let image = json!({
            "s": {"S": "text"}, "n": {"N": "1.50"}, "b": {"B": "AQI="}, "bool": {"BOOL": true},
            "null": {"NULL": true}, "m": {"M": {"inner": {"L": [{"S": "x"}]}}}, "l": {"L": []},
            "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": ["AQ=="]}
        });
        let converted = sdk_record(&record(&image)).unwrap();
        assert_eq!(converted.user_identity().unwrap().r#type(), Some("Service"));
        assert_eq!(converted.event_name(), Some(&types::OperationType::Remove));
        let change = converted.dynamodb().unwrap();
        assert_eq!(
            (change.sequence_number(), change.size_bytes()),
            (Some("111"), Some(7))
        );
        assert_eq!(change.old_image(), None);
        let image = change.new_image().unwrap();
        let inner = AttributeValue::L(vec![AttributeValue::S("x".into())]);
        assert_eq!(image["s"], AttributeValue::S("text".into()));
        assert_eq!(
            image["n"],
            AttributeValue::N("1.50".into()),
            "numbers stay text"
        );
        assert_eq!(image["b"], AttributeValue::B(Blob::new([1, 2])));
        assert_eq!(image["bool"], AttributeValue::Bool(true));
        assert_eq!(image["null"], AttributeValue::Null(true));
        assert_eq!(
            image["m"],
            AttributeValue::M([("inner".to_owned(), inner)].into())
        );
        assert_eq!(image["l"], AttributeValue::L(vec![]));
        assert_eq!(
            image["ss"],
            AttributeValue::Ss(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            image["ns"],
            AttributeValue::Ns(vec!["1".into(), "2".into()])
        );
        assert_eq!(image["bs"], AttributeValue::Bs(vec![Blob::new([1])]));
    }

    #[test]
    fn an_image_that_is_none_is_an_error_without_its_data() {
        for odd in [
            json!({"a": {"B": "secret*"}}),
            json!({"a": {"NEW_TYPE": "secret"}}),
            json!({"a": "secret"}),
        ] {
            let message = sdk_record(&record(&odd)).unwrap_err().to_string();
            assert!(
                message.contains("column") && !message.contains("secret"),
                "{message}"
            );
        }
    }
}
