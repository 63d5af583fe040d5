//! `--suspend` and `--resume`: the keys stop working and work again, and
//! nothing else changes.

use aws_sdk_iam::error::ProvideErrorMetadata;
use serde_json::json;

use crate::support::{
    ALLOW_ALL, DRY_RUN, Fault, LocalAws, Run, Sandbox, active_keys_of, aws_with_alex, delete_key,
    is_gone, keys_of, opens_folder, put_inline_policy, set_status,
};

async fn suspend(sandbox: &Sandbox, options: &[&str]) -> Run {
    let options = [&["--suspend"], options].concat();
    sandbox.create("alex", &options).await
}

async fn resume(sandbox: &Sandbox, options: &[&str]) -> Run {
    let options = [&["--resume"], options].concat();
    sandbox.create("alex", &options).await
}

/// A local AWS with alex, who has two keys that work, in two files.
async fn aws_with_two_keys() -> (LocalAws, Sandbox) {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let another = ["--rotate-key", "--keep-old-keys"];
    sandbox.create("alex", &another).await.succeeded();
    aws.faults.forget();
    (aws, sandbox)
}

/// All there is in IAM and S3, but for whether alex's keys are active.
fn all_but_status(aws: &LocalAws) -> String {
    let iam = aws.iam(|iam| {
        let keys = iam.access_keys["alex"].iter();
        let keys: Vec<_> = keys.map(|key| (&key.access_key_id, &key.secret_access_key)).collect();
        let policies: Vec<_> = iam.policies.values().collect();
        let attached = iam.user_policies.get("alex");
        let inline = iam.user_inline_policies.get("alex");
        let user = &iam.users["alex"];
        format!("{user:?} {keys:?} {policies:?} {attached:?} {inline:?}")
    });
    format!("{iam} {:?}", aws.keys("shared"))
}

/// The code that a request with this key is refused with, to S3 and to IAM.
async fn refusals(aws: &LocalAws, key: &(String, String)) -> [Option<String>; 2] {
    let get = aws.s3_client_of(key).get_object().bucket("shared");
    let of_s3 = get.key("alex/report.txt").send().await.err();
    let of_iam = aws.iam_client_of(key).list_users().send().await.err();
    let code = |error: &dyn ProvideErrorMetadata| error.code().map(str::to_owned);
    [of_s3.as_ref().and_then(|error| code(error)), of_iam.as_ref().and_then(|error| code(error))]
}

/// A status that is to come, such as one of keys that end by themselves.
#[tokio::test]
async fn key_of_another_status_is_not_active() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.change_iam(|iam| iam.access_keys.get_mut("alex").unwrap()[0].status = "Expired".to_owned());
    let run = sandbox.create("alex", &["--suspend"]).await.succeeded();
    assert!(run.stderr.contains("alex is already suspended"), "{run:?}");
}

#[tokio::test]
async fn suspended_key_is_refused_and_works_again_when_resumed() {
    for options in [[].as_slice(), &["--inline-policy"]] {
        let (aws, sandbox) = aws_with_alex(options).await;
        let key = sandbox.key_of("alex");
        let before = all_but_status(&aws);

        let run = suspend(&sandbox, &[]).await.succeeded();
        let expected = format!(
            "Suspended access key {}\nWithin a few seconds, alex will have no access to \
             s3://shared/alex/; to undo this, use --resume\n",
            key.0
        );
        assert_eq!((run.stdout.as_str(), run.stderr), ("", expected));
        assert!(!opens_folder(&aws, &key).await);
        let refused = ["InvalidAccessKeyId", "InvalidClientTokenId"];
        let refused = refused.map(|code| Some(code.to_owned()));
        assert_eq!(refusals(&aws, &key).await, refused);
        assert_eq!(all_but_status(&aws), before);

        let run = resume(&sandbox, &[]).await.succeeded();
        let expected = format!(
            "Reactivated access key {0}\nWithin a few seconds, alex will have the same access as before\n",
            key.0
        );
        assert_eq!((run.stdout.as_str(), run.stderr), ("", expected));
        assert!(opens_folder(&aws, &key).await);
        assert_eq!(all_but_status(&aws), before);
    }
}

