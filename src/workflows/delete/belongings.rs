//! Everything that hangs on a user and must be removed before it.

use futures_util::future::try_join_all;

use crate::access::{INLINE_POLICY_NAME, UserName, managed_policy_name, names_made_for};
use crate::aws::{AwsError, Run};
use crate::iam::{self, Policy, PolicyInfo};
use crate::removal::{Blocker, ManagedPolicy, Removal};
use crate::step::Step;
use crate::workflows::holdings::{Holdings, list_policies};
use crate::workflows::ours::is_unused_and_ours;

/// Finds what hangs on the user: keys, policies, and everything else that blocks its
/// deletion. Policies and groups are those that were read.
pub(super) async fn removals(run: &Run, holdings: &Holdings) -> Result<Vec<Removal>, AwsError> {
    let (keys, made, blockers) =
        tokio::try_join!(iam::access_keys(run), made_policies(run, holdings), iam::blockers(run),)?;
    let mut removals = Vec::new();
    removals.extend(keys.into_iter().map(|key| Removal::AccessKey(key.id)));
    removals.extend(policy_removals(run, &holdings.policies, made).await?);
    let groups = holdings.groups.iter().cloned().map(Blocker::Group);
    removals.extend(blockers.into_iter().chain(groups).map(Removal::Blocker));
    Ok(removals)
}

/// Finds what hangs on the user by now, policies and groups too.
pub(super) async fn removals_now(run: &Run, holdings: &Holdings) -> Result<Vec<Removal>, AwsError> {
    let mut now = holdings.clone();
    now.policies = list_policies(run).await?;
    now.groups = iam::groups(run).await?;
    removals(run, &now).await
}

/// Finds what a create run leaves that was killed before it made the user: a policy that
/// is tagged for this bucket and attached to no user.
pub(super) async fn left_behind(run: &Run) -> Result<Option<Removal>, AwsError> {
    let name = managed_policy_name(&run.target.user);
    let Some(arn) = iam::policy_arn_of_caller(run, &name).await else {
        return Ok(None);
    };
    let found = iam::get_policy(run, &arn).await?;
    Ok(found
        .filter(|it| it.uses == 0 && it.tags.bucket.as_deref() == Some(run.bucket()))
        .map(|it| Removal::Policy(it.to_managed())))
}

/// The managed policies that were made for the user, whether they are attached or not.
async fn made_policies(run: &Run, holdings: &Holdings) -> Result<Vec<PolicyInfo>, AwsError> {
    let names = names_made_for(&holdings.made_as).into_iter();
    let looks = names
        .filter_map(|name| iam::policy_arn(&holdings.user, &name))
        .map(async |arn| iam::get_policy(run, &arn).await);
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Every policy is taken off, and of the managed ones those are deleted that were made for
/// the user and are used by nobody else, also if an interrupted run left them unattached.
async fn policy_removals(
    run: &Run,
    policies: &[Policy],
    made: Vec<PolicyInfo>,
) -> Result<Vec<Removal>, AwsError> {
    let attached: Vec<ManagedPolicy> = policies.iter().filter_map(Policy::to_managed).collect();
    let mut removals = Vec::new();
    for policy in &attached {
        removals.push(Removal::Attachment(policy.clone()));
        // Attached to this user counts as one use; any more are somebody else's.
        if made.iter().any(|made| made.arn == policy.arn && made.uses <= 1) {
            removals.push(Removal::Policy(policy.clone()));
        }
    }
    for policy in &made {
        let is_attached = attached.iter().any(|attached| attached.arn == policy.arn);
        if !is_attached && is_unused_and_ours(run, policy).await? {
            removals.push(Removal::Policy(policy.to_managed()));
        }
    }
    let inline = policies.iter().filter(|policy| policy.arn.is_none());
    removals.extend(inline.map(|policy| Removal::InlinePolicy(policy.name.clone())));
    Ok(removals)
}

/// Moves the deletion of our own policies to just before that of the user, if they
/// are what a second run knows the user by.
pub(super) fn own_policies_last(steps: &mut [Step], user: &UserName) {
    steps.sort_by_key(|step| {
        let Step::Remove(removal) = step else { return 0 };
        match removal {
            Removal::Attachment(policy) | Removal::Policy(policy) => {
                u8::from(names_made_for(user).contains(&policy.name))
            }
            Removal::InlinePolicy(name) => u8::from(name == INLINE_POLICY_NAME),
            Removal::User(_) => 2,
            _ => 0,
        }
    });
}
