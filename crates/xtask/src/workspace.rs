//! The workspace as Cargo describes it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Outcome;
use crate::failure::Failure;
use crate::process::{capture, cargo};

/// Where everything is and which packages there are.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest: PathBuf,
    pub(crate) publishable: bool,
    /// Direct dependencies of every kind, by the name of their package.
    pub(crate) dependencies: Vec<String>,
}

impl Package {
    /// What Cargo calls its archive.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

impl Workspace {
    pub(crate) fn load() -> Outcome<Self> {
        let text = capture(cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
        parse(&text).ok_or_else(|| Failure::new("cannot make sense of `cargo metadata`"))
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Where `cargo build` puts the programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// A path as people see it: from the root of the workspace.
    pub(crate) fn shorten<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

fn parse(metadata: &str) -> Option<Workspace> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    let packages = metadata["packages"].as_array()?.iter().map(package);
    Some(Workspace {
        root: metadata["workspace_root"].as_str()?.into(),
        target: metadata["target_directory"].as_str()?.into(),
        packages: packages.collect::<Option<_>>()?,
    })
}

fn package(metadata: &Value) -> Option<Package> {
    let dependencies = metadata["dependencies"].as_array()?.iter();
    let names = dependencies.map(|dependency| dependency["name"].as_str().map(str::to_owned));
    Some(Package {
        name: metadata["name"].as_str()?.to_owned(),
        version: metadata["version"].as_str()?.to_owned(),
        manifest: metadata["manifest_path"].as_str()?.into(),
        // `publish = false` is an empty list of registries here; absent means any.
        publishable: metadata["publish"].is_null(),
        dependencies: names.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_description_becomes_packages() {
        let text = r#"{"workspace_root": "/w", "target_directory": "/w/target", "packages": [
            {"name": "a", "version": "0.1.0", "manifest_path": "/w/a/Cargo.toml", "publish": null,
             "dependencies": [{"name": "serde"}]},
            {"name": "b", "version": "0.0.0", "manifest_path": "/w/b/Cargo.toml", "publish": [], "dependencies": []}]}"#;
        let workspace = parse(text).unwrap();
        assert_eq!(workspace.programs(), Path::new("/w/target/debug"));
        assert_eq!(
            workspace.shorten(Path::new("/w/a/x.rs")),
            Path::new("a/x.rs")
        );
        assert!(workspace.package("a").unwrap().publishable);
        assert_eq!(workspace.package("a").unwrap().dependencies, ["serde"]);
        assert!(!workspace.package("b").unwrap().publishable);
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(parse("{}").is_none());
        assert!(parse("not json").is_none());
    }
}
