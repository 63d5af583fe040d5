//! What stores other than AWS do differently, and what must not come of it.

use crate::support::{
    ALLOW_ALL, FILES_OF_OTHERS, Fault, Sandbox, aws_with_alex, aws_with_files, gets, is_gone,
    opens_folder, policy_text_of_alex, put_inline_policy, puts,
};

#[tokio::test]
async fn policy_is_made_without_an_action_that_the_store_does_not_know() {
    for (options, call) in [
        (["--access", "read-write"].as_slice(), "CreatePolicy"),
        (&["--access", "read-write", "--inline-policy"], "PutUserPolicy"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let malformed = Fault::Refuse(400, "MalformedPolicyDocument");
        aws.faults.once(call, malformed);
        sandbox.create("alex", options).await.succeeded();
        let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
        assert!(gets(&s3, "alex/report.txt").await && puts(&s3, "alex/new.txt").await);
        let ownership = s3.get_bucket_ownership_controls().bucket("shared");
        assert!(ownership.send().await.is_err());

        // The policy is recognized, and an update goes the same way.
        let again = ["--update", "--access", "read-write", "--json"];
        aws.faults.always("CreatePolicyVersion", malformed);
        aws.faults.always("PutUserPolicy", malformed);
        let run = sandbox.create("alex", &again).await;
        run.failed_with("MalformedPolicyDocument");
        aws.faults.forget();
        aws.faults.once("CreatePolicyVersion", malformed);
        aws.faults.once("PutUserPolicy", malformed);
        sandbox.create("alex", &again).await.succeeded();
        assert!(puts(&s3, "alex/new.txt").await);
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn policy_that_is_refused_for_something_else_is_an_error() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.always("CreatePolicy", Fault::Refuse(400, "MalformedPolicyDocument"));
    let run = sandbox.create("alex", &[]).await;
    run.failed_with("CreatePolicy: MalformedPolicyDocument");
    assert_eq!(aws.faults.counts()["CreatePolicy"], 1);
    assert!(is_gone(&aws, "alex"));
}

/// SeaweedFS answers GetUserPolicy under any name with what else the user may do.
#[tokio::test]
async fn user_whose_policy_the_store_makes_up_is_not_ours() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.add_user("kim", ALLOW_ALL).await;
    aws.put("shared", "kim/precious").await;
    aws.faults.always(
        "GetUserPolicy",
        Fault::Answer(
            "<GetUserPolicyResponse><GetUserPolicyResult><UserName>kim</UserName>\
             <PolicyName>s3-access</PolicyName><PolicyDocument>{&quot;Statement&quot;:[{\
             &quot;Resource&quot;:&quot;arn:aws:s3:::shared/*&quot;}]}</PolicyDocument>\
             </GetUserPolicyResult></GetUserPolicyResponse>",
        ),
    );
    let run = sandbox.delete("kim", &[]).await;
    run.failed_with("user kim was not created by create_s3_user");
    assert!(!is_gone(&aws, "kim"));
    assert!(aws.keys("shared").contains(&"kim/precious".to_owned()));
}

/// Every workflow, on an IAM that has the calls of Ceph alone and answers like it.
#[tokio::test]
async fn users_come_and_go_where_iam_is_like_that_of_ceph() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    let args = ["--verify", "--kit=dir", "--expires", "90d"];
    let run = sandbox.create("alex", &args).await.succeeded();
    for note in [
        "note: this store has no managed policies, so an inline policy is used\n",
        "note: the user got no tags, so it is recognized by its policy alone\n",
    ] {
        assert_eq!(run.stderr.matches(note).count(), 1, "{run:?}");
    }
    assert!(opens_folder(&aws, &sandbox.key_of("alex")).await);

    let run = sandbox.run("create_s3_user", &["-b", "shared", "--list", "--json"]).await;
    let listed = run.succeeded();
    assert_eq!(listed.json()["odd"], serde_json::json!([]), "{listed:?}");
    let told = "note: this store does not tell when keys were last used\n";
    assert_eq!(listed.stderr, told);

    // What says when access ends is the policy alone.
    let extend = ["--update", "--expires", "2030-12-31T00:00:00Z"];
    for (args, steps) in [
        ([&extend[..], &["--dry-run"]].concat(), "Would update policy s3-access\nDry run"),
        (extend.to_vec(), "Updated policy s3-access\nChanged user alex"),
        (extend.to_vec(), "Nothing to change for user alex:\n"),
    ] {
        let run = sandbox.create("alex", &args).await.succeeded();
        assert!(run.stderr.contains(steps), "{run:?}");
        assert!(!run.stderr.contains("tag"), "{run:?}");
    }
    sandbox.create("alex", &["--rotate-key"]).await.succeeded();
    for option in ["--suspend", "--resume"] {
        let run = sandbox.create("alex", &[option]).await.succeeded();
        assert!(!run.stderr.contains("AWS"), "{run:?}");
    }
    let steps = sandbox.delete("alex", &["--dry-run"]).await.succeeded();
    assert!(!steps.stderr.contains("tag"), "{steps:?}");
    let run = sandbox.delete("alex", &[]).await.succeeded();
    assert!(!run.stderr.contains("agged"), "{run:?}");
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

/// Ceph, SeaweedFS and others return policies as they are, AWS percent-encoded.
#[tokio::test]
async fn percent_sign_in_a_folder_is_kept_however_the_store_returns_policies() {
    for is_plain in [true, false] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        if is_plain {
            aws.faults.be_like_ceph();
        }
        let args = ["--inline-policy", "--also-read", "a%41/", "--also-read", "100%/"];
        sandbox.create("alex", &args).await.succeeded();
        let update = ["--update", "--expires", "9d"];
        let run = sandbox.create("alex", &update).await.succeeded();
        let kept = "other folders: a%41/, 100%/ (unchanged)";
        assert!(run.stderr.contains(kept), "{run:?}");
        let list = ["-b", "shared", "--list", "--json"];
        let run = sandbox.run("create_s3_user", &list).await.succeeded();
        let folders = serde_json::json!(["a%41/", "100%/"]);
        assert_eq!(run.json()["also_read"], folders);
        aws.iam(|iam| {
            let policy = &iam.user_inline_policies["alex"]["s3-access"];
            assert!(policy.contains("/a%41/*\""), "{policy}");
        });
    }
}

