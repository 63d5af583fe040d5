//! What delete_s3_user asks at a terminal.

use pty_process::{Command, Pty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use crate::create::{aws_with_files, is_gone};
use crate::support::{HANGING, LocalAws, Sandbox, binary};

const QUESTION: &str = "go on? [y/N] ";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// A program at a terminal of its own.
struct Session {
    terminal: Pty,
    program: Child,
}

impl Session {
    /// Starts a program in the sandbox's environment.
    fn start(sandbox: &Sandbox, program: Command) -> Self {
        let (terminal, programs_end) = pty_process::open().unwrap();
        let program = program
            .env_clear()
            .envs(sandbox.environment().iter().cloned())
            .kill_on_drop(true)
            .spawn(programs_end)
            .unwrap();
        Self { terminal, program }
    }

    /// What the terminal shows next, up to and with `part`, or to the end.
    async fn shows(&mut self, part: Option<&str>) -> String {
        let mut shown = Vec::new();
        let read = async {
            // Linux tells the end of a terminal by an error.
            while let Ok(byte) = self.terminal.read_u8().await {
                shown.push(byte);
                if part.is_some_and(|part| shown.ends_with(part.as_bytes())) {
                    return;
                }
            }
            assert_eq!(part, None, "not in {}", String::from_utf8_lossy(&shown));
        };
        tokio::time::timeout(HANGING, read).await.unwrap();
        String::from_utf8(shown).unwrap()
    }

    async fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).await.unwrap();
    }

    /// What else it shows, once it has ended with this exit code.
    async fn ends_with(&mut self, code: i32) -> String {
        let shown = self.shows(None).await;
        assert_eq!(self.program.wait().await.unwrap().code(), Some(code));
        shown
    }
}

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
            "delete access key ",
            "detach policy s3-access-for-alex",
            "delete 2 objects under",
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
async fn anything_but_yes_deletes_nothing() {
    for answer in ["n", "", "yep"] {
        let aws = aws_with_files().await;
        let mut session = delete_at_terminal(&aws, &[]).await;
        session.shows(Some(QUESTION)).await;
        session.types(&format!("{answer}\n")).await;
        let shown = session.ends_with(1).await;
        assert!(
            shown.contains("not confirmed, so nothing is deleted"),
            "{shown}"
        );
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
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_once_for_all_users() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("jaime", &[]).await.succeeded();
    let mut session = delete_at_terminal(&aws, &["-u", "jaime", "-u", "nobody"]).await;
    let shown = session.shows(Some(QUESTION)).await;
    for step in [
        "alex: delete user alex",
        "jaime: delete user jaime",
        "nobody: there is no user nobody",
    ] {
        assert!(shown.contains(step), "{step} is not in {shown}");
    }
    session.types("y\n").await;
    let rest = session.ends_with(1).await;
    assert!(!rest.contains(QUESTION), "{rest}");
    assert!(rest.contains("2 of 3 users done"), "{rest}");
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

#[tokio::test(flavor = "multi_thread")]
async fn names_from_stdin_at_a_terminal_need_a_yes_beforehand() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    for (yes, code) in [("", 2), ("--yes", 0)] {
        let script = format!("echo alex | \"$0\" -b shared --users-from - {yes}");
        let shell = Command::new("/bin/sh").args(["-c", &script]);
        let shell = shell.arg(binary("delete_s3_user"));
        let shown = Session::start(&sandbox, shell).ends_with(code).await;
        assert_eq!(shown.contains("add --yes"), code == 2, "{shown}");
        assert_eq!(is_gone(&aws, "alex"), code == 0);
    }
}
