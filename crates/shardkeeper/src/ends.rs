//! The shards of a worker that look for their children: one look at the listing may answer all of them.
//!
//! Partitions that were made together roll over together, and the whole account has ten calls a second (F10). Asked for
//! one by one, the children of a thousand shards would be found after two minutes; the listing shows a hundred a call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use tokio::sync::{Mutex as Queue, MutexGuard as Turn, oneshot};

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
    /// With where to give the answer; `None` when it was given.
    shards: BTreeMap<ShardId, Option<oneshot::Sender<Vec<Shard>>>>,
    /// How many pages a look takes at least, as far as is known.
    pages: u32,
    /// The last look did not answer the one that looked: the next one asks for itself. Some servers list in another order
    /// than that of shard ids, and a look would never show anything.
    alone: bool,
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
    /// The listing is read behind this shard, the first of those that wait: children come after their parents.
    pub(crate) after: ShardId,
    /// More pages than this would be more calls than there are shards that wait.
    pub(crate) most_pages: u32,
    place: &'a Place,
    _looking: Turn<'a, ()>,
}

impl Ends {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<StreamArn, Waiting>> {
        let streams = self.0.streams.lock();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits among the others. The second value comes when somebody's look shows children of this shard.
    pub(crate) fn wait(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
    ) -> (Place, oneshot::Receiver<Vec<Shard>>) {
        let (answer, answered) = oneshot::channel();
        let mut streams = self.streams();
        let waiting = streams.entry(stream.clone()).or_default();
        waiting.shards.insert(shard.clone(), Some(answer));
        let place = Place {
            ends: self.clone(),
            stream: stream.clone(),
            shard: shard.clone(),
        };
        (place, answered)
    }

    /// A listing that came to its end showed these: whoever waits for one of them need not ask any more.
    pub(crate) fn show(&self, stream: &StreamArn, listed: &BTreeMap<ShardId, Shard>) {
        let mut streams = self.streams();
        let Some(waiting) = streams.get_mut(stream) else {
            return;
        };
        for (parent, children) in waiting.children(listed) {
            if let Some(answer) = waiting.shards.get_mut(&parent).and_then(Option::take) {
                // Whoever does not wait any more does not need it.
                let _ = answer.send(children);
            }
        }
    }
}

impl Waiting {
    /// What is listed of the children of those that wait.
    fn children(&self, listed: &BTreeMap<ShardId, Shard>) -> BTreeMap<ShardId, Vec<Shard>> {
        let mut children: BTreeMap<ShardId, Vec<Shard>> = BTreeMap::new();
        for shard in listed.values() {
            let parent = shard.parent.as_ref();
            if let Some(parent) = parent.filter(|parent| self.shards.contains_key(*parent)) {
                let siblings = children.entry(parent.clone()).or_default();
                siblings.push(shard.clone());
            }
        }
        children
    }
}

impl Place {
    /// A look for everybody, when so many wait that it takes fewer calls than asking for each.
    pub(crate) fn look(&self) -> Option<Look<'_>> {
        let looking = self.ends.0.looking.try_lock().ok()?;
        let mut streams = self.ends.streams();
        let waiting = streams.get_mut(&self.stream)?;
        let most_pages = u32::try_from(waiting.shards.len()).unwrap_or(u32::MAX);
        if std::mem::take(&mut waiting.alone) || most_pages / 2 < waiting.pages.max(1) {
            return None;
        }
        let (first, _) = waiting.shards.first_key_value()?;
        Some(Look {
            after: first.clone(),
            most_pages,
            place: self,
            _looking: looking,
        })
    }
}

impl Look<'_> {
    /// So many pages were read, to the end of the listing or not.
    pub(crate) fn ended_after(self, pages: u32) {
        let mut streams = self.place.ends.streams();
        if let Some(waiting) = streams.get_mut(&self.place.stream) {
            waiting.pages = pages;
            let answer = waiting.shards.get(&self.place.shard);
            waiting.alone = answer.is_some_and(Option::is_some);
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
        let wait = |id: &&str| ends.wait(&stream(), &ShardId::from_service(id));
        ids.iter().map(wait).collect()
    }

    #[test]
    fn f10_one_asks_alone_and_two_together_behind_the_first() {
        let ends = Ends::default();
        let places = waiting(&ends, &["b", "c"]);
        let look = places[1].0.look().unwrap();
        assert_eq!((look.after.as_str(), look.most_pages), ("b", 2));
        assert!(places[0].0.look().is_none(), "one looks at a time");
        drop(look);
        drop(places.into_iter().next());
        assert!(waiting(&ends, &["c"])[0].0.look().is_none());
    }

    #[test]
    fn a_look_that_does_not_answer_the_one_that_looked_is_followed_by_one_that_asks_alone() {
        let ends = Ends::default();
        let places = waiting(&ends, &["b", "c"]);
        for _ in 0..3 {
            places[0].0.look().unwrap().ended_after(1);
            assert!(places[1].0.look().is_none());
        }
    }

    #[test]
    fn l7_a_listing_of_many_pages_is_not_looked_at_for_a_few() {
        let ends = Ends::default();
        let mut places = waiting(&ends, &["b", "c", "d"]);
        // It did not end within as many pages as shards wait.
        places[0].0.look().unwrap().ended_after(3);
        assert!(places[0].0.look().is_none(), "asks alone");
        assert!(places[0].0.look().is_none(), "three for three pages");
        places.extend(waiting(&ends, &["e", "f", "g"]));
        assert_eq!(places[0].0.look().unwrap().most_pages, 6);
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
        ends.show(&stream(), &listed.into());
        let (_, answered) = places.remove(0);
        let children: Vec<String> = answered
            .await
            .unwrap()
            .iter()
            .map(|it| it.id.to_string())
            .collect();
        assert_eq!(children, ["d", "e"]);
        assert!(places[0].1.try_recv().is_err(), "nothing is known of c");
    }
}
