//! What hangs on a user, as the steps that remove it.

use crate::access::{managed_policy_name, names_made_for};
use crate::aws::{AwsError, Run};
use crate::iam::{self, PolicyInfo, User};
use crate::removal::{ManagedPolicy, Removal};
use crate::step::Step;
use crate::workflows::provenance::is_unused_and_ours;

/// The steps that remove what hangs on the user now: keys, policies, and
/// everything else that blocks its deletion.
pub(super) async fn of(run: &Run, user: &User) -> Result<Vec<Step>, AwsError> {
    let (keys, policies, inline_policies, blockers) = tokio::try_join!(
        iam::access_keys(run),
        policies(run, user),
        iam::inline_policies(run),
        iam::blockers(run),
    )?;
    let keys = keys.into_iter().map(|key| Removal::AccessKey(key.id));
    let inline = inline_policies.into_iter().map(Removal::InlinePolicy);
    let blockers = blockers.into_iter().map(Removal::Blocker);
    Ok(keys.chain(policies).chain(inline).chain(blockers).map(Step::Remove).collect())
}

/// The step that removes what a create run leaves that was killed before it
/// made the user: a policy that is tagged for this bucket and attached to nobody.
pub(super) async fn left_behind(run: &Run) -> Result<Vec<Step>, AwsError> {
    let Some(account) = iam::account(run).await else {
        return Ok(Vec::new());
    };
    let name = managed_policy_name(&run.target.user);
    let arn = format!("{account}:policy/{name}");
    match iam::get_policy(run, &arn).await? {
        Some(found) if found.uses == 0 && found.tags.bucket.as_deref() == Some(run.bucket()) => {
            Ok(vec![Step::Remove(Removal::Policy(ManagedPolicy { name, arn }))])
        }
        _ => Ok(Vec::new()),
    }
}

/// Detaches every managed policy, and deletes those that were made for the user
/// and are used by nobody else, also where an interrupted run left them
/// unattached.
async fn policies(run: &Run, user: &User) -> Result<Vec<Removal>, AwsError> {
    let [access, list, get] = names_made_for(&run.target.user);
    let (attached, access, list, get) = tokio::try_join!(
        iam::attached_policies(run),
        find(run, user, access),
        find(run, user, list),
        find(run, user, get),
    )?;
    let made: Vec<_> = [access, list, get].into_iter().flatten().collect();
    let mut steps = Vec::new();
    for policy in &attached {
        steps.push(Removal::Attachment(policy.clone()));
        // Attached to this user counts as one use; any more are somebody else's.
        let is_ours =
            |(made, found): &(ManagedPolicy, PolicyInfo)| made.arn == policy.arn && found.uses <= 1;
        if made.iter().any(is_ours) {
            steps.push(Removal::Policy(policy.clone()));
        }
    }
    for (policy, found) in made {
        let is_attached = attached.iter().any(|attached| attached.arn == policy.arn);
        if !is_attached && is_unused_and_ours(run, &found).await? {
            steps.push(Removal::Policy(policy));
        }
    }
    Ok(steps)
}

/// The managed policy of this name in the user's account.
async fn find(
    run: &Run,
    user: &User,
    name: String,
) -> Result<Option<(ManagedPolicy, PolicyInfo)>, AwsError> {
    let Some(arn) = iam::policy_arn(user, &name) else {
        return Ok(None);
    };
    let found = iam::get_policy(run, &arn).await?;
    Ok(found.map(|found| (ManagedPolicy { name, arn }, found)))
}
