//! Carrying out a rotation: room first, then the new key, and the old ones last.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail, ensure};

use super::{OldKeys, Rotate};
use crate::errors::caught;
use crate::handover::HandedOver;
use crate::iam::{self, KeyInfo};
use crate::removal::{Leftover, Removal};
use crate::step::Step;
use crate::workflows::new_key::NewKey;
use crate::workflows::ours::check_same;
use crate::workflows::outcome::{Failed, Rotated, State};
use crate::workflows::plan::Plan;
use crate::workflows::remove::remove;
use crate::workflows::undo::Undo;

/// Makes the new key, hands it over, and then takes the old ones out of use.
///
/// If anything fails before the new key is handed over, and when cancelled
/// before, the new key is deleted and an old one that works still does: the only
/// one that may be gone then was suspended. If an old one can't be taken out of
/// use after that, the new one works and the old one is `left`.
pub async fn apply(plan: &Plan<Rotate>) -> Result<Rotated, Failed> {
    let Plan { run, work, .. } = plan;
    let undo = Undo::of(run);
    let before: Vec<_> = work.before.iter().map(|key| key.id.clone()).collect();
    let grant = work.grant.as_ref();
    let key = NewKey::reserve(run, &undo, &work.handover, Some(&before), grant)?;
    make_room(plan).await?;
    let (handed_over, notes) = match caught(hand_over(plan, key)).await {
        Ok(handed_over) => handed_over,
        Err(error) => return Err(undo.unwind(after_making_room(plan, error)).await),
    };
    retire_old_keys(plan, &handed_over).await?;
    Ok(rotated(plan, handed_over, notes))
}

impl Plan<Rotate> {
    /// The steps that take old keys out of use once the new one is handed over.
    fn retiring(&self) -> impl Iterator<Item = &Step> {
        let steps = self.preview.steps.iter();
        steps.filter(|step| matches!(step, Step::Remove(_) | Step::SuspendKey(_)))
    }

    /// The ID of the suspended key that the new one takes the place of.
    fn surplus(&self) -> Option<&String> {
        self.preview.steps.iter().find_map(|step| match step {
            Step::DeleteSuspendedKey(id) => Some(id),
            _ => None,
        })
    }
}

/// Deletes the suspended key that the new one takes the place of.
async fn make_room(plan: &Plan<Rotate>) -> Result<()> {
    let run = &plan.run;
    let Some(id) = plan.surplus() else {
        return Ok(());
    };
    check_unchanged(plan, None).await?;
    run.go_on()?;
    run.unless_interrupted(iam::delete_access_key(run, id).await)?;
    run.done(&Step::DeleteSuspendedKey(id.clone()));
    Ok(())
}

/// Fails if the user's keys are not as they were when the plan was made: the one
/// that is to go may work again, or be the last one, or the user is to have no
/// access any more. The key that is `gone` may still be in IAM's list.
async fn check_unchanged(plan: &Plan<Rotate>, gone: Option<&String>) -> Result<()> {
    let now = iam::access_keys(&plan.run).await?;
    check_same(&plan.run, Some(&plan.work.user)).await?;
    check_none_suspended(plan, &now)?;
    ensure!(
        states(&now, gone) == states(&plan.work.before, gone),
        "the access keys of user {} have changed since they were looked at; run the same command again",
        plan.run.target.user
    );
    Ok(())
}

/// The state of each key, but for the one that is `gone`: true if it works.
fn states<'a>(keys: &'a [KeyInfo], gone: Option<&String>) -> BTreeMap<&'a str, bool> {
    let remaining = keys.iter().filter(|key| gone != Some(&key.id));
    remaining.map(|key| (key.id.as_str(), key.is_active)).collect()
}

/// Fails if a key of the user was suspended since the plan was made, even the new
/// one: whoever did that wants none to work.
fn check_none_suspended(plan: &Plan<Rotate>, now: &[KeyInfo]) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let newly_suspended = now.iter().find(|key| {
        let was_suspended = work.before.iter().any(|old| old.id == key.id && !old.is_active);
        !key.is_active && !was_suspended
    });
    match newly_suspended {
        None => Ok(()),
        Some(key) => bail!(
            "access key {} of user {} was suspended meanwhile; \
             if the user is to have access again, run the same command again",
            key.id,
            run.target.user
        ),
    }
}

/// Adds to an error which key was deleted before it to make room.
fn after_making_room(plan: &Plan<Rotate>, error: anyhow::Error) -> anyhow::Error {
    match plan.surplus() {
        Some(id) => error.context(format!(
            "suspended access key {id} was deleted to make room, all others stay"
        )),
        None => error,
    }
}

