//! `--rotate-key`: at every moment the person has a key that works.

use crate::support::{
    Fault, LocalAws, Sandbox, aws_with_alex, delete_key, edit_policy_of_alex, is_gone, keys_of,
    opens_folder,
};

#[tokio::test]
async fn new_key_works_and_the_old_one_no_more() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex");
    let policies = aws.iam(|iam| iam.user_policies["alex"].clone());
    let run = sandbox.create("alex", &["--rotate-key"]).await.succeeded();
    assert_eq!(run.stdout, "alex_accessKeys.2.csv\n");
    assert_eq!(sandbox.key_of("alex"), old);
    let new = sandbox.key_in("alex_accessKeys.2.csv");
    assert_ne!(old.0, new.0);
    assert_eq!(keys_of(&aws, "alex"), [new.0.as_str()]);
    assert!(opens_folder(&aws, &new).await && !opens_folder(&aws, &old).await);
    assert_eq!(aws.iam(|iam| iam.user_policies["alex"].clone()), policies);

    // A place that is free again is taken again.
    std::fs::remove_file(sandbox.path().join("alex_accessKeys.csv")).unwrap();
    let run = sandbox.create("alex", &["--rotate-key", "--json"]).await;
    let run = run.succeeded();
    let json = run.json();
    assert_eq!(json["key_file"], "alex_accessKeys.csv");
    assert_eq!(json["deleted_keys"], serde_json::json!([new.0]));
    assert_eq!(json["kept_keys"], serde_json::json!([]));
    assert_eq!(json["access_key_id"], sandbox.key_of("alex").0);
}

#[tokio::test]
async fn old_key_can_be_kept_and_a_third_is_refused_naming_both() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex");
    let options = ["--rotate-key", "--keep-old-keys"];
    let run = sandbox.create("alex", &options).await.succeeded();
    assert!(
        run.stderr.contains(&format!("{} still works", old.0)),
        "{run:?}"
    );
    let new = sandbox.key_in("alex_accessKeys.2.csv");
    assert!(opens_folder(&aws, &new).await && opens_folder(&aws, &old).await);

    let iam = aws.iam_client_of(&new);
    let _ = iam.list_users().send().await;
    aws.faults.forget();
    let run = sandbox.create("alex", &options).await;
    let run = run.failed_with("has two access keys already");
    for part in [&old.0, &new.0, "used", "hint: "] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    assert_eq!(keys_of(&aws, "alex").len(), 2);
    assert_eq!(sandbox.key_file("alex.3"), None);
    assert!(
        !aws.faults
            .operations()
            .contains(&"CreateAccessKey".to_owned())
    );
}

#[tokio::test]
async fn user_without_a_key_gets_one() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    delete_key(&aws, "alex", &sandbox.key_of("alex").0).await;
    sandbox.create("alex", &["--rotate-key"]).await.succeeded();
    assert!(opens_folder(&aws, &sandbox.key_in("alex_accessKeys.2.csv")).await);
}

#[tokio::test]
async fn failure_before_the_new_key_is_safe_leaves_the_old_one_alone() {
    for (call, fault) in [
        ("HeadBucket", Fault::DENIED),
        ("GetUser", Fault::DENIED),
        ("ListAccessKeys", Fault::DENIED),
        ("CreateAccessKey", Fault::DENIED),
        ("CreateAccessKey", Fault::BROKEN),
        ("CreateAccessKey", Fault::LoseAnswer),
        ("CreateAccessKey", Fault::CutAnswer),
    ] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        let old = sandbox.key_of("alex");
        aws.faults.at(call, 0, 2, fault);
        let run = sandbox.create("alex", &["--rotate-key", "--kit"]).await;
        let run = run.failed_with(call);
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert_eq!(keys_of(&aws, "alex"), [old.0.as_str()], "{call} {fault:?}");
        assert!(opens_folder(&aws, &old).await);
        assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);
    }
}

#[tokio::test]
async fn interrupted_rotation_leaves_the_old_key_alone() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex");
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key"]);
    let run = started.stopped_while_paused(&aws, "TERM").await;
    assert_eq!(run.code, Some(143), "{run:?}");
    assert_eq!(keys_of(&aws, "alex"), [old.0.as_str()]);
    assert!(!sandbox.path().join("alex_accessKeys.2.csv").exists());
}

#[tokio::test]
async fn old_key_that_can_not_be_deleted_is_named_and_the_new_one_stays() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex");
    aws.faults.always("DeleteAccessKey", Fault::DENIED);
    let run = sandbox.create("alex", &["--rotate-key"]).await;
    let run = run.failed_with("the new key is handed over: DeleteAccessKey: AccessDenied");
    let left = format!(
        "left: access key {}; remove it with: aws iam delete-access-key",
        old.0
    );
    assert!(run.stderr.contains(&left), "{run:?}");
    assert_eq!(run.stdout, "alex_accessKeys.2.csv\n");
    assert!(opens_folder(&aws, &sandbox.key_in("alex_accessKeys.2.csv")).await);
}

