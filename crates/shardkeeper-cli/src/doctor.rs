//! `shardkeeper doctor`: what is wrong, and what to do about it.

mod access;
mod group;
mod report;
mod source;

use clap::Args;

use self::report::Report;
use crate::connection::{Connection, Door};
use crate::failure::Failure;
use crate::shards::Stream;

/// Check region, credentials, table, stream, lease table and workers; say what is wrong and what to do.
///
/// Nothing is written: whether writing is allowed is tried with conditions that never hold. Ends with status 1 when
/// something is wrong.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    stream: Stream,
    /// Lease table of the application; it has the application's name unless the worker says otherwise.
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// One JSON object with everything, at the end.
    #[arg(long)]
    json: bool,
}

/// Examines from the outside in: what fails early explains what would fail later.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut report = Report::new(arguments.json);
    let config = arguments.connection.config().await;
    if access::examine(&config, &mut report).await? {
        let door = Door::new(&config);
        let listing = match arguments.stream.is_given() {
            true => source::examine(&door, &arguments.stream, &mut report).await?,
            false => None,
        };
        if let Some(table) = &arguments.app {
            group::examine(&door, table, listing.as_ref(), &mut report).await?;
        }
        if !arguments.stream.is_given() && arguments.app.is_none() {
            report.odd(
                "scope",
                "only the way to AWS was checked",
                "name what to look at: --table SOURCE_TABLE --app APP",
            )?;
        }
    }
    report.end()
}