#[tokio::test]
async fn interrupted_deletion_is_finished_without_tags() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    sandbox.create("alex", &[]).await.succeeded();
    for call in ["DeleteObjects", "DeleteUserPolicy"] {
        aws.faults.once(call, Fault::DENIED);
        sandbox.delete("alex", &[]).await.failed_with(call);
        assert!(!is_gone(&aws, "alex"));
    }
    // Without its policy nothing shows whose the user is.
    aws.faults.once("DeleteUser", Fault::DENIED);
    let run = sandbox.delete("alex", &[]).await.failed_with("DeleteUser");
    let left = "left: user alex; running the same command again with --force continues\n";
    assert!(run.stderr.contains(left), "{run:?}");
    sandbox.delete("alex", &["--force"]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn policy_alone_says_whose_access_has_ended_without_tags() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    for user in ["alex", "kim", "jaime"] {
        let args = ["--expires", "2030-01-01T00:00:00Z"];
        sandbox.create(user, &args).await.succeeded();
    }
    aws.change_iam(|iam| {
        for user in ["alex", "jaime"] {
            let policies = iam.user_inline_policies.get_mut(user).unwrap();
            let document = policies.get_mut("s3-access").unwrap();
            *document = document.replace("2030-01-01", "2020-01-01");
        }
    });
    // Who has more than our policy stays.
    put_inline_policy(&aws, "jaime", "more", ALLOW_ALL).await;
    let run = sandbox.run("delete_s3_user", &["-b", "shared", "--expired"]).await;
    run.succeeded();
    let gone = ["alex", "kim", "jaime"].map(|user| is_gone(&aws, user));
    assert_eq!(gone, [true, false, false]);
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn tags_of_the_admin_are_not_lost_without_a_word() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    let run = sandbox.create("alex", &["--tag", "team=sales"]).await;
    run.failed_with("this store keeps no tags, so --tag can't be used");
    assert!(is_gone(&aws, "alex"));
    sandbox.create("alex", &[]).await.succeeded();
    let policy = policy_text_of_alex(&aws);
    let options = ["--update", "--tag", "team=sales", "--access", "read-write"];
    let run = sandbox.create("alex", &options).await;
    run.failed_with("this store keeps no tags, so --tag can't be used");
    assert_eq!(policy_text_of_alex(&aws), policy);
}

