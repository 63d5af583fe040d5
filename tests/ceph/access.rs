//! What a person can do with the kit's files, in each mode.

use crate::support::{Ceph, is_refused};

/// Who can do what in their folder.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    reads: bool,
    writes: bool,
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn reader_lists_and_downloads() {
    person_can(Mode { name: "read", reads: true, writes: false }).await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn reader_who_writes_uploads_too() {
    person_can(Mode { name: "read-write", reads: true, writes: true }).await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn writer_uploads_and_sees_nothing() {
    person_can(Mode { name: "write", reads: false, writes: true }).await;
}

async fn person_can(mode: Mode) {
    let ceph = Ceph::without_public_acls().await;
    let alex = ceph.user("alex");
    let report = format!("{alex}/report.txt");
    let secret = format!("{alex}ander/secret.txt");
    ceph.put(&[&report, &secret]).await;

    let options = ["--access", mode.name, "--verify", "--kit=dir"];
    let run = ceph.create(&alex, &options).await.succeeded();
    assert!(run.stderr.contains("Verified: "), "{run:?}");
    let (id, _) = ceph.sandbox.key_of(&alex);
    let active = "Active".to_owned();
    assert_eq!(ceph.access_keys(&alex).await, [(id, active)]);
    let policy = ceph.policy(&alex, "s3-access").await;
    assert!(policy.to_string().contains(&alex), "{policy}");
    let others = [report.as_str(), &secret];
    assert_eq!(ceph.keys().await, others, "--verify deletes its uploads");

    uses_the_kit(&ceph, &alex, mode).await;
    let mut expected = vec![report.clone(), secret.clone()];
    if mode.writes {
        expected.extend(["by-aws", "by-rclone"].map(|name| format!("{alex}/{name}.txt")));
    }
    expected.sort();
    assert_eq!(ceph.keys().await, expected);

    ceph.delete(&alex, &[]).await.succeeded();
    assert!(ceph.is_gone(&alex).await);
    assert_eq!(ceph.keys().await, [secret]);
    ceph.clear().await;
}

/// Does in the folder what the mode allows, and tries what it doesn't.
async fn uses_the_kit(ceph: &Ceph, alex: &str, mode: Mode) {
    let person = ceph.person(alex);
    for (args, allowed) in [
        (format!("ls :{alex}/"), mode.reads),
        (format!("cp :{alex}/report.txt by-aws.txt"), mode.reads),
        (format!("cp README.txt :{alex}/by-aws.txt"), mode.writes),
        ("ls :".to_owned(), false),
        (format!("ls :{alex}ander/"), false),
        (format!("cp :{alex}ander/secret.txt ."), false),
        (format!("cp README.txt :{alex}ander/by-aws.txt"), false),
    ] {
        let run = person.aws(&args).await;
        assert_eq!(run.code == Some(0), allowed, "aws {args}: {run:?}");
        assert!(allowed || is_refused(&run), "aws {args}: {run:?}");
    }
    let upload = "copyto --no-check-dest README.txt";
    for (args, allowed) in [
        (format!("lsf :{alex}/"), mode.reads),
        (format!("copy :{alex}/ by-rclone"), mode.reads),
        (format!("{upload} :{alex}/by-rclone.txt"), mode.writes),
        (format!("lsf :{alex}ander/"), false),
        (format!("{upload} :{alex}ander/by-rclone.txt"), false),
    ] {
        let run = person.rclone(&args).await;
        assert_eq!(run.code == Some(0), allowed, "rclone {args}: {run:?}");
        assert!(allowed || is_refused(&run), "rclone {args}: {run:?}");
    }
    for file in ["by-aws.txt", "by-rclone/report.txt"] {
        let downloaded = ceph.sandbox.path().join(format!("{alex}_kit/{file}"));
        assert_eq!(downloaded.exists(), mode.reads, "{file}");
    }
}

/// Ceph asks no permission of its own for an ACL, which `--verify` finds.
#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn bucket_that_takes_public_acls_fails_the_test_of_a_key_that_writes() {
    let ceph = Ceph::new().await;
    let alex = ceph.user("alex");
    for mode in ["read-write", "write"] {
        let run = ceph.create(&alex, &["--access", mode, "--verify"]).await;
        let run = run.failed_with("the new key can upload with an ACL");
        let hint = "hint: this store lets whoever can upload make the uploads public";
        assert!(run.stderr.contains(hint), "{run:?}");
        let next = "aws s3api put-public-access-block";
        assert!(run.stderr.contains(next), "{run:?}");
        assert!(ceph.is_gone(&alex).await);
        assert_eq!(ceph.keys().await, [""; 0]);
        assert_eq!(ceph.sandbox.files(), [""; 0]);
    }
    let run = ceph.create(&alex, &["--verify"]).await.succeeded();
    assert!(run.stderr.contains("Verified: "), "{run:?}");
    ceph.delete(&alex, &[]).await.succeeded();
    ceph.clear().await;
}
