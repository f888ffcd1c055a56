//! The lease table, read and told apart.

use std::collections::BTreeMap;

use clap::Args;
use shardkeeper::core::kcl;
use shardkeeper::core::lease::{LEASE_ENTITY, Lease, UnreadableLease, column};
use shardkeeper::core::membership::{GroupRow, WorkerRow, WorkerState, group_key};
use shardkeeper::core::ports::LeaseStore;
use shardkeeper::core::row::Row;
use shardkeeper::{ShardId, WorkerId};

use crate::connection::{Connection, Door, patiently};
use crate::failure::Failure;

/// Which lease table.
#[derive(Debug, Args)]
pub(crate) struct LeaseTable {
    /// Lease table of the application; it has the application's name unless the worker says otherwise.
    #[arg(long, visible_alias = "app", value_name = "APP")]
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

impl LeaseTable {
    /// Opens the way there and reads everything.
    pub(crate) async fn read(&self) -> Result<(Door, Book), Failure> {
        let door = self.connection.open().await?;
        let book = Book::read(&door, &self.table).await?;
        Ok((door, book))
    }
}

/// Every row of a lease table.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) group: Option<GroupRow>,
    pub(crate) workers: BTreeMap<WorkerId, WorkerRow>,
    /// By stream, then in the order of their shards' ids, which has parents before children.
    pub(crate) leases: Vec<Lease>,
    pub(crate) unreadable: Vec<UnreadableLease>,
}

impl Book {
    /// One strongly consistent sweep.
    pub(crate) async fn read(door: &Door, table: &str) -> Result<Self, Failure> {
        let store = door.leases(table);
        let rows = patiently(async || store.sweep().await).await?;
        Ok(Self::of(&rows))
    }

    fn of(rows: &[Row]) -> Self {
        let mut book = Self::default();
        for row in rows {
            if row.key == group_key() {
                book.group = GroupRow::parse(row);
            } else if let Some(worker) = WorkerRow::parse(row) {
                book.workers.insert(worker.id.clone(), worker);
            } else if kcl::is_lease(row) {
                let why = "KCL wrote it; a worker adopts it once every KCL worker is stopped";
                book.unreadable.push(UnreadableLease {
                    key: row.key.clone(),
                    why: why.to_owned(),
                });
            } else if row.text(column::ENTITY) == Some(LEASE_ENTITY) {
                match Lease::parse(row) {
                    Ok(lease) => book.leases.push(lease),
                    Err(why) => book.unreadable.push(why),
                }
            }
        }
        book.leases
            .sort_by(|a, b| (&a.stream, &a.shard).cmp(&(&b.stream, &b.shard)));
        book
    }

    /// The lease of the one shard that is called so, in full or by the end of its id; `TABLE/SHARD` where tables of local
    /// servers share the ids of their shards.
    pub(crate) fn find(&self, name: &str) -> Result<&Lease, Failure> {
        let (table, id) = match name.rsplit_once('/') {
            Some((table, id)) => (Some(table), id),
            None => (None, name),
        };
        let of_table = |lease: &&Lease| table.is_none_or(|table| lease.stream.table() == table);
        let all: Vec<&Lease> = self.leases.iter().filter(of_table).collect();
        let named = |is: &dyn Fn(&str) -> bool| -> Vec<&Lease> {
            let named = all.iter().filter(|lease| is(lease.shard.as_str()));
            named.copied().collect()
        };
        let mut found = named(&|shard| shard == id);
        if found.is_empty() {
            found = named(&|shard| shard.ends_with(id));
        }
        match found[..] {
            [lease] => Ok(lease),
            [] => Err(Failure::new(format!("no lease of a shard called {name}"))
                .advice("`shardkeeper leases --all` lists them")),
            [first, .., last] if first.stream.table() != last.stream.table() => {
                Err(Failure::new(format!(
                    "{} shards of several tables are called {name}: say TABLE/SHARD",
                    found.len()
                )))
            }
            _ => Err(Failure::new(format!(
                "{} shards end with {name}: give more of the id",
                found.len()
            ))),
        }
    }

