//! The whole story by AWS's own APIs alone, so on any store that speaks them.
//!
//! It is told on the local AWS always, and on the store whose endpoint is in
//! `S3_USER_TEST_ENDPOINT` by `cargo test --test suite -- --ignored engine`:
//! with the credentials of the environment, in a bucket of its own that it
//! deletes. `aws` stands for AWS itself. `AWS_ENDPOINT_URL_IAM`, `_S3` and
//! `_STS` name other endpoints, as for the programs.

use std::panic::resume_unwind;
use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::support::{LocalAws, Run, Sandbox};

/// Options of every create run of a story.
type Options = &'static [&'static str];

const MANAGED: Options = &[];
const INLINE: Options = &["--inline-policy"];

/// A store, and what a story is about.
struct Engine {
    iam: aws_sdk_iam::Client,
    s3: aws_sdk_s3::Client,
    sandbox: Sandbox,
    bucket: String,
    /// Two users, whose names begin alike.
    users: [String; 2],
}

impl Engine {
    async fn new(iam: aws_sdk_iam::Client, s3: aws_sdk_s3::Client, sandbox: Sandbox) -> Self {
        let random = format!("{:016x}", fastrand::u64(..));
        let engine = Self {
            iam,
            s3,
            sandbox,
            bucket: format!("s3-user-test-{random}"),
            users: ["alex", "alexander"].map(|name| format!("s3-user-test-{random}-{name}")),
        };
        let bucket = engine.s3.create_bucket().bucket(&engine.bucket);
        bucket.send().await.unwrap();
        for user in &engine.users {
            for file in ["report.txt", "2026/with space+plus%.txt"] {
                let put = engine.s3.put_object().bucket(&engine.bucket);
                let put = put.key(format!("{user}/{file}"));
                put.body(b"content".to_vec().into()).send().await.unwrap();
            }
        }
        engine
    }

    async fn local() -> Self {
        let aws = LocalAws::start().await;
        let sandbox = Sandbox::new(&aws);
        Self::new(aws.iam_client(), aws.s3_client(), sandbox).await
    }

    /// The store that the environment names.
    async fn named() -> Self {
        let endpoint = std::env::var("S3_USER_TEST_ENDPOINT");
        let endpoint = endpoint.expect("S3_USER_TEST_ENDPOINT names a store, or aws");
        let endpoint = Some(endpoint).filter(|endpoint| endpoint != "aws");
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(https);
        // Unlike the local AWS, a real one takes its time to settle.
        let mut sandbox = Sandbox::with_key("", &Default::default()).with_full_pauses();
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ENDPOINT_URL",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        ] {
            sandbox = sandbox.set(name, None);
        }
        let passed_on = |name: &String| {
            let is_passed_on = |start| name.starts_with(start);
            ["AWS_", "SSL_CERT_"].into_iter().any(is_passed_on) || name.ends_with("_proxy")
        };
        for (name, value) in std::env::vars().filter(|(name, _)| passed_on(name) || name == "HOME")
        {
            sandbox = sandbox.set(&name, Some(&value));
        }
        if let Some(endpoint) = &endpoint {
            sandbox = sandbox.set("AWS_ENDPOINT_URL", Some(endpoint));
        }
        let endpoint_of = |service: &str| {
            let of_service = std::env::var(format!("AWS_ENDPOINT_URL_{service}")).ok();
            of_service.or_else(|| endpoint.clone())
        };
        let config = loader.load().await;
        let mut iam = aws_sdk_iam::config::Builder::from(&config);
        let mut s3 = aws_sdk_s3::config::Builder::from(&config);
        if let Some(url) = endpoint_of("IAM") {
            iam = iam.endpoint_url(url);
        }
        if let Some(url) = endpoint_of("S3") {
            s3 = s3.endpoint_url(url).force_path_style(true);
        }
        let iam = aws_sdk_iam::Client::from_conf(iam.build());
        let s3 = aws_sdk_s3::Client::from_conf(s3.build());
        Self::new(iam, s3, sandbox).await
    }

    /// Tells a story, and deletes the bucket however it ends.
    async fn tell<F: Future<Output = ()> + Send + 'static>(
        self,
        story: fn(Arc<Self>, Options) -> F,
        options: Options,
    ) {
        let engine = Arc::new(self);
        let told = tokio::spawn(story(engine.clone(), options)).await;
        if let Err(failed) = told {
            engine.clear().await;
            resume_unwind(failed.into_panic());
        }
        assert_eq!(engine.keys().await, [""; 0]);
        let delete = engine.s3.delete_bucket().bucket(&engine.bucket);
        delete.send().await.unwrap();
    }

    /// Deletes what a story that failed left, as far as that works.
    async fn clear(&self) {
        for user in &self.users {
            self.delete(&["-u", user, "--force"]).await;
        }
        for key in self.keys().await {
            let delete = self.s3.delete_object().bucket(&self.bucket).key(key);
            let _ = delete.send().await;
        }
        let _ = self.s3.delete_bucket().bucket(&self.bucket).send().await;
    }

    async fn create(&self, user: &str, options: &[&str]) -> Run {
        let args = [&["-b", self.bucket.as_str(), "-u", user], options].concat();
        self.sandbox.run("create_s3_user", &args).await
    }

    async fn delete(&self, options: &[&str]) -> Run {
        let args = [&["-b", self.bucket.as_str()], options].concat();
        self.sandbox.run("delete_s3_user", &args).await
    }

    /// Each user of the bucket in a list, with its access keys.
    async fn list(&self) -> Vec<(String, Vec<String>)> {
        let args = ["-b", &self.bucket, "--list", "--json"];
        let run = self.sandbox.run("create_s3_user", &args).await;
        let users = run.succeeded().json_lines().into_iter().map(|user| {
            let keys = user["keys"].as_array().unwrap().iter();
            let keys = keys.map(|key| key["id"].as_str().unwrap().to_owned());
            assert_eq!(user["access"], "read", "{user}");
            (user["user"].as_str().unwrap().to_owned(), keys.collect())
        });
        users.collect()
    }

    /// The keys of the access keys that IAM has for the user.
    async fn access_keys(&self, user: &str) -> Vec<String> {
        let keys = self.iam.list_access_keys().user_name(user).send().await.unwrap();
        let keys = keys.access_key_metadata.into_iter();
        keys.filter_map(|key| key.access_key_id).collect()
    }

    async fn is_gone(&self, user: &str) -> bool {
        let found = self.iam.get_user().user_name(user).send().await;
        found.is_err_and(|error| error.code() == Some("NoSuchEntity"))
    }

    async fn keys(&self) -> Vec<String> {
        let list = self.s3.list_objects_v2().bucket(&self.bucket).send().await.unwrap();
        let objects = list.contents.unwrap_or_default().into_iter();
        objects.filter_map(|object| object.key).collect()
    }
}

