//! What a run does, step by step, and the words for it. Nothing here does anything.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::removal::Removal;

/// One thing a command does. Displayed as what is to be done, such as
/// `create user alex`; [`done`](Self::done) says that it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Create the IAM user.
    CreateUser(String),
    /// Create the managed policy.
    CreatePolicy(String),
    /// Attach the managed policy to the user.
    AttachPolicy(String),
    /// Give the user its policy, managed or inline, whichever the store has.
    GivePolicy(String),
    /// Put the inline policy into the user.
    PutInlinePolicy(String),
    /// Create the access key.
    CreateAccessKey(String),
    /// Put the folder object that some clients look for.
    MakeFolder(String),
    /// Write the access key to its file.
    WriteKeyFile(PathBuf),
    /// Write the kit.
    WriteKit {
        /// The archive's path.
        archive: PathBuf,
        /// The path of the directory with the same files; none if there is to be none.
        directory: Option<PathBuf>,
    },
    /// Test what the key can do, and what it can't.
    Verify {
        /// Names what the key gives access to.
        opens: String,
        /// The requests that it could not be tested with, and why.
        untested: Vec<String>,
        /// True if it gives access to nothing else.
        is_all: bool,
    },
    /// Send one of the requests that a key is tested with.
    Check(String),
    /// Replace a policy's document.
    UpdatePolicy(String),
    /// Give a policy the document again that it had before, since a run failed.
    RestorePolicy(String),
    /// Tag a user: as ours, with its folder, or with when its access ends.
    TagUser(String),
    /// Remove the tag with this key from a user.
    UntagUser(String, String),
    /// Delete an access key that is suspended, to make room for another.
    DeleteSuspendedKey(String),
    /// Make an access key inactive.
    SuspendKey(String),
    /// Make an access key active again.
    ResumeKey(String),
    /// Remove something.
    Remove(Removal),
    /// Delete everything under the prefix.
    EmptyFolder {
        /// The folder's URL.
        folder: String,
        /// Counts what is known to be in it, or was deleted from it.
        what: String,
    },
    /// Undo what this run did, since it failed.
    Undo(Removal),
}

impl Step {
    /// Says that it was done, such as `Created user alex`.
    pub fn done(&self) -> String {
        if let Self::Undo(removal) = self {
            return format!("Undo: {}", removal.done());
        }
        let (_, done, object) = self.words();
        let (first, rest) = done.split_at(1);
        format!("{}{rest} {object}", first.to_uppercase())
    }

    /// True for what gives or takes rights, and records that, of a user that stays.
    pub(crate) fn is_about_access(&self) -> bool {
        matches!(
            self,
            Self::CreatePolicy(_)
                | Self::AttachPolicy(_)
                | Self::UpdatePolicy(_)
                | Self::TagUser(_)
                | Self::UntagUser(..)
                | Self::Remove(Removal::Attachment(_) | Removal::Policy(_))
        )
    }

    /// The verb as it is to be done and as it was, and its object.
    fn words(&self) -> (&'static str, &'static str, String) {
        match self {
            Self::CreateUser(user) => ("create", "created", format!("user {user}")),
            Self::CreatePolicy(name) => ("create", "created", format!("policy {name}")),
            Self::AttachPolicy(name) => ("attach", "attached", format!("policy {name}")),
            Self::GivePolicy(folder) => ("create", "created", format!("a policy for {folder}")),
            Self::PutInlinePolicy(name) => ("add", "added", format!("inline policy {name}")),
            Self::CreateAccessKey(user) => {
                ("create", "created", format!("an access key for {user}"))
            }
            Self::MakeFolder(folder) => ("create", "created", format!("folder {folder}")),
            Self::WriteKeyFile(path) => ("write", "wrote", path.display().to_string()),
            Self::WriteKit { archive, directory: None } => {
                ("write", "wrote", archive.display().to_string())
            }
            Self::WriteKit { archive, directory: Some(directory) } => {
                ("write", "wrote", format!("{}/ and {}", directory.display(), archive.display()))
            }
            Self::Verify { opens, untested, is_all } => {
                ("verify:", "verified:", verified(opens, untested, *is_all))
            }
            Self::Check(what) => ("verify:", "verified:", what.clone()),
            Self::UpdatePolicy(name) => ("update", "updated", format!("policy {name}")),
            Self::RestorePolicy(name) => ("restore", "restored", format!("policy {name}")),
            Self::TagUser(user) => ("tag", "tagged", format!("user {user}")),
            Self::UntagUser(key, user) => {
                ("remove", "removed", format!("tag {key} from user {user}"))
            }
            Self::DeleteSuspendedKey(id) => {
                let object = format!("suspended access key {id}, to make room for a new one");
                ("delete", "deleted", object)
            }
            Self::SuspendKey(id) => ("suspend", "suspended", format!("access key {id}")),
            Self::ResumeKey(id) => ("reactivate", "reactivated", format!("access key {id}")),
            Self::Remove(removal) => removal.words(),
            Self::EmptyFolder { folder, what } => {
                ("delete", "deleted", format!("{what} under {folder}"))
            }
            Self::Undo(removal) => ("undo:", "undone:", removal.to_string()),
        }
    }
}

