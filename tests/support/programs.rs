//! Running the real binaries in an environment of their own.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::{LocalAws, os};

/// No program runs longer than this, unless it hangs.
pub const HANGING: Duration = Duration::from_secs(240);

/// What a dry run ends with.
pub const DRY_RUN: &str = "Dry run: nothing was changed\n";

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Run {
    /// As a shell sees it: 128 and the number of the signal, where one ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: as_shells_see_it(output.status),
            signal: os::signal_of(output.status),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The exit code of a program as a shell sees it.
pub fn as_shells_see_it(status: ExitStatus) -> Option<i32> {
    status.code().or(os::signal_of(status).map(|signal| 128 + signal))
}

impl Run {
    /// The one line of JSON on stdout.
    pub fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    /// The lines of stdout, each of which is JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Ended by the signal that interrupted it.
    #[track_caller]
    pub fn ended_by(self, signal: i32) -> Self {
        assert_eq!(self.signal, Some(signal), "{self:?}");
        self
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Exit code 1, with one line of error that holds `part`.
    #[track_caller]
    pub fn failed_with(self, part: &str) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        let errors: Vec<_> =
            self.stderr.lines().filter(|line| line.contains(": error: ")).collect();
        assert_eq!(errors.len(), 1, "{self:?}");
        assert!(errors[0].contains(part), "{part:?} is not in {self:?}");
        self
    }
}

/// A program under way.
pub struct Started {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Started {
    /// Sends a signal, by its name without SIG.
    pub async fn signal(&self, name: &str) {
        os::send(name, &self.child).await;
    }

    /// Waits until stderr holds `part`.
    pub async fn says(&mut self, part: &str) {
        while !self.said.contains(part) {
            let read = self.stderr.read_line(&mut self.said).await.unwrap();
            assert!(read > 0, "{part:?} is not in {}", self.said);
        }
    }

    /// Waits for the next line on stderr.
    pub async fn next_line(&mut self) {
        let read = self.stderr.read_line(&mut self.said).await.unwrap();
        assert!(read > 0, "{}", self.said);
    }

    /// Waits until one of its calls is paused, sends it a signal, lets the call
    /// go on once it says that it stops, and waits for its end.
    pub async fn stopped_while_paused(mut self, aws: &LocalAws, signal: &str) -> Run {
        aws.faults.paused().await;
        self.signal(signal).await;
        self.says("stopping").await;
        aws.faults.resume();
        self.ended().await
    }

    /// Waits until one of its calls is paused, and kills it.
    pub async fn killed_while_paused(self, aws: &LocalAws) -> Run {
        aws.faults.paused().await;
        self.signal("KILL").await;
        self.ended().await
    }

    pub async fn ended(mut self) -> Run {
        self.stderr.read_to_string(&mut self.said).await.unwrap();
        let output = tokio::time::timeout(HANGING, self.child.wait_with_output()).await;
        let run = Run::from(output.expect("the program hangs").unwrap());
        Run { stderr: self.said, ..run }
    }
}

/// An empty directory and a cleared environment to run programs in.
pub struct Sandbox {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// One whose programs are the admin of this AWS.
    pub fn new(aws: &LocalAws) -> Self {
        Self::with_key(&aws.url, &aws.admin)
    }

    /// One whose programs use this access key at this endpoint.
    pub fn with_key(url: &str, key: &(String, String)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let environment = [
            (os::HOME, home.to_str().unwrap()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_MAX_ATTEMPTS", "2"),
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", &key.0),
            ("AWS_SECRET_ACCESS_KEY", &key.1),
            // No https here, and reading the certificates is most of a short run's work.
            ("SSL_CERT_FILE", "/dev/null"),
            ("SSL_CERT_DIR", "/dev/null"),
            // Debug builds multiply by it the pauses before they try again. The local AWS
            // settles at once, so that a minute's pauses may be over in three seconds.
            ("S3_USER_TEST_PAUSES", "0.05"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { dir, environment: environment.into() }
    }

    /// One whose programs are the admin of this AWS and take it for AWS itself, by
    /// the name of its host.
    pub fn with_host_of_aws(aws: &LocalAws) -> Self {
        Self::with_key("http://s3.us-east-1.amazonaws.com", &aws.admin)
            .set("HTTP_PROXY", Some(&aws.url))
    }

    /// Whether its programs take the local AWS for AWS itself.
    pub fn is_host_of_aws(&self) -> bool {
        let mut urls = self.environment.iter();
        urls.any(|(name, url)| name == "AWS_ENDPOINT_URL" && url.ends_with("amazonaws.com"))
    }

    /// Sets a variable, or takes it away.
    pub fn set(mut self, name: &str, value: Option<&str>) -> Self {
        self.environment.retain(|(given, _)| given != name);
        let value = value.map(|value| (name.to_owned(), value.to_owned()));
        self.environment.extend(value);
        self
    }

    /// Has the programs pause as long as anywhere else before they try again.
    pub fn with_full_pauses(self) -> Self {
        self.set("S3_USER_TEST_PAUSES", None)
    }

    /// The programs' working directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The names of the files and directories in the working directory, but for
    /// the home directory, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "home").collect();
        names.sort();
        names
    }

    /// The variables that programs get, and no others.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The content of the user's key file, if there is one.
    pub fn key_file(&self, user: &str) -> Option<String> {
        std::fs::read_to_string(self.path().join(format!("{user}_accessKeys.csv"))).ok()
    }

    /// The access key in the user's key file.
    pub fn key_of(&self, user: &str) -> (String, String) {
        self.key_in(&format!("{user}_accessKeys.csv"))
    }

    /// The access key in a file.
    pub fn key_in(&self, file: &str) -> (String, String) {
        let file = std::fs::read_to_string(self.path().join(file)).unwrap();
        let row: Vec<_> = file.lines().nth(1).unwrap().split(',').collect();
        (row[0].to_owned(), row[1].to_owned())
    }

    /// A command that has no controlling terminal, is in a process group of its own, and
    /// ignores no signal.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        os::set_apart(&mut command);
        command
            .envs(self.environment.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a shell script, where there is a shell, in which `$0` is one of the programs.
    pub async fn run_script(&self, script: &str, program: &str) -> Run {
        let mut shell = self.command("/bin/sh");
        let shell = shell.args(["-c", script]).arg(binary(program));
        Run::from(shell.output().await.unwrap())
    }

    pub async fn run(&self, program: &str, args: &[&str]) -> Run {
        self.run_with(program, args, &[]).await
    }

    /// Runs a program with other values of some variables.
    pub async fn run_with(&self, program: &str, args: &[&str], set: &[(&str, &str)]) -> Run {
        let mut command = self.command(binary(program));
        command.envs(set.iter().copied());
        let output = tokio::time::timeout(HANGING, command.args(args).output()).await;
        Run::from(output.expect("the program hangs").unwrap())
    }

    /// Starts a program and goes on while it runs.
    pub fn start(&self, program: &str, args: &[&str]) -> Started {
        let mut command = self.command(binary(program));
        command.args(args);
        started(command)
    }

    /// Starts a shell script with a program as its `$0`.
    pub fn start_script(&self, script: &str, program: &str) -> Started {
        let mut command = self.command("/bin/sh");
        command.args(["-c", script]).arg(binary(program));
        started(command)
    }

    /// Runs `create_s3_user -b shared -u USER` with further arguments.
    pub async fn create(&self, user: &str, args: &[&str]) -> Run {
        self.run("create_s3_user", &[&["-b", "shared", "-u", user], args].concat()).await
    }

    /// Runs `delete_s3_user -b shared -u USER` with further arguments.
    pub async fn delete(&self, user: &str, args: &[&str]) -> Run {
        self.run("delete_s3_user", &[&["-b", "shared", "-u", user], args].concat()).await
    }

    /// Starts `create_s3_user -b shared -u USER` with further arguments.
    pub fn start_create(&self, user: &str, args: &[&str]) -> Started {
        let args = [&["-b", "shared", "-u", user], args].concat();
        self.start("create_s3_user", &args)
    }

    /// Starts `delete_s3_user -b shared -u USER` with further arguments.
    pub fn start_delete(&self, user: &str, args: &[&str]) -> Started {
        let args = [&["-b", "shared", "-u", user], args].concat();
        self.start("delete_s3_user", &args)
    }
}

fn started(mut command: Command) -> Started {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    Started { child, stderr, said: String::new() }
}

/// One of this package's binaries.
pub fn binary(name: &str) -> PathBuf {
    binaries().join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Where cargo puts the binaries: two directories above tests and examples.
fn binaries() -> PathBuf {
    let current = std::env::current_exe().unwrap();
    current.ancestors().nth(2).unwrap().to_owned()
}

/// Has cargo build the binaries, as it doesn't of itself for an example, and
/// returns the directory they are in.
///
/// Together with the example, so that the features of all dependencies are
/// the same and nothing is compiled twice.
pub fn build_binaries(example: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut build = std::process::Command::new(cargo);
    build.args(["build", "--quiet", "--bins", "--example", example]);
    // Build scripts that look at what cargo sets for a program it runs would run again.
    let of_this_program =
        |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|it| name.starts_with(it));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| of_this_program(&name.to_string_lossy()))
    {
        build.env_remove(name);
    }
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if binaries().ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the programs must compile");
    binaries()
}
