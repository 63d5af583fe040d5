//! What is printed where something failed: the error, what state things are in, what is
//! left, and hints.

use serde::Serialize;

use super::Output;
use super::grouped::Grouped;
use super::results::key_file;
use crate::access::Target;
use crate::commands;
use crate::errors::{Interrupted, one_line};
use crate::handover::HandedOver;
use crate::removal::{Leftover, Removal};
use crate::step::{Step, named_keys};
use crate::workflows::deleted::Deleted;
use crate::workflows::outcome::{Failed, State};

/// The most failed objects that are named on the terminal; `--json` has all of them.
const NAMED: usize = 20;

/// Somebody was asked, and said no.
#[derive(Debug, thiserror::Error)]
#[error("not confirmed, so nothing was {0}")]
pub(super) struct NotConfirmed(pub &'static str);

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
struct Incomplete<'a> {
    #[serde(flatten)]
    deleted: &'a Deleted,
    error: &'a str,
}

impl Output {
    /// Prints an error that leaves things as they were, and what can be done about it.
    pub fn failed(&self, error: &anyhow::Error) {
        self.error(&format!("{error:#}"));
        self.hints(error);
    }

    /// Prints that the work on a user failed, and the result as far as it got.
    pub fn fail(&self, target: &Target, failed: &Failed) {
        let error = one_line(&failed.error.to_string());
        let (left, key): (&[_], _) = match &failed.state {
            State::Left(left) => (left, None),
            State::HandedOver { key, left } => (left, Some(key)),
            _ => (&[], None),
        };
        if let State::Deleted(deleted) = &failed.state {
            for line in deleted.failures(NAMED) {
                self.error_detail(&line);
            }
        }
        let is_interrupted = failed.error.inner().is::<Interrupted>();
        let grouped = Grouped::of(failed.error.inner());
        let grouped = grouped.filter(|_| !self.is_alone());
        if let Some(kind) = grouped {
            self.report().grouped.push((kind, target.user.clone()));
        } else if let Some(NotConfirmed(what)) = failed.error.inner().downcast_ref() {
            self.error_detail(&format!("nothing was {what}"));
        } else if self.is_alone() || !is_interrupted {
            self.error(&error);
        }
        match &failed.state {
            State::Deleted(deleted) => {
                for line in deleted_lines(deleted, is_interrupted && !self.is_alone()) {
                    self.error_detail(&line);
                }
            }
            State::Undone => {
                self.error_detail("all changes were undone");
            }
            _ => self.how_to_clean_up(target, left),
        }
        if grouped.is_none() {
            self.hints(failed.error.inner());
        }
        if let State::Deleted(deleted) = &failed.state {
            self.incomplete(deleted, &error);
        } else {
            let user = target.user.as_str();
            let failure = Failure {
                user,
                error: &error,
                left: left.iter().map(|leftover| leftover.what(user)).collect(),
                handed_over: key,
            };
            self.result(&failure, key_file(key));
        }
    }

    /// Names what is left, with the commands that remove it.
    fn how_to_clean_up(&self, target: &Target, left: &[Leftover]) {
        let user_is_left =
            left.iter().any(|it| matches!(it, Leftover::Removable(Removal::User(_))));
        for leftover in left {
            let what = leftover.what(target.user.as_str());
            let words = format!("left: {what}; {} it with", leftover.verb());
            let command = commands::clean_up(leftover, target, user_is_left);
            self.advise("", &words, Some(&command));
        }
    }

    /// The result of a deletion that failed.
    pub fn incomplete(&self, deleted: &Deleted, error: &str) {
        self.result(&Incomplete { deleted, error }, None);
    }
}

/// The lines on what a delete run has deleted, and what is left for another one, and how to
/// continue unless that `is_said` already.
fn deleted_lines(deleted: &Deleted, is_said: bool) -> Vec<String> {
    let gone = gone(deleted);
    let mut lines = Vec::new();
    if !gone.is_empty() {
        lines.push(format!("deleted: {}", gone.join(", ")));
    }
    if !deleted.remaining.is_empty() {
        lines.push(if gone.is_empty() {
            "nothing was deleted".to_owned()
        } else {
            format!("left: {}{}", left(deleted), how_to_go_on(deleted, is_said))
        });
    }
    lines
}

fn gone(deleted: &Deleted) -> Vec<String> {
    let mut gone = Vec::new();
    if !deleted.access_keys.is_empty() {
        gone.push(named_keys(&deleted.access_keys));
    }
    for name in &deleted.policies_detached {
        if !deleted.policies_deleted.contains(name) {
            gone.push(format!("policy {name} (detached)"));
        }
    }
    gone.extend(deleted.policies_deleted.iter().map(|name| format!("policy {name}")));
    gone.extend(deleted.other.iter().cloned());
    if deleted.folder.entries() > 0 || deleted.folder.uploads > 0 {
        gone.push(deleted.folder.to_string());
    }
    gone
}

fn left(deleted: &Deleted) -> String {
    let mut things = Vec::new();
    for step in &deleted.remaining {
        let thing = match step {
            Step::EmptyFolder { folder, .. } if deleted.folder.entries() == 0 => folder.clone(),
            Step::EmptyFolder { folder, .. } => format!("the rest of {folder}"),
            Step::Remove(Removal::Attachment(policy)) => format!("policy {}", policy.name),
            Step::Remove(removal) => removal.what(deleted.target.user.as_str()),
            _ => continue,
        };
        if !things.contains(&thing) {
            things.push(thing);
        }
    }
    things.join(", ")
}

/// Says how to continue a deletion, unless that is said already.
fn how_to_go_on(deleted: &Deleted, is_said: bool) -> &'static str {
    if deleted.needs_force {
        "; running the same command again with --force continues"
    } else if is_said {
        ""
    } else {
        "; running the same command again continues"
    }
}
