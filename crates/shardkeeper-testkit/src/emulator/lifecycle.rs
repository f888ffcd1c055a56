//! How tables and streams begin and end.

use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};

use super::stream::record::ViewType;
use super::stream::{Nature, NewStream, Stream};
use super::table::{Table, TableDefinition};
use super::world::World;

impl World {
    /// Whether changes of the table become records.
    pub(crate) fn has_enabled_stream(&self, table: &str) -> bool {
        self.latest_stream(table).is_some_and(Stream::takes_records)
    }

    /// The stream of the table that was enabled last.
    pub(crate) fn latest_stream(&self, table: &str) -> Option<&Stream> {
        self.streams
            .get(self.tables.get(table)?.latest_stream.as_ref()?)
    }

    /// Gives the table a new stream, with a new ARN.
    pub(crate) fn enable_stream(&mut self, table: &str, view: ViewType) {
        let Some(Table { definition, .. }) = self.tables.get(table) else {
            return;
        };
        let (arn, label) = self.fresh_stream_arn(definition);
        let new = NewStream {
            arn: arn.clone(),
            label,
            table: table.to_owned(),
            key_schema: definition.key_schema.clone(),
            view,
            shards: self
                .initial_shards
                .get(table)
                .copied()
                .unwrap_or(self.settings.initial_shards)
                .max(1),
        };
        let mut nature = Nature {
            now: self.now,
            dice: &mut self.dice,
            settings: &self.settings,
        };
        let stream = Stream::new(new, &mut nature);
        self.streams.insert(arn.clone(), stream);
        if let Some(table) = self.tables.get_mut(table) {
            table.latest_stream = Some(arn);
        }
        self.reschedule();
    }

    /// Switches the table's stream off; it stays readable until it ages out.
    pub(crate) fn disable_stream(&mut self, table: &str) {
        let stream = self
            .tables
            .get(table)
            .and_then(|table| table.latest_stream.as_ref())
            .and_then(|arn| self.streams.get_mut(arn));
        if let Some(stream) = stream {
            stream.disable(self.now, &self.settings);
        }
        self.reschedule();
    }

    /// `TableDescription` of an answer.
    pub(crate) fn table_description(&self, table: &Table) -> Value {
        let definition = &table.definition;
        let (read, write) = definition.provisioned.unwrap_or_default();
        let mut description = json!({
            "TableName": definition.name,
            "TableArn": definition.arn,
            "TableId": definition.id,
            "TableStatus": if definition.is_active(self.now) { "ACTIVE" } else { "CREATING" },
            "CreationDateTime": epoch_seconds(definition.created),
            "KeySchema": definition.key_schema.to_json(),
            "AttributeDefinitions": definition.key_schema.definitions_json(),
            "ItemCount": table.items.len(),
            "TableSizeBytes": table.items.values().map(super::value::item_size).sum::<usize>(),
            "DeletionProtectionEnabled": definition.deletion_protection,
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": read,
                "WriteCapacityUnits": write,
            },
        });
        if definition.provisioned.is_none() {
            description["BillingModeSummary"] = json!({"BillingMode": "PAY_PER_REQUEST"});
        }
        if let Some(stream) = self.latest_stream(&definition.name) {
            description["LatestStreamArn"] = json!(stream.arn);
            description["LatestStreamLabel"] = json!(stream.label);
            if stream.takes_records() {
                description["StreamSpecification"] =
                    json!({"StreamEnabled": true, "StreamViewType": stream.view.as_str()});
            }
        }
        description
    }

    /// A label is a time of the past that no stream of this table was labelled with.
    fn fresh_stream_arn(&self, table: &TableDefinition) -> (String, String) {
        let mut time = self.now;
        loop {
            let label = stream_label(time);
            let arn = format!("{}/stream/{label}", table.arn);
            if !self.streams.contains_key(&arn) {
                return (arn, label);
            }
            time = time.saturating_add(Duration::from_millis(1));
        }
    }
}

/// Seconds with milliseconds, as the service writes times.
pub(crate) fn epoch_seconds(time: Duration) -> f64 {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// `2015-05-20T20:51:10.252`
fn stream_label(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let whole = DateTime::from_secs(seconds)
        .fmt(Format::DateTime)
        .unwrap_or_default();
    format!(
        "{}.{:03}",
        whole.trim_end_matches('Z'),
        time.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_time_to_the_millisecond() {
        assert_eq!(
            stream_label(Duration::from_millis(1_432_155_070_200)),
            "2015-05-20T20:51:10.200"
        );
    }
}
