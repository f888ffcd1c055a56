//! The shards of a worker that look for their children: one look at the listing may answer all of them.
//!
//! Partitions that were made together roll over together, and the whole account has ten calls a second (F10). Asked for
//! one by one, the children of a thousand shards would be found after two minutes; the listing shows a hundred a call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use tokio::sync::{Mutex as Queue, MutexGuard as Turn, oneshot};

use crate::listing::by_parent;

/// Everybody who waits. A clone is another handle to the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    streams: Mutex<BTreeMap<StreamArn, Waiting>>,
    /// Held by the one that looks for everybody.
    looking: Queue<()>,
}

/// Who waits for one stream.
#[derive(Debug, Default)]
struct Waiting {
    shards: BTreeMap<ShardId, Asked>,
    /// The latest look that came to the end of the listing.
    ended: Option<Reach>,
    /// The latest that did not: what waits there is too far from the end for so few.
    endless: Option<Reach>,
}

#[derive(Debug)]
struct Asked {
    at: Duration,
    /// `None` when it was given.
    answer: Option<oneshot::Sender<Vec<Shard>>>,
}

/// How many pages a look behind a shard had.
#[derive(Debug)]
struct Reach {
    after: ShardId,
    pages: usize,
}

/// The place of one shard among those that wait, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    ends: Ends,
    pub(crate) stream: StreamArn,
    pub(crate) shard: ShardId,
}

/// One look for everybody: nobody else begins one while this is held.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    /// The listing is read behind this shard, the first of those that are looked for: children come after their parents.
    pub(crate) after: ShardId,
    /// More pages than this would be more calls than there are shards that wait.
    pub(crate) most_pages: usize,
    place: &'a Place,
    _looking: Turn<'a, ()>,
}

impl Ends {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<StreamArn, Waiting>> {
        let streams = self.0.streams.lock();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits among the others, from now on. The second value comes when somebody's look shows children of this shard.
    pub(crate) fn wait(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        now: Duration,
    ) -> (Place, oneshot::Receiver<Vec<Shard>>) {
        let (answer, answered) = oneshot::channel();
        let asked = Asked {
            at: now,
            answer: Some(answer),
        };
        let mut streams = self.streams();
        let waiting = streams.entry(stream.clone()).or_default();
        waiting.shards.insert(shard.clone(), asked);
        let place = Place {
            ends: self.clone(),
            stream: stream.clone(),
            shard: shard.clone(),
        };
        (place, answered)
    }

    /// A listing that began at this time and came to its end showed these: whoever has waited since before need not ask any
    /// more. An older listing may have passed a child by that is not the only one.
    pub(crate) fn show(
        &self,
        stream: &StreamArn,
        began: Duration,
        listed: &BTreeMap<ShardId, Shard>,
    ) {
        let mut streams = self.streams();
        let Some(waiting) = streams.get_mut(stream).filter(|it| !it.shards.is_empty()) else {
            return;
        };
        let awaited = |shard: &&Shard| {
            let parent = shard.parent.as_ref();
            parent.is_some_and(|parent| waiting.shards.contains_key(parent))
        };
        for (parent, children) in by_parent(listed.values().filter(awaited)) {
            let asked = waiting.shards.get_mut(&parent);
            let asked = asked.filter(|asked| asked.at <= began);
            if let Some(answer) = asked.and_then(|asked| asked.answer.take()) {
                // Whoever does not wait any more does not need it.
                let _ = answer.send(children);
            }
        }
    }
}

impl Waiting {
    /// Where a look for as many as possible begins, and for how many that is.
    fn affordable(&self) -> Option<(&ShardId, usize)> {
        let asks = |asked: &Asked| asked.answer.is_some();
        let all = self.shards.values().filter(|asked| asks(asked)).count();
        let far = self.endless.as_ref().filter(|far| all < 2 * far.pages);
        let near = |id: &ShardId| far.is_none_or(|far| *id > far.after);
        let mut near = self
            .shards
            .iter()
            .filter(|(id, asked)| asks(asked) && near(id));
        let (first, _) = near.next()?;
        let company = near.count() + 1;
        let known = self.ended.as_ref().filter(|known| *first >= known.after);
        let pages = known.map_or(1, |known| known.pages);
        (company >= 2 * pages).then_some((first, company))
    }
}

impl Place {
    /// A look for everybody, when so many wait that it takes fewer calls than asking for each.
    pub(crate) fn look(&self) -> Option<Look<'_>> {
        let looking = self.ends.0.looking.try_lock().ok()?;
        let streams = self.ends.streams();
        let (first, most_pages) = streams.get(&self.stream)?.affordable()?;
        Some(Look {
            after: first.clone(),
            most_pages,
            place: self,
            _looking: looking,
        })
    }

