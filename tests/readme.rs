//! The commands of README and of the pages in docs/, as they stand and in
//! order, the output shown below them, and the links between pages.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aws_sdk_s3::types::ExpirationStatus;

use crate::support::{
    ACCOUNT, ALLOW_ALL, Fault, HANGING, LocalAws, Run, Sandbox, allowed, aws_of_the_examples,
    binary, set_end,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages whose commands are run here.
const RUN: [&str; 7] = [
    "README.md",
    "docs/day-to-day.md",
    "docs/large-folders.md",
    "docs/permissions.md",
    "docs/reference.md",
    "docs/scripting.md",
    "docs/security.md",
];

/// What gpg's public key is needed for.
const SKIPPED: [&str; 2] = ["gpg --encrypt -r me@example.com -o", "| gpg --encrypt"];

/// All that somebody reads: README and the pages.
fn all_pages() -> Vec<String> {
    let pages = std::fs::read_dir(format!("{ROOT}/docs")).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| name.ends_with(".md"));
    let mut pages: Vec<_> = pages.map(|name| format!("docs/{name}")).collect();
    pages.extend(["README.md", "CONTRIBUTING.md"].map(str::to_owned));
    pages
}

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{name}")).unwrap()
}

/// The blocks of one language, in order.
fn fenced(page: &str, language: &str) -> Vec<String> {
    let blocks = blocks(page).into_iter();
    let blocks = blocks.filter(|block| block.language == language);
    blocks.map(|block| block.text).collect()
}

/// A block between fences.
struct Block {
    language: String,
    text: String,
    /// The text between it and the block before.
    before: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let parts: Vec<_> = page.split("\n```").collect();
    let pairs = parts.chunks_exact(2);
    let block = |pair: &[&str]| {
        let (language, text) = pair[1].split_once('\n').unwrap();
        Block {
            language: language.to_owned(),
            text: text.to_owned(),
            before: pair[0].trim().to_owned(),
        }
    };
    pairs.map(block).collect()
}

