//! What a create run that fails undoes, and what it names as left: the cases
//! beside the single calls that `faults` makes go wrong.

use serde_json::json;

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, assert_complete, assert_nothing_left, aws_with_files,
    is_gone, keys_of,
};

#[tokio::test]
async fn answer_without_the_secret_is_no_success() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let answer = "<CreateAccessKeyResponse><CreateAccessKeyResult/></CreateAccessKeyResponse>";
    aws.faults.once("CreateAccessKey", Fault::Answer(answer));
    sandbox.create("alex", &[]).await.failed_with("CreateAccessKey: ");
    assert_nothing_left(&aws, &sandbox, "CreateAccessKey");
}

#[tokio::test]
async fn commands_that_remove_what_is_left_carry_the_connection_options() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws).set("AWS_ENDPOINT_URL", None);
    aws.faults.once("AttachUserPolicy", Fault::DENIED);
    aws.faults.always("DeleteUser", Fault::DENIED);
    let run = sandbox.create("alex", &["--endpoint-url", &aws.url]).await;
    let run = run.failed_with("AttachUserPolicy: ");
    let command = format!("-u alex --keep-objects --endpoint-url {}", aws.url);
    assert!(run.stderr.contains(&command), "{run:?}");
}

#[tokio::test]
async fn what_cannot_be_undone_is_named_with_the_command_that_removes_it() {
    for (undo, left) in [
        ("DeleteAccessKey", "access key "),
        ("DetachUserPolicy", "policy s3-access-for-alex on user alex"),
        ("DeletePolicy", "policy s3-access-for-alex"),
        ("DeleteUser", "user alex"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let cause = match undo {
            "DeleteAccessKey" => "AttachUserPolicy",
            _ => "CreateAccessKey",
        };
        aws.faults.once(cause, Fault::DENIED);
        aws.faults.always(undo, Fault::DENIED);
        let run = sandbox.create("alex", &["--json"]).await.failed_with(&format!("{cause}: "));
        let named = run.json()["left"].clone();
        assert!(
            named.as_array().unwrap().iter().any(|named| named.as_str().unwrap().starts_with(left)),
            "{undo}: {named}"
        );

        aws.faults.forget();
        for line in run.stderr.lines().filter(|line| line.starts_with("left: ")) {
            let command = line.split("remove it with: ").nth(1).unwrap();
            match command.strip_prefix("aws iam delete-policy --policy-arn ") {
                Some(arn) => {
                    aws.iam_client().delete_policy().policy_arn(arn).send().await.ok();
                }
                None => {
                    assert_eq!(command, "delete_s3_user -b shared -u alex --keep-objects");
                    sandbox.delete("alex", &["--keep-objects"]).await;
                }
            }
        }
        assert_nothing_left(&aws, &sandbox, undo);
    }
}

#[tokio::test]
async fn signal_while_waiting_for_iam_to_settle_undoes_everything() {
    let aws = aws_with_files().await;
    // The signal is to come while the program waits.
    let sandbox = Sandbox::new(&aws).with_full_pauses();
    aws.faults.always("AttachUserPolicy", Fault::Refuse(404, "NoSuchEntity"));
    let mut run = sandbox.start_create("alex", &[]);
    aws.faults.called("AttachUserPolicy").await;
    run.signal("INT").await;
    run.says("stopping").await;
    let run = run.ended().await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert_nothing_left(&aws, &sandbox, "settling");
}

/// Sends the signals to a run that has a key nobody has yet, the first of which
/// it answers, and asserts that it ends with this code and nothing is left.
async fn assert_undone_after(signals: &[&str], code: i32) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let mut started = sandbox.start_create("alex", &[]);
    aws.faults.paused().await;
    for signal in signals {
        started.signal(signal).await;
        started.says("stopping").await;
    }
    aws.faults.resume();
    let run = started.ended().await;
    assert_eq!(run.code, Some(code), "{signals:?}: {run:?}");
    run.ended_by(code - 128);
    assert_nothing_left(&aws, &sandbox, &format!("{signals:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_of_a_closing_session_or_a_wrapper_stops_no_undoing() {
    for (signals, code) in [
        (["HUP", "TERM"].as_slice(), 129),
        (&["TERM", "TERM"], 143),
        (&["TERM", "HUP", "TERM", "USR1"], 143),
        (&["INT", "TERM"], 130),
        (&["QUIT", "HUP"], 131),
    ] {
        assert_undone_after(signals, code).await;
    }
}

/// Those that a number stands for have no name in every shell.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn every_signal_that_would_end_the_process_is_undone_like_a_sigterm() {
    for (signal, code) in [
        ("USR1", 138),
        ("USR2", 140),
        ("ALRM", 142),
        ("16", 144),
        ("XCPU", 152),
        ("VTALRM", 154),
        ("PROF", 155),
        ("29", 157),
        ("PWR", 158),
        ("40", 168),
    ] {
        assert_undone_after(&[signal], code).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn disk_that_is_full_costs_no_key() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let script = "ulimit -f 0; exec \"$0\" -b shared -u alex";
    let run = sandbox.run_script(script, "create_s3_user").await;
    run.failed_with("can't write alex_accessKeys.csv");
    assert_nothing_left(&aws, &sandbox, "disk full");
}

#[tokio::test]
async fn account_with_no_room_for_policies_is_undone_and_the_way_around_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let full = Fault::Refuse(409, "LimitExceeded");
    aws.faults.always("CreatePolicy", full);
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("CreatePolicy: LimitExceeded: ");
    assert!(run.stderr.contains("hint: use --inline-policy, which this quota"), "{run:?}");
    assert_nothing_left(&aws, &sandbox, "CreatePolicy");
    sandbox.create("alex", &["--inline-policy"]).await.succeeded();
}

/// A key in an answer.
fn answer_with_key(id: &str, secret: &str) -> &'static str {
    let key = format!(
        "<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><UserName>alex</UserName>\
         <AccessKeyId>{id}</AccessKeyId><Status>Active</Status>\
         <SecretAccessKey>{secret}</SecretAccessKey></AccessKey></CreateAccessKeyResult>\
         </CreateAccessKeyResponse>"
    );
    key.leak()
}

