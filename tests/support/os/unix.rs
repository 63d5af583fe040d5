//! Signals, terminals and modes of files.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Once;

use tokio::process::{Child, Command};

/// The variable that names the home directory.
pub const HOME: &str = "HOME";

/// The system's words for a file that isn't there, and for a directory in its place.
pub const NO_SUCH_FILE: &str = "No such file";
pub const IS_A_DIRECTORY: &str = "Is a directory";

/// The signal that ended a program.
pub fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Sends a signal, by its name without SIG.
pub async fn send(name: &str, child: &Child) {
    let kill = format!("kill -{name} {}", child.id().unwrap());
    let status = Command::new("sh").args(["-c", &kill]).status().await;
    assert!(status.unwrap().success());
}

/// Has a program run without a controlling terminal, in a process group of its own, and
/// ignore no signal.
pub fn set_apart(command: &mut Command) {
    static BEFORE_THE_FIRST: Once = Once::new();
    BEFORE_THE_FIRST.call_once(leave_terminal);
    command.process_group(0);
}

/// Takes the terminal from this process and those it starts: no program asks whoever runs
/// the tests. Those ignore no signal either, even where whoever started the tests does, as a
/// shell does in the background: unlike that, a handler ends with the start of a program.
///
/// All this once, since what is run in each child would have each be a copy of this large
/// process first.
#[expect(unsafe_code, reason = "nothing safe gives up a terminal or sets a handler")]
fn leave_terminal() {
    extern "C" fn do_nothing(_: libc::c_int) {}
    if let Ok(terminal) = File::open("/dev/tty") {
        // SAFETY: the descriptor is open, and the request takes no argument.
        unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) };
    }
    let handler = do_nothing as *const () as libc::sighandler_t;
    for signal in [libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: the handler calls nothing.
        unsafe {
            let former = libc::signal(signal, handler);
            if former != libc::SIG_IGN {
                libc::signal(signal, former);
            }
        }
    }
}

/// Nobody else can open the file or directory.
#[track_caller]
pub fn assert_private(path: &Path) {
    let found = std::fs::symlink_metadata(path).unwrap();
    let mode = if found.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(found.permissions().mode() & 0o777, mode, "{}", path.display());
}
