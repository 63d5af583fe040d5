//! `delete_s3_user --expired`: whom it deletes, and above all whom it doesn't.

#[cfg(unix)]
use pty_process::Command;
use serde_json::json;

use crate::support::{
    Fault, INVENTORY, LocalAws, Run, Sandbox, add_every_blocker, add_user_of_the_scripts,
    assert_only_read, assert_usage, attach_new_policy, aws_with_files, binary, edit_policy_of_alex,
    is_gone, keys_of, policy_for, put_inline_policy, seconds_ago, set_end, set_end_by_policy,
    set_end_by_tag, state_of, tag_of,
};
#[cfg(unix)]
use crate::support::{QUESTION, Session};

const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const LONG_AGO_IN_WORDS: &str = "2019-12-31";
const LONG_HENCE: &str = "2099-01-01T00:00:00Z";
const LONG_HENCE_IN_WORDS: &str = "2098-12-31";
const NOBODY: &str = "Bucket shared has no users whose access ended more than a minute ago\n";

async fn expired(sandbox: &Sandbox, options: &[&str]) -> Run {
    let args = [&["-b", "shared", "--expired"], options].concat();
    sandbox.run("delete_s3_user", &args).await
}

/// An AWS with the user alex, whose access ends in nine days.
async fn aws_with_an_end(options: &[&str]) -> (LocalAws, Sandbox) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let options = [&["--expires", "9d"], options].concat();
    sandbox.create("alex", &options).await.succeeded();
    aws.faults.forget();
    (aws, sandbox)
}

/// An AWS with the users alex and kim, whose access has ended, and jaime, whose
/// access hasn't.
async fn aws_with_two_expired() -> (LocalAws, Sandbox) {
    let (aws, sandbox) = aws_with_an_end(&[]).await;
    let inline = ["--expires", "9d", "--inline-policy"];
    sandbox.create("kim", &inline).await.succeeded();
    sandbox.create("jaime", &["--expires", "9d"]).await.succeeded();
    set_end(&aws, "alex", LONG_AGO);
    set_end(&aws, "kim", LONG_AGO);
    aws.put("shared", "kim/photo.jpg").await;
    aws.faults.forget();
    (aws, sandbox)
}

/// Asserts that the run found nobody to delete, left all as it was, and said no
/// more than `notes`.
#[track_caller]
fn assert_nobody(aws: &LocalAws, before: &str, run: Run, notes: &str) {
    let run = run.succeeded();
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, format!("{notes}{NOBODY}"));
    assert_eq!(state_of(aws), before);
    assert_only_read(aws);
}

#[tokio::test]
async fn access_that_has_not_surely_ended_is_left() {
    for end in [None, Some(20), Some(-1)] {
        for options in [[].as_slice(), &["--inline-policy"]] {
            let (aws, sandbox) = aws_with_an_end(options).await;
            let end = end.map(|ahead: i64| seconds_ago(-ahead));
            set_end(&aws, "alex", end.as_deref().unwrap_or(LONG_HENCE));
            let before = state_of(&aws);
            let run = expired(&sandbox, &[]).await;
            assert_nobody(&aws, &before, run, "");
        }
    }
}

/// A time, such as 2026-06-15T12:30:00Z, as it is told.
fn in_words(time: &str) -> String {
    format!("{} {} UTC", &time[..10], &time[11..16])
}

