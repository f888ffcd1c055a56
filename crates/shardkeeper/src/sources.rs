//! What a worker reads: the streams of one table or of several, or streams that are named by their ARNs.

use std::sync::Arc;

use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::lease::Lease;
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::ports::{FailureKind, LeaseStore, StreamSource, StreamStatus};

use crate::error::{Error, ErrorKind};

/// Which stream is read.
#[derive(Debug, Clone)]
pub(crate) enum StreamChoice {
    /// The one that the table has now; the next one when it is switched off and on again.
    Of { table: String },
    /// This one and no other.
    Pinned(StreamArn),
}

impl StreamChoice {
    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        match self {
            // A table may be named by its ARN.
            Self::Of { table } => table
                .rsplit_once('/')
                .map_or(table.as_str(), |(_, name)| name),
            Self::Pinned(stream) => stream.table(),
        }
    }

    /// True when it is one stream, and the group says that it is over.
    pub(crate) fn is_over(&self, group: &GroupRow) -> bool {
        match self {
            Self::Of { .. } => false,
            Self::Pinned(stream) => group.ended.contains(stream.as_str()),
        }
    }

    /// True for a stream of this table. The list of streams knows names only, and another account's table, which is
    /// named by its ARN, may have the name of one of ours.
    pub(crate) fn is_of(&self, stream: &StreamArn) -> bool {
        match self {
            Self::Of { table } if table.starts_with("arn:") => {
                let label = stream.as_str().strip_prefix(table.as_str());
                label.is_some_and(|label| label.starts_with("/stream/"))
            }
            Self::Of { .. } => stream.table() == self.table(),
            Self::Pinned(pinned) => pinned == stream,
        }
    }
}

/// Everything that a worker reads: at least one, and each once.
#[derive(Debug, Clone)]
pub(crate) struct Sources(Arc<[StreamChoice]>);

impl Sources {
    pub(crate) fn new(choices: Vec<StreamChoice>) -> Result<Self, Error> {
        let invalid = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
        if choices.is_empty() {
            return invalid(
                "no stream was named: call .table(\"name\"), .tables([..]) or .stream_arn(\"arn:...\")",
            );
        }
        for (place, choice) in choices.iter().enumerate() {
            let same = |other: &StreamChoice| other.table() == choice.table();
            if choices.iter().take(place).any(same) {
                let table = choice.table();
                return invalid(&format!("table {table} is named twice"));
            }
        }
        Ok(Self(choices.into()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StreamChoice> {
        self.0.iter()
    }

    /// The only one; `None` when there are several.
    pub(crate) fn only(&self) -> Option<&StreamChoice> {
        match &*self.0 {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The streams that are read by their ARNs.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = &StreamArn> {
        self.iter().filter_map(|choice| match choice {
            StreamChoice::Pinned(stream) => Some(stream),
            StreamChoice::Of { .. } => None,
        })
    }

    /// True when nothing will ever come of anything that the worker reads.
    pub(crate) fn are_over(&self, group: &GroupRow) -> bool {
        self.iter().all(|choice| choice.is_over(group))
    }

    /// True for these streams and those of these tables. Other leases of the group are left alone: they belong to workers
    /// with another list.
    pub(crate) fn read(&self, stream: &StreamArn) -> bool {
        self.iter().any(|choice| match choice {
            StreamChoice::Of { .. } => choice.table() == stream.table(),
            StreamChoice::Pinned(pinned) => pinned == stream,
        })
    }

    fn know(&self, table: &str) -> bool {
        self.iter().any(|choice| choice.table() == table)
    }

    /// Why a group that reads other tables, and none of these, is not for this worker: somebody gave one name to two
    /// applications.
    pub(crate) fn refused_by(
        &self,
        group: &GroupRow,
        leased: impl Iterator<Item = StreamArn>,
    ) -> Option<String> {
        let listed = group.listed.iter();
        let listed = listed.filter_map(|stream| StreamArn::parse(stream).ok());
        let known: Vec<StreamArn> = listed.chain(leased).collect();
        let other = known
            .first()
            .filter(|_| !known.iter().any(|stream| self.know(stream.table())))?;
        let ours: Vec<&str> = self.iter().map(StreamChoice::table).collect();
        Some(format!(
            "the application {:?} reads table {}, and none of this worker's ({}); give each application a name of its own, or name the table too",
            group.application,
            other.table(),
            ours.join(", ")
        ))
    }

    /// Fails early and clearly for tables and streams that are not there. Of several, those that are there are begun,
    /// and discovery asks for the others again and again.
    pub(crate) async fn check(
        &self,
        source: &dyn StreamSource,
        store: &dyn LeaseStore,
    ) -> Result<(), Error> {
        let mut first = None;
        for choice in self.iter() {
            match choice.check(source, store).await {
                Ok(()) if self.only().is_none() => return Ok(()),
                Ok(()) => {}
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}

impl StreamChoice {
    async fn check(&self, source: &dyn StreamSource, store: &dyn LeaseStore) -> Result<(), Error> {
        let stream = match self {
            Self::Pinned(stream) => stream.clone(),
            Self::Of { table } => source.latest_stream(table).await?,
        };
        let listed = source.list_shards(&stream, None).await;
        let gone = match &listed {
            Ok(page) => page.status == StreamStatus::Disabled && page.shards.is_empty(),
            Err(error) => error.kind == FailureKind::NotFound,
        };
        if gone && matches!(self, Self::Pinned(_)) && is_begun(store, &stream).await {
            return Ok(());
        }
        match listed {
            Ok(page) if page.status == StreamStatus::Disabled && page.shards.is_empty() => {
                let message =
                    format!("the stream is disabled and empty; enable it on the table: {stream}");
                Err(Error::new(ErrorKind::Invalid, message))
            }
            Ok(_) => Ok(()),
            // The whole account shares ten listings a second; discovery asks again.
            Err(error) if error.kind == FailureKind::Throttled => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// True when the application has read of this stream, as far as its lease table can be asked.
async fn is_begun(store: &dyn LeaseStore, stream: &StreamArn) -> bool {
    let rows = store.sweep().await.unwrap_or_default();
    let mut leases = rows.iter().filter_map(|row| Lease::parse(row).ok());
    // A stream whose leases are all forgotten was marked before.
    let group = rows.iter().find(|row| row.key == group_key());
    let group = group.and_then(GroupRow::parse);
    group.is_some_and(|group| group.listed.contains(stream.as_str()))
        || leases.any(|lease| lease.stream == *stream)
}
