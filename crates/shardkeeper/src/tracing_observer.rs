//! Log lines from events, through `tracing`.

use shardkeeper_core::event::Event;
use tracing::{debug, error, info, trace, warn};

use crate::observer::Observer;

/// Writes every event as a log line: what needs somebody as a warning or an error, what happens once per
/// shard as information, what happens per batch as debug.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn observe(&self, event: &Event) {
        match event {
            Event::DataLost(loss) => {
                error!(stream = %loss.stream, shard = %loss.shard, from = %loss.from, to = ?loss.to, why = ?loss.why, "records are gone that were never processed");
            }
            Event::ShardStopped { stream, shard, why } => {
                error!(%stream, %shard, why, "the shard stands still until somebody decides")
            }
            Event::LeaseUnreadable { key, why } => {
                error!(key, why, "a lease row cannot be read and is left alone")
            }
            Event::GroupStopped { why } => error!(why, "no worker of this application goes on"),
            Event::ShardBlocked {
                stream,
                shard,
                epoch,
                silent,
            } => {
                error!(%stream, %shard, epoch, ?silent, "user code blocks a thread; the lease was let go: keep blocking work out of async functions");
            }
            Event::CapacityShort { left: 0, .. } => info!("no lease is left over any more"),
            Event::CapacityShort { left, max_leases } => {
                error!(
                    left,
                    max_leases, "leases are left over: start more workers, or raise max_leases"
                );
            }
            Event::RetentionShort {
                stream,
                shard,
                headroom,
            } => {
                error!(%stream, %shard, ?headroom, "the shard comes no closer, and its oldest record will be gone");
            }
            other => trouble(other),
        }
    }
}

/// What somebody should look at when it comes often.
fn trouble(event: &Event) {
    match event {
        Event::WorkerDemoted { worker, why } => {
            warn!(%worker, why, "the worker gave itself up and begins again")
        }
        Event::LeaseLost {
            stream,
            shard,
            epoch,
        } => warn!(%stream, %shard, epoch, "the lease was lost"),
        Event::RecordSkipped {
            stream,
            shard,
            sequence_number,
        } => warn!(%stream, %shard, %sequence_number, "a record was skipped"),
        Event::BatchFailed {
            stream,
            shard,
            attempt,
            retry_in,
            error,
        } => {
            let error = error.as_deref().unwrap_or("it panicked");
            warn!(%stream, %shard, attempt, ?retry_in, error, "the processor failed");
        }
        Event::DeferralDropped {
            stream,
            shard,
            after,
        } => {
            warn!(%stream, %shard, %after, "records were given up unacknowledged and are delivered again");
        }
        Event::ProcessorPending {
            stream,
            shard,
            pending,
        } => {
            warn!(%stream, %shard, ?pending, "a call of the processor does not return");
        }
        Event::TooManyReaders {
            stream,
            shard,
            lasted,
        } => {
            warn!(%stream, %shard, ?lasted, "too many read the shard: the service lets in two, whatever application they are of");
        }
        Event::TableLeftAlone { table, leases } => {
            warn!(
                table,
                leases, "the group has leases of a table that this worker does not read"
            );
        }
        Event::StreamHeldUp { stream, stopped } => {
            warn!(%stream, stopped, "the stream is over but for shards that stand still until somebody decides");
        }
        Event::StartIgnored { why } => warn!(why, "the start position is not used"),
        Event::CallFailed {
            action,
            kind,
            message,
        } => warn!(action, ?kind, message, "a call failed"),
        Event::WorkerFoundDead { worker } => warn!(%worker, "another worker was found dead"),
        other => progress(other),
    }
}

/// What happens in the life of a healthy worker.
fn progress(event: &Event) {
    match event {
        Event::WorkerLeft { worker, abandoned } => {
            info!(%worker, abandoned, "the worker has left")
        }
        Event::WorkerJoined { worker } => info!(%worker, "the worker is a member of its group"),
        Event::DiscoveryTaken { term } => info!(term, "this worker lists the stream"),
        Event::KclLeasesFound { leases, watched } => {
            info!(
                leases,
                ?watched,
                "leases of KCL are watched before they are adopted"
            )
        }
        Event::KclLeasesAdopted { leases } => info!(leases, "leases of KCL were adopted"),
        Event::StreamChanged { stream } => info!(%stream, "the stream is read"),
        Event::StreamEnded { stream } => {
            info!(%stream, "the stream is over and was read to its end")
        }
        Event::LeaseAcquired {
            stream,
            shard,
            epoch,
            from,
            how,
        } => {
            info!(%stream, %shard, epoch, %from, ?how, "the lease is ours");
        }
        Event::LeaseReleased {
            stream,
            shard,
            epoch,
            at,
            to,
        } => {
            info!(%stream, %shard, epoch, %at, to = to.as_ref().map(tracing::field::display), "the lease was let go");
        }
        Event::ShardEnded {
            stream,
            shard,
            children,
        } => {
            info!(%stream, %shard, ?children, "the shard has ended")
        }
        Event::LeaseRequested { lease, owner } => debug!(lease, %owner, "asked for a lease"),
        Event::IteratorExpired { stream, shard } => {
            debug!(%stream, %shard, "the iterator expired and was opened again")
        }
        Event::ShardsListed {
            table,
            listed,
            created,
            forgotten,
        } => {
            debug!(table, listed, created, forgotten, "the stream was listed");
        }
        other => trace!(event = ?other),
    }
}
