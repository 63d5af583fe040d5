//! The rotate workflow: a new access key in place of the old ones.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail, ensure};

use crate::access::{Grant, PolicyDocument, grant_of_scripts};
use crate::aws::Run;
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::handover::{self, HandedOver, Handover};
use crate::iam::{self, KeyInfo, User};
use crate::removal::{Leftover, Removal};
use crate::step::Step;
use crate::workflows::new_key::NewKey;
use crate::workflows::outcome::{Failed, Rotated, State};
use crate::workflows::plan::{Plan, Preview};
use crate::workflows::provenance::{
    Purpose, access_policy, check_same, ended_note, find_ours, held_policies, take_those_of_scripts,
};
use crate::workflows::remove::remove;
use crate::workflows::undo::Undo;

pub use old_keys::OldKeys;
use old_keys::surplus;

mod old_keys;

/// How a key is replaced.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the new key is handed over.
    pub handover: handover::Options,
    /// What becomes of the old keys.
    pub old_keys: OldKeys,
}

/// What a rotate run replaces, and how.
pub struct Rotate {
    /// The user as it was looked at.
    user: User,
    /// The keys that the user had when it was looked at.
    before: Vec<KeyInfo>,
    old_keys: OldKeys,
    handover: Handover,
    /// What the user may do, where that must be known.
    grant: Option<Grant>,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// room for another key, and changes nothing.
///
/// For a kit, and to verify the key, the user's policy must be as `create` or
/// `update` make it.
pub async fn plan(run: &Run, options: &Options) -> Result<Plan<Rotate>> {
    let handover = Handover::another(&options.handover, &run.target.user)?;
    let (run, user) = find_ours(run, Purpose::GiveKey).await?;
    let keys = iam::access_keys(&run).await?;
    let surplus = surplus(&run, &keys, options.old_keys).await?;
    if held_policies(&run).await?.is_empty() {
        return Err(no_policy(&run, &handover).into());
    }
    let grant = if handover.needs_grant() { Some(grant(&run).await?) } else { None };
    let mut steps = Vec::new();
    steps.extend(surplus.map(|key| Step::DeleteSuspendedKey(key.id.clone())));
    steps.push(Step::CreateAccessKey(run.target.user.to_string()));
    steps.extend(handover.steps(&run.target, grant.as_ref()));
    let is_old = |key: &&KeyInfo| surplus.is_none_or(|surplus| surplus.id != key.id);
    let retire = |key| options.old_keys.retire(key);
    steps.extend(keys.iter().filter(is_old).filter_map(retire));
    let mut preview = Preview::new(&run.target, steps);
    preview.notes.extend(note_on_suspended(&run, &keys));
    preview.notes.extend(ended_note(&run, &user).await?);
    Ok(Plan {
        preview,
        run,
        work: Rotate { user, before: keys, old_keys: options.old_keys, handover, grant },
    })
}

fn note_on_suspended(run: &Run, keys: &[KeyInfo]) -> Option<String> {
    let is_suspended = !keys.is_empty() && keys.iter().all(|key| !key.is_active);
    is_suspended
        .then(|| format!("user {} is suspended; the new key gives access again", run.target.user))
}

fn no_policy(run: &Run, handover: &Handover) -> Hinted {
    let message = format!("user {} has no policy, so a key would give no access", run.target.user);
    let start_over = commands::start_over(&run.target, &handover.existing_files());
    Hinted::new(message, Hint::run_if_alone(start_over))
}

fn set_access_hint(run: &Run, grant: &Grant) -> Hint {
    let words = "to set all of the user's access, run for example";
    Hint::run(words, commands::set_access(&run.target, grant))
}

/// What the user may do, until when.
async fn grant(run: &Run) -> Result<Grant> {
    let held = held_policies(run).await?;
    let mut today = held.clone();
    take_those_of_scripts(run, &mut today);
    if today.is_empty() && !held.is_empty() {
        let message = format!(
            "user {} has the policies of the Python scripts, which allow less than a kit and \
             its test need; replace them first",
            run.target.user
        );
        return Err(Hinted::new(message, set_access_hint(run, &grant_of_scripts())).into());
    }
    let policy = access_policy(run, held)?;
    let Some(grant) = PolicyDocument::grant(&policy.text, &run.target, &run.aws.region) else {
        let message = format!(
            "policy {} is not as create_s3_user writes it, so it is not known \
             what the key should give access to",
            policy.name
        );
        return Err(Hinted::new(message, set_access_hint(run, &Grant::default())).into());
    };
    if let Some(ended) = grant.ended() {
        let message = format!("access of user {} ended at {ended}", run.target.user);
        let update = commands::create_s3_user(&run.target, "--update");
        let extend = update.with(&["--expires", "WHEN"]);
        return Err(Hinted::new(message, Hint::run("extend it first", extend)).into());
    }
    Ok(grant)
}

/// Makes the new key, hands it over, and then takes the old ones out of use.
///
/// If anything fails before the new key is handed over, and when cancelled
/// before, the new key is deleted and an old one that works still does: the only
/// one that may be gone then was suspended. If an old one can't be taken out of
/// use after that, the new one works and the old one is `left`.
pub async fn apply(plan: &Plan<Rotate>) -> Result<Rotated, Failed> {
    let Plan { run, work, .. } = plan;
    let undo = Undo::of(run);
    let (before, grant) = (ids(&work.before), work.grant.as_ref());
    let key = NewKey::reserve(run, &undo, &work.handover, Some(&before), grant)?;
    make_room(plan).await?;
    let (handed_over, notes) = match hand_over(plan, key).await {
        Ok(handed_over) => handed_over,
        Err(error) => return Err(undo.unwind(after_making_room(plan, error)).await),
    };
    retire_old_keys(plan, &handed_over).await?;
    Ok(rotated(plan, handed_over, notes))
}

fn ids(keys: &[KeyInfo]) -> Vec<String> {
    keys.iter().map(|key| key.id.clone()).collect()
}

impl Plan<Rotate> {
    /// The steps that take old keys out of use once the new one is handed over.
    fn retiring(&self) -> impl Iterator<Item = &Step> {
        let is_retiring = |step: &&Step| matches!(step, Step::Remove(_) | Step::SuspendKey(_));
        self.preview.steps.iter().filter(is_retiring)
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
    let states = |keys: &[KeyInfo]| {
        let there = keys.iter().filter(|key| gone != Some(&key.id));
        there.map(|key| (key.id.clone(), key.is_active)).collect::<BTreeMap<_, _>>()
    };
    ensure!(
        states(&now) == states(&plan.work.before),
        "the access keys of user {} have changed since they were looked at; run the same command again",
        plan.run.target.user
    );
    Ok(())
}

/// Fails if a key of the user was suspended since the plan was made, even the new
/// one: whoever did that wants none to work.
fn check_none_suspended(plan: &Plan<Rotate>, now: &[KeyInfo]) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let was_suspended =
        |key: &KeyInfo| work.before.iter().any(|old| old.id == key.id && !old.is_active);
    match now.iter().find(|key| !key.is_active && !was_suspended(key)) {
        None => Ok(()),
        Some(key) => bail!(
            "access key {} of user {} was suspended meanwhile; \
             if the user is to have access again, run the same command again",
            key.id,
            run.target.user
        ),
    }
}

/// An error that came after room was made, with what is gone.
fn after_making_room(plan: &Plan<Rotate>, error: anyhow::Error) -> anyhow::Error {
    match plan.surplus() {
        Some(id) => error.context(format!(
            "suspended access key {id} was deleted to make room, all others stay"
        )),
        None => error,
    }
}

/// Creates the key and gives it to the person. Returns what the admin should know
/// besides, too.
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
    // What a suspended key doesn't open says nothing else of it.
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

/// That something failed once the person had the new key.
fn not_retired(handed_over: &HandedOver, error: anyhow::Error, left: Vec<Leftover>) -> Failed {
    Failed {
        error: error.context("the new key was delivered, but the old one may still work"),
        state: State::HandedOver { key: handed_over.clone(), left },
    }
}

/// What is left where a step that takes an old key out of use was not taken.
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
    let is_known = |key: &&KeyInfo| {
        key.id == handed_over.access_key_id || work.before.iter().any(|old| old.id == key.id)
    };
    let others = keys.iter().filter(|key| !is_known(key));
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

/// What came of a plan all of whose steps are taken.
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
        let is_taken = |step: Step| preview.steps.contains(&step);
        if is_taken(Step::DeleteSuspendedKey(id.clone()))
            || is_taken(Step::Remove(Removal::AccessKey(id.clone())))
        {
            rotated.deleted_keys.push(id);
        } else if !key.is_active || is_taken(Step::SuspendKey(id.clone())) {
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
