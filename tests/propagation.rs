//! IAM is eventually consistent: what was made a moment ago isn't known yet,
//! and what was taken away is still there.

use crate::support::{
    FILES_OF_OTHERS, Fault, Sandbox, assert_complete, assert_nothing_left, aws_with_files, is_gone,
    opens_folder,
};

#[tokio::test]
async fn both_programs_get_through() {
    for options in [
        ["--verify", "--kit=dir"].as_slice(),
        &["--verify", "--inline-policy", "--access", "read-write"],
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.lag(2, &aws.admin.0);
        sandbox.create("alex", options).await.succeeded();
        assert_complete(&aws, &sandbox, "alex");
        sandbox.create("alex", &["--rotate-key", "--verify"]).await.succeeded();
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

#[tokio::test]
async fn user_and_policy_that_iam_does_not_know_yet_are_waited_for() {
    for call in ["AttachUserPolicy", "CreateAccessKey"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.once(call, Fault::Refuse(404, "NoSuchEntity"));
        sandbox.create("alex", &[]).await.succeeded();
        assert_complete(&aws, &sandbox, "alex");
    }
}

#[tokio::test]
async fn what_iam_does_not_know_yet_is_undone_all_the_same() {
    for (undo, cause) in [
        ("DeleteAccessKey", "AttachUserPolicy"),
        ("DetachUserPolicy", "CreateAccessKey"),
        ("DeletePolicy", "CreateAccessKey"),
        ("DeleteUser", "CreateAccessKey"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.once(cause, Fault::DENIED);
        aws.faults.once(undo, Fault::Refuse(404, "NoSuchEntity"));
        sandbox.create("alex", &[]).await.failed_with(cause);
        assert_nothing_left(&aws, &sandbox, undo);
    }
    for (make, look) in [("CreateUser", "GetUser"), ("CreatePolicy", "GetPolicy")] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.once(make, Fault::LoseAnswer);
        let skip = usize::from(look == "GetUser");
        aws.faults.at(look, skip, 1, Fault::Refuse(404, "NoSuchEntity"));
        sandbox.create("alex", &[]).await.succeeded();
        assert_complete(&aws, &sandbox, "alex");
    }
}
