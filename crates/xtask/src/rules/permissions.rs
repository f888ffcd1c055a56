//! The policy grants what the worker calls, the page explains it, and there is nothing else in either.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Finding;
use crate::sources::{RustFile, Sources};

const POLICY: &str = "docs/iam-policy.json";
const PAGE: &str = "docs/IAM.md";
const CALLS: &str = "crates/shardkeeper/src/aws";

/// How a call looks in the source, and what it needs to be allowed. A transaction is allowed by its parts.
const CALLED: &[(&str, &str)] = &[
    (".batch_get_item()", "BatchGetItem"),
    (".batch_write_item()", "BatchWriteItem"),
    (".create_table()", "CreateTable"),
    (".delete_item()", "DeleteItem"),
    (".describe_stream()", "DescribeStream"),
    (".describe_table()", "DescribeTable"),
    (".get_item()", "GetItem"),
    (".get_records()", "GetRecords"),
    (".get_shard_iterator()", "GetShardIterator"),
    (".list_streams()", "ListStreams"),
    (".put_item()", "PutItem"),
    (".query()", "Query"),
    (".scan()", "Scan"),
    (".update_item()", "UpdateItem"),
    (".update_table()", "UpdateTable"),
    ("ConditionCheck::builder()", "ConditionCheckItem"),
    ("Delete::builder()", "DeleteItem"),
    ("Put::builder()", "PutItem"),
    ("Update::builder()", "UpdateItem"),
];

pub(super) fn are_what_is_called_and_explained(sources: &Sources) -> Vec<Finding> {
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
    let Some(granted) = granted_actions(text(POLICY)) else {
        return vec![complain(POLICY, "this is not a policy".to_owned())];
    };
    let called = called_actions(&sources.rust);
    let explained = explained_actions(text(PAGE));
    let missing = called
        .difference(&granted)
        .map(|action| complain(POLICY, format!("grant {action}")));
    let idle = granted.difference(&called);
    let idle = idle.map(|action| complain(POLICY, format!("{action} is never called")));
    let silent = granted.difference(&explained);
    let silent = silent.map(|action| complain(PAGE, format!("explain {action}")));
    let stale = explained.difference(&granted);
    let stale = stale.map(|action| complain(PAGE, format!("{action} is not granted")));
    missing.chain(idle).chain(silent).chain(stale).collect()
}

fn called_actions(files: &[RustFile]) -> BTreeSet<String> {
    let ours = files.iter().filter(|file| file.path.starts_with(CALLS));
    let squeezed = ours.map(|file| file.code.split_whitespace().collect::<String>());
    let squeezed: String = squeezed.collect();
    let called = CALLED.iter().filter(|(call, _)| squeezed.contains(call));
    called
        .map(|(_, action)| format!("dynamodb:{action}"))
        .collect()
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
    let action_column = rows.filter_map(|line| line.split('|').nth(2));
    let words = action_column.flat_map(|cell| cell.split('`'));
    words
        .filter(|word| word.starts_with("dynamodb:"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Document;

    fn document(path: &str, text: &str) -> Document {
        Document {
            path: path.into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn code_policy_and_page_must_name_the_same_actions() {
        let calls = "client\n    .scan()\n    .send(); Update::builder() // .query()\n";
        let policy =
            r#"{"Statement": [{"Action": "dynamodb:Scan"}, {"Action": ["dynamodb:Query"]}]}"#;
        let page = "| x | `dynamodb:Scan`, `dynamodb:GetItem` | y |\n`dynamodb:NotInTheTable`\n";
        let found = are_what_is_called_and_explained(&Sources {
            root: "/w".into(),
            rust: vec![RustFile::new("crates/shardkeeper/src/aws/leases.rs", calls)],
            documents: vec![document(POLICY, policy), document(PAGE, page)],
        });
        let messages: Vec<_> = found
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "grant dynamodb:UpdateItem",
                "dynamodb:Query is never called",
                "explain dynamodb:Query",
                "dynamodb:GetItem is not granted",
            ]
        );
    }
}
