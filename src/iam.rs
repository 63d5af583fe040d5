//! One short function per thing done to an IAM user, its keys and its policies.
//!
//! What is to be deleted and already gone counts as deleted, so that
//! everything can be run again.

use std::error::Error;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::error::AwsError;
use crate::settle::settle;

mod access_keys;
mod blockers;
mod policies;
mod tags;
mod users;

pub(crate) use access_keys::{access_keys, create_access_key, delete_access_key, last_used};
pub(crate) use blockers::{Blocker, blockers, remove_blocker};
pub(crate) use policies::{
    ManagedPolicy, attach_policy, attached_policies, create_policy, create_policy_version,
    delete_inline_policy, delete_policy, delete_policy_version, detach_policy, former_versions,
    get_policy, inline_policies, inline_policy_document, policy_arn, policy_document,
    put_inline_policy,
};
pub(crate) use tags::{Tags, refuses_tags};
pub(crate) use users::{User, account, create_user, delete_user, get_user, tag_user, untag_expiry};

/// What IAM says of a user or policy that is to be made and exists.
pub(crate) const EXISTS: &str = "EntityAlreadyExists";

/// What IAM says of a user or policy that is to be deleted and still in use.
pub(crate) const DELETE_CONFLICT: &str = "DeleteConflict";

const NO_SUCH_ENTITY: &str = "NoSuchEntity";

/// Answers IAM gives while it settles after a change: try again.
pub(crate) const SETTLING: [&str; 3] = [
    "ConcurrentModification",
    DELETE_CONFLICT,
    "EntityTemporarilyUnmodifiable",
];

/// The same for a user or policy made a moment ago, which may not be known yet.
const SETTLING_AFTER_CREATE: [&str; 3] = [NO_SUCH_ENTITY, SETTLING[0], SETTLING[2]];

/// Does something again while IAM has another change to the same thing under way.
pub(crate) async fn patiently<T>(
    attempt: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    settle(&SETTLING, &CancellationToken::new(), attempt).await
}

/// What was looked up, or none if IAM says there is no such thing.
fn present<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Err(error) if error.is(NO_SUCH_ENTITY) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Deletes something, and tells whether it was there: that it is gone already
/// is success.
async fn remove<T, E, F>(
    aws: &Aws,
    operation: &'static str,
    send: impl Fn() -> F,
) -> Result<bool, AwsError>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let deleted = patiently(async || aws.call(operation, send()).await).await;
    Ok(present(deleted)?.is_some())
}

/// Nothing, for a thing or list of things that the store doesn't have at all.
fn optional<T: Default>(answer: Result<T, AwsError>) -> Result<T, AwsError> {
    match answer {
        Err(error) if error.is_unsupported() || error.is_crash() => Ok(T::default()),
        answer => answer,
    }
}
