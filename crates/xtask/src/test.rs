//! `cargo xtask test`: every check, one after the other, until one fails.

use std::time::Instant;

use clap::Args;

use crate::Outcome;
use crate::failure::Failure;
use crate::progress::{Progress, seconds};
use crate::steps::{self, Step, Task};
use crate::totals::Totals;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Run only this step, or the steps whose names begin with it and a dash; can be repeated
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Show the steps and what they do
    #[arg(long)]
    list: bool,
    /// Run the server suite against this endpoint, instead of servers that we start
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, options: Options) -> Outcome {
    let all = steps::all(options.endpoint_url.is_some());
    if options.list {
        for step in &all {
            println!("{:<18}{}", step.name, step.what);
        }
        return Ok(());
    }
    let chosen = choose(all, &options.only)?;
    let task = Task {
        workspace,
        endpoint_url: options.endpoint_url,
    };
    let begun = Instant::now();
    let totals = run_steps(&chosen, &task)?;
    println!(
        "\nsteps passed: {}, in {}",
        chosen.len(),
        seconds(begun.elapsed())
    );
    if totals.ran() {
        println!("total: {totals}");
    }
    if !options.only.is_empty() {
        println!("(only what --only asked for; the whole is `cargo xtask test`)");
    }
    Ok(())
}

fn run_steps(steps: &[Step], task: &Task<'_>) -> Outcome<Totals> {
    let progress = Progress::new();
    progress.heading();
    let begun = Instant::now();
    let ready = steps::preflight::check(steps);
    let result = ready.as_ref().map(|()| Totals::default()).map_err(drop);
    progress.end(
        "preflight",
        "is everything here that the steps need?",
        begun.elapsed(),
        result,
    );
    ready?;

    let mut totals = Totals::default();
    for step in steps {
        progress.begin(step.name, step.what, step.talks);
        let begun = Instant::now();
        let outcome = (step.run)(task).and_then(refuse_ignored);
        let result = outcome.as_ref().copied().map_err(drop);
        progress.end(step.name, step.what, begun.elapsed(), result);
        totals.add(outcome.map_err(|failure| step.explain(failure))?);
    }
    Ok(totals)
}

/// Nothing is skipped silently: a test that is switched off fails the step that would have run it.
fn refuse_ignored(totals: Totals) -> Outcome<Totals> {
    if totals.ignored == 0 {
        return Ok(totals);
    }
    Err(
        Failure::new(format!("{} tests are ignored", totals.ignored)).advice(
            "mend them or delete them; a test that needs a server belongs to the server suite",
        ),
    )
}

/// The steps that `--only` names: by their whole name, or by the part before a dash.
fn choose(all: Vec<Step>, only: &[String]) -> Outcome<Vec<Step>> {
    let names: Vec<&str> = all.iter().map(|step| step.name).collect();
    for wanted in only {
        if !names.iter().any(|name| is_meant(name, wanted)) {
            return Err(Failure::new(format!("there is no step `{wanted}`"))
                .advice(format!("the steps are: {}", names.join(", "))));
        }
    }
    let chosen = all.into_iter();
    let meant = |step: &Step| only.is_empty() || only.iter().any(|name| is_meant(step.name, name));
    Ok(chosen.filter(meant).collect())
}

fn is_meant(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[&str]) -> Outcome<Vec<&'static str>> {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        Ok(choose(steps::all(false), &only)?
            .iter()
            .map(|step| step.name)
            .collect())
    }

    #[test]
    fn without_a_wish_every_step_runs() {
        assert_eq!(chosen(&[]).unwrap().len(), steps::all(false).len());
    }

    #[test]
    fn a_name_before_a_dash_means_all_its_steps() {
        assert_eq!(
            chosen(&["server"]).unwrap(),
            ["server-ministack", "server-emulator"]
        );
        assert_eq!(chosen(&["format", "clippy"]).unwrap(), ["format", "clippy"]);
        assert_eq!(chosen(&["test"]).unwrap(), ["test"]);
    }

    #[test]
    fn a_step_that_does_not_exist_is_refused_with_the_names_of_those_that_do() {
        let message = chosen(&["fromat"]).unwrap_err().to_string();
        assert!(
            message.contains("`fromat`") && message.contains("format, clippy"),
            "{message}"
        );
    }

    #[test]
    fn an_endpoint_of_the_callers_replaces_the_servers_that_we_start() {
        let names: Vec<_> = steps::all(true).iter().map(|step| step.name).collect();
        assert!(names.contains(&"server-endpoint"));
        assert!(!names.contains(&"server-ministack") && !names.contains(&"server-emulator"));
    }

    #[test]
    fn an_ignored_test_fails_the_step() {
        assert!(
            refuse_ignored(Totals {
                passed: 9,
                failed: 0,
                ignored: 1
            })
            .is_err()
        );
        assert!(
            refuse_ignored(Totals {
                passed: 9,
                failed: 0,
                ignored: 0
            })
            .is_ok()
        );
    }
}
