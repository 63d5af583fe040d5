//! One short function per thing done to an IAM user, its keys and its policies.
//!
//! What is to be deleted and already gone counts as deleted, so that
//! everything can be run again.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::retry::RetryConfig;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::primitives::DateTimeFormat;
use aws_sdk_iam::types::Tag;
use aws_sdk_iam::types::builders::TagBuilder;
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::error::AwsError;
use crate::key_file::AccessKey;
use crate::names::{BucketName, UserName};
use crate::new_user::{NewUser, UserTag};
use crate::policy;
use crate::settle::settle;

/// What IAM says of a user or policy that is to be made and exists.
pub(crate) const EXISTS: &str = "EntityAlreadyExists";

/// What IAM says of a user or policy that is to be deleted and still in use.
pub(crate) const DELETE_CONFLICT: &str = "DeleteConflict";

const NO_SUCH_ENTITY: &str = "NoSuchEntity";

/// Answers IAM gives while it settles after a change: try again.
pub(crate) const SETTLING: [&str; 3] = [
    "ConcurrentModification",
    DELETE_CONFLICT,
    "EntityTemporarilyUnmodifiable",
];

/// The same for a user or policy made a moment ago, which may not be known yet.
const SETTLING_AFTER_CREATE: [&str; 3] = [NO_SUCH_ENTITY, SETTLING[0], SETTLING[2]];

/// The tags by which we know a user or policy of ours again, and the admin's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// The bucket it was made for.
    pub bucket: Option<String>,
    /// The run that made it: tells a lost answer of our own from somebody
    /// else's work.
    pub run: Option<String>,
    /// When access ends, for people and scripts; what ends it is the policy.
    pub expires: Option<String>,
    /// The admin's own tags.
    pub others: Vec<UserTag>,
}

impl Tags {
    const BUCKET: &str = "s3-user:bucket";
    const RUN: &str = "s3-user:run";
    const EXPIRES: &str = "s3-user:expires";

    pub fn new(bucket: &BucketName, run: &str) -> Self {
        Self {
            bucket: Some(bucket.to_string()),
            run: Some(run.to_owned()),
            ..Self::default()
        }
    }

    fn from_sdk(tags: &[Tag]) -> Self {
        let value = |key| {
            let tag = tags.iter().find(|tag| tag.key() == key);
            tag.map(|tag| tag.value().to_owned())
        };
        Self {
            bucket: value(Self::BUCKET),
            run: value(Self::RUN),
            expires: value(Self::EXPIRES),
            others: tags
                .iter()
                .filter(|tag| ![Self::BUCKET, Self::RUN, Self::EXPIRES].contains(&tag.key()))
                .map(|tag| UserTag {
                    key: tag.key().to_owned(),
                    value: tag.value().to_owned(),
                })
                .collect(),
        }
    }

    fn to_sdk(&self) -> Vec<Tag> {
        let ours = [
            (Self::BUCKET, &self.bucket),
            (Self::RUN, &self.run),
            (Self::EXPIRES, &self.expires),
        ];
        let ours = ours
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.as_deref()?)));
        let others = self.others.iter();
        ours.chain(others.map(|tag| (tag.key.as_str(), tag.value.as_str())))
            .map(|(key, value)| {
                let tag = TagBuilder::default().key(key).value(value).build();
                tag.expect("key and value are given")
            })
            .collect()
    }
}

/// Whether a store refused the tags rather than the thing tagged.
pub(crate) fn refuses_tags(error: &AwsError) -> bool {
    error.is_unsupported()
        || [
            "InvalidInput",
            "InvalidParameter",
            "InvalidParameterValue",
            "InvalidRequest",
            "ValidationError",
        ]
        .iter()
        .any(|code| error.is(code))
}

/// An IAM user as IAM describes it.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub name: String,
    pub arn: String,
    pub tags: Tags,
    path: String,
    boundary: Option<String>,
    /// Seconds since 1970.
    created: i64,
}

impl User {
    /// Whether it was made with these properties, and to end at that time.
    pub fn is_as(&self, properties: &NewUser, expires: Option<&str>) -> bool {
        let has = |tag: &UserTag| self.tags.others.contains(tag);
        self.path == properties.path.as_deref().unwrap_or("/")
            && self.boundary == properties.permissions_boundary
            && self.tags.expires.as_deref() == expires
            && properties.tags.iter().all(has)
    }

