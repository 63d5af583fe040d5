//! How words reach the terminal, and how much of them: messages go to stderr,
//! results to stdout. The options under "Running".

use std::fmt::Display;
use std::sync::{Arc, Mutex, OnceLock};

use clap::{ArgAction, Args};
use indicatif::ProgressBar;

use super::dry_run;
use super::report::Report;
use super::results::key_file;
use super::terminal::{Terminal, check_mark, label, print_error, to_copy, to_stderr};
use crate::access::UserName;
use crate::aws::{Connection, Pace};
use crate::errors::{harmless, one_line};
use crate::handover::HandedOver;
use crate::step::Step;
use crate::workflows::outcome::{Outcome, unchanged};
use crate::workflows::plan::Preview;

/// The amount and the form of what is printed.
#[derive(Debug, Clone, Args)]
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
    /// Print help: -h for a summary, --help for all options
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print version
    #[arg(hide_short_help = true, short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// The way of a command's messages and results to the terminal.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub name: &'static str,
    pub args: OutputArgs,
    pub connection: Connection,
    /// The one of many users that each line is about.
    user: Option<UserName>,
    pub users: usize,
    /// True for work on a list of users, however many it holds.
    pub is_of_many: bool,
    pub report: Arc<Mutex<Report>>,
    pub line: ProgressBar,
    /// The pace of the calls to IAM, once there are clients.
    pub pace: Arc<OnceLock<Pace>>,
    /// The terminal to ask at; none if nothing is to be asked, or nobody is there.
    terminal: Option<Terminal>,
}

impl Output {
    /// The output of the command called `name`, which works on so many users.
    pub fn new(name: &'static str, args: OutputArgs, connection: Connection, users: usize) -> Self {
        let terminal = if args.yes { None } else { Terminal::open() };
        let line = ProgressBar::hidden();
        Self {
            name,
            args,
            connection,
            user: None,
            users,
            is_of_many: false,
            report: Arc::default(),
            line,
            pace: Arc::default(),
            terminal,
        }
    }

    /// The output for one of the users.
    pub fn for_user(&self, user: &UserName) -> Self {
        Self { user: (!self.is_alone()).then(|| user.clone()), ..self.clone() }
    }

    /// The output for all of the users.
    pub fn for_all(&self) -> Self {
        Self { user: None, ..self.clone() }
    }

    /// True if there is only one user.
    pub fn is_alone(&self) -> bool {
        self.users == 1 && !self.is_of_many
    }

    /// A line as it is shown.
    pub fn line(&self, line: impl Display) -> String {
        harmless(&format!("{}{line}", self.prefix()))
    }

    /// A line as it is shown, after a label in colour.
    pub fn labelled(&self, kind: &str, line: &str) -> String {
        format!("{}{} {}", self.prefix(), label(kind), harmless(line))
    }

    pub fn prefix(&self) -> String {
        self.user.as_ref().map_or(String::new(), |user| format!("{user}: "))
    }

    pub fn print(&self, line: &str) {
        self.line.suspend(|| to_stderr(line));
    }

    pub fn print_unless_quiet(&self, line: &str) {
        if !self.args.quiet {
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
        if self.args.verbose || !is_detail {
            self.say_done(step.done());
        }
    }

    /// Prints what a run would do, and on stdout the policy or all as JSON; of several users
    /// a line for each, at the end, unless more was asked for.
    pub fn plan(&self, preview: &Preview) {
        if !self.is_alone() && !self.args.verbose {
            self.report().planned.extend(dry_run::line(preview));
            self.result(preview, None);
            preview.notes.iter().for_each(|note| self.note(note));
            return;
        }
        preview.changes.iter().for_each(|change| self.say(change));
        preview.kept.iter().for_each(|part| self.say(unchanged(part)));
        preview.steps.iter().for_each(|step| self.say(format!("Would {step}")));
        let policy = &preview.policy;
        self.result(preview, policy.as_ref().map(|planned| planned.document.to_json_pretty()));
        preview.notes.iter().for_each(|note| self.note(note));
        if preview.steps.is_empty() {
            self.say(format!("Nothing to change for user {}", preview.target.user));
        } else if self.is_alone() {
            self.say("Dry run: nothing was changed");
        }
    }

    /// Prints how it ended well: in a few lines for the only user, in one for one
    /// of many, and on stdout the key file or all as JSON.
    pub fn done(&self, outcome: &impl Outcome) {
        let key = outcome.handed_over();
        outcome.notes().iter().for_each(|note| self.note(note));
        if self.is_alone() {
            self.what_to_do(&outcome.advice(), key);
        } else if outcome.has_changed() || self.args.verbose {
            self.for_all().say_done(outcome.summary());
        }
        self.result(outcome, key_file(key));
        let mut report = self.report();
        report.keys += usize::from(key.is_some());
        report.kits += usize::from(key.is_some_and(|key| key.kit_zip.is_some()));
    }

    /// Prints the last lines of a run, in which the file to send stands out.
    fn what_to_do(&self, advice: &[String], key: Option<&HandedOver>) {
        let file =
            key.and_then(HandedOver::to_send).map(|path| harmless(&path.display().to_string()));
        for line in advice.iter().map(|line| self.line(line)) {
            match &file {
                Some(file) => self.print_unless_quiet(&line.replacen(file, &to_copy(file), 1)),
                None => self.print_unless_quiet(&line),
            }
        }
    }

    /// Prints what the admin should know besides, unless quiet: at once, or about
    /// one of many users at the end, in the summary.
    pub fn note(&self, note: &str) {
        match &self.user {
            Some(user) => self.report().notes.push((user.clone(), note.to_owned())),
            None => self.print_unless_quiet(&self.labelled("note", note)),
        }
    }

    /// Prints an error in one line, unless it was printed for another user.
    pub fn error(&self, error: &str) {
        if !self.is_news(error) {
            return;
        }
        let is_named = self.user.as_ref().is_some_and(|user| mentions(error, user));
        let prefix = if is_named { String::new() } else { self.prefix() };
        self.line.suspend(|| print_error(self.name, &format!("{prefix}{error}")));
    }

    /// Prints a line that belongs to an error, even when quiet.
    pub fn error_detail(&self, line: &str) {
        self.print(&self.line(one_line(line)));
    }

    /// True if somebody is there to be asked.
    pub fn asks(&self) -> bool {
        self.terminal.is_some()
    }

    /// Asks a question about some lines, even when quiet. Yes where nobody is to
    /// be asked.
    pub async fn confirm(&self, lines: &[String], question: &str) -> bool {
        match &self.terminal {
            None => true,
            Some(terminal) => terminal.confirm(lines, question).await,
        }
    }
}

/// True if a text speaks of this user by name, and not of one whose name begins like it.
fn mentions(text: &str, user: &UserName) -> bool {
    let user = format!("user {user}");
    let is_longer =
        |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || "_+=.@-".contains(c));
    text.match_indices(&user).any(|(at, _)| !is_longer(&text[at + user.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_named_by_the_whole_name() {
        let user = "alex".parse().unwrap();
        for text in ["user alex already exists", "there is no user alex", "user alex, too"] {
            assert!(mentions(text, &user), "{text}");
        }
        for text in ["user alexander exists", "user alex-2 exists", "user alex.b", "alex exists"] {
            assert!(!mentions(text, &user), "{text}");
        }
    }
}
