//! Many users in one run.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, active_keys_of, assert_complete, assert_usage,
    aws_with_files, binary, is_gone,
};

async fn create(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox
        .run("create_s3_user", &[&["-b", "shared"], args].concat())
        .await
}

async fn delete(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox
        .run("delete_s3_user", &[&["-b", "shared"], args].concat())
        .await
}

#[tokio::test]
async fn one_that_fails_stops_no_other() {
    let aws = aws_with_files().await;
    aws.add_user("kim", ALLOW_ALL).await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-u", "alex", "-u", "kim", "-u", "jaime"];
    let run = create(&sandbox, &[&users[..], &["--json"]].concat()).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    for part in [
        "create_s3_user: error: kim: user kim exists already",
        "2 of 3 users done",
        "failed: kim",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    let mut lines = run.json_lines();
    lines.sort_by_key(|line| line["user"].to_string());
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["key_file"], "alex_accessKeys.csv");
    assert_eq!(lines[1]["key_file"], "jaime_accessKeys.csv");
    assert!(
        lines[2]["error"]
            .as_str()
            .unwrap()
            .contains("exists already")
    );
    assert_complete(&aws, &sandbox, "alex");
    assert_complete(&aws, &sandbox, "jaime");

    let run = delete(&sandbox, &[&users[..], &["--json"]].concat()).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("failed: kim"), "{run:?}");
    assert_eq!(run.json_lines().len(), 3);
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "jaime") && !is_gone(&aws, "kim"));
    assert_eq!(aws.keys("shared"), ["alexander/secret.txt"]);
}

#[tokio::test]
async fn names_come_from_a_file_or_from_stdin() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let names = "# customers\nalex\n\n  kim  # since May\r\n";
    std::fs::write(sandbox.path().join("customers"), names).unwrap();
    let run = create(&sandbox, &["--users-from", "customers", "-u", "lee"])
        .await
        .succeeded();
    let mut files: Vec<_> = run.stdout.lines().collect();
    files.sort();
    assert_eq!(
        files,
        [
            "alex_accessKeys.csv",
            "kim_accessKeys.csv",
            "lee_accessKeys.csv"
        ]
    );
    assert!(run.stderr.contains("3 of 3 users done"), "{run:?}");

    let mut command = sandbox.command(binary("delete_s3_user"));
    command.args(["-b", "shared", "--users-from", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"alex\nkim\nlee\n").await.unwrap();
    drop(stdin);
    Run::from(child.wait_with_output().await.unwrap()).succeeded();
    assert!(
        ["alex", "kim", "lee"]
            .iter()
            .all(|user| is_gone(&aws, user))
    );
}

#[tokio::test]
async fn one_name_in_a_file_is_as_one_on_the_command_line() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("customers"), "alex\n").unwrap();
    let run = create(&sandbox, &["--users-from", "customers"])
        .await
        .succeeded();
    assert!(run.stderr.starts_with("create "), "{run:?}");
}

