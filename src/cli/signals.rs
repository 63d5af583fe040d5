//! Ctrl-C and SIGTERM.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit_now;
use super::output::to_stderr;
use crate::errors::Interrupted;

/// Ctrl-C and SIGTERM as a cancellation.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Cancelled by the first signal.
    pub cancel: CancellationToken,
    exit_code: Arc<AtomicU8>,
}

impl Signals {
    /// Starts to listen. The first signal prints `first` and cancels; a second
    /// one prints `second` and ends the process at once.
    pub fn listen(first: &'static str, second: String) -> Self {
        let signals = Self {
            cancel: CancellationToken::new(),
            exit_code: Arc::new(AtomicU8::new(130)),
        };
        let on = |kind| signal(kind).expect("the runtime has a signal driver");
        // Held, a limit on file sizes fails the write and not the whole process.
        let _held = on(SignalKind::from_raw(libc::SIGXFSZ));
        let mut interrupt = on(SignalKind::interrupt());
        let mut terminate = on(SignalKind::terminate());
        let listener = signals.clone();
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                };
                if listener.cancel.is_cancelled() {
                    to_stderr(&second);
                    exit_now(code);
                }
                listener.exit_code.store(code, Ordering::Relaxed);
                listener.cancel.cancel();
                to_stderr(first);
            }
        });
        signals
    }

    /// Does something that may be dropped at any point, until it is done or a
    /// signal comes.
    pub async fn or_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.cancel.run_until_cancelled(work).await {
            Some(done) => done,
            None => Err(Interrupted.into()),
        }
    }

    /// The exit code of an interrupted run: 130, or 143 by SIGTERM.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit_code.load(Ordering::Relaxed))
    }
}