#[tokio::test]
async fn said_twice_is_no_error_and_no_call() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let key = sandbox.key_of("alex").0;
    for (option, words, suspended) in [
        ("--resume", "alex is not suspended\n", false),
        ("--suspend", "alex is already suspended\n", true),
    ] {
        sandbox.create("alex", &[option]).await.succeeded();
        aws.faults.forget();
        let run = sandbox.create("alex", &[option]).await.succeeded();
        assert_eq!(run.stderr, words);
        let run = sandbox.create("alex", &[option, "--json"]).await;
        let expected = json!({
            "user": "alex",
            "bucket": "shared",
            "prefix": "alex/",
            "suspended": suspended,
            "changed_keys": [],
            "unchanged_keys": [key],
        });
        assert_eq!(run.succeeded().json(), expected);
        let run = sandbox.create("alex", &[option, "--dry-run"]).await;
        assert_eq!(run.succeeded().stderr, "Nothing to change for user alex\n");
        let calls = aws.faults.counts();
        assert!(!calls.contains_key("UpdateAccessKey"), "{calls:?}");
    }
}

#[tokio::test]
async fn every_key_is_suspended_and_resumed() {
    let (aws, sandbox) = aws_with_two_keys().await;
    let keys = [sandbox.key_of("alex"), sandbox.key_in("alex_accessKeys.2.csv")];
    // One is suspended already.
    set_status(&aws, &keys[0].0, "Inactive").await;
    let run = suspend(&sandbox, &["--json"]).await.succeeded();
    assert_eq!(run.json()["changed_keys"], json!([keys[1].0]));
    assert_eq!(run.json()["unchanged_keys"], json!([keys[0].0]));
    assert_eq!(active_keys_of(&aws, "alex"), [""; 0]);

    let run = resume(&sandbox, &[]).await.succeeded();
    let note = "note: there are two active access keys: ";
    assert!(run.stderr.contains(note), "{run:?}");
    for key in &keys {
        assert!(run.stderr.contains(&key.0), "{run:?}");
        assert!(opens_folder(&aws, key).await);
    }
}

#[tokio::test]
async fn several_users_from_a_file_are_suspended_and_others_not() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let others = ["-u", "jaime", "-u", "kim"];
    let args = [&["-b", "shared"], others.as_slice()].concat();
    sandbox.run("create_s3_user", &args).await.succeeded();
    std::fs::write(sandbox.path().join("ended"), "alex\nnobody\njaime\n").unwrap();
    let from_file = ["-b", "shared", "--users-from", "ended"];
    for (option, active, summary) in
        [("--suspend", 0, "2 of 3 users suspended"), ("--resume", 1, "2 of 3 users resumed")]
    {
        let args = [&from_file[..], &[option, "--json"]].concat();
        let run = sandbox.run("create_s3_user", &args).await;
        assert_eq!(run.code, Some(1), "{run:?}");
        for part in ["error: 1 user doesn't exist: nobody", summary, "failed: nobody"] {
            assert!(run.stderr.contains(part), "{part}: {run:?}");
        }
        let lines = run.json_lines();
        for user in ["alex", "jaime"] {
            let line = lines.iter().find(|line| line["user"] == user).unwrap();
            assert_eq!(line["suspended"], option == "--suspend");
            assert_eq!(line["changed_keys"], json!(keys_of(&aws, user)));
            assert_eq!(active_keys_of(&aws, user).len(), active, "{user}");
            let said = run.stderr.lines();
            let said = said.filter(|line| line.ends_with(&format!("d user {user}")));
            assert_eq!(said.count(), 1, "{run:?}");
        }
        assert_eq!(lines.len(), 3);
        assert_eq!(active_keys_of(&aws, "kim"), keys_of(&aws, "kim"));
        assert_eq!(active_keys_of(&aws, "admin").len(), 1);
    }
}

#[tokio::test]
async fn dry_run_shows_the_steps_and_changes_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let key = sandbox.key_of("alex").0;
    let run = suspend(&sandbox, &["--dry-run"]).await.succeeded();
    let steps = format!("suspend access key {key}");
    assert_eq!(run.stderr, format!("Would {steps}\n{DRY_RUN}"));
    let run = suspend(&sandbox, &["--dry-run", "--json"]).await;
    assert_eq!(run.succeeded().json()["steps"], json!([steps]));
    assert_eq!(active_keys_of(&aws, "alex"), [key.as_str()]);

    suspend(&sandbox, &[]).await.succeeded();
    let run = resume(&sandbox, &["--dry-run"]).await.succeeded();
    let steps = format!("reactivate access key {key}");
    assert_eq!(run.stderr, format!("Would {steps}\n{DRY_RUN}"));
    assert_eq!(active_keys_of(&aws, "alex"), [""; 0]);
}

