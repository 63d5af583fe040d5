//! What each access option opens, and what it doesn't: by requests with the
//! person's own key.

use aws_sdk_s3::Client;

use crate::support::{
    FILES_OF_OTHERS, Fault, KMS_KEY, LocalAws, Run, Sandbox, allowed, assert_complete,
    assert_usage, aws_with_files, client_of_alex, deletes, edit_policy_of_alex, encrypt_bucket,
    gets, is_gone, lists, puts, tag_of,
};

#[tokio::test]
async fn policies_are_as_reviewed() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (reviewed, options) in [
        (include_str!("policies/read.json"), [].as_slice()),
        (include_str!("policies/read-write.json"), &["--access", "read-write"]),
        (include_str!("policies/write.json"), &["--access", "write"]),
        (include_str!("policies/browse-root.json"), &["--browse-root"]),
        (
            include_str!("policies/everything.json"),
            &[
                "--access",
                "read-write",
                "--expires",
                "2099-12-31",
                "--source-ip",
                "203.0.113.0/24",
                "--source-ip",
                "2001:db8::/32",
                "--kms-key",
                KMS_KEY,
                "--browse-root",
            ],
        ),
        (include_str!("policies/write-kms.json"), &["--access", "write", "--kms-key", KMS_KEY]),
        (
            include_str!("policies/also-read.json"),
            &["--also-read", "prices/", "--also-read", "lists/2026/"],
        ),
        (
            include_str!("policies/write-also-read.json"),
            &["--access", "write", "--also-read", "prices/"],
        ),
    ] {
        let run = sandbox.create("alex", &[&["--dry-run"], options].concat()).await.succeeded();
        assert_eq!(run.stdout, reviewed, "{options:?}");
    }
    aws.move_bucket("shared", "cn-north-1");
    let key = KMS_KEY.replace("us-east-1", "cn-north-1").replace("arn:aws:", "arn:aws-cn:");
    let run = sandbox.create("alex", &["--dry-run", "--kms-key", &key]).await;
    assert_eq!(run.succeeded().stdout, include_str!("policies/china-kms.json"));
}

#[tokio::test]
async fn read_write_changes_the_own_folder_and_nothing_else() {
    let aws = aws_with_files().await;
    let s3 = client_of_alex(&aws, &["--access", "read-write"]).await;
    assert!(lists(&s3, Some("alex/"), None).await);
    assert!(gets(&s3, "alex/report.txt").await);
    assert!(puts(&s3, "alex/new.txt").await && puts(&s3, "alex/report.txt").await);
    assert!(deletes(&s3, "alex/new.txt").await);
    upload_in_parts(&s3, "alex/large").await;

    assert!(!lists(&s3, Some(""), Some("/")).await && !lists(&s3, None, None).await);
    for key in ["alexander/secret.txt", "jaime/photo.jpg", "alex", "new.txt"] {
        assert!(!gets(&s3, key).await && !puts(&s3, key).await, "{key}");
        assert!(!deletes(&s3, key).await, "{key}");
    }
    let version = s3.delete_object().bucket("shared").key("alex/report.txt");
    assert!(!allowed(version.version_id("null").send().await));
    let mut keys = aws.keys("shared");
    keys.retain(|key| !key.starts_with("alex/"));
    assert_eq!(keys, FILES_OF_OTHERS);
}

/// Uploads one object in parts, and gives up another.
async fn upload_in_parts(s3: &Client, key: &str) {
    for completes in [true, false] {
        let upload = s3.create_multipart_upload().bucket("shared").key(key);
        let id = upload.send().await.unwrap().upload_id.unwrap();
        let part = s3.upload_part().bucket("shared").key(key).upload_id(&id);
        let part = part.part_number(1).body(b"part".to_vec().into());
        assert!(allowed(part.send().await));
        let parts = s3.list_parts().bucket("shared").key(key).upload_id(&id);
        let parts = parts.send().await.unwrap();
        assert_eq!(parts.parts().len(), 1);
        if completes {
            let part = aws_sdk_s3::types::CompletedPart::builder()
                .part_number(1)
                .set_e_tag(parts.parts()[0].e_tag.clone());
            let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part.build());
            let complete = s3.complete_multipart_upload().bucket("shared").key(key);
            let complete = complete.upload_id(&id).multipart_upload(parts.build());
            assert!(allowed(complete.send().await));
        } else {
            let abort = s3.abort_multipart_upload().bucket("shared").key(key);
            assert!(allowed(abort.upload_id(&id).send().await));
        }
    }
}

