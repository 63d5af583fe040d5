//! What delete_s3_user removes, and above all what it doesn't.

use aws_sdk_iam::types::Tag;
use serde_json::{Value, json};

use crate::support::{
    ALLOW_ALL, DRY_RUN, FILES_OF_OTHERS, Fault, LocalAws, Sandbox, add_every_blocker,
    add_user_of_the_scripts, attach_new_policy, attach_policy, aws_with_alex, aws_with_files,
    begin_upload, is_gone, keys_of, policy_for, put_inline_policy,
};

/// Everything in IAM but `except`, to see that it stays as it is.
fn others(aws: &LocalAws, except: &str) -> Value {
    aws.iam(|iam| {
        let users: Vec<_> = iam.users.keys().filter(|user| *user != except).collect();
        let keys: Vec<_> = iam.access_keys.iter().filter(|(user, _)| *user != except).collect();
        let attached: Vec<_> =
            iam.user_policies.iter().filter(|(user, _)| *user != except).collect();
        let suffix = format!("-for-{except}");
        let policies =
            iam.policies.values().filter(|policy| !policy.policy_name.ends_with(&suffix));
        let policies: Vec<_> =
            policies.map(|policy| (&policy.arn, policy.versions.len())).collect();
        let groups: Vec<_> = iam.groups.keys().collect();
        json!([users, format!("{keys:?}"), attached, policies, groups])
    })
}

#[tokio::test]
async fn deletes_the_user_and_its_folder_and_nothing_else() {
    let aws = aws_with_files().await;
    for key in ["alex", "Alex/private.txt", "alex.txt", "al/x", "alex0", "alex-/x"] {
        aws.put("shared", key).await;
    }
    aws.add_bucket("other", &["alex/report.txt"]).await;
    let sandbox = Sandbox::new(&aws);
    for user in ["alex", "alexander", "jaime"] {
        sandbox.create(user, &[]).await.succeeded();
    }
    let before = others(&aws, "alex");

    let run = sandbox.delete("alex", &[]).await.succeeded();
    assert_eq!(run.stdout, "");
    let still_here = "note: alex_accessKeys.csv is still here; the key in it no longer works";
    let last: Vec<_> = run.stderr.lines().rev().take(2).collect();
    assert_eq!(last, [still_here, "Deleted user alex"]);
    assert!(run.stderr.contains("Deleted 2 objects under s3://shared/alex/"), "{run:?}");

    assert!(is_gone(&aws, "alex"));
    assert_eq!(others(&aws, "alex"), before);
    let expected = [
        "Alex/private.txt",
        "al/x",
        "alex",
        "alex-/x",
        "alex.txt",
        "alex0",
        "alexander/secret.txt",
        "jaime/photo.jpg",
    ];
    assert_eq!(aws.keys("shared"), expected);
    assert_eq!(aws.keys("other"), ["alex/report.txt"]);
    assert!(sandbox.key_file("alex").is_some(), "local files stay");
}

#[tokio::test]
async fn folders_that_the_user_may_read_too_stay_as_they_are() {
    for options in
        [[].as_slice(), &["--force"], &["--force", "--all-versions"], &["--keep-objects"]]
    {
        let aws = aws_with_files().await;
        aws.keep_versions("shared").await;
        for key in ["prices/", "prices/2026/may.csv", "prices/2026/may.csv"] {
            aws.put("shared", key).await;
        }
        begin_upload(&aws, "prices/unfinished").await;
        let sandbox = Sandbox::new(&aws);
        let shares = ["--also-read", "prices/", "--also-read", "jaime/"];
        sandbox.create("alex", &shares).await.succeeded();
        let before = aws.versions("shared", "prices/").await;
        assert_eq!(before.len(), 3);
        sandbox.delete("alex", options).await.succeeded();
        assert!(is_gone(&aws, "alex"));
        assert_eq!(aws.versions("shared", "prices/").await, before);
        assert_eq!(aws.versions("shared", "jaime/").await, ["jaime/photo.jpg"]);
        assert_eq!(aws.uploads("shared"), ["prices/unfinished"]);
    }
}

