//! The update workflow: another grant for a user that is there.

use anyhow::{Context, Result, ensure};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::bucket;
use crate::create::policy_for;
use crate::grant::Grant;
use crate::iam::{self, ManagedPolicy, Tags, User};
use crate::names::Target;
use crate::owner::{HeldPolicy, access_policy, find_ours};
use crate::policy::PolicyDocument;
use crate::report::{Interrupted, PlanReport, PolicyRef, Step, Updated};

/// How many versions IAM keeps of a managed policy.
const MOST_VERSIONS: usize = 5;

/// What [`apply`] will do, found out without changing anything.
#[derive(Clone)]
pub struct Plan {
    aws: Aws,
    target: Target,
    user: User,
    grant: Grant,
    document: PolicyDocument,
    policy: PolicyRef,
    replaces_policy: bool,
    /// In words.
    changes: Vec<String>,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// the one policy that `create` makes, and changes nothing.
pub async fn plan(aws: &Aws, target: &Target, grant: &Grant) -> Result<Plan> {
    let (aws, user) = find_ours(aws, target).await?;
    let held = access_policy(&aws, &target.user).await?;
    check_not_shared(&held, target)?;
    let document = policy_for(grant, target, &aws)?;
    document.check_size(held.managed.is_none())?;
    let changes = match PolicyDocument::grant(&held.text, target, &aws.region) {
        Some(old) => old.changes_to(grant),
        None => vec![format!(
            "policy {}: from one that create_s3_user did not write",
            held.name
        )],
    };
    Ok(Plan {
        replaces_policy: !document.is(&held.text),
        policy: PolicyRef {
            name: held.name,
            arn: held.managed.map(|managed| managed.arn),
        },
        aws,
        target: target.clone(),
        user,
        grant: grant.clone(),
        document,
        changes,
    })
}

fn check_not_shared(held: &HeldPolicy, target: &Target) -> Result<()> {
    let uses = |managed: &ManagedPolicy| managed.uses;
    ensure!(
        held.managed.as_ref().map_or(0, uses) <= 1,
        "policy {} is attached to others than user {} too, whose access would change",
        held.name,
        target.user
    );
    Ok(())
}

impl Plan {
    /// The policy the user will have.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// What will be different, in words; empty if all is so already.
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    /// The plan as data, for `--dry-run --json`.
    pub fn report(&self) -> PlanReport {
        let policy = (self.policy.name.clone(), self.document.clone());
        PlanReport::new(&self.target, &self.steps(), Some(policy))
    }

    /// What will be done, in order.
    pub fn steps(&self) -> Vec<Step> {
        let policy = Step::UpdatePolicy(self.policy.name.clone());
        let tag = Step::TagUser(self.target.user.to_string());
        let policy = self.replaces_policy.then_some(policy);
        policy
            .into_iter()
            .chain(self.retags().then_some(tag))
            .collect()
    }

    fn expires(&self) -> Option<String> {
        self.grant.expires.map(|at| at.to_string())
    }

    fn retags(&self) -> bool {
        self.user.tags.expires != self.expires()
    }
}

/// Replaces the policy, by one call that takes effect as a whole, and then the
/// tag that says when access ends. Running it again finishes.
///
/// A managed policy keeps its earlier versions, but for the oldest where there
/// are as many as IAM takes.
pub async fn apply(
    plan: &Plan,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
) -> Result<Updated> {
    let Plan { aws, target, .. } = plan;
    Interrupted::check(cancel)?;
    if plan.replaces_policy {
        match &plan.policy.arn {
            Some(arn) => replace_managed(plan, arn).await?,
            None => {
                let text = plan.document.to_json();
                let put = iam::put_inline_policy(aws, &target.user, &text, cancel).await;
                if put.is_err() {
                    Interrupted::check(cancel)?;
                }
                put?;
            }
        }
        on_step(&Step::UpdatePolicy(plan.policy.name.clone()));
    }
    let mut notes = Vec::new();
    if plan.retags() {
        let tagged = tag(plan).await;
        match tagged {
            Err(error) if iam::refuses_tags(&error) => {
                notes.push("the store refused the tag that says when access ends".to_owned());
            }
            tagged => {
                tagged.with_context(|| {
                    format!(
                        "user {} has the new access, but not the tag that says when it ends; \
                         running the same command again sets it",
                        target.user
                    )
                })?;
                on_step(&Step::TagUser(target.user.to_string()));
            }
        }
    }
    notes.extend(bucket::grant_notes(aws, &target.bucket, &plan.grant).await);
    Ok(Updated {
        user: target.user.to_string(),
        bucket: target.bucket.to_string(),
        prefix: target.prefix().to_string(),
        policy: plan.policy.clone(),
        changes: plan.changes.clone(),
        policy_document: plan.document.clone(),
        notes,
    })
}

async fn tag(plan: &Plan) -> Result<(), crate::AwsError> {
    let Plan { aws, target, .. } = plan;
    match plan.expires() {
        None => iam::untag_expiry(aws, &target.user).await,
        expires => {
            let tags = Tags {
                expires,
                ..Tags::default()
            };
            iam::tag_user(aws, &target.user, &tags).await
        }
    }
}

/// Makes the document the policy's default version. That this was done although
/// an answer got lost, the policy itself tells.
async fn replace_managed(plan: &Plan, arn: &str) -> Result<()> {
    let aws = &plan.aws;
    let former = iam::former_versions(aws, arn).await?;
    if let Some(oldest) = former.first().filter(|_| former.len() + 1 >= MOST_VERSIONS) {
        iam::delete_policy_version(aws, arn, oldest).await?;
    }
    let created = iam::create_policy_version(aws, arn, &plan.document.to_json()).await;
    let Err(error) = created else { return Ok(()) };
    if let Ok(Some(policy)) = iam::get_policy(aws, arn).await
        && let Ok(text) = iam::policy_document(aws, &policy).await
        && plan.document.is(&text)
    {
        return Ok(());
    }
    Err(error.into())
}