#[tokio::test]
async fn write_uploads_and_sees_nothing() {
    let aws = aws_with_files().await;
    let s3 = client_of_alex(&aws, &["--access", "write"]).await;
    assert!(puts(&s3, "alex/new.txt").await);
    upload_in_parts(&s3, "alex/large").await;
    for prefix in [Some("alex/"), Some(""), None] {
        assert!(!lists(&s3, prefix, None).await, "{prefix:?}");
    }
    assert!(!gets(&s3, "alex/new.txt").await);
    assert!(!deletes(&s3, "alex/new.txt").await);
    assert!(!puts(&s3, "alexander/new.txt").await && !puts(&s3, "new.txt").await);
    let location = s3.get_bucket_location().bucket("shared");
    assert!(!allowed(location.send().await));
    assert!(aws.keys("shared").contains(&"alex/large".to_owned()));
}

#[tokio::test]
async fn browse_root_shows_names_of_folders_and_no_more() {
    let aws = aws_with_files().await;
    let s3 = client_of_alex(&aws, &["--browse-root"]).await;
    assert!(lists(&s3, Some(""), Some("/")).await);
    assert!(lists(&s3, Some("alex/"), None).await);
    assert!(!lists(&s3, Some(""), None).await && !lists(&s3, None, Some("/")).await);
    assert!(!lists(&s3, Some(""), Some("e")).await);
    assert!(!lists(&s3, Some("jaime/"), Some("/")).await);
    assert!(!gets(&s3, "jaime/photo.jpg").await);
}

#[tokio::test]
async fn also_read_shows_other_folders_and_changes_nothing_there() {
    let shared = ["lists/a/x", "prices/2026/may.csv", "prices/old.csv"];
    let closed = ["lists/b/x", "prices-secret/x", "prices.csv", "jaime/photo.jpg"];
    for mode in ["read", "read-write", "write"] {
        let aws = aws_with_files().await;
        for key in [&shared[..], &closed[..3]].concat() {
            aws.put("shared", key).await;
        }
        let before = aws.keys("shared");
        let shares = ["--also-read", "prices/", "--also-read", "lists/a/"];
        let options = [&["--access", mode], &shares[..]].concat();
        let s3 = client_of_alex(&aws, &options).await;
        for prefix in ["prices/", "prices/2026/", "lists/a/"] {
            assert!(lists(&s3, Some(prefix), None).await, "{prefix}");
            assert!(lists(&s3, Some(prefix), Some("/")).await, "{prefix}");
        }
        for key in shared {
            assert!(gets(&s3, key).await, "{key}");
            assert!(!puts(&s3, key).await && !deletes(&s3, key).await, "{key}");
        }
        for prefix in ["prices", "prices-secret/", "lists/", "lists/b/", "jaime/", ""] {
            assert!(!lists(&s3, Some(prefix), None).await, "{prefix}");
        }
        for key in closed {
            assert!(!gets(&s3, key).await && !puts(&s3, key).await, "{key}");
        }
        assert_eq!(aws.keys("shared"), before);
        assert_eq!(lists(&s3, Some("alex/"), None).await, mode != "write");
        assert_eq!(gets(&s3, "alex/report.txt").await, mode != "write");
        assert_eq!(puts(&s3, "alex/new.txt").await, mode != "read");
        let location = s3.get_bucket_location().bucket("shared");
        assert!(allowed(location.send().await));
    }
}

#[tokio::test]
async fn also_read_is_told_and_tied_to_time_and_addresses() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let options = ["--also-read", "jaime/", "--expires", "2099-12-31", "--json"];
    let run = sandbox.create("alex", &options).await.succeeded();
    assert_eq!(run.json()["also_read"], serde_json::json!(["jaime/"]));
    let can = "can now list and download s3://shared/alex/ and s3://shared/jaime/ \
               until the end of 31 December 2099 (UTC)";
    assert!(run.stderr.contains(can), "{run:?}");
    let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
    assert!(gets(&s3, "jaime/photo.jpg").await);
    edit_policy_of_alex(&aws, "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    assert!(!gets(&s3, "jaime/photo.jpg").await && !lists(&s3, Some("jaime/"), None).await);

    let options = ["--also-read", "jaime/", "--source-ip", "203.0.113.0/24"];
    sandbox.create("kim", &options).await.succeeded();
    let s3 = aws.s3_client_of(&sandbox.key_of("kim"));
    assert!(!gets(&s3, "jaime/photo.jpg").await && !lists(&s3, Some("jaime/"), None).await);
}

