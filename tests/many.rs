//! Many users in one run.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, Started, active_keys_of, assert_complete,
    assert_usage, aws_with_alex, aws_with_files, binary, delete_key, is_gone, keys_of,
};

async fn create(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox.run("create_s3_user", &[&["-b", "shared"], args].concat()).await
}

async fn delete(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox.run("delete_s3_user", &[&["-b", "shared"], args].concat()).await
}

#[tokio::test]
async fn one_that_fails_stops_no_other() {
    let aws = aws_with_files().await;
    aws.add_user("kim", ALLOW_ALL).await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-u", "alex", "-u", "kim", "-u", "jaime"];
    let run = create(&sandbox, &[&users[..], &["--json"]].concat()).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    for part in
        ["create_s3_user: error: user kim already exists", "2 of 3 users created", "failed: kim"]
    {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    let mut lines = run.json_lines();
    lines.sort_by_key(|line| line["user"].to_string());
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["key_file"], "alex_accessKeys.csv");
    assert_eq!(lines[1]["key_file"], "jaime_accessKeys.csv");
    assert!(lines[2]["error"].as_str().unwrap().contains("already exists"));
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
    let run = create(&sandbox, &["--users-from", "customers", "-u", "lee"]).await.succeeded();
    let mut files: Vec<_> = run.stdout.lines().collect();
    files.sort();
    assert_eq!(files, ["alex_accessKeys.csv", "kim_accessKeys.csv", "lee_accessKeys.csv"]);
    assert!(run.stderr.contains("3 of 3 users created"), "{run:?}");

    let mut command = sandbox.command(binary("delete_s3_user"));
    command.args(["-b", "shared", "--users-from", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"alex\nkim\nlee\n").await.unwrap();
    drop(stdin);
    Run::from(child.wait_with_output().await.unwrap()).succeeded();
    assert!(["alex", "kim", "lee"].iter().all(|user| is_gone(&aws, user)));
}

#[tokio::test]
async fn one_name_in_a_file_is_as_one_on_the_command_line() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("customers"), "alex\n").unwrap();
    let run = create(&sandbox, &["--users-from", "customers"]).await.succeeded();
    assert!(run.stderr.starts_with("Created "), "{run:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn all_that_is_wrong_with_the_names_is_told_before_any_call() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let names = "alex\nal ex\nkim\n\nALEX\nlee/\nkim\n\x1b[2J\n";
    std::fs::write(sandbox.path().join("customers"), names).unwrap();
    std::fs::write(sandbox.path().join("nobody"), "# nobody\n").unwrap();
    std::fs::write(sandbox.path().join("header"), "user\n").unwrap();
    std::fs::write(sandbox.path().join("binary"), b"alex\n\xff\n").unwrap();
    for program in ["create_s3_user", "delete_s3_user"] {
        let args = ["-b", "shared", "--users-from", "customers", "-u", "kim"];
        let run = sandbox.run(program, &args).await;
        assert_eq!(run.code, Some(2), "{run:?}");
        let lines: Vec<_> = run.stderr.lines().collect();
        let expected = [
            "customers:2: a user name must be",
            "customers:3: user kim is already given with -u (also on line 7)",
            "customers:5: user ALEX is already on line 1",
            "customers:6: a user name can't contain /; ",
            "customers:8: a user name must be",
        ];
        assert_eq!(lines.len(), expected.len(), "{run:?}");
        for (line, expected) in lines.iter().zip(expected) {
            let start = format!("{program}: error: {expected}");
            assert!(line.starts_with(&start), "{expected}: {line}");
        }
        for (file, part) in [
            ("nobody", "nobody contains no user names"),
            ("header", "header contains no user names below its header"),
            ("missing", "can't read missing: No such file"),
            ("binary", "binary is not UTF-8; save it as UTF-8"),
        ] {
            let run = sandbox.run(program, &["-b", "shared", "--users-from", file]).await;
            assert_usage(&run, part);
        }
        let run = sandbox.run(program, &["-b", "shared", "-u", "alex", "--jobs", "0"]).await;
        assert_usage(&run, "--jobs");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn file_in_another_encoding_is_told_from_one_with_bad_names() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let utf16 = |mark: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let text = format!("{mark}user\nalex\n");
        text.encode_utf16().flat_map(bytes).collect()
    };
    for content in [
        utf16("\u{feff}", u16::to_le_bytes),
        utf16("\u{feff}", u16::to_be_bytes),
        utf16("", u16::to_le_bytes),
    ] {
        std::fs::write(sandbox.path().join("customers.csv"), content).unwrap();
        let run = create(&sandbox, &["--users-from", "customers.csv"]).await;
        assert_usage(&run, "customers.csv is UTF-16 or not a text file; save it as UTF-8");
    }
}

#[tokio::test]
async fn what_is_wrong_with_all_is_said_once() {
    let aws = aws_with_files().await;
    let names: Vec<_> = (10..70).map(|number| format!("user{number}")).collect();
    let sandbox = Sandbox::new(&aws);
    let no_key = Sandbox::new(&aws).set("AWS_ACCESS_KEY_ID", None);
    let nobody = Sandbox::new(&aws).set("AWS_ENDPOINT_URL", Some("http://127.0.0.1:1"));
    for (sandbox, bucket, output, part) in [
        (&no_key, "shared", ".", "no AWS credentials found"),
        (&nobody, "shared", ".", "can't reach"),
        (&sandbox, "missing", ".", "there is no bucket missing"),
        (&sandbox, "shared", "missing", "missing"),
    ] {
        std::fs::write(sandbox.path().join("customers"), names.join("\n")).unwrap();
        let from = ["-b", bucket, "--users-from", "customers", "-o", output, "--json"];
        let run = sandbox.run("create_s3_user", &from).await;
        assert_eq!(run.code, Some(1), "{part}: {run:?}");
        let lines: Vec<_> = run.stderr.lines().collect();
        assert!(lines[0].starts_with("create_s3_user: error: "), "{run:?}");
        assert!(lines[0].contains(part), "{part}: {run:?}");
        assert!(lines.len() <= 4, "{run:?}");
        assert_eq!(lines[lines.len() - 2], "0 of 60 users created", "{run:?}");
        assert_eq!(*lines.last().unwrap(), "failed: all", "{run:?}");
        assert_eq!(run.json_lines().len(), 60);
        for line in run.json_lines() {
            assert!(line["error"].as_str().unwrap().contains(part), "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_several_in_the_same_way_is_said_once() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for user in ["kim", "alex"] {
        std::fs::write(sandbox.path().join(format!("{user}_accessKeys.csv")), "old").unwrap();
    }
    let users = ["-u", "kim", "-u", "jaime", "-u", "alex"];
    let run = create(&sandbox, &users).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let lines: Vec<_> = run.stderr.lines().collect();
    let error = "create_s3_user: error: 2 users already have a key file or kit in the \
                 output directory: kim, alex";
    assert!(lines.contains(&error) && lines.last() == Some(&"failed: kim, alex"), "{run:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("hint: ")).count(), 1, "{run:?}");
    assert!(is_gone(&aws, "alex") && !is_gone(&aws, "jaime"));

    let run = delete(&sandbox, &users).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    // Of a folder that stays more is said.
    for error in ["error: there is no user alex\n", "error: 1 user doesn't exist: kim\n"] {
        assert!(run.stderr.contains(error), "{error}: {run:?}");
    }
    let run = create(&sandbox, &[&users[..], &["--suspend"]].concat()).await;
    let error = "create_s3_user: error: 3 users don't exist: kim, jaime, alex\n\
                 hint: to see all users: create_s3_user -b shared --list\n";
    assert!(run.stderr.starts_with(error), "{run:?}");
}

#[tokio::test]
async fn only_what_changed_counts_as_updated() {
    let (_aws, sandbox) = aws_with_alex(&[]).await;
    create(&sandbox, &["-u", "jaime", "-u", "kim"]).await.succeeded();
    let update = ["-u", "alex", "-u", "jaime", "-u", "kim", "--update", "--access", "write"];
    create(&sandbox, &["-u", "kim", "--update", "--access", "write"]).await.succeeded();
    let run = create(&sandbox, &update).await.succeeded();
    let last = |run: &Run| run.stderr.lines().last().unwrap().to_owned();
    assert_eq!(last(&run), "2 of 3 users updated, 1 unchanged");
    let run = create(&sandbox, &update).await.succeeded();
    assert_eq!(last(&run), "0 of 3 users updated, 3 unchanged");
}

#[tokio::test]
async fn nobody_is_asked_on_after_the_session_ended() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let names: Vec<_> = (10..70).map(|number| format!("user{number}")).collect();
    std::fs::write(sandbox.path().join("customers"), names.join("\n")).unwrap();
    for (program, options) in [
        ("create_s3_user", [].as_slice()),
        ("create_s3_user", &["--suspend"]),
        ("delete_s3_user", &[]),
    ] {
        aws.faults.forget();
        aws.faults.always("GetUser", Fault::Refuse(403, "ExpiredToken"));
        let from = [&["-b", "shared", "--users-from", "customers"], options].concat();
        let run = sandbox.run(program, &from).await;
        assert_eq!(run.code, Some(1), "{run:?}");
        let errors = run.stderr.lines().filter(|line| line.contains(": error: ")).count();
        let hints = run.stderr.lines().filter(|line| line.contains("hint: ")).count();
        assert!(errors == 1 && hints <= 1, "{run:?}");
        assert!(aws.faults.counts()["GetUser"] <= 4, "{:?}", aws.faults.counts());
    }
}

/// A file of another kind is told by its content, and nothing of it is printed.
#[tokio::test]
async fn secret_in_a_file_given_by_mistake_is_not_printed() {
    let (aws, sandbox) = aws_with_alex(&["--kit=dir"]).await;
    let before = aws.faults.operations().len();
    let (id, secret) = sandbox.key_of("alex");
    let credentials =
        format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let keys = std::fs::read_to_string(sandbox.path().join("alex_accessKeys.csv")).unwrap();
    let rows = "user,access,expires,folder,source-ip,kms-key,also-read\n";
    let in_a_row = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    for (content, part) in [
        (keys.clone(), "looks like a key file, not a list of users"),
        (format!("\u{feff}\n{keys}"), "looks like a key file"),
        (credentials, "looks like a key file"),
        (format!("[wasabi]\ntype = s3\npass = {in_a_row}\n"), "looks like a config file, or JSON"),
        (format!("{{\"Secret\": \"{in_a_row}\"}}\n"), "looks like JSON"),
        (
            format!("-----BEGIN RSA PRIVATE KEY-----\n{in_a_row}\n"),
            "looks like a key or a certificate",
        ),
        (format!("{in_a_row}\n"), "file:1: this looks like an access key; "),
        ("AKIAIOSFODNN7EXAMPLE\n".to_owned(), "file:1: this looks like an access key; "),
        (format!("AKIAIOSFODNN7EXAMPLE,{in_a_row}\n"), "file:1: "),
        (format!("{rows}AKIAIOSFODNN7EXAMPLE,,,,,,\n"), "file:2: this looks like an access key; "),
        (format!("{rows}kim,{in_a_row},,,,,\n"), "file:2: column access: must be one of read, "),
        (format!("{rows}kim,,{in_a_row},,,,\n"), "file:2: column expires: "),
        (format!("{rows}kim,,,../{in_a_row},,,\n"), "file:2: column folder: "),
        (format!("{rows}kim,,,,{in_a_row},,\n"), "file:2: column source-ip: "),
        (format!("{rows}kim,,,,,{in_a_row},\n"), "file:2: column kms-key: "),
        (format!("{rows}kim,,,,,,../{in_a_row}\n"), "file:2: column also-read: "),
        (
            format!("{rows}kim,,,{in_a_row},,,\n"),
            "file:2: column folder: this looks like a secret ",
        ),
        ("user,AKIAIOSFODNN7EXAMPLE\nkim,\n".to_owned(), "file:1: unknown column 2: use "),
        (format!("user,{in_a_row}\nkim,\n"), "file:1: unknown column 2: use "),
        ("AKIAIOSF\n".to_owned(), "file:1: this looks like an access key; "),
        ("user\nASIA7X\n".to_owned(), "file:2: this looks like an access key; "),
        (format!("name\n{in_a_row} \"\n"), "file:1: this looks like a header; "),
    ] {
        std::fs::write(sandbox.path().join("file"), &content).unwrap();
        for program in ["create_s3_user", "delete_s3_user"] {
            let run = sandbox.run(program, &["-b", "shared", "--users-from", "file"]).await;
            assert_eq!(run.code, Some(2), "{content}: {run:?}");
            assert!(run.stderr.contains(part), "{part}: {run:?}");
            let shown = run.stderr.to_ascii_lowercase();
            for hidden in [&id, &secret, in_a_row, "AKIAIOSF", "ASIA7X", "MDENG"] {
                assert!(!shown.contains(&hidden.to_ascii_lowercase()), "{hidden}: {run:?}");
            }
        }
    }
    assert_eq!(aws.faults.operations().len(), before);
}

#[tokio::test]
async fn of_a_wrong_file_the_first_problems_are_told() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for (lines, rest) in
        [(20, None), (21, Some("1 more problem")), (1000, Some("980 more problems"))]
    {
        // Each line is wrong in another way.
        let log: String = ('\u{4e00}'..).take(lines).map(|c| format!("no{c}name\n")).collect();
        std::fs::write(sandbox.path().join("log"), log).unwrap();
        let run = create(&sandbox, &["--users-from", "log"]).await;
        assert_eq!(run.code, Some(2), "{run:?}");
        let told: Vec<_> = run.stderr.lines().collect();
        assert!(
            told[19].starts_with("create_s3_user: error: log:20: a user name must be"),
            "{run:?}"
        );
        let rest = rest.map(|rest| format!("create_s3_user: error: {rest}"));
        assert_eq!(told.get(20).copied(), rest.as_deref());
        assert!(told.len() <= 21);
    }
}

#[tokio::test]
async fn mistake_in_many_rows_is_told_once() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let rows: String = (10..35).map(|number| format!("user{number},2020-01-01\n")).collect();
    std::fs::write(sandbox.path().join("customers.csv"), format!("user,expires\n{rows}")).unwrap();
    let run = create(&sandbox, &["--users-from", "customers.csv"]).await;
    assert_usage(
        &run,
        "error: customers.csv:2: column expires: that time has already passed (also",
    );
    assert!(
        run.stderr.contains(" on lines 3, 4, ") && run.stderr.contains(" and 4 more)"),
        "{run:?}"
    );
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn deletion_of_several_that_fails_says_how_to_continue() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-b", "shared", "-u", "alex", "-u", "kim"];
    sandbox.run("create_s3_user", &users).await.succeeded();
    aws.faults.once("DeleteUser", Fault::DENIED);
    let run = sandbox.run("delete_s3_user", &users).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let continues = "; running the same command again continues\n";
    assert_eq!(run.stderr.matches(continues).count(), 1, "{run:?}");
    sandbox.run("delete_s3_user", &users).await;
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "kim"));
}

