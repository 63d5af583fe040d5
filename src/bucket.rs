//! Single things done to the bucket and its objects.

use aws_sdk_s3::types::ServerSideEncryption;

use crate::aws::{Aws, AwsError};
use crate::names::BucketName;

/// Puts an object of no bytes, and returns the version it got, if any.
pub(crate) async fn put_empty(
    aws: &Aws,
    bucket: &BucketName,
    key: &str,
) -> Result<Option<String>, AwsError> {
    let put = aws.s3.put_object().bucket(bucket.as_str()).key(key);
    let answer = aws.call("PutObject", put.send()).await?;
    Ok(answer.version_id)
}

/// Deletes an object, or one version of it without leaving a marker.
pub(crate) async fn delete_object(
    aws: &Aws,
    bucket: &BucketName,
    key: &str,
    version: Option<String>,
) -> Result<(), AwsError> {
    let delete = aws.s3.delete_object().bucket(bucket.as_str()).key(key);
    let delete = delete.set_version_id(version);
    aws.call("DeleteObject", delete.send()).await.map(drop)
}

/// The first key in the bucket that doesn't begin with the prefix, if any.
pub(crate) async fn first_key_outside(
    aws: &Aws,
    bucket: &BucketName,
    prefix: &str,
) -> Result<Option<String>, AwsError> {
    // `0` comes next after the `/` that the prefix ends in.
    let behind = format!("{}0", prefix.trim_end_matches('/'));
    for start in [None, Some(behind)] {
        let list = aws.s3.list_objects_v2().bucket(bucket.as_str());
        let list = list.max_keys(1).set_start_after(start);
        let answer = aws.call("ListObjectsV2", list.send()).await?;
        let first = answer.contents().first().and_then(|object| object.key());
        if let Some(key) = first.filter(|key| !key.starts_with(prefix)) {
            return Ok(Some(key.to_owned()));
        }
    }
    Ok(None)
}

/// The customer's KMS key that the bucket encrypts new objects with, if any.
///
/// None for AWS's own key `aws/s3`, which every user of the account may use,
/// and where the answer is refused or the store has no such thing.
pub(crate) async fn customer_kms_key(aws: &Aws, bucket: &BucketName) -> Option<String> {
    let get = aws.s3.get_bucket_encryption().bucket(bucket.as_str());
    let answer = aws.call("GetBucketEncryption", get.send()).await.ok()?;
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

/// What the admin should know of a KMS key that the user isn't given.
pub(crate) fn kms_note(key: &str) -> String {
    format!(
        "new objects of the bucket are encrypted with KMS key {key}, so requests will be refused: \
         --update with --kms-key opens it"
    )
}
