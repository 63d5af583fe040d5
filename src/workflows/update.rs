//! The update workflow: other access for an existing user.

use anyhow::{Context, Result, ensure};

use super::outcome::{Failed, PolicyRef, Updated};
use super::plan::{Plan, PlannedPolicy, Preview};
use super::provenance::{HeldPolicy, access_policy, find_ours};
use crate::access::{Expiry, Grant, PolicyDocument};
use crate::aws::{AwsError, Run};
use crate::iam::{self, Tags};
use crate::s3::bucket;
use crate::step::Step;

/// How many versions IAM keeps of a managed policy.
const MOST_VERSIONS: usize = 5;

/// What an update run sets.
pub struct Update {
    grant: Grant,
    document: PolicyDocument,
    policy: PolicyRef,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// the one policy that `create` makes, and changes nothing.
pub async fn plan(run: &Run, grant: &Grant) -> Result<Plan<Update>> {
    let (run, user) = find_ours(run).await?;
    let held = access_policy(&run).await?;
    check_not_shared(&run, &held)?;
    let (target, region) = (&run.target, &run.aws.region);
    let document = PolicyDocument::for_bucket(grant, target, region, held.managed.is_none())?;
    let changes = match PolicyDocument::grant(&held.text, target, region) {
        Some(old) => old.changes_to(grant),
        None => vec![format!(
            "policy {}: from one that create_s3_user did not write",
            held.name
        )],
    };
    let tagged = user.tags.expires.as_deref();
    let mut steps = Vec::new();
    if !document.is(&held.text) {
        steps.push(Step::UpdatePolicy(held.name.clone()));
    }
    if tagged != grant.expires.map(|at| at.to_string()).as_deref() {
        // What deletes ended users goes by the tag: it must never end first.
        let first = if is_later(grant.expires, tagged) {
            0
        } else {
            steps.len()
        };
        steps.insert(first, Step::TagUser(target.user.to_string()));
    }
    let mut preview = Preview::new(target, steps);
    preview.changes = changes;
    preview.policy = Some(PlannedPolicy {
        name: held.name.clone(),
        document: document.clone(),
    });
    Ok(Plan {
        preview,
        run,
        work: Update {
            grant: grant.clone(),
            document,
            policy: PolicyRef {
                name: held.name,
                arn: held.managed.map(|managed| managed.arn),
            },
        },
    })
}

/// Whether access is to end later than the tag says, or never.
fn is_later(expires: Option<Expiry>, tagged: Option<&str>) -> bool {
    let tagged = tagged.and_then(Expiry::at);
    expires.is_none() || tagged.is_some() && expires > tagged
}

fn check_not_shared(run: &Run, held: &HeldPolicy) -> Result<()> {
    let uses = held.managed.as_ref().map_or(0, |managed| managed.uses);
    ensure!(
        uses <= 1,
        "policy {} is attached to others than user {} too, whose access would change",
        held.name,
        run.target.user
    );
    Ok(())
}

/// Replaces the policy, by one call that takes effect as a whole, and the tag
/// that says when access ends: the tag first where access is extended, so that
/// it never says an earlier end than the policy. Running it again finishes.
///
/// A managed policy keeps its earlier versions, but for the oldest where there
/// are as many as IAM takes.
pub async fn apply(plan: &Plan<Update>) -> Result<Updated, Failed> {
    let run = &plan.run;
    let mut notes = Vec::new();
    for step in &plan.preview.steps {
        run.go_on().map_err(anyhow::Error::from)?;
        let taken = match step {
            Step::TagUser(_) => tag(plan, &mut notes).await,
            _ => replace_policy(plan).await,
        };
        run.unless_interrupted(taken)?;
        run.done(step);
    }
    notes.extend(bucket::grant_notes(run, &plan.work.grant).await);
    Ok(Updated {
        target: run.target.clone(),
        policy: plan.work.policy.clone(),
        changes: plan.preview.changes.clone(),
        policy_document: plan.work.document.clone(),
        notes,
    })
}

/// Sets the tag, or notes that the store has none.
async fn tag(plan: &Plan<Update>, notes: &mut Vec<String>) -> Result<()> {
    let run = &plan.run;
    let tagged = match plan.work.grant.expires {
        None => iam::untag_expiry(run).await,
        Some(expires) => {
            let tags = Tags {
                expires: Some(expires.to_string()),
                ..Tags::default()
            };
            iam::tag_user(run, &tags).await
        }
    };
    if let Err(error) = &tagged
        && run.aws.store.refuses_tags(error)
    {
        notes.push("the store refused the tag that says when access ends".to_owned());
        return Ok(());
    }
    tagged.with_context(|| {
        format!(
            "user {} has not got the tag that says when access ends; \
             running the same command again sets it",
            run.target.user
        )
    })
}

async fn replace_policy(plan: &Plan<Update>) -> Result<()> {
    let (run, text) = (&plan.run, plan.work.document.to_json());
    let Some(arn) = &plan.work.policy.arn else {
        return Ok(iam::put_inline_policy(run, &text).await?);
    };
    let former = iam::former_versions(run, arn).await?;
    if let Some(oldest) = former.first().filter(|_| former.len() + 1 >= MOST_VERSIONS) {
        iam::delete_policy_version(run, arn, oldest).await?;
    }
    match iam::create_policy_version(run, arn, &text).await {
        // That it was done although an answer got lost, the policy itself tells.
        Err(_) if is_current(plan, arn).await.unwrap_or(false) => Ok(()),
        created => Ok(created?),
    }
}

/// Whether the policy is as it should be.
async fn is_current(plan: &Plan<Update>, arn: &str) -> Result<bool, AwsError> {
    let Some(policy) = iam::get_policy(&plan.run, arn).await? else {
        return Ok(false);
    };
    let text = iam::policy_document(&plan.run, &policy).await?;
    Ok(plan.work.document.is(&text))
}
