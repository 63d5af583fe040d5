//! Arguments: parsing them, and saying in one line what is wrong with them.

use std::fmt::Display;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, Id, Parser};

use super::exit::exit_now;
use super::generate;
use super::problems::{self, Problem};
use super::terminal::print_error;
use crate::errors::one_line;

/// Parses the arguments; on bad ones prints one line and exits with code 2.
pub fn parse<A: Parser>() -> A {
    let parsed = generate::with_options(A::command()).try_get_matches().and_then(|matches| {
        generate::if_asked(A::command(), &matches);
        A::from_arg_matches(&matches)
    });
    parsed.unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let command = A::command();
        let line = in_one_line(&error);
        match error.kind() {
            // What is accepted is in the line.
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
                bad_usage_lines(command.get_name(), [line])
            }
            ErrorKind::UnknownArgument if let Some(instead) = instead_of_word(&error) => {
                // Not what clap takes for a similar option.
                let (line, _) = line.split_once("; ").unwrap_or((&line, ""));
                bad_usage_lines(command.get_name(), [format!("{line}; {instead}")])
            }
            ErrorKind::ArgumentConflict
                if ["--update", "--skip-existing"].iter().all(|it| line.contains(it)) =>
            {
                let sync = "--sync with a users file does both";
                bad_usage_lines(command.get_name(), [format!("{line}; {sync}")])
            }
            _ => bad_usage(command.get_name(), line),
        }
    })
}

/// Says what to write in place of a bare word, if it names something that one of the
/// programs does.
fn instead_of_word(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    match word.as_str() {
        "create" => Some("to create a user, run create_s3_user -b BUCKET -u USER"),
        "delete" | "remove" | "--delete" | "--remove" => {
            Some("to delete a user, run delete_s3_user -b BUCKET -u USER")
        }
        "sync" => Some("to make the users match a file, run create_s3_user with --sync"),
        "dir" => Some("for a directory beside the zip file, write --kit=dir"),
        "list" | "ls" | "--list" => Some("to list the users, run create_s3_user -b BUCKET --list"),
        "update" => {
            Some("to change a user's access, run create_s3_user -b BUCKET -u USER --update")
        }
        "rotate" => Some("for a new key, run create_s3_user -b BUCKET -u USER --rotate-key"),
        "suspend" => Some("to suspend a user, run create_s3_user -b BUCKET -u USER --suspend"),
        "resume" => {
            Some("to resume a user's access, run create_s3_user -b BUCKET -u USER --resume")
        }
        "help" => Some("for help, use --help"),
        "version" => Some("for the version, use --version"),
        "--users" | "--file" | "--users-file" => Some("for a file of users, use --users-from FILE"),
        "expired" | "--expired" => {
            Some("to delete users whose access has ended, run delete_s3_user -b BUCKET --expired")
        }
        file if Path::new(file).is_file() => Some("for a file of users, use --users-from FILE"),
        word if !word.starts_with('-') => Some("to name a user, use -u USER"),
        _ => None,
    }
}

/// The IDs of the arguments of such a struct, for what conflicts with each of them: of a
/// group that conflicts, clap would name them all, and not those that are given.
pub fn args_of<A: Args>() -> Vec<Id> {
    let command = A::augment_args(Command::new("args"));
    command.get_arguments().map(|arg| arg.get_id().clone()).collect()
}

/// Prints what is wrong with the command's arguments in one line, and exits
/// with code 2.
pub fn bad_usage(command: &str, message: impl Display) -> ! {
    bad_usage_lines(command, [format!("{message}; see {command} --help")])
}

/// Prints the first problems with users, a line each, and exits with code 2, if
/// there are any.
pub fn refuse_users(command: &str, problems: Vec<Problem>) {
    if !problems.is_empty() {
        bad_usage_lines(command, problems::lines(problems));
    }
}

/// Prints what can't be used, a line each, and exits with code 2.
pub(super) fn bad_usage_lines(
    command: &str,
    problems: impl IntoIterator<Item = impl Display>,
) -> ! {
    for problem in problems {
        print_error(command, &problem.to_string());
    }
    exit_now(2)
}

/// Puts what is wrong with arguments in one line, without the usage and without a
/// password.
pub(super) fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraphs: Vec<_> = text
        .trim_start_matches("error: ")
        .split("\n\n")
        .filter(|text| !text.starts_with("Usage:") && !text.starts_with("For more"))
        .map(one_line)
        .collect();
    let mut line = paragraphs.join("; ");
    if line.contains("..=") {
        line = line.replace(" is not in ", " is not a number from ").replace("..=", " to ");
    }
    // Clap names the hidden options, too, where one of a group is missing.
    without_passwords(&line.replace("|--completions <SHELL>|--man", ""))
}

/// Hides all that a URL has before its host, such as a password.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '\'' || c.is_whitespace()).unwrap_or(part.len());
        shown += "://";
        match part[..end].rfind('@') {
            Some(at) => shown += &format!("****{}", &part[at..]),
            None => shown += part,
        }
    }
    shown
}
