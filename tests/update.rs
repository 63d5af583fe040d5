//! `--update`: other access for an existing user, in no more than what is asked.

use crate::support::{
    ACCOUNT, ALLOW_ALL, DRY_RUN, Fault, KMS_KEY, Run, Sandbox, assert_usage, attach_new_policy,
    attach_policy, aws_with_alex, aws_with_files, edit_policy_of_alex, gets, is_gone, lists,
    policy_for, policy_of_alex, put_inline_policy, puts, tag_of,
};

const EXPIRES: &str = "s3-user:expires";

async fn update(sandbox: &Sandbox, options: &[&str]) -> Run {
    sandbox.create("alex", &[&["--update"], options].concat()).await
}

#[tokio::test]
async fn access_changes_as_the_options_say_and_the_key_stays() {
    for options in [[].as_slice(), &["--inline-policy"]] {
        let (aws, sandbox) = aws_with_alex(options).await;
        let key = sandbox.key_of("alex");
        let s3 = aws.s3_client_of(&key);
        let changed = ["--access", "read-write", "--expires", "2099-12-31"];
        let run = update(&sandbox, &changed).await.succeeded();
        for line in [
            "Changed user alex (s3://shared/alex/):",
            "  access: read -> read-write",
            "  expires: never -> 2099-12-31",
            "  source addresses: any (unchanged)",
        ] {
            assert!(run.stderr.lines().any(|it| it == line), "{line}: {run:?}");
        }
        assert!(puts(&s3, "alex/new.txt").await && !puts(&s3, "jaime/new.txt").await);
        assert_eq!(tag_of(&aws, "alex", EXPIRES).as_deref(), Some("2100-01-01T00:00:00Z"));

        let run = update(&sandbox, &["--expires", "never", "--json"]).await;
        let json = run.succeeded().json();
        let changes = ["expires: 2099-12-31 -> never"];
        assert_eq!(json["changes"], serde_json::json!(changes));
        let kept = [
            "access: read-write",
            "source addresses: any",
            "KMS key: none",
            "top level of the bucket: hidden",
            "other folders: none",
        ];
        assert_eq!(json["kept"], serde_json::json!(kept));
        assert_eq!(tag_of(&aws, "alex", EXPIRES), None);
        assert!(puts(&s3, "alex/new.txt").await);
        update(&sandbox, &["--access", "read"]).await.succeeded();
        assert!(!puts(&s3, "alex/new.txt").await && gets(&s3, "alex/report.txt").await);
        aws.iam(|iam| {
            assert_eq!(iam.access_keys["alex"].len(), 1);
            assert_eq!(iam.access_keys["alex"][0].access_key_id, key.0);
        });

        aws.faults.forget();
        let run = update(&sandbox, &[]).await.succeeded();
        assert!(run.stderr.contains("Nothing to change for user alex:"), "{run:?}");
        assert!(run.stderr.contains("access: read (unchanged)"), "{run:?}");
        let calls = aws.faults.operations();
        let writes = ["Put", "Create", "Delete", "Tag", "Untag", "Attach", "Detach"];
        let is_write = |call: &&String| writes.iter().any(|verb| call.starts_with(verb));
        assert_eq!(calls.iter().find(is_write), None, "{calls:?}");
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn later_end_keeps_writing_and_the_limit_to_addresses() {
    for (address, works) in [("127.0.0.1", true), ("203.0.113.7", false)] {
        let access = ["--access", "read-write", "--source-ip", address];
        let (aws, sandbox) = aws_with_alex(&access).await;
        let run = update(&sandbox, &["--expires", "10d", "--json"]).await;
        let json = run.succeeded().json();
        assert_eq!(json["changes"].as_array().unwrap().len(), 1, "{json}");
        let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
        assert_eq!(puts(&s3, "alex/new.txt").await, works);
        assert_eq!(lists(&s3, Some("alex/"), None).await, works);
        assert!(tag_of(&aws, "alex", EXPIRES).is_some());
    }
}

/// Access with every part there is.
const EVERYTHING: [&str; 12] = [
    "--access",
    "read-write",
    "--expires",
    "2099-12-31",
    "--source-ip",
    "203.0.113.0/24",
    "--source-ip",
    "::1",
    "--kms-key",
    KMS_KEY,
    "--browse-root",
    "--also-read=jaime/",
];

#[tokio::test]
async fn each_part_is_taken_away_alone() {
    let parts = [
        (["--access", "read"].as_slice(), "PutObject"),
        (&["--expires", "never"], "2100-01-01"),
        (&["--source-ip", "any"], "203.0.113.0/24"),
        (&["--kms-key", "none"], KMS_KEY),
        (&["--no-browse-root"], "ListRoot"),
        (&["--also-read", "none"], "jaime/*"),
    ];
    for (options, gone) in parts {
        let (aws, sandbox) = aws_with_alex(&EVERYTHING).await;
        update(&sandbox, options).await.succeeded();
        let policy = policy_of_alex(&aws);
        for (_, part) in parts {
            assert_eq!(policy.contains(part), part != gone, "{options:?}: {policy}");
        }
    }
}

#[tokio::test]
async fn tag_of_the_end_is_removed_and_said_to_be() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "2099-12-31"]).await;
    let dry_run = update(&sandbox, &["--expires", "never", "--dry-run"]).await.succeeded();
    let would = "Would remove tag s3-user:expires from user alex\n";
    assert!(dry_run.stderr.contains(would), "{dry_run:?}");
    aws.faults.once("UntagUser", Fault::DENIED);
    let run = update(&sandbox, &["--expires", "never"]).await;
    let run = run.failed_with(
        "user alex still has the tag that says when access ends; running the same command again \
         removes it: UntagUser: ",
    );
    assert!(tag_of(&aws, "alex", EXPIRES).is_some(), "{run:?}");
    let run = update(&sandbox, &["--expires", "never"]).await.succeeded();
    let done = "Removed tag s3-user:expires from user alex\n";
    assert!(run.stderr.contains(done) && !run.stderr.contains("Tagged"), "{run:?}");
    assert_eq!(tag_of(&aws, "alex", EXPIRES), None);
}

