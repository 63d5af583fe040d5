//! How the programs' messages look: at a terminal, elsewhere, and about many
//! users.

use pty_process::Command;

use crate::support::{
    COLUMNS, Fault, LocalAws, QUESTION, ROWS, Sandbox, Session, aws_with_alex, aws_with_files,
    binary, is_gone,
};

const GREEN_MARK: &str = "\x1b[32m✓\x1b[0m ";

/// Starts a program at a terminal of its own.
fn at_terminal(sandbox: &Sandbox, program: &str, args: &[&str]) -> Session {
    let command = Command::new(binary(program)).current_dir(sandbox.path());
    Session::start(sandbox, command.args(["-b", "shared"]).args(args))
}

/// A sandbox with a terminal that knows colours.
fn coloured(aws: &LocalAws) -> Sandbox {
    Sandbox::new(aws).set("TERM", Some("xterm"))
}

/// Whether anything sets a colour or bold.
fn has_colour(shown: &str) -> bool {
    let mut sequences = shown.split("\x1b[").skip(1);
    sequences
        .any(|it| it.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_and_colours_are_for_terminals_that_want_them() {
    for (variable, value, are_shown) in
        [("TERM", "xterm", true), ("TERM", "dumb", false), ("NO_COLOR", "1", false)]
    {
        let aws = aws_with_files().await;
        let sandbox = coloured(&aws).set(variable, Some(value));
        let mut session = at_terminal(&sandbox, "create_s3_user", &["-u", "alex"]);
        let shown = session.ends_with(0).await;
        assert_eq!(shown.contains('✓'), are_shown, "{shown}");
        let done = format!("{GREEN_MARK}Created user alex\r\n");
        assert_eq!(shown.contains(&done), are_shown, "{shown}");
        let file = "Next: send \x1b[1malex_accessKeys.csv\x1b[0m over";
        assert_eq!(shown.contains(file), are_shown, "{shown}");
        let mut session = at_terminal(&sandbox, "create_s3_user", &["-u", "alex"]);
        let shown = session.ends_with(1).await;
        let error = "create_s3_user: \x1b[1m\x1b[31merror:\x1b[0m user alex ";
        assert_eq!(shown.contains(error), are_shown, "{shown}");
        let hint = "\x1b[36mhint:\x1b[0m for a new key: \x1b[1mcreate_s3_user -b shared \
                    -u alex --rotate-key\x1b[0m\r\n";
        assert_eq!(shown.contains(hint), are_shown, "{shown}");
        assert_eq!(has_colour(&shown), are_shown, "{shown}");
        // Nothing moves there either.
        assert!(value != "dumb" || !shown.contains('\x1b'), "{shown}");
    }
}

#[tokio::test]
async fn elsewhere_messages_are_plain() {
    let aws = aws_with_files().await;
    let sandbox = coloured(&aws);
    for code in [0, 1] {
        let run = sandbox.create("alex", &["--verify"]).await;
        assert_eq!(run.code, Some(code));
        assert!(!run.stderr.contains(['\x1b', '✓']), "{run:?}");
    }
}

#[tokio::test]
async fn requests_of_a_verification_are_told_with_verbose_alone() {
    for (option, are_told) in [("-v", true), ("--yes", false)] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let run = sandbox.create("alex", &["--verify", option]).await;
        let run = run.succeeded();
        let details = run.stderr.matches("Verified: can").count();
        assert_eq!(details > 0, are_told, "{run:?}");
        let whole = "Verified: read-only access to s3://shared/alex/ and nothing else\n";
        assert!(run.stderr.contains(whole), "{run:?}");
    }
}

#[tokio::test]
async fn note_that_holds_for_many_is_said_once_with_their_names() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let users = ["-u", "lee", "-u", "kim"];
    let run = sandbox.create("alex", &users).await.succeeded();
    let notes: Vec<_> = run.stderr.lines().filter(|it| it.contains("note: ")).collect();
    let [note] = notes[..] else {
        panic!("{notes:?}");
    };
    assert!(note.starts_with("note: kim, lee: no files yet"), "{note}");
    let run = sandbox.create("mia", &["-u", "jaime"]).await.succeeded();
    let own = "mia: note: no files yet";
    assert!(run.stderr.contains(own), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bar_tells_how_many_users_are_done_failed_and_left() {
    let (aws, _sandbox) = aws_with_alex(&[]).await;
    let sandbox = coloured(&aws);
    // jaime's key, and kim waits for jaime.
    aws.faults.at("CreateAccessKey", 0, 1, Fault::Pause);
    let users = ["-u", "alex", "-u", "jaime", "-u", "kim", "--jobs", "1"];
    let mut session = at_terminal(&sandbox, "create_s3_user", &users);
    session.shows(Some("0 done, 1 failed, 2 left")).await;
    aws.faults.resume();
    let shown = session.ends_with(1).await;
    assert!(shown.contains("2 of 3 users created"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_many_users_is_counted() {
    let aws = aws_with_files().await;
    let sandbox = coloured(&aws);
    aws.faults.at("GetUser", 1, 1, Fault::Pause);
    let users = ["-u", "alex", "-u", "jaime", "-u", "kim", "--jobs", "1"];
    let mut session = at_terminal(&sandbox, "create_s3_user", &users);
    session.shows(Some("checked 1 of 3 users")).await;
    aws.faults.resume();
    session.ends_with(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_as_wide_as_the_terminal() {
    let aws = aws_with_files().await;
    let sandbox = coloured(&aws);
    for program in ["create_s3_user", "delete_s3_user"] {
        let shown = at_terminal(&sandbox, program, &["--help"]).ends_with(0).await;
        let shown = console::strip_ansi_codes(&shown).into_owned();
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert_eq!(
            widest.map(|it| it <= usize::from(COLUMNS.get()) && it > 70),
            Some(true),
            "{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn summary_of_a_dry_run_comes_after_the_policy() {
    let aws = aws_with_files().await;
    let sandbox = coloured(&aws);
    let mut session = at_terminal(&sandbox, "create_s3_user", &["-u", "alex", "--dry-run"]);
    let shown = session.ends_with(0).await;
    let [policy, summary] = ["\"Statement\"", "Dry run: nothing was changed"]
        .map(|part| shown.find(part).unwrap_or_else(|| panic!("{part}: {shown}")));
    assert!(policy < summary, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_for_late_uploads_is_explained() {
    let (aws, _sandbox) = aws_with_alex(&["--access", "read-write"]).await;
    // 2 s of 5.
    let sandbox = coloured(&aws).set("S3_USER_TEST_PAUSES", Some("0.4"));
    let mut session = at_terminal(&sandbox, "delete_s3_user", &["-u", "alex", "--yes"]);
    session.shows(Some("waiting a few seconds, since late uploads may still arrive")).await;
    session.ends_with(0).await;
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bar_leaves_nothing_on_the_screen() {
    for (program, options) in [
        ("create_s3_user", [].as_slice()),
        ("create_s3_user", &["--suspend"]),
        ("delete_s3_user", &["--dry-run"]),
        ("delete_s3_user", &["--yes"]),
        ("create_s3_user", &["--dry-run"]),
    ] {
        let (aws, _sandbox) = aws_with_alex(&[]).await;
        let sandbox = coloured(&aws);
        let users = ["-u", "lee", "-u", "jaime"];
        let is_there = program == "delete_s3_user" || options == ["--suspend"];
        if is_there {
            let create = [&["-b", "shared"], users.as_slice()].concat();
            sandbox.run("create_s3_user", &create).await.succeeded();
        }
        let mut session = at_terminal(&sandbox, program, &[&users[..], options].concat());
        let shown = session.ends_with(0).await;
        let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
        terminal.process(shown.as_bytes());
        let screen = terminal.screen().contents();
        for moving in ["░", "waiting for a response", " left,"] {
            assert!(!screen.contains(moving), "{options:?}: {screen}");
        }
        assert!(screen.contains("2 users"), "{options:?}: {screen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bar_of_an_interrupted_run_leaves_nothing_on_the_screen() {
    let aws = aws_with_files().await;
    let sandbox = coloured(&aws);
    aws.faults.at("CreateAccessKey", 1, 1, Fault::Pause);
    let users = ["-u", "alex", "-u", "jaime", "-u", "kim", "--jobs", "1"];
    let mut session = at_terminal(&sandbox, "create_s3_user", &users);
    let mut shown = session.shows(Some("1 done, 0 failed, 2 left")).await;
    session.signal("INT").await;
    shown += &session.shows(Some("to stop at once")).await;
    aws.faults.resume();
    shown += &session.ends_with(130).await;
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    terminal.process(shown.as_bytes());
    let screen = terminal.screen().contents();
    assert!(!screen.contains('░') && !screen.contains(" left\n"), "{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn question_about_many_users_has_totals_and_the_first_of_them() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let names: Vec<_> = (10..32).map(|number| format!("user{number}")).collect();
    let users: Vec<_> = names.iter().flat_map(|name| ["-u", name]).collect();
    for name in &names {
        aws.put("shared", &format!("{name}/file")).await;
    }
    let create = [&["-b", "shared"], users.as_slice()].concat();
    sandbox.run("create_s3_user", &create).await.succeeded();
    let mut session = at_terminal(&sandbox, "delete_s3_user", &users);
    let shown = session.shows(Some(QUESTION)).await;
    let total = "This will delete 22 users and 22 objects:\r\n";
    assert!(shown.contains(total), "{shown}");
    let line = "  1 object, created 1 minute ago, never used\r\n";
    assert_eq!(shown.matches(line).count(), 15, "{shown}");
    assert!(shown.contains("\r\n  and 7 more\r\n"), "{shown}");
    session.types("y\n").await;
    session.ends_with(0).await;
    assert!(names.iter().all(|name| is_gone(&aws, name)));
}

#[tokio::test(flavor = "multi_thread")]
async fn question_lacks_what_iam_does_not_tell() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    aws.faults.always("GetAccessKeyLastUsed", Fault::DENIED);
    let mut session = at_terminal(&sandbox, "delete_s3_user", &["-u", "alex"]);
    let shown = session.shows(Some(QUESTION)).await;
    let user = "  user            alex (created 1 minute ago)\r\n";
    assert!(shown.contains(user), "{shown}");
    let policy = "  inline policy   s3-access\r\n";
    assert!(shown.contains(policy), "{shown}");
    session.types("n\n").await;
    session.ends_with(1).await;
}
