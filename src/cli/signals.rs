//! The signals that stop a run: Ctrl-C, SIGTERM, those of a terminal that
//! closes, and all others that would end the process where it is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Result;
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::terminal::to_stderr;
use crate::access::UserName;
use crate::errors::Interrupted;
use crate::os::{self, Signal};

/// The words for a signal that stops a run.
#[derive(Debug)]
pub struct StopWords {
    /// On the first signal.
    pub first: &'static str,
    /// On Ctrl-C or Ctrl-\ after that.
    pub second: String,
}

/// The signals that stop a run, as a cancellation.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    /// Cancelled by the first signal.
    pub cancel: CancellationToken,
    words: Arc<StopWords>,
    /// The line that moves at the terminal.
    line: ProgressBar,
    /// The first signal that came.
    first: Arc<OnceLock<Signal>>,
    has_begun: Arc<AtomicBool>,
    under_way: Arc<Mutex<BTreeSet<String>>>,
}

impl Signals {
    /// Starts to listen. The first signal says so and cancels. Ctrl-C or Ctrl-\ after
    /// that names the users under way, and ends the process at once; no other signal
    /// does. Until [`begin`](Self::begin) is called there is nothing to say of what was
    /// done.
    pub fn listen(words: StopWords, line: ProgressBar) -> Self {
        let signals = Self {
            cancel: CancellationToken::new(),
            words: Arc::new(words),
            line,
            first: Arc::default(),
            has_begun: Arc::default(),
            under_way: Arc::default(),
        };
        let listener = signals.clone();
        os::on_signals(move |signal| listener.stop(signal));
        signals
    }

    fn stop(&self, signal: Signal) {
        if self.first.set(signal).is_ok() {
            // Before the work stops, since the process may end at once then.
            let words = if self.has_begun() { self.words.first } else { "stopping" };
            self.line.suspend(|| to_stderr(words));
            self.cancel.cancel();
        } else if signal.is_typed() {
            self.line.finish_and_clear();
            to_stderr(if self.has_begun() { &self.words.second } else { "stopped" });
            let users = Vec::from_iter(self.users_under_way().clone());
            if !users.is_empty() {
                to_stderr(&format!("under way: {}", users.join(", ")));
            }
            signal.end_process()
        }
    }

    /// True if anything may have been changed.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    fn users_under_way(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on something of this user may be changed, and not only looked at.
    pub fn begin(&self, user: &UserName) {
        self.has_begun.store(true, Ordering::Relaxed);
        self.users_under_way().insert(user.to_string());
    }

    /// From now on nothing more of this user is changed.
    pub fn end(&self, user: &UserName) {
        self.users_under_way().remove(user.as_str());
    }

    /// Does something that may be dropped at any point, until it is done or a
    /// signal comes.
    pub async fn or_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        // Boxed, since the compiler takes futures within futures only so deep.
        let done = self.cancel.run_until_cancelled(Box::pin(work)).await;
        // Once "stopping" was printed, a result that came first is dropped too.
        let done = done.filter(|_| self.first.get().is_none());
        done.unwrap_or_else(|| Err(Interrupted.into()))
    }

    /// The end of an interrupted run: by the signal that interrupted it.
    pub fn exit(&self) -> Exit {
        Exit::Signal(self.first.get().copied().unwrap_or(Signal::INTERRUPT))
    }
}
