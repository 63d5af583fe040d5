//! What the programs ask at a terminal.

use pty_process::Command;

use crate::support::{
    Fault, LocalAws, QUESTION, Sandbox, Session, assert_complete, aws_with_alex, aws_with_files,
    binary, is_gone,
};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// Makes alex, and starts delete_s3_user at a terminal of its own.
async fn delete_at_terminal(aws: &LocalAws, options: &[&str]) -> Session {
    let sandbox = Sandbox::new(aws);
    sandbox.create("alex", &[]).await.succeeded();
    let delete = Command::new(binary("delete_s3_user"));
    let delete = delete.args(["-b", "shared", "-u", "alex"]).args(options);
    Session::start(&sandbox, delete)
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_what_it_found_and_asks_before_deleting() {
    for answer in ["y", "yes", "Y"] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        let shown = session.shows(Some(QUESTION)).await;
        for step in [
            "  user            alex (created 1 minute ago, never used)",
            "  access key      ",
            "  policy          s3-access-for-alex\r\n",
            "  folder          s3://shared/alex/ (2 objects)",
        ] {
            assert!(shown.contains(step), "{step} is not in {shown}");
        }
        assert!(!is_gone(&aws, "alex"));
        session.types(&format!("{answer}\n")).await;
        session.ends_with(0).await;
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_pressed_before_the_question_answers_nothing() {
    let aws = aws_with_files().await;
    aws.faults.once("GetLoginProfile", Fault::Pause);
    let mut session = delete_at_terminal(&aws, &[]).await;
    aws.faults.paused().await;
    session.types("y\n").await;
    session.shows(Some("y\r\n")).await;
    aws.faults.resume();
    session.shows(Some(QUESTION)).await;
    session.types("n\n").await;
    let shown = session.ends_with(1).await;
    assert!(shown.contains("nothing was deleted\r\n") && !shown.contains("error"), "{shown}");
    assert!(!is_gone(&aws, "alex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn user_made_again_while_somebody_thinks_is_not_deleted() {
    let aws = aws_with_files().await;
    let mut session = delete_at_terminal(&aws, &[]).await;
    session.shows(Some(QUESTION)).await;
    let meanwhile = Sandbox::new(&aws);
    meanwhile.delete("alex", &["--keep-objects"]).await.succeeded();
    meanwhile.create("alex", &[]).await.succeeded();
    session.types("y\n").await;
    let shown = session.ends_with(1).await;
    assert!(shown.contains("user alex was deleted and created again meanwhile"), "{shown}");
    assert!(!shown.contains("same command"), "{shown}");
    assert_complete(&aws, &meanwhile, "alex");
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_into_an_empty_folder_while_somebody_thinks_is_deleted_too() {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["jaime/photo.jpg"]).await;
    let mut session = delete_at_terminal(&aws, &[]).await;
    session.shows(Some(QUESTION)).await;
    aws.put("shared", "alex/late.txt").await;
    session.types("y\n").await;
    session.ends_with(0).await;
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), ["jaime/photo.jpg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_made_while_somebody_thinks_keeps_its_folder() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let delete = Command::new(binary("delete_s3_user"));
    let delete = delete.args(["-b", "shared", "-u", "alex", "--force"]);
    let mut session = Session::start(&sandbox, delete);
    session.shows(Some(QUESTION)).await;
    sandbox.create("alex", &[]).await.succeeded();
    session.types("y\n").await;
    let shown = session.ends_with(1).await;
    assert!(shown.contains("user alex was created meanwhile"), "{shown}");
    assert!(!shown.contains("same command"), "{shown}");
    assert_complete(&aws, &sandbox, "alex");
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_but_yes_deletes_nothing() {
    for answer in ["n", "", "yep"] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        session.shows(Some(QUESTION)).await;
        session.types(&format!("{answer}\n")).await;
        let shown = session.ends_with(1).await;
        assert!(shown.contains("nothing was deleted\r\n"), "{shown}");
        assert!(!is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn end_of_input_and_ctrl_c_delete_nothing() {
    for (control, code) in [(CTRL_D, 1), (CTRL_C, 130)] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        session.shows(Some(QUESTION)).await;
        session.types(control).await;
        session.ends_with(code).await;
        assert!(!is_gone(&aws, "alex"));
        assert_eq!(aws.keys("shared").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_beforehand_is_not_asked() {
    let aws = aws_with_files().await;
    let mut session = delete_at_terminal(&aws, &["-y"]).await;
    let shown = session.ends_with(0).await;
    assert!(!shown.contains(QUESTION), "{shown}");
    assert!(is_gone(&aws, "alex"));
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let script = "echo alex | \"$0\" -b shared --users-from - --yes 2> log";
    let shown = script_at_terminal(&sandbox, script).ends_with(0).await;
    assert_eq!(shown, "");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_once_for_all_users() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("jaime", &[]).await.succeeded();
    let mut session = delete_at_terminal(&aws, &["-u", "jaime", "-u", "nobody"]).await;
    let shown = session.shows(Some(QUESTION)).await;
    for step in [
        "This will delete 2 users and 3 objects:",
        "\n  alex   alex/   2 objects, created 1 minute ago, never used",
        "\n  jaime  jaime/  1 object, created 1 minute ago, never used",
    ] {
        assert!(shown.contains(step), "{step} is not in {shown}");
    }
    session.types("y\n").await;
    let rest = session.ends_with(1).await;
    assert!(!rest.contains(QUESTION), "{rest}");
    assert!(rest.contains("2 of 3 users deleted"), "{rest}");
    assert!(is_gone(&aws, "alex") && is_gone(&aws, "jaime"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_is_not_shown_at_a_terminal() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let create = Command::new(binary("create_s3_user"));
    let create = create.args(["-b", "shared", "-u", "alex", "-o", "-"]);
    let shown = Session::start(&sandbox, create).ends_with(2).await;
    assert!(shown.contains("not for a terminal"), "{shown}");
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// Starts a shell script at a terminal, in which `$0` is delete_s3_user.
fn script_at_terminal(sandbox: &Sandbox, script: &str) -> Session {
    let shell = Command::new("/bin/sh").current_dir(sandbox.path());
    let shell = shell.args(["-c", script]).arg(binary("delete_s3_user"));
    Session::start(sandbox, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn loop_over_a_file_of_names_is_asked_each_time() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    sandbox.create("jaime", &[]).await.succeeded();
    std::fs::write(sandbox.path().join("list"), "alex\njaime\n").unwrap();
    let script = "while read u; do \"$0\" -b shared -u \"$u\"; done < list";
    let mut session = script_at_terminal(&sandbox, script);
    for (user, answer) in [("alex", "n\n"), ("jaime", "y\n")] {
        let shown = session.shows(Some(QUESTION)).await;
        let step = format!("  user            {user} (");
        assert_eq!(shown.matches(&step).count(), 1, "{shown}");
        session.types(answer).await;
    }
    session.ends_with(0).await;
    assert_complete(&aws, &sandbox, "alex");
    assert!(is_gone(&aws, "jaime"));
    assert_eq!(aws.keys("shared").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_question_reaches_the_terminal_wherever_the_streams_go() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for (streams, code) in [("2> log", 1), ("2>&1 | cat > log", 0), ("< /dev/null > log 2>&1", 1)] {
        let script = format!("\"$0\" -b shared -u alex {streams}");
        let mut session = script_at_terminal(&sandbox, &script);
        let shown = session.shows(Some(QUESTION)).await;
        assert!(shown.contains("user            alex ("), "{shown}");
        session.types("n\n").await;
        session.ends_with(code).await;
        let log = std::fs::read_to_string(sandbox.path().join("log")).unwrap();
        assert!(log.contains("nothing was deleted\n"), "{log}");
        assert!(!log.contains("This will delete"), "{log}");
        assert_complete(&aws, &sandbox, "alex");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_stdin_leave_the_terminal_for_the_answer() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for (answer, code) in [("n\n", 1), ("y\n", 0)] {
        let script = "echo alex | \"$0\" -b shared --users-from -";
        let mut session = script_at_terminal(&sandbox, script);
        session.shows(Some(QUESTION)).await;
        session.types(answer).await;
        session.ends_with(code).await;
        assert_eq!(is_gone(&aws, "alex"), code == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terminal_that_closes_is_a_no() {
    for under in ["", "trap '' HUP;"] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        let script = format!("{under} exec \"$0\" -b shared -u alex < /dev/null");
        let mut session = script_at_terminal(&sandbox, &script);
        session.shows(Some(QUESTION)).await;
        let code = session.hang_up().await;
        assert!([Some(1), Some(129)].contains(&code), "{code:?}");
        assert_complete(&aws, &sandbox, "alex");
        assert_eq!(aws.keys("shared").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_is_asked_where_there_is_no_controlling_terminal() {
    for (answer, code) in [("n\n", 1), ("y\n", 0)] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        let mut delete = sandbox.command(binary("delete_s3_user"));
        delete.args(["-b", "shared", "-u", "alex"]);
        let mut session = Session::without_control(delete, true);
        session.shows(Some(QUESTION)).await;
        session.types(answer).await;
        session.ends_with(code).await;
        assert_eq!(is_gone(&aws, "alex"), code == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_where_neither_is_a_terminal() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let mut delete = sandbox.command(binary("delete_s3_user"));
    delete.args(["-b", "shared", "-u", "alex"]);
    let mut session = Session::without_control(delete, false);
    let shown = session.ends_with(0).await;
    assert!(!shown.contains(QUESTION), "{shown}");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_typed_in_are_asked_for() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let create = Command::new(binary("create_s3_user")).current_dir(sandbox.path());
    let create = create.args(["-b", "shared", "--users-from", "-"]);
    let mut session = Session::start(&sandbox, create);
    session.shows(Some("end with Ctrl-D")).await;
    session.types("kim\n").await;
    session.types(CTRL_D).await;
    session.ends_with(0).await;
    assert_complete(&aws, &sandbox, "kim");
}

/// Starts create_s3_user at a terminal, where there are folders for alex,
/// alexander and jaime.
async fn create_at_terminal(args: &[&str]) -> (LocalAws, Sandbox, Session) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let create = Command::new(binary("create_s3_user")).current_dir(sandbox.path());
    let create = create.args(["-b", "shared"]).args(args);
    let session = Session::start(&sandbox, create);
    (aws, sandbox, session)
}

const MISSPELLED: &str = "Create user alexandr anyway? [y/N] ";

#[tokio::test(flavor = "multi_thread")]
async fn name_that_looks_misspelled_is_asked_about_before_anything_is_made() {
    for (answer, code) in [("n\n", 1), ("\n", 1), (CTRL_C, 130), ("y\n", 0)] {
        let (aws, sandbox, mut session) = create_at_terminal(&["-u", "alexandr", "-q"]).await;
        let shown = session.shows(Some(MISSPELLED)).await;
        assert!(shown.contains("did you mean alexander?"), "{shown}");
        assert!(is_gone(&aws, "alexandr"));
        session.types(answer).await;
        let shown = session.ends_with(code).await;
        if code == 0 {
            assert_complete(&aws, &sandbox, "alexandr");
        } else {
            assert!(is_gone(&aws, "alexandr"), "{shown}");
            assert_eq!(sandbox.files(), [""; 0]);
        }
        assert!(!shown.contains("undoing"), "{shown}");
        let refused = shown.contains("nothing was created\r\n");
        assert_eq!(refused, code == 1, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_about_a_name_beforehand_said_yes_to_or_in_a_dry_run() {
    for (option, is_made) in [("--yes", true), ("--dry-run", false)] {
        let (aws, _sandbox, mut session) = create_at_terminal(&["-u", "alexandr", option]).await;
        let shown = session.ends_with(0).await;
        assert!(!shown.contains(MISSPELLED), "{shown}");
        assert!(shown.contains("did you mean alexander?"), "{shown}");
        assert_eq!(is_gone(&aws, "alexandr"), !is_made);
    }
    let (aws, _sandbox, mut session) = create_at_terminal(&["-u", "lee"]).await;
    session.ends_with(0).await;
    assert!(!is_gone(&aws, "lee"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_misspelled_are_asked_about_one_at_a_time() {
    let users = ["-u", "alexandr", "-u", "kim", "-u", "jamie", "--jobs", "1"];
    let (aws, sandbox, mut session) = create_at_terminal(&users).await;
    let shown = session.shows(Some("[y/N] ")).await;
    assert!(shown.ends_with(MISSPELLED), "{shown}");
    assert!(shown.contains("alexandr: note: "), "{shown}");
    session.types("n\n").await;
    let shown = session.shows(Some("[y/N] ")).await;
    let question = "Create user jamie anyway? [y/N] ";
    assert!(shown.ends_with(question), "{shown}");
    assert!(["alexandr", "kim", "jamie"].iter().all(|user| is_gone(&aws, user)));
    session.types("y\n").await;
    let shown = session.ends_with(1).await;
    assert!(shown.contains("2 of 3 users created"), "{shown}");
    assert!(!shown.contains("failed: "), "{shown}");
    assert!(is_gone(&aws, "alexandr"));
    assert_complete(&aws, &sandbox, "kim");
    assert_complete(&aws, &sandbox, "jamie");
}

#[tokio::test(flavor = "multi_thread")]
async fn name_with_a_comma_is_asked_about() {
    let (aws, _sandbox, mut session) = create_at_terminal(&["-u", "zoe,tom"]).await;
    let shown = session.shows(Some("Create user zoe,tom anyway? [y/N] ")).await;
    assert!(shown.contains("did you mean 2 users, each with -u?"), "{shown}");
    session.types("n\n").await;
    session.ends_with(1).await;
    assert!(is_gone(&aws, "zoe,tom"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_missing_is_named_before_the_question() {
    let aws = aws_with_files().await;
    let mut session = delete_at_terminal(&aws, &["-u", "nobody"]).await;
    let shown = session.shows(Some(QUESTION)).await;
    assert!(shown.contains("error: 1 user doesn't exist: nobody"), "{shown}");
    session.types("n\n").await;
    let shown = session.ends_with(1).await;
    assert!(shown.contains("nothing was deleted") && !shown.contains("users deleted"), "{shown}");
    assert!(!is_gone(&aws, "alex"));
}
