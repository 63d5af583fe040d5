//! The delete workflow: what gives access first, the folder then, the user
//! last. As long as anything remains the tagged user remains, so running the
//! same command again finishes what was interrupted.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::deleted::Deleted;
use super::inventory::{LastUse, last_use_of_key};
use super::outcome::{Failed, State};
use super::plan::{Plan, Preview};
use super::provenance::{check_same, look_up, reachable};
use super::remove::remove;
use crate::access::{UserName, is_named_as_ours};
use crate::aws::{AwsError, Patience, Run, end_of_deleted_key, wait_until};
use crate::commands;
use crate::errors::{Hint, Hinted, Interrupted, Stays};
use crate::iam::{self, Tags, User};
use crate::removal::Removal;
use crate::s3::bucket::BucketError;
use crate::s3::empty::{self, FailedKey, Progress};
use crate::s3::listing::Page;
use crate::step::{Step, counted};

pub use expired::{Expired, expired};
pub(crate) use folder::Content;
use folder::Folder;

mod belongings;
mod expired;
mod folder;
mod guard;
mod late_writes;

/// What a delete run may do beyond the default.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Leave the folder's objects where they are.
    pub keep_objects: bool,
    /// Delete earlier versions and delete markers too.
    pub all_versions: bool,
    /// How many delete requests may be under way at a time, 1 or more.
    pub concurrency: usize,
    /// Delete a user that isn't ours for this bucket, or only the folder where
    /// there is no such user.
    pub force: bool,
    /// Delete the user only if its access has ended.
    pub only_expired: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_objects: false,
            all_versions: false,
            concurrency: 16,
            force: false,
            only_expired: false,
        }
    }
}

/// What a delete run removes besides what hangs on the user.
pub struct Delete {
    /// None if there is no such user, and only what is left of one goes.
    user: Option<User>,
    /// Whether it is deleted only if its access has ended.
    only_expired: bool,
    /// Whether nothing but its policies shows that it is ours.
    is_known_by_policies: bool,
    /// What the admin should know besides, a line each.
    notes: Vec<String>,
    /// None if the objects are kept.
    folder: Option<Folder>,
    /// What has gone from the folder so far; can be read while [`apply`] runs.
    pub progress: Arc<Progress>,
}

impl Plan<Delete> {
    /// The same plan, with more that the admin should know before and afterwards.
    pub(crate) fn with_lasting_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        let known = self.work.notes.len();
        self.work.notes.extend(notes);
        self.preview.notes.extend_from_slice(&self.work.notes[known..]);
        self
    }
}

impl Delete {
    /// When the user was created, as far as IAM told.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.user.as_ref()?.created
    }

    /// What will go from the folder; none if the objects are kept.
    pub(crate) fn content(&self) -> Option<Content> {
        self.folder.as_ref().map(|folder| folder.content)
    }

    /// How many keys it holds in memory.
    pub(crate) fn kept_keys(&self) -> usize {
        let folder = self.folder.as_ref();
        folder.map_or(0, |folder| folder.first_page.entries.len())
    }

    /// Lets go of the keys in memory, so that [`apply`] lists them once more.
    pub(crate) fn forget_keys(&mut self) {
        if let Some(folder) = &mut self.folder {
            folder.first_page = Page::default();
        }
    }
}

/// When the user that is to go was last active: the last use of any of its keys.
/// None if it has no key.
pub(crate) async fn last_use(plan: &Plan<Delete>) -> Option<LastUse> {
    let steps = plan.preview.steps.iter();
    let keys = steps.filter_map(|step| match step {
        Step::Remove(Removal::AccessKey(id)) => Some(last_use_of_key(&plan.run, id)),
        _ => None,
    });
    let uses = join_all(keys).await.into_iter();
    // One that is not known may be the last.
    uses.map(|used| used.unwrap_or(LastUse::Unknown)).max_by_key(LastUse::recency)
}

