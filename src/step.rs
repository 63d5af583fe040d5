//! The vocabulary that every room reports in: what is done, step by step, and
//! what a failed run leaves. Words only; nothing here does anything.

use std::fmt;
use std::path::PathBuf;

/// One thing a command does. Displayed as what is to be done, such as
/// `create user alex`; [`done`](Self::done) says that it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the IAM user.
    CreateUser(String),
    /// Create the managed policy.
    CreatePolicy(String),
    /// Attach the managed policy to the user.
    AttachPolicy(String),
    /// Attach a managed policy again that was taken off the user.
    ReattachPolicy(ManagedPolicy),
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
    /// Write the kit as a directory and as an archive, by whose path it goes.
    WriteKit(PathBuf),
    /// Test what the key can do, and what it can't.
    Verify {
        /// What the key gives access to.
        opens: String,
        /// What it could not be tested with, and why.
        untested: Vec<String>,
        /// Whether it gives access to nothing else.
        is_all: bool,
    },
    /// One of the requests that a key is tested with.
    Check(String),
    /// Replace a policy's document.
    UpdatePolicy(String),
    /// Tag a user: as ours, or with when its access ends.
    TagUser(String),
    /// Delete an access key.
    DeleteAccessKey(String),
    /// Delete an access key that is suspended, to make room for another.
    DeleteSuspendedKey(String),
    /// Make an access key inactive.
    SuspendKey(String),
    /// Make an access key active again.
    ResumeKey(String),
    /// Detach a managed policy from the user.
    DetachPolicy(ManagedPolicy),
    /// Delete a managed policy.
    DeletePolicy(ManagedPolicy),
    /// Delete an inline policy.
    DeleteInlinePolicy(String),
    /// Remove something else that blocks the deletion of the user.
    Remove(Blocker),
    /// Delete everything under the prefix.
    EmptyFolder {
        /// The folder's URL.
        folder: String,
        /// What is known to be in it, or was deleted from it.
        what: String,
    },
    /// Delete one object, or one version of it.
    DeleteObject {
        /// The object's URL.
        url: String,
        /// The version; none for the object as it is.
        version: Option<String>,
    },
    /// Abort an unfinished multipart upload.
    AbortUpload {
        /// The key of the object.
        key: String,
        /// The upload's ID; none if its answer got lost.
        id: Option<String>,
    },
    /// Delete an access key that may still appear: its creation got no answer.
    DeleteLateKey,
    /// Delete an access key that this run or another one created meanwhile.
    DeleteUnclearKey {
        /// The key's ID.
        id: String,
        /// When it was created, RFC 3339 in UTC, as far as IAM says.
        created: String,
    },
    /// Delete the IAM user.
    DeleteUser(String),
    /// Delete a user that this run may have made, or may still appear.
    DeleteUnclearUser(String),
    /// Delete a managed policy that this run may have made, or may still appear.
    DeleteUnclearPolicy {
        /// The policy, by a placeholder for its ARN where that is not known.
        policy: ManagedPolicy,
        /// What tells that this run made it.
        if_ours: String,
    },
    /// Undo a step of a run that failed, by this one.
    Undo(Box<Step>),
}

impl Step {
    /// What is left of a user where this step of undoing could not be taken.
    pub(crate) fn leftover(&self, user: &str) -> String {
        match self {
            Self::DeleteAccessKey(id) => return format!("access key {id} of user {user}"),
            Self::SuspendKey(id) => {
                return format!("access key {id} of user {user}, which may still work");
            }
            Self::DetachPolicy(policy) => return format!("policy {} on user {user}", policy.name),
            Self::ReattachPolicy(policy) => {
                return format!("policy {}, which user {user} lacks now", policy.name);
            }
            Self::DeleteInlinePolicy(name) => return format!("policy {name} on user {user}"),
            _ => {}
        }
        self.parts().1
    }

    /// The same step as part of undoing.
    pub(crate) fn undoing(self) -> Self {
        Self::Undo(Box::new(self))
    }

    /// Says that it was done, such as `Created user alex`.
    pub fn done(&self) -> String {
        if let Self::Undo(step) = self {
            let (verb, object) = step.parts();
            return format!("Undo: {} {object}", verb.done);
        }
        let (verb, object) = self.parts();
        let (first, rest) = verb.done.split_at(1);
        format!("{}{rest} {object}", first.to_uppercase())
    }

