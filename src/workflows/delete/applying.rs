//! Carrying out a deletion: step by step, as long as the user is the one that was
//! looked at.

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::belongings::{self, own_policies_last};
use super::folder::Folder;
use super::sharing::check_alone;
use super::{Delete, expired, guard, late_writes};
use crate::access::{Target, UserName};
use crate::aws::{AwsError, Patience, Run, end_of_deleted_key, wait_until};
use crate::commands;
use crate::errors::{Hint, Hinted, Interrupted, Stays, caught};
use crate::iam::{self, User};
use crate::removal::Removal;
use crate::s3::empty::{self, FailedKey};
use crate::s3::listing::Page;
use crate::step::{Step, counted};
use crate::workflows::deleted::Deleted;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::check_same;
use crate::workflows::outcome::{Failed, State};
use crate::workflows::plan::Plan;
use crate::workflows::remove::remove;

/// Carries out the plan, in an order that ends the person's access first and
/// leaves the user, which makes a second run possible, until last.
///
/// Fails if the user is no longer the one that was planned for, by then or at any later
/// pass over the folder, or its access no longer ended where that matters: what is left
/// stays then. What else is gone already counts as deleted.
/// Where this fails or is cancelled, running again continues. An object that can't
/// be deleted is in `failed` of what was deleted: everything else is deleted
/// anyway, and the user stays.
pub async fn apply(plan: &Plan<Delete>) -> Result<Deleted, Failed> {
    let Plan { run, work, preview } = plan;
    let mut deleting = Deleting {
        plan,
        steps: preview.steps.clone(),
        deleted: Deleted {
            notes: work.notes.clone(),
            empties_folder: work.folder.is_some(),
            ..Deleted::nothing(&run.target)
        },
        could_write: false,
        writes_end: None,
        is_known_by_policies: work.is_known_by_policies,
    };
    let Err(failure) = caught(deleting.walk()).await else {
        deleting.deleted.notes.extend(deserted_note(run, work).await);
        return Ok(deleting.deleted);
    };
    let error = deleting.unless_made_anew(failure).await;
    if !error.is::<Stays>() {
        deleting.deleted.needs_force = deleting.needs_force();
        deleting.deleted.remaining = deleting.steps;
    }
    Err(Failed::new(error, State::Deleted(Box::new(deleting.deleted))))
}

/// A delete run under way.
struct Deleting<'a> {
    plan: &'a Plan<Delete>,
    /// The steps still to be taken, the one under way included.
    steps: Vec<Step>,
    /// The result so far.
    deleted: Deleted,
    /// True if the person could upload to the folder.
    could_write: bool,
    /// The time until which AWS may accept uploads with a deleted key.
    writes_end: Option<Instant>,
    /// True if nothing but its policies shows that the user is ours.
    is_known_by_policies: bool,
}

