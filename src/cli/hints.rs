//! Hints: those that an error carries, and their commands for the admin's shell.

use super::Output;
use super::terminal::{label, to_copy};
use crate::aws::{AwsError, Connection, LoadError};
use crate::commands::Command;
use crate::errors::{Hint, Hinted, Stays, harmless, one_line};
use crate::s3::bucket::BucketError;
use crate::workflows::create::UserExists;

impl Output {
    /// Prints the hints at what can be done about an error, a line each.
    pub(super) fn hints(&self, error: &anyhow::Error) {
        for hint in hints(error) {
            self.advise(&format!("{} ", label("hint")), &hint.words, hint.command.as_ref());
        }
    }

    /// Prints advice in one line, in which the command stands out.
    pub(super) fn advise(&self, label: &str, words: &str, command: Option<&Command>) {
        let mut line = format!("{}{label}{}", self.prefix(), one_line(words));
        if let Some(command) = command {
            // Not on one line by force, since quoted spaces are a part of it.
            line += &format!(": {}", to_copy(&harmless(&in_shell(command, &self.connection))));
        }
        self.print(&line);
    }
}

fn hints(error: &anyhow::Error) -> Vec<Hint> {
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        return hinted.hints.clone();
    }
    if let Some(exists) = error.downcast_ref::<UserExists>() {
        return exists.hints.clone();
    }
    if let Some(stays) = error.downcast_ref::<Stays>() {
        return Vec::from_iter(stays.hint.clone());
    }
    let hint = if let Some(LoadError::Credentials(error)) = error.downcast_ref() {
        error.hint()
    } else if let Some(error) = error.downcast_ref::<BucketError>() {
        error.hint()
    } else {
        error.downcast_ref().and_then(AwsError::hint)
    };
    Vec::from_iter(hint)
}

/// The command for the admin's shell, with the connection options of this run.
pub(super) fn in_shell(command: &Command, connection: &Connection) -> String {
    let mut words: Vec<_> = command.words.iter().map(String::as_str).collect();
    if command.connects {
        for (option, value) in [
            ("--profile", &connection.profile),
            ("--region", &connection.region),
            ("--endpoint-url", &connection.endpoint_url),
        ] {
            words.extend(value.iter().flat_map(|value| [option, value]));
        }
    }
    // No argument of a program can have the one character, NUL, that a shell can't be given.
    let quoted = shlex::try_join(words).unwrap_or_default();
    let (before, after) = command.around;
    match &command.then {
        Some(next) => format!("{before}{quoted}{after} && {}", in_shell(next, connection)),
        None => format!("{before}{quoted}{after}"),
    }
}
