//! Requests to the lease table. The emulator judges them, expressions and all; the world hears of every row that
//! is another one afterwards, before anything else happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use shardkeeper_core::ports::PortError;
use shardkeeper_core::row::{Row, RowKey, Value};

use super::door::Asked;
use crate::emulator::{CONTENT_TYPE, Emulator, Response, tokio_clock};
use crate::sim::chaos::Fault;
use crate::sim::ground::{SECOND, Time};
use crate::sim::world::World;
use crate::sim::world::line::{TORN, odd};
use crate::sim::world::shards::service_millis;
use crate::sim::world::weather::{Op, Twist};

/// The name of the lease table.
pub(crate) const LEASES: &str = "sim-leases";
/// Its hash key.
pub(super) const KEY: &str = "leaseKey";
/// The rows that a read without consistency shows are at most so old.
const OLDEST: Time = 10 * SECOND;
/// How often in ten thousand reads a throttled table leaves keys unprocessed.
const UNPROCESSED: u32 = 2_000;

/// The lease table on the emulator.
pub(crate) struct Desk {
    emulator: Emulator,
    /// The rows as the emulator has them.
    rows: BTreeMap<RowKey, Row>,
    /// What changed lately: when, and how the row was before.
    past: VecDeque<(Time, RowKey, Option<Row>)>,
}

impl Desk {
    fn new(now: Duration) -> Self {
        let desk = Self {
            emulator: Emulator::builder().clock(tokio_clock(now)).build(),
            rows: BTreeMap::new(),
            past: VecDeque::new(),
        };
        desk.ask(
            "CreateTable",
            &json!({
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{ "AttributeName": KEY, "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": KEY, "KeyType": "HASH" }],
            }),
        );
        desk
    }

    /// One call of our own.
    fn ask(&self, operation: &str, request: &Json) -> Json {
        let mut request = request.clone();
        request["TableName"] = json!(LEASES);
        let answer = self.handle(&format!("DynamoDB_20120810.{operation}"), &request);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn handle(&self, target: &str, request: &Json) -> Response {
        self.emulator.handle(target, request.to_string().as_bytes())
    }

    /// Notes what others have changed.
    fn keep_the_past(&mut self, now: Time, rows: &BTreeMap<RowKey, Row>) {
        while self.past.front().is_some_and(|(at, ..)| at + OLDEST < now) {
            self.past.pop_front();
        }
        let keys: BTreeSet<&RowKey> = self.rows.keys().chain(rows.keys()).collect();
        for key in keys {
            let before = self.rows.get(key);
            if before != rows.get(key) {
                self.past.push_back((now, key.clone(), before.cloned()));
            }
        }
    }

    /// The rows as they were then.
    fn rows_of(&self, then: Time) -> BTreeMap<RowKey, Row> {
        let mut rows = self.rows.clone();
        let later = self.past.iter().rev().take_while(|(at, ..)| *at > then);
        for (_, key, before) in later {
            match before {
                Some(row) => rows.insert(key.clone(), row.clone()),
                None => rows.remove(key),
            };
        }
        rows
    }

    /// Brings the emulator's rows to what the world has: others change rows as well.
    fn lay_out(&mut self, rows: &BTreeMap<RowKey, Row>) {
        if self.rows == *rows {
            return;
        }
        for gone in self.rows.keys().filter(|key| !rows.contains_key(*key)) {
            self.ask("DeleteItem", &json!({ "Key": key_item(gone) }));
        }
        for (key, row) in rows {
            if self.rows.get(key) != Some(row) {
                self.ask("PutItem", &json!({ "Item": item(row) }));
            }
        }
        self.rows.clone_from(rows);
    }

    /// The rows of these keys as they are after a write.
    fn read_back(&mut self, now: Time, keys: Vec<RowKey>) -> Vec<(RowKey, Option<Row>)> {
        let mut found = Vec::new();
        for key in keys {
            let answer = self.ask("GetItem", &json!({ "Key": key_item(&key) }));
            let row = row(&answer["Item"]);
            let before = match &row {
                Some(row) => self.rows.insert(key.clone(), row.clone()),
                None => self.rows.remove(&key),
            };
            if before != row {
                self.past.push_back((now, key.clone(), before));
            }
            found.push((key, row));
        }
        found
    }
}

