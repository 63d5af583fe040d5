//! Commands that messages name for the admin to run.

use std::path::Path;

use crate::access::{BucketName, Grant, Target};
use crate::aws::Connection;
use crate::step::Step;

/// The commands for one target, with the connection options of this run.
#[derive(Debug, Clone, Default)]
pub(super) struct ShellCommands {
    options: Vec<String>,
}

impl ShellCommands {
    pub fn new(connection: &Connection) -> Self {
        let options = [
            ("--profile", &connection.profile),
            ("--region", &connection.region),
            ("--endpoint-url", &connection.endpoint_url),
        ];
        let given = options.into_iter().filter_map(|(option, value)| {
            let value = value.as_ref()?;
            Some([option.to_owned(), value.clone()])
        });
        Self { options: given.flatten().collect() }
    }

    /// A command with the connection options, each word as a shell reads it.
    fn command(&self, words: &[&str]) -> String {
        let options = self.options.iter().map(String::as_str);
        quoted(words.iter().copied().chain(options))
    }

    /// A command of create_s3_user for an existing user.
    pub fn create(&self, option: &str, target: &Target) -> String {
        let (bucket, user) = (target.bucket.as_str(), target.user.as_str());
        self.command(&["create_s3_user", "-b", bucket, "-u", user, option])
    }

    /// The command that lists the users of a bucket.
    pub fn list(&self, bucket: &BucketName) -> String {
        self.command(&["create_s3_user", "-b", bucket.as_str(), "--list"])
    }

    /// The command that gives an existing user just this access.
    pub fn set_access(&self, grant: &Grant, target: &Target) -> String {
        let (bucket, user) = (target.bucket.as_str(), target.user.as_str());
        let update = ["create_s3_user", "-b", bucket, "-u", user, "--update"];
        let access = grant.as_options();
        let access: Vec<_> = access.iter().map(String::as_str).collect();
        self.command(&[&update[..], &access].concat())
    }

    /// The command that deletes a user and its folder.
    pub fn delete(&self, bucket: &BucketName, user: &str) -> String {
        self.command(&["delete_s3_user", "-b", bucket.as_str(), "-u", user])
    }

    /// The command that deletes a user and leaves the folder as it is.
    pub fn delete_user(&self, bucket: &BucketName, user: &str) -> String {
        let bucket = bucket.as_str();
        self.command(&["delete_s3_user", "-b", bucket, "-u", user, "--keep-objects"])
    }

    /// The command that shows whose credentials are in use.
    pub fn identity(&self) -> String {
        self.command(&["aws", "sts", "get-caller-identity"])
    }

    /// The command that asks for an MFA code and puts the credentials it is good for
    /// into the environment.
    pub fn export_credentials(&self) -> String {
        let export = ["aws", "configure", "export-credentials", "--format", "env"];
        format!("eval \"$({})\"", self.command(&export))
    }

    /// The command that lists a user's access keys.
    pub fn list_keys(&self, user: &str) -> String {
        self.command(&["aws", "iam", "list-access-keys", "--user-name", user])
    }

    /// The command that deletes an access key.
    pub fn delete_key(&self, id: &str, user: &str) -> String {
        let aws = ["aws", "iam", "delete-access-key", "--user-name", user];
        self.command(&[&aws[..], &["--access-key-id", id]].concat())
    }

    /// The command that tags a user as ours.
    pub fn tag_user(&self, target: &Target) -> String {
        let tag = format!("Key=s3-user:bucket,Value={}", target.bucket);
        let aws = ["aws", "iam", "tag-user", "--user-name", target.user.as_str()];
        self.command(&[&aws[..], &["--tags", &tag]].concat())
    }

    /// The command that makes an access key inactive.
    pub fn suspend_key(&self, id: &str, user: &str) -> String {
        let aws = ["aws", "iam", "update-access-key", "--user-name", user];
        let inactive = ["--access-key-id", id, "--status", "Inactive"];
        self.command(&[&aws[..], &inactive].concat())
    }

    /// The command that has a bucket refuse ACLs and policies that make objects public, as
    /// new buckets of AWS do.
    pub fn block_public_acls(&self, bucket: &BucketName) -> String {
        let settings = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true";
        let put = ["aws", "s3api", "put-public-access-block", "--bucket", bucket.as_str()];
        let settings = ["--public-access-block-configuration", settings];
        self.command(&[&put[..], &settings].concat())
    }

    /// The command that deletes a managed policy.
    pub fn delete_policy(&self, arn: &str) -> String {
        self.command(&["aws", "iam", "delete-policy", "--policy-arn", arn])
    }

    /// The command that takes a step of undoing that failed. Where the user is
    /// left too, deleting it takes all that hangs on it along.
    pub fn undo(&self, step: &Step, target: &Target, user_is_left: bool) -> String {
        let (bucket, user) = (&target.bucket, target.user.as_str());
        match step {
            Step::DeleteObject { url, .. } => self.command(&["aws", "s3", "rm", url]),
            Step::AbortUpload { key, id } => {
                let bucket = bucket.as_str();
                let of_key = |command| ["aws", "s3api", command, "--bucket", bucket];
                match id {
                    Some(id) => {
                        let of_upload = ["--key", key, "--upload-id", id];
                        self.command(&[&of_key("abort-multipart-upload")[..], &of_upload].concat())
                    }
                    None => {
                        let list = of_key("list-multipart-uploads");
                        self.command(&[&list[..], &["--prefix", key]].concat())
                    }
                }
            }
            Step::ReattachPolicy(policy) => {
                let aws = ["aws", "iam", "attach-user-policy", "--user-name", user];
                self.command(&[&aws[..], &["--policy-arn", &policy.arn]].concat())
            }
            _ if user_is_left => self.delete_user(bucket, user),
            Step::DetachPolicy(policy) => {
                let aws = ["aws", "iam", "detach-user-policy", "--user-name", user];
                self.command(&[&aws[..], &["--policy-arn", &policy.arn]].concat())
            }
            Step::DeleteAccessKey(id) | Step::DeleteUnclearKey { id, .. } => {
                self.delete_key(id, user)
            }
            Step::SuspendKey(id) => self.suspend_key(id, user),
            Step::DeleteLateKey => self.list_keys(user),
            Step::DeletePolicy(policy) | Step::DeleteUnclearPolicy { policy, .. } => {
                self.delete_policy(&policy.arn)
            }
            // It refuses a user that another run has given a policy or key.
            Step::DeleteUnclearUser(user) => {
                self.command(&["aws", "iam", "delete-user", "--user-name", user])
            }
            _ => self.delete_user(bucket, user),
        }
    }
}

/// The options that make a user within a permissions boundary, as
/// `permissions/delegate.json` allows it.
pub(super) fn within_boundary(boundary: &str, bucket: &BucketName) -> String {
    let path = format!("/s3-user/{bucket}/");
    let within = ["--inline-policy", "--path", &path];
    quoted([&within[..], &["--permissions-boundary", boundary]].concat())
}

/// The command that makes a directory for key files.
pub(super) fn make_directory(dir: &Path) -> String {
    quoted(["mkdir", "-p", "-m", "700", &dir.to_string_lossy()])
}

/// The command that moves a file out of the way.
pub(super) fn move_away(path: &Path) -> String {
    let path = path.to_string_lossy();
    quoted(["mv", "-n", "--", &path, &format!("{path}.old")])
}

/// Words as a shell reads them; no argument of a program can have the one
/// character, NUL, that a shell can't be given.
fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    shlex::try_join(words).unwrap_or_default()
}