#[tokio::test]
async fn inline_policy_takes_the_place_of_a_managed_one_that_is_not_offered() {
    for refusal in [
        Fault::Refuse(405, "MethodNotAllowed"),
        Fault::Refuse(501, "NotImplemented"),
        Fault::Refuse(400, "InvalidAction"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.always("CreatePolicy", refusal);
        let run = sandbox.create("alex", &["--json"]).await.succeeded();
        assert_eq!(run.json()["policy"], serde_json::json!({"name": "s3-access", "arn": null}));
        assert!(run.stderr.contains("note: this store has no managed policies"), "{run:?}");
        assert!(opens_folder(&aws, &sandbox.key_of("alex")).await);
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));

        let run = Sandbox::with_host_of_aws(&aws).create("alex", &[]).await;
        let run = run.failed_with("CreatePolicy: ");
        assert!(!run.stderr.contains("inline"), "{run:?}");
        assert!(is_gone(&aws, "alex"));
    }
}

/// Reached by an endpoint of its own, AWS is still AWS.
#[tokio::test]
async fn aws_behind_an_endpoint_keeps_its_tags() {
    let aws = aws_with_files().await;
    let invalid = Fault::Refuse(400, "InvalidInput");
    aws.faults.once("CreateUser", invalid);
    let run = Sandbox::with_host_of_aws(&aws).create("alex", &[]).await;
    run.failed_with("CreateUser: InvalidInput");
    assert_eq!(aws.faults.counts()["CreateUser"], 1);
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn refused_input_alone_drops_no_tag_of_an_existing_user() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.always("TagUser", Fault::Refuse(400, "InvalidInput"));
    let run = sandbox.create("alex", &["--update", "--expires", "9d"]).await;
    run.failed_with("lacks the tag that says when access ends");
}

#[tokio::test]
async fn kit_for_aws_names_no_endpoint_of_the_admin() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &["--kit=dir"]).await.succeeded();
    for file in ["aws-config", "rclone.conf", "README.txt", "alex.duck", "winscp-url.txt"] {
        let file = std::fs::read_to_string(sandbox.path().join("alex_kit").join(file)).unwrap();
        let names_it = ["endpoint", "127.0.0.1"];
        assert!(!names_it.iter().any(|it| file.contains(it)), "{file}");
    }
}

/// The host without a region refuses keys in regions that an account opts in to.
#[tokio::test]
async fn kit_for_aws_names_the_host_of_the_region() {
    let aws = aws_with_files().await;
    aws.move_bucket("shared", "af-south-1");
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &["--kit=dir"]).await.succeeded();
    for (file, host) in [
        ("alex.duck", "<string>s3.af-south-1.amazonaws.com</string>"),
        ("winscp-url.txt", "@s3.af-south-1.amazonaws.com/shared/alex/"),
    ] {
        let file = std::fs::read_to_string(sandbox.path().join("alex_kit").join(file)).unwrap();
        assert!(file.contains(host), "{file}");
    }
}

