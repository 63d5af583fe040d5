//! A create run that fails or is stopped at any call leaves nothing behind.

use tokio::task::JoinSet;

use crate::support::{
    ALLOW_ALL, Fault, Sandbox, assert_complete, assert_nothing_left, aws_with_files, binary,
};

const MANAGED: [&str; 6] = [
    "HeadBucket",
    "GetUser",
    "CreateUser",
    "CreatePolicy",
    "AttachUserPolicy",
    "CreateAccessKey",
];
const INLINE: [&str; 5] = [
    "HeadBucket",
    "GetUser",
    "CreateUser",
    "PutUserPolicy",
    "CreateAccessKey",
];

/// Every call of a create run that matters, with the option it belongs to.
fn calls() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let managed = MANAGED.into_iter().map(|call| (call, [].as_slice()));
    managed.chain(
        INLINE
            .into_iter()
            .map(|call| (call, ["--inline-policy"].as_slice())),
    )
}

/// Runs a test for each of [`calls`], all at once.
async fn at_every_call<Test>(test: impl Fn(&'static str, &'static [&'static str]) -> Test)
where
    Test: Future<Output = ()> + Send + 'static,
{
    let mut tests = JoinSet::new();
    for (call, options) in calls() {
        tests.spawn(test(call, options));
    }
    while let Some(test) = tests.join_next().await {
        test.unwrap();
    }
}

#[tokio::test]
async fn refused_call_is_named_and_everything_undone() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (call, options) in calls() {
        aws.faults.always(call, Fault::DENIED);
        let run = sandbox
            .create("alex", options)
            .await
            .failed_with(&format!("{call}: "));
        let permission = match call {
            "HeadBucket" => "s3:ListBucket".to_owned(),
            call => format!("iam:{call}"),
        };
        assert!(
            run.stderr
                .contains(&format!("needs the permission {permission}")),
            "{run:?}"
        );
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert_nothing_left(&aws, &sandbox, call);
        aws.faults.forget();
    }
}

#[tokio::test]
async fn call_whose_every_answer_is_lost_leaves_nothing() {
    for fault in [Fault::LoseAnswer, Fault::CutAnswer] {
        at_every_call(move |call, options| async move {
            let aws = aws_with_files().await;
            let sandbox = Sandbox::new(&aws);
            aws.faults.at(call, 0, 2, fault);
            let run = sandbox.create("alex", options).await;
            if run.code == Some(0) {
                assert_complete(&aws, &sandbox, "alex");
            } else {
                run.failed_with(&format!("{call}: "));
                assert_nothing_left(&aws, &sandbox, call);
            }
        })
        .await;
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
        aws.faults
            .at(look, skip, 1, Fault::Refuse(404, "NoSuchEntity"));
        sandbox.create("alex", &[]).await.succeeded();
        assert_complete(&aws, &sandbox, "alex");
    }
}

#[tokio::test]
async fn answer_without_the_secret_is_no_success() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let answer = "<CreateAccessKeyResponse><CreateAccessKeyResult/></CreateAccessKeyResponse>";
    aws.faults.once("CreateAccessKey", Fault::Answer(answer));
    sandbox
        .create("alex", &[])
        .await
        .failed_with("CreateAccessKey: ");
    assert_nothing_left(&aws, &sandbox, "CreateAccessKey");
}

#[tokio::test]
async fn commands_that_remove_what_is_left_carry_the_connection_options() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws).set("AWS_ENDPOINT_URL", None);
    aws.faults.once("AttachUserPolicy", Fault::DENIED);
    aws.faults.always("DeleteUser", Fault::DENIED);
    let run = sandbox.create("alex", &["--endpoint-url", &aws.url]).await;
    let run = run.failed_with("AttachUserPolicy: ");
    let command = format!("-u alex --keep-objects --endpoint-url '{}'", aws.url);
    assert!(run.stderr.contains(&command), "{run:?}");
}