#[tokio::test]
async fn only_keys_of_users_of_ours_for_this_bucket_are_touched() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.add_bucket("other", &[]).await;
    for option in ["--suspend", "--resume"] {
        let other = ["-b", "other", "-u", "alex", option];
        let run = sandbox.run("create_s3_user", &other).await;
        run.failed_with("belongs to bucket shared");
        let run = sandbox.create("admin", &[option]).await;
        run.failed_with("was not created by create_s3_user");
        let run = sandbox.create("Alex", &[option]).await;
        run.failed_with("there is no user Alex");
        let run = sandbox.create("kim", &[option]).await;
        run.failed_with("there is no user kim");
    }
    assert!(is_gone(&aws, "kim"));
    assert!(!aws.faults.counts().contains_key("UpdateAccessKey"));
    assert_eq!(active_keys_of(&aws, "alex"), keys_of(&aws, "alex"));
    assert_eq!(active_keys_of(&aws, "admin").len(), 1);
}

#[tokio::test]
async fn user_without_a_key_can_be_suspended_but_not_resumed() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    delete_key(&aws, "alex", &sandbox.key_of("alex").0).await;
    let run = suspend(&sandbox, &[]).await.succeeded();
    let words = "alex has no access key: nothing to suspend\n";
    assert_eq!(run.stderr, words);
    for options in [[].as_slice(), &["--dry-run"]] {
        let run = resume(&sandbox, options).await;
        let run = run.failed_with("user alex has no access key to resume");
        let hint = "hint: for a new key: create_s3_user -b shared -u alex --rotate-key\n";
        assert!(run.stderr.contains(hint), "{run:?}");
    }
    aws.change_iam(|iam| {
        iam.user_policies.remove("alex");
    });
    let run = resume(&sandbox, &[]).await.failed_with("has no access key to resume");
    let hint = "to create the user again, if no other run is working on it, first run: delete_s3_user -b shared -u alex --keep-objects\n";
    assert!(run.stderr.contains(hint) && !run.stderr.contains("--rotate-key"), "{run:?}");
}

#[tokio::test]
async fn key_that_this_command_runs_with_is_not_suspended() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    put_inline_policy(&aws, "alex", "admin", ALLOW_ALL).await;
    let alex = Sandbox::with_key(&aws.url, &sandbox.key_of("alex"));
    let run = suspend(&alex, &[]).await;
    run.failed_with("of user alex is the one that runs this command");
    assert_eq!(active_keys_of(&aws, "alex").len(), 1);
}

#[tokio::test]
async fn access_that_has_ended_meanwhile_is_told() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "2099-12-31"]).await;
    suspend(&sandbox, &[]).await.succeeded();
    let run = resume(&sandbox, &["--dry-run"]).await.succeeded();
    assert!(!run.stderr.contains("note: "), "{run:?}");
    aws.change_iam(|iam| {
        let tags = &mut iam.users.get_mut("alex").unwrap().tags;
        let expires = tags.iter_mut().find(|tag| tag.key == "s3-user:expires");
        "2020-01-01T00:00:00Z".clone_into(&mut expires.unwrap().value);
    });
    let note = "note: access ended on 2019-12-31; --update --expires restores it\n";
    for run in [resume(&sandbox, &[]).await, suspend(&sandbox, &[]).await] {
        assert!(run.succeeded().stderr.contains(note));
    }
}