/// Lists everything [`apply`] would remove, and changes nothing.
///
/// Fails if the bucket can't be reached, if there is no such user, or if the
/// user isn't ours for this bucket; the latter two not with `force`. Fails, too,
/// if the calls are made as the very user, and with `only_expired` unless its
/// access ended more than a minute ago, by both its tag and its policy.
pub async fn plan(run: &Run, options: Options) -> Result<Plan<Delete>> {
    let (bucket, user) = look_up(run).await?;
    let run = match bucket {
        Err(BucketError::Missing { .. }) if options.keep_objects => run.clone(),
        Err(missing @ BucketError::Missing { .. }) if guard::is_left(run, user.as_ref()).await => {
            let delete = commands::delete_user(&run.target.bucket, run.user());
            let hint = Hint::run("if it was deleted, delete the user alone", delete);
            return Err(Hinted::new(missing.to_string(), hint).into());
        }
        found => reachable(&run.aws, found).await?,
    };
    let mut ended = None;
    if let Some(user) = &user {
        guard::check_target(&run, user, options.force).await?;
        if options.only_expired {
            ended = Some(expired::check(&run, user, None).await?);
        }
    }
    let (folder, belongings) = tokio::try_join!(Folder::look_into(&run, options), async {
        Ok(match &user {
            Some(user) => belongings::of(&run, user).await?,
            None => belongings::left_behind(&run).await?,
        })
    })?;
    let mut notes = Vec::new();
    match &user {
        Some(user) => guard::check_not_self(&run, user, &belongings).await?,
        None if options.only_expired || belongings.is_empty() && !options.force => {
            return Err(guard::nobody(&run, folder.as_ref()).await);
        }
        None => notes.push(format!("there is no user {}", run.target.user)),
    }
    // Without a user nothing shows whose the folder is.
    let folder = match folder {
        Some(folder) if user.is_none() && !options.force => {
            notes.extend(folder.stays_note(&run));
            None
        }
        folder => folder,
    };
    let untagged = user.as_ref().filter(|user| user.tags.bucket.is_none());
    // So that it stays recognizable as ours when its policies are gone.
    let to_tag = untagged.filter(|_| !options.force);
    let can_tag = match to_tag {
        Some(user) => iam::keeps_tags(&run, user).await,
        None => true,
    };
    let to_tag = to_tag.filter(|_| can_tag);
    let mut steps = Vec::new();
    steps.extend(to_tag.map(|user| Step::TagUser(user.name.clone())));
    steps.extend(belongings);
    steps.extend(folder.as_ref().map(|folder| folder.step(&run)));
    steps.extend(user.as_ref().map(|user| Step::Remove(Removal::User(user.name.clone()))));
    if options.only_expired || !can_tag {
        // By them a second run tells whose the user is and that access has ended, and
        // access can be extended until the folder's turn. They give no access any more.
        own_policies_last(&mut steps, &run.target.user);
    }
    let mut preview = Preview::new(&run.target, steps);
    preview.notes = notes.clone();
    let ended = ended.map(|end| format!("access ended at {end}"));
    preview.notes.extend(ended);
    let versions_note = folder.as_ref().and_then(Folder::versions_note);
    preview.notes.extend(versions_note);
    Ok(Plan {
        preview,
        run,
        work: Delete {
            user,
            only_expired: options.only_expired,
            is_known_by_policies: !can_tag,
            notes,
            folder,
            progress: Arc::default(),
        },
    })
}

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
    let mut deleted = Deleted::nothing(&plan.run.target);
    deleted.notes.clone_from(&plan.work.notes);
    deleted.empties_folder = plan.work.folder.is_some();
    let mut deleting = Deleting {
        plan,
        steps: VecDeque::from(plan.preview.steps.clone()),
        deleted,
        could_write: false,
        writes_end: None,
        is_known_by_policies: plan.work.is_known_by_policies,
    };
    match deleting.walk().await {
        Ok(()) => Ok(deleting.deleted),
        Err(error) => {
            let error = deleting.unless_made_anew(error).await;
            if !error.is::<Stays>() {
                deleting.deleted.needs_force = deleting.needs_force();
                deleting.deleted.remaining = deleting.steps.into();
            }
            Err(Failed { error, state: State::Deleted(Box::new(deleting.deleted)) })
        }
    }
}

