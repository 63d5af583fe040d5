//! What every plan holds: the run, and what will be done.

use serde::{Serialize, Serializer};

use super::outcome::Skipped;
use crate::access::{PolicyDocument, Target};
use crate::aws::Run;
use crate::step::Step;

/// What a workflow will do, found out without changing anything.
pub struct Plan<W> {
    /// What will be done; carrying the plan out takes these very steps.
    pub preview: Preview,
    pub(crate) run: Run,
    pub(crate) work: W,
}

/// What is to become of a user.
#[expect(clippy::large_enum_variant, reason = "each user has one")]
pub enum Planned<W> {
    /// Nothing: it exists, and was to be skipped then.
    Skip(Skipped),
    /// Everything that the plan says.
    Do(Plan<W>),
}

/// What a plan will do, as `--dry-run --json` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The name and the document of the policy that the user will have.
    #[serde(flatten)]
    pub policy: Option<PlannedPolicy>,
    /// What will be done, in order.
    #[serde(serialize_with = "in_words")]
    pub steps: Vec<Step>,
    /// What will be different for an existing user, for people.
    #[serde(skip)]
    pub changes: Vec<String>,
    /// What will stay as it is for an existing user, for people.
    #[serde(skip)]
    pub kept: Vec<String>,
    /// What the admin should know before, a line each.
    #[serde(skip)]
    pub notes: Vec<String>,
    dry_run: bool,
}

/// The policy that a user will have.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedPolicy {
    /// Its name, where it is known before.
    #[serde(rename = "policy_name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its document.
    #[serde(rename = "policy_document")]
    pub document: PolicyDocument,
}

impl<W> Plan<W> {
    /// The same plan, with more that the admin should know before.
    pub(crate) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.preview.notes.extend(notes);
        self
    }
}

impl Preview {
    pub(super) fn new(target: &Target, steps: Vec<Step>) -> Self {
        Self {
            target: target.clone(),
            policy: None,
            steps,
            changes: Vec::new(),
            kept: Vec::new(),
            notes: Vec::new(),
            dry_run: true,
        }
    }
}

fn in_words<S: Serializer>(steps: &[Step], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(steps.iter().map(Step::to_string))
}