#[tokio::test]
async fn user_whose_policy_still_gives_access_stays_and_is_named() {
    for (what, why) in [
        ("later", format!("by its policy s3-access-for-alex it ends on {LONG_HENCE_IN_WORDS}")),
        ("a moment ago", "by its policy s3-access-for-alex it ends on AGO".to_owned()),
        ("never", "its policy s3-access-for-alex has no end".to_owned()),
        ("edited", "its policy s3-access-for-alex is not as create_s3_user writes it".to_owned()),
        (
            "of another bucket",
            "its policy s3-access-for-alex is not as create_s3_user writes it".to_owned(),
        ),
        ("replaced", "it also has policy team".to_owned()),
        ("group", "it also has group partners".to_owned()),
        ("two", "its policy s3-access is not as create_s3_user writes it".to_owned()),
    ] {
        let (aws, sandbox) = aws_with_an_end(&[]).await;
        set_end(&aws, "alex", LONG_AGO);
        let ago = seconds_ago(1);
        match what {
            "later" => set_end_by_policy(&aws, "alex", Some(LONG_HENCE)),
            "a moment ago" => set_end_by_policy(&aws, "alex", Some(&ago)),
            "never" => set_end_by_policy(&aws, "alex", None),
            "edited" => edit_policy_of_alex(&aws, "s3:GetObject", "s3:*"),
            "of another bucket" => edit_policy_of_alex(&aws, ":::shared", ":::other"),
            "replaced" => {
                aws.change_iam(|iam| iam.user_policies.get_mut("alex").unwrap().clear());
                attach_new_policy(&aws, "alex", "team", &policy_for("shared")).await;
            }
            "group" => {
                aws.change_iam(|iam| iam.user_policies.get_mut("alex").unwrap().clear());
                let iam = aws.iam_client();
                let group = iam.create_group().group_name("partners");
                group.send().await.unwrap();
                let join = iam.add_user_to_group().user_name("alex");
                join.group_name("partners").send().await.unwrap();
            }
            _ => aws.change_iam(|iam| {
                let inline = iam.user_inline_policies.entry("alex".to_owned());
                let document = policy_for("shared");
                inline.or_default().insert("s3-access".to_owned(), document);
            }),
        }
        aws.faults.forget();
        let before = state_of(&aws);
        let run = expired(&sandbox, &[]).await;
        let is_told_by_tag = !["replaced", "group"].contains(&what);
        let by = if is_told_by_tag { "its tag says that " } else { "" };
        let tagged = format!("{by}access ended on {LONG_AGO_IN_WORDS}");
        let note =
            format!("note: user alex stays: {tagged}, but {why}\n").replace("AGO", &in_words(&ago));
        assert_nobody(&aws, &before, run, &note);
    }
}

#[tokio::test]
async fn users_without_our_tags_and_those_of_other_buckets_stay() {
    let (aws, sandbox) = aws_with_an_end(&[]).await;
    aws.add_bucket("other", &["alex/x"]).await;
    set_end(&aws, "alex", LONG_AGO);
    for tag in [None, Some("soon"), Some("")] {
        // What ended by its policy alone may be another tool's, or unfinished.
        set_end_by_tag(&aws, "alex", tag);
        let before = state_of(&aws);
        let run = expired(&sandbox, &[]).await;
        assert_nobody(&aws, &before, run, "");
    }

    let args = ["-b", "other", "-u", "ada", "--expires", "9d"];
    sandbox.run("create_s3_user", &args).await.succeeded();
    set_end(&aws, "ada", LONG_AGO);
    add_user_of_the_scripts(&aws, "ben", "other").await;
    set_end_by_tag(&aws, "ben", Some(LONG_AGO));
    aws.add_user("cleo", &policy_for("shared")).await;
    set_end_by_tag(&aws, "cleo", Some(LONG_AGO));
    aws.faults.forget();
    let before = state_of(&aws);
    let run = expired(&sandbox, &[]).await;
    assert_nobody(&aws, &before, run, "");

    add_user_of_the_scripts(&aws, "lee", "shared").await;
    set_end_by_tag(&aws, "lee", Some(LONG_AGO));
    aws.faults.forget();
    let before = state_of(&aws);
    let run = expired(&sandbox, &[]).await;
    let note = "note: user lee stays: its tag says that access ended on 2019-12-31, \
                but its policy s3-get-for-lee has no end\n";
    assert_nobody(&aws, &before, run, note);
}

/// The users there are.
fn users(aws: &LocalAws) -> Vec<String> {
    aws.iam(|iam| iam.users.keys().cloned().collect())
}

#[tokio::test]
async fn users_whose_access_has_ended_go_with_their_folders_and_nobody_else() {
    for look_up in ["at once", "one by one"] {
        let (aws, sandbox) = aws_with_two_expired().await;
        if look_up == "one by one" {
            aws.faults.look_up_one_by_one();
        }
        let jaime = (keys_of(&aws, "jaime"), tag_of(&aws, "jaime", "s3-user:expires"));
        let run = expired(&sandbox, &[]).await.succeeded();
        assert!(run.stderr.contains("2 of 2 users deleted"), "{run:?}");
        assert!(is_gone(&aws, "alex") && is_gone(&aws, "kim"));
        assert_eq!(users(&aws), ["admin", "jaime"], "{look_up}");
        let left = (keys_of(&aws, "jaime"), tag_of(&aws, "jaime", "s3-user:expires"));
        assert_eq!(left, jaime);
        assert_eq!(aws.keys("shared"), ["alexander/secret.txt", "jaime/photo.jpg"]);
        aws.faults.forget();
        let run = expired(&sandbox, &[]).await;
        assert_nobody(&aws, &state_of(&aws), run, "");
    }
}

