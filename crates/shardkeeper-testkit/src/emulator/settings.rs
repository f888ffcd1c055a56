//! The constants of the service, open to tests.

use std::time::Duration;

/// How the emulated service behaves. The defaults are the constants of the real service; where AWS
/// states none, the doc comment says where the value comes from.
///
/// ```
/// # use shardkeeper_testkit::emulator::EmulatorSettings;
/// let settings = EmulatorSettings {
///     initial_shards: 1,
///     describe_stream_per_second: Some(10),
///     ..EmulatorSettings::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct EmulatorSettings {
    /// The region in every ARN and record. Default: `us-east-1`.
    pub region: String,
    /// The account in every ARN. Default: `123456789012`.
    pub account: String,
    /// How many open shards a new stream starts with, at least 1. The service gives one per table
    /// partition, and a new on-demand table has four. Default: 4.
    pub initial_shards: usize,
    /// A shard is closed and followed by one child when it is this old; `None` never does it.
    /// Default: 4 h, the roll-over seen on the service.
    pub rollover_after: Option<Duration>,
    /// Each shard rolls over later than `rollover_after` by a random part of this. Default: 30 min.
    pub rollover_spread: Duration,
    /// Records leave the stream, closed shards the listing, and disabled streams the account when
    /// they are this old. Default: 24 h.
    pub retention: Duration,
    /// How long an iterator is good for, counted from when it was returned. Default: 15 min.
    pub iterator_lifetime: Duration,
    /// The most records of one `GetRecords` answer. Default: 1000.
    pub page_records: usize,
    /// The most bytes of one `GetRecords` answer, counted as `SizeBytes`; one record always fits.
    /// Default: 1 MiB.
    pub page_bytes: usize,
    /// The most shards of one `DescribeStream` answer. Default: 100.
    pub describe_page_shards: usize,
    /// The most streams of one `ListStreams` answer. Default: 100.
    pub list_page_streams: usize,
    /// A child is listed only this long after it was created: listings are eventually consistent.
    /// Default: 0.
    pub child_visibility_lag: Duration,
    /// A closed shard is shown with its `EndingSequenceNumber` only this long after it was closed.
    /// Default: 0.
    pub ending_visibility_lag: Duration,
    /// `LATEST` also returns records written this long before: the service is known to. Default: 0.
    pub latest_slack: Duration,
    /// Whether the last records of a closed shard come with one more iterator, whose page is empty
    /// and has none. The service answers either way. Default: false.
    pub empty_last_page: bool,
    /// `DescribeStream` calls a second before `ThrottlingException`, for the whole account. The
    /// service allows 10. Default: `None`, no limit.
    pub describe_stream_per_second: Option<u32>,
    /// `ListStreams` calls a second before `ThrottlingException`. The service allows 5.
    /// Default: `None`, no limit.
    pub list_streams_per_second: Option<u32>,
    /// `GetRecords` calls a second and shard before `LimitExceededException`. The service allows
    /// about 5 (two readers). Default: `None`, no limit.
    pub get_records_per_second: Option<u32>,
    /// How long a new table is `CREATING`. Default: 0.
    pub create_delay: Duration,
    /// How long a new stream is `ENABLING`, without shards to list. Default: 0.
    pub stream_enable_delay: Duration,
    /// How long a stream that was switched off is `DISABLING`. Default: 0.
    pub stream_disable_delay: Duration,
}

impl Default for EmulatorSettings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            initial_shards: 4,
            rollover_after: Some(Duration::from_secs(4 * 3600)),
            rollover_spread: Duration::from_secs(30 * 60),
            retention: Duration::from_secs(24 * 3600),
            iterator_lifetime: Duration::from_secs(15 * 60),
            page_records: 1000,
            page_bytes: 1024 * 1024,
            describe_page_shards: 100,
            list_page_streams: 100,
            child_visibility_lag: Duration::ZERO,
            ending_visibility_lag: Duration::ZERO,
            latest_slack: Duration::ZERO,
            empty_last_page: false,
            describe_stream_per_second: None,
            list_streams_per_second: None,
            get_records_per_second: None,
            create_delay: Duration::ZERO,
            stream_enable_delay: Duration::ZERO,
            stream_disable_delay: Duration::ZERO,
        }
    }
}