#[tokio::test]
async fn list_is_replaced_as_a_whole() {
    let (aws, sandbox) = aws_with_alex(&EVERYTHING).await;
    let options = ["--source-ip", "127.0.0.1", "--also-read", "alexander/"];
    let run = update(&sandbox, &options).await.succeeded();
    for change in [
        "source addresses: 203.0.113.0/24, ::1/128 -> 127.0.0.1/32",
        "other folders: jaime/ -> alexander/",
    ] {
        assert!(run.stderr.contains(change), "{run:?}");
    }
    let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
    assert!(gets(&s3, "alexander/secret.txt").await && !gets(&s3, "jaime/photo.jpg").await);
}

#[tokio::test]
async fn change_that_does_not_go_with_the_rest_is_refused() {
    let (aws, sandbox) = aws_with_alex(&["--browse-root"]).await;
    let before = policy_of_alex(&aws);
    let run = update(&sandbox, &["--access", "write"]).await;
    run.failed_with("error: --access write can't be combined with listing the bucket's top level");
    assert_eq!(policy_of_alex(&aws), before);
    update(&sandbox, &["--access", "write", "--no-browse-root"]).await.succeeded();
    let before = policy_of_alex(&aws);
    let run = update(&sandbox, &["--browse-root"]).await;
    run.failed_with(
        "error: --browse-root requires --access read or read-write, but the user may only upload",
    );
    assert_eq!(policy_of_alex(&aws), before);
    let run = update(&sandbox, &["--also-read", "alex/a/"]).await;
    run.failed_with("the other folder alex/a/ overlaps with the user's own folder alex/");
    assert_eq!(policy_of_alex(&aws), before);
}