#[tokio::test]
async fn interruption_before_anything_is_changed_names_nobody() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("GetUser", Fault::Pause);
    let users = ["-b", "shared", "-u", "alex", "-u", "kim"];
    let started = sandbox.start("create_s3_user", &users);
    let run = started.stopped_while_paused(&aws, "INT").await.ended_by(2);
    let error = "create_s3_user: error: interrupted; nothing was changed\n";
    assert!(run.stderr.ends_with(error), "{run:?}");
    assert!(!run.stderr.contains("alex") && !run.stderr.contains("not started"), "{run:?}");
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "kim"));
}

#[tokio::test]
async fn two_hundred_users_get_through_throttling() {
    let aws = aws_with_files().await;
    // As the commands are by default, not as quick as the other tests.
    let sandbox = Sandbox::new(&aws).set("AWS_MAX_ATTEMPTS", None);
    let users: Vec<_> = (0..200).map(|number| format!("user{number:03}")).collect();
    let file = sandbox.path().join("users");
    std::fs::write(&file, users.join("\n")).unwrap();
    aws.faults.ration(500.0, 100.0);
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
    for part in ["0 of 3 users created", "interrupted: alex", "not started: kim, lee"] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    let hint = "\nhint: to continue, run the same command with --skip-existing\n";
    assert!(run.stderr.ends_with(hint), "{run:?}");
    assert!(["alex", "kim", "lee"].iter().all(|user| is_gone(&aws, user)));
    assert_eq!(sandbox.files(), [""; 0]);
}

