//! The bytes of a `GetRecords` answer, past the SDK's own decoder.
//!
//! The SDK decodes every attribute of every image into owned strings in hash maps: two thirds of the
//! cost of a page, and another quarter to drop them again. Here the call keeps everything else of the
//! SDK (signing, endpoint, timeouts, typed errors) and only a successful body is handed over as it
//! came, without a copy. A decoder in the call's own layer of the configuration shadows the operation's.

use std::cell::Cell;
use std::future::Future;

use aws_sdk_dynamodbstreams::config::ConfigBag;
use aws_sdk_dynamodbstreams::operation::get_records::{GetRecords, GetRecordsOutput};
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{
    HttpResponse, OrchestratorError, SensitiveOutput,
};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use futures_util::FutureExt;

tokio::task_local! {
    /// Where the decoder leaves the body; there only while [`keep`] polls a call.
    static BODY: Cell<Option<Bytes>>;
}

/// Performs one `GetRecords` call and keeps the body of its answer; `None` when the call failed.
pub(super) async fn keep<T>(call: impl Future<Output = T>) -> (T, Option<Bytes>) {
    let with_body = async {
        let answer = call.await;
        (answer, BODY.with(Cell::take))
    };
    BODY.scope(Cell::new(None), with_body).await
}

/// Replaces the decoder of the call that is being prepared, if it is one that [`keep`] polls.
pub(super) fn install(cfg: &mut ConfigBag) {
    if BODY.try_with(|_| ()).is_ok() {
        let state = cfg.interceptor_state();
        state.store_put(SharedResponseDeserializer::new(KeepBody));
        // The SDK prints bodies at trace level; these are item data.
        state.store_put(SensitiveOutput);
    }
}

#[derive(Debug)]
struct KeepBody;

impl DeserializeResponse for KeepBody {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        cfg: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        if response.status().as_u16() == 200
            && let Some(body) = loaded(response)
            && BODY.try_with(|slot| slot.set(Some(body))).is_ok()
        {
            return Ok(Output::erase(GetRecordsOutput::builder().build()));
        }
        let sdk = GetRecords::new().config();
        match sdk
            .as_ref()
            .and_then(|layer| layer.load::<SharedResponseDeserializer>())
        {
            Some(decoder) => decoder.deserialize_nonstreaming_with_config(response, cfg),
            None => Err(OrchestratorError::other(
                "the SDK has no decoder for GetRecords",
            )),
        }
    }
}

/// The body that the SDK has read to its end, shared and not copied: a clone of a loaded body holds
/// the same bytes in one piece, so collecting it neither waits nor moves them.
fn loaded(response: &HttpResponse) -> Option<Bytes> {
    let body = response.body().try_clone()?;
    let collected = ByteStream::new(body).collect().now_or_never()?;
    Some(collected.ok()?.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::body::SdkBody;

    #[test]
    fn the_body_is_handed_over_without_a_copy() {
        let body = Bytes::from(vec![b'x'; 100_000]);
        let response = HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body.clone()));
        let kept = loaded(&response).unwrap();
        assert_eq!((kept.as_ptr(), kept.len()), (body.as_ptr(), body.len()));
    }
}
