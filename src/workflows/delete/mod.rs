//! The delete workflow: what gives access first, the folder then, the user
//! last. As long as anything remains the tagged user remains, so running the
//! same command again finishes what was interrupted. What goes is planned here, and
//! deleted in `applying`.

use std::sync::Arc;

use anyhow::Result;
#[cfg(feature = "cli")]
use clap::builder::TypedValueParser;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::error::Error;
use super::holdings::Holdings;
use super::inventory::Everybody;
use super::ours::{find_bucket, look_up, reachable};
use super::plan::{Plan, Preview};
use crate::access::{GivenFolder, Prefix, UserName};
use crate::aws::{AwsError, Run};
use crate::commands;
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::iam::{self, LastUse, Tags, User, UserDetails};
use crate::removal::Removal;
use crate::s3::bucket::BucketError;
use crate::s3::empty::Progress;
use crate::s3::listing::Page;
use crate::step::Step;

pub use applying::apply;
use belongings::own_policies_last;
pub use expired::{Expired, expired};
pub(crate) use folder::Content;
use folder::Folder;
use sharing::Sharing;

mod applying;
mod belongings;
mod expired;
mod folder;
mod guard;
mod late_writes;
mod sharing;

/// How much is deleted, and how: the options under "What is deleted".
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "cli",
    derive(clap::Args),
    group(id = "extent"),
    command(next_help_heading = "What is deleted")
)]
pub struct DeleteOptions {
    /// Leave the folder's objects where they are
    #[cfg_attr(feature = "cli", arg(long))]
    pub keep_objects: bool,
    /// Delete earlier versions and delete markers too
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "keep_objects"))]
    pub all_versions: bool,
    /// Delete the user even if it was not made for this bucket
    ///
    /// Also deletes a folder whose user is gone, but never one that belongs to another user or
    /// contains another user's folder.
    #[cfg_attr(feature = "cli", arg(long))]
    pub force: bool,
    /// Folder to delete, if the user's tags and policies don't say which
    ///
    /// Needed only if delete_s3_user asks for it, or with --force if the user no longer exists
    /// and its folder wasn't named after it.
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "FOLDER/"),
        arg(conflicts_with = "keep_objects")
    )]
    pub folder: Option<GivenFolder>,
    /// How many delete requests to run at a time for each user, 1 to 256
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "N", default_value = "16"),
        arg(value_parser = clap::value_parser!(u16).range(1..=256).map(usize::from))
    )]
    pub concurrency: usize,
    /// Delete the user only if its access has ended.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub only_expired: bool,
    /// Plan with everything that hangs on the user. If not, AWS itself tells of MFA devices,
    /// SSH keys, signing certificates and service-specific credentials by [not deleting][1] a
    /// user that has any, which saves four calls.
    ///
    /// [1]: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
    #[cfg_attr(feature = "cli", arg(skip = true))]
    pub plans_everything: bool,
    /// The users that are deleted in the same run. Of those that share a folder, the last by
    /// name takes it along: it must be deleted after the others.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub along_with: Arc<[UserName]>,
}

impl Default for DeleteOptions {
    fn default() -> Self {
        Self {
            keep_objects: false,
            all_versions: false,
            concurrency: 16,
            force: false,
            folder: None,
            only_expired: false,
            plans_everything: true,
            along_with: Arc::default(),
        }
    }
}

/// A delete run: what it removes besides the things that hang on the user.
#[derive(Default)]
pub struct Delete {
    /// The user with all that it held when it was looked at; none if there is no such user,
    /// and only what is left of one goes.
    holdings: Option<Holdings>,
    /// True if it is deleted only if its access has ended.
    only_expired: bool,
    /// True if nothing but its policies shows that it is ours.
    is_known_by_policies: bool,
    /// The tags that the user gets before its policies go.
    tags: Tags,
    /// True if the folder stays for others who have it.
    stays_for_others: bool,
    /// True if others who share the folder are deleted in the same run, before this user.
    pub(crate) goes_last: bool,
    /// Notes for the admin, before and afterwards.
    notes: Vec<String>,
    /// The folder; none if the objects are kept.
    folder: Option<Folder>,
    /// Counts what has gone from the folder so far; can be read while [`apply`] runs.
    pub progress: Arc<Progress>,
}