impl Deleting<'_> {
    async fn walk(&mut self) -> Result<()> {
        let Plan { run, work, preview } = self.plan;
        let (could_write, unchanged) = tokio::join!(
            late_writes::could_write(run, &preview.steps, work.holdings.as_ref()),
            guard::check_unchanged(run, work.user())
        );
        unchanged?;
        self.could_write = could_write;
        // Who shared the folder and was deleted before may have been able to upload.
        let may_follow = work.goes_last || late_writes::may_follow_deletion(&preview.steps);
        self.writes_end = may_follow.then(end_of_deleted_key);
        if let Some(user) = work.user()
            && work.only_expired
        {
            let holdings = Holdings::read(run, user.clone()).await?;
            expired::check(run, &holdings, None).await?;
        }
        while let Some(step) = self.steps.first().cloned() {
            run.go_on()?;
            let taken = self.take(step).await;
            if let Some(done) = run.unless_interrupted(taken)? {
                self.note(&done);
            }
            self.steps.remove(0);
        }
        Ok(())
    }

    /// Takes a step. Returns it as it was done, or `None` if the store has no tags.
    async fn take(&mut self, step: Step) -> Result<Option<Step>> {
        match &step {
            Step::TagUser(_) => return Ok(self.is_tagged().await.then_some(step)),
            Step::EmptyFolder { .. } => return self.empty_folder().await.map(Some),
            Step::Remove(Removal::User(_)) => self.delete_user().await?,
            Step::Remove(removal) => {
                // A user of that name that was made meanwhile has a policy of the same name.
                if matches!(
                    removal,
                    Removal::Attachment(_) | Removal::InlinePolicy(_) | Removal::Blocker(_)
                ) {
                    self.check_same().await?;
                }
                remove(&self.plan.run, removal).await?;
            }
            _ => {}
        }
        Ok(Some(step))
    }

    /// Fails with [`Stays`] if somebody else has the user's name by now.
    async fn check_same(&self) -> Result<Option<User>> {
        let Plan { run, work, .. } = self.plan;
        // Boxed, as its callers would each hold the state of a whole call.
        Box::pin(check_same(run, work.user())).await
    }

    /// Returns the error that ended the run, or in its place that somebody else has the
    /// user's name by now: running again must not be advised then.
    async fn unless_made_anew(&self, error: anyhow::Error) -> anyhow::Error {
        if error.is::<Interrupted>() || error.is::<Stays>() {
            return error;
        }
        match self.check_same().await {
            Err(made_anew) if made_anew.is::<Stays>() => made_anew,
            _ => error,
        }
    }

    /// Fails with [`Stays`] if access was extended meanwhile: files can't be had back, as
    /// a key can.
    async fn check_still_ended(&self) -> Result<()> {
        let Plan { run, .. } = self.plan;
        if let Some(user) = self.check_same().await? {
            let holdings = Box::pin(Holdings::read(run, user)).await?;
            let new_key = commands::create_s3_user(&run.target, "--rotate-key");
            let hint = Hint::run("for a new key", new_key);
            Box::pin(expired::check(run, &holdings, Some(hint))).await?;
        }
        Ok(())
    }

    /// Counts and reports a step that is done.
    fn note(&mut self, step: &Step) {
        if let Step::Remove(removal) = step {
            self.deleted.count(removal);
            if let Removal::AccessKey(_) = removal
                && self.could_write
            {
                self.writes_end = Some(end_of_deleted_key());
            }
        }
        self.plan.run.done(step);
    }

    /// True if another run may not know the user as ours any more: its policies go right
    /// before it, and may be gone although no answer came.
    fn needs_force(&self) -> bool {
        let only_policies_remain = self.steps.iter().all(|step| {
            matches!(
                step,
                Step::Remove(
                    Removal::Attachment(_)
                        | Removal::Policy(_)
                        | Removal::InlinePolicy(_)
                        | Removal::User(_)
                )
            )
        });
        self.is_known_by_policies && only_policies_remain
    }

    /// The name by which the user's policies were made.
    fn made_as(&self) -> &UserName {
        let Plan { run, work, .. } = self.plan;
        work.holdings.as_ref().map_or(&run.target.user, |holdings| &holdings.made_as)
    }

    /// Tags the user, and tells whether it is tagged then. If not, its policies say the same,
    /// and go last.
    async fn is_tagged(&mut self) -> bool {
        // A refused tag is as good as none.
        if self.tag().await.unwrap_or(false) {
            return true;
        }
        let made_as = self.made_as().clone();
        own_policies_last(&mut self.steps, &made_as);
        self.is_known_by_policies = true;
        false
    }

    /// Tags the user as ours with its folder, and tells whether it has the tag then: some
    /// stores take tags and don't show them.
    async fn tag(&self) -> Result<bool, AwsError> {
        let Plan { run, work, .. } = self.plan;
        iam::tag_user(run, &work.tags).await?;
        if run.aws.store.is_aws() {
            return Ok(true);
        }
        let found = iam::get_user(run).await?;
        Ok(found.is_some_and(|user| user.tags.bucket.is_some()))
    }

    async fn empty_folder(&mut self) -> Result<Step> {
        let Plan { run, work, .. } = self.plan;
        let folder = work.folder.as_ref().context("the folder was not listed")?;
        if work.only_expired {
            self.check_still_ended().await?;
        }
        let emptied = self.empty(folder).await;
        let Deleted { folder: counts, failed, notes, .. } = &mut self.deleted;
        *counts = work.progress.counts();
        *failed = emptied?;
        if folder.versions_remain(run, counts.objects > 0).await {
            // Not "the same command": --force is for users that are gone, and for no
            // other that a list names.
            notes.push(format!(
                "earlier versions of the objects remain; to delete them too, run with the same \
                 connection options: delete_s3_user -b {} -u USER --force{} --all-versions",
                run.target.bucket,
                folder_option(&run.target)
            ));
        }
        let step = Step::EmptyFolder { folder: run.target.folder_url(), what: counts.to_string() };
        if failed.is_empty() {
            return Ok(step);
        }
        run.done(&step);
        let message = format!(
            "{} could not be deleted, so user {} stays",
            counted(failed.len() as u64, "object"),
            run.target.user
        );
        let hint = "an object lock, a legal hold or a bucket policy may protect them; \
                    once they can be deleted, run the same command again";
        Err(Hinted::new(message, Hint::new(hint)).into())
    }

    /// Empties the folder, and once more when no upload can arrive any longer.
    async fn empty(&self, folder: &Folder) -> Result<Vec<FailedKey>> {
        let Plan { run, work, .. } = self.plan;
        let started = Instant::now();
        let failed = self.empty_once(folder, folder.first_page.clone()).await?;
        match self.writes_end {
            Some(end) if started < end && failed.is_empty() => {
                work.progress.set_waits(true);
                wait_until(end, &run.cancel).await;
                work.progress.set_waits(false);
                run.go_on()?;
                self.empty_once(folder, Page::default()).await
            }
            _ => Ok(failed),
        }
    }

    async fn empty_once(&self, folder: &Folder, first_page: Page) -> Result<Vec<FailedKey>> {
        let Plan { run, work, .. } = self.plan;
        let Folder { depth, concurrency, .. } = *folder;
        empty::empty(run, depth, first_page, concurrency, &work.progress, async || {
            let alone = check_alone(run, work.holdings.as_ref()).await;
            // Last, since a user that was made anew by now has files of its own.
            match self.check_same().await? {
                // Another run has deleted the user, so that it is no longer listed.
                None if work.holdings.is_some() => check_alone(run, None).await,
                _ => alone,
            }
        })
        .await
    }

    /// Deletes the user, and before that what came to hang on it meanwhile.
    async fn delete_user(&mut self) -> Result<()> {
        let Plan { run, work, .. } = self.plan;
        let Some(holdings) = &work.holdings else {
            return Ok(());
        };
        let mut patience = Patience::SETTLING;
        patience.retry(&run.cancel, is_settling, async || self.try_to_delete(holdings).await).await
    }

    async fn try_to_delete(&mut self, holdings: &Holdings) -> Result<()> {
        let Plan { run, .. } = self.plan;
        self.check_same().await?;
        let deleted = iam::delete_user(run).await;
        if deleted.as_ref().is_err_and(AwsError::is_in_use) {
            self.check_same().await?;
            // What can't be removed now blocks the user again at the next attempt.
            for removal in belongings::removals_now(run, holdings).await? {
                match remove(run, &removal).await {
                    Ok(_) => self.note(&Step::Remove(removal)),
                    Err(error) if error.is_forbidden() => return Err(error.into()),
                    Err(_) => break,
                }
            }
        }
        deleted?;
        Ok(())
    }
}

/// The note that nobody has the folder any more, if it stayed for somebody who was deleted
/// at the same time.
async fn deserted_note(run: &Run, work: &Delete) -> Option<String> {
    if !work.stays_for_others {
        return None;
    }
    // IAM may still list the user that was deleted a moment ago, under its path or not.
    let mut own = work.holdings.clone()?;
    own.policies.clear();
    own.user.path.clear();
    check_alone(run, Some(&own)).await.ok()?;
    Some(format!(
        "no user has {} any more; to delete it, run with the same connection options: \
         delete_s3_user -b {} -u {} --force{}",
        run.target.folder_url(),
        run.target.bucket,
        run.target.user,
        folder_option(&run.target)
    ))
}

/// The option that names the folder of a user that is gone, where its name doesn't.
fn folder_option(target: &Target) -> String {
    if target.has_likely_folder() {
        return String::new();
    }
    format!(" --folder \"{}\"", target.prefix())
}

fn is_settling(deleted: &Result<()>) -> bool {
    deleted.as_ref().is_err_and(|error| error.downcast_ref().is_some_and(AwsError::is_settling))
}
