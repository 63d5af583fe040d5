//! Single things done to the bucket and its objects.

use std::time::Duration;

use anyhow::Result;
use aws_sdk_s3::types::{EncodingType, ServerSideEncryption};

use crate::aws::Aws;
use crate::error::AwsError;
use crate::grant::Grant;
use crate::listing::decoded;
use crate::names::BucketName;
use crate::nearest::{did_you_mean, nearest};

/// How often an object is put at most.
const ATTEMPTS: u32 = 6;

/// Why a bucket can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error("there is no bucket {bucket}{}", did_you_mean(.meant.as_deref()))]
    Missing {
        bucket: BucketName,
        meant: Option<String>,
    },
    #[error(
        "HeadBucket: AccessDenied: bucket {0} is there but not yours to see \
         (needs the permission s3:ListBucket, and the right account)"
    )]
    Refused(BucketName),
    #[error(transparent)]
    Other(#[from] AwsError),
}

/// Clients that speak to the bucket's region, once the bucket is found to be
/// there and ours to see.
pub(crate) async fn find(aws: &Aws, bucket: &BucketName) -> Result<Aws, BucketError> {
    let found = match head(aws, bucket).await {
        Ok(()) => return Ok(aws.clone()),
        Err(error) => match error.bucket_region() {
            Some(region) if *region != aws.region => {
                let aws = aws.in_region(region);
                head(&aws, bucket).await.map(|()| aws)
            }
            _ => Err(error),
        },
    };
    match found {
        Err(error) if error.status() == Some(404) => {
            let meant = nearest_bucket(aws, bucket).await;
            let bucket = bucket.clone();
            Err(BucketError::Missing { bucket, meant })
        }
        Err(error) if error.status() == Some(403) && !error.is_about_credentials() => {
            Err(BucketError::Refused(bucket.clone()))
        }
        found => Ok(found?),
    }
}

async fn head(aws: &Aws, bucket: &BucketName) -> Result<(), AwsError> {
    let head = aws.s3.head_bucket().bucket(bucket.as_str());
    aws.call("HeadBucket", head.send()).await.map(drop)
}

/// The admin's bucket whose name is most like one that isn't there, where the
/// admin may list buckets.
async fn nearest_bucket(aws: &Aws, bucket: &BucketName) -> Option<String> {
    let list = aws.s3.list_buckets().send();
    let answer = aws.call("ListBuckets", list).await.ok()?;
    let names = answer.buckets().iter().filter_map(|bucket| bucket.name());
    nearest(bucket.as_str(), names).map(str::to_owned)
}

/// The names of the first 1,000 folders at the bucket's top level.
pub(crate) async fn folders(aws: &Aws, bucket: &BucketName) -> Result<Vec<String>> {
    let list = aws.s3.list_objects_v2().bucket(bucket.as_str());
    let list = list.delimiter("/").encoding_type(EncodingType::Url);
    let answer = aws.call("ListObjectsV2", list.send()).await?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let prefixes = answer.common_prefixes().iter();
    prefixes
        .filter_map(|common| common.prefix())
        .map(|prefix| Ok(decoded(prefix, encoded)?.trim_end_matches('/').to_owned()))
        .collect()
}

/// What came of putting an object.
#[derive(Debug)]
pub(crate) struct Put {
    pub answer: Result<(), AwsError>,
    /// The version it got; none without versions, and where `unclear`.
    version: Option<String>,
    /// Whether an answer got lost, so that there may be versions nobody knows.
    unclear: bool,
}

impl Put {
    /// Deletes what was put, in all its versions.
    pub async fn undo(&self, aws: &Aws, bucket: &BucketName, key: &str) -> Result<(), AwsError> {
        if self.unclear {
            return delete_versions(aws, bucket, key).await;
        }
        match self.answer {
            Ok(()) => delete_object(aws, bucket, key, self.version.clone()).await,
            Err(_) => Ok(()),
        }
    }
}