#[tokio::test]
async fn suspended_keys_go_too() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let rotate = ["--rotate-key", "--suspend-old"];
    sandbox.create("alex", &rotate).await.succeeded();
    let mut keys = keys_of(&aws, "alex");
    keys.sort_unstable();
    let run = sandbox.delete("alex", &["--json"]).await.succeeded();
    assert_eq!(run.json()["access_keys"], json!(keys));
    assert!(is_gone(&aws, "alex"));

    sandbox.create("jaime", &[]).await.succeeded();
    sandbox.create("jaime", &["--suspend"]).await.succeeded();
    sandbox.delete("jaime", &[]).await.succeeded();
    assert!(is_gone(&aws, "jaime"));
}

#[tokio::test]
async fn json_tells_all_that_was_done_in_one_line() {
    let (_, sandbox) = aws_with_alex(&[]).await;
    let run = sandbox.delete("alex", &["--json", "-q"]).await.succeeded();
    assert_eq!(run.stderr, "");
    let expected = json!({
        "user": "alex",
        "bucket": "shared",
        "prefix": "alex/",
        "access_keys": [sandbox.key_of("alex").0],
        "policies_detached": ["s3-access-for-alex"],
        "policies_deleted": ["s3-access-for-alex"],
        "other": [],
        "objects": 2,
        "versions": 0,
        "delete_markers": 0,
        "uploads": 0,
        "user_deleted": true,
        "failed": [],
        "notes": ["alex_accessKeys.csv is still here; the key in it no longer works"],
    });
    assert_eq!(run.json(), expected);
}

#[tokio::test]
async fn dry_run_shows_what_there_is_and_stops() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    let key = sandbox.key_of("alex").0;
    let run = sandbox.delete("alex", &["--dry-run"]).await.succeeded();
    let steps = [
        &format!("delete access key {key}"),
        "delete inline policy s3-access",
        "delete 2 objects under s3://shared/alex/",
        "delete user alex",
    ];
    let shown: Vec<_> = run.stderr.lines().collect();
    let (last, would) = shown.split_last().unwrap();
    assert_eq!(would, steps.map(|step| format!("Would {step}")));
    assert_eq!(*last, DRY_RUN.trim_end());
    let run = sandbox.delete("alex", &["--dry-run", "--json"]).await.succeeded();
    assert_eq!(run.json()["steps"], json!(steps));
    assert_eq!(run.json()["dry_run"], true);
    assert!(!is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn objects_are_kept_when_asked_for() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    sandbox.delete("alex", &["--keep-objects"]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn user_whose_bucket_is_gone_can_be_deleted_without_its_objects() {
    let aws = aws_with_files().await;
    aws.add_bucket("short-lived", &[]).await;
    let sandbox = Sandbox::new(&aws);
    let args = ["-b", "short-lived", "-u", "alex", "--keep-objects"];
    sandbox.run("create_s3_user", &args[..4]).await.succeeded();
    aws.s3_client().delete_bucket().bucket("short-lived").send().await.unwrap();
    // A bucket with a similar name isn't meant: the user is of this one.
    aws.add_bucket("short-livid", &[]).await;
    let alone = "hint: if it was deleted, delete the user alone: \
                 delete_s3_user -b short-lived -u alex --keep-objects\n";
    for options in [[].as_slice(), &["--force"], &["--dry-run"]] {
        let run = sandbox.run("delete_s3_user", &[&args[..4], options].concat()).await;
        let run = run.failed_with("there is no bucket short-lived");
        assert!(run.stderr.contains(alone), "{run:?}");
        assert!(!run.stderr.contains("did you mean"), "{run:?}");
    }
    // One who isn't of the bucket, or isn't there, is no reason for that.
    for user in ["admin", "nobody"] {
        for options in [[].as_slice(), &["--force"]] {
            let args = [&["-b", "short-lived", "-u", user], options].concat();
            let run = sandbox.run("delete_s3_user", &args).await;
            let run = run.failed_with("there is no bucket short-lived; did you mean");
            assert!(!run.stderr.contains("hint: if it was"), "{run:?}");
        }
    }
    assert!(!is_gone(&aws, "alex"));
    sandbox.run("delete_s3_user", &args).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn everything_that_blocks_deleting_a_user_goes_first() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    assert_all_blockers_go(&aws, &sandbox).await;
}

#[tokio::test]
async fn aws_says_what_blocks_deleting_a_user() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    assert_all_blockers_go(&aws, &sandbox).await;
}

#[tokio::test]
async fn what_aws_would_refuse_to_lose_is_looked_for_only_to_be_shown() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let lookups = [
        "ListSigningCertificates",
        "ListSSHPublicKeys",
        "ListServiceSpecificCredentials",
        "ListMFADevices",
    ];
    for (options, times) in [(["--dry-run"].as_slice(), Some(&1)), (&[], None)] {
        aws.faults.forget();
        sandbox.delete("alex", options).await.succeeded();
        let calls = aws.faults.counts();
        for lookup in lookups {
            assert_eq!(calls.get(lookup), times, "{lookup}: {options:?}");
        }
    }
    // A list of everybody, the user's keys and login; whether it is still the same before
    // anything goes, before its policy, its folder and itself; twice, who else has the folder;
    // and what goes.
    let of_delete = aws.faults.operations_of_iam();
    assert_eq!(of_delete, 13, "{:?}", aws.faults.counts());

    // Without the list, six more for what it says.
    sandbox.create("kim", &[]).await.succeeded();
    aws.faults.forget();
    aws.faults.always("GetAccountAuthorizationDetails", Fault::DENIED);
    sandbox.delete("kim", &[]).await.succeeded();
    let without_list = aws.faults.operations_of_iam();
    assert_eq!(without_list, 19, "{:?}", aws.faults.counts());
}

