//! `--list` and `--expired`: what is done for all users of a bucket, whoever
//! they are.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use jiff::Timestamp;

use super::hints::Explained;
use super::table::{Table, width_of_terminal};
use super::{ExitStatus, Output, Signals, TargetArgs};
use crate::access::UserName;
use crate::aws::{Aws, Connection};
use crate::errors::harmless;
use crate::step::counted;
use crate::workflows::delete::{self, Expired};
use crate::workflows::inventory::{Inventory, KeyInfo, LastUse, Listed, Readers};

/// Lists the users of the bucket, or those of them that are named, as a table or
/// as JSON.
///
/// Prints all of the list or, where anything fails, nothing of it.
pub async fn list(
    out: &Output,
    signals: &Signals,
    connection: &Connection,
    target: &TargetArgs,
    users: Vec<UserName>,
) -> ExitCode {
    let work = async {
        let aws = out.load(connection).await?;
        listed(out, &aws, target, users).await
    };
    let users = match signals.or_interrupted(work).await {
        Ok(Some(users)) => users,
        Ok(None) => return ExitCode::FAILURE,
        Err(error) => return failed(out, signals, &error),
    };
    if users.is_empty() {
        out.say(format!("No users for bucket {}", target.bucket));
        return ExitCode::SUCCESS;
    }
    out.results(&users, &table(&users).text(width_of_terminal()));
    let has = |last_use| {
        let mut keys = users.iter().flat_map(|user| &user.keys);
        keys.any(|key| key.last_use == last_use)
    };
    if has(LastUse::Unknown) {
        out.note("last use of keys is unknown (needs the permission iam:GetAccessKeyLastUsed)");
    }
    if has(LastUse::NotOffered) {
        out.note("this store does not tell when keys were last used");
    }
    if out.has_lost_results() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// None if something is wrong with a user that is named, which is told.
async fn listed(
    out: &Output,
    aws: &Aws,
    target: &TargetArgs,
    users: Vec<UserName>,
) -> Result<Option<Vec<Listed>>> {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let words = move |_| counted_users(counted.load(Ordering::Relaxed));
    let _line = out.progress(words);
    let inventory = Inventory::new(aws, &target.bucket, target.jobs_to_list());
    let found = if users.is_empty() {
        inventory.all().await?
    } else {
        let (found, failed) = inventory.named(users).await;
        for (run, error) in &failed {
            let of_user = &run.target;
            out.of(&of_user.user).explained(&Explained::new(error));
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

fn counted_users(count: usize) -> String {
    counted(count as u64, false, "user")
}

/// Finds the users of the bucket whose access has ended. Returns the exit code
/// where there is none, or something failed, and tells which.
pub async fn find_expired(
    out: &Output,
    signals: &Signals,
    connection: &Connection,
    target: &TargetArgs,
    options: delete::Options,
) -> Result<(Aws, Vec<UserName>), ExitCode> {
    let work = async {
        let aws = out.load(connection).await?;
        let expired = delete::expired(&aws, &target.bucket, target.jobs(), options).await?;
        Ok((aws, expired))
    };
    let (aws, Expired { users, notes }) = match signals.or_interrupted(work).await {
        Ok(found) => found,
        Err(error) => return Err(failed(out, signals, &error)),
    };
    notes.iter().for_each(|note| out.note(note));
    if users.is_empty() {
        let bucket = &target.bucket;
        out.say(format!("No expired users in bucket {bucket}"));
        return Err(ExitCode::SUCCESS);
    }
    Ok((aws, users))
}

/// Prints why nothing came of it, and returns the exit code.
fn failed(out: &Output, signals: &Signals, error: &anyhow::Error) -> ExitCode {
    out.explained(&Explained::new(error));
    match ExitStatus::of(error) {
        ExitStatus::Interrupted => signals.exit_code(),
        _ => ExitCode::FAILURE,
    }
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
        let first = user.keys.first();
        let (key, used) =
            first.map_or(("none".to_owned(), String::new()), |key| key_cells(key, now));
        table.push([
            user.target.user.to_string(),
            folder_cell(user),
            access,
            ends,
            key,
            used,
            odd_cell(user, |key| key.is_none() || key == first.map(|key| &key.id)),
        ]);
        for key in user.keys.iter().skip(1) {
            let odd = odd_cell(user, |of| of == Some(&key.id));
            let (key, used) = key_cells(key, now);
            let empty = String::new;
            table.push([empty(), empty(), empty(), empty(), key, used, odd]);
        }
    }
    table
}

/// What is odd about the user or those of its keys that are meant.
fn odd_cell(user: &Listed, is_meant: impl Fn(Option<&String>) -> bool) -> String {
    let odd = user.odd.iter().filter(|odd| is_meant(odd.key.as_ref()));
    let odd: Vec<_> = odd.map(|odd| harmless(&odd.text)).collect();
    odd.join("; ")
}

/// The user's folder, and those that it may read besides.
fn folder_cell(user: &Listed) -> String {
    let own = user.target.prefix().to_string();
    let shared = user.also_read.iter().map(|folder| harmless(folder));
    let folders: Vec<_> = std::iter::once(own).chain(shared).collect();
    folders.join(" + ")
}

/// What the user may do, and until when; unknown where its policy can't be read
/// back.
fn access_cells(user: &Listed) -> (String, String) {
    let tag = user.expires_tag.as_deref().map(harmless);
    let access = user.access.map(|access| access.to_string());
    let ends = match (&access, &user.expires) {
        (Some(_), Some(end)) => end.in_table(),
        (Some(_), None) => "never".to_owned(),
        (None, _) => tag.unwrap_or("unknown".to_owned()),
    };
    (access.unwrap_or("unknown".to_owned()), ends)
}

/// A key with its state and age, and when it was last used.
fn key_cells(key: &KeyInfo, now: Timestamp) -> (String, String) {
    let state = if key.is_active { "active" } else { "suspended" };
    let age = key.created.map(|created| format!(", {} old", span(created, now)));
    let used = match &key.last_use {
        LastUse::Unknown | LastUse::NotOffered => "unknown".to_owned(),
        LastUse::Never => "never".to_owned(),
        LastUse::At(at, _) => format!("{} ago", span(*at, now)),
    };
    let id = harmless(&key.id);
    (format!("{id} {state}{}", age.unwrap_or_default()), used)
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
