//! IAM is eventually consistent: what was made a moment ago isn't known yet,
//! and what was taken away is still there.

use crate::create::{assert_complete, aws_with_files, is_gone};
use crate::isolation::gets;
use crate::support::Sandbox;

#[tokio::test]
async fn both_programs_get_through() {
    for options in [
        ["--verify", "--kit"].as_slice(),
        &["--verify", "--inline-policy", "--access", "read-write"],
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.lag(2, &aws.admin.0);
        sandbox.create("alex", options).await.succeeded();
        assert_complete(&aws, &sandbox, "alex");
        sandbox
            .create("alex", &["--rotate-key", "--verify"])
            .await
            .succeeded();
        let update = ["--update", "--access", "read", "--expires", "9d"];
        sandbox.create("alex", &update).await.succeeded();
        let s3 = aws.s3_client_of(&sandbox.key_in("alex_accessKeys.2.csv"));
        assert!(gets(&s3, "alex/report.txt").await);
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
        assert_eq!(
            aws.keys("shared"),
            ["alexander/secret.txt", "jaime/photo.jpg"]
        );
    }
}

#[tokio::test]
async fn failed_create_is_undone_although_iam_lags() {
    for call in ["AttachUserPolicy", "CreateAccessKey"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.lag(2, &aws.admin.0);
        aws.faults.always(call, crate::support::Fault::DENIED);
        let run = sandbox.create("alex", &[]).await.failed_with(call);
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert!(is_gone(&aws, "alex"), "{call}");
    }
}
