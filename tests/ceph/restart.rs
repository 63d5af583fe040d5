//! Ceph that crashes, and is started again.

use std::path::Path;

use crate::support::{Ceph, Run};

/// Runs a command of `.ci/ceph` about the second gateway, which no other test uses.
async fn gateway(command: &str) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/ceph");
    let mut script = tokio::process::Command::new(script);
    let output = script.arg(command).output().await;
    Run::from(output.expect(".ci/ceph can be run")).succeeded()
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn deletion_that_ceph_did_not_survive_is_finished_by_the_same_command() {
    let ceph = Ceph::new().await;
    let alex = ceph.user("alex");
    ceph.create(&alex, &["--access", "read-write", "--kit=dir"]).await.succeeded();
    let files = ceph.sandbox.path().join(format!("{alex}_kit/files"));
    std::fs::create_dir(&files).expect("the kit is a directory");
    for number in 0..FILES {
        let file = files.join(format!("{number}.txt"));
        std::fs::write(file, "").expect("the kit can be written");
    }
    let upload = format!("copy --transfers 32 --no-check-dest files :{alex}/");
    ceph.person(&alex).rclone(&upload).await.succeeded();
    assert_eq!(ceph.keys().await.len(), FILES);

    let endpoint = gateway("start-gateway").await.stdout;
    let args = ["--endpoint-url", endpoint.trim(), "-b", &ceph.bucket];
    let args = [&args[..], &["-u", &alex, "--concurrency", "1", "-v"]].concat();
    let mut delete = ceph.sandbox.start("delete_s3_user", &args);
    delete.says("DeleteObjects").await;
    gateway("stop-gateway").await;
    let run = delete.ended().await;
    run.failed_with(endpoint.trim());
    let left = ceph.keys().await.len();
    assert!(left > 0 && left < FILES, "{left} objects are left");
    assert!(!ceph.is_gone(&alex).await);

    gateway("start-gateway").await;
    let again = ceph.sandbox.run("delete_s3_user", &args).await;
    again.succeeded();
    assert!(ceph.is_gone(&alex).await);
    assert_eq!(ceph.keys().await, [""; 0]);
    ceph.clear().await;
}

/// Enough for several batches of 1,000.
const FILES: usize = 3000;
