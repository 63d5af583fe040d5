//! `--verify`: what it tries, waits for, and does when a store doesn't enforce
//! policies.

use tokio::task::JoinSet;

use crate::support::{
    Fault, LocalAws, Sandbox, assert_complete, aws_with_files, enable_acls, is_gone,
};

/// Lets everybody do this, by a policy of the bucket.
async fn allow_everybody(aws: &LocalAws, action: &str, resource: &str) {
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": "*",
            "Action": action,
            "Resource": format!("arn:aws:s3:::{resource}"),
        }],
    });
    let put = aws.s3_client().put_bucket_policy().bucket("shared");
    put.policy(policy.to_string()).send().await.unwrap();
}

#[tokio::test]
async fn each_mode_is_tried_line_by_line_and_leaves_no_object() {
    for (mode, browse, can, cannot) in [
        ("read", false, 2, 14),
        ("read", true, 3, 13),
        ("read-write", false, 4, 16),
        ("write", false, 1, 19),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let (option, top) = if browse {
            (["--browse-root"].as_slice(), ", to the names at the top level of the bucket")
        } else {
            ([].as_slice(), "")
        };
        let options = [&["--verify", "-v", "--access", mode], option].concat();
        let run = sandbox.create("alex", &options).await.succeeded();
        let lines = |start: &str| run.stderr.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(lines("Verified: can "), can, "{mode}: {run:?}");
        assert_eq!(lines("Verified: can't "), cannot, "{mode}: {run:?}");
        let in_all = format!("access to s3://shared/alex/{top} and nothing else\n");
        assert!(run.stderr.contains(&in_all), "{mode}: {run:?}");
        assert_complete(&aws, &sandbox, "alex");
        assert_eq!(aws.keys("shared").len(), 4, "{mode}");
    }
}

#[tokio::test]
async fn folders_to_be_read_too_are_tried() {
    for (mode, folders, can, cannot) in [
        // Two more are allowed for each folder, and two refused.
        ("read", ["alexander/"].as_slice(), 4, 16),
        ("read-write", &["alexander/"], 6, 18),
        ("write", &["alexander/"], 3, 21),
        // There is nothing left that is closed, or nothing in it.
        ("read", &["alexander/", "jaime/"], 6, 14),
        ("read", &["empty/"], 3, 16),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let shares = folders.iter().flat_map(|folder| ["--also-read", folder]);
        let options: Vec<_> =
            ["--verify", "-v", "--access", mode].into_iter().chain(shares).collect();
        let run = sandbox.create("alex", &options).await.succeeded();
        let lines = |start: &str| {
            let lines = run.stderr.lines();
            lines.filter(|line| line.starts_with(start)).count()
        };
        assert_eq!(lines("Verified: can "), can, "{options:?}: {run:?}");
        assert_eq!(lines("Verified: can't "), cannot, "{options:?}: {run:?}");
        for folder in folders {
            for tried in [
                format!("can list s3://shared/{folder}"),
                format!("can't upload to s3://shared/{folder}"),
                format!("can't delete from s3://shared/{folder}"),
            ] {
                let line = format!("Verified: {tried}\n");
                assert!(run.stderr.contains(&line), "{tried}: {run:?}");
            }
        }
        let opens = match mode {
            "read" => "Verified: read-only access to s3://shared/alex/ and s3://shared/",
            "write" => {
                "Verified: upload-only access to s3://shared/alex/, read-only access to s3://shared/"
            }
            _ => {
                "Verified: read-write access to s3://shared/alex/, read-only access to s3://shared/"
            }
        };
        assert!(run.stderr.contains(opens), "{run:?}");
        let nothing = |folder: &str| {
            let line = format!("downloads from {folder} (nothing there yet)");
            run.stderr.contains(&line)
        };
        let is_empty = folders[0] == "empty/";
        assert_eq!(nothing("s3://shared/empty/"), is_empty, "{run:?}");
        assert_eq!(nothing("other folders"), folders.len() == 2, "{run:?}");
        assert_complete(&aws, &sandbox, "alex");
        assert_eq!(aws.keys("shared").len(), 4, "{mode}");
    }
}