    /// Whether it was made within the last minute, as far as clocks agree.
    pub fn is_young(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        now.abs_diff(self.created.unsigned_abs()) < 60
    }
}

impl From<&aws_sdk_iam::types::User> for User {
    fn from(user: &aws_sdk_iam::types::User) -> Self {
        Self {
            name: user.user_name().to_owned(),
            arn: user.arn().to_owned(),
            tags: Tags::from_sdk(user.tags()),
            path: user.path().to_owned(),
            boundary: user
                .permissions_boundary()
                .and_then(|boundary| boundary.permissions_boundary_arn())
                .map(str::to_owned),
            created: user.create_date().secs(),
        }
    }
}

pub(crate) async fn get_user(aws: &Aws, user: &UserName) -> Result<Option<User>, AwsError> {
    let get = aws.iam.get_user().user_name(user.as_str());
    let answer = present(aws.call("GetUser", get.send()).await)?;
    Ok(answer
        .and_then(|answer| answer.user)
        .as_ref()
        .map(User::from))
}

pub(crate) async fn create_user(
    aws: &Aws,
    user: &UserName,
    properties: &NewUser,
    tags: &Tags,
) -> Result<User, AwsError> {
    let create = aws
        .iam
        .create_user()
        .user_name(user.as_str())
        .set_path(properties.path.clone())
        .set_permissions_boundary(properties.permissions_boundary.clone())
        .set_tags(Some(tags.to_sdk()));
    let answer = patiently(async || aws.call("CreateUser", create.clone().send()).await).await?;
    let made = answer.user.as_ref().map(User::from);
    let made = made.ok_or(AwsError::incomplete("CreateUser"))?;
    Ok(User {
        tags: tags.clone(),
        ..made
    })
}

/// Gives a user the tags that are set, and leaves all others.
pub(crate) async fn tag_user(aws: &Aws, user: &UserName, tags: &Tags) -> Result<(), AwsError> {
    let tag = aws
        .iam
        .tag_user()
        .user_name(user.as_str())
        .set_tags(Some(tags.to_sdk()));
    patiently(async || aws.call("TagUser", tag.clone().send()).await.map(drop)).await
}

/// Takes the tag off a user that says when its access ends.
pub(crate) async fn untag_expiry(aws: &Aws, user: &UserName) -> Result<(), AwsError> {
    let untag = aws
        .iam
        .untag_user()
        .user_name(user.as_str())
        .tag_keys(Tags::EXPIRES);
    patiently(async || aws.call("UntagUser", untag.clone().send()).await.map(drop)).await
}

/// Deletes the user. Fails with [`DELETE_CONFLICT`] while anything hangs on it.
pub(crate) async fn delete_user(aws: &Aws, user: &UserName) -> Result<bool, AwsError> {
    let delete = aws.iam.delete_user().user_name(user.as_str());
    let deleted = present(aws.call("DeleteUser", delete.send()).await);
    match deleted {
        // Done, maybe, and only the answer is lost.
        Err(error) if error.is_unclear() => match get_user(aws, user).await {
            Ok(None) => Ok(true),
            _ => Err(error),
        },
        deleted => Ok(deleted?.is_some()),
    }
}

/// The ARN that IAM's resources of the caller's account begin with, as
/// `arn:aws:iam::123456789012`; none where the store can't tell.
pub(crate) async fn account(aws: &Aws) -> Option<String> {
    let identity = aws.sts.as_ref()?.get_caller_identity();
    let identity = aws.call("GetCallerIdentity", identity.send()).await.ok()?;
    let partition = identity.arn()?.split(':').nth(1)?;
    Some(format!("arn:{partition}:iam::{}", identity.account()?))
}

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
    let answer = aws
        .call("GetPolicy", aws.iam.get_policy().policy_arn(arn).send())
        .await;
    let policy = optional(present(answer))?.and_then(|answer| answer.policy);
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
    let get = aws
        .iam
        .get_policy_version()
        .policy_arn(&policy.arn)
        .version_id(&policy.default_version);
    let answer = aws.call("GetPolicyVersion", get.send()).await?;
    Ok(url_decoded(
        answer
            .policy_version()
            .and_then(|version| version.document()),
    ))
}

/// IAM returns policy documents percent-encoded.
fn url_decoded(document: Option<&str>) -> String {
    let document = document.unwrap_or_default();
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
    let create = aws
        .iam
        .create_policy()
        .policy_name(name)
        .policy_document(document)
        .set_tags(Some(tags.to_sdk()));
    let answer = patiently(async || aws.call("CreatePolicy", create.clone().send()).await).await?;
    Ok(answer
        .policy()
        .and_then(|policy| policy.arn())
        .unwrap_or_default()
        .to_owned())
}

