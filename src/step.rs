//! The vocabulary that every room reports in: what is done, step by step, and
//! what a failed run leaves. Words only; nothing here does anything.

use std::fmt;
use std::path::PathBuf;

/// One thing a command does, in one sentence: the same one in a plan and as
/// progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the IAM user.
    CreateUser(String),
    /// Create the managed policy.
    CreatePolicy(String),
    /// Attach the managed policy to the user.
    AttachPolicy(String),
    /// Put the inline policy into the user.
    PutInlinePolicy(String),
    /// Create the access key.
    CreateAccessKey(String),
    /// Put the folder object that some clients look for.
    MakeFolder(String),
    /// Write the access key to its file.
    WriteKeyFile(PathBuf),
    /// Write the kit into its directory.
    WriteKit(PathBuf),
    /// Test what the key can do, and what it can't.
    Verify(String),
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
        /// The upload's ID; none where its answer got lost.
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
            Self::DeleteInlinePolicy(name) => return format!("policy {name} on user {user}"),
            _ => {}
        }
        let text = self.to_string();
        let verbs = ["delete ", "abort "];
        let thing = verbs.iter().find_map(|verb| text.strip_prefix(verb));
        thing.unwrap_or(&text).to_owned()
    }

    /// The same step as part of undoing.
    pub(crate) fn undoing(self) -> Self {
        Self::Undo(Box::new(self))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateUser(user) => write!(f, "create user {user}"),
            Self::CreatePolicy(name) => write!(f, "create policy {name}"),
            Self::AttachPolicy(name) => write!(f, "attach policy {name}"),
            Self::PutInlinePolicy(name) => write!(f, "put inline policy {name}"),
            Self::CreateAccessKey(user) => write!(f, "create an access key for {user}"),
            Self::MakeFolder(folder) => write!(f, "make folder {folder}"),
            Self::WriteKeyFile(path) | Self::WriteKit(path) => {
                write!(f, "write {}", path.display())
            }
            Self::Verify(what) => write!(f, "verify: {what}"),
            Self::UpdatePolicy(name) => write!(f, "update policy {name}"),
            Self::TagUser(user) => write!(f, "tag user {user}"),
            Self::DeleteAccessKey(id) => write!(f, "delete access key {id}"),
            Self::DeleteSuspendedKey(id) => write!(
                f,
                "delete suspended access key {id}, to make room for a new one"
            ),
            Self::SuspendKey(id) => write!(f, "suspend access key {id}"),
            Self::ResumeKey(id) => write!(f, "resume access key {id}"),
            Self::DetachPolicy(policy) => write!(f, "detach policy {}", policy.name),
            Self::DeletePolicy(policy) => write!(f, "delete policy {}", policy.name),
            Self::DeleteInlinePolicy(name) => write!(f, "delete inline policy {name}"),
            Self::Remove(blocker) => write!(f, "remove {blocker}"),
            Self::EmptyFolder { folder, what } => write!(f, "delete {what} under {folder}"),
            Self::DeleteObject { url, .. } => write!(f, "delete object {url}"),
            Self::AbortUpload { key, .. } => write!(f, "abort unfinished upload of {key}"),
            Self::DeleteLateKey => {
                f.write_str("delete an access key that may still appear in a list")
            }
            Self::DeleteUnclearKey { id, created } => write!(
                f,
                "delete access key {id}, created {created}, if no other run has its secret"
            ),
            Self::DeleteUser(user) => write!(f, "delete user {user}"),
            Self::Undo(step) => write!(f, "undo: {step}"),
        }
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

/// Access keys in words: one, or several.
pub(crate) fn named_keys(keys: &[String]) -> String {
    let s = if keys.len() == 1 { "" } else { "s" };
    format!("access key{s} {}", keys.join(" and "))
}

/// A number with a comma between each three digits.
fn thousands(number: u64) -> String {
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
    fn counts_are_written_as_people_write_them() {
        assert_eq!(counted(0, false, "object"), "0 objects");
        assert_eq!(counted(1, false, "object"), "1 object");
        assert_eq!(counted(1000, true, "object"), "1,000+ objects");
        assert_eq!(counted(1_234_567, false, "version"), "1,234,567 versions");
    }
}
