//! How the work on each user and the whole program end.

use std::process::ExitCode;

use super::Session;
use super::job::Job;
use crate::access::UserName;
use crate::errors::Interrupted;

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Success,
    /// Something failed.
    Failure,
    /// This signal came before all was done, and ends the process.
    Signal(i32),
}

impl Exit {
    /// Returns the exit code, or ends the process by the signal that interrupted it, so
    /// that a shell's loop stops too.
    pub(super) fn code(self) -> ExitCode {
        match self {
            Self::Success => ExitCode::SUCCESS,
            Self::Failure => ExitCode::FAILURE,
            Self::Signal(signal) => end_by(signal),
        }
    }
}

/// Ends the process where it is, by a signal as if nobody had listened for it.
#[expect(unsafe_code, reason = "nothing safe has a signal handled by default again")]
pub(super) fn end_by(signal: i32) -> ! {
    // SAFETY: by default no code of ours handles the signal.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    // Some systems ignore some signals by default.
    exit_now(128 + signal as u8)
}

/// Ends the process where it is.
#[expect(clippy::exit, reason = "bad usage and a second Ctrl-C end the process where they are")]
pub(super) fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}

/// How the work on one user ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
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

/// How the work on all users ended.
#[derive(Debug, Default)]
pub(super) struct Endings {
    finished: Vec<(UserName, ExitStatus)>,
    pub not_started: Vec<UserName>,
}

impl Endings {
    pub fn push(&mut self, user: UserName, status: ExitStatus) {
        self.finished.push((user, status));
    }

    pub fn extend<'a>(
        &mut self,
        finished: impl IntoIterator<Item = (UserName, ExitStatus)>,
        not_started: impl IntoIterator<Item = Job<'a>>,
    ) {
        self.finished.extend(finished);
        self.not_started.extend(not_started.into_iter().map(|job| job.user().clone()));
    }

    fn users(&self, status: ExitStatus) -> Vec<&str> {
        let finished = self.finished.iter().filter(|(_, found)| *found == status);
        finished.map(|(user, _)| user.as_str()).collect()
    }
}

impl Session {
    /// Says how it went with several users, of whom each that is done is `done` now, and
    /// returns how the program ends.
    pub(super) fn conclude(&self, endings: &Endings, done: &str) -> Exit {
        let total = endings.finished.len() + endings.not_started.len();
        let done_users = endings.users(ExitStatus::Done).len();
        let skipped = endings.users(ExitStatus::Skipped).len();
        let interrupted = endings.users(ExitStatus::Interrupted);
        let not_started: Vec<_> = endings.not_started.iter().map(UserName::as_str).collect();
        let is_interrupted = !interrupted.is_empty() || !not_started.is_empty();
        if total > 1 {
            self.out.summary(done, done_users, skipped, total);
            for (what, users) in [
                ("failed", endings.users(ExitStatus::Failed)),
                ("interrupted", interrupted),
                ("not started", not_started),
            ] {
                if !users.is_empty() {
                    self.out.error_detail(&format!("{what}: {}", users.join(", ")));
                }
            }
        }
        if endings.finished.is_empty() {
            self.out.error(&Interrupted.to_string());
        }
        if is_interrupted {
            self.signals.exit()
        } else if done_users + skipped < total || self.out.has_lost_results() {
            Exit::Failure
        } else {
            Exit::Success
        }
    }
}
