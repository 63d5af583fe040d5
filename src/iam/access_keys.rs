//! Access keys.

use std::fmt::Display;

use aws_config::retry::RetryConfig;
use aws_sdk_iam::types::{AccessKeyLastUsed, StatusType};
use jiff::Timestamp;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::whole_list::all_of;
use super::{remove, to_jiff};
use crate::access::{AccessKey, is_plausible_id};
use crate::aws::{AwsError, Run};
use crate::removal::Leftover;

/// A use this soon after a key was created, in seconds, was our own test of it.
const OWN_TEST: i64 = 10 * 60;

/// Creates an access key, trying again only when IAM said clearly that it
/// created none: the secret is shown once, so a lost answer is a lost key.
pub(crate) async fn create_access_key(run: &Run) -> Result<AccessKey, AwsError> {
    let answer = run.change_new("CreateAccessKey", || {
        let create = run.aws.iam.create_access_key().user_name(run.user());
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        create.customize().config_override(once).send()
    });
    answer
        .await?
        .access_key
        .map(|key| AccessKey::new(key.access_key_id, key.secret_access_key))
        .filter(|key| key.is_plausible(run.aws.store.is_aws()))
        .ok_or(AwsError::incomplete("CreateAccessKey"))
}

/// An access key without its secret; as JSON, what `--list --json` shows of it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KeyInfo {
    /// The key's ID.
    pub id: String,
    /// The time of its creation.
    #[serde(serialize_with = "text_or_null")]
    pub created: Option<Timestamp>,
    /// True if it works, false if it is suspended. A store that doesn't say has only
    /// keys that work.
    #[serde(rename = "active")]
    pub is_active: bool,
    /// Its last use; unknown until `last_use` was asked.
    #[serde(flatten)]
    pub last_use: LastUse,
}

impl KeyInfo {
    /// Its ID, followed by `(suspended)` if it is.
    pub(crate) fn in_words(&self) -> String {
        if self.is_active { self.id.clone() } else { format!("{} (suspended)", self.id) }
    }

    /// The last use of the key, but for the requests that tested it, which are no use by the
    /// person.
    pub(crate) fn last_use_by_person(&self) -> LastUse {
        match (&self.last_use, self.created) {
            (LastUse::At(at, _), Some(created))
                if at.as_second() - created.as_second() <= OWN_TEST =>
            {
                LastUse::Never
            }
            (last_use, _) => last_use.clone(),
        }
    }

    /// The key as one that another run may have created.
    pub(crate) fn unclear(&self) -> Leftover {
        let unknown = "at an unknown time".to_owned();
        Leftover::UnclearKey {
            id: self.id.clone(),
            created: self.created.map_or(unknown, |at| at.to_string()),
        }
    }
}

/// The last use of an access key; as JSON the fields `last_used`,
/// `last_used_service` and `last_used_known`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastUse {
    /// IAM doesn't say, as where the permission to ask is missing.
    Unknown,
    /// The store has no call to ask it.
    NotOffered,
    /// It was never used.
    Never,
    /// At this time, for this service, such as `s3`.
    At(Timestamp, String),
}

impl LastUse {
    pub(crate) fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown | Self::NotOffered)
    }

    /// The time of the last use, if there was one and it is known.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        match self {
            Self::At(at, _) => Some(*at),
            Self::Unknown | Self::NotOffered | Self::Never => None,
        }
    }
}

impl From<AccessKeyLastUsed> for LastUse {
    fn from(used: AccessKeyLastUsed) -> Self {
        match used.last_used_date {
            None => Self::Never,
            Some(at) => to_jiff(&at)
                .map_or(Self::Unknown, |at| Self::At(at, used.service_name.to_lowercase())),
        }
    }
}

impl Serialize for LastUse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (time, service) = match self {
            Self::At(at, service) => (Some(at.to_string()), Some(service)),
            Self::Unknown | Self::NotOffered | Self::Never => (None, None),
        };
        let mut fields = serializer.serialize_struct("LastUse", 3)?;
        fields.serialize_field("last_used", &time)?;
        fields.serialize_field("last_used_service", &service)?;
        fields.serialize_field("last_used_known", &self.is_known())?;
        fields.end()
    }
}

/// Serializes what has a text as that, and `None` as null.
pub(crate) fn text_or_null<S: Serializer>(
    value: &Option<impl Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
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
            last_use: LastUse::Unknown,
        });
    }
    Ok(keys)
}

/// Asks when and for what a key was last used. Unknown where that is refused, and for
/// a key that is gone.
pub(crate) async fn last_use(run: &Run, id: &str) -> Result<LastUse, AwsError> {
    let get = run.aws.iam_for_optional_calls().get_access_key_last_used().access_key_id(id);
    match run.aws.call_iam("GetAccessKeyLastUsed", || get.clone().send()).await {
        Ok(answer) => Ok(answer.access_key_last_used.map_or(LastUse::Never, LastUse::from)),
        Err(error) if error.is_forbidden() || error.is_missing() => Ok(LastUse::Unknown),
        Err(error) if run.aws.store.may_lack(&error) => Ok(LastUse::NotOffered),
        Err(error) => Err(error),
    }
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
    let update = run.aws.iam.update_access_key().access_key_id(id).status(status);
    run.change("UpdateAccessKey", || update.clone().user_name(run.user()).send()).await.map(drop)
}

pub(crate) async fn delete_access_key(run: &Run, id: &str) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_access_key().user_name(run.user()).access_key_id(id);
    remove(run, "DeleteAccessKey", || delete.clone().send()).await
}
