//! How the work on several users went: what is gathered on the way, and said at the end.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::dry_run::Line;
use super::exit::{Ending, Exit};
use super::grouped::Grouped;
use super::once::{NAMED, by_text, names};
use super::verbs::Verb;
use super::{NamedUser, Output, Session};
use crate::access::UserName;
use crate::errors::Interrupted;
use crate::step::counted;

/// The width of a bar in characters.
const BAR: usize = 20;

/// A note, and whom it is about.
pub(super) type Note = (UserName, String);

/// The results so far of the work on all users.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The users whose work has ended, in that order.
    endings: Vec<(UserName, Ending)>,
    /// The users with a new key.
    pub keys: usize,
    /// The users with a kit.
    pub kits: usize,
    /// Notes on many users, for the end.
    pub notes: Vec<Note>,
    /// True if stdout didn't take a result.
    pub has_lost_results: bool,
    /// What a dry run would do, a line for each user.
    pub planned: Vec<Line>,
    /// The users whose errors are said once for all of a kind, in that order.
    pub grouped: Vec<(Grouped, UserName)>,
    /// The number of users that were planned for.
    pub checked: usize,
    /// The errors and hints that were printed.
    said: HashSet<String>,
    /// True if any user could be planned for.
    pub has_plans: bool,
    /// The error for which nobody can be planned for.
    pub hopeless: Option<String>,
}

impl Report {
    /// As a bar and in numbers, of so many users.
    pub fn bar(&self, users: usize) -> String {
        let failed = self.count(&[Ending::Failed]);
        let not_done = [Ending::Failed, Ending::Declined, Ending::Interrupted];
        let done = self.endings.len() - self.count(&not_done);
        let ended = done + failed;
        let full = ended.min(users) * BAR / users.max(1);
        format!(
            "{}{} {done} done, {failed} failed, {} left",
            "█".repeat(full),
            "░".repeat(BAR - full),
            users.saturating_sub(ended)
        )
    }

    /// The number of users whose work ended in any of these ways.
    fn count(&self, endings: &[Ending]) -> usize {
        self.endings.iter().filter(|(_, ending)| endings.contains(ending)).count()
    }
}

impl Session {
    /// Notes how the work on a user ended.
    pub(super) fn end(&self, user: &UserName, ending: Ending) {
        self.out.report().endings.push((user.clone(), ending));
    }

    /// Says how it went with several users, and returns how the program ends.
    pub(super) fn conclude<V: Verb>(&self, users: &[NamedUser], verb: &V) -> Exit {
        let failed = self.with_end(users, |ending| ending == Some(Ending::Failed));
        let interrupted = self.with_end(users, |ending| ending == Some(Ending::Interrupted));
        let not_started = self.with_end(users, |ending| ending.is_none());
        let is_interrupted = !interrupted.is_empty() || !not_started.is_empty();
        self.out.planned();
        self.say_grouped(users);
        if self.out.is_alone() {
            if !not_started.is_empty() {
                self.out.error(&Interrupted.to_string());
            }
        } else if is_interrupted && !self.signals.has_begun() {
            self.out.error(&format!("{Interrupted}; nothing was changed"));
        } else {
            if !self.is_all_declined() {
                self.out.summary(users.len(), verb);
            }
            self.name_all("failed", &failed, users.len());
            self.name_all("interrupted", &interrupted, users.len());
            self.name_all("not started", &not_started, users.len());
            if is_interrupted {
                let left = self.with_end(users, |ending| {
                    ending.is_none_or(|ending| ending == Ending::Interrupted)
                });
                let (words, users) = verb.how_to_go_on(&left);
                self.out.hint(words, users.as_ref());
            }
        }
        let is_declined = self.out.report().count(&[Ending::Declined]) > 0;
        if is_interrupted {
            self.signals.exit()
        } else if is_declined || !failed.is_empty() || self.out.report().has_lost_results {
            Exit::Failure
        } else {
            Exit::Success
        }
    }