impl World {
    pub(super) fn lease_call(
        &mut self,
        seat: usize,
        asked: &Asked,
        twist: Twist,
    ) -> Result<Response, PortError> {
        let op = asked.op();
        match twist {
            Twist::Empty if op == Op::Write => {
                return Ok(self.respond(200, CONTENT_TYPE, Bytes::from_static(b"{}")));
            }
            Twist::Empty => return Err(odd(op)),
            _ => {}
        }
        let now = Duration::from_millis(service_millis(self.now));
        let mut desk = match self.desk.take() {
            Some(mut desk) => {
                desk.keep_the_past(self.now, &self.table.rows);
                desk
            }
            None => Desk::new(now),
        };
        desk.lay_out(&self.table.rows);
        let mut answer = match op {
            Op::Sweep | Op::Read => self.look_up(&mut desk, asked),
            _ => desk.handle(&asked.target, &asked.body),
        };
        if op == Op::Write {
            self.take_over(seat, desk.read_back(self.now, keys_of(&asked.body)));
            if twist == Twist::Refused {
                // A proxy on the way sent it twice, and it is the second answer that comes back. A token of the
                // client would spoil that.
                let mut again = asked.body.clone();
                again
                    .as_object_mut()
                    .map(|body| body.remove("ClientRequestToken"));
                answer = desk.handle(&asked.target, &again);
                self.take_over(seat, desk.read_back(self.now, keys_of(&again)));
            }
        }
        self.desk = Some(desk);
        Ok(answer)
    }

    /// What a read finds: the rows as they are, or as they were a while ago when it does not ask for consistency.
    fn look_up(&mut self, desk: &mut Desk, asked: &Asked) -> Response {
        if !asks_for_consistency(&asked.body) {
            let old = desk.rows_of(self.now - self.dice.u64(0..OLDEST));
            desk.lay_out(&old);
        }
        let answer = if asked.op() == Op::Sweep {
            self.sweep(desk, asked)
        } else {
            self.read(desk, asked)
        };
        desk.lay_out(&self.table.rows);
        answer
    }

    /// A sweep comes in one page, or in several that are read at different moments.
    fn sweep(&mut self, desk: &Desk, asked: &Asked) -> Response {
        let mut request = asked.body.clone();
        let first = request.get("ExclusiveStartKey").is_none();
        if first && self.strikes(Fault::StaleReads, TORN) {
            let rows = self.table.rows.len().max(1);
            request["Limit"] = json!(1 + self.dice.usize(0..rows));
        }
        desk.handle(&asked.target, &request)
    }

    /// What a read finds, or only some of it: keys beyond a table's throughput come back to be asked for again.
    fn read(&mut self, desk: &Desk, asked: &Asked) -> Response {
        let mut request = asked.body.clone();
        let keys = request["RequestItems"][LEASES]["Keys"].as_array_mut();
        let left = match keys {
            Some(keys) if keys.len() > 1 && self.strikes(Fault::TableThrottled, UNPROCESSED) => {
                keys.split_off(self.dice.usize(1..keys.len()))
            }
            _ => Vec::new(),
        };
        let answer = desk.handle(&asked.target, &request);
        if left.is_empty() || answer.status != 200 {
            return answer;
        }
        let mut body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        body["UnprocessedKeys"] = json!({ LEASES: { "Keys": left, "ConsistentRead": true } });
        self.success(&body)
    }
}

/// A read that does not may show any moment of the last seconds.
fn asks_for_consistency(request: &Json) -> bool {
    let of = |request: &Json| request["ConsistentRead"] == true;
    of(request) || of(&request["RequestItems"][LEASES])
}

/// The rows that a write may change.
pub(super) fn keys_of(request: &Json) -> Vec<RowKey> {
    let single = [request];
    let actions: Vec<&Json> = match request["TransactItems"].as_array() {
        Some(actions) => actions
            .iter()
            .filter_map(|action| action.as_object()?.values().next())
            .collect(),
        None => single.to_vec(),
    };
    let key = |action: &&Json| {
        let item = action.get("Key").or_else(|| action.get("Item"))?;
        item[KEY]["S"].as_str().map(RowKey::new)
    };
    actions.iter().filter_map(key).collect()
}

fn key_item(key: &RowKey) -> Json {
    json!({ KEY: { "S": key.as_str() } })
}

fn item(row: &Row) -> Json {
    let mut item = key_item(&row.key);
    for (column, value) in row.columns.iter() {
        item[column.as_ref()] = match value {
            Value::Text(text) => json!({ "S": text.as_ref() }),
            Value::Number(number) => json!({ "N": number.to_string() }),
            Value::Texts(texts) => json!({ "SS": texts }),
        };
    }
    item
}

fn row(item: &Json) -> Option<Row> {
    let item: &Map<String, Json> = item.as_object()?;
    let mut row = Row::empty(RowKey::new(item.get(KEY)?["S"].as_str()?));
    for (column, typed) in item.iter().filter(|(column, _)| *column != KEY) {
        row.columns.insert(column.clone().into(), value(typed)?);
    }
    Some(row)
}

fn value(typed: &Json) -> Option<Value> {
    let (kind, said) = typed.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => said.as_str().map(Value::from),
        "N" => said.as_str()?.parse().ok().map(Value::Number),
        _ => {
            let texts = said.as_array()?.iter();
            Some(Value::Texts(
                texts
                    .filter_map(|text| text.as_str().map(str::to_owned))
                    .collect(),
            ))
        }
    }
}
