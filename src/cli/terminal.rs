//! The terminal that a program was started at: messages in colour on stderr, and
//! questions, whatever stdin, stdout and stderr are.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use tokio::sync::oneshot;

use crate::errors::one_line;
use crate::os::Console;

const GREEN: Style = AnsiColor::Green.on_default();
const BOLD: Style = Style::new().bold();

/// Prints an error of a command in one line.
pub(super) fn print_error(command: &str, error: &str) {
    to_stderr(&format!("{command}: {} {}", label("error"), one_line(error)));
}

/// Prints a line, with its colours where stderr shows them: not with `NO_COLOR`, or with
/// `TERM=dumb`.
pub(super) fn to_stderr(line: &str) {
    // A closed pipe is no reason to panic.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Begins a line of the kind `error`, `hint` or `note`.
pub(super) fn label(kind: &str) -> String {
    let style = match kind {
        "error" => AnsiColor::Red.on_default().bold(),
        "note" => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Cyan.on_default(),
    };
    format!("{style}{kind}:{style:#}")
}

/// Begins a line about something done, where there are colours.
pub(super) fn check_mark() -> String {
    if has_colours() { format!("{GREEN}✓{GREEN:#} ") } else { String::new() }
}

/// Text that people copy.
pub(super) fn to_copy(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

/// True if stderr shows colours.
fn has_colours() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// A terminal with somebody at it.
#[derive(Debug, Clone)]
pub(super) struct Terminal(Arc<Console>);

impl Terminal {
    /// None if nobody can be asked, as in a cron job.
    ///
    /// To be opened before the work begins, so that a terminal that closes while
    /// it goes on doesn't count as none.
    pub fn open() -> Option<Self> {
        Console::open().map(Arc::new).map(Self)
    }

    /// Shows some lines and a question, and waits for `y` or `yes`.
    ///
    /// Any other answer is a no, and so is the end of the input or a terminal that
    /// has closed.
    pub async fn confirm(&self, lines: &[String], question: &str) -> bool {
        let mut text = format!("{}\n{question} [y/N] ", lines.join("\n"));
        if !has_colours() {
            text = strip_str(&text).to_string();
        }
        let (sender, answer) = oneshot::channel();
        let terminal = self.0.clone();
        // A thread of its own, since nothing can end a blocking read of a terminal.
        thread::spawn(move || sender.send(terminal.ask(&text)));
        answer.await.is_ok_and(|said| said.is_ok_and(|said| is_yes(&said)))
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}
