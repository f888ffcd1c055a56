//! What happens to a call on its way to the service and back.

use std::collections::VecDeque;

use shardkeeper_core::ports::FailureKind;
use shardkeeper_core::row::RowKey;

use super::World;
use crate::sim::chaos::{Fault, Injected};
use crate::sim::fleet::millis;
use crate::sim::ground::{SECOND, Time};
use crate::sim::scenario::Scenario;

/// `DescribeStream` calls that the account may make in a second (F10).
const LISTINGS_A_SECOND: usize = 10;
/// `ListStreams` calls that it may make (F51).
const STREAM_LISTS_A_SECOND: usize = 5;
/// The slowest leg of a healthy call, in milliseconds.
const SLOWEST_LEG: Time = 12;

/// A call of one of the two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    DescribeTable,
    ListStreams,
    ListShards,
    Children,
    Open,
    Fetch,
    TableOpen,
    Sweep,
    Read,
    Write,
}

impl Op {
    pub(crate) const ALL: [Self; 10] = [
        Self::DescribeTable,
        Self::ListStreams,
        Self::ListShards,
        Self::Children,
        Self::Open,
        Self::Fetch,
        Self::TableOpen,
        Self::Sweep,
        Self::Read,
        Self::Write,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DescribeTable => "DescribeTable",
            Self::ListStreams => "ListStreams",
            Self::ListShards | Self::Children => "DescribeStream",
            Self::Open => "GetShardIterator",
            Self::Fetch => "GetRecords",
            Self::TableOpen => "CreateTable",
            Self::Sweep => "Scan",
            Self::Read => "BatchGetItem",
            Self::Write => "TransactWriteItems",
        }
    }

    pub(crate) fn is_of_table(self) -> bool {
        matches!(
            self,
            Self::TableOpen | Self::Sweep | Self::Read | Self::Write
        )
    }

    pub(super) fn is_listing(self) -> bool {
        matches!(self, Self::ListShards | Self::Children)
    }
}

/// Something that goes on for a while.
#[derive(Debug, Clone)]
pub(crate) struct Episode {
    pub(crate) fault: Fault,
    pub(crate) until: Time,
    /// Whom it concerns; everybody when `None`.
    pub(crate) seat: Option<usize>,
    /// Which call; every one that the fault can concern when `None`.
    pub(crate) op: Option<Op>,
    /// How many of ten thousand calls it hits.
    pub(crate) strength: u32,
    /// Of the two ways in which it can hit, this one.
    pub(crate) other_way: bool,
}

/// The state of everything between workers and the service.
pub(crate) struct Weather {
    on: [bool; 44],
    harshness: u32,
    pub(crate) episodes: Vec<Episode>,
    pub(crate) injected: Injected,
    pub(crate) table_missing: bool,
    /// The lease table was deleted, and is not there again yet.
    pub(crate) lease_table_missing: bool,
    /// How much longer reads of the lease table take.
    pub(crate) slow_reads: Time,
    /// The next write arrives so late, whatever else goes wrong; or, if it has a row, just before another write of that.
    pub(crate) late: Option<(Time, Option<RowKey>)>,
    /// The next write is not done, and its answer is empty.
    pub(crate) overheard: bool,
    listings: Quota,
    stream_lists: Quota,
}

/// How many calls of a kind the account may make in a second.
struct Quota {
    most: usize,
    made: VecDeque<Time>,
}

impl Quota {
    fn of(most: usize) -> Self {
        Self {
            most,
            made: VecDeque::new(),
        }
    }

    /// One more: is it too much?
    fn is_exceeded(&mut self, now: Time) -> bool {
        while self.made.front().is_some_and(|at| at + SECOND <= now) {
            self.made.pop_front();
        }
        let exceeded = self.made.len() >= self.most;
        if !exceeded {
            self.made.push_back(now);
        }
        exceeded
    }
}

