//! What the judges hear of a call beside its effect: that a worker made it, and what came of it.

use serde_json::Value;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::page::PageBody;

use super::door::Asked;
use super::leases::{KEY, keys_of};
use super::streams::{arn, iterator};
use crate::emulator::Response;
use crate::sim::ground::Time;
use crate::sim::world::World;
use crate::sim::world::reading::shard_behind;
use crate::sim::world::weather::Op;

impl World {
    /// A worker makes this call. When it is a beat: the moment at which it is sent.
    pub(super) fn hear_call(&mut self, seat: usize, asked: &Asked) -> Option<Time> {
        match asked.op() {
            Op::Open => {
                let id = ShardId::from_service(asked.text("ShardId"));
                let shard = arn(asked).ok().and_then(|arn| self.shard_of(&arn, &id));
                self.asked(seat, shard);
            }
            Op::Fetch => {
                let shard = iterator(asked).ok();
                self.asked(seat, shard.and_then(|from| shard_behind(&from)));
            }
            Op::Write => {
                if let [key] = keys_of(&asked.body).as_slice() {
                    return self.beat_sent(seat, key, makes_a_row(&asked.body));
                }
            }
            _ => {}
        }
        None
    }

    /// This answer has come to the worker.
    pub(super) fn hear_answer(
        &mut self,
        seat: usize,
        (asked, beat): (&Asked, Option<Time>),
        answer: &Response,
    ) {
        if answer.status != 200 {
            return;
        }
        if let Some(sent) = beat
            && read(answer).get("Attributes").is_some()
        {
            self.beat_heard(seat, sent);
        }
        if asked.op() == Op::Fetch
            && let (Ok(from), Ok(body)) = (iterator(asked), PageBody::parse(answer.body.clone()))
        {
            self.came(seat, shard_behind(&from), &body.page);
        }
    }
}

/// Whether the write asks that there is no row.
fn makes_a_row(request: &Value) -> bool {
    let names = request["ExpressionAttributeNames"].as_object();
    let key = names.and_then(|names| names.iter().find(|(_, name)| *name == KEY));
    let condition = request["ConditionExpression"].as_str().unwrap_or_default();
    key.is_some_and(|(key, _)| condition.contains(&format!("attribute_not_exists({key})")))
}

fn read(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}
