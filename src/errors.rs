//! The errors that any room may raise, with what can be done about them as
//! facts. The words of a hint, and its commands, are made in `cli`.

use std::path::PathBuf;

use crate::access::BucketName;

/// A run was stopped by Ctrl-C or SIGTERM.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// An error that the admin can do something about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Hinted {
    /// What is wrong.
    pub message: String,
    /// What can be done.
    pub hint: Hint,
}

/// What can be done about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// The user is set up already: replace its key, change its access, or start over.
    UserIsSetUp {
        /// Files of an earlier key that a new user's would collide with.
        in_the_way: Vec<PathBuf>,
    },
    /// Delete user and policy, but not the folder, and run the same command again.
    StartOver {
        /// Files of an earlier key that a new user's would collide with.
        in_the_way: Vec<PathBuf>,
    },
    /// Move files away that are never overwritten, use another directory, or
    /// replace the key.
    KeyFileExists,
    /// Make this directory.
    MakeDirectory(PathBuf),
    /// Use an inline policy, which counts towards no quota of the account.
    UseInlinePolicy,
    /// Verify from an address that the key is limited to.
    VerifyFromAllowedAddress,
    /// Delete the access key that is not in use.
    DeleteAccessKey(String),
    /// Replace a policy of another form by one with the access that is wanted.
    SetAccess,
    /// Extend access that has ended.
    ExtendAccess,
    /// Delete the user for the bucket that it was made for.
    DeleteForBucket(BucketName),
    /// Delete the user although it isn't ours.
    Force,
    /// Delete what is in the folder, although it has no user.
    ForceFolder(String),
    /// One of these may have been meant.
    Nearest(Candidates),
}

/// The names that are there, in place of one that isn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// Buckets of the admin's account.
    Buckets(Vec<String>),
    /// Folders at the bucket's top level, each of which may have a user.
    Folders(Vec<String>),
}

/// Text from elsewhere on one line, with control characters made visible.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = String::with_capacity(words.len());
    for c in words.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
