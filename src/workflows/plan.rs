//! What every plan holds: the run, and what will be done.

use serde::{Serialize, Serializer};

use super::outcome::Skipped;
use crate::access::{Grant, PolicyDocument, Target};
use crate::aws::Run;
use crate::step::Step;

/// The work of a workflow, planned without changing anything.
pub struct Plan<W> {
    /// The steps and notes, as they are shown before anything is done.
    pub preview: Preview,
    pub(crate) run: Run,
    pub(crate) work: W,
}

/// The plan for a user that may exist already.
#[expect(clippy::large_enum_variant, reason = "each user has one")]
pub enum Planned<W> {
    /// It exists, and was to be skipped then: nothing is done.
    Skip(Skipped),
    /// Everything that the plan says.
    Do(Plan<W>),
}

/// A plan as it is shown before it is carried out, with `--json` too.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The name and the document of the policy that the user will have.
    #[serde(flatten)]
    pub policy: Option<PlannedPolicy>,
    /// The steps, in order.
    #[serde(serialize_with = "in_words")]
    pub steps: Vec<Step>,
    /// The access that a new user will have.
    #[serde(skip)]
    pub grant: Option<Grant>,
    /// The parts of an existing user's access that will be different, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// The parts that will stay as they are, for people.
    #[serde(skip)]
    pub kept: Vec<String>,
    /// Notes for the admin, a line each.
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

impl Preview {
    pub(super) fn new(target: &Target, steps: Vec<Step>) -> Self {
        Self {
            target: target.clone(),
            policy: None,
            steps,
            grant: None,
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
