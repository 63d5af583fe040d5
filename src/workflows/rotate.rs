//! The rotate workflow: a new access key in place of the old ones.

use anyhow::{Result, anyhow};

use super::new_key::NewKey;
use super::outcome::{Failed, Rotated};
use super::plan::{Plan, Preview};
use super::provenance::{access_policy, find_ours, held_policies};
use super::undo::Undo;
use crate::access::{Grant, PolicyDocument};
use crate::aws::{AwsError, Run};
use crate::errors::{Hint, Hinted};
use crate::handover::{self, HandedOver, Handover};
use crate::iam::{self, KeyInfo, LastUse};
use crate::step::Step;

/// How many access keys IAM lets a user have.
const MOST_KEYS: usize = 2;

/// How a key is replaced.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the new key is handed over.
    pub handover: handover::Options,
    /// Whether the old keys stay.
    pub keep_old_keys: bool,
}

/// What a rotate run replaces, and how.
pub struct Rotate {
    old_keys: Vec<String>,
    keep_old_keys: bool,
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
    let (run, _) = find_ours(run).await?;
    let keys = iam::access_keys(&run).await?;
    if keys.len() >= MOST_KEYS {
        return Err(no_room(&run, &keys).await.into());
    }
    if held_policies(&run).await?.is_empty() {
        return Err(no_policy(&run, &handover).into());
    }
    let grant = if handover.needs_grant() {
        Some(grant(&run).await?)
    } else {
        None
    };
    let old_keys: Vec<_> = keys.into_iter().map(|key| key.id).collect();
    let mut steps = vec![Step::CreateAccessKey(run.target.user.to_string())];
    steps.extend(handover.steps(&run.target, grant.as_ref()));
    if !options.keep_old_keys {
        steps.extend(old_keys.iter().cloned().map(Step::DeleteAccessKey));
    }
    Ok(Plan {
        preview: Preview::new(&run.target, steps),
        run,
        work: Rotate {
            old_keys,
            keep_old_keys: options.keep_old_keys,
            handover,
            grant,
        },
    })
}

async fn no_room(run: &Run, keys: &[KeyInfo]) -> Hinted {
    let mut described = Vec::new();
    let mut unused = Vec::new();
    for key in keys {
        let used = iam::last_used(run, &key.id).await;
        if matches!(used, Ok(None)) {
            unused.push(key);
        }
        described.push(format!("{} ({})", key.id, in_words(used)));
    }
    // Of two that were never used, the newer one is what an interrupted rotation
    // leaves: nobody has its secret.
    let newest = unused
        .iter()
        .max_by_key(|key| key.created.map(|at| at.secs()));
    Hinted {
        message: format!(
            "user {} has two access keys already, as many as IAM takes: {}",
            run.target.user,
            described.join(" and ")
        ),
        hint: Hint::DeleteAccessKey(newest.map(|key| key.id.clone())),
    }
}

fn in_words(used: Result<Option<LastUse>, AwsError>) -> String {
    match used {
        Err(_) => "last use unknown".to_owned(),
        Ok(None) => "never used".to_owned(),
        Ok(Some(used)) => format!("last used {} for {}", used.at, used.service),
    }
}

fn no_policy(run: &Run, handover: &Handover) -> Hinted {
    Hinted {
        message: format!(
            "user {} has no policy, so a key would give no access",
            run.target.user
        ),
        hint: Hint::StartOver {
            in_the_way: handover.in_the_way(),
        },
    }
}

/// What the user may do, until when.
async fn grant(run: &Run) -> Result<Grant> {
    let held = access_policy(run).await?;
    let Some(grant) = PolicyDocument::grant(&held.text, &run.target, &run.aws.region) else {
        return Err(Hinted {
            message: format!(
                "policy {} is not as create_s3_user writes it, so what the key should give access to \
                 is not known",
                held.name
            ),
            hint: Hint::SetAccess(Grant::default()),
        }
        .into());
    };
    if let Some(ended) = grant.ended() {
        return Err(Hinted {
            message: format!("access of user {} ended at {ended}", run.target.user),
            hint: Hint::ExtendAccess,
        }
        .into());
    }
    Ok(grant)
}

