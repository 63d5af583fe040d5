//! `--sync`: the users file is the truth.

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, active_keys_of, assert_complete, assert_usage,
    aws_with_files, delete_key, edit_policy, gets, is_gone, keys_of, tag_of,
};

const FILE: &str = "\
User;Access;Expires;Source IP;#note\r
tom;read;2090-06-30;;since May\r
kim;;;;\r
sus;Read-Write;;;\r
nokey;;;;\r
odd;read;;;\r
zoe;read;2091-01-31;203.0.113.7 198.51.100.0/24;\r
old;;2020-01-01;;\r
";

/// All in IAM that the runs may change.
fn state(aws: &LocalAws) -> String {
    aws.iam(|iam| {
        let mut users: Vec<_> =
            iam.users.values().map(|it| format!("{} {:?}", it.arn, it.tags)).collect();
        let policies = iam.policies.values();
        users.extend(policies.map(|it| {
            let texts: Vec<_> = it.versions.iter().map(|version| &version.document).collect();
            format!("{} {} {texts:?}", it.arn, it.default_version_id)
        }));
        users.extend(iam.access_keys.iter().map(|(user, keys)| {
            let keys: Vec<_> =
                keys.iter().map(|key| format!("{} {}", key.access_key_id, key.status)).collect();
            format!("{user} {keys:?}")
        }));
        users.sort();
        users.join("\n")
    })
}

/// A bucket with users of every kind, of whom the file names all but eve.
async fn bucket_of_customers() -> (LocalAws, Sandbox) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let others = ["-u", "eve", "-u", "sus", "-u", "nokey", "-u", "kim", "-u", "odd"];
    sandbox.create("tom", &others).await.succeeded();
    sandbox.create("sus", &["--suspend"]).await.succeeded();
    let key = sandbox.key_of("nokey").0;
    delete_key(&aws, "nokey", &key).await;
    edit_policy(&aws, "s3-access-for-odd", "s3:GetObject", "s3:GetObjectTagging");
    aws.add_user("stranger", ALLOW_ALL).await;
    std::fs::write(sandbox.path().join("customers.csv"), FILE).unwrap();
    aws.faults.forget();
    (aws, sandbox)
}

async fn sync(sandbox: &Sandbox, options: &[&str]) -> Run {
    let args = [&["-b", "shared", "--users-from", "customers.csv", "--sync"], options].concat();
    sandbox.run("create_s3_user", &args).await
}

#[tokio::test]
async fn dry_run_shows_what_would_change_and_changes_nothing() {
    let (aws, sandbox) = bucket_of_customers().await;
    let before = state(&aws);
    let run = sync(&sandbox, &["--dry-run"]).await.succeeded();
    let expected = "\
+ zoe    zoe/    read, ends 2091-01-31, only from 203.0.113.7/32 198.51.100.0/24
~ tom    tom/    expires: never -> 2090-06-30
! nokey  nokey/  no access key; skipped
! odd    odd/    policy missing or edited; skipped
! old    old/    not created, because access would have ended on 2020-01-01
! sus    sus/    suspended; skipped
= 1 unchanged
? eve    eve/    not in the file
";
    assert_eq!(run.stdout, expected);
    let hint = "hint: to see what deleting the users not in the file would remove, run: delete_s3_user -b shared -u eve --dry-run\n";
    assert!(run.stderr.contains(hint), "{run:?}");
    let closing = "Dry run: 2 of 7 users would be created or updated, 1 unchanged, 4 skipped; \
         nothing was changed\n";
    assert!(run.stderr.ends_with(closing), "{run:?}");
    assert_eq!(state(&aws), before);
    let json = sync(&sandbox, &["--dry-run", "--json", "-q"]).await.succeeded();
    let lines = json.json_lines();
    assert_eq!(lines.len(), 8, "{json:?}");
    let of = |user: &str| lines.iter().find(|line| line["user"] == user).unwrap();
    assert_eq!(of("tom")["changes"][0], "expires: never -> 2090-06-30");
    assert_eq!(of("zoe")["dry_run"], true);
    assert!(of("kim")["skipped"] == true && of("kim").get("reason").is_none());
    assert_eq!(of("eve")["reason"], "not in the file");
    assert!(of("eve").get("access_keys").is_none(), "eve has a key: {json:?}");
    assert_eq!(json.stderr, "");
}

#[tokio::test]
async fn command_that_deletes_names_everybody_who_is_not_in_the_file() {
    let (_aws, sandbox) = bucket_of_customers().await;
    std::fs::write(sandbox.path().join("customers.csv"), "user\nnobody\n").unwrap();
    for options in [["--dry-run"].as_slice(), &[]] {
        let run = sync(&sandbox, options).await.succeeded();
        let names = ["eve", "kim", "nokey", "odd", "sus", "tom"].map(|name| format!(" -u {name}"));
        let delete = format!("run: delete_s3_user -b shared{} --dry-run\n", names.concat());
        assert!(run.stderr.contains(&delete), "{run:?}");
    }
}