    /// What a lease is doing.
    pub(crate) fn state(&self, lease: &Lease) -> State {
        let parent_is_open = |parent: &ShardId| {
            let mut all = self.leases.iter();
            all.any(|l| l.stream == lease.stream && l.shard == *parent && !l.is_finished())
        };
        if lease.is_finished() {
            return State::Finished;
        }
        if lease.stopped.is_some() {
            return State::Stopped;
        }
        if lease.parents.iter().any(parent_is_open) {
            return State::Waiting;
        }
        match &lease.owner {
            None => State::Free,
            Some(owner) => match self.workers.get(owner).map(|worker| worker.state) {
                Some(WorkerState::Living | WorkerState::Leaving) => State::Read,
                Some(WorkerState::Left) | None => State::Orphaned,
            },
        }
    }
}

/// What a lease is doing, as far as one look can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything in the shard is acknowledged.
    Finished,
    /// Nobody reads it until somebody decides.
    Stopped,
    /// Its parent comes first.
    Waiting,
    /// Nobody owns it yet.
    Free,
    /// Its owner has a row that says it lives; whether it does, only its beats tell.
    Read,
    /// Its owner has left or has no row.
    Orphaned,
}

impl State {
    /// In one word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
            Self::Free => "free",
            Self::Read => "reading",
            Self::Orphaned => "owner gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use shardkeeper::core::lease::NewLease;
    use shardkeeper::core::row::{RowKey, Value};
    use shardkeeper::{Checkpoint, StreamArn};

    use super::*;

    const STREAM: &str =
        "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000";

    fn lease(shard: &str, owner: Option<&WorkerId>) -> Row {
        let new = NewLease {
            stream: StreamArn::parse(STREAM).unwrap(),
            shard: ShardId::from_service(shard),
            parent: None,
            checkpoint: Checkpoint::TrimHorizon,
            epoch: 1,
            stopped: None,
        };
        new.create(owner, "w").apply(None).unwrap()
    }

    #[test]
    fn a_shard_is_found_by_the_end_of_its_id_when_that_is_enough() {
        let book = Book::of(&[lease("shardId-1-aaaa", None), lease("shardId-2-aaaa", None)]);
        let called = |name| book.find(name).map(|lease| lease.shard.to_string());
        assert_eq!(called("2-aaaa").unwrap(), "shardId-2-aaaa");
        assert!(called("aaaa").unwrap_err().what().contains("2 shards"));
        assert!(called("bbbb").unwrap_err().what().contains("no lease"));
    }

    #[test]
    fn s15_a_shard_whose_id_another_table_has_too_is_found_by_its_table_alone() {
        let mut other = lease("shard-1", None);
        let stream = STREAM.replace("orders", "customers");
        other
            .columns
            .insert(column::STREAM_ARN.into(), Value::from(stream.as_str()));
        let book = Book::of(&[lease("shard-1", None), other]);
        let called = |name| book.find(name).map(|lease| lease.stream.table().to_owned());
        assert!(
            called("shard-1")
                .unwrap_err()
                .what()
                .contains("TABLE/SHARD")
        );
        assert_eq!(called("orders/shard-1").unwrap(), "orders");
        assert_eq!(called("customers/1").unwrap(), "customers");
        assert!(called("nobody/1").unwrap_err().what().contains("no lease"));
    }

    #[test]
    fn rows_of_others_are_left_alone_and_damaged_leases_are_told() {
        let mut foreign = Row::empty(RowKey::new("x"));
        let entity = |name: &str| (column::ENTITY.into(), Value::from(name));
        foreign.columns.extend([entity("SOMETHING_NEW")]);
        let mut damaged = Row::empty(RowKey::new("y"));
        damaged.columns.extend([entity(LEASE_ENTITY)]);
        let book = Book::of(&[foreign, damaged]);
        assert_eq!((book.leases.len(), book.unreadable.len()), (0, 1));
    }

    #[test]
    fn an_owner_without_a_row_is_gone() {
        let owner = WorkerId::new("a", 1);
        let book = Book::of(&[lease("shardId-1-aaaa", Some(&owner))]);
        assert_eq!(book.state(&book.leases[0]), State::Orphaned);
    }
}
