//! Whose a user is where no tag tells: nobody else's user counts as ours.

use crate::support::{
    ALLOW_ALL, FILES_OF_OTHERS, Fault, LocalAws, Sandbox, active_keys_of, add_user_of_the_scripts,
    assert_only_read, attach_new_policy, attach_policy, aws_with_files, is_gone, keys_of, lists,
    policy_for, policy_of_the_scripts, put_inline_policy, set_end_by_tag, state_of, tag_of,
};

/// What changes an existing user, with a part of access where that is needed.
const COMMANDS: [&[&str]; 4] =
    [&["--update", "--access", "read-write"], &["--rotate-key"], &["--suspend"], &["--resume"]];

/// Every part of access there is.
const ALL_OPTIONS: [&str; 12] = [
    "--update",
    "--access",
    "read",
    "--expires",
    "never",
    "--source-ip",
    "any",
    "--also-read",
    "none",
    "--kms-key",
    "none",
    "--no-browse-root",
];

async fn listed(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let list = ["-b", "shared", "--list", "--json"];
    let run = sandbox.run("create_s3_user", &list).await;
    run.succeeded().json_lines()
}

fn names(listed: &[serde_json::Value]) -> Vec<&str> {
    let names = listed.iter().map(|user| user["user"].as_str().unwrap());
    names.collect()
}

/// Somebody with a key and a console login.
async fn add_employee(aws: &LocalAws, user: &str) {
    let iam = aws.iam_client();
    iam.create_user().user_name(user).send().await.unwrap();
    let key = iam.create_access_key().user_name(user);
    key.send().await.unwrap();
    add_login(aws, user).await;
}

async fn add_login(aws: &LocalAws, user: &str) {
    let login = aws.iam_client().create_login_profile().user_name(user);
    login.password("Correct-horse-7").send().await.unwrap();
}

/// Policies that name the bucket and that no program of ours wrote.
fn policies_of_others() -> [String; 5] {
    let today = include_str!("policies/read.json").replace("alex", "bob");
    let get = policy_of_the_scripts("get", "bob", "shared");
    [
        policy_for("shared"),
        policy_for("shared").replace("Allow", "Deny"),
        today.replace("s3:GetObject", "s3:*"),
        get.replace("Allow", "Deny"),
        get.replace("shared/bob/", "shared/"),
    ]
}

#[tokio::test]
async fn employee_with_a_policy_of_our_name_is_not_taken_for_ours() {
    let names_of_ours = ["s3-access", "s3-access-for-bob", "s3-get-for-bob", "s3-list-for-bob"];
    for name in names_of_ours {
        for document in policies_of_others() {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            add_employee(&aws, "bob").await;
            if name == "s3-access" {
                put_inline_policy(&aws, "bob", name, &document).await;
            } else {
                attach_new_policy(&aws, "bob", name, &document).await;
            }
            aws.put("shared", "bob/precious").await;
            aws.faults.forget();
            let before = state_of(&aws);
            let found = format!("its policy {name} is not as that program writes it");
            for options in COMMANDS.into_iter().chain([&ALL_OPTIONS[..]]) {
                let run = sandbox.create("bob", options).await;
                let run = run.failed_with(&found);
                let key = &keys_of(&aws, "bob")[0];
                let suspend = format!(
                    "aws iam update-access-key --user-name bob --access-key-id {key} --status Inactive\n"
                );
                let suspends = options == ["--suspend"];
                assert_eq!(run.stderr.contains(&suspend), suspends, "{run:?}");
            }
            let run = sandbox.delete("bob", &[]).await.failed_with(&found);
            assert!(run.stderr.contains("anyway, add --force, and --keep-objects"), "{run:?}");
            let skip = sandbox.create("bob", &["--skip-existing"]).await;
            skip.failed_with("user bob already exists, and was not created by create_s3_user");
            assert_eq!(names(&listed(&sandbox).await), [""; 0], "{name} {document}");
            assert_only_read(&aws);
            assert_eq!(state_of(&aws), before, "{name} {document}");
            sandbox.delete("bob", &["--force", "--folder", "bob/"]).await.succeeded();
            assert!(is_gone(&aws, "bob"));
            assert_eq!(aws.keys("shared").len(), 4);
        }
    }
}