/// An admin's shell in a directory with what the pages take for granted.
fn shell_of_an_admin(aws: &LocalAws) -> Sandbox {
    let sandbox = Sandbox::new(aws);
    let mut path = vec![binary("").to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path: OsString = std::env::join_paths(path).unwrap();
    let permissions = sandbox.path().join("permissions");
    std::fs::create_dir(&permissions).unwrap();
    for file in [
        "boundary.json",
        "create_s3_user.json",
        "delegate.json",
        "delete_s3_user.json",
        "list.json",
    ] {
        std::fs::copy(format!("{ROOT}/permissions/{file}"), permissions.join(file)).unwrap();
    }
    std::fs::write(sandbox.path().join("report.pdf"), "a report").unwrap();
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

fn assert_users(aws: &LocalAws, expected: &[&str]) {
    let expected = expected.iter().map(|&name| name.to_owned());
    assert_eq!(users(aws), expected.collect());
}

/// Asserts that a row of the list begins with these cells.
#[track_caller]
fn assert_listed(list: &Run, cells: &[&str]) {
    let mut rows = list.stdout.lines().map(|row| row.split_whitespace());
    let is_there = rows.any(|row| row.take(cells.len()).eq(cells.iter().copied()));
    assert!(is_there, "{cells:?}: {list:?}");
}

fn assert_files(sandbox: &Sandbox, files: &[&str]) {
    for file in files {
        assert!(sandbox.path().join(file).exists(), "{file}");
    }
}

/// Runs the commands of a page's text in order. Output that directly follows them
/// must be what they print; `check` looks at what is to be seen only between two.
async fn walk(
    aws: &LocalAws,
    sandbox: &Sandbox,
    text: &str,
    check: impl Fn(&LocalAws, &str, &Run),
) {
    let mut printed = None;
    for block in blocks(text) {
        if block.language == "text" && block.before.is_empty() {
            assert_shown(&block.text, printed.as_ref().unwrap());
        }
        printed = None;
        if block.language != "sh" || SKIPPED.iter().any(|part| block.text.contains(part)) {
            continue;
        }
        if block.text.contains("--expired") {
            set_end(aws, "gus", "2020-01-01T00:00:00Z");
        }
        let run = paste(sandbox, &block.text).await;
        assert_eq!(run.code, Some(0), "{}\n{run:?}", block.text);
        check(aws, &block.text, &run);
        printed = Some(run);
    }
}

/// A table of users is an example; of everything else, each line is printed.
fn assert_shown(text: &str, run: &Run) {
    if text.starts_with("USER  ") {
        return;
    }
    let printed = without_keys(&format!("{}\n{}", run.stderr, run.stdout));
    for line in without_keys(text).lines() {
        assert!(printed.lines().any(|it| it == line), "{line:?}: {run:?}");
    }
}

/// The text with the same ID for every access key.
fn without_keys(text: &str) -> String {
    let is_key = |word: &&str| word.len() == 20 && word[1..].starts_with("KIA");
    let words = text.split([' ', '\n']).filter(is_key);
    words.fold(text.to_owned(), |text, key| text.replace(key, "KEY"))
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn readme_takes_a_new_admin_from_permissions_to_deletion() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let readme = page("README.md");
    let (_, on_aws) = readme.split_once("\n## On AWS\n").unwrap();
    walk(&aws, &sandbox, on_aws, |aws, block, run| {
        if block.starts_with("bucket=shared-files\nadmin=") {
            let attached = aws.iam(|iam| iam.user_policies["admin"].len());
            assert_eq!(attached, 3);
        }
        if block.contains("report.pdf s3://shared-files/alex/") {
            assert!(users(aws).contains("alex"));
            assert_eq!(aws.keys("shared-files")[1], "alex/report.pdf");
        }
        if block.ends_with("--list") {
            assert_listed(run, &["kim", "read"]);
            assert_listed(run, &["acme-bob", "customers/acme/", "read"]);
            assert!(!run.stdout.contains("admin"), "{run:?}");
        }
    })
    .await;

    assert_users(&aws, &["acme-ann", "acme-bob", "admin", "kim", "lee"]);
    let left = ["alexander/plans.pdf", "jaime/photo.jpg", "kim/report.pdf"];
    assert_eq!(aws.keys("shared-files"), left);
    assert_files(&sandbox, &["alex_accessKeys.csv", "kim_kit.zip"]);
    let zip = std::fs::read(sandbox.path().join("kim_kit.zip")).unwrap();
    let contact = b"From Lee, lee@example.com";
    assert!(zip.windows(contact.len()).any(|part| part == contact));
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn page_about_the_day_to_day_keeps_a_list_of_customers() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let page = page("docs/day-to-day.md");
    let [customers] = &fenced(&page, "csv")[..] else {
        panic!("there is one users file");
    };
    std::fs::write(sandbox.path().join("customers.csv"), customers).unwrap();
    for user in ["gus", "hal", "kim"] {
        aws.put("shared-files", &format!("{user}/report.pdf")).await;
    }
    walk(&aws, &sandbox, &page, |_, block, run| {
        if block.ends_with("--list") {
            assert_listed(run, &["gus", "read-write"]);
            assert_listed(run, &["kim", "read"]);
        }
        if block.contains("old-key") {
            assert_eq!(run.stdout, "", "no key is that old");
        }
        if block.contains("--expired --dry-run") {
            assert!(run.stderr.contains("note: access ended on 20"), "{run:?}");
        }
    })
    .await;

    assert_users(&aws, &["ada", "admin", "ben", "hal", "kim", "pia"]);
    let keys = aws.keys("shared-files");
    assert!(!keys.contains(&"gus/report.pdf".to_owned()), "{keys:?}");
    assert_eq!(keys.len(), 7, "{keys:?}");
    let keys = aws.iam(|iam| iam.access_keys["hal"].clone());
    assert_eq!(keys.len(), 1, "the old key is gone");
    assert_eq!(keys[0].status, "Active");
    assert_files(&sandbox, &["keys/hal_accessKeys.2.csv", "keys/ben_accessKeys.csv"]);
    let made = std::fs::read_to_string(sandbox.path().join("made.jsonl")).unwrap();
    assert_eq!(made.lines().count(), 2, "{made}");
}

#[tokio::test]
#[ignore = "needs the AWS CLI and jq on PATH"]
async fn page_about_permissions_attaches_them_as_readme_does() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let page_text = page("docs/permissions.md");
    let commands = fenced(&page_text, "sh");
    assert_eq!(commands.len(), 3);
    assert!(page("README.md").contains(&commands[0]));
    aws.add_user("helper", ALLOW_ALL).await;
    walk(&aws, &sandbox, &page_text, |_, _, _| {}).await;
    aws.iam(|iam| {
        assert_eq!(iam.user_policies["helper"].len(), 1);
        assert!(iam.users["dana"].permissions_boundary.is_some());
    });
    assert_eq!(aws.iam(|iam| iam.user_policies["admin"].len()), 3);
}

#[tokio::test]
async fn reference_writes_completions_and_man_page() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    walk(&aws, &sandbox, &page("docs/reference.md"), |_, _, _| {}).await;
    let completions = "home/.local/share/bash-completion/completions";
    assert_files(
        &sandbox,
        &[
            "create_s3_user.1",
            &format!("{completions}/create_s3_user"),
            &format!("{completions}/delete_s3_user"),
        ],
    );
}

