//! What exists already and is not made again, with the command that clears the
//! way.

use anyhow::{Result, bail};

use crate::access::{NewUser, boundary_name};
use crate::aws::{AwsError, Refuser, Run};
use crate::errors::{Hint, Hinted};
use crate::handover::Handover;
use crate::iam::{self, KeyInfo, PolicyInfo, User};
use crate::step::named_keys;
use crate::workflows::inventory::Owner;
use crate::workflows::provenance::{held_policies, is_unused_and_ours, owner};

/// That the user exists, and what can be done about it.
pub(super) async fn user_exists(run: &Run, user: &User, handover: &Handover) -> anyhow::Error {
    refusal(run, user, handover).await.unwrap_or_else(|error| error)
}

async fn refusal(run: &Run, user: &User, handover: &Handover) -> Result<anyhow::Error> {
    let (bucket, name) = (&run.target.bucket, &run.target.user);
    if user.name != name.as_str() {
        bail!(
            "user {name} can't be made: there is a user {}, and IAM user names must differ in more than case",
            user.name
        );
    }
    match owner(run, user).await? {
        Owner::Nobody(_) => {
            let found = "was not created by create_s3_user";
            return Ok(of_others(format!("user {name} already exists, and {found}")));
        }
        Owner::OtherBucket(found, _) => {
            return Ok(of_others(format!(
                "user {name} already exists, and was not made for bucket {bucket}: {found}"
            )));
        }
        Owner::ThisBucket | Owner::Edited(_) => {}
    }
    let keys = match iam::access_keys(run).await {
        Err(error) if error.is_missing() => {
            bail!("user {name} existed a moment ago and is gone: another run is working on it")
        }
        keys => keys?,
    };
    let is_suspended = keys.iter().all(|key| !key.is_active);
    let ids = keys.iter().map(|key| key.id.clone()).collect();
    let keys: Vec<_> = keys.iter().map(KeyInfo::in_words).collect();
    let in_the_way = handover.in_the_way();
    let held = held_policies(run).await;
    let has_policy = held.as_ref().is_ok_and(|held| !held.is_empty());
    // Who may not read policies is told of all that can be done.
    let is_set_up = !keys.is_empty() && (has_policy || held.is_err());
    let found = if keys.is_empty() {
        "without an access key: an earlier run was interrupted, or another one is under way"
            .to_owned()
    } else {
        format!("with {}", named_keys(&keys))
    };
    Ok(Hinted {
        message: format!("user {name} already exists for bucket {bucket}, {found}"),
        hint: if is_set_up {
            Hint::UserIsSetUp { in_the_way, access_keys: ids, has_policy, is_suspended }
        } else {
            Hint::StartOver { in_the_way }
        },
    }
    .into())
}

fn of_others(message: String) -> anyhow::Error {
    let hint = Hint::OtherName;
    Hinted { message, hint }.into()
}

/// That a policy of that name exists, and what can be done about it.
pub(super) async fn policy_exists(run: &Run, found: &PolicyInfo, error: AwsError) -> anyhow::Error {
    if !is_unused_and_ours(run, found).await.unwrap_or(false) {
        return error.into();
    }
    Hinted {
        message: format!(
            "{error}; it belongs to no user: an earlier run was interrupted, or another one is under way"
        ),
        // Without STS, delete_s3_user finds no policy that has no user.
        hint: if run.aws.sts.is_some() {
            Hint::StartOver {
                in_the_way: Vec::new(),
            }
        } else {
            Hint::DeletePolicy(found.arn.clone())
        },
    }
    .into()
}

/// The error of a user that wasn't made, with the boundary that may be missing.
pub(super) async fn create_refused(
    run: &Run,
    new_user: &NewUser,
    error: AwsError,
) -> anyhow::Error {
    let is_candidate = error.is_refusal()
        && error.refuser() != Some(Refuser::Organization)
        && new_user.permissions_boundary.is_none();
    if is_candidate
        && let Some(account) = iam::account(run).await
        && let arn = format!("{account}:policy/{}", boundary_name(&run.target.bucket))
        && let Ok(Some(_)) = iam::get_policy(run, &arn).await
    {
        return Hinted { message: error.to_string(), hint: Hint::UseBoundary(arn) }.into();
    }
    error.into()
}

/// The error of a policy that wasn't made, with the way around a full account.
pub(super) fn at_quota(error: AwsError) -> anyhow::Error {
    if !error.is_at_quota() {
        return error.into();
    }
    Hinted { message: error.to_string(), hint: Hint::UseInlinePolicy }.into()
}
