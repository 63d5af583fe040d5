//! Marks and colours for a person at a terminal. Whoever prints takes them away where
//! stderr is something else, with `NO_COLOR`, or with `TERM=dumb`.

use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

const GREEN: Style = AnsiColor::Green.on_default();
const BOLD: Style = Style::new().bold();

/// Begins a line about something done, where there are colours.
pub(super) fn check_mark() -> String {
    if has_colours() { format!("{GREEN}✓{GREEN:#} ") } else { String::new() }
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

/// Text that people copy.
pub(super) fn to_copy(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

/// True if stderr shows colours.
pub(super) fn has_colours() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}
