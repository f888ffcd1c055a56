//! Which streams are listed: those that the table has had and that the service still keeps, one after another (S13).
//!
//! The service is asked for them (`ListStreams`) at the beginning of a term, and whenever nothing that was begun is left
//! to be read and the table has another latest stream than when it was asked before: so a stream that came and went
//! unseen is found, and a steady table costs no call.

use std::collections::BTreeSet;

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::membership::GroupRow;
use shardkeeper_core::planted;
use shardkeeper_core::ports::{FailureKind, PortError};
use shardkeeper_core::succession;

use super::book::Book;
use super::{ShardDiscovery, Tended};
use crate::sources::StreamChoice;

/// A server that cannot list its streams so often in a row never will: the latest one has to do.
const PATIENCE: u32 = 4;
const UNLISTED: &str = "only the latest stream of the table is known: a stream that comes and goes while an older one is read, or while no worker runs, is missed";

/// What is known of the streams of the table.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The newest that was listed.
    newest: Option<StreamArn>,
    known: BTreeSet<StreamArn>,
    /// Those that leases were made for, which the book need not have read yet.
    pub(super) begun: BTreeSet<StreamArn>,
    /// Older streams that the service no longer knows.
    over: BTreeSet<StreamArn>,
    /// The latest one when the service was last asked for all of them.
    asked_at: Option<StreamArn>,
    /// How often in a row it gave no list.
    refusals: u32,
    told: bool,
}

impl Streams {
    /// The service is to be asked again.
    pub(super) fn distrust(&mut self) {
        self.asked_at = None;
    }
}

/// What a look at the table came to.
#[derive(Default)]
struct Looked {
    /// Every stream that comes before another one is known, as far as it can be.
    complete: bool,
    failed: Option<PortError>,
}

impl ShardDiscovery {
    /// Tends every stream that was begun, and begins the next one when nothing older is left to be read.
    pub(super) async fn tend_in_turn(
        &mut self,
        group: &mut GroupRow,
        book: &mut Book,
    ) -> Result<Tended, PortError> {
        let begun = self.begun(group, book);
        let looked = self.look(&begun, book).await;
        if book.streams.newest.is_none() {
            self.tell_that_checkpoints_count(group, book);
        }
        let streams = match &self.choice {
            StreamChoice::Pinned(stream) => vec![stream.clone()],
            StreamChoice::Of { .. } => {
                succession::to_be_read(&book.streams.known, |stream| begun.contains(stream))
            }
        };
        let mut tended = Tended::default();
        let mut may_begin = looked.complete;
        if planted!(OldStreamForEver) {
            may_begin &= begun.is_empty();
        }
        for (place, stream) in streams.iter().enumerate() {
            let is_last = place + 1 == streams.len();
            let is_begun = begun.contains(stream);
            if book.streams.over.contains(stream) || !(is_begun || may_begin) {
                continue;
            }
            if is_last || !is_begun || !succession::is_drained(book.of(stream)) {
                self.tell_of(stream, book);
            }
            match self.tend(group, stream, book, &mut tended).await {
                Ok(is_drained) => may_begin &= is_drained,
                Err(error) if error.kind == FailureKind::NotFound && !is_last => {
                    may_begin &= self.is_over(stream, book, &error);
                }
                Err(error) => return Err(error),
            }
        }
        looked.failed.map_or(Ok(tended), Err)
    }

    /// True when nothing is left to be done about a stream that the service no longer knows: the owners of its leases
    /// find out what is lost.
    fn is_over(&self, stream: &StreamArn, book: &mut Book, error: &PortError) -> bool {
        if !succession::is_drained(book.of(stream)) {
            book.distrust();
            return false;
        }
        if book.of(stream).is_empty() {
            self.listing.told(error);
        }
        book.streams.over.insert(stream.clone());
        true
    }

    /// The streams of the table that the application has leases of, or had.
    fn begun(&self, group: &GroupRow, book: &Book) -> BTreeSet<StreamArn> {
        let listed = group.listed.iter();
        let listed = listed.filter_map(|stream| StreamArn::parse(stream).ok());
        listed
            .chain(book.leased().cloned())
            .chain(book.streams.begun.iter().cloned())
            .filter(|stream| self.choice.is_of(stream))
            .collect()
    }

    /// Looks for streams that are not known yet, unless there is enough to be read.
    async fn look(&self, begun: &BTreeSet<StreamArn>, book: &mut Book) -> Looked {
        let StreamChoice::Of { table } = &self.choice else {
            return Looked {
                complete: true,
                failed: None,
            };
        };
        book.streams.known.extend(begun.iter().cloned());
        let mut begun = begun.iter();
        let to_be_read = begun.any(|stream| !succession::is_drained(book.of(stream)));
        if to_be_read && book.streams.asked_at.is_some() {
            return Looked::default();
        }
        let (latest, failed) = match self.listing.source.latest_stream(table).await {
            Ok(latest) => (Some(latest), None),
            Err(error) => (None, Some(error)),
        };
        let gone =
            |error: &PortError| matches!(error.kind, FailureKind::NotFound | FailureKind::Invalid);
        if !failed.as_ref().is_none_or(gone) {
            return Looked {
                complete: false,
                failed,
            };
        }
        let is_news = latest.is_none() || book.streams.asked_at != latest;
        let asked = match is_news {
            true => self.ask(latest.as_ref(), &mut book.streams).await,
            false => Ok(()),
        };
        if let Err(error) = asked {
            return Looked {
                complete: false,
                failed: Some(error),
            };
        }
        book.streams.known.extend(latest);
        Looked {
            complete: true,
            failed,
        }
    }

    /// Asks the service for every stream of the table. Without the permission, or where the server does not know the
    /// answer, the latest one has to do.
    async fn ask(
        &self,
        latest: Option<&StreamArn>,
        streams: &mut Streams,
    ) -> Result<(), PortError> {
        let found = match self.listing.streams_of(self.choice.table()).await {
            Ok(found) => found,
            Err(error) if error.kind == FailureKind::NotFound => BTreeSet::new(),
            Err(error) => {
                streams.refusals = streams.refusals.saturating_add(1);
                let never = match error.kind {
                    FailureKind::Denied | FailureKind::Invalid => true,
                    FailureKind::Throttled => false,
                    _ => streams.refusals > PATIENCE,
                };
                if !never {
                    return Err(error);
                }
                self.tell_once(streams, error);
                return Ok(());
            }
        };
        let ours = found.into_iter().filter(|stream| self.choice.is_of(stream));
        streams.known.extend(ours);
        streams.refusals = 0;
        streams.asked_at = latest.cloned();
        Ok(())
    }

    fn tell_once(&self, streams: &mut Streams, error: PortError) {
        if !std::mem::replace(&mut streams.told, true) {
            let message = format!("{}; {UNLISTED}", error.message);
            self.listing.told(&PortError { message, ..error });
        }
    }

    fn tell_of(&self, stream: &StreamArn, book: &mut Book) {
        let newest = &mut book.streams.newest;
        if newest.as_ref().is_none_or(|newest| newest < stream) {
            *newest = Some(stream.clone());
            self.listing.observers.emit(&Event::StreamChanged {
                stream: stream.clone(),
            });
        }
    }
}
