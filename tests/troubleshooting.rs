//! docs/troubleshooting.md shows what the programs print: each of its commands is
//! run, in the state that its section is about.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, aws_of_the_examples, is_gone, start_tls,
};

const PAGE: &str = include_str!("../docs/troubleshooting.md");

const CREATE_DENIED: &str = "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: \
     iam:CreateUser on resource: arn:aws:iam::123456789012:user/kim because no identity-based policy \
     allows the iam:CreateUser action";

const LIST_DENIED: &str = "User: arn:aws:iam::123456789012:user/kim is not authorized to perform: \
     s3:ListBucket on resource: \"arn:aws:s3:::shared-files\" with an explicit deny in a resource-based \
     policy";

/// In how many states [`run`] knows to run a command.
const STATES: usize = 24;

/// A section of the page: its title, its command, and what it says is printed.
struct Section {
    title: &'static str,
    command: Vec<String>,
    shown: Vec<&'static str>,
}

fn sections() -> Vec<Section> {
    let sections = PAGE.split("\n### ").skip(1);
    let section = |text: &'static str| {
        let (title, rest) = text.split_once('\n').unwrap();
        let (_, block) = rest.split_once("```text\n$ ").expect(title);
        let (block, _) = block.split_once("\n```").unwrap();
        let mut lines = block.lines();
        Section {
            title,
            command: shlex::split(lines.next().unwrap()).unwrap(),
            shown: lines.collect(),
        }
    };
    sections.map(section).collect()
}

/// Runs the command of a section where things are as its title says; none for a
/// title without such a state.
async fn run(title: &str, command: &[&str]) -> Option<(LocalAws, Sandbox, Run)> {
    let aws = match title {
        "The key can do too much" => {
            let aws = LocalAws::start_without_enforcement().await;
            aws.add_bucket("shared-files", &["alex/report.pdf"]).await;
            aws
        }
        _ => aws_of_the_examples().await,
    };
    let mut sandbox = Sandbox::new(&aws);
    let always = |call, fault| aws.faults.always(call, fault);
    let create = async |sandbox: &Sandbox, user| {
        let args = ["-b", "shared-files", "-u", user];
        sandbox.run("create_s3_user", &args).await.succeeded();
    };
    match title {
        "No credentials" => {
            sandbox = sandbox.set("AWS_ACCESS_KEY_ID", None);
            sandbox = sandbox.set("AWS_SECRET_ACCESS_KEY", None);
        }
        "Wrong access key" => sandbox = sandbox.set("AWS_SECRET_ACCESS_KEY", Some("wrong")),
        "Expired session" => {
            let message = "The security token included in the request is expired";
            always("GetUser", Fault::Say(403, "ExpiredToken", message));
        }
        "Missing permission" => always("CreateUser", Fault::Deny(CREATE_DENIED)),
        "Wrong clock" => always("HeadBucket", Fault::Early(403, "")),
        "A store without IAM" => always("GetUser", Fault::Refuse(405, "MethodNotAllowed")),
        "Wrong account" => {
            always("HeadBucket", Fault::Refuse(403, ""));
            always("ListObjectsV2", Fault::Deny("Access Denied"));
        }
        "Missing bucket"
        | "Wrong region"
        | "Unreachable endpoint"
        | "Bad name"
        | "Bad date"
        | "Past date"
        | "The key can do too much" => {}
        "Untrusted certificate" => {
            sandbox = sandbox.set("AWS_ENDPOINT_URL", Some(&start_tls(&aws).await));
        }
        "Throttled" => always("CreateUser", Fault::Say(400, "Throttling", "Rate exceeded")),
        "Quota reached" => {
            let message = "Cannot exceed quota for PoliciesPerAccount: 1500";
            always("CreatePolicy", Fault::Say(409, "LimitExceeded", message));
        }
        "User already exists" => create(&sandbox, "alex").await,
        "Key file already exists" => {
            std::fs::write(sandbox.path().join("kim_accessKeys.csv"), "").unwrap();
        }
        "Directory can't be written" => make_unwritable(&sandbox.path().join("keys")),
        "The key can do too little" => {
            let deny = Fault::Deny(LIST_DENIED);
            let admin = &aws.admin.0;
            aws.faults.unless_signed_by(admin, "ListObjectsV2", usize::MAX, deny);
        }
        "User not made for this bucket" => drop(aws.add_user("lee", ALLOW_ALL).await),
        "Interrupted" => {
            aws.faults.once("CreateAccessKey", Fault::Pause);
            let started = sandbox.start(command[0], &command[1..]);
            let run = started.stopped_while_paused(&aws, "INT").await;
            return Some((aws, sandbox, run));
        }
        "Locked objects" => {
            create(&sandbox, "alex").await;
            aws.undeletable.lock().insert("alex/report.pdf".to_owned());
        }
        _ => return None,
    }
    let run = sandbox.run(command[0], &command[1..]).await;
    Some((aws, sandbox, run))
}

/// A directory in which no file can be made, by root neither.
fn make_unwritable(dir: &Path) {
    std::fs::create_dir(dir).unwrap();
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o500)).unwrap();
    let file = dir.join("file");
    if std::fs::write(&file, "").is_ok() {
        std::fs::remove_file(file).unwrap();
        std::fs::remove_dir(dir).unwrap();
        symlink("/proc", dir).unwrap();
    }
}

/// The line with what is another each time as on the page.
fn as_on_the_page(line: &str, sandbox: &Sandbox) -> String {
    let is_key = |word: &&str| word.len() == 20 && word[1..].starts_with("KIA");
    let words = line.split([' ', ',', ';']).filter(is_key);
    let line = words.fold(line.to_owned(), |line, key| line.replace(key, "AKIAIOSFODNN7EXAMPLE"));
    let mut urls = sandbox.environment().iter();
    let url = urls.find(|(name, _)| name == "AWS_ENDPOINT_URL");
    let line = line.replace(&url.unwrap().1, "https://s3.example.com");
    // Root isn't refused, but told something else where nobody can write.
    let cannot_create = "can't create a file in keys: ";
    match line.split_once(cannot_create) {
        Some((start, _)) => {
            format!("{start}{cannot_create}Permission denied (os error 13)")
        }
        None => line,
    }
}

#[tokio::test]
async fn every_error_of_the_page_is_printed_as_it_stands_there() {
    let sections = sections();
    let titles: BTreeSet<_> = sections.iter().map(|section| section.title).collect();
    assert_eq!(titles.len(), STATES, "{titles:?}");
    for section in sections {
        let title = section.title;
        let command: Vec<_> = section.command.iter().map(String::as_str).collect();
        let (aws, sandbox, run) = run(title, &command).await.expect(title);
        assert!(matches!(run.code, Some(1 | 2 | 130)), "{title}: {run:?}");
        let printed = run.stderr.lines();
        let printed: Vec<_> = printed.map(|it| as_on_the_page(it, &sandbox)).collect();
        for line in &section.shown {
            assert!(printed.contains(&line.to_string()), "{title}: {line}\n{printed:#?}");
        }
        let matters = |line: &&String| {
            let starts = ["hint: ", "left: ", "deleted: ", "everything "];
            line.contains(": error: ") || starts.iter().any(|start| line.starts_with(start))
        };
        for line in printed.iter().filter(matters) {
            assert!(section.shown.contains(&line.as_str()), "{title}: {line}");
        }
        assert!(is_gone(&aws, "kim"), "{title}: what was made is undone");
    }
}
