//! How large an answer may be. One that never ends would fill the memory.

use std::error::Error;

use aws_sdk_iam::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, InterceptorContext,
};
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_types::body::SdkBody;
use http_body_util::{LengthLimitError, Limited};

use super::error::chain;

/// Reads no more of an answer than so many MiB, and doesn't ask again for one that
/// has more.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerSize {
    mib: usize,
}

impl AnswerSize {
    /// The largest page of IAM has 1,000 managed policies of 5 versions, each of up to
    /// 6,144 characters in up to 3 bytes: 88 MiB.
    pub const OF_IAM: Self = Self { mib: 128 };
    /// The largest answer of S3 is an error for each of 1,000 keys, of up to 1,024
    /// bytes in up to 6 characters each: 7 MiB. Many are read at the same time.
    pub const OF_S3: Self = Self { mib: 16 };
}

impl Intercept for AnswerSize {
    fn name(&self) -> &'static str {
        "answer size"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        let limited = Limited::new(whole, self.mib << 20);
        *body = SdkBody::from_body_1_x(limited);
        Ok(())
    }
}

impl ClassifyRetry for AnswerSize {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.output_or_error().and_then(Result::err);
        if failed.is_some_and(|error| is_exceeded(error)) {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "answer size"
    }
}

/// Whether the error is that an answer is too large.
pub(super) fn is_exceeded(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| cause.is::<LengthLimitError>())
}