/// Creates the key and gives it to the person. Returns notes for the admin, too.
async fn hand_over(plan: &Plan<Rotate>, key: NewKey<'_>) -> Result<(HandedOver, Vec<String>)> {
    let run = &plan.run;
    check_unchanged(plan, plan.surplus()).await?;
    run.go_on()?;
    run.unless_interrupted(key.create().await)?;
    let notes = key.deliver().await?;
    let tested = if plan.retiring().next().is_some() {
        // Nothing but the new key will work.
        key.check_works().await
    } else {
        Ok(())
    };
    // A key that fails the test since it is suspended is reported as suspended.
    check_none_suspended(plan, &iam::access_keys(run).await?)?;
    tested?;
    run.go_on()?;
    Ok((key.finish()?, notes))
}

/// The rest of the plan's steps, whatever signal comes: the person has the new key.
async fn retire_old_keys(plan: &Plan<Rotate>, handed_over: &HandedOver) -> Result<(), Failed> {
    let run = &plan.run;
    if plan.work.old_keys != OldKeys::Keep {
        check_alone(plan, handed_over).await?;
    }
    for step in plan.retiring() {
        let retired = match step {
            Step::SuspendKey(id) => iam::suspend_access_key(run, id).await,
            Step::Remove(removal) => remove(run, removal).await.map(drop),
            _ => continue,
        };
        retired.map_err(|error| {
            not_retired(handed_over, error.into(), Vec::from_iter(not_taken(step)))
        })?;
        run.done(step);
    }
    Ok(())
}

/// The failure of something after the person had the new key.
fn not_retired(handed_over: &HandedOver, error: anyhow::Error, left: Vec<Leftover>) -> Failed {
    Failed {
        error: error.context("the new key was delivered, but the old one may still work"),
        state: State::HandedOver { key: handed_over.clone(), left },
    }
}

/// The rest that a step leaves if it doesn't take an old key out of use.
fn not_taken(step: &Step) -> Option<Leftover> {
    match step {
        Step::SuspendKey(id) => Some(Leftover::ActiveKey(id.clone())),
        Step::Remove(removal) => Some(Leftover::Removable(removal.clone())),
        _ => None,
    }
}

/// Fails if another run suspended a key meanwhile, or gave the user one: the person
/// has either the one or the other, so all of them stay.
async fn check_alone(plan: &Plan<Rotate>, handed_over: &HandedOver) -> Result<(), Failed> {
    let Plan { run, work, .. } = plan;
    let keys = iam::access_keys(run).await.map_err(|error| {
        let left = plan.retiring().filter_map(not_taken).collect();
        not_retired(handed_over, error.into(), left)
    })?;
    if let Err(error) = check_none_suspended(plan, &keys) {
        let active = keys.iter().filter(|key| key.is_active);
        let left = active.map(|key| Leftover::ActiveKey(key.id.clone())).collect();
        return Err(Failed {
            error: error.context("the new key was delivered, and no old one was deleted"),
            state: State::HandedOver { key: handed_over.clone(), left },
        });
    }
    let others = keys.iter().filter(|key| {
        key.id != handed_over.access_key_id && work.before.iter().all(|old| old.id != key.id)
    });
    let left: Vec<_> = others.map(KeyInfo::unclear).collect();
    if left.is_empty() {
        return Ok(());
    }
    let error = anyhow!(
        "another run gave user {} an access key meanwhile, so all keys stay",
        run.target.user
    );
    Err(not_retired(handed_over, error, left))
}

/// The outcome of a plan all of whose steps are taken.
fn rotated(plan: &Plan<Rotate>, handed_over: HandedOver, notes: Vec<String>) -> Rotated {
    let Plan { run, work, preview } = plan;
    let mut rotated = Rotated {
        target: run.target.clone(),
        key: handed_over,
        deleted_keys: Vec::new(),
        suspended_keys: Vec::new(),
        kept_keys: Vec::new(),
        notes: [preview.notes.clone(), notes].concat(),
    };
    for key in &work.before {
        let id = key.id.clone();
        let deletions =
            [Step::DeleteSuspendedKey(id.clone()), Step::Remove(Removal::AccessKey(id.clone()))];
        let is_deleted = deletions.iter().any(|step| preview.steps.contains(step));
        if is_deleted {
            rotated.deleted_keys.push(id);
        } else if !key.is_active || preview.steps.contains(&Step::SuspendKey(id.clone())) {
            rotated.notes.push(format!(
                "the old access key {id} is suspended; --resume reactivates it, \
                 and the next --rotate-key deletes it"
            ));
            rotated.suspended_keys.push(id);
        } else {
            rotated.notes.push(format!("the old access key {id} still works"));
            rotated.kept_keys.push(id);
        }
    }
    rotated
}
