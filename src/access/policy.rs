//! The access policy of one user, as a typed document; no I/O.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    Access, BucketName, Expiry, Grant, KmsKey, Prefix, Rights, Target, UserName,
    partition_of_region, s3_host,
};

/// The name of the inline policy: fixed, since it lives inside its user, and
/// since some stores refuse `_` and `+` in policy names.
pub const INLINE_POLICY_NAME: &str = "s3-access";

/// What the names of the managed policies made for a user begin with: by this crate, and by
/// the Python scripts that came before it.
const STARTS_OF_NAMES: [&str; 3] = ["s3-access-for-", "s3-list-for-", "s3-get-for-"];

/// The name of the managed policy made for a user.
pub fn managed_policy_name(user: &UserName) -> String {
    let [ours, ..] = names_made_for(user);
    ours
}

/// The name of the policy that limits the users a delegate makes for a bucket.
pub(crate) fn boundary_name(bucket: &BucketName) -> String {
    format!("s3-user-boundary-{bucket}")
}

/// The names of the managed policies made for a user, by this crate and by
/// the Python scripts that came before it.
pub(crate) fn names_made_for(user: &UserName) -> [String; 3] {
    STARTS_OF_NAMES.map(|start| format!("{start}{user}"))
}

/// The user that a managed policy of this name was made for, if it has such a name.
pub(crate) fn user_in_policy_name(name: &str) -> Option<UserName> {
    STARTS_OF_NAMES.iter().find_map(|start| name.strip_prefix(start))?.parse().ok()
}

/// A kind of policy of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A policy of its own, attached to the user.
    Managed,
    /// A policy inside the user.
    Inline,
}

/// An [IAM policy document][grammar].
///
/// [grammar]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: String,
    statement: Vec<Statement>,
}

/// The action that Cyberduck needs, or it sends an ACL with each upload, which new
/// buckets refuse.
const OWNERSHIP: &str = "s3:GetBucketOwnershipControls";

/// Operator, condition key, values.
type Conditions = BTreeMap<String, BTreeMap<String, Values>>;

/// A list, which [may also be written][grammar] as its only value: some stores
/// return it that way.
///
/// [grammar]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "OneOrMany")]
struct Values(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}

