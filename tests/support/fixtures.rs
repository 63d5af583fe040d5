//! Worlds that many tests start in.

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
    let files = [
        "alex/2026/may.csv",
        "alex/report.pdf",
        "alexander/plans.pdf",
        "jaime/photo.jpg",
    ];
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