#[tokio::test]
async fn failure_names_the_keys_that_may_still_work() {
    for (option, state) in [("--suspend", "work"), ("--resume", "be suspended")] {
        let (aws, sandbox) = aws_with_two_keys().await;
        if option == "--resume" {
            suspend(&sandbox, &[]).await.succeeded();
        }
        let mut keys = keys_of(&aws, "alex");
        keys.sort_unstable();
        let denied = "UpdateAccessKey: AccessDenied: ";
        aws.faults.always("UpdateAccessKey", Fault::DENIED);
        let run = sandbox.create("alex", &[option]).await.failed_with(denied);
        let both = format!("access keys {} may still {state}; ", keys.join(" and "));
        assert!(run.stderr.contains(&both), "{run:?}");
        let needs = "needs the permission iam:UpdateAccessKey";
        assert!(run.stderr.contains(needs), "{run:?}");

        aws.faults.forget();
        aws.faults.at("UpdateAccessKey", 1, 1, Fault::DENIED);
        let run = sandbox.create("alex", &[option]).await.failed_with(denied);
        let one = format!("access key {} may still {state}; ", keys[1]);
        assert!(run.stderr.contains(&one), "{run:?}");
        assert_eq!(active_keys_of(&aws, "alex").len(), 1);

        aws.faults.forget();
        aws.faults.once("UpdateAccessKey", Fault::PauseBefore);
        let started = sandbox.start_create("alex", &[option]);
        let run = started.stopped_while_paused(&aws, "INT").await;
        assert_eq!(run.code, Some(0), "the one call under way was the last");
        let active = if option == "--suspend" { 0 } else { 2 };
        assert_eq!(active_keys_of(&aws, "alex").len(), active);
    }
}

#[tokio::test]
async fn interrupted_run_names_the_key_that_is_left() {
    let (aws, sandbox) = aws_with_two_keys().await;
    let mut keys = keys_of(&aws, "alex");
    keys.sort_unstable();
    aws.faults.once("UpdateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--suspend"]);
    let run = started.stopped_while_paused(&aws, "TERM").await;
    assert_eq!(run.code, Some(143), "{run:?}");
    let left = format!("access key {} may still work; ", keys[1]);
    assert!(run.stderr.contains(&left), "{run:?}");
    assert_eq!(active_keys_of(&aws, "alex"), [keys[1].as_str()]);
    suspend(&sandbox, &[]).await.succeeded();
    assert_eq!(active_keys_of(&aws, "alex"), [""; 0]);
}

#[tokio::test]
async fn key_that_another_run_makes_meanwhile_is_told() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.once("UpdateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--suspend"]);
    aws.faults.paused().await;
    let rotate = ["--rotate-key", "--keep-old-keys"];
    sandbox.create("alex", &rotate).await.succeeded();
    aws.faults.resume();
    let run = started.ended().await;
    let new = sandbox.key_in("alex_accessKeys.2.csv").0;
    run.failed_with(&format!("user alex got access key {new} meanwhile, which works"));
    suspend(&sandbox, &[]).await.succeeded();
    assert_eq!(active_keys_of(&aws, "alex"), [""; 0]);
}

#[tokio::test]
async fn store_without_the_call_is_told() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let lacks = Fault::Refuse(400, "InvalidAction");
    aws.faults.always("UpdateAccessKey", lacks);
    let run = suspend(&sandbox, &[]).await;
    run.failed_with("UpdateAccessKey: InvalidAction");
    assert!(opens_folder(&aws, &sandbox.key_of("alex")).await);
}

#[tokio::test]
async fn key_whose_status_a_store_does_not_tell_counts_as_active() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let key = sandbox.key_of("alex");
    let answer = format!(
        "<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata><member>\
         <AccessKeyId>{}</AccessKeyId></member></AccessKeyMetadata></ListAccessKeysResult>\
         </ListAccessKeysResponse>",
        key.0
    );
    aws.faults.once("ListAccessKeys", Fault::Answer(answer.leak()));
    suspend(&sandbox, &[]).await.succeeded();
    assert!(!opens_folder(&aws, &key).await);
}

#[tokio::test]
async fn create_tells_of_a_suspended_user_and_how_to_resume_it() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let hint = "hint: to resume access: create_s3_user -b shared -u alex --resume\n";
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("already exists for bucket shared");
    assert!(!run.stderr.contains(hint), "{run:?}");
    suspend(&sandbox, &[]).await.succeeded();
    let key = sandbox.key_of("alex");
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with(&format!("with access key {} (suspended)", key.0));
    assert!(run.stderr.contains(hint), "{run:?}");
    assert!(!opens_folder(&aws, &key).await);
}
