//! The server suite: the tests in `tests/` behind the feature `server`, run against a real HTTP server.

mod suite;
mod supervised;
pub(crate) mod venv;

use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::failure::Failure;
use crate::steps::{Task, cargo_steps};
use crate::totals::Totals;
use suite::Suite;
use supervised::Server;

/// A server that takes longer to answer is broken.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Somebody else may take a port between our choice and the server's start.
const PORT_ATTEMPTS: usize = 3;

/// ministack, a server written by others, installed by us in a venv.
pub(crate) fn on_ministack(task: &Task<'_>) -> Outcome<Totals> {
    let venv = venv::ready(task.workspace)?;
    let mut last = None;
    for _ in 0..PORT_ATTEMPTS {
        match start_ministack(task, &venv) {
            Ok(server) => {
                let suite = Suite {
                    backend: "ministack",
                    endpoint_url: server.url(),
                    venv: &venv,
                };
                return suite.run(task);
            }
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::new("ministack was never started")))
}

fn start_ministack(task: &Task<'_>, venv: &venv::Venv) -> Outcome<Server> {
    let port = supervised::free_port()?;
    let folder = supervised::folder(task.workspace)?;
    let mut command = Command::new(venv.program("ministack"));
    command
        .current_dir(&folder)
        // It writes a file with its process id there.
        .env("TMPDIR", &folder)
        .env("GATEWAY_PORT", port.to_string())
        // By default it listens on all interfaces, and on a second port for MQTT.
        .env("BIND_HOST", "127.0.0.1")
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        .env("SERVICES", "dynamodb,dynamodbstreams");
    let server = Server::start("ministack", &command, &venv.python(), &folder)?;
    server.wait_for_port(port, READY_WITHIN)
}

/// Our own emulator, in a process of its own.
pub(crate) fn on_emulator(task: &Task<'_>) -> Outcome<Totals> {
    let venv = venv::ready(task.workspace)?;
    cargo_steps::build(task)?;
    let program = task.workspace.programs().join("shardkeeper");
    let folder = supervised::folder(task.workspace)?;
    let mut command = Command::new(program);
    command.args(["emulator", "--port", "0"]);
    let server = Server::start("emulator", &command, &venv.python(), &folder)?;
    let server = server.wait_for_line("listening on ", READY_WITHIN)?;
    Suite {
        backend: "emulator",
        endpoint_url: server.url(),
        venv: &venv,
    }
    .run(task)
}

/// Whatever the caller has.
pub(crate) fn on_endpoint(task: &Task<'_>) -> Outcome<Totals> {
    let url = task
        .endpoint_url
        .as_deref()
        .ok_or_else(|| Failure::new("no --endpoint-url"))?;
    let venv = venv::ready(task.workspace)?;
    Suite {
        backend: "endpoint",
        endpoint_url: url,
        venv: &venv,
    }
    .run(task)
}
