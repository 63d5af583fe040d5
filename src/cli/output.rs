//! How words reach the terminal, and how much of them: messages go to stderr,
//! results to stdout. The options under "Running".

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::{ArgAction, Args};
use indicatif::ProgressBar;

use super::hints::Explained;
use super::notes::{Note, grouped};
use super::paint;
use super::progress::Tally;
use super::refuse;
use super::shell::Shell;
use super::terminal::Terminal;
use crate::access::{UserName, nearest};
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
    /// What is done with the users, in the past tense.
    did: &'static str,
    pub(super) json: bool,
    dry_run: bool,
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
    /// The output of the command called `name`, which works on so many users; in
    /// the end they are `did`, such as "created".
    pub fn new(
        name: &'static str,
        did: &'static str,
        args: &OutputArgs,
        connection: &Connection,
        users: usize,
    ) -> Self {
        Self {
            name,
            did,
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

    /// The same for so many users, once they are known.
    pub fn with_users(self, users: usize) -> Self {
        Self { users, ..self }
    }

    /// The output for one of the users.
    pub fn of(&self, user: &UserName) -> Self {
        Self { user: Some(user.clone()).filter(|_| !self.is_alone()), ..self.clone() }
    }

    /// The output for what concerns all of the users.
    pub fn of_all(&self) -> Self {
        Self { user: None, ..self.clone() }
    }

    /// Whether stdout didn't take a result.
    pub fn has_lost_results(&self) -> bool {
        self.has_lost_results.load(Ordering::Relaxed)
    }

    /// Whether there is but one user.
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
                let advice = match nearest(&name, &profiles) {
                    None => "; aws configure list-profiles shows them".to_owned(),
                    similar => did_you_mean(similar.as_deref()),
                };
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
            let text = format!("  {} {ms} ms{}", call.operation, outcome.unwrap_or_default());
            line.suspend(|| to_stderr(&harmless(&text)));
        })))
    }

    /// A line as it is shown.
    pub(super) fn line(&self, line: impl Display) -> String {
        harmless(&format!("{}{line}", self.prefix()))
    }

    /// The same with a label in colour.
    pub(super) fn labelled(&self, label: &str, line: &str) -> String {
        let (prefix, label) = (self.prefix(), paint::label(label));
        format!("{prefix}{label} {}", harmless(line))
    }

    fn prefix(&self) -> String {
        let user = self.user.as_ref();
        user.map_or(String::new(), |user| format!("{user}: "))
    }

    fn print(&self, line: &str) {
        self.line.suspend(|| to_stderr(line));
    }

    /// Prints a message, unless quiet.
    pub fn say(&self, line: impl Display) {
        if !self.quiet {
            self.print(&self.line(line));
        }
    }

    /// The same of something done.
    fn say_done(&self, line: impl Display) {
        if !self.quiet {
            self.print(&(paint::check_mark() + &self.line(line)));
        }
    }

    /// Prints a step that was taken. `--verbose` alone shows the steps of one
    /// of many users, and each request that a key is tested with.
    pub fn step(&self, step: &Step) {
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
            self.of_all().say_done(outcome.summary());
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
        let file = file.map(|path| harmless(&path.display().to_string()));
        for line in lines.iter().filter(|_| !self.quiet) {
            let line = self.line(line);
            match &file {
                Some(file) => self.print(&line.replacen(file, &paint::to_copy(file), 1)),
                None => self.print(&line),
            }
        }
    }

    /// Prints what the admin should know besides, unless quiet: at once, or about
    /// one of many users at the end, in [`summary`](Self::summary).
    pub fn note(&self, note: &str) {
        match &self.user {
            Some(user) => self.notes().push((user.clone(), note.to_owned())),
            None if self.quiet => {}
            None => self.print(&self.labelled("note", note)),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes on many users as lines, each note once.
    pub(super) fn lines_of(&self, notes: Vec<Note>) -> Vec<String> {
        let line = |(user, note): (Option<UserName>, String)| {
            let user = user.map_or(self.of_all(), |user| self.of(&user));
            user.labelled("note", &note)
        };
        grouped(notes).into_iter().map(line).collect()
    }

    /// Prints an error in one line.
    pub fn error(&self, error: &str) {
        let (label, prefix) = (paint::label("error"), self.prefix());
        self.print(&format!("{}: {label} {prefix}{}", self.name, one_line(error)));
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
            self.print(&format!("{}{} {advice}", self.prefix(), paint::label("hint")));
        }
        self.tally.count_failed();
    }

    /// Advice in one line, in which the command stands out.
    fn advice(&self, words: &str, command: Option<&Command>) -> String {
        let words = one_line(words);
        match command {
            // Quoted spaces are a part of it.
            Some(command) => {
                let command = harmless(&self.shell.text(command));
                format!("{words}: {}", paint::to_copy(&command))
            }
            None => words,
        }
    }

    /// Prints a line that belongs to an error, even when quiet.
    pub fn error_detail(&self, line: &str) {
        self.print(&self.line(one_line(line)));
    }

    /// Says what is to be noted of several users, how many of them are done, and
    /// how many were skipped.
    pub fn summary(&self, done: usize, skipped: usize, total: usize) {
        let notes = std::mem::take(&mut *self.notes());
        for line in self.lines_of(notes).iter().filter(|_| !self.quiet) {
            self.print(line);
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
            format!("{of_all} {}{exist}", self.did)
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

    /// Whether somebody is there to be asked.
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

pub(super) fn to_stderr(line: &str) {
    // A closed pipe is no reason to panic.
    let _ = writeln!(io::stderr(), "{line}");
}
