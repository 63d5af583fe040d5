//! What a create run that fails undoes, and what it names as left: the cases
//! beside the single calls that `faults` makes go wrong.

use crate::support::{Fault, Sandbox, assert_nothing_left, aws_with_files};

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
async fn what_cannot_be_undone_is_named_with_the_command_that_removes_it() {
    for (undo, left) in [
        ("DeleteAccessKey", "access key "),
        ("DetachUserPolicy", "policy s3-access-for-alex"),
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
    // The signal is to come while the program waits.
    let sandbox = Sandbox::new(&aws).with_full_pauses();
    aws.faults
        .always("AttachUserPolicy", Fault::Refuse(404, "NoSuchEntity"));
    let mut run = sandbox.start_create("alex", &[]);
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
    let run = sandbox.run_script(script, "create_s3_user").await;
    run.failed_with("can't write alex_accessKeys.csv");
    assert_nothing_left(&aws, &sandbox, "disk full");
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
