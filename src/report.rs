//! All that ever becomes output: steps, results and what is left, for people
//! (`Display`) and for scripts (JSON).

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use tokio_util::sync::CancellationToken;

use crate::folder::{FailedKey, Progress};
use crate::grant::Access;
use crate::handover::Handover;
use crate::key_file::AccessKey;
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
    /// Make the folder object that some clients look for.
    MakeFolder(String),
    /// Write the key pair to its file, or the kit into its directory.
    Write(PathBuf),
    /// Try what the key opens, or doesn't.
    Verify(String),
    /// Replace a policy's document.
    UpdatePolicy(String),
    /// Tag a user: as ours, or with when its access ends.
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
    /// Delete the folder object alone.
    DeleteFolder(String),
    /// Delete the IAM user.
    DeleteUser(String),
    /// Undo a step of a run that failed, by this one.
    Undo(Box<Step>),
}

impl Step {
    /// The same as a part of undoing.
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
            Self::Write(path) => write!(f, "write {}", path.display()),
            Self::Verify(what) => write!(f, "verify: {what}"),
            Self::UpdatePolicy(name) => write!(f, "update policy {name}"),
            Self::TagUser(user) => write!(f, "tag user {user}"),
            Self::DeleteAccessKey(id) => write!(f, "delete access key {id}"),
            Self::DetachPolicy(name) => write!(f, "detach policy {name}"),
            Self::DeletePolicy(name) => write!(f, "delete policy {name}"),
            Self::DeleteInlinePolicy(name) => write!(f, "delete inline policy {name}"),
            Self::Remove(what) => write!(f, "remove {what}"),
            Self::EmptyFolder { folder, what } => write!(f, "delete {what} under {folder}"),
            Self::DeleteFolder(folder) => write!(f, "delete folder object {folder}"),
            Self::DeleteUser(user) => write!(f, "delete user {user}"),
            Self::Undo(step) => write!(f, "undo: {step}"),
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

/// How the work on a user ended well, in words.
pub(crate) trait Outcome: Serialize {
    /// In a line, for one user of many.
    fn summary(&self) -> String;

    /// In a few lines, for the only user; nothing beyond what the steps told.
    fn advice(&self) -> Vec<String>;

    /// What the admin should know besides, a line each.
    fn notes(&self) -> &[String];
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
    /// The prefix the user has access to.
    pub prefix: String,
    /// The access it has.
    pub access: Access,
    /// When access ends, RFC 3339 in UTC; none if it doesn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The policy that grants it.
    pub policy: PolicyRef,
    /// The access key, and where it was written.
    #[serde(flatten)]
    pub key: HandedOver,
    /// What the admin should know besides, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Created {
    fn summary(&self) -> String {
        let verbs = self.access.verbs();
        let Self { bucket, prefix, .. } = self;
        let until = self.expires.as_ref().map(|at| format!(" until {at}"));
        format!(
            "can now {verbs} s3://{bucket}/{prefix}{}",
            until.unwrap_or_default()
        )
    }

