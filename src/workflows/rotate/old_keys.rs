//! The keys that a user has before a rotation: the one that goes first, and what
//! becomes of the others.

use anyhow::Result;

use crate::aws::{AwsError, Run};
use crate::commands::delete_access_key;
use crate::errors::{Hint, Hinted};
use crate::iam::{self, KeyInfo, LastUse};
use crate::removal::{Leftover, Removal};
use crate::step::Step;

/// The number of access keys that IAM lets a user have.
const MOST_KEYS: usize = 2;

/// The fate of the old keys once the new one is handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OldKeys {
    /// They are deleted.
    #[default]
    Delete,
    /// They are made inactive; a later rotation deletes them.
    Suspend,
    /// They stay as they are.
    Keep,
}

impl OldKeys {
    /// Returns the way in which an old key is taken out of use, if it is to be.
    pub(super) fn retirement(self, key: &KeyInfo) -> Option<Retirement> {
        match self {
            Self::Delete => Some(Retirement::Delete(key.id.clone())),
            Self::Suspend if key.is_active => Some(Retirement::Suspend(key.id.clone())),
            Self::Suspend | Self::Keep => None,
        }
    }
}

/// A key, by its ID, that is taken out of use once the new one is handed over.
pub(super) enum Retirement {
    Delete(String),
    Suspend(String),
}

impl Retirement {
    pub async fn carry_out(&self, run: &Run) -> Result<(), AwsError> {
        match self {
            Self::Delete(id) => iam::delete_access_key(run, id).await.map(drop),
            Self::Suspend(id) => iam::suspend_access_key(run, id).await,
        }
    }

    pub fn step(&self) -> Step {
        match self {
            Self::Delete(id) => Step::Remove(Removal::AccessKey(id.clone())),
            Self::Suspend(id) => Step::SuspendKey(id.clone()),
        }
    }

    /// The rest that is left if it is not carried out.
    pub fn leftover(&self) -> Leftover {
        match self {
            Self::Delete(id) => Leftover::Removable(Removal::AccessKey(id.clone())),
            Self::Suspend(id) => Leftover::ActiveKey(id.clone()),
        }
    }
}

/// Returns the ID of the key that has to go first, where the user has as many as IAM takes:
/// one that is suspended, the older one if both are. Fails where both work.
pub(super) async fn surplus_key(
    run: &Run,
    keys: &[KeyInfo],
    old_keys: OldKeys,
) -> Result<Option<String>> {
    if keys.len() < MOST_KEYS {
        return Ok(None);
    }
    match oldest(keys.iter().filter(|key| !key.is_active)) {
        Some(key) if keys.len() == MOST_KEYS && old_keys != OldKeys::Keep => {
            Ok(Some(key.id.clone()))
        }
        suspended => Err(no_room(run, keys, suspended).await.into()),
    }
}

/// The key that was created first, as far as that is known.
fn oldest<'a>(keys: impl Iterator<Item = &'a KeyInfo>) -> Option<&'a KeyInfo> {
    let mut by_age = Vec::from_iter(keys);
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
        let state = if key.is_active { "" } else { "suspended, " };
        described.push(format!("{} ({state}{})", key.id, in_words(&last_use)));
    }
    let user = run.user();
    let unused_and_older = oldest(unused.iter().copied());
    let hint = match (suspended, &unused[..], unused_and_older) {
        (Some(key), ..) => Hint::run("delete the suspended one", delete_access_key(user, &key.id)),
        (None, &[key], _) => Hint::run("delete the unused one", delete_access_key(user, &key.id)),
        // An interrupted rotation leaves one that nobody has the secret of.
        (None, &[one, other], Some(older)) => {
            let newer = if older.id == one.id { other } else { one };
            let words =
                "neither has been used yet; if the person doesn't have the newer one, delete it";
            Hint::run(words, delete_access_key(user, &newer.id))
        }
        _ => {
            let words = "delete the one that the person doesn't use";
            Hint::run(words, delete_access_key(user, "ACCESS_KEY_ID"))
        }
    };
    let message = format!(
        "user {user} already has {} access keys, the most that AWS allows: {}",
        keys.len(),
        described.join(" and ")
    );
    Hinted::new(message, hint)
}

fn in_words(last_use: &LastUse) -> String {
    match last_use {
        LastUse::Unknown | LastUse::NotOffered => "last use unknown".to_owned(),
        LastUse::Never => "never used".to_owned(),
        LastUse::At(at, service) => format!("last used {at} for {service}"),
    }
}
