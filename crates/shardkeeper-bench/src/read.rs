//! What a worker costs above a bare loop of GetRecords calls, both over the same backlog in the same run.

use clap::Args;

use crate::Outcome;
use crate::backlog::{PAGE_RECORDS, Size};
use crate::child::ServerProcess;
use crate::report::{Paint, Report, SizeReport};
use crate::round::{Course, Round};
use crate::serve::Ready;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often everything is measured; medians are shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How many pages of 1000 records each client reads; the server keeps about 4 MB for each
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pages: u32,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures, shows and judges. A run whose server was too slow is void, which is an error.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let pages = options.pages;
    eprintln!("filling the emulator: 2 x {pages} pages of {PAGE_RECORDS} records");
    // Serves as long as it is not dropped.
    let (_server, ready) =
        ServerProcess::start::<Ready>(&["serve", "--pages", &pages.to_string()])?;
    let mut small = SizeReport::of(Size::Small);
    let mut large = SizeReport::of(Size::Large);
    for number in 1..=options.rounds {
        for report in [&mut small, &mut large] {
            let round = Round::run(Course {
                endpoint: &ready.endpoint,
                size: report.size(),
                pages,
            })?;
            let told = report.add(round);
            eprintln!("round {number}/{}: {told}", options.rounds);
        }
    }
    let report = Report { small, large };
    print!("{}", report.table(Paint::for_stdout()));
    report.verify_server()?;
    if options.json {
        println!("{}", report.json()?);
    }
    Ok(())
}