#[tokio::test]
async fn folder_to_be_read_that_can_be_changed_is_found_out() {
    for (action, what) in [
        ("s3:PutObject", "upload to s3://shared/jaime/"),
        ("s3:DeleteObject", "delete from s3://shared/jaime/"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        allow_everybody(&aws, action, "shared/jaime/*").await;
        let options = ["--verify", "--also-read", "jaime/"];
        let run = sandbox.create("alex", &options).await;
        run.failed_with(&format!("the new key can {what}"));
        assert!(is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared").len(), 4);
    }
}

#[tokio::test]
async fn versioned_bucket_keeps_nothing_of_a_verification() {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &[]).await;
    aws.keep_versions("shared").await;
    let sandbox = Sandbox::new(&aws);
    let options = ["--verify", "--access", "read-write"];
    sandbox.create("alex", &options).await.succeeded();
    assert_eq!(aws.versions("shared", "").await, [""; 0]);
}

#[tokio::test]
async fn empty_bucket_and_strange_keys_can_be_verified() {
    let aws = LocalAws::start().await;
    aws.add_bucket("strange", &["\u{1} +%&<"]).await;
    let strange = ["-b", "strange", "-u", "kim", "--verify"];
    let run = Sandbox::new(&aws).run("create_s3_user", &strange).await;
    run.succeeded();
    aws.add_bucket("shared", &[]).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &["--verify"]).await.succeeded();
    assert_complete(&aws, &sandbox, "alex");
}

#[tokio::test]
async fn key_that_is_not_known_yet_is_waited_for() {
    for (call, mode) in [("ListObjectsV2", "read"), ("PutObject", "write")] {
        for code in ["InvalidAccessKeyId", "AccessDenied"] {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            let refused = Fault::Refuse(403, code);
            aws.faults.unless_signed_by(&aws.admin.0, call, 2, refused);
            let options = ["--verify", "--access", mode];
            let run = sandbox.create("alex", &options).await.succeeded();
            assert!(run.stderr.contains(" and nothing else"), "{run:?}");
            assert_complete(&aws, &sandbox, "alex");
        }
    }
}