/// Makes the new key, hands it over, and then deletes the old ones.
///
/// If anything fails before the new key is handed over, and when cancelled
/// before, the new key is deleted and the old ones still work. If an old one
/// can't be deleted after that, the new one works and the old one is `left`.
pub async fn apply(plan: &Plan<Rotate>) -> Result<Rotated, Failed> {
    let undo = Undo::of(&plan.run);
    let handed_over = match hand_over(plan, &undo).await {
        Ok(handed_over) => handed_over,
        Err(error) => {
            return Err(Failed {
                left: undo.unwind().await,
                ..Failed::from(error)
            });
        }
    };
    let deleted_keys = delete_old_keys(plan, &handed_over).await?;
    let mut kept_keys = plan.work.old_keys.clone();
    kept_keys.retain(|id| !deleted_keys.contains(id));
    let still_works = |id: &String| format!("the former access key {id} still works");
    Ok(Rotated {
        target: plan.run.target.clone(),
        key: handed_over,
        deleted_keys,
        notes: kept_keys.iter().map(still_works).collect(),
        kept_keys,
    })
}

/// The plan's steps up to the deletion of the old keys.
async fn hand_over(plan: &Plan<Rotate>, undo: &Undo) -> Result<HandedOver> {
    let Plan { run, work, .. } = plan;
    let grant = work.grant.as_ref();
    let key = NewKey::reserve(run, undo, &work.handover, Some(&work.old_keys), grant)?;
    for step in &plan.preview.steps {
        if let Step::DeleteAccessKey(_) = step {
            // Nothing but the new key will be left.
            key.check_known().await?;
            break;
        }
        run.go_on()?;
        let taken = match step {
            Step::CreateAccessKey(_) => key.create().await,
            step => key.take(step).await,
        };
        run.unless_interrupted(taken)?;
        run.done(step);
    }
    run.go_on()?;
    key.finish()
}

/// The rest of the plan's steps, whatever signal comes: the person has the new key.
async fn delete_old_keys(
    plan: &Plan<Rotate>,
    handed_over: &HandedOver,
) -> Result<Vec<String>, Failed> {
    let run = &plan.run;
    let mut deleted = Vec::new();
    if !plan.work.keep_old_keys {
        check_alone(plan, handed_over).await?;
    }
    for step in &plan.preview.steps {
        let Step::DeleteAccessKey(id) = step else {
            continue;
        };
        if let Err(error) = iam::delete_access_key(run, id).await {
            return Err(Failed {
                left: vec![step.clone()],
                handed_over: Some(handed_over.clone()),
                ..anyhow::Error::from(error)
                    .context("the new key is handed over")
                    .into()
            });
        }
        run.done(step);
        deleted.push(id.clone());
    }
    Ok(deleted)
}

/// Fails if another run gave the user a key meanwhile: the person has either
/// the one or the other, so all of them stay.
async fn check_alone(plan: &Plan<Rotate>, handed_over: &HandedOver) -> Result<(), Failed> {
    let run = &plan.run;
    let failed = |error: anyhow::Error, left| Failed {
        left,
        handed_over: Some(handed_over.clone()),
        ..error.context("the new key is handed over").into()
    };
    let keys = match iam::access_keys(run).await {
        Ok(keys) => keys,
        Err(error) => {
            let old = plan.work.old_keys.iter().cloned();
            return Err(failed(
                error.into(),
                old.map(Step::DeleteAccessKey).collect(),
            ));
        }
    };
    let is_known =
        |id: &String| plan.work.old_keys.contains(id) || *id == handed_over.access_key_id;
    let others = keys.iter().filter(|key| !is_known(&key.id));
    let left: Vec<_> = others.map(KeyInfo::delete_unclear).collect();
    if left.is_empty() {
        return Ok(());
    }
    let error = anyhow!(
        "another run gave user {} an access key meanwhile, so all keys stay",
        run.target.user
    );
    Err(failed(error, left))
}
