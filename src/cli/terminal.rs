//! The terminal that a program was started at: messages in colour on stderr, and
//! questions, whatever stdin, stdout and stderr are.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use rustix::termios::{QueueSelector, tcflush};
use tokio::sync::oneshot;

use crate::errors::one_line;

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
pub(super) struct Terminal(Arc<File>);

impl Terminal {
    /// The controlling terminal; without one, as in the session that `su -c`
    /// starts, the terminal that stdin is. None if nobody can be asked, as in
    /// a cron job.
    ///
    /// To be opened before the work begins, so that a terminal that closes while
    /// it goes on doesn't count as none.
    pub fn open() -> Option<Self> {
        let controlling = File::options().read(true).write(true).open("/dev/tty");
        let terminal = controlling.ok().or_else(stdin_if_terminal)?;
        Some(Self(Arc::new(terminal)))
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
        thread::spawn(move || sender.send(ask(&terminal, &text)));
        answer.await.is_ok_and(|said| said.unwrap_or(false))
    }
}

fn stdin_if_terminal() -> Option<File> {
    let terminal = io::stdin().as_fd().try_clone_to_owned().ok()?;
    terminal.is_terminal().then(|| terminal.into())
}

fn ask(mut terminal: &File, text: &str) -> io::Result<bool> {
    // What was typed before there was a question is no answer to it.
    tcflush(terminal, QueueSelector::IFlush)?;
    terminal.write_all(text.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        // What is printed next begins on a line of its own.
        terminal.write_all(b"\n")?;
    }
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
