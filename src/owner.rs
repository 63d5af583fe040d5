//! Whether an IAM user is one of ours, and for which bucket.

use anyhow::Result;

use crate::aws::{Aws, AwsError};
use crate::iam::{self, User};
use crate::names::{Target, UserName};
use crate::policy;

/// Whom a user was made for, as far as its tags and policies tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Made for the bucket in question.
    ThisBucket,
    /// Made for another bucket, with what says so.
    OtherBucket(String),
    /// Not made by this tool or the Python scripts before it.
    Nobody,
}

/// Finds out by the user's tag; where there is none, by our policies on it,
/// which name the bucket they open.
pub(crate) async fn owner(aws: &Aws, target: &Target, user: &User) -> Result<Owner, AwsError> {
    if let Some(bucket) = &user.tags.bucket {
        return Ok(match bucket == target.bucket.as_str() {
            true => Owner::ThisBucket,
            false => Owner::OtherBucket(format!("it is tagged for bucket {bucket}")),
        });
    }
    let mut owner = Owner::Nobody;
    for (name, document) in our_policies(aws, &target.user).await? {
        if policy::names_bucket(&document, &target.bucket) {
            return Ok(Owner::ThisBucket);
        }
        owner = Owner::OtherBucket(format!("its policy {name} is for another bucket"));
    }
    Ok(owner)
}

/// Name and document of every policy on the user that carries one of our names.
async fn our_policies(aws: &Aws, user: &UserName) -> Result<Vec<(String, String)>, AwsError> {
    let mut policies = Vec::new();
    let inline = iam::inline_policy_document(aws, user, policy::INLINE_POLICY_NAME).await?;
    policies.extend(inline.map(|document| (policy::INLINE_POLICY_NAME.to_owned(), document)));
    let names = policy::names_made_for(user);
    for (name, arn) in iam::attached_policies(aws, user).await? {
        if names.contains(&name)
            && let Some(managed) = iam::get_policy(aws, &arn).await?
        {
            policies.push((name, iam::policy_document(aws, &managed).await?));
        }
    }
    Ok(policies)
}
