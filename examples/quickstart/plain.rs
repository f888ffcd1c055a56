//! The run as lines: once a second how it stands, and in between what happened.

use std::io::{self, Write};

use crate::chronicle::{Note, Tally};
use crate::picture::{Picture, WorkerRow, age, grouped, seconds};

/// Writes lines to stdout and remembers how far it has come.
#[derive(Default)]
pub(crate) struct Plain {
    notes: usize,
    seconds: u64,
}

impl Plain {
    /// Says what this is and what the columns mean.
    pub(crate) fn open(&self, title: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{title}\n")?;
        let columns = [
            "time",
            "written",
            "processed",
            "per s",
            "age",
            "open",
            "ended",
        ];
        let [time, written, processed, rate, age, open, ended] = columns;
        write!(out, "{time:>7} {written:>9} {processed:>10} {rate:>7} ")?;
        writeln!(out, "{age:>6} {open:>5} {ended:>6}   shards of each worker")
    }

    /// What is new since the last time.
    pub(crate) fn print(&mut self, picture: &Picture) -> io::Result<()> {
        let mut out = io::stdout().lock();
        self.tell(picture, &mut out)?;
        let now = picture.elapsed.as_secs();
        if now > self.seconds {
            self.seconds = now;
            stand(picture, &mut out)?;
        }
        out.flush()
    }

    /// The rest of the story, and how often what happened.
    pub(crate) fn finish(&mut self, picture: &Picture, tally: Tally) -> io::Result<()> {
        let mut out = io::stdout().lock();
        self.tell(picture, &mut out)?;
        let Tally {
            roll_overs,
            splits,
            take_overs,
            hand_offs,
        } = tally;
        let after = seconds(picture.elapsed);
        writeln!(
            out,
            "\n{after}: {roll_overs} roll-overs, {splits} splits, {take_overs} take-overs, {hand_offs} hand-offs"
        )
    }

    fn tell(&mut self, picture: &Picture, out: &mut impl Write) -> io::Result<()> {
        for Note { at, text, .. } in picture.notes.iter().skip(self.notes) {
            writeln!(out, "{:>7}   {text}", seconds(*at))?;
        }
        self.notes = picture.notes.len();
        Ok(())
    }
}

fn stand(picture: &Picture, out: &mut impl Write) -> io::Result<()> {
    let workers: Vec<String> = picture.workers.iter().map(worker).collect();
    writeln!(
        out,
        "{:>7} {:>9} {:>10} {:>7} {:>6} {:>5} {:>6}   {}",
        seconds(picture.elapsed),
        grouped(picture.written),
        grouped(picture.processed),
        grouped(picture.per_second),
        age(picture.age()),
        picture.open(),
        picture.ended,
        workers.join("  "),
    )
}

fn worker(row: &WorkerRow) -> String {
    match row.at_work {
        true => format!("{} {}", row.name, row.shards),
        false => format!("{} {}", row.name, row.state),
    }
}