/// A delete run under way.
struct Deleting<'a> {
    plan: &'a Plan<Delete>,
    /// What is still to be done, the step under way included.
    steps: VecDeque<Step>,
    /// What was deleted so far.
    deleted: Deleted,
    /// Whether the person could upload to the folder.
    could_write: bool,
    /// Until when AWS may accept uploads with a deleted key.
    writes_end: Option<Instant>,
    /// Whether nothing but its policies shows that the user is ours.
    is_known_by_policies: bool,
}

impl Deleting<'_> {
    async fn walk(&mut self) -> Result<()> {
        let Plan { run, work, preview } = self.plan;
        let user = work.user.as_ref();
        let could_write = late_writes::could_write(run, &preview.steps);
        let unchanged = guard::check_unchanged(run, user);
        let (could_write, unchanged) = tokio::join!(could_write, unchanged);
        unchanged?;
        self.could_write = could_write;
        self.writes_end = late_writes::goes_on(&preview.steps).then(end_of_deleted_key);
        if let Some(user) = user.filter(|_| work.only_expired) {
            expired::check(run, user, None).await?;
        }
        while let Some(step) = self.steps.front().cloned() {
            run.go_on()?;
            if let Step::TagUser(_) = step
                && !self.tag().await.unwrap_or(false)
            {
                let steps = self.steps.make_contiguous();
                own_policies_last(steps, &run.target.user);
                self.is_known_by_policies = true;
            } else {
                let taken = self.take(step).await;
                self.note(&run.unless_interrupted(taken)?);
            }
            self.steps.pop_front();
        }
        Ok(())
    }

    /// Takes a step, and returns it as it was done.
    async fn take(&mut self, step: Step) -> Result<Step> {
        match &step {
            Step::EmptyFolder { .. } => return self.empty_folder().await,
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
        Ok(step)
    }

    /// Fails with [`Stays`] if somebody else has the user's name by now.
    async fn check_same(&self) -> Result<Option<User>> {
        let Plan { run, work, .. } = self.plan;
        // Boxed, as its callers would each hold the state of a whole call.
        Box::pin(check_same(run, work.user.as_ref())).await
    }

    /// The error that ended the run; that somebody else has the user's name by now,
    /// where that is so, since running again must not be advised then.
    async fn unless_made_anew(&self, error: anyhow::Error) -> anyhow::Error {
        if error.is::<Interrupted>() || error.is::<Stays>() {
            return error;
        }
        match self.check_same().await {
            Err(made_anew) if made_anew.is::<Stays>() => made_anew,
            _ => error,
        }
    }

    /// Fails with [`Stays`] where access was extended meanwhile: what is in the folder
    /// can't be had back, as a key can.
    async fn check_still_ended(&self) -> Result<()> {
        if let Some(user) = self.check_same().await? {
            let rotate = commands::create_s3_user(&self.plan.run.target, "--rotate-key");
            let hint = Hint::run("for a new key", rotate);
            let check = expired::check(&self.plan.run, &user, Some(hint));
            Box::pin(check).await?;
        }
        Ok(())
    }

    /// Counts and tells what was done.
    fn note(&mut self, step: &Step) {
        if let Step::Remove(removal) = step {
            self.count(removal);
        }
        self.plan.run.done(step);
    }

    fn count(&mut self, removal: &Removal) {
        let deleted = &mut self.deleted;
        match removal {
            Removal::AccessKey(id) => {
                deleted.access_keys.push(id.clone());
                self.writes_end = self.could_write.then(end_of_deleted_key);
            }
            Removal::Attachment(policy) => deleted.policies_detached.push(policy.name.clone()),
            Removal::Policy(policy) => deleted.policies_deleted.push(policy.name.clone()),
            Removal::InlinePolicy(name) => deleted.policies_deleted.push(name.clone()),
            Removal::Blocker(blocker) => deleted.other.push(blocker.to_string()),
            Removal::User(_) => deleted.user_deleted = true,
            Removal::Object { .. } | Removal::Detachment(_) => {}
        }
    }

    /// Whether another run may not know the user as ours any more: its policies go right
    /// before it, and may be gone although no answer came.
    fn needs_force(&self) -> bool {
        let is_last = |step: &Step| {
            matches!(
                step,
                Step::Remove(
                    Removal::Attachment(_)
                        | Removal::Policy(_)
                        | Removal::InlinePolicy(_)
                        | Removal::User(_)
                )
            )
        };
        self.is_known_by_policies && self.steps.iter().all(is_last)
    }

    /// Tags the user as ours, and tells whether it has the tag then: some stores take
    /// tags and don't show them.
    async fn tag(&self) -> Result<bool, AwsError> {
        let run = &self.plan.run;
        let tags = Tags { bucket: Some(run.target.bucket.to_string()), ..Tags::default() };
        iam::tag_user(run, &tags).await?;
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
        let deleted = &mut self.deleted;
        deleted.folder = work.progress.counts();
        deleted.failed = emptied?;
        let has_deleted = deleted.folder.objects > 0;
        if folder.versions_remain(run, has_deleted).await {
            // Not "the same command": --force is for users that are gone, and for no
            // other that a list names.
            let note = "earlier versions of the objects remain; to delete them too, run \
                        delete_s3_user again with only -u USER --force --all-versions";
            deleted.notes.push(note.to_owned());
        }
        let step =
            Step::EmptyFolder { folder: run.target.folder_url(), what: deleted.folder.to_string() };
        if deleted.failed.is_empty() {
            return Ok(step);
        }
        run.done(&step);
        let message = format!(
            "{} could not be deleted, so user {} stays",
            counted(deleted.failed.len() as u64, false, "object"),
            run.target.user
        );
        let hint = "an object lock, a legal hold or a bucket policy may protect them; \
                    once they can be deleted, run the same command again";
        Err(Hinted::new(message, Hint::new(hint)).into())
    }

    /// Empties the folder, and once more when no upload can arrive any longer.
    async fn empty(&self, folder: &Folder) -> Result<Vec<FailedKey>> {
        let Plan { run, work, .. } = self.plan;
        let empty = async |first_page| {
            let (depth, concurrency) = (folder.depth, folder.concurrency);
            let check = async || self.check_same().await.map(drop);
            empty::empty(run, depth, first_page, concurrency, &work.progress, check).await
        };
        let started = Instant::now();
        let failed = empty(folder.first_page.clone()).await?;
        match self.writes_end {
            Some(end) if started < end && failed.is_empty() => {
                wait_until(end, &run.cancel).await;
                run.go_on()?;
                empty(Page::default()).await
            }
            _ => Ok(failed),
        }
    }

    /// Deletes the user, and before that what came to hang on it meanwhile.
    async fn delete_user(&mut self) -> Result<()> {
        let Plan { run, work, .. } = self.plan;
        let Some(user) = &work.user else {
            return Ok(());
        };
        let mut patience = Patience::SETTLING;
        let is_settling = |deleted: &Result<()>| {
            let error = deleted.as_ref().err().and_then(|error| error.downcast_ref());
            error.is_some_and(AwsError::is_settling)
        };
        patience.retry(&run.cancel, is_settling, async || self.try_to_delete(user).await).await
    }

    async fn try_to_delete(&mut self, user: &User) -> Result<()> {
        let run = &self.plan.run;
        self.check_same().await?;
        let deleted = iam::delete_user(run).await;
        if deleted.as_ref().is_err_and(AwsError::is_in_use) {
            self.check_same().await?;
            // What can't be removed now is in the way again when that is all.
            for step in belongings::of(run, user).await? {
                if let Step::Remove(removal) = &step
                    && remove(run, removal).await.is_err()
                {
                    break;
                }
                self.note(&step);
            }
        }
        deleted?;
        Ok(())
    }
}

/// Moves what deletes our own policies to just before the deletion of the user,
/// where they are what a second run knows by that the user is to go.
fn own_policies_last(steps: &mut [Step], user: &UserName) {
    let is_ours = |name: &str, is_managed| is_named_as_ours(user, name, is_managed);
    steps.sort_by_key(|step| {
        let Step::Remove(removal) = step else { return 0 };
        match removal {
            Removal::Attachment(policy) | Removal::Policy(policy)
                if is_ours(&policy.name, true) =>
            {
                1
            }
            Removal::InlinePolicy(name) if is_ours(name, false) => 1,
            Removal::User(_) => 2,
            _ => 0,
        }
    });
}
