//! Packages the crates that are meant to be published, and compiles what is in the packages.
//!
//! `cargo package` could do the second part itself. But it compiles each package alone, so with other features,
//! and the AWS SDK once for each of them. Here they are unpacked side by side and checked together: they need
//! each other, and none of them needs anything that is not in a package.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Task;
use crate::Outcome;
use crate::failure::Failure;
use crate::process::{capture, cargo};
use crate::totals::Totals;
use crate::workspace::{Package, Workspace};

pub(crate) fn run(task: &Task<'_>) -> Outcome<Totals> {
    let workspace = task.workspace;
    let packages: Vec<&Package> = workspace
        .packages
        .iter()
        .filter(|package| package.publishable)
        .collect();
    pack(workspace, &packages)?;
    let folder = unpack(workspace, &packages)?;
    let mut check = cargo();
    check
        .current_dir(&folder)
        .args(["check", "--workspace", "--target-dir"])
        .arg(&workspace.target);
    capture(&mut check)?;
    Ok(Totals::default())
}

fn pack(workspace: &Workspace, packages: &[&Package]) -> Outcome {
    let mut command = cargo();
    // Dirty: the question is whether the work as it stands can be packaged.
    command
        .current_dir(&workspace.root)
        .args(["package", "--no-verify", "--allow-dirty"]);
    for package in packages {
        command.args(["--package", &package.name]);
    }
    capture(&mut command).map(drop)
}

fn unpack(workspace: &Workspace, packages: &[&Package]) -> Outcome<PathBuf> {
    let folder = workspace.target.join("package-check");
    let cannot = |error| Failure::new(format!("cannot write {}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(cannot)?;
    }
    fs::create_dir_all(&folder).map_err(cannot)?;
    for package in packages {
        let archive = workspace
            .target
            .join("package")
            .join(format!("{}.crate", package.id()));
        capture(
            Command::new("tar")
                .arg("-xzf")
                .arg(archive)
                .arg("-C")
                .arg(&folder),
        )?;
    }
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml")).map_err(cannot)?;
    fs::write(
        folder.join("Cargo.toml"),
        manifest_of_all(packages, &manifest),
    )
    .map_err(cannot)?;
    copy_lock(&workspace.root, &folder).map_err(cannot)?;
    Ok(folder)
}

/// The same versions of everything as in the workspace.
fn copy_lock(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(from.join("Cargo.lock"), to.join("Cargo.lock")).map(drop)
}

/// A workspace of the unpacked packages, which finds them where it would look for the published ones.
fn manifest_of_all(packages: &[&Package], workspace_manifest: &str) -> String {
    let mut manifest = String::from("[workspace]\nresolver = \"3\"\nmembers = [\n");
    for package in packages {
        let _ = writeln!(manifest, "    \"{}\",", package.id());
    }
    manifest.push_str("]\n\n[patch.crates-io]\n");
    for package in packages {
        let _ = writeln!(
            manifest,
            "{} = {{ path = \"{}\" }}",
            package.name,
            package.id()
        );
    }
    // With the same profiles, build scripts and macros need not be built again.
    if let Some(at) = workspace_manifest.find("\n[profile.") {
        manifest.push_str(&workspace_manifest[at..]);
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_find_each_other_and_keep_the_profiles() {
        let package = Package {
            name: "a".to_owned(),
            version: "1.2.3".to_owned(),
            manifest: "/w/a/Cargo.toml".into(),
            publishable: true,
            dependencies: Vec::new(),
        };
        let manifest = manifest_of_all(&[&package], "[workspace]\n\n[profile.dev]\ndebug = 1\n");
        assert_eq!(
            manifest,
            "[workspace]\nresolver = \"3\"\nmembers = [\n    \"a-1.2.3\",\n]\n\n\
             [patch.crates-io]\na = { path = \"a-1.2.3\" }\n\n[profile.dev]\ndebug = 1\n"
        );
    }
}
