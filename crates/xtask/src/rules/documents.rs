//! Rules that keep what is written true.

use std::path::Path;

use super::Finding;
use crate::sources::{Document, Sources};

/// A link from one file to another must find it.
pub(super) fn links_lead_somewhere(sources: &Sources) -> Vec<Finding> {
    let exists = |path: &Path| sources.root.join(path).exists();
    let written = sources
        .documents
        .iter()
        .filter(|document| is_prose(document));
    written
        .flat_map(|document| dead_links(document, exists))
        .collect()
}

fn is_prose(document: &Document) -> bool {
    document
        .path
        .extension()
        .is_some_and(|extension| extension == "md")
}

fn dead_links(document: &Document, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let folder = document.path.parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        for link in links(line) {
            let file = link.split('#').next().unwrap_or(link);
            if !file.is_empty() && !file.contains("://") && !exists(&folder.join(file)) {
                findings.push(Finding {
                    path: document.path.clone(),
                    line: index + 1,
                    message: format!("there is no {file}"),
                });
            }
        }
    }
    findings
}

/// The targets of `[text](target)` in one line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// Whoever copies from the README copies something that is compiled here.
pub(super) fn code_in_the_readme_is_an_example(sources: &Sources) -> Vec<Finding> {
    let Some(readme) = sources.document("README.md") else {
        let message = "there is no README.md".to_owned();
        return vec![Finding {
            path: "README.md".into(),
            line: 1,
            message,
        }];
    };
    let examples = sources
        .rust
        .iter()
        .filter(|file| file.path.starts_with("examples"));
    let examples: Vec<&str> = examples.map(|file| file.text.as_str()).collect();
    let blocks = rust_blocks(&readme.text).into_iter();
    blocks
        .filter(|(_, block)| !examples.iter().any(|example| holds(example, block)))
        .map(|(line, _)| Finding {
            path: readme.path.clone(),
            line,
            message: "this block is not, line by line, in any file of examples/".to_owned(),
        })
        .collect()
}

/// Each block that is fenced as Rust, with the line of its fence.
fn rust_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        match &mut open {
            Some(_) if is_fence => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line.trim_start().starts_with("```rust") => {
                open = Some((index + 1, String::new()));
            }
            None => {}
        }
    }
    blocks
}

/// Does the example hold the block as whole lines?
fn holds(example: &str, block: &str) -> bool {
    let block = block.trim_end();
    !block.is_empty() && format!("\n{example}\n").contains(&format!("\n{block}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::RustFile;

    fn document(path: &str, text: &str) -> Document {
        Document {
            path: path.into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_is_found() {
        let text =
            "[a](IAM.md) [b](adr/1.md#x)\n[c](https://e.example/x) [d](#here) [e](gone.md)\n";
        let found = dead_links(&document("docs/A.md", text), |path| {
            path == Path::new("docs/IAM.md") || path == Path::new("docs/adr/1.md")
        });
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].line, found[0].message.as_str()),
            (2, "there is no gone.md")
        );
    }

    #[test]
    fn a_block_of_the_readme_must_stand_in_an_example_line_by_line() {
        let readme = "```rust\nfn a() {}\nfn b() {}\n```\n\n```sh\nls\n```\n```rust\nfn a()\n```\n";
        let sources = Sources {
            root: "/w".into(),
            rust: vec![RustFile::new(
                "examples/hello.rs",
                "//! hi\nfn a() {}\nfn b() {}\n",
            )],
            documents: vec![document("README.md", readme)],
        };
        let found = code_in_the_readme_is_an_example(&sources);
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [9]
        );
    }
}
