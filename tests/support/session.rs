//! Running a program at a pseudo-terminal.

use std::num::NonZeroU16;
use std::os::fd::AsFd;

use pty_process::{Command, Pty, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use super::os;
use super::programs::{HANGING, Sandbox, as_shells_see_it};

/// What delete_s3_user asks.
pub const QUESTION: &str = "Delete all of this? [y/N] ";

/// The size of the terminal.
pub const ROWS: NonZeroU16 = NonZeroU16::new(60).unwrap();
pub const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

/// A program at a terminal of its own.
pub struct Session {
    terminal: Pty,
    program: Child,
}

impl Session {
    /// Starts a program in the sandbox's environment.
    pub fn start(sandbox: &Sandbox, program: Command) -> Self {
        let (terminal, programs_end) = pty_process::open().unwrap();
        terminal.resize(Size::new(ROWS.get(), COLUMNS.get())).unwrap();
        let program = program
            .env_clear()
            .envs(sandbox.environment().iter().cloned())
            .kill_on_drop(true)
            .spawn(programs_end)
            .unwrap();
        Self { terminal, program }
    }

    /// Starts a program of a session without a controlling terminal, whose stdout
    /// and stderr are a terminal anyway, and stdin if it `reads`.
    pub fn without_control(mut program: tokio::process::Command, reads: bool) -> Self {
        let (terminal, programs_end) = pty_process::open().unwrap();
        let end = || programs_end.as_fd().try_clone_to_owned().unwrap();
        if reads {
            program.stdin(end());
        }
        let program = program.stdout(end()).stderr(end()).spawn().unwrap();
        Self { terminal, program }
    }

    /// Closes the terminal, and returns the exit code of the program.
    pub async fn hang_up(self) -> Option<i32> {
        let Self { terminal, mut program } = self;
        drop(terminal);
        let end = tokio::time::timeout(HANGING, program.wait()).await;
        as_shells_see_it(end.expect("the program hangs").unwrap())
    }

    /// What the terminal shows next, up to and with `part`, or to the end.
    pub async fn shows(&mut self, part: Option<&str>) -> String {
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

    /// Sends a signal, by its name without SIG.
    pub async fn signal(&self, name: &str) {
        os::send(name, &self.program).await;
    }

    pub async fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).await.unwrap();
    }

    /// What else it shows, once it has ended with this exit code.
    pub async fn ends_with(&mut self, code: i32) -> String {
        let shown = self.shows(None).await;
        assert_eq!(as_shells_see_it(self.program.wait().await.unwrap()), Some(code));
        shown
    }
}
