//! Running the tests that need a server, with everything they must know in their environment.

use std::time::Duration;

use super::venv::Venv;
use crate::Outcome;
use crate::failure::Failure;
use crate::process::cargo;
use crate::steps::Task;
use crate::steps::cargo_steps::{PROGRAMS, SERVER_FEATURE, build, count};
use crate::totals::Totals;

const ENDS_WITHIN: Duration = Duration::from_secs(10 * 60);

/// The suite on one server.
pub(super) struct Suite<'a> {
    /// `ministack`, `emulator`, or `endpoint` for the caller's own.
    pub(super) backend: &'static str,
    pub(super) endpoint_url: &'a str,
    pub(super) venv: &'a Venv,
}

impl Suite<'_> {
    pub(super) fn run(&self, task: &Task<'_>) -> Outcome<Totals> {
        let workspace = task.workspace;
        // Tests that start worker processes need their programs, also when this step runs alone.
        build(task)?;
        let mut command = cargo();
        command
            .current_dir(&workspace.root)
            // The whole workspace is named for its features; only the test program `server` is run.
            .args([
                "test",
                "--workspace",
                "--features",
                SERVER_FEATURE,
                "--test",
                "server",
            ])
            .env(PROGRAMS, workspace.programs())
            .env("SHARDKEEPER_ENDPOINT_URL", self.endpoint_url)
            .env("SHARDKEEPER_BACKEND", self.backend)
            .env("SHARDKEEPER_PYTHON", self.venv.python());
        if is_on_this_machine(self.endpoint_url) {
            let nowhere = workspace.target.join("no-such-file");
            // Servers here take any credentials. Nothing of the caller's may reach or disturb them.
            command
                .env("AWS_ACCESS_KEY_ID", "local")
                .env("AWS_SECRET_ACCESS_KEY", "local")
                .env("AWS_REGION", "us-east-1")
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("AWS_CONFIG_FILE", &nowhere)
                .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
                .env_remove("AWS_SESSION_TOKEN")
                .env_remove("AWS_PROFILE");
        }
        let totals = count(&mut command, ENDS_WITHIN)?;
        if totals.ran() {
            return Ok(totals);
        }
        Err(Failure::new("the server suite ran no test"))
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| {
        host.strip_prefix(local)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_gets_made_up_credentials() {
        for local in [
            "http://127.0.0.1:8000",
            "http://localhost",
            "http://[::1]:8000/x",
        ] {
            assert!(is_on_this_machine(local), "{local}");
        }
        for remote in [
            "https://dynamodb.eu-central-1.amazonaws.com",
            "http://localhost.example",
        ] {
            assert!(!is_on_this_machine(remote), "{remote}");
        }
    }
}
