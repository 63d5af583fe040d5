//! What is done to every request and answer on its way through the SDK.

use std::cell::Cell;

use aws_sdk_iam::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

use super::clock::Clock;
use super::iam_answers::{in_form_of_aws, is_of_iam};
use super::store::Store;

tokio::task_local! {
    /// The number of requests that the call under way has sent, those of retries included.
    static SENT: Cell<usize>;
}

/// Waits for an answer, and counts the requests that are sent for it: the SDK doesn't
/// tell of those before the last.
pub(super) async fn counting_requests<T>(answer: impl Future<Output = T>) -> (T, usize) {
    SENT.scope(Cell::new(0), async { (answer.await, SENT.with(Cell::get)) }).await
}

/// The largest answer of a service, in MiB. One that never ends would fill the memory.
///
/// The largest page of IAM has 1,000 managed policies of 5 versions, each of up to 6,144
/// characters in up to 3 bytes: 88 MiB. The largest answer of S3 is an error for each of
/// 1,000 keys, of up to 1,024 bytes in up to 6 characters each: 7 MiB. Many are read at
/// the same time.
const fn largest_answer(service: Service) -> usize {
    match service {
        Service::Iam | Service::Sts => 128,
        Service::S3 => 16,
    }
}

/// The service that a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Iam,
    Sts,
    S3,
}

/// Counts the requests of a service, and sees to it that its answers are read rightly.
#[derive(Debug)]
pub(super) struct Interceptor {
    service: Service,
    /// True if answers may have another form than those of AWS.
    may_differ: bool,
    /// The clock that the answers of IAM are compared with.
    clock: Clock,
}

impl Interceptor {
    pub fn new(service: Service, store: &Store, clock: &Clock) -> Self {
        let may_differ = !store.is_aws() && service != Service::S3;
        Self { service, may_differ, clock: clock.clone() }
    }
}

impl Intercept for Interceptor {
    fn name(&self) -> &'static str {
        "s3-user"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Calls that load credentials are not counted.
        let _ = SENT.try_with(|sent| sent.set(sent.get() + 1));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.service == Service::Iam {
            self.clock.compare(context.response());
        }
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        let limit = largest_answer(self.service) << 20;
        *body = SdkBody::from_body_1_x(Limited::new(whole, limit));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.service == Service::Iam && !is_of_iam(context.response()) {
            return Err("the answer is not one of IAM's".into());
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response().filter(|_| self.may_differ) else {
            return Ok(());
        };
        let Some(body) = in_form_of_aws(response) else { return Ok(()) };
        let mut in_form = HttpResponse::new(response.status(), SdkBody::from(body));
        *in_form.headers_mut() = response.headers().clone();
        if let Some(read) = context.output_or_error_mut()
            && let Some(deserializer) = config.load::<SharedResponseDeserializer>()
        {
            *read = deserializer.deserialize_nonstreaming_with_config(&in_form, config);
        }
        Ok(())
    }
}
