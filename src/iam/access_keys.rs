//! Access keys.

use aws_config::retry::RetryConfig;
use aws_sdk_iam::primitives::DateTimeFormat;
use tokio_util::sync::CancellationToken;

use super::{SETTLING_AFTER_CREATE, remove};
use crate::aws::Aws;
use crate::error::AwsError;
use crate::key_file::AccessKey;
use crate::names::UserName;
use crate::settle::settle;

/// Creates an access key, trying again only when IAM said clearly that it
/// made none: the secret is shown once, so a lost answer is a lost key.
pub(crate) async fn create_access_key(
    aws: &Aws,
    user: &UserName,
    cancel: &CancellationToken,
) -> Result<AccessKey, AwsError> {
    let throttled = ["Throttling", "ThrottlingException"];
    let codes = [&SETTLING_AFTER_CREATE[..], &throttled].concat();
    settle(&codes, cancel, async || {
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let create = aws.iam.create_access_key().user_name(user.as_str());
        let answer = create.customize().config_override(once).send();
        let mut answer = aws.call("CreateAccessKey", answer).await?;
        let key = answer.access_key.as_mut().map(|key| {
            let secret = std::mem::take(&mut key.secret_access_key);
            (std::mem::take(&mut key.access_key_id), secret)
        });
        match key {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
                Ok(AccessKey::new(id, secret))
            }
            _ => Err(AwsError::incomplete("CreateAccessKey")),
        }
    })
    .await
}

/// The IDs of the user's access keys.
pub(crate) async fn access_keys(aws: &Aws, user: &UserName) -> Result<Vec<String>, AwsError> {
    let list = aws.iam.list_access_keys().user_name(user.as_str());
    let keys = list.into_paginator().items().send().collect();
    let keys: Vec<_> = aws.call("ListAccessKeys", keys).await?;
    let ids = keys.into_iter().filter_map(|key| key.access_key_id);
    Ok(ids.collect())
}

/// When and for what an access key was last used, in words.
pub(crate) async fn last_used(aws: &Aws, id: &str) -> Result<String, AwsError> {
    let get = aws.iam.get_access_key_last_used().access_key_id(id);
    let answer = aws.call("GetAccessKeyLastUsed", get.send()).await?;
    let used = answer.access_key_last_used;
    let date = used.as_ref().and_then(|used| used.last_used_date);
    let date = date.and_then(|date| date.fmt(DateTimeFormat::DateTime).ok());
    Ok(match (date, used) {
        (Some(date), Some(used)) => {
            let service = used.service_name().to_lowercase();
            format!("last used {date} for {service}")
        }
        _ => "never used".to_owned(),
    })
}

pub(crate) async fn delete_access_key(
    aws: &Aws,
    user: &UserName,
    id: &str,
) -> Result<bool, AwsError> {
    let delete = aws.iam.delete_access_key().user_name(user.as_str());
    let delete = || delete.clone().access_key_id(id).send();
    remove(aws, "DeleteAccessKey", delete).await
}