impl From<OneOrMany> for Values {
    fn from(values: OneOrMany) -> Self {
        match values {
            OneOrMany::One(value) => Self(vec![value]),
            OneOrMany::Many(values) => Self(values),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: String,
    action: Values,
    resource: Values,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    condition: Conditions,
}

impl Statement {
    fn allow(sid: &str, actions: &[&str], resources: Vec<String>) -> Self {
        Self {
            sid: sid.to_owned(),
            effect: "Allow".to_owned(),
            action: Values(texts(actions)),
            resource: Values(resources),
            condition: Conditions::new(),
        }
    }

    fn when(mut self, operator: &str, key: &str, values: Vec<String>) -> Self {
        self.add_condition(operator, key, values);
        self
    }

    fn add_condition(&mut self, operator: &str, key: &str, values: Vec<String>) {
        let keys = self.condition.entry(operator.to_owned()).or_default();
        keys.insert(key.to_owned(), Values(values));
    }

    /// The values of a condition; empty without it.
    fn values(&self, operator: &str, key: &str) -> &[String] {
        let values = self.condition.get(operator).and_then(|keys| keys.get(key));
        values.map_or(&[], |values| &values.0)
    }
}

impl PolicyDocument {
    /// The policy for a bucket that is known to be in `region`.
    ///
    /// Fails on what can't be granted together, on a KMS key that can't be the
    /// bucket's, and where IAM would not take a policy of that length.
    pub(crate) fn for_bucket(
        grant: &Grant,
        target: &Target,
        region: &str,
        kind: PolicyKind,
    ) -> Result<Self> {
        grant.check_for(target.prefix())?;
        if let Some(key) = &grant.kms_key {
            check_kms_key(key, &target.bucket, region)?;
        }
        let document = Self::new(grant, target, region);
        document.check_size(kind)?;
        Ok(document)
    }

    /// The policy that lets a user do with the target's prefix what the grant
    /// says, read the folders that it shares, and nothing else.
    ///
    /// `region` is the bucket's. The list statements have no condition on the
    /// delimiter, so flat, recursive and subfolder listings all work; a request
    /// with no prefix, an empty one, or one of another folder matches no
    /// statement.
    pub fn new(grant: &Grant, target: &Target, region: &str) -> Self {
        Self::for_folder(grant, &target.bucket, target.prefix(), region)
    }

    fn for_folder(grant: &Grant, bucket: &BucketName, folder: &Prefix, region: &str) -> Self {
        let mut statement = s3_statements(grant, bucket, folder, partition_of_region(region));
        if !grant.source_ips.is_empty() {
            for one in &mut statement {
                one.add_condition("IpAddress", "aws:SourceIp", texts(&grant.source_ips));
            }
        }
        // Requests that S3 makes to KMS come from addresses of its own.
        if let Some(key) = &grant.kms_key {
            statement.push(kms_statement(key, grant.access.rights(), region));
        }
        if let Some(expiry) = grant.expires {
            for one in &mut statement {
                one.add_condition("DateLessThan", "aws:CurrentTime", vec![expiry.to_string()]);
            }
        }
        Self { version: "2012-10-17".to_owned(), statement }
    }

    /// The folder and the grant that a policy's text stands for, if it is just as
    /// [`new`](Self::new) makes it, or as it did in an earlier version.
    pub(crate) fn read(text: &str, bucket: &BucketName, region: &str) -> Option<(Prefix, Grant)> {
        let document: Self = serde_json::from_str(text).ok()?;
        let folder = document.likely_folder(bucket)?;
        let grant = document.likely_grant()?;
        // Of a key in another region than the bucket's, which wants to be told apart.
        let region = grant.kms_key.as_ref().map_or(region, KmsKey::region);
        let today = Self::for_folder(&grant, bucket, &folder, region);
        let is_ours = document == today || document == today.without_ownership();
        (is_ours && grant.check_for(&folder).is_ok()).then_some((folder, grant))
    }

    /// The only folder of the bucket that this document can be for, if it is for one.
    fn likely_folder(&self, bucket: &BucketName) -> Option<Prefix> {
        let own = [GET, UPLOAD, CHANGE].into_iter().find_map(|sid| self.statement(sid))?;
        let (_, path) = own.resource.0.first()?.split_once(":::")?;
        path.strip_prefix(bucket.as_str())?.strip_prefix('/')?.strip_suffix('*')?.parse().ok()
    }

    /// The only grant that can have made this document, if one did.
    fn likely_grant(&self) -> Option<Grant> {
        let first = self.statement.first()?;
        let expires = first.values("DateLessThan", "aws:CurrentTime").first();
        let blocks = first.values("IpAddress", "aws:SourceIp").iter();
        let shared = self.statement("ListShared").map(|it| it.values("StringLike", "s3:prefix"));
        let prefixes = shared.unwrap_or_default().iter().filter_map(|it| it.strip_suffix('*'));
        let rights = Rights {
            list: self.statement(LIST).is_some(),
            get: self.statement(GET).is_some(),
            put: self.statement(UPLOAD).or(self.statement(CHANGE)).is_some(),
            delete: self.statement(CHANGE).is_some(),
        };
        Some(Grant {
            access: Access::with_rights(rights)?,
            expires: expires.and_then(|time| Expiry::at(time)),
            source_ips: blocks.filter_map(|block| block.parse().ok()).collect(),
            also_read: prefixes.filter_map(|prefix| prefix.parse().ok()).collect(),
            kms_key: self.statement("UseKey").and_then(|it| it.resource.0.first()?.parse().ok()),
            browse_root: self.statement("ListRoot").is_some(),
        })
    }

    fn statement(&self, sid: &str) -> Option<&Statement> {
        self.statement.iter().find(|statement| statement.sid == sid)
    }

    /// The document without the action on the bucket's ownership setting, as version
    /// 0.1 made it, and for stores that don't know that action.
    pub(crate) fn without_ownership(&self) -> Self {
        let mut without = self.clone();
        for statement in &mut without.statement {
            statement.action.0.retain(|action| action != OWNERSHIP);
        }
        without
    }

    /// True if a text is this very document.
    pub(crate) fn is(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|document: Self| document == *self)
    }

    /// Fails if the document is longer than [IAM takes][quotas]: 6,144
    /// characters in a managed policy, 2,048 in an inline one.
    ///
    /// [quotas]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    pub fn check_size(&self, kind: PolicyKind) -> Result<()> {
        let (kind, most) = match kind {
            PolicyKind::Managed => ("a managed", 6144),
            PolicyKind::Inline => ("an inline", 2048),
        };
        let length = self.to_json().len();
        ensure!(
            length <= most,
            "the policy would have {length} characters, and {kind} policy takes {most}: \
             give fewer or wider address blocks, fewer other folders, or a folder with a shorter name"
        );
        Ok(())
    }

