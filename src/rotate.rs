//! The rotate workflow: a new access key in place of the old ones.

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::commands;
use crate::grant::Grant;
use crate::handover::{self, Granted, Handover};
use crate::iam;
use crate::made::NewKey;
use crate::names::Target;
use crate::owner::{access_policy, find_ours, held_policies};
use crate::policy::PolicyDocument;
use crate::report::{Failed, HandedOver, Hinted, Interrupted, Leftover, PlanReport, Rotated, Step};

/// How many access keys IAM lets a user have.
const MOST_KEYS: usize = 2;

/// How a key is replaced.
#[derive(Clone)]
pub struct Options {
    /// How the new key is handed over.
    pub handover: handover::Options,
    /// Whether the old keys stay.
    pub keep_old_keys: bool,
}

/// What [`apply`] will do, found out without changing anything.
#[derive(Clone)]
pub struct Plan {
    aws: Aws,
    target: Target,
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
pub async fn plan(aws: &Aws, target: &Target, options: &Options) -> Result<Plan> {
    let handover = Handover::plan_another(&options.handover, &target.user)?;
    let (aws, _) = find_ours(aws, target).await?;
    let old_keys = iam::access_keys(&aws, &target.user).await?;
    if old_keys.len() >= MOST_KEYS {
        return Err(no_room(&aws, target, &old_keys).await.into());
    }
    if held_policies(&aws, &target.user).await?.is_empty() {
        return Err(Hinted {
            message: format!(
                "user {} has no policy, so a key would open nothing",
                target.user
            ),
            hint: format!(
                "to make the user anew, run first: {}",
                commands::remove_user(&target.bucket, &target.user, &aws.options)
            ),
        }
        .into());
    }
    let grant = match handover.needs_grant() {
        true => Some(grant_of(&aws, target).await?),
        false => None,
    };
    if let Some(ended) = grant.as_ref().and_then(Grant::ended) {
        return Err(Hinted {
            message: format!("access of user {} ended at {ended}", target.user),
            hint: format!(
                "give it again first: {} --expires WHEN --access ...",
                commands::create("--update", target, &aws.options)
            ),
        }
        .into());
    }
    Ok(Plan {
        aws,
        target: target.clone(),
        old_keys,
        keep_old_keys: options.keep_old_keys,
        handover,
        grant,
    })
}

async fn no_room(aws: &Aws, target: &Target, keys: &[String]) -> Hinted {
    let mut described = Vec::new();
    for id in keys {
        let used = iam::last_used(aws, id).await;
        let used = used.unwrap_or_else(|_| "last use unknown".to_owned());
        described.push(format!("{id} ({used})"));
    }
    Hinted {
        message: format!(
            "user {} has two access keys already, as many as IAM takes: {}",
            target.user,
            described.join(" and ")
        ),
        hint: format!(
            "delete the one not in use: {}",
            commands::delete_key("ACCESS_KEY_ID", &target.user, &aws.options)
        ),
    }
}

async fn grant_of(aws: &Aws, target: &Target) -> Result<Grant> {
    let held = access_policy(aws, &target.user).await?;
    PolicyDocument::grant(&held.text, target, &aws.region).with_context(|| {
        format!(
            "policy {} is not as create_s3_user writes it, so what the key should open is not known; \
             first give the access it should have with: {} --access ...",
            held.name,
            commands::create("--update", target, &aws.options)
        )
    })
}

impl Plan {
    /// The plan as data, for `--dry-run --json`.
    pub fn report(&self) -> PlanReport {
        PlanReport::new(&self.target, &self.steps(), None)
    }

    /// What will be done, in order.
    pub fn steps(&self) -> Vec<Step> {
        let old_keys = self.to_delete().iter().cloned();
        [Step::CreateAccessKey(self.target.user.to_string())]
            .into_iter()
            .chain(self.handover.steps(&self.target))
            .chain(old_keys.map(Step::DeleteAccessKey))
            .collect()
    }

    fn to_delete(&self) -> &[String] {
        match self.keep_old_keys {
            true => &[],
            false => &self.old_keys,
        }
    }
}

/// Makes the new key, hands it over, and then deletes the old ones.
///
/// If anything fails before the new key is handed over, and when cancelled
/// before, the new key is deleted and the old ones still work. If an old one
/// can't be deleted after that, the new one works and the old one is `left`.
pub async fn apply(
    plan: &Plan,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
) -> Result<Rotated, Failed> {
    let Plan { aws, target, .. } = plan;
    let mut key = NewKey::not_yet(aws, target, &plan.old_keys);
    let mut left = Vec::new();
    let handed_over = match hand_over(plan, &mut key, cancel, on_step, &mut left).await {
        Ok(handed_over) => handed_over,
        Err(error) => {
            let list = commands::list_keys(&target.user, &aws.options);
            let remove_with = match key.id() {
                Some(id) => commands::delete_key(id, &target.user, &aws.options),
                None => format!(
                    "{list}; {}",
                    commands::delete_key("ACCESS_KEY_ID", &target.user, &aws.options)
                ),
            };
            left.extend(key.undo(&remove_with, on_step).await);
            return Err(Failed {
                left,
                ..Failed::from(error)
            });
        }
    };
    for id in plan.to_delete() {
        let deleted = iam::delete_access_key(aws, &target.user, id).await;
        deleted.map_err(|error| Failed {
            error: anyhow::Error::from(error).context("the new key is handed over"),
            left: vec![Leftover {
                what: format!("the former access key {id} of user {}", target.user),
                remove_with: commands::delete_key(id, &target.user, &aws.options),
            }],
            handed_over: Some(handed_over.clone()),
        })?;
        on_step(&Step::DeleteAccessKey(id.clone()));
    }
    let (deleted_keys, kept_keys) = match plan.keep_old_keys {
        true => (Vec::new(), plan.old_keys.clone()),
        false => (plan.old_keys.clone(), Vec::new()),
    };
    Ok(Rotated {
        user: target.user.to_string(),
        bucket: target.bucket.to_string(),
        prefix: target.prefix().to_string(),
        key: handed_over,
        deleted_keys,
        notes: kept_keys
            .iter()
            .map(|id| format!("the former access key {id} still works"))
            .collect(),
        kept_keys,
    })
}

async fn hand_over(
    plan: &Plan,
    new_key: &mut NewKey<'_>,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
    left: &mut Vec<Leftover>,
) -> Result<HandedOver> {
    let Plan { aws, target, .. } = plan;
    let reserved = plan.handover.reserve()?;
    Interrupted::check(cancel)?;
    let key = new_key.create(cancel).await;
    Interrupted::check(cancel)?;
    let key = key?;
    on_step(&Step::CreateAccessKey(target.user.to_string()));
    let granted = Granted {
        aws,
        target,
        grant: plan.grant.as_ref(),
    };
    plan.handover
        .deliver(reserved, &key, &granted, cancel, on_step, left)
        .await?;
    Ok(HandedOver::new(&key, &plan.handover))
}
