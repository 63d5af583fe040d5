//! Whoever has `permissions/delegate.json` can run both programs and can gain
//! nothing beyond `permissions/boundary.json`.

use serde_json::{Value, json};

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Sandbox, add_user_of_the_scripts, attach_new_policy,
    aws_with_files, is_gone, opens_folder, set_end, tag_of,
};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/s3-user-boundary-shared";
const WITHIN: [&str; 3] = ["--inline-policy", "--permissions-boundary", BOUNDARY];

fn boundary() -> String {
    include_str!("../permissions/boundary.json").replace("shared-files", "shared")
}

fn delegate() -> Value {
    let file = include_str!("../permissions/delegate.json").replace("shared-files", "shared");
    serde_json::from_str(&file).unwrap()
}

/// Files, the boundary, a bucket of others, and an admin whom nobody tagged.
async fn aws_with_boundary() -> LocalAws {
    let aws = aws_with_files().await;
    aws.add_bucket("other", &["secret.txt"]).await;
    let create = aws.iam_client().create_policy();
    let create = create.policy_name("s3-user-boundary-shared");
    create.policy_document(boundary()).send().await.unwrap();
    aws
}

/// The delegate's key, with permissions from a policy.
async fn key_of_delegate(aws: &LocalAws, policy: &Value) -> (String, String) {
    // A managed policy's limit: an inline one is shorter.
    let key = aws.add_user("delegate", ALLOW_ALL).await;
    let iam = aws.iam_client();
    let given = iam.delete_user_policy().user_name("delegate");
    given.policy_name("given").send().await.unwrap();
    attach_new_policy(aws, "delegate", "s3-user-delegate", &policy.to_string()).await;
    key
}

async fn delegate_of(aws: &LocalAws) -> Sandbox {
    let key = key_of_delegate(aws, &delegate()).await;
    Sandbox::with_key(&aws.url, &key)
}

#[tokio::test]
async fn every_workflow_works_for_a_delegate() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    let kit = [&WITHIN[..], &["--kit=dir", "--verify", "--access", "read-write"]].concat();
    delegate.create("alex", &kit).await.succeeded();
    aws.iam(|iam| {
        let user = &iam.users["alex"];
        assert_eq!(user.permissions_boundary.as_deref(), Some(BOUNDARY));
        assert_eq!(user.path, "/s3-user/shared/folder/alex/");
    });
    for options in [
        ["--update", "--expires", "9d"].as_slice(),
        &["--update", "--expires", "never"],
        &["--rotate-key"],
        &["--suspend"],
        &["--resume"],
    ] {
        delegate.create("alex", options).await.succeeded();
    }
    let list = ["-b", "shared", "--list", "--json"];
    let run = delegate.run("create_s3_user", &list).await.succeeded();
    assert_eq!(run.json_lines().len(), 1);
    delegate.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert!(!aws.keys("shared").iter().any(|key| key.starts_with("alex/")));
}

#[tokio::test]
async fn failed_and_killed_runs_of_a_delegate_leave_nothing() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    aws.faults.always("CreateAccessKey", Fault::DENIED);
    let run = delegate.create("alex", &WITHIN).await;
    let run = run.failed_with("CreateAccessKey");
    assert!(!run.stderr.contains("left:"), "{run:?}");
    assert!(is_gone(&aws, "alex"));
    aws.faults.forget();

    aws.faults.once("CreateAccessKey", Fault::Pause);
    let started = delegate.start_create("alex", &WITHIN);
    started.killed_while_paused(&aws).await;
    aws.faults.resume();
    aws.faults.forget();
    assert!(!is_gone(&aws, "alex"));
    delegate.delete("alex", &["--keep-objects"]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn deletion_whose_answer_was_lost_is_known_to_a_delegate() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    delegate.create("alex", &WITHIN).await.succeeded();
    aws.faults.once("DeleteUser", Fault::LoseAnswer);
    delegate.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn delegate_deletes_those_whose_access_has_ended() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    let ends = [&WITHIN[..], &["--expires", "9d"]].concat();
    delegate.create("alex", &ends).await.succeeded();
    set_end(&aws, "alex", "2020-01-01T00:00:00Z");
    let expired = ["-b", "shared", "--expired", "--keep-objects"];
    let run = delegate.run("delete_s3_user", &expired).await;
    run.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[test]
fn boundary_has_all_that_a_user_may_be_given() {
    let boundary = boundary();
    for policy in [
        include_str!("policies/everything.json"),
        include_str!("policies/also-read.json"),
        include_str!("policies/write.json"),
    ] {
        let policy: Value = serde_json::from_str(policy).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                assert!(boundary.contains(&action.to_string()), "{action}");
            }
        }
    }
    assert!(!boundary.contains("iam:"));
}

