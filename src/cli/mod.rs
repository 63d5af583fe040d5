//! What both programs share: arguments, a session that does the same with many users,
//! signals, and every word that is printed. The only room that prints, asks or exits.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use tokio::runtime::Runtime;

mod arguments;
mod delete_question;
mod dry_run;
mod exit;
mod failure;
mod folders;
mod generate;
mod grouped;
mod hints;
mod job;
mod list;
mod list_csv;
mod list_table;
mod once;
mod output;
mod problems;
mod progress;
mod report;
mod results;
mod secrets;
mod session;
mod signals;
mod target_args;
mod terminal;
mod users_csv;
mod users_file;
mod verbs;

pub use arguments::{args_of, bad_usage, parse, refuse_users};
pub use exit::Exit;
pub use folders::Folders;
pub use list::{ListOptions, SortBy};
pub use output::OutputArgs;
pub use problems::Problem;
pub use session::Session;
pub use signals::StopWords;
pub use target_args::TargetArgs;
pub use users_file::NamedUser;
#[cfg(fuzzing)]
pub(crate) use users_file::names_in;
pub use verbs::Existing;

use crate::os;

use job::Job;
use output::Output;
use terminal::print_error;

/// Carries out a program's work, and ends as that says.
///
/// A panic, as the SDK has for settings it can't read, is one line, and what was made is
/// undone; the exit code is 1 then, as it is for a limit of the system's, as on open files.
pub fn run(name: &'static str, work: impl Future<Output = Exit>) -> ExitCode {
    os::forbid_core_dumps();
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
