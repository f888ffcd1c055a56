//! Names the service gives: shard ids, sequence numbers, stream ARNs; and the names of our workers.
//!
//! Parse once at the door, trust inside. What a *person* types is held to the documented lengths
//! (fact F31); what a *server* says is tolerated as far as it can be used, because local servers use
//! other widths.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::planted;

/// Why an id was refused before any call was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not valid: {why}: {given:?}")]
pub struct InvalidId {
    what: &'static str,
    why: String,
    given: String,
}

impl InvalidId {
    fn new(what: &'static str, why: impl Into<String>, given: &str) -> Self {
        // A bounded excerpt: an id is never item data, but a paste accident may be anything.
        let given = given.chars().take(120).collect();
        Self {
            what,
            why: why.into(),
            given,
        }
    }
}

fn within(
    what: &'static str,
    given: &str,
    bounds: std::ops::RangeInclusive<usize>,
) -> Result<(), InvalidId> {
    if bounds.contains(&given.len()) {
        return Ok(());
    }
    let why = format!(
        "length {} is outside {}..={}",
        given.len(),
        bounds.start(),
        bounds.end()
    );
    Err(InvalidId::new(what, why, given))
}

/// The opaque name of a shard (facts F31, F34).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// Parses a shard id that a person gave: 28 to 65 characters (F31).
    pub fn parse(given: &str) -> Result<Self, InvalidId> {
        within("shard id", given, 28..=65)?;
        Ok(Self::from_service(given))
    }

    /// Accepts a shard id as a server said it, whatever its length.
    pub fn from_service(said: impl AsRef<str>) -> Self {
        Self(said.as_ref().into())
    }

    pub(crate) fn from_shared(said: &Arc<str>) -> Self {
        Self(Arc::clone(said))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The widest sequence number the service documents (F31).
const MAX_DIGITS: usize = 40;

/// A position in a stream: 1 to 40 decimal digits, ordered as a *number* (facts F22, F23, F31).
///
/// Forty digits do not fit `u128`, and text order is wrong (`"820" > "1683"`), so the digits are kept
/// and compared by length first. Leading zeros, which local servers write, do not count in the order
/// but are sent back as they came.
#[derive(Clone, Copy)]
pub struct SequenceNumber {
    digits: [u8; MAX_DIGITS],
    len: u8,
}

impl SequenceNumber {
    /// Parses a sequence number that a person gave: 21 to 40 digits (F31).
    pub fn parse(given: &str) -> Result<Self, InvalidId> {
        within("sequence number", given, 21..=MAX_DIGITS)?;
        Self::from_service(given)
    }

    /// Accepts a sequence number as a server said it: 1 to 40 digits.
    pub fn from_service(said: &str) -> Result<Self, InvalidId> {
        within("sequence number", said, 1..=MAX_DIGITS)?;
        if !said.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidId::new(
                "sequence number",
                "only digits are allowed",
                said,
            ));
        }
        let mut digits = [0; MAX_DIGITS];
        digits[..said.len()].copy_from_slice(said.as_bytes());
        Ok(Self {
            digits,
            len: said.len() as u8,
        })
    }

    /// The number as the server wrote it, leading zeros included.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or_default()
    }

    fn significant(&self) -> &[u8] {
        let digits = &self.digits[..usize::from(self.len)];
        let zeros = digits.iter().take_while(|d| **d == b'0').count();
        &digits[zeros..]
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        if planted!(NumbersAsTexts) {
            return self.as_str().cmp(other.as_str());
        }
        let (a, b) = (self.significant(), other.significant());
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SequenceNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SequenceNumber {}

impl Hash for SequenceNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.significant().hash(state);
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The ARN of one stream: `arn:<partition>:dynamodb:<region>:<account>:table/<table>/stream/<label>`.
///
/// The label is a timestamp and contains colons (F25), and the region is not checked against a list
/// (F54). A table whose stream was disabled and enabled again has a new label, so a new ARN.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamArn {
    text: Arc<str>,
    parts: Parts,
}

/// Where the parts of an ARN are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    region: Span,
    account: Span,
    table: Span,
    label: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Span(usize, usize);

impl StreamArn {
    /// Parses an ARN that a person or a server gave: 37 to 1024 characters (F31).
    pub fn parse(given: &str) -> Result<Self, InvalidId> {
        let (parts, text) = (Parts::of(given)?, given.into());
        Ok(Self { text, parts })
    }

    pub(crate) fn parse_shared(given: &Arc<str>) -> Result<Self, InvalidId> {
        let (parts, text) = (Parts::of(given)?, Arc::clone(given));
        Ok(Self { text, parts })
    }

    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region named in the ARN, as it stands.
    pub fn region(&self) -> &str {
        self.part(self.parts.region)
    }

    /// The account that owns the table.
    pub fn account(&self) -> &str {
        self.part(self.parts.account)
    }

    /// The table that the stream belongs to.
    pub fn table(&self) -> &str {
        self.part(self.parts.table)
    }

    /// The label: the time at which the stream was requested. Not unique by itself (F24).
    pub fn label(&self) -> &str {
        self.part(self.parts.label)
    }

    fn part(&self, Span(start, end): Span) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }
}