    /// The document as people read it.
    pub fn to_json_pretty(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and string maps always serialize")
    }

    /// The document as IAM takes it: JSON without extra white space.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and string maps always serialize")
    }
}

/// Fails unless the key can be the one that a bucket in `region` is encrypted with.
fn check_kms_key(key: &KmsKey, bucket: &BucketName, region: &str) -> Result<()> {
    ensure!(
        key.region() == region,
        "the KMS key is in region {}, but bucket {bucket} is in {region}",
        key.region()
    );
    let partition = partition_of_region(region);
    ensure!(
        key.to_string().starts_with(&format!("arn:{partition}:")),
        "the KMS key is not in partition {partition}, but bucket {bucket} is"
    );
    Ok(())
}

/// The names of the statements by which the rights to the own folder are known.
const LIST: &str = "ListFolder";
const GET: &str = "GetObjects";
const UPLOAD: &str = "UploadObjects";
const CHANGE: &str = "ChangeObjects";

fn s3_statements(
    grant: &Grant,
    bucket: &BucketName,
    folder: &Prefix,
    partition: &str,
) -> Vec<Statement> {
    let rights = grant.access.rights();
    let bucket = format!("arn:{partition}:s3:::{bucket}");
    let folder = format!("{folder}*");
    let objects = format!("{bucket}/{folder}");
    let mut statements = Vec::new();
    if rights.list || rights.get || !grant.also_read.is_empty() {
        let location = ["s3:GetBucketLocation", OWNERSHIP];
        let needed = if rights.list && rights.put { &location[..] } else { &location[..1] };
        statements.push(Statement::allow("BucketLocation", needed, vec![bucket.clone()]));
    }
    if rights.list {
        statements.push(list_statement(LIST, &bucket, vec![folder]));
        if grant.browse_root {
            let list = Statement::allow("ListRoot", &["s3:ListBucket"], vec![bucket.clone()])
                .when("StringEquals", "s3:prefix", vec![String::new()])
                .when("StringEquals", "s3:delimiter", vec!["/".to_owned()]);
            statements.push(list);
        }
    }
    if rights.get {
        statements.push(Statement::allow(GET, &["s3:GetObject"], vec![objects.clone()]));
    }
    let mut changes = Vec::new();
    if rights.put {
        changes.extend(["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]);
    }
    if rights.delete {
        changes.push("s3:DeleteObject");
    }
    if !changes.is_empty() {
        let sid = if rights.delete { CHANGE } else { UPLOAD };
        statements.push(Statement::allow(sid, &changes, vec![objects]));
    }
    if !grant.also_read.is_empty() {
        let folders: Vec<_> = grant.also_read.iter().map(|prefix| format!("{prefix}*")).collect();
        let objects = folders.iter().map(|folder| format!("{bucket}/{folder}")).collect();
        statements.push(list_statement("ListShared", &bucket, folders));
        statements.push(Statement::allow("GetShared", &["s3:GetObject"], objects));
    }
    statements
}

fn list_statement(sid: &str, bucket: &str, folders: Vec<String>) -> Statement {
    Statement::allow(sid, &["s3:ListBucket"], vec![bucket.to_owned()]).when(
        "StringLike",
        "s3:prefix",
        folders,
    )
}

/// Allows using the key through S3. An upload in parts needs to decrypt too.
fn kms_statement(key: &KmsKey, rights: Rights, region: &str) -> Statement {
    let both = ["kms:Decrypt", "kms:GenerateDataKey"];
    let actions = if rights.put { &both[..] } else { &both[..1] };
    Statement::allow("UseKey", actions, vec![key.to_string()]).when(
        "StringEquals",
        "kms:ViaService",
        vec![s3_host(region)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bucket: &str, user: &str) -> Target {
        Target::new(bucket.parse().unwrap(), user.parse().unwrap())
    }

    /// Every grant that can be told apart in the policy's form.
    fn grants() -> Vec<Grant> {
        let plain = [Access::Read, Access::ReadWrite, Access::Write]
            .map(|access| Grant { access, ..Grant::default() });
        let browsing = plain[..2].iter().cloned().map(|grant| Grant { browse_root: true, ..grant });
        let limited = plain.clone().map(|grant| Grant {
            expires: Expiry::at("2020-01-01T00:00:00Z"),
            source_ips: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            kms_key: Some("arn:aws:kms:eu-central-1:1:key/k".parse().unwrap()),
            ..grant
        });
        let browsing: Vec<_> = browsing.collect();
        let alone: Vec<_> = plain.into_iter().chain(browsing).chain(limited).collect();
        let sharing = alone.iter().cloned().map(|grant| Grant {
            also_read: vec!["prices/".parse().unwrap(), "lists/2026/".parse().unwrap()],
            ..grant
        });
        sharing.chain(alone.clone()).collect()
    }

    fn read(text: &str) -> Option<(Prefix, Grant)> {
        PolicyDocument::read(text, &"shared".parse().unwrap(), "eu-central-1")
    }

    #[test]
    fn folder_and_grant_read_back_from_their_policy() {
        for folder in ["alex/", "customers/alex/", "Zoë & alex/"] {
            let folder: Prefix = folder.parse().unwrap();
            let target = target("shared", "tom").in_folder(folder.clone());
            for grant in grants() {
                let text = PolicyDocument::new(&grant, &target, "eu-central-1").to_json();
                assert_eq!(read(&text), Some((folder.clone(), grant)));
                for other in [
                    text.replacen("alex", "kim", 1),
                    text.replace("shared", "other"),
                    text.replace("Allow", "Deny"),
                    text.replace("s3:GetObject", "s3:*"),
                    text.replace("prices/*\"]", "prices/*\",\"*\"]"),
                    text.replacen("lists/2026/*", "lists/*", 1),
                    text.replace("lists/2026/*", &format!("{folder}lists/*")),
                    text.replace(folder.as_str(), ""),
                    text.replace(folder.as_str(), "../"),
                    "{}".to_owned(),
                ] {
                    // A policy that only uploads names its folder once.
                    if other != text && text.matches("alex").count() > 1 {
                        assert_eq!(read(&other), None, "{other}");
                    }
                }
            }
        }
    }

    #[test]
    fn lists_of_one_may_come_back_as_their_only_value() {
        let target = target("shared", "alex");
        let text = PolicyDocument::new(&Grant::default(), &target, "eu-central-1").to_json();
        let single = text.replace(['[', ']'], "");
        let single = single.replace(r#""Statement":"#, r#""Statement":["#);
        let single = single.strip_suffix('}').unwrap().to_owned() + "]}";
        assert_ne!(single, text);
        assert_eq!(read(&single), Some((target.prefix().clone(), Grant::default())));
    }

    #[test]
    fn policies_of_earlier_versions_are_read_back() {
        let target = target("shared", "alex");
        for grant in grants() {
            let earlier = PolicyDocument::new(&grant, &target, "eu-central-1").without_ownership();
            assert_eq!(read(&earlier.to_json()), Some((target.prefix().clone(), grant)));
        }
    }

    #[test]
    fn longest_names_fit_an_inline_policy_and_more_folders_a_managed_one() {
        let target = target(&"b".repeat(63), &"u".repeat(64));
        for grant in grants() {
            let document = PolicyDocument::new(&grant, &target, "us-gov-west-1");
            let shares = !grant.also_read.is_empty();
            let kind = if shares { PolicyKind::Managed } else { PolicyKind::Inline };
            document.check_size(kind).unwrap();
        }
    }

    #[test]
    fn policy_longer_than_iam_takes_is_refused() {
        let grant = |blocks: u8| Grant {
            source_ips: (0..blocks).map(|n| format!("10.0.{n}.0/24").parse().unwrap()).collect(),
            ..Grant::default()
        };
        let check = |blocks, kind| {
            let target = target("shared", "alex");
            PolicyDocument::new(&grant(blocks), &target, "eu-central-1").check_size(kind)
        };
        assert!(check(30, PolicyKind::Inline).is_ok());
        let error = check(60, PolicyKind::Inline).unwrap_err().to_string();
        assert!(error.contains("an inline policy takes 2048"), "{error}");
        assert!(check(60, PolicyKind::Managed).is_ok());
        assert!(check(200, PolicyKind::Managed).is_err());
    }
}