#[tokio::test]
async fn user_who_holds_more_than_our_policy_stays_and_is_named() {
    for (what, but) in [
        ("policy", "it also has policy team"),
        ("inline", "it also has policy more"),
        ("group", "it also has group partners"),
        ("policy and group", "it also has policy team, group partners"),
        ("login", "it also has a login to the console"),
    ] {
        for look_up in ["at once", "one by one"] {
            let (aws, sandbox) = aws_with_an_end(&[]).await;
            set_end(&aws, "alex", LONG_AGO);
            give_more(&aws, what).await;
            aws.faults.forget();
            if look_up == "one by one" {
                aws.faults.look_up_one_by_one();
            }
            let before = state_of(&aws);
            let run = expired(&sandbox, &[]).await;
            let note =
                format!("note: user alex stays: access ended on {LONG_AGO_IN_WORDS}, but {but}\n");
            assert_nobody(&aws, &before, run, &note);
        }
    }
}

/// Gives alex more than our policy.
async fn give_more(aws: &LocalAws, what: &str) {
    let iam = aws.iam_client();
    if what.contains("policy") {
        attach_new_policy(aws, "alex", "team", &policy_for("shared")).await;
    }
    if what.contains("inline") {
        put_inline_policy(aws, "alex", "more", &policy_for("shared")).await;
    }
    if what.contains("group") {
        let group = iam.create_group().group_name("partners");
        group.send().await.unwrap();
        let join = iam.add_user_to_group().user_name("alex");
        join.group_name("partners").send().await.unwrap();
    }
    if what.contains("login") {
        let login = iam.create_login_profile().user_name("alex");
        login.password("Correct-horse-7").send().await.unwrap();
    }
}