    fn advice(&self) -> Vec<String> {
        let folder = format!("s3://{}/{}", self.bucket, self.prefix);
        let can = format!("user {} {}", self.user, self.summary());
        [vec![can], self.key.advice(&folder)].concat()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A new access key, and where it was written.
#[derive(Debug, Clone, Serialize)]
pub struct HandedOver {
    /// The ID of the access key.
    pub access_key_id: String,
    /// The file that holds the key pair; none if it went to a writer.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The directory with settings for the person's client, if it was asked for.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kit: Option<PathBuf>,
}

impl HandedOver {
    pub(crate) fn new(key: &AccessKey, handover: &Handover) -> Self {
        Self {
            access_key_id: key.id().to_owned(),
            key_file: handover.file().map(Path::to_owned),
            kit: handover.kit().map(Path::to_owned),
        }
    }

    fn advice(&self, folder: &str) -> Vec<String> {
        let paths = self.key_file.iter().chain(&self.kit);
        let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
        let hand_on = match (&self.kit, paths.is_empty()) {
            (_, true) => "hand on, over a safe channel, what went to stdout".to_owned(),
            (None, _) => format!("hand on, over a safe channel: {}", paths[0]),
            (Some(_), _) => format!("hand on, over a safe channel: {}", paths.join(" or ")),
        };
        vec![
            hand_on,
            format!("and the place to start at, with the slash: {folder}"),
        ]
    }
}

/// A user who has a new access key.
#[derive(Debug, Clone, Serialize)]
pub struct Rotated {
    /// The IAM user's name.
    pub user: String,
    /// The shared bucket.
    pub bucket: String,
    /// The user's prefix.
    pub prefix: String,
    /// The new access key, and where it was written.
    #[serde(flatten)]
    pub key: HandedOver,
    /// The IDs of the former access keys that were deleted.
    pub deleted_keys: Vec<String>,
    /// The IDs of the former access keys that still work.
    pub kept_keys: Vec<String>,
    /// What the admin should know besides, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Rotated {
    fn summary(&self) -> String {
        format!("has the new access key {}", self.key.access_key_id)
    }

    fn advice(&self) -> Vec<String> {
        self.key
            .advice(&format!("s3://{}/{}", self.bucket, self.prefix))
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A user whose access is now another.
#[derive(Debug, Clone, Serialize)]
pub struct Updated {
    /// The IAM user's name.
    pub user: String,
    /// The shared bucket.
    pub bucket: String,
    /// The user's prefix.
    pub prefix: String,
    /// The policy that grants the access.
    pub policy: PolicyRef,
    /// What is different now, in words; empty if all was so already.
    pub changes: Vec<String>,
    /// The policy as it is now.
    pub policy_document: PolicyDocument,
    /// What the admin should know besides, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Updated {
    fn summary(&self) -> String {
        match self.changes.is_empty() {
            true => "nothing to change".to_owned(),
            false => self.changes.join("; "),
        }
    }

    fn advice(&self) -> Vec<String> {
        let folder = format!("s3://{}/{}", self.bucket, self.prefix);
        let head = match self.changes.is_empty() {
            true => format!("nothing to change for user {} on {folder}", self.user),
            false => format!("changed for user {} on {folder}:", self.user),
        };
        let changes = self.changes.iter().map(|change| format!("  {change}"));
        std::iter::once(head).chain(changes).collect()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A path as JSON text, which can't hold every byte a path can.
fn lossy<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = path.as_ref().map(|path| path.to_string_lossy());
    text.serialize(serializer)
}

/// A run that failed, and was undone but for what is `left`.
#[derive(Debug)]
pub struct Failed {
    /// What failed.
    pub error: anyhow::Error,
    /// What could not be undone; empty if nothing is left of the run.
    pub left: Vec<Leftover>,
    /// The new key, if it is handed over all the same.
    pub handed_over: Option<HandedOver>,
}

impl From<anyhow::Error> for Failed {
    /// A failure with nothing left of the run.
    fn from(error: anyhow::Error) -> Self {
        Self {
            error,
            left: Vec::new(),
            handed_over: None,
        }
    }
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
    /// What the admin should know besides, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why the run stopped before its end, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A delete run that stopped before its end.
#[derive(Debug)]
pub struct Incomplete {
    /// What was deleted until then.
    pub deleted: Deleted,
    /// Why it stopped.
    pub error: anyhow::Error,
}

impl Deleted {
    /// The report of a run that has done nothing yet.
    pub(crate) fn nothing(target: &Target) -> Self {
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
            notes: Vec::new(),
            error: None,
        }
    }

    /// What was deleted from the folder, in words.
    pub fn in_words(&self) -> String {
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
    pub(crate) fn failures(&self, most: usize) -> Vec<String> {
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

impl Outcome for Deleted {
    fn summary(&self) -> String {
        format!("deleted, with {}", self.in_words())
    }

    fn advice(&self) -> Vec<String> {
        Vec::new()
    }

    fn notes(&self) -> &[String] {
        &self.notes
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
