//! Rules that keep what is written true.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Finding;
use super::sources::{Document, Sources};

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

/// The policy grants what the page explains, and nothing else.
pub(super) fn permissions_are_explained(sources: &Sources) -> Vec<Finding> {
    let (policy, page) = ("docs/iam-policy.json", "docs/IAM.md");
    let text = |path| {
        sources
            .document(path)
            .map_or("", |document| document.text.as_str())
    };
    let complain = |path: &str, message: String| Finding {
        path: path.into(),
        line: 1,
        message,
    };
    let Some(granted) = granted_actions(text(policy)) else {
        return vec![complain(policy, "this is not a policy".to_owned())];
    };
    let explained = explained_actions(text(page));
    let unexplained = granted.difference(&explained);
    let unexplained = unexplained.map(|action| complain(page, format!("explain {action}")));
    let missing = explained.difference(&granted);
    let missing = missing.map(|action| complain(policy, format!("grant {action}, or unsay it")));
    unexplained.chain(missing).collect()
}

fn granted_actions(policy: &str) -> Option<BTreeSet<String>> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let mut actions = BTreeSet::new();
    for statement in policy["Statement"].as_array()? {
        match &statement["Action"] {
            Value::String(action) => {
                actions.insert(action.clone());
            }
            Value::Array(several) => {
                actions.extend(several.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => return None,
        }
    }
    Some(actions)
}

/// The actions in the rows of the page's table.
fn explained_actions(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let words = rows.flat_map(|line| line.split('`'));
    words
        .filter(|word| word.starts_with("dynamodb:"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sources::RustFile;

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

    #[test]
    fn policy_and_page_must_name_the_same_actions() {
        let policy =
            r#"{"Statement": [{"Action": "dynamodb:Query"}, {"Action": ["dynamodb:Scan"]}]}"#;
        let page = "| x | `dynamodb:Query`, `dynamodb:GetItem` | y |\n`dynamodb:NotInTheTable`\n";
        let documents = vec![
            document("docs/iam-policy.json", policy),
            document("docs/IAM.md", page),
        ];
        let found = permissions_are_explained(&Sources {
            root: "/w".into(),
            rust: Vec::new(),
            documents,
        });
        let messages: Vec<_> = found
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "explain dynamodb:Scan",
                "grant dynamodb:GetItem, or unsay it"
            ]
        );
    }
}
