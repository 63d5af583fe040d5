//! How far this machine's clock is ahead of the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::primitives::{DateTime, DateTimeFormat};
use jiff::{SignedDuration, Timestamp};

/// Compares the date of each answer with this machine's clock: one that is a few
/// minutes off is refused by no server.
///
/// Clones share what is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// The seconds that it is ahead, by the latest answer; negative if it is behind.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// Compares the clock with the date of an answer.
    pub fn compare(&self, response: &HttpResponse) {
        if let Some(ahead) = seconds_ahead(response) {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    /// The time by this machine's clock, or by the server's where that is earlier.
    pub fn earlier_now(&self) -> Timestamp {
        let seconds = self.ahead.load(Ordering::Relaxed).max(0);
        Timestamp::now() - SignedDuration::from_secs(seconds)
    }
}

/// Returns how many seconds this machine's clock is ahead of the date of an answer.
fn seconds_ahead(response: &HttpResponse) -> Option<i64> {
    let header = response.headers().get("date")?;
    let theirs = DateTime::from_str(header, DateTimeFormat::HttpDate).ok()?;
    Some(Timestamp::now().as_second() - theirs.secs())
}

/// The codes for a signature whose time is too far off.
const WRONG_CLOCK: [&str; 3] = ["RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"];

/// The codes for any wrong signature. IAM names the clock in words then.
const WRONG_SIGNATURE: [&str; 2] = ["InvalidSignatureException", "SignatureDoesNotMatch"];
const WRONG_CLOCK_IN_WORDS: [&str; 2] = ["Signature expired", "Signature not yet current"];

/// The minutes that a clock must be off for S3 to refuse a request. IAM, which takes
/// less, says so in words.
const LEAST_SKEW: i64 = 15;

/// Returns what to say of a request that was refused because this machine's clock is
/// wrong: its signature holds the time. The answer to a HEAD request has no code.
pub(super) fn wrong_clock(
    response: &HttpResponse,
    code: Option<&str>,
    message: &str,
) -> Option<String> {
    let is_about_clock = code.is_some_and(|code| WRONG_CLOCK.contains(&code));
    let may_be_clock = is_about_clock || code.is_none_or(|code| WRONG_SIGNATURE.contains(&code));
    let minutes = seconds_ahead(response).map_or(0, |seconds| seconds / 60);
    let is_refused = matches!(response.status().as_u16(), 400 | 401 | 403);
    if is_refused && may_be_clock && minutes.abs() >= LEAST_SKEW {
        let way = if minutes < 0 { "behind" } else { "ahead of" };
        let off = minutes.abs();
        return Some(format!("this machine's clock is {off} minutes {way} the server's"));
    }
    let says_so = WRONG_CLOCK_IN_WORDS.iter().any(|words| message.starts_with(words));
    (is_about_clock || says_so).then(|| message.to_owned())
}
