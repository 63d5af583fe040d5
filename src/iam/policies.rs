//! Policies, managed and inline, and whom they are attached to.

use tokio_util::sync::CancellationToken;

use super::tags::Tags;
use super::users::User;
use super::{SETTLING_AFTER_CREATE, optional, patiently, present, remove};
use crate::aws::Aws;
use crate::error::AwsError;
use crate::names::UserName;
use crate::policy;
use crate::settle::settle;

/// A managed policy as IAM describes it.
#[derive(Debug, Clone)]
pub(crate) struct ManagedPolicy {
    pub arn: String,
    pub tags: Tags,
    /// How many users, groups and roles it is attached to or bounds.
    pub uses: i32,
    default_version: String,
}

/// The ARN a managed policy of the user's account has or would have.
///
/// None where a store's ARNs have a form of their own.
pub(crate) fn policy_arn(user: &User, policy_name: &str) -> Option<String> {
    let (account, _) = user.arn.split_once(":user/")?;
    Some(format!("{account}:policy/{policy_name}"))
}

pub(crate) async fn get_policy(aws: &Aws, arn: &str) -> Result<Option<ManagedPolicy>, AwsError> {
    let get = aws.iam.get_policy().policy_arn(arn);
    let answer = present(aws.call("GetPolicy", get.send()).await);
    let policy = optional(answer)?.and_then(|answer| answer.policy);
    Ok(policy.map(|policy| ManagedPolicy {
        arn: arn.to_owned(),
        tags: Tags::from_sdk(policy.tags()),
        uses: policy.attachment_count().unwrap_or(0)
            + policy.permissions_boundary_usage_count().unwrap_or(0),
        default_version: policy.default_version_id().unwrap_or("v1").to_owned(),
    }))
}

/// The document of the policy's default version.
pub(crate) async fn policy_document(aws: &Aws, policy: &ManagedPolicy) -> Result<String, AwsError> {
    let get = aws.iam.get_policy_version().policy_arn(&policy.arn);
    let get = get.version_id(&policy.default_version);
    let answer = aws.call("GetPolicyVersion", get.send()).await?;
    let document = answer.policy_version.and_then(|version| version.document);
    Ok(url_decoded(&document.unwrap_or_default()))
}

/// IAM returns policy documents percent-encoded.
fn url_decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document)
        .decode_utf8_lossy()
        .into_owned()
}

/// Creates a managed policy and returns its ARN.
pub(crate) async fn create_policy(
    aws: &Aws,
    name: &str,
    document: &str,
    tags: &Tags,
) -> Result<String, AwsError> {
    let create = aws.iam.create_policy().policy_name(name);
    let create = create.policy_document(document);
    let create = create.set_tags(Some(tags.to_sdk()));
    let create = async || aws.call("CreatePolicy", create.clone().send()).await;
    let made = patiently(create).await?.policy;
    Ok(made.and_then(|policy| policy.arn).unwrap_or_default())
}

/// Deletes a managed policy that is attached to nothing, its older versions first.
pub(crate) async fn delete_policy(aws: &Aws, arn: &str) -> Result<bool, AwsError> {
    for version in former_versions(aws, arn).await? {
        delete_policy_version(aws, arn, &version).await?;
    }
    let delete = || aws.iam.delete_policy().policy_arn(arn).send();
    remove(aws, "DeletePolicy", delete).await
}

/// The IDs of the policy's versions but the default one, the oldest first.
pub(crate) async fn former_versions(aws: &Aws, arn: &str) -> Result<Vec<String>, AwsError> {
    let list = aws.iam.list_policy_versions().policy_arn(arn);
    let all = list.into_paginator().items().send().collect();
    let all: Result<Vec<_>, _> = aws.call("ListPolicyVersions", all).await;
    let mut former = present(all)?.unwrap_or_default();
    former.retain(|version| !version.is_default_version());
    former.sort_by_key(|version| version.create_date().map(|date| date.as_nanos()));
    let ids = former.into_iter().filter_map(|version| version.version_id);
    Ok(ids.collect())
}

