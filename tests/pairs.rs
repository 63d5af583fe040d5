//! Two runs for the same user at once: one wins, the other says so, and what
//! is left is consistent.

use tokio::task::JoinSet;

use crate::support::{
    FILES_OF_OTHERS, Fault, LocalAws, Run, Sandbox, assert_complete, aws_with_files, is_gone,
};

const ALEX: [&str; 4] = ["-b", "shared", "-u", "alex"];

/// Every point where a run can be overtaken by another.
const POINTS: [(&str, Fault); 10] = [
    ("GetUser", Fault::Pause),
    ("CreateUser", Fault::PauseBefore),
    ("CreateUser", Fault::Pause),
    ("CreatePolicy", Fault::PauseBefore),
    ("CreatePolicy", Fault::Pause),
    ("AttachUserPolicy", Fault::PauseBefore),
    ("AttachUserPolicy", Fault::Pause),
    ("CreateAccessKey", Fault::PauseBefore),
    ("CreateAccessKey", Fault::Pause),
    ("ListObjectsV2", Fault::Pause),
];

/// Starts the first program, and runs the second while a call of the first is
/// paused: to its end, or until the first can go on and ends.
async fn overtaken(
    aws: &LocalAws,
    point: (&str, Fault),
    first: (&Sandbox, &str),
    second: (&Sandbox, &str),
) -> (Run, Run) {
    aws.faults.once(point.0, point.1);
    let started = first.0.start(first.1, &ALEX);
    aws.faults.paused().await;
    let other = second.0.run(second.1, &ALEX).await;
    aws.faults.resume();
    (started.ended().await, other)
}

#[track_caller]
fn assert_says_so(run: &Run, what: &str) {
    assert_eq!(run.code, Some(1), "{what}: {run:?}");
    let errors = run.stderr.lines().filter(|line| line.contains(": error: "));
    assert_eq!(errors.count(), 1, "{what}: {run:?}");
    assert!(!run.stderr.contains("left: "), "{what}: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_creates_wins() {
    let mut points = JoinSet::new();
    for point in POINTS {
        points.spawn(async move {
            let what = format!("{point:?}");
            let aws = aws_with_files().await;
            let (first, second) = (Sandbox::new(&aws), Sandbox::new(&aws));
            let create = "create_s3_user";
            let (one, two) = overtaken(&aws, point, (&first, create), (&second, create)).await;
            let (winner, loser, lost) = match one.code {
                Some(0) => (first, two, second),
                _ => (second, one, first),
            };
            assert_says_so(&loser, &what);
            assert_complete(&aws, &winner, "alex");
            assert_eq!(lost.key_file("alex"), None, "{what}");
        });
    }
    points.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_and_delete_end_as_one_after_the_other() {
    let mut points = JoinSet::new();
    for point in POINTS {
        points.spawn(async move {
            let what = format!("{point:?}");
            let aws = aws_with_files().await;
            let (creates, deletes) = (Sandbox::new(&aws), Sandbox::new(&aws));
            let (create, delete) = overtaken(
                &aws,
                point,
                (&creates, "create_s3_user"),
                (&deletes, "delete_s3_user"),
            )
            .await;
            if create.code == Some(0) && delete.code == Some(1) {
                assert_complete(&aws, &creates, "alex");
                return;
            }
            assert!(is_gone(&aws, "alex"), "{what}: {create:?} {delete:?}");
            if create.code != Some(0) {
                assert_says_so(&create, &what);
                assert_eq!(creates.key_file("alex"), None, "{what}");
            }
        });
    }
    points.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_overtaken_by_another_command_ends_consistently() {
    let mut points = JoinSet::new();
    for operation in [
        "GetUser",
        "ListAccessKeys",
        "DeleteAccessKey",
        "DetachUserPolicy",
        "DeletePolicy",
        "DeleteObjects",
        "DeleteUser",
    ] {
        for (fault, second) in [
            (Fault::PauseBefore, "delete_s3_user"),
            (Fault::Pause, "delete_s3_user"),
            (Fault::PauseBefore, "create_s3_user"),
            (Fault::Pause, "create_s3_user"),
        ] {
            points.spawn(async move {
                let what = format!("{operation} {fault:?} {second}");
                let aws = aws_with_files().await;
                let before = Sandbox::new(&aws);
                before.create("alex", &[]).await.succeeded();
                let (first, other) = (Sandbox::new(&aws), Sandbox::new(&aws));
                let (one, two) = overtaken(
                    &aws,
                    (operation, fault),
                    (&first, "delete_s3_user"),
                    (&other, second),
                )
                .await;
                // The last to finish decides: a create that came after the
                // user was deleted leaves one that is whole.
                match (one.code, two.code) {
                    (_, Some(0)) if second == "create_s3_user" && !is_gone(&aws, "alex") => {
                        assert_complete(&aws, &other, "alex");
                    }
                    (Some(0 | 1), Some(0 | 1)) => {
                        assert!(is_gone(&aws, "alex"), "{what}: {one:?} {two:?}");
                        assert!(
                            [one.code, two.code].contains(&Some(0)),
                            "{what}: {one:?} {two:?}"
                        );
                    }
                    _ => panic!("{what}: {one:?} {two:?}"),
                }
                let keys = aws.keys("shared");
                for key in FILES_OF_OTHERS {
                    assert!(keys.contains(&key.to_owned()), "{what}");
                }
            });
        }
    }
    points.join_all().await;
}
