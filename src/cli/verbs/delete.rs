//! Deleting users: those that are named, or all whose access has ended (`--expired`).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use indicatif::HumanCount;

use super::{SAME_AGAIN, Verb, only_for};
use crate::access::Target;
use crate::cli::exit::{Ending, Exit};
use crate::cli::failure::NotConfirmed;
use crate::cli::progress::ProgressLine;
use crate::cli::session::Ready;
use crate::cli::{Job, NamedUser, Output, Session, delete_question};
use crate::commands::Command;
use crate::errors::Interrupted;
use crate::handover;
use crate::workflows::delete::{self, Delete, Expired};
use crate::workflows::deleted::Deleted;
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::{Failed, State};
use crate::workflows::plan::{Plan, Planned};

/// The most keys that are kept in memory, of those that were listed while planning; of
/// the users after that they are listed again.
const MOST_KEPT: usize = 20_000;

struct Deletion {
    options: delete::DeleteOptions,
    /// The number of keys that are kept in memory so far.
    kept_keys: AtomicUsize,
    /// True if there is only one user.
    is_alone: bool,
}

impl Deletion {
    /// The deletion of all these users.
    fn of(users: &[NamedUser], out: &Output, options: delete::DeleteOptions) -> Self {
        let along_with = users.iter().map(|user| user.name.clone()).collect();
        let plans_everything = out.asks() || out.args.dry_run;
        let options = delete::DeleteOptions { along_with, plans_everything, ..options };
        Self { options, kept_keys: AtomicUsize::new(0), is_alone: out.is_alone() }
    }

    /// The note that files with the key of a deleted user are left; the same for each of many,
    /// so that it is printed once.
    fn files_note(&self, files: &[String]) -> String {
        if !self.is_alone {
            return "key file or kit still in this directory; the key in it no longer works"
                .to_owned();
        }
        let (are, them) = if files.len() == 1 { ("is", "it") } else { ("are", "them") };
        format!("{} {are} still here; the key in {them} no longer works", files.join(", "))
    }
}

impl Session {
    /// Deletes the users.
    pub async fn delete(&self, options: delete::DeleteOptions, users: Vec<NamedUser>) -> Exit {
        self.run(&Deletion::of(&users, &self.out, options), users).await
    }

    /// Deletes the users of the bucket whose access has ended.
    pub async fn delete_expired(mut self, options: delete::DeleteOptions) -> Exit {
        let options = delete::DeleteOptions { only_expired: true, ..options };
        let bucket = &self.target.bucket;
        let find = async {
            let aws = self.load().await?;
            let expired = delete::expired(&aws, bucket, self.target.jobs(), &options).await?;
            Ok((aws, expired))
        };
        let (aws, Expired { users, notes }) = match self.signals.or_interrupted(find).await {
            Ok(found) => found,
            Err(error) => return self.failed(&error),
        };
        notes.iter().for_each(|note| self.out.note(note));
        if users.is_empty() {
            self.out.say(format!(
                "Bucket {bucket} has no users whose access ended more than a minute ago"
            ));
            return Exit::Success;
        }
        self.out.users = users.len();
        let named: Vec<_> = users.into_iter().map(NamedUser::from).collect();
        self.run_as(&aws, &Deletion::of(&named, &self.out, options), named).await
    }
}

impl Verb for Deletion {
    type Work = Delete;
    type Outcome = Deleted;
    const PLANS_ALL_FIRST: bool = true;

    fn past_participle(&self) -> &'static str {
        "deleted"
    }

    /// The same command fails for users who are gone, unless it looks for them itself.
    fn how_to_go_on(&self, left: &[&NamedUser]) -> (&'static str, Option<Command>) {
        if self.options.only_expired {
            return SAME_AGAIN;
        }
        only_for(left)
    }

    async fn plan(&self, job: &Job<'_>, everybody: &Everybody) -> Result<Planned<Delete>> {
        let folder = job.folder_or(&self.options.folder);
        let options = delete::DeleteOptions { folder, ..self.options.clone() };
        let mut plan = delete::plan_among(&job.run, &options, everybody).await?;
        let keys = plan.work.kept_keys();
        if self.kept_keys.fetch_add(keys, Ordering::Relaxed) + keys > MOST_KEPT {
            plan.work.forget_keys();
        }
        Ok(Planned::Do(plan))
    }

    async fn apply(&self, plan: &Plan<Delete>) -> Result<Deleted, Failed> {
        let mut deleted = delete::apply(plan).await?;
        let files = handover::files_of(Path::new("."), &deleted.target.user);
        if deleted.user_deleted && !files.is_empty() {
            deleted.notes.push(self.files_note(&files));
        }
        Ok(deleted)
    }

    async fn review(
        &self,
        _: &Job<'_>,
        plan: &mut Plan<Delete>,
        readers_note: Option<String>,
    ) -> Result<()> {
        plan.add_lasting_notes(readers_note);
        Ok(())
    }

    async fn confirm<'a>(
        &self,
        session: &Session,
        mut plans: Vec<Ready<'a, Delete>>,
    ) -> Vec<Ready<'a, Delete>> {
        plans.sort_by_cached_key(|(job, _)| job.user().to_string());
        if plans.is_empty() || is_confirmed(session, &plans).await {
            return plans;
        }
        let error: anyhow::Error = if session.signals.cancel.is_cancelled() {
            Interrupted.into()
        } else {
            NotConfirmed("deleted").into()
        };
        let line = error.to_string();
        if error.is::<NotConfirmed>() {
            session.out.error_detail("nothing was deleted");
        } else if session.out.is_alone() {
            session.out.error(&line);
        }
        for (job, plan) in plans {
            job.out.incomplete(&Deleted::nothing(&plan.preview.target), &line);
            session.end(job.user(), Ending::after(&error));
        }
        Vec::new()
    }

    fn goes_last(&self, plan: &Plan<Delete>) -> bool {
        plan.work.goes_last
    }

    /// Counts the objects that are deleted.
    fn progress_line(&self, out: &Output, plan: &Plan<Delete>) -> ProgressLine {
        let progress = plan.work.progress.clone();
        out.progress(move |elapsed| {
            if progress.waits() {
                return "waiting a few seconds, since late uploads may still arrive".to_owned();
            }
            let counts = progress.counts();
            let rate = counts.entries() as f64 / elapsed.as_secs_f64().max(0.001);
            format!("{counts} deleted, {}/s", HumanCount(rate as u64))
        })
    }

    fn failed(&self, target: &Target, error: anyhow::Error) -> Failed {
        Failed::new(error, State::Deleted(Box::new(Deleted::nothing(target))))
    }
}

/// Asks whether to do all this.
async fn is_confirmed(session: &Session, plans: &[Ready<'_, Delete>]) -> bool {
    if !session.out.asks() {
        return true;
    }
    let ask = async {
        let lines = delete_question::lines(plans).await;
        session.out.confirm(&lines, "Delete all of this?").await
    };
    session.signals.cancel.run_until_cancelled(ask).await.unwrap_or(false)
}
