//! What both programs share: arguments, many users at once, signals, and every
//! word that is printed. The only room that prints, asks or exits.

use std::fmt::Display;
use std::panic;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::runtime::Runtime;

use crate::errors::one_line;

mod create_all;
mod delete_question;
mod flow;
mod generate;
mod handover_args;
mod hints;
mod list;
mod many;
mod notes;
mod output;
mod paint;
mod progress;
mod results;
mod shell;
mod signals;
mod table;
mod target_args;
mod terminal;
mod usage;
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
use usage::first_line_of;

/// Parses the arguments; on bad ones prints one line and exits with code 2.
pub fn parse<A: Parser>() -> A {
    let args: Vec<_> = std::env::args_os().collect();
    let asked = generate::asked_for(A::command(), &args);
    asked.and_then(|()| A::try_parse()).unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        bad_usage(A::command().get_name(), usage::wrong(error, A::command(), &args))
    })
}

/// Carries out a program's work, and returns its exit code.
///
/// A panic, as the SDK has for settings it can't read, is one line and exit code 1, and so
/// is a limit of the system's, as on open files.
pub fn run(name: &'static str, work: impl Future<Output = ExitCode>) -> ExitCode {
    // A core dump would hold the secret. Where there is no such limit, so be it.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("internal error");
        to_stderr(&format!("{name}: {} {}", label("error"), one_line(text)));
        exit_now(1);
    }));
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            to_stderr(&format!("{name}: {} can't start: {error}", label("error")));
            ExitCode::FAILURE
        }
    }
}

/// Prints what is wrong with the command's arguments in one line, and exits
/// with code 2.
pub fn bad_usage(command: &str, message: impl Display) -> ! {
    refuse(command, [format!("{message}; see {command} --help")])
}

/// Prints the first problems with users, a line each, and exits with code 2, if
/// there are any.
pub fn refuse_users(command: &str, problems: Vec<String>) {
    if !problems.is_empty() {
        refuse(command, users_file::first_of(problems));
    }
}

/// Prints what can't be used, a line each, and exits with code 2.
fn refuse(command: &str, problems: impl IntoIterator<Item = impl Display>) -> ! {
    for problem in problems {
        let problem = one_line(&problem.to_string());
        to_stderr(&format!("{command}: {} {problem}", label("error")));
    }
    exit_now(2)
}

#[expect(clippy::exit, reason = "bad usage and a second Ctrl-C end the process where they are")]
fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}
