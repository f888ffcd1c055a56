//! The world for users' processors: it is the same twice, plays scripts exactly, finds the classic mistakes, and ends
//! whatever a processor does.

mod hard;
mod mistakes;
mod scripts;
mod twice;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use shardkeeper::{Batch, Record};

/// A table that a processor writes to: it survives every crash.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<BTreeMap<String, u64>>>);

impl Sink {
    pub(crate) fn put(&self, record: &Record) {
        let mut rows = self.0.lock().unwrap();
        match version(record) {
            Some(version) => rows.insert(record.keys_json().to_owned(), version),
            None => rows.remove(record.keys_json()),
        };
    }

    pub(crate) fn put_all(&self, batch: &Batch) {
        batch.iter().for_each(|record| self.put(record));
    }

    pub(crate) fn add(&self, row: &str, more: u64) {
        *self.0.lock().unwrap().entry(row.to_owned()).or_default() += more;
    }

    pub(crate) fn set(&self, row: &str, value: u64) {
        self.0.lock().unwrap().insert(row.to_owned(), value);
    }

    pub(crate) fn rows(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }
}

/// The version in the new image; `None` when the item was deleted.
fn version(record: &Record) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Item {
        version: u64,
    }
    let item: Option<Item> = record.new_image().unwrap();
    item.map(|item| item.version)
}
