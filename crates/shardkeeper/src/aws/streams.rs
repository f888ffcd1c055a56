//! The records of Amazon DynamoDB Streams.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_dynamodbstreams::types::{ShardFilter, ShardFilterType, ShardIteratorType};
use aws_smithy_types::DateTime;
use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::page::PageBody;
use shardkeeper_core::ports::{
    FailureKind, Fetched, PortError, Position, ShardIterator, ShardPage, StreamSource,
    StreamStatus, StreamsPage,
};

use super::convert::{self, failure, has_code, missing, port_error, port_error_without};
use super::{Clients, page_bytes};

/// A shard has one child or a few; a server that pages on and on is not listing children.
const CHILD_PAGES: usize = 100;

/// [`StreamSource`] over the AWS SDK.
///
/// One attempt per call, bounded by [`super::Timeouts::attempt`]. Every method is a read: dropping its
/// future has no effect on the service.
#[derive(Clone)]
pub struct AwsStreams {
    clients: Clients,
}

impl AwsStreams {
    /// Reads with these clients.
    pub fn new(clients: &Clients) -> Self {
        Self {
            clients: clients.clone(),
        }
    }

    async fn describe(&self, question: Question<'_>) -> Result<ShardPage, PortError> {
        const ACTION: &str = "DescribeStream";
        let answer = self
            .clients
            .streams
            .describe_stream()
            .stream_arn(question.stream.as_str())
            .set_exclusive_start_shard_id(question.after.map(|shard| shard.as_str().to_owned()))
            .set_shard_filter(question.children_of.map(children_of))
            .send()
            .await
            .map_err(|error| port_error(ACTION, &error))?;
        let stream = answer
            .stream_description
            .ok_or_else(|| missing(ACTION, "StreamDescription"))?;
        let status = convert::stream_status(stream.stream_status.as_ref());
        let shards = match stream.shards {
            Some(shards) => shards,
            // A stream that is being switched on has no shards to name.
            None if status == StreamStatus::Enabling => Vec::new(),
            None => return Err(missing(ACTION, "Shards")),
        };
        Ok(ShardPage {
            status,
            shards: shards
                .into_iter()
                .map(|shard| convert::shard(ACTION, shard))
                .collect::<Result<_, _>>()?,
            next: stream
                .last_evaluated_shard_id
                .filter(|id| !id.is_empty())
                .map(ShardId::from_service),
            view_type: stream.stream_view_type.map(|view| view.as_str().to_owned()),
        })
    }
}

/// One call of `DescribeStream`.
#[derive(Clone, Copy)]
struct Question<'a> {
    stream: &'a StreamArn,
    after: Option<&'a ShardId>,
    children_of: Option<&'a ShardId>,
}

fn children_of(parent: &ShardId) -> ShardFilter {
    ShardFilter::builder()
        .r#type(ShardFilterType::ChildShards)
        .shard_id(parent.as_str())
        .build()
}

