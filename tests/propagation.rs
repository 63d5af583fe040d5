//! IAM is eventually consistent: what was made a moment ago isn't known yet,
//! and what was taken away is still there.

use crate::support::{
    FILES_OF_OTHERS, Fault, Sandbox, assert_complete, aws_with_files, is_gone, opens_folder,
};

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
        let new = sandbox.key_in("alex_accessKeys.2.csv");
        assert!(opens_folder(&aws, &new).await);
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
    }
}

#[tokio::test]
async fn failed_create_is_undone_although_iam_lags() {
    for call in ["AttachUserPolicy", "CreateAccessKey"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.lag(2, &aws.admin.0);
        aws.faults.always(call, Fault::DENIED);
        let run = sandbox.create("alex", &[]).await.failed_with(call);
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert!(is_gone(&aws, "alex"), "{call}");
    }
}
