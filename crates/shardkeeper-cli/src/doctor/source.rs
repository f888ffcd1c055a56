//! The stream: is it there, is it on, may it be read?

use shardkeeper::core::ports::{Position, StreamSource, StreamStatus};
use shardkeeper::{ShardId, StreamArn};

use super::report::Report;
use crate::connection::{Door, patiently};
use crate::failure::Failure;
use crate::shards::{Listing, Stream, word};

/// The listing, if there is one.
pub(super) async fn examine(
    door: &Door,
    stream: &Stream,
    report: &mut Report,
) -> Result<Option<(StreamArn, Listing)>, Failure> {
    let arn = match stream.arn(door).await {
        Ok(arn) => arn,
        Err(failure) => {
            report.failed("table", failure)?;
            return Ok(None);
        }
    };
    report.good("table", format!("its stream is {arn}"))?;
    let listing = match Listing::read(door, &arn).await {
        Ok(listing) => listing,
        Err(error) => {
            report.failed("stream", error)?;
            return Ok(None);
        }
    };
    tell(&listing, report)?;
    if let Some(shard) = listing.shards.keys().next_back() {
        read(door, &arn, shard, report).await?;
    }
    Ok(Some((arn, listing)))
}

fn tell(listing: &Listing, report: &mut Report) -> Result<(), Failure> {
    let shards = listing.shards.len();
    let what = format!("{}, {shards} shards", word(listing.status));
    match listing.status {
        StreamStatus::Enabled => report.good("stream", what)?,
        StreamStatus::Disabled => {
            let advice = "what it still holds is read for 24 hours; switch a stream on: aws dynamodb update-table --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES";
            report.bad("stream", what, advice)?;
        }
        _ => report.odd("stream", what, "it changes within a minute: look again")?,
    }
    match listing.view_type.as_deref() {
        Some("KEYS_ONLY") => report.odd(
            "view type",
            "KEYS_ONLY",
            "records carry keys and no images: a processor that asks for an image fails",
        ),
        Some(view) => report.good("view type", view),
        None => report.odd("view type", "not stated", "the server does not say"),
    }
}

/// One call of each kind that reading needs; at most one record comes, and nothing of it is shown.
async fn read(
    door: &Door,
    arn: &StreamArn,
    shard: &ShardId,
    report: &mut Report,
) -> Result<(), Failure> {
    let streams = &door.streams;
    let fetched = async {
        let open = async || streams.open(arn, shard, Position::TrimHorizon).await;
        let from = patiently(open).await?;
        patiently(async || streams.fetch(&from, 1).await).await
    };
    match fetched.await {
        Ok(_) => report.good("reading", "allowed"),
        Err(error) => report.failed("reading", error),
    }
}
