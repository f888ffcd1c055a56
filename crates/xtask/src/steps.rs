//! The steps of `cargo xtask test`, in their order: cheap ones first, so that a typing mistake costs no build.

pub(crate) mod cargo_steps;
mod package;
pub(crate) mod preflight;

use crate::failure::Failure;
use crate::totals::Totals;
use crate::workspace::Workspace;
use crate::{Outcome, facts, model, rules, server, sim, trace};

/// What a step may need to know.
pub(crate) struct Task<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) endpoint_url: Option<String>,
}

/// Something a machine must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Rustfmt,
    Clippy,
    CCompiler,
    Python,
}

/// One check.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) needs: &'static [Tool],
    /// Its output is shown while it runs; otherwise only if it fails.
    pub(crate) talks: bool,
    pub(crate) run: fn(&Task<'_>) -> Outcome<Totals>,
    /// What to do when it fails and nobody said anything better.
    advice: &'static str,
}

impl Step {
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let again = format!(
            "{}; again: cargo xtask test --only {}",
            self.advice, self.name
        );
        failure.or_advice(again)
    }
}

/// Every step. With an endpoint of the caller's, the server suite runs there and nowhere else.
pub(crate) fn all(endpoint_given: bool) -> Vec<Step> {
    let mut steps = source_steps();
    steps.extend(cargo_steps());
    steps.extend(exploring_steps());
    if endpoint_given {
        steps.push(endpoint_step());
    } else {
        steps.extend(server_steps());
    }
    steps
}

fn source_steps() -> Vec<Step> {
    vec![
        Step {
            name: "source-rules",
            what: "what compilers do not check: layers, selects, links",
            needs: &[],
            talks: false,
            run: |task| rules::check(task.workspace).map(|()| Totals::default()),
            advice: "mend each line above; CONTRIBUTING.md has the rules",
        },
        Step {
            name: "trace",
            what: "every guarantee has code and tests, named rightly",
            needs: &[],
            talks: false,
            run: |task| trace::check(task.workspace).map(|()| Totals::default()),
            advice: "CONTRIBUTING.md says how to cite",
        },
        Step {
            name: "facts",
            what: "every fact, quirk and past bug has a test",
            needs: &[],
            talks: false,
            run: |task| facts::check(task.workspace).map(|()| Totals::default()),
            advice: "`cargo xtask facts` shows which test names which line",
        },
        Step {
            name: "format",
            what: "cargo fmt --check",
            needs: &[Tool::Rustfmt],
            talks: false,
            run: cargo_steps::format,
            advice: "run `cargo fmt`",
        },
    ]
}

fn cargo_steps() -> Vec<Step> {
    const BUILD: &[Tool] = &[Tool::CCompiler];
    const NO_WARNING: &str = "mend the warnings; a fence (clippy.toml) says what to use instead";
    let step = |name, what, talks, run, advice| Step {
        name,
        what,
        talks,
        run,
        advice,
        needs: BUILD,
    };
    vec![
        Step {
            needs: &[Tool::Clippy, Tool::CCompiler],
            ..step(
                "clippy",
                "all targets, warnings denied",
                false,
                cargo_steps::clippy,
                NO_WARNING,
            )
        },
        step(
            "docs",
            "rustdoc, warnings denied",
            false,
            cargo_steps::docs,
            "mend the docs",
        ),
        step(
            "build",
            "programs and examples",
            false,
            cargo_steps::build,
            "mend the build",
        ),
        step(
            "test",
            "unit and integration tests",
            true,
            cargo_steps::test,
            "mend the tests",
        ),
        step(
            "doctest",
            "the examples in the docs",
            true,
            cargo_steps::doctest,
            "mend the docs",
        ),
        step(
            "package",
            "what will be published compiles from its packages",
            false,
            package::run,
            "a packaged crate sees only its own folder: look for files outside it",
        ),
    ]
}

/// What looks for states and worlds that nobody thought of.
fn exploring_steps() -> Vec<Step> {
    const BUILD: &[Tool] = &[Tool::CCompiler];
    vec![
        Step {
            name: "model",
            what: "every state of the lease protocol's model",
            needs: BUILD,
            talks: true,
            run: |task| model::step(task.workspace).map(|()| Totals::default()),
            advice: "the story above says how it came about; crates/shardkeeper-model/src/lib.rs how to read it",
        },
        Step {
            name: "sim",
            what: "2000 simulated worlds, judged at every step",
            needs: BUILD,
            talks: true,
            run: sim::step,
            advice: "the seed is named above: `cargo xtask sim --seed N --trace` tells its story",
        },
    ]
}

fn server_steps() -> Vec<Step> {
    const ADVICE: &str = "the server's own words are in target/server/";
    vec![
        Step {
            name: "server-ministack",
            what: "the server suite on ministack, over HTTP",
            needs: &[Tool::CCompiler, Tool::Python],
            talks: true,
            run: server::on_ministack,
            advice: ADVICE,
        },
        Step {
            name: "server-emulator",
            what: "the same on the emulator's HTTP server",
            needs: &[Tool::CCompiler, Tool::Python],
            talks: true,
            run: server::on_emulator,
            advice: ADVICE,
        },
    ]
}

fn endpoint_step() -> Step {
    Step {
        name: "server-endpoint",
        what: "the server suite on the given endpoint",
        needs: &[Tool::CCompiler, Tool::Python],
        talks: true,
        run: server::on_endpoint,
        advice: "is the server there, and does it speak DynamoDB and its streams?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_their_column() {
        let steps = all(false);
        for (index, step) in steps.iter().enumerate() {
            assert!(
                step.name.len() < 18 && step.what.len() < 52,
                "{}",
                step.name
            );
            assert!(
                steps[..index].iter().all(|other| other.name != step.name),
                "{}",
                step.name
            );
        }
    }

    #[test]
    fn advice_of_its_own_stays_and_a_failure_without_gets_the_steps() {
        let step = endpoint_step();
        let own = step
            .explain(Failure::new("x").advice("do this"))
            .to_string();
        assert!(own.contains("do this") && !own.contains("again"));
        let none = step.explain(Failure::new("x")).to_string();
        assert!(none.contains("cargo xtask test --only server-endpoint"));
    }
}
