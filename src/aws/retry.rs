//! Trying again where the SDK doesn't: one loop, and how patient it is for each kind of
//! call. Which error codes are tried again is in `transient.rs`.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::AwsError;

/// The pauses between attempts: they double, up to a longest one, until all of them
/// together have taken a certain time.
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
    pub const NEW: Self = Self::new(500, 16_000, 31_500);
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

    /// Makes attempts as long as the result may still change. Returns the last result, also
    /// when patience has ended or the run is cancelled.
    pub async fn retry<T>(
        &mut self,
        cancel: &CancellationToken,
        may_change: impl Fn(&T) -> bool,
        mut attempt: impl AsyncFnMut() -> T,
    ) -> T {
        loop {
            // Boxed, as loops within loops would be more than a small stack takes.
            let result = Box::pin(attempt()).await;
            if !may_change(&result) || !self.wait(cancel).await {
                return result;
            }
        }
    }

    /// Makes attempts as long as they fail with an error that may pass.
    pub async fn retry_errors<T>(
        &mut self,
        cancel: &CancellationToken,
        may_pass: impl Fn(&AwsError) -> bool,
        attempt: impl AsyncFnMut() -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        self.retry(cancel, |result| result.as_ref().is_err_and(&may_pass), attempt).await
    }

    /// Waits before another attempt. False, at once, if there is to be none:
    /// patience has ended, or the run is cancelled.
    pub async fn wait(&mut self, cancel: &CancellationToken) -> bool {
        match self.next() {
            Some(pause) => {
                cancel.run_until_cancelled(tokio::time::sleep(scaled(pause))).await.is_some()
            }
            None => false,
        }
    }

    /// Counts a pause without waiting, for an attempt that itself waits for its turn.
    pub fn spend(&mut self, cancel: &CancellationToken) -> bool {
        self.next().is_some() && !cancel.is_cancelled()
    }

    fn next(&mut self) -> Option<Duration> {
        let next = self.pause.min(self.left);
        self.left -= next;
        self.pause = (self.pause * 2).min(self.longest);
        (!next.is_zero()).then_some(next)
    }
}

/// Looks again until what was made a moment ago is found: about half a minute.
pub(crate) async fn until_known<T>(
    cancel: &CancellationToken,
    look: impl AsyncFnMut() -> Result<Option<T>, AwsError>,
) -> Result<Option<T>, AwsError> {
    let mut patience = Patience::NEW;
    patience.retry(cancel, |found| matches!(found, Ok(None)), look).await
}

/// Returns the time until which AWS may still accept a key that is deleted now: 3 to 4 s
/// have been measured.
pub(crate) fn end_of_deleted_key() -> Instant {
    Instant::now() + scaled(Duration::from_secs(5))
}

/// Waits until a time, or until the run is cancelled.
pub(crate) async fn wait_until(end: Instant, cancel: &CancellationToken) {
    let pause = tokio::time::sleep_until(end);
    cancel.run_until_cancelled(pause).await;
}

/// Returns a pause as it is. In debug builds `S3_USER_TEST_PAUSES`, a factor such as
/// 0.05, makes it shorter, so that tests needn't wait.
pub(super) fn scaled(pause: Duration) -> Duration {
    if !cfg!(debug_assertions) {
        return pause;
    }
    let factor = std::env::var("S3_USER_TEST_PAUSES").ok().and_then(|it| it.parse().ok());
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
}