pub(crate) async fn delete_policy_version(
    aws: &Aws,
    arn: &str,
    version: &str,
) -> Result<bool, AwsError> {
    let delete = aws.iam.delete_policy_version().policy_arn(arn);
    let delete = || delete.clone().version_id(version).send();
    remove(aws, "DeletePolicyVersion", delete).await
}

/// Gives the policy a new version, and makes it the one that counts.
pub(crate) async fn create_policy_version(
    aws: &Aws,
    arn: &str,
    document: &str,
) -> Result<(), AwsError> {
    let create = aws.iam.create_policy_version().policy_arn(arn);
    let create = create.policy_document(document).set_as_default(true);
    let create = async || aws.call("CreatePolicyVersion", create.clone().send()).await;
    patiently(create).await.map(drop)
}

/// Attaches a policy that, like the user, may have been made a moment ago.
pub(crate) async fn attach_policy(
    aws: &Aws,
    user: &UserName,
    arn: &str,
    cancel: &CancellationToken,
) -> Result<(), AwsError> {
    let attach = aws.iam.attach_user_policy().user_name(user.as_str());
    let attach = attach.policy_arn(arn);
    let attach = async || aws.call("AttachUserPolicy", attach.clone().send()).await;
    let attached = settle(&SETTLING_AFTER_CREATE, cancel, attach).await;
    attached.map(drop)
}

pub(crate) async fn detach_policy(aws: &Aws, user: &UserName, arn: &str) -> Result<bool, AwsError> {
    let detach = aws.iam.detach_user_policy().user_name(user.as_str());
    let detach = || detach.clone().policy_arn(arn).send();
    remove(aws, "DetachUserPolicy", detach).await
}

/// Name and ARN of every managed policy attached to the user.
pub(crate) async fn attached_policies(
    aws: &Aws,
    user: &UserName,
) -> Result<Vec<(String, String)>, AwsError> {
    let list = aws.iam.list_attached_user_policies();
    let list = list.user_name(user.as_str()).into_paginator();
    let all = list.items().send().collect();
    let all: Result<Vec<_>, _> = aws.call("ListAttachedUserPolicies", all).await;
    let all = optional(all)?.into_iter();
    Ok(all
        .filter_map(|policy| Some((policy.policy_name?, policy.policy_arn?)))
        .collect())
}

/// The names of the user's inline policies.
pub(crate) async fn inline_policies(aws: &Aws, user: &UserName) -> Result<Vec<String>, AwsError> {
    let list = aws.iam.list_user_policies().user_name(user.as_str());
    let names = list.into_paginator().items().send().collect();
    optional(aws.call("ListUserPolicies", names).await)
}

/// The document of one inline policy, or none if there is no such policy.
pub(crate) async fn inline_policy_document(
    aws: &Aws,
    user: &UserName,
    name: &str,
) -> Result<Option<String>, AwsError> {
    let get = aws.iam.get_user_policy().user_name(user.as_str());
    let get = get.policy_name(name);
    let answer = present(aws.call("GetUserPolicy", get.send()).await)?;
    Ok(answer.map(|answer| url_decoded(&answer.policy_document)))
}

/// Puts our policy into a user that may have been made a moment ago.
pub(crate) async fn put_inline_policy(
    aws: &Aws,
    user: &UserName,
    document: &str,
    cancel: &CancellationToken,
) -> Result<(), AwsError> {
    let put = aws.iam.put_user_policy().user_name(user.as_str());
    let put = put.policy_name(policy::INLINE_POLICY_NAME);
    let put = put.policy_document(document);
    let put = async || aws.call("PutUserPolicy", put.clone().send()).await;
    let done = settle(&SETTLING_AFTER_CREATE, cancel, put).await;
    done.map(drop)
}

pub(crate) async fn delete_inline_policy(
    aws: &Aws,
    user: &UserName,
    name: &str,
) -> Result<bool, AwsError> {
    let delete = aws.iam.delete_user_policy().user_name(user.as_str());
    let delete = || delete.clone().policy_name(name).send();
    remove(aws, "DeleteUserPolicy", delete).await
}