#[tokio::test]
async fn whatever_else_may_give_access_is_named() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let notes = |run: Run| {
        let lines = run.succeeded().stderr;
        let notes = lines.lines().filter(|line| line.starts_with("note: "));
        notes.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(notes(update(&sandbox, &[]).await), [""; 0]);
    attach_new_policy(&aws, "alex", "extra", &policy_for("shared")).await;
    let one = "note: the user also has policy extra, which may give more access";
    assert_eq!(notes(update(&sandbox, &[]).await), [one]);
    put_inline_policy(&aws, "alex", "more", ALLOW_ALL).await;
    let iam = aws.iam_client();
    let group = iam.create_group().group_name("partners");
    group.send().await.unwrap();
    let join = iam.add_user_to_group().user_name("alex");
    join.group_name("partners").send().await.unwrap();
    let all = "note: the user also has policies extra, more and is in group partners, \
               which may give more access";
    for options in [["--dry-run"].as_slice(), &["--access", "read-write"]] {
        assert_eq!(notes(update(&sandbox, options).await), [all]);
    }
    for (call, rest) in [
        ("ListUserPolicies", "has policy extra and is in group partners"),
        ("ListGroupsForUser", "has policies extra, more"),
    ] {
        aws.faults.always(call, Fault::DENIED);
        let notes = notes(update(&sandbox, &["--access", "write"]).await);
        let unknown = "note: can't tell what else may give access";
        let unknown = format!("{unknown}: {call}: AccessDenied");
        assert!(notes[0].starts_with(&unknown), "{notes:?}");
        let rest = format!("note: the user also {rest}, which may give more access");
        assert_eq!(notes[1..], [rest]);
        aws.faults.forget();
    }
}

#[tokio::test]
async fn access_that_has_ended_stays_ended_with_a_note() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "2099-12-31"]).await;
    edit_policy_of_alex(&aws, "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    let run = update(&sandbox, &["--access", "read-write"]).await;
    let run = run.succeeded();
    let note = "note: access ended on 2019-12-31; --update --expires restores it";
    assert!(run.stderr.contains(note), "{run:?}");
    let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
    assert!(!gets(&s3, "alex/report.txt").await);
    update(&sandbox, &["--expires", "1d"]).await.succeeded();
    assert!(gets(&s3, "alex/report.txt").await && puts(&s3, "alex/new.txt").await);
}

