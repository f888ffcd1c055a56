//! Short forms of long names, for columns. JSON always has the long ones.

use shardkeeper::{Checkpoint, ShardId, WorkerId};

use crate::spans::tell_moment;

/// How much of an incarnation tells two of one name apart for the eye.
const INCARNATION: usize = 6;

/// `web-1#3f2a91`: a name for people and the beginning of the incarnation.
pub(crate) fn worker(id: &WorkerId) -> String {
    let text = id.as_str();
    match text.rsplit_once('#') {
        Some((name, incarnation)) => {
            let short: String = incarnation.chars().take(INCARNATION).collect();
            format!("{name}#{short}")
        }
        None => text.to_owned(),
    }
}

/// `f55eea83`: what stands behind the last dash of a shard id, or all of it.
pub(crate) fn tail(shard: &ShardId) -> &str {
    let text = shard.as_str();
    text.rsplit_once('-')
        .map(|(_, tail)| tail)
        .filter(|tail| tail.len() >= 4)
        .unwrap_or(text)
}

/// The tails of several shards.
pub(crate) fn tails<'a>(shards: impl IntoIterator<Item = &'a ShardId>) -> String {
    shards.into_iter().map(tail).collect::<Vec<_>>().join(" ")
}

/// A checkpoint as people read it.
pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> String {
    match checkpoint {
        Checkpoint::At(time) => format!("AT {}", tell_moment(*time)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_still_tells_two_apart() {
        assert_eq!(worker(&WorkerId::new("web#1", 1 << 120)), "web#1#010000");
        assert_eq!(worker(&WorkerId::from_row("bare")), "bare");
    }

    #[test]
    fn a_tail_is_what_differs_in_a_shard_id() {
        let tail_of = |text| tail(&ShardId::from_service(text)).to_owned();
        assert_eq!(tail_of("shardId-00000001414576573621-f55eea83"), "f55eea83");
        assert_eq!(tail_of("shardId-7"), "shardId-7");
        assert_eq!(tail_of("whole"), "whole");
    }
}
