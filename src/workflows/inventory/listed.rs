//! A user in a list, with the fields of `--list --json`. No calls.

use std::collections::BTreeMap;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::oddities::{Oddity, oddities};
use super::{Holdings, Readers};
use crate::access::{Access, Expiry, KmsKey, Prefix, Target, UserTag};
use crate::iam::{KeyInfo, text_or_null};
use crate::workflows::outcome::PolicyRef;

/// A user of ours in a list, as `--list --json` shows it: every field is always
/// there, and null where there is no such thing.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The IAM user's ARN.
    pub arn: String,
    /// The program that made the user.
    pub made_by: MadeBy,
    /// The time at which the user was made.
    #[serde(serialize_with = "text_or_null")]
    pub created: Option<Timestamp>,
    /// Its access; none if its policy can't be read back.
    pub access: Option<Access>,
    /// The end of its access by its policy.
    #[serde(serialize_with = "text_or_null")]
    pub expires: Option<Expiry>,
    /// The end of its access by its tag, which people and scripts go by.
    pub expires_tag: Option<String>,
    /// The only addresses that requests may come from; empty for any.
    pub source_ips: Vec<String>,
    /// The KMS key that it may use.
    pub kms_key: Option<String>,
    /// True if it may list the bucket's top level too.
    pub browse_root: bool,
    /// The other folders that it may list and download.
    pub also_read: Vec<String>,
    /// All its policies, not only ours.
    pub policies: Vec<PolicyRef>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// Its access keys, the oldest first.
    pub keys: Vec<KeyInfo>,
    /// The admin's own tags.
    pub tags: BTreeMap<String, String>,
    /// Everything odd about it.
    pub odd: Vec<Oddity>,
}

/// The program that made a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    /// `create_s3_user`.
    CreateS3User,
    /// The Python scripts that came before it.
    PythonScripts,
}

fn pair(tag: &UserTag) -> (String, String) {
    (tag.key.clone(), tag.value.clone())
}

impl Listed {
    pub(super) fn new(
        holdings: &Holdings,
        mut keys: Vec<KeyInfo>,
        readers: &Readers,
        now: Timestamp,
    ) -> Self {
        keys.sort_by_key(|key| (key.created, key.id.clone()));
        let odd = oddities(holdings, &keys, readers, now);
        let grant = holdings.grant();
        // Nothing, where the policy can't be read back.
        let known = grant.clone().unwrap_or_default();
        Self {
            target: holdings.target.clone(),
            arn: holdings.user.arn.clone(),
            made_by: if holdings.is_made_by_scripts() {
                MadeBy::PythonScripts
            } else {
                MadeBy::CreateS3User
            },
            created: holdings.user.created,
            access: grant.map(|grant| grant.access),
            expires: known.expires,
            expires_tag: holdings.user.tags.expires.clone(),
            source_ips: known.source_ips.iter().map(IpNet::to_string).collect(),
            kms_key: known.kms_key.as_ref().map(KmsKey::to_string),
            browse_root: known.browse_root,
            also_read: known.also_read.iter().map(Prefix::to_string).collect(),
            policies: holdings.policies.iter().map(PolicyRef::from).collect(),
            groups: holdings.groups.clone(),
            keys,
            tags: holdings.user.tags.others.iter().map(pair).collect(),
            odd,
        }
    }
}
