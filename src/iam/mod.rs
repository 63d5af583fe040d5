//! One short function per thing done to an IAM user, its keys and its policies.
//! Decides nothing: when it is done, and what a failure means, is up to the caller.
//!
//! What is to be deleted and already gone counts as deleted, so that
//! everything can be run again.

use aws_sdk_iam::primitives::DateTime;
use jiff::Timestamp;

use crate::aws::{AwsError, Run, SdkResult, ServiceError};

mod access_keys;
mod account;
mod blockers;
mod policies;
mod tags;
mod users;
mod whole_list;

pub use access_keys::{KeyInfo, LastUse};
pub(crate) use access_keys::{
    access_keys, create_access_key, delete_access_key, last_use, resume_access_key,
    suspend_access_key, text_or_null,
};
pub(crate) use account::{UserDetails, all_details, all_names};
pub(crate) use blockers::{blockers, has_login_profile, remove_blocker};
pub(crate) use policies::{
    Policy, PolicyInfo, attach_policy, attached_policies, create_policy, create_policy_version,
    delete_inline_policy, delete_policy, delete_policy_version, detach_policy, former_versions,
    get_policy, inline_policies, policy_arn, policy_arn_of_caller, policy_document, policy_users,
    put_inline_policy, read_document,
};
pub(crate) use tags::{EXPIRES, Tags};
pub(crate) use users::{
    User, create_user, delete_unused_user, delete_user, first_user, get_user, groups,
    is_surely_in_no_group, keeps_tags, tag_user, untag_expiry, users_under_path,
};

/// Returns what was looked up, or `None` if IAM says that there is no such thing.
fn present<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Err(error) if error.is_missing() => Ok(None),
        answer => answer.map(Some),
    }
}

/// Deletes something. False if it is gone already, which is success too.
async fn remove<T, E: ServiceError, F: Future<Output = SdkResult<T, E>>>(
    run: &Run,
    operation: &'static str,
    send: impl Fn() -> F,
) -> Result<bool, AwsError> {
    Ok(present(run.change(operation, send).await)?.is_some())
}

/// Returns what was answered, or nothing where the store doesn't have such things at all.
fn optional<T: Default>(run: &Run, answer: Result<T, AwsError>) -> Result<T, AwsError> {
    match answer {
        Err(error) if run.aws.store.may_lack(&error) => Ok(T::default()),
        answer => answer,
    }
}

/// Returns a time of IAM's, or `None` if it lies outside of what calendars have.
fn to_jiff(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.secs()).ok()
}