async fn user_comes_and_goes(engine: Arc<Engine>, options: Options) {
    let [alex, alexander] = &engine.users;
    let created = [options, &["--kit=dir", "--make-folder", "--expires", "1d", "--json"]].concat();
    let run = engine.create(alex, &created).await.succeeded();
    let (id, _) = engine.sandbox.key_of(alex);
    assert_eq!(run.json()["access_key_id"], id.as_str());
    assert_eq!(engine.access_keys(alex).await, [id.as_str()]);
    engine.create(alexander, options).await.succeeded();
    engine.create(alex, options).await.failed_with("already exists for bucket ");

    let run = engine.create(alex, &["--update", "--access", "read-write"]).await.succeeded();
    assert!(run.stderr.contains("access: read -> read-write"), "{run:?}");
    for says in ["access: read-write -> read", "Nothing to change"] {
        let run = engine.create(alex, &["--update", "--access", "read"]).await;
        let run = run.succeeded();
        assert!(run.stderr.contains(says), "{run:?}");
    }
    engine.create(alex, &["--rotate-key"]).await.succeeded();
    let (new, _) = engine.sandbox.key_in(&format!("{alex}_accessKeys.2.csv"));
    assert_eq!(engine.access_keys(alex).await, [new]);

    engine.delete(&["-u", alex]).await.succeeded();
    assert!(engine.is_gone(alex).await && !engine.is_gone(alexander).await);
    let left = engine.keys().await;
    assert!(left.len() == 2 && left.iter().all(|key| key.starts_with(alexander)), "{left:?}");
    engine.delete(&["-u", alex]).await.failed_with("there is no user");
    engine.delete(&["-u", alexander, "--all-versions"]).await.succeeded();
    assert!(engine.is_gone(alexander).await);
}

async fn several_users_come_and_go(engine: Arc<Engine>, options: Options) {
    let [alex, alexander] = &engine.users;
    let both = [options, &["-u", alexander, "--json"]].concat();
    let run = engine.create(alex, &both).await.succeeded();
    assert_eq!(run.stdout.lines().count(), 2);
    let mut expected = Vec::new();
    for user in [alex, alexander] {
        expected.push((user.clone(), engine.access_keys(user).await));
    }
    assert_eq!(engine.list().await, expected);
    engine.delete(&["--expired"]).await.succeeded();
    assert_eq!(engine.list().await, expected);
    engine.delete(&["-u", alex, "-u", alexander]).await.succeeded();
    assert!(engine.is_gone(alex).await && engine.is_gone(alexander).await);
    assert_eq!(engine.list().await, []);
}

#[tokio::test]
async fn local_users_come_and_go() {
    for options in [MANAGED, INLINE] {
        let engine = Engine::local().await;
        engine.tell(user_comes_and_goes, options).await;
        let engine = Engine::local().await;
        engine.tell(several_users_come_and_go, options).await;
    }
}

async fn fails_halfway(engine: Arc<Engine>, options: Options) {
    engine.create(&engine.users[0], options).await.succeeded();
    panic!("as a story does where the store lacks something");
}

#[tokio::test]
async fn nothing_is_left_of_a_story_that_fails() {
    let engine = Engine::local().await;
    let (iam, s3) = (engine.iam.clone(), engine.s3.clone());
    let user = engine.users[0].clone();
    let told = tokio::spawn(engine.tell(fails_halfway, MANAGED));
    assert!(told.await.unwrap_err().is_panic());
    assert!(iam.get_user().user_name(user).send().await.is_err());
    let buckets = s3.list_buckets().send().await.unwrap().buckets;
    assert!(buckets.unwrap_or_default().is_empty());
}

#[tokio::test]
#[ignore = "needs a store in S3_USER_TEST_ENDPOINT"]
async fn users_with_managed_policies_come_and_go_elsewhere() {
    let engine = Engine::named().await;
    engine.tell(user_comes_and_goes, MANAGED).await;
    let engine = Engine::named().await;
    engine.tell(several_users_come_and_go, MANAGED).await;
}

#[tokio::test]
#[ignore = "needs a store in S3_USER_TEST_ENDPOINT"]
async fn users_with_inline_policies_come_and_go_elsewhere() {
    let engine = Engine::named().await;
    engine.tell(user_comes_and_goes, INLINE).await;
    let engine = Engine::named().await;
    engine.tell(several_users_come_and_go, INLINE).await;
}