#[tokio::test]
async fn whatever_aws_refuses_to_lose_goes_or_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let upload = aws.iam_client().upload_ssh_public_key().user_name("alex");
    let upload = upload.ssh_public_key_body(include_str!("support/ssh_key.pub"));
    upload.send().await.unwrap();
    aws.faults.always("DeleteSSHPublicKey", Fault::DENIED);
    let run = sandbox.delete("alex", &[]).await;
    let run = run.failed_with("DeleteSSHPublicKey: AccessDenied");
    assert!(run.stderr.contains("running the same command again continues"), "{run:?}");
    aws.faults.forget();
    let run = sandbox.delete("alex", &[]).await.succeeded();
    assert!(run.stderr.contains("Removed SSH public key "), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn user_who_is_gone_but_still_listed_is_no_user() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.faults.once("GetAccountAuthorizationDetails", Fault::Pause);
    let started = sandbox.start_delete("alex", &[]);
    aws.faults.paused().await;
    Sandbox::new(&aws).delete("alex", &["--keep-objects"]).await.succeeded();
    aws.faults.resume();
    started.ended().await.failed_with("there is no user alex");
    assert_eq!(aws.keys("shared").len(), 4);
}

async fn assert_all_blockers_go(aws: &LocalAws, sandbox: &Sandbox) {
    add_every_blocker(aws, "alex").await;
    for name in ["more", "and-more"] {
        put_inline_policy(aws, "alex", name, ALLOW_ALL).await;
    }
    attach_policy(aws, "alex", "arn:aws:iam::aws:policy/ReadOnlyAccess").await;
    let team = attach_new_policy(aws, "alex", "team", ALLOW_ALL).await;

    let run = sandbox.delete("alex", &["--json"]).await.succeeded();
    let json = run.json();
    assert_eq!(json["access_keys"].as_array().unwrap().len(), 2);
    assert_eq!(json["policies_detached"].as_array().unwrap().len(), 3);
    let deleted = json["policies_deleted"].as_array().unwrap().iter();
    let mut deleted: Vec<_> = deleted.map(|name| name.as_str().unwrap()).collect();
    deleted.sort();
    assert_eq!(deleted, ["and-more", "more", "s3-access-for-alex"]);
    let other = json["other"].to_string();
    for kind in [
        "login profile",
        "signing certificate ",
        "SSH public key ",
        "service-specific credential ",
        "MFA device ",
        "membership of group partners",
    ] {
        assert!(other.contains(kind), "{kind}: {other}");
    }
    assert!(is_gone(aws, "alex"));
    aws.iam(|iam| {
        assert!(iam.policies.contains_key(&team), "a shared policy is only detached");
        assert!(iam.groups["partners"].members.is_empty());
        assert!(iam.virtual_mfa_devices.is_empty());
        assert!(!iam.login_profiles.contains_key("alex"));
    });
}

