//! S3: under one epoch the deliveries of a shard strictly increase and skip nothing. What failed, or whose acknowledgements
//! were dropped, comes again.

use std::collections::BTreeMap;

use shardkeeper_core::event::Event;

use super::{Judge, before_the_start, place_after};
use crate::sim::oracle::{DONE, Dispatch, Fact, LATER, Ledger, Scene};
use crate::sim::world::ShardNo;

#[derive(Default)]
pub(super) struct InOrderWithinAShard {
    given: BTreeMap<(usize, ShardNo), Given>,
}

/// What a worker gave its processor last.
struct Given {
    epoch: u64,
    /// Behind the last record of it.
    behind: usize,
    /// It comes again, or some of it.
    again: bool,
}

impl Judge for InOrderWithinAShard {
    fn name(&self) -> &'static str {
        "S3"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        self.note_failures(fact);
        let Fact::Dispatched(dispatch) = fact else {
            return None;
        };
        let again = self.comes_again(dispatch);
        let Dispatch {
            shard: number,
            epoch,
            places,
            ..
        } = dispatch;
        let (shard, log) = (&scene.streams.shards[*number], ledger.log(*number));
        if places.is_empty() {
            return Some(format!("shard {number}: an empty batch was delivered"));
        }
        let reign = log.reigns.get(epoch);
        let begins = reign.map_or(0, |reign| place_after(shard, &reign.from));
        let mut next = reign.and_then(|reign| reign.reached).unwrap_or(begins);
        for place in places {
            let Some(place) = *place else {
                return Some(format!(
                    "shard {number}: a record was delivered that was never written there"
                ));
            };
            let skipped = (next..place).find(|gap| {
                let mark = log.mark(*gap);
                let gone = *gap < shard.trimmed
                    && (mark.told || log.is_unknown(*gap) || !log.could_know_of(*gap));
                let settled = mark.told || mark.skipped;
                !(gone || settled || before_the_start(scene, shard, log, *gap))
            });
            if let Some(skipped) = skipped {
                return Some(format!(
                    "shard {number}: record {place} was delivered under epoch {epoch} before record {skipped}"
                ));
            }
            next = next.max(place + 1);
        }
        again
    }
}

impl InOrderWithinAShard {
    fn note_failures(&mut self, fact: &Fact) {
        // Where a person deleted the row a new lease may have the token of the one before.
        if let Fact::Said {
            seat,
            shard: Some(shard),
            event,
        } = fact
            && matches!(**event, Event::LeaseAcquired { .. })
        {
            self.given.remove(&(*seat, *shard));
        }
        let (of, failed) = match fact {
            Fact::Returned {
                seat, shard, how, ..
            } => ((*seat, *shard), *how != DONE && *how != LATER),
            Fact::Said {
                seat,
                shard: Some(shard),
                event,
            } => {
                let dropped = matches!(**event, Event::DeferralDropped { .. });
                ((*seat, *shard), dropped)
            }
            _ => return,
        };
        if let Some(given) = self.given.get_mut(&of).filter(|_| failed) {
            given.again = true;
        }
    }

    fn comes_again(&mut self, dispatch: &Dispatch) -> Option<String> {
        let Dispatch {
            seat,
            shard,
            epoch,
            places,
            ..
        } = dispatch;
        let (first, last) = places.first().copied().flatten().zip(*places.last()?)?;
        let given = Given {
            epoch: *epoch,
            behind: last + 1,
            again: false,
        };
        let before = self.given.insert((*seat, *shard), given)?;
        let falls = before.epoch == *epoch && first < before.behind && !before.again;
        falls.then(|| {
            format!(
                "shard {shard}: w{seat} got record {first} again under epoch {epoch}, though nothing had failed"
            )
        })
    }
}
