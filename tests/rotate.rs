//! `--rotate-key`: at every moment the person has a key that works.

use serde_json::json;

use crate::support::{
    DRY_RUN, Fault, LocalAws, Sandbox, WELCOME, active_keys_of, aws_with_alex, delete_key,
    edit_policy_of_alex, fill_to_eight_keys, is_gone, keys_of, opens_folder, policy_text_of_alex,
    set_end, set_status, tag_of,
};

#[tokio::test]
async fn more_keys_than_iam_allows_are_counted() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    fill_to_eight_keys(&aws);
    let run = sandbox.create("alex", &["--rotate-key"]).await;
    run.failed_with("user alex already has 8 access keys, the most that AWS allows: ");
    assert_eq!(keys_of(&aws, "alex").len(), 8);
}

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
    assert!(run.stderr.contains(&format!("{} still works", old.0)), "{run:?}");
    let new = sandbox.key_in("alex_accessKeys.2.csv");
    assert!(opens_folder(&aws, &new).await && opens_folder(&aws, &old).await);

    let iam = aws.iam_client_of(&new);
    let _ = iam.list_users().send().await;
    aws.faults.forget();
    let run = sandbox.create("alex", &options).await;
    let run = run.failed_with("already has 2 access keys");
    for part in [&old.0, &new.0, "used", "hint: "] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    assert_eq!(keys_of(&aws, "alex").len(), 2);
    assert_eq!(sandbox.key_file("alex.3"), None);
    assert!(!aws.faults.operations().contains(&"CreateAccessKey".to_owned()));
}

#[tokio::test]
async fn what_becomes_of_the_old_key_is_one_option() {
    for (what, kept, active) in
        [("delete", false, false), ("suspend", true, false), ("keep", true, true)]
    {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        let old = sandbox.key_of("alex").0;
        sandbox.create("alex", &["--rotate-key", "--old-key", what]).await.succeeded();
        assert_eq!(keys_of(&aws, "alex").contains(&old), kept, "{what}");
        assert_eq!(active_keys_of(&aws, "alex").contains(&old), active, "{what}");
    }
}

#[tokio::test]
async fn new_key_comes_with_more_time_in_one_go() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "2090-12-31"]).await;
    set_end(&aws, "alex", "2020-01-01T00:00:00Z");
    let renew = ["--rotate-key", "--expires", "2099-12-31", "--access", "read-write", "--kit"];
    let run = sandbox.create("alex", &renew).await.succeeded();
    let key = sandbox.key_in("alex_accessKeys.2.csv");
    assert_eq!(keys_of(&aws, "alex"), [key.0.as_str()]);
    assert!(opens_folder(&aws, &key).await);
    assert_eq!(tag_of(&aws, "alex", "s3-user:expires").unwrap(), "2100-01-01T00:00:00Z");
    assert!(!run.stderr.contains("access ended"), "{run:?}");
    assert!(run.stderr.contains("access: read -> read-write"), "{run:?}");
    let again = sandbox.create("alex", &["--rotate-key", "--access", "read", "--dry-run"]).await;
    let again = again.succeeded();
    assert!(again.stderr.contains("access: read-write -> read\n"), "{again:?}");
}

#[tokio::test]
async fn renewal_that_fails_leaves_what_others_changed_meanwhile() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key", "--expires", "2099-12-31"]);
    aws.faults.paused().await;
    let other = ["--update", "--expires", "2050-12-31", "--source-ip", "203.0.113.9"];
    Sandbox::new(&aws).create("alex", &other).await.succeeded();
    std::fs::write(sandbox.path().join("alex_accessKeys.2.csv"), "somebody's").unwrap();
    aws.faults.resume();
    let run = started.ended().await.failed_with("the access of user alex stays changed");
    assert!(run.stderr.contains("somebody else has changed policy s3-access-for-alex"), "{run:?}");
    let policy = policy_text_of_alex(&aws);
    assert!(policy.contains("203.0.113.9") && policy.contains("2051-01-01"), "{policy}");
    assert_eq!(tag_of(&aws, "alex", "s3-user:expires").unwrap(), "2051-01-01T00:00:00Z");
    assert_eq!(keys_of(&aws, "alex"), [sandbox.key_of("alex").0]);
}

