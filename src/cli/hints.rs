//! What an error is printed as: a line, what state things are in, and the hints that it carries.

use crate::aws::{AwsError, LoadError};
use crate::commands::{self, Command};
use crate::errors::{Hint, Hinted, Stays, one_line};
use crate::removal::Removal;
use crate::s3::bucket::BucketError;
use crate::step::{Step, named_keys};
use crate::workflows::create::UserExists;
use crate::workflows::deleted::Deleted;
use crate::workflows::outcome::State;

/// An error as it is printed.
pub(super) struct Explained {
    /// In one line.
    pub error: String,
    /// What state things are in, a line each.
    pub state: Vec<String>,
    /// What is left, and the commands that remove it.
    pub left: Vec<(String, Command)>,
    /// What can be done, a line each.
    pub hints: Vec<Hint>,
}

impl Explained {
    pub fn new(error: &anyhow::Error) -> Self {
        let mut hints = hints(error);
        hints.extend(call_or_load_hint(error));
        Self { error: one_line(&format!("{error:#}")), state: Vec::new(), left: Vec::new(), hints }
    }
}

/// The hints that the error was raised with.
fn hints(error: &anyhow::Error) -> Vec<Hint> {
    if let Some(stays) = error.downcast_ref::<Stays>() {
        return Vec::from_iter(stays.hint.clone());
    }
    if let Some(exists) = error.downcast_ref::<UserExists>() {
        return exists.hints.clone();
    }
    error.downcast_ref::<Hinted>().map_or(Vec::new(), |hinted| hinted.hints.clone())
}

/// What can be done about a call that failed, or clients that could not be made.
fn call_or_load_hint(error: &anyhow::Error) -> Option<Hint> {
    if let Some(LoadError::Credentials(error)) = error.downcast_ref() {
        return error.hint();
    }
    match error.downcast_ref() {
        Some(BucketError::Denied(_, error)) if error.refuser().is_some() => error.hint(),
        Some(BucketError::Refused(_) | BucketError::Denied(..)) => {
            Some(Hint::run("see whose credentials these are", commands::caller_identity()))
        }
        Some(BucketError::Other(error)) => error.hint(),
        _ => error.downcast_ref::<AwsError>()?.hint(),
    }
}

/// What state a run that failed leaves a user in, a line each.
pub(super) fn state_lines(state: &State, user: &str) -> Vec<String> {
    match state {
        State::Deleted(deleted) => deleted_lines(deleted),
        State::Undone => vec![format!("everything made for user {user} was undone")],
        _ => Vec::new(),
    }
}

/// What a delete run has deleted, and what is left for another one.
fn deleted_lines(deleted: &Deleted) -> Vec<String> {
    let gone = gone(deleted).join(", ");
    let has_left = !deleted.remaining.is_empty();
    match (gone.is_empty(), has_left) {
        (true, false) => Vec::new(),
        (true, true) => vec!["nothing was deleted".to_owned()],
        (false, false) => vec![format!("gone: {gone}")],
        (false, true) => vec![format!("gone: {gone}"), left_line(deleted)],
    }
}

fn left_line(deleted: &Deleted) -> String {
    let mut left = Vec::new();
    for step in &deleted.remaining {
        let thing = match step {
            Step::EmptyFolder { folder, .. } => format!("what is still in {folder}"),
            Step::Remove(Removal::Attachment(policy)) => format!("policy {}", policy.name),
            Step::Remove(removal) => removal.what(deleted.target.user.as_str()),
            _ => continue,
        };
        if !left.contains(&thing) {
            left.push(thing);
        }
    }
    let force = if deleted.needs_force { " with --force" } else { "" };
    let left = left.join(", ");
    format!("left: {left}; running the same command again{force} continues")
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
    let folder = &deleted.folder;
    if folder.entries() > 0 || folder.uploads > 0 {
        gone.push(folder.to_string());
    }
    gone
}
