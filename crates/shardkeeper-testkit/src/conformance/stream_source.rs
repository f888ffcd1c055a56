//! The contract of [`StreamSource`].

mod lifecycle;
mod lineage;
mod listing;
#[cfg(test)]
mod mistakes;
mod positions;
mod reading;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::ports::{Position, ShardIterator, StreamSource};
use shardkeeper_core::record::Record;

use super::{Checked, Report, Trouble, Verdict, checks, ensure, same, sentence};

/// What a scene may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Nothing special: every source must pass.
    Everywhere,
    /// The service's clock is told.
    ServiceTime,
    /// A stream has several shards from the start.
    SeveralShards,
    /// [`Scene::roll_over`].
    RollOver,
    /// [`Scene::split`].
    Split,
    /// The children of one shard can be asked for.
    Children,
    /// [`Position::At`], and [`Scene::wait`].
    AtTimestamp,
    /// [`Scene::trim`].
    Trimming,
    /// [`Scene::expire_iterators`].
    IteratorExpiry,
    /// Streams with other views than both images.
    Views,
    /// [`Scene::disable_stream`] and [`Scene::enable_stream`].
    DisableEnable,
}

/// What records of a stream carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `KEYS_ONLY`.
    KeysOnly,
    /// `NEW_IMAGE`.
    NewImage,
    /// `OLD_IMAGE`.
    OldImage,
    /// `NEW_AND_OLD_IMAGES`.
    NewAndOldImages,
}

impl View {
    /// As the service names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }
}

/// A table with an enabled stream, for one check. Items have the text key `id` and the number `n`.
///
/// The methods with a default belong to a capability; a scene that has it overrides them.
#[async_trait]
pub trait Scene: Send + Sync {
    /// The source under test.
    fn source(&self) -> Arc<dyn StreamSource>;

    /// The name of the table.
    fn table(&self) -> &str;

    /// What this scene has, besides [`Capability::Everywhere`].
    fn capabilities(&self) -> &[Capability];

    /// Writes the item `id` with this `n`.
    async fn put(&self, id: &str, n: u64) -> Result<(), Trouble>;

    /// Deletes the item `id`.
    async fn delete(&self, id: &str) -> Result<(), Trouble>;

    /// Closes an open shard and follows it with one child.
    async fn roll_over(&self, _shard: &ShardId) -> Result<(), Trouble> {
        Err("this scene cannot roll a shard over".into())
    }

    /// Closes an open shard and follows it with several children.
    async fn split(&self, _shard: &ShardId) -> Result<(), Trouble> {
        Err("this scene cannot split a shard".into())
    }

    /// Trims every record that the shard has now.
    async fn trim(&self, _shard: &ShardId) -> Result<(), Trouble> {
        Err("this scene cannot trim a shard".into())
    }

    /// Makes every iterator that was handed out an expired one.
    async fn expire_iterators(&self) -> Result<(), Trouble> {
        Err("this scene cannot expire iterators".into())
    }

    /// Switches the stream off.
    async fn disable_stream(&self) -> Result<(), Trouble> {
        Err("this scene cannot switch its stream off".into())
    }

    /// Switches a new stream on, with [`View::NewAndOldImages`].
    async fn enable_stream(&self) -> Result<(), Trouble> {
        Err("this scene cannot switch its stream on".into())
    }

    /// Lets time pass, for the service too.
    async fn wait(&self, _time: Duration) -> Result<(), Trouble> {
        Err("this scene has no time".into())
    }
}

type Check = fn(Stage) -> Pin<Box<dyn Future<Output = Result<(), Trouble>>>>;

/// Makes every check, each on a fresh scene. Scenes of other views than both images are made only for
/// checks that need [`Capability::Views`].
pub async fn check_all<S: Scene + 'static>(
    make: impl AsyncFn(View) -> Result<S, Trouble>,
) -> Report<Capability> {
    let all = [
        listing::all(),
        reading::all(),
        positions::all(),
        lineage::all(),
        lifecycle::all(),
    ];
    let mut checks = Vec::new();
    for (name, needs, check) in all.concat() {
        let rule = sentence(name);
        let verdict = verdict(&make, View::NewAndOldImages, needs, check).await;
        checks.push(Checked {
            rule,
            needs,
            verdict,
        });
    }
    for (view, check) in reading::of_views() {
        let rule = format!(
            "records of the view {} carry what it names and no more",
            view.name()
        );
        let verdict = verdict(&make, view, Capability::Views, check).await;
        checks.push(Checked {
            rule,
            needs: Capability::Views,
            verdict,
        });
    }
    Report { checks }
}

