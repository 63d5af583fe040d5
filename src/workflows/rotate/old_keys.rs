//! The keys that a user has before a rotation: which one goes first, and what
//! becomes of the others.

use anyhow::Result;

use crate::aws::{AwsError, Run};
use crate::errors::{Hint, Hinted};
use crate::iam::{self, KeyInfo, LastUse};
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
            Self::Delete => Some(Step::DeleteAccessKey(key.id.clone())),
            Self::Suspend if key.is_active => Some(Step::SuspendKey(key.id.clone())),
            Self::Suspend | Self::Keep => None,
        }
    }
}

/// The key that has to go first, where the user has as many as IAM takes: the one
/// that is suspended while the other one works. Fails where there is none such.
pub(super) async fn surplus<'a>(
    run: &Run,
    keys: &'a [KeyInfo],
    old_keys: OldKeys,
) -> Result<Option<&'a KeyInfo>> {
    if keys.len() < MOST_KEYS {
        return Ok(None);
    }
    match only_suspended(keys) {
        Some(key) if keys.len() == MOST_KEYS && old_keys != OldKeys::Keep => Ok(Some(key)),
        _ => Err(no_room(run, keys).await.into()),
    }
}

/// The one key of several that doesn't work.
fn only_suspended(keys: &[KeyInfo]) -> Option<&KeyInfo> {
    let mut suspended = keys.iter().filter(|key| !key.is_active);
    suspended.next().filter(|_| suspended.next().is_none())
}

/// That there is no room for another key, and which could go.
async fn no_room(run: &Run, keys: &[KeyInfo]) -> Hinted {
    let mut described = Vec::new();
    let mut unused = Vec::new();
    for key in keys {
        let used = iam::last_used(run, &key.id).await;
        if matches!(used, Ok(None)) {
            unused.push(key);
        }
        let used = in_words(used);
        let suspended = if key.is_active { "" } else { "suspended, " };
        described.push(format!("{} ({suspended}{used})", key.id));
    }
    // Of two that were never used, the newer one is what an interrupted rotation
    // leaves: nobody has its secret.
    let newest = unused
        .into_iter()
        .max_by_key(|key| key.created.map(|at| at.secs()));
    let dispensable = only_suspended(keys).or(newest);
    Hinted {
        message: format!(
            "user {} already has two access keys, as many as IAM allows: {}",
            run.target.user,
            described.join(" and ")
        ),
        hint: Hint::DeleteAccessKey(dispensable.map(|key| key.id.clone())),
    }
}

fn in_words(used: Result<Option<LastUse>, AwsError>) -> String {
    match used {
        Err(_) => "last use unknown".to_owned(),
        Ok(None) => "never used".to_owned(),
        Ok(Some(used)) => format!("last used {} for {}", used.at, used.service),
    }
}