/// Users that are ours by their policies alone.
#[derive(Debug, Clone, Copy)]
enum Untagged {
    Managed,
    Inline,
    OfScripts,
}

impl Untagged {
    const ALL: [Self; 3] = [Self::Managed, Self::Inline, Self::OfScripts];

    async fn add(self, aws: &LocalAws, sandbox: &Sandbox) {
        match self {
            Self::Managed => sandbox.create("alex", &[]).await.succeeded(),
            Self::Inline => sandbox.create("alex", &["--inline-policy"]).await.succeeded(),
            Self::OfScripts => return add_user_of_the_scripts(aws, "alex", "shared").await,
        };
        aws.change_iam(|iam| {
            iam.users.get_mut("alex").unwrap().tags.clear();
            for policy in iam.policies.values_mut() {
                policy.tags.clear();
            }
        });
    }
}

#[tokio::test]
async fn untagged_user_with_our_policy_is_ours() {
    for kind in Untagged::ALL {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        kind.add(&aws, &sandbox).await;
        assert_eq!(names(&listed(&sandbox).await), ["alex"]);
        for options in COMMANDS {
            sandbox.create("alex", options).await.succeeded();
        }
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"), "{kind:?}");
        assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
    }
}

#[tokio::test]
async fn untagged_user_who_has_more_than_ours_is_left_alone() {
    for kind in Untagged::ALL {
        for more in ["a login profile", "policy AdministratorAccess", "policy given", "group staff"]
        {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            kind.add(&aws, &sandbox).await;
            let iam = aws.iam_client();
            match more {
                "a login profile" => add_login(&aws, "alex").await,
                "policy given" => put_inline_policy(&aws, "alex", "given", ALLOW_ALL).await,
                "group staff" => {
                    iam.create_group().group_name("staff").send().await.unwrap();
                    let join = iam.add_user_to_group().user_name("alex");
                    join.group_name("staff").send().await.unwrap();
                }
                _ => {
                    let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
                    attach_policy(&aws, "alex", arn).await;
                }
            }
            aws.faults.forget();
            let before = state_of(&aws);
            let also = format!("it also has {more}");
            let also = also.replace("has group", "is in group");
            for options in COMMANDS {
                let run = sandbox.create("alex", options).await;
                let run = run.failed_with(&also);
                let key = &keys_of(&aws, "alex")[0];
                let hint = if options == ["--suspend"] {
                    format!(
                        "aws iam update-access-key --user-name alex --access-key-id {key} --status Inactive\n"
                    )
                } else {
                    "aws iam tag-user --user-name alex --tags 'Key=s3-user:bucket,Value=shared'\n"
                        .to_owned()
                };
                assert!(run.stderr.ends_with(&hint), "{run:?}");
            }
            let run = sandbox.delete("alex", &[]).await.failed_with(&also);
            assert!(run.stderr.contains("anyway, add --force, and --keep-objects"), "{run:?}");
            assert_eq!(names(&listed(&sandbox).await), ["alex"]);
            assert_only_read(&aws);
            assert_eq!(state_of(&aws), before, "{kind:?} {more}");

            // By its tag it is ours, whatever else it has.
            let tagged = aws.copy().await;
            let sandbox = Sandbox::new(&tagged);
            let tag = aws_sdk_iam::types::Tag::builder().key("s3-user:bucket");
            let tag = tag.value("shared").build().unwrap();
            let ours = tagged.iam_client().tag_user().user_name("alex").tags(tag);
            ours.send().await.unwrap();
            for options in COMMANDS {
                sandbox.create("alex", options).await.succeeded();
            }
            sandbox.delete("alex", &[]).await.succeeded();
            assert!(is_gone(&tagged, "alex"));

            let sandbox = Sandbox::new(&aws);
            sandbox.delete("alex", &["--force"]).await.succeeded();
            assert!(is_gone(&aws, "alex"), "{kind:?} {more}");
        }
    }
}