async fn verdict<S: Scene + 'static>(
    make: &impl AsyncFn(View) -> Result<S, Trouble>,
    view: View,
    needs: Capability,
    check: Check,
) -> Verdict {
    let broken = |why: Trouble| Verdict::Failed(format!("no scene could be made: {why}"));
    let scene = match make(View::NewAndOldImages).await {
        Ok(scene) if needs != Capability::Everywhere && !scene.capabilities().contains(&needs) => {
            return Verdict::Lacking;
        }
        Ok(scene) => scene,
        Err(why) => return broken(why),
    };
    let scene = match view {
        View::NewAndOldImages => scene,
        other => match make(other).await {
            Ok(scene) => scene,
            Err(why) => return broken(why),
        },
    };
    let source = scene.source();
    let result = match source.latest_stream(scene.table()).await {
        Ok(stream) => {
            check(Stage {
                scene: Box::new(scene),
                source,
                stream,
            })
            .await
        }
        Err(why) => return broken(why.into()),
    };
    match result {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why.to_string()),
    }
}

/// A scene, its source and its stream.
struct Stage {
    scene: Box<dyn Scene>,
    source: Arc<dyn StreamSource>,
    stream: StreamArn,
}

/// More pages than any listing or shard of a check has.
const PAGES: usize = 500;
/// So many empty pages in a row, and the shard is taken to have no more to show for now: an empty
/// page alone does not mean that (F37).
const QUIET_PAGES: usize = 5;

/// What reading a shard to its present end gave.
struct ReadShard {
    records: Vec<Record>,
    /// `None` when the shard ended.
    next: Option<ShardIterator>,
}

impl Stage {
    /// Every shard of the stream, over all pages, as they came.
    async fn shards(&self) -> Result<Vec<Shard>, Trouble> {
        let mut shards = Vec::new();
        let mut after = None;
        for _ in 0..PAGES {
            let page = self
                .source
                .list_shards(&self.stream, after.as_ref())
                .await?;
            shards.extend(page.shards);
            match page.next {
                None => return Ok(shards),
                next => after = next,
            }
        }
        Err("the listing does not end".into())
    }

    async fn shard(&self, id: &ShardId) -> Result<Shard, Trouble> {
        let found = self
            .shards()
            .await?
            .into_iter()
            .find(|shard| shard.id == *id);
        found.ok_or_else(|| format!("{id} is not listed").into())
    }

    async fn children_in_listing(&self, parent: &ShardId) -> Result<Vec<Shard>, Trouble> {
        let mut shards = self.shards().await?;
        shards.retain(|shard| shard.parent.as_ref() == Some(parent));
        Ok(shards)
    }

    async fn read(&self, shard: &ShardId, at: Position) -> Result<ReadShard, Trouble> {
        let from = self.source.open(&self.stream, shard, at).await?;
        self.read_on(from, 1000).await
    }

    async fn read_on(&self, from: ShardIterator, limit: u16) -> Result<ReadShard, Trouble> {
        let mut records = Vec::new();
        let mut next = Some(from);
        let mut quiet = 0;
        for _ in 0..PAGES {
            let Some(from) = &next else { break };
            let fetched = self.source.fetch(from, limit).await?;
            let found = fetched.page.records;
            same(
                fetched.page.undecodable.len(),
                0,
                "records that could not be read",
            )?;
            ensure(found.len() <= usize::from(limit), || {
                format!("{} records where {limit} were asked for", found.len())
            })?;
            quiet = if found.is_empty() { quiet + 1 } else { 0 };
            records.extend(found);
            next = fetched.next;
            if quiet == QUIET_PAGES {
                break;
            }
        }
        Ok(ReadShard { records, next })
    }

    /// Every record of every shard from its oldest on, by shard.
    async fn everything(&self) -> Result<BTreeMap<ShardId, Vec<Record>>, Trouble> {
        let mut all = BTreeMap::new();
        for shard in self.shards().await? {
            let read = self.read(&shard.id, Position::TrimHorizon).await?;
            all.insert(shard.id, read.records);
        }
        Ok(all)
    }

    /// Writes items and says in which shard the first of them is: one with records.
    async fn busy_shard(&self, items: u64) -> Result<(ShardId, Vec<Record>), Trouble> {
        for n in 0..items {
            self.scene.put("one item", n).await?;
        }
        let all = self.everything().await?;
        let busy = all.into_iter().find(|(_, records)| !records.is_empty());
        busy.ok_or_else(|| "no shard has the records".into())
    }
}

/// The item of an image: its key and its number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
struct Item {
    id: String,
    n: u64,
}

fn sequence_numbers(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| record.sequence_number().to_string())
        .collect()
}
