//! The least that anybody can do with the SDK.

use super::tally::Tally;
use super::{Options, Sample, first_iterator, process_for};
use crate::Outcome;
use crate::account;
use crate::backlog::PAGE_RECORDS;
use crate::stopwatch::Moment;

/// Sends, counts, waits if told to, drops; one after the other.
pub(super) async fn read(options: &Options) -> Outcome<Sample> {
    let client = account::bare_client(&options.endpoint);
    let mut iterator = first_iterator(&client, options.size).await?;
    let mut tally = Tally::of(options.expected_records());
    let limit = i32::try_from(PAGE_RECORDS)?;
    loop {
        let sent = Moment::now();
        let page = client
            .get_records()
            .shard_iterator(iterator)
            .limit(limit)
            .send()
            .await?;
        tally.fetched(sent.until_now().wall);
        tally.page(page.records().len())?;
        process_for(options.wait()).await;
        if let Some(sample) = tally.complete() {
            return Ok(sample);
        }
        iterator = page.next_shard_iterator.ok_or("the shard has ended")?;
    }
}
