//! Whether an IAM user is one of ours, and for which bucket.

use anyhow::{Result, anyhow, bail};

use crate::aws::Aws;
use crate::bucket::{self, BucketError};
use crate::error::AwsError;
use crate::iam::{self, ManagedPolicy, User};
use crate::names::{Target, UserName};
use crate::nearest::{did_you_mean, nearest};
use crate::policy;

/// Whom a user was made for, as far as its tags and policies tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Made for the bucket in question.
    ThisBucket,
    /// Made for another bucket, with what says so, and its name if that does.
    OtherBucket(String, Option<String>),
    /// Not made by this tool or the Python scripts before it.
    Nobody,
}

/// Finds out by the user's tag; where there is none, by our policies on it,
/// which name the bucket they open.
pub(crate) async fn owner(aws: &Aws, target: &Target, user: &User) -> Result<Owner, AwsError> {
    if let Some(bucket) = &user.tags.bucket {
        return Ok(match bucket == target.bucket.as_str() {
            true => Owner::ThisBucket,
            false => Owner::OtherBucket(
                format!("it is tagged for bucket {bucket}"),
                Some(bucket.clone()),
            ),
        });
    }
    let mut owner = Owner::Nobody;
    for held in held_policies(aws, &target.user).await? {
        if policy::names_bucket(&held.text, &target.bucket) {
            return Ok(Owner::ThisBucket);
        }
        let found = format!("its policy {} is for another bucket", held.name);
        owner = Owner::OtherBucket(found, None);
    }
    Ok(owner)
}

/// A user that was not made for the bucket in question.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct NotOurs {
    message: String,
    /// The bucket it was made for, if that is known.
    pub made_for: Option<String>,
}

/// Fails unless the user was made for this bucket under this very name; with
/// [`NotOurs`] if its name alone is right.
pub(crate) async fn check_ours(aws: &Aws, target: &Target, user: &User) -> Result<()> {
    let Target { bucket, user: name } = target;
    if user.name != name.as_str() {
        bail!(
            "there is no user {name}, only {}; names differ in case too",
            user.name
        );
    }
    let mut made_for = None;
    let message = match owner(aws, target, user).await? {
        Owner::ThisBucket => return Ok(()),
        Owner::OtherBucket(found, other) => {
            made_for = other;
            format!("user {name} was not made for bucket {bucket}: {found}")
        }
        Owner::Nobody => format!(
            "user {name} was not made by create_s3_user: it has neither our tag nor one of our policies"
        ),
    };
    Err(NotOurs { message, made_for }.into())
}

/// Looks for the bucket and the user at once: the clients for the bucket, or why
/// there are none, and the user if there is one.
pub(crate) async fn look_up(
    aws: &Aws,
    target: &Target,
) -> Result<(Result<Aws, BucketError>, Option<User>), AwsError> {
    let (bucket, user) = tokio::join!(
        bucket::find(aws, &target.bucket),
        iam::get_user(aws, &target.user)
    );
    // A failed GetUser tells why; a refused HeadBucket has no code for that.
    Ok((bucket, user?))
}

/// The bucket's clients and the user, which must be ours for the bucket.
pub(crate) async fn find_ours(aws: &Aws, target: &Target) -> Result<(Aws, User)> {
    let (bucket, user) = look_up(aws, target).await?;
    let aws = bucket?;
    let Some(user) = user else {
        return Err(no_such_user(&aws, target).await);
    };
    check_ours(&aws, target, &user).await?;
    Ok((aws, user))
}

/// That there is no such user, and which one may have been meant.
pub(crate) async fn no_such_user(aws: &Aws, target: &Target) -> anyhow::Error {
    let meant = nearest_user(aws, target).await;
    anyhow!(
        "there is no user {}{}",
        target.user,
        did_you_mean(meant.as_deref())
    )
}

/// The user of this bucket whose name is most like one that isn't there.
///
/// Looks at the first 1,000 folders alone, so it costs two or three calls
/// however many users there are.
async fn nearest_user(aws: &Aws, target: &Target) -> Option<String> {
    let folders = bucket::folders(aws, &target.bucket).await.ok()?;
    let user: UserName = nearest(target.user.as_str(), folders.iter().map(String::as_str))?
        .parse()
        .ok()?;
    let target = Target {
        user,
        ..target.clone()
    };
    let found = iam::get_user(aws, &target.user).await.ok()??;
    let owner = owner(aws, &target, &found).await.ok()?;
    (owner == Owner::ThisBucket).then_some(found.name)
}

/// A policy on a user that carries one of our names.
pub(crate) struct HeldPolicy {
    pub name: String,
    /// None if it is the inline policy.
    pub managed: Option<ManagedPolicy>,
    /// The document.
    pub text: String,
}

/// Every policy on the user that carries one of our names.
pub(crate) async fn held_policies(aws: &Aws, user: &UserName) -> Result<Vec<HeldPolicy>, AwsError> {
    let mut policies = Vec::new();
    let inline = iam::inline_policy_document(aws, user, policy::INLINE_POLICY_NAME).await?;
    policies.extend(inline.map(|text| HeldPolicy {
        name: policy::INLINE_POLICY_NAME.to_owned(),
        managed: None,
        text,
    }));
    let names = policy::names_made_for(user);
    for (name, arn) in iam::attached_policies(aws, user).await? {
        if names.contains(&name)
            && let Some(managed) = iam::get_policy(aws, &arn).await?
        {
            policies.push(HeldPolicy {
                name,
                text: iam::policy_document(aws, &managed).await?,
                managed: Some(managed),
            });
        }
    }
    Ok(policies)
}

/// The one policy that gives a user its access. Fails where there is none, or
/// more than that one, as with users of the Python scripts.
pub(crate) async fn access_policy(aws: &Aws, user: &UserName) -> Result<HeldPolicy> {
    let mut held = held_policies(aws, user).await?;
    let ours = [
        policy::INLINE_POLICY_NAME.to_owned(),
        policy::managed_policy_name(user),
    ];
    match held.pop() {
        Some(policy) if held.is_empty() && ours.contains(&policy.name) => Ok(policy),
        None => bail!("user {user} has no policy that create_s3_user made"),
        Some(last) => {
            let names: Vec<_> = held
                .into_iter()
                .chain([last])
                .map(|held| held.name)
                .collect();
            bail!(
                "user {user} does not have the one policy that create_s3_user makes, but {}",
                names.join(" and ")
            )
        }
    }
}
