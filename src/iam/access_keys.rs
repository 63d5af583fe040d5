//! Access keys.

use aws_config::retry::RetryConfig;
use aws_sdk_iam::primitives::{DateTime, DateTimeFormat};
use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};

use super::remove;
use super::whole_list::all_of;
use crate::access::{AccessKey, is_plausible_id};
use crate::aws::{AwsError, Patience, Run, settle, settle_new};
use crate::removal::Leftover;

/// Creates an access key, trying again only when IAM said clearly that it
/// created none: the secret is shown once, so a lost answer is a lost key.
pub(crate) async fn create_access_key(run: &Run) -> Result<AccessKey, AwsError> {
    let mut patience = Patience::SETTLING;
    loop {
        let key = settle_new(run, async || create_once(run).await).await;
        let is_throttled = key.as_ref().is_err_and(AwsError::is_throttling);
        if !is_throttled || !patience.wait(&run.cancel).await {
            return key;
        }
    }
}

async fn create_once(run: &Run) -> Result<AccessKey, AwsError> {
    let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
    let create = run.aws.iam.create_access_key();
    let create = create.user_name(run.user());
    let answer = create.customize().config_override(once).send();
    let answer = run.aws.call("CreateAccessKey", answer).await?;
    let key = answer.access_key.map(|key| AccessKey::new(key.access_key_id, key.secret_access_key));
    let is_aws = run.aws.store.is_aws();
    key.filter(|key| key.is_plausible(is_aws)).ok_or(AwsError::incomplete("CreateAccessKey"))
}

/// What IAM tells of an access key.
#[derive(Debug, Clone)]
pub(crate) struct KeyInfo {
    pub id: String,
    pub created: Option<DateTime>,
    /// Whether it works; a store that doesn't say has only keys that do.
    pub is_active: bool,
}

impl KeyInfo {
    /// Its ID, and that it is suspended where it is.
    pub fn in_words(&self) -> String {
        let suspended = if self.is_active { "" } else { " (suspended)" };
        format!("{}{suspended}", self.id)
    }

    /// The key as one that another run may have created.
    pub fn unclear(&self) -> Leftover {
        let created = self.created.as_ref();
        let created = created.and_then(|at| at.fmt(DateTimeFormat::DateTime).ok());
        Leftover::UnclearKey {
            id: self.id.clone(),
            created: created.unwrap_or("at an unknown time".to_owned()),
        }
    }
}

/// The user's access keys.
pub(crate) async fn access_keys(run: &Run) -> Result<Vec<KeyInfo>, AwsError> {
    let list = run.aws.iam.list_access_keys();
    let list = list.user_name(run.user());
    let keys = all_of!(&run.aws, "ListAccessKeys", list, access_key_metadata).await?;
    let info = |key: AccessKeyMetadata| KeyInfo {
        id: key.access_key_id.unwrap_or_default(),
        created: key.create_date,
        is_active: key.status.is_none_or(|status| status == StatusType::Active),
    };
    let keys: Vec<_> = keys.into_iter().map(info).collect();
    // An answer that was cut ends in half an ID.
    if keys.iter().all(|key| is_plausible_id(&key.id)) {
        return Ok(keys);
    }
    Err(AwsError::incomplete("ListAccessKeys"))
}

/// When and for what an access key was last used.
#[derive(Debug, Clone)]
pub(crate) struct LastUse {
    pub at: DateTime,
    /// In lower case, such as `s3`.
    pub service: String,
}

/// The last use of an access key; none if it was never used.
pub(crate) async fn last_used(run: &Run, id: &str) -> Result<Option<LastUse>, AwsError> {
    let iam = run.aws.iam_for_optional_calls();
    let get = iam.get_access_key_last_used().access_key_id(id);
    let answer = run.aws.call("GetAccessKeyLastUsed", get.send()).await?;
    let used = answer.access_key_last_used;
    let at = used.as_ref().and_then(|used| used.last_used_date);
    Ok(at.zip(used).map(|(at, used)| LastUse { at, service: used.service_name().to_lowercase() }))
}

/// Makes an access key active or inactive; one that is so already stays so.
pub(crate) async fn update_access_key(run: &Run, id: &str, active: bool) -> Result<(), AwsError> {
    let status = if active { StatusType::Active } else { StatusType::Inactive };
    let update = run.aws.iam.update_access_key().user_name(run.user());
    let update = update.access_key_id(id).status(status);
    let update = async || run.aws.call("UpdateAccessKey", update.clone().send()).await;
    settle(&run.cancel, update).await.map(drop)
}

pub(crate) async fn delete_access_key(run: &Run, id: &str) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_access_key();
    let delete = delete.user_name(run.user());
    let delete = || delete.clone().access_key_id(id).send();
    remove(run, "DeleteAccessKey", delete).await
}
