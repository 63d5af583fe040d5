//! Commands that messages name for the admin to run, in parts. `cli` adds the connection
//! options of the run and the shell's quoting.

use std::path::Path;

#[cfg(feature = "cli")]
use crate::access::UserName;
use crate::access::{BucketName, Grant, Target, folder_path, folder_text};
use crate::os;
use crate::removal::{Leftover, Removal};

/// A command for the admin to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub(crate) words: Vec<String>,
    /// True if it takes the connection options, as ours and the AWS CLI do.
    pub(crate) connects: bool,
    /// The text before and after the quoted words.
    pub(crate) around: (&'static str, &'static str),
    /// The command to run after it, if it succeeds.
    pub(crate) then: Option<Box<Command>>,
}

impl Command {
    fn new(words: &[&str]) -> Self {
        Self {
            words: words.iter().map(ToString::to_string).collect(),
            connects: true,
            around: ("", ""),
            then: None,
        }
    }

    fn local(words: &[&str]) -> Self {
        Self { connects: false, ..Self::new(words) }
    }

    /// Adds words.
    pub(crate) fn with(mut self, words: &[impl ToString]) -> Self {
        self.words.extend(words.iter().map(ToString::to_string));
        self
    }

    /// Adds an ellipsis, for what the admin has to add.
    pub(crate) fn with_more(self) -> Self {
        Self { around: ("", " ..."), ..self }
    }

    fn and_then(mut self, next: Self) -> Self {
        let rest = match self.then.take() {
            Some(then) => then.and_then(next),
            None => next,
        };
        self.then = Some(Box::new(rest));
        self
    }
}

/// A command of create_s3_user for an existing user.
pub(crate) fn create_s3_user(target: &Target, option: &str) -> Command {
    let Target { bucket, user, .. } = target;
    Command::new(&["create_s3_user", "-b", bucket.as_str(), "-u", user.as_str(), option])
}

/// Lists the users of a bucket.
pub(crate) fn list_users(bucket: &BucketName) -> Command {
    Command::new(&["create_s3_user", "-b", bucket.as_str(), "--list"])
}

/// Gives an existing user just this access.
pub(crate) fn set_access(target: &Target, grant: &Grant) -> Command {
    create_s3_user(target, "--update").with(&grant.as_options())
}

/// Deletes a user and its folder.
pub(crate) fn delete_user_and_folder(bucket: &BucketName, user: &str) -> Command {
    Command::new(&["delete_s3_user", "-b", bucket.as_str(), "-u", user])
}

/// Deletes users and their folders.
#[cfg(feature = "cli")]
pub(crate) fn delete_users(bucket: &BucketName, users: &[UserName]) -> Command {
    let delete = Command::new(&["delete_s3_user", "-b", bucket.as_str()]);
    delete.with(&options_for(users).words)
}

/// The options that name users, for a command with others that the admin knows.
#[cfg(feature = "cli")]
pub(crate) fn options_for<'a>(users: impl IntoIterator<Item = &'a UserName>) -> Command {
    let words: Vec<_> = users.into_iter().flat_map(|user| ["-u", user.as_str()]).collect();
    Command::local(&words)
}

/// Deletes a user and leaves the folder as it is.
pub(crate) fn delete_user(bucket: &BucketName, user: &str) -> Command {
    delete_user_and_folder(bucket, user).with(&["--keep-objects"])
}

/// Deletes a user, but not its folder, and moves files out of the way of a new one.
pub(crate) fn start_over(target: &Target, existing: &[impl AsRef<Path>]) -> Command {
    let delete = delete_user(&target.bucket, target.user.as_str());
    existing.iter().fold(delete, |command, file| command.and_then(move_away(file.as_ref())))
}

/// Gives a file another name.
pub(crate) fn move_away(file: &Path) -> Command {
    let path = file.to_string_lossy();
    Command::local(os::MOVE).with(&[&*path, &format!("{path}.old")])
}

/// Shows whose credentials are in use.
pub(crate) fn caller_identity() -> Command {
    Command::new(&["aws", "sts", "get-caller-identity"])
}

/// Asks for an MFA code and puts the credentials that it is good for into the environment.
pub(crate) fn export_credentials() -> Command {
    let (format, around) = os::VARIABLES;
    let words = ["aws", "configure", "export-credentials", "--format", format];
    Command { around, ..Command::new(&words) }
}