#[tokio::test]
async fn interrupted_change_says_what_continues_it() {
    let names = "user\nalex\nkim\nlee\n";
    let rows = "user,contact\nalex,\nkim,Lee\nlee,\n";
    let same = "run the same command again\n";
    for (options, call, file, hint) in [
        (["--update", "--access=read-write"].as_slice(), "CreatePolicyVersion", names, same),
        (&["--suspend"], "UpdateAccessKey", names, same),
        (
            &["--rotate-key"],
            "CreateAccessKey",
            names,
            "run the same command without --users-from, only for these users: -u kim -u lee\n",
        ),
        (
            &["--rotate-key"],
            "CreateAccessKey",
            rows,
            "run the same command for only the users listed as interrupted or not started, with a file of their rows\n",
        ),
    ] {
        let (aws, sandbox) = aws_with_alex(&["-u", "kim", "-u", "lee"]).await;
        std::fs::write(sandbox.path().join("customers"), file).unwrap();
        aws.faults.forget();
        aws.faults.at(call, 1, 1, Fault::Pause);
        let args = ["-b", "shared", "--users-from", "customers", "--jobs", "1"];
        let started = sandbox.start("create_s3_user", &[&args, options].concat());
        let run = started.stopped_while_paused(&aws, "INT").await.ended_by(2);
        assert!(run.stderr.ends_with(&format!("\nhint: to continue, {hint}")), "{run:?}");
        assert!(run.stderr.contains("\nnot started: lee\n"), "{run:?}");
    }
}

