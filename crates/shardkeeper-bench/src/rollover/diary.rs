//! What a worker did around the edges that cost most: a line for each thing, in milliseconds since the edge.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper::Event;

use crate::Outcome;
use crate::arrivals::Late;
use crate::stopwatch::wall_clock;

/// So much of a shard's life is told, before and after its edge.
const BEFORE: usize = 4;
const AFTER: usize = 12;

/// What a worker said, by shard. A clone is another handle to the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    of: BTreeMap<String, Vec<(Duration, String)>>,
    parents: BTreeMap<String, String>,
}

impl Diary {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened to a shard just now.
    pub(super) fn note(&self, shard: &str, what: &str) {
        let line = (wall_clock(), what.to_owned());
        self.lock()
            .of
            .entry(shard.to_owned())
            .or_default()
            .push(line);
    }

    pub(super) fn observe(&self, event: &Event) {
        let Some((_, shard)) = event.shard() else {
            return;
        };
        let what = match event {
            Event::LeaseAcquired { .. } => "leased".to_owned(),
            Event::PageFetched { records, .. } => format!("page of {records}"),
            Event::BatchProcessed { .. } => "processed".to_owned(),
            Event::CheckpointStored { .. } => "checkpoint stored".to_owned(),
            Event::ShardEnded { children, .. } => {
                let mut pages = self.lock();
                for child in children {
                    pages.parents.insert(child.to_string(), shard.to_string());
                }
                "end stored".to_owned()
            }
            _ => return,
        };
        self.note(shard.as_str(), &what);
    }

    /// The story of one late record.
    pub(super) fn story(&self, late: &Late) -> Outcome<String> {
        let pages = self.lock();
        let came = late.at;
        let written = came.saturating_sub(late.by);
        let mut text = String::new();
        writeln!(
            text,
            "{} ms late: record {} of its shard",
            late.by.as_millis(),
            late.nth + 1
        )?;
        let none = Vec::new();
        let parent = pages.parents.get(&late.shard);
        let of_parent = parent
            .and_then(|parent| pages.of.get(parent))
            .unwrap_or(&none);
        let of_child = pages.of.get(&late.shard).unwrap_or(&none);
        let edge = of_parent.iter().find(|(_, what)| what.starts_with("edge"));
        let zero = edge.map_or(written, |(at, _)| *at);
        let before = of_parent.iter().filter(|(at, _)| *at < zero).count();
        let mut lines: Vec<(Duration, String)> = Vec::new();
        for (at, what) in of_parent.iter().skip(before.saturating_sub(BEFORE)) {
            lines.push((*at, format!("parent  {what}")));
        }
        for (at, what) in of_child.iter().take(AFTER) {
            lines.push((*at, format!("child   {what}")));
        }
        lines.push((written, "        WRITTEN".to_owned()));
        lines.push((came, "        CAME".to_owned()));
        lines.sort();
        for (at, what) in lines {
            let millis = (at.as_secs_f64() - zero.as_secs_f64()) * 1e3;
            writeln!(text, "  {millis:>8.1}  {what}")?;
        }
        Ok(text)
    }
}
