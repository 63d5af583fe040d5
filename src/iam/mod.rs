//! One short function per thing done to an IAM user, its keys and its policies.
//! Decides nothing: what is done when, and what a failure means, is for those
//! who call.
//!
//! What is to be deleted and already gone counts as deleted, so that
//! everything can be run again.

use std::error::Error;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};

use crate::aws::{AwsError, Run, settle};

mod access_keys;
mod account;
mod blockers;
mod policies;
mod tags;
mod users;
mod whole_list;

pub(crate) use access_keys::{
    KeyInfo, LastUse, access_keys, create_access_key, delete_access_key, last_used,
    update_access_key,
};
pub(crate) use account::{UserDetails, UserPolicy, all_details, all_names};
pub(crate) use blockers::{blockers, has_login_profile, remove_blocker};
pub(crate) use policies::{
    PolicyInfo, attach_policy, attached_policies, create_policy, create_policy_version,
    delete_inline_policy, delete_policy, delete_policy_version, detach_policy, former_versions,
    get_policy, inline_policies, inline_policy_document, managed_policy_document, policy_arn,
    policy_document, put_inline_policy,
};
pub(crate) use tags::Tags;
pub(crate) use users::{
    User, account, create_user, delete_unused_user, delete_user, get_user, groups,
    is_surely_in_no_group, keeps_tags, tag_user, untag_expiry,
};

/// What was looked up, or none if IAM says there is no such thing.
fn present<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Err(error) if error.is_missing() => Ok(None),
        answer => answer.map(Some),
    }
}

/// Deletes something, and tells whether it was there: that it is gone already
/// is success.
async fn remove<T, E, F>(
    run: &Run,
    operation: &'static str,
    send: impl Fn() -> F,
) -> Result<bool, AwsError>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let deleted = settle(&run.cancel, async || run.aws.call(operation, send()).await).await;
    Ok(present(deleted)?.is_some())
}

/// Nothing, for a thing or list of things that the store doesn't have at all.
fn optional<T: Default>(run: &Run, answer: Result<T, AwsError>) -> Result<T, AwsError> {
    match answer {
        Err(error) if run.aws.store.may_lack(&error) => Ok(T::default()),
        answer => answer,
    }
}
