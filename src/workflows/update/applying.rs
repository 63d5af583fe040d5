//! Carrying out an update: nothing is written over what has changed since it was
//! looked at.

use anyhow::{Context, Result, ensure};

use super::{TagChange, Update};
use crate::access::PolicyDocument;
use crate::aws::{Made, Run, until_known};
use crate::commands::delete_policy;
use crate::errors::{Hint, Hinted, caught};
use crate::iam::{self, Policy, Tags};
use crate::removal::{Leftover, ManagedPolicy, Removal};
use crate::step::Step;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::{check_same, is_unused_and_ours};
use crate::workflows::outcome::{Failed, PolicyRef, State, Updated};
use crate::workflows::plan::Plan;
use crate::workflows::remove::remove;
use crate::workflows::undo::Undo;

/// The number of versions that IAM keeps of a managed policy.
const MOST_VERSIONS: usize = 5;

/// Replaces the policy, by one call that takes effect as a whole, and the tag
/// that says when access ends: the tag first where access is extended, so that
/// it never says an earlier end than the policy. Running it again finishes.
///
/// A managed policy keeps its earlier versions, except the oldest where there
/// are as many as IAM takes. Policies of the Python scripts are taken off once the
/// new one is attached, which is undone where anything fails, and deleted then.
///
/// Fails, right before anything is written, if the user or its policies are not as
/// they were when the plan was made.
pub async fn apply(plan: &Plan<Update>) -> Result<Updated, Failed> {
    let Plan { run, work, preview } = plan;
    let undo = Undo::new(run);
    let notes = match caught(change(plan, &undo)).await {
        Ok(notes) => notes,
        Err(error) => return Err(undo.unwind(error).await),
    };
    delete_replaced(plan).await?;
    Ok(Updated {
        target: run.target.clone(),
        policy: work.policy.clone(),
        changes: preview.changes.clone(),
        kept: preview.kept.clone(),
        also_read: work.grant.also_read.clone(),
        policy_document: work.policy.is_some().then(|| work.document.clone()),
        notes: [preview.notes.clone(), notes].concat(),
    })
}

/// Takes every step that gives or takes access. Returns notes for the admin.
async fn change(plan: &Plan<Update>, undo: &Undo) -> Result<Vec<String>> {
    let Plan { run, preview, .. } = plan;
    let mut notes = Vec::new();
    for step in &preview.steps {
        if let Step::Remove(Removal::Policy(_)) = step {
            break;
        }
        run.go_on()?;
        let taken = take(plan, undo, step).await;
        match run.unless_interrupted(taken)? {
            None => run.done(step),
            Some(note) => notes.push(note),
        }
    }
    Ok(notes)
}

/// Takes a step. Returns a note if it could not be taken.
async fn take(plan: &Plan<Update>, undo: &Undo, step: &Step) -> Result<Option<String>> {
    let Plan { run, preview, .. } = plan;
    let is_first = preview.steps.first() == Some(step);
    match step {
        Step::TagUser(_) | Step::UntagUser(..) => {
            if is_first {
                check_unchanged(plan).await?;
            } else {
                check_same_user(plan).await?;
            }
            return plan.work.tags.apply(run).await;
        }
        Step::CreatePolicy(_) => create_policy(plan, undo).await?,
        Step::AttachPolicy(_) => {
            let policy = plan.managed_policy()?;
            let attached = iam::attach_policy(run, &policy.arn).await;
            undo.push(Made::by(&attached), Removal::Attachment(policy));
            attached?;
        }
        Step::Remove(Removal::Attachment(policy)) => {
            if is_first {
                check_unchanged(plan).await?;
            }
            let detached = iam::detach_policy(run, &policy.arn).await;
            undo.push(Made::by(&detached), Removal::Detachment(policy.clone()));
            detached?;
        }
        _ => replace_policy(plan).await?,
    }
    Ok(None)
}

/// Deletes the policies that the new one has taken the place of, whatever signal
/// comes: the user has its access. What can't be deleted is left.
async fn delete_replaced(plan: &Plan<Update>) -> Result<(), Failed> {
    let Plan { run, preview, .. } = plan;
    let mut left = Vec::new();
    let mut failed = None;
    for step in &preview.steps {
        let Step::Remove(removal @ Removal::Policy(_)) = step else { continue };
        let removed = caught(async {
            remove(run, removal).await?;
            run.done(step);
            Ok(())
        });
        if let Err(error) = removed.await {
            left.push(Leftover::Removable(removal.clone()));
            failed = Some(error);
        }
    }
    let Some(error) = failed else { return Ok(()) };
    let context = format!(
        "user {} has its new access, and only a policy that it no longer has remains",
        run.target.user
    );
    Err(Failed::new(error.context(context), State::Left(left)))
}

/// Fails if the user was deleted, and maybe made again, since the plan was made.
async fn check_same_user(plan: &Plan<Update>) -> Result<()> {
    let found = check_same(&plan.run, Some(&plan.work.holdings.user)).await?;
    ensure!(found.is_some(), "{}", plan.has_changed());
    Ok(())
}

/// Fails, too, if the user's policies are no longer as they were then: asked right
/// before anything is written, since IAM has no way to write only what nobody else
/// has changed.
async fn check_unchanged(plan: &Plan<Update>) -> Result<()> {
    let before = &plan.work.holdings;
    let mut now = Holdings::unread(&plan.run, before.user.clone());
    now.read_our_policies(&plan.run).await?;
    check_same_user(plan).await?;
    ensure!(now.our_policies().eq(before.our_policies()), "{}", plan.has_changed());
    Ok(())
}

