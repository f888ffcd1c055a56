//! The orders that make the stream: several writers, each with orders of its own.
//!
//! Only one writer changes an order, one change after the other, so each knows exactly which records must
//! come. A call that the SDK repeats after a lost answer changes nothing the second time: it makes no second
//! record.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Failure;
use crate::orders::{Life, Order, Write};
use crate::stage::Stage;

const WRITERS: u64 = 4;

/// The orders are few, so that each changes many times, on all the shards that its key ever falls to.
const MOST_ORDERS_EACH: u64 = 50;
const CHANGES_PER_ORDER: u64 = 10;

/// So many writes of a hundred change nothing.
const IDLE_PERCENT: u8 = 5;

/// All the records are spread evenly over this time.
pub(crate) const WRITING: Duration = Duration::from_secs(14);

/// A machine too slow for that many records writes fewer, and the last line says how many.
const LONGEST: Duration = Duration::from_secs(19);

/// Writes until all records are made or time is up.
pub(crate) async fn write(stage: &Stage) -> Result<(), Failure> {
    let began = Instant::now();
    let client = Client::new(&stage.place.sdk_config().await);
    let mut writers = JoinSet::new();
    for number in 0..WRITERS.min(stage.records) {
        let records = share(stage.records, number);
        let writer = Writer {
            client: client.clone(),
            stage: stage.clone(),
            dice: fastrand::Rng::with_seed(stage.seed.wrapping_mul(WRITERS).wrapping_add(number)),
            lives: lives(number, records),
        };
        writers.spawn(writer.write(records, began));
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    stage.chronicle.news(match stage.ledger.written() {
        written if written < stage.records => {
            format!("the writers got to {written} records and time is up: this is a slow place")
        }
        _ => "the writers are done".to_owned(),
    });
    Ok(())
}

fn share(records: u64, number: u64) -> u64 {
    records / WRITERS + u64::from(number < records % WRITERS)
}

fn lives(writer: u64, records: u64) -> Vec<Life> {
    let orders = (records / CHANGES_PER_ORDER).clamp(1, MOST_ORDERS_EACH);
    (0..orders)
        .map(|order| Life::new(format!("order-{writer}-{order}")))
        .collect()
}

struct Writer {
    client: Client,
    stage: Stage,
    dice: fastrand::Rng,
    lives: Vec<Life>,
}

impl Writer {
    async fn write(mut self, records: u64, began: Instant) -> Result<(), Failure> {
        for number in 0..records {
            sleep_until(began + WRITING.mul_f64(number as f64 / records as f64)).await;
            if began.elapsed() > LONGEST {
                return Ok(());
            }
            let chosen = self.dice.usize(..self.lives.len());
            if self.dice.u8(..100) < IDLE_PERCENT {
                let idle = self.lives[chosen].idle();
                self.send(idle).await?;
            }
            let write = self.lives[chosen].advance(&mut self.dice);
            self.send(write).await?;
            self.stage.ledger.wrote(self.lives[chosen].id());
        }
        Ok(())
    }

    async fn send(&self, write: Write) -> Result<(), Failure> {
        let place = &self.stage.place;
        match write {
            Write::Put(order) => self.put(order).await,
            Write::Update(order) => self.update(order).await,
            Write::Delete { id } => {
                let delete = self.client.delete_item().table_name(&place.table);
                let sent = delete.key("id", AttributeValue::S(id)).send().await;
                sent.map(drop)
                    .map_err(|error| place.failed("DeleteItem", error))
            }
        }
    }

    async fn put(&self, order: Order) -> Result<(), Failure> {
        let place = &self.stage.place;
        let put = self
            .client
            .put_item()
            .table_name(&place.table)
            .item("id", AttributeValue::S(order.id))
            .item("state", AttributeValue::S(order.state))
            .item("cents", AttributeValue::N(order.cents.to_string()))
            .item("change", AttributeValue::N(order.change.to_string()));
        let sent = put.send().await;
        sent.map(drop)
            .map_err(|error| place.failed("PutItem", error))
    }

    async fn update(&self, order: Order) -> Result<(), Failure> {
        let place = &self.stage.place;
        let update = self
            .client
            .update_item()
            .table_name(&place.table)
            .key("id", AttributeValue::S(order.id))
            .update_expression("SET #state = :state, #change = :change")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#change", "change")
            .expression_attribute_values(":state", AttributeValue::S(order.state))
            .expression_attribute_values(":change", AttributeValue::N(order.change.to_string()));
        let sent = update.send().await;
        sent.map(drop)
            .map_err(|error| place.failed("UpdateItem", error))
    }
}