#[tokio::test]
async fn tagged_user_is_not_asked_for_a_login() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.faults.always("GetLoginProfile", Fault::DENIED);
    for options in COMMANDS {
        sandbox.create("alex", options).await.succeeded();
    }
    assert!(!aws.faults.counts().contains_key("GetLoginProfile"));

    add_user_of_the_scripts(&aws, "lee", "shared").await;
    let before = state_of(&aws);
    for options in COMMANDS {
        let run = sandbox.create("lee", options).await;
        run.failed_with("needs the permission iam:GetLoginProfile");
    }
    let run = sandbox.delete("lee", &[]).await;
    run.failed_with("needs the permission iam:GetLoginProfile");
    assert_eq!(state_of(&aws), before);
}

/// What carries one of our names may be somebody else's.
#[tokio::test]
async fn unattached_policy_of_somebody_else_stays_when_a_user_goes() {
    for name in ["s3-access-for-bob", "s3-get-for-bob"] {
        for document in policies_of_others() {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            sandbox.create("bob", &["--inline-policy"]).await.succeeded();
            let arn = attach_new_policy(&aws, "bob", name, &document).await;
            let detach = aws.iam_client().detach_user_policy().user_name("bob");
            detach.policy_arn(&arn).send().await.unwrap();
            sandbox.delete("bob", &[]).await.succeeded();
            aws.iam(|iam| {
                assert!(!iam.users.contains_key("bob"));
                assert!(iam.policies.contains_key(&arn), "{name} {document}");
            });
        }
    }
}

#[tokio::test]
async fn edited_policy_without_tags_is_enough_to_see_and_to_suspend() {
    let aws = aws_with_files().await;
    aws.add_bucket("other", &[]).await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.be_like_ceph();
    for user in ["alex", "kim"] {
        sandbox.create(user, &[]).await.succeeded();
    }
    let key = keys_of(&aws, "alex")[0].clone();
    put_inline_policy(&aws, "alex", "s3-access", &policy_for("shared")).await;
    // An employee's, that allows more than the bucket.
    let more = policy_for("shared")
        .replace("\"arn:aws:s3:::shared\"", "[\"arn:aws:s3:::shared\", \"arn:aws:s3:::other\"]");
    put_inline_policy(&aws, "kim", "s3-access", &more).await;
    let users = listed(&sandbox).await;
    assert_eq!(names(&users), ["alex"]);
    assert_eq!(users[0]["odd"][0]["code"], "edited-policy");
    let before = state_of(&aws);
    for options in [["--rotate-key"].as_slice(), &["--resume"], &["--update", "--access", "read"]] {
        let run = sandbox.create("alex", options).await;
        run.failed_with("policy s3-access ");
    }
    let run = sandbox.delete("alex", &[]).await.failed_with("s3-access");
    assert!(run.stderr.contains("anyway, add --force, and --keep-objects"), "{run:?}");
    for options in COMMANDS.into_iter().chain([&ALL_OPTIONS[..]]) {
        sandbox.create("kim", options).await.failed_with("s3-access");
    }
    assert_eq!(state_of(&aws), before);

    sandbox.create("alex", &["--suspend"]).await.succeeded();
    assert_eq!(active_keys_of(&aws, "alex"), [""; 0]);
    sandbox.create("alex", &ALL_OPTIONS).await.succeeded();
    // From here on it is as before.
    sandbox.create("alex", &["--resume"]).await.succeeded();
    assert_eq!(active_keys_of(&aws, "alex"), [key]);
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

/// A store other than AWS that keeps tags: a user without one isn't ours.
#[tokio::test]
async fn edited_policy_is_not_enough_where_tags_are_kept() {
    let aws = aws_with_files().await;
    for sandbox in [Sandbox::new(&aws), Sandbox::with_host_of_aws(&aws)] {
        let aws = aws.copy().await;
        let sandbox = if sandbox.is_host_of_aws() {
            Sandbox::with_host_of_aws(&aws)
        } else {
            Sandbox::new(&aws)
        };
        aws.add_user("bob", ALLOW_ALL).await;
        put_inline_policy(&aws, "bob", "s3-access", &policy_for("shared")).await;
        assert_eq!(names(&listed(&sandbox).await), [""; 0]);
        let run = sandbox.create("bob", &["--suspend"]).await;
        run.failed_with("user bob was not created by create_s3_user");
    }
}

/// The names of the managed policies on lee, and of those that there are.
fn policies_of_lee(aws: &LocalAws) -> (Vec<String>, Vec<String>) {
    aws.iam(|iam| {
        let name = |arn: &String| iam.policies[arn].policy_name.clone();
        let attached = iam.user_policies.get("lee").into_iter().flatten();
        let mut attached: Vec<_> = attached.map(name).collect();
        attached.sort();
        let mut all: Vec<_> = iam.policies.keys().map(name).collect();
        all.sort();
        (attached, all)
    })
}

const OLD: [&str; 2] = ["s3-get-for-lee", "s3-list-for-lee"];
const NEW: [&str; 1] = ["s3-access-for-lee"];

async fn aws_with_lee() -> (LocalAws, Sandbox) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    add_user_of_the_scripts(&aws, "lee", "shared").await;
    aws.faults.forget();
    (aws, sandbox)
}

