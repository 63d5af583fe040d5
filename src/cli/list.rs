//! `--list`: who has access to a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::exit::{Ending, Exit};
use super::list_csv;
use super::list_table::table;
use super::{NamedUser, Session};
use crate::aws::Aws;
use crate::step::{counted, thousands};
use crate::workflows::inventory::{ENDS_SOON, Inventory, LastUse, Listed, Readers, SOON};

/// What else can be done with existing users.
const OTHER_MODES: [&str; 6] =
    ["skip_existing", "sync", "update", "rotate_key", "suspend", "resume"];

/// The form of a list, and its order.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// With --list, print CSV that spreadsheets can open and --sync accepts
    #[arg(hide_short_help = true, long, requires = "list", conflicts_with = "json")]
    #[arg(conflicts_with_all = OTHER_MODES)]
    csv: bool,
    /// With --list, sort by name, ends (soonest first) or used (never used first)
    #[arg(hide_short_help = true, long, value_name = "BY", requires = "list", value_enum)]
    #[arg(conflicts_with_all = OTHER_MODES)]
    #[arg(hide_possible_values = true)]
    sort: Option<SortBy>,
}

impl ListOptions {
    /// True if any is given.
    pub fn are_given(&self) -> bool {
        self.csv || self.sort.is_some()
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// The user's name.
    Name,
    /// The end of access; users without one come last.
    Ends,
    /// The last use of any key; users whose keys were never used come first.
    Used,
}

impl Session {
    /// Lists the users of the bucket, or those of them that are named, as a table, as CSV or
    /// as JSON.
    ///
    /// Prints all of the list or, where anything fails, nothing of it.
    pub async fn list(&self, options: ListOptions, users: Vec<NamedUser>) -> Exit {
        let work = async { self.look_up(&self.load().await?, users).await };
        let mut listed = match self.signals.or_interrupted(work).await {
            Ok(Some(listed)) => listed,
            Ok(None) => return Exit::Failure,
            Err(error) => return self.failed(&error),
        };
        if listed.is_empty() {
            self.out.say(format!("No users for bucket {}", self.target.bucket));
            return Exit::Success;
        }
        sort(&mut listed, options.sort.unwrap_or(SortBy::Name));
        let text = if options.csv { list_csv::text(&listed) } else { Ok(table(&listed)) };
        match text {
            Ok(text) => self.out.results(&listed, &text),
            Err(error) => return self.failed(&error),
        }
        if !(options.csv || self.out.args.json) && listed.len() > 1 {
            self.out.say(summary(&listed));
        }
        if any_key_was_used(&listed, &LastUse::Unknown) {
            self.out.note(
                "last use of keys is unknown (needs the permission iam:GetAccessKeyLastUsed)",
            );
        }
        if any_key_was_used(&listed, &LastUse::NotOffered) {
            self.out.note("this store does not tell when keys were last used");
        }
        if self.out.report().has_lost_results { Exit::Failure } else { Exit::Success }
    }

    /// Looks up the users. Returns `None` if something is wrong with one that is named,
    /// which is told.
    async fn look_up(&self, aws: &Aws, users: Vec<NamedUser>) -> Result<Option<Vec<Listed>>> {
        let seen = Arc::new(AtomicU64::new(0));
        let all = Arc::new(AtomicU64::new(0));
        let (seen_so_far, all_found) = (seen.clone(), all.clone());
        let _line = self.out.progress(move |_| match all_found.load(Ordering::Relaxed) {
            0 => "looking for users".to_owned(),
            all => {
                let seen = thousands(seen_so_far.load(Ordering::Relaxed));
                format!("{seen} of {}", counted(all, "user"))
            }
        });
        let inventory = Inventory::new(aws, &self.target.bucket, self.target.jobs_to_list());
        let found = if users.is_empty() {
            inventory.all().await?
        } else {
            let names = users.into_iter().map(|user| user.name).collect();
            let (found, failed) = inventory.named(names).await;
            for (run, error) in &failed {
                self.out.for_user(&run.target.user).failed(error);
            }
            if !failed.is_empty() {
                return Ok(None);
            }
            found
        };
        all.store(found.len() as u64, Ordering::Relaxed);
        let readers = Readers::among(&found);
        let listed = inventory.list(found, &readers, || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        Ok(Some(listed.await?))
    }

    /// Prints why nothing came of the work on all users of the bucket.
    pub(super) fn failed(&self, error: &anyhow::Error) -> Exit {
        self.out.failed(error);
        match Ending::after(error) {
            Ending::Interrupted => self.signals.exit(),
            _ => Exit::Failure,
        }
    }
}

/// Sorts users that are in the order of their names.
fn sort(users: &mut [Listed], by: SortBy) {
    match by {
        SortBy::Name => {}
        SortBy::Ends => users.sort_by_key(|user| (user.expires.is_none(), user.expires)),
        SortBy::Used => users.sort_by_key(|user| {
            user.keys.iter().map(|key| key.last_use_by_person().time()).max().flatten()
        }),
    }
}

/// How many users there are, and how many of them need a look.
fn summary(users: &[Listed]) -> String {
    let with_notes = users.iter().filter(|user| !user.odd.is_empty()).count();
    let ending = users.iter().filter(|user| user.odd.iter().any(|odd| odd.code == ENDS_SOON));
    let mut summary = counted(users.len() as u64, "user");
    if with_notes > 0 {
        summary += &format!(", {with_notes} with notes");
    }
    match users.iter().filter(|user| user.expires.is_some_and(|end| end.has_passed())).count() {
        0 => {}
        ended => summary += &format!("; access has ended for {ended}"),
    }
    match ending.count() {
        0 => summary,
        ending => summary + &format!("; access ends within {SOON} days for {ending}"),
    }
}

fn any_key_was_used(users: &[Listed], last_use: &LastUse) -> bool {
    users.iter().flat_map(|user| &user.keys).any(|key| key.last_use == *last_use)
}