#[tokio::test]
async fn note_says_whose_files_are_shared() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("jaime", &[]).await.succeeded();
    let shares = |folder| ["--also-read".to_owned(), format!("{folder}/")];
    let note = "note: --also-read jaime/photos/ gives access to files of user jaime";
    for (folder, action, is_noted) in [
        ("jaime/photos", "--dry-run", true),
        ("alexander", "--dry-run", false),
        ("admin", "--dry-run", false),
        ("jaime/photos", "--json", true),
        ("jaime", "--update", true),
        ("jaime", "--update", false),
    ] {
        let [option, folder] = shares(folder);
        let run = sandbox.create("alex", &[action, &option, &folder]).await;
        let run = run.succeeded();
        let note = note.replace("jaime/photos/", &folder);
        assert_eq!(run.stderr.contains(&note), is_noted, "{folder}: {run:?}");
        assert_eq!(run.stderr.contains("files of user"), is_noted, "{run:?}");
    }
    // IAM finds jaime by another spelling too, whose folder is another one.
    let found = "<GetUserResponse><GetUserResult><User><Path>/</Path><UserName>jaime</UserName>\
        <UserId>AIDA</UserId><Arn>arn:aws:iam::123456789012:user/jaime</Arn>\
        <CreateDate>2026-01-01T00:00:00Z</CreateDate><Tags><member><Key>s3-user:bucket</Key>\
        <Value>shared</Value></member></Tags></User></GetUserResult></GetUserResponse>";
    for (folder, is_noted) in [("Jaime/", false), ("jaime/photos/", true)] {
        aws.faults.forget();
        aws.faults.at("GetUser", 1, 1, Fault::Answer(found));
        let run = sandbox.create("alex", &["--update", "--also-read", folder]).await;
        let run = run.succeeded();
        assert_eq!(run.stderr.contains("files of user"), is_noted, "{run:?}");
    }
}