#[tokio::test]
async fn kit_is_not_made_for_access_that_stays_ended() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "2090-12-31"]).await;
    set_end(&aws, "alex", "2020-01-01T00:00:00Z");
    let options = ["--rotate-key", "--kit", "--access", "read-write"];
    let run = sandbox.create("alex", &options).await;
    run.failed_with("access of user alex ended on 2019-12-31");
    assert_eq!(keys_of(&aws, "alex"), [sandbox.key_of("alex").0]);
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
        let run = sandbox.create("alex", &["--rotate-key", "--kit=dir"]).await;
        let run = run.failed_with(call);
        // A key that this run may have made is named, since another may have, too.
        let named = |key: &String| run.stderr.contains(&format!("left: access key {key}"));
        let keys = keys_of(&aws, "alex");
        assert!(keys.contains(&old.0), "{call} {fault:?}: {run:?}");
        assert!(keys.iter().all(|key| *key == old.0 || named(key)), "{run:?}");
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
    let run = run.failed_with("the old one may still work: DeleteAccessKey: AccessDenied");
    let left = format!(
        "left: access key {} of user alex; remove it with: aws iam delete-access-key",
        old.0
    );
    assert!(run.stderr.contains(&left), "{run:?}");
    assert_eq!(run.stdout, "alex_accessKeys.2.csv\n");
    assert!(opens_folder(&aws, &sandbox.key_in("alex_accessKeys.2.csv")).await);
}

#[tokio::test]
async fn new_key_that_opens_too_much_is_deleted_and_the_old_one_kept() {
    let aws = LocalAws::start_without_enforcement().await;
    aws.add_bucket("shared", &["alex/report.txt", "jaime/photo.jpg"]).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let old = sandbox.key_of("alex");
    let options = ["--rotate-key", "--verify", "--kit=dir"];
    let run = sandbox.create("alex", &options).await;
    run.failed_with("which its policy does not allow");
    assert_eq!(keys_of(&aws, "alex"), [old.0.as_str()]);
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);
}

#[tokio::test]
async fn kit_and_verification_follow_the_access_the_user_has() {
    let access = ["--access", "write", "--expires", "2099-12-31"];
    let shared = ["--also-read", "jaime/", "--kit=dir"];
    let (aws, sandbox) = aws_with_alex(&[&access[..], &shared].concat()).await;
    let options = ["--rotate-key", "--verify", "--kit=dir", "-v"];
    let run = sandbox.create("alex", &options).await.succeeded();
    for tried in [
        "can upload to s3://shared/alex/",
        "can't list s3://shared/alex/",
        "can list s3://shared/jaime/",
    ] {
        assert!(run.stderr.contains(&format!("Verified: {tried}")), "{run:?}");
    }
    let kit = sandbox.path().join("alex_kit.2");
    let readme = std::fs::read_to_string(kit.join("README.txt")).unwrap();
    for part in ["until the end of 31 December 2099 (UTC)", "    s3://shared/jaime/\r\n"] {
        assert!(readme.contains(part), "{readme}");
    }
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
            .contains("create_s3_user -b shared -u alex --update --access read --expires never"),
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
    run.failed_with("belongs to bucket shared");
    let run = sandbox.create("admin", &["--rotate-key"]).await;
    run.failed_with("was not created by create_s3_user");
    let run = sandbox.create("kim", &["--rotate-key"]).await;
    run.failed_with("there is no user kim");
    assert!(is_gone(&aws, "kim"));
    assert_eq!(keys_of(&aws, "alex"), [sandbox.key_of("alex").0]);
}

#[tokio::test]
async fn dry_run_shows_the_steps_and_makes_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    let run = sandbox.create("alex", &["--rotate-key", "--dry-run"]).await.succeeded();
    let expected = format!(
        "Would create an access key for alex\nWould write alex_accessKeys.2.csv\nWould delete access key {old}\n{DRY_RUN}"
    );
    assert_eq!(run.stderr, expected);
    assert_eq!(keys_of(&aws, "alex"), [old]);
}

#[tokio::test]
async fn access_that_has_ended_is_said_to_and_not_waited_for() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy", "--expires", "2099-12-31"]).await;
    edit_policy_of_alex(&aws, "2100-", "2020-");
    let run = sandbox.create("alex", &["--rotate-key", "--verify"]).await;
    let run = run.failed_with("access of user alex ended on 2019-12-31");
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
    let see = "aws iam list-access-keys --user-name alex --region us-east-1";
    assert!(run.stderr.contains(see) && !run.stderr.contains("delete_s3_user"), "{run:?}");
}