#[tokio::test]
async fn keys_and_certificates_do_not_save_a_user() {
    let (aws, sandbox) = aws_with_an_end(&[]).await;
    add_every_blocker(&aws, "alex").await;
    let iam = aws.iam_client();
    let login = iam.delete_login_profile().user_name("alex");
    login.send().await.unwrap();
    let leave = iam.remove_user_from_group().user_name("alex");
    leave.group_name("partners").send().await.unwrap();
    set_end(&aws, "alex", LONG_AGO);
    expired(&sandbox, &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn clock_that_is_ahead_deletes_nobody_early() {
    for (ended, clock, goes) in [
        (200, 0, true),
        (200, -300, false),
        (400, -300, true),
        // Nor does one that is behind.
        (30, 300, false),
        (-200, 300, false),
    ] {
        for look_up in ["at once", "one by one", "without tags"] {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            match look_up {
                "one by one" => aws.faults.look_up_one_by_one(),
                "without tags" => aws.faults.be_like_ceph(),
                _ => {}
            }
            sandbox.create("alex", &["--expires", "9d"]).await.succeeded();
            let end = seconds_ago(ended);
            if look_up == "without tags" {
                set_end_by_policy(&aws, "alex", Some(&end));
            } else {
                set_end(&aws, "alex", &end);
            }
            aws.faults.set_clock(clock);
            let run = expired(&sandbox, &[]).await.succeeded();
            let what = format!("{ended} {clock} {look_up}: {run:?}");
            assert_eq!(is_gone(&aws, "alex"), goes, "{what}");
        }
    }
}

#[tokio::test]
async fn end_of_just_more_than_a_minute_ago_counts() {
    let (aws, sandbox) = aws_with_an_end(&[]).await;
    set_end(&aws, "alex", &seconds_ago(65));
    let run = expired(&sandbox, &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"), "{run:?}");
}

#[tokio::test]
async fn options_are_those_of_any_delete() {
    let (aws, sandbox) = aws_with_two_expired().await;
    let before = state_of(&aws);
    let run = expired(&sandbox, &["--dry-run", "--json"]).await.succeeded();
    let lines = run.json_lines();
    assert_eq!(lines.len(), 2, "{run:?}");
    assert!(lines.iter().all(|line| line["dry_run"] == true), "{run:?}");
    let end = format!("note: alex, kim: access ended on {LONG_AGO_IN_WORDS}\n");
    assert!(run.stderr.contains(&end), "{run:?}");
    assert_eq!(state_of(&aws), before);

    let run = expired(&sandbox, &["--keep-objects", "--json", "-q", "--jobs", "1"]).await;
    let run = run.succeeded();
    assert_eq!(run.stderr, "");
    let done: Vec<_> = run
        .json_lines()
        .iter()
        .map(|line| json!([line["user"], line["user_deleted"], line["objects"]]))
        .collect();
    assert_eq!(done, [json!(["alex", true, 0]), json!(["kim", true, 0])]);
    assert_eq!(aws.keys("shared").len(), 5);
    let run = expired(&sandbox, &["-q", "--json"]).await.succeeded();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[tokio::test]
async fn bucket_may_be_gone_if_objects_are_kept() {
    let (aws, sandbox) = aws_with_an_end(&[]).await;
    set_end(&aws, "alex", LONG_AGO);
    aws.faults.always("HeadBucket", Fault::Refuse(404, ""));
    let run = expired(&sandbox, &[]).await;
    let run = run.failed_with("there is no bucket shared");
    let hint = "\nhint: if it was deleted, add --keep-objects";
    assert!(run.stderr.contains(hint), "{run:?}");
    assert!(!is_gone(&aws, "alex"));
    let list = sandbox.run("create_s3_user", &["-b", "shared", "--list"]);
    let run = list.await.failed_with("there is no bucket shared");
    assert!(!run.stderr.contains("hint: "), "{run:?}");
    expired(&sandbox, &["--keep-objects"]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn names_and_force_do_not_go_with_it() {
    let (aws, sandbox) = aws_with_an_end(&[]).await;
    for option in ["--user=alex", "--users-from=customers", "--force"] {
        let run = expired(&sandbox, &[option]).await;
        assert_usage(&run, "'--expired' cannot be used with");
        let name = option.split('=').next().unwrap();
        assert!(run.stderr.contains(name), "{run:?}");
    }
    let run = sandbox.run("delete_s3_user", &["-b", "shared"]).await;
    assert_usage(&run, "--expired");
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[cfg(unix)]
async fn at_terminal(sandbox: &Sandbox) -> Session {
    let delete = Command::new(binary("delete_s3_user"));
    Session::start(sandbox, delete.args(["-b", "shared", "--expired"]))
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn question_names_each_user_and_when_its_access_ended() {
    for (answer, code) in [("n", 1), ("y", 0)] {
        let (aws, sandbox) = aws_with_two_expired().await;
        let before = state_of(&aws);
        let mut session = at_terminal(&sandbox).await;
        let shown = session.shows(Some(QUESTION)).await;
        for user in ["alex", "kim"] {
            assert!(
                shown.contains(&format!("\n  {user:<4}  {:<5}  ", format!("{user}/"))),
                "{shown}"
            );
        }
        let ended = format!("note: alex, kim: access ended on {LONG_AGO_IN_WORDS}\r\n");
        assert!(shown.contains(&ended), "{shown}");
        assert!(!shown.contains("jaime"), "{shown}");
        assert_eq!(state_of(&aws), before);
        session.types(&format!("{answer}\n")).await;
        session.ends_with(code).await;
        if answer == "n" {
            assert_eq!(state_of(&aws), before);
        } else {
            assert_eq!(users(&aws), ["admin", "jaime"]);
        }
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_extended_while_somebody_thinks_is_left() {
    for by_hand in [false, true] {
        let (aws, sandbox) = aws_with_two_expired().await;
        let mut session = at_terminal(&sandbox).await;
        session.shows(Some(QUESTION)).await;
        if by_hand {
            set_end_by_policy(&aws, "alex", Some(LONG_HENCE));
        } else {
            let extend = ["--update", "--expires", "9d"];
            sandbox.create("alex", &extend).await.succeeded();
        }
        session.types("y\n").await;
        let shown = session.ends_with(1).await;
        let why = if by_hand {
            "error: user alex and its folder stay: its tag says that access ended"
        } else {
            "error: user alex has changed or gone"
        };
        assert!(shown.contains(why), "{shown}");
        assert_eq!(users(&aws), ["admin", "alex", "jaime"]);
        assert_eq!(keys_of(&aws, "alex").len(), 1);
        assert!(aws.keys("shared").contains(&"alex/report.txt".to_owned()));
    }
}

#[tokio::test]
async fn access_that_is_extended_while_users_are_looked_up_is_left() {
    let (aws, sandbox) = aws_with_two_expired().await;
    aws.faults.once("GetAccountAuthorizationDetails", Fault::Pause);
    let started = sandbox.start("delete_s3_user", &["-b", "shared", "--expired"]);
    aws.faults.paused().await;
    let extend = ["--update", "--expires", "9d"];
    sandbox.create("alex", &extend).await.succeeded();
    aws.faults.resume();
    let run = started.ended().await;
    let run = run.failed_with("error: user alex and its folder stay: its access has not ended");
    assert!(run.stderr.contains("failed: alex"), "{run:?}");
    assert_eq!(users(&aws), ["admin", "alex", "jaime"]);
    assert_eq!(keys_of(&aws, "alex").len(), 1);
    assert!(aws.keys("shared").contains(&"alex/report.txt".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_extended_late_saves_the_folder() {
    for (how, why) in [
        ("update", "its access has not ended"),
        ("tag", "its access has not ended"),
        ("policy", "by its policy s3-access-for-alex it ends on"),
        ("team policy", "but it also has policy team"),
        ("login", "but it also has a login to the console"),
    ] {
        let (aws, sandbox) = aws_with_two_expired().await;
        let files = aws.keys("shared");
        aws.faults.once("DeleteAccessKey", Fault::Pause);
        let run = ["-b", "shared", "--expired", "--jobs", "1"];
        let started = sandbox.start("delete_s3_user", &run);
        aws.faults.paused().await;
        match how {
            "update" => {
                let extend = ["--update", "--expires", "9d"];
                sandbox.create("alex", &extend).await.succeeded();
            }
            "tag" => set_end_by_tag(&aws, "alex", Some(LONG_HENCE)),
            "policy" => set_end_by_policy(&aws, "alex", Some(LONG_HENCE)),
            more => give_more(&aws, more).await,
        }
        aws.faults.resume();
        let run = started.ended().await;
        let run = run.failed_with("error: user alex and its folder stay: ");
        assert!(run.stderr.contains(why), "{how}: {run:?}");
        assert!(!run.stderr.contains("same command"), "{how}: {run:?}");
        assert!(run.stderr.contains("--rotate-key"), "{how}: {run:?}");
        assert_eq!(users(&aws), ["admin", "alex", "jaime"], "{how}");
        let kept = files.into_iter().filter(|key| !key.starts_with("kim/"));
        assert_eq!(aws.keys("shared"), kept.collect::<Vec<_>>(), "{how}");
        if how == "update" {
            // A new key is all that is missing.
            let run = sandbox.create("alex", &["--rotate-key"]).await;
            run.succeeded();
        }
    }
}

#[tokio::test]
async fn interrupted_run_is_finished_by_the_next() {
    for call in [
        "HeadBucket",
        "GetAccountAuthorizationDetails",
        "DeleteAccessKey",
        "DetachUserPolicy",
        "DeletePolicy",
        "DeleteObjects",
        "DeleteUser",
    ] {
        let (aws, sandbox) = aws_with_an_end(&[]).await;
        set_end(&aws, "alex", LONG_AGO);
        aws.faults.once(call, Fault::Pause);
        let started = sandbox.start("delete_s3_user", &["-b", "shared", "--expired"]);
        let run = started.stopped_while_paused(&aws, "INT").await;
        let is_last = call == "DeleteUser";
        assert_eq!(run.code, Some(if is_last { 0 } else { 130 }), "{call}: {run:?}");
        assert_eq!(is_gone(&aws, "alex"), is_last, "{call}");
        expired(&sandbox, &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"), "{call}");
        assert_eq!(aws.keys("shared"), ["alexander/secret.txt", "jaime/photo.jpg"]);
    }
}

#[tokio::test]
async fn call_that_fails_before_it_is_known_who_goes_deletes_nobody() {
    let (aws, sandbox) = aws_with_two_expired().await;
    let before = state_of(&aws);
    for (call, is_one_by_one) in INVENTORY {
        for fault in [Fault::DENIED, Fault::BROKEN, Fault::LoseAnswer] {
            let is_refused = fault == Fault::DENIED;
            let is_replaced = is_refused && call == "GetAccountAuthorizationDetails";
            // The answer to a HeadBucket has no body that could be lost.
            let is_harmless = call == "HeadBucket" && fault == Fault::LoseAnswer;
            if is_replaced || is_harmless {
                continue;
            }
            aws.faults.forget();
            if is_one_by_one {
                aws.faults.look_up_one_by_one();
            }
            aws.faults.always(call, fault);
            let run = expired(&sandbox, &[]).await;
            let named = match (call, is_refused) {
                ("ListUsers", true) => "GetAccountAuthorizationDetails: AccessDenied",
                _ => call,
            };
            let run = run.failed_with(&format!("error: {named}"));
            assert_eq!(run.stdout, "");
            assert_only_read(&aws);
        }
    }
    assert_eq!(state_of(&aws), before);
}

#[tokio::test]
async fn credentials_that_are_missing_are_told_once() {
    let (aws, _) = aws_with_two_expired().await;
    let nobody =
        Sandbox::new(&aws).set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None);
    let run = expired(&nobody, &["--json"]).await;
    let run = run.failed_with("no AWS credentials found");
    assert_eq!(run.stdout, "");
}
