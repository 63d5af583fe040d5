//! Taking a step that removes something, for delete and undo alike.

use crate::aws::{AwsError, Run};
use crate::iam;
use crate::s3::object::delete_object;
use crate::step::Step;

/// Removes what the step names, and tells whether it was there; or puts a policy back
/// that a run took off the user.
///
/// No step goes unlisted, so that a new one can't pass for done.
pub(super) async fn remove(run: &Run, step: &Step) -> Result<bool, AwsError> {
    match step {
        Step::DeleteAccessKey(id) => iam::delete_access_key(run, id).await,
        Step::ReattachPolicy(policy) => {
            iam::attach_policy(run, &policy.arn).await?;
            Ok(true)
        }
        Step::DetachPolicy(policy) => iam::detach_policy(run, &policy.arn).await,
        Step::DeletePolicy(policy) => iam::delete_policy(run, &policy.arn).await,
        Step::DeleteInlinePolicy(name) => iam::delete_inline_policy(run, name).await,
        Step::Remove(blocker) => iam::remove_blocker(run, blocker).await,
        Step::DeleteUser(_) => iam::delete_unused_user(run).await,
        Step::DeleteObject { url, version } => {
            let bucket = format!("s3://{}/", run.target.bucket);
            let key = url.strip_prefix(&bucket).unwrap_or(url);
            delete_object(run, key, version.clone()).await?;
            Ok(true)
        }
        Step::CreateUser(_)
        | Step::CreatePolicy(_)
        | Step::AttachPolicy(_)
        | Step::GivePolicy(_)
        | Step::PutInlinePolicy(_)
        | Step::CreateAccessKey(_)
        | Step::MakeFolder(_)
        | Step::WriteKeyFile(_)
        | Step::WriteKit(_)
        | Step::Verify { .. }
        | Step::Check(_)
        | Step::UpdatePolicy(_)
        | Step::TagUser(_)
        | Step::DeleteSuspendedKey(_)
        | Step::SuspendKey(_)
        | Step::ResumeKey(_)
        | Step::EmptyFolder { .. }
        | Step::AbortUpload { .. }
        | Step::DeleteLateKey
        | Step::DeleteUnclearKey { .. }
        | Step::DeleteUnclearUser(_)
        | Step::DeleteUnclearPolicy { .. }
        | Step::Undo(_) => unreachable!("{step} is no step that removes one thing"),
    }
}