#[tokio::test]
async fn key_of_another_run_is_named_and_not_deleted() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.forget();
    // The last look before the key is made.
    aws.faults.at("ListAccessKeys", 1, 1, Fault::Pause);
    aws.faults.at("CreateAccessKey", 1, 2, Fault::BROKEN);
    let started = sandbox.start_create("alex", &["--rotate-key"]);
    aws.faults.paused().await;
    let iam = aws.iam_client();
    let other = iam.create_access_key().user_name("alex").send().await;
    let other = other.unwrap().access_key.unwrap().access_key_id;
    aws.faults.resume();
    let run = started.ended().await.failed_with("CreateAccessKey: ");
    let left = format!("left: access key {other}, created ");
    let delete = format!("aws iam delete-access-key --user-name alex --access-key-id {other}");
    assert!(run.stderr.contains(&left) && run.stderr.contains(&delete), "{run:?}");
    let mut keys = keys_of(&aws, "alex");
    keys.sort();
    let mut expected = [sandbox.key_of("alex").0, other];
    expected.sort();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn key_that_may_still_appear_is_named() {
    let one_key = aws_with_alex(&[]).await;
    let (aws, sandbox, ..) = aws_with_suspended_key().await;
    for (aws, sandbox) in [one_key, (aws, sandbox)] {
        aws.faults.always("CreateAccessKey", Fault::BROKEN);
        let run = sandbox.create("alex", &["--rotate-key"]).await;
        let run = run.failed_with("CreateAccessKey: ");
        let left = "left: an access key that may still appear in a list; remove it with: \
                    aws iam list-access-keys --user-name alex";
        assert!(run.stderr.contains(left), "{run:?}");
        assert_eq!(run.stderr.matches("left: ").count(), 1, "{run:?}");
    }
}

#[tokio::test]
async fn second_of_two_rotations_at_once_deletes_no_key() {
    for options in [[].as_slice(), &["--verify"], &["--suspend-old"]] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        aws.faults.forget();
        aws.faults.once("CreateAccessKey", Fault::PauseBefore);
        let first = Sandbox::new(&aws);
        let started = first.start_create("alex", &[&["--rotate-key"], options].concat());
        aws.faults.paused().await;
        sandbox.create("alex", &["--rotate-key"]).await.succeeded();
        let winner = sandbox.key_in("alex_accessKeys.2.csv");
        aws.faults.resume();
        let run = started.ended().await;
        let run = run.failed_with("another run gave user alex an access key meanwhile");
        assert!(run.stderr.contains(&format!("left: access key {}", winner.0)), "{run:?}");
        assert_eq!(run.stdout, "alex_accessKeys.csv\n");
        for key in [winner, first.key_of("alex")] {
            assert!(opens_folder(&aws, &key).await, "{}", key.0);
        }
    }
}

#[tokio::test]
async fn key_that_aws_does_not_know_takes_no_old_key_away() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex");
    let unknown = Fault::Refuse(403, "SignatureDoesNotMatch");
    aws.faults.unless_signed_by(&aws.admin.0, "GetCallerIdentity", usize::MAX, unknown);
    for options in [["--rotate-key"].as_slice(), &["--rotate-key", "--suspend-old"]] {
        let run = sandbox.create("alex", options).await;
        let run =
            run.failed_with("the new key does not work: GetCallerIdentity: SignatureDoesNotMatch");
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert_eq!(active_keys_of(&aws, "alex"), [old.0.as_str()]);
        assert_eq!(keys_of(&aws, "alex"), [old.0.as_str()]);
    }
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);
    aws.faults.forget();
    let known_late = Fault::Refuse(403, "InvalidClientTokenId");
    aws.faults.unless_signed_by(&aws.admin.0, "GetCallerIdentity", 3, known_late);
    sandbox.create("alex", &["--rotate-key"]).await.succeeded();
}

#[tokio::test]
async fn new_key_that_nobody_could_test_takes_no_old_key_away() {
    for fault in [
        Fault::BROKEN,
        Fault::DENIED,
        Fault::Throttle,
        Fault::CutAnswer,
        Fault::HTML,
        Fault::OtherAnswer(302, ""),
        Fault::OtherAnswer(404, WELCOME),
        Fault::OtherAnswer(404, "no healthy upstream"),
        Fault::OtherAnswer(400, ""),
        Fault::OtherAnswer(500, ""),
        Fault::Answer(
            "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>",
        ),
    ] {
        for old_keys in [None, Some("--suspend-old")] {
            let (aws, sandbox) = aws_with_alex(&[]).await;
            let old = sandbox.key_of("alex").0;
            aws.faults.always("GetCallerIdentity", fault);
            let options = Vec::from_iter(["--rotate-key"].into_iter().chain(old_keys));
            let run = sandbox.create("alex", &options).await;
            let error =
                "the new key could not be tested, so the old one stays: GetCallerIdentity: ";
            let run = run.failed_with(error);
            let hint = "create_s3_user -b shared -u alex --rotate-key --verify\n";
            assert!(run.stderr.ends_with(hint), "{fault:?}: {run:?}");
            assert!(!run.stderr.contains("left:"), "{fault:?}: {run:?}");
            assert_eq!(active_keys_of(&aws, "alex"), [old.as_str()], "{fault:?}");
            assert_eq!(keys_of(&aws, "alex"), [old], "{fault:?}: {run:?}");
            assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);

            let verified = [&options[..], &["--verify"]].concat();
            sandbox.create("alex", &verified).await.succeeded();
            let new = sandbox.key_in("alex_accessKeys.2.csv");
            assert_eq!(active_keys_of(&aws, "alex"), [new.0.as_str()]);
        }
    }
}