#[tokio::test]
async fn sixth_version_of_a_policy_takes_the_place_of_the_oldest() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for round in 0..7 {
        let address = format!("10.0.0.{round}");
        update(&sandbox, &["--source-ip", &address]).await.succeeded();
    }
    aws.iam(|iam| {
        let policy = iam.policies.values().next().unwrap();
        let versions: Vec<_> = policy.versions.iter().map(|it| it.version_id.as_str()).collect();
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
        update(&sandbox, &["--access", "read-write"]).await.failed_with(call);
        let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
        assert!(gets(&s3, "alex/report.txt").await && !puts(&s3, "alex/new.txt").await, "{call}");
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
    update(&sandbox, &["--expires", "2099-12-31"]).await.succeeded();
    assert!(tag_of(&aws, "alex", EXPIRES).is_some());
}

#[tokio::test]
async fn tags_are_set_beside_those_that_the_user_has() {
    let (aws, sandbox) = aws_with_alex(&["--tag", "team=a", "--tag", "cost=1"]).await;
    let policy = policy_of_alex(&aws);
    let run = update(&sandbox, &["--tag", "team=b", "--tag", "since=", "--tag", "Cost=1"]).await;
    let run = run.succeeded();
    for line in
        ["  tag team: \"a\" -> \"b\"", "  tag since: none -> \"\"", "  access: read (unchanged)"]
    {
        assert!(run.stderr.lines().any(|it| it == line), "{line}: {run:?}");
    }
    assert!(!run.stderr.contains("ost: "), "{run:?}");
    assert_eq!(policy_of_alex(&aws), policy);
    let tags = ["team", "cost", "since", "s3-user:bucket"].map(|key| tag_of(&aws, "alex", key));
    assert_eq!(tags.map(Option::unwrap), ["b", "1", "", "shared"]);

    // Again, with access that ends earlier: the tag of the end is set after the policy.
    aws.faults.forget();
    let both = ["--tag", "team=c", "--tag", "since=", "--expires", "2099-12-31", "--json"];
    let json = update(&sandbox, &both).await.succeeded().json();
    let changes = ["expires: never -> 2099-12-31", "tag team: \"b\" -> \"c\""];
    assert_eq!(json["changes"], serde_json::json!(changes));
    let calls = aws.faults.operations();
    let place = |call: &str| calls.iter().position(|it| it == call).unwrap();
    assert!(place("CreatePolicyVersion") < place("TagUser"), "{calls:?}");
    assert_eq!(aws.faults.counts()["TagUser"], 1);
    assert!(tag_of(&aws, "alex", EXPIRES).is_some());
    assert!(tag_of(&aws, "alex", "team").as_deref() == Some("c"));
}

#[tokio::test]
async fn tags_that_can_not_be_set_change_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let policy = policy_of_alex(&aws);
    let options = ["--tag", "team=a", "--access", "read-write"];
    aws.faults.always("TagUser", Fault::Refuse(409, "LimitExceeded"));
    let run = update(&sandbox, &options).await.failed_with("TagUser: LimitExceeded");
    assert!(run.stderr.contains("user alex lacks its new tags"), "{run:?}");
    assert_eq!(policy_of_alex(&aws), policy);
    aws.faults.forget();
    for wrong in ["no-value", "s3-user:bucket=other", "aws:x=y"] {
        assert_usage(&update(&sandbox, &["--tag", wrong]).await, "--tag");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn tags_that_iam_has_no_room_for_are_refused_before_anything_changes() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    let tags: Vec<_> =
        (0..46).flat_map(|number| ["--tag".into(), format!("k{number}=v")]).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    sandbox.create("alex", &tags).await.succeeded();
    let policy = policy_of_alex(&aws);
    for (options, message) in [
        (["--tag", "more=a", "--access", "write"].as_slice(), Some("would have 51 tags")),
        (&["--tag", "more=a", "--dry-run"], Some("IAM takes 50, so remove some first")),
        (&["--tag", "k0=w"], None),
        (&["--expires", "2099-12-31"], None),
    ] {
        let run = update(&sandbox, options).await;
        match message {
            Some(part) => {
                run.failed_with(part);
                assert_eq!(policy_of_alex(&aws), policy);
            }
            None => drop(run.succeeded()),
        }
    }
    assert_eq!(tag_of(&aws, "alex", "k0").as_deref(), Some("w"));
}

#[tokio::test]
async fn only_the_one_policy_of_a_user_of_ours_is_replaced() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.add_bucket("other", &[]).await;
    let run = sandbox.run("create_s3_user", &["-b", "other", "-u", "alex", "--update"]).await;
    run.failed_with("belongs to bucket shared");
    let run = sandbox.create("admin", &["--update"]).await;
    run.failed_with("was not created by create_s3_user");
    sandbox.create("kim", &["--update"]).await.failed_with("there is no user kim");

    let iam = aws.iam_client();
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/s3-access-for-alex");
    iam.create_user().user_name("kim").send().await.unwrap();
    attach_policy(&aws, "kim", &arn).await;
    update(&sandbox, &["--access", "write"]).await.failed_with("is not only attached to user alex");
    let detach = iam.detach_user_policy().user_name("kim").policy_arn(&arn);
    detach.send().await.unwrap();

    put_inline_policy(&aws, "alex", "s3-access", ALLOW_ALL).await;
    let run = update(&sandbox, &["--access", "write"]).await;
    let run = run.failed_with("does not have the one policy that create_s3_user makes, but ");
    let names = ["s3-access and s3-access-for-alex", "s3-access-for-alex and s3-access"];
    let both = |names: &&str| run.stderr.contains(&format!(", but {names}\n"));
    assert!(names.iter().any(both), "{run:?}");
    let delete = iam.delete_user_policy().user_name("alex").policy_name("s3-access");
    delete.send().await.unwrap();

    let detach = iam.detach_user_policy().user_name("alex").policy_arn(&arn);
    detach.send().await.unwrap();
    let run = update(&sandbox, &["--access", "write"]).await;
    run.failed_with("has no policy that create_s3_user made");
    aws.iam(|iam| assert_eq!(iam.policies[&arn].versions.len(), 1));
}

