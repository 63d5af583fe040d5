//! The two examples on the first page of the library, run on the local AWS.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use s3_user::{Aws, CancellationToken, Error, Run, Target, create, delete};

use crate::support::{ALLOW_ALL, Fault, LocalAws, aws_of_the_examples, is_gone, keys_of};

async fn create_alex(config: SdkConfig, keys: &str) -> anyhow::Result<()> {
    let aws = Aws::from_sdk_config(&config).await?;
    let target = Target::new("shared-files".parse()?, "alex".parse()?);
    let cancel = CancellationToken::new();
    let run = Run::new(aws, target, cancel, |step| eprintln!("{step}"));
    let plan = create::plan(&run, &create::CreateOptions::new(keys)).await?;
    let created = create::apply(&plan).await?;
    assert_eq!(created.target.prefix().as_str(), "alex/");
    Ok(())
}

async fn delete_alex(config: SdkConfig) -> anyhow::Result<()> {
    let aws = Aws::from_sdk_config(&config).await?;
    let target = Target::new("shared-files".parse()?, "alex".parse()?);
    let run = Run::new(aws, target, CancellationToken::new(), |_| {});
    let plan = delete::plan(&run, &delete::DeleteOptions::default()).await?;
    for step in &plan.preview.steps {
        eprintln!("will {step}");
    }
    match delete::apply(&plan).await {
        Ok(deleted) => eprintln!("deleted {}", deleted.folder),
        Err(failed) => eprintln!("{failed}, {:?}", failed.state),
    }
    Ok(())
}

fn config(aws: &LocalAws) -> SdkConfig {
    let (id, secret) = &aws.admin;
    let key = Credentials::new(id, secret, None, None, "admin");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&aws.url)
        .http_client(aws.http.clone())
        .credentials_provider(SharedCredentialsProvider::new(key))
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_first_page_work() {
    let aws = aws_of_the_examples().await;
    let keys = tempfile::tempdir().unwrap();
    create_alex(config(&aws), keys.path().to_str().unwrap()).await.unwrap();
    assert_eq!(keys_of(&aws, "alex").len(), 1);
    assert!(keys.path().join("alex_accessKeys.csv").exists());
    delete_alex(config(&aws)).await.unwrap();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_can_tell_why_a_workflow_failed() {
    let aws = aws_of_the_examples().await;
    let keys = tempfile::tempdir().unwrap();
    create_alex(config(&aws), keys.path().to_str().unwrap()).await.unwrap();
    let clients = Aws::from_sdk_config(&config(&aws)).await.unwrap();
    let run = |bucket: &str, user: &str| {
        let target = Target::new(bucket.parse().unwrap(), user.parse().unwrap());
        Run::new(clients.clone(), target, CancellationToken::new(), |_| {})
    };
    let options = create::CreateOptions::new(keys.path());
    let planned = create::plan(&run("shared-files", "alex"), &options).await;
    let exists = planned.err().unwrap();
    assert!(matches!(exists, Error::AlreadyExists(_)), "{exists:?}");
    assert!(!exists.to_string().contains("--") && !exists.hints().is_empty(), "{exists}");
    let planned = delete::plan(&run("shared-files", "nobody"), &Default::default()).await;
    assert!(matches!(planned.err(), Some(Error::NoSuchUser(_))));
    let planned = create::plan(&run("not-there", "kim"), &options).await;
    assert!(matches!(planned.err(), Some(Error::NoSuchBucket(_))));
    aws.add_bucket("short-lived", &[]).await;
    let short_lived = run("short-lived", "kim");
    create::apply(&create::plan(&short_lived, &options).await.unwrap()).await.unwrap();
    aws.s3_client().delete_bucket().bucket("short-lived").send().await.unwrap();
    let planned = delete::plan(&short_lived, &Default::default()).await;
    assert!(matches!(planned.err(), Some(Error::NoSuchBucket(_))));
    aws.add_user("zoe", ALLOW_ALL).await;
    let planned = delete::plan(&run("shared-files", "zoe"), &Default::default()).await;
    assert!(matches!(planned.err(), Some(Error::NotOurs(_))));
    aws.faults.once("GetUser", Fault::DENIED);
    let planned = create::plan(&run("shared-files", "lee"), &options).await;
    let refused = planned.err().unwrap();
    assert!(matches!(refused, Error::Call(_)), "{refused:?}");
    assert_eq!(refused.call().unwrap().code(), Some("AccessDenied"));
}

#[test]
fn examples_of_the_first_page_are_the_ones_that_run() {
    let here = without_spaces(include_str!("library.rs"));
    let page = include_str!("../src/lib.rs");
    let blocks: Vec<_> = page.split("//! ```no_run\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let code = block.split("//! ```\n").next().unwrap();
        let lines = code.lines().map(|line| line.trim_start_matches("//!").trim());
        let shown: String =
            lines.filter(|line| !line.starts_with('#') && !line.starts_with("use ")).collect();
        let body = without_spaces(&shown.replace("\"keys\"", "keys"));
        assert!(here.contains(&body), "not here: {shown}");
    }
}

fn without_spaces(code: &str) -> String {
    code.replace(char::is_whitespace, "").replace(",}", "}")
}
