//! Shard iterators: positions handed out as tokens that only the emulator can read.

use std::time::Duration;

use aws_smithy_types::base64;

use super::error::ServiceError;
use super::stream::sequence::Sequence;

/// Between the parts of a token; no ARN contains it.
const SEPARATOR: &str = "|1|";

/// A position in a shard, good until it is too old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardIterator {
    pub(crate) stream: String,
    pub(crate) shard: String,
    /// The first sequence number that the next read may return.
    pub(crate) position: Sequence,
    pub(crate) issued: Duration,
    /// Iterators of an earlier generation were expired by the test.
    pub(crate) generation: u64,
}

impl ShardIterator {
    /// The token: the stream's ARN, then what is nobody's business.
    pub(crate) fn encode(&self) -> String {
        let fields = format!(
            "{}\n{}\n{}\n{}",
            self.shard,
            self.position,
            self.issued.as_nanos(),
            self.generation
        );
        let mut payload = crc32fast::hash(fields.as_bytes()).to_be_bytes().to_vec();
        payload.extend_from_slice(fields.as_bytes());
        format!("{}{SEPARATOR}{}", self.stream, base64::encode(payload))
    }

    /// Reads a token back; one that was cut, altered or made up is refused.
    pub(crate) fn decode(token: &str) -> Result<Self, ServiceError> {
        Self::try_decode(token).ok_or_else(|| ServiceError::validation("Invalid ShardIterator"))
    }

    fn try_decode(token: &str) -> Option<Self> {
        let (stream, payload) = token.rsplit_once(SEPARATOR)?;
        let payload = base64::decode(payload).ok()?;
        let (checksum, fields) = payload.split_first_chunk::<4>()?;
        if crc32fast::hash(fields).to_be_bytes() != *checksum {
            return None;
        }
        let mut fields = std::str::from_utf8(fields).ok()?.split('\n');
        let shard = fields.next()?.to_owned();
        let position = Sequence::parse(fields.next()?)?;
        let issued = Duration::from_nanos(fields.next()?.parse().ok()?);
        let generation = fields.next()?.parse().ok()?;
        Some(Self {
            stream: stream.to_owned(),
            shard,
            position,
            issued,
            generation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_an_altered_one_is_refused() {
        let iterator = ShardIterator {
            stream: "arn:aws:dynamodb:us-east-1:1:table/t/stream/2015-05-20T20:51:10.252"
                .to_owned(),
            shard: "shardId-00000001414576573621-f55eea83".to_owned(),
            position: Sequence::parse("123456789012345678901").unwrap(),
            issued: Duration::from_millis(1_414_576_573_621),
            generation: 3,
        };
        let token = iterator.encode();
        assert_eq!(ShardIterator::decode(&token).unwrap(), iterator);
        for bad in [
            "",
            "x",
            &token[..token.len() - 4],
            &token.replacen("|1|A", "|1|B", 1),
            &format!("{token}AAAA"),
        ] {
            if bad != token {
                assert!(ShardIterator::decode(bad).is_err(), "{bad}");
            }
        }
    }
}