/// Deletes a managed policy that is attached to nothing, its older versions first.
pub(crate) async fn delete_policy(aws: &Aws, arn: &str) -> Result<bool, AwsError> {
    for version in former_versions(aws, arn).await? {
        delete_policy_version(aws, arn, &version).await?;
    }
    let delete = aws.iam.delete_policy().policy_arn(arn);
    remove(aws, "DeletePolicy", || delete.clone().send()).await
}

/// The IDs of the policy's versions but the default one, the oldest first.
pub(crate) async fn former_versions(aws: &Aws, arn: &str) -> Result<Vec<String>, AwsError> {
    let list = aws
        .iam
        .list_policy_versions()
        .policy_arn(arn)
        .into_paginator()
        .items()
        .send();
    let versions = aws
        .call("ListPolicyVersions", list.collect::<Result<Vec<_>, _>>())
        .await;
    let mut former = present(versions)?.unwrap_or_default();
    former.retain(|version| !version.is_default_version());
    former.sort_by_key(|version| version.create_date().map(|date| date.as_nanos()));
    Ok(former
        .into_iter()
        .filter_map(|version| version.version_id)
        .collect())
}

pub(crate) async fn delete_policy_version(
    aws: &Aws,
    arn: &str,
    version: &str,
) -> Result<bool, AwsError> {
    let delete = aws.iam.delete_policy_version();
    let delete = delete.policy_arn(arn).version_id(version);
    remove(aws, "DeletePolicyVersion", || delete.clone().send()).await
}

/// Gives the policy a new version, and makes it the one that counts.
pub(crate) async fn create_policy_version(
    aws: &Aws,
    arn: &str,
    document: &str,
) -> Result<(), AwsError> {
    let create = aws.iam.create_policy_version().policy_arn(arn);
    let create = create.policy_document(document).set_as_default(true);
    patiently(async || {
        aws.call("CreatePolicyVersion", create.clone().send())
            .await
            .map(drop)
    })
    .await
}

pub(crate) async fn attach_policy(
    aws: &Aws,
    user: &UserName,
    arn: &str,
    cancel: &CancellationToken,
) -> Result<(), AwsError> {
    let attach = aws
        .iam
        .attach_user_policy()
        .user_name(user.as_str())
        .policy_arn(arn);
    settle(&SETTLING_AFTER_CREATE, cancel, async || {
        aws.call("AttachUserPolicy", attach.clone().send())
            .await
            .map(drop)
    })
    .await
}

pub(crate) async fn detach_policy(aws: &Aws, user: &UserName, arn: &str) -> Result<bool, AwsError> {
    let detach = aws
        .iam
        .detach_user_policy()
        .user_name(user.as_str())
        .policy_arn(arn);
    remove(aws, "DetachUserPolicy", || detach.clone().send()).await
}

/// Name and ARN of every managed policy attached to the user.
pub(crate) async fn attached_policies(
    aws: &Aws,
    user: &UserName,
) -> Result<Vec<(String, String)>, AwsError> {
    let list = aws
        .iam
        .list_attached_user_policies()
        .user_name(user.as_str());
    let policies = list
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>();
    let policies = optional(aws.call("ListAttachedUserPolicies", policies).await)?;
    Ok(policies
        .into_iter()
        .filter_map(|policy| Some((policy.policy_name?, policy.policy_arn?)))
        .collect())
}

pub(crate) async fn inline_policies(aws: &Aws, user: &UserName) -> Result<Vec<String>, AwsError> {
    let list = aws.iam.list_user_policies().user_name(user.as_str());
    let names = list
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>();
    optional(aws.call("ListUserPolicies", names).await)
}

/// The document of one inline policy, or none if there is no such policy.
pub(crate) async fn inline_policy_document(
    aws: &Aws,
    user: &UserName,
    name: &str,
) -> Result<Option<String>, AwsError> {
    let get = aws
        .iam
        .get_user_policy()
        .user_name(user.as_str())
        .policy_name(name);
    let answer = present(aws.call("GetUserPolicy", get.send()).await)?;
    Ok(answer.map(|answer| url_decoded(Some(answer.policy_document()))))
}