/// Starts a run that creates three users, two at a time, and waits until both
/// have a key that nobody has.
async fn start_with_two_keys_that_nobody_has(aws: &LocalAws, sandbox: &Sandbox) -> Started {
    aws.faults.at("CreateAccessKey", 0, 2, Fault::Pause);
    let started = sandbox.start_create("alex", &["-u", "kim", "-u", "lee", "--jobs", "2"]);
    aws.faults.paused().await;
    aws.faults.paused().await;
    started
}

#[cfg(unix)]
#[tokio::test]
async fn second_ctrl_c_names_every_user_under_way() {
    for (first, second, code) in [("INT", "INT", 130), ("TERM", "QUIT", 131)] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let mut started = start_with_two_keys_that_nobody_has(&aws, &sandbox).await;
        started.signal(first).await;
        started.says("stopping").await;
        started.signal(second).await;
        let run = started.ended().await;
        assert_eq!(run.code, Some(code), "{run:?}");
        let run = run.ended_by(code - 128);
        let all = ["alex", "kim", "lee"].into_iter();
        let with_key: Vec<_> = all.filter(|user| !keys_of(&aws, user).is_empty()).collect();
        assert_eq!(with_key.len(), 2, "{run:?}");
        let told = format!("\nunder way: {}\n", with_key.join(", "));
        assert!(run.stderr.ends_with(&told), "{run:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn second_sigterm_lets_every_user_be_undone() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let mut started = start_with_two_keys_that_nobody_has(&aws, &sandbox).await;
    started.signal("TERM").await;
    started.says("stopping").await;
    started.signal("TERM").await;
    aws.faults.resume();
    aws.faults.resume();
    let run = started.ended().await;
    assert_eq!(run.code, Some(143), "{run:?}");
    for user in ["alex", "kim", "lee"] {
        assert!(is_gone(&aws, user), "{user}: {run:?}");
    }
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
    let hint = "\nhint: to continue, run the same command only for these users: -u alex -u jaime\n";
    assert!(run.stderr.ends_with(hint), "{run:?}");
    assert_eq!(aws.keys("shared").len(), 4);
    delete(&sandbox, &users).await.succeeded();
    assert_eq!(aws.keys("shared"), ["alexander/secret.txt"]);
}

#[tokio::test]
async fn key_files_of_many_deleted_users_are_one_note() {
    let (_aws, sandbox) = aws_with_alex(&["-u", "kim", "-u", "lee", "--kit"]).await;
    std::fs::remove_file(sandbox.path().join("lee_accessKeys.csv")).unwrap();
    std::fs::remove_file(sandbox.path().join("lee_kit.zip")).unwrap();
    let users = ["-u", "alex", "-u", "kim", "-u", "lee"];
    let run = delete(&sandbox, &users).await.succeeded();
    let note =
        "note: alex, kim: key file or kit still in this directory; the key in it no longer works\n";
    assert!(run.stderr.contains(note), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 5, "{run:?}");
}

#[tokio::test]
async fn existing_users_are_named_in_the_order_of_the_file() {
    let (_aws, sandbox) = aws_with_alex(&["-u", "kim", "-u", "lee"]).await;
    std::fs::write(sandbox.path().join("customers"), "lee\nalex\nkim\n").unwrap();
    let run = create(&sandbox, &["--users-from", "customers"]).await;
    run.failed_with("error: 3 users already exist: lee, alex, kim");
}

#[tokio::test]
async fn dry_runs_show_the_steps_of_each_user() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-u", "alex", "-u", "jaime"];
    let run = create(&sandbox, &[&users[..], &["--dry-run"]].concat()).await.succeeded();
    let lines = "+ alex   alex/   read, never ends\n+ jaime  jaime/  read, never ends\n";
    assert_eq!(run.stdout, lines);
    assert_eq!(run.stderr, "Dry run: 2 of 2 users would be created; nothing was changed\n");
    let run = create(&sandbox, &[&users[..], &["--dry-run", "-v"]].concat()).await.succeeded();
    assert!(run.stderr.contains("jaime: Would create user jaime"), "{run:?}");
    assert!(run.stdout.contains("\"s3:prefix\""), "{run:?}");
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "jaime"));
    create(&sandbox, &users).await.succeeded();
    let run = delete(&sandbox, &[&users[..], &["--dry-run"]].concat()).await.succeeded();
    let line = "- alex   alex/   1 access key, 2 objects\n";
    assert!(run.stdout.starts_with(line), "{run:?}");
    let run = delete(&sandbox, &[&users[..], &["--dry-run", "--json"]].concat()).await.succeeded();
    assert_eq!(run.json_lines().len(), 2);
    let run =
        create(&sandbox, &[&users[..], &["--suspend", "--dry-run"]].concat()).await.succeeded();
    assert!(run.stdout.starts_with("~ alex   alex/   suspend access key "), "{run:?}");
    assert_eq!(aws.keys("shared").len(), 4);
}