    fn parts(&self) -> (Verb, String) {
        match self {
            Self::CreateUser(user) => (CREATE, format!("user {user}")),
            Self::CreatePolicy(name) => (CREATE, format!("policy {name}")),
            Self::AttachPolicy(name) => (ATTACH, format!("policy {name}")),
            Self::ReattachPolicy(policy) => (REATTACH, format!("policy {}", policy.name)),
            Self::GivePolicy(folder) => (CREATE, format!("a policy for {folder}")),
            Self::PutInlinePolicy(name) => (PUT, format!("inline policy {name}")),
            Self::CreateAccessKey(user) => (CREATE, format!("an access key for {user}")),
            Self::MakeFolder(folder) => (MAKE, format!("folder {folder}")),
            Self::WriteKeyFile(path) => (WRITE, path.display().to_string()),
            Self::WriteKit(archive) => {
                let dir = archive.with_extension("");
                (WRITE, format!("{}/ and {}", dir.display(), archive.display()))
            }
            Self::Verify { opens, untested, is_all } => {
                (VERIFY, verified(opens, untested, *is_all))
            }
            Self::Check(what) => (VERIFY, what.clone()),
            Self::UpdatePolicy(name) => (UPDATE, format!("policy {name}")),
            Self::TagUser(user) => (TAG, format!("user {user}")),
            Self::DeleteAccessKey(id) => (DELETE, format!("access key {id}")),
            Self::DeleteSuspendedKey(id) => {
                let object = format!("suspended access key {id}, to make room for a new one");
                (DELETE, object)
            }
            Self::SuspendKey(id) => (SUSPEND, format!("access key {id}")),
            Self::ResumeKey(id) => (RESUME, format!("access key {id}")),
            Self::DetachPolicy(policy) => (DETACH, format!("policy {}", policy.name)),
            Self::DeletePolicy(policy) => (DELETE, format!("policy {}", policy.name)),
            Self::DeleteInlinePolicy(name) => (DELETE, format!("inline policy {name}")),
            Self::Remove(blocker) => (REMOVE, blocker.to_string()),
            Self::EmptyFolder { folder, what } => (DELETE, format!("{what} under {folder}")),
            Self::DeleteObject { url, .. } => (DELETE, format!("object {url}")),
            Self::AbortUpload { key, .. } => (ABORT, format!("unfinished upload of {key}")),
            Self::DeleteLateKey => {
                let object = "an access key that may still appear in a list";
                (DELETE, object.to_owned())
            }
            Self::DeleteUnclearKey { id, created } => {
                let object =
                    format!("access key {id}, created {created}, if no other run has its secret");
                (DELETE, object)
            }
            Self::DeleteUser(user) => (DELETE, format!("user {user}")),
            Self::DeleteUnclearUser(user) => {
                let object = format!("user {user}, if it is there and no other run made it");
                (DELETE, object)
            }
            Self::DeleteUnclearPolicy { policy, if_ours } => {
                let object = format!("policy {}, if it is there and {if_ours}", policy.name);
                (DELETE, object)
            }
            Self::Undo(step) => (UNDO, step.to_string()),
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

/// What a step does, as it is to be done and as it was.
#[derive(Debug, Clone, Copy)]
struct Verb {
    to_do: &'static str,
    done: &'static str,
}

const fn verb(to_do: &'static str, done: &'static str) -> Verb {
    Verb { to_do, done }
}

const ABORT: Verb = verb("abort", "aborted");
const ATTACH: Verb = verb("attach", "attached");
const CREATE: Verb = verb("create", "created");
const DELETE: Verb = verb("delete", "deleted");
const DETACH: Verb = verb("detach", "detached");
const MAKE: Verb = verb("make", "made");
const PUT: Verb = verb("put", "put");
const REATTACH: Verb = verb("reattach", "reattached");
const REMOVE: Verb = verb("remove", "removed");
const RESUME: Verb = verb("resume", "resumed");
const SUSPEND: Verb = verb("suspend", "suspended");
const TAG: Verb = verb("tag", "tagged");
const UNDO: Verb = verb("undo:", "undone:");
const UPDATE: Verb = verb("update", "updated");
const VERIFY: Verb = verb("verify:", "verified:");
const WRITE: Verb = verb("write", "wrote");

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, object) = self.parts();
        write!(f, "{} {object}", verb.to_do)
    }
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// The policy's name.
    pub name: String,
    /// The policy's ARN.
    pub arn: String,
}

/// What else than keys and policies must go before a user can be deleted, as
/// [AWS lists it][conditions]. `iam::blockers` finds and removes each kind.
///
/// [conditions]: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's own")]
pub enum Blocker {
    LoginProfile,
    SigningCertificate(String),
    SshPublicKey(String),
    ServiceSpecificCredential(String),
    MfaDevice(String),
    Group(String),
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginProfile => f.write_str("login profile"),
            Self::SigningCertificate(id) => write!(f, "signing certificate {id}"),
            Self::SshPublicKey(id) => write!(f, "SSH public key {id}"),
            Self::ServiceSpecificCredential(id) => write!(f, "service-specific credential {id}"),
            Self::MfaDevice(serial) => write!(f, "MFA device {serial}"),
            Self::Group(name) => write!(f, "membership of group {name}"),
        }
    }
}

/// A number of things for people, with a plus if there are `more`.
pub(crate) fn counted(count: u64, more: bool, thing: &str) -> String {
    let plus = if more { "+" } else { "" };
    let s = if count == 1 && !more { "" } else { "s" };
    format!("{}{plus} {thing}{s}", thousands(count))
}

/// Access keys by their IDs, for people: one, or several.
pub(crate) fn named_keys(keys: &[String]) -> String {
    let s = if keys.len() == 1 { "" } else { "s" };
    format!("access key{s} {}", keys.join(" and "))
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
        let create = Step::CreateUser("alex".to_owned());
        let verify = |untested: &[&str]| Step::Verify {
            opens: "read-only access to s3://shared/alex/".to_owned(),
            untested: untested.iter().map(|it| it.to_string()).collect(),
            is_all: true,
        };
        for (step, to_do, done) in [
            (create.clone(), "create user alex", "Created user alex"),
            (create.undoing(), "undo: create user alex", "Undo: created user alex"),
            (Step::WriteKeyFile("keys/a.csv".into()), "write keys/a.csv", "Wrote keys/a.csv"),
            (
                Step::WriteKit("keys/a.b_kit.zip".into()),
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
        assert_eq!(counted(0, false, "object"), "0 objects");
        assert_eq!(counted(1, false, "object"), "1 object");
        assert_eq!(counted(1000, true, "object"), "1,000+ objects");
        assert_eq!(counted(1_234_567, false, "version"), "1,234,567 versions");
    }
}
