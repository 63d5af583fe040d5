//! Bad input: one clear line each, and nothing made or deleted.

use crate::support::{Ceph, Run};

/// One line that says what is wrong, and at most one that says what to do.
#[track_caller]
fn says(run: Run, part: &str) {
    let run = run.failed_with(part);
    let lines: Vec<_> = run.stderr.lines().collect();
    let hint = lines.get(1).is_none_or(|line| line.starts_with("hint: "));
    assert!(lines.len() <= 2 && hint, "{run:?}");
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn wrong_secret_is_said() {
    let ceph = Ceph::new().await;
    let alex = ceph.user("alex");
    let wrong = [("AWS_SECRET_ACCESS_KEY", "acmerootsecreT")];
    for program in ["create_s3_user", "delete_s3_user"] {
        let args = [&ceph.place()[..], &["-u", &alex]].concat();
        let run = ceph.sandbox.run_with(program, &args, &wrong).await;
        says(run, "SignatureDoesNotMatch");
    }
    ceph.clear().await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn clock_that_is_20_minutes_off_is_made_up_for() {
    let ceph = Ceph::new().await;
    let alex = ceph.user("alex");
    for offset in ["-20m", "+20m"] {
        let create = ceph.run_with_clock(offset, "create_s3_user", &["-u", &alex]).await;
        create.succeeded();
        let list = ceph.run_with_clock(offset, "create_s3_user", &["--list"]).await;
        assert!(list.succeeded().stdout.contains(&alex));
        let delete = ceph.run_with_clock(offset, "delete_s3_user", &["-u", &alex]).await;
        delete.succeeded();
        std::fs::remove_file(ceph.sandbox.path().join(format!("{alex}_accessKeys.csv"))).unwrap();
    }
    ceph.clear().await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn bucket_of_another_account_is_said() {
    let owner = Ceph::of_another_account().await;
    let ceph = Ceph::with_bucket_of(&owner);
    let alex = ceph.user("alex");
    let part = format!("bucket {} exists, but you can't access it", ceph.bucket);
    says(ceph.create(&alex, &[]).await, &part);
    says(ceph.delete(&alex, &[]).await, &part);
    assert_eq!(ceph.users().await, [""; 0]);
    owner.clear().await;
}
