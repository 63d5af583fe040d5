//! The delete workflow: plan, apply.

use std::sync::Arc;

use anyhow::{Result, bail};
use aws_sdk_s3::types::MfaDeleteStatus;
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::bucket::BucketError;
use crate::commands;
use crate::folder::Progress;
use crate::iam::User;
use crate::listing::{self, Cursor, Depth, PAGE, Page};
use crate::names::Target;
use crate::owner::{NotOurs, check_ours, look_up, no_such_user};
use crate::report::{self, Deleted, Hinted, Incomplete, PlanReport, Step, folder_url};

use belongings::{Belongings, belongings, left_behind};
use run::Run;

mod belongings;
mod run;

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_objects: false,
            all_versions: false,
            concurrency: 16,
            force: false,
        }
    }
}

/// What [`apply`] will remove, found out without changing anything.
pub struct Plan {
    aws: Aws,
    target: Target,
    /// None if there is no such user, and only what is left of one goes.
    user: Option<User>,
    belongings: Belongings,
    /// Whether to tag an untagged user, so that it stays recognizable as ours
    /// when its policies are gone.
    tag: bool,
    /// None if the objects are kept.
    folder: Option<Folder>,
}

/// What is known of the folder before it is emptied.
struct Folder {
    depth: Depth,
    concurrency: usize,
    first_page: Page,
    /// Whether the bucket keeps versions that this run leaves behind.
    versions_remain: bool,
}

/// Lists everything [`apply`] would remove, and changes nothing.
///
/// Fails if the bucket can't be reached, if there is no such user, or if the
/// user isn't ours for this bucket; the latter two not with `force`. Fails, too,
/// if the user's own key is the one that calls are made with.
pub async fn plan(aws: &Aws, target: &Target, options: Options) -> Result<Plan> {
    let (bucket, user) = look_up(aws, target).await?;
    let aws = match bucket {
        Err(BucketError::Missing { .. }) if options.keep_objects => aws.clone(),
        found => found?,
    };
    if let Some(user) = &user
        && !options.force
        && let Err(error) = check_ours(&aws, target, user).await
    {
        return Err(match error.downcast::<NotOurs>() {
            Ok(not_ours) => refused(&aws, target, &not_ours).into(),
            Err(error) => error,
        });
    }
    let (folder, belongings) = tokio::try_join!(
        async {
            match options.keep_objects {
                true => Ok(None),
                false => look_into_folder(&aws, target, options).await.map(Some),
            }
        },
        async {
            match &user {
                Some(user) => Ok(belongings(&aws, target, user).await?),
                None => Ok(left_behind(&aws, target).await?),
            }
        }
    )?;
    if let Some(own) = aws.own_key_id().await
        && belongings.access_keys.contains(&own)
    {
        bail!(
            "user {} is the one whose key this command runs with; nothing is deleted",
            target.user
        );
    }
    if user.is_none() && belongings.policies.is_empty() && !options.force {
        return Err(nobody(&aws, target, folder.as_ref()).await);
    }
    let is_untagged = user.as_ref().is_some_and(|user| user.tags.bucket.is_none());
    Ok(Plan {
        aws,
        target: target.clone(),
        user,
        belongings,
        tag: is_untagged && !options.force,
        folder,
    })
}

/// That a user wasn't made for this bucket, and what can be done about it.
fn refused(aws: &Aws, target: &Target, not_ours: &NotOurs) -> Hinted {
    let hint = match &not_ours.made_for {
        Some(bucket) => {
            let delete = commands::delete(bucket, &target.user, &aws.options);
            format!("to delete it with its folder there, run: {delete}")
        }
        None => "--force deletes it all the same".to_owned(),
    };
    let message = not_ours.to_string();
    Hinted { message, hint }
}

