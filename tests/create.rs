//! What create_s3_user makes and says.

use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, ALLOW_ALL, FILES_OF_OTHERS, Fault, Sandbox, assert_complete, assert_only_read,
    assert_private, assert_usage, aws_with_alex, aws_with_files, delete_key, is_gone,
    put_inline_policy,
};

fn managed_policy_arn(user: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/s3-access-for-{user}")
}

fn policy_of_alex() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "BucketLocation",
                "Effect": "Allow",
                "Action": ["s3:GetBucketLocation"],
                "Resource": ["arn:aws:s3:::shared"],
            },
            {
                "Sid": "ListFolder",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::shared"],
                "Condition": { "StringLike": { "s3:prefix": ["alex/*"] } },
            },
            {
                "Sid": "GetObjects",
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": ["arn:aws:s3:::shared/alex/*"],
            },
        ],
    })
}

#[tokio::test]
async fn makes_user_policy_and_key_file_in_three_round_trips() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &[]).await.succeeded();

    assert_eq!(run.stdout, "alex_accessKeys.csv\n");
    let said: Vec<_> = run.stderr.lines().collect();
    assert_eq!(said.len(), 9, "{said:#?}");
    assert!(said.contains(&"Created user alex"));
    let closing = ["", "alex can now list and download s3://shared/alex/"];
    assert_eq!(said[5..7], closing);
    assert!(!run.stderr.contains("empty"));

    assert_complete(&aws, &sandbox, "alex");
    let (id, secret) = sandbox.key_of("alex");
    let expected = format!("Access key ID,Secret access key,User name\n{id},{secret},alex\n");
    assert_eq!(sandbox.key_file("alex").unwrap(), expected);
    assert_private(&sandbox.path().join("alex_accessKeys.csv"));

    let arn = managed_policy_arn("alex");
    aws.iam(|iam| {
        assert_eq!(iam.user_policies["alex"], std::slice::from_ref(&arn));
        let policy = &iam.policies[&arn];
        let document: Value = serde_json::from_str(&policy.versions[0].document).unwrap();
        assert_eq!(document, policy_of_alex());
        for tags in [&iam.users["alex"].tags, &policy.tags] {
            let ours = tags.iter().find(|tag| tag.key == "s3-user:bucket");
            assert_eq!(ours.unwrap().value, "shared");
        }
    });

    let mut calls = aws.faults.operations();
    for round in [0..6, 6..8, 8..11] {
        calls[round].sort();
    }
    let expected = [
        [
            "GetAccountAuthorizationDetails",
            "GetUser",
            "HeadBucket",
            "ListObjectsV2",
            "ListObjectsV2",
            "ListUsers",
        ]
        .as_slice(),
        &["CreatePolicy", "CreateUser"],
        &["AttachUserPolicy", "CreateAccessKey", "GetBucketEncryption"],
    ];
    assert_eq!(calls, expected.concat());
}

#[tokio::test]
async fn inline_policy_is_put_into_the_user() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    assert_complete(&aws, &sandbox, "alex");
    aws.iam(|iam| {
        assert!(iam.policies.is_empty());
        let document = &iam.user_inline_policies["alex"]["s3-access"];
        assert_eq!(serde_json::from_str::<Value>(document).unwrap(), policy_of_alex());
    });
}

#[tokio::test]
async fn json_is_one_line_with_everything_but_the_secret() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &["--json", "-q"]).await.succeeded();
    assert_eq!(run.stderr, "");
    let (id, _) = sandbox.key_of("alex");
    let expected = json!({
        "user": "alex",
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/s3-user/shared/folder/alex/alex"),
        "bucket": "shared",
        "prefix": "alex/",
        "access": "read",
        "policy": { "name": "s3-access-for-alex", "arn": managed_policy_arn("alex") },
        "access_key_id": id,
        "key_file": "alex_accessKeys.csv",
    });
    assert_eq!(run.json(), expected);
    let from = ["--source-ip", "203.0.113.7", "--json", "-q"];
    let run = sandbox.create("kim", &from).await.succeeded();
    assert_eq!(run.json()["source_ips"], json!(["203.0.113.7/32"]));
}

#[tokio::test]
async fn dry_run_shows_steps_and_policy_and_makes_nothing() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let of_aws =
        ["Would create policy s3-access-for-alex", "Would attach policy s3-access-for-alex"];
    // Only creating one tells whether another store has managed policies.
    let of_others = ["Would create a policy for s3://shared/alex/"];
    for (sandbox, policy) in
        [(&Sandbox::with_host_of_aws(&aws), of_aws.as_slice()), (&sandbox, &of_others)]
    {
        let run = sandbox.create("alex", &["--dry-run"]).await.succeeded();
        assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), policy_of_alex());
        let steps: Vec<_> = run.stderr.lines().collect();
        let rest = [
            "Would create an access key for alex",
            "Would write alex_accessKeys.csv",
            "Dry run: nothing was changed",
        ];
        assert_eq!(steps, [&["Would create user alex"], policy, &rest].concat());
    }

    let run = sandbox.create("alex", &["--dry-run", "--json", "--inline-policy", "-q"]).await;
    let expected = json!({
        "user": "alex",
        "bucket": "shared",
        "prefix": "alex/",
        "policy_name": "s3-access",
        "policy_document": policy_of_alex(),
        "steps": [
            "create user alex",
            "add inline policy s3-access",
            "create an access key for alex",
            "write alex_accessKeys.csv",
        ],
        "dry_run": true,
    });
    assert_eq!(run.succeeded().json(), expected);

    assert!(is_gone(&aws, "alex"));
    assert_eq!(sandbox.key_file("alex"), None);
    assert_only_read(&aws);
}

#[tokio::test]
async fn addresses_that_nobody_comes_from_are_pointed_out_before_and_after() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let private = ["--source-ip", "192.168.1.0/24"];
    let note = "note: 192.168.1.0/24 is private, but AWS";
    for options in [["--dry-run"].as_slice(), &[], &["--update", "--dry-run"], &["--update"]] {
        let run = sandbox.create("alex", &[&private, options].concat()).await.succeeded();
        assert_eq!(run.stderr.matches(note).count(), 1, "{options:?}: {run:?}");
    }
}

#[tokio::test]
async fn dry_run_fails_where_a_run_would() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.run("create_s3_user", &["-b", "nowhere", "-u", "alex", "--dry-run"]).await;
    run.failed_with("there is no bucket nowhere");
    sandbox.create("admin", &["--dry-run"]).await.failed_with("user admin already exists");
}

#[tokio::test]
async fn verbose_shows_calls_and_quiet_shows_nothing_and_neither_the_secret() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws).set("RUST_LOG", Some("trace"));
    let run = sandbox.create("alex", &["-v"]).await.succeeded();
    let secret = sandbox.key_of("alex").1;
    for call in ["HeadBucket", "GetUser", "CreateUser", "CreatePolicy", "CreateAccessKey"] {
        let line = run.stderr.lines().find(|line| line.contains(call));
        assert!(line.unwrap().contains(" ms"), "{}", run.stderr);
    }
    assert!(!run.stderr.contains(&secret) && !run.stdout.contains(&secret));
    assert_eq!(sandbox.create("jaime", &["-q"]).await.succeeded().stderr, "");
}

#[cfg(unix)]
#[tokio::test]
async fn key_file_goes_where_told_and_its_path_is_the_only_output() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::create_dir(sandbox.path().join("keys")).unwrap();
    let run = sandbox.create("alex", &["-o", "keys"]).await.succeeded();
    assert_eq!(run.stdout, "keys/alex_accessKeys.csv\n");
    assert!(sandbox.path().join("keys/alex_accessKeys.csv").exists());
}

#[tokio::test]
async fn options_of_the_earlier_scripts_still_work() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let args = ["--bucket_name", "shared", "--user_name", "alex"];
    sandbox.run("create_s3_user", &args).await.succeeded();
    sandbox.run("delete_s3_user", &args).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn empty_folder_is_pointed_out() {
    let aws = aws_with_files().await;
    let run = Sandbox::new(&aws).create("kim", &[]).await.succeeded();
    assert!(run.stderr.contains("note: no files yet"), "{}", run.stderr);
}

#[tokio::test]
async fn store_that_refuses_tags_gets_an_untagged_user_and_a_note() {
    let aws = aws_with_files().await;
    aws.faults.refuse_tags();
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &[]).await.succeeded();
    assert!(run.stderr.contains("note: the user got no tags"), "{}", run.stderr);
    assert_complete(&aws, &sandbox, "alex");
    aws.iam(|iam| assert!(iam.users["alex"].tags.is_empty()));
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn bucket_in_another_region_is_found() {
    let aws = aws_with_files().await;
    aws.move_bucket("shared", "eu-central-1");
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &[]).await.succeeded();
    assert!(!run.stderr.contains("empty"), "{}", run.stderr);
    sandbox.delete("alex", &[]).await.succeeded();
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn partition_follows_the_region_of_the_bucket() {
    let aws = aws_with_files().await;
    aws.move_bucket("shared", "cn-north-1");
    let run = Sandbox::new(&aws).create("alex", &["--dry-run"]).await.succeeded();
    assert!(run.stdout.contains("arn:aws-cn:s3:::shared/alex/*"), "{}", run.stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn user_that_is_set_up_already_is_left_alone_with_a_hint() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let file = sandbox.key_file("alex");
    let key = sandbox.key_of("alex").0;

    let elsewhere = Sandbox::new(&aws);
    let run = elsewhere.create("alex", &[]).await.failed_with(&format!("with access key {key}"));
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    assert!(run.stderr.contains("delete_s3_user -b shared -u alex --keep-objects"));
    assert_eq!(elsewhere.key_file("alex"), None);
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with(&format!("with access key {key}"));
    let moved = "&& mv -n -- alex_accessKeys.csv alex_accessKeys.csv.old";
    assert!(run.stderr.contains(moved), "{run:?}");
    assert_eq!(sandbox.key_file("alex"), file);
    assert_complete(&aws, &sandbox, "alex");
}

#[tokio::test]
async fn name_with_a_comma_is_pointed_out() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("zoe,tom", &[]).await.succeeded();
    let note = "note: zoe,tom is the name of one user; did you mean 2 users, each with -u? If so, \
                delete the user with: delete_s3_user -b shared -u 'zoe,tom' --keep-objects\n";
    assert!(run.stderr.contains(note), "{run:?}");
}

#[tokio::test]
async fn name_of_a_file_is_pointed_out() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("customers.csv"), "user\nkim\n").unwrap();
    let run = sandbox.run("create_s3_user", &["-b", "shared", "customers.csv"]).await;
    assert_usage(&run, "; for a file of users, use --users-from FILE");
    let run = sandbox.create("customers.csv", &["--dry-run"]).await.succeeded();
    let note = "note: customers.csv is a file; did you mean --users-from customers.csv?";
    assert!(run.stderr.contains(note), "{run:?}");
}

#[tokio::test]
async fn existing_key_file_is_never_overwritten() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("alex_accessKeys.csv"), "").unwrap();
    for options in [[].as_slice(), &["--dry-run"]] {
        let run = sandbox.create("alex", options).await;
        let run = run.failed_with("alex_accessKeys.csv already exists; not overwriting it");
        let hint = "hint: there is no user alex, so this is an old key or kit, or one of another account; \
                    to keep it under another name, run: mv -n -- alex_accessKeys.csv \
                    alex_accessKeys.csv.old\n";
        assert!(cfg!(windows) || run.stderr.ends_with(hint), "{run:?}");
        assert!(!run.stderr.contains("--rotate-key"), "{run:?}");
    }
    assert_eq!(sandbox.key_file("alex").as_deref(), Some(""));
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn users_of_others_are_left_alone_saying_which() {
    let aws = aws_with_files().await;
    aws.add_bucket("other", &[]).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.run("create_s3_user", &["-b", "other", "-u", "alex"]).await.succeeded();
    let elsewhere = Sandbox::new(&aws);
    elsewhere.create("alex", &[]).await.failed_with("belongs to bucket other");
    elsewhere.create("admin", &[]).await.failed_with("was not created by create_s3_user");

    let run = elsewhere.create("admin", &["--json"]).await.failed_with("admin");
    let json = run.json();
    assert_eq!(json["user"], "admin");
    assert_eq!(json["left"], json!([]));
    assert!(json["error"].as_str().unwrap().contains("already exists"));
}

#[tokio::test]
async fn user_that_differs_only_in_case_is_left_alone() {
    let aws = aws_with_files().await;
    aws.add_user("Alex", ALLOW_ALL).await;
    // fakecloud keeps both spellings apart; IAM finds the one by the other.
    let found = "<GetUserResponse><GetUserResult><User><Path>/</Path><UserName>Alex</UserName>\
        <UserId>AIDA1</UserId><Arn>arn:aws:iam::123456789012:user/Alex</Arn>\
        <CreateDate>2026-01-01T00:00:00Z</CreateDate></User></GetUserResult></GetUserResponse>";
    aws.faults.always("GetUser", Fault::Answer(found));
    let run = Sandbox::new(&aws).create("alex", &[]).await;
    run.failed_with("there is a user Alex, and IAM user names must differ in more than case");
    Sandbox::new(&aws).delete("alex", &[]).await.failed_with("there is no user alex, only Alex");
    Sandbox::new(&aws)
        .delete("alex", &["--force"])
        .await
        .failed_with("there is no user alex, only Alex");
    assert!(!is_gone(&aws, "Alex"));
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn user_without_a_key_is_refused_whatever_access_it_has() {
    for (policy, inline) in [("more", false), ("s3-access", false), ("s3-access", true)] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        delete_key(&aws, "alex", &sandbox.key_of("alex").0).await;
        put_inline_policy(&aws, "alex", policy, ALLOW_ALL).await;

        let elsewhere = Sandbox::new(&aws);
        let options = if inline { ["--inline-policy"].as_slice() } else { &[] };
        let run = elsewhere.create("alex", options).await;
        let run = run.failed_with("already exists for bucket shared, without an access key");
        let hint = "hint: to create the user again, if no other run is working on it, first run: delete_s3_user -b shared -u alex --keep-objects";
        assert!(run.stderr.lines().any(|line| line == hint), "{run:?}");
        assert!(!run.stderr.contains("hint: for a new key"), "{run:?}");
        aws.iam(|iam| {
            assert!(iam.access_keys["alex"].is_empty());
            assert_eq!(iam.user_inline_policies["alex"][policy], ALLOW_ALL);
            assert_eq!(iam.user_policies["alex"].len(), 1);
        });
    }
}

#[tokio::test]
async fn dry_run_of_a_user_that_exists_does_not_wait() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    delete_key(&aws, "alex", &sandbox.key_of("alex").0).await;
    aws.faults.forget();
    let elsewhere = Sandbox::new(&aws).with_full_pauses();
    let run = elsewhere.create("alex", &["--dry-run"]).await;
    run.failed_with("already exists for bucket shared");
    let calls = aws.faults.counts();
    assert_eq!(calls["ListAccessKeys"], 1, "{calls:?}");
}

#[tokio::test]
async fn calls_that_need_not_wait_for_each_other_do_not() {
    for (one, other) in [
        ("HeadBucket", "GetUser"),
        ("GetUser", "HeadBucket"),
        ("GetUser", "ListObjectsV2"),
        ("CreateUser", "CreatePolicy"),
        ("CreatePolicy", "CreateUser"),
        ("AttachUserPolicy", "CreateAccessKey"),
        ("CreateAccessKey", "AttachUserPolicy"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.once(one, Fault::Pause);
        let run = sandbox.start_create("alex", &[]);
        aws.faults.paused().await;
        aws.faults.called(other).await;
        aws.faults.resume();
        run.ended().await.succeeded();
    }
}

#[tokio::test]
async fn existing_policy_that_differs_is_not_taken_over() {
    let aws = aws_with_files().await;
    let iam = aws.iam_client();
    let create = iam.create_policy().policy_name("s3-access-for-alex");
    create.policy_document(ALLOW_ALL).send().await.unwrap();
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.failed_with("CreatePolicy: EntityAlreadyExists");
    aws.iam(|iam| {
        assert!(!iam.users.contains_key("alex"));
        assert_eq!(iam.policies.len(), 1);
    });
    assert_eq!(sandbox.key_file("alex"), None);
}