/// How one call fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    /// How long the request takes; `None` when it never arrives.
    pub(crate) request: Option<Time>,
    /// How long the answer takes; `None` when it never arrives.
    pub(crate) answer: Option<Time>,
    /// It arrives sooner, just before another write of this row.
    pub(crate) before: Option<RowKey>,
    /// It arrives a second time, so much after the first.
    pub(crate) again: Option<Time>,
    pub(crate) twist: Twist,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    /// Nothing.
    Straight,
    /// The request is not served and fails.
    Unserved(FailureKind),
    /// The request is served and fails all the same.
    Served(FailureKind),
    /// The write is applied and answered as refused.
    Refused,
    /// Nothing is done, and the answer is empty.
    Empty,
}

impl Weather {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut on = [false; 44];
        for fault in &scenario.faults {
            on[fault.index()] = true;
        }
        Self {
            on,
            harshness: scenario.harshness,
            episodes: Vec::new(),
            injected: Injected::default(),
            table_missing: false,
            lease_table_missing: false,
            slow_reads: if scenario.slow_table {
                slow(scenario)
            } else {
                0
            },
            late: None,
            overheard: false,
            listings: Quota::of(LISTINGS_A_SECOND),
            stream_lists: Quota::of(STREAM_LISTS_A_SECOND),
        }
    }

    /// True while this kind of fault may strike.
    pub(crate) fn is_on(&self, fault: Fault) -> bool {
        self.on[fault.index()]
    }

    /// Ends every fault.
    pub(crate) fn clear_up(&mut self) {
        self.on = [false; 44];
        self.episodes.clear();
        self.table_missing = false;
        self.lease_table_missing = false;
    }

    /// One more call: is it too much for the account?
    fn is_over_quota(&mut self, op: Op, now: Time) -> bool {
        match op {
            Op::ListShards | Op::Children => self.listings.is_exceeded(now),
            Op::ListStreams => self.stream_lists.is_exceeded(now),
            _ => false,
        }
    }
}

/// Longer than the pause between two looks at the group; short enough to be answered in time.
fn slow(scenario: &Scenario) -> Time {
    let pause = millis(scenario.settings.lease_duration) / 5;
    (pause + SECOND / 2).min(millis(scenario.settings.call_timeout) - SECOND / 4)
}

impl World {
    /// Decides how a call will fare.
    pub(super) fn passage(&mut self, seat: usize, op: Op) -> Passage {
        let mut passage = Passage {
            request: Some(1 + self.dice.u64(0..SLOWEST_LEG)),
            answer: Some(1 + self.dice.u64(0..SLOWEST_LEG)),
            before: None,
            again: None,
            twist: Twist::Straight,
        };
        if self.weather.is_over_quota(op, self.now) {
            passage.twist = Twist::Unserved(FailureKind::Throttled);
            return passage;
        }
        if matches!(op, Op::Sweep | Op::Read) {
            passage.answer = passage.answer.map(|time| time + self.weather.slow_reads);
        }
        if self.healing {
            return passage;
        }
        self.bad_luck(op, &mut passage);
        self.bad_times(seat, op, &mut passage);
        if matches!(op, Op::Sweep | Op::Read) {
            self.stop_the_watcher(seat);
        }
        if op == Op::Write && std::mem::take(&mut self.weather.overheard) {
            passage.twist = Twist::Empty;
        }
        if op == Op::Write
            && let Some((late, before)) = self.weather.late.take()
        {
            self.weather.injected.count(Fault::LateWrite);
            (passage.request, passage.before) = (Some(late), before);
            (passage.answer, passage.twist) = (Some(1), Twist::Straight);
        }
        if matches!(op, Op::Sweep | Op::Read)
            && self.somebody_is_silent()
            && self.strikes(Fault::StaleReads, 3_000)
        {
            passage.answer = Some(self.dice.u64(SECOND..5 * SECOND));
        }
        passage
    }

