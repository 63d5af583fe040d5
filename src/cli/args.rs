//! The arguments that say on whom a program works, and where a key goes.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args, value_parser};

use super::shell_commands::ShellCommands;
use super::{refuse, users_file};
use crate::access::{BucketName, Target, UserName, ValueError};
use crate::aws::Connection;
use crate::handover::{self, Destination};

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
        users_file::read(self.user.clone(), self.users_from.as_deref())
            .unwrap_or_else(|problems| refuse(command, problems))
    }

    /// Whether stdin is where the names come from.
    pub fn names_from_stdin(&self) -> bool {
        self.users_from.as_deref() == Some(Path::new("-"))
    }

    /// The command that deletes the user, or any of the users, and keeps the folder.
    pub fn delete_user(&self, connection: &Connection) -> String {
        ShellCommands::new(connection).delete_user(&self.bucket, self.user_or_placeholder())
    }

    /// The command that lists the access keys of the user, or of any of the users.
    pub fn list_keys(&self, connection: &Connection) -> String {
        ShellCommands::new(connection).list_keys(self.user_or_placeholder())
    }

    /// The user's name where there is one, or what stands for any of them.
    fn user_or_placeholder(&self) -> &str {
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
        let to = if args.is_stdout() {
            Destination::Open(Arc::new(stdout()))
        } else {
            Destination::Directory(args.output_dir.clone())
        };
        Self {
            to,
            kit: args.kit,
            verify: args.verify,
        }
    }
}

fn stdout() -> File {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    stdout.expect("a program starts with stdout open").into()
}

/// Whether stdout goes nowhere, as it does too where it was closed.
fn is_null_device() -> bool {
    let device = |found: io::Result<Metadata>| found.map(|found| found.rdev()).ok();
    device(stdout().metadata()) == device(fs::metadata("/dev/null"))
}
