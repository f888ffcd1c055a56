//! Facts in words.

use std::fmt::{self, Display, Formatter};

use shardkeeper_core::lease::Lease;

use super::fact::{Author, Dispatch, Fact};
use crate::sim::ground::{SECOND, Time};

impl Display for Fact {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called { seat, op } => write!(f, "w{seat} calls {}", op.name()),
            Self::Restored { .. } => f.write_str("the lease table is restored from an older copy"),
            Self::Resumed => f.write_str("a person resumes the application"),
            Self::Healed => f.write_str("all faults are over"),
            Self::Said { seat, shard, event } => {
                let said = format!("{event:?}");
                match shard.zip(event.shard()) {
                    // What the number of the shard says already.
                    Some((number, (stream, shard))) => {
                        let said = said.replace(&format!("stream: {stream}, shard: {shard}, "), "");
                        let bare = format!(" {{ stream: {stream}, shard: {shard} }}");
                        let said = said.replace(&bare, "");
                        write!(f, "shard {number}: w{seat} says {said}")
                    }
                    None => write!(f, "w{seat} says {said}"),
                }
            }
            Self::Rolled { fault } => write!(f, "fault {fault}"),
            Self::Fared { seat, op, how } => write!(f, "w{seat}'s {}: {how}", op.name()),
            Self::Struck {
                fault,
                seat: Some(seat),
                long,
            } => write!(f, "fault {fault} for w{seat}, {}", Span(*long)),
            Self::Struck {
                fault,
                seat: None,
                long,
            } => write!(f, "fault {fault}, {}", Span(*long)),
            _ => match self.shard() {
                Some(shard) => {
                    write!(f, "shard {shard}: ")?;
                    self.of_a_shard(f)
                }
                None => self.of_a_worker(f),
            },
        }
    }
}

impl Fact {
    fn of_a_worker(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launched { seat, life, copy } => {
                let copy = if *copy {
                    ", with the dice of another"
                } else {
                    ""
                };
                write!(f, "w{seat} starts, life {life}{copy}")
            }
            Self::Crashed { seat } => write!(f, "w{seat} crashes"),
            Self::Halted { seat, how, long } => write!(f, "w{seat} is {how} for {}", Span(*long)),
            Self::WentOn { seat } => write!(f, "w{seat} goes on"),
            Self::Leaving { seat } => write!(f, "w{seat} is asked to leave"),
            Self::Ended { seat, why: None } => write!(f, "w{seat} has ended"),
            Self::Ended {
                seat,
                why: Some(why),
            } => write!(f, "w{seat} has ended: {why}"),
            _ => write!(f, "{self:?}"),
        }
    }

    fn of_a_shard(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShardMade { parent: None, .. } => f.write_str("is made"),
            Self::ShardMade {
                parent: Some(parent),
                ..
            } => write!(f, "is made, a child of {parent}"),
            Self::Introduced {
                id,
                parent,
                closed,
                records,
                ..
            } => {
                write!(f, "{id}, {}", if *closed { "closed" } else { "open" })?;
                if let Some(parent) = parent {
                    write!(f, ", a child of {parent}")?;
                }
                write!(f, ", {records} records")
            }
            Self::ShardClosed { .. } => f.write_str("is closed"),
            Self::ShardVanished { .. } => f.write_str("vanishes"),
            Self::Trimmed { from, to, .. } => write!(f, "records {from}..{to} are trimmed"),
            Self::LeaseChanged {
                before, after, by, ..
            } => write!(f, "lease {} -> {} by {by}", Row(before), Row(after)),
            Self::Opened { at, .. } => write!(f, "reading goes on at {at}"),
            Self::Dispatched(Dispatch {
                seat,
                epoch,
                places,
                ..
            }) => {
                write!(
                    f,
                    "w{seat} gets {} under epoch {epoch}",
                    Places(
                        places.first().copied().flatten(),
                        places.last().copied().flatten()
                    )
                )
            }
            Self::Returned {
                seat,
                epoch,
                acked,
                how,
                ..
            } => {
                let acked = Places(acked.first().copied(), acked.last().copied());
                write!(f, "w{seat} {how} under epoch {epoch}, acknowledged {acked}")
            }
            Self::EndAccepted { seat, epoch, .. } => {
                write!(f, "w{seat} accepts the end under epoch {epoch}")
            }
            _ => write!(f, "{self:?}"),
        }
    }
}

/// The first and the last of some records.
struct Places(Option<usize>, Option<usize>);

impl Display for Places {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(first), Some(last)) => write!(f, "records {first}..={last}"),
            _ => f.write_str("nothing"),
        }
    }
}

impl Display for Author {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(seat) => write!(f, "w{seat}"),
            Self::Operator => f.write_str("a person"),
            Self::Restorer => f.write_str("whoever restored the table"),
        }
    }
}

/// A lease row in a few words.
struct Row<'a>(&'a Option<Box<Lease>>);

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(lease) = self.0 else {
            return f.write_str("(none)");
        };
        let owner = lease
            .owner
            .as_ref()
            .map_or("nobody", |owner| short(owner.as_str()));
        let Lease {
            epoch,
            version,
            checkpoint,
            ..
        } = &**lease;
        write!(f, "({owner} e{epoch} v{version} at {checkpoint}")?;
        if let Some(next) = &lease.next_owner {
            write!(f, " asked by {}", short(next.as_str()))?;
        }
        if lease.stopped.is_some() {
            f.write_str(" stopped")?;
        }
        f.write_str(")")
    }
}

/// A worker's name and the first digits of its incarnation.
fn short(worker: &str) -> &str {
    let end = worker
        .find('#')
        .map_or(worker.len(), |hash| (hash + 5).min(worker.len()));
    worker.get(..end).unwrap_or(worker)
}

/// A time that a person can read.
pub(crate) struct Span(pub(crate) Time);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0 / SECOND, self.0 % SECOND);
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, s) => write!(f, "{s}.{millis:03} s"),
            (0, m, s) => write!(f, "{m} min {s}.{millis:03} s"),
            (h, m, s) => write!(f, "{h} h {m} min {s}.{millis:03} s"),
        }
    }
}
