//! Trying again where the SDK doesn't: how patiently each kind of loop does it,
//! and the tables of codes that say whether it is worth it.

use std::time::Duration;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::error::AwsError;

/// What IAM answers while it settles after a change: try again.
const SETTLING: [&str; 3] =
    ["ConcurrentModification", "DeleteConflict", "EntityTemporarilyUnmodifiable"];

/// What S3 answers while another request changes the same object: [try again][errors].
///
/// [errors]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const CONFLICTS: [&str; 2] = ["ConditionalRequestConflict", "OperationAborted"];

/// Whether the code is that of a store in trouble, for a request or one key of
/// it: the same may well succeed later. Asked where objects are put and deleted;
/// of other calls the SDK's own table decides.
pub(crate) fn is_transient(code: &str) -> bool {
    is_slow_down(code)
        || code == "InternalError"
        || TRANSIENT_ERRORS.contains(&code)
        || CONFLICTS.contains(&code)
}

/// Whether the code asks for fewer requests.
pub(crate) fn is_slow_down(code: &str) -> bool {
    code == "ServiceUnavailable" || THROTTLING_ERRORS.contains(&code)
}

/// How long to go on trying: pauses that double, up to a longest one, until
/// all of them together have taken that long.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    first: Duration,
    pause: Duration,
    longest: Duration,
    left: Duration,
}

impl Patience {
    /// For IAM to apply a change: about a minute.
    pub const SETTLING: Self = Self::new(500, 32_000, 63_500);
    /// For IAM to know of something new: about half a minute.
    const NEW: Self = Self::new(500, 16_000, 31_500);
    /// For what was made a moment ago to be there when it is removed: about 8 s.
    pub const LOOKUP: Self = Self::new(500, 4_000, 7_500);
    /// For one request of S3: about 8 s.
    pub const REQUEST: Self = Self::new(250, 4_000, 7_750);
    /// For others to stop writing to a folder that is to be empty, and for listings to
    /// show what is gone: about 8 s.
    pub const FOLDER: Self = Self::new(250, 1_000, 8_000);
    /// For a request that deletes objects: 20 attempts, about 75 s.
    pub const DELETE: Self = Self::new(200, 5_000, 76_200);

    const fn new(pause: u64, longest: u64, total: u64) -> Self {
        Self {
            first: Duration::from_millis(pause),
            pause: Duration::from_millis(pause),
            longest: Duration::from_millis(longest),
            left: Duration::from_millis(total),
        }
    }

    /// For AWS to know a new key and its policy everywhere, for as long as is
    /// asked for.
    pub fn of_new_key(total: Duration) -> Self {
        Self { left: total, ..Self::new(500, 5_000, 0) }
    }

    /// Begins with short pauses again, for something else that shares what is
    /// left of the time.
    pub fn restart(&mut self) {
        self.pause = self.first;
    }

    /// Waits before another attempt. False, at once, if there is to be none:
    /// patience has ended, or the run is cancelled.
    pub async fn wait(&mut self, cancel: &CancellationToken) -> bool {
        let Some(pause) = self.next() else {
            return false;
        };
        let pause = tokio::time::sleep(scaled(pause));
        cancel.run_until_cancelled(pause).await.is_some()
    }

    /// The same without waiting, for an attempt that itself waits for its turn.
    pub fn spend(&mut self, cancel: &CancellationToken) -> bool {
        self.next().is_some() && !cancel.is_cancelled()
    }

    fn next(&mut self) -> Option<Duration> {
        let pause = self.pause.min(self.left);
        self.left -= pause;
        self.pause = (self.pause * 2).min(self.longest);
        (!pause.is_zero()).then_some(pause)
    }
}

/// Tries again while IAM, which is eventually consistent, has another change
/// of the same thing under way.
pub(crate) async fn settle<T>(
    cancel: &CancellationToken,
    mut attempt: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let mut patience = Patience::SETTLING;
    loop {
        let result = attempt().await;
        let is_settling = result.as_ref().is_err_and(AwsError::is_settling);
        if !is_settling || !patience.wait(cancel).await {
            return result;
        }
    }
}

