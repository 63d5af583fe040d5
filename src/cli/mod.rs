//! What both programs share: arguments, many users at once, signals, and every
//! word that is printed. The only room that prints, asks or exits.

use std::ffi::OsString;
use std::fmt::Display;
use std::panic;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, Command, Parser};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::errors::one_line;

mod create_all;
mod delete_question;
mod flow;
mod generate;
mod handover_args;
mod hints;
mod list;
mod many;
mod nearest;
mod notes;
mod output;
mod paint;
mod progress;
mod shell_commands;
mod signals;
mod table;
mod target_args;
mod terminal;
mod users_file;
mod users_table;

pub use create_all::create_all;
pub use flow::{Job, delete_all, no_clients};
pub use handover_args::HandoverArgs;
pub use list::{find_expired, list};
pub use many::{ExitStatus, conclude, each};
pub use output::{Output, OutputArgs};
pub use progress::ProgressLine;
pub use signals::Signals;
pub use target_args::TargetArgs;
pub use users_file::NamedUser;
#[cfg(fuzzing)]
pub(crate) use users_file::names_in;

use output::to_stderr;
use paint::label;

/// Parses the arguments; on bad ones prints one line and exits with code 2.
///
/// From here on a panic, as the SDK has for settings it can't read, is one
/// line too, and exit code 1.
pub fn parse<A: Parser>() -> A {
    // A core dump would hold the secret. Where there is no such limit, so be it.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let name = A::command().get_name().to_owned();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("internal error");
        to_stderr(&format!("{name}: {} {}", label("error"), one_line(text)));
        exit_now(1);
    }));
    let args: Vec<_> = std::env::args_os().collect();
    let asked = generate::asked_for(A::command(), &args);
    asked.and_then(|()| A::try_parse()).unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let error = naming_what_is_given(error, A::command(), &args);
        bad_usage(
            A::command().get_name(),
            without_passwords(&first_line_of(&error)),
        )
    })
}

/// What is wrong with arguments, in one line without the usage.
fn first_line_of(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraphs = text.trim_start_matches("error: ").split("\n\n");
    let wanted = |text: &&str| !text.starts_with("Usage:") && !text.starts_with("For more");
    let lines: Vec<_> = paragraphs.filter(wanted).map(one_line).collect();
    lines.join("; ")
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

/// Prints what is wrong with the command's arguments in one line, and exits
/// with code 2.
pub fn bad_usage(command: &str, message: impl Display) -> ! {
    refuse(command, [format!("{message}; see {command} --help")])
}

/// Prints what can't be used, a line each, and exits with code 2.
fn refuse(command: &str, problems: impl IntoIterator<Item = impl Display>) -> ! {
    for problem in problems {
        let problem = one_line(&problem.to_string());
        to_stderr(&format!("{command}: {} {problem}", label("error")));
    }
    exit_now(2)
}

#[expect(
    clippy::exit,
    reason = "bad usage and a second Ctrl-C end the process where they are"
)]
fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}