#[tokio::test]
async fn sts_that_can_not_be_reached_takes_no_old_key_away() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    let sandbox = sandbox.set("AWS_ENDPOINT_URL_STS", Some("http://127.0.0.1:9"));
    let run = sandbox.create("alex", &["--rotate-key"]).await;
    run.failed_with("the new key could not be tested, so the old one stays: GetCallerIdentity: ");
    assert_eq!(keys_of(&aws, "alex"), [old]);
    // Where no old key goes, the new one may as well be as it is.
    let keep = ["--rotate-key", "--keep-old-keys"];
    sandbox.create("alex", &keep).await.succeeded();
}

#[tokio::test]
async fn store_that_says_it_has_no_sts_lets_keys_be_replaced() {
    for fault in [
        Fault::Refuse(400, "InvalidAction"),
        Fault::Refuse(405, "MethodNotAllowed"),
        Fault::Refuse(501, "NotImplemented"),
    ] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        aws.faults.always("GetCallerIdentity", fault);
        sandbox.create("alex", &["--rotate-key"]).await.succeeded();
        let new = sandbox.key_in("alex_accessKeys.2.csv");
        assert_eq!(keys_of(&aws, "alex"), [new.0.as_str()]);
        // AWS has an STS, so it is somebody else who says so.
        let of_aws = Sandbox::with_host_of_aws(&aws);
        let run = of_aws.create("alex", &["--rotate-key"]).await;
        run.failed_with("the new key could not be tested");
        assert_eq!(keys_of(&aws, "alex"), [new.0]);
    }
}

/// Every moment of a rotation at which the user may be suspended.
const MOMENTS: [(&str, usize, Fault); 4] = [
    ("ListAccessKeys", 0, Fault::Pause),
    ("CreateAccessKey", 0, Fault::PauseBefore),
    ("CreateAccessKey", 0, Fault::Pause),
    ("ListAccessKeys", 1, Fault::Pause),
];

#[tokio::test]
async fn suspension_during_a_rotation_stops_it() {
    for (operation, skip, fault) in MOMENTS {
        for options in [
            ["--rotate-key"].as_slice(),
            &["--rotate-key", "--suspend-old"],
            &["--rotate-key", "--keep-old-keys"],
        ] {
            let what = format!("{operation} {skip} {fault:?} {options:?}");
            let (aws, sandbox) = aws_with_alex(&[]).await;
            let old = sandbox.key_of("alex").0;
            aws.faults.at(operation, skip, 1, fault);
            let started = sandbox.start_create("alex", options);
            aws.faults.paused().await;
            let other = Sandbox::new(&aws);
            other.create("alex", &["--suspend"]).await.succeeded();
            aws.faults.resume();
            let run = started.ended().await.failed_with("was suspended meanwhile");
            assert!(!run.stderr.contains("left:"), "{what}: {run:?}");
            assert_eq!(active_keys_of(&aws, "alex"), [""; 0], "{what}: {run:?}");
            assert_eq!(keys_of(&aws, "alex"), [old], "{what}: {run:?}");
            assert_eq!(sandbox.files(), ["alex_accessKeys.csv"], "{what}");
        }
    }
}

#[tokio::test]
async fn suspension_of_the_new_key_alone_stops_the_rotation() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    delete_key(&aws, "alex", &sandbox.key_of("alex").0).await;
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key"]);
    aws.faults.paused().await;
    let other = Sandbox::new(&aws);
    other.create("alex", &["--suspend"]).await.succeeded();
    aws.faults.resume();
    let run = started.ended().await;
    run.failed_with("was suspended meanwhile");
    assert_eq!(keys_of(&aws, "alex"), [""; 0]);
}

