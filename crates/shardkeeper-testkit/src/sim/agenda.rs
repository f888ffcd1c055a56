//! What is going to happen in a world, and when: calls that arrive, answers that return, faults, roll-overs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::ground::Time;
use super::world::World;

/// Something that happens at its time, to the whole world.
pub(crate) type Deed = Box<dyn FnOnce(&mut World) + Send>;

/// Deeds in the order of their times, and of their entry where times are equal.
#[derive(Default)]
pub(crate) struct Agenda {
    queue: BinaryHeap<Entry>,
    entered: u64,
}

struct Entry {
    at: Time,
    number: u64,
    deed: Deed,
}

impl Agenda {
    pub(crate) fn enter(&mut self, at: Time, deed: Deed) {
        self.entered += 1;
        let number = self.entered;
        self.queue.push(Entry { at, number, deed });
    }

    /// When the next deed is due.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.queue.peek().map(|entry| entry.at)
    }

    /// The next deed that is due by `now`.
    pub(crate) fn due(&mut self, now: Time) -> Option<Deed> {
        if self.next_at()? > now {
            return None;
        }
        self.queue.pop().map(|entry| entry.deed)
    }
}

impl Ord for Entry {
    /// The heap gives the greatest first, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
