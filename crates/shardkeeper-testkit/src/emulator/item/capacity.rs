//! `ReturnConsumedCapacity`: what an operation would have cost.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::members::not_in_enum;
use crate::emulator::error::ServiceError;
use crate::emulator::request::Request;

/// How much detail the request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    None,
    Total,
    Indexes,
}

/// Half units used so far, by table: an eventually consistent read of 4 KB is one.
#[derive(Debug)]
pub(crate) struct Capacity {
    detail: Detail,
    half_units: BTreeMap<String, usize>,
}

impl Capacity {
    /// Nothing used yet; the detail is the request's.
    pub(crate) fn asked(request: &Request) -> Result<Self, ServiceError> {
        let detail = match request.optional_string("ReturnConsumedCapacity")? {
            None | Some("NONE") => Detail::None,
            Some("TOTAL") => Detail::Total,
            Some("INDEXES") => Detail::Indexes,
            Some(other) => {
                return Err(not_in_enum(
                    "returnConsumedCapacity",
                    other,
                    "INDEXES, TOTAL, NONE",
                ));
            }
        };
        Ok(Self {
            detail,
            half_units: BTreeMap::new(),
        })
    }

    /// A read of `bytes`, rounded up to 4 KB; reading nothing costs as much as reading something small.
    pub(crate) fn read(&mut self, table: &str, bytes: usize, consistent: bool) {
        self.add(
            table,
            bytes.div_ceil(4096).max(1) * if consistent { 2 } else { 1 },
        );
    }

    /// A transactional read: twice a consistent one.
    pub(crate) fn read_in_transaction(&mut self, table: &str, bytes: usize) {
        self.add(table, bytes.div_ceil(4096).max(1) * 4);
    }

    /// A write of an item of `bytes` (the larger of before and after), rounded up to 1 KB.
    pub(crate) fn write(&mut self, table: &str, bytes: usize) {
        self.add(table, bytes.div_ceil(1024).max(1) * 2);
    }

    /// A transactional write: twice a plain one.
    pub(crate) fn write_in_transaction(&mut self, table: &str, bytes: usize) {
        self.add(table, bytes.div_ceil(1024).max(1) * 4);
    }

    fn add(&mut self, table: &str, half_units: usize) {
        *self.half_units.entry(table.to_owned()).or_default() += half_units;
    }

    /// Puts `ConsumedCapacity` into the answer of an operation on one table, if it was asked for.
    pub(crate) fn report_one(&self, answer: &mut Map<String, Value>) {
        if let Some(one) = self.entries().into_iter().next() {
            answer.insert("ConsumedCapacity".to_owned(), one);
        }
    }

    /// The same for an operation on many tables, which answers a list.
    pub(crate) fn report_all(&self, answer: &mut Map<String, Value>) {
        if self.detail != Detail::None {
            answer.insert("ConsumedCapacity".to_owned(), Value::Array(self.entries()));
        }
    }

    fn entries(&self) -> Vec<Value> {
        if self.detail == Detail::None {
            return Vec::new();
        }
        self.half_units
            .iter()
            .map(|(table, &half_units)| {
                let units = f64::from(u32::try_from(half_units).unwrap_or(u32::MAX)) / 2.0;
                let mut entry = json!({ "TableName": table, "CapacityUnits": units });
                if self.detail == Detail::Indexes {
                    entry["Table"] = json!({ "CapacityUnits": units });
                }
                entry
            })
            .collect()
    }
}