#[tokio::test]
async fn policy_with_many_versions_goes() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let iam = aws.iam_client();
    let arn = aws.iam(|iam| iam.user_policies["alex"][0].clone());
    for default in [false, true, false, false] {
        let version = iam.create_policy_version().policy_arn(&arn).policy_document(ALLOW_ALL);
        version.set_as_default(default).send().await.unwrap();
    }
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn policy_that_others_use_is_only_detached() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for user in ["alex", "jaime"] {
        sandbox.create(user, &[]).await.succeeded();
    }
    let arn = aws.iam(|iam| iam.user_policies["alex"][0].clone());
    attach_policy(&aws, "jaime", &arn).await;
    let run = sandbox.delete("alex", &["--json"]).await.succeeded();
    assert_eq!(run.json()["policies_deleted"], json!([]));
    aws.iam(|iam| {
        assert!(!iam.users.contains_key("alex"));
        assert!(iam.policies.contains_key(&arn));
        assert_eq!(iam.user_policies["jaime"].len(), 2);
    });
}

#[tokio::test]
async fn policy_that_a_killed_run_never_attached_goes_too() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.always("AttachUserPolicy", Fault::DENIED);
    aws.faults.always("DeletePolicy", Fault::DENIED);
    aws.faults.always("DeleteUser", Fault::DENIED);
    sandbox.create("alex", &[]).await.failed_with("AttachUserPolicy");
    aws.faults.forget();
    aws.iam(|iam| assert_eq!(iam.policies.len(), 1));
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn users_of_the_earlier_scripts_go_with_both_their_policies() {
    let aws = aws_with_files().await;
    add_user_of_the_scripts(&aws, "alex", "shared").await;
    add_user_of_the_scripts(&aws, "alexander", "shared").await;
    let before = others(&aws, "alex");
    Sandbox::new(&aws).delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(others(&aws, "alex"), before);
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn users_not_made_for_this_bucket_are_refused_saying_what_was_found() {
    let aws = aws_with_files().await;
    aws.add_bucket("other", &["alex/x", "kim/x"]).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.run("create_s3_user", &["-b", "other", "-u", "alex"]).await.succeeded();
    add_user_of_the_scripts(&aws, "kim", "other").await;
    let run = sandbox.delete("alex", &[]).await.failed_with("belongs to bucket other");
    let hint = "hint: to delete it with its folder there, run: delete_s3_user -b other -u alex";
    assert!(run.stderr.contains(hint), "{run:?}");
    let run = sandbox.delete("kim", &[]).await;
    let run = run.failed_with("belongs to another bucket, by its policy s3-get-for-kim");
    assert!(
        run.stderr.contains("hint: check the name; to delete user kim anyway, add --force, and --keep-objects or --folder FOLDER/\n"),
        "{run:?}"
    );
    sandbox
        .delete("admin", &[])
        .await
        .failed_with("neither the tag s3-user:bucket nor a policy that create_s3_user writes");
    for user in ["alex", "kim", "admin"] {
        assert!(!is_gone(&aws, user));
        aws.iam(|iam| assert_eq!(iam.access_keys[user].len(), 1));
    }
    assert_eq!(aws.keys("shared").len(), 4);
    let changing = aws.faults.operations();
    let changing =
        changing.iter().filter(|call| call.starts_with("Delete") || call.starts_with("Detach"));
    assert_eq!(changing.count(), 0);

    sandbox.delete("kim", &["--force", "--folder", "kim/"]).await.succeeded();
    assert!(is_gone(&aws, "kim"));
    assert_eq!(aws.keys("other"), ["alex/x", "kim/x"], "only the bucket that was named");
}

#[tokio::test]
async fn missing_user_deletes_nothing_but_force_empties_the_folder() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.delete("alex", &[]).await.failed_with("there is no user alex");
    assert!(
        run.stderr
            .contains("hint: s3://shared/alex/ still holds objects; to delete them, add --force"),
        "{run:?}"
    );
    assert_eq!(aws.keys("shared").len(), 4);
    let run = sandbox.delete("kim", &[]).await.failed_with("there is no user kim");
    let hint = "\nhint: to see all users: create_s3_user -b shared --list\n";
    assert!(run.stderr.ends_with(hint), "{run:?}");

    let run = sandbox.delete("alex", &["--force", "--json"]).await.succeeded();
    assert_eq!(run.json()["objects"], 2);
    assert_eq!(run.json()["user_deleted"], false);
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn bucket_is_checked_before_anything_is_touched() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let run = sandbox.run("delete_s3_user", &["-b", "nowhere", "-u", "alex"]).await;
    run.failed_with("there is no bucket nowhere");
    aws.faults.always("HeadBucket", Fault::Refuse(403, ""));
    sandbox.delete("alex", &[]).await.failed_with("bucket shared exists, but you can't access it");
    aws.iam(|iam| assert_eq!(iam.access_keys["alex"].len(), 1));
}

