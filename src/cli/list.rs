//! `--list`: who has access to a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use jiff::Timestamp;

use super::exit::{Exit, ExitStatus};
use super::hints::Explained;
use super::list_table::{Table, width_of_terminal};
use super::{NamedUser, Session};
use crate::aws::Aws;
use crate::errors::harmless;
use crate::step::counted;
use crate::workflows::inventory::{Inventory, KeyInfo, LastUse, Listed, Readers};

impl Session {
    /// Lists the users of the bucket, or those of them that are named, as a table or
    /// as JSON.
    ///
    /// Prints all of the list or, where anything fails, nothing of it.
    pub async fn list(&self, users: Vec<NamedUser>) -> Exit {
        let work = async { self.look_up(&self.load().await?, users).await };
        let users = match self.signals.or_interrupted(work).await {
            Ok(Some(users)) => users,
            Ok(None) => return Exit::Failure,
            Err(error) => return self.failed(&error),
        };
        if users.is_empty() {
            self.out.say(format!("No users for bucket {}", self.target.bucket));
            return Exit::Success;
        }
        self.out.results(&users, &table(&users).text(width_of_terminal()));
        if any_key_was_used(&users, &LastUse::Unknown) {
            self.out.note(
                "last use of keys is unknown (needs the permission iam:GetAccessKeyLastUsed)",
            );
        }
        if any_key_was_used(&users, &LastUse::NotOffered) {
            self.out.note("this store does not tell when keys were last used");
        }
        if self.out.has_lost_results() { Exit::Failure } else { Exit::Success }
    }

    /// Returns `None` if something is wrong with a user that is named, which is told.
    async fn look_up(&self, aws: &Aws, users: Vec<NamedUser>) -> Result<Option<Vec<Listed>>> {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = seen.clone();
        let _line = self.out.progress(move |_| {
            let count = counter.load(Ordering::Relaxed);
            counted(count as u64, false, "user")
        });
        let inventory = Inventory::new(aws, &self.target.bucket, self.target.jobs_to_list());
        let found = if users.is_empty() {
            inventory.all().await?
        } else {
            let names = users.into_iter().map(|user| user.name).collect();
            let (found, failed) = inventory.named(names).await;
            for (run, error) in &failed {
                self.out.for_user(&run.target.user).explained(&Explained::new(error));
            }
            if !failed.is_empty() {
                return Ok(None);
            }
            found
        };
        let readers = Readers::among(&found);
        let on_user = || {
            seen.fetch_add(1, Ordering::Relaxed);
        };
        Ok(Some(inventory.list(found, &readers, on_user).await?))
    }

    /// Prints why nothing came of the work on all users of the bucket.
    pub(super) fn failed(&self, error: &anyhow::Error) -> Exit {
        self.out.explained(&Explained::new(error));
        match ExitStatus::of(error) {
            ExitStatus::Interrupted => self.signals.exit(),
            _ => Exit::Failure,
        }
    }
}

fn any_key_was_used(users: &[Listed], last_use: &LastUse) -> bool {
    users.iter().flat_map(|user| &user.keys).any(|key| key.last_use == *last_use)
}

/// The column that keys are in.
const KEY: usize = 4;

/// A row for each user, and one more for a second key.
fn table(users: &[Listed]) -> Table<7> {
    let now = Timestamp::now();
    let header = ["USER", "FOLDER", "ACCESS", "ENDS (UTC)", "KEY", "LAST USED", "NOTES"];
    let mut table = Table::new(header, KEY);
    for user in users {
        let (access, ends) = access_cells(user);
        let (key, used) = match user.keys.first() {
            Some(key) => key_cells(key, now),
            None => ("none".to_owned(), String::new()),
        };
        // What is odd about the user stands beside its first key.
        let others = user.keys.get(1..).unwrap_or_default();
        let odd = odd_cell(user, |key| !others.iter().any(|other| Some(&other.id) == key));
        let name = user.target.user.to_string();
        table.push([name, folder_cell(user), access, ends, key, used, odd]);
        for other in others {
            let odd = odd_cell(user, |key| key == Some(&other.id));
            let (key, used) = key_cells(other, now);
            let [name, folder, access, ends] = Default::default();
            table.push([name, folder, access, ends, key, used, odd]);
        }
    }
    table
}

/// Names what is odd about those keys of the user that the filter takes; it gets `None`
/// for what is odd about the user itself.
fn odd_cell(user: &Listed, takes: impl Fn(Option<&String>) -> bool) -> String {
    let odd = user.odd.iter().filter(|odd| takes(odd.key.as_ref()));
    odd.map(|odd| harmless(&odd.text)).collect::<Vec<_>>().join("; ")
}

/// The user's folder, and those that it may read besides.
fn folder_cell(user: &Listed) -> String {
    let mut folders = user.target.prefix().to_string();
    for shared in &user.also_read {
        folders += &format!(" + {}", harmless(shared));
    }
    folders
}

/// The user's access, and its end; unknown where its policy can't be read back.
fn access_cells(user: &Listed) -> (String, String) {
    match (user.access, &user.expires) {
        (Some(access), Some(end)) => (access.to_string(), end.in_table()),
        (Some(access), None) => (access.to_string(), "never".to_owned()),
        (None, _) => {
            let tag = user.expires_tag.as_deref().map(harmless);
            ("unknown".to_owned(), tag.unwrap_or("unknown".to_owned()))
        }
    }
}

/// A key with its state and age, and when it was last used.
fn key_cells(key: &KeyInfo, now: Timestamp) -> (String, String) {
    let mut cell = harmless(&key.id);
    cell += if key.is_active { " active" } else { " suspended" };
    if let Some(created) = key.created {
        cell += &format!(", {} old", span(created, now));
    }
    let used = match &key.last_use {
        LastUse::Unknown | LastUse::NotOffered => "unknown".to_owned(),
        LastUse::Never => "never".to_owned(),
        LastUse::At(at, _) => format!("{} ago", span(*at, now)),
    };
    (cell, used)
}

/// The time between two instants in minutes, hours or days.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let minutes = (to.as_second() - from.as_second()) / 60;
    let (count, unit) = match minutes {
        ..60 => (minutes.max(1), "minute"),
        60..2880 => (minutes / 60, "hour"),
        _ => (minutes / 60 / 24, "day"),
    };
    counted(count as u64, false, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_in_one_unit() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        for (from, expected) in [
            ("2026-06-15T12:00:30Z", "1 minute"),
            ("2026-06-15T11:58:00Z", "2 minutes"),
            ("2026-06-15T11:00:00Z", "1 hour"),
            ("2026-06-13T12:00:01Z", "47 hours"),
            ("2026-06-13T12:00:00Z", "2 days"),
            ("2025-05-11T12:00:00Z", "400 days"),
        ] {
            assert_eq!(span(from.parse().unwrap(), now), expected, "{from}");
        }
    }
}
