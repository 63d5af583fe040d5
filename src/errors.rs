//! The errors that any room may raise, with hints at what can be done about them, and
//! text from elsewhere made safe to print.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use anyhow::anyhow;

use crate::commands::Command;

/// A run was stopped by a signal, as by Ctrl-C.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The error that a user was not deleted after all, since it is no longer the one that
/// was to be deleted: running the same command again would delete the wrong one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Stays {
    /// Says who it is, and why it stays.
    pub message: String,
    /// Says what can be done, if anything.
    pub hint: Option<Hint>,
}

/// An error that the admin can do something about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Hinted {
    /// Says what is wrong.
    pub message: String,
    /// The things that can be done, each by itself; may be empty.
    pub hints: Vec<Hint>,
    pub(crate) kind: ErrorKind,
}

impl Hinted {
    pub(crate) fn new(message: impl Into<String>, hint: Hint) -> Self {
        Self { message: message.into(), hints: vec![hint], kind: ErrorKind::Other }
    }

    pub(crate) fn of_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }
}

/// The kinds of errors that a caller of the library tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    AlreadyExists,
    /// A file is where another one would be written.
    FileExists,
    NoSuchBucket,
    NoSuchUser,
    NotOurs,
    Other,
}

/// Advice on an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hint {
    /// Says what to do, or what the command is good for.
    pub words: String,
    /// The command that does it, if there is one.
    pub command: Option<Command>,
}

impl Hint {
    /// Advice without a command.
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), command: None }
    }

    /// Advice to run a command that clears away what another run may be working on.
    pub(crate) fn run_if_alone(command: Command) -> Self {
        Self::run("if no other run is working on it, first run", command)
    }

    /// Advice to run the command that deletes a user, which another run may be working on.
    pub(crate) fn start_over(command: Command) -> Self {
        Self::run("to create the user again, if no other run is working on it, first run", command)
    }

    /// Advice to run a command.
    pub(crate) fn run(words: impl Into<String>, command: Command) -> Self {
        Self { words: words.into(), command: Some(command) }
    }
}

/// The words to add where a name isn't there, if another one may have been meant.
pub(crate) fn did_you_mean(similar: Option<&str>) -> String {
    similar.map_or(String::new(), |name| format!("; did you mean {name}?"))
}

/// Does the work, and makes an error of a panic in it, so that what was made before
/// can be undone. The program's hook has printed the panic itself.
pub(crate) fn caught<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> impl Future<Output = anyhow::Result<T>> {
    // Boxed, since both stack and compiler take futures within futures only so deep.
    let mut work = Box::pin(work);
    poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(anyhow!("internal error"))))
    })
}

/// Text from elsewhere on one line, with what a terminal would act on made
/// visible.
pub(crate) fn one_line(text: &str) -> String {
    harmless(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Text with what a terminal would act on made visible: control characters,
/// and those that change the direction of text.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_a_terminal(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// True for control characters (C0, C1), [bidirectional controls][bidi], and characters
/// that take no room, so that a name with them passes for another: zero-width ones,
/// invisible operators, the byte order mark and tags.
///
/// [bidi]: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
pub(crate) fn acts_on_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_does_nothing_to_a_terminal() {
        assert_eq!(one_line("a\n b\t\u{1b}[2J"), "a b \\u{1b}[2J");
        assert_eq!(harmless("\u{9b}2J\u{202e}gpj"), "\\u{9b}2J\\u{202e}gpj");
        assert_eq!(harmless("al\u{200b}ex\u{feff}\u{e0041}"), "al\\u{200b}ex\\u{feff}\\u{e0041}");
        assert_eq!(harmless("Zoë's файл"), "Zoë's файл");
    }
}
