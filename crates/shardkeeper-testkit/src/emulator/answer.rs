//! An HTTP answer, before anything is known of the transport that carries it.

use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;

/// The content type of everything that the service says.
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// An answer: status, headers and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The headers, with lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// Wraps a body as the service does: with its checksum, a request id and the time.
    pub(crate) fn new(
        status: u16,
        content_type: &str,
        body: Bytes,
        request_id: String,
        now: Duration,
    ) -> Self {
        let checksum = crc32fast::hash(&body);
        Self {
            status,
            headers: vec![
                ("content-type", content_type.to_owned()),
                ("x-amzn-requestid", request_id),
                ("x-amz-crc32", checksum.to_string()),
                ("date", http_date(now)),
            ],
            body,
        }
    }

    /// The value of a header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn http_date(now: Duration) -> String {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    // Only years of five digits cannot be written; such a clock gets an answer without a date.
    DateTime::from_secs(seconds)
        .fmt(Format::HttpDate)
        .unwrap_or_default()
}
