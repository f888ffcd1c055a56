//! What becomes of a call between a worker and the table.

use std::sync::Arc;

use shardkeeper_core::row::Write;

use crate::ledger::Rules;
use crate::state::{State, Stray, Tenure};

/// The fate of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {
    /// It is answered at once.
    Answered,
    /// It is applied, or refused, and the answer is lost.
    AnswerLost,
    /// It times out, and may land later.
    Late,
}

impl Wire {
    /// What can happen to the next write.
    pub(crate) fn open(state: &State) -> impl Iterator<Item = Self> {
        let lost = (state.budget.lost > 0).then_some(Self::AnswerLost);
        let late = (state.budget.late > 0).then_some(Self::Late);
        [Some(Self::Answered), lost, late].into_iter().flatten()
    }
}

/// A write on its way.
pub(crate) struct Sent {
    pub(crate) writes: Vec<Write>,
    pub(crate) write_id: String,
    pub(crate) by: Option<Tenure>,
}

impl State {
    /// Sends a write. `Some` is the answer: applied or refused.
    pub(crate) fn send(&mut self, rules: Rules<'_>, sent: Sent, wire: Wire) -> Option<bool> {
        match wire {
            Wire::Answered => {
                Some(self.arrive(rules, &sent.writes, &sent.write_id, sent.by.as_ref()))
            }
            Wire::AnswerLost => {
                self.budget.lost -= 1;
                self.arrive(rules, &sent.writes, &sent.write_id, sent.by.as_ref());
                None
            }
            Wire::Late => {
                self.budget.late -= 1;
                let Sent {
                    writes,
                    write_id,
                    by,
                } = sent;
                self.strays.push(Arc::new(Stray {
                    writes,
                    write_id,
                    by,
                }));
                None
            }
        }
    }

    /// A write that timed out lands after all.
    pub(crate) fn land_stray(&mut self, rules: Rules<'_>, index: usize) -> bool {
        let stray = self.strays.remove(index);
        self.arrive(rules, &stray.writes, &stray.write_id, stray.by.as_ref())
    }

    fn arrive(
        &mut self,
        rules: Rules<'_>,
        writes: &[Write],
        write_id: &str,
        by: Option<&Tenure>,
    ) -> bool {
        let applied = self.land(rules, writes, by);
        if applied {
            let tasks = self.workers.iter_mut().flat_map(|worker| &mut worker.tasks);
            let writing = tasks.flatten().filter_map(|task| task.writing.as_mut());
            for writing in writing {
                writing.landed |= writing.attempts.iter().any(|id| id == write_id);
            }
        }
        applied
    }
}