#[tokio::test]
async fn suspension_after_the_new_key_was_delivered_is_named_with_it() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    // The last look before the new key counts as delivered.
    aws.faults.at("ListAccessKeys", 2, 1, Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key"]);
    aws.faults.paused().await;
    set_status(&aws, &old, "Inactive").await;
    aws.faults.resume();
    let run = started.ended().await;
    let run = run.failed_with("the new key was delivered, and no old one was deleted: access key ");
    let new = sandbox.key_in("alex_accessKeys.2.csv").0;
    let left = format!(
        "left: access key {new} of user alex, which may still work; suspend it with: \
         aws iam update-access-key --user-name alex --access-key-id {new} --status Inactive\n"
    );
    assert!(run.stderr.contains(&left), "{run:?}");
    assert_eq!(run.stdout, "alex_accessKeys.2.csv\n");
    assert_eq!(active_keys_of(&aws, "alex"), [new.as_str()]);
    assert_eq!(keys_of(&aws, "alex").len(), 2);
}

#[tokio::test]
async fn answers_of_a_proxy_are_taken_for_neither_success_nor_refusal() {
    for (operation, fault) in [
        ("CreateAccessKey", Fault::OtherAnswer(408, WELCOME)),
        ("CreateAccessKey", Fault::OtherAnswer(403, WELCOME)),
        ("DeleteAccessKey", Fault::Proxy),
    ] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        aws.faults.always(operation, fault);
        let run = sandbox.create("alex", &["--rotate-key"]).await;
        let run = run.failed_with(operation);
        let written = sandbox.files().into_iter().filter(|file| file.ends_with(".2.csv"));
        let written: Vec<_> = written.map(|file| sandbox.key_in(&file).0).collect();
        for key in keys_of(&aws, "alex") {
            let is_first = operation == "CreateAccessKey" && key == sandbox.key_of("alex").0;
            let named = run.stderr.contains(&format!("left: access key {key}"));
            assert!(is_first || written.contains(&key) || named, "{key}: {run:?}");
        }
    }
}

#[tokio::test]
async fn archive_that_goes_before_the_key_is_handed_over_costs_no_key() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    // Asked last, when everything is written.
    aws.faults.once("GetCallerIdentity", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key", "--kit=dir"]);
    aws.faults.paused().await;
    std::fs::remove_file(sandbox.path().join("alex_kit.2.zip")).unwrap();
    aws.faults.resume();
    let run = started.ended().await;
    run.failed_with("can't keep alex_kit.2.zip: somebody removed or replaced it");
    assert_eq!(keys_of(&aws, "alex"), [old]);
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);
}

#[tokio::test]
async fn files_of_a_rotation_get_a_number_that_the_archive_is_free_for_too() {
    let (_aws, sandbox) = aws_with_alex(&["--kit=dir"]).await;
    let other = sandbox.path().join("alex_kit.2.zip");
    std::fs::write(&other, "precious").unwrap();
    let options = ["--rotate-key", "--kit=dir", "--json"];
    let json = sandbox.create("alex", &options).await.succeeded().json();
    assert_eq!(json["key_file"], "alex_accessKeys.3.csv");
    assert_eq!(json["kit"], "alex_kit.3");
    assert_eq!(json["kit_zip"], "alex_kit.3.zip");
    assert_eq!(std::fs::read(other).unwrap(), b"precious");
}

#[tokio::test]
async fn key_file_that_goes_while_the_key_is_tried_costs_no_key() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    aws.faults.forget();
    aws.faults.once("GetObject", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key", "--verify"]);
    aws.faults.paused().await;
    std::fs::remove_file(sandbox.path().join("alex_accessKeys.2.csv")).unwrap();
    aws.faults.resume();
    let run = started.ended().await;
    run.failed_with("can't keep alex_accessKeys.2.csv: somebody removed or replaced it");
    assert_eq!(keys_of(&aws, "alex"), [old]);
}

/// A local AWS with alex, the directory with alex's keys, the ID of the one that
/// a rotation suspended, and the ID of the one that works.
async fn aws_with_suspended_key() -> (LocalAws, Sandbox, String, String) {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let rotate = ["--rotate-key", "--suspend-old"];
    sandbox.create("alex", &rotate).await.succeeded();
    aws.faults.forget();
    let suspended = sandbox.key_of("alex").0;
    let active = sandbox.key_in("alex_accessKeys.2.csv").0;
    (aws, sandbox, suspended, active)
}

/// Sets when a key of alex was created.
fn set_created(aws: &LocalAws, id: &str, at: &str) {
    aws.change_iam(|iam| {
        let mut keys = iam.access_keys.get_mut("alex").unwrap().iter_mut();
        let key = keys.find(|key| key.access_key_id == id).unwrap();
        key.created_at = at.parse().unwrap();
    });
}

