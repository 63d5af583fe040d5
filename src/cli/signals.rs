//! The signals that stop a run: Ctrl-C, SIGTERM, those of a terminal that
//! closes, and all others that would end the process where it is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, end_by};
use super::terminal::to_stderr;
use crate::access::UserName;
use crate::errors::Interrupted;

/// Ctrl-C, SIGTERM, a closed terminal or lost connection, Ctrl-\, and what timers,
/// limits and other processes send.
const STOPPING: [i32; 11] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGALRM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGXCPU,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
];

/// The signals that only somebody at a terminal sends, who just wants to get out: a
/// session that closes and a wrapper that forwards send the others twice.
const AT_ONCE: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];

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
    /// The first signal that came.
    first: Arc<OnceLock<i32>>,
    has_begun: Arc<AtomicBool>,
    under_way: Arc<Mutex<BTreeSet<String>>>,
}

impl Signals {
    /// Starts to listen. The first signal says so and cancels. Ctrl-C or Ctrl-\ after
    /// that names the users under way, and ends the process at once; no other signal
    /// does. Until [`begin`](Self::begin) is called there is nothing to say of what was
    /// done.
    pub fn listen(words: StopWords) -> Self {
        let signals = Self {
            cancel: CancellationToken::new(),
            words: Arc::new(words),
            first: Arc::default(),
            has_begun: Arc::default(),
            under_way: Arc::default(),
        };
        // Held, a limit on file sizes fails the write and not the whole process.
        let _held = stream(libc::SIGXFSZ);
        for number in stopping().filter(|number| !stays_ignored(*number)) {
            let mut received = stream(number);
            let listener = signals.clone();
            tokio::spawn(async move {
                while received.recv().await.is_some() {
                    listener.stop(number);
                }
            });
        }
        signals
    }

    fn stop(&self, number: i32) {
        if self.first.set(number).is_ok() {
            // Before the work stops, since the process may end at once then.
            to_stderr(if self.has_begun() { self.words.first } else { "stopping" });
            self.cancel.cancel();
        } else if AT_ONCE.contains(&number) {
            to_stderr(if self.has_begun() { &self.words.second } else { "stopped" });
            let users = Vec::from_iter(self.users_under_way().clone());
            if !users.is_empty() {
                to_stderr(&format!("under way: {}", users.join(", ")));
            }
            end_by(number)
        }
    }

    fn has_begun(&self) -> bool {
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
        Exit::Signal(self.first.get().copied().unwrap_or(libc::SIGINT))
    }
}

/// Every signal that stops a run: on Linux also that of a failing power supply, and
/// those that the system has no use for, which end a process too.
#[cfg(target_os = "linux")]
fn stopping() -> impl Iterator<Item = i32> {
    let others = [libc::SIGPWR, libc::SIGSTKFLT];
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    STOPPING.into_iter().chain(others).chain(real_time)
}

/// Every signal that stops a run.
#[cfg(not(target_os = "linux"))]
fn stopping() -> impl Iterator<Item = i32> {
    STOPPING.into_iter()
}

fn stream(number: i32) -> Signal {
    signal(SignalKind::from_raw(number)).expect("the runtime has a signal driver")
}

/// True if the process was started with the signal ignored, as `nohup` does
/// with SIGHUP, and is to go on ignoring it. A shell starts what it runs in the
/// background with Ctrl-C ignored, which stops it all the same.
fn stays_ignored(signal: i32) -> bool {
    ![libc::SIGINT, libc::SIGTERM].contains(&signal) && is_ignored(signal)
}

#[expect(unsafe_code, reason = "nothing safe tells how a signal is handled")]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, sigaction only fills in the current one,
    // for which there is room; a struct of zeros is a valid one.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
