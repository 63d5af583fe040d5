//! How words reach the terminal, and how much of them: messages go to stderr,
//! results to stdout. The options under "Running".

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clap::{ArgAction, Args};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;

use super::hints::{Explained, did_you_mean};
use super::nearest::nearest;
use super::refuse;
use super::shell_commands::ShellCommands;
use super::terminal::Terminal;
use crate::access::UserName;
use crate::aws::{Aws, Call, Connection, LoadError};
use crate::errors::{acts_on_a_terminal, harmless, one_line};
use crate::step::{Step, counted};
use crate::workflows::outcome::{Outcome, unchanged};
use crate::workflows::plan::Preview;

/// How much to print, and in which form.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct OutputArgs {
    /// Don't ask, even at a terminal
    #[arg(short, long)]
    yes: bool,
    /// Check, show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one line of JSON on stdout, for each user
    #[arg(long)]
    pub json: bool,
    /// Print each AWS call and how long it took
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the most used options; --help explains all of them
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print version
    #[arg(hide_short_help = true, short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Where a command's words go.
#[derive(Debug, Clone)]
pub struct Output {
    name: &'static str,
    json: bool,
    quiet: bool,
    verbose: bool,
    pub(super) commands: ShellCommands,
    /// Begins each line about one user of many.
    prefix: String,
    users: usize,
    users_done: Arc<AtomicUsize>,
    has_lost_results: Arc<AtomicBool>,
    line: ProgressBar,
    /// None where nothing is to be asked, or nobody is there.
    terminal: Option<Terminal>,
}

impl Output {
    /// The output of the command called `name`, which works on so many users.
    pub fn new(
        name: &'static str,
        args: &OutputArgs,
        connection: &Connection,
        users: usize,
    ) -> Self {
        Self {
            name,
            json: args.json,
            quiet: args.quiet,
            verbose: args.verbose,
            commands: ShellCommands::new(connection),
            prefix: String::new(),
            users,
            users_done: Arc::default(),
            has_lost_results: Arc::default(),
            line: ProgressBar::hidden(),
            terminal: if args.yes { None } else { Terminal::open() },
        }
    }

    /// The same for so many users, once they are known.
    pub fn with_users(self, users: usize) -> Self {
        Self { users, ..self }
    }

    /// The output for one of the users.
    pub fn of(&self, user: &UserName) -> Self {
        let prefix = if self.is_alone() {
            String::new()
        } else {
            format!("{user}: ")
        };
        Self {
            prefix,
            ..self.clone()
        }
    }

    /// The output for what concerns all of the users.
    pub fn of_all(&self) -> Self {
        Self {
            prefix: String::new(),
            ..self.clone()
        }
    }

    /// Whether stdout didn't take a result.
    pub fn has_lost_results(&self) -> bool {
        self.has_lost_results.load(Ordering::Relaxed)
    }

    /// Whether there is but one user.
    pub fn is_alone(&self) -> bool {
        self.users == 1
    }

    /// Shows at the terminal how many of several users are done, until the
    /// result is dropped.
    pub fn count_users(&self) -> Option<ProgressLine> {
        let (done, users) = (self.users_done.clone(), self.users);
        let words = move |_| format!("{} of {users} users", done.load(Ordering::Relaxed));
        (users > 1).then(|| self.progress(words))
    }

