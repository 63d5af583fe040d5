//! What both commands share: arguments, and how reports reach the terminal.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::aws::{Aws, Call, Connection, one_line};
use crate::folder::Progress;
use crate::names::{BucketName, Target, UserName};
use crate::report::{self, Hinted, Interrupted};

/// The user and the bucket.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Bucket that all the users share
    #[arg(
        short,
        long,
        alias = "bucket_name",
        value_name = "BUCKET",
        allow_hyphen_values = true
    )]
    pub bucket: BucketName,
    /// IAM user, and the name of the user's folder in the bucket
    #[arg(
        short,
        long,
        alias = "user_name",
        value_name = "USER",
        allow_hyphen_values = true
    )]
    pub user: UserName,
}

impl From<TargetArgs> for Target {
    fn from(args: TargetArgs) -> Self {
        Self {
            bucket: args.bucket,
            user: args.user,
        }
    }
}

/// How much to print, and in which form.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print the result as one line of JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Print each AWS call and how long it took
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print errors only
    #[arg(short, long)]
    pub quiet: bool,
}

/// Parses the arguments; on bad ones prints one line and exits with code 2.
///
/// From here on a panic, as the SDK has for settings it can't read, is one
/// line too, and exit code 1.
pub fn parse<A: Parser>() -> A {
    panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("internal error");
        to_stderr(&format!("error: {}", one_line(text)));
        exit_now(1);
    }));
    A::try_parse().unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let name = A::command().get_name().to_owned();
        let text = error.render().to_string();
        let paragraphs = text.trim_start_matches("error: ").split("\n\n");
        let wanted = |text: &&str| !text.starts_with("Usage:") && !text.starts_with("For more");
        let lines: Vec<_> = paragraphs.filter(wanted).map(one_line).collect();
        let text = lines.join("; ");
        to_stderr(&format!("{name}: error: {text}; see {name} --help"));
        exit_now(2)
    })
}

/// Where a command's words go: talk to stderr, data to stdout.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    name: &'static str,
    json: bool,
    quiet: bool,
    verbose: bool,
}

impl Output {
    /// The output of the command called `name`.
    pub fn new(name: &'static str, args: &OutputArgs) -> Self {
        Self {
            name,
            json: args.json,
            quiet: args.quiet,
            verbose: args.verbose,
        }
    }

    /// Loads the clients; with `--verbose`, each of their calls is printed.
    pub async fn load(&self, connection: Connection) -> Aws {
        let observer = |call: Call<'_>| {
            let outcome = call
                .error
                .map(|error| format!("  {error}"))
                .unwrap_or_default();
            let ms = call.duration.as_millis();
            to_stderr(&format!("  {} {ms} ms{outcome}", call.operation));
        };
        let observer = self.verbose.then(|| Arc::new(observer) as _);
        Aws::load(connection, observer).await
    }

    /// Prints a line of talk, unless quiet.
    pub fn say(&self, line: impl Display) {
        if !self.quiet {
            to_stderr(&line.to_string());
        }
    }

    /// Prints a line that a question is about, even when quiet.
    pub fn ask(&self, line: impl Display) {
        to_stderr(&line.to_string());
    }

    /// Prints the result: `json` as one line with `--json`, else `text` if any.
    pub fn result(&self, json: &impl Serialize, text: Option<String>) {
        match self.json {
            true => to_stdout(&serde_json::to_string(json).expect("reports always serialize")),
            false => text.iter().for_each(|text| to_stdout(text)),
        }
    }

    /// Prints an error in one line, and a hint in another if there is one.
    pub fn error(&self, error: &anyhow::Error) {
        to_stderr(&format!(
            "{}: error: {}",
            self.name,
            one_line(&format!("{error:#}"))
        ));
        if let Some(hinted) = error.downcast_ref::<Hinted>() {
            to_stderr(&format!("hint: {}", hinted.hint));
        }
    }

    /// Prints a line that belongs to an error, even when quiet.
    pub fn error_detail(&self, line: &str) {
        to_stderr(&one_line(line));
    }

    /// Asks a question that takes `y` or `yes` for a yes.
    ///
    /// Anything else, the end of the input too, is a no.
    pub async fn confirm(&self, question: &str) -> bool {
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let (sender, answer) = tokio::sync::oneshot::channel();
        // A thread of its own, since nothing can end a blocking read of a terminal.
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = io::stdin().read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = answer.await.unwrap_or_default();
        matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
    }
}

