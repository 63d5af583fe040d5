//! How a new key is handed over: `-o`, `--kit`, `--make-folder`,
//! `--verify`, `--verify-timeout`.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, value_parser};

use crate::access::ValueError;
use crate::handover::{self, Destination, VERIFY_TIMEOUT};

/// How a new key is handed over.
#[derive(Debug, Args)]
#[command(next_help_heading = "Delivery")]
pub struct HandoverArgs {
    /// Directory for the key file; - for stdout
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output_dir: PathBuf,
    /// Also write USER_kit.zip, ready to send to the person
    ///
    /// It has a README.txt, and settings for the AWS CLI, rclone, Cyberduck and WinSCP, which
    /// hold the secret. The directory USER_kit has the same files.
    #[arg(verbatim_doc_comment, long)]
    pub kit: bool,
    /// With --kit, whom the person can ask, such as "Kim, kim@example.com"
    #[arg(hide_short_help = true, long, value_name = "TEXT", value_parser = contact)]
    pub contact: Option<String>,
    /// Write an empty object USER/, which some clients need to see the folder
    ///
    /// Without it, WinSCP and Cyberduck report an empty folder as missing.
    #[arg(hide_short_help = true, long)]
    pub make_folder: bool,
    /// Test the new key with real requests
    ///
    /// Some must be allowed, such as listing the folder, and the others refused. Waits until
    /// AWS knows the key, which takes a few seconds. If the key can do too much or too
    /// little, everything is undone. Test uploads are deleted again.
    #[arg(verbatim_doc_comment, long)]
    pub verify: bool,
    /// With --verify, seconds to wait for the new key to work, 1 to 3600 [default: 60]
    #[arg(hide_short_help = true, long, value_name = "SECONDS")]
    #[arg(value_parser = value_parser!(u16).range(1..=3600))]
    pub verify_timeout: Option<u16>,
}

impl HandoverArgs {
    /// Fails where an option lacks the one that it is for, and where stdout is
    /// asked for and can't hold the key.
    pub fn check(&self, json: bool, users: usize) -> Result<(), ValueError> {
        let wrong = [
            (self.contact.is_some() && !self.kit, "--contact needs --kit"),
            (self.verify_timeout.is_some() && !self.verify, "--verify-timeout needs --verify"),
        ];
        let for_stdout = [
            (self.kit, "--kit can't be used with -o -, which writes no files"),
            (json, "--json can't be used with -o -: the key goes to stdout"),
            (users > 1, "-o - takes one user at a time"),
            (
                is_null_device(),
                "-o - needs stdout to go to a pipe or a file, or the secret is lost",
            ),
            (
                io::stdout().is_terminal(),
                "-o - is for a pipe or a file, not for a terminal, where others can read the secret",
            ),
        ];
        let for_stdout = for_stdout.into_iter().filter(|_| self.is_stdout());
        match wrong.into_iter().chain(for_stdout).find(|(is_so, _)| *is_so) {
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
            contact: args.contact.clone(),
            verify: args.verify,
            verify_timeout: args
                .verify_timeout
                .map_or(VERIFY_TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
        }
    }
}

/// One line of text.
fn contact(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        return Err(ValueError("a contact is one line of 1 to 200 characters"));
    }
    Ok(text.to_owned())
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
