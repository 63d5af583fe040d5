//! What goes to stdout: results, for people or as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::Output;
use crate::errors::acts_on_a_terminal;
use crate::handover::HandedOver;

impl Output {
    /// Prints the result: `json` as one line with `--json`, else `text` if any.
    pub fn result(&self, json: &impl Serialize, text: Option<String>) {
        if let Some(text) = if self.args.json { Some(json_line(json)) } else { text }
            && let Err(error) = self.to_stdout(&text)
        {
            self.error(&format!("can't write to stdout: {error}; it was: {text}"));
        }
    }

    /// Prints results that can be had again: a line of JSON each with `--json`,
    /// else all of them as a table.
    pub(super) fn results(&self, results: &[impl Serialize], table: &str) {
        let text = if self.args.json {
            results.iter().map(json_line).collect::<Vec<_>>().join("\n")
        } else {
            table.to_owned()
        };
        if let Err(error) = self.to_stdout(&text) {
            self.error(&format!("can't write to stdout: {error}"));
        }
    }

    /// Writes to stdout, and remembers if that failed.
    fn to_stdout(&self, text: &str) -> io::Result<()> {
        match self.line.suspend(|| writeln!(io::stdout(), "{text}")) {
            // Whoever closed the pipe wants no more of it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                self.report().has_lost_results = true;
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }
}

/// The path of the file that a new key is in, if it is in one.
pub(super) fn key_file(key: Option<&HandedOver>) -> Option<String> {
    Some(key?.key_file.as_ref()?.display().to_string())
}

/// JSON in one line, with what a terminal would act on escaped.
fn json_line(result: &impl Serialize) -> String {
    let text = serde_json::to_string(result).expect("results always serialize");
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_a_terminal(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown += &format!("\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}