    /// Loads the clients; with `--verbose`, each of their calls is printed. On a
    /// setting that can't be used, prints a line and exits with code 2. Fails
    /// where there are no credentials.
    pub async fn load(&self, connection: &Connection) -> Result<Aws, LoadError> {
        let aws = match Aws::load(connection).await {
            Ok(aws) => aws,
            Err(LoadError::NoProfile { name, profiles }) => {
                let advice = nearest(&name, &profiles).map_or(
                    "; aws configure list-profiles shows them".to_owned(),
                    |meant| did_you_mean(&meant),
                );
                let error = LoadError::NoProfile { name, profiles };
                refuse(self.name, [format!("{error}{advice}")])
            }
            Err(error @ LoadError::Setting(_)) => refuse(self.name, [error]),
            Err(error) => return Err(error),
        };
        if !self.verbose {
            return Ok(aws);
        }
        let line = self.line.clone();
        Ok(aws.logging(Arc::new(move |call: Call<'_>| {
            let outcome = call.error.map(|error| format!("  {error}"));
            let ms = call.duration.as_millis();
            let text = format!(
                "  {} {ms} ms{}",
                call.operation,
                outcome.unwrap_or_default()
            );
            line.suspend(|| to_stderr(&harmless(&text)));
        })))
    }

    /// A line as it is shown.
    pub(super) fn line(&self, line: impl Display) -> String {
        harmless(&format!("{}{line}", self.prefix))
    }

    fn print(&self, line: &str) {
        let line = self.line(line);
        self.line.suspend(|| to_stderr(&line));
    }

    /// Prints a line of talk, unless quiet.
    pub fn say(&self, line: impl Display) {
        if !self.quiet {
            self.print(&line.to_string());
        }
    }

    /// Prints a step that was taken; one of many users' steps are for
    /// `--verbose` alone.
    pub fn step(&self, step: &Step) {
        if self.is_alone() || self.verbose {
            self.say(step);
        }
    }

    /// Prints what a run would do, and on stdout the policy or all as JSON.
    pub(crate) fn plan(&self, preview: &Preview) {
        preview.changes.iter().for_each(|change| self.say(change));
        preview
            .kept
            .iter()
            .for_each(|part| self.say(unchanged(part)));
        if preview.steps.is_empty() {
            self.say(format!(
                "nothing to change for user {}",
                preview.target.user
            ));
        } else {
            self.say("this would be done:");
        }
        preview.steps.iter().for_each(|step| self.say(step));
        let policy = preview.policy.as_ref();
        self.result(
            preview,
            policy.map(|policy| policy.document.to_json_pretty()),
        );
        preview.notes.iter().for_each(|note| self.note(note));
    }

    /// Prints how it ended well: in a few lines for the only user, in one for one
    /// of many, and on stdout the key file or all as JSON.
    pub(crate) fn done(&self, outcome: &impl Outcome) {
        if self.is_alone() {
            outcome.advice().iter().for_each(|line| self.say(line));
        } else {
            self.say(outcome.summary());
        }
        outcome.notes().iter().for_each(|note| self.note(note));
        let key_file = outcome.handed_over().and_then(|key| key.key_file.as_ref());
        self.result(outcome, key_file.map(|path| path.display().to_string()));
        self.users_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Prints what the admin should know besides, unless quiet.
    pub fn note(&self, note: &str) {
        self.say(format!("note: {note}"));
    }

    /// Prints the result: `json` as one line with `--json`, else `text` if any.
    pub fn result(&self, json: &impl Serialize, text: Option<String>) {
        let json = || escaped(&serde_json::to_string(json).expect("reports always serialize"));
        let text = if self.json { Some(json()) } else { text };
        if let Some(text) = text
            && let Err(error) = self.to_stdout(&text)
        {
            self.error(&format!("can't write to stdout: {error}; it was: {text}"));
        }
    }

    /// Prints results that can be had again: a line of JSON each with `--json`,
    /// else all of them as a table.
    pub(super) fn results(&self, results: &[impl Serialize], table: &str) {
        let json =
            |result| escaped(&serde_json::to_string(result).expect("results always serialize"));
        let lines: Vec<_> = if self.json {
            results.iter().map(json).collect()
        } else {
            vec![table.to_owned()]
        };
        if let Err(error) = self.to_stdout(&lines.join("\n")) {
            self.error(&format!("can't write to stdout: {error}"));
        }
    }

    /// Writes to stdout, and remembers if that failed.
    fn to_stdout(&self, text: &str) -> io::Result<()> {
        let written = self.line.suspend(|| writeln!(io::stdout(), "{text}"));
        match written {
            // Whoever closed the pipe wants no more of it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => {
                written.inspect_err(|_| self.has_lost_results.store(true, Ordering::Relaxed))
            }
        }
    }

    /// Prints an error in one line.
    pub fn error(&self, error: &str) {
        let line = format!("{}: error: {}{}", self.name, self.prefix, one_line(error));
        self.line.suspend(|| to_stderr(&line));
    }

    /// Prints an error in one line, then each line of state, then each hint.
    pub(super) fn explained(&self, explained: &Explained) {
        self.error(&explained.error);
        for line in &explained.state {
            self.error_detail(line);
        }
        for hint in &explained.hints {
            self.print(&one_line(&format!("hint: {hint}")));
        }
    }

    /// Prints a line that belongs to an error, even when quiet.
    pub fn error_detail(&self, line: &str) {
        self.print(&one_line(line));
    }

    /// Says how many of several users are done, and how many were skipped.
    pub fn summary(&self, done: usize, skipped: usize, total: usize) {
        let users = counted(total as u64, false, "user");
        let exist = match skipped {
            0 => String::new(),
            1 => ", 1 exists already".to_owned(),
            _ => format!(", {skipped} exist already"),
        };
        self.say(format!("{done} of {users} done{exist}"));
    }

    /// Asks a question about some lines, even when quiet. Yes where nobody is to
    /// be asked.
    pub(super) async fn confirm(&self, lines: &[String], question: &str) -> bool {
        match &self.terminal {
            None => true,
            Some(terminal) => terminal.confirm(lines, question).await,
        }
    }

    /// Shows at the terminal, until the result is dropped, a line that tells
    /// how far the work has got; nothing with `--quiet` or `--verbose`, and
    /// where stderr is not a terminal.
    pub fn progress(
        &self,
        words: impl Fn(Duration) -> String + Clone + Send + Sync + 'static,
    ) -> ProgressLine {
        let style = ProgressStyle::with_template("{spinner} {words}, {elapsed}");
        let style = style.expect("a valid template").with_key(
            "words",
            move |state: &ProgressState, line: &mut dyn fmt::Write| {
                let _ = line.write_str(&words(state.elapsed()));
            },
        );
        if !self.quiet && !self.verbose {
            self.line.set_style(style);
            self.line.reset();
            self.line.set_draw_target(ProgressDrawTarget::stderr());
            self.line.enable_steady_tick(Duration::from_millis(100));
        }
        ProgressLine(self.line.clone())
    }
}

/// A line at the terminal that goes when this is dropped.
#[derive(Debug)]
pub struct ProgressLine(ProgressBar);

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// JSON with what a terminal would act on escaped.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_a_terminal(c) && c != '\n' {
            shown += &format!("\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

pub(super) fn to_stderr(line: &str) {
    // A closed pipe is no reason to panic.
    let _ = writeln!(io::stderr(), "{line}");
}
