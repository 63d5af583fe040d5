//! IAM users.

use std::time::{SystemTime, UNIX_EPOCH};

use super::tags::{EXPIRES, Tags};
use super::{patiently, present};
use crate::aws::Aws;
use crate::error::AwsError;
use crate::names::UserName;
use crate::new_user::NewUser;

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
        let has = |tag| self.tags.others.contains(tag);
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
        let boundary = user.permissions_boundary();
        let boundary = boundary.and_then(|boundary| boundary.permissions_boundary_arn());
        Self {
            name: user.user_name().to_owned(),
            arn: user.arn().to_owned(),
            tags: Tags::from_sdk(user.tags()),
            path: user.path().to_owned(),
            boundary: boundary.map(str::to_owned),
            created: user.create_date().secs(),
        }
    }
}

pub(crate) async fn get_user(aws: &Aws, user: &UserName) -> Result<Option<User>, AwsError> {
    let get = aws.iam.get_user().user_name(user.as_str());
    let answer = present(aws.call("GetUser", get.send()).await)?;
    let found = answer.and_then(|answer| answer.user);
    Ok(found.as_ref().map(User::from))
}

pub(crate) async fn create_user(
    aws: &Aws,
    user: &UserName,
    properties: &NewUser,
    tags: &Tags,
) -> Result<User, AwsError> {
    let create = aws.iam.create_user().user_name(user.as_str());
    let create = create
        .set_path(properties.path.clone())
        .set_permissions_boundary(properties.permissions_boundary.clone())
        .set_tags(Some(tags.to_sdk()));
    let create = async || aws.call("CreateUser", create.clone().send()).await;
    let made = patiently(create).await?.user.as_ref().map(User::from);
    let made = made.ok_or(AwsError::incomplete("CreateUser"))?;
    Ok(User {
        tags: tags.clone(),
        ..made
    })
}

/// Gives a user the tags that are set, and leaves all others.
pub(crate) async fn tag_user(aws: &Aws, user: &UserName, tags: &Tags) -> Result<(), AwsError> {
    let tag = aws.iam.tag_user().user_name(user.as_str());
    let tag = tag.set_tags(Some(tags.to_sdk()));
    let tag = async || aws.call("TagUser", tag.clone().send()).await;
    patiently(tag).await.map(drop)
}

/// Takes the tag off a user that says when its access ends.
pub(crate) async fn untag_expiry(aws: &Aws, user: &UserName) -> Result<(), AwsError> {
    let untag = aws.iam.untag_user().user_name(user.as_str());
    let untag = untag.tag_keys(EXPIRES);
    let untag = async || aws.call("UntagUser", untag.clone().send()).await;
    patiently(untag).await.map(drop)
}

/// Deletes the user. Fails with [`DELETE_CONFLICT`](super::DELETE_CONFLICT)
/// while anything hangs on it.
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
