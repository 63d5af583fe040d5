//! What came of a run, as data: for people in a few words, for scripts as JSON.

use serde::Serialize;

use super::deleted::Deleted;
use super::error::Error;
use crate::access::{Access, Expiry, PolicyDocument, Prefix, Target};
use crate::handover::HandedOver;
use crate::removal::Leftover;
use crate::step::named_keys;

/// The result of work on a user that ended well, and the words for it.
pub(crate) trait Outcome: Serialize {
    /// Sums it up in a sentence with the user's name.
    fn summary(&self) -> String;

    /// Tells the admin in a few lines what to do now, if this is the only user; nothing
    /// beyond what the steps told.
    fn advice(&self) -> Vec<String>;

    /// Notes for the admin, a line each.
    fn notes(&self) -> &[String];

    /// The new key, if there is one.
    fn handed_over(&self) -> Option<&HandedOver> {
        None
    }

    /// False if all was so already.
    fn has_changed(&self) -> bool {
        true
    }
}

/// A run that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// The reason.
    #[source]
    pub error: Error,
    /// The state that it leaves things in.
    pub state: State,
}

/// The state that a failed run leaves things in.
#[derive(Debug)]
#[non_exhaustive]
pub enum State {
    /// The run left nothing but what the error says.
    NothingLeft,
    /// The run had made something, and all of it is undone.
    Undone,
    /// Something could not be undone.
    Left(Vec<Leftover>),
    /// The new key is handed over all the same.
    HandedOver {
        /// The new key.
        key: HandedOver,
        /// The keys that could not be taken out of use.
        left: Vec<Leftover>,
    },
    /// This much was deleted.
    Deleted(Box<Deleted>),
}

impl Failed {
    pub(crate) fn new(error: anyhow::Error, state: State) -> Self {
        Self { error: error.into(), state }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self { error: error.into(), state: State::NothingLeft }
    }
}

/// A policy by name, and by ARN where it is a managed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRef {
    /// The policy's name.
    pub name: String,
    /// The managed policy's ARN; none for an inline policy.
    pub arn: Option<String>,
}

/// A user who is all set up.
#[derive(Debug, Clone, Serialize)]
pub struct Created {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The IAM user's ARN.
    pub arn: String,
    /// The access it has.
    pub access: Access,
    /// The end of access, RFC 3339 in UTC; none if it doesn't end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The addresses that requests may come from; any if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_ips: Vec<String>,
    /// The other folders that it may list and download.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_read: Vec<Prefix>,
    /// The policy that grants it.
    pub policy: PolicyRef,
    /// The access key, and where it was written.
    #[serde(flatten)]
    pub key: HandedOver,
    /// Notes for the admin, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Created {
    fn summary(&self) -> String {
        let Target { user, .. } = &self.target;
        let folder = self.target.folder_url();
        let mut summary = format!("{user} can now {} {folder}", self.access.verbs());
        for shared in &self.also_read {
            let also = match self.access {
                Access::Read => " and",
                _ => ", and list and download",
            };
            summary += &format!("{also} {}", self.target.url_of(shared));
        }
        if !self.source_ips.is_empty() {
            summary += &format!(", only from {},", self.source_ips.join(" and "));
        }
        if let Some(end) = self.expires.as_deref().and_then(Expiry::at) {
            summary += &format!(" {}", end.for_people());
        }
        summary.trim_end_matches(',').to_owned()
    }

    fn advice(&self) -> Vec<String> {
        let mut lines = vec![String::new(), self.summary()];
        lines.extend(how_to_send(&self.key));
        if self.key.kit_zip.is_none() {
            let start = self.target.folder_url();
            lines.push(format!("Tell them to start at {start} (with the slash at the end)."));
        }
        lines
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn handed_over(&self) -> Option<&HandedOver> {
        Some(&self.key)
    }
}

/// A user that exists already, and is left as it is.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    skipped: bool,
    /// The IDs of its access keys.
    pub access_keys: Vec<String>,
    /// Why it isn't made to be as was asked for; none if it is so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Skipped {
    pub(crate) fn new(target: &Target, access_keys: Vec<String>) -> Self {
        Self { target: target.clone(), skipped: true, access_keys, reason: None }
    }

    #[cfg(feature = "cli")]
    pub(crate) fn because(
        target: &Target,
        access_keys: Vec<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(target, access_keys) }
    }
}

impl Outcome for Skipped {
    fn summary(&self) -> String {
        let keys = named_keys(&self.access_keys);
        format!("User {} already exists, with {keys}; skipped", self.target.user)
    }

    fn advice(&self) -> Vec<String> {
        vec![self.summary()]
    }

    fn has_changed(&self) -> bool {
        false
    }

    fn notes(&self) -> &[String] {
        &[]
    }
}