#[tokio::test]
async fn old_key_is_suspended_instead_of_deleted_and_can_be_resumed() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex");
    let options = ["--rotate-key", "--suspend-old", "--json"];
    let run = sandbox.create("alex", &options).await.succeeded();
    let new = sandbox.key_in("alex_accessKeys.2.csv");
    let json = run.json();
    assert_eq!(json["access_key_id"], new.0);
    assert_eq!(json["suspended_keys"], json!([old.0]));
    assert_eq!((&json["deleted_keys"], &json["kept_keys"]), (&json!([]), &json!([])));
    assert!(run.stderr.contains(&format!("Suspended access key {}\n", old.0)), "{run:?}");
    assert!(run.stderr.contains("note: the old access key is suspended; --resume "), "{run:?}");
    assert!(opens_folder(&aws, &new).await && !opens_folder(&aws, &old).await);
    assert_eq!(keys_of(&aws, "alex"), [old.0.as_str(), new.0.as_str()]);

    sandbox.create("alex", &["--resume"]).await.succeeded();
    assert!(opens_folder(&aws, &new).await && opens_folder(&aws, &old).await);
}

#[tokio::test]
async fn later_rotation_deletes_the_suspended_key_first_and_says_so_before() {
    let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
    let options = ["--rotate-key", "--suspend-old"];
    let dry = [&options[..], &["--dry-run"]].concat();
    let run = sandbox.create("alex", &dry).await.succeeded();
    let expected = format!(
        "Would delete suspended access key {suspended}, to make room for a new one\n\
         Would create an access key for alex\n\
         Would write alex_accessKeys.3.csv\n\
         Would suspend access key {active}\n{DRY_RUN}"
    );
    assert_eq!(run.stderr, expected);
    assert_eq!(keys_of(&aws, "alex"), [suspended.as_str(), active.as_str()]);

    let run = sandbox.create("alex", &[&options[..], &["--json"]].concat()).await;
    let json = run.succeeded().json();
    assert_eq!(json["deleted_keys"], json!([suspended]));
    assert_eq!(json["suspended_keys"], json!([active]));
    let third = sandbox.key_in("alex_accessKeys.3.csv");
    assert_eq!(keys_of(&aws, "alex"), [active.as_str(), third.0.as_str()]);
    assert_eq!(active_keys_of(&aws, "alex"), [third.0.as_str()]);

    let run = sandbox.create("alex", &["--rotate-key", "--json"]).await;
    let json = run.succeeded().json();
    // IAM lists the keys in an order of its own.
    let mut both = [active, third.0];
    both.sort_unstable();
    assert_eq!(json["deleted_keys"], json!(both));
    let fourth = sandbox.key_in("alex_accessKeys.4.csv");
    assert_eq!(keys_of(&aws, "alex"), [fourth.0.as_str()]);
    assert!(opens_folder(&aws, &fourth).await);
}

#[tokio::test]
async fn key_that_was_resumed_meanwhile_is_not_deleted() {
    for options in [["--rotate-key"].as_slice(), &["--rotate-key", "--suspend-old"]] {
        let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
        aws.faults.once("ListAccessKeys", Fault::Pause);
        let started = sandbox.start_create("alex", options);
        aws.faults.paused().await;
        set_status(&aws, &suspended, "Active").await;
        aws.faults.resume();
        let run = started.ended().await;
        let run = run.failed_with("the access keys of user alex have changed since");
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert_eq!(active_keys_of(&aws, "alex"), [suspended, active]);
        let files = ["alex_accessKeys.2.csv", "alex_accessKeys.csv"];
        assert_eq!(sandbox.files(), files);
    }
}

#[tokio::test]
async fn no_key_is_deleted_to_make_room_where_both_work_or_none_is_known_to_be_older() {
    let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
    let both = [suspended.clone(), active.clone()];
    let keep = ["--rotate-key", "--keep-old-keys"];
    let run = sandbox.create("alex", &keep).await;
    let run = run.failed_with(&format!("{suspended} (suspended, never used)"));
    let delete = format!("--access-key-id {suspended}\n");
    assert!(run.stderr.contains(&delete), "{run:?}");
    assert_eq!(keys_of(&aws, "alex"), both);

    // Which of two is the older one isn't known where both are of the same second.
    for status in ["Inactive", "Active"] {
        set_status(&aws, &suspended, status).await;
        set_status(&aws, &active, status).await;
        for key in [&suspended, &active] {
            set_created(&aws, key, "2026-01-01T00:00:00Z");
        }
        for options in [["--rotate-key"].as_slice(), &["--rotate-key", "--suspend-old"]] {
            let run = sandbox.create("alex", options).await;
            let run = run.failed_with("already has 2 access keys");
            let names_one = |key| run.stderr.contains(&format!("--access-key-id {key}"));
            assert!(!names_one(&suspended) && !names_one(&active), "{run:?}");
            assert_eq!(keys_of(&aws, "alex"), both);
        }
    }
    assert!(!aws.faults.counts().contains_key("DeleteAccessKey"));
}

