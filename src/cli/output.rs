//! How words reach the terminal, and how much of them: messages go to stderr,
//! results to stdout. The options under "Running".

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::{ArgAction, Args};
use indicatif::ProgressBar;

use super::bad_usage_lines;
use super::hints::Explained;
use super::notes::{Note, grouped};
use super::paint::{check_mark, label, to_copy};
use super::progress::Tally;
use super::shell::Shell;
use super::terminal::Terminal;
use crate::access::{UserName, similar_name};
use crate::aws::{Aws, Call, Connection, LoadError};
use crate::commands::Command;
use crate::errors::{did_you_mean, harmless, one_line};
use crate::handover::HandedOver;
use crate::step::{Step, counted};
use crate::workflows::outcome::{Outcome, unchanged};
use crate::workflows::plan::Preview;

/// How much to print, and in which form.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct OutputArgs {
    /// Don't ask for confirmation at a terminal
    #[arg(short, long)]
    yes: bool,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print results as JSON on stdout, one line per user
    #[arg(long)]
    pub json: bool,
    /// Print each AWS call and how long it took
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print results and errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// Print this summary; --help explains all options
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print version
    #[arg(hide_short_help = true, short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Where a command's messages and results go.
#[derive(Debug, Clone)]
pub struct Output {
    name: &'static str,
    pub(super) json: bool,
    pub(super) dry_run: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
    pub(super) shell: Shell,
    /// The one of many users that each line is about.
    user: Option<UserName>,
    pub(super) users: usize,
    pub(super) tally: Arc<Tally>,
    /// Notes on many users, for the end.
    notes: Arc<Mutex<Vec<Note>>>,
    pub(super) has_lost_results: Arc<AtomicBool>,
    pub(super) line: ProgressBar,
    /// None if nothing is to be asked, or nobody is there.
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
            dry_run: args.dry_run,
            quiet: args.quiet,
            verbose: args.verbose,
            shell: Shell::new(connection),
            user: None,
            users,
            tally: Arc::default(),
            notes: Arc::default(),
            has_lost_results: Arc::default(),
            line: ProgressBar::hidden(),
            terminal: if args.yes { None } else { Terminal::open() },
        }
    }

    /// Tells how many users there are, where that was not known before.
    pub(super) fn set_users(&mut self, users: usize) {
        self.users = users;
    }

    /// The output for one of the users.
    pub fn for_user(&self, user: &UserName) -> Self {
        Self { user: Some(user.clone()).filter(|_| !self.is_alone()), ..self.clone() }
    }

    /// The output for all of the users.
    pub fn for_all(&self) -> Self {
        Self { user: None, ..self.clone() }
    }

    /// True if stdout didn't take a result.
    pub fn has_lost_results(&self) -> bool {
        self.has_lost_results.load(Ordering::Relaxed)
    }

    /// True if there is only one user.
    pub fn is_alone(&self) -> bool {
        self.users == 1
    }

    /// Loads the clients; with `--verbose`, each of their calls is printed. On a
    /// setting that can't be used, prints a line and exits with code 2. Fails
    /// where there are no credentials.
    pub async fn load(&self, connection: &Connection) -> Result<Aws, LoadError> {
        let aws = match Aws::load(connection).await {
            Ok(aws) => aws,
            Err(LoadError::NoProfile { name, profiles }) => {
                let advice = match similar_name(&name, &profiles) {
                    None => "; aws configure list-profiles shows them".to_owned(),
                    similar => did_you_mean(similar.map(String::as_str)),
                };
                let error = LoadError::NoProfile { name, profiles };
                bad_usage_lines(self.name, [format!("{error}{advice}")])
            }
            Err(error @ LoadError::Setting(_)) => bad_usage_lines(self.name, [error]),
            Err(error) => return Err(error),
        };
        if !self.verbose {
            return Ok(aws);
        }
        let line = self.line.clone();
        Ok(aws.logging(Arc::new(move |call: Call<'_>| {
            let outcome = call.error.map(|error| format!("  {error}"));
            let ms = call.duration.as_millis();
            let text = format!("  {} {ms} ms{}", call.operation, outcome.unwrap_or_default());
            line.suspend(|| to_stderr(&harmless(&text)));
        })))
    }

    /// A line as it is shown.
    pub(super) fn line(&self, line: impl Display) -> String {
        harmless(&format!("{}{line}", self.prefix()))
    }

    /// A line as it is shown, after a label in colour.
    pub(super) fn labelled(&self, kind: &str, line: &str) -> String {
        format!("{}{} {}", self.prefix(), label(kind), harmless(line))
    }

    fn prefix(&self) -> String {
        self.user.as_ref().map_or(String::new(), |user| format!("{user}: "))
    }

    fn print(&self, line: &str) {
        self.line.suspend(|| to_stderr(line));
    }

    fn print_unless_quiet(&self, line: &str) {
        if !self.quiet {
            self.print(line);
        }
    }

    /// Prints a message, unless quiet.
    pub fn say(&self, line: impl Display) {
        self.print_unless_quiet(&self.line(line));
    }

    /// Prints that something is done, unless quiet.
    fn say_done(&self, line: impl Display) {
        self.print_unless_quiet(&format!("{}{}", check_mark(), self.line(line)));
    }

    /// Prints a step that was taken. `--verbose` alone shows the steps of one
    /// of many users, and each request that a key is tested with.
    ///
    /// In debug builds `S3_USER_TEST_PANIC`, such as "Created user alex", makes that step
    /// panic, so that tests can see what becomes of the rest.
    pub fn step(&self, step: &Step) {
        if cfg!(debug_assertions)
            && std::env::var("S3_USER_TEST_PANIC").is_ok_and(|name| name == step.done())
        {
            panic!("as the test wants it");
        }
        let is_detail = !self.is_alone() || matches!(step, Step::Check(_));
        if is_detail && !self.verbose {
            return;
        }
        self.say_done(step.done());
    }

    /// Prints what a run would do, and on stdout the policy or all as JSON.
    pub(crate) fn plan(&self, preview: &Preview) {
        preview.changes.iter().for_each(|change| self.say(change));
        preview.kept.iter().for_each(|part| self.say(unchanged(part)));
        if preview.steps.is_empty() {
            let user = &preview.target.user;
            self.say(format!("Nothing to change for user {user}"));
        }
        for step in &preview.steps {
            self.say(format!("Would {step}"));
        }
        if self.is_alone() && !preview.steps.is_empty() {
            self.say("Dry run: nothing was changed");
        }
        let policy = preview.policy.as_ref();
        self.result(preview, policy.map(|policy| policy.document.to_json_pretty()));
        preview.notes.iter().for_each(|note| self.note(note));
    }

    /// Prints how it ended well: in a few lines for the only user, in one for one
    /// of many, and on stdout the key file or all as JSON.
    pub(crate) fn done(&self, outcome: &impl Outcome) {
        let key = outcome.handed_over();
        outcome.notes().iter().for_each(|note| self.note(note));
        if self.is_alone() {
            let file = key.and_then(HandedOver::to_send);
            self.advise(&outcome.advice(), file);
        } else {
            self.for_all().say_done(outcome.summary());
        }
        if let Some(key) = key {
            self.tally.count_key(key.kit.is_some());
        }
        let key_file = key.and_then(|key| key.key_file.as_ref());
        self.result(outcome, key_file.map(|path| path.display().to_string()));
        self.tally.count_done();
    }

    /// Prints the last lines of a run, in which the file to send stands out.
    fn advise(&self, lines: &[String], file: Option<&Path>) {
        let shown = file.map(|path| harmless(&path.display().to_string()));
        for line in lines.iter().map(|line| self.line(line)) {
            match &shown {
                Some(file) => self.print_unless_quiet(&line.replacen(file, &to_copy(file), 1)),
                None => self.print_unless_quiet(&line),
            }
        }
    }

    /// Prints what the admin should know besides, unless quiet: at once, or about
    /// one of many users at the end, in [`summary`](Self::summary).
    pub fn note(&self, note: &str) {
        match &self.user {
            Some(user) => self.notes().push((user.clone(), note.to_owned())),
            None => self.print_unless_quiet(&self.labelled("note", note)),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes on many users as lines, each note once.
    pub(super) fn lines_of(&self, notes: Vec<Note>) -> Vec<String> {
        let mut lines = Vec::new();
        for (user, note) in grouped(notes) {
            let out = user.map_or_else(|| self.for_all(), |user| self.for_user(&user));
            lines.push(out.labelled("note", &note));
        }
        lines
    }

    /// Prints an error in one line.
    pub fn error(&self, error: &str) {
        let text = format!("{}{}", self.prefix(), one_line(error));
        self.print(&error_line(self.name, &text));
    }

    /// Prints an error in one line, then what state things are in, what is left,
    /// and each hint.
    pub(super) fn explained(&self, explained: &Explained) {
        self.error(&explained.error);
        for line in &explained.state {
            self.error_detail(line);
        }
        for (words, command) in &explained.left {
            self.print(&(self.prefix() + &self.advice(words, Some(command))));
        }
        for hint in &explained.hints {
            let advice = self.advice(&hint.words, hint.command.as_ref());
            self.print(&format!("{}{} {advice}", self.prefix(), label("hint")));
        }
        self.tally.count_failed();
    }

    /// Advice in one line, in which the command stands out.
    fn advice(&self, words: &str, command: Option<&Command>) -> String {
        let words = one_line(words);
        match command {
            // Quoted spaces are a part of it.
            Some(command) => {
                format!("{words}: {}", to_copy(&harmless(&self.shell.text(command))))
            }
            None => words,
        }
    }

    /// Prints a line that belongs to an error, even when quiet.
    pub fn error_detail(&self, line: &str) {
        self.print(&self.line(one_line(line)));
    }

    /// Says what is to be noted of several users, how many of them are now `verb`,
    /// such as "created", and how many were skipped.
    pub fn summary(&self, verb: &str, done: usize, skipped: usize, total: usize) {
        let notes = std::mem::take(&mut *self.notes());
        for line in self.lines_of(notes) {
            self.print_unless_quiet(&line);
        }
        let users = counted(total as u64, false, "user");
        let exist = match skipped {
            0 => String::new(),
            1 => ", 1 already exists".to_owned(),
            _ => format!(", {skipped} already exist"),
        };
        let of_all = format!("{done} of {users}");
        let summary = if self.dry_run {
            format!("Dry run for {of_all}: nothing was changed{exist}")
        } else {
            format!("{of_all} {verb}{exist}")
        };
        self.say(summary);
        if self.tally.has_kits() {
            self.say(
                "Next: send each person their new kit (the zip file) over a secure channel, then delete it and its directory.",
            );
            self.say("The key files are your own copies: keep them safe, or delete them too.");
        } else if self.tally.has_keys() {
            self.say(
                "Next: send each person their file over a secure channel, then delete your copies.",
            );
        }
    }

    /// True if somebody is there to be asked.
    pub(super) fn asks(&self) -> bool {
        self.terminal.is_some()
    }

    /// Asks a question about some lines, even when quiet. Yes where nobody is to
    /// be asked.
    pub(super) async fn confirm(&self, lines: &[String], question: &str) -> bool {
        match &self.terminal {
            None => true,
            Some(terminal) => terminal.confirm(lines, question).await,
        }
    }
}

/// Prints an error of a command in one line.
pub(super) fn print_error(command: &str, error: &str) {
    to_stderr(&error_line(command, &one_line(error)));
}

fn error_line(command: &str, error: &str) -> String {
    format!("{command}: {} {error}", label("error"))
}

/// Prints a line, with its colours where stderr shows them.
pub(super) fn to_stderr(line: &str) {
    // A closed pipe is no reason to panic.
    let _ = writeln!(anstream::stderr(), "{line}");
}
