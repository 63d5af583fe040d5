//! The rotate workflow: a new access key in place of the old ones. What is done is
//! planned here, and carried out in `applying`.

use anyhow::Result;

use crate::access::{Grant, GrantChange, Target, grant_of_scripts};
use crate::aws::Run;
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::handover::{self, Handover};
use crate::iam::{self, KeyInfo, User};
use crate::step::Step;
use crate::workflows::error::Error;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::{Purpose, ended_note, find_ours, set_access_hint};
use crate::workflows::plan::{Plan, Preview};

pub use applying::apply;
pub use old_keys::OldKeys;
use old_keys::{Retirement, surplus_key};
use renewal::Renewal;

mod applying;
mod old_keys;
mod renewal;

/// The way in which a key is replaced.
#[derive(Debug, Clone)]
pub struct RotateOptions {
    /// The way in which the new key is handed over.
    pub handover: handover::HandoverOptions,
    /// The fate of the old keys.
    pub old_keys: OldKeys,
    /// The change of the user's access that comes with the new key.
    pub access: GrantChange,
}

/// A rotate run: the keys to replace, and the way to do it.
pub struct Rotate {
    /// The user as it was looked at.
    user: User,
    /// The keys that the user had when it was looked at.
    before: Vec<KeyInfo>,
    /// The ID of the suspended key that is deleted before, to make room.
    surplus: Option<String>,
    /// The keys to take out of use after.
    retiring: Vec<Retirement>,
    old_keys: OldKeys,
    handover: Handover,
    /// The user's access, if the handover needs to know it.
    grant: Option<Grant>,
    /// The change of that access, if it changes.
    renewal: Option<Renewal>,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// room for another key, and changes nothing.
///
/// For a kit, and to verify the key, the user's policy must be as `create` or
/// `update` make it.
pub async fn plan(run: &Run, options: &RotateOptions) -> Result<Plan<Rotate>, Error> {
    Ok(plan_rotation(run, options).await?)
}

async fn plan_rotation(run: &Run, options: &RotateOptions) -> Result<Plan<Rotate>> {
    let RotateOptions { old_keys, .. } = *options;
    let handover = Handover::another(&options.handover, &run.target.user)?;
    let renewal = Renewal::plan(run, &options.access).await?;
    let (run, mut holdings) = find_ours(run, Purpose::GiveKey).await?;
    let before = iam::access_keys(&run).await?;
    let surplus = surplus_key(&run, &before, old_keys).await?;
    holdings.read_our_policies(&run).await?;
    if holdings.our_policies_read().is_empty() {
        return Err(no_policy(&run, &handover).into());
    }
    let grant = match &renewal {
        Some(renewal) => {
            if handover.needs_grant() {
                check_not_ended(&run.target, renewal.grant())?;
            }
            Some(renewal.grant().clone())
        }
        None if handover.needs_grant() => Some(readable_grant(&holdings)?),
        None => None,
    };
    let mut retiring = Vec::new();
    for key in &before {
        if surplus.as_ref() != Some(&key.id) {
            retiring.extend(old_keys.retirement(key));
        }
    }
    let mut preview = Preview::new(&run.target, Vec::new());
    if let Some(renewal) = &renewal {
        preview = renewal.update().preview.clone();
    } else {
        preview.notes.extend(ended_note(&holdings));
    }
    let steps = &mut preview.steps;
    steps.extend(surplus.clone().map(Step::DeleteSuspendedKey));
    steps.push(Step::CreateAccessKey(run.target.user.to_string()));
    steps.extend(handover.steps(&run.target, grant.as_ref()));
    steps.extend(retiring.iter().map(Retirement::step));
    if !before.is_empty() && before.iter().all(|key| !key.is_active) {
        let note = format!("user {} was suspended; the new key restores access", run.target.user);
        preview.notes.push(note);
    }
    let Holdings { user, .. } = holdings;
    let work = Rotate { user, before, surplus, retiring, old_keys, handover, grant, renewal };
    Ok(Plan { preview, run, work })
}

fn no_policy(run: &Run, handover: &Handover) -> Hinted {
    let message = format!("user {} has no policy, so a key would give no access", run.target.user);
    let start_over = commands::start_over(&run.target, &handover.existing_files());
    Hinted::new(message, Hint::start_over(start_over))
}

/// Reads the user's access, which a kit and `--verify` must know. Fails if its policy
/// can't be read back, or its access has ended.
fn readable_grant(holdings: &Holdings) -> Result<Grant> {
    let target = &holdings.target;
    let user = &target.user;
    let ours = holdings.our_policies_read();
    if ours.iter().all(|policy| holdings.is_of_scripts(policy)) {
        let message = format!(
            "user {user} has the policies of the Python scripts, which allow less than a kit and \
             its test need; replace them first"
        );
        return Err(Hinted::new(message, set_access_hint(target, &grant_of_scripts())).into());
    }
    let policy = holdings.sole_access_policy(&ours)?;
    // A kit must not lead to a folder that is in doubt.
    holdings.folder()?;
    let Some(grant) = holdings.grant_by(policy) else {
        let message = format!(
            "policy {} is not as create_s3_user writes it, so it is not known \
             what the key should give access to",
            policy.name
        );
        return Err(Hinted::new(message, set_access_hint(target, &Grant::default())).into());
    };
    check_not_ended(target, &grant)?;
    Ok(grant)
}

/// Fails if access has ended: a kit would open nothing.
fn check_not_ended(target: &Target, grant: &Grant) -> Result<()> {
    let user = &target.user;
    if let Some(ended) = grant.ended() {
        let extend = commands::create_s3_user(target, "--update").with(&["--expires", "WHEN"]);
        let hint = Hint::run("restore it first", extend);
        return Err(Hinted::new(
            format!("the access of user {user} ended on {}", ended.in_words()),
            hint,
        )
        .into());
    }
    Ok(())
}
