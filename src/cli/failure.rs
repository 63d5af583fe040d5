//! What is printed where the work on a user failed.

use serde::Serialize;

use super::Output;
use super::exit::ExitStatus;
use super::hints::{Explained, state_lines};
use crate::access::Target;
use crate::commands;
use crate::handover::HandedOver;
use crate::removal::{Leftover, Removal};
use crate::workflows::deleted::Deleted;
use crate::workflows::outcome::{Failed, State};

/// How many failed objects are named on the terminal; `--json` has all of them.
const NAMED: usize = 20;

/// A failure as JSON.
#[derive(Serialize)]
struct Failure<'a> {
    user: &'a str,
    error: &'a str,
    left: Vec<String>,
    #[serde(flatten)]
    handed_over: Option<&'a HandedOver>,
}

/// An incomplete deletion as JSON.
#[derive(Serialize)]
pub(super) struct Incomplete<'a> {
    #[serde(flatten)]
    pub deleted: &'a Deleted,
    pub error: &'a str,
}

/// Prints a failure: the error, what is left, and the result as far as it got.
pub(super) fn fail(out: &Output, target: &Target, failed: &Failed) -> ExitStatus {
    let user = target.user.as_str();
    let mut explained = Explained::new(&failed.error);
    explained.state = state_lines(&failed.state, user);
    let error = explained.error.clone();
    if let State::Deleted(deleted) = &failed.state {
        for line in deleted.failures(NAMED) {
            out.error_detail(&line);
        }
        out.explained(&explained);
        out.result(&Incomplete { deleted, error: &error }, None);
        return ExitStatus::of(&failed.error);
    }
    let (left, key) = match &failed.state {
        State::Left(left) => (&left[..], None),
        State::HandedOver { key, left } => (&left[..], Some(key)),
        _ => (&[][..], None),
    };
    let user_is_left = left.iter().any(|it| matches!(it, Leftover::Removable(Removal::User(_))));
    for leftover in left {
        let words = format!("left: {}; {} it with", leftover.what(user), leftover.verb());
        let command = commands::clean_up(leftover, target, user_is_left);
        explained.left.push((words, command));
    }
    out.explained(&explained);
    let left = left.iter().map(|leftover| leftover.what(user)).collect();
    let key_file = key.and_then(|key| key.key_file.as_ref());
    let failure = Failure { user, error: &error, left, handed_over: key };
    out.result(&failure, key_file.map(|path| path.display().to_string()));
    ExitStatus::of(&failed.error)
}
