//! How the work on each user and the whole program end.

use std::process::ExitCode;

use super::failure::NotConfirmed;
use crate::errors::Interrupted;
use crate::os::Signal;

/// The end of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Success,
    /// Something failed.
    Failure,
    /// This signal came before all was done, and ends the process.
    Signal(Signal),
}

impl Exit {
    /// Returns the exit code, or ends the process by the signal that interrupted it.
    pub(super) fn code(self) -> ExitCode {
        match self {
            Self::Success => ExitCode::SUCCESS,
            Self::Failure => ExitCode::FAILURE,
            Self::Signal(signal) => signal.end_process(),
        }
    }
}

/// Ends the process where it is.
#[expect(clippy::exit, reason = "bad usage and a second Ctrl-C end the process where they are")]
pub(super) fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}

/// The end of the work on one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All done.
    Done,
    /// There was nothing to change.
    Unchanged,
    /// The user exists already, and was to be skipped then.
    Skipped,
    /// The user differs from its row, and is left as it is for a reason that is told.
    Left,
    /// Somebody was asked, and said no.
    Declined,
    /// Something failed.
    Failed,
    /// A signal came before it was done.
    Interrupted,
}

impl Ending {
    /// The ending of work that ended with this error.
    pub fn after(error: &anyhow::Error) -> Self {
        if error.is::<Interrupted>() {
            Self::Interrupted
        } else if error.is::<NotConfirmed>() {
            Self::Declined
        } else {
            Self::Failed
        }
    }
}
