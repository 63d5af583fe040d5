//! Everything that hangs on a user and must be removed before it.

use futures_util::future::try_join_all;

use crate::access::{INLINE_POLICY_NAME, UserName, managed_policy_name, names_made_for};
use crate::aws::{AwsError, Run};
use crate::iam::{self, PolicyInfo};
use crate::removal::{Blocker, Removal};
use crate::step::Step;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::is_unused_and_ours;

/// Finds what hangs on the user: keys, policies, and its login, which all may give access;
/// and if `all`, everything else that blocks its deletion. Policies and groups are those that
/// were read.
pub(super) async fn removals(
    run: &Run,
    holdings: &Holdings,
    all: bool,
) -> Result<Vec<Removal>, AwsError> {
    let (keys, unattached, blockers) = tokio::try_join!(
        iam::access_keys(run),
        unattached_policies(run, holdings),
        blockers(run, all)
    )?;
    let mut removals = Vec::new();
    removals.extend(keys.into_iter().map(|key| Removal::AccessKey(key.id)));
    removals.extend(policy_removals(run, holdings, unattached).await?);
    let groups = holdings.groups.iter().cloned().map(Blocker::Group);
    removals.extend(blockers.into_iter().chain(groups).map(Removal::Blocker));
    Ok(removals)
}

/// Finds what hangs on the user by now, policies and groups too.
pub(super) async fn removals_now(run: &Run, holdings: &Holdings) -> Result<Vec<Removal>, AwsError> {
    removals(run, &Holdings::read(run, holdings.user.clone()).await?, true).await
}

async fn blockers(run: &Run, all: bool) -> Result<Vec<Blocker>, AwsError> {
    // Other stores may delete a user and leave what hangs on it.
    if all || !run.aws.store.is_aws() {
        return iam::blockers(run).await;
    }
    let has_login = iam::has_login_profile(run).await?;
    Ok(Vec::from_iter(has_login.then_some(Blocker::LoginProfile)))
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
        .filter(|it| it.uses == 0 && it.tags.are_of(&run.target.bucket))
        .map(|it| Removal::Policy(it.to_managed())))
}

/// The managed policies that were made for the user and are not attached to it, as an
/// interrupted run leaves them.
async fn unattached_policies(run: &Run, holdings: &Holdings) -> Result<Vec<PolicyInfo>, AwsError> {
    let [ours, list, get] = names_made_for(&holdings.made_as);
    // The Python scripts have not made a user with this tag, which only create gives.
    let is_created = holdings.user.tags.run.is_some();
    let names = if is_created { vec![ours] } else { vec![ours, list, get] };
    let arns = names.iter().filter_map(|name| iam::policy_arn(&holdings.user, name));
    let unattached = arns.filter(|arn| {
        let mut policies = holdings.policies.iter();
        !policies.any(|policy| policy.arn.as_ref() == Some(arn))
    });
    let looks = unattached.map(async |arn| iam::get_policy(run, &arn).await);
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Every policy is taken off, and of the managed ones those are deleted that were made for
/// the user and are used by nobody else, also if an interrupted run left them unattached.
async fn policy_removals(
    run: &Run,
    holdings: &Holdings,
    unattached: Vec<PolicyInfo>,
) -> Result<Vec<Removal>, AwsError> {
    let mut removals = Vec::new();
    for policy in &holdings.policies {
        let Some(managed) = policy.to_managed() else { continue };
        removals.push(Removal::Attachment(managed.clone()));
        if holdings.is_ours_alone(policy) {
            removals.push(Removal::Policy(managed));
        }
    }
    for policy in &unattached {
        if is_unused_and_ours(run, policy).await? {
            removals.push(Removal::Policy(policy.to_managed()));
        }
    }
    let inline = holdings.policies.iter().filter(|policy| policy.arn.is_none());
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