#[tokio::test]
async fn policy_that_somebody_edited_is_replaced_only_as_a_whole() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    put_inline_policy(&aws, "alex", "s3-access", ALLOW_ALL).await;
    for (options, missing) in [
        (
            [].as_slice(),
            "also give --access, --expires, --source-ip, --also-read, --kms-key \
             and either --browse-root or --no-browse-root\n",
        ),
        (
            &["--access", "write", "--expires", "never", "--no-browse-root"],
            "also give --source-ip, --also-read and --kms-key\n",
        ),
    ] {
        let run = update(&sandbox, options).await;
        let run = run.failed_with("policy s3-access is not as create_s3_user writes it");
        assert!(run.stderr.contains(missing), "{run:?}");
        assert_eq!(policy_of_alex(&aws), ALLOW_ALL);
    }
    let run = update(&sandbox, &["--access", "write", "--source-ip", "127.0.0.1"]).await;
    let (_, command) = run.stderr.split_once(", run for example: create_s3_user ").unwrap();
    assert_eq!(
        command,
        "-b shared -u alex --update --access write --expires never --source-ip 127.0.0.1/32 \
         --also-read none --kms-key none --no-browse-root\n"
    );
    let args: Vec<_> = command.split_whitespace().collect();
    let run = sandbox.run("create_s3_user", &args).await.succeeded();
    for change in [
        "access: unknown -> write\n",
        "source addresses: unknown -> 127.0.0.1/32\n",
        "expires: unknown -> never\n",
    ] {
        assert!(run.stderr.contains(change), "{change}: {run:?}");
    }
    let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
    assert!(puts(&s3, "alex/new.txt").await && !gets(&s3, "jaime/photo.jpg").await);
}

#[tokio::test]
async fn inline_policy_that_would_be_too_long_is_refused() {
    let (aws, _) = aws_with_alex(&["--inline-policy"]).await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    let blocks: Vec<_> =
        (0..50).flat_map(|n| ["--source-ip".to_owned(), format!("10.0.{n}.0/24")]).collect();
    let blocks: Vec<_> = blocks.iter().map(String::as_str).collect();
    update(&sandbox, &blocks).await.failed_with("an inline policy takes 2048");
    assert!(!aws.faults.operations().contains(&"PutUserPolicy".to_owned()));
}

#[tokio::test]
async fn dry_run_shows_changes_and_policy_and_makes_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let run = update(&sandbox, &["--dry-run", "--access", "read-write"]).await.succeeded();
    let kept = "expires: never (unchanged)\n\
                source addresses: any (unchanged)\n\
                KMS key: none (unchanged)\n\
                top level of the bucket: hidden (unchanged)\n\
                other folders: none (unchanged)\n";
    let steps = format!("Would update policy s3-access-for-alex\n{DRY_RUN}");
    let expected = format!("access: read -> read-write\n{kept}{steps}");
    assert_eq!(run.stderr, expected);
    assert_eq!(run.stdout, include_str!("policies/read-write.json"));
    let run = update(&sandbox, &["--dry-run"]).await.succeeded();
    let expected = format!("access: read (unchanged)\n{kept}Nothing to change for user alex\n");
    assert_eq!(run.stderr, expected);
    aws.iam(|iam| assert_eq!(iam.policies.values().next().unwrap().versions.len(), 1));
}

#[tokio::test]
async fn tag_never_ends_before_the_policy() {
    for (before, after, policy_changes) in [
        (["--expires", "2098-12-31"], ["--expires", "2099-12-31"], false),
        (["--expires", "2099-12-31"], ["--expires", "2098-12-31"], true),
    ] {
        let (aws, sandbox) = aws_with_alex(&before).await;
        aws.faults.always("TagUser", Fault::DENIED);
        let policy = || aws.iam(|iam| format!("{:?}", iam.policies.values().collect::<Vec<_>>()));
        let old = policy();
        let update = [["--update"].as_slice(), &after].concat();
        let run = sandbox.create("alex", &update).await;
        run.failed_with("lacks the tag that says when access ends");
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
        let update = "Would update policy s3-access";
        assert!(run.stderr.contains(update), "{run:?}");
        assert_eq!(run.stdout, include_str!("policies/read-write.json"));

        let rotate = ["--rotate-key", "--kit=dir"];
        sandbox.create("alex", &rotate).await.succeeded();
        let readme = sandbox.path().join("alex_kit.2/README.txt");
        let readme = std::fs::read_to_string(readme).unwrap();
        assert!(readme.contains("To upload"), "{readme}");
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}
