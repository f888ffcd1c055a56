//! What one sweep of the table means for the leases that a worker reads, or should read.
//!
//! A sweep is as old as the moment at which it was sent: what the worker took up or let go since then
//! is not in it, so a sweep says nothing about that lease.

use std::time::Duration;

use crate::ids::WorkerId;
use crate::lease::Lease;
use crate::membership::Fate;
use crate::planted;

/// When a worker last took a lease up or let it go, and when the sweep was sent: on its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// `None`: not since the sweep before.
    pub touched: Option<Duration>,
    /// Just before the sweep's first call.
    pub sent: Duration,
}

impl Moments {
    fn sweep_is_older(&self) -> bool {
        self.touched.is_some_and(|touched| touched >= self.sent)
    }
}

/// Whom to hand the lease to that `me` reads: the asker, if it is alive and stays.
pub fn asker<'a>(
    row: &'a Lease,
    me: &WorkerId,
    fate: impl Fn(&WorkerId) -> Fate,
) -> Option<&'a WorkerId> {
    let next = row.next_owner.as_ref().filter(|_| !planted!(DeafOwner));
    next.filter(|next| fate(next) == Fate::Alive && *next != me)
}

/// True when the row of a lease that `me` reads names somebody else or is gone: an idle shard would not
/// notice by itself.
pub fn is_lost(row: Option<&Lease>, me: &WorkerId, moments: Moments) -> bool {
    let ours = row.is_some_and(|row| row.owner.as_ref() == Some(me));
    !ours && !moments.sweep_is_older()
}

/// True when the row names `me`, which does not read the shard: the lease was handed over, or a take
/// landed whose answer was lost (hole 7).
pub fn is_to_adopt(row: &Lease, me: &WorkerId, moments: Moments) -> bool {
    !planted!(NoAdoption)
        && row.owner.as_ref() == Some(me)
        && row.is_active()
        && !moments.sweep_is_older()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::ids::{ShardId, StreamArn};
    use crate::lease::lease_key;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name, 1)
    }

    fn row(owner: &str, asker: Option<&str>) -> Lease {
        let stream =
            "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
        let stream = StreamArn::parse(stream).unwrap();
        let shard = ShardId::from_service("shardId-1");
        Lease {
            key: lease_key(&stream, &shard),
            stream,
            shard,
            owner: Some(worker(owner)),
            epoch: 1,
            version: 1,
            write_id: None,
            checkpoint: Checkpoint::TrimHorizon,
            parents: Default::default(),
            children: Default::default(),
            next_owner: asker.map(worker),
            stopped: None,
        }
    }

    fn moments(touched: Option<u64>, sent: u64) -> Moments {
        Moments {
            touched: touched.map(Duration::from_secs),
            sent: Duration::from_secs(sent),
        }
    }

    #[test]
    fn a_lease_goes_to_an_asker_that_lives_and_stays() {
        let asked = row("a", Some("b"));
        let me = worker("a");
        assert_eq!(asker(&asked, &me, |_| Fate::Alive), Some(&worker("b")));
        for fate in [Fate::Leaving, Fate::Dead, Fate::Left] {
            assert_eq!(asker(&asked, &me, |_| fate), None);
        }
        assert_eq!(asker(&row("a", Some("a")), &me, |_| Fate::Alive), None);
        assert_eq!(asker(&row("a", None), &me, |_| Fate::Alive), None);
    }

    #[test]
    fn hole_7_a_row_that_names_a_worker_which_does_not_read_it_is_adopted() {
        assert!(is_to_adopt(&row("a", None), &worker("a"), moments(None, 5)));
        assert!(!is_to_adopt(
            &row("b", None),
            &worker("a"),
            moments(None, 5)
        ));
        let finished = Lease {
            checkpoint: Checkpoint::ShardEnd,
            ..row("a", None)
        };
        assert!(!is_to_adopt(&finished, &worker("a"), moments(None, 5)));
    }

    #[test]
    fn a_row_that_names_somebody_else_or_is_gone_ends_the_work() {
        assert!(is_lost(
            Some(&row("b", None)),
            &worker("a"),
            moments(None, 5)
        ));
        assert!(is_lost(None, &worker("a"), moments(None, 5)));
        assert!(!is_lost(
            Some(&row("a", None)),
            &worker("a"),
            moments(None, 5)
        ));
    }

    #[test]
    fn a_sweep_says_nothing_about_what_was_touched_since_it_was_sent() {
        for touched in [5, 6] {
            let since = moments(Some(touched), 5);
            assert!(!is_lost(Some(&row("b", None)), &worker("a"), since));
            assert!(!is_to_adopt(&row("a", None), &worker("a"), since));
        }
        assert!(is_lost(None, &worker("a"), moments(Some(4), 5)));
    }
}
