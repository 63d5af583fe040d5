//! The one way in which the programs run a workflow: plan it, then show the
//! plan or carry it out, and print what came of it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::hints::{Explained, state_lines};
use super::{ExitStatus, Output, ProgressLine, Signals, conclude, delete_question, each};
use crate::access::{GrantChange, Target, UserName};
use crate::aws::{Aws, LoadError, Run};
use crate::commands;
use crate::errors::Interrupted;
use crate::handover::HandedOver;
use crate::removal::{Leftover, Removal};
use crate::step::thousands;
use crate::workflows::delete::{self, Delete};
use crate::workflows::deleted::Deleted;
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::{Failed, Outcome, State};
use crate::workflows::plan::Plan;
use crate::workflows::{rotate, suspend, update};

/// How many failed objects are named on the terminal; `--json` has all of them.
const NAMED: usize = 20;

/// One user of a program's run, and where its words go.
pub struct Job<'a> {
    pub(super) run: Run,
    pub(super) signals: &'a Signals,
    pub(super) out: Output,
    pub(super) dry_run: bool,
}

impl<'a> Job<'a> {
    /// The work on one target, whose words go to `out`.
    pub fn new(
        aws: &Aws,
        target: Target,
        signals: &'a Signals,
        out: Output,
        dry_run: bool,
    ) -> Self {
        let steps = out.clone();
        let cancel = signals.cancel.clone();
        Self {
            run: Run::new(aws.clone(), target, cancel, move |step| steps.step(step)),
            signals,
            out,
            dry_run,
        }
    }

    /// Creates a new key for the user, or shows how.
    pub async fn rotate(&self, options: &rotate::Options) -> ExitStatus {
        self.work(rotate::plan(&self.run, options), rotate::apply).await
    }

    /// Changes what the user may do, or shows how.
    pub async fn update(&self, change: &GrantChange) -> ExitStatus {
        self.work(update::plan(&self.run, change), update::apply).await
    }

    /// Makes the user's access keys inactive, or active again, or shows how.
    pub async fn suspend(&self, direction: suspend::Direction) -> ExitStatus {
        self.work(suspend::plan(&self.run, direction), suspend::apply).await
    }

    async fn work<W, D: Outcome>(
        &self,
        plan: impl Future<Output = Result<Plan<W>>>,
        apply: impl AsyncFn(&Plan<W>) -> Result<D, Failed>,
    ) -> ExitStatus {
        let line = self.out.is_alone().then(|| self.out.wait_for_response());
        let plan = self.planned(plan).await;
        drop(line);
        let plan = match plan {
            Err(error) => return self.failed(error.into()),
            Ok(plan) => plan,
        };
        if self.dry_run {
            self.out.plan(&plan.preview);
            return ExitStatus::Done;
        }
        self.apply(&plan, apply).await
    }

    /// A plan, unless a signal comes before it is made.
    pub(super) async fn planned<W>(
        &self,
        plan: impl Future<Output = Result<Plan<W>>>,
    ) -> Result<Plan<W>> {
        // Boxed, since the compiler takes futures within futures only so deep.
        self.signals.or_interrupted(Box::pin(plan)).await
    }

    /// Carries a plan out.
    pub(super) async fn apply<W, D: Outcome>(
        &self,
        plan: &Plan<W>,
        apply: impl AsyncFn(&Plan<W>) -> Result<D, Failed>,
    ) -> ExitStatus {
        let _under_way = self.signals.begin(self.user());
        let line = self.out.is_alone().then(|| self.out.wait_for_response());
        let applied = apply(plan).await;
        drop(line);
        match applied {
            Ok(done) => {
                self.out.done(&done);
                ExitStatus::Done
            }
            Err(failed) => self.failed(failed),
        }
    }

    pub(super) fn failed(&self, failed: Failed) -> ExitStatus {
        fail(&self.out, &self.run.target, &failed)
    }

    pub(super) fn user(&self) -> &UserName {
        &self.run.target.user
    }