#[track_caller]
fn assert_has(aws: &LocalAws, policies: &[&str]) {
    let (attached, all) = policies_of_lee(aws);
    assert_eq!(attached, policies);
    assert_eq!(all, policies);
}

#[tokio::test]
async fn access_of_a_user_of_the_scripts_is_read_back() {
    let (aws, sandbox) = aws_with_lee().await;
    let user = &listed(&sandbox).await[0];
    assert_eq!(user["access"], "read");
    assert_eq!(user["browse_root"], true);
    assert_eq!(user["made_by"], "python_scripts");
    assert_eq!(user["expires"], serde_json::Value::Null);
    let before = state_of(&aws);
    for options in [["--update"].as_slice(), &["--update", "--dry-run"]] {
        let run = sandbox.create("lee", options).await.succeeded();
        for line in ["access: read", "top level of the bucket: visible"] {
            assert!(run.stderr.contains(line), "{run:?}");
        }
    }
    let run = sandbox.create("lee", &["--update", "--json"]).await;
    let json = run.succeeded().json();
    assert_eq!(json["changes"], serde_json::json!([]));
    assert_eq!(json["policy"], serde_json::Value::Null);
    assert_eq!(json["policy_document"], serde_json::Value::Null);
    // Only what is read is shown, also of a tag that says something else.
    set_end_by_tag(&aws, "lee", Some("2030-01-01T00:00:00Z"));
    sandbox.create("lee", &["--update"]).await.succeeded();
    set_end_by_tag(&aws, "lee", None);
    assert_only_read(&aws);
    assert_eq!(state_of(&aws), before);
    let run = sandbox.create("lee", &["--rotate-key", "--kit=dir"]).await;
    let run = run.failed_with("policies of the Python scripts");
    let hint = "--update --access read --expires never --source-ip any --also-read none \
                --kms-key none --browse-root\n";
    assert!(run.stderr.ends_with(hint), "{run:?}");
}

