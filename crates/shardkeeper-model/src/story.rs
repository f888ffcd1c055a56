//! Tells how something came about: each step, and what it changed.

use std::fmt;

use shardkeeper_core::lease::Lease;

use crate::cast::{Branch, worker_name};
use crate::check::Found;
use crate::state::{Life, State};

/// A counterexample, for people.
#[derive(Debug)]
pub struct Story<'a>(pub &'a Found);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found {
            rule,
            path,
            last,
            aftermath,
        } = self.0;
        writeln!(f, "broken: {rule}")?;
        if let Some((first, _)) = path.first() {
            writeln!(f, "  at first: {}", scene(first).join("; "))?;
        }
        for (index, (before, action)) in path.iter().enumerate() {
            let after = path.get(index + 1).map_or(last, |(state, _)| state);
            writeln!(f, "{:3}. {action}{}", index + 1, news(before, after))?;
        }
        if !aftermath.is_empty() {
            writeln!(f, "  and then, if nothing more goes wrong:")?;
        }
        for (index, (before, actions)) in aftermath.iter().enumerate() {
            let told: Vec<String> = actions.iter().map(ToString::to_string).collect();
            let after = aftermath.get(index + 1).map(|(state, _)| state);
            let news = after.map_or(" (and so on)".to_owned(), |after| news(before, after));
            writeln!(f, "   - {}{news}", told.join(", "))?;
        }
        Ok(())
    }
}

/// What a step changed.
fn news(before: &State, after: &State) -> String {
    let known = scene(before);
    let news = scene(after)
        .into_iter()
        .filter(|line| !known.contains(line));
    let news: Vec<String> = news.collect();
    if news.is_empty() {
        return String::new();
    }
    format!(": {}", news.join("; "))
}

/// What there is to say of a state.
fn scene(state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (branch, lease) in state.table.leases() {
        lines.push(lease_line(branch, lease));
    }
    for row in state.table.workers() {
        lines.push(format!("the row of {} says {:?}", row.id, row.state));
    }
    for (index, worker) in state.workers.iter().enumerate() {
        let name = worker_name(index);
        if worker.life != Life::Living {
            lines.push(format!("{name} is {:?}", worker.life));
            continue;
        }
        let left = worker.until.saturating_sub(state.now);
        if left == 0 {
            lines.push(format!("{} has lapsed", worker.id));
        }
        for branch in Branch::ALL {
            if let Some(task) = &worker.tasks[branch.index()] {
                let writing = task.writing.as_ref();
                let writing = writing.map_or(String::new(), |writing| {
                    format!(", does not know yet what became of {:?}", writing.intent)
                });
                let epoch = task.held.epoch();
                lines.push(format!(
                    "{} reads {branch:?} under epoch {epoch}{writing}",
                    worker.id
                ));
            }
            if state.dispatches(index, branch) {
                lines.push(format!("{} may dispatch {branch:?}", worker.id));
            }
        }
    }
    lines.extend(state.broken.map(|broken| format!("broken: {broken:?}")));
    lines
}

fn lease_line(branch: Branch, lease: &Lease) -> String {
    let owner = lease.owner.as_ref().map_or("nobody", |id| id.as_str());
    let asker = lease.next_owner.as_ref();
    let asker = asker.map_or(String::new(), |id| format!(", asked for by {id}"));
    format!(
        "{branch:?} is {owner}'s under epoch {}, at {}{asker}",
        lease.epoch, lease.checkpoint
    )
}
