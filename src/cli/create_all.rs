//! Creating users: all are planned, then asked about where a name looks
//! misspelled, and then created.

use anyhow::anyhow;

use super::nearest::slip_of;
use super::{ExitStatus, Job, each};
use crate::access::UserName;
use crate::errors::{Hint, Hinted};
use crate::workflows::create::{self, Create};
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
    let Some((
        Job {
            out, signals, run, ..
        },
        _,
    )) = jobs.first()
    else {
        return Default::default();
    };
    let (out, cancel, run) = (out.of_all(), signals.cancel.clone(), run.clone());
    let line = out.wait_for_response();
    let planned = async |(job, options): (Job<'a>, create::Options)| {
        let plan = job.planned(create::plan(&job.run, &options)).await;
        (job, plan)
    };
    let asked = Everybody::ask(&run.aws, &run.target.bucket);
    let (everybody, (planned, not_started)) = tokio::join!(
        cancel.run_until_cancelled(asked),
        each(jobs, at_a_time, &cancel, planned)
    );
    let everybody = everybody.unwrap_or_default();
    // Nothing moves at the terminal while somebody is asked.
    drop(line);
    let (mut finished, mut plans) = (Vec::new(), Vec::new());
    let mut readers = None;
    for (job, plan) in planned {
        let noted = plan.map(|plan| {
            let readers = readers.get_or_insert_with(|| everybody.readers(&plan.run));
            let note = readers.note(&plan.preview.target);
            plan.with_notes(note)
        });
        match checked(&job, noted, skip_existing).await {
            Ok(plan) => plans.push((job, plan)),
            Err(status) => finished.push((job.user().clone(), status)),
        }
    }
    let _line = out.count_users();
    let create = async |(job, plan): (Job<'a>, _)| {
        let status = job.apply(&plan, create::apply).await;
        (job.user().clone(), status)
    };
    let (created, waiting) = each(plans, at_a_time, &cancel, create).await;
    finished.extend(created);
    let mut not_started: Vec<_> = not_started
        .iter()
        .map(|(job, _)| job.user().clone())
        .collect();
    not_started.extend(waiting.iter().map(|(job, _)| job.user().clone()));
    (finished, not_started)
}

/// The plan, if it is to be carried out; else how it ended without.
async fn checked(
    job: &Job<'_>,
    plan: anyhow::Result<Plan<Create>>,
    skip_existing: bool,
) -> Result<Plan<Create>, ExitStatus> {
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            if skip_existing && let Some(access_keys) = keys_if_set_up(&error) {
                job.out.done(&Skipped::new(&job.run.target, access_keys));
                return Err(ExitStatus::Skipped);
            }
            return Err(job.failed(error.into()).await);
        }
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
        let undo = job.out.commands.delete_user(bucket, user);
        let note = format!("{doubt} If so, delete the user with: {undo}");
        plan.preview.notes.push(note);
    } else if !confirm(job, &doubt).await {
        let refused = match job.run.go_on() {
            Err(interrupted) => interrupted.into(),
            Ok(()) => anyhow!("not confirmed, so nothing was created"),
        };
        return Err(job.failed(refused.into()).await);
    }
    Ok(plan)
}

/// The IDs of the access keys of a user that exists already, if it is ours for
/// the bucket and lacks nothing.
fn keys_if_set_up(error: &anyhow::Error) -> Option<&[String]> {
    match &error.downcast_ref::<Hinted>()?.hint {
        Hint::UserIsSetUp {
            access_keys,
            has_policy: true,
            ..
        } => Some(access_keys),
        _ => None,
    }
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
