//! The pace at which keys are deleted once a store has asked to slow down.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Keys per second after the first SlowDown: a little below the 3,500 writes
/// per second that [S3 grants each partitioned prefix][rates].
///
/// [rates]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
const FIRST_RATE: f64 = 3475.0;

/// The slowest pace, which a batch of 1,000 keys still keeps within two minutes.
const SLOWEST: f64 = 10.0;

/// The time without a SlowDown after which the pace quickens, by a tenth.
const CALM: Duration = Duration::from_secs(15);

/// Lets deletes through as they come, until the store says SlowDown; from then
/// on evenly, at a rate that falls with each further SlowDown and grows in
/// calm.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<Limit>>);

#[derive(Debug)]
struct Limit {
    /// Keys per second.
    rate: f64,
    /// The time at which the next keys may go.
    next: Instant,
    /// The time of the last change of the rate.
    changed: Instant,
}

impl Pace {
    /// Waits until `keys` keys may be sent.
    pub async fn admit(&self, keys: usize) {
        if let Some(turn) = self.reserve(keys) {
            tokio::time::sleep_until(turn).await;
        }
    }

    /// Reserves a turn, and returns its time; none if there is no limit.
    fn reserve(&self, keys: usize) -> Option<Instant> {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = pace.as_mut()?;
        let now = Instant::now();
        if now - limit.changed > CALM {
            limit.rate *= 1.1;
            limit.changed = now;
        }
        let turn = limit.next.max(now);
        limit.next = turn + Duration::from_secs_f64(keys as f64 / limit.rate);
        Some(turn)
    }

    /// Takes note that the store refused `keys` keys sent at `sent`.
    ///
    /// Of several requests refused together only the first one slows down.
    pub fn slow_down(&self, keys: usize, sent: Instant) {
        let now = Instant::now();
        let mut limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = match &*limit {
            Some(limit) if sent < limit.changed => return,
            Some(limit) => (limit.rate * 0.7).max(SLOWEST),
            None => FIRST_RATE,
        };
        *limit = Some(Limit {
            rate,
            next: now + Duration::from_secs_f64(keys as f64 / rate),
            changed: now,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_before_the_first_slow_down() {
        let (pace, start) = (Pace::default(), Instant::now());
        for _ in 0..1000 {
            pace.admit(1000).await;
        }
        assert_eq!(Instant::now(), start);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_go_evenly_after_it() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.slow_down(1000, start);
        for _ in 0..10 {
            pace.admit(1000).await;
        }
        let seconds = (Instant::now() - start).as_secs_f64();
        assert!((seconds - 10_000.0 / FIRST_RATE).abs() < 0.1, "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_refused_together_slow_down_once() {
        let pace = Pace::default();
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(50)).await;
        for _ in 0..10 {
            pace.slow_down(1000, sent);
        }
        assert_eq!(pace.0.lock().unwrap().as_ref().unwrap().rate, FIRST_RATE);
        pace.slow_down(1000, Instant::now());
        assert!(pace.0.lock().unwrap().as_ref().unwrap().rate < FIRST_RATE);
    }

    #[tokio::test(start_paused = true)]
    async fn pace_never_stops_and_quickens_in_calm() {
        let pace = Pace::default();
        for _ in 0..100 {
            pace.slow_down(1, Instant::now());
        }
        assert_eq!(pace.0.lock().unwrap().as_ref().unwrap().rate, SLOWEST);
        tokio::time::advance(CALM * 2).await;
        pace.admit(1).await;
        assert!(pace.0.lock().unwrap().as_ref().unwrap().rate > SLOWEST);
    }
}
