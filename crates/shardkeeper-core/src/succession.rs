//! The streams of a table, one after another (S13).
//!
//! A table that is switched off and on, or deleted and made again, gets another stream; the service keeps the older ones
//! for a day. They are read in the order in which they were made, each to its end before the next is begun. A worker that
//! reads one stream by its ARN ends with it: the same ARN never comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ids::{ShardId, StreamArn};
use crate::lease::Lease;
use crate::lineage::{self, Leases};

/// Those of a table's streams that an application reads, oldest first. What is older than the first one that it began was
/// over before its time: another consumer's, or an earlier life of the table.
pub fn to_be_read(
    known: &BTreeSet<StreamArn>,
    is_begun: impl Fn(&StreamArn) -> bool,
) -> Vec<StreamArn> {
    let first = known.iter().find(|stream| is_begun(stream));
    let old = |stream: &&StreamArn| first.is_some_and(|first| *stream < first);
    known.iter().skip_while(old).cloned().collect()
}

/// True when nothing of a stream with these leases is left to be read. Nobody knows how long a decision takes, so a
/// shard that waits for one holds up no other stream.
pub fn is_drained(leases: &Leases) -> bool {
    let mut active = leases.values().filter(|lease| lease.is_active());
    active.all(|lease| lineage::waits_for_a_decision(lease, leases))
}

/// So many looks in a row must show the same before a stream that is read by its ARN is over.
const LOOKS: u32 = 3;

/// How far a stream is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Something is left to be read, or may be.
    NotYet,
    /// Nothing is left but so many shards that stand still until somebody decides, and what waits for them.
    HeldUp(usize),
    /// Nothing will ever come of it, and everything that came was read.
    Reached,
}

/// What the looks at a stream have shown of its end so far. One look proves nothing: a listing may leave a shard out, or
/// show a child late.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    looks: u32,
    latest: Option<Duration>,
    /// Every shard that one of these looks showed.
    shards: BTreeSet<ShardId>,
}

impl Evidence {
    /// A look at this time showed the stream closed for good, with these shards, and afterwards these were its leases.
    /// Looks that are not so far `apart` count as one.
    pub fn closed(
        &mut self,
        shards: impl IntoIterator<Item = ShardId>,
        leases: &Leases,
        (now, apart): (Duration, Duration),
    ) -> End {
        self.shards.extend(shards);
        let read = |shard: &ShardId| leases.get(shard).is_some_and(Lease::is_finished);
        if !leases.values().all(Lease::is_finished) || !self.shards.iter().all(read) {
            *self = Self::default();
            return held_up(leases);
        }
        if self.latest.is_none_or(|latest| now >= latest + apart) {
            self.looks += 1;
            self.latest = Some(now);
        }
        match self.looks >= LOOKS {
            true => End::Reached,
            false => End::NotYet,
        }
    }
}

fn held_up(leases: &Leases) -> End {
    let open = leases.values().filter(|lease| !lease.is_finished());
    let stopped = open.filter(|lease| lease.stopped.is_some()).count();
    match is_drained(leases) && stopped > 0 {
        true => End::HeldUp(stopped),
        false => End::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::lease::lease_key;

    fn stream(day: u8) -> StreamArn {
        let arn = format!(
            "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2026-01-{day:02}T00:00:00.000"
        );
        StreamArn::parse(&arn).unwrap()
    }

    fn read(begun: &[u8]) -> Vec<StreamArn> {
        let known = (1..=4).map(stream).collect();
        let begun: Vec<StreamArn> = begun.iter().copied().map(stream).collect();
        to_be_read(&known, |stream| begun.contains(stream))
    }

    #[test]
    fn s13_f52_streams_are_read_oldest_first_from_the_first_that_was_begun() {
        let all: Vec<StreamArn> = (1..=4).map(stream).collect();
        assert_eq!(read(&[]), all);
        assert_eq!(read(&[2]), all[1..]);
        assert_eq!(read(&[2, 4]), all[1..], "the third was found late");
        assert_eq!(read(&[4]), all[3..]);
    }

    fn lease(shard: &str, checkpoint: Checkpoint, stopped: Option<&str>) -> Lease {
        let shard = ShardId::from_service(shard);
        Lease {
            key: lease_key(&stream(1), &shard),
            stream: stream(1),
            shard,
            owner: None,
            epoch: 1,
            version: 1,
            write_id: None,
            checkpoint,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            next_owner: None,
            stopped: stopped.map(str::to_owned),
        }
    }

    fn leases(all: &[Lease]) -> Leases {
        let keyed = all.iter().cloned();
        keyed.map(|lease| (lease.shard.clone(), lease)).collect()
    }

    /// What looks at these seconds lead to, each of which shows these shards and leases.
    fn looked(looks: &[(u64, &[&str], &Leases)]) -> Vec<End> {
        let mut evidence = Evidence::default();
        let apart = Duration::from_secs(10);
        let look = |(at, shards, leases): &(u64, &[&str], &Leases)| {
            let shards = shards.iter().map(ShardId::from_service);
            evidence.closed(shards, leases, (Duration::from_secs(*at), apart))
        };
        looks.iter().map(look).collect()
    }

    const END: Checkpoint = Checkpoint::ShardEnd;
    const HORIZON: Checkpoint = Checkpoint::TrimHorizon;

    #[test]
    fn s1_a_stream_is_over_when_looks_that_are_far_enough_apart_show_the_same() {
        let read = leases(&[lease("a", END, None), lease("b", END, None)]);
        let all: &[&str] = &["a", "b"];
        let looks = [0, 9, 10, 19, 20, 30].map(|at| (at, all, &read));
        let (no, yes) = (End::NotYet, End::Reached);
        assert_eq!(looked(&looks), [no, no, no, no, yes, yes]);
        let nothing = Leases::new();
        let looks = [0, 10, 20].map(|at| (at, [].as_slice(), &nothing));
        assert_eq!(looked(&looks), [no, no, yes], "it never had a shard");
    }

    #[test]
    fn s1_what_one_look_left_out_counts_and_what_is_unread_begins_the_count_anew() {
        let read = leases(&[lease("a", END, None)]);
        let found = leases(&[lease("a", END, None), lease("b", HORIZON, None)]);
        let both = leases(&[lease("a", END, None), lease("b", END, None)]);
        let (a, ab): (&[&str], &[&str]) = (&["a"], &["a", "b"]);
        let (no, yes) = (End::NotYet, End::Reached);
        let late_child = [
            (0, a, &read),
            (10, a, &read),
            (20, ab, &read),
            (30, a, &found),
            (40, a, &both),
            (50, ab, &both),
            (60, a, &both),
        ];
        assert_eq!(looked(&late_child), [no, no, no, no, no, no, yes]);
    }

    #[test]
    fn s2_a_shard_that_stands_still_holds_the_end_up() {
        let stopped = leases(&[lease("a", END, None), lease("b", HORIZON, Some("lost"))]);
        let looks = [0, 10, 20, 30].map(|at| (at, ["a", "b"].as_slice(), &stopped));
        assert_eq!(looked(&looks), [End::HeldUp(1); 4]);
        let active = leases(&[lease("a", HORIZON, None), lease("b", HORIZON, Some("lost"))]);
        let looks = [0, 10, 20].map(|at| (at, ["a", "b"].as_slice(), &active));
        assert_eq!(looked(&looks), [End::NotYet; 3], "a is still read");
    }
}
