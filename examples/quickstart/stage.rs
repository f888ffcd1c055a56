//! Everything that takes part in a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chronicle::Chronicle;
use crate::fleet::Fleet;
use crate::ledger::{Ledger, Verdict};
use crate::place::Place;
use crate::{Failure, Flags};

/// A clone is the same stage.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) place: Arc<Place>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) chronicle: Arc<Chronicle>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) seed: u64,
    pub(crate) records: u64,
    workers: u16,
    began: Instant,
}

impl Stage {
    /// Makes the table; nobody works yet.
    pub(crate) async fn set(flags: &Flags, began: Instant) -> Result<Self, Failure> {
        let place = Arc::new(Place::open(flags).await?);
        let ledger = Arc::new(Ledger::default());
        let chronicle = Arc::new(Chronicle::new(began));
        let fleet = Fleet::new(&place, &ledger, &chronicle, flags.workers);
        Ok(Self {
            place,
            ledger,
            chronicle,
            fleet: Arc::new(fleet),
            seed: flags.seed,
            records: flags.records,
            workers: flags.workers,
            began,
        })
    }

    /// How long the process has been at it.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Who reads what where.
    pub(crate) fn title(&self) -> String {
        let Self { workers, seed, .. } = self;
        let (table, place) = (&self.place.table, self.place.name());
        let s = if *workers == 1 { "" } else { "s" };
        format!("{workers} worker{s} on table {table} of {place}, seed {seed}")
    }

    /// How it stands.
    pub(crate) fn verdict(&self) -> Verdict {
        let shards = self.chronicle.read().shards.len();
        self.ledger.verdict(self.workers, shards)
    }

    /// The deadline came first. Says what there was to wait for.
    pub(crate) fn out_of_time(&self) -> OutOfTime {
        OutOfTime {
            after: self.elapsed(),
            missing: self.ledger.missing(),
        }
    }
}

/// The run was cut short.
#[derive(Debug)]
pub(crate) struct OutOfTime {
    after: Duration,
    missing: u64,
}

impl fmt::Display for OutOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, missing } = self;
        write!(f, "gave up after {after:.1?}, ")?;
        match missing {
            0 => write!(
                f,
                "while the workers were leaving, with every record delivered"
            ),
            _ => write!(f, "with {missing} records written and not delivered"),
        }
    }
}

impl std::error::Error for OutOfTime {}
