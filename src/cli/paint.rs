//! Marks and colours for a person at a terminal: none if stderr is something
//! else, with `NO_COLOR`, or with `TERM=dumb`.

use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What begins a line about something done.
pub(super) fn check_mark() -> String {
    if is_on() {
        format!("{} ", painted(AnsiColor::Green.on_default(), "✓"))
    } else {
        String::new()
    }
}

/// What begins a line of the kind `error`, `hint` or `note`.
pub(super) fn label(kind: &str) -> String {
    let style = match kind {
        "error" => AnsiColor::Red.on_default().bold(),
        "note" => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Cyan.on_default(),
    };
    painted(style, &format!("{kind}:"))
}

/// Text that people copy.
pub(super) fn to_copy(text: &str) -> String {
    painted(Style::new().bold(), text)
}

fn painted(style: Style, text: &str) -> String {
    if is_on() { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

fn is_on() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}
