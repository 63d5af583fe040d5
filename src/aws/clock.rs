//! How far this machine's clock is ahead of the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_sdk_iam::primitives::{DateTime, DateTimeFormat};
use jiff::{SignedDuration, Timestamp};

/// Compares the date of each answer with this machine's clock: one that is a few
/// minutes off is refused by no server.
///
/// Clones share what is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// How many seconds it is ahead, by the latest answer; negative if it is behind.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// The time by this machine's clock, or by the server's where that is earlier.
    pub fn earlier_now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed).max(0);
        Timestamp::now() - SignedDuration::from_secs(ahead)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(ahead) = seconds_ahead(context.response()) {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// How many seconds this machine's clock is ahead of the date of an answer.
fn seconds_ahead(response: &HttpResponse) -> Option<i64> {
    let date = response.headers().get("date")?;
    let theirs = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    Some(Timestamp::now().as_second() - theirs.secs())
}

/// How wrong this machine's clock is, where a request was refused for that: its
/// signature holds the time. The answer to a HEAD request has no code.
pub(super) fn wrong_clock(response: &HttpResponse, code: Option<&str>) -> Option<String> {
    let minutes = seconds_ahead(response)? / 60;
    let is_refused = matches!(response.status().as_u16(), 400 | 401 | 403)
        && code.is_none_or(|code| OFTEN_THE_CLOCK.contains(&code));
    let way = if minutes < 0 { "behind" } else { "ahead of" };
    let off = minutes.abs();
    let wrong = format!("this machine's clock is {off} minutes {way} the server's");
    (is_refused && off >= LEAST_SKEW).then_some(wrong)
}

/// Whether the words of a refusal name the clock, as those of IAM do in the code for
/// any wrong signature.
pub(super) fn is_about_clock(code: Option<&str>, message: &str) -> bool {
    let codes = ["RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"];
    let words = ["Signature expired", "Signature not yet current"];
    code.is_some_and(|code| codes.contains(&code)) || words.iter().any(|it| message.starts_with(it))
}

/// The codes for a signature whose time is too far off, and for other wrong ones.
const OFTEN_THE_CLOCK: [&str; 5] = [
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// How many minutes a clock must be off for S3 to refuse a request. IAM, which takes
/// less, says so in words.
const LEAST_SKEW: i64 = 15;
