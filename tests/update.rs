//! `--update`: another access for a user that is there.

use crate::support::{
    ACCOUNT, ALLOW_ALL, Fault, Run, Sandbox, attach_policy, aws_with_alex, edit_policy_of_alex,
    gets, is_gone, lists, put_inline_policy, puts, tag_of,
};

const EXPIRES: &str = "s3-user:expires";

async fn update(sandbox: &Sandbox, options: &[&str]) -> Run {
    sandbox
        .create("alex", &[&["--update"], options].concat())
        .await
}

#[tokio::test]
async fn access_becomes_what_the_options_say_and_the_key_stays() {
    for options in [[].as_slice(), &["--inline-policy"]] {
        let (aws, sandbox) = aws_with_alex(options).await;
        let key = sandbox.key_of("alex");
        let s3 = aws.s3_client_of(&key);
        let changed = ["--access", "read-write", "--expires", "2099-12-31"];
        let run = update(&sandbox, &changed).await.succeeded();
        for change in [
            "access: read -> read-write",
            "expires: never -> 2100-01-01T00:00:00Z",
        ] {
            assert!(run.stderr.contains(change), "{run:?}");
        }
        assert!(!run.stderr.contains("source addresses"), "{run:?}");
        assert!(puts(&s3, "alex/new.txt").await && !puts(&s3, "jaime/new.txt").await);
        assert_eq!(
            tag_of(&aws, "alex", EXPIRES).as_deref(),
            Some("2100-01-01T00:00:00Z")
        );

        let run = update(&sandbox, &["--json"]).await.succeeded();
        assert_eq!(run.json()["changes"].as_array().unwrap().len(), 2);
        assert!(!puts(&s3, "alex/new.txt").await && gets(&s3, "alex/report.txt").await);
        assert_eq!(tag_of(&aws, "alex", EXPIRES), None);
        aws.iam(|iam| {
            assert_eq!(iam.access_keys["alex"].len(), 1);
            assert_eq!(iam.access_keys["alex"][0].access_key_id, key.0);
        });

        aws.faults.forget();
        let run = update(&sandbox, &[]).await.succeeded();
        assert!(run.stderr.contains("nothing to change"), "{run:?}");
        let calls = aws.faults.operations();
        let writes = [
            "Put", "Create", "Delete", "Tag", "Untag", "Attach", "Detach",
        ];
        let is_write = |call: &&String| writes.iter().any(|verb| call.starts_with(verb));
        assert_eq!(calls.iter().find(is_write), None, "{calls:?}");
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn sixth_version_of_a_policy_takes_the_place_of_the_oldest() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for round in 0..7 {
        let address = format!("10.0.0.{round}");
        update(&sandbox, &["--source-ip", &address])
            .await
            .succeeded();
    }
    aws.iam(|iam| {
        let policy = iam.policies.values().next().unwrap();
        let versions: Vec<_> = policy
            .versions
            .iter()
            .map(|it| it.version_id.as_str())
            .collect();
        assert_eq!(versions, ["v4", "v5", "v6", "v7", "v8"]);
        assert_eq!(policy.default_version_id, "v8");
    });
}

#[tokio::test]
async fn lost_answer_is_made_up_for() {
    for (options, call) in [
        ([].as_slice(), "CreatePolicyVersion"),
        (&["--inline-policy"], "PutUserPolicy"),
        (&[], "TagUser"),
    ] {
        for times in [1, 2] {
            let (aws, sandbox) = aws_with_alex(options).await;
            aws.faults.at(call, 0, times, Fault::LoseAnswer);
            let changed = ["--access", "write", "--expires", "2099-12-31"];
            let run = update(&sandbox, &changed).await;
            if run.code != Some(0) {
                // Whether it was done can't be known: saying so is true, and again is safe.
                assert!((times, call) != (2, "CreatePolicyVersion"), "{run:?}");
                run.failed_with(call);
                update(&sandbox, &changed).await.succeeded();
            }
            let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
            assert!(puts(&s3, "alex/new.txt").await && !lists(&s3, Some("alex/"), None).await);
            assert!(tag_of(&aws, "alex", EXPIRES).is_some());
        }
    }
}

#[tokio::test]
async fn refused_call_leaves_the_access_as_it_was() {
    for (options, call) in [
        ([].as_slice(), "HeadBucket"),
        (&[], "GetUser"),
        (&[], "ListAttachedUserPolicies"),
        (&[], "GetPolicyVersion"),
        (&[], "ListPolicyVersions"),
        (&[], "CreatePolicyVersion"),
        (&["--inline-policy"], "GetUserPolicy"),
        (&["--inline-policy"], "PutUserPolicy"),
    ] {
        let (aws, sandbox) = aws_with_alex(options).await;
        aws.faults.always(call, Fault::DENIED);
        update(&sandbox, &["--access", "read-write"])
            .await
            .failed_with(call);
        let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
        assert!(
            gets(&s3, "alex/report.txt").await && !puts(&s3, "alex/new.txt").await,
            "{call}"
        );
    }
}

#[tokio::test]
async fn refused_tag_is_an_error_that_running_again_mends() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.always("TagUser", Fault::DENIED);
    let run = update(&sandbox, &["--expires", "2099-12-31"]).await;
    run.failed_with("TagUser: AccessDenied");
    assert_eq!(tag_of(&aws, "alex", EXPIRES), None);
    aws.faults.forget();
    update(&sandbox, &["--expires", "2099-12-31"])
        .await
        .succeeded();
    assert!(tag_of(&aws, "alex", EXPIRES).is_some());
}