/// Makes a file of the three users alex, kim and lee.
fn write_customers(sandbox: &Sandbox) {
    std::fs::write(sandbox.path().join("customers"), "alex\nkim\nlee\n").unwrap();
}

const AGAIN: [&str; 3] = ["--users-from", "customers", "--skip-existing"];

#[tokio::test]
async fn interrupted_run_is_finished_by_the_same_users_file() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    write_customers(&sandbox);
    aws.faults.at("CreateAccessKey", 1, 1, Fault::Pause);
    let args = [&["-b", "shared", "--jobs", "1"], &AGAIN[..]].concat();
    let started = sandbox.start("create_s3_user", &args);
    let run = started.stopped_while_paused(&aws, "INT").await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("1 of 3 users created\n"), "{run:?}");
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv", "customers"]);

    let run = create(&sandbox, &[&AGAIN[..], &["--json"]].concat()).await;
    let run = run.succeeded();
    let summary = "2 of 3 users created, 1 already exists\n";
    assert!(run.stderr.contains(summary), "{run:?}");
    let mut lines = run.json_lines();
    lines.sort_by_key(|line| line["user"].to_string());
    let skipped = json!({
        "user": "alex",
        "bucket": "shared",
        "prefix": "alex/",
        "skipped": true,
        "access_keys": [sandbox.key_of("alex").0],
    });
    assert_eq!(lines[0], skipped);
    for (line, user) in lines[1..].iter().zip(["kim", "lee"]) {
        assert_eq!(line["access_key_id"], sandbox.key_of(user).0);
    }
    for user in ["alex", "kim", "lee"] {
        assert_complete(&aws, &sandbox, user);
    }
    let run = create(&sandbox, &AGAIN).await.succeeded();
    let summary = "0 of 3 users created, 3 already exist\n";
    assert!(run.stderr.contains(summary), "{run:?}");
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn user_that_is_skipped_keeps_its_access() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let policies = || aws.iam(|iam| format!("{:?}", iam.policies));
    let before = policies();
    let options = ["--skip-existing", "--access", "read-write", "--expires", "9d"];
    let run = sandbox.create("alex", &options).await.succeeded();
    let key = sandbox.key_of("alex").0;
    let said = format!("User alex already exists, with access key {key}; skipped\n");
    assert_eq!((run.stdout.as_str(), run.stderr), ("", said));
    assert_eq!(policies(), before);
    assert_complete(&aws, &sandbox, "alex");
}

#[tokio::test]
async fn dry_run_shows_who_would_be_skipped() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let options = ["-u", "kim", "--skip-existing", "--dry-run", "--json"];
    let run = sandbox.create("alex", &options).await.succeeded();
    let closing = "Dry run: 1 of 2 users would be created, 1 already exists; nothing was changed\n";
    assert_eq!(run.stderr, closing);
    let skipped: Vec<_> = run.json_lines().iter().map(|it| it["skipped"] == true).collect();
    assert_eq!(skipped.iter().filter(|it| **it).count(), 1, "{run:?}");
    assert!(is_gone(&aws, "kim"));
    assert_complete(&aws, &sandbox, "alex");
}

