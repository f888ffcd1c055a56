//! What is read off every answer before anybody believes it: the service's clock, the checksum, and
//! whether there is an answer at all.
//!
//! The SDK checks none of this. An empty 200 body decodes to "no records, no next iterator", which is
//! byte for byte the end of a shard, and to "the transaction was written".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodbstreams::config::{ConfigBag, Intercept, Region, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::GetIdentityResolver;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use shardkeeper_core::checkpoint::Timestamp;

use super::page_bytes;

/// An answer that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbled {
    /// DynamoDB always answers at least `{}`.
    #[error("the answer is empty")]
    Empty,
    /// Cut short or changed on the way.
    #[error("the answer does not match its checksum")]
    Checksum,
}

/// A call that cannot be made until somebody configures more. The SDK has no type for either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unconfigured {
    /// Signing needs one, whatever the endpoint.
    #[error("no region is configured; set AWS_REGION or the region of the configuration")]
    Region,
    /// No provider at all; a provider that finds none says so itself.
    #[error("no credentials provider is configured")]
    Credentials,
}

/// The time of the latest answer.
#[derive(Debug, Default)]
pub(super) struct ServiceClock(AtomicU64);

impl ServiceClock {
    pub(super) fn read(&self) -> Option<Timestamp> {
        // Zero is 1970, which no service says.
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        }
    }

    fn hear(&self, response: &HttpResponse) {
        let Some(date) = response.headers().get("date") else {
            return;
        };
        let Ok(date) = DateTime::from_str(date, Format::HttpDate) else {
            return;
        };
        if let Some(millis) = date
            .to_millis()
            .ok()
            .and_then(|millis| u64::try_from(millis).ok())
        {
            self.0.store(millis, Ordering::Relaxed);
        }
    }
}

/// Sees every answer of a client.
#[derive(Debug)]
pub(super) struct Witness {
    clock: Arc<ServiceClock>,
}

impl Witness {
    pub(super) fn new(clock: &Arc<ServiceClock>) -> Self {
        Self {
            clock: Arc::clone(clock),
        }
    }
}

impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "shardkeeper::Witness"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        page_bytes::install(cfg);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        self.clock.hear(response);
        // A body that could not be read to its end is an error already, and has no bytes here.
        match response.body().bytes() {
            Some(body) => Ok(check(response, body)?),
            None => Ok(()),
        }
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error() else {
            return Ok(());
        };
        let sent =
            context.response().is_some() || error.is_connector_error() || error.is_timeout_error();
        if sent {
            Ok(())
        } else {
            Ok(configured(components, cfg)?)
        }
    }
}

fn configured(components: &RuntimeComponents, cfg: &ConfigBag) -> Result<(), Unconfigured> {
    if cfg.load::<Region>().is_none() {
        Err(Unconfigured::Region)
    } else if components.identity_resolver("sigv4".into()).is_none() {
        Err(Unconfigured::Credentials)
    } else {
        Ok(())
    }
}

fn check(response: &HttpResponse, body: &[u8]) -> Result<(), Garbled> {
    if body.is_empty() && response.status().is_success() {
        return Err(Garbled::Empty);
    }
    let stated = response
        .headers()
        .get("x-amz-crc32")
        .and_then(|text| text.trim().parse::<u32>().ok());
    match stated {
        Some(stated) if stated != crc32fast::hash(body) => Err(Garbled::Checksum),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::body::SdkBody;

    fn answer(status: u16, crc: Option<u32>, body: &'static str) -> Result<(), Garbled> {
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        if let Some(crc) = crc {
            response
                .headers_mut()
                .insert("x-amz-crc32", crc.to_string());
        }
        check(&response, body.as_bytes())
    }

    #[test]
    fn an_empty_200_proves_nothing_and_neither_does_a_changed_body() {
        assert_eq!(answer(200, None, ""), Err(Garbled::Empty));
        assert_eq!(answer(200, Some(1), "{}"), Err(Garbled::Checksum));
        assert_eq!(answer(400, Some(1), "{}"), Err(Garbled::Checksum));
        assert_eq!(answer(200, Some(crc32fast::hash(b"{}")), "{}"), Ok(()));
        assert_eq!(
            answer(200, None, "{}"),
            Ok(()),
            "not every server states a checksum"
        );
        assert_eq!(answer(503, None, ""), Ok(()), "an error needs no body");
    }

    #[test]
    fn the_clock_is_the_services_and_odd_dates_are_ignored() {
        let clock = ServiceClock::default();
        let mut response = HttpResponse::new(200.try_into().unwrap(), SdkBody::empty());
        for odd in ["", "yesterday", "Thu, 01 Jan 1900 00:00:00 GMT"] {
            response.headers_mut().insert("date", odd);
            clock.hear(&response);
            assert_eq!(clock.read(), None, "{odd}");
        }
        response
            .headers_mut()
            .insert("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        clock.hear(&response);
        assert_eq!(clock.read(), Some(Timestamp::from_millis(784_111_777_000)));
    }
}
