//! The whole story by AWS's own APIs alone, so on any store that speaks them.
//!
//! It is told on the local AWS always, and on the store whose endpoint is in
//! `S3_USER_TEST_ENDPOINT` by `cargo test --test suite -- --ignored engine`:
//! with the credentials of the environment, in a bucket of its own that it
//! deletes. `aws` stands for AWS itself.

use aws_config::BehaviorVersion;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::support::{LocalAws, Run, Sandbox};

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
        let is_aws = endpoint == "aws";
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(https);
        // Unlike the local AWS, a real one takes its time to settle.
        let mut sandbox = Sandbox::with_key("", &Default::default()).with_full_pauses();
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ENDPOINT_URL",
        ] {
            sandbox = sandbox.set(name, None);
        }
        let passed_on = |name: &String| name.starts_with("AWS_") || name.ends_with("_proxy");
        for (name, value) in std::env::vars().filter(|(name, _)| passed_on(name) || name == "HOME")
        {
            sandbox = sandbox.set(&name, Some(&value));
        }
        if !is_aws {
            loader = loader.endpoint_url(&endpoint);
            sandbox = sandbox.set("AWS_ENDPOINT_URL", Some(&endpoint));
        }
        let config = loader.load().await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(!is_aws);
        let s3 = aws_sdk_s3::Client::from_conf(s3.build());
        Self::new(aws_sdk_iam::Client::new(&config), s3, sandbox).await
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
        let keys = self
            .iam
            .list_access_keys()
            .user_name(user)
            .send()
            .await
            .unwrap();
        let keys = keys.access_key_metadata.into_iter();
        keys.filter_map(|key| key.access_key_id).collect()
    }

    async fn is_gone(&self, user: &str) -> bool {
        let found = self.iam.get_user().user_name(user).send().await;
        found.is_err_and(|error| error.code() == Some("NoSuchEntity"))
    }

    async fn keys(&self) -> Vec<String> {
        let list = self
            .s3
            .list_objects_v2()
            .bucket(&self.bucket)
            .send()
            .await
            .unwrap();
        let objects = list.contents.unwrap_or_default().into_iter();
        objects.filter_map(|object| object.key).collect()
    }

    async fn end(self) {
        assert_eq!(self.keys().await, [""; 0]);
        self.s3
            .delete_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .unwrap();
    }
}

async fn user_comes_and_goes(engine: Engine, options: &[&str]) {
    let [alex, alexander] = &engine.users;
    let created = [
        options,
        &["--kit", "--make-folder", "--expires", "1d", "--json"],
    ]
    .concat();
    let run = engine.create(alex, &created).await.succeeded();
    let (id, _) = engine.sandbox.key_of(alex);
    assert_eq!(run.json()["access_key_id"], id.as_str());
    assert_eq!(engine.access_keys(alex).await, [id.as_str()]);
    engine.create(alexander, options).await.succeeded();
    engine
        .create(alex, options)
        .await
        .failed_with("exists already for bucket ");

    let run = engine
        .create(alex, &["--update", "--access", "read-write"])
        .await
        .succeeded();
    assert!(run.stderr.contains("access: read -> read-write"), "{run:?}");
    let run = engine
        .create(alex, &["--update", "--access", "read-write"])
        .await
        .succeeded();
    assert!(run.stderr.contains("nothing to change"), "{run:?}");
    engine.create(alex, &["--rotate-key"]).await.succeeded();
    let (new, _) = engine.sandbox.key_in(&format!("{alex}_accessKeys.2.csv"));
    assert_eq!(engine.access_keys(alex).await, [new]);

    engine.delete(&["-u", alex]).await.succeeded();
    assert!(engine.is_gone(alex).await && !engine.is_gone(alexander).await);
    let left = engine.keys().await;
    assert!(
        left.len() == 2 && left.iter().all(|key| key.starts_with(alexander)),
        "{left:?}"
    );
    engine
        .delete(&["-u", alex])
        .await
        .failed_with("there is no user");
    engine
        .delete(&["-u", alexander, "--all-versions"])
        .await
        .succeeded();
    assert!(engine.is_gone(alexander).await);
    engine.end().await;
}

async fn several_users_come_and_go(engine: Engine) {
    let [alex, alexander] = &engine.users;
    let run = engine
        .create(alex, &["-u", alexander, "--json"])
        .await
        .succeeded();
    assert_eq!(run.stdout.lines().count(), 2);
    let mut expected = Vec::new();
    for user in [alex, alexander] {
        expected.push((user.clone(), engine.access_keys(user).await));
    }
    assert_eq!(engine.list().await, expected);
    engine.delete(&["--expired"]).await.succeeded();
    assert_eq!(engine.list().await, expected);
    engine
        .delete(&["-u", alex, "-u", alexander])
        .await
        .succeeded();
    assert!(engine.is_gone(alex).await && engine.is_gone(alexander).await);
    assert_eq!(engine.list().await, []);
    engine.end().await;
}

#[tokio::test]
async fn local_user_comes_and_goes() {
    user_comes_and_goes(Engine::local().await, &[]).await;
    user_comes_and_goes(Engine::local().await, &["--inline-policy"]).await;
}

#[tokio::test]
async fn several_local_users_come_and_go() {
    several_users_come_and_go(Engine::local().await).await;
}

#[tokio::test]
#[ignore = "needs a store in S3_USER_TEST_ENDPOINT"]
async fn user_comes_and_goes_elsewhere() {
    user_comes_and_goes(Engine::named().await, &[]).await;
    user_comes_and_goes(Engine::named().await, &["--inline-policy"]).await;
}

#[tokio::test]
#[ignore = "needs a store in S3_USER_TEST_ENDPOINT"]
async fn several_users_come_and_go_elsewhere() {
    several_users_come_and_go(Engine::named().await).await;
}