/// Puts an object of no bytes, again while the store is in trouble.
pub(crate) async fn put_empty(aws: &Aws, bucket: &BucketName, key: &str) -> Put {
    let once = aws.without_retries();
    let mut unclear = false;
    let mut pause = Duration::from_millis(250);
    for attempt in 1.. {
        let put = once.s3.put_object().bucket(bucket.as_str()).key(key);
        match once.call("PutObject", put.send()).await {
            Ok(answer) => {
                return Put {
                    answer: Ok(()),
                    version: answer.version_id.filter(|_| !unclear),
                    unclear,
                };
            }
            Err(error) => {
                unclear |= error.is_unclear();
                if attempt == ATTEMPTS || !error.is_passing() {
                    return Put {
                        answer: Err(error),
                        version: None,
                        unclear,
                    };
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    unreachable!("the last attempt returns")
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

/// Deletes every version of one key. Where versions can't be listed, the object
/// is deleted, and that error returned: more of it may be left.
async fn delete_versions(aws: &Aws, bucket: &BucketName, key: &str) -> Result<(), AwsError> {
    let list = aws.s3.list_object_versions().bucket(bucket.as_str());
    let list = list.prefix(key).encoding_type(EncodingType::Url);
    let found = match aws.call("ListObjectVersions", list.send()).await {
        Ok(found) => found,
        Err(error) => {
            delete_object(aws, bucket, key, None).await?;
            return if error.is_unsupported() {
                Ok(())
            } else {
                Err(error)
            };
        }
    };
    let encoded = found.encoding_type() == Some(&EncodingType::Url);
    let is_it = |listed: Option<&str>| {
        listed.is_some_and(|listed| decoded(listed, encoded).is_ok_and(|listed| listed == key))
    };
    let versions = found.versions().iter();
    let versions = versions.filter(|found| is_it(found.key()));
    let markers = found.delete_markers().iter();
    let markers = markers.filter(|found| is_it(found.key()));
    let ids = versions
        .map(|found| found.version_id.clone())
        .chain(markers.map(|found| found.version_id.clone()));
    for id in ids {
        delete_object(aws, bucket, key, id).await?;
    }
    Ok(())
}

/// The first key in the bucket that doesn't begin with the prefix, if any.
pub(crate) async fn first_key_outside(
    aws: &Aws,
    bucket: &BucketName,
    prefix: &str,
) -> Result<Option<String>> {
    // `0` comes next after the `/` that the prefix ends in.
    let behind = format!("{}0", prefix.trim_end_matches('/'));
    for start in [None, Some(behind)] {
        let list = aws.s3.list_objects_v2().bucket(bucket.as_str());
        let list = list.encoding_type(EncodingType::Url).max_keys(1);
        let list = list.set_start_after(start);
        let answer = aws.call("ListObjectsV2", list.send()).await?;
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let first = answer.contents().first().and_then(|object| object.key());
        let key = first.map(|key| decoded(key, encoded)).transpose()?;
        if let Some(key) = key.filter(|key| !key.starts_with(prefix)) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The customer's KMS key that the bucket encrypts new objects with, if any.
///
/// None for AWS's own key `aws/s3`, which every user of the account may use,
/// and where the answer is refused or the store has no such thing.
async fn customer_kms_key(aws: &Aws, bucket: &BucketName) -> Option<String> {
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

/// What the admin should know of what the grant opens or shuts here, a line each.
pub(crate) async fn grant_notes(aws: &Aws, bucket: &BucketName, grant: &Grant) -> Vec<String> {
    let is_aws = !aws.is_store_of_its_own();
    let private = grant.private_block_note().filter(|_| is_aws);
    let kms = kms_note(aws, bucket, grant).await;
    kms.into_iter().chain(private).collect()
}

/// What to know of a KMS key that the user would need and the grant doesn't open.
async fn kms_note(aws: &Aws, bucket: &BucketName, grant: &Grant) -> Option<String> {
    if grant.kms_key.is_some() {
        return None;
    }
    let key = customer_kms_key(aws, bucket).await?;
    Some(format!(
        "new objects of the bucket are encrypted with KMS key {key}, so requests will be refused: \
         --update with --kms-key opens it"
    ))
}