#[tokio::test]
async fn user_that_is_not_all_ours_is_never_skipped() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.add_bucket("other", &[]).await;
    let elsewhere = ["-b", "other", "-u", "kim"];
    sandbox.run("create_s3_user", &elsewhere).await.succeeded();
    sandbox.create("lee", &["-u", "eva"]).await.succeeded();
    delete_key(&aws, "lee", &sandbox.key_of("lee").0).await;
    aws.change_iam(|iam| drop(iam.user_policies.remove("eva")));
    let here = Sandbox::new(&aws);
    for (user, why) in [
        ("admin", "was not created by create_s3_user"),
        ("kim", "belongs to bucket other"),
        ("lee", "without an access key"),
        ("eva", "already exists for bucket shared"),
    ] {
        let run = here.create(user, &["--skip-existing"]).await;
        run.failed_with(why);
    }
    // Nobody knows whether alex has a policy.
    aws.faults.always("ListAttachedUserPolicies", Fault::DENIED);
    let run = here.create("alex", &["--skip-existing"]).await;
    run.failed_with("already exists for bucket shared");
    assert_complete(&aws, &sandbox, "alex");
}

#[tokio::test]
async fn user_whose_key_a_killed_run_lost_is_not_skipped() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let started = start_with_two_keys_that_nobody_has(&aws, &sandbox).await;
    while aws.iam(|iam| iam.user_policies.values().flatten().count()) < 2 {
        tokio::task::yield_now().await;
    }
    started.signal("KILL").await;
    started.ended().await;
    let all = ["alex", "kim", "lee"];
    let lost: Vec<_> = all.into_iter().filter(|user| !keys_of(&aws, user).is_empty()).collect();
    let again = ["-u", "kim", "-u", "lee", "--skip-existing"];
    let run = sandbox.create("alex", &again).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    // In the order in which they failed.
    let failed = run.stderr.lines().find_map(|line| line.strip_prefix("failed: ")).unwrap();
    let mut failed: Vec<_> = failed.split(", ").collect();
    failed.sort();
    assert_eq!(failed, lost, "{run:?}");
    assert!(run.stderr.contains("1 of 3 users created\n"), "{run:?}");
    for user in &lost {
        let hint = format!(
            "{user}: hint: for a new key: create_s3_user -b shared -u {user} --rotate-key\n"
        );
        assert!(run.stderr.contains(&hint), "{run:?}");
        let run = sandbox.create(user, &["--rotate-key"]).await;
        run.succeeded();
    }
    let run = sandbox.create("alex", &again).await.succeeded();
    assert!(run.stderr.contains(", 3 already exist\n"), "{run:?}");
    for user in all {
        assert_complete(&aws, &sandbox, user);
    }
}

#[tokio::test]
async fn key_in_any_file_of_the_directory_is_not_lost() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let (id, secret) = sandbox.key_of("alex");
    let file = |name: &str| sandbox.path().join(name);
    for leftover in [
        ".alexander_accessKeys.csv.Ab12Cd",
        ".alex_accessKeys.csv.q_accessKeys.csv.Ab12Cd",
        ".alex_accessKeys.csv.Ab12Cd",
    ] {
        std::fs::write(file(leftover), "").unwrap();
    }
    let mut at = file("alex_accessKeys.csv");
    for name in ["alex_accessKeys.2.csv", "sent.csv"] {
        std::fs::rename(&at, file(name)).unwrap();
        at = file(name);
        let run = sandbox.create("alex", &["--skip-existing"]).await;
        assert!(!run.succeeded().stderr.contains("note: "));
    }
    assert!(!aws.faults.counts().contains_key("GetAccessKeyLastUsed"));

    // The file of another user, whose name begins alike, is no proof.
    let other = std::fs::read_to_string(&at).unwrap().replace(&id, "AKIAOTHER00000000000");
    std::fs::write(file("alexander_accessKeys.csv"), other).unwrap();
    std::fs::remove_file(&at).unwrap();
    let run = sandbox.create("alex", &["--skip-existing"]).await;
    let run = run.failed_with(&format!("but no file here has its access key {id}: "));
    assert!(!run.stderr.contains(&secret), "{run:?}");
    std::fs::remove_file(file(".alex_accessKeys.csv.Ab12Cd")).unwrap();
    sandbox.create("alex", &["--skip-existing"]).await.succeeded();
    assert_eq!(keys_of(&aws, "alex"), [id]);
}

#[tokio::test]
async fn keys_that_may_be_lost_are_noted_once() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let others = ["-u", "kim", "-u", "lee", "-u", "eva"];
    sandbox.create("alex", &others).await.succeeded();
    let used = sandbox.key_of("eva").0;
    aws.change_iam(|iam| {
        let by_admin = iam.access_key_last_used.values().next().unwrap().clone();
        iam.access_key_last_used.insert(used, by_admin);
    });
    let here = Sandbox::new(&aws);
    let kims = sandbox.path().join("kim_accessKeys.csv");
    std::fs::copy(kims, here.path().join("kim_accessKeys.csv")).unwrap();
    aws.faults.forget();
    let again = [&others[..], &["--skip-existing"]].concat();
    let run = here.create("alex", &again).await.succeeded();
    let note = "note: 2 users have a key that has never been used, but no key file in the output directory: alex, lee\n";
    assert_eq!(run.stderr.matches(note).count(), 1, "{run:?}");
    assert_eq!(run.stderr.matches("note: ").count(), 1, "{run:?}");
    assert!(!run.stderr.contains("--rotate-key"), "{run:?}");
    assert_eq!(aws.faults.counts()["GetAccessKeyLastUsed"], 3);

    // What isn't known is not said.
    aws.faults.always("GetAccessKeyLastUsed", Fault::DENIED);
    let run = here.create("alex", &again).await.succeeded();
    assert!(!run.stderr.contains("note: "), "{run:?}");
}