#[tokio::test]
async fn users_are_created_and_changed_until_they_are_as_the_file_says() {
    let (aws, sandbox) = bucket_of_customers().await;
    let others = |aws: &LocalAws| {
        let all = state(aws);
        let own = ["tom", "zoe"];
        let lines = all.lines().filter(|line| !own.iter().any(|name| line.contains(name)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = others(&aws);
    let run = sync(&sandbox, &[]).await.succeeded();
    let closing = "2 of 7 users created or updated (1 with a new key), 1 unchanged, 4 skipped\n";
    assert!(run.stderr.contains(closing), "{run:?}");
    assert!(run.stderr.contains("note: not in the file: eve\n"), "{run:?}");
    assert_eq!(tag_of(&aws, "tom", "s3-user:expires").unwrap(), "2090-07-01T00:00:00Z");
    assert_eq!(keys_of(&aws, "tom"), [sandbox.key_of("tom").0]);
    assert_complete(&aws, &sandbox, "zoe");
    assert!(is_gone(&aws, "old"));
    assert_eq!(others(&aws), before);
    assert!(active_keys_of(&aws, "sus").is_empty());
    let after = state(&aws);
    let again = sync(&sandbox, &[]).await.succeeded();
    assert!(again.stderr.contains("0 of 7 users created or updated, 3 unchanged"), "{again:?}");
    assert_eq!(again.stdout, "");
    assert_eq!(state(&aws), after);
    // An empty cell is the default, and a column that isn't there says nothing.
    let fewer = "user,expires\ntom,\nzoe,2091-01-31\n";
    std::fs::write(sandbox.path().join("customers.csv"), fewer).unwrap();
    let run = sync(&sandbox, &["--dry-run"]).await.succeeded();
    assert!(run.stdout.starts_with("~ tom  "), "{run:?}");
    assert!(run.stdout.contains("expires: 2090-06-30 -> never\n"), "{run:?}");
    assert!(run.stdout.contains("\n= 1 unchanged\n"), "{run:?}");
}

#[tokio::test]
async fn one_that_fails_stops_no_other() {
    let (aws, sandbox) = bucket_of_customers().await;
    let file = "user,folder,expires\ntom,elsewhere/,\nstranger,,\nkim,,2090-01-01\nzoe,,\n";
    std::fs::write(sandbox.path().join("customers.csv"), file).unwrap();
    aws.faults.once("CreateAccessKey", Fault::DENIED);
    let run = sync(&sandbox, &[]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    for part in [
        "error: user tom has the folder tom/, but the file says elsewhere/; a user's folder can't be changed\n",
        "error: user stranger already exists, and was not created by create_s3_user\n",
        "error: zoe: CreateAccessKey: AccessDenied",
        "1 of 4 users created or updated\n",
        "failed: tom, stranger, zoe\n",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    assert!(is_gone(&aws, "zoe"));
    assert_eq!(keys_of(&aws, "stranger").len(), 1);
    assert!(tag_of(&aws, "kim", "s3-user:expires").is_some());
}

#[tokio::test]
async fn tags_are_for_all_users_of_the_file() {
    let (aws, sandbox) = bucket_of_customers().await;
    let tag = ["--tag", "team=sales"];
    sync(&sandbox, &tag).await.succeeded();
    for (user, value) in [("zoe", Some("sales")), ("kim", Some("sales")), ("eve", None)] {
        assert_eq!(tag_of(&aws, user, "team").as_deref(), value, "{user}");
    }
    let run = sync(&sandbox, &tag).await.succeeded();
    assert!(run.stderr.contains("0 of 7 users created or updated, 3 unchanged"), "{run:?}");
}

#[tokio::test]
async fn rows_are_read_as_they_stand() {
    let (aws, sandbox) = bucket_of_customers().await;
    for (file, expected) in [
        // The first column is for people, so that no line is a comment.
        (
            "#tier,user,expires\n# 1,tom,2090-06-30\ngold,kim,\n",
            "~ tom  tom/  expires: never -> 2090-06-30\n= 1",
        ),
        (
            "user;also-read\ntom;price list/ lists/2026/\n",
            "~ tom  tom/  other folders: none -> price list/, lists/2026/\n",
        ),
        ("user,access\nnew,read-write\n", "+ new  new/  read-write, never ends\n"),
        (
            "user,browse-root\nnew,yes\n",
            "+ new  new/  read, never ends, sees the top level of the bucket\n",
        ),
    ] {
        std::fs::write(sandbox.path().join("customers.csv"), file).unwrap();
        let run = sync(&sandbox, &["--dry-run"]).await.succeeded();
        let words: Vec<_> = run.stdout.split_whitespace().collect();
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert!(words.starts_with(&expected), "{run:?}");
    }
    aws.faults.forget();
    for (file, part) in [
        ("user,expires\ntom,26-12-31\n", "customers.csv:2: column expires: "),
        ("user,source-ip\ntom,;\n", "customers.csv:2: column source-ip has nothing but separators"),
        (
            "user,wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY\ntom,\n",
            "customers.csv:1: unknown column 2: use user, ",
        ),
    ] {
        std::fs::write(sandbox.path().join("customers.csv"), file).unwrap();
        let run = sync(&sandbox, &["--dry-run"]).await;
        assert_usage(&run, part);
        assert!(!run.stderr.to_lowercase().contains("wjalrx"), "{run:?}");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_with_all_is_said_once_and_for_each_in_json() {
    let (_, sandbox) = bucket_of_customers().await;
    let args = ["-b", "nowhere", "--users-from", "customers.csv", "--sync", "--json"];
    let run = sandbox.run("create_s3_user", &args).await;
    assert_eq!((run.code, run.json_lines().len()), (Some(1), 7), "{run:?}");
    assert_eq!(run.stderr.matches("there is no bucket nowhere").count(), 1, "{run:?}");
}

#[tokio::test]
async fn date_that_has_passed_ends_the_access_of_who_exists() {
    let (aws, sandbox) = bucket_of_customers().await;
    std::fs::write(sandbox.path().join("customers.csv"), "user,expires\ntom,2020-01-01\n").unwrap();
    aws.put("shared", "tom/report.txt").await;
    let s3 = aws.s3_client_of(&sandbox.key_of("tom"));
    for options in [["--dry-run"].as_slice(), &[]] {
        assert!(gets(&s3, "tom/report.txt").await);
        let run = sync(&sandbox, options).await.succeeded();
        let note = "tom: note: 2020-01-01 has already passed, so access ends at once\n";
        assert!(run.stderr.contains(note), "{run:?}");
    }
    assert!(!gets(&s3, "tom/report.txt").await);
}

#[tokio::test]
async fn name_in_another_case_is_nobody_to_delete() {
    let (_, sandbox) = bucket_of_customers().await;
    let names = "user\nTom\neve\nsus\nnokey\nkim\nodd\n";
    std::fs::write(sandbox.path().join("customers.csv"), names).unwrap();
    let run = sync(&sandbox, &["--dry-run"]).await;
    assert!(!run.stdout.contains("not in the file"), "{run:?}");
}

#[tokio::test]
async fn user_whose_key_a_killed_run_lost_is_not_unchanged() {
    let (_aws, sandbox) = bucket_of_customers().await;
    let file = |name: &str| sandbox.path().join(name);
    std::fs::rename(file("kim_accessKeys.csv"), file(".kim_accessKeys.csv.Ab12Cd")).unwrap();
    // Of tom the key is in a file, too.
    std::fs::write(file(".tom_accessKeys.csv.Ab12Cd"), "").unwrap();
    for (access, options) in
        [("", ["--dry-run"].as_slice()), ("", &[]), ("read-write", &["--dry-run"]), ("write", &[])]
    {
        let rows = format!("user,access\nkim,{access}\ntom,\n");
        std::fs::write(file("customers.csv"), rows).unwrap();
        let run = sync(&sandbox, options).await;
        let run = run.failed_with("user kim already exists, but no file here has its access key ");
        assert!(run.stderr.ends_with("\nfailed: kim\n"), "{run:?}");
        let hint = "hint: for a new key: create_s3_user -b shared -u kim --rotate-key\n";
        assert!(run.stderr.contains(hint), "{run:?}");
        assert!(run.stderr.contains(", 1 unchanged"), "{run:?}");
    }
}

#[tokio::test]
async fn interrupted_run_is_finished_by_running_it_again() {
    let (aws, sandbox) = bucket_of_customers().await;
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let args = ["-b", "shared", "--users-from", "customers.csv", "--sync"];
    let started = sandbox.start("create_s3_user", &args);
    let run = started.stopped_while_paused(&aws, "INT").await.ended_by(2);
    assert!(run.stderr.contains("hint: to continue, run the same command again\n"), "{run:?}");
    assert!(is_gone(&aws, "zoe"));
    sync(&sandbox, &[]).await.succeeded();
    assert_complete(&aws, &sandbox, "zoe");
}

#[tokio::test]
async fn what_would_differ_at_each_run_is_refused_before_any_call() {
    let (aws, sandbox) = bucket_of_customers().await;
    std::fs::write(sandbox.path().join("customers.csv"), "user,expires\ntom,90d\n").unwrap();
    assert_usage(&sync(&sandbox, &[]).await, "customers.csv:2: column expires: a duration");
    assert_usage(&sync(&sandbox, &["--access", "read"]).await, "--access");
    assert_usage(&sync(&sandbox, &["-u", "kim"]).await, "--user");
    assert_usage(&sandbox.create("tom", &["--sync"]).await, "--user");
    let both = sandbox.create("tom", &["--update", "--skip-existing"]).await;
    assert_usage(&both, "--sync with a users file does both\n");
    assert_eq!(aws.faults.operations(), [""; 0]);
}
