//! The SDK's door: an HTTP client without a socket.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::clock::Clock;
use super::{Emulator, Interrupted, Response};

/// Hands the SDK's requests to an emulator.
#[derive(Clone, Debug)]
pub(crate) struct InProcess(pub(crate) Emulator);

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let emulator = self.0.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            // The SDK sends every request of these services as one block of bytes.
            let body = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
            match emulator.call(target, body).await {
                Ok(response) => to_http(response),
                Err(Interrupted) => Err(ConnectorError::io(
                    io::Error::from(io::ErrorKind::ConnectionReset).into(),
                )),
            }
        })
    }
}

pub(crate) fn to_http(response: Response) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(response.status)
        .map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut answer = HttpResponse::new(status, SdkBody::from(response.body));
    for (name, value) in response.headers {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

/// The emulator's clock, for the SDK to sign and to time its retries by.
pub(crate) struct ClockSource(pub(crate) Clock);

impl std::fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClockSource")
    }
}

impl TimeSource for ClockSource {
    fn now(&self) -> SystemTime {
        let since_epoch: Duration = (self.0)();
        UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH)
    }
}
