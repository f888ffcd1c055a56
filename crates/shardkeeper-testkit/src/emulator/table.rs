//! One table: its definition, its items and its newest stream.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::ServiceError;
use super::key::{KeySchema, PrimaryKey};
use super::value::Item;

/// A table and everything in it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) definition: TableDefinition,
    /// Ordered by the hash of the partition key, then by the sort key: the order of a scan.
    pub(crate) items: BTreeMap<PrimaryKey, Item>,
    /// The stream enabled last, also after it was disabled. `World::streams` has it, until it ages out.
    pub(crate) latest_stream: Option<String>,
}

/// What does not change when items are written.
#[derive(Clone, Debug)]
pub(crate) struct TableDefinition {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) key_schema: KeySchema,
    pub(crate) created: Duration,
    /// CREATING before this time, ACTIVE from it on.
    pub(crate) active_from: Duration,
    /// `PAY_PER_REQUEST` unless capacity units were provisioned.
    pub(crate) provisioned: Option<(i64, i64)>,
    /// The attribute that holds the time to live, while it is enabled.
    pub(crate) ttl_attribute: Option<String>,
    pub(crate) deletion_protection: bool,
}

impl TableDefinition {
    /// Whether item operations may use the table.
    pub(crate) fn is_active(&self, now: Duration) -> bool {
        self.active_from <= now
    }
}

/// The name in a `TableName` member, which may also be given as an ARN.
pub(crate) fn table_name(given: &str) -> Result<&str, ServiceError> {
    let name = match given.strip_prefix("arn:") {
        Some(_) => given
            .split_once(":table/")
            .map(|(_, name)| name)
            .filter(|name| !name.contains('/'))
            .ok_or_else(|| ServiceError::validation(format!("Invalid table ARN: {given}")))?,
        None => given,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !name.bytes().all(allowed) {
        return Err(ServiceError::constraint(
            "tableName",
            name,
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ));
    }
    match name.len() {
        3..=255 => Ok(name),
        _ => Err(ServiceError::validation(
            "TableName must be at least 3 characters long and at most 255 characters long",
        )),
    }
}
