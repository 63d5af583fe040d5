//! What delete_s3_user asks at a terminal.

use std::process::Command;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use crate::create::{aws_with_files, is_gone};
use crate::support::{LocalAws, Sandbox, binary};

const QUESTION: &str = "go on? [y/N] ";

/// Makes alex, and starts delete_s3_user at a terminal of its own.
async fn delete_at_terminal(aws: &LocalAws, options: &[&str]) -> PtySession {
    let sandbox = Sandbox::new(aws);
    sandbox.create("alex", &[]).await.succeeded();
    let mut command = Command::new(binary("delete_s3_user"));
    command
        .env_clear()
        .envs(sandbox.environment().iter().cloned());
    command.args(["-b", "shared", "-u", "alex"]).args(options);
    spawn_command(command, Some(60_000)).unwrap()
}

#[track_caller]
fn assert_ends_with(session: &PtySession, expected: i32) {
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => assert_eq!(code, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_what_it_found_and_asks_before_deleting() {
    for answer in ["y", "yes", "Y"] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        let shown = session.exp_string(QUESTION).unwrap();
        for step in [
            "delete access key ",
            "detach policy s3-access-for-alex",
            "delete 2 objects under",
        ] {
            assert!(shown.contains(step), "{step} is not in {shown}");
        }
        assert!(!is_gone(&aws, "alex"));
        session.send_line(answer).unwrap();
        session.exp_eof().unwrap();
        assert_ends_with(&session, 0);
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_but_yes_deletes_nothing() {
    for answer in ["n", "", "yep"] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        session.exp_string(QUESTION).unwrap();
        session.send_line(answer).unwrap();
        session
            .exp_string("not confirmed, so nothing is deleted")
            .unwrap();
        session.exp_eof().unwrap();
        assert_ends_with(&session, 1);
        assert!(!is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn end_of_input_and_ctrl_c_delete_nothing() {
    for (control, code) in [('d', 1), ('c', 130)] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        session.exp_string(QUESTION).unwrap();
        session.send_control(control).unwrap();
        session.exp_eof().unwrap();
        assert_ends_with(&session, code);
        assert!(!is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_beforehand_is_not_asked() {
    let aws = aws_with_files().await;
    let mut session = delete_at_terminal(&aws, &["-y"]).await;
    let shown = session.exp_eof().unwrap();
    assert!(!shown.contains(QUESTION), "{shown}");
    assert_ends_with(&session, 0);
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_once_for_all_users() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("jaime", &[]).await.succeeded();
    let mut session = delete_at_terminal(&aws, &["-u", "jaime", "-u", "nobody"]).await;
    let shown = session.exp_string(QUESTION).unwrap();
    for step in [
        "alex: delete user alex",
        "jaime: delete user jaime",
        "nobody: there is no user nobody",
    ] {
        assert!(shown.contains(step), "{step} is not in {shown}");
    }
    session.send_line("y").unwrap();
    let rest = session.exp_eof().unwrap();
    assert!(!rest.contains(QUESTION), "{rest}");
    assert!(rest.contains("2 of 3 users done"), "{rest}");
    assert_ends_with(&session, 1);
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "jaime"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_is_not_shown_at_a_terminal() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let mut command = Command::new(binary("create_s3_user"));
    command
        .env_clear()
        .envs(sandbox.environment().iter().cloned());
    command.args(["-b", "shared", "-u", "alex", "-o", "-"]);
    let mut session = spawn_command(command, Some(60_000)).unwrap();
    let shown = session.exp_eof().unwrap();
    assert!(shown.contains("not for a terminal"), "{shown}");
    assert_ends_with(&session, 2);
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_stdin_at_a_terminal_need_a_yes_beforehand() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    for (yes, code) in [("", 2), ("--yes", 0)] {
        let script = format!("echo alex | \"$0\" -b shared --users-from - {yes}");
        let mut command = Command::new("/bin/sh");
        command
            .env_clear()
            .envs(sandbox.environment().iter().cloned());
        command.args(["-c", &script]).arg(binary("delete_s3_user"));
        let mut session = spawn_command(command, Some(60_000)).unwrap();
        let shown = session.exp_eof().unwrap();
        assert_eq!(shown.contains("add --yes"), code == 2, "{shown}");
        assert_ends_with(&session, code);
        assert_eq!(is_gone(&aws, "alex"), code == 0);
    }
}
