//! How a call fares, in words: what a story tells of faults that strike single calls.

use super::weather::{Passage, Twist};
use crate::sim::ground::{SECOND, Time};
use crate::sim::oracle::telling::Span;

/// Calls take so long at most when nothing is wrong with them.
const UNTOLD: Time = SECOND / 4;

impl Passage {
    /// What is wrong with the call; `None` for one that fares well.
    pub(super) fn tells(&self) -> Option<String> {
        let mut wrong = Vec::new();
        match (self.request, &self.before) {
            (None, _) => wrong.push("the request is lost".to_owned()),
            (Some(_), Some(row)) => {
                wrong.push(format!("the request waits for the next write of {row}"));
            }
            (Some(time), None) if time > UNTOLD => {
                wrong.push(format!("the request arrives after {}", Span(time)));
            }
            _ => {}
        }
        if let Some(time) = self.again {
            wrong.push(format!("it arrives again {} later", Span(time)));
        }
        wrong.extend(match self.twist {
            Twist::Straight => None,
            Twist::Unserved(kind) => Some(format!("nothing is done, and it fails: {kind:?}")),
            Twist::Served(kind) => Some(format!("it is done, and fails: {kind:?}")),
            Twist::Refused => Some("it is done, and answered as refused".to_owned()),
            Twist::Empty => Some("nothing is done, and the answer is empty".to_owned()),
        });
        match self.answer.filter(|_| self.request.is_some()) {
            None if self.request.is_some() => wrong.push("the answer is lost".to_owned()),
            Some(time) if time > UNTOLD => {
                wrong.push(format!("the answer takes {}", Span(time)));
            }
            _ => {}
        }
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use shardkeeper_core::ports::FailureKind;

    use super::*;

    fn passage(request: Option<Time>, answer: Option<Time>, twist: Twist) -> Option<String> {
        let (before, again) = (None, None);
        let passage = Passage {
            request,
            answer,
            before,
            again,
            twist,
        };
        passage.tells()
    }

    #[test]
    fn a_story_tells_what_is_wrong_with_a_call_and_nothing_of_one_that_fares_well() {
        let (soon, late) = (Some(5), Some(3 * SECOND));
        assert_eq!(passage(soon, soon, Twist::Straight), None);
        for (told, told_of) in [
            ("the request is lost", passage(None, soon, Twist::Straight)),
            ("the request is lost", passage(None, None, Twist::Straight)),
            ("the answer is lost", passage(soon, None, Twist::Straight)),
            (
                "the request arrives after 3.000 s, the answer takes 3.000 s",
                passage(late, late, Twist::Straight),
            ),
            (
                "it is done, and fails: Unavailable",
                passage(soon, soon, Twist::Served(FailureKind::Unavailable)),
            ),
            (
                "it is done, and answered as refused, the answer is lost",
                passage(soon, None, Twist::Refused),
            ),
        ] {
            assert_eq!(told_of.as_deref(), Some(told));
        }
    }
}