impl Parts {
    fn of(given: &str) -> Result<Self, InvalidId> {
        within("stream arn", given, 37..=1024)?;
        let refuse = |why: &str| InvalidId::new("stream arn", why, given);
        let mut fields = given.splitn(6, ':');
        let (arn, _partition) = (fields.next(), fields.next());
        let (service, region) = (fields.next(), fields.next());
        let (account, resource) = (fields.next(), fields.next());
        if arn != Some("arn") || service != Some("dynamodb") {
            return Err(refuse("it must begin with arn:<partition>:dynamodb:"));
        }
        let expected = "after the account it must read table/<name>/stream/<label>";
        let (region, account) = region.zip(account).ok_or_else(|| refuse(expected))?;
        let path = resource
            .and_then(|r| r.strip_prefix("table/"))
            .ok_or_else(|| refuse(expected))?;
        let (table, label) = path
            .split_once("/stream/")
            .ok_or_else(|| refuse(expected))?;
        if table.is_empty() || label.is_empty() || table.contains('/') {
            return Err(refuse(expected));
        }
        let span = |part: &str| {
            let start = part.as_ptr() as usize - given.as_ptr() as usize;
            Span(start, start + part.len())
        };
        Ok(Self {
            region: span(region),
            account: span(account),
            table: span(table),
            label: span(label),
        })
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One life of one worker: a name for people and an incarnation that is random and new at every start.
///
/// Two processes with the same name are two workers (S5); a worker that has given itself up
/// comes back under a new incarnation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Joins a name and 128 random bits.
    pub fn new(name: &str, incarnation: u128) -> Self {
        Self(format!("{name}#{incarnation:032x}").into())
    }

    /// Accepts a worker id as a row of the lease table names it.
    pub fn from_row(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn from_shared(text: &Arc<str>) -> Self {
        Self(Arc::clone(text))
    }

    /// The name for people: what stands before the incarnation.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('#').map_or(&self.0, |(name, _)| name)
    }

    /// The id as text, as the lease table stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seq(text: &str) -> SequenceNumber {
        SequenceNumber::from_service(text).unwrap()
    }

    #[test]
    fn f23_sequence_numbers_are_ordered_as_numbers_not_as_text() {
        let in_order = [
            "20500000000000000910398",
            "820400000000000001192334",
            "1683700000000000001135967",
            "2574600000000000000935255",
        ];
        assert!(in_order.windows(2).all(|pair| seq(pair[0]) < seq(pair[1])));
    }

    #[test]
    fn q8_leading_zeros_do_not_count_in_the_order_and_are_sent_back() {
        assert_eq!(seq("000000000000000075450"), seq("75450"));
        assert_eq!(
            seq("000000000000000075450").as_str(),
            "000000000000000075450"
        );
        assert_eq!(seq("0000").cmp(&seq("0")), Ordering::Equal);
    }

    #[test]
    fn f31_what_a_person_types_is_held_to_the_documented_lengths() {
        assert!(SequenceNumber::parse("123").is_err());
        assert!(SequenceNumber::parse(&"1".repeat(41)).is_err());
        assert!(SequenceNumber::parse(&"1".repeat(40)).is_ok());
        assert!(SequenceNumber::from_service("12a").is_err());
        assert!(ShardId::parse("short").is_err());
        assert!(
            ShardId::parse("00000001414576573621-f55eea83").is_ok(),
            "F34: no prefix needed"
        );
    }

    #[test]
    fn f25_the_label_of_an_arn_contains_colons() {
        let text =
            "arn:aws:dynamodb:us-west-2:111122223333:table/Forum/stream/2015-05-20T20:51:10.252";
        let arn = StreamArn::parse(text).unwrap();
        assert_eq!(
            (arn.table(), arn.label()),
            ("Forum", "2015-05-20T20:51:10.252")
        );
        assert_eq!((arn.region(), arn.account()), ("us-west-2", "111122223333"));
        assert_eq!(arn.as_str(), text);
    }

    #[test]
    fn f54_an_odd_region_is_not_refused_but_an_odd_shape_is() {
        let odd =
            "arn:aws:dynamodb:us-wesst-2:111122223333:table/Forum/stream/2015-05-20T20:51:10.252";
        assert!(StreamArn::parse(odd).is_ok());
        for bad in [
            "arn:aws:dynamodb:us-west-2:111122223333:table/Forum",
            "arn:aws:dynamodb:us-west-2:111122223333:table//stream/x",
            "arn:aws:kinesis:us-west-2:111122223333:stream/Forum/aaaaaaaaa",
            "orders",
        ] {
            assert!(StreamArn::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_worker_id_keeps_its_name_readable() {
        assert_eq!(WorkerId::new("web#1", 7).name(), "web#1");
    }

    proptest! {
        #[test]
        fn numeric_order_agrees_with_u128_where_u128_can_say(a: u128, b: u128) {
            prop_assert_eq!(seq(&a.to_string()).cmp(&seq(&b.to_string())), a.cmp(&b));
        }

        #[test]
        fn any_text_is_parsed_or_refused_without_a_panic(text in ".{0,80}") {
            let _ = SequenceNumber::from_service(&text);
            let _ = StreamArn::parse(&text);
        }

        #[test]
        fn padding_never_changes_equality(digits in "[1-9][0-9]{0,30}", zeros in 0usize..9) {
            let padded = format!("{}{digits}", "0".repeat(zeros));
            prop_assert_eq!(seq(&padded), seq(&digits));
        }
    }
}
