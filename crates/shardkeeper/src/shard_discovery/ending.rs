//! When is a stream over that is read by its ARN?
//!
//! Switched off or gone, by several listings in a row, with every shard read to its end: then nothing will ever come, for
//! the same ARN never comes back. The discoverer writes it into the group row, and every worker that reads nothing else
//! ends; so does one that is started later, when the service may have forgotten the stream.

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::membership::GroupRow;
use shardkeeper_core::ports::{FailureKind, PortError};
use shardkeeper_core::succession::{End, Evidence};

use super::book::Book;
use super::{ShardDiscovery, Tended};

/// What is known of the end of a stream.
#[derive(Debug, Default)]
pub(super) struct Ending {
    evidence: Evidence,
    /// How many shards held it up when that was last told.
    told: usize,
}

impl ShardDiscovery {
    /// Takes note of what a round showed of the end of the stream, and writes down that it is over.
    pub(super) async fn look_for_the_end(
        &self,
        group: &GroupRow,
        stream: &StreamArn,
        tended: &Result<Tended, PortError>,
        book: &mut Book,
    ) -> Result<(), PortError> {
        let begun = group.listed.contains(stream.as_str()) || !book.of(stream).is_empty();
        let Some(shards) = closed(tended, begun) else {
            book.ending.evidence = Evidence::default();
            return Ok(());
        };
        // Read after the listing. Where it was the lease table that is gone, this says so.
        self.read_everything(book).await?;
        book.cover(stream);
        let moments = (self.listing.env.now(), self.settings.discovery_interval / 2);
        let leases = book.of(stream).clone();
        match book.ending.evidence.closed(shards, &leases, moments) {
            End::Reached if book.is_plain() => {
                self.write(&[GroupRow::mark_ended(&self.me, group.term, stream)])
                    .await?;
            }
            End::HeldUp(stopped) => self.tell_held_up(stream, stopped, &mut book.ending),
            End::Reached | End::NotYet => {}
        }
        Ok(())
    }

    fn tell_held_up(&self, stream: &StreamArn, stopped: usize, ending: &mut Ending) {
        if std::mem::replace(&mut ending.told, stopped) != stopped {
            let stream = stream.clone();
            let observers = &self.listing.observers;
            observers.emit(&Event::StreamHeldUp { stream, stopped });
        }
    }
}

/// The shards of a stream that is closed for good. One that the service does not know is over only if it was begun: it
/// may be misspelt otherwise.
fn closed(tended: &Result<Tended, PortError>, begun: bool) -> Option<Vec<ShardId>> {
    match tended {
        Ok(tended) => tended.closed.clone(),
        Err(error) if error.kind == FailureKind::NotFound && begun => Some(Vec::new()),
        Err(_) => None,
    }
}