/// The same for a change of something made a moment ago, of which IAM may not
/// know yet, or not its tags.
pub(crate) async fn settle_new<T>(
    run: &Run,
    mut attempt: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let (mut unknown, mut refused) = (Patience::NEW, Patience::LOOKUP);
    loop {
        let result = settle(&run.cancel, &mut attempt).await;
        let patience = match &result {
            Err(error) if error.is_missing() => &mut unknown,
            Err(error) if run.may_allow_later(error) => &mut refused,
            _ => return result,
        };
        if !patience.wait(&run.cancel).await {
            return result;
        }
    }
}

/// Looks again until what was made a moment ago is found: about half a minute.
pub(crate) async fn until_known<T>(
    cancel: &CancellationToken,
    mut look: impl AsyncFnMut() -> Result<Option<T>, AwsError>,
) -> Result<Option<T>, AwsError> {
    let mut patience = Patience::NEW;
    loop {
        let found = look().await?;
        if found.is_some() || !patience.wait(cancel).await {
            return Ok(found);
        }
    }
}

/// Until when AWS may still accept an access key that is deleted now: 3 to 4 s
/// have been measured.
pub(crate) fn end_of_deleted_key() -> Instant {
    Instant::now() + scaled(Duration::from_secs(5))
}

/// Waits until then, or until the run is cancelled.
pub(crate) async fn wait_until(end: Instant, cancel: &CancellationToken) {
    let pause = tokio::time::sleep_until(end);
    cancel.run_until_cancelled(pause).await;
}

impl AwsError {
    /// Whether one of our loops would have waited for another answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_settling() || self.is_missing() || self.is_passing()
    }

    pub(crate) fn is_settling(&self) -> bool {
        SETTLING.iter().any(|code| self.is(code))
    }
}

/// A pause as it is. In debug builds `S3_USER_TEST_PAUSES`, a factor such as
/// 0.05, makes it shorter, so that tests needn't wait.
pub(super) fn scaled(pause: Duration) -> Duration {
    if !cfg!(debug_assertions) {
        return pause;
    }
    let factor = std::env::var("S3_USER_TEST_PAUSES").ok();
    let factor = factor.and_then(|factor| factor.parse().ok());
    pause.mul_f64(factor.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pauses(mut patience: Patience) -> (usize, f64) {
        let (mut attempts, start) = (1, Instant::now());
        while patience.wait(&CancellationToken::new()).await {
            attempts += 1;
        }
        (attempts, (Instant::now() - start).as_secs_f64())
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_what_it_says() {
        for (patience, attempts, seconds) in [
            (Patience::SETTLING, 8, 63.5),
            (Patience::NEW, 7, 31.5),
            (Patience::LOOKUP, 5, 7.5),
            (Patience::REQUEST, 6, 7.75),
            (Patience::FOLDER, 11, 8.0),
            (Patience::DELETE, 20, 76.2),
            (Patience::of_new_key(Duration::from_secs(60)), 16, 60.0),
            (Patience::of_new_key(Duration::from_secs(1)), 3, 1.0),
        ] {
            let (tried, waited) = pauses(patience).await;
            assert_eq!(tried, attempts);
            assert!((waited - seconds).abs() < 0.1, "{waited} for {seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_run_pauses_no_more() {
        let (cancel, start) = (CancellationToken::new(), Instant::now());
        cancel.cancel();
        let mut patience = Patience::SETTLING;
        assert!(!patience.wait(&cancel).await);
        assert_eq!(Instant::now(), start);
    }

    #[test]
    fn transient_codes_are_those_of_the_sdk_and_ours() {
        for code in [
            "SlowDown",
            "ServiceUnavailable",
            "Throttling",
            "RequestTimeout",
            "InternalError",
            "ConditionalRequestConflict",
            "OperationAborted",
        ] {
            assert!(is_transient(code), "{code}");
        }
        for code in ["AccessDenied", "NoSuchKey", "LimitExceeded", ""] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
