//! What both commands share: arguments, several users, signals, and how
//! reports reach the terminal.

use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args, Parser, value_parser};

use crate::error::one_line;
use crate::handover::{self, Destination};
use crate::names::{BucketName, Target, UserName, ValueError};

mod generate;
mod many;
mod output;
mod signals;
mod users;
mod workflows;

pub use crate::commands::{list_keys, remove_user};
pub use many::{ExitStatus, conclude, each};
pub use output::{Output, OutputArgs, ProgressLine};
pub use signals::Signals;
#[cfg(fuzzing)]
pub(crate) use users::names_in;
pub use workflows::{Job, delete_all};

/// The bucket and the users.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("users").required(true).multiple(true))]
#[command(next_help_heading = "Users")]
pub struct TargetArgs {
    /// Bucket that all the users share
    #[arg(
        short,
        long,
        alias = "bucket_name",
        value_name = "BUCKET",
        allow_hyphen_values = true
    )]
    pub bucket: BucketName,
    /// IAM user, and the name of its folder in the bucket; may be repeated
    #[arg(
        short,
        long,
        alias = "user_name",
        value_name = "USER",
        allow_hyphen_values = true,
        group = "users"
    )]
    pub user: Vec<UserName>,
    /// File with a user name per line, # for comments, or - for stdin
    #[arg(long, value_name = "FILE", group = "users")]
    pub users_from: Option<PathBuf>,
    /// How many users to work on at a time, 1 to 32
    #[arg(hide_short_help = true, long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u8).range(1..=32))]
    pub jobs: u8,
}

impl TargetArgs {
    /// The users in order. On a name that is bad or given twice, prints a line
    /// for each and exits with code 2.
    pub fn users(&self, command: &str) -> Vec<UserName> {
        users::read(self.user.clone(), self.users_from.as_deref())
            .unwrap_or_else(|problems| refuse(command, problems))
    }

    /// Whether stdin is where the names come from.
    pub fn names_from_stdin(&self) -> bool {
        self.users_from.as_deref() == Some(Path::new("-"))
    }

    /// The user's name where there is one, or what stands for any of them.
    pub fn user_or_placeholder(&self) -> &str {
        match (self.user.as_slice(), &self.users_from) {
            ([user], None) => user.as_str(),
            _ => "USER",
        }
    }

    /// One of the users in the bucket.
    pub fn target(&self, user: &UserName) -> Target {
        Target {
            bucket: self.bucket.clone(),
            user: user.clone(),
        }
    }
}

/// How a new key is handed over.
#[derive(Debug, Args)]
#[command(next_help_heading = "Handing over")]
pub struct HandoverArgs {
    /// Directory for the key file, or - for stdout and no file
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output_dir: PathBuf,
    /// Also write the directory USER_kit/ with settings for the person's client
    ///
    /// A README.txt for the person, and files for the AWS CLI, rclone, Cyberduck and WinSCP.
    /// They hold the secret too.
    #[arg(verbatim_doc_comment, long)]
    pub kit: bool,
    /// Put an empty object USER/, which some clients take for the folder
    ///
    /// WinSCP and Cyberduck take an empty folder without it for a missing one.
    #[arg(long)]
    pub make_folder: bool,
    /// Try what the new key opens, and what it must not, by requests of its own
    ///
    /// Waits until AWS knows the key, up to a minute. If anything is not as it should be, all
    /// is undone. Uploads are tried too, and what could be put is deleted.
    #[arg(verbatim_doc_comment, long)]
    pub verify: bool,
}

impl HandoverArgs {
    /// Fails where stdout is asked for and can't hold the key.
    pub fn check(&self, json: bool, users: &[UserName]) -> Result<(), ValueError> {
        let for_stdout = [
            (self.kit, "-o - writes no files, so there is no --kit"),
            (json, "-o - has stdout for the key, so there is no --json"),
            (users.len() > 1, "-o - takes one user at a time"),
            (
                is_null_device(),
                "-o - needs a stdout that goes somewhere, or the secret is lost",
            ),
            (
                io::stdout().is_terminal(),
                "-o - is for a pipe or a file, not for a terminal, where others can read the secret",
            ),
        ];
        let wrong = for_stdout.into_iter().find(|(is_so, _)| *is_so);
        match wrong.filter(|_| self.is_stdout()) {
            Some((_, message)) => Err(ValueError(message)),
            None => Ok(()),
        }
    }

    fn is_stdout(&self) -> bool {
        self.output_dir == Path::new("-")
    }
}

impl From<&HandoverArgs> for handover::Options {
    fn from(args: &HandoverArgs) -> Self {
        let to_stdout = |bytes: &[u8]| {
            let mut stdout = io::stdout();
            stdout.write_all(bytes)?;
            stdout.flush()
        };
        Self {
            to: match args.is_stdout() {
                true => Destination::Writer(Arc::new(to_stdout)),
                false => Destination::Directory(args.output_dir.clone()),
            },
            kit: args.kit,
            verify: args.verify,
        }
    }
}

/// Whether stdout goes nowhere, as it does too where it was closed.
fn is_null_device() -> bool {
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let device = |found: io::Result<Metadata>| found.map(|found| found.rdev()).ok();
    let stdout = stdout.and_then(|stdout| stdout.metadata());
    device(stdout) == device(fs::metadata("/dev/null"))
}

/// Parses the arguments; on bad ones prints one line and exits with code 2.
///
/// From here on a panic, as the SDK has for settings it can't read, is one
/// line too, and exit code 1.
pub fn parse<A: Parser>() -> A {
    let name = A::command().get_name().to_owned();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("internal error");
        to_stderr(&format!("{name}: error: {}", one_line(text)));
        exit_now(1);
    }));
    let args: Vec<_> = std::env::args_os().collect();
    let asked = generate::asked_for(A::command(), &args);
    asked.and_then(|()| A::try_parse()).unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let text = error.render().to_string();
        let paragraphs = text.trim_start_matches("error: ").split("\n\n");
        let wanted = |text: &&str| !text.starts_with("Usage:") && !text.starts_with("For more");
        let lines: Vec<_> = paragraphs.filter(wanted).map(one_line).collect();
        bad_usage(
            A::command().get_name(),
            without_passwords(&lines.join("; ")),
        )
    })
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
        to_stderr(&format!("{command}: error: {problem}"));
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

fn to_stderr(line: &str) {
    // A closed pipe is no reason to panic.
    let _ = writeln!(io::stderr(), "{line}");
}
