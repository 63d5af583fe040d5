//! The delete workflow: plan, apply.

use std::sync::Arc;

use anyhow::{Result, bail};
use aws_sdk_s3::types::MfaDeleteStatus;
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::bucket::{self, BucketError};
use crate::error::AwsError;
use crate::folder::{self, Progress};
use crate::iam::{self, Blocker, ManagedPolicy, Tags, User};
use crate::listing::{self, Cursor, Depth, PAGE, Page};
use crate::names::Target;
use crate::owner::{NotOurs, check_ours};
use crate::policy;
use crate::report::{self, Deleted, Hinted, Interrupted, PlanReport, Step, folder_url};
use crate::settle::settle;

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

/// Everything that hangs on a user.
#[derive(Default)]
struct Belongings {
    access_keys: Vec<String>,
    policies: Vec<Policy>,
    inline_policies: Vec<String>,
    blockers: Vec<Blocker>,
}

/// A managed policy that is attached to the user, made for it, or both.
struct Policy {
    name: String,
    arn: String,
    attached: bool,
    /// Made for this user and used by nobody else, so deleted with it.
    ours: bool,
}

/// Lists everything [`apply`] would remove, and changes nothing.
///
/// Fails if the bucket can't be reached, if there is no such user, or if the
/// user isn't ours for this bucket; the latter two not with `force`.
pub async fn plan(aws: &Aws, target: &Target, options: Options) -> Result<Plan> {
    let (bucket, user) = tokio::join!(
        bucket::find(aws, &target.bucket),
        iam::get_user(aws, &target.user)
    );
    // First the user: a refused HeadBucket has no code to tell why.
    let user = user?;
    let aws = match bucket {
        Err(BucketError::Missing(_)) if options.keep_objects => aws.clone(),
        found => found?,
    };
    if let Some(user) = &user
        && !options.force
        && let Err(error) = check_ours(&aws, target, user).await
    {
        return Err(match error.downcast::<NotOurs>() {
            Ok(not_ours) => Hinted {
                message: not_ours.to_string(),
                hint: "--force deletes it all the same".to_owned(),
            }
            .into(),
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
    if user.is_none() && belongings.policies.is_empty() && !options.force {
        return Err(no_such_user(target, folder.as_ref()));
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

/// What a create run that was killed before it made the user leaves: a policy
/// for this bucket that nothing uses.
async fn left_behind(aws: &Aws, target: &Target) -> Result<Belongings, AwsError> {
    let mut left = Belongings::default();
    let Some(account) = iam::account(aws).await else {
        return Ok(left);
    };
    let name = policy::managed_policy_name(&target.user);
    let found = iam::get_policy(aws, &format!("{account}:policy/{name}")).await?;
    if let Some(found) = found
        && is_unused_and_ours(aws, target, &found).await?
    {
        left.policies.push(Policy {
            name,
            arn: found.arn,
            attached: false,
            ours: true,
        });
    }
    Ok(left)
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

fn no_such_user(target: &Target, folder: Option<&Folder>) -> anyhow::Error {
    let message = format!("there is no user {}", target.user);
    if folder.is_none_or(|folder| folder.first_page.entries.is_empty()) {
        return anyhow::Error::msg(message);
    }
    let hint = format!(
        "{} still holds objects; --force deletes them without the user",
        folder_url(target)
    );
    Hinted { message, hint }.into()
}

async fn belongings(aws: &Aws, target: &Target, user: &User) -> Result<Belongings, AwsError> {
    let name = &target.user;
    let (access_keys, policies, inline_policies, blockers) = tokio::try_join!(
        iam::access_keys(aws, name),
        policies(aws, target, user),
        iam::inline_policies(aws, name),
        iam::blockers(aws, name),
    )?;
    Ok(Belongings {
        access_keys,
        policies,
        inline_policies,
        blockers,
    })
}

/// The managed policies attached to the user, and those made for it that an
/// interrupted run left unattached.
async fn policies(aws: &Aws, target: &Target, user: &User) -> Result<Vec<Policy>, AwsError> {
    let find = async |name: String| match iam::policy_arn(user, &name) {
        Some(arn) => Ok(iam::get_policy(aws, &arn).await?.map(|found| (name, found))),
        None => Ok(None),
    };
    let [access, list, get] = policy::names_made_for(&target.user);
    let (attached, access, list, get) = tokio::try_join!(
        iam::attached_policies(aws, &target.user),
        find(access),
        find(list),
        find(get),
    )?;
    let made: Vec<_> = [access, list, get].into_iter().flatten().collect();
    // Attached to this user counts as one use; any more are somebody else's.
    let is_ours = |arn: &str| {
        made.iter()
            .any(|(_, found)| found.arn == arn && found.uses <= 1)
    };
    let mut policies: Vec<_> = attached
        .into_iter()
        .map(|(name, arn)| Policy {
            ours: is_ours(&arn),
            attached: true,
            name,
            arn,
        })
        .collect();
    for (name, found) in made {
        let attached = policies.iter().any(|policy| policy.arn == found.arn);
        if !attached && is_unused_and_ours(aws, target, &found).await? {
            policies.push(Policy {
                name,
                arn: found.arn,
                attached,
                ours: true,
            });
        }
    }
    Ok(policies)
}

async fn is_unused_and_ours(
    aws: &Aws,
    target: &Target,
    found: &ManagedPolicy,
) -> Result<bool, AwsError> {
    if found.uses > 0 {
        return Ok(false);
    }
    Ok(match &found.tags.bucket {
        Some(bucket) => bucket == target.bucket.as_str(),
        None => policy::names_bucket(&iam::policy_document(aws, found).await?, &target.bucket),
    })
}

impl Plan {
    /// Whether earlier versions of the objects will remain.
    pub fn versions_remain(&self) -> bool {
        self.folder
            .as_ref()
            .is_some_and(|folder| folder.versions_remain)
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
/// `progress` counts what goes from the folder while it goes, and `deleted`
/// tells what was done, even where this fails or is cancelled; what is gone
/// already counts as deleted. Running again continues. An object that can't be
/// deleted is in `deleted.failed`: everything else is deleted all the same, and
/// the user stays.
pub async fn apply(
    plan: &Plan,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
    progress: &Arc<Progress>,
    deleted: &mut Deleted,
) -> Result<()> {
    let mut run = Run {
        plan,
        cancel,
        on_step,
        deleted,
    };
    let found = &plan.belongings;
    let marked = run.mark_user().await;
    run.delete_keys(found).await?;
    // Without a tag, the policies are what a second run knows the user by.
    if marked {
        run.delete_policies(found).await?;
    }
    run.remove_blockers(found).await?;
    run.empty_folder(progress).await?;
    if !marked {
        run.delete_policies(found).await?;
    }
    run.delete_user().await
}

/// A run under way.
struct Run<'a> {
    plan: &'a Plan,
    cancel: &'a CancellationToken,
    on_step: &'a dyn Fn(&Step),
    deleted: &'a mut Deleted,
}

impl Run<'_> {
    fn done(&self, step: &Step) {
        (self.on_step)(step);
    }

    /// Tags a user that only its policies show to be ours, and tells whether
    /// a second run will know it without them.
    async fn mark_user(&self) -> bool {
        let Plan { aws, target, .. } = self.plan;
        if !self.plan.tag {
            return true;
        }
        let tags = Tags {
            bucket: Some(target.bucket.to_string()),
            ..Tags::default()
        };
        let tagged = iam::tag_user(aws, &target.user, &tags).await.is_ok();
        if tagged {
            self.done(&Step::TagUser(target.user.to_string()));
        }
        tagged
    }

    async fn clear(&mut self, user: &Belongings) -> Result<()> {
        self.delete_keys(user).await?;
        self.delete_policies(user).await?;
        self.remove_blockers(user).await
    }

    async fn delete_keys(&mut self, user: &Belongings) -> Result<()> {
        let Plan { aws, target, .. } = self.plan;
        for id in &user.access_keys {
            Interrupted::check(self.cancel)?;
            iam::delete_access_key(aws, &target.user, id).await?;
            self.deleted.access_keys.push(id.clone());
            self.done(&Step::DeleteAccessKey(id.clone()));
        }
        Ok(())
    }

    async fn delete_policies(&mut self, user: &Belongings) -> Result<()> {
        let Plan { aws, target, .. } = self.plan;
        for policy in &user.policies {
            Interrupted::check(self.cancel)?;
            if policy.attached {
                iam::detach_policy(aws, &target.user, &policy.arn).await?;
                self.deleted.policies_detached.push(policy.name.clone());
                self.done(&Step::DetachPolicy(policy.name.clone()));
            }
            if policy.ours {
                iam::delete_policy(aws, &policy.arn).await?;
                self.deleted.policies_deleted.push(policy.name.clone());
                self.done(&Step::DeletePolicy(policy.name.clone()));
            }
        }
        for name in &user.inline_policies {
            Interrupted::check(self.cancel)?;
            iam::delete_inline_policy(aws, &target.user, name).await?;
            self.deleted.policies_deleted.push(name.clone());
            self.done(&Step::DeleteInlinePolicy(name.clone()));
        }
        Ok(())
    }

    async fn remove_blockers(&mut self, user: &Belongings) -> Result<()> {
        let Plan { aws, target, .. } = self.plan;
        for blocker in &user.blockers {
            Interrupted::check(self.cancel)?;
            iam::remove_blocker(aws, &target.user, blocker).await?;
            self.deleted.other.push(blocker.to_string());
            self.done(&Step::Remove(blocker.to_string()));
        }
        Ok(())
    }

    async fn empty_folder(&mut self, progress: &Arc<Progress>) -> Result<()> {
        let Plan { aws, target, .. } = self.plan;
        let Some(folder) = &self.plan.folder else {
            return Ok(());
        };
        Interrupted::check(self.cancel)?;
        let emptied = folder::empty(
            aws,
            target,
            folder.depth,
            folder.first_page.clone(),
            folder.concurrency,
            self.cancel,
            progress,
        )
        .await;
        self.deleted.count(progress);
        self.deleted.failed = emptied?;
        self.done(&Step::EmptyFolder {
            folder: folder_url(target),
            what: self.deleted.summary(),
        });
        match self.deleted.failed.len() {
            0 => Ok(()),
            count => {
                let failed = report::counted(count as u64, false, "object");
                bail!(
                    "{failed} could not be deleted, so user {} stays",
                    target.user
                )
            }
        }
    }

    /// Deletes the user, and before that what came to hang on it meanwhile.
    async fn delete_user(&mut self) -> Result<()> {
        let Plan { aws, target, .. } = self.plan;
        let Some(user) = &self.plan.user else {
            return Ok(());
        };
        Interrupted::check(self.cancel)?;
        let cancel = self.cancel;
        let delete = async || {
            let deleted = iam::delete_user(aws, &target.user).await;
            if deleted
                .as_ref()
                .is_err_and(|error| error.is(iam::DELETE_CONFLICT))
            {
                let new = belongings(aws, target, user).await?;
                // What can't be deleted now is in the way again when that is all.
                let _ = self.clear(&new).await;
            }
            deleted
        };
        settle(&iam::SETTLING, cancel, delete).await?;
        self.deleted.user_deleted = true;
        self.done(&Step::DeleteUser(target.user.to_string()));
        Ok(())
    }
}
