//! The bucket: whether it exists and where, and how it is configured.

use anyhow::Result;
use aws_sdk_s3::types::{BucketVersioningStatus, MfaDeleteStatus, ServerSideEncryption};

use super::listing::{decoded, list_objects};
use crate::access::{BucketName, Grant};
use crate::aws::{Aws, AwsError, Run};
use crate::commands;
use crate::errors::{Hint, did_you_mean};

/// The reasons why a bucket can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BucketError {
    /// There is none of this name; maybe one of a similar name was meant.
    #[error("there is no bucket {bucket}{}", did_you_mean(.similar.as_deref()))]
    Missing { bucket: BucketName, similar: Option<String> },
    #[error(
        "HeadBucket: AccessDenied: bucket {0} exists, but you can't access it \
         (needs the permission s3:ListBucket, and the right account)"
    )]
    Refused(BucketName),
    /// A refusal that AWS explains.
    #[error("bucket {0} exists, but you can't access it: {1}")]
    Denied(BucketName, AwsError),
    #[error(transparent)]
    Other(#[from] AwsError),
}

impl BucketError {
    /// Returns what can be done about it, if anything is known.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Missing { .. } => None,
            Self::Denied(_, error) if error.refuser().is_some() => error.hint(),
            Self::Refused(_) | Self::Denied(..) => {
                Some(Hint::run("see whose credentials these are", commands::caller_identity()))
            }
            Self::Other(error) => error.hint(),
        }
    }
}

/// Returns clients for the bucket's region.
///
/// Fails if the bucket doesn't exist or the admin can't access it.
pub(crate) async fn find(aws: &Aws, bucket: &BucketName) -> Result<Aws, BucketError> {
    let mut there = aws.clone();
    let mut answer = head(&there, bucket).await;
    // The SDK tries again by the server's clock, but only after an answer with a code, which
    // HeadBucket's has not.
    if answer.as_ref().is_err_and(AwsError::is_about_clock) {
        answer = head(&there, bucket).await;
    }
    if let Err(error) = &answer
        && let Some(region) = error.bucket_region()
        && *region != there.region
    {
        there = aws.in_region(region);
        answer = head(&there, bucket).await;
    }
    match answer {
        Ok(()) => Ok(there),
        Err(error) => Err(explained(&there, bucket, error).await),
    }
}

async fn head(aws: &Aws, bucket: &BucketName) -> Result<(), AwsError> {
    let head = aws.s3.head_bucket().bucket(bucket.as_str());
    aws.call("HeadBucket", head.send()).await.map(drop)
}

/// Finds out why HeadBucket failed. Its answer has neither a code nor a message; where
/// it was refused, the answer to a listing of one key has both.
async fn explained(aws: &Aws, bucket: &BucketName, error: AwsError) -> BucketError {
    if error.status() == Some(404) {
        return BucketError::Missing { bucket: bucket.clone(), similar: None };
    }
    if !matches!(error.status(), Some(400 | 403)) || error.own_hint().is_some() {
        return error.into();
    }
    let list = aws.s3.list_objects_v2().bucket(bucket.as_str()).max_keys(1);
    let listed = aws.call("ListObjectsV2", list.send()).await;
    match listed.err().filter(|refused| !refused.is_unclear()) {
        Some(refused) if refused.is_access_denied() => BucketError::Denied(bucket.clone(), refused),
        Some(refused) => refused.into(),
        None if error.is_forbidden() => BucketError::Refused(bucket.clone()),
        None => error.into(),
    }
}

/// Returns the names of the admin's buckets; none if they may not be listed.
pub(crate) async fn all_names(aws: &Aws) -> Vec<String> {
    let answer = aws.call("ListBuckets", aws.s3.list_buckets().send()).await;
    let listed = answer.ok().and_then(|answer| answer.buckets).unwrap_or_default();
    listed.into_iter().filter_map(|bucket| bucket.name).collect()
}

/// The versioning of a bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Versioning {
    /// On, or suspended with earlier versions still there.
    pub keeps_versions: bool,
    /// Suspended: deletions leave markers of version `null`.
    pub is_suspended: bool,
    /// It could not be read, for lack of a permission.
    pub is_refused: bool,
    /// MFA Delete is on, so only the root user can delete versions.
    pub needs_mfa: bool,
}

