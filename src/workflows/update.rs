//! The update workflow: other access for an existing user.

use anyhow::{Context, Result, ensure};

use super::outcome::{Failed, PolicyRef, Updated};
use super::plan::{Plan, PlannedPolicy, Preview};
use super::provenance::{
    HeldPolicy, Purpose, access_policy, find_ours, folder_notes, held_policies, is_unused_and_ours,
    take_those_of_scripts,
};
use super::remove::remove;
use super::undo::Undo;
use crate::access::{
    Expiry, Grant, GrantChange, PolicyDocument, grant_of_scripts, managed_policy_name,
};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::errors::{Hint, Hinted};
use crate::iam::{self, Tags, User};
use crate::s3::bucket;
use crate::step::{ManagedPolicy, Step};

/// How many versions IAM keeps of a managed policy.
const MOST_VERSIONS: usize = 5;

/// How many policies the Python scripts gave a user.
const OF_SCRIPTS: usize = 2;

/// What an update run sets.
pub struct Update {
    grant: Grant,
    document: PolicyDocument,
    /// The policy that the user has then; none if it keeps those of the Python scripts.
    policy: Option<PolicyRef>,
    /// The user as it was looked at.
    user: User,
    /// Its policies as they were looked at.
    held: Vec<HeldPolicy>,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// the one policy that `create` makes, or the two of the Python scripts, and
/// changes nothing.
///
/// A part of the access that `change` doesn't name stays as it is. Fails if that
/// can't be read, since somebody edited the policy, unless `change` names every
/// part. The policies of the Python scripts are replaced if `change` names
/// anything.
pub async fn plan(run: &Run, change: &GrantChange) -> Result<Plan<Update>> {
    let (run, user) = find_ours(run, Purpose::Update).await?;
    let held = held_policies(&run).await?;
    let mut today = held.clone();
    let of_scripts = take_those_of_scripts(&run, &mut today);
    let current = match (today.is_empty(), of_scripts.len()) {
        (true, OF_SCRIPTS) => None,
        (true, _) => Some(access_policy(&run, held.clone())?),
        (false, _) => Some(access_policy(&run, today)?),
    };
    let (target, region) = (&run.target, &run.aws.region);
    let old = match &current {
        Some(held) => PolicyDocument::grant(&held.text, target, region),
        None => Some(grant_of_scripts()),
    };
    if let Some(held) = &current {
        check_not_shared(&run, held)?;
        if old.is_none() {
            check_names_all(held, change)?;
        }
    }
    let before = old.clone().unwrap_or_default();
    change.check_on(&before)?;
    let grant = change.apply_to(&before);
    // Another store has a limit of its own.
    let is_inline = current.as_ref().is_some_and(|held| held.managed.is_none());
    let has_limit_of_inline = is_inline && run.aws.store.is_aws();
    let document = PolicyDocument::for_bucket(&grant, target, region, has_limit_of_inline)?;
    let replaces = !of_scripts.is_empty() && *change != GrantChange::default();
    let policy = match &current {
        Some(held) => Some(PolicyRef {
            name: held.name.clone(),
            arn: held.managed.as_ref().map(|managed| managed.arn.clone()),
        }),
        None if replaces => Some(new_policy(&run, &user)?),
        None => None,
    };
    let mut steps = Vec::new();
    match (&current, &policy) {
        (Some(held), _) if !document.is(&held.text) => {
            steps.push(Step::UpdatePolicy(held.name.clone()));
        }
        (None, Some(new)) => {
            steps.push(Step::CreatePolicy(new.name.clone()));
            steps.push(Step::AttachPolicy(new.name.clone()));
        }
        _ => {}
    }
    let replaced = of_scripts.iter().filter(|_| replaces);
    let replaced: Vec<_> = replaced.filter_map(HeldPolicy::if_managed).collect();
    steps.extend(
        replaced
            .iter()
            .map(|(policy, _)| Step::DetachPolicy(policy.clone())),
    );
    let tagged = user.tags.expires.as_deref();
    let is_tagged = tagged == grant.expires.map(|at| at.to_string()).as_deref();
    if policy.is_some() && !is_tagged && iam::keeps_tags(&run, &user).await {
        // What deletes ended users goes by the tag: it must never end first.
        let first = if is_later(grant.expires, tagged) {
            0
        } else {
            steps.len()
        };
        steps.insert(first, Step::TagUser(target.user.to_string()));
    }
    // What others use too is theirs.
    let unused = replaced.into_iter().filter(|(_, uses)| *uses <= 1);
    steps.extend(unused.map(|(policy, _)| Step::DeletePolicy(policy)));
    let mut preview = Preview::new(target, steps);
    match &old {
        Some(old) => {
            preview.changes = old.changes_to(&grant);
            preview.kept = old.kept_in(&grant);
        }
        None => preview.changes = grant.all_as_changes(),
    }
    preview.notes = notes(&run, &held, old.as_ref(), &grant).await;
    if !of_scripts.is_empty() && !replaces {
        preview.notes.push(
            "the user has policies of the Python scripts; --update with any access option \
             replaces them"
                .to_owned(),
        );
    }
    preview.policy = policy.as_ref().map(|policy| PlannedPolicy {
        name: Some(policy.name.clone()),
        document: document.clone(),
    });
    Ok(Plan {
        preview,
        run,
        work: Update {
            grant,
            document,
            policy,
            user,
            held,
        },
    })
}

/// The policy that takes the place of those of the Python scripts.
fn new_policy(run: &Run, user: &User) -> Result<PolicyRef> {
    let name = managed_policy_name(&run.target.user);
    let arn = iam::policy_arn(user, &name);
    ensure!(
        arn.is_some(),
        "the ARN of user {} has no form that tells that of its policy",
        run.target.user
    );
    Ok(PolicyRef { name, arn })
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
async fn notes(run: &Run, held: &[HeldPolicy], old: Option<&Grant>, grant: &Grant) -> Vec<String> {
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

/// Which policies besides those `held` as ours, and which groups may give the user
/// more access, as far as they are known, and why they are not.
async fn more_access_notes(run: &Run, held: &[HeldPolicy]) -> Vec<String> {
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
    let is_ours = |name: &str, arn: Option<&str>| {
        held.iter().any(|held| match (&held.managed, arn) {
            (Some(managed), Some(arn)) => managed.arn == arn,
            (None, None) => held.name == name,
            _ => false,
        })
    };
    let attached = attached.map(|all| {
        let others = all.into_iter();
        let others = others.filter(|other| !is_ours(&other.name, Some(&other.arn)));
        others.map(|other| other.name).collect()
    });
    let mut inline = known(inline);
    inline.retain(|name| !is_ours(name, None));
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
/// are as many as IAM takes. Policies of the Python scripts are taken off once the
/// new one is attached, which is undone where anything fails, and deleted then.
///
/// Fails, right before anything is written, if the user or its policies are not as
/// they were when the plan was made.
pub async fn apply(plan: &Plan<Update>) -> Result<Updated, Failed> {
    let Plan { run, work, preview } = plan;
    let undo = Undo::of(run);
    let mut notes = preview.notes.clone();
    match change(plan, &undo).await {
        Ok(more) => notes.extend(more),
        Err(error) => return Err(undo.unwind(error).await),
    }
    delete_replaced(plan).await?;
    Ok(Updated {
        target: run.target.clone(),
        policy: work.policy.clone(),
        changes: preview.changes.clone(),
        kept: preview.kept.clone(),
        also_read: work.grant.also_read.clone(),
        policy_document: work.policy.is_some().then(|| work.document.clone()),
        notes,
    })
}

/// Takes every step that gives or takes access. Returns what there is to note.
async fn change(plan: &Plan<Update>, undo: &Undo) -> Result<Vec<String>> {
    let run = &plan.run;
    let mut notes = Vec::new();
    for (index, step) in plan.preview.steps.iter().enumerate() {
        let taken = match step {
            Step::DeletePolicy(_) => break,
            _ => {
                run.go_on()?;
                take(plan, undo, step, index == 0).await
            }
        };
        match run.unless_interrupted(taken)? {
            None => run.done(step),
            Some(note) => notes.push(note),
        }
    }
    Ok(notes)
}

/// Takes a step, the first one or a later one. Returns what there is to note
/// where it could not be taken.
async fn take(
    plan: &Plan<Update>,
    undo: &Undo,
    step: &Step,
    is_first: bool,
) -> Result<Option<String>> {
    let run = &plan.run;
    match step {
        Step::TagUser(_) => {
            if is_first {
                check_unchanged(plan).await?;
            } else {
                check_same_user(plan).await?;
            }
            return tag(plan).await;
        }
        Step::CreatePolicy(_) => create_policy(plan, undo).await?,
        Step::AttachPolicy(_) => {
            let policy = plan.managed_policy()?;
            let attached = iam::attach_policy(run, &policy.arn).await;
            undo.push(Made::by(&attached), Step::DetachPolicy(policy));
            attached?;
        }
        Step::DetachPolicy(policy) => {
            if is_first {
                check_unchanged(plan).await?;
            }
            let detached = iam::detach_policy(run, &policy.arn).await;
            undo.push(Made::by(&detached), Step::ReattachPolicy(policy.clone()));
            detached?;
        }
        _ => replace_policy(plan).await?,
    }
    Ok(None)
}

/// Deletes the policies that the new one has taken the place of, whatever signal
/// comes: the user has its access. What can't be deleted is left.
async fn delete_replaced(plan: &Plan<Update>) -> Result<(), Failed> {
    let run = &plan.run;
    let mut left = Vec::new();
    let mut failed = None;
    let steps = plan.preview.steps.iter();
    for step in steps.filter(|step| matches!(step, Step::DeletePolicy(_))) {
        match remove(run, step).await {
            Ok(_) => run.done(step),
            Err(error) => {
                left.push(step.clone());
                failed = Some(error);
            }
        }
    }
    let Some(error) = failed else { return Ok(()) };
    let state = format!(
        "user {} has its new access, and only a policy that it no longer has remains",
        run.target.user
    );
    Err(Failed {
        left,
        ..anyhow::Error::from(error).context(state).into()
    })
}

/// Fails if the user was deleted, and maybe made again, since the plan was made.
async fn check_same_user(plan: &Plan<Update>) -> Result<()> {
    let found = iam::get_user(&plan.run).await?;
    let is_same = found.is_some_and(|found| found.id == plan.work.user.id);
    ensure!(is_same, "{}", plan.has_changed());
    Ok(())
}

/// Fails, too, if the user's policies are no longer as they were then: asked right
/// before anything is written, since IAM has no way to write only what nobody else
/// has changed.
async fn check_unchanged(plan: &Plan<Update>) -> Result<()> {
    let now = held_policies(&plan.run).await?;
    ensure!(now == plan.work.held, "{}", plan.has_changed());
    check_same_user(plan).await
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
        let policy = self.work.policy.clone().context("there is no new policy")?;
        Ok(ManagedPolicy {
            name: policy.name,
            arn: policy.arn.context("the new policy has no ARN")?,
        })
    }
}

/// Creates the policy that takes the place of those of the Python scripts.
async fn create_policy(plan: &Plan<Update>, undo: &Undo) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let policy = plan.managed_policy()?;
    let tags = Tags::of_run(&run.target.bucket);
    check_unchanged(plan).await?;
    let created = iam::create_policy(run, &policy.name, &work.document, &tags).await;
    let delete = Step::DeletePolicy(policy.clone());
    let error = match created {
        Ok(_) => {
            undo.push(Made::Yes, delete);
            return Ok(());
        }
        Err(error) if !error.is_unclear() && !error.is_existing() => return Err(error.into()),
        Err(error) => error,
    };
    // Whether it was made although the answer got lost, the policy itself tells.
    let look = async || iam::get_policy(undo.run(), &policy.arn).await;
    match until_known(&undo.run().cancel, look).await {
        Ok(Some(found)) if found.tags.run == tags.run => {
            undo.push(Made::Yes, delete);
            Ok(())
        }
        Ok(Some(found)) if is_unused_and_ours(run, &found).await.unwrap_or(false) => Err(Hinted {
            message: format!("{error}; it belongs to no user: an earlier run was interrupted, or another one is under way"),
            hint: Hint::DeletePolicy(policy.arn),
        }
        .into()),
        Ok(_) => Err(error.into()),
        Err(_) => {
            undo.leave([delete]);
            Err(error.into())
        }
    }
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
        let note = "this store keeps no tags, so only the policy says when access ends";
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

/// Gives the policy its new document, if it is still the one that was looked at.
async fn replace_policy(plan: &Plan<Update>) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let document = &work.document;
    let Some(arn) = work.policy.as_ref().and_then(|policy| policy.arn.as_ref()) else {
        check_unchanged(plan).await?;
        return Ok(iam::put_inline_policy(run, document).await?);
    };
    let former = iam::former_versions(run, arn).await?;
    check_unchanged(plan).await?;
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
