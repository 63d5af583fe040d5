//! Unix. Where two systems differ, Linux and macOS do.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::ErrorKind::{InvalidInput, Unsupported};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use libc::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Resource, Rlimit, geteuid, kill_process, setrlimit};
use rustix::termios::{QueueSelector, tcflush};
use tokio::signal::unix::{self, SignalKind};

/// Creates a new file that nobody else can read, whatever the umask. Fails if anything is
/// at `path`, even a dangling symbolic link.
pub fn create_file(path: &Path) -> io::Result<File> {
    create_file_in(CWD, path)
}

/// Creates such a file in an open directory, even if that was moved or replaced since.
pub fn create_file_in(dir: impl AsFd, name: impl AsRef<Path>) -> io::Result<File> {
    let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(dir, name.as_ref(), new, Mode::RUSR | Mode::WUSR)?);
    // Changed only if necessary, since some file systems can't change modes.
    if file.metadata()?.mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Creates and opens a directory that is closed to others, whatever the umask.
pub fn create_directory(path: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o700).create(path)?;
    open_own(path).inspect_err(|_| drop(fs::remove_dir(path)))
}

fn open_own(path: &Path) -> io::Result<File> {
    // A umask may take even the owner's rights away.
    if fs::metadata(path)?.mode() & 0o700 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = File::from(openat(CWD, path, directory, Mode::empty())?);
    let found = dir.metadata()?;
    let is_ours = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0;
    let not_ours = || io::Error::other("somebody else put another directory there");
    is_ours.then_some(dir).ok_or_else(not_ours)
}

/// True if the path still leads to this open file or directory.
pub fn is_at(file: &File, path: &Path) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

/// Returns once the directory's entries are on disk, or at once if the file system can't
/// sync a directory.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported) => Ok(()),
        synced => synced,
    }
}

/// True if a file can't have this name, since it is that of a device.
pub fn is_device(_: &Path) -> bool {
    false
}

/// The path in the form in which it may be as long as it likes.
pub fn long_path(path: &Path) -> io::Result<PathBuf> {
    Ok(path.to_owned())
}

pub fn stdout() -> io::Result<File> {
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// True if what is written there goes nowhere, as it does too where stdout was closed.
pub fn is_null_device(file: &File) -> bool {
    let [device, null] = [file.metadata(), fs::metadata("/dev/null")]
        .map(|found| found.map(|metadata| metadata.rdev()).ok());
    device == null
}

/// The terminal that the program was started at.
#[derive(Debug)]
pub struct Console(File);

impl Console {
    /// The controlling terminal; without one, as in the session that `su -c` starts, the
    /// terminal that stdin is. None if there is none, as in a cron job.
    pub fn open() -> Option<Self> {
        let controlling = File::options().read(true).write(true).open("/dev/tty");
        let stdin = || io::stdin().as_fd().try_clone_to_owned().ok().filter(|it| it.is_terminal());
        controlling.ok().or_else(|| stdin().map(File::from)).map(Self)
    }

    /// Shows a text, and waits for a line or the end of the input. What was typed before is
    /// forgotten.
    pub fn ask(&self, text: &str) -> io::Result<String> {
        let mut terminal = &self.0;
        tcflush(terminal, QueueSelector::IFlush)?;
        terminal.write_all(text.as_bytes())?;
        let mut line = String::new();
        BufReader::new(terminal).read_line(&mut line)?;
        if !line.ends_with('\n') {
            // What is printed next begins on a line of its own.
            terminal.write_all(b"\n")?;
        }
        Ok(line)
    }
}

/// A signal that stops a run, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// Ctrl-C.
    pub const INTERRUPT: Self = Self(SIGINT);

    /// True if only somebody at a terminal sends it, who just wants to get out: a session
    /// that closes and a wrapper that forwards send the others twice.
    pub fn is_typed(self) -> bool {
        [SIGINT, SIGQUIT].contains(&self.0)
    }

    /// Ends the process where it is, by the signal as if nobody had listened for it, so that
    /// a shell's loop stops too.
    #[expect(unsafe_code, reason = "nothing safe has a signal handled by default again")]
    pub fn end_process(self) -> ! {
        // SAFETY: by default no code of ours handles the signal, and a process may always
        // be kept from dumping core, which would hold the secret: no limit does that where
        // dumps go to a program.
        unsafe {
            #[cfg(target_os = "linux")]
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            libc::signal(self.0, libc::SIG_DFL);
            libc::raise(self.0);
        }
        std::process::exit(128 + self.0)
    }

    /// True if the process was started with the signal ignored, as `nohup` does
    /// with SIGHUP, and is to go on ignoring it. A shell starts what it runs in the
    /// background with Ctrl-C ignored, which stops it all the same.
    #[expect(unsafe_code, reason = "nothing safe tells how a signal is handled")]
    fn stays_ignored(self) -> bool {
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action, sigaction only fills in the current one,
        // for which there is room; a struct of zeros is a valid one.
        let action = unsafe {
            libc::sigaction(self.0, std::ptr::null(), action.as_mut_ptr());
            action.assume_init()
        };
        action.sa_sigaction == libc::SIG_IGN && ![SIGINT, SIGTERM].contains(&self.0)
    }
}

