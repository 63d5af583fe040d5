//! All that ever becomes output: steps, results and what is left, for people
//! (`Display`) and for scripts (JSON).

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use tokio_util::sync::CancellationToken;

use crate::folder::{FailedKey, Progress};
use crate::names::Target;
use crate::policy::PolicyDocument;

/// One thing a command does, in one sentence: the same one in a plan and as
/// progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the IAM user.
    CreateUser(String),
    /// Make the managed policy.
    CreatePolicy(String),
    /// Attach the managed policy to the user.
    AttachPolicy(String),
    /// Put the inline policy into the user.
    PutInlinePolicy(String),
    /// Make the key pair.
    CreateAccessKey(String),
    /// Write the key pair to its file.
    WriteKeyFile(PathBuf),
    /// Tag a user that only its policies showed to be ours.
    TagUser(String),
    /// Delete an access key.
    DeleteAccessKey(String),
    /// Take a managed policy off the user.
    DetachPolicy(String),
    /// Delete a managed policy.
    DeletePolicy(String),
    /// Delete an inline policy.
    DeleteInlinePolicy(String),
    /// Remove something else that hangs on the user.
    Remove(String),
    /// Delete everything under the prefix.
    EmptyFolder {
        /// The folder's URL.
        folder: String,
        /// What is known to be there, or has been.
        what: String,
    },
    /// Delete the IAM user.
    DeleteUser(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateUser(user) => write!(f, "create user {user}"),
            Self::CreatePolicy(name) => write!(f, "create policy {name}"),
            Self::AttachPolicy(name) => write!(f, "attach policy {name}"),
            Self::PutInlinePolicy(name) => write!(f, "put inline policy {name}"),
            Self::CreateAccessKey(user) => write!(f, "create an access key for {user}"),
            Self::WriteKeyFile(path) => write!(f, "write {}", path.display()),
            Self::TagUser(user) => write!(f, "tag user {user}"),
            Self::DeleteAccessKey(id) => write!(f, "delete access key {id}"),
            Self::DetachPolicy(name) => write!(f, "detach policy {name}"),
            Self::DeletePolicy(name) => write!(f, "delete policy {name}"),
            Self::DeleteInlinePolicy(name) => write!(f, "delete inline policy {name}"),
            Self::Remove(what) => write!(f, "remove {what}"),
            Self::EmptyFolder { folder, what } => write!(f, "delete {what} under {folder}"),
            Self::DeleteUser(user) => write!(f, "delete user {user}"),
        }
    }
}

/// A run was stopped by Ctrl-C or SIGTERM.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupted {
    pub(crate) fn check(cancel: &CancellationToken) -> Result<(), Self> {
        match cancel.is_cancelled() {
            true => Err(Self),
            false => Ok(()),
        }
    }
}

/// An error with something the admin can do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Hinted {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A policy by name, and by ARN where it is a managed one.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyRef {
    /// The policy's name.
    pub name: String,
    /// The managed policy's ARN; none for an inline policy.
    pub arn: Option<String>,
}

/// What a run would do, as `--dry-run --json` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    user: String,
    bucket: String,
    prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_document: Option<PolicyDocument>,
    steps: Vec<String>,
    dry_run: bool,
}

impl PlanReport {
    /// `policy` is the name and document of what a create run would make.
    pub(crate) fn new(
        target: &Target,
        steps: &[Step],
        policy: Option<(String, PolicyDocument)>,
    ) -> Self {
        let (policy_name, policy_document) = policy.unzip();
        Self {
            user: target.user.to_string(),
            bucket: target.bucket.to_string(),
            prefix: target.prefix().to_string(),
            policy_name,
            policy_document,
            steps: steps.iter().map(Step::to_string).collect(),
            dry_run: true,
        }
    }
}

/// A user who is all set up.
#[derive(Debug, Clone, Serialize)]
pub struct Created {
    /// The IAM user's name.
    pub user: String,
    /// The IAM user's ARN.
    pub arn: String,
    /// The shared bucket.
    pub bucket: String,
    /// The prefix the user can list and download.
    pub prefix: String,
    /// The policy that grants it.
    pub policy: PolicyRef,
    /// The ID of the access key.
    pub access_key_id: String,
    /// The file that holds the key pair.
    #[serde(serialize_with = "lossy")]
    pub key_file: PathBuf,
    /// Whether no object was under the prefix yet; none if that can't be told.
    #[serde(skip)]
    pub folder_is_empty: Option<bool>,
    /// Whether the user carries our tag; false on a store that refuses tags.
    #[serde(skip)]
    pub tagged: bool,
}