#[tokio::test]
async fn update_gives_a_user_of_the_scripts_the_policy_of_today() {
    for (options, browses) in [
        (["--access", "read"].as_slice(), true),
        (&["--no-browse-root"], false),
        (&["--browse-root"], true),
        (&["--expires", "2099-12-31", "--access", "read-write"], true),
    ] {
        let (aws, sandbox) = aws_with_lee().await;
        let update = [&["--update"], options].concat();
        let dry_run = [&update[..], &["--dry-run"]].concat();
        let dry = sandbox.create("lee", &dry_run).await.succeeded();
        assert_has(&aws, &OLD);
        let key = keys_of(&aws, "lee");
        aws.faults.forget();
        let run = sandbox.create("lee", &update).await.succeeded();
        assert_has(&aws, &NEW);
        assert_eq!(keys_of(&aws, "lee"), key);
        // The new one is there before the old ones go, as the plan said.
        let calls = aws.faults.operations();
        let changes = ["Create", "Attach", "Detach", "Delete", "Tag"];
        let changes = |call: &&String| changes.iter().any(|verb| call.starts_with(verb));
        let calls: Vec<_> = calls.iter().filter(changes).map(String::as_str).collect();
        let tags = ["TagUser"].into_iter().filter(|_| options.contains(&"--expires"));
        let expected = ["CreatePolicy", "AttachUserPolicy", "DetachUserPolicy"].into_iter();
        let expected = expected.chain(["DetachUserPolicy"]).chain(tags);
        let expected: Vec<_> = expected.chain(["DeletePolicy"; 2]).collect();
        assert_eq!(calls, expected);
        let would = dry.stderr.lines().filter(|line| line.starts_with("Would "));
        assert_eq!(would.count(), expected.len(), "{dry:?}");
        let top = if browses { "visible" } else { "hidden" };
        assert!(
            run.stderr.contains(&format!("bucket: {top}"))
                || run.stderr.contains(&format!("-> {top}"))
        );

        let user = &listed(&sandbox).await[0];
        assert_eq!(user["made_by"], "create_s3_user");
        assert_eq!(user["browse_root"], browses);
        let codes = user["odd"].to_string();
        assert!(!codes.contains("policy") && !codes.contains("end"), "{codes}");
        let ends = options.contains(&"--expires").then(|| "2100-01-01T00:00:00Z".to_owned());
        assert_eq!(tag_of(&aws, "lee", "s3-user:expires"), ends);
        sandbox.create("lee", &["--rotate-key", "--verify"]).await.succeeded();
        let s3 = aws.s3_client_of(&sandbox.key_of("lee"));
        assert_eq!(lists(&s3, Some(""), Some("/")).await, browses);
        sandbox.delete("lee", &[]).await.succeeded();
        assert!(is_gone(&aws, "lee"));
    }
}

#[tokio::test]
async fn failed_update_of_a_user_of_the_scripts_is_undone() {
    let update = ["--update", "--access", "read-write", "--expires", "9d"];
    for (call, skip) in [
        ("CreatePolicy", 0),
        ("AttachUserPolicy", 0),
        ("DetachUserPolicy", 0),
        ("DetachUserPolicy", 1),
        ("TagUser", 0),
    ] {
        for fault in [Fault::DENIED, Fault::BROKEN, Fault::LoseAnswer, Fault::Hang] {
            let (aws, sandbox) = aws_with_lee().await;
            let hangs = matches!(fault, Fault::Hang);
            let times = if hangs || fault == Fault::DENIED { 1 } else { 8 };
            aws.faults.at(call, skip, times, fault);
            let options =
                if hangs { [&update[..], &["--timeout", "1"]].concat() } else { update.to_vec() };
            let run = sandbox.create("lee", &options).await;
            if run.code == Some(0) {
                // What was carried out although the answer was lost is found.
                assert_has(&aws, &NEW);
                continue;
            }
            if run.stderr.contains("left: ") {
                // Undoing met the same fault, and names what it could not undo.
                assert_ne!(fault, Fault::DENIED, "{call} {skip}: {run:?}");
                assert!(!run.stderr.contains("delete_s3_user"), "{run:?}");
                continue;
            }
            assert_has(&aws, &OLD);
            if fault == Fault::DENIED || call != "TagUser" {
                assert_eq!(tag_of(&aws, "lee", "s3-user:expires"), None);
            }
            aws.faults.forget();
            sandbox.create("lee", &update).await.succeeded();
            assert_has(&aws, &NEW);
        }
    }
}

#[tokio::test]
async fn interrupted_update_of_a_user_of_the_scripts_is_undone_or_finished() {
    let update = ["--update", "--access", "read-write"];
    for (call, pause, policies) in [
        ("CreatePolicy", Fault::Pause, &OLD[..]),
        ("AttachUserPolicy", Fault::Pause, &OLD),
        ("DetachUserPolicy", Fault::PauseBefore, &OLD),
        ("DeletePolicy", Fault::PauseBefore, &NEW),
    ] {
        let (aws, sandbox) = aws_with_lee().await;
        aws.faults.once(call, pause);
        let started = sandbox.start_create("lee", &update);
        let run = started.stopped_while_paused(&aws, "INT").await;
        assert!(!run.stderr.contains("left: "), "{run:?}");
        assert_has(&aws, policies);
    }
}

