//! Every metric, once. docs/METRICS.md says the same to people, and a test holds the two together.

use metrics::Unit;

/// A metric that exists.
pub(super) struct Metric {
    pub(super) name: &'static str,
    kind: Kind,
    unit: Unit,
    meaning: &'static str,
}

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    pub(super) fn describe(&self) {
        let Self {
            name,
            unit,
            meaning,
            ..
        } = self;
        match self.kind {
            Kind::Counter => metrics::describe_counter!(*name, *unit, *meaning),
            Kind::Gauge => metrics::describe_gauge!(*name, *unit, *meaning),
            Kind::Histogram => metrics::describe_histogram!(*name, *unit, *meaning),
        }
    }
}

/// Writes down each metric as a constant, and all of them as one.
macro_rules! catalogue {
    ($($constant:ident = $kind:ident $name:literal in $unit:ident: $meaning:literal;)*) => {
        $(pub(super) const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            meaning: $meaning,
        };)*

        /// All of them.
        pub(super) const ALL: &[Metric] = &[$($constant),*];
    };
}

catalogue! {
    OLDEST_ITERATOR_AGE_SECONDS = Gauge "shardkeeper_oldest_iterator_age_seconds" in Seconds:
        "the largest age of the last acknowledged record among the shards that this worker reads; a shard whose latest page was empty has none";
    RETENTION_HEADROOM_SECONDS = Gauge "shardkeeper_retention_headroom_seconds" in Seconds:
        "how long the records behind the shard with the largest age are still kept: a day without that age";
    ITERATOR_AGE_SECONDS = Histogram "shardkeeper_iterator_age_seconds" in Seconds:
        "age of the last record of a batch when it was acknowledged";
    PROCESSING_SECONDS = Histogram "shardkeeper_processing_seconds" in Seconds:
        "time that the processor took for a batch";
    BATCH_RECORDS = Histogram "shardkeeper_batch_records" in Count:
        "records acknowledged at once";

    FETCHED_PAGES = Counter "shardkeeper_fetched_pages_total" in Count:
        "pages read, by what they hold";
    FETCHED_RECORDS = Counter "shardkeeper_fetched_records_total" in Count:
        "records read";
    FETCHED_BYTES = Counter "shardkeeper_fetched_bytes_total" in Bytes:
        "size of the pages read";
    EXPIRED_ITERATORS = Counter "shardkeeper_expired_iterators_total" in Count:
        "iterators that were too old and were opened again";
    CROWDED_SHARDS = Counter "shardkeeper_crowded_shards_total" in Count:
        "reports that a shard is refused for long because more than two read it; each doubles the wait for the next";
    DELIVERED_RECORDS = Counter "shardkeeper_delivered_records_total" in Count:
        "records given to the processor, by attempt";
    PROCESSED_RECORDS = Counter "shardkeeper_processed_records_total" in Count:
        "records acknowledged by the processor";
    PROCESSED_BATCHES = Counter "shardkeeper_processed_batches_total" in Count:
        "batches acknowledged by the processor";
    FAILED_BATCHES = Counter "shardkeeper_failed_batches_total" in Count:
        "attempts at a batch that failed, by how";
    PENDING_CALLS = Counter "shardkeeper_pending_calls_total" in Count:
        "reports that a call of the processor does not return; each doubles the wait for the next";
    SKIPPED_RECORDS = Counter "shardkeeper_skipped_records_total" in Count:
        "records skipped because the processor said so";
    DROPPED_DEFERRALS = Counter "shardkeeper_dropped_deferrals_total" in Count:
        "batches whose acknowledgement was put off and then given up";
    STORED_CHECKPOINTS = Counter "shardkeeper_stored_checkpoints_total" in Count:
        "checkpoints stored";
    DATA_LOSSES = Counter "shardkeeper_data_losses_total" in Count:
        "gaps of records that are gone unprocessed, by cause";
    STOPPED_SHARDS = Counter "shardkeeper_stopped_shards_total" in Count:
        "shards that stand still until somebody decides";
    ENDED_SHARDS = Counter "shardkeeper_ended_shards_total" in Count:
        "shards read to their end";

    LIVING_WORKERS = Gauge "shardkeeper_living_workers" in Count:
        "1 while this worker is a member of its group";
    OWNED_LEASES = Gauge "shardkeeper_owned_leases" in Count:
        "leases that this worker owns";
    ACQUIRED_LEASES = Counter "shardkeeper_acquired_leases_total" in Count:
        "leases that became this worker's, by how";
    REQUESTED_LEASES = Counter "shardkeeper_requested_leases_total" in Count:
        "leases asked of living owners";
    RELEASED_LEASES = Counter "shardkeeper_released_leases_total" in Count:
        "leases let go in order";
    LOST_LEASES = Counter "shardkeeper_lost_leases_total" in Count:
        "leases that went to another worker without being let go";
    ABANDONED_LEASES = Counter "shardkeeper_abandoned_leases_total" in Count:
        "leases left to expire because a shutdown took too long";
    UNREADABLE_LEASES = Counter "shardkeeper_unreadable_leases_total" in Count:
        "rows of the lease table that could not be read";
    BLOCKED_SHARDS = Counter "shardkeeper_blocked_shards_total" in Count:
        "leases given up because user code blocked the shard's thread";
    LEFT_OVER_LEASES = Gauge "shardkeeper_left_over_leases" in Count:
        "leases that nobody takes and this worker must not, because it owns as many as it may";
    STOPPED_GROUPS = Counter "shardkeeper_stopped_groups_total" in Count:
        "times that this worker stopped its application because the lease table was set back in time";
    DEMOTED_WORKERS = Counter "shardkeeper_demoted_workers_total" in Count:
        "times that this worker gave itself up";
    DEAD_WORKERS = Counter "shardkeeper_dead_workers_total" in Count:
        "other workers that this one found dead";

    TAKEN_TERMS = Counter "shardkeeper_taken_terms_total" in Count:
        "times that this worker became the one that lists the stream";
    LISTED_SHARDS = Gauge "shardkeeper_listed_shards" in Count:
        "shards of the last listing that this worker made";
    CREATED_LEASES = Counter "shardkeeper_created_leases_total" in Count:
        "leases made for shards that nobody covered";
    FORGOTTEN_LEASES = Counter "shardkeeper_forgotten_leases_total" in Count:
        "leases deleted because their shards are over";
    FAILED_CALLS = Counter "shardkeeper_failed_calls_total" in Count:
        "calls to AWS that failed and are made again, by action and kind";
}