#[tokio::test]
async fn users_are_skipped_changed_or_given_a_new_key() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for other in ["--update", "--rotate-key"] {
        let run = sandbox.create("alex", &[other, "--skip-existing"]).await;
        assert_usage(&run, other);
        assert_usage(&run, "--skip-existing");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// A table as a spreadsheet on Windows writes it.
const TABLE: &str = "\u{feff}User,Access,Expires,Source-IP\r\n\
                     alex,read-write,2099-12-31,\r\n\
                     kim,,,203.0.113.0/24; 2001:db8::/32\r\n\
                     lee,,never,\r\n";

/// The access that the user has, as a dry run of an update shows it.
async fn grant_of(sandbox: &Sandbox, user: &str) -> [String; 3] {
    let run = sandbox.create(user, &["--update", "--dry-run"]).await;
    let run = run.succeeded();
    ["access: ", "expires: ", "source addresses: "].map(|part| {
        let line = run.stderr.lines().find_map(|line| line.strip_prefix(part));
        line.unwrap().replace(" (unchanged)", "")
    })
}

#[tokio::test]
async fn rows_of_a_table_override_the_options_of_each_user() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("customers.csv"), TABLE).unwrap();
    let from = ["-b", "shared", "--users-from", "customers.csv"];
    let create = [&from[..], &["--access", "write", "--expires", "2098-12-31"]].concat();
    sandbox.run("create_s3_user", &create).await.succeeded();
    let both = "2001:db8::/32, 203.0.113.0/24".split(", ");
    for (user, access, expires, addresses) in [
        ("alex", "read-write", "2099-12-31", vec!["any"]),
        ("kim", "write", "2098-12-31", both.collect()),
        ("lee", "write", "never", vec!["any"]),
    ] {
        let [found_access, found_expires, found] = grant_of(&sandbox, user).await;
        assert_eq!((found_access.as_str(), found_expires.as_str()), (access, expires));
        let mut found: Vec<_> = found.split(", ").collect();
        found.sort();
        assert_eq!(found, addresses, "{user}");
    }

    // An update names for each user what its row says, and nothing else.
    let table = "user,expires\nalex,2097-12-31\nkim,\n";
    std::fs::write(sandbox.path().join("customers.csv"), table).unwrap();
    let update = [&from[..], &["--update"]].concat();
    sandbox.run("create_s3_user", &update).await.succeeded();
    let [access, expires, _] = grant_of(&sandbox, "alex").await;
    assert_eq!((access.as_str(), expires.as_str()), ("read-write", "2097-12-31"));
    assert_eq!(grant_of(&sandbox, "kim").await[1], "2098-12-31");

    // Of the same file, delete takes the names.
    sandbox.run("delete_s3_user", &from).await.succeeded();
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "kim") && !is_gone(&aws, "lee"));
}

#[tokio::test]
async fn table_is_checked_as_a_whole_before_any_call() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let from = ["-b", "shared", "--users-from", "customers.csv"];
    for (table, problems) in [
        (
            "user,access,expires\nalex,read,2099-12-31\nkim,all,\nlee,read\nal ex,,\nALEX,,\n",
            &[
                "customers.csv:3: column access: must be one of read, read-write, write",
                "customers.csv:4: 2 cells, but the header has 3",
                "customers.csv:5: a user name must be 1 to 64 characters: A-Z, a-z, 0-9 and _+=,.@-; \
                 not allowed: ' '",
                "customers.csv:6: user ALEX is already on line 2",
            ][..],
        ),
        // Without that check, access would have no end.
        (
            "user,expire\nalex,2099-12-31\n",
            &["customers.csv:1: unknown column 2 \"expire\": use user, folder, contact, access,"],
        ),
        (
            "name\nalex\n",
            &[
                "customers.csv:1: this looks like a header; name the column user, or remove the line",
            ],
        ),
        ("Name,access\nalex,read\n", &["customers.csv:1: there is no column named user"]),
        (
            "\u{feff}user;access;source-ip\nalex;all;\nkim;read;\n",
            &["customers.csv:2: column access: must be one of read, read-write, write"],
        ),
        (
            "alex\tread\nkim;read\n",
            &["customers.csv:1: a user name must be", "customers.csv:2: a user name must be"],
        ),
        (
            "\"alex\"\n'kim'\n\u{201c}lee\u{201d}\n",
            &["customers.csv:1: remove the quotes (also on lines 2, 3)"],
        ),
        ("user,access\n'kim',read\n", &["customers.csv:2: remove the quotes"]),
        (
            "alex,read,\"Kim, kim@example.com\"\n",
            &["customers.csv:1: put one user name on each line, or start the file with a header"],
        ),
    ] {
        std::fs::write(sandbox.path().join("customers.csv"), table).unwrap();
        let run = sandbox.run("create_s3_user", &from).await;
        assert_eq!(run.code, Some(2), "{run:?}");
        let lines: Vec<_> = run.stderr.lines().collect();
        assert_eq!(lines.len(), problems.len(), "{run:?}");
        for (line, problem) in lines.iter().zip(problems) {
            assert!(line.starts_with(&format!("create_s3_user: error: {problem}")), "{line}");
        }
    }
    assert_eq!(aws.faults.operations(), [""; 0]);

    // What goes with one user's name needn't go with another's.
    let table = "user,also-read\nkim,alex/\nalex,alex/\n";
    std::fs::write(sandbox.path().join("customers.csv"), table).unwrap();
    let run = sandbox.run("create_s3_user", &from).await;
    assert_usage(&run, "error: customers.csv:3: the other folder alex/ overlaps");
    let table = "user,also-read\nkim,kim/a/\nalex,alex/\n";
    std::fs::write(sandbox.path().join("customers.csv"), table).unwrap();
    let run = sandbox.run("create_s3_user", &from).await;
    let places: Vec<_> = run.stderr.lines().map(|line| &line[..38]).collect();
    let place = |line| format!("create_s3_user: error: customers.csv:{line}");
    assert_eq!(places, [place(2), place(3)], "{run:?}");
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn access_options_in_a_table_are_refused_where_they_mean_nothing() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let from = ["--users-from", "customers.csv"];
    let table = |text| std::fs::write(sandbox.path().join("customers.csv"), text).unwrap();
    let before = aws.faults.operations().len();
    table("user,expires\nalex,2099-12-31\n");
    for option in ["--list", "--suspend", "--resume"] {
        let run = create(&sandbox, &[&from[..], &[option]].concat()).await;
        assert_usage(
            &run,
            &format!("{option} takes no access options, but customers.csv has some; "),
        );
    }
    assert_eq!(aws.faults.operations().len(), before);
    table("user,expires\nalex,\n");
    for option in ["--list", "--rotate-key", "--suspend", "--resume"] {
        let run = create(&sandbox, &[&from[..], &[option]].concat()).await;
        run.succeeded();
    }
}