/// Whether there is somebody to ask: both stdin and stderr are terminals.
pub fn at_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A line at the terminal that tells how far emptying a folder has got; nothing
/// where stderr is no terminal.
#[derive(Debug)]
pub struct Meter(ProgressBar);

impl Meter {
    /// Shows the line, unless quiet, until the meter is dropped.
    pub fn start(out: &Output, progress: &Arc<Progress>) -> Self {
        let bar = match out.quiet || out.verbose {
            true => ProgressBar::hidden(),
            false => ProgressBar::new_spinner(),
        };
        let template = "{spinner} {deleted} deleted, {rate}/s, {elapsed}";
        let style = ProgressStyle::with_template(template).expect("a valid template");
        let deleted = progress.clone();
        let style = style.with_key(
            "deleted",
            move |_: &ProgressState, line: &mut dyn fmt::Write| {
                let _ = write!(line, "{}", in_words(&deleted));
            },
        );
        let deleted = progress.clone();
        let style = style.with_key(
            "rate",
            move |state: &ProgressState, line: &mut dyn fmt::Write| {
                let rate = deleted.entries() as f64 / state.elapsed().as_secs_f64().max(0.001);
                let _ = write!(line, "{rate:.0}");
            },
        );
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Prints a line of talk above.
    pub fn say(&self, out: &Output, line: impl Display) {
        self.0.suspend(|| out.say(line));
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn in_words(progress: &Progress) -> String {
    let versions = progress.versions() + progress.delete_markers();
    match versions {
        0 => report::counted(progress.objects(), false, "object"),
        versions => format!(
            "{}, {}",
            report::counted(progress.objects(), false, "object"),
            report::counted(versions, false, "version"),
        ),
    }
}

/// Ctrl-C and SIGTERM as a cancellation.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Cancelled by the first signal.
    pub cancel: CancellationToken,
    exit_code: Arc<AtomicU8>,
}

impl Signals {
    /// Starts to listen. The first signal prints `first` and cancels; a second
    /// one prints `second` and ends the process at once.
    pub fn listen(first: &'static str, second: String) -> Self {
        let signals = Self {
            cancel: CancellationToken::new(),
            exit_code: Arc::new(AtomicU8::new(130)),
        };
        let on = |kind| signal(kind).expect("the runtime has a signal driver");
        let mut interrupt = on(SignalKind::interrupt());
        let mut terminate = on(SignalKind::terminate());
        let listener = signals.clone();
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                };
                if listener.cancel.is_cancelled() {
                    to_stderr(&second);
                    exit_now(code);
                }
                listener.exit_code.store(code, Ordering::Relaxed);
                listener.cancel.cancel();
                to_stderr(first);
            }
        });
        signals
    }

    /// Does something that may be dropped at any point, until it is done or a
    /// signal comes.
    pub async fn or_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.cancel.run_until_cancelled(work).await {
            Some(done) => done,
            None => Err(Interrupted.into()),
        }
    }

    /// The exit code for an error: 130 or 143 for an interruption, else 1.
    pub fn exit_code(&self, error: &anyhow::Error) -> ExitCode {
        match error.is::<Interrupted>() {
            true => ExitCode::from(self.exit_code.load(Ordering::Relaxed)),
            false => ExitCode::FAILURE,
        }
    }
}

#[expect(
    clippy::exit,
    reason = "bad usage and a second Ctrl-C end the process where they are"
)]
fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}

// A closed pipe is no reason to panic, or to undo what is done.
fn to_stderr(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn to_stdout(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
