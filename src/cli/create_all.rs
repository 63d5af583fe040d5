//! Creating users: all are planned, then asked about where a name looks
//! misspelled, and then created.

use anyhow::anyhow;

use super::notes::names;
use super::{ExitStatus, Job, each};
use crate::access::{Target, UserName, slip_of};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::handover::{Destination, KeyFiles};
use crate::iam::{self, LastUse};
use crate::step::{counted, named_keys};
use crate::workflows::create::{self, Create, UserExists};
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::Skipped;
use crate::workflows::plan::Plan;

/// Creates the users, each with options of its own, up to `at_a_time` at once;
/// those that are set up already fail, or are skipped. Returns how it ended for each, and those not started.
pub async fn create_all<'a>(
    jobs: Vec<(Job<'a>, create::Options)>,
    at_a_time: usize,
    skip_existing: bool,
) -> (Vec<(UserName, ExitStatus)>, Vec<UserName>) {
    let Some((Job { out, signals, run, .. }, options)) = jobs.first() else {
        return Default::default();
    };
    let (out, cancel, run) = (out.of_all(), signals.cancel.clone(), run.clone());
    let to = options.handover.to.clone();
    let line = out.wait_for_response();
    let planned = async |(job, options): (Job<'a>, create::Options)| {
        let plan = job.planned(create::plan(&job.run, &options)).await;
        (job, plan)
    };
    let asked = Everybody::ask(&run.aws, &run.target.bucket);
    let (everybody, (planned, not_started)) =
        tokio::join!(cancel.run_until_cancelled(asked), each(jobs, at_a_time, &cancel, planned));
    let everybody = everybody.unwrap_or_default();
    // Nothing moves at the terminal while somebody is asked.
    drop(line);
    let mut finished = Vec::new();
    let mut plans = Vec::new();
    let mut existing = Vec::new();
    let mut readers = None;
    for (job, plan) in planned {
        let keys = plan.as_ref().err().and_then(keys_if_set_up);
        if skip_existing && let Some(keys) = keys.map(<[_]>::to_vec) {
            existing.push(Existing { job, keys });
            continue;
        }
        let noted = plan.map(|plan| {
            let readers = readers.get_or_insert_with(|| everybody.readers(&plan.run));
            let note = readers.note(&plan.preview.target);
            plan.with_notes(note)
        });
        match checked(&job, noted).await {
            Ok(plan) => plans.push((job, plan)),
            Err(status) => finished.push((job.user().clone(), status)),
        }
    }
    let _line = out.count_users();
    let (skipped, not_skipped) = skip_all(existing, &to, at_a_time).await;
    finished.extend(skipped);
    let create = async |(job, plan): (Job<'a>, _)| {
        let status = job.apply(&plan, create::apply).await;
        (job.user().clone(), status)
    };
    let (created, waiting) = each(plans, at_a_time, &cancel, create).await;
    finished.extend(created);
    let mut not_started: Vec<_> = not_started.iter().map(|(job, _)| job.user().clone()).collect();
    not_started.extend(not_skipped);
    not_started.extend(waiting.iter().map(|(job, _)| job.user().clone()));
    (finished, not_started)
}

/// The plan, if it is to be carried out; else how it ended without.
async fn checked(
    job: &Job<'_>,
    plan: anyhow::Result<Plan<Create>>,
) -> Result<Plan<Create>, ExitStatus> {
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Err(job.failed(error.into())),
    };
    let doubt = doubt(&plan);
    if job.dry_run {
        plan.preview.notes.extend(doubt);
        job.out.plan(&plan.preview);
        return Err(ExitStatus::Done);
    }
    let Some(doubt) = doubt else { return Ok(plan) };
    if !job.out.asks() {
        let (bucket, user) = (&job.run.target.bucket, job.user().as_str());
        let undo = job.out.shell.text(&commands::delete_user(bucket, user));
        let note = format!("{doubt} If so, delete the user with: {undo}");
        plan.preview.notes.push(note);
    } else if !confirm(job, &doubt).await {
        let refused = match job.run.go_on() {
            Err(interrupted) => interrupted.into(),
            Ok(()) => anyhow!("not confirmed, so nothing was created"),
        };
        return Err(job.failed(refused.into()));
    }
    Ok(plan)
}

/// A user that exists already and lacks nothing.
struct Existing<'a> {
    job: Job<'a>,
    /// The IDs of its access keys.
    keys: Vec<String>,
}