#[tokio::test]
async fn key_that_can_not_be_one_is_written_nowhere() {
    let injected = "wJalrXUtnFEMI/K7&#10;credential_process = touch pwned";
    for (id, secret) in [
        ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFE"),
        ("AKIAIOSFODNN7EXAMPLE", injected),
        ("AKIA&#10;[default]", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ] {
        for options in [["--kit=dir"].as_slice(), &["-o", "-"]] {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            let answer = Fault::Answer(answer_with_key(id, secret));
            aws.faults.once("CreateAccessKey", answer);
            let run = sandbox.create("alex", options).await;
            let run = run.failed_with("CreateAccessKey: the answer is incomplete");
            assert_eq!(run.stdout, "");
            assert_nothing_left(&aws, &sandbox, secret);
            assert_eq!(sandbox.files(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn what_iam_does_not_know_yet_is_undone_although_another_step_fails() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.always("PutObject", Fault::LoseAnswer);
    aws.faults.always("DeleteObject", Fault::DENIED);
    for operation in ["DeleteAccessKey", "DeletePolicy", "DeleteUser"] {
        let unknown = Fault::Refuse(404, "NoSuchEntity");
        aws.faults.at(operation, 0, 2, unknown);
    }
    let run = sandbox.create("alex", &["--make-folder"]).await;
    let run = run.failed_with("PutObject: ");
    assert!(is_gone(&aws, "alex"), "{run:?}");
    let left = run.stderr.lines().filter(|line| line.starts_with("left: "));
    let left: Vec<_> = left.collect();
    assert_eq!(left.len(), 1, "{run:?}");
    assert!(left[0].starts_with("left: object s3://shared/alex/;"), "{run:?}");
}

#[tokio::test]
async fn folder_object_that_another_request_changes_is_put_again() {
    for (code, status) in [("ConditionalRequestConflict", 409), ("OperationAborted", 409)] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.at("PutObject", 0, 2, Fault::Refuse(status, code));
        sandbox.create("kim", &["--make-folder"]).await.succeeded();
        assert!(aws.keys("shared").contains(&"kim/".to_owned()), "{code}");
        assert_eq!(aws.faults.counts()["PutObject"], 3);
    }
}

#[tokio::test]
async fn what_is_not_found_after_a_failed_step_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("AttachUserPolicy", Fault::DENIED);
    aws.faults.always("DeleteAccessKey", Fault::DENIED);
    aws.faults.once("DeletePolicy", Fault::Refuse(404, "NoSuchEntity"));
    aws.faults.once("DeleteUser", Fault::Refuse(404, "NoSuchEntity"));
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("AttachUserPolicy: ");
    for left in ["access key ", "policy s3-access-for-alex;", "user alex;"] {
        assert!(run.stderr.contains(&format!("left: {left}")), "{left}: {run:?}");
    }
}

#[tokio::test]
async fn user_whose_creation_got_no_answer_is_looked_for_until_iam_knows_it() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateUser", Fault::LoseAnswer);
    aws.faults.always("AttachUserPolicy", Fault::DENIED);
    let unknown = Fault::Refuse(404, "NoSuchEntity");
    aws.faults.at("GetUser", 1, 6, unknown);
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("AttachUserPolicy: ");
    assert!(!run.stderr.contains("left:"), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn policy_of_somebody_else_is_not_named_as_left() {
    let aws = aws_with_files().await;
    let create = aws.iam_client().create_policy();
    let create = create.policy_name("s3-access-for-alex");
    create.policy_document(ALLOW_ALL).send().await.unwrap();
    let sandbox = Sandbox::new(&aws)
        .set("AWS_ENDPOINT_URL", None)
        .set("AWS_ENDPOINT_URL_IAM", Some(&aws.url))
        .set("AWS_ENDPOINT_URL_S3", Some(&aws.url));
    aws.faults.always("CreateUser", Fault::DENIED);
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("CreateUser: ");
    assert!(!run.stderr.contains("left:"), "{run:?}");
    assert_eq!(aws.iam(|iam| iam.policies.len()), 1);
}

/// Asserts that nothing but a bare user alex is left, that it is named with a doubt
/// and the command for it, and that nothing else is said of what became of the run.
#[track_caller]
fn assert_user_is_left_in_doubt(aws: &LocalAws, run: &Run, what: &str) {
    let left = "user alex, if it is there and no other run made it";
    assert_eq!(run.json()["left"], json!([left]), "{what}: {run:?}");
    let command = "remove it with: aws iam delete-user --user-name alex\n";
    let line = format!("left: {left}; {command}");
    assert!(run.stderr.contains(&line), "{what}: {run:?}");
    assert!(!run.stderr.contains("undone"), "{what}: {run:?}");
    assert_eq!(keys_of(aws, "alex"), [""; 0], "{what}");
    assert!(aws.iam(|iam| iam.policies.is_empty()), "{what}");
}

#[tokio::test]
async fn user_whose_creation_got_no_answer_is_named_where_no_tag_tells_whose_it_is() {
    for refuses_tags in [false, true] {
        for (times, fault) in [
            (1, Fault::LoseAnswer),
            (2, Fault::LoseAnswer),
            (1, Fault::CutAnswer),
            (2, Fault::EMPTY),
            (1, Fault::OtherAnswer(500, "")),
        ] {
            let what = format!("{refuses_tags} {times} {fault:?}");
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            if refuses_tags {
                aws.faults.refuse_tags();
            } else {
                aws.faults.be_like_ceph();
            }
            aws.faults.at("CreateUser", 0, times, fault);
            let run = sandbox.create("alex", &["--json"]).await;
            let run = run.failed_with("CreateUser: ");
            assert!(aws.iam(|iam| iam.users.contains_key("alex")), "{what}");
            assert_user_is_left_in_doubt(&aws, &run, &what);
            let delete = aws.iam_client().delete_user().user_name("alex");
            delete.send().await.unwrap();
            aws.faults.forget();
            sandbox.create("alex", &[]).await.succeeded();
        }
    }
}

#[tokio::test]
async fn user_that_another_run_made_first_is_not_named_as_left() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    aws.faults.once("CreateUser", Fault::PauseBefore);
    let started = sandbox.start_create("alex", &[]);
    aws.faults.paused().await;
    let other = aws.iam_client().create_user().user_name("alex");
    other.send().await.unwrap();
    aws.faults.resume();
    let run = started.ended().await;
    let run = run.failed_with("user alex already exists, and was not created by create_s3_user");
    assert!(!run.stderr.contains("left:"), "{run:?}");
}

#[tokio::test]
async fn policy_whose_creation_got_no_answer_is_named_where_no_tag_tells_whose_it_is() {
    for times in [1, 2] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.refuse_tags();
        aws.faults.at("CreatePolicy", 0, times, Fault::LoseAnswer);
        let run = sandbox.create("alex", &["--json"]).await;
        let run = run.failed_with("CreatePolicy: ");
        let left = "policy s3-access-for-alex, if it is there and no other run made it";
        assert_eq!(run.json()["left"], json!([left]), "{run:?}");
        assert!(!run.stderr.contains("undone"), "{run:?}");
        assert!(!aws.iam(|iam| iam.users.contains_key("alex")), "{run:?}");
        let arn = aws.iam(|iam| iam.policies.keys().next().cloned()).unwrap();
        let command = format!("remove it with: aws iam delete-policy --policy-arn {arn}\n");
        assert!(run.stderr.contains(&command), "{run:?}");
    }
}

/// Nothing is carried out of these calls while the run looks for it; what is
/// carried out later must not be news to the admin.
#[tokio::test]
async fn what_may_be_made_after_the_last_look_is_named() {
    let aws = aws_with_files().await;
    aws.faults.always("CreateUser", Fault::BROKEN);
    for sandbox in [Sandbox::new(&aws), Sandbox::with_host_of_aws(&aws)] {
        let run = sandbox.create("alex", &["--json"]).await;
        let run = run.failed_with("CreateUser: InternalFailure");
        assert_user_is_left_in_doubt(&aws, &run, "");
    }
    aws.faults.forget();
    aws.faults.always("CreatePolicy", Fault::BROKEN);
    for (sandbox, if_ours) in [
        (Sandbox::new(&aws), "no other run made it"),
        (Sandbox::with_host_of_aws(&aws), "tagged s3-user:run="),
    ] {
        let run = sandbox.create("alex", &[]).await;
        let run = run.failed_with("CreatePolicy: InternalFailure");
        let left = format!("left: policy s3-access-for-alex, if it is there and {if_ours}");
        assert!(run.stderr.contains(&left), "{run:?}");
        assert_eq!(run.stderr.matches("left: ").count(), 1, "{run:?}");
        assert!(is_gone(&aws, "alex"), "{run:?}");
    }
}

/// Whatever happens in the middle of a run, nobody keeps a key that nobody handed over.
#[tokio::test(flavor = "multi_thread")]
async fn panic_in_the_middle_leaves_nothing_behind() {
    let aws = aws_with_files().await;
    for step in [
        "Created user alex",
        "Created policy s3-access-for-alex",
        "Attached policy s3-access-for-alex",
        "Created an access key for alex",
        "Created folder s3://shared/alex/",
        "Wrote alex_accessKeys.csv",
        "Wrote alex_kit/ and alex_kit.zip",
    ] {
        let sandbox = Sandbox::new(&aws).set("S3_USER_TEST_PANIC", Some(step));
        let run = sandbox.create("alex", &["--kit=dir", "--make-folder"]).await;
        assert_eq!(run.code, Some(1), "{step}: {run:?}");
        let told = [
            "create_s3_user: error: as the test wants it\n",
            "create_s3_user: error: internal error\n",
            "all changes were undone\n",
        ];
        assert!(told.iter().all(|part| run.stderr.contains(part)), "{step}: {run:?}");
        assert_nothing_left(&aws, &sandbox, step);
        assert_eq!(sandbox.files(), [""; 0], "{step}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_on_one_user_lets_the_others_be_created() {
    let aws = aws_with_files().await;
    let step = "Created an access key for alex";
    let sandbox = Sandbox::new(&aws).set("S3_USER_TEST_PANIC", Some(step));
    let run = sandbox.create("alex", &["-u", "kim", "-u", "lee"]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("2 of 3 users created\n"), "{run:?}");
    assert!(run.stderr.contains("failed: alex\n"), "{run:?}");
    assert!(is_gone(&aws, "alex") && sandbox.key_file("alex").is_none());
    assert_complete(&aws, &sandbox, "kim");
    assert_complete(&aws, &sandbox, "lee");
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_while_a_key_is_replaced_keeps_the_old_one() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let keys = keys_of(&aws, "alex");
    for step in ["Created an access key for alex", "Wrote alex_accessKeys.2.csv"] {
        let panics = [("S3_USER_TEST_PANIC", step)];
        let args = ["-b", "shared", "-u", "alex", "--rotate-key"];
        let run = sandbox.run_with("create_s3_user", &args, &panics).await;
        assert_eq!(run.code, Some(1), "{step}: {run:?}");
        assert_eq!(keys_of(&aws, "alex"), keys, "{step}: {run:?}");
        assert_eq!(sandbox.files(), ["alex_accessKeys.csv"], "{step}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_after_a_new_key_is_handed_over_still_hands_it_over() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let old = keys_of(&aws, "alex");
    let step = format!("Deleted access key {}", old[0]);
    let args = ["-b", "shared", "-u", "alex", "--rotate-key", "--json"];
    let panics = [("S3_USER_TEST_PANIC", step.as_str())];
    let run = sandbox.run_with("create_s3_user", &args, &panics).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let new = keys_of(&aws, "alex");
    assert!(new.len() == 1 && new != old, "{run:?}");
    let result: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(result["access_key_id"], new[0], "{run:?}");
    assert_eq!(result["key_file"], "alex_accessKeys.2.csv", "{run:?}");
    assert!(run.stderr.contains("the new key was delivered"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_after_room_was_made_says_which_key_is_gone() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let first = keys_of(&aws, "alex")[0].clone();
    let args = ["-b", "shared", "-u", "alex", "--rotate-key", "--suspend-old"];
    sandbox.run("create_s3_user", &args).await.succeeded();
    let step = format!("Deleted suspended access key {first}, to make room for a new one");
    let panics = [("S3_USER_TEST_PANIC", step.as_str())];
    let run = sandbox.run_with("create_s3_user", &args[..5], &panics).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains(&format!("suspended access key {first} was deleted")), "{run:?}");
    assert_eq!(keys_of(&aws, "alex").len(), 1, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_while_a_user_is_deleted_tells_what_is_gone() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let panics = [("S3_USER_TEST_PANIC", "Deleted policy s3-access-for-alex")];
    let args = ["-b", "shared", "-u", "alex"];
    let run = sandbox.run_with("delete_s3_user", &args, &panics).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("\ndeleted: access key "), "{run:?}");
    assert!(run.stderr.contains("; running the same command again continues"), "{run:?}");
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

/// A loop in a shell ends with the program that Ctrl-C was for.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_program_ends_by_the_signal() {
    let aws = aws_with_files().await;
    for (name, signal) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        let sandbox = Sandbox::new(&aws);
        aws.faults.once("CreateAccessKey", Fault::Pause);
        let run = sandbox.start_create("alex", &[]).stopped_while_paused(&aws, name).await;
        let run = run.ended_by(signal);
        assert!(run.stderr.contains("all changes were undone"), "{run:?}");
        assert_nothing_left(&aws, &sandbox, name);
    }
}