/// Who reads a folder besides is asked once, however many users there are.
#[tokio::test]
async fn who_else_reads_a_folder_is_told_when_its_user_comes_and_goes() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let shares = ["--also-read", "alex/", "--also-read", "ada/"];
    sandbox.create("kim", &shares).await.succeeded();
    sandbox.create("lee", &["--also-read", "alex/a/"]).await.succeeded();
    let note = "note: users kim, lee may read s3://shared/alex/ too (--also-read)\n";
    let users: Vec<_> = (0..58).map(|number| format!("user{number}")).collect();
    let named = users.iter().flat_map(|user| ["-u", user]);
    let args = ["-b", "shared", "-u", "alex", "-u", "ada"].into_iter();
    let args: Vec<_> = args.chain(named).collect();
    for (program, options) in [
        ("create_s3_user", ["--dry-run"].as_slice()),
        ("create_s3_user", &[]),
        ("delete_s3_user", &["--keep-objects", "--dry-run"]),
        ("delete_s3_user", &["--keep-objects"]),
    ] {
        aws.faults.forget();
        let args = [&args[..], options].concat();
        let run = sandbox.run(program, &args).await.succeeded();
        assert!(run.stderr.contains(note.trim_start_matches("note: ")), "{run:?}");
        assert!(run.stderr.contains("user kim may read s3://shared/ada/ too"), "{run:?}");
        assert_eq!(aws.faults.counts()["GetAccountAuthorizationDetails"], 1);
    }
    // Where that may not be asked, nothing is, and nothing is said.
    for fault in [Fault::DENIED, Fault::Refuse(405, "MethodNotAllowed")] {
        let elsewhere = Sandbox::new(&aws);
        aws.faults.forget();
        aws.faults.always("GetAccountAuthorizationDetails", fault);
        let run = elsewhere.create("alex", &["--json"]).await.succeeded();
        assert!(!run.stderr.contains("too (--also-read)"), "{run:?}");
        let run = sandbox.delete("alex", &["--keep-objects"]).await.succeeded();
        assert!(!run.stderr.contains("too (--also-read)"), "{run:?}");
        let calls = aws.faults.counts();
        assert!(!calls.contains_key("GetUserPolicy"));
    }
}

/// IAM rations calls; the programs go at that pace, and nothing fails.
#[tokio::test(flavor = "multi_thread")]
async fn many_users_come_are_listed_and_go_at_the_pace_that_iam_allows() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let names: Vec<_> = (0..12).map(|number| format!("user{number:02}")).collect();
    std::fs::write(sandbox.path().join("users"), names.join("\n")).unwrap();
    let from = ["-b", "shared", "--users-from", "users"];
    let mut all_refused = 0;
    for (program, options, users) in [
        ("create_s3_user", &["-o", "home"][..], 12),
        ("create_s3_user", &["--list", "--json", "--jobs", "4"], 12),
        ("delete_s3_user", &[], 0),
    ] {
        aws.faults.forget();
        // With pauses of a twentieth, as 3 calls a second.
        aws.faults.ration(60.0, 5.0);
        let run = sandbox.run(program, &[&from[..], options].concat()).await.succeeded();
        let calls = aws.faults.operations().len();
        let refused = aws.faults.refused();
        assert!(refused * 100 < calls * 25, "{refused} of {calls}: {run:?}");
        all_refused += refused;
        let there = aws.iam(|iam| iam.users.keys().filter(|user| user.starts_with("user")).count());
        assert_eq!(there, users, "{program}");
    }
    assert!(all_refused > 0, "the rate was never too high");
}
