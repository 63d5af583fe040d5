//! What is wrong with the arguments: clap's errors in one line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command};

use crate::errors::one_line;

/// What is wrong with these arguments of a command, without a password.
pub(super) fn wrong(error: clap::Error, command: Command, args: &[OsString]) -> String {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => Some(missing),
        _ => None,
    };
    if let (ErrorKind::MissingRequiredArgument, Some(missing)) = (error.kind(), missing) {
        return what_to_give(missing, command);
    }
    without_passwords(&first_line_of(&naming_what_is_given(error, command, args)))
}

/// What to add where arguments are missing: each of them, or one of a group.
fn what_to_give(missing: &[String], mut command: Command) -> String {
    command.build();
    let parts = missing.iter().map(|text| {
        // Clap writes a group as `<--one <VALUE>|--other>`.
        let group = text.strip_prefix('<').and_then(|it| it.strip_suffix('>'));
        let options = group.unwrap_or(text).split('|');
        either(options.map(|option| as_typed(option, &command)).collect())
    });
    let parts: Vec<_> = parts.collect();
    let verb = if parts.len() == 1 { "is" } else { "are" };
    format!("{} {verb} required", parts.join(" and "))
}

/// An option as people type it: by its short name if it has one.
fn as_typed(option: &str, command: &Command) -> String {
    let arg = command.get_arguments().find(|arg| arg.to_string() == option);
    let short = arg.and_then(Arg::get_short).map(|short| format!("-{short}"));
    let (long, value) = option.split_once(' ').unwrap_or((option, ""));
    let value = value.trim_matches(['<', '>']);
    let typed = format!("{} {value}", short.unwrap_or(long.to_owned()));
    typed.trim_end().to_owned()
}

fn either(mut options: Vec<String>) -> String {
    let last = options.pop().unwrap_or_default();
    if options.is_empty() { last } else { format!("one of {} or {last}", options.join(", ")) }
}

/// What is wrong with arguments, in one line without the usage.
pub(super) fn first_line_of(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraphs = text.trim_start_matches("error: ").split("\n\n");
    let wanted = |text: &&str| !text.starts_with("Usage:") && !text.starts_with("For more");
    let lines: Vec<_> = paragraphs.filter(wanted).map(one_line).collect();
    let line = lines.join("; ");
    match line.rsplit_once(" is not in ") {
        Some((value, range)) if range.contains("..=") => {
            let range = range.replacen("..=", " to ", 1);
            format!("{value} is not a number from {range}")
        }
        _ => line,
    }
}

/// The error of arguments that can't go together, which names of a group of
/// them only those that were given.
fn naming_what_is_given(
    mut error: clap::Error,
    mut command: Command,
    args: &[OsString],
) -> clap::Error {
    let Some(ContextValue::Strings(named)) = error.get(ContextKind::PriorArg) else {
        return error;
    };
    let lenient = command.clone().ignore_errors(true);
    let Ok(found) = lenient.try_get_matches_from(args) else {
        return error;
    };
    command.build();
    let is_given =
        |arg: &&Arg| found.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let given = command.get_arguments().filter(is_given).map(Arg::to_string);
    let mut given: Vec<_> = given.filter(|arg| named.contains(arg)).collect();
    let given = match given.len() {
        0 => return error,
        1 => ContextValue::String(given.remove(0)),
        _ => ContextValue::Strings(given),
    };
    error.insert(ContextKind::PriorArg, given);
    error
}

/// The text with all hidden that a URL has before its host, as a password.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let ends = |c: char| c == '\'' || c.is_whitespace();
        let url = &part[..part.find(ends).unwrap_or(part.len())];
        match url.rfind('@') {
            Some(at) => shown + "://****" + &part[at..],
            None => shown + "://" + part,
        }
    })
}