    /// Deletes what was planned.
    async fn delete(&self, plan: &Plan<Delete>) -> ExitStatus {
        let _under_way = self.signals.begin(self.user());
        let _line = self.out.is_alone().then(|| self.count_objects(plan));
        match delete::apply(plan).await {
            Ok(deleted) => {
                self.out.done(&deleted);
                ExitStatus::Done
            }
            Err(failed) => self.failed(failed),
        }
    }

    fn count_objects(&self, plan: &Plan<Delete>) -> ProgressLine {
        let progress = plan.work.progress.clone();
        self.out.progress(move |elapsed| {
            let counts = progress.counts();
            let rate = counts.entries() as f64 / elapsed.as_secs_f64().max(0.001);
            format!("{counts} deleted, {}/s", thousands(rate as u64))
        })
    }

    fn nothing_deleted(&self, error: anyhow::Error) -> ExitStatus {
        self.failed(nothing_deleted(error, &self.run.target))
    }
}

/// A failure as JSON.
#[derive(Serialize)]
struct Failure<'a> {
    user: &'a str,
    error: &'a str,
    left: Vec<String>,
    #[serde(flatten)]
    handed_over: Option<&'a HandedOver>,
}

/// An incomplete deletion as JSON.
#[derive(Serialize)]
struct Incomplete<'a> {
    #[serde(flatten)]
    deleted: &'a Deleted,
    error: &'a str,
}

fn nothing_deleted(error: anyhow::Error, target: &Target) -> Failed {
    Failed { error, state: State::Deleted(Box::new(Deleted::nothing(target))) }
}

/// Prints a failure: the error, what is left, and the result as far as it got.
fn fail(out: &Output, target: &Target, failed: &Failed) -> ExitStatus {
    let user = target.user.as_str();
    let mut explained = Explained::new(&failed.error);
    explained.state = state_lines(&failed.state, user);
    let error = explained.error.clone();
    if let State::Deleted(deleted) = &failed.state {
        for line in deleted.failures(NAMED) {
            out.error_detail(&line);
        }
        out.explained(&explained);
        out.result(&Incomplete { deleted, error: &error }, None);
        return ExitStatus::of(&failed.error);
    }
    let (left, key) = match &failed.state {
        State::Left(left) => (&left[..], None),
        State::HandedOver { key, left } => (&left[..], Some(key)),
        _ => (&[][..], None),
    };
    let user_is_left = left.iter().any(|it| matches!(it, Leftover::Removable(Removal::User(_))));
    for leftover in left {
        let words = format!("left: {}; {} it with", leftover.what(user), leftover.verb());
        let command = commands::clean_up(leftover, target, user_is_left);
        explained.left.push((words, command));
    }
    out.explained(&explained);
    let left = left.iter().map(|leftover| leftover.what(user)).collect();
    let key_file = key.and_then(|key| key.key_file.as_ref());
    let failure = Failure { user, error: &error, left, handed_over: key };
    out.result(&failure, key_file.map(|path| path.display().to_string()));
    ExitStatus::of(&failed.error)
}

/// Says for each user that there is nobody to work as. Nothing was done.
pub fn no_clients(
    out: &Output,
    signals: &Signals,
    targets: impl IntoIterator<Item = Target>,
    error: &LoadError,
    deletes: bool,
) -> ExitCode {
    let mut finished = Vec::new();
    for target in targets {
        let error = anyhow::Error::from(error.clone());
        let failed = if deletes { nothing_deleted(error, &target) } else { error.into() };
        let status = fail(&out.of(&target.user), &target, &failed);
        finished.push((target.user, status));
    }
    conclude(out, signals, &finished, &[])
}

