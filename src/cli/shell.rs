//! Commands as a shell takes them, with the connection options of this run.

use crate::aws::Connection;
use crate::commands::Command;

/// Writes commands for the shell of the admin.
#[derive(Debug, Clone, Default)]
pub(super) struct Shell {
    /// The connection options of this run.
    options: Vec<String>,
}

impl Shell {
    pub fn new(connection: &Connection) -> Self {
        let mut options = Vec::new();
        for (option, value) in [
            ("--profile", &connection.profile),
            ("--region", &connection.region),
            ("--endpoint-url", &connection.endpoint_url),
        ] {
            if let Some(value) = value {
                options.extend([option.to_owned(), value.clone()]);
            }
        }
        Self { options }
    }

    /// The command, quoted.
    pub fn text(&self, command: &Command) -> String {
        let options = if command.connects { &self.options[..] } else { &[] };
        let words = command.words.iter().chain(options).map(String::as_str);
        // No argument of a program can have the one character, NUL, that a shell can't be given.
        let quoted = shlex::try_join(words).unwrap_or_default();
        let (before, after) = command.around;
        let text = format!("{before}{quoted}{after}");
        match &command.then {
            Some(next) => format!("{text} && {}", self.text(next)),
            None => text,
        }
    }
}