async fn look_into_folder(aws: &Aws, target: &Target, options: Options) -> Result<Folder> {
    let depth = match options.all_versions {
        true => Depth::Versions,
        false => Depth::Objects,
    };
    let start = Cursor::start();
    let get = aws
        .s3
        .get_bucket_versioning()
        .bucket(target.bucket.as_str());
    let (page, versioning) = tokio::join!(
        listing::page(aws, target, depth, &start, PAGE),
        aws.call("GetBucketVersioning", get.send()),
    );
    // Refused or unknown, it is no reason to stop.
    let versioning = versioning.ok();
    let mfa_delete = versioning.as_ref().and_then(|bucket| bucket.mfa_delete());
    if options.all_versions && mfa_delete == Some(&MfaDeleteStatus::Enabled) {
        bail!(
            "bucket {} has MFA Delete on, so its versions can be deleted only by the root user \
             with the MFA device",
            target.bucket
        );
    }
    let is_versioned = versioning.is_some_and(|bucket| bucket.status.is_some());
    Ok(Folder {
        depth,
        concurrency: options.concurrency,
        first_page: page?,
        versions_remain: is_versioned && !options.all_versions,
    })
}

/// That there is no such user, and what may have been meant.
async fn nobody(aws: &Aws, target: &Target, folder: Option<&Folder>) -> anyhow::Error {
    if folder.is_none_or(|folder| folder.first_page.entries.is_empty()) {
        return no_such_user(aws, target).await;
    }
    Hinted {
        message: format!("there is no user {}", target.user),
        hint: format!(
            "{} still holds objects; --force deletes them without the user",
            folder_url(target)
        ),
    }
    .into()
}

impl Plan {
    /// What the admin should know before it is carried out, a line each.
    pub fn notes(&self) -> Vec<String> {
        let remain = "earlier versions of the objects will remain; --all-versions deletes them too";
        let remain = self.versions_remain().then(|| remain.to_owned());
        self.nobody_note().into_iter().chain(remain).collect()
    }

    fn nobody_note(&self) -> Option<String> {
        let note = format!("there is no user {}", self.target.user);
        self.user.is_none().then_some(note)
    }

    fn versions_remain(&self) -> bool {
        let folder = self.folder.as_ref();
        folder.is_some_and(|folder| folder.versions_remain)
    }

    /// The plan as data, for `--dry-run --json`.
    pub fn report(&self) -> PlanReport {
        PlanReport::new(&self.target, &self.steps(), None)
    }

    /// What will be done, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let found = &self.belongings;
        steps.extend(
            self.tag
                .then(|| Step::TagUser(self.target.user.to_string())),
        );
        steps.extend(found.access_keys.iter().cloned().map(Step::DeleteAccessKey));
        for policy in &found.policies {
            steps.extend(
                policy
                    .attached
                    .then(|| Step::DetachPolicy(policy.name.clone())),
            );
            steps.extend(policy.ours.then(|| Step::DeletePolicy(policy.name.clone())));
        }
        let inline = found.inline_policies.iter().cloned();
        steps.extend(inline.map(Step::DeleteInlinePolicy));
        let blockers = found.blockers.iter();
        steps.extend(blockers.map(|blocker| Step::Remove(blocker.to_string())));
        if let Some(folder) = &self.folder {
            let kind = match folder.depth {
                Depth::Objects => "object",
                Depth::Versions => "version",
            };
            let page = &folder.first_page;
            let (count, more) = (page.entries.len() as u64, page.next.is_some());
            steps.push(Step::EmptyFolder {
                folder: folder_url(&self.target),
                what: report::counted(count, more, kind),
            });
        }
        let user = self.user.as_ref();
        steps.extend(user.map(|_| Step::DeleteUser(self.target.user.to_string())));
        steps
    }
}

/// Carries out the plan, in an order that ends the person's access first and
/// leaves the user, which makes a second run possible, until last.
///
/// `progress` counts what goes from the folder while it goes. What is gone
/// already counts as deleted. Where this fails or is cancelled, running again
/// continues. An object that can't be deleted is in the report's `failed`:
/// everything else is deleted all the same, and the user stays.
pub async fn apply(
    plan: &Plan,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
    progress: &Arc<Progress>,
) -> Result<Deleted, Incomplete> {
    let mut run = Run::new(plan, cancel, on_step);
    let done = run.delete_everything(progress).await;
    let mut deleted = run.deleted;
    let Err(error) = done else {
        return Ok(deleted);
    };
    deleted.error = Some(format!("{error:#}"));
    Err(Incomplete { deleted, error })
}