#[tokio::test]
async fn delegate_cannot_change_users_that_an_admin_made() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    Sandbox::with_host_of_aws(&aws).create("alex", &[]).await.succeeded();
    let before = aws.iam(|iam| iam.access_keys["alex"].len());
    for options in [["--update", "--browse-root"].as_slice(), &["--rotate-key"], &["--suspend"]] {
        let run = delegate.create("alex", options).await;
        run.failed_with("needs the permission iam:");
    }
    let run = delegate.delete("alex", &["--keep-objects"]).await;
    run.failed_with("needs the permission iam:");
    assert_eq!(aws.iam(|iam| iam.access_keys["alex"].len()), before);
}

#[tokio::test]
async fn delegate_cannot_change_users_of_the_scripts() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    add_user_of_the_scripts(&aws, "lee", "shared").await;
    let run = delegate.delete("lee", &["--keep-objects"]).await;
    run.failed_with("needs the permission iam:");
    assert!(aws.iam(|iam| iam.users.contains_key("lee")));
}

#[tokio::test]
async fn refused_create_names_the_options_of_the_boundary() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    let run = delegate.create("alex", &[]).await.failed_with("CreateUser");
    assert!(run.stderr.ends_with("add: --delegate\n"), "{run:?}");
    assert!(is_gone(&aws, "alex"));
    delegate.create("alex", &["--delegate"]).await.succeeded();
    aws.iam(|iam| {
        let boundary = iam.users["alex"].permissions_boundary.as_deref();
        assert_eq!(boundary, Some(BOUNDARY));
        assert!(iam.user_inline_policies["alex"].contains_key("s3-access"));
    });

    let other = ["-b", "other", "-u", "kim"];
    let run = delegate.run("create_s3_user", &other).await;
    assert!(!run.stderr.contains("--delegate"), "{run:?}");
}

#[tokio::test]
async fn new_user_whose_tags_iam_does_not_know_yet_is_waited_for() {
    for call in ["PutUserPolicy", "CreateAccessKey"] {
        let aws = aws_with_boundary().await;
        let delegate = delegate_of(&aws).await;
        aws.faults.forget();
        // As long as IAM may take to know a new user.
        aws.faults.at(call, 0, 6, Fault::DENIED);
        delegate.create("alex", &WITHIN).await.succeeded();
        assert_eq!(aws.faults.counts()[call], 7);
        assert!(opens_folder(&aws, &delegate.key_of("alex")).await);

        // Not for ever, and not without a boundary.
        aws.faults.always(call, Fault::DENIED);
        let run = delegate.create("kim", &WITHIN).await;
        let run = run.failed_with(&format!("{call}: AccessDenied"));
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert!(is_gone(&aws, "kim"));
        aws.faults.forget();
        aws.faults.always(call, Fault::DENIED);
        let admin = Sandbox::new(&aws);
        let run = admin.create("lee", &["--inline-policy"]).await;
        run.failed_with(&format!("{call}: AccessDenied"));
        assert_eq!(aws.faults.counts()[call], 1);
        aws.faults.forget();
    }
}

