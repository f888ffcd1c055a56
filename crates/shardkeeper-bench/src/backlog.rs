//! What there is to read: one shard full of changes.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shardkeeper_testkit::emulator::Emulator;

use crate::Outcome;

/// The service's own limit, and so the size of every page here.
pub(crate) const PAGE_RECORDS: u32 = 1000;

/// How large the items are whose changes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Size {
    /// About 300 bytes in 10 attributes
    #[value(name = "300b")]
    Small,
    /// About 1 KB in 19 attributes, with a map, sets, a list and text that JSON must escape
    #[value(name = "1kb")]
    Large,
}

impl Size {
    /// The table of such items.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Small => "items-300b",
            Self::Large => "items-1kb",
        }
    }

    /// For people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Small => "300 B",
            Self::Large => "1 KB",
        }
    }

    fn item(self, index: u32, version: u32) -> Value {
        let status = ["placed", "paid", "packed", "shipped"][version as usize % 4];
        let mut item = json!({
            "customer": {"S": format!("customer#{:08}", index / 10)},
            "order": {"S": format!("order#{index:012}")},
            "status": {"S": status},
            "total": {"N": format!("{}.{:02}", 100 + index % 900, version % 100)},
            "currency": {"S": "EUR"},
            "email": {"S": format!("someone.{index:08}@customers.example.com")},
            "createdAt": {"N": "1795396672"},
            "updatedAt": {"N": (1_795_396_672 + version).to_string()},
            "note": {"S": "Leave the parcel with the neighbours on the second floor, please, ring twice before noon, and do not fold what is in it."},
            "gift": {"BOOL": version.is_multiple_of(2)},
        });
        if self == Self::Large {
            for (name, value) in more_attributes(index) {
                item[name] = value;
            }
        }
        item
    }
}

fn more_attributes(index: u32) -> [(&'static str, Value); 9] {
    let said = "She said: \"two floors up\",\n\tthen \\ left \u{2014} caf\u{e9} on the corner. ";
    [
        (
            "address",
            json!({"M": {
                "street": {"S": format!("{} Long Winding Lane", index % 200)}, "city": {"S": "Springfield"},
                "zip": {"S": "12345-6789"}, "country": {"S": "DE"},
            }}),
        ),
        ("tags", json!({"SS": ["fragile", "insured", "weekend"]})),
        ("weights", json!({"NS": ["1.25", "3.5", "20"]})),
        (
            "lines",
            json!({"L": [
                {"M": {"sku": {"S": "sku-000017"}, "count": {"N": "2"}}},
                {"M": {"sku": {"S": "sku-004242"}, "count": {"N": "1"}}},
            ]}),
        ),
        ("instructions", json!({"S": said.repeat(7)})),
        (
            "label",
            json!({"B": "c2hhcmRrZWVwZXIgYmVuY2ggbGFiZWwgYnl0ZXM="}),
        ),
        ("cancelledAt", json!({"NULL": true})),
        ("rating", json!({"N": "4.75"})),
        ("channel", json!({"S": "web-shop/checkout/v2"})),
    ]
}

/// Makes the table, and in its stream exactly `pages` full pages of changes, all of which have an old
/// image and a new one.
pub(crate) fn fill(emulator: &Emulator, size: Size, pages: u32) -> Outcome<()> {
    let request = |operation: &str, body: &Value| {
        let answer = emulator.request(operation, body);
        let refused =
            |(status, why)| format!("{operation} was refused with status {status}: {why}");
        answer.map(drop).map_err(refused)
    };
    let table = size.table();
    request(
        "CreateTable",
        &json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "customer", "AttributeType": "S"},
                {"AttributeName": "order", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "customer", "KeyType": "HASH"},
                {"AttributeName": "order", "KeyType": "RANGE"},
            ],
        }),
    )?;
    let put = |index, version| {
        let item = size.item(index, version);
        request("PutItem", &json!({"TableName": table, "Item": item}))
    };
    // The first versions have no old image, so they are written before the stream sees anything.
    (0..PAGE_RECORDS).try_for_each(|index| put(index, 0))?;
    let stream = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    request(
        "UpdateTable",
        &json!({"TableName": table, "StreamSpecification": stream}),
    )?;
    for version in 1..=pages {
        (0..PAGE_RECORDS).try_for_each(|index| put(index, version))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve;

    fn first_page(size: Size) -> Value {
        let emulator = serve::emulator();
        fill(&emulator, size, 2).unwrap();
        let stream = emulator.stream_arn(size.table()).unwrap();
        let shards = emulator.shards(size.table()).unwrap();
        assert_eq!((shards.len(), shards[0].records), (1, 2000));
        let from = json!({
            "StreamArn": stream, "ShardId": shards[0].id, "ShardIteratorType": "TRIM_HORIZON",
        });
        let iterator = emulator.request("GetShardIterator", &from).unwrap();
        let page = json!({"ShardIterator": iterator["ShardIterator"]});
        emulator.request("GetRecords", &page).unwrap()
    }

    #[test]
    fn every_page_is_full_of_modifications_of_the_size_that_is_said() {
        for (size, attributes, bytes) in [(Size::Small, 10, 280..330), (Size::Large, 19, 900..1100)]
        {
            let page = first_page(size);
            let records = page["Records"].as_array().unwrap();
            assert_eq!(records.len(), PAGE_RECORDS as usize);
            for record in records {
                let change = &record["dynamodb"];
                assert_eq!(record["eventName"], "MODIFY");
                assert_eq!(change["OldImage"].as_object().unwrap().len(), attributes);
                let both = change["SizeBytes"].as_u64().unwrap();
                let one = (both - 36) / 2;
                assert!(
                    bytes.contains(&one),
                    "{one} bytes in an item of {}",
                    size.label()
                );
            }
        }
    }
}
