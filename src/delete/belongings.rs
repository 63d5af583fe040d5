//! Everything that hangs on a user, found out before it is deleted.

use crate::aws::Aws;
use crate::error::AwsError;
use crate::iam::{self, Blocker, ManagedPolicy, User};
use crate::names::Target;
use crate::policy;

/// Everything that hangs on a user.
#[derive(Default)]
pub(super) struct Belongings {
    pub access_keys: Vec<String>,
    pub policies: Vec<Policy>,
    pub inline_policies: Vec<String>,
    pub blockers: Vec<Blocker>,
}

/// A managed policy that is attached to the user, made for it, or both.
pub(super) struct Policy {
    pub name: String,
    pub arn: String,
    pub attached: bool,
    /// Made for this user and used by nobody else, so deleted with it.
    pub ours: bool,
}

/// What a create run that was killed before it made the user leaves: a policy
/// for this bucket that nothing uses.
pub(super) async fn left_behind(aws: &Aws, target: &Target) -> Result<Belongings, AwsError> {
    let mut left = Belongings::default();
    let Some(account) = iam::account(aws).await else {
        return Ok(left);
    };
    let name = policy::managed_policy_name(&target.user);
    let found = iam::get_policy(aws, &format!("{account}:policy/{name}")).await?;
    if let Some(found) = found
        && is_unused_and_ours(aws, target, &found).await?
    {
        left.policies.push(Policy {
            name,
            arn: found.arn,
            attached: false,
            ours: true,
        });
    }
    Ok(left)
}

/// What hangs on the user now.
pub(super) async fn belongings(
    aws: &Aws,
    target: &Target,
    user: &User,
) -> Result<Belongings, AwsError> {
    let name = &target.user;
    let (access_keys, policies, inline_policies, blockers) = tokio::try_join!(
        iam::access_keys(aws, name),
        policies(aws, target, user),
        iam::inline_policies(aws, name),
        iam::blockers(aws, name),
    )?;
    Ok(Belongings {
        access_keys,
        policies,
        inline_policies,
        blockers,
    })
}

/// The managed policies attached to the user, and those made for it that an
/// interrupted run left unattached.
async fn policies(aws: &Aws, target: &Target, user: &User) -> Result<Vec<Policy>, AwsError> {
    let find = async |name: String| match iam::policy_arn(user, &name) {
        Some(arn) => Ok(iam::get_policy(aws, &arn).await?.map(|found| (name, found))),
        None => Ok(None),
    };
    let [access, list, get] = policy::names_made_for(&target.user);
    let (attached, access, list, get) = tokio::try_join!(
        iam::attached_policies(aws, &target.user),
        find(access),
        find(list),
        find(get),
    )?;
    let made: Vec<_> = [access, list, get].into_iter().flatten().collect();
    // Attached to this user counts as one use; any more are somebody else's.
    let is_ours = |arn: &str| {
        made.iter()
            .any(|(_, found)| found.arn == arn && found.uses <= 1)
    };
    let mut policies: Vec<_> = attached
        .into_iter()
        .map(|(name, arn)| Policy {
            ours: is_ours(&arn),
            attached: true,
            name,
            arn,
        })
        .collect();
    for (name, found) in made {
        let attached = policies.iter().any(|policy| policy.arn == found.arn);
        if !attached && is_unused_and_ours(aws, target, &found).await? {
            policies.push(Policy {
                name,
                arn: found.arn,
                attached,
                ours: true,
            });
        }
    }
    Ok(policies)
}

async fn is_unused_and_ours(
    aws: &Aws,
    target: &Target,
    found: &ManagedPolicy,
) -> Result<bool, AwsError> {
    if found.uses > 0 {
        return Ok(false);
    }
    Ok(match &found.tags.bucket {
        Some(bucket) => bucket == target.bucket.as_str(),
        None => policy::names_bucket(&iam::policy_document(aws, found).await?, &target.bucket),
    })
}