#[tokio::test]
async fn rotation_says_that_access_has_ended() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "9d"]).await;
    set_end(&aws, "alex", "2020-01-01T00:00:00Z");
    let run = sandbox.create("alex", &["--rotate-key"]).await.succeeded();
    let note = "note: access ended on 2019-12-31; --update --expires restores it\n";
    assert!(run.stderr.contains(note), "{run:?}");
}

#[tokio::test]
async fn older_one_of_two_suspended_keys_makes_room() {
    for (options, others) in
        [(["--rotate-key"].as_slice(), 0), (&["--rotate-key", "--suspend-old"], 1)]
    {
        let (aws, sandbox, older, newer) = aws_with_suspended_key().await;
        set_created(&aws, &older, "2026-01-01T00:00:00Z");
        sandbox.create("alex", &["--suspend"]).await.succeeded();
        let keep = ["--rotate-key", "--keep-old-keys"];
        let run = sandbox.create("alex", &keep).await;
        run.failed_with("already has 2 access keys");
        let run = sandbox.create("alex", options).await.succeeded();
        let step = format!("Deleted suspended access key {older}, to make room for a new one\n");
        assert!(run.stderr.contains(&step), "{run:?}");
        let new = sandbox.key_in("alex_accessKeys.3.csv").0;
        assert_eq!(active_keys_of(&aws, "alex"), [new]);
        let keys = keys_of(&aws, "alex");
        assert_eq!(keys.len(), 1 + others, "{run:?}");
        assert_eq!(keys.contains(&newer), others == 1, "{run:?}");
    }
}

#[tokio::test]
async fn hint_names_the_newer_one_of_two_unused_keys_with_a_doubt() {
    let (aws, sandbox, older, newer) = aws_with_suspended_key().await;
    set_created(&aws, &older, "2026-01-01T00:00:00Z");
    sandbox.create("alex", &["--resume"]).await.succeeded();
    let run = sandbox.create("alex", &["--rotate-key"]).await;
    let hint = format!(
        "hint: neither has been used yet; if the person doesn't have the newer one, delete it: \
         aws iam delete-access-key --user-name alex --access-key-id {newer}\n"
    );
    assert!(run.stderr.ends_with(&hint), "{run:?}");
}

#[tokio::test]
async fn key_that_another_run_makes_in_the_room_is_not_touched() {
    for (paused, error) in [
        (("ListAccessKeys", Fault::Pause), "the access keys of user alex have changed since"),
        (("DeleteAccessKey", Fault::Pause), "the access keys of user alex have changed since"),
        (("CreateAccessKey", Fault::PauseBefore), "CreateAccessKey: LimitExceeded"),
    ] {
        let (aws, _, suspended, active) = aws_with_suspended_key().await;
        aws.faults.once(paused.0, paused.1);
        let other = Sandbox::new(&aws);
        let started = other.start_create("alex", &["--rotate-key", "--suspend-old"]);
        aws.faults.paused().await;
        if paused.0 == "ListAccessKeys" {
            delete_key(&aws, "alex", &suspended).await;
        }
        let iam = aws.iam_client();
        let made = iam.create_access_key().user_name("alex").send().await;
        let made = made.unwrap().access_key.unwrap().access_key_id;
        aws.faults.resume();
        let run = started.ended().await.failed_with(error);
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert_eq!(active_keys_of(&aws, "alex"), [active, made], "{run:?}");
        assert_eq!(other.files(), [""; 0]);
    }
}