#[tokio::test]
async fn strange_keys_go_over_any_number_of_pages() {
    let aws = aws_with_files().await;
    let strange = [
        "alex/",
        "alex//",
        "alex/../jaime/photo.jpg",
        "alex/a+b",
        "alex/a b",
        "alex/100%",
        "alex/%2F",
        "alex/new\nline",
        "alex/tab\t",
        "alex/return\r",
        "alex/<&>'\"",
        "alex/é/ü/漢字/😀",
        "alex/*",
        "alex/?x=1",
    ];
    aws.put_many("shared", strange.iter().map(|key| (*key).to_owned()));
    aws.put_many("shared", [format!("alex/{}", "k".repeat(1019))]);
    aws.put_many("shared", (0..2500).map(|number| format!("alex/many/{number}")));
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let run = sandbox.delete("alex", &["--json", "--dry-run"]).await.succeeded();
    let steps = run.json()["steps"].to_string();
    assert!(steps.contains("delete 1,000+ objects under"), "{steps}");
    let run = sandbox.delete("alex", &["--json"]).await.succeeded();
    assert_eq!(run.json()["objects"], 2 + 14 + 1 + 2500);
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn object_that_cannot_be_deleted_keeps_the_user_until_a_second_run() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.undeletable.lock().insert("alex/report.txt".to_owned());
    let run = sandbox.delete("alex", &["--json"]).await;
    let run = run.failed_with("1 object could not be deleted, so user alex stays");
    assert!(run.stderr.contains("alex/report.txt: AccessDenied: Access Denied"), "{run:?}");
    let json = run.json();
    assert_eq!(json["objects"], 1);
    assert_eq!(json["user_deleted"], false);
    let failed =
        json!([{ "key": "alex/report.txt", "code": "AccessDenied", "message": "Access Denied" }]);
    assert_eq!(json["failed"], failed);
    assert!(!is_gone(&aws, "alex"));
    aws.iam(|iam| assert!(iam.access_keys["alex"].is_empty(), "access ends first"));

    aws.undeletable.lock().clear();
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

/// Every call of a delete run that changes something.
const CHANGES: [&str; 6] = [
    "TagUser",
    "DeleteAccessKey",
    "DetachUserPolicy",
    "DeletePolicy",
    "DeleteObjects",
    "DeleteUser",
];

#[tokio::test]
async fn failed_run_is_finished_by_running_again() {
    for call in CHANGES {
        for fault in [Fault::DENIED, Fault::LoseAnswer, Fault::BROKEN] {
            let aws = aws_with_files().await;
            add_user_of_the_scripts(&aws, "alex", "shared").await;
            let before = others(&aws, "alex");
            let sandbox = Sandbox::new(&aws);
            aws.faults.at(call, 0, 2, fault);
            let run = sandbox.delete("alex", &["--json"]).await;
            if fault == Fault::DENIED && call != "TagUser" {
                let run = run.failed_with(&format!("{call}: "));
                let error = run.json()["error"].as_str().unwrap().to_owned();
                assert!(error.starts_with(&format!("{call}: ")), "{error}");
                assert_eq!(run.json()["user_deleted"], false);
            }
            aws.faults.forget();
            if !is_gone(&aws, "alex") {
                sandbox.delete("alex", &[]).await.succeeded();
            }
            assert!(is_gone(&aws, "alex"), "{call} {fault:?}");
            assert_eq!(others(&aws, "alex"), before);
            assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
        }
    }
}

#[tokio::test]
async fn interrupted_run_says_so_and_is_finished_by_running_again() {
    for call in ["GetUser", "DeleteAccessKey", "DetachUserPolicy", "DeletePolicy", "DeleteObjects"]
    {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        aws.faults.once(call, Fault::Pause);
        let started = sandbox.start_delete("alex", &[]);
        let run = started.stopped_while_paused(&aws, "INT").await;
        assert_eq!(run.code, Some(130), "{call}: {run:?}");
        let continues = "running the same command again continues";
        let has_begun = call != "GetUser";
        assert_eq!(run.stderr.contains(continues), has_begun, "{call}: {run:?}");
        assert!(!is_gone(&aws, "alex"), "{call}");
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn policy_that_is_still_settling_is_waited_for() {
    for call in ["DeletePolicy", "DeleteUser"] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        aws.faults.once(call, Fault::Refuse(409, "DeleteConflict"));
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn store_without_the_optional_parts_of_iam_is_no_obstacle() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    for (call, fault) in [
        ("GetLoginProfile", Fault::Refuse(400, "InvalidAction")),
        ("ListSigningCertificates", Fault::Refuse(501, "NotImplemented")),
        ("ListSSHPublicKeys", Fault::Refuse(405, "MethodNotAllowed")),
        ("ListServiceSpecificCredentials", Fault::Refuse(400, "")),
        ("ListMFADevices", Fault::Refuse(404, "")),
        ("ListGroupsForUser", Fault::Refuse(501, "NotImplemented")),
        ("ListAttachedUserPolicies", Fault::Refuse(405, "MethodNotAllowed")),
        ("GetPolicy", Fault::Refuse(400, "InvalidAction")),
    ] {
        aws.faults.always(call, fault);
    }
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn failed_run_on_a_store_that_refuses_tags_is_finished_by_running_again() {
    let aws = aws_with_files().await;
    aws.faults.refuse_tags();
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.undeletable.lock().insert("alex/report.txt".to_owned());
    let run = sandbox.delete("alex", &[]).await;
    run.failed_with("1 object could not be deleted, so user alex stays");
    aws.iam(|iam| assert!(iam.access_keys["alex"].is_empty(), "access ends first"));

    aws.undeletable.lock().clear();
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn user_whose_key_the_command_runs_with_is_never_deleted() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for options in [["--folder", "admin/"].as_slice(), &["--keep-objects"]] {
        let run = sandbox.delete("admin", &[&["--force"], options].concat()).await;
        run.failed_with("user admin is the one that runs this command");
        aws.iam(|iam| {
            assert_eq!(iam.access_keys["admin"].len(), 1);
            assert_eq!(iam.user_inline_policies["admin"].len(), 1);
        });
    }
}

#[tokio::test]
async fn folder_deleted_without_a_user_says_that_there_was_none() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.delete("typo", &["--force", "--dry-run"]).await;
    let note = "note: there is no user typo";
    assert!(run.succeeded().stderr.contains(note));
    let run = sandbox.delete("typo", &["--force", "--json"]).await.succeeded();
    assert!(run.stderr.contains(note), "{run:?}");
    assert_eq!(run.json()["notes"], json!(["there is no user typo"]));
}

#[tokio::test]
async fn lookup_that_a_store_breaks_down_over_is_tried_once() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let optional = [
        "GetLoginProfile",
        "ListSigningCertificates",
        "ListSSHPublicKeys",
        "ListServiceSpecificCredentials",
        "ListMFADevices",
        "ListGroupsForUser",
    ];
    for operation in optional {
        aws.faults.always(operation, Fault::Refuse(500, ""));
    }
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    let calls = aws.faults.counts();
    for operation in optional {
        assert_eq!(calls[operation], 1, "{operation}: {calls:?}");
    }
}

#[tokio::test]
async fn lookup_of_a_store_in_trouble_is_tried_again() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.once("ListMFADevices", Fault::BROKEN);
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn user_is_not_deleted_with_temporary_credentials_of_its_own() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    put_inline_policy(&aws, "alex", "more", ALLOW_ALL).await;
    let (id, secret) = sandbox.key_of("alex");
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(&aws.url)
        .http_client(aws.http.clone())
        .credentials_provider(aws_sdk_sts::config::Credentials::new(
            id, secret, None, None, "test",
        ));
    let sts = aws_sdk_sts::Client::from_conf(config.build());
    let session = sts.get_session_token().send().await.unwrap();
    let session = session.credentials.unwrap();
    let sandbox = Sandbox::new(&aws)
        .set("AWS_ACCESS_KEY_ID", Some(&session.access_key_id))
        .set("AWS_SECRET_ACCESS_KEY", Some(&session.secret_access_key))
        .set("AWS_SESSION_TOKEN", Some(&session.session_token));
    for options in [[].as_slice(), &["--force"]] {
        let run = sandbox.delete("alex", options).await;
        run.failed_with("user alex is the one that runs this command");
    }
    assert!(!is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn folder_without_a_user_stays_unless_forced() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    // What a create run leaves that is killed before it makes the user.
    let tag = Tag::builder().key("s3-user:bucket").value("shared").build();
    let create = aws.iam_client().create_policy();
    let create = create.policy_name("s3-access-for-alex").tags(tag.unwrap());
    let create = create.policy_document(policy_for("shared")).send();
    create.await.unwrap();
    let keys = aws.keys("shared");
    let run = sandbox.delete("alex", &[]).await.succeeded();
    for note in ["there is no user alex", "folder s3://shared/alex/ stays"] {
        assert!(run.stderr.contains(note), "{run:?}");
    }
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), keys);
    sandbox.delete("alex", &["--force"]).await.succeeded();
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn policy_that_is_not_tagged_stays_where_there_is_no_user() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let iam = aws.iam_client();
    let create = iam.create_policy().policy_name("s3-access-for-alex");
    let document = policy_for("shared");
    create.policy_document(document).send().await.unwrap();
    let run = sandbox.delete("alex", &[]).await;
    run.failed_with("there is no user alex");
    assert_eq!(aws.iam(|iam| iam.policies.len()), 1);
}

#[tokio::test]
async fn refusal_in_the_middle_says_what_is_gone_and_what_is_left() {
    let alex = "left: user alex; running the same command again continues";
    for (refused, gone, left) in [
        ("DeleteAccessKey", None, ""),
        (
            "DeletePolicy",
            Some("deleted: access key KEY, policy s3-access-for-alex (detached)"),
            "left: policy s3-access-for-alex, s3://shared/alex/, user alex; \
             running the same command again continues",
        ),
        ("DeleteUser", Some("deleted: access key KEY, policy s3-access-for-alex, 2 objects"), alex),
    ] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        let key = sandbox.key_of("alex").0;
        aws.faults.always(refused, Fault::DENIED);
        let run = sandbox.delete("alex", &["-q"]).await;
        let run = run.failed_with(&format!("{refused}: AccessDenied"));
        let said: Vec<_> = run.stderr.lines().skip(1).collect();
        let state = match gone {
            Some(gone) => vec![gone.replace("KEY", &key), left.to_owned()],
            None => vec!["nothing was deleted".to_owned()],
        };
        assert_eq!(said[..state.len()], state, "{run:?}");
        assert!(said[state.len()].starts_with("hint: "), "{run:?}");
        aws.faults.forget();
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}
