//! The keys that a user has before a rotation: which one goes first, and what
//! becomes of the others.

use anyhow::Result;

use crate::aws::{AwsError, Run};
use crate::commands::delete_access_key;
use crate::errors::{Hint, Hinted};
use crate::iam::{self, KeyInfo, LastUse};
use crate::removal::Removal;
use crate::step::Step;

/// How many access keys IAM lets a user have.
const MOST_KEYS: usize = 2;

/// What becomes of the old keys once the new one is handed over.
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
    let mut keys: Vec<_> = keys.collect();
    keys.sort_by_key(|key| created(key));
    match keys[..] {
        [only] => Some(only),
        [first, second, ..] if created(first).is_some() && created(first) < created(second) => {
            Some(first)
        }
        _ => None,
    }
}

/// When it was created, in seconds since 1970.
fn created(key: &KeyInfo) -> Option<i64> {
    key.created.map(|at| at.as_second())
}

/// That there is no room for another key, and which could go.
async fn no_room(run: &Run, keys: &[KeyInfo], suspended: Option<&KeyInfo>) -> Hinted {
    let mut described = Vec::new();
    let mut unused: Vec<&KeyInfo> = Vec::new();
    for key in keys {
        let used = iam::last_used(run, &key.id).await;
        if matches!(used, Ok(None)) {
            unused.push(key);
        }
        let used = in_words(used);
        let suspended = if key.is_active { "" } else { "suspended, " };
        described.push(format!("{} ({suspended}{used})", key.id));
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

fn in_words(used: Result<Option<LastUse>, AwsError>) -> String {
    match used {
        Err(_) => "last use unknown".to_owned(),
        Ok(None) => "never used".to_owned(),
        Ok(Some(used)) => format!("last used {} for {}", used.at, used.service),
    }
}
