//! Hints: those that an error carries, and their commands for the admin's shell.

use super::Output;
use super::terminal::{label, to_copy};
use crate::aws::Connection;
use crate::commands::Command;
use crate::errors::{harmless, one_line};
use crate::os;
use crate::workflows::error::hints;

impl Output {
    /// Prints the hints at what can be done about an error, a line each.
    pub(super) fn hints(&self, error: &anyhow::Error) {
        for hint in hints(error) {
            self.hint(&hint.words, hint.command.as_ref());
        }
    }

    /// Prints a hint, unless the same was printed for another user.
    pub(super) fn hint(&self, words: &str, command: Option<&Command>) {
        self.advise(&format!("{} ", label("hint")), words, command);
    }

    /// Prints advice in one line, in which the command stands out, unless the same was printed
    /// for another user.
    pub(super) fn advise(&self, label: &str, words: &str, command: Option<&Command>) {
        let mut line = format!("{label}{}", one_line(words));
        if let Some(command) = command {
            // Not on one line by force, since quoted spaces are a part of it.
            line += &format!(": {}", to_copy(&harmless(&in_shell(command, &self.connection))));
        }
        if self.is_news(&line) {
            self.print(&format!("{}{line}", self.prefix()));
        }
    }
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
    let (before, after) = command.around;
    let line = format!("{before}{}{after}", os::quoted(&words));
    match &command.then {
        Some(next) => os::one_after_another(&line, &in_shell(next, connection)),
        None => line,
    }
}
