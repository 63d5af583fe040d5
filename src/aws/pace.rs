//! The pace of the calls to IAM, which [rations them][throttling]: all calls of a run go
//! through one pace, whatever they are for.
//!
//! [throttling]: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_iam::config::interceptors::InterceptorContext;
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use tokio::time::{Instant, sleep_until};

use super::retry::scaled;
use super::transient::is_slow_down;

/// The time over which the rate of calls is counted until IAM throttles them.
const WINDOW: Duration = Duration::from_secs(1);

/// The part of that rate at which the calls go on: much of it was a burst.
const AFTER_BURST: f64 = 0.5;

/// The slowest pace at first, where the burst was used up before the run.
const FIRST: f64 = 5.0;

/// The slowest pace, in calls per second: others may use up what IAM allows.
const SLOWEST: f64 = 2.0;

/// The time without a refusal after which the pace quickens, by a tenth.
const CALM: Duration = Duration::from_secs(2);

/// The time without any answer but refusals after which a run gives up.
const LONGEST: Duration = Duration::from_secs(120);

/// The refusals before it gives up, however slowly they came.
const FEWEST: usize = 20;

/// Lets calls through as they come, until IAM throttles them; from then on one after the
/// other, at a rate that falls with each further refusal and grows in calm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Held by the call whose turn is next.
    queue: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The times at which calls got through, of the last second.
    answered: VecDeque<Instant>,
    /// The time of the last call that got through, or of the first refusal.
    last_through: Option<Instant>,
    /// How many calls were refused since.
    refused: usize,
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    /// Calls per second.
    rate: f64,
    /// The time of the last call, or of the refusal after which the rate is this one.
    last: Instant,
    /// The time of the last change of the rate.
    changed: Instant,
}

impl Pace {
    /// Waits for the turn of a call.
    pub async fn turn(&self) {
        if !self.is_limited() {
            return;
        }
        let _first = self.0.queue.lock().await;
        while let Some(turn) = self.next_turn() {
            sleep_until(turn).await;
        }
    }

    /// The time of the next turn; none if it has come, and is taken.
    fn next_turn(&self) -> Option<Instant> {
        let mut state = self.state();
        let limit = state.limit.as_mut()?;
        let now = Instant::now();
        if now - limit.changed > scaled(CALM) {
            limit.rate *= 1.1;
            limit.changed = now;
        }
        let turn = limit.last + scaled(Duration::from_secs_f64(1.0 / limit.rate));
        if turn > now {
            return Some(turn);
        }
        limit.last = now;
        None
    }

    /// Takes note that a call got through.
    pub fn got_through(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.last_through = Some(now);
        state.refused = 0;
        if state.limit.is_none() {
            state.answered.push_back(now);
            while state.answered.front().is_some_and(|first| now - *first > scaled(WINDOW)) {
                state.answered.pop_front();
            }
        }
    }

    /// Takes note that a call sent at `sent` was refused since calls come too fast. False if
    /// none has got through for so long that there is no use in trying again.
    ///
    /// Of several calls refused together only the first one slows down.
    pub fn slow_down(&self, sent: Instant) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let last_through = *state.last_through.get_or_insert(now);
        state.refused += 1;
        let rate = match &state.limit {
            Some(limit) if sent < limit.changed => None,
            Some(limit) => Some((limit.rate * 0.8).max(SLOWEST)),
            None => Some((state.answered.len() as f64 * AFTER_BURST).max(FIRST)),
        };
        if let Some(rate) = rate {
            state.limit = Some(Limit { rate, last: now, changed: now });
        }
        now - last_through < scaled(LONGEST) || state.refused < FEWEST
    }

    /// True once IAM has limited the rate.
    pub fn is_limited(&self) -> bool {
        self.state().limit.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the SDK from trying a throttled call again: that is left to the pace.
#[derive(Debug)]
pub(super) struct LeaveToPace;

impl ClassifyRetry for LeaveToPace {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_throttled = context.response().is_some_and(|response| {
            let answer = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
            let code = answer.split("<Code>").nth(1).and_then(|rest| rest.split('<').next());
            response.status().is_client_error() && code.is_some_and(is_slow_down)
        });
        if is_throttled { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "leave to pace"
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    /// A service that rations calls by a token bucket.
    struct Bucket {
        tokens: f64,
        burst: f64,
        rate: f64,
        filled: Instant,
    }

    impl Bucket {
        fn takes(&mut self) -> bool {
            let now = Instant::now();
            let more = (now - self.filled).as_secs_f64() * self.rate;
            self.tokens = (self.tokens + more).min(self.burst);
            self.filled = now;
            let is_there = self.tokens >= 1.0;
            self.tokens -= f64::from(u8::from(is_there));
            is_there
        }
    }

    /// Makes so many calls of 50 ms each, 16 at a time. Returns the seconds they take and how
    /// many more are refused.
    async fn calls(count: usize, rate: f64, burst: f64) -> (f64, usize) {
        let start = Instant::now();
        let pace = Pace::default();
        let bucket = Bucket { tokens: burst, burst, rate, filled: start };
        let bucket = Arc::new(Mutex::new(bucket));
        let left = Arc::new(Mutex::new(count));
        let refused = Arc::new(Mutex::new(0));
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (pace, bucket, left, refused) =
                (pace.clone(), bucket.clone(), left.clone(), refused.clone());
            workers.spawn(async move {
                loop {
                    {
                        let mut left = left.lock().unwrap();
                        if *left == 0 {
                            return;
                        }
                        *left -= 1;
                    }
                    loop {
                        pace.turn().await;
                        let sent = Instant::now();
                        let is_taken = bucket.lock().unwrap().takes();
                        sleep(Duration::from_millis(50)).await;
                        if is_taken {
                            pace.got_through();
                            break;
                        }
                        *refused.lock().unwrap() += 1;
                        assert!(pace.slow_down(sent));
                    }
                }
            });
        }
        workers.join_all().await;
        let refused = *refused.lock().unwrap();
        (start.elapsed().as_secs_f64(), refused)
    }

    #[tokio::test(start_paused = true)]
    async fn calls_take_little_longer_than_their_rate_wants() {
        for (count, rate, burst) in [(600, 20.0, 40.0), (720, 10.0, 20.0), (3000, 20.0, 40.0)] {
            let (seconds, refused) = calls(count, rate, burst).await;
            let least = (count as f64 - burst) / rate;
            assert!(seconds < least * 1.1, "{count} at {rate}: {seconds} s, {least} at least");
            assert!(refused * 100 < count * 5, "{count} at {rate}: {refused} refused");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_where_nothing_is_refused() {
        let (seconds, refused) = calls(1600, 1e6, 1e6).await;
        assert!(refused == 0 && (seconds - 5.0).abs() < 0.1, "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn run_gives_up_only_once_nothing_gets_through_any_more() {
        let pace = Pace::default();
        pace.got_through();
        for _ in 0..100 {
            advance(LONGEST / 2).await;
            assert!(pace.slow_down(Instant::now()));
            pace.got_through();
        }
        advance(LONGEST).await;
        for _ in 1..FEWEST {
            assert!(pace.slow_down(Instant::now()));
        }
        assert!(!pace.slow_down(Instant::now()));
    }
}
