//! A request body, with typed access to its members.

use serde_json::{Map, Value};

use super::error::ServiceError;

/// The JSON object of a request.
///
/// A member that is absent or `null` is "not given"; a member of the wrong JSON type is a
/// `SerializationException`, as the service answers it.
#[derive(Clone, Debug)]
pub(crate) struct Request(Map<String, Value>);

impl Request {
    /// Parses the body of a call.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ServiceError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(ServiceError::serialization(
                "the body must be a JSON object",
            )),
            Err(error) => Err(ServiceError::serialization(format!(
                "the body is not JSON: {error}"
            ))),
        }
    }

    /// A nested structure of a request, e.g. one action of a transaction.
    pub(crate) fn from_value(value: &Value, member: &str) -> Result<Self, ServiceError> {
        match value {
            Value::Object(members) => Ok(Self(members.clone())),
            _ => Err(wrong_type(member, "a structure")),
        }
    }

    /// The member as raw JSON, if given.
    pub(crate) fn get(&self, member: &str) -> Option<&Value> {
        self.0.get(member).filter(|value| !value.is_null())
    }

    /// The names of all members that are given.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, _)| name.as_str())
    }

    /// A required string.
    pub(crate) fn string(&self, member: &str) -> Result<&str, ServiceError> {
        required(member, self.optional_string(member)?)
    }

    /// A string, if given.
    pub(crate) fn optional_string(&self, member: &str) -> Result<Option<&str>, ServiceError> {
        self.typed(member, "a string", Value::as_str)
    }

    /// A boolean, if given.
    pub(crate) fn optional_bool(&self, member: &str) -> Result<Option<bool>, ServiceError> {
        self.typed(member, "a boolean", Value::as_bool)
    }

    /// An integer, if given.
    pub(crate) fn optional_integer(&self, member: &str) -> Result<Option<i64>, ServiceError> {
        self.typed(member, "an integer", Value::as_i64)
    }

    /// A required map.
    pub(crate) fn object(&self, member: &str) -> Result<&Map<String, Value>, ServiceError> {
        required(member, self.optional_object(member)?)
    }

    /// A map, if given.
    pub(crate) fn optional_object(
        &self,
        member: &str,
    ) -> Result<Option<&Map<String, Value>>, ServiceError> {
        self.typed(member, "a map", Value::as_object)
    }

    /// A required list.
    pub(crate) fn array(&self, member: &str) -> Result<&[Value], ServiceError> {
        required(member, self.optional_array(member)?)
    }

    /// A list, if given.
    pub(crate) fn optional_array(&self, member: &str) -> Result<Option<&[Value]>, ServiceError> {
        self.typed(member, "a list", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    /// A required nested structure.
    pub(crate) fn structure(&self, member: &str) -> Result<Request, ServiceError> {
        required(member, self.optional_structure(member)?)
    }

    /// A nested structure, if given.
    pub(crate) fn optional_structure(&self, member: &str) -> Result<Option<Request>, ServiceError> {
        self.get(member)
            .map(|value| Self::from_value(value, member))
            .transpose()
    }

    fn typed<'a, T>(
        &'a self,
        member: &str,
        kind: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ServiceError> {
        match self.get(member) {
            None => Ok(None),
            Some(value) => convert(value)
                .map(Some)
                .ok_or_else(|| wrong_type(member, kind)),
        }
    }
}

fn required<T>(member: &str, value: Option<T>) -> Result<T, ServiceError> {
    value.ok_or_else(|| ServiceError::missing(&lower_first(member)))
}

fn wrong_type(member: &str, kind: &str) -> ServiceError {
    ServiceError::serialization(format!("the member {member} must be {kind}"))
}

/// The service names members in its messages with a small first letter.
fn lower_first(member: &str) -> String {
    let mut letters = member.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_member_is_a_validation_error_and_a_wrong_type_a_serialization_error() {
        let request = Request::parse(br#"{"TableName": 3, "Limit": null}"#).unwrap();
        assert_eq!(
            request.string("TableName").unwrap_err().code,
            "SerializationException"
        );
        assert_eq!(request.optional_integer("Limit").unwrap(), None);
        let error = request.string("StreamArn").unwrap_err();
        assert_eq!(error.code, "ValidationException");
        assert!(error.message.contains("'streamArn'"));
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for body in ["", "[]", "3", "{"] {
            assert!(Request::parse(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
