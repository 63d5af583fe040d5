//! Commands that messages name for the admin to run.

use std::fmt::Display;

use crate::access::{BucketName, Target};
use crate::aws::Connection;
use crate::step::Step;

/// The commands for one target, with the connection options of this run.
#[derive(Debug, Clone, Default)]
pub(super) struct ShellCommands {
    options: String,
}

impl ShellCommands {
    pub fn new(connection: &Connection) -> Self {
        let options = [
            ("--profile", &connection.profile),
            ("--region", &connection.region),
            ("--endpoint-url", &connection.endpoint_url),
        ];
        let option = |(name, value): (&str, &Option<String>)| {
            let value = value.as_ref()?;
            Some(format!(" {name} '{}'", value.replace('\'', r"'\''")))
        };
        Self {
            options: options.into_iter().filter_map(option).collect(),
        }
    }

    /// A command of create_s3_user for an existing user.
    pub fn create(&self, option: &str, target: &Target) -> String {
        let Target { bucket, user } = target;
        format!(
            "create_s3_user {option} -b {bucket} -u {user}{}",
            self.options
        )
    }

    /// The command that deletes a user and its folder.
    pub fn delete(&self, bucket: &BucketName, user: impl Display) -> String {
        format!("delete_s3_user -b {bucket} -u {user}{}", self.options)
    }

    /// The command that deletes a user and leaves the folder as it is.
    pub fn delete_user(&self, bucket: &BucketName, user: impl Display) -> String {
        format!(
            "delete_s3_user -b {bucket} -u {user} --keep-objects{}",
            self.options
        )
    }

    /// The command that lists a user's access keys.
    pub fn list_keys(&self, user: impl Display) -> String {
        format!(
            "aws iam list-access-keys --user-name {user}{}",
            self.options
        )
    }

    /// The command that deletes an access key.
    pub fn delete_key(&self, id: &str, user: impl Display) -> String {
        let options = &self.options;
        format!("aws iam delete-access-key --user-name {user} --access-key-id {id}{options}")
    }

    /// The command that takes a step of undoing that failed. Where the user is
    /// left too, deleting it takes all that hangs on it along.
    pub fn undo(&self, step: &Step, target: &Target, user_is_left: bool) -> String {
        let Target { bucket, user } = target;
        match step {
            Step::DeleteObject { url, .. } => format!("aws s3 rm {url}{}", self.options),
            _ if user_is_left => self.delete_user(bucket, user),
            Step::DeleteAccessKey(id) => self.delete_key(id, user),
            Step::DeleteUnknownKey => {
                let (list, delete) = (self.list_keys(user), self.delete_key("ACCESS_KEY_ID", user));
                format!("{list}; {delete}")
            }
            Step::DeletePolicy(policy) => {
                format!(
                    "aws iam delete-policy --policy-arn {}{}",
                    policy.arn, self.options
                )
            }
            _ => self.delete_user(bucket, user),
        }
    }
}