/// Says what to send, and what to do with the copies.
fn how_to_send(key: &HandedOver) -> Vec<String> {
    match (&key.kit_zip, &key.key_file) {
        (Some(zip), Some(file)) => vec![
            match &key.kit {
                Some(dir) => format!(
                    "Next: send {} over a secure channel, then delete it and {}/.",
                    zip.display(),
                    dir.display()
                ),
                None => {
                    format!("Next: send {} over a secure channel, then delete it.", zip.display())
                }
            },
            format!(
                "{} is your own copy of the key: keep it safe, or delete it too.",
                file.display()
            ),
        ],
        (None, Some(file)) => vec![format!(
            "Next: send {} over a secure channel, then delete your copy.",
            file.display()
        )],
        _ => vec!["Next: the key went to stdout; pass it on over a secure channel.".to_owned()],
    }
}

/// A user who has a new access key.
#[derive(Debug, Clone, Serialize)]
pub struct Rotated {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The new access key, and where it was written.
    #[serde(flatten)]
    pub key: HandedOver,
    /// The parts of its access that are different now, for people; empty if none was to
    /// change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// The IDs of the former access keys that were deleted.
    pub deleted_keys: Vec<String>,
    /// The IDs of the former access keys that are suspended.
    pub suspended_keys: Vec<String>,
    /// The IDs of the former access keys that still work.
    pub kept_keys: Vec<String>,
    /// Notes for the admin, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Rotated {
    fn summary(&self) -> String {
        let retired = [&self.deleted_keys[..], &self.suspended_keys].concat();
        let mut summary =
            format!("{} has a new access key, {}", self.target.user, self.key.access_key_id);
        for (keys, state) in [(&retired, "no longer work"), (&self.kept_keys, "still work")] {
            match &keys[..] {
                [] => {}
                [key] => summary += &format!("; {key} {state}s"),
                keys => summary += &format!("; {} {state}", keys.join(" and ")),
            }
        }
        if !self.changes.is_empty() {
            summary += &format!("; access changed: {}", self.changes.join("; "));
        }
        summary
    }

    fn advice(&self) -> Vec<String> {
        [vec![String::new(), self.summary()], how_to_send(&self.key)].concat()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn handed_over(&self) -> Option<&HandedOver> {
        Some(&self.key)
    }
}

/// A part of a user's access that stays as it is.
pub(crate) fn unchanged(part: &str) -> String {
    format!("{part} (unchanged)")
}

/// A user whose access keys are suspended, or work again.
#[derive(Debug, Clone, Serialize)]
pub struct Suspended {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// True if the keys are suspended now; if not, they work.
    pub suspended: bool,
    /// The IDs of the access keys that were suspended or resumed.
    pub changed_keys: Vec<String>,
    /// The IDs of the access keys that were so already.
    pub unchanged_keys: Vec<String>,
    /// Notes for the admin, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Suspended {
    fn summary(&self) -> String {
        let Target { user, .. } = &self.target;
        if self.changed_keys.is_empty() && self.unchanged_keys.is_empty() {
            return format!("{user} has no access key: nothing to suspend");
        }
        match (self.changed_keys.is_empty(), self.suspended) {
            (true, true) => format!("{user} is already suspended"),
            (true, false) => format!("{user} is not suspended"),
            (false, true) => format!("Suspended user {user}"),
            (false, false) => format!("Resumed user {user}"),
        }
    }

    fn advice(&self) -> Vec<String> {
        let Target { user, .. } = &self.target;
        let folder = self.target.folder_url();
        vec![match (self.changed_keys.is_empty(), self.suspended) {
            (true, _) => self.summary(),
            (false, true) => format!(
                "Within a few seconds, {user} will have no access to {folder}; \
                 to undo this, use --resume"
            ),
            (false, false) if self.unchanged_keys.is_empty() => {
                format!("Within a few seconds, {user} will have the same access as before")
            }
            (false, false) => {
                format!("{} will work again within a few seconds", named_keys(&self.changed_keys))
            }
        }]
    }

    fn has_changed(&self) -> bool {
        // That there is no key to suspend must be said.
        self.unchanged_keys.is_empty() || !self.changed_keys.is_empty()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A user whose access has changed.
#[derive(Debug, Clone, Serialize)]
pub struct Updated {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The policy that grants the access; none if the two of the Python scripts do.
    pub policy: Option<PolicyRef>,
    /// The parts that are different now, for people; empty if all was so already.
    pub changes: Vec<String>,
    /// The parts that are as they were, for people.
    pub kept: Vec<String>,
    /// The other folders that the user may list and download.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_read: Vec<Prefix>,
    /// The policy as it is now; none if it is the two of the Python scripts.
    pub policy_document: Option<PolicyDocument>,
    /// Notes for the admin, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Outcome for Updated {
    fn summary(&self) -> String {
        let Target { user, .. } = &self.target;
        if self.changes.is_empty() {
            format!("Nothing to change for user {user}")
        } else {
            format!("Changed user {user}: {}", self.changes.join("; "))
        }
    }

    fn advice(&self) -> Vec<String> {
        let mut lines = vec![if self.changes.is_empty() {
            format!("{}:", self.summary())
        } else {
            let folder = self.target.folder_url();
            format!("Changed user {} ({folder}):", self.target.user)
        }];
        lines.extend(self.changes.iter().map(|part| format!("  {part}")));
        lines.extend(self.kept.iter().map(|part| format!("  {}", unchanged(part))));
        lines
    }

    fn has_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}
