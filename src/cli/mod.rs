//! What both programs share: arguments, a session that does the same with many users,
//! signals, and every word that is printed. The only room that prints, asks or exits.

use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::{Args, Command, Id, Parser};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::runtime::Runtime;

mod argument_errors;
mod delete_question;
mod exit;
mod failure;
mod generate;
mod hints;
mod job;
mod list;
mod list_table;
mod notes;
mod output;
mod paint;
mod progress;
mod results;
mod session;
mod shell;
mod signals;
mod target_args;
mod terminal;
mod users_csv;
mod users_file;
mod verbs;

pub use exit::Exit;
pub use output::{Output, OutputArgs};
pub use progress::ProgressLine;
pub use session::Session;
pub use signals::{Signals, StopWords};
pub use target_args::TargetArgs;
pub use users_file::NamedUser;
#[cfg(fuzzing)]
pub(crate) use users_file::names_in;
pub use verbs::Existing;

use argument_errors::in_one_line;
use exit::exit_now;
use job::Job;
use output::print_error;

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
        bad_usage(A::command().get_name(), in_one_line(&error))
    })
}

/// The IDs of the arguments of such a struct, for what conflicts with each of them: of a
/// group that conflicts, clap would name them all, and not those that are given.
pub fn args_of<A: Args>() -> Vec<Id> {
    let command = A::augment_args(Command::new("args"));
    command.get_arguments().map(|arg| arg.get_id().clone()).collect()
}

/// Carries out a program's work, and ends as that says.
///
/// A panic, as the SDK has for settings it can't read, is one line, and what was made is
/// undone; the exit code is 1 then, as it is for a limit of the system's, as on open files.
pub fn run(name: &'static str, work: impl Future<Output = Exit>) -> ExitCode {
    // A core dump would hold the secret. Where there is no such limit, so be it.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    panic::set_hook(Box::new(move |info| {
        print_error(name, info.payload_as_str().unwrap_or("internal error"));
    }));
    let ended = panic::catch_unwind(AssertUnwindSafe(|| match Runtime::new() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            print_error(name, &format!("can't start: {error}"));
            Exit::Failure
        }
    }));
    ended.unwrap_or(Exit::Failure).code()
}

/// Prints what is wrong with the command's arguments in one line, and exits
/// with code 2.
pub fn bad_usage(command: &str, message: impl Display) -> ! {
    bad_usage_lines(command, [format!("{message}; see {command} --help")])
}

/// Prints the first problems with users, a line each, and exits with code 2, if
/// there are any.
pub fn refuse_users(command: &str, problems: Vec<String>) {
    if !problems.is_empty() {
        bad_usage_lines(command, users_file::first_of(problems));
    }
}

/// Prints what can't be used, a line each, and exits with code 2.
fn bad_usage_lines(command: &str, problems: impl IntoIterator<Item = impl Display>) -> ! {
    for problem in problems {
        print_error(command, &problem.to_string());
    }
    exit_now(2)
}
