//! How fast the server is: a client that reads the bytes of the answers and throws them away.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use super::tally::Tally;
use super::{Options, Sample, first_iterator};
use crate::Outcome;
use crate::account;
use crate::backlog::PAGE_RECORDS;

/// The next iterator stands within so many bytes of the start of an answer.
const HEAD_BYTES: usize = 4096;

/// Reads page after page over one connection. All it looks at is the iterator, which the emulator
/// writes first.
pub(super) async fn read(options: &Options) -> Outcome<Sample> {
    let sdk = account::bare_client(&options.endpoint);
    let mut iterator = first_iterator(&sdk, options.size).await?;
    let authority = options.endpoint.trim_start_matches("http://");
    let mut connection = connect(authority).await?;
    let mut tally = Tally::of(options.expected_records());
    let mut bytes = 0;
    loop {
        let page = fetch(&mut connection, authority, &iterator).await?;
        bytes += page.bytes;
        // It cannot count, but it can tell a full page from an empty one.
        let records = if page.bytes > HEAD_BYTES {
            PAGE_RECORDS
        } else {
            0
        };
        tally.page(records as usize)?;
        if let Some(sample) = tally.complete() {
            let page_bytes = Some(bytes as u64 / u64::from(options.pages));
            return Ok(Sample {
                page_bytes,
                ..sample
            });
        }
        iterator = next_iterator(&page.head).ok_or("an answer does not begin with the iterator")?;
    }
}

struct Page {
    head: Vec<u8>,
    bytes: usize,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the connection ends with the process"
)]
async fn connect(authority: &str) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn fetch(
    connection: &mut SendRequest<Full<Bytes>>,
    authority: &str,
    iterator: &str,
) -> Outcome<Page> {
    let question = json!({"ShardIterator": iterator, "Limit": PAGE_RECORDS}).to_string();
    let request = Request::post("/")
        .header("host", authority)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDBStreams_20120810.GetRecords")
        .body(Full::new(Bytes::from(question)))?;
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(format!("the server answered {}", answer.status()).into());
    }
    let mut body = answer.into_body();
    let mut page = Page {
        head: Vec::with_capacity(HEAD_BYTES),
        bytes: 0,
    };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        page.bytes += data.len();
        let missing = HEAD_BYTES - page.head.len();
        page.head
            .extend_from_slice(&data[..missing.min(data.len())]);
    }
    Ok(page)
}

fn next_iterator(head: &[u8]) -> Option<String> {
    let text = head.strip_prefix(b"{\"NextShardIterator\":\"")?;
    let end = text.iter().position(|&byte| byte == b'"')?;
    String::from_utf8(text[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iterator_is_found_at_the_start_of_an_answer() {
        let head = b"{\"NextShardIterator\":\"arn|1|AAAA\",\"Records\":[";
        assert_eq!(next_iterator(head).as_deref(), Some("arn|1|AAAA"));
        assert_eq!(next_iterator(b"{\"Records\":[]}"), None);
        assert_eq!(next_iterator(b"{\"NextShardIterator\":\"cut sho"), None);
    }
}