#[tokio::test]
async fn store_without_users_is_said_to_have_none() {
    let page = "<!DOCTYPE html>\n<html><body>Console</body></html>";
    for fault in [
        Fault::Refuse(404, "NoSuchKey"),
        Fault::Refuse(405, "MethodNotAllowed"),
        Fault::Refuse(501, "NotImplemented"),
        Fault::Answer(page),
        Fault::OtherAnswer(404, page),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        for call in ["GetUser", "CreateUser", "ListUsers", "GetAccountAuthorizationDetails"] {
            aws.faults.always(call, fault);
        }
        let says = format!("this store has no IAM users: {}", aws.url);
        for (program, args) in [
            ("create_s3_user", ["-u", "alex"].as_slice()),
            ("create_s3_user", &["-u", "alex", "--suspend"]),
            ("create_s3_user", &["--list"]),
            ("delete_s3_user", &["-u", "alex"]),
            ("delete_s3_user", &["--expired"]),
        ] {
            let args = [&["-b", "shared"], args].concat();
            let run = sandbox.run(program, &args).await.failed_with(&says);
            assert!(run.stderr.contains("hint: docs/stores.md says which stores work"), "{run:?}");
        }
    }
}

#[tokio::test]
async fn store_in_trouble_is_not_said_to_have_no_users() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let page = "<html><body>502 Bad Gateway</body></html>";
    for fault in [
        Fault::OtherAnswer(502, page),
        Fault::OtherAnswer(403, page),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(404, "NoSuchUser"),
    ] {
        aws.faults.forget();
        aws.faults.always("GetUser", fault);
        let run = sandbox.create("alex", &[]).await.failed_with("GetUser: ");
        assert!(!run.stderr.contains("no IAM users"), "{fault:?}: {run:?}");
    }
}

/// An error, or half of an answer, with status 200.
#[tokio::test]
async fn refusal_that_looks_like_a_success_is_none() {
    let error = "<Error><Code>ServiceUnavailable</Code><Message>Later</Message></Error>";
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let on_aws = Sandbox::with_host_of_aws(&aws);
    let update = ["--update", "--access", "write"].as_slice();
    for (call, fault, args) in [
        ("UpdateAccessKey", Fault::Answer(error), ["--suspend"].as_slice()),
        ("CreatePolicyVersion", Fault::Answer(error), update),
        ("ListAttachedUserPolicies", Fault::Answer(error), update),
        ("ListAttachedUserPolicies", Fault::HalfAnswer, update),
    ] {
        for sandbox in [&sandbox, &on_aws] {
            aws.faults.always(call, fault);
            sandbox.create("alex", args).await.failed_with(call);
            aws.faults.forget();
        }
    }
    for call in ["DeleteAccessKey", "DetachUserPolicy", "DeleteUser"] {
        aws.faults.always(call, Fault::Answer(error));
        sandbox.delete("alex", &[]).await.failed_with(call);
        aws.faults.forget();
        assert!(!is_gone(&aws, "alex"));
    }
    sandbox.delete("alex", &[]).await.succeeded();
}

/// Managed policies may be longer, and Ceph takes 4,000 characters of an inline one.
#[tokio::test]
async fn policy_of_another_store_may_be_longer_than_an_inline_one_of_aws() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    let folders = (0..20).map(|n| format!("--also-read=a-folder-with-quite-a-long-name-{n}/"));
    let folders: Vec<_> = folders.collect();
    let args: Vec<_> = folders.iter().map(String::as_str).collect();
    sandbox.create("alex", &args).await.succeeded();
    let update = ["--update", "--expires", "9d"];
    sandbox.create("alex", &update).await.succeeded();
    sandbox.delete("alex", &[]).await.succeeded();
}

/// SeaweedFS takes a user's tags and doesn't show them with the user.
#[tokio::test]
async fn interrupted_deletion_is_finished_where_tags_are_not_shown() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.hide_tags();
    let run = sandbox.create("alex", &[]).await.succeeded();
    assert!(run.stderr.contains("note: the user got no tags"), "{run:?}");
    aws.faults.once("DeleteObjects", Fault::DENIED);
    sandbox.delete("alex", &[]).await.failed_with("DeleteObjects");
    assert!(!is_gone(&aws, "alex"));
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}
