//! IAM users.

use jiff::Timestamp;

use super::tags::{EXPIRES, Tags};
use super::whole_list::{PAGE, all_of};
use super::{optional, present, to_jiff};
use crate::access::NewUser;
use crate::aws::{AwsError, Patience, Run};

/// An IAM user as IAM describes it.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub name: String,
    /// The unique ID: another one after the user was deleted and made again.
    pub id: String,
    pub arn: String,
    pub path: String,
    pub created: Option<Timestamp>,
    pub tags: Tags,
}

impl From<&aws_sdk_iam::types::User> for User {
    fn from(user: &aws_sdk_iam::types::User) -> Self {
        Self {
            name: user.user_name().to_owned(),
            id: user.user_id().to_owned(),
            arn: user.arn().to_owned(),
            path: user.path().to_owned(),
            created: to_jiff(&user.create_date),
            tags: Tags::from_sdk(user.tags()),
        }
    }
}

pub(crate) async fn get_user(run: &Run) -> Result<Option<User>, AwsError> {
    let get = run.aws.iam.get_user().user_name(run.user());
    let answer = present(run.aws.call_iam("GetUser", || get.clone().send()).await)?;
    Ok(answer.and_then(|answer| answer.user).as_ref().map(User::from))
}

/// Creates the user under an IAM path. The tags of what is returned are those that AWS was
/// sent, and of another store those in its answer.
pub(crate) async fn create_user(
    run: &Run,
    properties: &NewUser,
    path: Option<&str>,
    tags: &Tags,
) -> Result<User, AwsError> {
    let create = run
        .aws
        .iam
        .create_user()
        .user_name(run.user())
        .set_path(path.map(str::to_owned))
        .set_permissions_boundary(properties.permissions_boundary.clone())
        .set_tags(Some(tags.to_sdk()));
    let answer = run.change("CreateUser", || create.clone().send()).await?;
    let mut created = User::from(&answer.user.ok_or(AwsError::incomplete("CreateUser"))?);
    if run.aws.store.is_aws() {
        created.tags = tags.clone();
    }
    Ok(created)
}

/// Returns any user of the account, if there is one.
pub(crate) async fn first_user(run: &Run) -> Result<Option<User>, AwsError> {
    let list = run.aws.iam.list_users().max_items(1);
    let answer = run.aws.call_iam("ListUsers", || list.clone().send()).await?;
    Ok(answer.users.first().map(User::from))
}

/// Returns the users whose IAM path begins like this, without their tags.
pub(crate) async fn users_under_path(run: &Run, path: &str) -> Result<Vec<User>, AwsError> {
    let list = run.aws.iam.list_users().path_prefix(path).max_items(PAGE);
    let all = all_of!(&run.aws, "ListUsers", list, users).await?;
    // Some stores list all users, whatever path is asked for.
    Ok(all.iter().map(User::from).filter(|user| user.path.starts_with(path)).collect())
}

/// Returns the names of the groups that the user is in.
pub(crate) async fn groups(run: &Run) -> Result<Vec<String>, AwsError> {
    optional(run, listed_groups(run).await)
}

/// Like [`groups`], but fails where the store doesn't have groups.
async fn listed_groups(run: &Run) -> Result<Vec<String>, AwsError> {
    let iam = run.aws.iam_for_optional_calls();
    let list = iam.list_groups_for_user().user_name(run.user());
    let all = all_of!(&run.aws, "ListGroupsForUser", list, groups).await?;
    Ok(all.into_iter().map(|group| group.group_name).collect())
}

/// True if IAM says that the user is in no group, or that it has no groups. An answer
/// that says neither counts as no.
pub(crate) async fn is_surely_in_no_group(run: &Run) -> bool {
    match listed_groups(run).await {
        Ok(groups) => groups.is_empty(),
        Err(error) => run.aws.store.says_it_lacks(&error),
    }
}

/// True if the store keeps tags of users, which is asked once, and only where nothing
/// else shows it.
pub(crate) async fn keeps_tags(run: &Run, user: &User) -> bool {
    if run.aws.store.is_aws() || user.tags != Tags::default() {
        return true;
    }
    let list = run.aws.iam.list_user_tags().user_name(run.user());
    let answer = run.aws.keeps_tags.get_or_init(async || {
        let tags = run.aws.call_iam("ListUserTags", || list.clone().send()).await;
        !tags.is_err_and(|error| run.aws.store.lacks(&error))
    });
    *answer.await
}

/// Gives a user the tags that are set, and leaves all others.
pub(crate) async fn tag_user(run: &Run, tags: &Tags) -> Result<(), AwsError> {
    let tag = run.aws.iam.tag_user().user_name(run.user()).set_tags(Some(tags.to_sdk()));
    run.change("TagUser", || tag.clone().send()).await.map(drop)
}

/// Removes the tag of a user that says when its access ends.
pub(crate) async fn untag_expiry(run: &Run) -> Result<(), AwsError> {
    let untag = run.aws.iam.untag_user().user_name(run.user()).tag_keys(EXPIRES);
    run.change("UntagUser", || untag.clone().send()).await.map(drop)
}

/// Deletes the user. Fails as [in use](AwsError::is_in_use) while anything hangs on it.
pub(crate) async fn delete_user(run: &Run) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_user().user_name(run.user());
    match present(run.aws.call_iam("DeleteUser", || delete.clone().send()).await) {
        // Maybe it was done, and only the answer is lost. A delegate, who may delete users by
        // their tags, is refused once the user is gone.
        Err(error) if error.is_unclear() || error.is_denied_again() => match get_user(run).await {
            Ok(None) => Ok(true),
            _ => Err(error),
        },
        deleted => Ok(deleted?.is_some()),
    }
}

/// Deletes the user, waiting while IAM still knows of something that was
/// taken off it.
pub(crate) async fn delete_unused_user(run: &Run) -> Result<bool, AwsError> {
    let mut patience = Patience::SETTLING;
    patience.retry_errors(&run.cancel, AwsError::is_settling, async || delete_user(run).await).await
}