/// Looks up the bucket's versioning. Counts as off if it can't be read.
pub(crate) async fn versioning(run: &Run) -> Versioning {
    let get = run.aws.s3.get_bucket_versioning().bucket(run.bucket());
    let answer = match run.aws.call("GetBucketVersioning", get.send()).await {
        Ok(answer) => answer,
        Err(error) => {
            return Versioning { is_refused: error.is_forbidden(), ..Versioning::default() };
        }
    };
    Versioning {
        is_refused: false,
        keeps_versions: answer.status.is_some(),
        is_suspended: answer.status == Some(BucketVersioningStatus::Suspended),
        needs_mfa: answer.mfa_delete == Some(MfaDeleteStatus::Enabled),
    }
}

/// True if the bucket locks new objects for a time, so that nobody can delete them.
/// Counts as false if that can't be read.
pub(crate) async fn locks_objects(run: &Run) -> bool {
    let get = run.aws.s3.get_object_lock_configuration().bucket(run.bucket());
    let answer = run.aws.call("GetObjectLockConfiguration", get.send()).await.ok();
    let lock = answer.and_then(|answer| answer.object_lock_configuration);
    lock.and_then(|lock| lock.rule).is_some_and(|rule| rule.default_retention.is_some())
}

/// Returns the names of the first 1,000 folders in one whose prefix is `parent`; at the
/// bucket's top level if that is empty.
pub(crate) async fn folders(run: &Run, parent: &str) -> Result<Vec<String>> {
    let list = list_objects(run).delimiter("/").prefix(parent);
    let answer = run.aws.call("ListObjectsV2", list.send()).await?;
    let mut folders = Vec::new();
    for prefix in answer.common_prefixes().iter().filter_map(|common| common.prefix()) {
        let folder = decoded(prefix, answer.encoding_type())?;
        let name = folder.strip_prefix(parent).unwrap_or(&folder);
        folders.push(name.trim_end_matches('/').to_owned());
    }
    Ok(folders)
}

/// Returns the first key in the bucket that is in none of these folders, if any.
pub(crate) async fn first_key_outside(run: &Run, folders: &[&str]) -> Result<Option<String>> {
    let mut start = None;
    // At most once for each folder, whatever a store answers.
    for _ in 0..=folders.len() {
        let Some(key) = first_key(run, None, start).await? else {
            return Ok(None);
        };
        match folders.iter().find(|folder| key.starts_with(**folder)) {
            None => return Ok(Some(key)),
            // `0` comes next after the `/` that a folder ends in.
            Some(folder) => start = Some(format!("{}0", folder.trim_end_matches('/'))),
        }
    }
    Ok(None)
}

/// Returns the first key in a folder of the bucket, if any.
pub(crate) async fn first_key_in(run: &Run, folder: &str) -> Result<Option<String>> {
    let key = first_key(run, Some(folder.to_owned()), None).await?;
    Ok(key.filter(|key| key.starts_with(folder)))
}

async fn first_key(
    run: &Run,
    prefix: Option<String>,
    start_after: Option<String>,
) -> Result<Option<String>> {
    let list = list_objects(run).max_keys(1).set_prefix(prefix).set_start_after(start_after);
    let answer = run.aws.call("ListObjectsV2", list.send()).await?;
    match answer.contents().first().and_then(|object| object.key()) {
        Some(key) => decoded(key, answer.encoding_type()).map(Some),
        None => Ok(None),
    }
}

/// The ways of encrypting with a KMS key.
const KMS: [ServerSideEncryption; 2] =
    [ServerSideEncryption::AwsKms, ServerSideEncryption::AwsKmsDsse];

/// Returns the customer's KMS key that the bucket encrypts new objects with, if any.
///
/// None for AWS's own key `aws/s3`, which every user of the account may use,
/// and where the answer is refused or the store has no such thing.
async fn customer_kms_key(run: &Run) -> Option<String> {
    let get = run.aws.s3.get_bucket_encryption().bucket(run.bucket());
    let answer = run.aws.call("GetBucketEncryption", get.send()).await.ok()?;
    let configuration = answer.server_side_encryption_configuration?;
    configuration
        .rules
        .into_iter()
        .filter_map(|rule| rule.apply_server_side_encryption_by_default)
        .filter(|default| KMS.contains(&default.sse_algorithm))
        .find_map(|default| default.kms_master_key_id)
        .filter(|key| !key.ends_with("alias/aws/s3"))
}

/// The note that the grant is not enough for this bucket's objects, if they need a KMS key.
pub(crate) async fn kms_note(run: &Run, grant: &Grant) -> Option<String> {
    if grant.kms_key.is_some() {
        return None;
    }
    let key = customer_kms_key(run).await?;
    Some(format!(
        "new objects of the bucket are encrypted with KMS key {key}, so requests will be refused: \
         --update with --kms-key allows using it"
    ))
}