#[tokio::test]
async fn access_ends_at_the_given_time() {
    for mode in ["read", "read-write", "write"] {
        let aws = aws_with_files().await;
        let options = ["--access", mode, "--expires", "2099-12-31"];
        let s3 = client_of_alex(&aws, &options).await;
        let (reads, writes) = (mode != "write", mode != "read");
        assert_eq!(lists(&s3, Some("alex/"), None).await, reads);
        assert_eq!(gets(&s3, "alex/report.txt").await, reads);
        assert_eq!(puts(&s3, "alex/new.txt").await, writes);
        let expires = tag_of(&aws, "alex", "s3-user:expires");
        assert_eq!(expires.as_deref(), Some("2100-01-01T00:00:00Z"));

        edit_policy_of_alex(&aws, "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
        assert!(!lists(&s3, Some("alex/"), None).await);
        assert!(!gets(&s3, "alex/report.txt").await);
        assert!(!puts(&s3, "alex/new.txt").await);
        let location = s3.get_bucket_location().bucket("shared");
        assert!(!allowed(location.send().await));
    }
}

#[tokio::test]
async fn access_is_for_the_given_addresses() {
    for (blocks, matches) in [
        (["127.0.0.0/8", "2001:db8::/32"], true),
        (["203.0.113.0/24", "127.0.0.1"], true),
        (["203.0.113.0/24", "2001:db8::/32"], false),
    ] {
        let aws = aws_with_files().await;
        let options =
            ["--access", "read-write", "--source-ip", blocks[0], "--source-ip", blocks[1]];
        let s3 = client_of_alex(&aws, &options).await;
        assert_eq!(lists(&s3, Some("alex/"), None).await, matches, "{blocks:?}");
        assert_eq!(gets(&s3, "alex/report.txt").await, matches, "{blocks:?}");
        assert_eq!(puts(&s3, "alex/new.txt").await, matches, "{blocks:?}");
        assert!(!lists(&s3, Some("jaime/"), None).await);
    }
}

#[tokio::test]
async fn user_gets_path_boundary_and_tags() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let options = [
        "--path",
        "/outside/",
        "--permissions-boundary",
        boundary,
        "--tag",
        "customer=Alex",
        "--tag",
        "cost center=42",
    ];
    let run = sandbox.create("alex", &[&options[..], &["--json"]].concat()).await;
    let arn = run.succeeded().json()["arn"].clone();
    assert!(arn.as_str().unwrap().ends_with(":user/outside/alex"), "{arn}");
    assert_complete(&aws, &sandbox, "alex");
    aws.iam(|iam| {
        let user = &iam.users["alex"];
        assert_eq!(user.path, "/outside/");
        assert_eq!(user.permissions_boundary.as_deref(), Some(boundary));
    });
    for (key, value) in [("customer", "Alex"), ("cost center", "42"), ("s3-user:bucket", "shared")]
    {
        assert_eq!(tag_of(&aws, "alex", key).as_deref(), Some(value));
    }
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused_before_any_call() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let many: Vec<_> =
        (0..200).flat_map(|n| ["--source-ip".to_owned(), format!("10.0.{n}.0/24")]).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let some: Vec<_> = many[..100].iter().copied().chain(["--inline-policy"]).collect();
    let folders = ["a/", "b/", "c/", "d/"].map(|it| format!("{}{it}", "p".repeat(400)));
    let shares: Vec<_> =
        folders.iter().flat_map(|it| ["--also-read", it]).chain(["--inline-policy"]).collect();
    let tags: Vec<_> = (0..48).flat_map(|n| ["--tag".to_owned(), format!("k{n}=v")]).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    for (options, part) in [
        (["--access", "all"].as_slice(), "read-write"),
        (&["--expires", "2020-01-01"], "already passed"),
        (&["--expires", "soon"], "RFC 3339"),
        (&["--source-ip", "10.0.0.0/40"], "203.0.113.0/24"),
        (&["--kms-key", "alias/mine"], "describe-key"),
        (&["--browse-root", "--access", "write"], "--browse-root"),
        (&["--browse-root", "--no-browse-root"], "--no-browse-root"),
        (&["--also-read", "prices"], "end a folder with /"),
        (&["--also-read", "prices/*"], "must not contain *, ? or $"),
        (&["--also-read", "alex/"], "own folder alex/"),
        (&["-u", "kim", "--also-read", "kim/a/"], "own folder kim/"),
        (&["--also-read", "a/", "--also-read", "a/b/"], "overlaps"),
        (&["--also-read", "none", "--also-read", "a/"], "none can't"),
        (&["--source-ip", "any", "--source-ip", "::1"], "any can't"),
        (&shares, "an inline policy takes 2048"),
        (&["--path", "outside"], "begins and ends with /"),
        (&["--permissions-boundary", "limits"], "ARN of a policy"),
        (&["--tag", "novalue"], "KEY=VALUE"),
        (&["--tag", "a=1", "--tag", "A=2"], "once"),
        (&tags, "46 tags"),
        (&many, "a managed policy takes 6144"),
        (&some, "an inline policy takes 2048"),
        (&["--update", "--access", "write", "--browse-root"], "--browse-root"),
        (&["--update", "--rotate-key"], "--rotate-key"),
        (&["--update", "--kit=dir"], "--kit can't be used with --update: a kit holds the secret"),
        (&["--update", "--keep-old-keys"], "'--update' cannot be used with '--old-key <WHAT>';"),
        (&["--update", "--suspend-old"], "--old-key"),
        (&["--update", "-o", "."], "--output-dir"),
        (&["--update", "--inline-policy"], "--inline-policy"),
        (&["--rotate-key", "--tag", "a=b"], "--tag"),
        (&["--rotate-key", "--path", "/a/"], "--path"),
        (&["--rotate-key", "--make-folder"], "--make-folder"),
        (&["--keep-old-keys"], "--rotate-key"),
        (&["--verify-timeout", "90"], "--verify"),
        (&["--verify", "--verify-timeout", "0"], "from 1 to 3600"),
        (&["--verify", "--verify-timeout", "3601"], "from 1 to 3600"),
        (&["--update", "--verify-timeout", "90"], "--verify"),
        (&["--suspend-old"], "--rotate-key"),
        (
            &["--rotate-key", "--suspend-old", "--keep-old-keys"],
            "'--old-key <WHAT>' cannot be used multiple times;",
        ),
        (&["-o", "-", "--json"], "--json"),
        (&["-o", "-", "--kit=dir"], "--kit can't"),
        (&["-o", "-", "-u", "kim"], "one user"),
    ] {
        let run = sandbox.create("alex", options).await;
        assert_usage(&run, part);
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn kms_key_of_another_region_is_refused_before_anything_is_made() {
    let aws = aws_with_files().await;
    let key = KMS_KEY.replace("us-east-1", "eu-central-1");
    let run = Sandbox::new(&aws).create("alex", &["--kms-key", &key]).await;
    run.failed_with("KMS key is in region eu-central-1, but bucket shared is in us-east-1");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn note_says_when_the_bucket_needs_a_kms_key() {
    let aws = aws_with_files().await;
    let note = |run: Run| run.succeeded().stderr.contains("--kms-key");
    let create =
        async |user: &str, options: &[&str]| note(Sandbox::new(&aws).create(user, options).await);
    assert!(!create("plain", &[]).await);
    encrypt_bucket(&aws, None).await;
    assert!(!create("aws-key", &[]).await);
    encrypt_bucket(&aws, Some(KMS_KEY)).await;
    assert!(create("alex", &[]).await);
    assert!(!create("kim", &["--kms-key", KMS_KEY]).await);
    aws.faults.always("GetBucketEncryption", Fault::DENIED);
    assert!(!create("lee", &[]).await);
    aws.faults.forget();
    let update = Sandbox::new(&aws).create("alex", &["--update"]).await;
    assert!(note(update));
    let update = Sandbox::new(&aws).create("alex", &["--update", "--kms-key", KMS_KEY]).await;
    let update = update.succeeded();
    assert!(update.stderr.contains(&format!("KMS key: none -> {KMS_KEY}")), "{update:?}");
}
