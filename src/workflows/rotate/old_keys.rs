//! The keys that a user has before a rotation: the one that goes first, and what
//! becomes of the others.

use anyhow::Result;

use crate::aws::Run;
use crate::commands::delete_access_key;
use crate::errors::{Hint, Hinted};
use crate::iam::{self, KeyInfo, LastUse};
use crate::removal::Removal;
use crate::step::Step;

/// The number of access keys that IAM lets a user have.
const MOST_KEYS: usize = 2;

/// The fate of the old keys once the new one is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldKeys {
    /// They are deleted.
    Delete,
    /// They are made inactive; a later rotation deletes them.
    Suspend,
    /// They stay as they are.
    Keep,
}

impl OldKeys {
    /// The step that takes an old key out of use, where one is to be taken.
    pub(super) fn retire(self, key: &KeyInfo) -> Option<Step> {
        match self {
            Self::Delete => Some(Step::Remove(Removal::AccessKey(key.id.clone()))),
            Self::Suspend if key.is_active => Some(Step::SuspendKey(key.id.clone())),
            Self::Suspend | Self::Keep => None,
        }
    }
}

/// The key that has to go first, where the user has as many as IAM takes: one that
/// is suspended, the older one if both are. Fails where both work.
pub(super) async fn surplus<'a>(
    run: &Run,
    keys: &'a [KeyInfo],
    old_keys: OldKeys,
) -> Result<Option<&'a KeyInfo>> {
    if keys.len() < MOST_KEYS {
        return Ok(None);
    }
    match oldest(keys.iter().filter(|key| !key.is_active)) {
        Some(key) if keys.len() == MOST_KEYS && old_keys != OldKeys::Keep => Ok(Some(key)),
        suspended => Err(no_room(run, keys, suspended).await.into()),
    }
}

/// The key that was created first, as far as that is known.
fn oldest<'a>(keys: impl Iterator<Item = &'a KeyInfo>) -> Option<&'a KeyInfo> {
    let mut by_age: Vec<_> = keys.collect();
    by_age.sort_by_key(|key| key.created);
    match by_age[..] {
        [only] => Some(only),
        [first, second, ..] if first.created.is_some() && first.created < second.created => {
            Some(first)
        }
        _ => None,
    }
}

/// The error that there is no room for another key, with those that could go.
async fn no_room(run: &Run, keys: &[KeyInfo], suspended: Option<&KeyInfo>) -> Hinted {
    let mut described = Vec::new();
    let mut unused: Vec<&KeyInfo> = Vec::new();
    for key in keys {
        let last_use = iam::last_use(run, &key.id).await.unwrap_or(LastUse::Unknown);
        if last_use == LastUse::Never {
            unused.push(key);
        }
        let suspended = if key.is_active { "" } else { "suspended, " };
        described.push(format!("{} ({suspended}{})", key.id, in_words(&last_use)));
    }
    let user = run.user();
    let unused_and_older = oldest(unused.iter().copied());
    let hint = match (suspended, &unused[..], unused_and_older) {
        (Some(key), ..) | (None, &[key], _) => {
            Hint::run(DELETE_UNUSED, delete_access_key(user, &key.id))
        }
        // An interrupted rotation leaves one that nobody has the secret of.
        (None, &[one, other], Some(older)) => {
            let newer = if older.id == one.id { other } else { one };
            let words = "neither was used yet; if the person doesn't have the newer one, delete it";
            Hint::run(words, delete_access_key(user, &newer.id))
        }
        _ => Hint::run(DELETE_UNUSED, delete_access_key(user, "ACCESS_KEY_ID")),
    };
    let message = format!(
        "user {user} already has {} access keys, and AWS allows two: {}",
        keys.len(),
        described.join(" and ")
    );
    Hinted::new(message, hint)
}

const DELETE_UNUSED: &str = "delete the one not in use";

fn in_words(last_use: &LastUse) -> String {
    match last_use {
        LastUse::Unknown | LastUse::NotOffered => "last use unknown".to_owned(),
        LastUse::Never => "never used".to_owned(),
        LastUse::At(at, service) => format!("last used {at} for {service}"),
    }
}