#[tokio::test]
async fn new_user_that_iam_does_not_know_yet_is_no_deleted_one() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    aws.faults.always("CreateAccessKey", Fault::BROKEN);
    aws.faults.always("GetUser", Fault::Refuse(404, "NoSuchEntity"));
    aws.faults.at("DeleteUser", 0, 2, Fault::DENIED);
    let run = delegate.create("alex", &WITHIN).await.failed_with("CreateAccessKey");
    assert!(!run.stderr.contains("left:"), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn wait_for_tags_ends_with_an_interruption() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    aws.faults.once("PutUserPolicy", Fault::Pause);
    let started = delegate.start_create("alex", &WITHIN);
    aws.faults.paused().await;
    aws.faults.always("PutUserPolicy", Fault::DENIED);
    aws.faults.at("DeleteUser", 0, 2, Fault::DENIED);
    started.signal("INT").await;
    aws.faults.resume();
    let run = started.ended().await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(!run.stderr.contains("left:"), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

/// What a malicious delegate tries.
const ATTEMPTS: [&str; 20] = [
    "user without the boundary",
    "user with another boundary",
    "user without the tag",
    "key of an admin",
    "key of a user of another bucket at our path",
    "policy on a user without the boundary",
    "attach AdministratorAccess",
    "policy version of an admin",
    "remove the boundary",
    "replace the boundary",
    "tag an admin",
    "change the bucket tag",
    "delete a foreign user",
    "take the bucket tag off",
    "change the end of a foreign user",
    "policy on a foreign user",
    "new user with another tag",
    "new user with our tag in another case",
    "another tag on a user",
    "our tag in another case on a user",
];

/// An account with victims: an admin, a user of another bucket at our path, a
/// tagged user at our path whom an admin made without the boundary, and a user
/// of the delegate's.
async fn aws_with_victims(policy: &Value) -> (LocalAws, aws_sdk_iam::Client, (String, String)) {
    let aws = aws_with_boundary().await;
    let key = key_of_delegate(&aws, policy).await;
    attach_new_policy(&aws, "admin", "s3-access-for-admin", ALLOW_ALL).await;
    let admin = Sandbox::new(&aws);
    admin.create("mine", &WITHIN).await.succeeded();
    let unbounded = ["--inline-policy"];
    admin.create("unbounded", &unbounded).await.succeeded();
    let foreign = ["-b", "other", "-u", "foreign", "--path", "/s3-user/shared/"];
    let foreign = [&foreign, &WITHIN[..]].concat();
    admin.run("create_s3_user", &foreign).await.succeeded();
    // Nothing of their own keeps IAM from deleting it.
    aws.change_iam(|iam| {
        iam.access_keys.remove("foreign");
        iam.user_inline_policies.remove("foreign");
    });
    let client = aws.iam_client_of(&key);
    (aws, client, key)
}

fn tag(key: &str, value: &str) -> aws_sdk_iam::types::Tag {
    let tag = aws_sdk_iam::types::Tag::builder();
    tag.key(key).value(value).build().unwrap()
}

/// Whether the attempt succeeds.
async fn succeeds(attempt: &str, iam: &aws_sdk_iam::Client) -> bool {
    let ours = || tag("s3-user:bucket", "shared");
    let create = iam.create_user().user_name("new").path("/s3-user/shared/");
    match attempt {
        "user without the boundary" => create.tags(ours()).send().await.is_ok(),
        "user with another boundary" => {
            let all = "arn:aws:iam::aws:policy/AdministratorAccess";
            let create = create.tags(ours()).permissions_boundary(all);
            create.send().await.is_ok()
        }
        "user without the tag" => create.permissions_boundary(BOUNDARY).send().await.is_ok(),
        "key of an admin" => iam.create_access_key().user_name("admin").send().await.is_ok(),
        "key of a user of another bucket at our path" => {
            iam.create_access_key().user_name("foreign").send().await.is_ok()
        }
        "policy on a user without the boundary" => {
            let put = iam.put_user_policy().user_name("unbounded");
            let put = put.policy_name("s3-access").policy_document(ALLOW_ALL);
            put.send().await.is_ok()
        }
        "attach AdministratorAccess" => {
            let attach = iam.attach_user_policy().user_name("mine");
            let attach = attach.policy_arn("arn:aws:iam::aws:policy/AdministratorAccess");
            attach.send().await.is_ok()
        }
        "policy version of an admin" => {
            let arn = "arn:aws:iam::123456789012:policy/s3-access-for-admin";
            let create = iam.create_policy_version().policy_arn(arn);
            let create = create.policy_document(ALLOW_ALL).set_as_default(true);
            create.send().await.is_ok()
        }
        "remove the boundary" => {
            let delete = iam.delete_user_permissions_boundary().user_name("mine");
            delete.send().await.is_ok()
        }
        "replace the boundary" => {
            let put = iam.put_user_permissions_boundary().user_name("mine");
            let put = put.permissions_boundary("arn:aws:iam::aws:policy/AdministratorAccess");
            put.send().await.is_ok()
        }
        "tag an admin" => {
            let tagged = iam.tag_user().user_name("admin").tags(ours()).send().await;
            let key = iam.create_access_key().user_name("admin").send().await;
            tagged.is_ok() || key.is_ok()
        }
        "change the bucket tag" => {
            let tagged = iam.tag_user().user_name("foreign").tags(ours()).send().await;
            let other = tag("s3-user:bucket", "other");
            let untagged = iam.tag_user().user_name("mine").tags(other).send().await;
            tagged.is_ok() || untagged.is_ok()
        }
        "take the bucket tag off" => {
            let untag = iam.untag_user().user_name("mine").tag_keys("s3-user:bucket");
            untag.send().await.is_ok()
        }
        "change the end of a foreign user" => {
            let end = tag("s3-user:expires", "2030-01-01T00:00:00Z");
            let tagged = iam.tag_user().user_name("foreign").tags(end);
            tagged.send().await.is_ok()
        }
        "policy on a foreign user" => {
            let put = iam.put_user_policy().user_name("foreign");
            let put = put.policy_name("s3-access").policy_document(ALLOW_ALL);
            put.send().await.is_ok()
        }
        "new user with another tag" => {
            let create = create.tags(ours()).tags(tag("role", "admin"));
            create.permissions_boundary(BOUNDARY).send().await.is_ok()
        }
        "new user with our tag in another case" => {
            let create = create.tags(tag("S3-User:Bucket", "shared"));
            create.permissions_boundary(BOUNDARY).send().await.is_ok()
        }
        "another tag on a user" => {
            let tag_user = iam.tag_user().user_name("mine").tags(ours());
            tag_user.tags(tag("role", "admin")).send().await.is_ok()
        }
        "our tag in another case on a user" => {
            let hidden = tag("S3-User:Bucket", "shared");
            let tag_user = iam.tag_user().user_name("mine").tags(hidden);
            tag_user.send().await.is_ok()
        }
        "delete a foreign user" => iam.delete_user().user_name("foreign").send().await.is_ok(),
        other => unreachable!("{other}"),
    }
}

/// The attempts that succeed under a policy, each in an account of its own.
async fn escapes(policy: &Value) -> Vec<&'static str> {
    let (aws, _, key) = aws_with_victims(policy).await;
    let mut escapes = Vec::new();
    for attempt in ATTEMPTS {
        let aws = aws.copy().await;
        if succeeds(attempt, &aws.iam_client_of(&key)).await {
            escapes.push(attempt);
        }
    }
    escapes
}

#[tokio::test]
async fn delegate_cannot_break_out() {
    assert_eq!(escapes(&delegate()).await, Vec::<&str>::new());
}

#[tokio::test]
async fn delegate_gives_users_no_tags_but_ours() {
    let aws = aws_with_boundary().await;
    let delegate = delegate_of(&aws).await;
    let tagged = [&WITHIN[..], &["--tag", "team=sales"]].concat();
    let run = delegate.create("alex", &tagged).await;
    run.failed_with("CreateUser: AccessDenied");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn every_condition_and_path_holds_somebody_back() {
    let policy = delegate();
    let statements = policy["Statement"].as_array().unwrap();
    for (index, statement) in statements.iter().enumerate() {
        let sid = statement["Sid"].as_str().unwrap();
        let Some(operators) = statement["Condition"].as_object() else {
            continue;
        };
        for (operator, keys) in operators {
            for key in keys.as_object().unwrap().keys() {
                let mut weaker = policy.clone();
                let condition = &mut weaker["Statement"][index]["Condition"];
                condition[operator].as_object_mut().unwrap().remove(key);
                // It is for calls without tags, which change nothing.
                if operator == "Null" {
                    continue;
                }
                let mut escaped = escapes(&weaker).await;
                if sid == "Create" && key == "aws:TagKeys" {
                    // Whoever creates a user with tags needs iam:TagUser as well.
                    assert_eq!(escaped, [""; 0], "TagNew holds too");
                    let tag_new = statements.iter().position(|it| it["Sid"] == "TagNew");
                    let condition = &mut weaker["Statement"][tag_new.unwrap()]["Condition"];
                    condition[operator].as_object_mut().unwrap().remove(key);
                    escaped = escapes(&weaker).await;
                    assert!(escaped.contains(&"new user with another tag"));
                }
                assert!(!escaped.is_empty(), "{sid} without {operator} {key}");
            }
        }
        let mut wider = policy.clone();
        wider["Statement"][index]["Resource"] = json!(["*"]);
        // New users have no tag yet: here the path alone spares those of others.
        if sid == "TagNew" {
            assert_eq!(escapes(&wider).await, ["tag an admin"], "{sid}");
        }
    }
}

#[tokio::test]
async fn boundary_caps_whatever_a_delegate_allows() {
    let (aws, iam, own) = aws_with_victims(&delegate()).await;
    let own = aws.s3_client_of(&own).list_objects_v2().bucket("other");
    assert!(own.send().await.is_err());
    let put = iam.put_user_policy().user_name("mine");
    let put = put.policy_name("s3-access").policy_document(ALLOW_ALL);
    put.send().await.unwrap();
    let key = iam.create_access_key().user_name("mine").send().await.unwrap();
    let key = key.access_key.unwrap();
    let key = (key.access_key_id, key.secret_access_key);
    let s3 = aws.s3_client_of(&key);
    let list = |bucket: &str| s3.list_objects_v2().bucket(bucket).send();
    assert!(list("shared").await.is_ok(), "all of the bucket's objects");
    assert!(list("other").await.is_err());
    let get = s3.get_object().bucket("other").key("secret.txt");
    assert!(get.send().await.is_err());
    let iam = aws.iam_client_of(&key);
    assert!(iam.list_users().send().await.is_err());
    assert!(iam.create_user().user_name("new").send().await.is_err());
    assert_eq!(tag_of(&aws, "mine", "s3-user:bucket").as_deref(), Some("shared"));
}
