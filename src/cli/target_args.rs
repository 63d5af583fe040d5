//! Whom a program works on: `-b`, `-u`, `--users-from`, `--jobs`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, value_parser};

use super::arguments::bad_usage_lines;
use super::hints::in_shell;
use super::{NamedUser, users_file};
use crate::access::{BucketName, GivenFolder, Prefix, Target, UserName};
use crate::aws::Connection;
use crate::commands;

/// The bucket and the users.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("users").required(true).multiple(true))]
#[command(next_help_heading = "Users")]
pub struct TargetArgs {
    /// Bucket that all the users share
    #[arg(short, long, alias = "bucket_name", value_name = "BUCKET", allow_hyphen_values = true)]
    #[arg(env = "S3_USER_BUCKET", hide_env_values = true)]
    pub bucket: BucketName,
    /// IAM user; may be repeated
    #[arg(
        short,
        long,
        alias = "user_name",
        value_name = "USER",
        allow_hyphen_values = true,
        group = "users"
    )]
    pub user: Vec<UserName>,
    /// File with a user name per line, or CSV; - for stdin
    ///
    /// Blank lines and comments after # are skipped. If the first line is a header with a
    /// "user" column, the other columns can be "folder", "contact" and any named after the access
    /// options, such as access, expires or source-ip. A cell that isn't empty overrides the
    /// option for that user; several addresses or folders in a cell are separated by semicolons,
    /// or by spaces where semicolons separate the columns.
    #[arg(long, value_name = "FILE", group = "users")]
    pub users_from: Option<PathBuf>,
    /// How many users to work on at a time, 1 to 32 [default: 4]
    #[arg(hide_short_help = true, long, value_name = "N", value_parser = value_parser!(u8).range(1..=32))]
    jobs: Option<u8>,
}

impl TargetArgs {
    /// The users in order. On a name or row that is bad, or a name given twice,
    /// prints a line for each and exits with code 2.
    pub fn users(&self, command: &str) -> Vec<NamedUser> {
        users_file::read(self.user.clone(), self.users_from.as_deref())
            .unwrap_or_else(|problems| bad_usage_lines(command, problems))
    }

    /// The number of users to work on at a time.
    pub fn jobs(&self) -> usize {
        self.jobs.unwrap_or(4).into()
    }

    /// The number of users to look at at a time for a list, which only reads.
    pub(super) fn jobs_to_list(&self) -> usize {
        self.jobs.unwrap_or(16).into()
    }

    /// The command that deletes the user, or any of the users, and keeps the folder.
    pub fn delete_user(&self, connection: &Connection) -> String {
        let delete = commands::delete_user(&self.bucket, self.user_or_placeholder());
        in_shell(&delete, connection)
    }

    /// The command that lists the access keys of the user, or of any of the users.
    pub fn list_keys(&self, connection: &Connection) -> String {
        in_shell(&commands::list_access_keys(self.user_or_placeholder()), connection)
    }

    /// The user's name where there is one, or what stands for any of them.
    fn user_or_placeholder(&self) -> &str {
        match (self.user.as_slice(), &self.users_from) {
            ([user], None) => user.as_str(),
            _ => "USER",
        }
    }

    /// One of the users, who is to be created: with the folder that its row names, or else
    /// the one for all, or else the one that is named after it.
    pub(super) fn new_target(&self, user: &NamedUser, for_all: Option<&GivenFolder>) -> Target {
        let folder = Prefix::of_user(&user.name, user.folder.as_ref().or(for_all));
        self.target(&user.name).in_folder(folder)
    }

    /// One of the users in the bucket.
    pub fn target(&self, user: &UserName) -> Target {
        Target::new(self.bucket.clone(), user.clone())
    }
}
