//! The signals that stop a run: Ctrl-C, SIGTERM, and those of a terminal that
//! closes.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::exit_now;
use super::output::to_stderr;
use crate::errors::Interrupted;

/// Ctrl-C, SIGTERM, a closed terminal or lost connection, Ctrl-\.
const STOPPING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// The signals that stop a run, as a cancellation.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Cancelled by the first signal.
    pub cancel: CancellationToken,
    exit_code: Arc<AtomicU8>,
    has_begun: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to listen. The first signal prints `first` and cancels; a second
    /// one prints `second` and ends the process at once. Until [`begin`](Self::begin)
    /// is called there is nothing to say of what was done.
    pub fn listen(first: &'static str, second: String) -> Self {
        let signals = Self {
            cancel: CancellationToken::new(),
            exit_code: Arc::new(AtomicU8::new(exit_code(libc::SIGINT))),
            has_begun: Arc::default(),
        };
        let on = |number| {
            let kind = SignalKind::from_raw(number);
            signal(kind).expect("the runtime has a signal driver")
        };
        // Held, a limit on file sizes fails the write and not the whole process.
        let _held = on(libc::SIGXFSZ);
        let (sender, mut codes) = mpsc::unbounded_channel();
        for number in STOPPING
            .into_iter()
            .filter(|number| !stays_ignored(*number))
        {
            let (mut stream, sender) = (on(number), sender.clone());
            tokio::spawn(async move {
                while stream.recv().await.is_some() && sender.send(exit_code(number)).is_ok() {}
            });
        }
        let listener = signals.clone();
        tokio::spawn(async move {
            while let Some(code) = codes.recv().await {
                // A terminal that closes may say so more than once.
                let again = code == exit_code(libc::SIGHUP);
                if listener.cancel.is_cancelled() && again {
                    continue;
                }
                let has_begun = listener.has_begun.load(Ordering::Relaxed);
                if listener.cancel.is_cancelled() {
                    to_stderr(if has_begun { &second } else { "stopped" });
                    exit_now(code);
                }
                listener.exit_code.store(code, Ordering::Relaxed);
                // Before the work stops, since the process may end at once then.
                to_stderr(if has_begun { first } else { "stopping" });
                listener.cancel.cancel();
            }
        });
        signals
    }

    /// From now on something may be changed, and not only looked at.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Does something that may be dropped at any point, until it is done or a
    /// signal comes.
    pub async fn or_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.cancel.run_until_cancelled(work).await {
            Some(done) => done,
            None => Err(Interrupted.into()),
        }
    }

    /// The exit code of an interrupted run: 128 and the number of the signal.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit_code.load(Ordering::Relaxed))
    }
}

fn exit_code(signal: i32) -> u8 {
    128 + signal as u8
}

/// Whether the process was started with the signal ignored, as `nohup` does
/// with SIGHUP, and is to go on ignoring it.
fn stays_ignored(signal: i32) -> bool {
    [libc::SIGHUP, libc::SIGQUIT].contains(&signal) && is_ignored(signal)
}

#[expect(unsafe_code, reason = "nothing safe tells how a signal is handled")]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, sigaction only fills in the current one,
    // for which there is room; a struct of zeros is a valid one.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}
