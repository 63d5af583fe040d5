//! The update workflow: other access for an existing user. What is to change is
//! planned here, and carried out in `applying`.

use anyhow::{Result, ensure};

use super::outcome::PolicyRef;
use super::plan::{Plan, PlannedPolicy, Preview};
use super::provenance::{
    HeldPolicy, Purpose, access_policy, find_ours, folder_notes, held_policies,
    take_those_of_scripts,
};
use crate::access::{
    Expiry, Grant, GrantChange, PolicyDocument, PolicyKind, grant_of_scripts, managed_policy_name,
};
use crate::aws::{AwsError, Run};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::iam::{self, User};
use crate::removal::Removal;
use crate::s3::bucket;
use crate::step::Step;

pub use applying::apply;

mod applying;

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
            check_names_all(&run, held, change)?;
        }
    }
    let before = old.clone().unwrap_or_default();
    change.check_on(&before)?;
    let grant = change.apply_to(&before);
    // Another store has a limit of its own.
    let is_inline = current.as_ref().is_some_and(|held| held.managed.is_none());
    let has_limit_of_inline = is_inline && run.aws.store.is_aws();
    let kind = if has_limit_of_inline { PolicyKind::Inline } else { PolicyKind::Managed };
    let document = PolicyDocument::for_bucket(&grant, target, region, kind)?;
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
        replaced.iter().map(|(policy, _)| Step::Remove(Removal::Attachment(policy.clone()))),
    );
    let tagged = user.tags.expires.as_deref();
    let is_tagged = tagged == grant.expires.map(|at| at.to_string()).as_deref();
    if policy.is_some() && !is_tagged && iam::keeps_tags(&run, &user).await {
        // What deletes ended users goes by the tag: it must never end first.
        let first = if is_later(grant.expires, tagged) { 0 } else { steps.len() };
        steps.insert(first, Step::TagUser(target.user.to_string()));
    }
    // What others use too is theirs.
    let unused = replaced.into_iter().filter(|(_, uses)| *uses <= 1);
    steps.extend(unused.map(|(policy, _)| Step::Remove(Removal::Policy(policy))));
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
    Ok(Plan { preview, run, work: Update { grant, document, policy, user, held } })
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
fn check_names_all(run: &Run, held: &HeldPolicy, change: &GrantChange) -> Result<()> {
    let unnamed = change.unnamed();
    if unnamed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "policy {} is not as create_s3_user writes it, so what it allows can't be kept; \
         to replace it, also give {}",
        held.name,
        unnamed.join(", ")
    );
    let set_access = commands::set_access(&run.target, &change.apply_to(&Grant::default()));
    let words = "to set all of the user's access, run for example";
    Err(Hinted::new(message, Hint::run(words, set_access)).into())
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
    let (attached, inline, groups) =
        tokio::join!(iam::attached_policies(run), iam::inline_policies(run), iam::groups(run));
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