#[async_trait]
impl StreamSource for AwsStreams {
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError> {
        const ACTION: &str = "DescribeTable";
        let answer = self
            .clients
            .dynamodb
            .describe_table()
            .table_name(table)
            .send()
            .await
            .map_err(|error| port_error(ACTION, &error))?;
        let described = answer.table.ok_or_else(|| missing(ACTION, "Table"))?;
        match described.latest_stream_arn.filter(|arn| !arn.is_empty()) {
            Some(arn) => StreamArn::parse(&arn)
                .map_err(|odd| failure(FailureKind::Protocol, ACTION, &odd.to_string())),
            None => {
                let how = format!(
                    "table {table} has no stream; switch one on: aws dynamodb update-table --table-name {table} \
                     --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
                );
                Err(failure(FailureKind::Invalid, ACTION, &how))
            }
        }
    }

    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError> {
        const ACTION: &str = "ListStreams";
        let answer = self
            .clients
            .streams
            .list_streams()
            .table_name(table)
            .set_exclusive_start_stream_arn(after.map(|stream| stream.as_str().to_owned()))
            .send()
            .await
            .map_err(|error| port_error(ACTION, &error))?;
        let parse = |arn: &str| {
            StreamArn::parse(arn)
                .map_err(|odd| failure(FailureKind::Protocol, ACTION, &odd.to_string()))
        };
        let streams = answer.streams.ok_or_else(|| missing(ACTION, "Streams"))?;
        let next = answer.last_evaluated_stream_arn;
        Ok(StreamsPage {
            // A server that ignores the filter shows streams that are nobody's business.
            streams: streams
                .iter()
                .filter_map(|stream| parse(stream.stream_arn()?).ok())
                .collect(),
            next: next
                .filter(|arn| !arn.is_empty())
                .map(|arn| parse(&arn))
                .transpose()?,
        })
    }

    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        self.describe(Question {
            stream,
            after,
            children_of: None,
        })
        .await
    }

    async fn children_of(
        &self,
        stream: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError> {
        let mut page = self
            .describe(Question {
                stream,
                after: None,
                children_of: Some(parent),
            })
            .await?;
        for _ in 1..CHILD_PAGES {
            let Some(after) = page.next.take() else { break };
            let question = Question {
                stream,
                after: Some(&after),
                children_of: Some(parent),
            };
            let more = self.describe(question).await?;
            page.status = more.status;
            for shard in more.shards {
                if page.shards.iter().all(|known| known.id != shard.id) {
                    page.shards.push(shard);
                }
            }
            // A server that ignores where to go on lists the same shards for ever.
            page.next = more.next.filter(|next| *next != after);
        }
        if page.next.is_some() {
            return Err(failure(
                FailureKind::Protocol,
                "DescribeStream",
                "the list of children does not end",
            ));
        }
        // Some local servers ignore the filter and list everything.
        page.shards
            .retain(|shard| shard.parent.as_ref() == Some(parent));
        Ok(page)
    }

    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        const ACTION: &str = "GetShardIterator";
        let call = self
            .clients
            .streams
            .get_shard_iterator()
            .stream_arn(stream.as_str())
            .shard_id(shard.as_str());
        let call = match at {
            Position::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Position::At(time) => {
                let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
                call.shard_iterator_type(ShardIteratorType::AtTimestamp)
                    .timestamp(DateTime::from_millis(millis))
            }
            Position::After(record) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .sequence_number(record.as_str()),
            Position::From(record) => call
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .sequence_number(record.as_str()),
            _ => {
                return Err(failure(
                    FailureKind::Invalid,
                    ACTION,
                    "this position is not known here",
                ));
            }
        };
        let answer = call
            .send()
            .await
            .map_err(|error| port_error(ACTION, &error))?;
        let said = answer
            .shard_iterator
            .ok_or_else(|| missing(ACTION, "ShardIterator"))?;
        ShardIterator::from_service(said).ok_or_else(|| missing(ACTION, "text in ShardIterator"))
    }

    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError> {
        const ACTION: &str = "GetRecords";
        let call = self
            .clients
            .streams
            .get_records()
            .shard_iterator(from.expose())
            .limit(i32::from(limit.clamp(1, 1000)));
        let (answer, body) = page_bytes::keep(call.send()).await;
        if let Err(error) = answer {
            let crowded = has_code(&error, "LimitExceededException");
            // A server that refuses an iterator may quote it.
            let refused = port_error_without(ACTION, &error, from.expose());
            return Err(if crowded {
                PortError {
                    kind: FailureKind::TooManyReaders,
                    ..refused
                }
            } else {
                refused
            });
        }
        let body = body.ok_or_else(|| missing(ACTION, "body"))?;
        let PageBody { page, next } = PageBody::parse(body)
            .map_err(|odd| failure(FailureKind::Protocol, ACTION, &odd.to_string()))?;
        let next = match next {
            // The end of a shard is a missing iterator; an empty one is neither.
            Some(text) => Some(
                ShardIterator::from_service(text)
                    .ok_or_else(|| missing(ACTION, "text in NextShardIterator"))?,
            ),
            None => None,
        };
        Ok(Fetched { page, next })
    }

    fn service_time(&self) -> Option<Timestamp> {
        self.clients.clock.read()
    }
}

impl fmt::Debug for AwsStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsStreams").finish_non_exhaustive()
    }
}
