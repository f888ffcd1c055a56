//! The first listing of a large stream takes minutes: reading begins while it goes on.
//!
//! A shard is begun early when no later page can change what follows for it ([`lineage::early`]). That a parent which no
//! page has shown yet was trimmed away is not concluded from the listing: the service is asked for it by name, twice, a
//! beat apart, and must not know it. What cannot be decided so waits for the end of the listing, which decides as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::{self, Early as Verdict, Leases, Shard, Uncovered};
use shardkeeper_core::ports::PortError;

use super::ShardDiscovery;
use super::book::Book;
use super::creating::{Beginning, Birth};
use crate::listing::Pages;

/// Leases are made when as many shards have come as were leased, or else so often: each time the whole fleet reads the table.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many shards are asked for at once.
const QUESTIONS: usize = 8;
/// When the service still knows so many of those that no page has shown, the pages are in no order that helps.
const MANY: usize = 100;

/// What is begun while a listing goes on.
#[derive(Debug)]
pub(super) struct Early<'a> {
    pub(super) beginning: Beginning<'a>,
    /// How many shards have come since the last look.
    fresh: usize,
    /// Shards that nothing is decided of.
    waiting: BTreeMap<ShardId, Shard>,
    parents: Parents,
    looked_at: Option<Duration>,
    /// How many leases were made.
    pub(super) made: usize,
    /// Some may have been made, whatever the answers said.
    pub(super) has_tried: bool,
}

/// What the service said about parents that no page had shown.
#[derive(Debug, Default)]
struct Parents {
    /// Those that it did not know, and since when.
    unknown: BTreeMap<ShardId, Unknown>,
    /// Those that it knew: their pages come.
    known: BTreeSet<ShardId>,
    /// A service that fails is asked no more.
    is_silent: bool,
}

#[derive(Debug, Clone, Copy)]
struct Unknown {
    since: Duration,
    proven: bool,
}

impl<'a> Early<'a> {
    pub(super) fn new(beginning: Beginning<'a>) -> Self {
        Self {
            beginning,
            fresh: 0,
            waiting: BTreeMap::new(),
            parents: Parents::default(),
            looked_at: None,
            made: 0,
            has_tried: false,
        }
    }

    fn take_in(&mut self, pages: &Pages<'_>) {
        for shard in pages.fresh() {
            self.waiting.insert(shard.id.clone(), shard.clone());
            self.fresh += 1;
        }
    }

    /// True when enough has come to look at, where so many are leased. A look may read all of these.
    fn is_due(&self, now: Duration, leased: usize) -> bool {
        let patient = self.looked_at.is_some_and(|at| now < at + PATIENCE);
        !self.waiting.is_empty() && (self.fresh >= leased.max(self.made) || !patient)
    }

    /// Lets go of those whose parents bring them; the parents of which nothing is known.
    fn sort_out(&mut self, seen: &BTreeMap<ShardId, Shard>, leases: &Leases) -> BTreeSet<ShardId> {
        let mut parents = BTreeSet::new();
        self.waiting
            .retain(|_, shard| match lineage::early(shard, seen, leases) {
                Verdict::Begins => true,
                Verdict::Asks(parent) => {
                    parents.insert(parent.clone());
                    true
                }
                Verdict::Waits => false,
            });
        parents
    }

    /// Those that need a lease of their own, whatever is still to come.
    fn found(&self, seen: &BTreeMap<ShardId, Shard>, leases: &Leases) -> Vec<Uncovered> {
        let found = |shard: &Shard| {
            let orphan = match lineage::early(shard, seen, leases) {
                Verdict::Begins => false,
                Verdict::Asks(parent) if self.parents.is_proven(parent) => true,
                Verdict::Asks(_) | Verdict::Waits => return None,
            };
            let shard = shard.clone();
            Some(Uncovered { shard, orphan })
        };
        self.waiting.values().filter_map(found).collect()
    }
}

impl Parents {
    /// The parents to be asked for now: those not asked for yet, and those that were not known a beat ago.
    fn questions(
        &self,
        parents: &BTreeSet<ShardId>,
        now: Duration,
        beat: Duration,
    ) -> Vec<ShardId> {
        if self.is_silent || self.known.len() >= MANY {
            return Vec::new();
        }
        let is_open = |parent: &&ShardId| match self.unknown.get(*parent) {
            Some(unknown) => !unknown.proven && now >= unknown.since + beat,
            None => !self.known.contains(*parent),
        };
        parents.iter().filter(is_open).cloned().collect()
    }

    /// What the service said about a parent, and when it was asked.
    fn learn(&mut self, parent: ShardId, is_gone: bool, asked: Duration) {
        if !is_gone {
            self.unknown.remove(&parent);
            self.known.insert(parent);
        } else if let Some(unknown) = self.unknown.get_mut(&parent) {
            unknown.proven = true;
        } else {
            let unknown = Unknown {
                since: asked,
                proven: false,
            };
            self.unknown.insert(parent, unknown);
        }
    }

    fn is_proven(&self, parent: &ShardId) -> bool {
        self.unknown
            .get(parent)
            .is_some_and(|unknown| unknown.proven)
    }
}

