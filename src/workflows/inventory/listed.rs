//! What there is to know of a user in a list, and what is odd about it. No calls.

use std::fmt::Display;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Found, Readers};
use crate::access::{
    Access, Expiry, Grant, KmsKey, PolicyDocument, SharedPrefix, Target, UserName,
};
use crate::iam::{self, KeyInfo, UserPolicy};
use crate::step::counted;
use crate::workflows::outcome::PolicyRef;

/// A key older than so many days is odd: a year.
const OLD: i64 = 365;
/// A key that was not used for so many days is odd.
const UNUSED: i64 = 90;
/// A key that was never used is odd once it is so many days old: IAM takes hours
/// to tell of a use.
const NEVER_USED: i64 = 1;

/// A user of ours in a list, as `--list --json` shows it: every field is always
/// there, and null where there is no such thing.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The user and the bucket.
    #[serde(flatten)]
    pub target: Target,
    /// The IAM user's ARN.
    pub arn: String,
    /// What made the user.
    pub made_by: MadeBy,
    /// When the user was made.
    #[serde(serialize_with = "as_text")]
    pub created: Option<Timestamp>,
    /// What it may do; none if its policy can't be read back.
    pub access: Option<Access>,
    /// When its access ends by its policy.
    #[serde(serialize_with = "as_text")]
    pub expires: Option<Expiry>,
    /// When its access ends by its tag, which people and scripts go by.
    pub expires_tag: Option<String>,
    /// The only addresses that requests may come from; empty for any.
    pub source_ips: Vec<String>,
    /// The KMS key that it may use.
    pub kms_key: Option<String>,
    /// Whether it may list the bucket's top level too.
    pub browse_root: bool,
    /// The other folders that it may list and download.
    pub also_read: Vec<String>,
    /// All its policies, not only ours.
    pub policies: Vec<PolicyRef>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// Its access keys, the oldest first.
    pub keys: Vec<ListedKey>,
    /// What is odd about it.
    pub odd: Vec<Oddity>,
}

/// What made a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    /// `create_s3_user`.
    CreateS3User,
    /// The Python scripts that came before it.
    PythonScripts,
}

/// An access key in a list.
#[derive(Debug, Clone, Serialize)]
pub struct ListedKey {
    /// The key's ID.
    pub id: String,
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub created: Option<Timestamp>,
    /// Whether it works; otherwise it is suspended.
    pub active: bool,
    /// When it was last used, and for what.
    #[serde(flatten)]
    pub last_use: LastUse,
}

/// When and for what a key was last used; as JSON `last_used` and
/// `last_used_service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastUse {
    /// IAM doesn't tell, as where the permission to ask is missing.
    Unknown,
    /// The store has no call that tells.
    NotOffered,
    /// Never.
    Never,
    /// At this time, for this service.
    At(Timestamp, String),
}

/// Something odd about a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oddity {
    /// One word for scripts, which stays the same.
    pub code: &'static str,
    /// The ID of the access key that it is about; none if it is about the user.
    pub key: Option<String>,
    /// In a few words for people.
    pub text: String,
}

impl LastUse {
    /// What is greater the later it was; greatest where that is unknown.
    pub(crate) fn recency(&self) -> (bool, Option<Timestamp>) {
        match self {
            Self::Unknown | Self::NotOffered => (true, None),
            Self::Never => (false, None),
            Self::At(at, _) => (false, Some(*at)),
        }
    }

    fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown | Self::NotOffered)
    }
}

impl Oddity {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, key: None, text: text.into() }
    }

    fn of_key(code: &'static str, key: &ListedKey, text: impl Into<String>) -> Self {
        Self { key: Some(key.id.clone()), ..Self::new(code, text) }
    }
}

impl Listed {
    pub(super) fn new(
        found: &Found,
        mut keys: Vec<ListedKey>,
        readers: &Readers,
        now: Timestamp,
    ) -> Self {
        keys.sort_by_key(|key| (key.created, key.id.clone()));
        let user = &found.details.user;
        let grant = found.access();
        let mut odd = odd_keys(&keys, now);
        odd.extend(odd_end(found, grant.as_ref()));
        odd.extend(odd_policies(found, grant.as_ref()));
        odd.extend(odd_readers(&found.target.user, readers));
        let known = grant.as_ref();
        let blocks = known.map_or(&[][..], |grant| &grant.source_ips);
        let shared = known.map_or(&[][..], |grant| &grant.also_read);
        Self {
            target: found.target.clone(),
            arn: user.arn.clone(),
            made_by: if found.is_of_scripts() {
                MadeBy::PythonScripts
            } else {
                MadeBy::CreateS3User
            },
            created: user.created,
            access: known.map(|grant| grant.access),
            expires: known.and_then(|grant| grant.expires),
            expires_tag: user.tags.expires.clone(),
            source_ips: blocks.iter().map(IpNet::to_string).collect(),
            kms_key: known.and_then(|grant| grant.kms_key.as_ref()).map(KmsKey::to_string),
            browse_root: known.is_some_and(|grant| grant.browse_root),
            also_read: shared.iter().map(SharedPrefix::to_string).collect(),
            policies: found.details.policies.iter().map(reference).collect(),
            groups: found.details.groups.clone(),
            keys,
            odd,
        }
    }
}