impl Created {
    /// What to hand on to the person, in a few lines.
    pub fn advice(&self) -> Vec<String> {
        let folder = format!("s3://{}/{}", self.bucket, self.prefix);
        let mut lines = vec![
            format!("user {} can now list and download {folder}", self.user),
            format!("hand on, over a safe channel: {}", self.key_file.display()),
            format!("and the place to start at, with the slash: {folder}"),
        ];
        if self.folder_is_empty == Some(true) {
            lines.push(format!(
                "note: {folder} is still empty, and some clients take an empty folder for a missing one"
            ));
        }
        if !self.tagged {
            lines.push("note: the store refused tags, so user and policy have none".to_owned());
        }
        lines
    }
}

/// A path as JSON text, which can't hold every byte a path can.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Something that a failed run made and could not undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub what: String,
    /// The command that removes it.
    pub remove_with: String,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "left: {}; remove it with: {}",
            self.what, self.remove_with
        )
    }
}

/// What a delete run did, complete or not.
#[derive(Debug, Clone, Serialize)]
pub struct Deleted {
    /// The IAM user's name.
    pub user: String,
    /// The shared bucket.
    pub bucket: String,
    /// The prefix that was emptied.
    pub prefix: String,
    /// The IDs of the access keys deleted.
    pub access_keys: Vec<String>,
    /// The names of the managed policies detached.
    pub policies_detached: Vec<String>,
    /// The names of the policies deleted, managed and inline.
    pub policies_deleted: Vec<String>,
    /// Everything else removed from the user.
    pub other: Vec<String>,
    /// How many objects were deleted: the only or the current version of each.
    pub objects: u64,
    /// How many earlier versions were deleted.
    pub versions: u64,
    /// How many delete markers were deleted.
    pub delete_markers: u64,
    /// How many unfinished multipart uploads were aborted.
    pub uploads: u64,
    /// Whether the user is gone.
    pub user_deleted: bool,
    /// The objects that could not be deleted.
    pub failed: Vec<FailedKey>,
    /// Why the run stopped before its end, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Deleted {
    /// The report of a run that has done nothing yet.
    pub fn nothing(target: &Target) -> Self {
        Self {
            user: target.user.to_string(),
            bucket: target.bucket.to_string(),
            prefix: target.prefix().to_string(),
            access_keys: Vec::new(),
            policies_detached: Vec::new(),
            policies_deleted: Vec::new(),
            other: Vec::new(),
            objects: 0,
            versions: 0,
            delete_markers: 0,
            uploads: 0,
            user_deleted: false,
            failed: Vec::new(),
            error: None,
        }
    }

    /// What was deleted from the folder, in words.
    pub fn summary(&self) -> String {
        let further = [
            (self.versions, "earlier version"),
            (self.delete_markers, "delete marker"),
            (self.uploads, "unfinished upload"),
        ];
        let further = further.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = std::iter::once((self.objects, "object"))
            .chain(further)
            .map(|(count, thing)| counted(count, false, thing))
            .collect();
        parts.join(", ")
    }

    /// The objects that could not be deleted, a line each: the first `most`,
    /// and how many more there are.
    pub fn failures(&self, most: usize) -> Vec<String> {
        let named = self.failed.iter().take(most).map(|failed| {
            let key = failed.key.escape_debug();
            format!("{key}: {}: {}", failed.code, failed.message)
        });
        let more = self.failed.len().saturating_sub(most);
        named
            .chain((more > 0).then(|| format!("and {more} more")))
            .collect()
    }

    pub(crate) fn count(&mut self, progress: &Progress) {
        self.objects = progress.objects();
        self.versions = progress.versions();
        self.delete_markers = progress.delete_markers();
        self.uploads = progress.uploads();
    }
}

/// The folder as people and clients write it: `s3://BUCKET/USER/`.
pub fn folder_url(target: &Target) -> String {
    format!("s3://{}/{}", target.bucket, target.prefix())
}

/// A number of things in words, with a plus if there are `more`.
pub(crate) fn counted(count: u64, more: bool, thing: &str) -> String {
    let plus = if more { "+" } else { "" };
    let s = if count == 1 && !more { "" } else { "s" };
    format!("{}{plus} {thing}{s}", thousands(count))
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
