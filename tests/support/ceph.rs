//! The Ceph of `.ci/ceph`, whose state the AWS CLI tells.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Run, Sandbox};

/// The root users of its two accounts, with the secrets of their access keys.
const ACME: (&str, &str) = ("acmeroot", "acmerootsecret");
const OTHER: (&str, &str) = ("otherroot", "otherrootsecret");

/// How long a test waits for what it has to observe.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bucket of a test's own on Ceph, and its admin: an account's root user, who
/// gives the programs that key and an endpoint, and nothing else.
///
/// What a test that fails leaves is only in the memory of Ceph, under random names.
pub struct Ceph {
    pub sandbox: Sandbox,
    pub endpoint: String,
    pub bucket: String,
    random: String,
}

impl Ceph {
    /// One whose bucket is as Ceph makes buckets.
    pub async fn new() -> Self {
        let ceph = Self::with_key(ACME);
        ceph.s3api("create-bucket").await.succeeded();
        ceph
    }

    /// One whose bucket refuses public ACLs, as AWS's buckets do by default.
    pub async fn without_public_acls() -> Self {
        let ceph = Self::new().await;
        let block = "--public-access-block-configuration BlockPublicAcls=true";
        let put = format!("put-public-access-block {block}");
        ceph.s3api(&put).await.succeeded();
        ceph
    }

    /// One of another account.
    pub async fn of_another_account() -> Self {
        let ceph = Self::with_key(OTHER);
        ceph.s3api("create-bucket").await.succeeded();
        ceph
    }

    /// One of the first account, with a bucket that isn't its own.
    pub fn with_bucket_of(owner: &Self) -> Self {
        Self { bucket: owner.bucket.clone(), ..Self::with_key(ACME) }
    }

    fn with_key((id, secret): (&str, &str)) -> Self {
        let endpoint = std::env::var("S3_USER_TEST_CEPH");
        let endpoint = endpoint.expect("S3_USER_TEST_CEPH is what `.ci/ceph start` prints");
        let random = format!("{:08x}", fastrand::u32(..));
        Self {
            sandbox: Sandbox::with_key("", &(id.to_owned(), secret.to_owned()))
                .set("AWS_ENDPOINT_URL", None)
                .set("AWS_REGION", None),
            endpoint,
            bucket: format!("shared-{random}"),
            random,
        }
    }

    /// The name of a user of this test alone.
    pub fn user(&self, name: &str) -> String {
        format!("{}-{name}", self.random)
    }

    /// The options that a run against this bucket always has.
    pub fn place(&self) -> [&str; 4] {
        ["--endpoint-url", &self.endpoint, "-b", &self.bucket]
    }

    /// Runs `create_s3_user -u USER` with further arguments.
    pub async fn create(&self, user: &str, args: &[&str]) -> Run {
        let args = [&self.place(), ["-u", user].as_slice(), args].concat();
        self.sandbox.run("create_s3_user", &args).await
    }

    /// Runs `delete_s3_user -u USER` with further arguments.
    pub async fn delete(&self, user: &str, args: &[&str]) -> Run {
        let args = [&self.place(), ["-u", user].as_slice(), args].concat();
        self.sandbox.run("delete_s3_user", &args).await
    }

    /// Runs one of the programs under another clock, which is off by this much.
    pub async fn run_with_clock(&self, offset: &str, program: &str, args: &[&str]) -> Run {
        let words = [&self.place(), args].concat();
        let words = shlex::try_join(words).expect("no NUL in arguments");
        let script = format!("exec faketime --exclude-monotonic -f {offset} \"$0\" {words}");
        self.sandbox.run_script(&script, program).await
    }

    /// Runs the AWS CLI as the admin.
    pub async fn aws(&self, args: &[&str]) -> Run {
        let mut aws = self.sandbox.command("aws");
        aws.env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .args(["--endpoint-url", &self.endpoint, "--output", "json"]);
        let output = aws.args(args).output().await;
        Run::from(output.expect("the AWS CLI is on PATH"))
    }

    /// Runs `aws s3api` with a call about the bucket.
    pub async fn s3api(&self, call: &str) -> Run {
        let words = call.split_whitespace().collect::<Vec<_>>();
        self.aws(&[&["s3api"], &words[..], &["--bucket", &self.bucket]].concat()).await
    }

    /// Runs `aws iam` with a call about a user.
    pub async fn iam(&self, call: &str, user: &str) -> Run {
        let words = call.split_whitespace().collect::<Vec<_>>();
        self.aws(&[&["iam"], &words[..], &["--user-name", user]].concat()).await
    }

    /// Uploads an object under each of the keys.
    pub async fn put(&self, keys: &[&str]) {
        std::fs::write(self.sandbox.path().join("home/content"), "content").expect("it's ours");
        for key in keys {
            let object = ["--bucket", &self.bucket, "--key", key];
            let put = ["s3api", "put-object", "--body", "home/content"];
            self.aws(&[&put[..], &object].concat()).await.succeeded();
        }
    }

