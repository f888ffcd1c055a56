//! What `cargo xtask test` tells the server suite.

use std::path::PathBuf;
use std::process::Command;

/// Where the server is, and what else the tests may use.
pub(crate) struct Surroundings {
    /// `http://127.0.0.1:<port>`, or what the caller gave.
    pub(crate) endpoint_url: String,
    /// A Python that has boto3.
    python: PathBuf,
}

impl Surroundings {
    /// Reads the environment; a test without its surroundings fails.
    pub(crate) fn get() -> Self {
        Self {
            endpoint_url: variable("SHARDKEEPER_ENDPOINT_URL"),
            python: variable("SHARDKEEPER_PYTHON").into(),
        }
    }

    /// The writer that somebody else wrote, so to speak: boto3, not our SDK.
    pub(crate) fn write_with_boto3(&self, table: &str, view_type: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/write_with_boto3.py"))
            .args(["--endpoint-url", &self.endpoint_url])
            .args(["--table", table, "--view-type", view_type]);
        command
    }

    /// A table name that no other run has used on this server.
    pub(crate) fn table(&self, purpose: &str) -> String {
        format!("{purpose}-{}", std::process::id())
    }
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the server suite by `cargo xtask test --only server`")
    })
}