    /// Faults that strike single calls.
    fn bad_luck(&mut self, op: Op, passage: &mut Passage) {
        let harshness = self.weather.harshness;
        let mut strikes = |fault: Fault, applies: bool| {
            let strikes =
                applies && self.weather.is_on(fault) && self.dice.u32(0..10_000) < harshness;
            if strikes {
                self.weather.injected.count(fault);
            }
            strikes
        };
        let (write, read) = (
            op == Op::Write,
            matches!(op, Op::Sweep | Op::Read | Op::Fetch),
        );
        if strikes(Fault::RequestLost, true) {
            passage.request = None;
        }
        if strikes(Fault::AnswerLost, true) {
            passage.answer = None;
        }
        let (late, twice) = (
            strikes(Fault::LateWrite, write),
            strikes(Fault::LateWrite, write),
        );
        let refused = strikes(Fault::OwnWriteRefused, write);
        let stale = strikes(Fault::StaleReads, read) || strikes(Fault::StaleReads, read);
        let odd = strikes(Fault::OddAnswers, op != Op::TableOpen);
        if late {
            passage.request = Some(self.dice.u64(SECOND..60 * SECOND));
        }
        if twice {
            passage.again = Some(self.dice.u64(1..90 * SECOND));
        }
        if stale {
            passage.answer = Some(self.dice.u64(100..5 * SECOND));
        }
        if refused {
            passage.twist = Twist::Refused;
        }
        if odd {
            passage.twist = if self.dice.bool() {
                Twist::Empty
            } else {
                Twist::Unserved(FailureKind::Protocol)
            };
        }
    }

    /// Faults that go on for a while.
    fn bad_times(&mut self, seat: usize, op: Op, passage: &mut Passage) {
        if self.weather.episodes.is_empty() {
            return;
        }
        let now = self.now;
        self.weather.episodes.retain(|episode| episode.until > now);
        for index in 0..self.weather.episodes.len() {
            let Episode {
                fault,
                strength,
                other_way,
                ..
            } = self.weather.episodes[index];
            if self.weather.episodes[index].concerns(seat, op) && self.chance(strength) {
                self.weather.injected.count(fault);
                self.hit(fault, other_way, passage);
            }
        }
    }

    fn hit(&mut self, fault: Fault, other_way: bool, passage: &mut Passage) {
        let half = self.dice.bool();
        match fault {
            Fault::TablePartition | Fault::StreamPartition if other_way => passage.answer = None,
            Fault::TablePartition | Fault::StreamPartition => passage.request = None,
            Fault::HungSocket if half => passage.request = None,
            Fault::HungSocket => passage.answer = None,
            Fault::WriteErrors if half => passage.twist = Twist::Served(FailureKind::Unavailable),
            Fault::WriteErrors | Fault::ReadErrors | Fault::Unreachable => {
                passage.twist = Twist::Unserved(FailureKind::Unavailable);
            }
            Fault::StreamThrottled | Fault::TableThrottled => {
                passage.twist = Twist::Unserved(FailureKind::Throttled);
            }
            Fault::ThirdReader => {
                passage.twist = Twist::Unserved(FailureKind::TooManyReaders);
            }
            Fault::AccessDenied | Fault::CredentialsExpired => {
                passage.twist = Twist::Unserved(FailureKind::Denied);
            }
            // Its key is another one.
            Fault::LeaseTableGone if other_way => {
                passage.twist = Twist::Unserved(FailureKind::Invalid);
            }
            Fault::LeaseTableGone => passage.twist = Twist::Unserved(FailureKind::NotFound),
            _ => {}
        }
    }
}

impl Episode {
    fn concerns(&self, seat: usize, op: Op) -> bool {
        let fits = match self.fault {
            Fault::TablePartition | Fault::TableThrottled | Fault::LeaseTableGone => {
                op.is_of_table()
            }
            Fault::StreamPartition | Fault::StreamThrottled => !op.is_of_table(),
            Fault::ThirdReader => op == Op::Fetch,
            Fault::WriteErrors => op == Op::Write,
            Fault::ReadErrors => op != Op::Write,
            _ => true,
        };
        fits && self.seat.is_none_or(|only| only == seat) && self.op.is_none_or(|only| only == op)
    }
}
