//! What the service answers when it refuses.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::value::Invalid;

/// A refusal: HTTP status, error code, message and, for a few codes, extra members of the body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    /// Further members of the body: `CancellationReasons`, `Item`.
    pub(crate) extra: Map<String, Value>,
}

impl ServiceError {
    /// A refusal by `code`, without extra members.
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            extra: Map::new(),
        }
    }

    fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// The request is understood and wrong.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::client("ValidationException", message)
    }

    /// A constraint of the model is broken, worded as the service words it.
    pub(crate) fn constraint(member: &str, value: &str, rule: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
        ))
    }

    /// A required member is absent.
    pub(crate) fn missing(member: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
             Member must not be null"
        ))
    }

    /// The body is not JSON, or a member has the wrong JSON type.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::client("SerializationException", message)
    }

    /// There is no such table, stream or shard.
    pub(crate) fn resource_not_found(message: impl Into<String>) -> Self {
        Self::client("ResourceNotFoundException", message)
    }

    /// The table exists already, or is being changed.
    pub(crate) fn resource_in_use(message: impl Into<String>) -> Self {
        Self::client("ResourceInUseException", message)
    }

    /// A condition did not hold; `item` is given when the caller asked for `ALL_OLD`.
    pub(crate) fn conditional_check_failed(item: Option<Value>) -> Self {
        let mut error = Self::client(
            "ConditionalCheckFailedException",
            "The conditional request failed",
        );
        if let Some(item) = item {
            error.extra.insert("Item".to_owned(), item);
        }
        error
    }

    /// A transaction was cancelled; `reasons` has one `{Code, Message?, Item?}` per action.
    pub(crate) fn transaction_canceled(reasons: Vec<Value>) -> Self {
        let codes: Vec<&str> = reasons
            .iter()
            .map(|reason| reason.get("Code").and_then(Value::as_str).unwrap_or("None"))
            .collect();
        let mut error = Self::client(
            "TransactionCanceledException",
            format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                codes.join(", ")
            ),
        );
        error
            .extra
            .insert("CancellationReasons".to_owned(), Value::Array(reasons));
        error
    }

    /// A client token was used again with another request.
    pub(crate) fn idempotent_parameter_mismatch() -> Self {
        Self::client(
            "IdempotentParameterMismatchException",
            "The request was rejected because it was retried with the same client token but \
             with different parameters",
        )
    }

    /// The iterator is older than the service keeps one.
    pub(crate) fn expired_iterator() -> Self {
        Self::client(
            "ExpiredIteratorException",
            "The provided iterator exceeds the maximum age allowed.",
        )
    }

    /// The position asked for has left the stream.
    pub(crate) fn trimmed_data_access() -> Self {
        Self::client(
            "TrimmedDataAccessException",
            "The operation attempted to read past the oldest stream record in a shard.",
        )
    }

    /// The account's rate for this operation is used up.
    pub(crate) fn throttling() -> Self {
        Self::client("ThrottlingException", "Rate exceeded")
    }

    /// The emulator does not know this operation or option, and says so instead of guessing.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::validation(format!("the emulator does not support {what}"))
    }

    /// The code as the service writes it: with the namespace of the model that declares it.
    fn qualified_code(&self) -> String {
        let namespace = match self.code.as_ref() {
            "ValidationException" => "com.amazon.coral.validate",
            "SerializationException"
            | "ThrottlingException"
            | "UnknownOperationException"
            | "AccessDeniedException"
            | "UnrecognizedClientException" => "com.amazon.coral.service",
            _ => "com.amazonaws.dynamodb.v20120810",
        };
        format!("{namespace}#{}", self.code)
    }

    /// The JSON body of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.extra.clone();
        body.insert("__type".to_owned(), Value::String(self.qualified_code()));
        body.insert("message".to_owned(), Value::String(self.message.clone()));
        Value::Object(body).to_string().into_bytes()
    }
}

impl From<Invalid> for ServiceError {
    fn from(invalid: Invalid) -> Self {
        Self::validation(invalid.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_names_the_code_with_its_namespace() {
        let body = ServiceError::resource_not_found("no").body();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}"#
        );
    }

    #[test]
    fn a_cancelled_transaction_lists_the_code_of_every_action() {
        let error = ServiceError::transaction_canceled(vec![
            serde_json::json!({"Code": "None"}),
            serde_json::json!({"Code": "ConditionalCheckFailed"}),
        ]);
        assert!(error.message.ends_with("[None, ConditionalCheckFailed]"));
        assert!(error.extra.contains_key("CancellationReasons"));
    }
}
