//! A server that is the emulator behind another face: what passes between the SDK and it is written anew.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shardkeeper_testkit::emulator::Emulator;

/// One call and its answer, which a face may change.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    /// What the emulator is asked.
    pub(crate) question: Value,
    pub(crate) status: u16,
    /// What the SDK is answered.
    pub(crate) answer: Value,
}

impl Exchange {
    /// The service refuses.
    pub(crate) fn refuse(&mut self, code: &str) {
        self.status = 400;
        self.answer =
            json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "odd"});
    }

    /// The shards of a listing; none in any other answer.
    pub(crate) fn shards(&mut self) -> &mut [Value] {
        let shards = self.answer.pointer_mut("/StreamDescription/Shards");
        shards
            .and_then(Value::as_array_mut)
            .map_or(&mut [], Vec::as_mut_slice)
    }

    /// The records of a page; none in any other answer.
    pub(crate) fn records(&mut self) -> &mut [Value] {
        let records = self.answer.get_mut("Records");
        records
            .and_then(Value::as_array_mut)
            .map_or(&mut [], Vec::as_mut_slice)
    }
}

/// How a server differs from the emulator.
pub(crate) trait Face: Send + 'static {
    /// Before the emulator sees the question.
    fn ask(&mut self, _: &mut Exchange) {}
    /// Before the SDK sees the answer.
    fn answer(&mut self, _: &mut Exchange) {}
}

/// A face that only changes answers.
impl<F: FnMut(&mut Exchange) + Send + 'static> Face for F {
    fn answer(&mut self, exchange: &mut Exchange) {
        self(exchange);
    }
}

/// A configuration whose clients meet the emulator behind this face.
pub(crate) fn behind(emulator: &Emulator, face: impl Face) -> SdkConfig {
    let client = Disguise {
        emulator: emulator.http_client(),
        face: Arc::new(Mutex::new(face)),
    };
    let config = emulator.sdk_config().into_builder();
    config.http_client(SharedHttpClient::new(client)).build()
}

#[derive(Clone)]
struct Disguise {
    emulator: SharedHttpClient,
    face: Arc<Mutex<dyn Face>>,
}

impl fmt::Debug for Disguise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disguise")
    }
}

impl HttpClient for Disguise {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Door {
            disguise: self.clone(),
            emulator: self.emulator.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct Door {
    disguise: Disguise,
    emulator: SharedHttpConnector,
}

impl HttpConnector for Door {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (face, emulator) = (Arc::clone(&self.disguise.face), self.emulator.clone());
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let operation = target
                .rsplit_once('.')
                .map_or(target, |(_, name)| name)
                .to_owned();
            let mut exchange = Exchange {
                operation,
                question: json(request.body().bytes()),
                status: 0,
                answer: Value::Null,
            };
            face.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask(&mut exchange);
            *request.body_mut() = SdkBody::from(exchange.question.to_string());
            let answer = emulator.call(request).await?;
            (exchange.status, exchange.answer) =
                (answer.status().as_u16(), json(answer.body().bytes()));
            face.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .answer(&mut exchange);
            Ok(spoken(&exchange, &answer))
        })
    }
}

fn json(body: Option<&[u8]>) -> Value {
    body.and_then(|body| serde_json::from_slice(body).ok())
        .unwrap_or(Value::Null)
}

/// The answer on the wire: the emulator's clock, but not its checksum, which would no longer fit.
fn spoken(exchange: &Exchange, original: &HttpResponse) -> HttpResponse {
    let status = exchange.status.try_into().expect("a status");
    let body = SdkBody::from(exchange.answer.to_string());
    let mut response = HttpResponse::new(status, body);
    let headers = response.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.0");
    if let Some(date) = original.headers().get("date") {
        headers.insert("date", date.to_owned());
    }
    response
}
