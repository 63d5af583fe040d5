//! The errors that any room may raise, with what can be done about them as
//! facts. The words of a hint, and its commands, are made in `cli`.

use std::path::PathBuf;

use crate::access::{BucketName, Grant};

/// A run was stopped by a signal, as by Ctrl-C.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A user that is not deleted after all, since it is no longer the one that was to go:
/// running the same command again would delete what is to stay.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Stays {
    /// Who it is, and why it stays.
    pub message: String,
    /// What can be done, if anything.
    pub hint: Option<Hint>,
}

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
        /// The IDs of its access keys.
        access_keys: Vec<String>,
        /// Whether it is known to have its policy, which takes permissions to read.
        has_policy: bool,
        /// Whether all of its keys are suspended.
        is_suspended: bool,
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
    /// Write to another directory.
    OtherDirectory,
    /// Give the new user another name.
    OtherName,
    /// Delete the objects once that is allowed, and run the same command again.
    ObjectsStay,
    /// Create the user within this permissions boundary, by its ARN.
    UseBoundary(String),
    /// Use an inline policy, which counts towards no quota of the account.
    UseInlinePolicy,
    /// Verify from an address that the key is limited to.
    VerifyFromAllowedAddress,
    /// Find what allows the key more than its policy does.
    FindWhatAllows,
    /// Have the bucket refuse ACLs that make objects public.
    BlockPublicAcls,
    /// Find what refuses the key what its policy allows.
    FindWhatRefuses,
    /// Make a key for a user that has none.
    NewKey,
    /// Make the new key again and test it with real requests.
    VerifyNewKey,
    /// Delete a managed policy, by its ARN.
    DeletePolicy(String),
    /// Delete the access key that is not in use, if it is known which that is.
    DeleteAccessKey(Option<String>),
    /// Delete the newer of two access keys, if nobody has its secret.
    DeleteNewerKey(String),
    /// Replace a policy of another form by one that gives this access, or other.
    SetAccess(Grant),
    /// Extend access that has ended.
    ExtendAccess,
    /// Delete the user for the bucket that it was made for.
    DeleteForBucket(BucketName),
    /// Delete the user alone, since its bucket is gone.
    KeepObjects,
    /// Make these keys of a user inactive by hand.
    SuspendKeys(Vec<String>),
    /// Tag the user as ours, if it is.
    TagAsOurs,
    /// Delete the user although it isn't ours.
    Force,
    /// Delete what is in the folder, although it has no user.
    ForceFolder(String),
    /// One of these may have been meant.
    Nearest(Candidates),
}

/// The existing names, one of which may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// Buckets of the admin's account.
    Buckets(Vec<String>),
    /// Folders at the bucket's top level, each of which may have a user.
    Folders(Vec<String>),
}

/// Text from elsewhere on one line, with what a terminal would act on made
/// visible.
pub(crate) fn one_line(text: &str) -> String {
    harmless(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Text with what a terminal would act on made visible: control characters,
/// and those that change the direction of text.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_a_terminal(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether it is a control character (C0, C1), or a [bidirectional control][bidi].
///
/// [bidi]: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
pub(crate) fn acts_on_a_terminal(c: char) -> bool {
    let is_bidi = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || is_bidi
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_does_nothing_to_a_terminal() {
        assert_eq!(one_line("a\n b\t\u{1b}[2J"), "a b \\u{1b}[2J");
        assert_eq!(harmless("\u{9b}2J\u{202e}gpj"), "\\u{9b}2J\\u{202e}gpj");
        assert_eq!(harmless("Zoë's файл"), "Zoë's файл");
    }
}