/// The options in a text, such as `--dry-run`.
fn options(text: &str) -> BTreeSet<&str> {
    let is_of_option = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c| !is_of_option(c));
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

#[test]
fn reference_has_every_option_of_the_help() {
    let page = page("docs/reference.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with('|')).collect();
    let first_cells = rows.iter().map(|row| row.split('|').nth(1).unwrap());
    let explained = first_cells.collect::<Vec<_>>().join(" ");
    for program in ["create_s3_user", "delete_s3_user"] {
        let help = std::fs::read_to_string(format!("{ROOT}/tests/help/{program}.txt")).unwrap();
        let lines = help.lines().map(str::trim_start);
        let of_options: Vec<_> = lines.filter(|line| line.starts_with('-')).collect();
        let of_options = of_options.join("\n");
        let missing: Vec<_> =
            options(&of_options).difference(&options(&explained)).copied().collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[tokio::test]
#[ignore = "needs jq on PATH"]
async fn page_about_scripting_gives_each_user_a_key() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    walk(&aws, &sandbox, &page("docs/scripting.md"), |aws, block, run| {
        if block.contains("access_key_id") {
            let id = run.stdout.trim_end();
            aws.iam(|iam| assert_eq!(iam.access_keys["finn"][0].access_key_id, id));
        }
    })
    .await;
    assert_users(&aws, &["admin", "eva", "finn"]);
    assert_files(&sandbox, &["eva_accessKeys.csv"]);
}

#[tokio::test]
#[ignore = "needs jq on PATH"]
async fn scripts_notice_what_fails() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    std::fs::create_dir(sandbox.path().join("keys")).unwrap();
    let commands = fenced(&page("docs/scripting.md"), "sh");
    for taken in ["eva", "finn"] {
        let args = ["-b", "shared-files", "-u", taken, "-o", "keys"];
        sandbox.run("create_s3_user", &args).await.succeeded();
        let user = format!("-u {taken}");
        let again = commands.iter().find(|block| block.contains(&user)).unwrap();
        assert_ne!(run(&sandbox, again).await.code, Some(0), "{again}");
    }
}

#[tokio::test]
async fn readme_quotes_the_errors_as_they_are_printed() {
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    let create = "create_s3_user -b shared-files -u alex";
    let mut printed = String::new();
    run(&sandbox, create).await.succeeded();
    for commands in [
        create,
        "create_s3_user -b shared-file -u alex",
        "env -u AWS_ACCESS_KEY_ID create_s3_user -b shared-files -u kim",
    ] {
        printed += &run(&sandbox, commands).await.failed_with("error: ").stderr;
    }
    for call in ["CreateUser", "HeadBucket"] {
        aws.faults.always(call, Fault::DENIED);
        let create = "create_s3_user -b shared-files -u kim";
        printed += &run(&sandbox, create).await.failed_with("error: ").stderr;
        aws.faults.forget();
    }

    let readme = page("README.md");
    let (_, section) = readme.split_once("\n## Troubleshooting\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let titles = section.lines().filter_map(|line| line.strip_prefix("**"));
    let titles = titles.map(|line| line.split("**").next().unwrap());
    let quotes = titles.flat_map(|title| title.split('`').skip(1).step_by(2));
    let quotes: Vec<_> = quotes.collect();
    assert!(quotes.len() > 4, "{quotes:?}");
    for quote in quotes {
        assert!(printed.contains(quote), "{quote}: {printed}");
    }
}

#[test]
fn every_page_with_commands_is_run() {
    for name in all_pages() {
        let has_commands = !fenced(&page(&name), "sh").is_empty();
        assert_eq!(has_commands, RUN.contains(&name.as_str()), "{name}");
    }
    assert!(page("README.md").lines().count() <= 250);
}

/// A page's headings as GitHub makes anchors of them.
fn anchors(page: &str) -> BTreeSet<String> {
    let outside: Vec<_> = page.split("\n```").step_by(2).collect();
    let outside = outside.join("\n");
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        title.chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    for name in all_pages() {
        let text = page(&name);
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                PathBuf::from(ROOT).join(&name)
            } else {
                Path::new(ROOT).join(&name).parent().unwrap().join(path)
            };
            assert!(target.exists(), "{name}: {link}");
            if !anchor.is_empty() {
                let target = std::fs::read_to_string(target).unwrap();
                assert!(anchors(&target).contains(anchor), "{name}: {link}");
            }
        }
    }
}