#[tokio::test]
async fn killed_update_of_a_user_of_the_scripts_is_finished_by_the_next() {
    let update = ["--update", "--access", "read-write"];
    for (call, pause) in [("AttachUserPolicy", Fault::Pause), ("DetachUserPolicy", Fault::Pause)] {
        let (aws, sandbox) = aws_with_lee().await;
        aws.faults.once(call, pause);
        let started = sandbox.start_create("lee", &update);
        started.killed_while_paused(&aws).await;
        aws.faults.resume();
        aws.faults.forget();
        let users = listed(&sandbox).await;
        assert!(users[0]["odd"].to_string().contains("old-policy"));
        let run = sandbox.create("lee", &["--update"]).await.succeeded();
        assert!(run.stderr.contains("of the Python scripts"), "{run:?}");
        sandbox.create("lee", &update).await.succeeded();
        assert_eq!(policies_of_lee(&aws).0, NEW);
        // One that was taken off already goes with the user.
        sandbox.delete("lee", &[]).await.succeeded();
        assert!(is_gone(&aws, "lee"));
    }
    let (aws, sandbox) = aws_with_lee().await;
    aws.faults.once("CreatePolicy", Fault::Pause);
    let started = sandbox.start_create("lee", &update);
    started.killed_while_paused(&aws).await;
    aws.faults.resume();
    aws.faults.forget();
    let run = sandbox.create("lee", &update).await;
    let run = run.failed_with("it belongs to no user");
    let hint =
        "aws iam delete-policy --policy-arn arn:aws:iam::123456789012:policy/s3-access-for-lee\n";
    assert!(run.stderr.ends_with(hint), "{run:?}");
    assert_eq!(policies_of_lee(&aws).0, OLD);
}

#[tokio::test]
async fn old_policy_that_could_not_be_deleted_is_named() {
    let (aws, sandbox) = aws_with_lee().await;
    aws.faults.once("DeletePolicy", Fault::DENIED);
    let run = sandbox.create("lee", &["--update", "--browse-root", "--json"]).await;
    let run = run.failed_with("DeletePolicy: AccessDenied");
    let left = run.json()["left"].to_string();
    assert!(left.contains("policy s3-get-for-lee"), "{left}");
    assert!(run.stderr.contains("aws iam delete-policy --policy-arn"), "{run:?}");
    let (attached, all) = policies_of_lee(&aws);
    assert_eq!(attached, NEW);
    assert_eq!(all, ["s3-access-for-lee", "s3-get-for-lee"]);
    sandbox.delete("lee", &[]).await.succeeded();
    assert!(is_gone(&aws, "lee"));
}

/// What somebody else uses too is theirs.
#[tokio::test]
async fn policy_of_the_scripts_that_others_use_is_only_detached() {
    let (aws, sandbox) = aws_with_lee().await;
    aws.add_user("cleo", ALLOW_ALL).await;
    attach_policy(&aws, "cleo", "arn:aws:iam::123456789012:policy/s3-get-for-lee").await;
    let update = ["--update", "--access", "read"];
    sandbox.create("lee", &update).await.succeeded();
    let (attached, all) = policies_of_lee(&aws);
    assert_eq!(attached, NEW);
    assert_eq!(all, ["s3-access-for-lee", "s3-get-for-lee"]);
    aws.iam(|iam| assert_eq!(iam.user_policies["cleo"].len(), 1));
}

#[tokio::test]
async fn policy_that_an_update_may_have_made_is_named() {
    let (aws, sandbox) = aws_with_lee().await;
    aws.faults.always("CreatePolicy", Fault::BROKEN);
    let update = ["--update", "--access", "read-write", "--json"];
    let run = sandbox.create("lee", &update).await;
    let run = run.failed_with("CreatePolicy: InternalFailure");
    let left = "left: policy s3-access-for-lee, if it is there and tagged s3-user:run=";
    assert!(run.stderr.contains(left), "{run:?}");
    assert_eq!(run.json()["left"].as_array().unwrap().len(), 1, "{run:?}");
}
