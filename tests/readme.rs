//! The README's commands, from "On AWS" up to "Large folders", and those of
//! docs/large-folders.md, as they stand.

use std::collections::BTreeSet;
use std::ffi::OsString;

use aws_sdk_s3::types::ExpirationStatus;

use crate::support::{HANGING, LocalAws, Run, Sandbox, aws_of_the_examples, binary};

/// Commands that can't be run here, each known by a part of it, and why.
const SKIPPED: [(&str, &str); 3] = [
    ("cargo install", "it compiles the programs once more"),
    (
        "gpg --encrypt -r me@example.com -o",
        "gpg needs a public key",
    ),
    ("| gpg --encrypt", "gpg needs a public key"),
];

/// What the script for every night says of itself.
const NIGHTLY: &str = "Deletes the users of one bucket whose access has ended.";

/// A customer file as a spreadsheet on Windows may write it.
const CUSTOMERS: &str = "name,days,contact\r\ngus,90,gus@example.com\r\n\r\nhal,30";

/// The blocks of commands, in order.
fn blocks() -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    let (_, from) = readme.split_once("\n## On AWS\n").unwrap();
    let (part, _) = from.split_once("\n## Large folders\n").unwrap();
    blocks_of(part, "sh")
}

/// The blocks of one language.
fn blocks_of(text: &'static str, language: &str) -> Vec<&'static str> {
    let start = format!("\n```{language}\n");
    let blocks = text.split(&start).skip(1);
    blocks
        .map(|block| block.split("\n```").next().unwrap())
        .collect()
}

/// The one block that holds these words.
fn block_with(words: &str) -> &'static str {
    let found = blocks().into_iter().filter(|block| block.contains(words));
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 1, "{words:?} is in {found:?}");
    found[0]
}

