//! Worlds that many tests start in.

use aws_config::BehaviorVersion;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_s3::Client;
use tokio::sync::OnceCell;

use super::{LocalAws, Sandbox};

/// What the bucket `shared` holds besides alex's folder, in order.
pub const FILES_OF_OTHERS: [&str; 2] = ["alexander/secret.txt", "jaime/photo.jpg"];

/// A KMS key of the account and region that the tests are in.
pub const KMS_KEY: &str =
    "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A local AWS with the bucket `shared-files` of the README and the examples,
/// which holds files of several people.
pub async fn aws_of_the_examples() -> LocalAws {
    let aws = LocalAws::start().await;
    let files = ["alex/2026/may.csv", "alex/report.pdf", "alexander/plans.pdf", "jaime/photo.jpg"];
    aws.add_bucket("shared-files", &files).await;
    aws
}

/// A local AWS with the bucket `shared`, which holds folders of several people.
pub async fn aws_with_files() -> LocalAws {
    static PREPARED: OnceCell<LocalAws> = OnceCell::const_new();
    let prepare = async || {
        let aws = LocalAws::start().await;
        let of_alex = ["alex/report.txt", "alex/2026/may.csv"];
        let keys = [of_alex, FILES_OF_OTHERS].concat();
        aws.add_bucket("shared", &keys).await;
        aws
    };
    PREPARED.get_or_init(prepare).await.copy().await
}

/// The same with the user alex, and the directory with alex's key. Nothing
/// counts as called yet.
pub async fn aws_with_alex(options: &[&str]) -> (LocalAws, Sandbox) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", options).await.succeeded();
    aws.faults.forget();
    (aws, sandbox)
}

/// Makes alex, and returns a client with alex's key.
pub async fn client_of_alex(aws: &LocalAws, options: &[&str]) -> Client {
    let sandbox = Sandbox::new(aws);
    sandbox.create("alex", options).await.succeeded();
    aws.s3_client_of(&sandbox.key_of("alex"))
}

/// A client with the settings of a user's kit, and no others.
pub async fn client_of_kit(
    aws: &LocalAws,
    sandbox: &Sandbox,
    user: &str,
    profile: String,
) -> Client {
    let kit = sandbox.path().join(format!("{user}_kit"));
    let files = EnvConfigFiles::builder()
        .with_file(EnvConfigFileKind::Config, kit.join("aws-config"))
        .with_file(EnvConfigFileKind::Credentials, kit.join("aws-credentials"))
        .build();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .profile_files(files)
        .profile_name(profile)
        .http_client(aws.http.clone())
        .load()
        .await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    Client::from_conf(s3.build())
}
