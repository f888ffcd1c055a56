//! L7: in quiet times the group stays within the ten listings a second that its whole account has.

use std::collections::VecDeque;

use super::Judge;
use crate::sim::ground::{SECOND, Time};
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::Op;

/// Over this time,
const WINDOW: Time = 10 * SECOND;
/// so many.
const MOST: usize = 100;

#[derive(Default)]
pub(super) struct Budgets {
    listings: VecDeque<Time>,
}

impl Judge for Budgets {
    fn name(&self) -> &'static str {
        "L7"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Called {
            op: Op::ListShards | Op::Children,
            ..
        } = fact
        else {
            return None;
        };
        if !scene.healing {
            return None;
        }
        self.listings.push_back(scene.now);
        while self
            .listings
            .front()
            .is_some_and(|at| at + WINDOW <= scene.now)
        {
            self.listings.pop_front();
        }
        (self.listings.len() > MOST).then(|| {
            format!(
                "{} listings within {} s",
                self.listings.len(),
                WINDOW / SECOND
            )
        })
    }
}