    /// The keys of the bucket's objects, in order.
    pub async fn keys(&self) -> Vec<String> {
        let list = self.s3api("list-objects-v2").await.succeeded();
        let list = answer(&list)["Contents"].take();
        let keys = list.as_array().into_iter().flatten();
        keys.map(|object| text(&object["Key"])).collect()
    }

    /// The user's access keys and whether each is Active or Inactive, in order.
    pub async fn access_keys(&self, user: &str) -> Vec<(String, String)> {
        let list = self.iam("list-access-keys", user).await.succeeded();
        let list = answer(&list)["AccessKeyMetadata"].take();
        let keys = list.as_array().into_iter().flatten();
        let mut keys: Vec<_> =
            keys.map(|key| (text(&key["AccessKeyId"]), text(&key["Status"]))).collect();
        keys.sort();
        keys
    }

    /// The document of the policy with this name, the only one that the user has.
    pub async fn policy(&self, user: &str, name: &str) -> Value {
        let names = self.iam("list-user-policies", user).await.succeeded();
        assert_eq!(answer(&names)["PolicyNames"], json!([name]));
        let get = format!("get-user-policy --policy-name {name}");
        let policy = self.iam(&get, user).await.succeeded();
        answer(&policy)["PolicyDocument"].take()
    }

    /// Whether there is no such user.
    pub async fn is_gone(&self, user: &str) -> bool {
        let get = self.iam("get-user", user).await;
        let is_gone = get.stderr.contains("(NoSuchEntity)");
        assert!(is_gone || get.code == Some(0), "{get:?}");
        is_gone
    }

    /// The names of all users of this test, in order.
    pub async fn users(&self) -> Vec<String> {
        let list = self.aws(&["iam", "list-users"]).await.succeeded();
        let list = answer(&list)["Users"].take();
        let names = list.as_array().into_iter().flatten();
        let names = names.map(|user| text(&user["UserName"]));
        let mut names: Vec<_> = names.filter(|name| name.starts_with(&self.random)).collect();
        names.sort();
        names
    }

    /// Whoever got the user's kit, and has no other settings.
    pub fn person<'a>(&'a self, user: &'a str) -> Person<'a> {
        Person { ceph: self, user }
    }

    /// Asserts that no user is left, and deletes the bucket with what others have in it.
    pub async fn clear(self) {
        assert_eq!(self.users().await, [""; 0]);
        let url = format!("s3://{}", self.bucket);
        self.aws(&["s3", "rb", "--force", &url]).await.succeeded();
    }
}

/// Somebody outside, with the AWS CLI and rclone and the files of a kit.
pub struct Person<'a> {
    ceph: &'a Ceph,
    user: &'a str,
}

impl Person<'_> {
    async fn run(&self, program: &str, args: &str) -> Run {
        let mut client = Command::new(program);
        client
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.ceph.sandbox.path())
            .env("AWS_CONFIG_FILE", "aws-config")
            .env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials")
            .env("AWS_PROFILE", self.user)
            .current_dir(self.ceph.sandbox.path().join(format!("{}_kit", self.user)));
        let output = client.args(args.split_whitespace()).output().await;
        Run::from(output.expect("the AWS CLI and rclone are on PATH"))
    }

    /// Runs `aws s3`, with a path of the bucket in place of each `:`.
    pub async fn aws(&self, args: &str) -> Run {
        let place = format!("s3://{}/", self.ceph.bucket);
        self.run("aws", &format!("s3 {}", args.replace(':', &place))).await
    }

    /// Runs rclone, with a path of the bucket in place of each `:`.
    pub async fn rclone(&self, args: &str) -> Run {
        let place = format!("{}:{}/", self.user, self.ceph.bucket);
        let args = args.replace(':', &place);
        self.run("rclone", &format!("--config rclone.conf --retries 1 {args}")).await
    }

    /// Whether the folder, in which is something, can be listed now.
    pub async fn gets_in(&self) -> bool {
        let list = self.rclone(&format!("lsf :{}/", self.user)).await;
        assert!(list.code == Some(0) || is_refused(&list), "{list:?}");
        list.code == Some(0)
    }
}

/// Whether a client was refused for want of a permission.
///
/// Ceph's refusals have an empty message, which breaks the words of `aws s3`.
pub fn is_refused(run: &Run) -> bool {
    let refusals = ["AccessDenied", "Forbidden", "403", "'NoneType'"];
    run.code != Some(0) && refusals.iter().any(|it| run.stderr.contains(it))
}

/// Asks again and again until something holds that takes its time.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What the AWS CLI printed.
pub fn answer(run: &Run) -> Value {
    if run.stdout.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

fn text(value: &Value) -> String {
    value.as_str().expect("the AWS CLI prints strings").to_owned()
}
