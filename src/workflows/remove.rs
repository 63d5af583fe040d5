//! Removes one thing, for both delete and undo.

use crate::aws::{AwsError, Run};
use crate::iam;
use crate::removal::Removal;
use crate::s3::object::delete_object;

/// Carries out a removal, and returns true if there was something to remove. That is assumed
/// of objects, and of detachments, which are undone by attaching the policy again.
pub(super) async fn remove(run: &Run, removal: &Removal) -> Result<bool, AwsError> {
    match removal {
        Removal::AccessKey(id) => iam::delete_access_key(run, id).await,
        Removal::Attachment(policy) => iam::detach_policy(run, &policy.arn).await,
        Removal::Detachment(policy) => {
            iam::attach_policy(run, &policy.arn).await?;
            Ok(true)
        }
        Removal::Policy(policy) => iam::delete_policy(run, &policy.arn).await,
        Removal::InlinePolicy(name) => iam::delete_inline_policy(run, name).await,
        Removal::Blocker(blocker) => iam::remove_blocker(run, blocker).await,
        Removal::Object { url, version } => {
            let in_bucket = format!("s3://{}/", run.target.bucket);
            let key = url.strip_prefix(&in_bucket).unwrap_or(url);
            delete_object(run, key, version.clone()).await?;
            Ok(true)
        }
        Removal::User(_) => iam::delete_unused_user(run).await,
    }
}