impl ShardDiscovery {
    /// Leases what the pages so far suffice for. What fails is told, and left to the end of the listing.
    pub(super) async fn begin_early(
        &self,
        pages: &Pages<'_>,
        early: &mut Early<'_>,
        book: &mut Book,
    ) {
        // What comes before a position that the user named is only known when everything is listed.
        if !early.beginning.first_listing || early.beginning.named {
            return;
        }
        early.take_in(pages);
        let now = self.listing.env.now();
        let leased = book.of(early.beginning.stream).len();
        if early.is_due(now, leased) {
            early.looked_at = Some(now);
            early.fresh = 0;
            let seen = &pages.listed.shards;
            if let Err(error) = self.begin_some(seen, early, book).await {
                self.listing.told(&error);
            }
        }
    }

    async fn begin_some(
        &self,
        seen: &BTreeMap<ShardId, Shard>,
        early: &mut Early<'_>,
        book: &mut Book,
    ) -> Result<(), PortError> {
        let beginning = early.beginning;
        let stream = beginning.stream;
        // Read after the pages: what ended meanwhile has brought its children.
        self.catch_up(stream, &early.waiting, book).await?;
        let parents = early.sort_out(seen, book.of(stream));
        // Later than at the beginning what is gone is a loss, which must be certain.
        if beginning.begins {
            self.ask_for(stream, &parents, &mut early.parents).await;
        }
        let found = early.found(seen, book.of(stream));
        let births: Vec<Birth> = found
            .iter()
            .filter_map(|found| self.birth(found, beginning))
            .collect();
        early.has_tried |= !births.is_empty();
        let made = self.deliver(beginning, &births, book).await?;
        early.made += made;
        if made == births.len() {
            for found in &found {
                early.waiting.remove(&found.shard.id);
            }
        }
        Ok(())
    }

    /// Asks the service for these parents by name.
    async fn ask_for(
        &self,
        stream: &StreamArn,
        parents: &BTreeSet<ShardId>,
        answered: &mut Parents,
    ) {
        let env = &self.listing.env;
        let questions = answered.questions(parents, env.now(), self.settings.beat_interval);
        let mut answers = stream::iter(questions)
            .map(|parent| async move {
                let asked = env.now();
                let answer = self.listing.is_gone(stream, &parent).await;
                (parent, answer, asked)
            })
            .buffer_unordered(QUESTIONS);
        while let Some((parent, answer, asked)) = answers.next().await {
            match answer {
                Ok(is_gone) => answered.learn(parent, is_gone, asked),
                Err(error) => {
                    self.listing.told(&error);
                    answered.is_silent = true;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shardkeeper_core::membership::GroupRow;

    use super::*;

    const BEAT: Duration = Duration::from_secs(1);

    fn names(count: usize) -> BTreeSet<ShardId> {
        let name = |number| ShardId::from_service(format!("s{number:03}"));
        (0..count).map(name).collect()
    }

    #[test]
    fn s4_a_parent_is_gone_when_the_service_did_not_know_it_twice_a_beat_apart() {
        let (mut parents, asked) = (Parents::default(), names(1));
        let parent = asked.first().unwrap();
        for (at, is_asked) in [(0, true), (999, false), (1_000, true), (9_000, false)] {
            let now = Duration::from_millis(at);
            assert!(!parents.is_proven(parent) || at == 9_000, "at {at}");
            let questions = parents.questions(&asked, now, BEAT);
            assert_eq!(!questions.is_empty(), is_asked, "at {at}");
            for parent in questions {
                parents.learn(parent, true, now);
            }
        }
        assert!(parents.is_proven(parent));
        parents.learn(parent.clone(), false, Duration::ZERO);
        assert!(!parents.is_proven(parent), "it is there after all");
    }

    #[tokio::test(start_paused = true)]
    async fn l7_a_table_of_many_leases_is_read_no_more_often_for_each_page() {
        let group = GroupRow::parse(&GroupRow::found("app", None).apply(None).unwrap()).unwrap();
        let stream =
            "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
        let stream = StreamArn::parse(stream).unwrap();
        let mut early = Early::new(Beginning::of_all(&group, &stream));
        assert!(!early.is_due(BEAT, 0), "nothing has come");
        let id = ShardId::from_service("s");
        let shard = Shard {
            id: id.clone(),
            parent: None,
            starting: None,
            ending: None,
        };
        early.waiting.insert(id, shard);
        early.fresh = 100;
        assert!(early.is_due(BEAT, 10_000), "the first page");
        early.looked_at = Some(BEAT);
        assert!(
            !early.is_due(BEAT * 2, 10_000),
            "before a restart they were made"
        );
        assert!(early.is_due(BEAT * 2, 100));
        assert!(early.is_due(BEAT + PATIENCE, 10_000));
    }

    #[test]
    fn l9_questions_end_when_they_help_nobody() {
        let asked = names(MANY + 1);
        let silent = Parents {
            is_silent: true,
            ..Parents::default()
        };
        assert_eq!(silent.questions(&asked, BEAT, BEAT), []);
        let mut knows = Parents::default();
        for parent in asked.iter().take(MANY) {
            knows.learn(parent.clone(), false, BEAT);
        }
        assert_eq!(knows.questions(&asked, BEAT, BEAT), []);
    }
}
