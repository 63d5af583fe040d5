//! The files in the directory `permissions` in other partitions than `aws`, filled
//! in as docs/permissions.md says.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::LocalAws;

const PAGE: &str = include_str!("../docs/permissions.md");

const FILES: [&str; 5] = ["create_s3_user", "delete_s3_user", "list", "boundary", "delegate"];

const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"];

/// Those of them that the local AWS knows.
const KNOWN: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// All files as the commands of the page fill them in, in the order of [`FILES`].
fn filled_in(partition: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let permissions = Path::new(env!("CARGO_MANIFEST_DIR")).join("permissions");
    symlink(permissions, dir.path().join("permissions")).unwrap();
    let commands = PAGE.lines().map(str::trim);
    let commands: Vec<_> = commands.filter(|line| line.starts_with("sed ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for file in ["create_s3_user", "delete_s3_user", "list"] {
        for command in &commands {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(dir.path());
            let shell = shell.env("file", file).env("bucket", "shared");
            let status = shell.env("partition", partition).status().unwrap();
            assert!(status.success(), "{command}");
        }
    }
    let read = |file| std::fs::read_to_string(dir.path().join(format!("{file}.json"))).unwrap();
    FILES.map(read).to_vec()
}

/// Every text in a policy.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn files_are_those_of_their_partition_and_accepted() {
    let aws = LocalAws::start().await;
    let of_aws = filled_in("aws");
    for partition in PARTITIONS {
        let filled = filled_in(partition);
        for (file, (text, of_aws)) in FILES.iter().zip(filled.iter().zip(&of_aws)) {
            let what = format!("{file} in {partition}");
            let policy: Value = serde_json::from_str(text).expect(&what);
            let arns = texts(&policy).into_iter();
            let arns: Vec<_> = arns.filter(|text| text.starts_with("arn:")).collect();
            assert!(arns.len() >= 2, "{what}");
            let own = format!("arn:{partition}:");
            for arn in &arns {
                assert!(arn.starts_with(&own), "{what}: {arn}");
            }
            assert!(!text.contains("shared-files"), "{what}");
            // The other tests run with these, and show that they are enough.
            assert_eq!(&text.replace(&own, "arn:aws:"), of_aws, "{what}");
            let counted = text.chars().filter(|c| !c.is_whitespace()).count();
            assert!(counted <= 6144, "{what} has {counted} characters");
            if KNOWN.contains(&partition) {
                let create = aws.iam_client().create_policy();
                let create = create.policy_name(format!("{file}-{partition}"));
                create.policy_document(text).send().await.expect(&what);
            }
        }
    }
}

/// Those who fill them in with an editor or a `sed` of their own, line by line,
/// can't overlook an ARN.
#[test]
fn each_line_of_a_file_has_one_arn_at_most() {
    for file in FILES {
        let path = format!("{}/permissions/{file}.json", env!("CARGO_MANIFEST_DIR"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            assert!(line.matches("arn:").count() <= 1, "{file}: {line}");
            assert!(line.matches("shared-files").count() <= 1, "{file}: {line}");
        }
    }
}
