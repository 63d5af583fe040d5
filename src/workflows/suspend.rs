//! The suspend workflow: a user's access keys made inactive, or active again.
//! Policy, folder and user stay as they are.

use anyhow::{Context, Result, bail, ensure};

use super::outcome::{Failed, Suspended};
use super::plan::{Plan, Preview};
use super::provenance::{Purpose, ended_note, find_ours};
use crate::aws::Run;
use crate::commands::create_s3_user;
use crate::errors::{Hint, Hinted};
use crate::iam::{self, KeyInfo, User};
use crate::step::{Step, named_keys};

/// What becomes of a user's access keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// They are made inactive.
    Suspend,
    /// They are made active again.
    Resume,
}

/// What a suspend run changes.
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
pub async fn plan(run: &Run, direction: Direction) -> Result<Plan<Suspend>> {
    let suspends = direction == Direction::Suspend;
    let purpose = if suspends { Purpose::Suspend } else { Purpose::GiveKey };
    let (run, user) = find_ours(run, purpose).await?;
    let keys = iam::access_keys(&run).await?;
    let notes = if suspends {
        check_not_own(&run, &keys)?;
        Vec::new()
    } else {
        check_any(&run, &keys)?;
        notes_on_resuming(&run, &user, &keys).await?
    };
    let (changing, unchanged): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|key| key.is_active == suspends);
    let changing = ids(changing);
    let step = if suspends { Step::SuspendKey } else { Step::ResumeKey };
    let steps = changing.iter().cloned().map(step).collect();
    let mut preview = Preview::new(&run.target, steps);
    preview.notes = notes;
    Ok(Plan { preview, run, work: Suspend { direction, changing, unchanged: ids(unchanged) } })
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

fn check_any(run: &Run, keys: &[KeyInfo]) -> Result<()> {
    if !keys.is_empty() {
        return Ok(());
    }
    let message = format!("user {} has no access key to resume", run.target.user);
    let rotate = create_s3_user(&run.target, "--rotate-key");
    Err(Hinted::new(message, Hint::run("for a new key", rotate)).into())
}

/// What the admin may not expect of the user's access afterwards.
async fn notes_on_resuming(run: &Run, user: &User, keys: &[KeyInfo]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let [one, another] = keys {
        notes
            .push(format!("--resume leaves two active access keys: {} and {}", one.id, another.id));
    }
    notes.extend(ended_note(run, user).await?);
    Ok(notes)
}

/// Changes one key after the other. Running it again finishes.
///
/// Fails too if a suspended user was given another key meanwhile.
pub async fn apply(plan: &Plan<Suspend>) -> Result<Suspended, Failed> {
    let Plan { run, work, preview } = plan;
    for (index, step) in preview.steps.iter().enumerate() {
        take(run, step).await.with_context(|| work.unfinished(&work.changing[index..]))?;
    }
    let suspends = work.direction == Direction::Suspend;
    if suspends && !work.changing.is_empty() {
        check_no_other(plan).await?;
    }
    Ok(Suspended {
        target: run.target.clone(),
        suspended: suspends,
        changed_keys: work.changing.clone(),
        unchanged_keys: work.unchanged.clone(),
        notes: preview.notes.clone(),
    })
}

async fn take(run: &Run, step: &Step) -> Result<()> {
    run.go_on()?;
    let taken = match step {
        Step::SuspendKey(id) => iam::suspend_access_key(run, id).await,
        Step::ResumeKey(id) => iam::resume_access_key(run, id).await,
        _ => bail!("{step} is no step of suspending or resuming"),
    };
    run.unless_interrupted(taken)?;
    run.done(step);
    Ok(())
}

impl Suspend {
    /// What state these keys are in, as far as is known.
    fn unfinished(&self, keys: &[String]) -> String {
        let keys = named_keys(keys);
        match self.direction {
            Direction::Suspend => {
                format!("{keys} may still work; running the same command again continues")
            }
            Direction::Resume => {
                format!("{keys} may still be suspended; running the same command again continues")
            }
        }
    }
}

/// Fails if the user has a key that works and that the plan knew nothing of.
/// What the list says of the others may be out of date.
async fn check_no_other(plan: &Plan<Suspend>) -> Result<()> {
    let Plan { run, work, .. } = plan;
    let keys = iam::access_keys(run).await.with_context(|| {
        format!(
            "access key {} is suspended, but user {} may have another one by now",
            work.changing.join(" and "),
            run.target.user
        )
    })?;
    let works = |key: &&KeyInfo| key.is_active && !work.changing.contains(&key.id);
    if let Some(key) = keys.iter().find(works) {
        bail!(
            "user {} got access key {} meanwhile, which works; \
             running the same command again suspends it",
            run.target.user,
            key.id
        );
    }
    Ok(())
}