/// Skips users that exist already, but for those whose key an earlier run has
/// lost, and notes whose keys may be lost. Returns how it ended for each, and
/// those that were not come to.
async fn skip_all(
    existing: Vec<Existing<'_>>,
    to: &Destination,
    at_a_time: usize,
) -> (Vec<(UserName, ExitStatus)>, Vec<UserName>) {
    let Some(Existing { job, .. }) = existing.first() else {
        return Default::default();
    };
    let (out, cancel) = (job.out.of_all(), job.run.cancel.clone());
    let ids = existing.iter().flat_map(|it| &it.keys).map(String::as_str);
    let files = match to {
        Destination::Directory(dir) => Some(KeyFiles::look(dir, &ids.collect())),
        Destination::Open(_) => None,
    };
    let skip_one = async |user| skip(user, files.as_ref()).await;
    let (skipped, waiting) = each(existing, at_a_time, &cancel, skip_one).await;
    let unused = skipped.iter().filter(|(.., is_unused)| *is_unused);
    let mut unused: Vec<_> = unused.map(|(user, ..)| user.clone()).collect();
    unused.sort_by_cached_key(UserName::to_string);
    if !unused.is_empty() {
        out.note(&unused_note(&unused));
    }
    let waiting = waiting.iter().map(|it| it.job.user().clone());
    let skipped = skipped.into_iter().map(|(user, status, _)| (user, status));
    (skipped.collect(), waiting.collect())
}

/// Skips a user, unless an earlier run has left a hidden file of its key, and the
/// key itself is in no file. Returns also whether the key is in no file and was
/// never used, as far as that is known.
async fn skip(
    Existing { job, keys }: Existing<'_>,
    files: Option<&KeyFiles>,
) -> (UserName, ExitStatus, bool) {
    let user = job.user().clone();
    let unwritten = files.filter(|files| !files.hold_any(&keys));
    if let Some(leftover) = unwritten.and_then(|files| files.leftover(&user)) {
        let status = job.failed(lost_key(&job.run.target, &keys, leftover).into());
        return (user, status, false);
    }
    let is_unused = unwritten.is_some() && are_unused(&job, &keys).await;
    job.out.done(&Skipped::new(&job.run.target, &keys));
    (user, ExitStatus::Skipped, is_unused)
}

/// Whether none of the keys was ever used, as far as the store tells.
async fn are_unused(job: &Job<'_>, keys: &[String]) -> bool {
    for key in keys {
        if !matches!(iam::last_use(&job.run, key).await, Ok(LastUse::Never)) {
            return false;
        }
    }
    true
}

fn lost_key(target: &Target, keys: &[String], leftover: &str) -> anyhow::Error {
    let message = format!(
        "user {} already exists, with {}, which is in no file here: {leftover} is left of a run \
         that was killed before it wrote the key, or of one that is under way",
        target.user,
        named_keys(keys)
    );
    let rotate = commands::create_s3_user(target, "--rotate-key");
    Hinted::new(message, Hint::run("for a new key", rotate)).into()
}

fn unused_note(users: &[UserName]) -> String {
    let count = counted(users.len() as u64, false, "user");
    let has = if users.len() == 1 { "has" } else { "have" };
    let names = names(users);
    format!("{count} {has} a key that was never used and is in no file here: {names}")
}

/// The IDs of the access keys of a user that exists already, if it is ours for
/// the bucket and lacks nothing.
fn keys_if_set_up(error: &anyhow::Error) -> Option<&[String]> {
    error.downcast_ref::<UserExists>()?.keys_if_complete.as_deref()
}

/// What makes the user's name look misspelled, if anything does: its folder is
/// empty, and there is one with a similar name.
fn doubt(plan: &Plan<Create>) -> Option<String> {
    let target = &plan.preview.target;
    let similar = slip_of(target.user.as_str(), &plan.work.folder.others)?;
    Some(format!(
        "{} is empty, but s3://{}/{similar}/ exists; did you mean {similar}?",
        target.folder_url(),
        target.bucket
    ))
}

async fn confirm(job: &Job<'_>, doubt: &str) -> bool {
    let lines = [job.out.labelled("note", doubt)];
    let question = format!("Create user {} anyway?", job.user());
    let answer = job.out.confirm(&lines, &question);
    let answer = job.signals.cancel.run_until_cancelled(answer);
    answer.await.unwrap_or(false)
}