#[tokio::test]
async fn line_for_cron_deletes_none_but_the_ended_of_its_bucket() {
    let page = page("docs/scripting.md");
    let mut lines = page.lines();
    let line = lines.find_map(|line| line.strip_prefix("17 3 * * * "));
    let line = line.unwrap();
    let aws = aws_of_the_examples().await;
    aws.add_bucket("others", &[]).await;
    let sandbox = shell_of_an_admin(&aws);
    for (bucket, user) in [("shared-files", "alex"), ("shared-files", "ada"), ("others", "cleo")] {
        let args = ["-b", bucket, "-u", user, "--expires", "9d"];
        sandbox.run("create_s3_user", &args).await.succeeded();
    }
    let all = users(&aws);
    let quiet = run(&sandbox, line).await.succeeded();
    assert_eq!(quiet.stderr, "", "cron mails nothing");
    assert_eq!(users(&aws), all, "nobody's access has ended");

    for user in ["alex", "cleo"] {
        set_end(&aws, user, "2020-01-01T00:00:00Z");
    }
    let refused = sandbox.set("AWS_SECRET_ACCESS_KEY", Some("wrong"));
    let run_refused = run(&refused, line).await;
    run_refused.failed_with("SignatureDoesNotMatch");
    assert_eq!(users(&aws), all);
    let sandbox = refused.set("AWS_SECRET_ACCESS_KEY", Some(&aws.admin.1));
    let quiet = run(&sandbox, line).await.succeeded();
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
    let page = page("docs/security.md");
    let [make, revoke] = &fenced(&page, "sh")[..] else {
        panic!("the page makes a role and revokes it");
    };
    // The local AWS has one account, which is the partner's too.
    let make = make.replace("partner=111122223333", &format!("partner={ACCOUNT}"));
    let made = paste(&sandbox, &make).await.succeeded();
    let mut said = made.stdout.lines();
    let arn = said.next().unwrap();
    let external_id = said.next().unwrap().strip_prefix("external ID: ");
    assert!(aws.s3_client_in_role(arn, "guessed").await.is_none());
    let s3 = aws.s3_client_in_role(arn, external_id.unwrap()).await.unwrap();
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

#[tokio::test]
#[ignore = "needs the AWS CLI on PATH"]
async fn page_about_large_folders_leaves_the_objects_to_a_lifecycle_rule() {
    let page = page("docs/large-folders.md");
    let (commands, rule) = (fenced(&page, "sh"), fenced(&page, "json"));
    assert_eq!((commands.len(), rule.len()), (1, 1), "all are run here");
    let aws = aws_of_the_examples().await;
    let sandbox = shell_of_an_admin(&aws);
    std::fs::write(sandbox.path().join("expire-alex.json"), &rule[0]).unwrap();
    let alex = ["-b", "shared-files", "-u", "alex"];
    sandbox.run("create_s3_user", &alex).await.succeeded();
    paste(&sandbox, &commands[0]).await.succeeded();

    assert_users(&aws, &["admin"]);
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