#[tokio::test]
async fn all_that_is_wrong_with_the_names_is_told_before_any_call() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let names = "alex\nal ex\nkim\n\nALEX\nlee/\nkim\n\x1b[2J\n";
    std::fs::write(sandbox.path().join("customers"), names).unwrap();
    std::fs::write(sandbox.path().join("nobody"), "# nobody\n").unwrap();
    std::fs::write(sandbox.path().join("binary"), b"alex\n\xff\n").unwrap();
    for program in ["create_s3_user", "delete_s3_user"] {
        let args = ["-b", "shared", "--users-from", "customers", "-u", "kim"];
        let run = sandbox.run(program, &args).await;
        assert_eq!(run.code, Some(2), "{run:?}");
        let lines: Vec<_> = run.stderr.lines().collect();
        let expected = [
            "customers:2: al ex: a user name has",
            "customers:3: kim is given twice, first by -u",
            "customers:5: ALEX is given twice, first by customers:1",
            "customers:6: lee/: a user name has",
            "customers:7: kim is given twice",
            "customers:8: \\u{1b}[2J: a user name has",
        ];
        assert_eq!(lines.len(), expected.len(), "{run:?}");
        for (line, expected) in lines.iter().zip(expected) {
            let start = format!("{program}: error: {expected}");
            assert!(line.starts_with(&start), "{expected}: {line}");
        }
        for (file, part) in [
            ("nobody", "nobody names no user"),
            ("missing", "can't read missing: No such file"),
            ("binary", "can't read binary: "),
        ] {
            let run = sandbox
                .run(program, &["-b", "shared", "--users-from", file])
                .await;
            assert_usage(&run, part);
        }
        let run = sandbox
            .run(program, &["-b", "shared", "-u", "alex", "--jobs", "0"])
            .await;
        assert_usage(&run, "--jobs");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn two_hundred_users_get_through_throttling() {
    let aws = aws_with_files().await;
    // As the commands are by default, not as quick as the other tests.
    let sandbox = Sandbox::new(&aws).set("AWS_MAX_ATTEMPTS", None);
    let users: Vec<_> = (0..200).map(|number| format!("user{number:03}")).collect();
    let file = sandbox.path().join("users");
    std::fs::write(&file, users.join("\n")).unwrap();
    aws.faults.throttle_every(5);
    let args = ["--users-from", "users", "--jobs", "16", "-q"];
    let run = create(&sandbox, &[&args[..], &["--json"]].concat()).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.json_lines().len(), 200);
    for user in &users {
        assert_complete(&aws, &sandbox, user);
    }
    for (option, active) in [("--suspend", 0), ("--resume", 1)] {
        let run = create(&sandbox, &[&args[..], &[option]].concat()).await;
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        let is_done = |user: &String| active_keys_of(&aws, user).len() == active;
        assert!(users.iter().all(is_done), "{option}");
    }
    let run = delete(&sandbox, &args).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(users.iter().all(|user| is_gone(&aws, user)));
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn interruption_undoes_those_under_way_and_names_the_rest() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let started = sandbox.start_create("alex", &["-u", "kim", "-u", "lee", "--jobs", "1"]);
    let run = started.stopped_while_paused(&aws, "INT").await;
    assert_eq!(run.code, Some(130), "{run:?}");
    for part in [
        "0 of 3 users done",
        "interrupted: alex",
        "not started: kim, lee",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    assert!(
        ["alex", "kim", "lee"]
            .iter()
            .all(|user| is_gone(&aws, user))
    );
    assert_eq!(sandbox.files(), [""; 0]);
}

#[tokio::test]
async fn interrupted_delete_names_the_rest_and_can_be_run_again() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-u", "alex", "-u", "jaime"];
    create(&sandbox, &users).await.succeeded();
    aws.faults.once("DeleteAccessKey", Fault::Pause);
    let started = sandbox.start_delete("alex", &["-u", "jaime", "--jobs", "1"]);
    let run = started.stopped_while_paused(&aws, "INT").await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("interrupted: alex"), "{run:?}");
    assert!(run.stderr.contains("not started: jaime"), "{run:?}");
    assert_eq!(aws.keys("shared").len(), 4);
    delete(&sandbox, &users).await.succeeded();
    assert_eq!(aws.keys("shared"), ["alexander/secret.txt"]);
}

#[tokio::test]
async fn dry_runs_show_the_steps_of_each_user() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-u", "alex", "-u", "jaime"];
    let run = create(&sandbox, &[&users[..], &["--dry-run"]].concat())
        .await
        .succeeded();
    assert!(run.stderr.contains("jaime: create user jaime"), "{run:?}");
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "jaime"));
    create(&sandbox, &users).await.succeeded();
    let run = delete(&sandbox, &[&users[..], &["--dry-run", "--json"]].concat())
        .await
        .succeeded();
    assert!(
        run.stderr
            .contains("alex: delete 2 objects under s3://shared/alex/"),
        "{run:?}"
    );
    assert_eq!(run.json_lines().len(), 2);
    assert_eq!(aws.keys("shared").len(), 4);
}
