//! `ExpressionAttributeNames` and `ExpressionAttributeValues`: what `#name` and `:value` stand for, and which were used.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Kind;
use crate::emulator::value::{AttributeValue, Invalid};

/// The substitutions of one request, shared by all its expressions.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    names: Option<BTreeMap<String, String>>,
    values: Option<BTreeMap<String, AttributeValue>>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
}

impl Bindings {
    /// Reads both members of a request.
    pub(crate) fn from_json(
        names: Option<&Value>,
        values: Option<&Value>,
    ) -> Result<Self, Invalid> {
        Ok(Self {
            names: names.map(read_names).transpose()?,
            values: values.map(read_values).transpose()?,
            ..Self::default()
        })
    }

    /// What `#name` stands for.
    pub(super) fn name(&mut self, kind: Kind, token: &str) -> Result<String, Invalid> {
        let name = self.names.as_ref().and_then(|names| names.get(token)).ok_or_else(|| {
            Invalid(format!(
                "Invalid {}: An expression attribute name used in the document path is not defined; attribute name: {token}",
                kind.member()
            ))
        })?;
        self.used_names.insert(token.to_owned());
        Ok(name.clone())
    }

    /// What `:value` stands for.
    pub(super) fn value(&mut self, kind: Kind, token: &str) -> Result<AttributeValue, Invalid> {
        let value = self.values.as_ref().and_then(|values| values.get(token)).ok_or_else(|| {
            Invalid(format!(
                "Invalid {}: An expression attribute value used in expression is not defined; attribute value: {token}",
                kind.member()
            ))
        })?;
        self.used_values.insert(token.to_owned());
        Ok(value.clone())
    }

    /// Called when every expression of the request is parsed: nothing may be left unused.
    /// `expressions` are the members that could have used them, with whether each was given.
    pub(crate) fn finish(&self, expressions: &[(Kind, bool)]) -> Result<(), Invalid> {
        check_used(
            "ExpressionAttributeValues",
            self.values.as_ref(),
            &self.used_values,
            expressions,
        )?;
        check_used(
            "ExpressionAttributeNames",
            self.names.as_ref(),
            &self.used_names,
            expressions,
        )
    }
}

fn check_used<T>(
    member: &str,
    given: Option<&BTreeMap<String, T>>,
    used: &BTreeSet<String>,
    expressions: &[(Kind, bool)],
) -> Result<(), Invalid> {
    let Some(given) = given else { return Ok(()) };
    if expressions.iter().all(|(_, present)| !present) {
        let members: Vec<&str> = expressions.iter().map(|(kind, _)| kind.member()).collect();
        let verb = if members.len() == 1 { "is" } else { "are" };
        return Err(Invalid(format!(
            "{member} can only be specified when using expressions: {} {verb} null",
            members.join(" and ")
        )));
    }
    let unused: Vec<&str> = given
        .keys()
        .filter(|key| !used.contains(*key))
        .map(String::as_str)
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(Invalid(format!(
        "Value provided in {member} unused in expressions: keys: {{{}}}",
        unused.join(", ")
    )))
}

fn read_names(value: &Value) -> Result<BTreeMap<String, String>, Invalid> {
    members("ExpressionAttributeNames", '#', value)?
        .map(|(key, member)| {
            let name = member.as_str().filter(|name| !name.is_empty()).ok_or_else(|| {
                Invalid(format!("ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"))
            })?;
            Ok((key.clone(), name.to_owned()))
        })
        .collect()
}

fn read_values(value: &Value) -> Result<BTreeMap<String, AttributeValue>, Invalid> {
    members("ExpressionAttributeValues", ':', value)?
        .map(|(key, member)| {
            let value = AttributeValue::from_json(member).map_err(|e| {
                Invalid(format!(
                    "ExpressionAttributeValues contains invalid value: {e} for key {key}"
                ))
            })?;
            Ok((key.clone(), value))
        })
        .collect()
}

fn members<'a>(
    member: &str,
    sigil: char,
    value: &'a Value,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, Invalid> {
    let object = value
        .as_object()
        .ok_or_else(|| Invalid(format!("{member} must be a map")))?;
    if object.is_empty() {
        return Err(Invalid(format!("{member} must not be empty")));
    }
    for key in object.keys() {
        let is_token = key.strip_prefix(sigil).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if !is_token {
            return Err(Invalid(format!(
                "{member} contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
    }
    Ok(object.iter())
}