#[tokio::test]
async fn suspended_key_that_has_become_the_last_one_is_not_deleted() {
    let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
    aws.faults.once("ListAccessKeys", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key"]);
    aws.faults.paused().await;
    delete_key(&aws, "alex", &active).await;
    aws.faults.resume();
    let run = started.ended().await;
    run.failed_with("the access keys of user alex have changed since");
    assert_eq!(keys_of(&aws, "alex"), [suspended]);
}

#[tokio::test]
async fn failure_after_room_was_made_says_so_and_leaves_the_key_that_works() {
    for (call, fault) in [
        ("CreateAccessKey", Fault::DENIED),
        ("CreateAccessKey", Fault::LoseAnswer),
        ("ListObjectsV2", Fault::DENIED),
    ] {
        let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
        aws.faults.always(call, fault);
        let options = ["--rotate-key", "--suspend-old", "--verify"];
        let run = sandbox.create("alex", &options).await;
        let run = run.failed_with(call);
        let gone = format!("suspended access key {suspended} was deleted to make room, ");
        assert!(run.stderr.contains(&gone), "{run:?}");
        let named = |key: &String| run.stderr.contains(&format!("left: access key {key}"));
        let keys = active_keys_of(&aws, "alex");
        assert_eq!(keys[0], active, "{run:?}");
        assert!(keys[1..].iter().all(named), "{keys:?} {run:?}");
        assert!(!keys_of(&aws, "alex").contains(&suspended), "{run:?}");

        aws.faults.forget();
        for key in &keys[1..] {
            delete_key(&aws, "alex", key).await;
        }
        sandbox.create("alex", &options).await.succeeded();
        let new = sandbox.key_in("alex_accessKeys.3.csv");
        assert_eq!(active_keys_of(&aws, "alex"), [new.0.as_str()]);
    }
}

#[tokio::test]
async fn key_directory_that_takes_no_file_costs_no_suspended_key() {
    let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
    for options in
        [&["--rotate-key", "-o", "/proc", "--dry-run"][..], &["--rotate-key", "-o", "/proc"]]
    {
        let run = sandbox.create("alex", options).await;
        run.failed_with("can't create a file in /proc: ");
    }
    assert_eq!(keys_of(&aws, "alex"), [suspended, active]);
}

#[tokio::test]
async fn interruption_after_room_was_made_leaves_the_key_that_works() {
    let (aws, sandbox, suspended, active) = aws_with_suspended_key().await;
    aws.faults.once("DeleteAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key"]);
    let run = started.stopped_while_paused(&aws, "TERM").await;
    assert_eq!(run.code, Some(143), "{run:?}");
    assert!(run.stderr.contains(&format!("{suspended} was deleted to make room")), "{run:?}");
    assert_eq!(active_keys_of(&aws, "alex"), [active]);
}

#[tokio::test]
async fn suspended_user_gets_access_again_by_a_new_key_and_a_note_says_so() {
    for (options, left) in [
        (["--rotate-key"].as_slice(), 0),
        (&["--rotate-key", "--suspend-old"], 1),
        (&["--rotate-key", "--keep-old-keys"], 1),
    ] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        let old = sandbox.key_of("alex");
        sandbox.create("alex", &["--suspend"]).await.succeeded();
        let note = "note: user alex was suspended; the new key restores access\n";
        let dry = [options, &["--dry-run"]].concat();
        let run = sandbox.create("alex", &dry).await.succeeded();
        assert!(run.stderr.contains(note), "{run:?}");
        let run = sandbox.create("alex", &[options, &["--json"]].concat()).await;
        let run = run.succeeded();
        assert!(run.stderr.contains(note), "{run:?}");
        assert!(!run.stderr.contains("still works"), "{run:?}");
        let suspended = run.json()["suspended_keys"].as_array().unwrap().len();
        assert_eq!((suspended, &run.json()["kept_keys"]), (left, &json!([])));
        let new = sandbox.key_in("alex_accessKeys.2.csv");
        assert_eq!(active_keys_of(&aws, "alex"), [new.0.as_str()]);
        assert_eq!(keys_of(&aws, "alex").len(), 1 + left);
        assert!(opens_folder(&aws, &new).await && !opens_folder(&aws, &old).await);
    }
}

#[tokio::test]
async fn old_key_that_can_not_be_suspended_is_named_and_the_new_one_stays() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    aws.faults.always("UpdateAccessKey", Fault::DENIED);
    let options = ["--rotate-key", "--suspend-old"];
    let run = sandbox.create("alex", &options).await;
    let run = run.failed_with("the old one may still work: UpdateAccessKey: AccessDenied");
    let left = format!(
        "left: access key {old} of user alex, which may still work; suspend it with: \
         aws iam update-access-key --user-name alex --access-key-id {old} --status Inactive\n"
    );
    assert!(run.stderr.contains(&left), "{run:?}");
    assert_eq!(run.stdout, "alex_accessKeys.2.csv\n");
    assert!(opens_folder(&aws, &sandbox.key_in("alex_accessKeys.2.csv")).await);
}

#[tokio::test]
async fn key_of_another_run_stops_the_suspension_of_the_old_one() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let old = sandbox.key_of("alex").0;
    delete_key(&aws, "alex", &old).await;
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["--rotate-key", "--suspend-old"]);
    aws.faults.paused().await;
    let iam = aws.iam_client();
    let other = iam.create_access_key().user_name("alex").send().await;
    let other = other.unwrap().access_key.unwrap().access_key_id;
    aws.faults.resume();
    let run = started.ended().await;
    let run = run.failed_with("another run gave user alex an access key meanwhile");
    assert!(run.stderr.contains(&format!("left: access key {other}, created ")));
    assert_eq!(active_keys_of(&aws, "alex").len(), 2);
}
