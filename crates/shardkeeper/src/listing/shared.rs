//! One listing of everything for all the ends of shards that wait for one: a large stream has hundreds of pages.
//!
//! An end rests on a listing that began after it asked. An older one may have passed the shard by before it closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::ports::{PortError, StreamStatus};
use tokio::sync::Mutex as Turn;

use super::{Listed, Listing, by_parent};

/// The listings that are shared, by stream. What one showed is kept as long as somebody waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<BTreeMap<StreamArn, Weak<OfStream>>>>);

/// The listings of one stream, of which one is under way at a time.
#[derive(Debug, Default)]
struct OfStream {
    /// How many have begun.
    begun: AtomicU64,
    /// The latest that has ended.
    latest: Turn<Option<Flight>>,
}

#[derive(Debug, Clone)]
struct Flight {
    /// Which one it was.
    number: u64,
    showed: Result<Arc<Everything>, PortError>,
}

/// What a listing showed.
#[derive(Debug)]
pub(super) struct Everything {
    pub(super) status: StreamStatus,
    pub(super) shards: BTreeMap<ShardId, Shard>,
    /// The children of each shard that has some.
    pub(super) children: BTreeMap<ShardId, Vec<Shard>>,
}

impl From<Listed> for Everything {
    fn from(Listed { status, shards, .. }: Listed) -> Self {
        Self {
            status,
            children: by_parent(shards.values()),
            shards,
        }
    }
}

impl Flights {
    fn of(&self, stream: &StreamArn) -> Arc<OfStream> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, flights| flights.strong_count() > 0);
        let known = all.get(stream).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let flights = Arc::default();
            all.insert(stream.clone(), Arc::downgrade(&flights));
            flights
        })
    }
}

impl Listing {
    /// Every page of a listing that begins after this was called, and that answers all who call before it begins. May be
    /// cancelled by dropping it: the next who waits lists instead.
    pub(super) async fn complete_for_all(
        &self,
        stream: &StreamArn,
    ) -> Result<Arc<Everything>, PortError> {
        let flights = self.flights.of(stream);
        let asked = flights.begun.load(Ordering::Acquire);
        let mut latest = flights.latest.lock().await;
        if let Some(flight) = latest.as_ref().filter(|flight| flight.number > asked) {
            return flight.showed.clone();
        }
        let number = flights.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let listed = self.complete(stream).await;
        let showed = listed.map(|listed| Arc::new(listed.into()));
        latest.insert(Flight { number, showed }).showed.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::future::{join, join_all};
    use shardkeeper_core::checkpoint::Timestamp;
    use shardkeeper_core::ports::{
        FailureKind, Fetched, Position, ShardIterator, ShardPage, StreamSource, StreamsPage,
    };

    use super::*;
    use crate::env::Env;
    use crate::observer::Observers;

    const LISTING: Duration = Duration::from_secs(3);

    /// A stream whose listing has one page and takes its time.
    #[derive(Debug)]
    struct Slow {
        env: Env,
        listings: AtomicUsize,
        fails: bool,
    }

    #[async_trait]
    impl StreamSource for Slow {
        async fn latest_stream(&self, _: &str) -> Result<StreamArn, PortError> {
            Err(refused())
        }

        async fn list_streams(
            &self,
            _: &str,
            _: Option<&StreamArn>,
        ) -> Result<StreamsPage, PortError> {
            Err(refused())
        }

        async fn list_shards(
            &self,
            _: &StreamArn,
            _: Option<&ShardId>,
        ) -> Result<ShardPage, PortError> {
            self.listings.fetch_add(1, Ordering::Relaxed);
            self.env.sleep(LISTING).await;
            if self.fails {
                return Err(refused());
            }
            Ok(ShardPage {
                status: StreamStatus::Enabled,
                shards: Vec::new(),
                next: None,
                view_type: None,
            })
        }

        async fn children_of(&self, _: &StreamArn, _: &ShardId) -> Result<ShardPage, PortError> {
            Err(refused())
        }

        async fn open(
            &self,
            _: &StreamArn,
            _: &ShardId,
            _: Position,
        ) -> Result<ShardIterator, PortError> {
            Err(refused())
        }

        async fn fetch(&self, _: &ShardIterator, _: u16) -> Result<Fetched, PortError> {
            Err(refused())
        }

        fn service_time(&self) -> Option<Timestamp> {
            None
        }
    }

    fn refused() -> PortError {
        PortError::new(FailureKind::Denied, "DescribeStream", "not today")
    }

    fn stream() -> StreamArn {
        let arn = "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
        StreamArn::parse(arn).unwrap()
    }

    fn listing(fails: bool) -> (Listing, Arc<Slow>) {
        let env = Env::simulated(1);
        let source = Arc::new(Slow {
            env: env.clone(),
            listings: AtomicUsize::new(0),
            fails,
        });
        let listing = Listing::new(source.clone(), env, Observers::default());
        (listing, source)
    }

    #[tokio::test(start_paused = true)]
    async fn l7_fifty_ends_that_wait_at_once_share_two_listings() {
        for fails in [false, true] {
            let (listing, source) = listing(fails);
            let stream = stream();
            let ends = (0..50).map(|_| listing.complete_for_all(&stream));
            let answers = join_all(ends).await;
            assert!(answers.iter().all(|answer| answer.is_err() == fails));
            assert_eq!(source.listings.load(Ordering::Relaxed), 2);
            let _later = listing.complete_for_all(&stream).await;
            assert_eq!(source.listings.load(Ordering::Relaxed), 3, "it may be new");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn s8_an_end_never_rests_on_a_listing_that_began_before_it() {
        let (listing, _) = listing(false);
        let (env, stream) = (listing.env.clone(), stream());
        let first = listing.complete_for_all(&stream);
        let second = async {
            env.sleep(LISTING / 2).await;
            listing.complete_for_all(&stream).await.unwrap();
            env.now()
        };
        let (_, at) = join(first, second).await;
        assert!(at >= LISTING * 2, "after {at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_lists_may_be_dropped_and_the_next_goes_on() {
        let (listing, source) = listing(false);
        let (env, stream) = (listing.env.clone(), stream());
        let dropped = env.within(LISTING / 2, listing.complete_for_all(&stream));
        let others = (0..5).map(|_| listing.complete_for_all(&stream));
        let (dropped, answers) = join(dropped, join_all(others)).await;
        assert!(dropped.is_none() && answers.iter().all(Result::is_ok));
        assert_eq!(source.listings.load(Ordering::Relaxed), 2);
    }
}