    /// True when somebody's look has shown children of this shard.
    pub(crate) fn is_answered(&self) -> bool {
        let streams = self.ends.streams();
        let asked = streams.get(&self.stream);
        let asked = asked.and_then(|waiting| waiting.shards.get(&self.shard));
        asked.is_some_and(|asked| asked.answer.is_none())
    }
}

impl Look<'_> {
    /// So many pages were read, and the last one was that of the listing, or not.
    pub(crate) fn read(self, pages: usize, ended: bool) {
        let mut streams = self.place.ends.streams();
        if let Some(waiting) = streams.get_mut(&self.place.stream) {
            let reach = Reach {
                after: self.after,
                pages,
            };
            let known = if ended {
                &mut waiting.ended
            } else {
                &mut waiting.endless
            };
            *known = Some(reach);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.ends.streams();
        if let Some(waiting) = streams.get_mut(&self.stream) {
            waiting.shards.remove(&self.shard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamArn {
        let arn =
            "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2015-05-11T21:21:33.291";
        StreamArn::parse(arn).unwrap()
    }

    fn shard(id: &str, parent: Option<&str>) -> (ShardId, Shard) {
        let id = ShardId::from_service(id);
        let shard = Shard {
            id: id.clone(),
            parent: parent.map(ShardId::from_service),
            starting: None,
            ending: None,
        };
        (id, shard)
    }

    type Waits = (Place, oneshot::Receiver<Vec<Shard>>);

    fn waiting(ends: &Ends, ids: &[&str]) -> Vec<Waits> {
        let wait = |id: &&str| ends.wait(&stream(), &ShardId::from_service(id), Duration::ZERO);
        ids.iter().map(wait).collect()
    }

    fn look(waits: &Waits) -> Option<(String, usize)> {
        let look = waits.0.look()?;
        Some((look.after.to_string(), look.most_pages))
    }

    #[test]
    fn f10_one_asks_alone_and_two_together_behind_the_first() {
        let ends = Ends::default();
        let places = waiting(&ends, &["b", "c"]);
        let looking = places[1].0.look().unwrap();
        assert_eq!((looking.after.as_str(), looking.most_pages), ("b", 2));
        assert!(places[0].0.look().is_none(), "one looks at a time");
        drop(looking);
        drop(places);
        assert_eq!(look(&waiting(&ends, &["c"])[0]), None);
    }

    #[test]
    fn l7_a_listing_of_many_pages_is_not_looked_at_for_a_few() {
        let ends = Ends::default();
        let mut places = waiting(&ends, &["b", "c", "d"]);
        places[0].0.look().unwrap().read(3, true);
        assert_eq!(look(&places[0]), None, "three for three pages");
        places.extend(waiting(&ends, &["e", "f", "g"]));
        assert_eq!(look(&places[0]), Some(("b".to_owned(), 6)));
    }

    #[test]
    fn l7_a_shard_far_behind_is_left_to_ask_for_itself_until_twice_as_many_wait() {
        let ends = Ends::default();
        let mut places = waiting(&ends, &["b", "x", "y"]);
        places[0].0.look().unwrap().read(3, false);
        assert_eq!(look(&places[0]), Some(("x".to_owned(), 2)));
        places.extend(waiting(&ends, &["c", "d", "z"]));
        assert_eq!(look(&places[0]), Some(("b".to_owned(), 6)));
    }

    #[tokio::test]
    async fn children_are_given_to_whoever_waits_for_them_all_at_once() {
        let ends = Ends::default();
        let mut places = waiting(&ends, &["b", "c"]);
        let listed = [
            shard("a", None),
            shard("d", Some("b")),
            shard("e", Some("b")),
            shard("f", Some("a")),
        ];
        ends.show(&stream(), Duration::ZERO, &listed.into());
        assert!(places[0].0.is_answered());
        let (_, answered) = places.remove(0);
        let children = answered.await.unwrap();
        let children: Vec<&str> = children.iter().map(|child| child.id.as_str()).collect();
        assert_eq!(children, ["d", "e"]);
        assert!(!places[0].0.is_answered(), "nothing is known of c");
    }

    #[test]
    fn s8_a_listing_that_began_before_the_question_answers_nothing() {
        let ends = Ends::default();
        let asked = Duration::from_secs(7);
        let (place, _answered) = ends.wait(&stream(), &ShardId::from_service("b"), asked);
        let listed = [shard("d", Some("b"))].into();
        ends.show(&stream(), asked - Duration::from_millis(1), &listed);
        assert!(!place.is_answered());
        ends.show(&stream(), asked, &listed);
        assert!(place.is_answered());
    }
}
