//! The bucket: whether it is there and where, and what is known of it.

use anyhow::Result;
use aws_sdk_s3::types::{
    BucketVersioningStatus, EncodingType, MfaDeleteStatus, ServerSideEncryption,
};

use super::listing::decoded;
use crate::access::{BucketName, Grant};
use crate::aws::{Aws, AwsError, Run};
use crate::errors::did_you_mean;

/// Why a bucket can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    /// There is none of this name; maybe one of a similar name was meant.
    #[error("there is no bucket {bucket}{}", did_you_mean(.similar.as_deref()))]
    Missing { bucket: BucketName, similar: Option<String> },
    #[error(
        "HeadBucket: AccessDenied: bucket {0} exists, but you can't access it \
         (needs the permission s3:ListBucket, and the right account)"
    )]
    Refused(BucketName),
    /// The same, where AWS says why.
    #[error("bucket {0} exists, but you can't access it: {1}")]
    Denied(BucketName, AwsError),
    #[error(transparent)]
    Other(#[from] AwsError),
}

/// Clients that speak to the bucket's region, once the bucket is found to be
/// there and ours to see.
pub(crate) async fn find(aws: &Aws, bucket: &BucketName) -> Result<Aws, BucketError> {
    let Err(error) = head(aws, bucket).await else {
        return Ok(aws.clone());
    };
    let there = match error.bucket_region() {
        Some(region) if *region != aws.region => aws.in_region(region),
        _ => return Err(why_not(aws, bucket, error).await),
    };
    match head(&there, bucket).await {
        Ok(()) => Ok(there),
        Err(error) => Err(why_not(&there, bucket, error).await),
    }
}

/// Why HeadBucket failed. Its answer has neither a code nor a message, so a listing
/// of one key is asked for them where it was refused.
async fn why_not(aws: &Aws, bucket: &BucketName, error: AwsError) -> BucketError {
    if error.status() == Some(404) {
        return BucketError::Missing { bucket: bucket.clone(), similar: None };
    }
    let is_untold = matches!(error.status(), Some(400 | 403)) && error.remedy().is_none();
    if !is_untold {
        return error.into();
    }
    let list = aws.s3.list_objects_v2().bucket(bucket.as_str());
    let listed = aws.call("ListObjectsV2", list.max_keys(1).send()).await;
    match listed.err().filter(|refused| !refused.is_unclear()) {
        Some(refused) if refused.is_access_denied() => BucketError::Denied(bucket.clone(), refused),
        Some(refused) => refused.into(),
        None if error.is_refusal() => BucketError::Refused(bucket.clone()),
        None => error.into(),
    }
}

async fn head(aws: &Aws, bucket: &BucketName) -> Result<(), AwsError> {
    let head = aws.s3.head_bucket().bucket(bucket.as_str());
    aws.call("HeadBucket", head.send()).await.map(drop)
}

/// The names of the admin's buckets; none if they may not be listed.
pub(crate) async fn all_names(aws: &Aws) -> Vec<String> {
    let answer = aws.call("ListBuckets", aws.s3.list_buckets().send()).await;
    let buckets = answer.ok().and_then(|answer| answer.buckets);
    let names = buckets.into_iter().flatten().filter_map(|bucket| bucket.name);
    names.collect()
}

/// Whether the bucket keeps versions, and whether only the root user can
/// delete them. What is refused or unknown counts as no.
pub(crate) async fn versioning(run: &Run) -> Versioning {
    let get = run.aws.s3.get_bucket_versioning();
    let get = get.bucket(run.bucket()).send();
    let Ok(answer) = run.aws.call("GetBucketVersioning", get).await else {
        return Versioning::default();
    };
    Versioning {
        keeps_versions: answer.status.is_some(),
        is_suspended: answer.status == Some(BucketVersioningStatus::Suspended),
        needs_mfa: answer.mfa_delete == Some(MfaDeleteStatus::Enabled),
    }
}

