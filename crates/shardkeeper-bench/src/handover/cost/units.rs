//! How DynamoDB counts: the size of an item, and the request units of an access to it.

use shardkeeper::core::row::{Row, Value};

const READ_UNIT_BYTES: usize = 4096;
const WRITE_UNIT_BYTES: usize = 1024;
/// The name of the hash key.
const KEY: &str = "leaseKey";

/// Names and values. A number takes a byte for two digits, and one more.
pub(super) fn bytes(row: &Row) -> usize {
    let columns = row.columns.iter();
    let columns = columns.map(|(name, value)| name.len() + bytes_of(value));
    KEY.len() + row.key.as_str().len() + columns.sum::<usize>()
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Number(number) => number.to_string().len().div_ceil(2) + 1,
        // Three bytes for the set, and one for each of its members.
        Value::Texts(texts) => 3 + texts.iter().map(|text| text.len() + 1).sum::<usize>(),
    }
}

/// A strongly consistent read of so many bytes; what is not there costs as much as a small item.
pub(super) fn read(bytes: usize) -> f64 {
    bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64
}

/// A write of an item, by the larger of its sizes before and after.
pub(super) fn write(before: usize, after: usize) -> f64 {
    before.max(after).div_ceil(WRITE_UNIT_BYTES).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardkeeper::core::row::RowKey;

    #[test]
    fn sizes_and_units_are_those_of_the_service() {
        let mut row = Row::empty(RowKey::new("k".repeat(92)));
        assert_eq!(bytes(&row), 100);
        row.columns.insert("owner".into(), "someone".into());
        row.columns.insert("epoch".into(), Value::Number(12_345));
        assert_eq!(bytes(&row), 100 + 12 + 5 + 4);
        assert_eq!([read(0), read(4096), read(4097)], [1.0, 1.0, 2.0]);
        assert_eq!(
            [write(0, 1), write(1025, 3), write(3, 2048)],
            [1.0, 2.0, 2.0]
        );
    }
}
