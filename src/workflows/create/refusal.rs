//! Errors for users and policies that can't be created, mostly because they already exist,
//! with hints at what to do.

use anyhow::{Result, bail};

use crate::access::{NewUser, Target, boundary_name};
use crate::aws::{AwsError, Refuser, Run};
use crate::commands::{self, Command};
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::handover::Handover;
use crate::iam::{self, KeyInfo, PolicyInfo, User};
use crate::step::{named_keys, named_users};
use crate::workflows::holdings::{Holdings, Owner};
use crate::workflows::ours::is_unused_and_ours;

/// The error for a user that already exists, with hints at what to do.
pub(super) async fn user_exists(run: &Run, user: &User, handover: &Handover) -> anyhow::Error {
    refusal(run, user, handover).await.unwrap_or_else(|error| error)
}

async fn refusal(run: &Run, user: &User, handover: &Handover) -> Result<anyhow::Error> {
    let Target { user: name, .. } = &run.target;
    if user.name != name.as_str() {
        bail!(
            "user {name} can't be made: there is a user {}, and IAM user names must differ in more \
             than case",
            user.name
        );
    }
    let holdings = Holdings::find(run, user.clone()).await?;
    let reason = match holdings.owner() {
        Owner::ThisBucket | Owner::Edited(_) => {
            return our_user_exists(run, holdings, handover).await;
        }
        Owner::OtherBucket(belongs, _) => belongs,
        Owner::NotOurs(_) => "was not created by create_s3_user".to_owned(),
    };
    let message = format!("user {name} already exists, and {reason}");
    let hint = Hint::new("choose another name for the new user");
    Ok(Hinted::new(message, hint).of_kind(ErrorKind::AlreadyExists).into())
}

/// Says of a file in the way of the new key that its user is gone.
pub(super) fn old_key(error: anyhow::Error, target: &Target) -> anyhow::Error {
    let mut hinted = match error.downcast::<Hinted>() {
        Ok(hinted) if hinted.kind == ErrorKind::FileExists => hinted,
        Ok(other) => return other.into(),
        Err(other) => return other,
    };
    for hint in &mut hinted.hints {
        hint.words = format!(
            "there is no user {}, so this is an old key or kit, or one of another account; to keep \
             it under another name, run",
            target.user
        );
    }
    hinted.into()
}

/// The error for a user of ours that already exists, which depends on its keys and policies.
/// Reads the policies if that wasn't done yet.
async fn our_user_exists(
    run: &Run,
    mut holdings: Holdings,
    handover: &Handover,
) -> Result<anyhow::Error> {
    let Target { bucket, user: name, .. } = &run.target;
    let keys = match iam::access_keys(run).await {
        Err(error) if error.is_missing() => {
            bail!("user {name} existed a moment ago and is gone: another run is working on it")
        }
        keys => keys?,
    };
    let knows_policies = holdings.read_our_policies(run).await.is_ok();
    let lacks_policy = knows_policies && holdings.our_policies_read().is_empty();
    let state = if keys.is_empty() {
        "without an access key: it was deleted, or a run was interrupted or is still under way"
            .to_owned()
    } else {
        let but = if lacks_policy { " but without an access policy" } else { "" };
        format!("with {}{but}", described(&keys))
    };
    let message = format!("user {name} already exists for bucket {bucket}, {state}");
    let start_over = commands::start_over(&run.target, &handover.existing_files());
    if keys.is_empty() || lacks_policy {
        let mut hinted = Hinted::new(message, Hint::start_over(start_over));
        if !lacks_policy {
            let new_key = commands::create_s3_user(&run.target, "--rotate-key");
            let hint = Hint::run("if no other run is working on it, for a new key run", new_key);
            hinted.hints.insert(0, hint);
        }
        return Ok(hinted.of_kind(ErrorKind::AlreadyExists).into());
    }
    // If the policies couldn't be read, the admin gets all the hints.
    Ok(UserExists {
        message,
        hints: hints_for_existing(&run.target, &keys, start_over),
        target: holdings.target,
        keys_if_complete: knows_policies.then(|| keys.into_iter().map(|key| key.id).collect()),
    }
    .into())
}

fn described(keys: &[KeyInfo]) -> String {
    named_keys(&keys.iter().map(KeyInfo::in_words).collect::<Vec<_>>())
}

/// The error for a user of ours that already exists with a key and, as far as can be read, a
/// policy.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct UserExists {
    message: String,
    pub hints: Vec<Hint>,
    /// The user with its folder.
    pub target: Target,
    /// The IDs of its access keys; `None` if its policies couldn't be read.
    pub keys_if_complete: Option<Vec<String>>,
}

fn hints_for_existing(target: &Target, keys: &[KeyInfo], start_over: Command) -> Vec<Hint> {
    let mut hints = Vec::new();
    if keys.iter().all(|key| !key.is_active) {
        let resume = commands::create_s3_user(target, "--resume");
        hints.push(Hint::run("to resume access", resume));
    }
    let change = commands::create_s3_user(target, "--update").with_more();
    hints.push(Hint::run("for a new key", commands::create_s3_user(target, "--rotate-key")));
    hints.push(Hint::run("to change access", change));
    hints.push(Hint::run("to start over, first run", start_over));
    hints
}

/// The error for a policy that already exists, with a hint if a run may have left it behind.
pub(super) async fn policy_exists(run: &Run, found: &PolicyInfo, error: AwsError) -> anyhow::Error {
    if found.uses > 0
        && let Ok(users) = iam::policy_users(run, &found.arn).await
        && !users.is_empty()
    {
        let names = users.iter().map(|(_, name)| name);
        let message = format!("{error}; it is attached to {}", named_users(names));
        let hint = Hint::new(
            "if that user was renamed in IAM, it may still have this folder: choose another name",
        );
        return Hinted::new(message, hint).of_kind(ErrorKind::AlreadyExists).into();
    }
    if !is_unused_and_ours(run, found).await.unwrap_or(false) {
        return error.into();
    }
    let message = format!(
        "{error}; it belongs to no user: an earlier run was interrupted, or another one is under way"
    );
    // Without STS, delete_s3_user can't find a policy that belongs to no user.
    let command = if run.aws.sts.is_some() {
        commands::delete_user(&run.target.bucket, run.user())
    } else {
        commands::delete_policy(&found.arn)
    };
    let hint = Hint::run_if_alone(command);
    Hinted::new(message, hint).of_kind(ErrorKind::AlreadyExists).into()
}

/// The error for a user that couldn't be created, with a hint if a permissions boundary may
/// be required.
pub(super) async fn create_refused(
    run: &Run,
    new_user: &NewUser,
    error: AwsError,
) -> anyhow::Error {
    let is_candidate = error.is_forbidden()
        && error.refuser() != Some(Refuser::Organization)
        && new_user.permissions_boundary.is_none();
    if is_candidate
        && let boundary = boundary_name(&run.target.bucket)
        && let Some(arn) = iam::policy_arn_of_caller(run, &boundary).await
        && let Ok(Some(_)) = iam::get_policy(run, &arn).await
    {
        let words = "if you may create users only within this bucket's permissions boundary, add";
        return Hinted::new(error.to_string(), Hint::run(words, commands::as_delegate())).into();
    }
    error.into()
}

/// The error for a policy that couldn't be created, with a hint if a quota was reached.
pub(super) fn at_quota(error: AwsError) -> anyhow::Error {
    if !error.is_at_quota() {
        return error.into();
    }
    let hint = "use --inline-policy, which this quota doesn't limit";
    Hinted::new(error.to_string(), Hint::new(hint)).into()
}