/// Whether the bucket locks new objects for a time, so that nobody can delete
/// them. What is refused or unknown counts as no.
pub(crate) async fn locks_objects(run: &Run) -> bool {
    let get = run.aws.s3.get_object_lock_configuration();
    let get = get.bucket(run.bucket()).send();
    let Ok(answer) = run.aws.call("GetObjectLockConfiguration", get).await else {
        return false;
    };
    let rule = answer.object_lock_configuration.and_then(|lock| lock.rule);
    rule.is_some_and(|rule| rule.default_retention.is_some())
}

/// What a bucket does with versions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Versioning {
    /// On, or suspended with earlier versions still there.
    pub keeps_versions: bool,
    /// Suspended: deletions leave markers of version `null`.
    pub is_suspended: bool,
    /// MFA Delete is on.
    pub needs_mfa: bool,
}

/// The names of the first 1,000 folders at the bucket's top level.
pub(crate) async fn folders(run: &Run) -> Result<Vec<String>> {
    let list = run.aws.s3.list_objects_v2();
    let list = list.bucket(run.bucket());
    let list = list.delimiter("/").encoding_type(EncodingType::Url);
    let answer = run.aws.call("ListObjectsV2", list.send()).await?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let prefixes = answer.common_prefixes().iter();
    prefixes
        .filter_map(|common| common.prefix())
        .map(|prefix| Ok(decoded(prefix, encoded)?.trim_end_matches('/').to_owned()))
        .collect()
}

/// The first key in the bucket that is in none of these folders, if any.
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

/// The first key in a folder of the bucket, if any.
pub(crate) async fn first_key_in(run: &Run, folder: &str) -> Result<Option<String>> {
    let key = first_key(run, Some(folder), None).await?;
    Ok(key.filter(|key| key.starts_with(folder)))
}

async fn first_key(
    run: &Run,
    prefix: Option<&str>,
    start_after: Option<String>,
) -> Result<Option<String>> {
    let list = run.aws.s3.list_objects_v2();
    let list = list.bucket(run.bucket());
    let list = list.encoding_type(EncodingType::Url).max_keys(1);
    let list = list.set_prefix(prefix.map(str::to_owned));
    let list = list.set_start_after(start_after);
    let answer = run.aws.call("ListObjectsV2", list.send()).await?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let first = answer.contents().first().and_then(|object| object.key());
    first.map(|key| decoded(key, encoded)).transpose()
}

/// The customer's KMS key that the bucket encrypts new objects with, if any.
///
/// None for AWS's own key `aws/s3`, which every user of the account may use,
/// and where the answer is refused or the store has no such thing.
async fn customer_kms_key(run: &Run) -> Option<String> {
    let get = run.aws.s3.get_bucket_encryption();
    let get = get.bucket(run.bucket()).send();
    let answer = run.aws.call("GetBucketEncryption", get).await.ok()?;
    let rules = answer.server_side_encryption_configuration?.rules;
    rules
        .into_iter()
        .filter_map(|rule| rule.apply_server_side_encryption_by_default)
        .filter(|default| {
            matches!(
                default.sse_algorithm,
                ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse
            )
        })
        .find_map(|default| default.kms_master_key_id)
        .filter(|key| !key.ends_with("alias/aws/s3"))
}

/// What the admin should know of what the grant allows here, a line each.
pub(crate) async fn grant_notes(run: &Run, grant: &Grant) -> Vec<String> {
    let is_aws = run.aws.store.is_aws();
    let private = grant.private_block_note().filter(|_| is_aws);
    let kms = kms_note(run, grant).await;
    let whole = grant.whole_block_note();
    kms.into_iter().chain(private).chain(whole).collect()
}

/// What to know of a KMS key that the user would need and has no access to.
async fn kms_note(run: &Run, grant: &Grant) -> Option<String> {
    if grant.kms_key.is_some() {
        return None;
    }
    let key = customer_kms_key(run).await?;
    Some(format!(
        "new objects of the bucket are encrypted with KMS key {key}, so requests will be refused: \
         --update with --kms-key allows using it"
    ))
}
