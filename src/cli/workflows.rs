//! The workflows as the commands run them for one user: plan, then show the
//! plan or apply it, and print what came of it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{ExitStatus, Output, ProgressLine, Signals, each};
use crate::aws::Aws;
use crate::folder::Progress;
use crate::grant::Grant;
use crate::names::{Target, UserName};
use crate::report::{Deleted, Failed, HandedOver, Incomplete, Interrupted};
use crate::{create, delete, rotate, update};

/// How many failed objects are named on the terminal; `--json` has all of them.
const NAMED: usize = 20;

/// One user of a run, and where its words go.
pub struct Job<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// The signals to stop at.
    pub signals: &'a Signals,
    /// The user and the bucket.
    pub target: Target,
    /// The user's output.
    pub out: Output,
    /// Whether to show the plan alone.
    pub dry_run: bool,
}

impl Job<'_> {
    /// Makes the user, or shows how.
    pub async fn create(&self, options: &create::Options) -> ExitStatus {
        let made = async {
            let (out, cancel) = (&self.out, &self.signals.cancel);
            let plan = create::plan(self.aws, &self.target, options);
            let plan = self.signals.or_interrupted(plan).await?;
            if self.dry_run {
                let document = plan.document().to_json_pretty();
                out.plan(&plan.steps(), &plan.report(), Some(document));
                return Ok(());
            }
            let created = create::apply(&plan, cancel, &|step| out.step(step)).await?;
            out.done(&created, path(&created.key));
            Ok(())
        };
        self.status(made.await)
    }

    /// Makes a new key for the user, or shows how.
    pub async fn rotate(&self, options: &rotate::Options) -> ExitStatus {
        let rotated = async {
            let (out, cancel) = (&self.out, &self.signals.cancel);
            let plan = rotate::plan(self.aws, &self.target, options);
            let plan = self.signals.or_interrupted(plan).await?;
            if self.dry_run {
                out.plan(&plan.steps(), &plan.report(), None);
                return Ok(());
            }
            let rotated = rotate::apply(&plan, cancel, &|step| out.step(step)).await?;
            out.done(&rotated, path(&rotated.key));
            Ok(())
        };
        self.status(rotated.await)
    }

    /// Gives the user another grant, or shows how.
    pub async fn update(&self, grant: &Grant) -> ExitStatus {
        let updated = async {
            let (out, cancel) = (&self.out, &self.signals.cancel);
            let plan = update::plan(self.aws, &self.target, grant);
            let plan = self.signals.or_interrupted(plan).await?;
            if self.dry_run {
                plan.changes().iter().for_each(|change| out.say(change));
                if plan.steps().is_empty() {
                    out.say(format!("nothing to change for user {}", self.target.user));
                }
                let document = plan.document().to_json_pretty();
                out.plan(&plan.steps(), &plan.report(), Some(document));
                return Ok(());
            }
            let updated = update::apply(&plan, cancel, &|step| out.step(step)).await?;
            out.done(&updated, None);
            Ok(())
        };
        self.status(updated.await)
    }

    /// Prints a failure, if it is one, and returns the status.
    fn status(&self, result: Result<(), Failed>) -> ExitStatus {
        let Err(Failed {
            error,
            left,
            handed_over,
        }) = result
        else {
            return ExitStatus::Done;
        };
        self.out.error(&error);
        left.iter()
            .for_each(|left| self.out.error_detail(&left.to_string()));
        let left: Vec<_> = left.iter().map(|left| &left.what).collect();
        let (user, error_text) = (self.target.user.as_str(), format!("{error:#}"));
        let mut json = json!({ "user": user, "error": error_text, "left": left });
        if let (Some(key), Some(fields)) = (&handed_over, json.as_object_mut()) {
            let key = serde_json::to_value(key).unwrap_or_default();
            fields.extend(key.as_object().cloned().unwrap_or_default());
        }
        self.out.result(&json, handed_over.as_ref().and_then(path));
        ExitStatus::of(&error)
    }

    /// Finds out what deleting the user removes. With a dry run, that is all.
    async fn plan_delete(&self, options: delete::Options) -> Result<delete::Plan, ExitStatus> {
        let plan = delete::plan(self.aws, &self.target, options);
        let plan = self.signals.or_interrupted(plan).await;
        let plan = plan.map_err(|error| self.nothing_deleted(&error))?;
        if self.dry_run {
            self.out.plan(&plan.steps(), &plan.report(), None);
            plan.notes().iter().for_each(|note| self.out.note(note));
            return Err(ExitStatus::Done);
        }
        Ok(plan)
    }

    async fn delete(&self, plan: &delete::Plan) -> ExitStatus {
        let progress = Arc::default();
        let _line = self.out.is_alone().then(|| self.count_objects(&progress));
        let on_step = |step: &_| self.out.step(step);
        let cancel = &self.signals.cancel;
        match delete::apply(plan, cancel, &on_step, &progress).await {
            Ok(deleted) => {
                self.out.done(&deleted, None);
                ExitStatus::Done
            }
            Err(Incomplete { deleted, error }) => {
                let status = self.not_deleted(&deleted, &error);
                if error.is::<Interrupted>() {
                    self.out.error_detail(&format!(
                        "{} are gone; running the same command again continues",
                        deleted.in_words()
                    ));
                }
                status
            }
        }
    }

    fn count_objects(&self, progress: &Arc<Progress>) -> ProgressLine {
        let progress = progress.clone();
        self.out.progress(move |elapsed| {
            let rate = progress.entries() as f64 / elapsed.as_secs_f64().max(0.001);
            format!("{} deleted, {rate:.0}/s", progress.in_words())
        })
    }

    fn nothing_deleted(&self, error: &anyhow::Error) -> ExitStatus {
        let deleted = Deleted {
            error: Some(format!("{error:#}")),
            ..Deleted::nothing(&self.target)
        };
        self.not_deleted(&deleted, error)
    }

    fn not_deleted(&self, deleted: &Deleted, error: &anyhow::Error) -> ExitStatus {
        for line in deleted.failures(NAMED) {
            self.out.error_detail(&line);
        }
        self.out.error(error);
        self.out.result(deleted, None);
        ExitStatus::of(error)
    }
}