/// An admin's shell in a directory with what the README takes for granted.
fn shell_of_an_admin(aws: &LocalAws) -> Sandbox {
    let sandbox = Sandbox::new(aws);
    let mut path = vec![binary("").to_owned()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let path: OsString = std::env::join_paths(path).unwrap();
    let permissions = sandbox.path().join("permissions");
    std::fs::create_dir(&permissions).unwrap();
    for program in ["create_s3_user.json", "delete_s3_user.json"] {
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/permissions");
        std::fs::copy(format!("{ours}/{program}"), permissions.join(program)).unwrap();
    }
    std::fs::write(sandbox.path().join("report.pdf"), "a report").unwrap();
    std::fs::write(sandbox.path().join("customers.csv"), CUSTOMERS).unwrap();
    sandbox
        .set("PATH", path.to_str())
        .set("AWS_DEFAULT_REGION", Some("us-east-1"))
        .set("NO_PROXY", Some("127.0.0.1"))
}

/// Runs commands as a script of their own.
async fn run(sandbox: &Sandbox, commands: &str) -> Run {
    let mut bash = sandbox.command("bash");
    let output = tokio::time::timeout(HANGING, bash.args(["-c", commands]).output()).await;
    Run::from(output.expect("it hangs").expect("bash is installed"))
}

/// Runs commands up to the first that fails, as somebody does who pastes them
/// one by one; a script as it is.
async fn paste(sandbox: &Sandbox, block: &str) -> Run {
    if block.starts_with("#!") {
        run(sandbox, block).await
    } else {
        run(sandbox, &format!("set -e\n{block}")).await
    }
}

fn users(aws: &LocalAws) -> BTreeSet<String> {
    aws.iam(|iam| iam.users.keys().cloned().collect())
}

/// Has the user's access end in the past, as far as its tag says.
fn end_access(aws: &LocalAws, user: &str) {
    end_by_tag(aws, user);
    aws.change_iam(|iam| {
        let name = format!("s3-access-for-{user}");
        let mut policies = iam.policies.values_mut();
        let policy = policies.find(|policy| policy.policy_name == name).unwrap();
        for version in &mut policy.versions {
            let parts: Vec<_> = version.document.split("CurrentTime\":[\"").collect();
            let (first, rest) = parts.split_first().unwrap();
            let rest = rest.iter().map(|part| format!("2020{}", &part[4..]));
            let parts: Vec<_> = [(*first).to_owned()].into_iter().chain(rest).collect();
            version.document = parts.join("CurrentTime\":[\"");
        }
    });
}

fn end_by_tag(aws: &LocalAws, user: &str) {
    aws.change_iam(|iam| {
        let tags = &mut iam.users.get_mut(user).unwrap().tags;
        let expires = tags.iter_mut().find(|tag| tag.key == "s3-user:expires");
        "2020-01-01T00:00:00Z".clone_into(&mut expires.unwrap().value);
    });
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn readme_commands_work_as_they_stand_and_in_order() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let mut skipped = 0;
    for block in blocks() {
        if SKIPPED.iter().any(|(part, _)| block.contains(part)) {
            skipped += 1;
            continue;
        }
        if block.contains(NIGHTLY) {
            // gus has had the 90 days of the example; hal and lee have theirs.
            end_access(&aws, "gus");
        }
        let run = paste(&sandbox, block).await;
        assert_eq!(run.code, Some(0), "{block}\n{run:?}");
        check_after(&aws, block, &run);
    }
    assert_eq!(skipped, SKIPPED.len());

    let expected = [
        "ada", "admin", "ben", "cleo", "dan", "eva", "finn", "hal", "jaime", "kim", "lee",
    ];
    assert_eq!(users(&aws), expected.map(str::to_owned).into());
    let left = ["alexander/plans.pdf", "jaime/photo.jpg", "kim/report.pdf"];
    assert_eq!(aws.keys("shared-files"), left);
    let keys = |user| aws.iam(|iam| iam.access_keys[user].len());
    assert_eq!(keys("jaime"), 1, "the old key is gone");
    for file in [
        "kim_kit/README.txt",
        "jaime_accessKeys.2.csv",
        "keys/dan_accessKeys.csv",
        "keys/hal_accessKeys.csv",
        "create_s3_user.1",
        "home/.local/share/bash-completion/completions/delete_s3_user",
    ] {
        assert!(sandbox.path().join(file).exists(), "{file}");
    }
    let made = std::fs::read_to_string(sandbox.path().join("made.jsonl")).unwrap();
    assert_eq!(made.lines().count(), 2, "{made}");
}

/// What is to be seen only between two blocks.
fn check_after(aws: &LocalAws, block: &str, run: &Run) {
    if block.starts_with("bucket=shared-files\nadmin=") {
        let attached = aws.iam(|iam| iam.user_policies["admin"].len());
        assert_eq!(attached, 2);
    }
    if block.contains("report.pdf s3://shared-files/alex/") {
        assert!(users(aws).contains("alex"));
        assert_eq!(aws.keys("shared-files")[1], "alex/report.pdf");
    }
    if block.contains("--profile kim") {
        assert!(run.stdout.contains("report.pdf"), "{run:?}");
    }
    if block.contains("no end") {
        assert!(run.stdout.contains("jaime\tno end\n"), "{run:?}");
        assert!(run.stdout.contains("hal\t20"), "{run:?}");
        assert!(!run.stdout.contains("admin"), "{run:?}");
    }
    if block.contains("access_key_id") {
        let id = run.stdout.trim_end();
        aws.iam(|iam| assert_eq!(iam.access_keys["finn"][0].access_key_id, id));
    }
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn readme_scripts_notice_what_fails() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let customers = block_with("customers.csv");
    let file = sandbox.path().join("customers.csv");
    // One whose days are missing, between two that can be made.
    std::fs::write(&file, "name,days\nada,9\nben\nadmin,9\ncleo,9\n").unwrap();
    assert_eq!(run(&sandbox, customers).await.code, Some(1));
    let expected = ["ada", "admin", "cleo"].map(str::to_owned);
    assert_eq!(users(&aws), expected.into());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(run(&sandbox, customers).await.code, Some(1));

    for taken in ["eva", "finn"] {
        let args = ["-b", "shared-files", "-u", taken, "-o", "keys"];
        sandbox.run("create_s3_user", &args).await.succeeded();
        let again = block_with(&format!("-u {taken}"));
        assert_ne!(run(&sandbox, again).await.code, Some(0), "{again}");
    }
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn readme_nightly_job_deletes_none_but_the_ended_of_its_bucket() {
    let aws = aws_of_the_examples().await;
    aws.add_bucket("others", &[]).await;
    let sandbox = shell_of_an_admin(&aws);
    let job = block_with(NIGHTLY);
    for (bucket, user, options) in [
        ("shared-files", "alex", ["--expires", "9d"].as_slice()),
        ("shared-files", "ada", &["--expires", "9d"]),
        ("shared-files", "ben", &[]),
        ("others", "cleo", &["--expires", "9d"]),
    ] {
        let args = [&["-b", bucket, "-u", user], options].concat();
        sandbox.run("create_s3_user", &args).await.succeeded();
    }
    let all = users(&aws);
    run(&sandbox, job).await.succeeded();
    assert_eq!(users(&aws), all, "nobody's access has ended");

    for user in ["alex", "cleo"] {
        end_access(&aws, user);
    }
    // Whose policy still gives access is not deleted, whatever the tag says.
    end_by_tag(&aws, "ada");
    let refused = sandbox.set("AWS_SECRET_ACCESS_KEY", Some("wrong"));
    assert_ne!(run(&refused, job).await.code, Some(0));
    assert_eq!(users(&aws), all);
    let sandbox = refused.set("AWS_SECRET_ACCESS_KEY", Some(&aws.admin.1));
    run(&sandbox, job).await.succeeded();
    let mut left = all;
    left.remove("alex");
    assert_eq!(users(&aws), left);
    let files = ["alexander/plans.pdf", "jaime/photo.jpg"];
    assert_eq!(aws.keys("shared-files"), files);
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn page_about_large_folders_leaves_the_objects_to_a_lifecycle_rule() {
    let page = include_str!("../docs/large-folders.md");
    let (commands, rule) = (blocks_of(page, "sh"), blocks_of(page, "json"));
    assert_eq!((commands.len(), rule.len()), (1, 1), "all are run here");
    let aws = aws_of_the_examples().await;
    aws.put("shared-files", "alex/report.pdf").await;
    let sandbox = shell_of_an_admin(&aws);
    std::fs::write(sandbox.path().join("expire-alex.json"), rule[0]).unwrap();
    let alex = ["-b", "shared-files", "-u", "alex"];
    sandbox.run("create_s3_user", &alex).await.succeeded();
    paste(&sandbox, commands[0]).await.succeeded();

    assert!(!users(&aws).contains("alex"));
    let keys = aws.keys("shared-files");
    assert!(keys.iter().any(|key| key == "alex/report.pdf"), "{keys:?}");
    let s3 = aws.s3_client();
    let get = s3.get_bucket_lifecycle_configuration();
    let answer = get.bucket("shared-files").send().await.unwrap();
    let [rule] = answer.rules() else {
        panic!("{answer:?}");
    };
    let filter = rule.filter().and_then(|filter| filter.prefix());
    assert_eq!(filter, Some("alex/"), "and no other folder");
    assert_eq!(rule.status(), &ExpirationStatus::Enabled);
    let days = rule.expiration().and_then(|expiration| expiration.days());
    assert_eq!(days, Some(1));
}