fn verified(opens: &str, untested: &[String], is_all: bool) -> String {
    let nothing_else = if is_all { " and nothing else" } else { "" };
    if untested.is_empty() {
        return format!("{opens}{nothing_else}");
    }
    format!("{opens}{nothing_else}; not tested: {}", untested.join(", "))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to_do, _, object) = self.words();
        write!(f, "{to_do} {object}")
    }
}

/// A number of things for people.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {thing}{s}", thousands(count))
}

/// Access keys by their IDs, for people: one, or several.
pub(crate) fn named_keys(keys: &[String]) -> String {
    let s = if keys.len() == 1 { "" } else { "s" };
    format!("access key{s} {}", keys.join(" and "))
}

/// Users by their names, for people: one, or several.
pub(crate) fn named_users<'a>(users: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<_> = users.into_iter().map(String::as_str).collect();
    let s = if names.len() == 1 { "" } else { "s" };
    format!("user{s} {}", names.join(", "))
}

/// The folders of users, each of whom has its own, for people.
pub(crate) fn folders_of(users: &BTreeSet<String>) -> String {
    let s = if users.len() == 1 { "" } else { "s" };
    format!("the folder{s} of {}", named_users(users))
}

/// A number with a comma between each three digits.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_say_what_is_to_be_done_and_that_it_was() {
        let alex = || "alex".to_owned();
        let verify = |untested: &[&str]| Step::Verify {
            opens: "read-only access to s3://shared/alex/".to_owned(),
            untested: untested.iter().map(|it| it.to_string()).collect(),
            is_all: true,
        };
        for (step, to_do, done) in [
            (Step::CreateUser(alex()), "create user alex", "Created user alex"),
            (Step::Remove(Removal::User(alex())), "delete user alex", "Deleted user alex"),
            (
                Step::Undo(Removal::User(alex())),
                "undo: delete user alex",
                "Undo: deleted user alex",
            ),
            (Step::WriteKeyFile("keys/a.csv".into()), "write keys/a.csv", "Wrote keys/a.csv"),
            (
                Step::WriteKit { archive: "keys/a_kit.zip".into(), directory: None },
                "write keys/a_kit.zip",
                "Wrote keys/a_kit.zip",
            ),
            (
                Step::WriteKit {
                    archive: "keys/a.b_kit.zip".into(),
                    directory: Some("keys/a.b_kit".into()),
                },
                "write keys/a.b_kit/ and keys/a.b_kit.zip",
                "Wrote keys/a.b_kit/ and keys/a.b_kit.zip",
            ),
            (
                verify(&[]),
                "verify: read-only access to s3://shared/alex/ and nothing else",
                "Verified: read-only access to s3://shared/alex/ and nothing else",
            ),
        ] {
            assert_eq!((step.to_string(), step.done()), (to_do.to_owned(), done.to_owned()));
        }
        let done = "Verified: read-only access to s3://shared/alex/ and nothing else; \
                    not tested: uploads, deletes";
        assert_eq!(verify(&["uploads", "deletes"]).done(), done);
    }

    #[test]
    fn counts_are_written_as_people_write_them() {
        assert_eq!(counted(0, "object"), "0 objects");
        assert_eq!(counted(1, "object"), "1 object");
        assert_eq!(counted(1000, "object"), "1,000 objects");
        assert_eq!(counted(1_234_567, "version"), "1,234,567 versions");
    }
}
