//! Everything that hangs on a user and must be removed before it.

use crate::access::{UserName, is_named_as_ours, managed_policy_name, names_made_for};
use crate::aws::{AwsError, Run};
use crate::iam::{self, PolicyInfo, User};
use crate::removal::{ManagedPolicy, Removal};
use crate::step::Step;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::is_unused_and_ours;

/// Finds what hangs on the user now: keys, policies, and
/// everything else that blocks its deletion. Lists no policies that are `known`.
pub(super) async fn removals(
    run: &Run,
    user: &User,
    known: Option<&Holdings>,
) -> Result<Vec<Removal>, AwsError> {
    let (keys, attached, made, inline_policies, blockers) = tokio::try_join!(
        iam::access_keys(run),
        attached_policies(run, known),
        made_policies(run, user),
        inline_policies(run, known),
        iam::blockers(run),
    )?;
    let mut removals = Vec::new();
    removals.extend(keys.into_iter().map(|key| Removal::AccessKey(key.id)));
    removals.extend(policy_removals(run, attached, made).await?);
    removals.extend(inline_policies.into_iter().map(Removal::InlinePolicy));
    removals.extend(blockers.into_iter().map(Removal::Blocker));
    Ok(removals)
}

/// Finds what a create run leaves that was killed before it made the user: a policy that is tagged for this bucket and attached to nobody.
pub(super) async fn left_behind(run: &Run) -> Result<Vec<Removal>, AwsError> {
    let Some(account) = iam::account(run).await else {
        return Ok(Vec::new());
    };
    let name = managed_policy_name(&run.target.user);
    let arn = format!("{account}:policy/{name}");
    match iam::get_policy(run, &arn).await? {
        Some(found) if found.uses == 0 && found.tags.bucket.as_deref() == Some(run.bucket()) => {
            Ok(vec![Removal::Policy(ManagedPolicy { name, arn })])
        }
        _ => Ok(Vec::new()),
    }
}

async fn attached_policies(
    run: &Run,
    known: Option<&Holdings>,
) -> Result<Vec<ManagedPolicy>, AwsError> {
    match known {
        Some(known) => Ok(known.policies.iter().filter_map(|it| it.to_managed()).collect()),
        None => iam::attached_policies(run).await,
    }
}

async fn inline_policies(run: &Run, known: Option<&Holdings>) -> Result<Vec<String>, AwsError> {
    let Some(known) = known else {
        return iam::inline_policies(run).await;
    };
    let inline = known.policies.iter().filter(|policy| policy.arn.is_none());
    Ok(inline.map(|policy| policy.name.clone()).collect())
}

/// The managed policies that were made for the user, whether they are attached or not.
async fn made_policies(
    run: &Run,
    user: &User,
) -> Result<Vec<(ManagedPolicy, PolicyInfo)>, AwsError> {
    let [access, list, get] = names_made_for(&run.target.user);
    let (access, list, get) = tokio::try_join!(
        made_policy(run, user, access),
        made_policy(run, user, list),
        made_policy(run, user, get),
    )?;
    Ok([access, list, get].into_iter().flatten().collect())
}

/// The managed policy of this name in the user's account, if there is one.
async fn made_policy(
    run: &Run,
    user: &User,
    name: String,
) -> Result<Option<(ManagedPolicy, PolicyInfo)>, AwsError> {
    let Some(arn) = iam::policy_arn(user, &name) else {
        return Ok(None);
    };
    let info = iam::get_policy(run, &arn).await?;
    Ok(info.map(|info| (ManagedPolicy { name, arn }, info)))
}

/// Every managed policy is detached, and deleted are those that were made for the
/// user and are used by nobody else, also if an interrupted run left them unattached.
async fn policy_removals(
    run: &Run,
    attached: Vec<ManagedPolicy>,
    made: Vec<(ManagedPolicy, PolicyInfo)>,
) -> Result<Vec<Removal>, AwsError> {
    let mut removals = Vec::new();
    for policy in &attached {
        removals.push(Removal::Attachment(policy.clone()));
        // Attached to this user counts as one use; any more are somebody else's.
        let is_ours = made.iter().any(|(made, info)| made.arn == policy.arn && info.uses <= 1);
        if is_ours {
            removals.push(Removal::Policy(policy.clone()));
        }
    }
    for (policy, info) in made {
        let is_attached = attached.iter().any(|attached| attached.arn == policy.arn);
        if !is_attached && is_unused_and_ours(run, &info).await? {
            removals.push(Removal::Policy(policy));
        }
    }
    Ok(removals)
}

/// Moves the deletion of our own policies to just before that of the user, if they
/// are what a second run knows the user by.
pub(super) fn own_policies_last(steps: &mut [Step], user: &UserName) {
    steps.sort_by_key(|step| {
        let Step::Remove(removal) = step else { return 0 };
        match removal {
            Removal::Attachment(policy) | Removal::Policy(policy)
                if is_named_as_ours(user, &policy.name, true) =>
            {
                1
            }
            Removal::InlinePolicy(name) if is_named_as_ours(user, name, false) => 1,
            Removal::User(_) => 2,
            _ => 0,
        }
    });
}
