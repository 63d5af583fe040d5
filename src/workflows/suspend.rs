//! The suspend workflow: a user's access keys made inactive, or active again.
//! Policy, folder and user stay as they are.

use anyhow::{Context, Result, bail, ensure};

use super::error::Error;
use super::holdings::Holdings;
use super::ours::{Purpose, ended_note, find_ours};
use super::outcome::{Failed, Suspended};
use super::plan::{Plan, Preview};
use crate::aws::Run;
use crate::commands::{create_s3_user, delete_user};
use crate::errors::{Hint, Hinted, caught};
use crate::iam::{self, KeyInfo};
use crate::step::{Step, named_keys};

/// The state that a user's access keys are to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// They are made inactive.
    Suspend,
    /// They are made active again.
    Resume,
}

/// A suspend or resume run: the keys to change.
pub struct Suspend {
    direction: Direction,
    /// The IDs of the keys to change.
    changing: Vec<String>,
    /// The IDs of the keys that are already as they should be.
    unchanged: Vec<String>,
}

/// Checks that there is such a user and that it is ours for this bucket, and
/// changes nothing.
///
/// A user without an access key can be suspended, but not resumed.
pub async fn plan(run: &Run, direction: Direction) -> Result<Plan<Suspend>, Error> {
    Ok(plan_suspension(run, direction).await?)
}

async fn plan_suspension(run: &Run, direction: Direction) -> Result<Plan<Suspend>> {
    let (run, mut holdings) = match direction {
        Direction::Suspend => find_ours(run, Purpose::Suspend).await?,
        Direction::Resume => find_ours(run, Purpose::GiveKey).await?,
    };
    let keys = iam::access_keys(&run).await?;
    let mut notes = Vec::new();
    match direction {
        Direction::Suspend => check_not_own(&run, &keys)?,
        Direction::Resume => {
            check_any(&run, &mut holdings, &keys).await?;
            notes.extend(two_keys_note(&keys));
        }
    }
    notes.extend(ended_note(&holdings));
    let (changing, unchanged): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|key| key.is_active == (direction == Direction::Suspend));
    let work = Suspend { direction, changing: ids(changing), unchanged: ids(unchanged) };
    let steps = work.changing.iter().map(|id| direction.step(id)).collect();
    let mut preview = Preview::new(&run.target, steps);
    preview.notes = notes;
    Ok(Plan { preview, run, work })
}

fn ids(keys: Vec<KeyInfo>) -> Vec<String> {
    keys.into_iter().map(|key| key.id).collect()
}

fn check_not_own(run: &Run, keys: &[KeyInfo]) -> Result<()> {
    ensure!(
        keys.iter().all(|key| key.id != run.aws.own_key()),
        "access key {} of user {} is the one that runs this command, so it was not suspended",
        run.aws.own_key(),
        run.target.user
    );
    Ok(())
}

async fn check_any(run: &Run, holdings: &mut Holdings, keys: &[KeyInfo]) -> Result<()> {
    if !keys.is_empty() {
        return Ok(());
    }
    let message = format!("user {} has no access key to resume", run.target.user);
    let knows_policies = holdings.read_our_policies(run).await.is_ok();
    // A new key of such a user would give no access.
    let hint = if knows_policies && holdings.our_policies_read().is_empty() {
        Hint::start_over(delete_user(&run.target.bucket, run.user()))
    } else {
        Hint::run("for a new key", create_s3_user(&run.target, "--rotate-key"))
    };
    Err(Hinted::new(message, hint).into())
}

fn two_keys_note(keys: &[KeyInfo]) -> Option<String> {
    let [one, other] = keys else { return None };
    Some(format!("there are two active access keys: {} and {}", one.id, other.id))
}

/// Changes one key after the other. Running it again finishes.
///
/// Fails too if a suspended user was given another key meanwhile.
pub async fn apply(plan: &Plan<Suspend>) -> Result<Suspended, Failed> {
    let Plan { run, work, preview } = plan;
    for (index, id) in work.changing.iter().enumerate() {
        let changed = caught(work.direction.change(run, id)).await;
        changed.with_context(|| work.unfinished(&work.changing[index..]))?;
    }
    let is_suspended = work.direction == Direction::Suspend;
    if is_suspended && !work.changing.is_empty() {
        check_no_other(plan).await?;
    }
    Ok(Suspended {
        target: run.target.clone(),
        suspended: is_suspended,
        changed_keys: work.changing.clone(),
        unchanged_keys: work.unchanged.clone(),
        notes: preview.notes.clone(),
    })
}

impl Direction {
    fn step(self, id: &str) -> Step {
        match self {
            Self::Suspend => Step::SuspendKey(id.to_owned()),
            Self::Resume => Step::ResumeKey(id.to_owned()),
        }
    }

    async fn change(self, run: &Run, id: &str) -> Result<()> {
        run.go_on()?;
        let changed = match self {
            Self::Suspend => iam::suspend_access_key(run, id).await,
            Self::Resume => iam::resume_access_key(run, id).await,
        };
        run.unless_interrupted(changed)?;
        run.done(&self.step(id));
        Ok(())
    }
}

impl Suspend {
    /// The state that the remaining keys are in, as far as is known.
    fn unfinished(&self, remaining: &[String]) -> String {
        let keys = named_keys(remaining);
        let state = match self.direction {
            Direction::Suspend => "still work",
            Direction::Resume => "still be suspended",
        };
        format!("{keys} may {state}; running the same command again continues")
    }
}

/// Fails if the user has a key that works and that the plan knew nothing of. The
/// list may not yet show that the others are suspended.
async fn check_no_other(plan: &Plan<Suspend>) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let keys = iam::access_keys(run).await.with_context(|| {
        format!(
            "access key {} is suspended, but user {} may have another one by now",
            work.changing.join(" and "),
            run.target.user
        )
    })?;
    let other = keys.iter().find(|key| key.is_active && !work.changing.contains(&key.id));
    if let Some(key) = other {
        bail!(
            "user {} got access key {} meanwhile, which works; \
             running the same command again suspends it",
            run.target.user,
            key.id
        );
    }
    Ok(())
}