#[tokio::test]
async fn calls_that_need_not_wait_for_each_other_do_not() {
    for (one, other) in [
        ("HeadBucket", "GetUser"),
        ("GetUser", "HeadBucket"),
        ("CreateUser", "CreatePolicy"),
        ("CreatePolicy", "CreateUser"),
        ("AttachUserPolicy", "CreateAccessKey"),
        ("CreateAccessKey", "AttachUserPolicy"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.once(one, Fault::Pause);
        let run = sandbox.start("create_s3_user", &["-b", "shared", "-u", "alex"]);
        aws.faults.paused().await;
        aws.faults.called(other).await;
        aws.faults.resume();
        run.ended().await.succeeded();
    }
}

#[tokio::test]
async fn key_whose_secret_never_came_is_found_and_deleted() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.always("CreateAccessKey", Fault::LoseAnswer);
    sandbox
        .create("alex", &[])
        .await
        .failed_with("CreateAccessKey: ");
    let calls = aws.faults.counts();
    assert_eq!(
        calls["CreateAccessKey"], 1,
        "a key is never asked for twice"
    );
    assert_eq!(calls["DeleteAccessKey"], 1);
    assert_nothing_left(&aws, &sandbox, "CreateAccessKey");
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
async fn what_cannot_be_undone_is_named_with_the_command_that_removes_it() {
    for (undo, left) in [
        ("DeleteAccessKey", "access key "),
        ("DetachUserPolicy", "policy s3-access-for-alex on user alex"),
        ("DeletePolicy", "policy s3-access-for-alex"),
        ("DeleteUser", "user alex"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let cause = match undo {
            "DeleteAccessKey" => "AttachUserPolicy",
            _ => "CreateAccessKey",
        };
        aws.faults.once(cause, Fault::DENIED);
        aws.faults.always(undo, Fault::DENIED);
        let run = sandbox
            .create("alex", &["--json"])
            .await
            .failed_with(&format!("{cause}: "));
        let named = run.json()["left"].clone();
        assert!(
            named
                .as_array()
                .unwrap()
                .iter()
                .any(|named| named.as_str().unwrap().starts_with(left)),
            "{undo}: {named}"
        );

        aws.faults.forget();
        for line in run.stderr.lines().filter(|line| line.starts_with("left: ")) {
            let command = line.split("remove it with: ").nth(1).unwrap();
            match command.strip_prefix("aws iam delete-policy --policy-arn ") {
                Some(arn) => {
                    aws.iam_client()
                        .delete_policy()
                        .policy_arn(arn)
                        .send()
                        .await
                        .ok();
                }
                None => {
                    assert_eq!(command, "delete_s3_user -b shared -u alex --keep-objects");
                    sandbox.delete("alex", &["--keep-objects"]).await;
                }
            }
        }
        assert_nothing_left(&aws, &sandbox, undo);
    }
}

#[tokio::test]
async fn signal_while_waiting_for_iam_to_settle_undoes_everything() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults
        .always("AttachUserPolicy", Fault::Refuse(404, "NoSuchEntity"));
    let mut run = sandbox.start("create_s3_user", &["-b", "shared", "-u", "alex"]);
    aws.faults.called("AttachUserPolicy").await;
    run.signal("INT").await;
    run.says("stopping").await;
    let run = run.ended().await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert_nothing_left(&aws, &sandbox, "settling");
}

#[tokio::test]
async fn disk_that_is_full_costs_no_key() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let script = "ulimit -f 0; exec \"$0\" -b shared -u alex";
    let output = sandbox
        .command("/bin/sh")
        .args(["-c", script])
        .arg(binary("create_s3_user"))
        .output()
        .await;
    let output = output.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("can't write alex_accessKeys.csv"),
        "{stderr}"
    );
    assert_nothing_left(&aws, &sandbox, "disk full");
}

#[tokio::test]
async fn existing_policy_that_differs_is_not_taken_over() {
    let aws = aws_with_files().await;
    let iam = aws.iam_client();
    let create = iam.create_policy().policy_name("s3-access-for-alex");
    create.policy_document(ALLOW_ALL).send().await.unwrap();
    let sandbox = Sandbox::new(&aws);
    sandbox
        .create("alex", &[])
        .await
        .failed_with("CreatePolicy: EntityAlreadyExists");
    aws.iam(|iam| {
        assert!(!iam.users.contains_key("alex"));
        assert_eq!(iam.policies.len(), 1);
    });
    assert_eq!(sandbox.key_file("alex"), None);
}

#[tokio::test]
async fn account_with_no_room_for_policies_is_undone_and_the_way_around_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let full = Fault::Refuse(409, "LimitExceeded");
    aws.faults.always("CreatePolicy", full);
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("CreatePolicy: LimitExceeded: ");
    assert!(
        run.stderr
            .contains("hint: --inline-policy makes no managed policy"),
        "{run:?}"
    );
    assert_nothing_left(&aws, &sandbox, "CreatePolicy");
    sandbox
        .create("alex", &["--inline-policy"])
        .await
        .succeeded();
}