/// Deletes the users, up to `at_a_time` at once: all are planned, then asked
/// about in one question, and then deleted. Returns how it ended for each, and
/// those not started.
pub async fn delete_all(
    jobs: Vec<Job<'_>>,
    at_a_time: usize,
    options: delete::Options,
) -> (Vec<(UserName, ExitStatus)>, Vec<UserName>) {
    let Some(Job { run, out, signals, dry_run }) = jobs.first() else {
        return Default::default();
    };
    let (out, signals, dry_run) = (out.of_all(), (*signals).clone(), *dry_run);
    let (aws, bucket) = (run.aws.clone(), run.target.bucket.clone());
    let kept = AtomicUsize::new(0);
    let planned = async |job| plan_delete(job, options, &kept).await;
    let line = out.wait_for_response();
    let asked = Everybody::ask(&aws, &bucket);
    let (everybody, (planned, not_started)) = tokio::join!(
        signals.cancel.run_until_cancelled(asked),
        each(jobs, at_a_time, &signals.cancel, planned)
    );
    let everybody = everybody.unwrap_or_default();
    let mut readers = None;
    // Nothing moves at the terminal while somebody is asked.
    drop(line);
    let mut not_started: Vec<_> = not_started.iter().map(|job| job.user().clone()).collect();
    let mut finished = Vec::new();
    let mut plans = Vec::new();
    for (job, plan) in planned {
        let noted = plan.map(|plan| {
            let readers = readers.get_or_insert_with(|| everybody.readers(&plan.run));
            let note = readers.note(&plan.preview.target);
            plan.with_lasting_notes(note)
        });
        match noted {
            Err(error) => {
                let status = job.nothing_deleted(error);
                finished.push((job.user().clone(), status));
            }
            Ok(plan) if dry_run => {
                job.out.plan(&plan.preview);
                finished.push((job.user().clone(), ExitStatus::Done));
            }
            Ok(plan) => plans.push((job, plan)),
        }
    }
    plans.sort_by_cached_key(|(job, _)| job.user().to_string());
    if !plans.is_empty() && !confirm(&out, &signals, &plans).await {
        let error = not_confirmed(&signals);
        let line = error.to_string();
        out.error(&line);
        for (job, _) in &plans {
            let deleted = Deleted::nothing(&job.run.target);
            let (deleted, error) = (&deleted, line.as_str());
            job.out.result(&Incomplete { deleted, error }, None);
        }
        let users = plans.iter().map(|(job, _)| job.user().clone());
        finished.extend(users.map(|user| (user, ExitStatus::of(&error))));
        return (finished, not_started);
    }
    let _line = out.count_users();
    let delete = async |(job, plan): (Job<'_>, _)| (job.user().clone(), job.delete(&plan).await);
    let (deleted, waiting) = each(plans, at_a_time, &signals.cancel, delete).await;
    finished.extend(deleted);
    not_started.extend(waiting.iter().map(|(job, _)| job.user().clone()));
    (finished, not_started)
}

/// How many keys are kept in memory, of those that were listed while planning; of the
/// users after that they are listed again.
const MOST_KEPT: usize = 20_000;

async fn plan_delete<'a>(
    job: Job<'a>,
    options: delete::Options,
    kept: &AtomicUsize,
) -> (Job<'a>, Result<Plan<Delete>>) {
    let mut planned = job.planned(delete::plan(&job.run, options)).await;
    if let Ok(plan) = &mut planned {
        let keys = plan.work.kept_keys();
        if kept.fetch_add(keys, Ordering::Relaxed) + keys > MOST_KEPT {
            plan.work.forget_keys();
        }
    }
    (job, planned)
}

/// Asks whether to do all this.
async fn confirm(out: &Output, signals: &Signals, plans: &[(Job<'_>, Plan<Delete>)]) -> bool {
    if !out.asks() {
        return true;
    }
    let ask = async {
        let lines = delete_question::lines(plans).await;
        out.confirm(&lines, "Delete all of this?").await
    };
    let answer = signals.cancel.run_until_cancelled(ask);
    answer.await.unwrap_or(false)
}

fn not_confirmed(signals: &Signals) -> anyhow::Error {
    if signals.cancel.is_cancelled() {
        return Interrupted.into();
    }
    anyhow!("not confirmed, so nothing was deleted")
}
