//! The streams of a table, one after another (S13).
//!
//! A table that is switched off and on, or deleted and made again, gets another stream; the service keeps the older ones
//! for a day. They are read in the order in which they were made, each to its end before the next is begun.

use std::collections::BTreeSet;

use crate::ids::StreamArn;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