#[tokio::test]
async fn new_key_that_opens_too_much_is_deleted_and_the_old_one_kept() {
    let aws = LocalAws::start_without_enforcement().await;
    aws.add_bucket("shared", &["alex/report.txt", "jaime/photo.jpg"])
        .await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let old = sandbox.key_of("alex");
    let options = ["--rotate-key", "--verify", "--kit"];
    let run = sandbox.create("alex", &options).await;
    run.failed_with("does not enforce policies");
    assert_eq!(keys_of(&aws, "alex"), [old.0.as_str()]);
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);
}

#[tokio::test]
async fn kit_and_verification_follow_the_access_the_user_has() {
    let access = ["--access", "write", "--expires", "2099-12-31", "--kit"];
    let (aws, sandbox) = aws_with_alex(&access).await;
    let options = ["--rotate-key", "--verify", "--kit"];
    let run = sandbox.create("alex", &options).await.succeeded();
    assert!(
        run.stderr
            .contains("verify: can upload to s3://shared/alex/"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("verify: can't list s3://shared/alex/"),
        "{run:?}"
    );
    let kit = sandbox.path().join("alex_kit.2");
    let readme = std::fs::read_to_string(kit.join("README.txt")).unwrap();
    assert!(
        readme.contains("to the end of 2099-12-31 (UTC)"),
        "{readme}"
    );
    let new = sandbox.key_in("alex_accessKeys.2.csv");
    let credentials = std::fs::read_to_string(kit.join("aws-credentials")).unwrap();
    assert!(credentials.contains(&new.1));
    assert_eq!(keys_of(&aws, "alex"), [new.0]);
}

#[tokio::test]
async fn policy_of_another_form_is_no_ground_to_verify_by() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    edit_policy_of_alex(&aws, "s3:GetObject", "s3:Get*");
    let run = sandbox.create("alex", &["--rotate-key", "--verify"]).await;
    let run = run.failed_with("policy s3-access is not as create_s3_user writes it");
    assert!(
        run.stderr
            .contains("create_s3_user --update -b shared -u alex"),
        "{run:?}"
    );
    sandbox.create("alex", &["--rotate-key"]).await.succeeded();
}

#[tokio::test]
async fn only_users_of_ours_for_this_bucket_are_given_keys() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.add_bucket("other", &[]).await;
    let other = ["-b", "other", "-u", "alex", "--rotate-key"];
    let run = sandbox.run("create_s3_user", &other).await;
    run.failed_with("was not made for bucket other");
    let run = sandbox.create("admin", &["--rotate-key"]).await;
    run.failed_with("was not made by create_s3_user");
    let run = sandbox.create("kim", &["--rotate-key"]).await;
    run.failed_with("there is no user kim");
    assert!(is_gone(&aws, "kim"));
    assert_eq!(keys_of(&aws, "alex"), [sandbox.key_of("alex").0]);
}

#[tokio::test]
async fn dry_run_shows_the_steps_and_makes_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    let run = sandbox
        .create("alex", &["--rotate-key", "--dry-run"])
        .await
        .succeeded();
    let expected = format!(
        "this would be done:\ncreate an access key for alex\nwrite alex_accessKeys.2.csv\ndelete access key {old}\n"
    );
    assert_eq!(run.stderr, expected);
    assert_eq!(keys_of(&aws, "alex"), [old]);
}

#[tokio::test]
async fn access_that_has_ended_is_said_to_and_not_waited_for() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy", "--expires", "2099-12-31"]).await;
    edit_policy_of_alex(&aws, "2100-", "2020-");
    let run = sandbox.create("alex", &["--rotate-key", "--verify"]).await;
    let run = run.failed_with("access of user alex ended at 2020-01-01T00:00:00Z");
    assert!(run.stderr.contains("hint: "), "{run:?}");
    assert_eq!(keys_of(&aws, "alex"), [sandbox.key_of("alex").0]);
}

#[tokio::test]
async fn second_ctrl_c_does_not_tell_to_delete_a_user_that_works() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let options = ["--rotate-key", "--region", "us-east-1"];
    let mut started = sandbox.start_create("alex", &options);
    aws.faults.paused().await;
    started.signal("INT").await;
    started.says("stopping").await;
    started.signal("INT").await;
    let run = started.ended().await;
    assert_eq!(run.code, Some(130), "{run:?}");
    let see = "aws iam list-access-keys --user-name alex --region 'us-east-1'";
    assert!(
        run.stderr.contains(see) && !run.stderr.contains("delete_s3_user"),
        "{run:?}"
    );
}