pub(crate) async fn put_inline_policy(
    aws: &Aws,
    user: &UserName,
    document: &str,
    cancel: &CancellationToken,
) -> Result<(), AwsError> {
    let put = aws
        .iam
        .put_user_policy()
        .user_name(user.as_str())
        .policy_name(policy::INLINE_POLICY_NAME)
        .policy_document(document);
    settle(&SETTLING_AFTER_CREATE, cancel, async || {
        aws.call("PutUserPolicy", put.clone().send())
            .await
            .map(drop)
    })
    .await
}

pub(crate) async fn delete_inline_policy(
    aws: &Aws,
    user: &UserName,
    name: &str,
) -> Result<bool, AwsError> {
    let delete = aws
        .iam
        .delete_user_policy()
        .user_name(user.as_str())
        .policy_name(name);
    remove(aws, "DeleteUserPolicy", || delete.clone().send()).await
}

/// Creates an access key, trying again only when IAM said clearly that it
/// made none: the secret is shown once, so a lost answer is a lost key.
pub(crate) async fn create_access_key(
    aws: &Aws,
    user: &UserName,
    cancel: &CancellationToken,
) -> Result<AccessKey, AwsError> {
    let codes = [
        &SETTLING_AFTER_CREATE[..],
        &["Throttling", "ThrottlingException"],
    ]
    .concat();
    settle(&codes, cancel, async || {
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let create = aws.iam.create_access_key().user_name(user.as_str());
        let answer = create.customize().config_override(once).send();
        let mut key = aws.call("CreateAccessKey", answer).await?.access_key;
        let (id, secret) = key
            .as_mut()
            .map(|key| {
                (
                    std::mem::take(&mut key.access_key_id),
                    std::mem::take(&mut key.secret_access_key),
                )
            })
            .unwrap_or_default();
        match id.is_empty() || secret.is_empty() {
            true => Err(AwsError::incomplete("CreateAccessKey")),
            false => Ok(AccessKey::new(id, secret)),
        }
    })
    .await
}

/// The IDs of the user's access keys.
pub(crate) async fn access_keys(aws: &Aws, user: &UserName) -> Result<Vec<String>, AwsError> {
    let list = aws.iam.list_access_keys().user_name(user.as_str());
    let keys = list
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>();
    let keys = aws.call("ListAccessKeys", keys).await?;
    Ok(keys
        .into_iter()
        .filter_map(|key| key.access_key_id)
        .collect())
}

/// When and for what an access key was last used, in words.
pub(crate) async fn last_used(aws: &Aws, id: &str) -> Result<String, AwsError> {
    let get = aws.iam.get_access_key_last_used().access_key_id(id);
    let answer = aws.call("GetAccessKeyLastUsed", get.send()).await?;
    let used = answer.access_key_last_used;
    let date = used.as_ref().and_then(|used| used.last_used_date);
    let date = date.and_then(|date| date.fmt(DateTimeFormat::DateTime).ok());
    Ok(match (date, used) {
        (Some(date), Some(used)) => {
            let service = used.service_name().to_lowercase();
            format!("last used {date} for {service}")
        }
        _ => "never used".to_owned(),
    })
}

pub(crate) async fn delete_access_key(
    aws: &Aws,
    user: &UserName,
    id: &str,
) -> Result<bool, AwsError> {
    let delete = aws
        .iam
        .delete_access_key()
        .user_name(user.as_str())
        .access_key_id(id);
    remove(aws, "DeleteAccessKey", || delete.clone().send()).await
}

/// Does something again while IAM has another change to the same thing under way.
pub(crate) async fn patiently<T>(
    attempt: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    settle(&SETTLING, &CancellationToken::new(), attempt).await
}

/// What was looked up, or none if IAM says there is no such thing.
pub(crate) fn present<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Err(error) if error.is(NO_SUCH_ENTITY) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Deletes something, and tells whether it was there: that it is gone already
/// is success.
pub(crate) async fn remove<T, E, F>(
    aws: &Aws,
    operation: &'static str,
    send: impl Fn() -> F,
) -> Result<bool, AwsError>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let call = async || aws.call(operation, send()).await;
    let deleted = patiently(call).await;
    Ok(present(deleted)?.is_some())
}

/// Nothing, for a list of things that the store doesn't have at all.
pub(crate) fn optional<T: Default>(answer: Result<T, AwsError>) -> Result<T, AwsError> {
    match answer {
        Err(error) if error.is_unsupported() || error.is_crash() => Ok(T::default()),
        answer => answer,
    }
}
