//! Work on several users at a time.

use std::collections::VecDeque;
use std::process::ExitCode;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::{Output, Signals};
use crate::access::UserName;
use crate::errors::Interrupted;

/// Works on the items in order, up to `jobs` at a time, and starts no new ones
/// once cancelled. Returns the results as they came, and what was not started.
pub async fn each<T, R, Work: Future<Output = R>>(
    items: impl IntoIterator<Item = T>,
    jobs: usize,
    cancel: &CancellationToken,
    work: impl Fn(T) -> Work,
) -> (Vec<R>, Vec<T>) {
    let mut waiting = VecDeque::from_iter(items);
    let mut under_way = FuturesUnordered::new();
    let mut results = Vec::new();
    loop {
        while under_way.len() < jobs
            && !cancel.is_cancelled()
            && let Some(item) = waiting.pop_front()
        {
            under_way.push(work(item));
        }
        match under_way.next().await {
            Some(result) => results.push(result),
            None => return (results, waiting.into()),
        }
    }
}

/// Says how it went with several users, and returns the exit code: that of an
/// interruption, or 1 if anything failed.
pub fn conclude(
    out: &Output,
    signals: &Signals,
    finished: &[(UserName, ExitStatus)],
    not_started: &[UserName],
) -> ExitCode {
    let total = finished.len() + not_started.len();
    let with = |status| {
        let names = finished.iter().filter(move |(_, found)| *found == status);
        names.map(|(user, _)| user).collect::<Vec<_>>()
    };
    let done = with(ExitStatus::Done).len();
    let skipped = with(ExitStatus::Skipped).len();
    if total > 1 {
        out.summary(done, skipped, total);
        for (what, users) in [
            ("failed", with(ExitStatus::Failed)),
            ("interrupted", with(ExitStatus::Interrupted)),
            ("not started", not_started.iter().collect()),
        ] {
            if !users.is_empty() {
                let names: Vec<_> = users.iter().map(|user| user.as_str()).collect();
                out.error_detail(&format!("{what}: {}", names.join(", ")));
            }
        }
    }
    if finished.is_empty() {
        out.error(&Interrupted.to_string());
    }
    if !with(ExitStatus::Interrupted).is_empty() || !not_started.is_empty() {
        signals.exit_code()
    } else if done + skipped < total || out.has_lost_results() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// How the work on one user ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// All done.
    Done,
    /// The user exists already, and was to be skipped then.
    Skipped,
    /// Something failed.
    Failed,
    /// A signal came before it was done.
    Interrupted,
}

impl ExitStatus {
    /// The status of work that ended with this error.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<Interrupted>() { Self::Interrupted } else { Self::Failed }
    }
}