#[tokio::test]
async fn store_that_ignores_policies_is_found_out_and_everything_undone() {
    for options in [
        ["--verify", "--access", "read", "--kit=dir"].as_slice(),
        &["--verify", "--access", "write", "--make-folder"],
        &["--verify", "--inline-policy"],
    ] {
        let aws = LocalAws::start_without_enforcement().await;
        aws.add_bucket("shared", &["jaime/photo.jpg"]).await;
        let sandbox = Sandbox::new(&aws);
        let run = sandbox.create("alex", options).await;
        let run = run.failed_with("which its policy does not allow");
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert!(is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared"), ["jaime/photo.jpg"]);
        assert_eq!(sandbox.files(), [""; 0]);
    }
}

#[tokio::test]
async fn object_that_verifying_could_not_delete_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.always("DeleteObject", Fault::DENIED);
    let options = ["--verify", "--access", "write"];
    let run = sandbox.create("alex", &options).await;
    let run = run.failed_with("DeleteObject: AccessDenied");
    let left = "left: object s3://shared/alex/s3-user-verify-";
    assert!(run.stderr.contains(left), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn interrupted_verification_is_undone() {
    let aws = aws_with_files().await;
    // The signal is to come while the program waits.
    let sandbox = Sandbox::new(&aws).with_full_pauses();
    let unknown = Fault::Refuse(403, "InvalidAccessKeyId");
    let always = usize::MAX;
    aws.faults.unless_signed_by(&aws.admin.0, "ListObjectsV2", always, unknown);
    let mut started = sandbox.start_create("alex", &["--verify"]);
    started.says("Wrote alex_accessKeys.csv").await;
    started.signal("INT").await;
    let run = started.ended().await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(is_gone(&aws, "alex"));
    assert_eq!(sandbox.key_file("alex"), None);
}

#[tokio::test]
async fn key_that_stays_refused_is_given_up_after_a_minute() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let options = ["--verify", "--source-ip", "203.0.113.0/24"];
    let run = sandbox.create("alex", &options).await;
    let run =
        run.failed_with("the new key can't list s3://shared/alex/: ListObjectsV2: AccessDenied");
    assert!(
        run.stderr.contains(
            "hint: --verify works only from the addresses that access is limited to; run the command "
        ),
        "{run:?}"
    );
    assert!(is_gone(&aws, "alex"));
    assert_eq!(sandbox.key_file("alex"), None);
}

#[tokio::test]
async fn patience_with_a_new_key_is_what_was_asked_for() {
    let mut cases = JoinSet::new();
    for (options, refusals, code) in [
        // In all: 0.5, 1, 2 and 4 s, then 5 s each time.
        (["--verify"].as_slice(), 16, 1),
        (&["--verify"], 15, 0),
        (&["--verify", "--verify-timeout", "90"], 21, 0),
        (&["--verify", "--verify-timeout", "90"], 22, 1),
        (&["--verify", "--verify-timeout", "1"], 2, 0),
        (&["--verify", "--verify-timeout", "1"], 3, 1),
    ] {
        cases.spawn(async move {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            let unknown = Fault::Refuse(403, "InvalidAccessKeyId");
            aws.faults.unless_signed_by(&aws.admin.0, "ListObjectsV2", refusals, unknown);
            let run = sandbox.create("alex", options).await;
            assert_eq!(run.code, Some(code), "{options:?} {refusals}: {run:?}");
            assert_eq!(is_gone(&aws, "alex"), code == 1, "{run:?}");
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn store_that_enforces_half_of_it_is_found_out() {
    for (mode, action, resource, what) in [
        ("read", "s3:PutObject", "shared/alex/*", "upload to s3://shared/alex/"),
        ("read", "s3:PutObject", "shared/*", "upload to "),
        ("read-write", "s3:DeleteObject", "shared/*", "delete from another folder"),
        ("write", "s3:GetObject", "shared/alex/*", "download "),
        ("read", "s3:GetObject", "shared/*", "download an object of another folder"),
        ("write", "s3:ListBucket", "shared", "list "),
        ("read-write", "s3:GetObject", "shared/alexander/*", "copy an object of another folder"),
        ("read-write", "s3:PutObjectTagging", "shared/alex/*", "upload with tags"),
        ("read-write", "s3:PutObjectAcl", "shared/alex/*", "upload with an ACL"),
        ("read", "s3:GetObjectVersion", "shared/alex/*", "download a version of it"),
        ("read", "s3:PutObject", "shared/alexander/*", "upload to alexander/"),
        ("read-write", "s3:DeleteObject", "shared/alexander/*", "delete from alexander/"),
    ] {
        let aws = aws_with_files().await;
        enable_acls(&aws).await;
        allow_everybody(&aws, action, resource).await;
        for sandbox in [Sandbox::with_host_of_aws(&aws), Sandbox::new(&aws)] {
            let run = sandbox.create("alex", &["--verify", "--access", mode]).await;
            assert_eq!(aws.keys("shared").len(), 4);
            // Ceph asks for no permission of its own for tags.
            if !sandbox.is_host_of_aws() && what == "upload with tags" {
                let note = "note: the person can also set tags on uploads";
                assert!(run.succeeded().stderr.contains(note));
                continue;
            }
            let run = run.failed_with(&format!("the new key can {what}"));
            assert!(!run.stderr.contains("left:"), "{run:?}");
            assert!(is_gone(&aws, "alex"));
        }
    }
}

/// On Ceph an upload belongs to who put it.
#[tokio::test]
async fn reading_back_an_upload_is_noted_on_other_stores() {
    let aws = aws_with_files().await;
    allow_everybody(&aws, "s3:GetObject", "shared/alex/s3-user-verify-*").await;
    let args = ["--verify", "--access", "write"];
    // It isn't the uploader alone who can read there.
    for sandbox in [Sandbox::with_host_of_aws(&aws), Sandbox::new(&aws)] {
        let run = sandbox.create("alex", &args).await;
        run.failed_with("the new key can download what it uploaded");
        assert!(is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared").len(), 4);
    }
    aws.faults.let_uploaders_read();
    aws.s3_client().delete_bucket_policy().bucket("shared").send().await.unwrap();
    let run = Sandbox::with_host_of_aws(&aws).create("alex", &args).await;
    run.failed_with("the new key can download what it uploaded");
    let run = Sandbox::new(&aws).create("alex", &args).await.succeeded();
    let note = "note: the person can also download their own uploads, which this store counts as \
                theirs\n";
    assert_eq!(run.stderr.matches(note).count(), 1, "{run:?}");
    assert!(run.stderr.contains("Verified: upload-only access to s3://shared/alex/\n"));
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn lost_answers_leave_no_object_behind() {
    for (options, fails) in [
        (["--verify", "--access", "read-write"].as_slice(), false),
        (&["--make-folder", "--inline-policy", "--verify"], true),
    ] {
        let aws = LocalAws::start().await;
        aws.add_bucket("shared", &[]).await;
        aws.keep_versions("shared").await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.at("PutObject", 0, 2, Fault::LoseAnswer);
        if fails {
            let denied = Fault::Refuse(400, "Broken");
            let always = usize::MAX;
            aws.faults.unless_signed_by(&aws.admin.0, "ListObjectsV2", always, denied);
        }
        let run = sandbox.create("alex", options).await;
        assert_eq!(run.code, Some(i32::from(fails)), "{run:?}");
        let listed = aws.s3_client().list_objects_v2().bucket("shared").send();
        assert!(listed.await.unwrap().contents().is_empty(), "{run:?}");
        // Put once, however many answers are lost, and deleted: the version and its marker.
        let versions = aws.versions("shared", "").await.len();
        assert!(versions <= 2, "{versions} versions: {run:?}");
    }
}