impl ListedKey {
    pub(super) fn new(key: KeyInfo, last_use: LastUse) -> Self {
        Self { created: key.created, active: key.is_active, id: key.id, last_use }
    }
}

impl From<Option<iam::LastUse>> for LastUse {
    fn from(used: Option<iam::LastUse>) -> Self {
        match used {
            None => Self::Never,
            Some(used) => Self::At(used.at, used.service),
        }
    }
}

impl Serialize for LastUse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let (at, service) = match self {
            Self::At(at, service) => (Some(at.to_string()), Some(service)),
            Self::Never | Self::Unknown | Self::NotOffered => (None, None),
        };
        let mut fields = serializer.serialize_struct("LastUse", 3)?;
        fields.serialize_field("last_used", &at)?;
        fields.serialize_field("last_used_service", &service)?;
        fields.serialize_field("last_used_known", &self.is_known())?;
        fields.end()
    }
}

fn odd_keys(keys: &[ListedKey], now: Timestamp) -> Vec<Oddity> {
    let mut odd = Vec::new();
    match keys {
        [] => odd.push(Oddity::new("no-key", "no access key")),
        [_] => {}
        [_, _] => odd.push(Oddity::new("two-keys", "two access keys")),
        more => {
            let text = format!("{} access keys", more.len());
            odd.push(Oddity::new("two-keys", text));
        }
    }
    for key in keys {
        let age = key.created.map(|created| days(created, now));
        if age.is_some_and(|age| age > OLD) {
            let text = format!("key older than {OLD} days");
            odd.push(Oddity::of_key("old-key", key, text));
        }
        match &key.last_use {
            LastUse::Never if age.is_some_and(|age| age < NEVER_USED) => {}
            LastUse::Never => odd.push(Oddity::of_key("never-used", key, "key never used")),
            LastUse::At(at, _) if days(*at, now) >= UNUSED => {
                let unused = counted(days(*at, now) as u64, false, "day");
                let text = format!("key unused for {unused}");
                odd.push(Oddity::of_key("unused-key", key, text));
            }
            LastUse::At(..) | LastUse::Unknown | LastUse::NotOffered => {}
        }
    }
    odd
}

/// What is odd about when access ends, by policy and by tag.
fn odd_end(found: &Found, grant: Option<&Grant>) -> Vec<Oddity> {
    let tag = found.details.user.tags.expires.as_deref();
    let tagged = tag.and_then(Expiry::at);
    let Some(grant) = grant else {
        let ended = tagged.filter(Expiry::has_passed);
        let odd = ended.map(|_| Oddity::new("access-ended", "access ended by its tag"));
        return odd.into_iter().collect();
    };
    let mut odd = Vec::new();
    if grant.ended().is_some() {
        odd.push(Oddity::new("access-ended", "access ended"));
    }
    if grant.expires != tagged && !found.is_tagless {
        let text = match tag {
            Some(tag) => format!("tag says that access ends {tag}"),
            None => "no tag says that access ends".to_owned(),
        };
        odd.push(Oddity::new("other-end", text));
    }
    odd
}

/// What is odd about what gives access.
fn odd_policies(found: &Found, grant: Option<&Grant>) -> Vec<Oddity> {
    let mut odd = Vec::new();
    match (found.access_policy(), grant) {
        (None, _) if found.is_of_scripts() => {
            odd.push(Oddity::new("old-policy", "policies of the Python scripts"));
        }
        (None, _) => odd.push(Oddity::new("no-policy", "no access policy")),
        (Some(_), None) => odd.push(Oddity::new("edited-policy", "policy edited")),
        (Some(policy), Some(grant)) => {
            let today = PolicyDocument::new(grant, &found.target, &found.region);
            if !policy.text.as_deref().is_some_and(|text| today.is(text)) {
                odd.push(Oddity::new("old-policy", "policy in an older form"));
            }
        }
    }
    if found.has_both_kinds() {
        odd.push(Oddity::new("old-policy", "policies of the Python scripts too"));
    }
    let others = found.other_policies();
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|policy| policy.name.as_str()).collect();
        let text = format!("also has policy {}", others.join(", "));
        odd.push(Oddity::new("other-policies", text));
    }
    if !found.details.groups.is_empty() {
        let text = format!("in group {}", found.details.groups.join(", "));
        odd.push(Oddity::new("groups", text));
    }
    odd
}

/// What is odd about who reads whose folder: it may have been granted before this
/// user was there, or for another one of that name.
fn odd_readers(user: &UserName, readers: &Readers) -> Vec<Oddity> {
    let mut odd = Vec::new();
    let others = readers.of(user);
    if !others.is_empty() {
        let text = format!("folder is also read by {}", others.join(", "));
        odd.push(Oddity::new("shared-folder", text));
    }
    let owners = readers.read_by(user);
    if !owners.is_empty() {
        let text = format!("also reads the folder of {}", owners.join(", "));
        odd.push(Oddity::new("shared-folder", text));
    }
    odd
}

/// How many whole days lie between two times.
fn days(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()) / (24 * 60 * 60)
}

fn reference(policy: &UserPolicy) -> PolicyRef {
    PolicyRef { name: policy.name.clone(), arn: policy.arn.clone() }
}

fn as_text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
