//! The files that rules look at.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::failure::Failure;
use crate::scan::code_only;
use crate::workspace::Workspace;

/// One Rust file: what is written, and which of it is code.
pub(crate) struct RustFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) code: String,
}

/// One file of prose or data.
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Everything of ours, with paths from the root of the workspace.
pub(crate) struct Sources {
    pub(crate) root: PathBuf,
    pub(crate) rust: Vec<RustFile>,
    pub(crate) documents: Vec<Document>,
}

impl RustFile {
    pub(crate) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            path: path.into(),
            code: code_only(&text),
            text,
        }
    }
}

impl Sources {
    pub(crate) fn read(workspace: &Workspace) -> Outcome<Self> {
        let mut sources = Self {
            root: workspace.root.clone(),
            rust: Vec::new(),
            documents: Vec::new(),
        };
        sources.walk(&workspace.root, workspace)?;
        sources.rust.sort_by(|a, b| a.path.cmp(&b.path));
        sources.documents.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }

    pub(crate) fn document(&self, path: &str) -> Option<&Document> {
        self.documents
            .iter()
            .find(|document| document.path == Path::new(path))
    }

    fn walk(&mut self, folder: &Path, workspace: &Workspace) -> Outcome {
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
            if hidden || path == workspace.target || path.ends_with("target") {
                continue;
            }
            if path.is_dir() {
                self.walk(&path, workspace)?;
            } else {
                self.take(&path, workspace)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path, workspace: &Workspace) -> Outcome {
        let short = workspace.shorten(path).to_owned();
        let read = || fs::read_to_string(path).map_err(|error| unreadable(path, &error));
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => self.rust.push(RustFile::new(short, read()?)),
            Some("md" | "json") => self.documents.push(Document {
                path: short,
                text: read()?,
            }),
            _ => {}
        }
        Ok(())
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}
