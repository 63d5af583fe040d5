//! The update workflow: other access for an existing user.

use anyhow::{Context, Result, ensure};

use super::outcome::{Failed, PolicyRef, Updated};
use super::plan::{Plan, PlannedPolicy, Preview};
use super::provenance::{HeldPolicy, access_policy, find_ours, folder_notes};
use crate::access::{Expiry, Grant, GrantChange, PolicyDocument};
use crate::aws::{AwsError, Run};
use crate::errors::{Hint, Hinted};
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
///
/// A part of the access that `change` doesn't name stays as it is. Fails if that
/// can't be read, since somebody edited the policy, unless `change` names every
/// part.
pub async fn plan(run: &Run, change: &GrantChange) -> Result<Plan<Update>> {
    let (run, user) = find_ours(run).await?;
    let held = access_policy(&run).await?;
    check_not_shared(&run, &held)?;
    let (target, region) = (&run.target, &run.aws.region);
    let old = PolicyDocument::grant(&held.text, target, region);
    if old.is_none() {
        check_names_all(&held, change)?;
    }
    let before = old.clone().unwrap_or_default();
    change.check_on(&before)?;
    let grant = change.apply_to(&before);
    // Another store has a limit of its own.
    let has_limit_of_inline = held.managed.is_none() && run.aws.store.is_aws();
    let document = PolicyDocument::for_bucket(&grant, target, region, has_limit_of_inline)?;
    let notes = notes(&run, &held, old.as_ref(), &grant).await;
    let tagged = user.tags.expires.as_deref();
    let is_tagged = tagged == grant.expires.map(|at| at.to_string()).as_deref();
    let mut steps = Vec::new();
    if !document.is(&held.text) {
        steps.push(Step::UpdatePolicy(held.name.clone()));
    }
    if !is_tagged && iam::keeps_tags(&run, &user).await {
        // What deletes ended users goes by the tag: it must never end first.
        let first = if is_later(grant.expires, tagged) {
            0
        } else {
            steps.len()
        };
        steps.insert(first, Step::TagUser(target.user.to_string()));
    }
    let mut preview = Preview::new(target, steps);
    match &old {
        Some(old) => {
            preview.changes = old.changes_to(&grant);
            preview.kept = old.kept_in(&grant);
        }
        None => preview.changes = grant.all_as_changes(),
    }
    preview.notes = notes;
    preview.policy = Some(PlannedPolicy {
        name: Some(held.name.clone()),
        document: document.clone(),
    });
    Ok(Plan {
        preview,
        run,
        work: Update {
            grant,
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
        "policy {} is not only attached to user {}, and the access of others would change too",
        held.name,
        run.target.user
    );
    Ok(())
}

/// Fails unless the change says all that a policy that can't be read would.
fn check_names_all(held: &HeldPolicy, change: &GrantChange) -> Result<()> {
    let unnamed = change.unnamed();
    if unnamed.is_empty() {
        return Ok(());
    }
    Err(Hinted {
        message: format!(
            "policy {} is not as create_s3_user writes it, so what it allows can't be kept; \
             to replace it, also give {}",
            held.name,
            unnamed.join(", ")
        ),
        hint: Hint::SetAccess(change.apply_to(&Grant::default())),
    }
    .into())
}

/// What the admin should know of the access that the user has then, a line each.
async fn notes(run: &Run, held: &HeldPolicy, old: Option<&Grant>, grant: &Grant) -> Vec<String> {
    let known = old.map_or(&[][..], |old| &old.also_read);
    let mut new_folders = grant.also_read.clone();
    new_folders.retain(|folder| !known.contains(folder));
    let (mut notes, folders, grants) = tokio::join!(
        more_access_notes(run, held),
        folder_notes(run, &new_folders),
        bucket::grant_notes(run, grant),
    );
    if let Some(ended) = grant.ended() {
        notes.push(format!("access ended at {ended}; --expires extends it"));
    }
    [notes, folders, grants].concat()
}

/// Which other policies and groups may give the user more than its access policy
/// does, as far as they are known, and why they are not.
async fn more_access_notes(run: &Run, held: &HeldPolicy) -> Vec<String> {
    let (attached, inline, groups) = tokio::join!(
        iam::attached_policies(run),
        iam::inline_policies(run),
        iam::groups(run)
    );
    let mut notes = Vec::new();
    let mut known = |names: Result<Vec<String>, AwsError>| {
        names.unwrap_or_else(|error| {
            notes.push(format!("can't tell what else may give access: {error}"));
            Vec::new()
        })
    };
    let arn = held.managed.as_ref().map(|managed| &managed.arn);
    let attached = attached.map(|all| {
        let others = all.into_iter().filter(|other| Some(&other.arn) != arn);
        others.map(|other| other.name).collect()
    });
    let mut inline = known(inline);
    inline.retain(|name| arn.is_some() || *name != held.name);
    let policies = [known(attached), inline].concat();
    let groups = known(groups);
    let mut more = Vec::new();
    if !policies.is_empty() {
        more.push(format!("has {}", listed("policy", "policies", &policies)));
    }
    if !groups.is_empty() {
        more.push(format!("is in {}", listed("group", "groups", &groups)));
    }
    if !more.is_empty() {
        let more = more.join(" and ");
        notes.push(format!("the user also {more}, which may give more access"));
    }
    notes
}

fn listed(one: &str, many: &str, names: &[String]) -> String {
    let things = if names.len() == 1 { one } else { many };
    format!("{things} {}", names.join(", "))
}

/// Replaces the policy, by one call that takes effect as a whole, and the tag
/// that says when access ends: the tag first where access is extended, so that
/// it never says an earlier end than the policy. Running it again finishes.
///
/// A managed policy keeps its earlier versions, except the oldest where there
/// are as many as IAM takes.
pub async fn apply(plan: &Plan<Update>) -> Result<Updated, Failed> {
    let run = &plan.run;
    let mut notes = plan.preview.notes.clone();
    for step in &plan.preview.steps {
        run.go_on().map_err(anyhow::Error::from)?;
        let taken = match step {
            Step::TagUser(_) => tag(plan).await,
            _ => replace_policy(plan).await.map(|()| None),
        };
        match run.unless_interrupted(taken)? {
            None => run.done(step),
            Some(note) => notes.push(note),
        }
    }
    Ok(Updated {
        target: run.target.clone(),
        policy: plan.work.policy.clone(),
        changes: plan.preview.changes.clone(),
        kept: plan.preview.kept.clone(),
        also_read: plan.work.grant.also_read.clone(),
        policy_document: plan.work.document.clone(),
        notes,
    })
}

/// Sets the tag. Returns what there is to note where the store has none.
async fn tag(plan: &Plan<Update>) -> Result<Option<String>> {
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
        && run.aws.store.lacks_tags(error)
    {
        let note = "this store keeps no tags, so none says when access ends";
        return Ok(Some(note.to_owned()));
    }
    tagged.with_context(|| {
        format!(
            "user {} lacks the tag that says when access ends; \
             running the same command again sets it",
            run.target.user
        )
    })?;
    Ok(None)
}

async fn replace_policy(plan: &Plan<Update>) -> Result<()> {
    let (run, document) = (&plan.run, &plan.work.document);
    let Some(arn) = &plan.work.policy.arn else {
        return Ok(iam::put_inline_policy(run, document).await?);
    };
    let former = iam::former_versions(run, arn).await?;
    if let Some(oldest) = former.first().filter(|_| former.len() + 1 >= MOST_VERSIONS) {
        iam::delete_policy_version(run, arn, oldest).await?;
    }
    match iam::create_policy_version(run, arn, document).await {
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
