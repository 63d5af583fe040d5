//! Undoing a create run, whatever point it failed at.

use super::{Made, Plan, Run, delete_command};
use crate::aws::{self, AwsError};
use crate::iam;
use crate::policy;
use crate::report::{Leftover, Step};

impl Run<'_> {
    /// Undoes what this run made, in reverse, and returns what is left.
    pub(super) async fn undo(&self) -> Vec<Leftover> {
        let key = self.undo_key().await;
        let grant = self.undo_grant().await;
        let policy = self.undo_policy(grant.is_none()).await;
        let user = self.undo_user(key.is_none() && grant.is_none()).await;
        [key, grant, policy, user].into_iter().flatten().collect()
    }

    /// Deletes the key that was made; where that is unclear, every key of the
    /// user, which had none before: nobody has the secret.
    async fn undo_key(&self) -> Option<Leftover> {
        let Plan { aws, target, .. } = self.plan;
        let undo = async {
            let keys = match (&self.key_id, self.key) {
                (Some(id), _) => vec![id.clone()],
                (None, Made::No) => Vec::new(),
                (None, _) => {
                    let list = async || iam::access_keys(aws, &target.user).await;
                    aws::wait_for(|keys: &Vec<_>| !keys.is_empty(), list).await?
                }
            };
            for id in keys {
                let delete = async || iam::delete_access_key(aws, &target.user, &id).await;
                self.remove(self.key, delete).await?;
                (self.on_step)(&Step::DeleteAccessKey(id));
            }
            Ok::<_, AwsError>(())
        };
        let id = self
            .key_id
            .iter()
            .map(|id| format!(" {id}"))
            .collect::<String>();
        undo.await.is_err().then(|| Leftover {
            what: format!("access key{id} of user {}", target.user),
            remove_with: delete_command(aws, target),
        })
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
                let undone = self.remove(self.granted, detach).await;
                (undone, Step::DetachPolicy(name.clone()))
            }
            None => {
                let delete = async || iam::delete_inline_policy(aws, &target.user, &name).await;
                let undone = self.remove(self.granted, delete).await;
                (undone, Step::DeleteInlinePolicy(name.clone()))
            }
        };
        if undone.is_ok() {
            (self.on_step)(&step);
            return None;
        }
        Some(Leftover {
            what: format!("policy {name} on user {}", target.user),
            remove_with: delete_command(aws, target),
        })
    }

    /// Deletes the managed policy, unless it is known to be attached still.
    async fn undo_policy(&self, is_free: bool) -> Option<Leftover> {
        let aws = &self.plan.aws;
        let name = self.plan.policy_name();
        let left = |what, arn: &str| Leftover {
            what,
            remove_with: format!("aws iam delete-policy --policy-arn {arn}{}", aws.options),
        };
        let undo = async |arn: &str| {
            if self.policy == Made::Maybe {
                let found = self.get_policy(arn).await?;
                if found.is_none_or(|found| found.tags.run != self.tags.run) {
                    return Ok(true);
                }
            }
            if is_free {
                let delete = async || iam::delete_policy(aws, arn).await;
                self.remove(self.policy, delete).await?;
                (self.on_step)(&Step::DeletePolicy(name.clone()));
            }
            Ok::<_, AwsError>(is_free)
        };
        match (self.policy, &self.policy_arn) {
            (Made::No, _) => None,
            (_, Some(arn)) => {
                let undone = undo(arn).await.unwrap_or(false);
                (!undone).then(|| left(format!("policy {name}"), arn))
            }
            // Without the user, which tells the account, the ARN is not known.
            (_, None) => {
                let run = self.tags.run.as_deref().unwrap_or_default();
                let account = "$(aws sts get-caller-identity --query Account --output text)";
                let partition = policy::partition_of_region(&aws.region);
                Some(left(
                    format!("policy {name}, if it is there and tagged s3-user:run={run}"),
                    &format!("arn:{partition}:iam::{account}:policy/{name}"),
                ))
            }
        }
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
                self.remove(self.user, delete).await?;
                (self.on_step)(&Step::DeleteUser(target.user.to_string()));
            }
            Ok::<_, AwsError>(is_free)
        };
        (!undo.await.unwrap_or(false)).then(|| Leftover {
            what: format!("user {}", target.user),
            remove_with: delete_command(aws, target),
        })
    }

    /// Removes a thing. One that was surely made is waited for: IAM may not
    /// know of it yet.
    async fn remove(
        &self,
        made: Made,
        remove: impl AsyncFnMut() -> Result<bool, AwsError>,
    ) -> Result<bool, AwsError> {
        aws::wait_for(|was_there| *was_there || made != Made::Yes, remove).await
    }
}
