//! The emulator over HTTP, for every SDK and for processes of their own.

use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response as HttpResponse;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::error::ServiceError;
use super::{Emulator, Interrupted, Response};

/// The largest request; the service's own limit is 16 MB, for batches.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How long connections may take to end once the server is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The emulator could not be served.
#[derive(Debug, thiserror::Error)]
#[error("could not serve the emulator at {address}")]
pub struct ServerError {
    address: SocketAddr,
    source: io::Error,
}

/// An emulator behind a port.
///
/// It has no authentication, so bind it to a loopback address: port 0 of `127.0.0.1` takes any free one.
#[derive(Debug)]
pub struct Server {
    emulator: Emulator,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port. From here on connections wait to be served.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(emulator: Emulator, address: SocketAddr) -> Result<Self, ServerError> {
        let failed = |source| ServerError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            emulator,
            listener,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What to give to an SDK as its endpoint URL.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `shutdown` completes. Calls in flight are answered; those that a fault keeps
    /// waiting are cut off.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let address = self.address;
        let stopping = CancellationToken::new();
        let router = Router::new()
            .fallback(answer)
            .with_state((self.emulator, stopping.clone()));
        let stop = stopping.clone();
        let serving = axum::serve(self.listener, router).with_graceful_shutdown(async move {
            shutdown.await;
            stop.cancel();
        });
        tokio::select! {
            biased;
            served = serving.into_future() => served.map_err(|source| ServerError { address, source }),
            () = grace_is_over(&stopping) => Ok(()),
        }
    }
}

/// A connection that never says its request in full must not keep the server.
#[expect(
    clippy::disallowed_methods,
    reason = "a server on a socket lives in real time"
)]
async fn grace_is_over(stopping: &CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

async fn answer(
    State((emulator, stopping)): State<(Emulator, CancellationToken)>,
    request: Request,
) -> HttpResponse {
    tokio::select! {
        biased;
        answer = answer_in_full(emulator, request) => answer,
        () = stopping.cancelled() => interrupted(),
    }
}

async fn answer_in_full(emulator: Emulator, request: Request) -> HttpResponse {
    let (head, body) = request.into_parts();
    let target = head
        .headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    let Some(target) = target.map(str::to_owned) else {
        return plain(
            StatusCode::NOT_FOUND,
            "shardkeeper's emulator of DynamoDB and DynamoDB Streams: POST / with X-Amz-Target\n",
        );
    };
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let error = ServiceError::new(
            413,
            "RequestEntityTooLarge",
            "the request is larger than 16 MB",
        );
        return to_http(emulator.refuse(&error));
    };
    match emulator.call(&target, body).await {
        Ok(response) => to_http(response),
        Err(Interrupted) => interrupted(),
    }
}

fn to_http(response: Response) -> HttpResponse {
    let mut answer = HttpResponse::new(Body::from(response.body));
    *answer.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// A body that fails before its first byte makes the server break the connection.
fn interrupted() -> HttpResponse {
    let broken = futures_util::stream::once(async {
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    HttpResponse::new(Body::from_stream(broken))
}

fn plain(status: StatusCode, text: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::new(Body::from(text));
    *answer.status_mut() = status;
    answer
}