/// Deletes the users, up to `at_a_time` at once: all are planned, then asked
/// about in one question if `ask`, and then deleted. Returns how it ended for
/// each, and those not started.
pub async fn delete_all(
    jobs: Vec<Job<'_>>,
    at_a_time: usize,
    options: delete::Options,
    ask: bool,
) -> (Vec<(UserName, ExitStatus)>, Vec<UserName>) {
    let Some(Job { out, signals, .. }) = jobs.first() else {
        return Default::default();
    };
    let (out, signals) = (out.of_all(), (*signals).clone());
    let (planned, not_started) = each(jobs, at_a_time, &signals.cancel, async |job: Job<'_>| {
        let plan = job.plan_delete(options).await;
        (job, plan)
    })
    .await;
    let mut not_started: Vec<_> = not_started.into_iter().map(|job| job.target.user).collect();
    let mut finished = Vec::new();
    let mut plans = Vec::new();
    for (job, plan) in planned {
        match plan {
            Ok(plan) => plans.push((job, plan)),
            Err(status) => finished.push((job.target.user, status)),
        }
    }
    if ask
        && !plans.is_empty()
        && let Err(error) = confirm(&out, &signals, &plans).await
    {
        let refused = plans.into_iter().map(|(job, _)| {
            let status = job.nothing_deleted(&error);
            (job.target.user, status)
        });
        finished.extend(refused);
        return (finished, not_started);
    }
    let _line = out.count_users();
    let delete =
        async |(job, plan): (Job<'_>, _)| (job.target.user.clone(), job.delete(&plan).await);
    let (deleted, waiting) = each(plans, at_a_time, &signals.cancel, delete).await;
    finished.extend(deleted);
    not_started.extend(waiting.into_iter().map(|(job, _)| job.target.user));
    (finished, not_started)
}

async fn confirm(out: &Output, signals: &Signals, plans: &[(Job<'_>, delete::Plan)]) -> Result<()> {
    out.ask("this would be deleted:");
    for (job, plan) in plans {
        plan.steps().iter().for_each(|step| job.out.ask(step));
        let notes = plan.notes().into_iter();
        notes.for_each(|note| job.out.ask(format!("note: {note}")));
    }
    let answer = signals
        .or_interrupted(async { Ok(out.confirm("go on?").await) })
        .await?;
    ensure!(answer, "not confirmed, so nothing is deleted");
    Ok(())
}

fn path(key: &HandedOver) -> Option<String> {
    key.key_file.as_ref().map(|path| path.display().to_string())
}
