//! S14: sequence numbers are compared as numbers: a batch is in the order of the shard whatever their widths.

use super::Judge;
use crate::sim::oracle::{Dispatch, Fact, Ledger, Scene};

pub(super) struct NumbersAreNumbers;

impl Judge for NumbersAreNumbers {
    fn name(&self) -> &'static str {
        "S14"
    }

    fn see(&mut self, _: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Dispatched(Dispatch { shard, places, .. }) = fact else {
            return None;
        };
        let falls = places.windows(2).find(|pair| pair[0] >= pair[1])?;
        Some(format!(
            "shard {shard}: in one batch record {:?} is followed by record {:?}",
            falls[0], falls[1]
        ))
    }
}
