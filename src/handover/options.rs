//! How a new key is handed over: the options under "Delivery".

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "cli")]
use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::access::ValueError;
use crate::os;

/// The time that AWS gets by default to know a new key.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(60);

/// The place that a new key is written to.
#[derive(Debug, Clone)]
pub enum Destination {
    /// To the file `USER_accessKeys.csv` in this directory.
    Directory(PathBuf),
    /// To this open file, such as stdout.
    Open(Arc<File>),
}

/// The form of a kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum KitForm {
    /// One file to send.
    Zip,
    /// The same files in a directory, too.
    Dir,
}

/// The delivery of a new key.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "cli",
    derive(clap::Args),
    group(id = "delivery"),
    command(next_help_heading = "Delivery")
)]
pub struct HandoverOptions {
    /// Directory for the key file; - for stdout
    #[cfg_attr(
        feature = "cli",
        arg(id = "output_dir", short, long = "output-dir", value_name = "DIR", default_value = "."),
        arg(value_parser = PathBufValueParser::new().try_map(destination))
    )]
    pub to: Destination,
    /// Also write USER_kit.zip, ready to send to the person
    ///
    /// It has a README.txt, and settings for the AWS CLI, rclone, Cyberduck and WinSCP, which
    /// hold the secret. With --kit=dir, the directory USER_kit has the same files.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "dir", num_args = 0..=1, require_equals = true),
        arg(value_enum, default_missing_value = "zip", hide_possible_values = true)
    )]
    pub kit: Option<KitForm>,
    /// With --kit, whom the person can ask, such as "Kim, kim@example.com"
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "TEXT", value_parser = contact),
        arg(requires = "kit")
    )]
    pub contact: Option<String>,
    /// Test the new key with real requests
    ///
    /// Some must be allowed, such as listing the folder, and the others refused. Waits until
    /// AWS knows the key, which takes a few seconds. If the key can do too much or too
    /// little, everything is undone. Test uploads are deleted afterwards.
    #[cfg_attr(feature = "cli", arg(long))]
    pub verify: bool,
    /// With --verify, seconds to wait for the new key to work, 1 to 3600 [default: 60]
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "SECONDS"),
        arg(default_value = "60", hide_default_value = true),
        arg(value_parser = clap::value_parser!(u16).range(1..=3600).map(|it| Duration::from_secs(it.into()))),
        arg(requires = "verify")
    )]
    pub verify_timeout: Duration,
}

impl HandoverOptions {
    /// The key in a file in `dir`, and nothing else.
    pub fn file_in(dir: impl Into<PathBuf>) -> Self {
        Self {
            to: Destination::Directory(dir.into()),
            kit: None,
            contact: None,
            verify: false,
            verify_timeout: VERIFY_TIMEOUT,
        }
    }
}

/// Takes `-` for stdout, if that can hold a key, and all else for a directory.
fn destination(dir: PathBuf) -> Result<Destination, ValueError> {
    if dir != Path::new("-") {
        return Ok(Destination::Directory(dir));
    }
    let stdout = os::stdout().expect("a program starts with stdout open");
    if os::is_null_device(&stdout) {
        return Err(ValueError::new("stdout must be a pipe or a file, or the secret is lost"));
    }
    if stdout.is_terminal() {
        return Err(ValueError::new(
            "this is for a pipe or a file, not for a terminal, where others can read the secret",
        ));
    }
    Ok(Destination::Open(Arc::new(stdout)))
}

/// One line of text.
pub(crate) fn contact(text: &str) -> Result<String, ValueError> {
    match text.trim() {
        line if (1..=200).contains(&line.len()) && !line.contains(char::is_control) => {
            Ok(line.to_owned())
        }
        _ => Err(ValueError::new("a contact is one line of 1 to 200 characters")),
    }
}