#[tokio::test]
async fn only_the_one_policy_of_a_user_of_ours_is_replaced() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.add_bucket("other", &[]).await;
    let run = sandbox
        .run("create_s3_user", &["-b", "other", "-u", "alex", "--update"])
        .await;
    run.failed_with("was not made for bucket other");
    let run = sandbox.create("admin", &["--update"]).await;
    run.failed_with("was not made by create_s3_user");
    sandbox
        .create("kim", &["--update"])
        .await
        .failed_with("there is no user kim");

    let iam = aws.iam_client();
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/s3-access-for-alex");
    iam.create_user().user_name("kim").send().await.unwrap();
    attach_policy(&aws, "kim", &arn).await;
    update(&sandbox, &["--access", "write"])
        .await
        .failed_with("attached to others than user alex");
    let detach = iam.detach_user_policy().user_name("kim").policy_arn(&arn);
    detach.send().await.unwrap();

    put_inline_policy(&aws, "alex", "s3-access", ALLOW_ALL).await;
    let run = update(&sandbox, &["--access", "write"]).await;
    let run = run.failed_with("does not have the one policy that create_s3_user makes, but ");
    let names = [
        "s3-access and s3-access-for-alex",
        "s3-access-for-alex and s3-access",
    ];
    let both = |names: &&str| run.stderr.contains(&format!(", but {names}\n"));
    assert!(names.iter().any(both), "{run:?}");
    let delete = iam
        .delete_user_policy()
        .user_name("alex")
        .policy_name("s3-access");
    delete.send().await.unwrap();

    let detach = iam.detach_user_policy().user_name("alex").policy_arn(&arn);
    detach.send().await.unwrap();
    let run = update(&sandbox, &["--access", "write"]).await;
    run.failed_with("has no policy that create_s3_user made");
    aws.iam(|iam| assert_eq!(iam.policies[&arn].versions.len(), 1));
}

#[tokio::test]
async fn policy_that_somebody_edited_is_replaced_saying_so() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    put_inline_policy(&aws, "alex", "s3-access", ALLOW_ALL).await;
    let run = update(&sandbox, &[]).await.succeeded();
    assert!(
        run.stderr
            .contains("from one that create_s3_user did not write"),
        "{run:?}"
    );
    let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
    assert!(gets(&s3, "alex/report.txt").await && !gets(&s3, "jaime/photo.jpg").await);
}

#[tokio::test]
async fn inline_policy_that_would_be_too_long_is_refused() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    let blocks: Vec<_> = (0..50)
        .flat_map(|n| ["--source-ip".to_owned(), format!("10.0.{n}.0/24")])
        .collect();
    let blocks: Vec<_> = blocks.iter().map(String::as_str).collect();
    update(&sandbox, &blocks)
        .await
        .failed_with("an inline policy takes 2048");
    assert!(
        !aws.faults
            .operations()
            .contains(&"PutUserPolicy".to_owned())
    );
}

#[tokio::test]
async fn dry_run_shows_changes_and_policy_and_makes_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let run = update(&sandbox, &["--dry-run", "--access", "read-write"])
        .await
        .succeeded();
    let expected = "access: read -> read-write\n\
                    this would be done:\nupdate policy s3-access-for-alex\n";
    assert_eq!(run.stderr, expected);
    assert_eq!(run.stdout, include_str!("policies/read-write.json"));
    let run = update(&sandbox, &["--dry-run"]).await.succeeded();
    assert_eq!(run.stderr, "nothing to change for user alex\n");
    aws.iam(|iam| assert_eq!(iam.policies.values().next().unwrap().versions.len(), 1));
}

#[tokio::test]
async fn tag_never_ends_before_the_policy() {
    for (before, after, policy_changes) in [
        (
            ["--expires", "2098-12-31"],
            ["--expires", "2099-12-31"],
            false,
        ),
        (
            ["--expires", "2099-12-31"],
            ["--expires", "2098-12-31"],
            true,
        ),
    ] {
        let (aws, sandbox) = aws_with_alex(&before).await;
        aws.faults.always("TagUser", Fault::DENIED);
        let policy = || aws.iam(|iam| format!("{:?}", iam.policies.values().collect::<Vec<_>>()));
        let old = policy();
        let update = [["--update"].as_slice(), &after].concat();
        let run = sandbox.create("alex", &update).await;
        run.failed_with("has not got the tag that says when access ends");
        assert_eq!(policy() != old, policy_changes, "{after:?}");
        aws.faults.forget();
        sandbox.create("alex", &update).await.succeeded();
    }
}

#[tokio::test]
async fn policy_of_version_0_1_is_still_known() {
    for options in [[].as_slice(), &["--inline-policy"]] {
        let read_write = ["--access", "read-write"];
        let (aws, sandbox) = aws_with_alex(&[options, &read_write].concat()).await;
        edit_policy_of_alex(&aws, r#","s3:GetBucketOwnershipControls""#, "");
        let dry_run = ["--dry-run", "--access", "read-write"];
        let run = update(&sandbox, &dry_run).await.succeeded();
        let update = "this would be done:\nupdate policy s3-access";
        assert!(run.stderr.starts_with(update), "{run:?}");
        assert_eq!(run.stdout, include_str!("policies/read-write.json"));

        let rotate = ["--rotate-key", "--kit"];
        sandbox.create("alex", &rotate).await.succeeded();
        let readme = sandbox.path().join("alex_kit.2/README.txt");
        let readme = std::fs::read_to_string(readme).unwrap();
        assert!(readme.contains("To upload"), "{readme}");
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}