impl Plan<Delete> {
    /// Adds notes for the admin, before and afterwards.
    pub(crate) fn add_lasting_notes(&mut self, notes: impl IntoIterator<Item = String>) {
        for note in notes {
            self.work.notes.push(note.clone());
            self.preview.notes.push(note);
        }
    }
}

impl Delete {
    fn user(&self) -> Option<&User> {
        self.holdings.as_ref().map(|holdings| &holdings.user)
    }

    /// The time at which the user was created, if IAM told it.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.user()?.created
    }

    /// The content of the folder, if it will go.
    pub(crate) fn content(&self) -> Option<Content> {
        self.folder.as_ref().map(|folder| folder.content)
    }

    /// The number of keys that it holds in memory.
    pub(crate) fn kept_keys(&self) -> usize {
        self.folder.as_ref().map_or(0, |folder| folder.first_page.entries.len())
    }

    /// Lets go of the keys in memory, so that [`apply`] lists them once more.
    pub(crate) fn forget_keys(&mut self) {
        if let Some(folder) = &mut self.folder {
            folder.first_page = Page::default();
        }
    }
}

/// The last use of any key of the user that is to go; none if it has no key, or IAM
/// doesn't tell of each.
pub(crate) async fn last_use(plan: &Plan<Delete>) -> Option<LastUse> {
    let keys = plan.preview.steps.iter().filter_map(|step| match step {
        Step::Remove(Removal::AccessKey(id)) => Some(iam::last_use(&plan.run, id)),
        _ => None,
    });
    let mut uses = Vec::new();
    for answer in join_all(keys).await {
        // A use that is not known may be the last one.
        uses.push(answer.ok().filter(LastUse::is_known)?);
    }
    uses.into_iter().max_by_key(LastUse::time)
}

/// Lists everything [`apply`] would remove, and changes nothing.
///
/// Fails if the bucket can't be reached, if there is no such user, or if the
/// user isn't ours for this bucket; the latter two not with `force`. Fails, too,
/// if the calls are made as the very user, and with `only_expired` unless its
/// access ended more than a minute ago, by both its tag and its policy.
pub async fn plan(run: &Run, options: &DeleteOptions) -> Result<Plan<Delete>, Error> {
    Ok(plan_among(run, options, &Everybody::default()).await?)
}

/// Plans likewise. A user who is among those of a list isn't looked up again.
pub(crate) async fn plan_among(
    run: &Run,
    options: &DeleteOptions,
    everybody: &Everybody,
) -> Result<Plan<Delete>> {
    if let Some(listed) = everybody.find(run).await
        && let Ok(in_region) = find_bucket(run, everybody).await
    {
        match plan_listed(in_region, listed, options).await {
            // The list still has a user that is gone.
            Err(error) if is_missing(&error) => {}
            planned => return planned,
        }
    }
    let (bucket, user) = look_up(run, everybody).await?;
    let in_region = match bucket {
        Err(BucketError::Missing { .. }) if options.keep_objects => run.clone(),
        Err(missing @ BucketError::Missing { .. }) if guard::is_left(run, user.as_ref()).await => {
            let delete = commands::delete_user(&run.target.bucket, run.user());
            let hint = Hint::run("if it was deleted, delete the user alone", delete);
            let hinted = Hinted::new(missing.to_string(), hint);
            return Err(hinted.of_kind(ErrorKind::NoSuchBucket).into());
        }
        found => reachable(&run.aws, found).await?,
    };
    match user {
        Some(user) => {
            let unread = Holdings::unread(&in_region, user);
            plan_user(in_region, unread, options).await
        }
        None => plan_leftovers(in_region, options).await,
    }
}

/// Plans the deletion of a user by what the list of everybody says of it.
async fn plan_listed(
    run: Run,
    listed: &UserDetails,
    options: &DeleteOptions,
) -> Result<Plan<Delete>> {
    let holdings = Holdings::of_list(&run, listed).await?;
    plan_user(run, holdings, options).await
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(AwsError::is_missing)
}

