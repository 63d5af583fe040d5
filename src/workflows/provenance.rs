//! Whether an IAM user is one of ours, and for which bucket.

use anyhow::{Result, bail, ensure};

use crate::access::{
    BucketName, Expiry, INLINE_POLICY_NAME, SharedPrefix, managed_policy_name, names_bucket,
    names_made_for,
};
use crate::aws::{Aws, AwsError, Run};
use crate::errors::{Candidates, Hint, Hinted};
use crate::iam::{self, PolicyInfo, User};
use crate::s3::bucket::{self, BucketError};

/// For which bucket a user was made, as far as its tags and policies tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// For the bucket in question.
    ThisBucket,
    /// For another bucket, with what says so, and its name if that does.
    OtherBucket(String, Option<BucketName>),
    /// Not made by this tool or the Python scripts before it.
    Nobody,
}

/// Finds out by the user's tag; where there is none, by our policies on it,
/// which name the bucket they are for.
pub(crate) async fn owner(run: &Run, user: &User) -> Result<Owner, AwsError> {
    let bucket = &run.target.bucket;
    if let Some(tagged) = &user.tags.bucket {
        if tagged == bucket.as_str() {
            return Ok(Owner::ThisBucket);
        }
        let found = format!("it is tagged for bucket {tagged}");
        return Ok(Owner::OtherBucket(found, tagged.parse().ok()));
    }
    let mut owner = Owner::Nobody;
    for held in held_policies(run).await? {
        if names_bucket(&held.text, bucket) {
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
pub(super) struct NotOurs {
    message: String,
    /// The bucket it was made for, if that is known.
    pub made_for: Option<BucketName>,
}

/// Fails unless the user was made for this bucket under this very name; with
/// [`NotOurs`] if its name alone is right.
pub(super) async fn check_ours(run: &Run, user: &User) -> Result<()> {
    check_name(run, user)?;
    let (bucket, name) = (&run.target.bucket, &run.target.user);
    let (message, made_for) = match owner(run, user).await? {
        Owner::ThisBucket => return Ok(()),
        Owner::OtherBucket(found, made_for) => (
            format!("user {name} was not made for bucket {bucket}: {found}"),
            made_for,
        ),
        Owner::Nobody => (
            format!(
                "user {name} was not created by create_s3_user: it has neither the tag s3-user:bucket nor one of that program's policies"
            ),
            None,
        ),
    };
    Err(NotOurs { message, made_for }.into())
}

/// Fails unless the user has this very name: IAM finds it by another spelling,
/// whose folder is somebody else's.
pub(super) fn check_name(run: &Run, user: &User) -> Result<()> {
    let name = &run.target.user;
    ensure!(
        user.name == name.as_str(),
        "there is no user {name}, only {}; upper and lower case matter",
        user.name
    );
    Ok(())
}

/// Looks for the bucket and the user at once: the run in the bucket's region,
/// or why there is none, and the user if there is one.
pub(super) async fn look_up(
    run: &Run,
) -> Result<(Result<Run, BucketError>, Option<User>), AwsError> {
    let bucket = bucket::find(&run.aws, &run.target.bucket);
    let (bucket, user) = tokio::join!(bucket, iam::get_user(run));
    // A failed GetUser tells why; a refused HeadBucket has no code for that.
    Ok((bucket.map(|aws| run.with_aws(aws)), user?))
}

/// What was found in the bucket's region, or the error with the buckets there are.
pub(super) async fn reachable<T>(aws: &Aws, found: Result<T, BucketError>) -> Result<T> {
    match found {
        Err(error @ BucketError::Missing(_)) => Err(Hinted {
            message: error.to_string(),
            hint: Hint::Nearest(Candidates::Buckets(bucket::all_names(aws).await)),
        }
        .into()),
        found => Ok(found?),
    }
}

/// The run in the bucket's region and the user, which must be ours for the bucket.
pub(super) async fn find_ours(run: &Run) -> Result<(Run, User)> {
    let (bucket, user) = look_up(run).await?;
    let run = reachable(&run.aws, bucket).await?;
    let Some(user) = user else {
        return Err(no_such_user(&run).await);
    };
    check_ours(&run, &user).await?;
    Ok((run, user))
}

/// That there is no such user, with the folders that may have one.
pub(super) async fn no_such_user(run: &Run) -> anyhow::Error {
    let folders = bucket::folders(run).await.unwrap_or_default();
    Hinted {
        message: format!("there is no user {}", run.target.user),
        hint: Hint::Nearest(Candidates::Folders(folders)),
    }
    .into()
}

/// Whether the run's user exists, under this very name, and is ours for the
/// bucket.
pub(crate) async fn is_ours(run: &Run) -> bool {
    match iam::get_user(run).await {
        Ok(Some(user)) => check_ours(run, &user).await.is_ok(),
        _ => false,
    }
}

/// That the user's access has ended, by its tag.
pub(super) fn ended_note(user: &User) -> Option<String> {
    let expires = user.tags.expires.as_deref().and_then(Expiry::at);
    let ended = expires.filter(Expiry::has_passed)?;
    Some(format!("access ended at {ended}; --update extends it"))
}

/// What the admin should know of folders that the run's user is to read: which
/// of them hold another user's files, a line each.
pub(super) async fn folder_notes(run: &Run, folders: &[SharedPrefix]) -> Vec<String> {
    let mut notes = Vec::new();
    for folder in folders {
        let Some(other) = folder.user() else { continue };
        if is_ours(&run.for_user(other.clone())).await {
            notes.push(format!(
                "--also-read {folder} gives access to files of user {other}"
            ));
        }
    }
    notes
}

/// Whether nothing uses the policy, and it was made for the bucket in question.
pub(super) async fn is_unused_and_ours(run: &Run, found: &PolicyInfo) -> Result<bool, AwsError> {
    let bucket = &run.target.bucket;
    if found.uses > 0 {
        return Ok(false);
    }
    Ok(match &found.tags.bucket {
        Some(tagged) => tagged == bucket.as_str(),
        None => names_bucket(&iam::policy_document(run, found).await?, bucket),
    })
}

/// A policy on a user that carries one of our names.
pub(super) struct HeldPolicy {
    pub name: String,
    /// None if it is the inline policy.
    pub managed: Option<PolicyInfo>,
    /// The document.
    pub text: String,
}

/// Every policy on the user that carries one of our names.
pub(super) async fn held_policies(run: &Run) -> Result<Vec<HeldPolicy>, AwsError> {
    let mut policies = Vec::new();
    let inline = iam::inline_policy_document(run, INLINE_POLICY_NAME).await?;
    if let Some(text) = inline
        && (!run.aws.store.invents_policies() || is_listed(run, INLINE_POLICY_NAME).await?)
    {
        policies.push(HeldPolicy {
            name: INLINE_POLICY_NAME.to_owned(),
            managed: None,
            text,
        });
    }
    let names = names_made_for(&run.target.user);
    for attached in iam::attached_policies(run).await? {
        if names.contains(&attached.name)
            && let Some(managed) = iam::get_policy(run, &attached.arn).await?
        {
            policies.push(HeldPolicy {
                name: attached.name,
                text: iam::policy_document(run, &managed).await?,
                managed: Some(managed),
            });
        }
    }
    Ok(policies)
}

async fn is_listed(run: &Run, inline_policy: &str) -> Result<bool, AwsError> {
    let names = iam::inline_policies(run).await?;
    Ok(names.iter().any(|name| name == inline_policy))
}

/// The one policy that gives a user its access. Fails where there is none, or
/// more than that one, as with users of the Python scripts.
pub(super) async fn access_policy(run: &Run) -> Result<HeldPolicy> {
    let user = &run.target.user;
    let mut held = held_policies(run).await?;
    let ours = [INLINE_POLICY_NAME.to_owned(), managed_policy_name(user)];
    match held.pop() {
        Some(policy) if held.is_empty() && ours.contains(&policy.name) => Ok(policy),
        None => bail!("user {user} has no policy that create_s3_user made"),
        Some(last) => {
            held.push(last);
            let names: Vec<_> = held.into_iter().map(|held| held.name).collect();
            bail!(
                "user {user} does not have the one policy that create_s3_user makes, but {}",
                names.join(" and ")
            )
        }
    }
}