    /// True if somebody was asked and said no, and there is nobody else to tell of.
    fn is_all_declined(&self) -> bool {
        let report = self.out.report();
        let others = [Ending::Done, Ending::Unchanged, Ending::Skipped, Ending::Left];
        report.count(&[Ending::Declined]) > 0 && report.count(&others) == 0
    }

    /// Names users whose work ended so, of so many in all.
    fn name_all(&self, what: &str, named: &[&NamedUser], users: usize) {
        if named.is_empty() {
            return;
        }
        let is_all = named.len() == users && users > NAMED;
        let names: Vec<_> = named.iter().map(|user| user.name.as_str()).collect();
        let names = if is_all { "all" } else { &names.join(", ") };
        self.out.error_detail(&format!("{what}: {names}"));
    }

    /// The users whose work has such an end, or has none if it never started, in the order given.
    fn with_end<'a>(
        &self,
        users: &'a [NamedUser],
        is_such: impl Fn(Option<Ending>) -> bool,
    ) -> Vec<&'a NamedUser> {
        let report = self.out.report();
        let endings: HashMap<_, _> =
            report.endings.iter().map(|(user, end)| (user, *end)).collect();
        users.iter().filter(|user| is_such(endings.get(&user.name).copied())).collect()
    }
}

impl Output {
    /// The results so far. Not to be kept while something is printed, since the line that
    /// moves at the terminal asks for them, too.
    pub fn report(&self) -> MutexGuard<'_, Report> {
        locked(&self.report)
    }

    /// True unless the same was printed for another user: most of what is wrong with all of
    /// them is wrong in the same way.
    pub(super) fn is_news(&self, line: &str) -> bool {
        self.is_alone() || self.report().said.insert(line.to_owned())
    }

    /// Prints the notes on several users, how many of them are now `done`, and what to do
    /// with their keys.
    fn summary<V: Verb>(&self, users: usize, verb: &V) {
        let gathered = std::mem::take(&mut self.report().notes);
        for line in self.lines_of(gathered) {
            self.print_unless_quiet(&line);
        }
        let count = |ending| self.report().count(&[ending]);
        let (done, keys) = (count(Ending::Done), self.report().keys);
        let existing = count(Ending::Skipped);
        let exist = if existing == 1 { "already exists" } else { "already exist" };
        let others: String = [
            (count(Ending::Unchanged), verb.unchanged()),
            (existing, exist),
            (count(Ending::Left), "skipped"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
        let new = if (1..done).contains(&keys) {
            format!(" ({keys} with a new key)")
        } else {
            String::new()
        };
        let (total, verb) = (counted(users as u64, "user"), verb.past_participle());
        self.say(if self.args.dry_run {
            format!("Dry run: {done} of {total} would be {verb}{new}{others}; nothing was changed")
        } else {
            format!("{done} of {total} {verb}{new}{others}")
        });
        if self.report().kits > 0 {
            self.say(
                "Next: send each person their kit (the zip file) over a secure channel, then delete \
                 your copies of the kits.",
            );
            self.say("The key files are your own copies: keep them safe, or delete them too.");
        } else if self.report().keys > 0 {
            self.say(
                "Next: send each person their new key file over a secure channel, then delete your \
                 copies.",
            );
        }
    }

    /// Notes on many users as lines, each note once.
    pub fn lines_of(&self, mut notes: Vec<Note>) -> Vec<String> {
        notes.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        let line_of = |(note, users): (String, Vec<UserName>)| match users.as_slice() {
            [user] => self.for_user(user).labelled("note", &note),
            _ => self.for_all().labelled("note", &format!("{}: {note}", names(&users))),
        };
        by_text(notes).into_iter().map(line_of).collect()
    }
}

/// The results so far, also after a panic of whoever had them.
pub(super) fn locked(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}
