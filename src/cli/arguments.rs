//! Arguments: parsing them, and saying in one line what is wrong with them.

use std::env;
use std::fmt::Display;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, Id, Parser};

use super::exit::exit_now;
use super::generate;
use super::problems::{self, Problem};
use super::secrets::without_secrets;
use super::terminal::print_error;
use crate::access::similar_name;
use crate::errors::one_line;

/// Parses the arguments; on bad ones prints one line and exits with code 2. Options by
/// their old names stand for what each is `renamed` to.
pub fn parse<A: Parser>(renamed: &[(&str, &str)]) -> A {
    let args = env::args_os().map(|arg| {
        let found = renamed.iter().find(|(old, _)| arg == *old);
        found.map_or(arg, |(_, new)| new.into())
    });
    let command = generate::with_options(A::command());
    let parsed = command.try_get_matches_from(args).and_then(|matches| {
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
            ErrorKind::UnknownArgument if !is_slip(&error) => {
                let (line, _) = line.split_once("; tip: ").unwrap_or((&line, ""));
                bad_usage(command.get_name(), line)
            }
            ErrorKind::MissingRequiredArgument => {
                bad_usage(command.get_name(), with_what_fits(&line))
            }
            _ => bad_usage(command.get_name(), line),
        }
    })
}

/// True unless clap suggests an option for one that is hardly like it.
fn is_slip(error: &clap::Error) -> bool {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    };
    match (text(ContextKind::InvalidArg), text(ContextKind::SuggestedArg)) {
        (Some(given), Some(suggested)) => {
            suggested.starts_with(given) || similar_name(given, [suggested]).is_some()
        }
        _ => true,
    }
}

/// Leaves out what is said to be missing and doesn't go with an option that is given.
fn with_what_fits(line: &str) -> String {
    let mut given = env::args_os()
        .map(|arg| arg.to_string_lossy().split('=').next().unwrap_or_default().to_owned());
    let needed = given.find_map(|arg| match arg.as_str() {
        "--sync" => Some("--users-from <FILE>"),
        "--csv" | "--sort" => Some("--list"),
        "--update" | "--rotate-key" | "--suspend" | "--resume" | "--skip-existing" => {
            Some("<--user <USER>|--users-from <FILE>>")
        }
        _ => None,
    });
    needed.map_or(line.to_owned(), |needed| {
        line.replace("<--user <USER>|--users-from <FILE>|--list>", needed)
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

/// Prints what can't be used, a line each and without secrets, and exits with code 2.
pub(super) fn bad_usage_lines(
    command: &str,
    problems: impl IntoIterator<Item = impl Display>,
) -> ! {
    for problem in problems {
        print_error(command, &without_secrets(&problem.to_string()));
    }
    exit_now(2)
}

/// Puts what is wrong with arguments in one line, without the usage.
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
    line.replace("|--completions <SHELL>|--man", "")
}
