//! Access keys.

use aws_config::retry::RetryConfig;
use aws_sdk_iam::types::StatusType;
use jiff::Timestamp;

use super::whole_list::all_of;
use super::{remove, to_jiff};
use crate::access::{AccessKey, is_plausible_id};
use crate::aws::{AwsError, Patience, Run};
use crate::removal::Leftover;

/// Creates an access key, trying again only when IAM said clearly that it
/// created none: the secret is shown once, so a lost answer is a lost key.
pub(crate) async fn create_access_key(run: &Run) -> Result<AccessKey, AwsError> {
    let mut patience = Patience::SETTLING;
    let answer = patience.retry_errors(&run.cancel, AwsError::is_throttling, async || {
        run.change_new("CreateAccessKey", || {
            let create = run.aws.iam.create_access_key().user_name(run.user());
            let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
            create.customize().config_override(once).send()
        })
        .await
    });
    answer
        .await?
        .access_key
        .map(|key| AccessKey::new(key.access_key_id, key.secret_access_key))
        .filter(|key| key.is_plausible(run.aws.store.is_aws()))
        .ok_or(AwsError::incomplete("CreateAccessKey"))
}

/// An access key as IAM describes it.
#[derive(Debug, Clone)]
pub(crate) struct KeyInfo {
    pub id: String,
    pub created: Option<Timestamp>,
    /// True if it works; a store that doesn't say has only keys that do.
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
        let created = self.created.map(|at| at.to_string());
        Leftover::UnclearKey {
            id: self.id.clone(),
            created: created.unwrap_or("at an unknown time".to_owned()),
        }
    }
}

/// Returns the user's access keys.
pub(crate) async fn access_keys(run: &Run) -> Result<Vec<KeyInfo>, AwsError> {
    let list = run.aws.iam.list_access_keys().user_name(run.user());
    let listed = all_of!(&run.aws, "ListAccessKeys", list, access_key_metadata).await?;
    let mut keys = Vec::new();
    for key in listed {
        let id = key.access_key_id.unwrap_or_default();
        // An answer that was cut ends in half an ID.
        if !is_plausible_id(&id) {
            return Err(AwsError::incomplete("ListAccessKeys"));
        }
        keys.push(KeyInfo {
            id,
            created: key.create_date.and_then(|at| to_jiff(&at)),
            is_active: key.status.is_none_or(|status| status == StatusType::Active),
        });
    }
    Ok(keys)
}

/// The last use of an access key.
#[derive(Debug, Clone)]
pub(crate) struct LastUse {
    pub at: Timestamp,
    /// In lower case, such as `s3`.
    pub service: String,
}

/// Returns the last use of an access key, or `None` if it was never used.
pub(crate) async fn last_used(run: &Run, id: &str) -> Result<Option<LastUse>, AwsError> {
    let iam = run.aws.iam_for_optional_calls();
    let get = iam.get_access_key_last_used().access_key_id(id);
    let answer = run.aws.call("GetAccessKeyLastUsed", get.send()).await?;
    Ok(answer.access_key_last_used.and_then(|used| {
        // A time beyond all calendars is no reason to take the key for unused.
        let at = to_jiff(&used.last_used_date?).unwrap_or(Timestamp::MAX);
        Some(LastUse { at, service: used.service_name.to_lowercase() })
    }))
}

/// Makes an access key inactive; one that is so already stays so.
pub(crate) async fn suspend_access_key(run: &Run, id: &str) -> Result<(), AwsError> {
    set_status(run, id, StatusType::Inactive).await
}

/// Makes an access key active; one that is so already stays so.
pub(crate) async fn resume_access_key(run: &Run, id: &str) -> Result<(), AwsError> {
    set_status(run, id, StatusType::Active).await
}

async fn set_status(run: &Run, id: &str, status: StatusType) -> Result<(), AwsError> {
    let user = run.user();
    let update = run.aws.iam.update_access_key().user_name(user).access_key_id(id).status(status);
    run.change("UpdateAccessKey", || update.clone().send()).await.map(drop)
}

pub(crate) async fn delete_access_key(run: &Run, id: &str) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_access_key().user_name(run.user()).access_key_id(id);
    remove(run, "DeleteAccessKey", || delete.clone().send()).await
}
