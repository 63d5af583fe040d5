//! The README's commands, from "On AWS" up to "Large folders", and after them
//! those of `docs/day-to-day.md`, as they stand.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::support::{
    ACCOUNT, HANGING, LocalAws, Run, Sandbox, allowed, aws_of_the_examples, binary, set_end,
};

/// Commands that can't be run here, each known by a part of it, and why.
const SKIPPED: [(&str, &str); 3] = [
    ("cargo install", "it compiles the programs once more"),
    (
        "gpg --encrypt -r me@example.com -o",
        "gpg needs a public key",
    ),
    ("| gpg --encrypt", "gpg needs a public key"),
];

const DAY_TO_DAY: &str = include_str!("../docs/day-to-day.md");

/// A customer file as a spreadsheet on Windows may write it.
const CUSTOMERS: &str = "name,days,contact\r\ngus,90,gus@example.com\r\n\r\nhal,30";

/// The README's blocks of commands, in order.
fn blocks() -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    let (_, from) = readme.split_once("\n## On AWS\n").unwrap();
    let (part, _) = from.split_once("\n## Large folders\n").unwrap();
    [part, DAY_TO_DAY].into_iter().flat_map(blocks_of).collect()
}

/// A page's blocks of commands, in order.
fn blocks_of(page: &'static str) -> Vec<&'static str> {
    let blocks = page.split("\n```sh\n").skip(1);
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
    for file in ["create_s3_user.json", "delete_s3_user.json", "list.json"] {
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/permissions");
        std::fs::copy(format!("{ours}/{file}"), permissions.join(file)).unwrap();
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

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn readme_commands_work_as_they_stand_and_in_order() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let mut skipped = 0;
    // They have had their days when it is time to clean up, in the README and on the page.
    let mut to_end = ["gus", "lee"].into_iter();
    for block in blocks() {
        if SKIPPED.iter().any(|(part, _)| block.contains(part)) {
            skipped += 1;
            continue;
        }
        if block.contains("--expired") {
            set_end(&aws, to_end.next().unwrap(), "2020-01-01T00:00:00Z");
        }
        let run = paste(&sandbox, block).await;
        assert_eq!(run.code, Some(0), "{block}\n{run:?}");
        check_after(&aws, block, &run);
    }
    assert_eq!(skipped, SKIPPED.len());

    let expected = [
        "ada", "admin", "ben", "cleo", "dan", "eva", "finn", "hal", "jaime", "kim",
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
        assert_eq!(attached, 3);
    }
    if block.contains("report.pdf s3://shared-files/alex/") {
        assert!(users(aws).contains("alex"));
        assert_eq!(aws.keys("shared-files")[1], "alex/report.pdf");
    }
    if block.contains("--profile kim") {
        assert!(run.stdout.contains("report.pdf"), "{run:?}");
    }
    if block.ends_with("--list") {
        for row in ["\njaime  jaime/  read ", "\nhal    hal/    read "] {
            assert!(run.stdout.contains(row), "{row}: {run:?}");
        }
        assert!(!run.stdout.contains("admin"), "{run:?}");
    }
    if block.contains("old-key") {
        assert_eq!(run.stdout, "", "no key is that old");
    }
    if block.contains("-u kim --update") {
        assert!(run.stderr.contains("access: read -> read-write"), "{run:?}");
    }
    if block.contains("--expired --dry-run") {
        assert!(run.stderr.contains("note: access ended at 2020"), "{run:?}");
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
async fn line_for_cron_deletes_none_but_the_ended_of_its_bucket() {
    let lines = [include_str!("../README.md"), DAY_TO_DAY].map(|page| {
        let mut lines = page
            .lines()
            .filter_map(|line| line.strip_prefix("17 3 * * * "));
        lines.next().unwrap()
    });
    assert_eq!(lines[0], lines[1]);
    let aws = aws_of_the_examples().await;
    aws.add_bucket("others", &[]).await;
    let sandbox = shell_of_an_admin(&aws);
    for (bucket, user) in [
        ("shared-files", "alex"),
        ("shared-files", "ada"),
        ("others", "cleo"),
    ] {
        let args = ["-b", bucket, "-u", user, "--expires", "9d"];
        sandbox.run("create_s3_user", &args).await.succeeded();
    }
    let all = users(&aws);
    let quiet = run(&sandbox, lines[0]).await.succeeded();
    assert_eq!(quiet.stderr, "", "cron mails nothing");
    assert_eq!(users(&aws), all, "nobody's access has ended");

    for user in ["alex", "cleo"] {
        set_end(&aws, user, "2020-01-01T00:00:00Z");
    }
    let refused = sandbox.set("AWS_SECRET_ACCESS_KEY", Some("wrong"));
    let run_refused = run(&refused, lines[0]).await;
    run_refused.failed_with("SignatureDoesNotMatch");
    assert_eq!(users(&aws), all);
    let sandbox = refused.set("AWS_SECRET_ACCESS_KEY", Some(&aws.admin.1));
    let quiet = run(&sandbox, lines[0]).await.succeeded();
    assert_eq!(quiet.stderr, "", "cron mails nothing");
    let mut left = all;
    left.remove("alex");
    assert_eq!(users(&aws), left);
    let files = ["alexander/plans.pdf", "jaime/photo.jpg"];
    assert_eq!(aws.keys("shared-files"), files);
}

#[tokio::test]
#[ignore = "needs the AWS CLI on PATH"]
async fn role_for_a_partner_gives_one_folder_to_who_knows_the_external_id() {
    let aws = aws_of_the_examples().await;
    aws.put("shared-files", "acme/report.pdf").await;
    let sandbox = shell_of_an_admin(&aws);
    let [make, revoke] = blocks_of(include_str!("../docs/security.md"))[..] else {
        panic!("the page makes a role and revokes it");
    };
    // The local AWS has one account, which is the partner's too.
    let make = make.replace("partner=111122223333", &format!("partner={ACCOUNT}"));
    let made = paste(&sandbox, &make).await.succeeded();
    let mut said = made.stdout.lines();
    let arn = said.next().unwrap();
    let external_id = said.next().unwrap().strip_prefix("external ID: ");
    assert!(aws.s3_client_in_role(arn, "guessed").await.is_none());
    let s3 = aws
        .s3_client_in_role(arn, external_id.unwrap())
        .await
        .unwrap();
    for (prefix, listed) in [("acme/", true), ("alex/", false), ("", false)] {
        let list = s3.list_objects_v2().bucket("shared-files").prefix(prefix);
        assert_eq!(allowed(list.send().await), listed, "{prefix}");
    }
    let get = |key| s3.get_object().bucket("shared-files").key(key).send();
    assert!(allowed(get("acme/report.pdf").await));
    assert!(!allowed(get("alex/report.pdf").await));

    paste(&sandbox, revoke).await.succeeded();
    assert!(!aws.iam(|iam| iam.roles.contains_key("s3-access-for-acme")));
    assert!(!allowed(get("acme/report.pdf").await));
}
