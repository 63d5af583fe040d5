//! A delete run under way.

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::Plan;
use super::belongings::{Belongings, belongings};
use crate::commands;
use crate::folder::{self, Progress};
use crate::iam::{self, Tags};
use crate::report::{self, Deleted, Interrupted, Step, folder_url};
use crate::settle::settle;

/// A run under way.
pub(super) struct Run<'a> {
    plan: &'a Plan,
    cancel: &'a CancellationToken,
    on_step: &'a dyn Fn(&Step),
    /// What was deleted so far.
    pub deleted: Deleted,
}

impl<'a> Run<'a> {
    /// A run that has deleted nothing yet.
    pub fn new(plan: &'a Plan, cancel: &'a CancellationToken, on_step: &'a dyn Fn(&Step)) -> Self {
        Self {
            plan,
            cancel,
            on_step,
            deleted: Deleted {
                notes: plan.nobody_note().into_iter().collect(),
                ..Deleted::nothing(&plan.target)
            },
        }
    }

    /// Deletes what the plan found, the user last.
    pub async fn delete_everything(&mut self, progress: &Arc<Progress>) -> Result<()> {
        let found = &self.plan.belongings;
        let marked = self.mark_user().await;
        self.delete_keys(found).await?;
        // Without a tag, the policies are what a second run knows the user by.
        if marked {
            self.delete_policies(found).await?;
        }
        self.remove_blockers(found).await?;
        self.empty_folder(progress).await?;
        if !marked {
            self.delete_policies(found).await?;
        }
        self.delete_user().await
    }

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

    /// Deletes all that hangs on the user.
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
            what: self.deleted.in_words(),
        });
        if self.plan.versions_remain() {
            let delete = commands::delete(&target.bucket, &target.user, &aws.options);
            self.deleted.notes.push(format!(
                "earlier versions of the objects remain; to delete them too, run: {delete} --force --all-versions"
            ));
        }
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
