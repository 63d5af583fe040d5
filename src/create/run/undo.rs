//! Undoing a create run, whatever point it failed at.

use super::{Plan, Run};
use crate::commands;
use crate::error::AwsError;
use crate::iam;
use crate::made::Made;
use crate::report::{Leftover, Step, folder_url};

impl Run<'_> {
    /// Undoes what this run made, in reverse, and returns what is left.
    pub async fn undo(&mut self) -> Vec<Leftover> {
        let folder = self.undo_folder().await;
        let key = self.key.undo(&self.remove_command(), self.on_step).await;
        let grant = self.undo_grant().await;
        let policy = self.undo_policy(grant.is_none()).await;
        let user = self.undo_user(key.is_none() && grant.is_none()).await;
        let undone = [folder, key, grant, policy, user].into_iter().flatten();
        std::mem::take(&mut self.left)
            .into_iter()
            .chain(undone)
            .collect()
    }

    fn undone(&self, step: Step) {
        (self.on_step)(&step.undoing());
    }

    /// The command that removes all of it but the folder.
    fn remove_command(&self) -> String {
        let Plan { aws, target, .. } = self.plan;
        commands::remove_user(&target.bucket, &target.user, &aws.options)
    }

    /// Deletes the folder object, which was not there before.
    async fn undo_folder(&self) -> Option<Leftover> {
        let Plan { aws, target, .. } = self.plan;
        let put = self.folder.as_ref()?;
        let (prefix, url) = (target.prefix(), folder_url(target));
        match put.undo(aws, &target.bucket, prefix.as_str()).await {
            Ok(()) if put.answer.is_err() => None,
            Ok(()) => {
                self.undone(Step::DeleteFolder(url));
                None
            }
            Err(_) => Some(Leftover {
                what: format!("folder object {url}"),
                remove_with: commands::delete_object(&url, &aws.options),
            }),
        }
    }

    /// Takes the policy off the user again.
    async fn undo_grant(&self) -> Option<Leftover> {
        let Plan { aws, target, .. } = self.plan;
        if self.granted == Made::No {
            return None;
        }
        let name = self.plan.policy_name();
        let (undone, step) = match &self.policy_arn {
            Some(arn) => {
                let detach = async || iam::detach_policy(aws, &target.user, arn).await;
                let undone = self.granted.remove(detach).await;
                (undone, Step::DetachPolicy(name.clone()))
            }
            None => {
                let delete = async || iam::delete_inline_policy(aws, &target.user, &name).await;
                let undone = self.granted.remove(delete).await;
                (undone, Step::DeleteInlinePolicy(name.clone()))
            }
        };
        if undone.is_ok() {
            self.undone(step);
            return None;
        }
        Some(Leftover {
            what: format!("policy {name} on user {}", target.user),
            remove_with: self.remove_command(),
        })
    }

    /// Deletes the managed policy, unless it is known to be attached still.
    async fn undo_policy(&self, is_free: bool) -> Option<Leftover> {
        let aws = &self.plan.aws;
        let name = self.plan.policy_name();
        let left = |what, arn: &str| Leftover {
            what,
            remove_with: commands::delete_policy(arn, &aws.options),
        };
        let undo = async |arn: &str| {
            if self.policy == Made::Maybe {
                let found = self.get_policy(arn).await?;
                if found.is_none_or(|found| found.tags.run != self.tags.run) {
                    return Ok(true);
                }
            }
            // Another run, whose user it is, took the policy over.
            if self.granted == Made::No
                && let Some(found) = iam::get_policy(aws, arn).await?
                && found.uses > 0
            {
                return Ok(true);
            }
            if is_free {
                let delete = async || iam::delete_policy(aws, arn).await;
                self.policy.remove(delete).await?;
                self.undone(Step::DeletePolicy(name.clone()));
            }
            Ok::<_, AwsError>(is_free)
        };
        if self.policy == Made::No {
            return None;
        }
        let Some(arn) = self.policy_arn().await else {
            let run = self.tags.run.as_deref().unwrap_or_default();
            let arn = format!("ARN_OF_{name}");
            let what = format!("policy {name}, if it is there and tagged s3-user:run={run}");
            return Some(left(what, &arn));
        };
        let undone = undo(&arn).await.unwrap_or(false);
        (!undone).then(|| left(format!("policy {name}"), &arn))
    }

    /// The policy's ARN; none where neither the policy's own nor the user's
    /// answer told it, nor the account.
    async fn policy_arn(&self) -> Option<String> {
        if self.policy_arn.is_some() {
            return self.policy_arn.clone();
        }
        let account = iam::account(&self.plan.aws).await?;
        Some(format!("{account}:policy/{}", self.plan.policy_name()))
    }

    /// Deletes the user, unless something is known to hang on it still.
    async fn undo_user(&self, is_free: bool) -> Option<Leftover> {
        let Plan { aws, target, .. } = self.plan;
        if self.user == Made::No {
            return None;
        }
        let undo = async {
            if self.user == Made::Maybe && self.our_user().await?.is_none() {
                return Ok(true);
            }
            if is_free {
                let delete = async || iam::delete_user(aws, &target.user).await;
                self.user
                    .remove(async || iam::patiently(delete).await)
                    .await?;
                self.undone(Step::DeleteUser(target.user.to_string()));
            }
            Ok::<_, AwsError>(is_free)
        };
        (!undo.await.unwrap_or(false)).then(|| Leftover {
            what: format!("user {}", target.user),
            remove_with: self.remove_command(),
        })
    }
}