fn aws_iam(operation: &str, user: &str) -> Command {
    Command::new(&["aws", "iam", operation, "--user-name", user])
}

fn aws_s3api(operation: &str, bucket: &BucketName) -> Command {
    Command::new(&["aws", "s3api", operation, "--bucket", bucket.as_str()])
}

/// Lists a user's access keys.
pub(crate) fn list_access_keys(user: &str) -> Command {
    aws_iam("list-access-keys", user)
}

/// Deletes an access key.
pub(crate) fn delete_access_key(user: &str, id: &str) -> Command {
    aws_iam("delete-access-key", user).with(&["--access-key-id", id])
}

/// Makes an access key inactive.
pub(crate) fn suspend_access_key(user: &str, id: &str) -> Command {
    aws_iam("update-access-key", user).with(&["--access-key-id", id, "--status", "Inactive"])
}

/// Tags a user as ours for the bucket.
pub(crate) fn tag_user(target: &Target) -> Command {
    let tag = format!("Key=s3-user:bucket,Value={}", target.bucket);
    aws_iam("tag-user", target.user.as_str()).with(&["--tags", &tag])
}

/// Gives a user the IAM path that names the folder.
pub(crate) fn set_path(target: &Target) -> Option<Command> {
    let path = folder_path(&target.bucket, target.prefix())?;
    Some(aws_iam("update-user", target.user.as_str()).with(&["--new-path", &path]))
}

/// Tags a user with the folder that is named after it.
pub(crate) fn tag_folder(target: &Target) -> Command {
    let tag = format!("Key=s3-user:folder,Value={}", folder_text(target.prefix()));
    aws_iam("tag-user", target.user.as_str()).with(&["--tags", &tag])
}

/// Deletes a managed policy.
pub(crate) fn delete_policy(arn: &str) -> Command {
    Command::new(&["aws", "iam", "delete-policy", "--policy-arn", arn])
}

/// Has a bucket refuse ACLs and policies that make objects public, as new buckets of AWS do.
pub(crate) fn block_public_acls(bucket: &BucketName) -> Command {
    let settings = "BlockPublicAcls=true,IgnorePublicAcls=true,\
                    BlockPublicPolicy=true,RestrictPublicBuckets=true";
    aws_s3api("put-public-access-block", bucket)
        .with(&["--public-access-block-configuration", settings])
}

/// The option that makes a user within the permissions boundary, as
/// `permissions/delegate.json` allows it.
pub(crate) fn as_delegate() -> Command {
    Command::local(&["--delegate"])
}

/// Makes a directory for key files.
pub(crate) fn make_directory(dir: &Path) -> Command {
    Command::local(os::MAKE_DIRECTORY).with(&[dir.to_string_lossy()])
}

/// Removes what a run left. Where the `user` is left too, deleting it takes all that
/// hangs on it along.
pub(crate) fn clean_up(left: &Leftover, target: &Target, user_is_left: bool) -> Command {
    let bucket = &target.bucket;
    let user = target.user.as_str();
    match left {
        Leftover::Removable(Removal::Object { url, .. }) => Command::new(&["aws", "s3", "rm", url]),
        Leftover::Upload { key, id: Some(id) } => {
            aws_s3api("abort-multipart-upload", bucket).with(&["--key", key, "--upload-id", id])
        }
        Leftover::Upload { key, id: None } => {
            aws_s3api("list-multipart-uploads", bucket).with(&["--prefix", key])
        }
        Leftover::Removable(Removal::Detachment(policy)) => {
            aws_iam("attach-user-policy", user).with(&["--policy-arn", &policy.arn])
        }
        _ if user_is_left => delete_user(bucket, user),
        Leftover::Removable(removal) => match removal {
            Removal::Attachment(policy) => {
                aws_iam("detach-user-policy", user).with(&["--policy-arn", &policy.arn])
            }
            Removal::AccessKey(id) => delete_access_key(user, id),
            Removal::Policy(policy) => delete_policy(&policy.arn),
            _ => delete_user(bucket, user),
        },
        Leftover::UnclearKey { id, .. } => delete_access_key(user, id),
        Leftover::ActiveKey(id) => suspend_access_key(user, id),
        Leftover::LateKey => list_access_keys(user),
        Leftover::UnclearPolicy { policy, .. } => delete_policy(&policy.arn),
        // It refuses a user that another run has given a policy or key.
        Leftover::UnclearUser(user) => aws_iam("delete-user", user),
    }
}
