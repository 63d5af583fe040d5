//! Carrying out a rotation: room first, then the new key, and the old ones last.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail, ensure};

use super::{OldKeys, Retirement, Rotate};
use crate::access::Target;
use crate::errors::caught;
use crate::handover::{Delivery, HandedOver};
use crate::iam::{self, KeyInfo};
use crate::removal::Leftover;
use crate::step::Step;
use crate::workflows::new_key::{check_works, create_access_key, deliver};
use crate::workflows::ours::check_same;
use crate::workflows::outcome::{Failed, Rotated, State};
use crate::workflows::plan::Plan;
use crate::workflows::undo::Undo;

/// Makes the new key, hands it over, and then takes the old ones out of use.
///
/// If anything fails before the new key is handed over, and when cancelled
/// before, the new key is deleted and an old one that works still does: the only
/// one that may be gone then was suspended. If an old one can't be taken out of
/// use after that, the new one works and the old one is `left`.
///
/// Access that comes with the new key is changed first, and changed back where the new key
/// is not handed over.
pub async fn apply(plan: &Plan<Rotate>) -> Result<Rotated, Failed> {
    let Some(renewal) = &plan.work.renewal else { return replace_key(plan).await };
    renewal.apply().await?;
    match replace_key(plan).await {
        Ok(rotated) => Ok(rotated),
        Err(failed) => Err(renewal.after(failed).await),
    }
}

async fn replace_key(plan: &Plan<Rotate>) -> Result<Rotated, Failed> {
    let Plan { run, work, preview } = plan;
    let undo = Undo::new(run);
    let delivery = work.handover.reserve()?;
    make_room(plan).await?;
    let (key, notes) = match caught(hand_over(plan, &undo, delivery)).await {
        Ok(handed_over) => handed_over,
        Err(error) => return Err(undo.unwind(work.after_making_room(error)).await),
    };
    let retired = Cell::new(0);
    match caught(async { Ok(retire_old_keys(plan, &key, &retired).await) }).await {
        Ok(ended) => ended?,
        Err(panicked) => {
            let left = work.retiring[retired.get()..].iter().map(Retirement::leftover).collect();
            return Err(not_retired(&key, panicked, left));
        }
    }
    let notes = [&preview.notes[..], &notes].concat();
    Ok(work.outcome(run.target.clone(), key, preview.changes.clone(), notes))
}

/// Deletes the suspended key that the new one takes the place of.
async fn make_room(plan: &Plan<Rotate>) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let Some(id) = &work.surplus else { return Ok(()) };
    check_unchanged(plan, None).await?;
    run.go_on()?;
    run.unless_interrupted(iam::delete_access_key(run, id).await)?;
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

/// Creates the key and gives it to the person. Returns notes for the admin, too.
async fn hand_over(
    plan: &Plan<Rotate>,
    undo: &Undo,
    mut delivery: Delivery,
) -> Result<(HandedOver, Vec<String>)> {
    let Plan { run, work, .. } = plan;
    if let Some(id) = &work.surplus {
        run.done(&Step::DeleteSuspendedKey(id.clone()));
    }
    check_unchanged(plan, work.surplus.as_ref()).await?;
    run.go_on()?;
    let created = create_access_key(run, undo, Some(&work.before)).await;
    let key = run.unless_interrupted(created)?;
    let notes = deliver(run, undo, &mut delivery, &key, work.grant.as_ref()).await?;
    let tested = if work.retiring.is_empty() {
        Ok(())
    } else {
        // Nothing but the new key will work.
        check_works(run, &work.handover, &key).await
    };
    // A key that fails the test since it is suspended is reported as suspended.
    check_none_suspended(plan, &iam::access_keys(run).await?)?;
    tested?;
    run.go_on()?;
    Ok((delivery.finish(&key, &run.target.user)?, notes))
}

/// Takes the old keys out of use, whatever signal comes: the person has the new key.
/// Counts those that are `retired`.
async fn retire_old_keys(
    plan: &Plan<Rotate>,
    handed_over: &HandedOver,
    retired: &Cell<usize>,
) -> Result<(), Failed> {
    let Plan { run, work, .. } = plan;
    if work.old_keys != OldKeys::Keep {
        check_alone(plan, handed_over).await?;
    }
    for old_key in &work.retiring {
        let ended = old_key.carry_out(run).await;
        ended.map_err(|error| not_retired(handed_over, error.into(), vec![old_key.leftover()]))?;
        retired.set(retired.get() + 1);
        run.done(&old_key.step());
    }
    Ok(())
}

/// The failure of something after the person had the new key.
fn not_retired(handed_over: &HandedOver, error: anyhow::Error, left: Vec<Leftover>) -> Failed {
    Failed::new(
        error.context("the new key was delivered, but the old one may still work"),
        State::HandedOver { key: handed_over.clone(), left },
    )
}

/// Fails if another run suspended a key meanwhile, or gave the user one: the person
/// has either the one or the other, so all of them stay.
async fn check_alone(plan: &Plan<Rotate>, handed_over: &HandedOver) -> Result<(), Failed> {
    let Plan { run, work, .. } = plan;
    let keys = iam::access_keys(run).await.map_err(|error| {
        let left = work.retiring.iter().map(Retirement::leftover).collect();
        not_retired(handed_over, error.into(), left)
    })?;
    if let Err(error) = check_none_suspended(plan, &keys) {
        let active = keys.iter().filter(|key| key.is_active);
        let left = active.map(|key| Leftover::ActiveKey(key.id.clone())).collect();
        return Err(Failed::new(
            error.context("the new key was delivered, and no old one was deleted"),
            State::HandedOver { key: handed_over.clone(), left },
        ));
    }
    let others = keys.iter().filter(|key| {
        key.id != handed_over.access_key_id && work.before.iter().all(|old| old.id != key.id)
    });
    let unclear_keys: Vec<_> = others.map(KeyInfo::unclear).collect();
    if unclear_keys.is_empty() {
        return Ok(());
    }
    let error = anyhow!(
        "another run gave user {} an access key meanwhile, so all keys stay",
        run.target.user
    );
    Err(not_retired(handed_over, error, unclear_keys))
}

impl Rotate {
    /// Adds to an error which key was deleted before it to make room.
    fn after_making_room(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.surplus {
            Some(id) => error.context(format!(
                "suspended access key {id} was deleted to make room, all others stay"
            )),
            None => error,
        }
    }

    /// The outcome when everything is done.
    fn outcome(
        &self,
        target: Target,
        key: HandedOver,
        changes: Vec<String>,
        notes: Vec<String>,
    ) -> Rotated {
        let mut rotated = Rotated {
            target,
            key,
            changes,
            deleted_keys: Vec::new(),
            suspended_keys: Vec::new(),
            kept_keys: Vec::new(),
            notes,
        };
        for KeyInfo { id, is_active, .. } in &self.before {
            if self.surplus.as_ref() == Some(id) || self.old_keys == OldKeys::Delete {
                rotated.deleted_keys.push(id.clone());
            } else if !is_active || self.old_keys == OldKeys::Suspend {
                rotated.suspended_keys.push(id.clone());
            } else {
                rotated.notes.push(format!("the old access key {id} still works"));
                rotated.kept_keys.push(id.clone());
            }
        }
        if !rotated.suspended_keys.is_empty() {
            rotated.notes.push(
                "the old access key is suspended; --resume reactivates it, and the next \
                 --rotate-key deletes it, except with --old-key keep"
                    .to_owned(),
            );
        }
        rotated
    }
}
