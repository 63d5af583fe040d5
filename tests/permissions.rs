//! An admin needs exactly the permissions in the directory `permissions`.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    Fault, KMS_KEY, LocalAws, Sandbox, add_every_blocker, add_user_of_the_scripts,
    assert_nothing_left, attach_new_policy, aws_with_files, begin_upload, edit_policy,
    encrypt_bucket, is_gone, policy_for, policy_of_the_scripts, put_inline_policy, rename_user,
    set_end,
};

/// The policies in the directory `permissions`, for the bucket `shared`: what
/// create needs, what delete needs, and what a list needs.
fn policies_of_the_files() -> [Value; 3] {
    let files = [
        include_str!("../permissions/create_s3_user.json"),
        include_str!("../permissions/delete_s3_user.json"),
        include_str!("../permissions/list.json"),
    ];
    files.map(|file| serde_json::from_str(&file.replace("shared-files", "shared")).unwrap())
}

/// The actions in the first column of the page's table that explains a file.
fn actions_on_the_page(file: &str) -> Vec<String> {
    let page = include_str!("../docs/permissions.md");
    let (_, behind) = page
        .split_once(&format!("\n| action in `permissions/{file}` |"))
        .unwrap_or_else(|| panic!("the page has a table about {file}"));
    let rows = behind.lines().skip(2);
    rows.take_while(|row| row.starts_with('|'))
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`'))
        .filter(|word| word.contains(':'))
        .map(str::to_owned)
        .collect()
}

/// The policy without one of its actions.
fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Action"].as_array_mut().unwrap().retain(|given| given != action);
    }
    let statements = policy["Statement"].as_array_mut().unwrap();
    statements.retain(|statement| statement["Action"] != json!([]));
    policy
}

fn actions(policy: &Value) -> HashSet<String> {
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// Somebody who may do what the policy says.
async fn with_policy(aws: &LocalAws, name: &str, policy: &Value) -> Sandbox {
    let key = aws.add_user(name, &policy.to_string()).await;
    Sandbox::with_key(&aws.url, &key)
}

#[test]
fn page_explains_exactly_the_actions_of_the_files() {
    let files = ["create_s3_user.json", "delete_s3_user.json", "list.json", "delegate.json"];
    let delegate = include_str!("../permissions/delegate.json");
    let delegate = serde_json::from_str(delegate).unwrap();
    let policies = policies_of_the_files().into_iter().chain([delegate]);
    for (file, policy) in files.into_iter().zip(policies) {
        let mut explained = actions_on_the_page(file);
        let mut given: Vec<_> = actions(&policy).into_iter().collect();
        explained.sort();
        given.sort();
        assert_eq!(explained, given, "{file}");
    }
}

#[tokio::test]
async fn create_needs_what_its_file_says_and_nothing_less() {
    let [policy, ..] = policies_of_the_files();
    let aws = aws_with_files().await;
    let helper = with_policy(&aws, "helper", &policy).await;
    helper.create("alex", &[]).await.succeeded();
    helper.create("kim", &["--inline-policy"]).await.succeeded();

    let elsewhere = [&undo_actions()[..], &option_actions()[..]].concat();
    for action in actions(&policy).iter().filter(|action| !elsewhere.contains(&action.as_str())) {
        let helper = with_policy(&aws, &action.replace(':', "-"), &without(&policy, action)).await;
        let inline = match action.as_str() {
            "iam:PutUserPolicy" => ["--inline-policy"].as_slice(),
            _ => &[],
        };
        let run = helper.create("jaime", inline).await;
        assert_eq!(run.code, Some(1), "without {action}: {run:?}");
        assert!(is_gone(&aws, "jaime"), "without {action}: {run:?}");
    }
}

#[tokio::test]
async fn organization_that_forbids_users_or_keys_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (call, words) in [
        (
            "CreateUser",
            "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: iam:CreateUser on \
             resource: arn:aws:iam::123456789012:user/alex with an explicit deny in a service control policy",
        ),
        (
            "CreateAccessKey",
            "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: iam:CreateAccessKey \
             on resource: user alex because no service control policy allows the iam:CreateAccessKey action",
        ),
    ] {
        aws.faults.always(call, Fault::Deny(words));
        let run = sandbox.create("alex", &[]).await;
        let run = run.failed_with(&format!("{call}: AccessDenied: {words}"));
        assert!(!run.stderr.contains("needs the permission"), "{run:?}");
        let hints = run.stderr.lines();
        let hints: Vec<_> = hints.filter(|line| line.starts_with("hint: ")).collect();
        assert_eq!(hints.len(), 1, "{run:?}");
        let ask = format!("ask those who manage it to allow iam:{call} in this account");
        assert!(hints[0].contains(&ask), "{run:?}");
        assert_nothing_left(&aws, &sandbox, "alex");
        aws.faults.forget();
    }
}

#[tokio::test]
async fn permission_named_is_the_one_that_aws_says_is_missing() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let missing = |action: &str, resource: &str| {
        let message = format!(
            "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: {action} on \
             resource: {resource} because no identity-based policy allows the {action} action"
        );
        Fault::Deny(message.leak())
    };
    let user = "arn:aws:iam::123456789012:user/alex";
    let policy = "arn:aws:iam::123456789012:policy/s3-access-for-alex";
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for (call, action, resource) in [
        ("CreateUser", "iam:TagUser", user),
        ("CreatePolicy", "iam:TagPolicy", policy),
        ("PutObject", "kms:GenerateDataKey", key),
        ("PutObject", "s3:PutObjectTagging", "\"arn:aws:s3:::shared/alex/\""),
        ("GetUser", "sts:TagSession", user),
    ] {
        aws.faults.always(call, missing(action, resource));
        let run = sandbox.create("alex", &["--make-folder"]).await;
        let run = run.failed_with(&format!("{call}: AccessDenied: "));
        let needs = format!("(needs the permission {action})");
        assert!(run.stderr.contains(&needs), "{run:?}");
        assert_nothing_left(&aws, &sandbox, call);
        aws.faults.forget();
    }
}

/// How AWS words that something else than a missing permission refuses a call, and
/// what the hint says to that.
const REFUSERS: [(&str, &str); 15] = [
    ("with an explicit deny in a service control policy", "your organization forbids this"),
    (
        "with an explicit deny in a service control policy: \
         arn:aws:organizations::123456789012:policy/o-1/service_control_policy/p-1",
        "your organization forbids this",
    ),
    ("because no service control policy allows the iam:X action", "your organization forbids this"),
    ("with an explicit deny in a resource control policy", "a resource control policy"),
    ("because no resource control policy allows the iam:X action", "a resource control policy"),
    ("with an explicit deny in a permissions boundary", "your permissions boundary"),
    ("because no permissions boundary allows the iam:X action", "your permissions boundary"),
    ("with an explicit deny in a session policy", "the session policy"),
    ("because no session policy allows the iam:X action", "the session policy"),
    ("with an explicit deny in a VPC endpoint policy", "the VPC endpoint"),
    ("because no VPC endpoint policy allows the iam:X action", "the VPC endpoint"),
    ("with an explicit deny in a resource-based policy", "the bucket policy"),
    ("because no resource-based policy allows the iam:X action", "another account"),
    ("with an explicit deny in an identity-based policy", "one of your own policies"),
    ("because no identity-based policy allows the iam:X action", "get this permission"),
];

#[tokio::test]
async fn whatever_else_refuses_a_call_is_told_from_a_missing_permission() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (reason, hint) in REFUSERS {
        // What a resource is called is no reason.
        let message = format!(
            "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: iam:X on resource: \
             \"a session policy\" {reason}"
        );
        let message: &str = message.leak();
        aws.faults.always("CreateUser", Fault::Deny(message));
        let run = sandbox.create("alex", &[]).await;
        let run = run.failed_with(&format!("CreateUser: AccessDenied: {message}"));
        let hints = run.stderr.lines();
        let hints: Vec<_> = hints.filter(|line| line.starts_with("hint: ")).collect();
        assert_eq!(hints.len(), 1, "{run:?}");
        assert!(hints[0].contains(hint), "{reason}: {run:?}");
        let is_missing = reason.contains("no identity-based policy");
        let needs = run.stderr.contains("needs the permission iam:X");
        assert_eq!(needs, is_missing, "{run:?}");
        aws.faults.forget();
    }
    assert_nothing_left(&aws, &sandbox, "at the end");
}

/// Every call of a create run that it can't do without, with the option it
/// belongs to and the permission it needs.
const NEEDED: [(&str, &[&str], &str); 7] = [
    ("HeadBucket", &[], "s3:ListBucket"),
    ("GetUser", &[], "iam:GetUser"),
    ("CreateUser", &[], "iam:CreateUser"),
    ("CreatePolicy", &[], "iam:CreatePolicy"),
    ("AttachUserPolicy", &[], "iam:AttachUserPolicy"),
    ("PutUserPolicy", &["--inline-policy"], "iam:PutUserPolicy"),
    ("CreateAccessKey", &[], "iam:CreateAccessKey"),
];

#[tokio::test]
async fn refused_call_is_named_with_the_permission_it_needs() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (call, options, permission) in NEEDED {
        aws.faults.always(call, Fault::DENIED);
        let run = sandbox.create("alex", options).await;
        let run = run.failed_with(&format!("{call}: "));
        let needs = format!("needs the permission {permission}");
        assert!(run.stderr.contains(&needs), "{run:?}");
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert_nothing_left(&aws, &sandbox, call);
        aws.faults.forget();
    }
}

/// What only certain options need.
fn option_actions() -> [&'static str; 18] {
    [
        "iam:ListEntitiesForPolicy",
        "s3:GetBucketVersioning",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetEncryptionConfiguration",
        "iam:UntagUser",
        "iam:GetUserPolicy",
        "iam:ListAttachedUserPolicies",
        "iam:ListUserPolicies",
        "iam:ListGroupsForUser",
        "iam:GetLoginProfile",
        "iam:GetAccessKeyLastUsed",
        "iam:UpdateAccessKey",
        "iam:GetPolicyVersion",
        "iam:CreatePolicyVersion",
        "iam:DeletePolicyVersion",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
    ]
}

#[tokio::test]
async fn options_need_what_the_file_says_and_nothing_less() {
    let [policy, ..] = policies_of_the_files();
    let update = ["--update"].as_slice();
    for (action, before, options) in [
        (
            "iam:UntagUser",
            ["--expires", "9d"].as_slice(),
            ["--update", "--expires", "never"].as_slice(),
        ),
        ("iam:GetUserPolicy", &[], update),
        ("iam:ListAttachedUserPolicies", &[], update),
        ("iam:GetPolicyVersion", &[], update),
        ("iam:CreatePolicyVersion", &[], &["--update", "--browse-root"]),
        ("iam:DeletePolicyVersion", &["four versions"], &["--update", "--browse-root"]),
        ("iam:UpdateAccessKey", &[], &["--suspend"]),
        ("iam:UpdateAccessKey", &["--suspend"], &["--resume"]),
        ("iam:UpdateAccessKey", &[], &["--rotate-key", "--suspend-old"]),
        ("s3:PutObject", &["nobody"], &["--make-folder"]),
        ("s3:DeleteObject", &["nobody"], &["--verify", "--access", "write"]),
        (
            "s3:DeleteObjectVersion",
            &["nobody", "versions"],
            &["--verify", "--access", "read-write"],
        ),
    ] {
        assert!(option_actions().contains(&action) && actions(&policy).contains(action));
        for (given, code) in [(without(&policy, action), 1), (policy.clone(), 0)] {
            let aws = aws_with_files().await;
            prepare(&aws, before).await;
            let helper = with_policy(&aws, "helper", &given).await;
            let run = helper.create("alex", options).await;
            assert_eq!(run.code, Some(code), "{action}: {run:?}");
        }
    }
}

#[tokio::test]
async fn users_of_the_scripts_need_what_the_file_says_and_nothing_less() {
    let [policy, ..] = policies_of_the_files();
    let commands = [
        ["--suspend"].as_slice(),
        &["--resume"],
        &["--rotate-key"],
        &["--update", "--access", "read"],
    ];
    let aws = aws_with_files().await;
    let helper = with_policy(&aws, "helper", &policy).await;
    add_user_of_the_scripts(&aws, "lee", "shared").await;
    for options in commands {
        helper.create("lee", options).await.succeeded();
    }
    aws.iam(|iam| assert_eq!(iam.policies.len(), 1));
    for action in ["iam:GetLoginProfile", "iam:ListUserPolicies", "iam:ListGroupsForUser"] {
        let aws = aws_with_files().await;
        let helper = with_policy(&aws, "helper", &without(&policy, action)).await;
        add_user_of_the_scripts(&aws, "lee", "shared").await;
        for options in commands {
            let run = helper.create("lee", options).await;
            run.failed_with(&format!("needs the permission {action}"));
        }
    }
    let mut narrow = policy.clone();
    let statements = narrow["Statement"].as_array_mut().unwrap();
    statements.retain(|statement| statement["Sid"] != "PoliciesOfPythonScripts");
    let aws = aws_with_files().await;
    let helper = with_policy(&aws, "helper", &narrow).await;
    add_user_of_the_scripts(&aws, "lee", "shared").await;
    let run = helper.create("lee", &["--suspend"]).await;
    run.failed_with("needs the permission iam:GetPolicy");
}

#[tokio::test]
async fn verification_looks_at_the_bucket_before_it_leaves_anything() {
    let [policy, ..] = policies_of_the_files();
    let verify = ["--verify", "--access", "read-write"];
    for (action, leaves) in [("s3:GetBucketVersioning", true), ("none", false)] {
        let aws = LocalAws::start().await;
        aws.add_bucket("shared", &[]).await;
        aws.keep_versions("shared").await;
        aws.suspend_versions("shared").await;
        let helper = with_policy(&aws, "helper", &without(&policy, action)).await;
        helper.create("alex", &verify).await.succeeded();
        let left = aws.versions("shared", "").await;
        assert_eq!(!left.is_empty(), leaves, "{left:?}");
    }
    for (action, code) in [("s3:GetBucketObjectLockConfiguration", 1), ("none", 0)] {
        let aws = LocalAws::start().await;
        aws.add_locking_bucket("shared").await;
        let helper = with_policy(&aws, "helper", &without(&policy, action)).await;
        let run = helper.create("alex", &verify).await;
        assert_eq!(run.code, Some(code), "{run:?}");
        let skipped = "not tested: downloads from other folders (nothing there yet), downloads from s3://shared/alex/ \
                       (nothing there yet), upload to s3://shared/alex/ (the bucket would keep it locked)\n";
        assert_eq!(run.stderr.contains(skipped), code == 0, "{run:?}");
        let left = aws.versions("shared", "").await;
        assert_eq!(left.is_empty(), code == 0, "{left:?}");
    }
}

/// Makes what a run of create_s3_user is to find.
async fn prepare(aws: &LocalAws, before: &[&str]) {
    let admin = Sandbox::new(aws);
    if before.contains(&"versions") {
        aws.keep_versions("shared").await;
    }
    if before.contains(&"nobody") {
        return;
    }
    let expires = if before.contains(&"--expires") { before } else { &[] };
    admin.create("alex", expires).await.succeeded();
    if before.contains(&"--suspend") {
        admin.create("alex", before).await.succeeded();
    }
    if before.contains(&"four versions") {
        for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"] {
            let options = ["--update", "--source-ip", address];
            admin.create("alex", &options).await.succeeded();
        }
    }
}

#[tokio::test]
async fn notes_need_what_the_file_says() {
    let [policy, ..] = policies_of_the_files();
    let aws = aws_with_files().await;
    encrypt_bucket(&aws, Some(KMS_KEY)).await;
    let actions = ["s3:GetEncryptionConfiguration", "iam:GetAccessKeyLastUsed"];
    for (user, given, noted) in [
        ("alex", policy.clone(), true),
        ("kim", without(&without(&policy, actions[0]), actions[1]), false),
    ] {
        let helper = with_policy(&aws, &format!("helper-of-{user}"), &given).await;
        let run = helper.create(user, &[]).await.succeeded();
        assert_eq!(run.stderr.contains("--kms-key"), noted, "{run:?}");
        let rotate = ["--rotate-key", "--keep-old-keys"];
        helper.create(user, &rotate).await.succeeded();
        let run = helper.create(user, &rotate).await.failed_with("2 access keys");
        assert_eq!(!run.stderr.contains("last use unknown"), noted, "{run:?}");
    }
    for action in ["iam:ListUserPolicies", "iam:ListGroupsForUser"] {
        for (given, is_known) in [(without(&policy, action), false), (policy.clone(), true)] {
            let helper = with_policy(&aws, &format!("{}-{is_known}", &action[4..]), &given).await;
            let run = helper.create("alex", &["--update"]).await.succeeded();
            assert_eq!(!run.stderr.contains("can't tell"), is_known, "{run:?}");
        }
    }
}

/// What only a create run that fails needs.
fn undo_actions() -> [&'static str; 8] {
    [
        "iam:ListAccessKeys",
        "iam:DeleteAccessKey",
        "iam:DetachUserPolicy",
        "iam:DeleteUserPolicy",
        "iam:GetPolicy",
        "iam:ListPolicyVersions",
        "iam:DeletePolicy",
        "iam:DeleteUser",
    ]
}

#[tokio::test]
async fn undoing_needs_what_the_file_says_and_nothing_less() {
    let [policy, ..] = policies_of_the_files();
    let managed = [].as_slice();
    let mut cases = JoinSet::new();
    for (action, call, fault, options) in [
        ("iam:ListAccessKeys", "CreateAccessKey", Fault::LoseAnswer, managed),
        ("iam:DeleteAccessKey", "AttachUserPolicy", Fault::DENIED, managed),
        ("iam:DetachUserPolicy", "CreateAccessKey", Fault::DENIED, managed),
        ("iam:DeleteUserPolicy", "CreateAccessKey", Fault::DENIED, &["--inline-policy"]),
        ("iam:GetPolicy", "CreatePolicy", Fault::LoseAnswer, managed),
        ("iam:DeletePolicy", "CreateAccessKey", Fault::DENIED, managed),
        ("iam:DeleteUser", "CreateAccessKey", Fault::DENIED, managed),
    ] {
        assert!(undo_actions().contains(&action) && actions(&policy).contains(action));
        let policy = policy.clone();
        cases.spawn(async move {
            let aws = aws_with_files().await;
            let helper = with_policy(&aws, "helper", &policy).await;
            aws.faults.at(call, 0, 2, fault);
            let run = helper.create("alex", options).await;
            assert!(run.code == Some(0) || is_gone(&aws, "alex"), "{action}: {run:?}");
            assert!(!run.stderr.contains("left:"), "{action}: {run:?}");

            let aws = aws_with_files().await;
            let restricted = with_policy(&aws, "restricted", &without(&policy, action)).await;
            aws.faults.at(call, 0, 2, fault);
            let run = restricted.create("alex", options).await;
            assert_eq!(run.code, Some(1), "without {action}: {run:?}");
            assert!(run.stderr.contains("left: "), "without {action}: {run:?}");
        });
    }
    cases.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_needs_what_its_file_says_and_nothing_less() {
    let [_, policy, _] = policies_of_the_files();
    let before = aws_with_files().await;
    users_with_everything(&before, &Sandbox::new(&before)).await;
    for action in actions(&policy) {
        let aws = before.copy().await;
        let helper = with_policy(&aws, "restricted", &without(&policy, &action)).await;
        let options = if action.starts_with("s3:") && action.contains("Version") {
            ["--all-versions"].as_slice()
        } else {
            &[]
        };
        let both = [&["-b", "shared", "-u", "alex", "-u", "lee", "-u", "lia"], options].concat();
        let run = helper.run("delete_s3_user", &both).await;
        // These may fail: tagging a user of the earlier scripts, and a note. Nobody was
        // renamed.
        let optional = [
            "iam:TagUser",
            "s3:GetBucketVersioning",
            "iam:GetAccessKeyLastUsed",
            "iam:ListEntitiesForPolicy",
        ];
        let expected = i32::from(!optional.contains(&action.as_str()));
        assert_eq!(run.code, Some(expected), "without {action}: {run:?}");
        let helper = with_policy(&aws, "helper", &policy).await;
        for user in ["alex", "lee", "lia"] {
            if !is_gone(&aws, user) {
                helper.delete(user, &["--force"]).await.succeeded();
            }
            assert!(is_gone(&aws, user), "without {action}");
        }
    }
}

#[tokio::test]
async fn folder_of_a_user_that_was_renamed_needs_the_users_of_its_policy() {
    let [create, delete, _] = policies_of_the_files();
    let aws = aws_with_files().await;
    let admin = Sandbox::with_host_of_aws(&aws);
    admin.create("alex", &[]).await.succeeded();
    rename_user(&aws, "alex", "alexa").await;
    admin.create("kim", &["--inline-policy"]).await.succeeded();
    edit_policy(&aws, "s3-access", "kim/", "alex/");
    aws.change_iam(|iam| {
        let kim = iam.users.get_mut("kim").unwrap();
        kim.path = "/s3-user/shared/folder/alex/".to_owned();
        kim.tags.retain(|tag| tag.key != "s3-user:folder");
    });
    let action = "iam:ListEntitiesForPolicy";
    let creates = with_policy(&aws, "creates", &without(&create, action)).await;
    let run = creates.create("bob", &["--folder", "alex/"]).await;
    assert!(run.failed_with("ListEntitiesForPolicy").stderr.contains(action));
    let deletes = with_policy(&aws, "deletes", &without(&delete, action)).await;
    let run = deletes.delete("kim", &[]).await;
    assert!(run.failed_with("ListEntitiesForPolicy").stderr.contains(action));
    for (name, policy) in [("creates-all", create), ("deletes-all", delete)] {
        let helper = with_policy(&aws, name, &policy).await;
        let run = match name {
            "creates-all" => helper.create("bob", &["--folder", "alex/"]).await,
            _ => helper.delete("kim", &[]).await,
        };
        assert!(run.succeeded().stderr.contains("shared with"));
    }
    assert_eq!(aws.keys("shared").len(), 4);
}

/// A user with a managed policy, one with an inline one, and one of the Python
/// scripts.
async fn aws_with_users_to_list() -> LocalAws {
    let aws = aws_with_files().await;
    let admin = Sandbox::new(&aws);
    let ends = ["--expires", "9d"];
    admin.create("alex", &ends).await.succeeded();
    let inline = [&ends[..], &["--inline-policy"]].concat();
    admin.create("kim", &inline).await.succeeded();
    add_user_of_the_scripts(&aws, "lee", "shared").await;
    aws
}

#[tokio::test]
async fn list_needs_what_its_file_says_and_nothing_less() {
    let [_, _, policy] = policies_of_the_files();
    let aws = aws_with_users_to_list().await;
    let all = with_policy(&aws, "helper", &policy).await;
    let list = ["-b", "shared", "--list", "--json"];
    let expected = all.run("create_s3_user", &list).await.succeeded();
    assert_eq!(expected.json_lines().len(), 3);
    assert_eq!(expected.stderr, "");

    let at_once = "iam:GetAccountAuthorizationDetails";
    let one_by_one = without(&policy, at_once);
    for action in actions(&policy) {
        let name = action.replace(':', "-");
        let helper = with_policy(&aws, &name, &without(&one_by_one, &action)).await;
        let run = helper.run("create_s3_user", &list).await;
        match action.as_str() {
            // Without the one call, many others lead to the same.
            "iam:GetAccountAuthorizationDetails" => {
                assert_eq!(run.succeeded().stdout, expected.stdout);
            }
            "iam:GetAccessKeyLastUsed" => {
                let run = run.succeeded();
                assert!(run.stderr.contains(&action), "{run:?}");
            }
            _ => {
                let run = run.failed_with("needs the permission");
                assert_eq!(run.stdout, "", "without {action}");
            }
        }
    }
    // With it, these alone are needed.
    for action in ["s3:ListBucket", "iam:ListAccessKeys"] {
        let name = format!("again-{}", action.replace(':', "-"));
        let helper = with_policy(&aws, &name, &without(&policy, action)).await;
        let run = helper.run("create_s3_user", &list).await;
        assert!(run.failed_with("needs the permission").stderr.contains(action));
    }
    let mut least = policy.clone();
    for action in actions(&policy) {
        let needed = [at_once, "s3:ListBucket", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"];
        if !needed.contains(&action.as_str()) {
            least = without(&least, &action);
        }
    }
    let helper = with_policy(&aws, "least", &least).await;
    let run = helper.run("create_s3_user", &list).await.succeeded();
    assert_eq!(run.stdout, expected.stdout);
}

#[tokio::test]
async fn deleting_those_whose_access_has_ended_needs_no_more_than_two_of_the_files() {
    let [_, mut delete, list] = policies_of_the_files();
    let expired = ["-b", "shared", "--expired"];
    let aws = aws_with_users_to_list().await;
    for user in ["alex", "kim"] {
        set_end(&aws, user, "2020-01-01T00:00:00Z");
    }
    let delete_alone = delete.clone();
    let statements = delete["Statement"].as_array_mut().unwrap();
    statements.extend_from_slice(list["Statement"].as_array().unwrap());
    for statement in statements {
        statement.as_object_mut().unwrap().remove("Sid");
    }
    for (name, policy) in [
        ("one-by-one", without(&delete, "iam:GetAccountAuthorizationDetails")),
        ("at-once", delete),
        ("delete-alone", delete_alone),
    ] {
        let aws = aws.copy().await;
        let helper = with_policy(&aws, name, &policy).await;
        helper.run("delete_s3_user", &expired).await.succeeded();
        assert!(is_gone(&aws, "alex") && is_gone(&aws, "kim"));
    }
}

/// A user that has one of everything delete_s3_user removes, and one whose policies
/// alone tell whose it is.
async fn users_with_everything(aws: &LocalAws, admin: &Sandbox) {
    admin.create("alex", &["--inline-policy"]).await.succeeded();
    // As one of the Python scripts' whose update was interrupted.
    aws.change_iam(|iam| {
        iam.users.get_mut("alex").unwrap().tags.retain(|tag| tag.key != "s3-user:run");
    });
    let iam = aws.iam_client();
    let document = policy_of_the_scripts("list", "alex", "shared");
    let arn = attach_new_policy(aws, "alex", "s3-list-for-alex", &document).await;
    let version = iam.create_policy_version().policy_arn(&arn).set_as_default(true);
    version.policy_document(document).send().await.unwrap();
    add_every_blocker(aws, "alex").await;
    begin_upload(aws, "alex/unfinished").await;
    put_inline_policy(aws, "alex", "zzz", &policy_for("shared")).await;
    add_user_of_the_scripts(aws, "lee", "shared").await;
    admin.create("lia", &["--inline-policy"]).await.succeeded();
    let untag = iam.untag_user().user_name("lia").tag_keys("s3-user:bucket");
    untag.send().await.unwrap();
}
