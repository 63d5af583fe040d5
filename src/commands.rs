//! Commands that messages name for the admin to run.
//!
//! `options` are those of the connection, as [`Connection`](crate::Connection)
//! prints them.

use std::fmt::Display;

use crate::names::{BucketName, Target};

/// A command of create_s3_user for a user that is there.
pub(crate) fn create(option: &str, target: &Target, options: &str) -> String {
    let Target { bucket, user } = target;
    format!("create_s3_user {option} -b {bucket} -u {user}{options}")
}

/// The command that deletes a user and its folder.
pub(crate) fn delete(bucket: impl Display, user: impl Display, options: impl Display) -> String {
    format!("delete_s3_user -b {bucket} -u {user}{options}")
}

/// The command that removes a user and leaves the folder as it is.
pub fn remove_user(bucket: &BucketName, user: impl Display, options: impl Display) -> String {
    delete(bucket, user, format_args!(" --keep-objects{options}"))
}

/// The command that lists a user's access keys.
pub fn list_keys(user: impl Display, options: impl Display) -> String {
    format!("aws iam list-access-keys --user-name {user}{options}")
}

/// The command that deletes an access key.
pub(crate) fn delete_key(id: &str, user: impl Display, options: &str) -> String {
    format!("aws iam delete-access-key --user-name {user} --access-key-id {id}{options}")
}

/// The command that deletes a managed policy.
pub(crate) fn delete_policy(arn: &str, options: &str) -> String {
    format!("aws iam delete-policy --policy-arn {arn}{options}")
}

/// The command that deletes an object.
pub(crate) fn delete_object(url: &str, options: &str) -> String {
    format!("aws s3 rm {url}{options}")
}