impl Plan<Update> {
    fn has_changed(&self) -> String {
        format!(
            "user {} or its policy has changed since it was looked at; run the same command again",
            self.run.target.user
        )
    }

    /// The managed policy that the user is to have.
    fn managed_policy(&self) -> Result<ManagedPolicy> {
        let PolicyRef { name, arn } = self.work.policy.clone().context("there is no new policy")?;
        Ok(ManagedPolicy { name, arn: arn.context("the new policy has no ARN")? })
    }
}

/// Creates the policy that takes the place of those of the Python scripts.
async fn create_policy(plan: &Plan<Update>, undo: &Undo) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let policy = plan.managed_policy()?;
    let tags = Tags::of_run(&run.target.bucket);
    check_unchanged(plan).await?;
    let error = match iam::create_policy(run, &policy.name, &work.document, &tags).await {
        Ok(_) => {
            undo.push(Made::Yes, Removal::Policy(policy));
            return Ok(());
        }
        Err(error) if !error.is_unclear() && !error.is_existing() => return Err(error.into()),
        Err(error) => error,
    };
    // The policy itself tells whether it was made although the answer got lost.
    let undoing = undo.run();
    let look = until_known(&undoing.cancel, async || iam::get_policy(undoing, &policy.arn).await);
    match look.await {
        Ok(Some(found)) if found.tags.run == tags.run => {
            undo.push(Made::Yes, Removal::Policy(policy));
            return Ok(());
        }
        Ok(Some(found)) if is_unused_and_ours(run, &found).await.unwrap_or(false) => {
            let message = format!(
                "{error}; it belongs to no user: an earlier run was interrupted, or another one is under way"
            );
            return Err(Hinted::new(message, Hint::run_if_alone(delete_policy(&policy.arn))).into());
        }
        _ if error.is_unclear() => {
            let if_ours = format!("tagged s3-user:run={}", tags.run.unwrap_or_default());
            undo.leave([Leftover::UnclearPolicy { policy, if_ours }]);
        }
        _ => {}
    }
    Err(error.into())
}

/// Gives the policy its new document, if it is still the one that was looked at.
async fn replace_policy(plan: &Plan<Update>) -> Result<()> {
    let Plan { run, work, .. } = plan;
    write_policy(run, work.policy.as_ref(), &work.document, async || check_unchanged(plan).await)
        .await
}

/// Gives a policy a document; the inline one where there is no managed one. Nothing is
/// written before `check`.
async fn write_policy(
    run: &Run,
    policy: Option<&PolicyRef>,
    document: &PolicyDocument,
    check: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    let Some(arn) = policy.and_then(|policy| policy.arn.as_ref()) else {
        check().await?;
        return Ok(iam::put_inline_policy(run, document).await?);
    };
    let former = iam::former_versions(run, arn).await?;
    check().await?;
    if let Some(oldest) = former.first().filter(|_| former.len() + 1 >= MOST_VERSIONS) {
        iam::delete_policy_version(run, arn, oldest).await?;
    }
    let created = iam::create_policy_version(run, arn, document).await;
    // The policy itself tells whether it was done although an answer got lost.
    if created.is_err() && is_current(run, arn, document).await {
        return Ok(());
    }
    Ok(created?)
}

/// True if the managed policy is known to have this document.
async fn is_current(run: &Run, arn: &str, document: &PolicyDocument) -> bool {
    let mut policy = Policy::managed(String::new(), arn.to_owned());
    iam::read_document(run, &mut policy).await.is_ok() && policy.text_is(|text| document.is(text))
}

/// Gives the user the access again that it had before, right after the plan was carried out,
/// or failed half-way. No signal stops it.
///
/// What the plan has not written stays as it is. Fails if the access before could not be read,
/// the user was made anew meanwhile, or somebody else has changed its policy since.
pub(in crate::workflows) async fn change_back(plan: &Plan<Update>) -> Result<()> {
    let Plan { work, .. } = plan;
    let run = &plan.run.undoing();
    let before = work.before.as_ref().context("the access before could not be read")?;
    let Some(policy) = &work.policy else { return Ok(()) };
    let former = PolicyDocument::new(before, &run.target, &run.aws.region);
    let found = check_same(run, Some(&work.holdings.user)).await?;
    let tagged = found.and_then(|user| user.tags.expires);
    // A tag by somebody else stays.
    let has_tag = before.expires != work.grant.expires
        && tagged == work.grant.expires.map(|end| end.to_string());
    let is_extended =
        before.expires.is_none_or(|end| work.grant.expires.is_some_and(|it| it < end));
    // The tag never says an earlier end than the policy.
    if has_tag && is_extended {
        TagChange::to_end(before.expires).apply(run).await?;
    }
    let check = async || check_still_ours(run, policy, [&work.document, &former]).await;
    write_policy(run, Some(policy), &former, check).await?;
    run.done(&Step::RestorePolicy(policy.name.clone()));
    if has_tag && !is_extended {
        TagChange::to_end(before.expires).apply(run).await?;
    }
    Ok(())
}

/// Fails unless the policy has one of these documents: a store may still show the former one
/// for a while.
async fn check_still_ours(
    run: &Run,
    policy: &PolicyRef,
    documents: [&PolicyDocument; 2],
) -> Result<()> {
    let mut found = match &policy.arn {
        Some(arn) => Policy::managed(policy.name.clone(), arn.clone()),
        None => Policy::inline(policy.name.clone(), None),
    };
    iam::read_document(run, &mut found).await?;
    ensure!(
        documents.into_iter().any(|document| found.text_is(|text| document.is(text))),
        "somebody else has changed policy {} meanwhile",
        policy.name
    );
    Ok(())
}