/// Plans the deletion of a user with its folder.
async fn plan_user(run: Run, holdings: Holdings, options: &DeleteOptions) -> Result<Plan<Delete>> {
    let mut holdings = guard::check_target(&run, holdings, options).await?;
    holdings.read_all(&run).await?;
    let user = holdings.user.clone();
    let mut notes = Vec::new();
    if options.only_expired {
        let end = expired::check(&run, &holdings, None).await?;
        notes.push(format!("access ended on {}", end.in_words()));
    }
    let own_folder = guard::own_folder(&holdings, options)?;
    let tags = guard::missing_tags(&run, &user, own_folder.as_ref(), options);
    let is_known_by_policies = guard::is_known_by_policies(&holdings, options);
    let run = match own_folder {
        Some(folder) => {
            holdings.settle_in(folder.clone());
            run.in_folder(folder)
        }
        None => run,
    };
    let (found, belongings, caller) = tokio::try_join!(
        Sharing::look_into(&run, Some(&holdings), options),
        async { Ok(belongings::removals(&run, &holdings, options.plans_everything).await?) },
        async { Ok(run.aws.identity().await) },
    )?;
    guard::check_not_self(&run, &user, &belongings, caller)?;
    let Sharing { folder, sharers, goes_last, note, note_before } = found;
    notes.extend(note_before);
    let stays_for_others = !sharers.is_empty();
    let mut lasting_notes = Vec::from_iter(options.folder.as_ref().and_then(GivenFolder::note));
    lasting_notes.extend(holdings.renamed_note());
    lasting_notes.extend(note);
    // Tags keep the user recognizable as ours, and its folder known, when its policies are gone.
    let needs_tags = tags != Tags::default();
    let can_tag = !needs_tags || iam::keeps_tags(&run, &user).await;
    let mut steps = Vec::new();
    if needs_tags && can_tag {
        steps.push(Step::TagUser(user.name.clone()));
    }
    steps.extend(belongings.into_iter().map(Step::Remove));
    steps.extend(folder.as_ref().map(|folder| folder.step(&run)));
    steps.push(Step::Remove(Removal::User(user.name.clone())));
    let is_known_by_policies = is_known_by_policies || !can_tag;
    if options.only_expired || is_known_by_policies {
        // Our policies tell a second run whose the user is and that access has ended, which
        // can be extended until the folder's turn. They give no access any more.
        own_policies_last(&mut steps, &holdings.made_as);
    }
    let mut preview = Preview::new(&run.target, steps);
    preview.notes = notes;
    let work = Delete {
        holdings: Some(holdings),
        only_expired: options.only_expired,
        is_known_by_policies,
        tags,
        stays_for_others,
        goes_last,
        ..Delete::default()
    };
    let mut plan = Plan { preview, run, work };
    plan.add_lasting_notes(lasting_notes);
    Ok(plan_folder(plan, folder))
}

/// Plans the deletion of what is left of a user that is gone; of the folder only with
/// `force`, since nothing shows whose it is.
async fn plan_leftovers(run: Run, options: &DeleteOptions) -> Result<Plan<Delete>> {
    let run = run.in_folder(Prefix::of_user(&run.target.user, options.folder.as_ref()));
    let (found, left) = tokio::try_join!(guard::look_into_left(&run, options), async {
        Ok(belongings::left_behind(&run).await?)
    })?;
    let Sharing { folder, goes_last, note, note_before, .. } = found;
    if options.only_expired || left.is_none() && !options.force {
        return Err(guard::no_user(&run, folder.as_ref()).await);
    }
    let mut notes = vec![format!("there is no user {}", run.target.user)];
    notes.extend(options.folder.as_ref().and_then(GivenFolder::note));
    notes.extend(note);
    if !options.force {
        notes.extend(folder.as_ref().and_then(|folder| folder.stays_note(&run)));
    }
    let emptied = folder.filter(|_| options.force);
    let mut steps = Vec::from_iter(left.map(Step::Remove));
    steps.extend(emptied.as_ref().map(|folder| folder.step(&run)));
    let mut preview = Preview::new(&run.target, steps);
    preview.notes.extend(note_before);
    let mut plan = Plan { preview, run, work: Delete { goes_last, ..Delete::default() } };
    plan.add_lasting_notes(notes);
    Ok(plan_folder(plan, emptied))
}

/// Adds the folder to a plan that has the step for it.
fn plan_folder(mut plan: Plan<Delete>, folder: Option<Folder>) -> Plan<Delete> {
    plan.preview.notes.extend(folder.as_ref().and_then(Folder::versions_note));
    plan.add_lasting_notes(folder.as_ref().and_then(Folder::unchecked_note));
    plan.work.folder = folder;
    plan
}