/// Every signal that stops a run: Ctrl-C, SIGTERM, a closed terminal or lost connection,
/// Ctrl-\, and what timers, limits and other processes send; on Linux also that of a failing
/// power supply, and those that the system has no use for, which end a process too.
fn stopping() -> Vec<i32> {
    let mut stopping = vec![SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU];
    stopping.extend([libc::SIGVTALRM, libc::SIGPROF, libc::SIGIO]);
    #[cfg(target_os = "linux")]
    stopping.extend((libc::SIGRTMIN()..=libc::SIGRTMAX()).chain([libc::SIGPWR, libc::SIGSTKFLT]));
    stopping
}

/// From now on, has every signal that stops a run call this function instead.
pub fn on_signals(act: impl Fn(Signal) + Clone + Send + 'static) {
    // Held, a limit on file sizes fails the write and not the whole process.
    let _held = stream(Signal(libc::SIGXFSZ));
    for signal in stopping().into_iter().map(Signal).filter(|signal| !signal.stays_ignored()) {
        let mut received = stream(signal);
        let act = act.clone();
        tokio::spawn(async move {
            while received.recv().await.is_some() {
                act(signal);
            }
        });
    }
}

fn stream(signal: Signal) -> unix::Signal {
    unix::signal(SignalKind::from_raw(signal.0)).expect("the runtime has a signal driver")
}

/// Keeps the process from dumping core, which would hold the secret, where that can be done.
pub fn forbid_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Asks a process to end. One that has ended by now needs no signal.
pub fn end(process: u32) {
    if let Some(process) = Pid::from_raw(process.cast_signed()) {
        let _ = kill_process(process, rustix::process::Signal::TERM);
    }
}

/// Words as a shell takes them for just these.
pub fn quoted(words: &[&str]) -> String {
    // No argument of a program can have the one character, NUL, that a shell can't be given.
    shlex::try_join(words.iter().copied()).unwrap_or_default()
}

/// A command, and another one if that succeeds.
pub fn one_after_another(first: &str, second: &str) -> String {
    format!("{first} && {second}")
}

/// The words that give a file another name, which nothing has yet, or make a directory.
pub const MOVE: &[&str] = &["mv", "-n", "--"];
pub const MAKE_DIRECTORY: &[&str] = &["mkdir", "-p", "-m", "700"];

/// How the AWS CLI words variables for the shell, and what is put around its command.
pub const VARIABLES: (&str, (&str, &str)) = ("env", ("eval \"$(", ")\""));

#[cfg(all(test, target_os = "linux"))]
#[test]
fn directory_that_can_not_be_synced_is_no_error() {
    assert!(File::open("/proc").unwrap().sync_all().is_err());
    sync_directory(Path::new("/proc")).unwrap();
}
