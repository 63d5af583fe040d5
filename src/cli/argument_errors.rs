//! Errors of clap in one line.

use crate::errors::one_line;

/// Puts what is wrong with arguments in one line, without the usage and without a
/// password.
pub(super) fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraphs = text.trim_start_matches("error: ").split("\n\n");
    let lines: Vec<_> = paragraphs
        .filter(|text| !text.starts_with("Usage:") && !text.starts_with("For more"))
        .map(one_line)
        .collect();
    let mut line = lines.join("; ");
    if line.contains("..=") {
        line = line.replace(" is not in ", " is not a number from ").replace("..=", " to ");
    }
    // Clap names the hidden options, too, where one of a group is missing.
    without_passwords(&line.replace("|--completions <SHELL>|--man", ""))
}

/// Hides all that a URL has before its host, such as a password.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let end = part.find(|c: char| c == '\'' || c.is_whitespace()).unwrap_or(part.len());
        match part[..end].rfind('@') {
            Some(at) => shown + "://****" + &part[at..],
            None => shown + "://" + part,
        }
    })
}
