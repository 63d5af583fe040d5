//! The result of a delete run, as data: complete or not.

use serde::Serialize;

use super::outcome::Outcome;
use crate::access::Target;
use crate::errors::one_line;
use crate::removal::Removal;
use crate::s3::empty::{Counts, FailedKey};
use crate::step::Step;

/// The result of a delete run, complete or not.
#[derive(Debug, Clone, Serialize)]
pub struct Deleted {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The IDs of the access keys deleted.
    pub access_keys: Vec<String>,
    /// The names of the managed policies detached.
    pub policies_detached: Vec<String>,
    /// The names of the policies deleted, managed and inline.
    pub policies_deleted: Vec<String>,
    /// Everything else removed from the user.
    pub other: Vec<String>,
    /// The number of things deleted from the folder.
    #[serde(flatten)]
    pub folder: Counts,
    /// True if the user is gone.
    pub user_deleted: bool,
    /// The objects that could not be deleted.
    pub failed: Vec<FailedKey>,
    /// True if the folder was to be emptied.
    #[serde(skip)]
    pub empties_folder: bool,
    /// The steps that a run which failed has not taken, or not to their end.
    #[serde(skip)]
    pub remaining: Vec<Step>,
    /// True if nothing shows any more that what remains of the user is ours.
    #[serde(skip)]
    pub needs_force: bool,
    /// Notes for the admin, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Deleted {
    /// The result of a run that has done nothing yet.
    pub(crate) fn nothing(target: &Target) -> Self {
        Self {
            target: target.clone(),
            access_keys: Vec::new(),
            policies_detached: Vec::new(),
            policies_deleted: Vec::new(),
            other: Vec::new(),
            folder: Counts::default(),
            user_deleted: false,
            failed: Vec::new(),
            empties_folder: false,
            remaining: Vec::new(),
            needs_force: false,
            notes: Vec::new(),
        }
    }

    /// Counts something that was removed from the user, or the user.
    pub(crate) fn count(&mut self, removal: &Removal) {
        match removal {
            Removal::AccessKey(id) => self.access_keys.push(id.clone()),
            Removal::Attachment(policy) => self.policies_detached.push(policy.name.clone()),
            Removal::Policy(policy) => self.policies_deleted.push(policy.name.clone()),
            Removal::InlinePolicy(name) => self.policies_deleted.push(name.clone()),
            Removal::Blocker(blocker) => self.other.push(blocker.to_string()),
            Removal::User(_) => self.user_deleted = true,
            Removal::Object { .. } | Removal::Detachment(_) => {}
        }
    }

    /// Names the objects that could not be deleted, a line each: the first `most`,
    /// and how many more there are.
    pub(crate) fn failures(&self, most: usize) -> Vec<String> {
        let named = self.failed.iter().take(most).map(|failed| {
            let FailedKey { key, code, message } = failed;
            one_line(&format!("{}: {code}: {message}", key.escape_debug()))
        });
        let more = self.failed.len().saturating_sub(most);
        named.chain((more > 0).then(|| format!("and {more} more"))).collect()
    }
}

impl Outcome for Deleted {
    fn summary(&self) -> String {
        let user = &self.target.user;
        let was_empty = self.folder == Counts::default();
        match (self.user_deleted, was_empty) {
            (true, true) if self.empties_folder => {
                format!("Deleted user {user}; the folder was empty")
            }
            (true, true) => format!("Deleted user {user}"),
            (true, false) => format!("Deleted user {user} and {}", self.folder),
            (false, true) if !self.policies_deleted.is_empty() => {
                format!("Deleted policy {} of user {user}", self.policies_deleted.join(", "))
            }
            (false, true) => format!("Nothing to delete for user {user}"),
            (false, false) => format!("Deleted {} from {}", self.folder, self.target.folder_url()),
        }
    }

    fn advice(&self) -> Vec<String> {
        Vec::new()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}
