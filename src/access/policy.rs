//! The access policy of one user, as a typed document; no I/O.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Access, BucketName, Expiry, Grant, Target, UserName, partition_of_region, s3_host};

/// The name of the inline policy: fixed, since it lives inside its user, and
/// since some stores refuse `_` and `+` in policy names.
pub const INLINE_POLICY_NAME: &str = "s3-access";

/// The name of the managed policy made for a user.
pub fn managed_policy_name(user: &UserName) -> String {
    format!("s3-access-for-{user}")
}

/// The name of the policy that limits the users a delegate makes for a bucket.
pub(crate) fn boundary_name(bucket: &BucketName) -> String {
    format!("s3-user-boundary-{bucket}")
}

/// The names of the managed policies made for a user, by this crate and by
/// the Python scripts that came before it.
pub(crate) fn names_made_for(user: &UserName) -> [String; 3] {
    let of_scripts = |kind| format!("s3-{kind}-for-{user}");
    [managed_policy_name(user), of_scripts("list"), of_scripts("get")]
}

/// Whether a policy of the user has one of the names of those made for it: its
/// managed ones, or the inline one.
pub(crate) fn is_named_as_ours(user: &UserName, name: &str, is_managed: bool) -> bool {
    if is_managed {
        names_made_for(user).iter().any(|ours| ours == name)
    } else {
        name == INLINE_POLICY_NAME
    }
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

/// What Cyberduck needs to read, or it sends an ACL with each upload, which new
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
    fn allow<R: ToString>(
        sid: &str,
        actions: &[&str],
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Self {
            sid: sid.to_owned(),
            effect: "Allow".to_owned(),
            action: Values(actions.iter().map(|&action| action.to_owned()).collect()),
            resource: Values(resources.into_iter().map(|one| one.to_string()).collect()),
            condition: Conditions::new(),
        }
    }

    fn when(mut self, operator: &str, key: &str, values: Vec<String>) -> Self {
        let keys = self.condition.entry(operator.to_owned()).or_default();
        keys.insert(key.to_owned(), Values(values));
        self
    }

    fn values(&self, operator: &str, key: &str) -> &[String] {
        let keys = self.condition.get(operator);
        keys.and_then(|keys| keys.get(key)).map_or(&[], |values| &values.0)
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
        inline: bool,
    ) -> Result<Self> {
        grant.check(&target.prefix())?;
        let bucket = &target.bucket;
        if let Some(key) = &grant.kms_key {
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
        }
        let document = Self::new(grant, target, region);
        document.check_size(inline)?;
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
        let mut statement = s3_statements(grant, target, partition_of_region(region));
        if !grant.source_ips.is_empty() {
            let blocks: Vec<_> = grant.source_ips.iter().map(IpNet::to_string).collect();
            statement = statement
                .into_iter()
                .map(|statement| statement.when("IpAddress", "aws:SourceIp", blocks.clone()))
                .collect();
        }
        // Requests that S3 makes to KMS come from addresses of its own.
        statement.extend(grant.kms_key.as_ref().map(|key| {
            let actions = if grant.access.writes() {
                ["kms:Decrypt", "kms:GenerateDataKey"].as_slice()
            } else {
                &["kms:Decrypt"]
            };
            let service = vec![s3_host(region)];
            Statement::allow("UseKey", actions, [key]).when(
                "StringEquals",
                "kms:ViaService",
                service,
            )
        }));
        if let Some(expiry) = &grant.expires {
            statement = statement
                .into_iter()
                .map(|one| one.when("DateLessThan", "aws:CurrentTime", vec![expiry.to_string()]))
                .collect();
        }
        Self { version: "2012-10-17".to_owned(), statement }
    }

    /// The grant that a policy's text stands for, if it is just as
    /// [`new`](Self::new) makes it, or as it did in an earlier version.
    pub(crate) fn grant(text: &str, target: &Target, region: &str) -> Option<Grant> {
        let document: Self = serde_json::from_str(text).ok()?;
        let of = |sid: &str| document.statement.iter().find(|one| one.sid == sid);
        let first = document.statement.first()?;
        let blocks = first.values("IpAddress", "aws:SourceIp").iter();
        let expires = first.values("DateLessThan", "aws:CurrentTime").first();
        let shared = of("ListShared").map_or(&[][..], |one| one.values("StringLike", "s3:prefix"));
        let shared = shared.iter().filter_map(|like| like.strip_suffix('*'));
        let grant = Grant {
            access: match (of("GetObjects"), of("ChangeObjects")) {
                (Some(_), Some(_)) => Access::ReadWrite,
                (Some(_), None) => Access::Read,
                (None, _) => Access::Write,
            },
            expires: expires.and_then(|at| Expiry::at(at)),
            source_ips: blocks.filter_map(|block| block.parse().ok()).collect(),
            kms_key: of("UseKey").and_then(|one| one.resource.0.first()?.parse().ok()),
            browse_root: of("ListRoot").is_some(),
            also_read: shared.filter_map(|prefix| prefix.parse().ok()).collect(),
        };
        let today = Self::new(&grant, target, region);
        let is_ours = document == today || document == today.without_ownership();
        (is_ours && grant.check(&target.prefix()).is_ok()).then_some(grant)
    }

    /// The same without the action on the bucket's ownership setting, as version
    /// 0.1 made it, and for stores that don't know that action.
    pub(crate) fn without_ownership(&self) -> Self {
        let mut without = self.clone();
        for statement in &mut without.statement {
            statement.action.0.retain(|action| action != OWNERSHIP);
        }
        without
    }

    /// Whether a text is this very document.
    pub(crate) fn is(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|document: Self| document == *self)
    }

    /// Fails if the document is longer than [IAM takes][quotas]: 6,144
    /// characters in a managed policy, 2,048 in an inline one.
    ///
    /// [quotas]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    pub fn check_size(&self, inline: bool) -> Result<()> {
        let (kind, most) = if inline { ("an inline", 2048) } else { ("a managed", 6144) };
        let length = self.to_json().len();
        ensure!(
            length <= most,
            "the policy would have {length} characters, and {kind} policy takes {most}: \
             give fewer or wider --source-ip blocks, or fewer --also-read folders"
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

fn s3_statements(grant: &Grant, target: &Target, partition: &str) -> Vec<Statement> {
    let bucket = format!("arn:{partition}:s3:::{}", target.bucket);
    let folder = format!("{}*", target.prefix());
    let objects = format!("{bucket}/{folder}");
    let shares = !grant.also_read.is_empty();
    let mut statements = Vec::new();
    if grant.access.reads() || shares {
        let location = if grant.access == Access::ReadWrite {
            ["s3:GetBucketLocation", OWNERSHIP].as_slice()
        } else {
            &["s3:GetBucketLocation"]
        };
        statements.push(Statement::allow("BucketLocation", location, [&bucket]));
    }
    if grant.access.reads() {
        let list = Statement::allow("ListFolder", &["s3:ListBucket"], [&bucket]);
        statements.push(list.when("StringLike", "s3:prefix", vec![folder]));
        if grant.browse_root {
            let list = Statement::allow("ListRoot", &["s3:ListBucket"], [&bucket]);
            let list = list.when("StringEquals", "s3:prefix", vec![String::new()]);
            statements.push(list.when("StringEquals", "s3:delimiter", vec!["/".to_owned()]));
        }
        statements.push(Statement::allow("GetObjects", &["s3:GetObject"], [&objects]));
    }
    let upload = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
    match grant.access {
        Access::Read => {}
        Access::Write => statements.push(Statement::allow("UploadObjects", &upload, [&objects])),
        Access::ReadWrite => {
            let actions = [&upload[..], &["s3:DeleteObject"]].concat();
            statements.push(Statement::allow("ChangeObjects", &actions, [&objects]));
        }
    }
    if shares {
        let folders: Vec<_> = grant.also_read.iter().map(|it| format!("{it}*")).collect();
        let objects = folders.iter().map(|folder| format!("{bucket}/{folder}"));
        let get = Statement::allow("GetShared", &["s3:GetObject"], objects);
        let list = Statement::allow("ListShared", &["s3:ListBucket"], [&bucket]);
        statements.push(list.when("StringLike", "s3:prefix", folders));
        statements.push(get);
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bucket: &str, user: &str) -> Target {
        Target { bucket: bucket.parse().unwrap(), user: user.parse().unwrap() }
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

    #[test]
    fn grant_reads_back_from_its_policy() {
        let target = target("shared", "alex");
        for grant in grants() {
            let text = PolicyDocument::new(&grant, &target, "eu-central-1").to_json();
            let read_back = PolicyDocument::grant(&text, &target, "eu-central-1");
            assert_eq!(read_back, Some(grant));
            for other in [
                text.replace("alex", "kim"),
                text.replace("Allow", "Deny"),
                text.replace("s3:GetObject", "s3:*"),
                text.replace("prices/*\"]", "prices/*\",\"*\"]"),
                text.replacen("lists/2026/*", "lists/*", 1),
                text.replace("lists/2026/*", "alex/lists/*"),
                "{}".to_owned(),
            ] {
                if other != text {
                    let read_back = PolicyDocument::grant(&other, &target, "eu-central-1");
                    assert_eq!(read_back, None, "{other}");
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
        let grant = PolicyDocument::grant(&single, &target, "eu-central-1");
        assert_eq!(grant, Some(Grant::default()));
    }

    #[test]
    fn policies_of_earlier_versions_are_read_back() {
        let target = target("shared", "alex");
        for grant in grants() {
            let earlier = PolicyDocument::new(&grant, &target, "eu-central-1").without_ownership();
            let read_back = PolicyDocument::grant(&earlier.to_json(), &target, "eu-central-1");
            assert_eq!(read_back, Some(grant));
        }
    }

    #[test]
    fn longest_names_fit_an_inline_policy_and_more_folders_a_managed_one() {
        let target = target(&"b".repeat(63), &"u".repeat(64));
        for grant in grants() {
            let document = PolicyDocument::new(&grant, &target, "us-gov-west-1");
            let inline = grant.also_read.is_empty();
            document.check_size(inline).unwrap();
        }
    }

    #[test]
    fn policy_longer_than_iam_takes_is_refused() {
        let grant = |blocks: u8| Grant {
            source_ips: (0..blocks).map(|n| format!("10.0.{n}.0/24").parse().unwrap()).collect(),
            ..Grant::default()
        };
        let check = |blocks, inline| {
            let target = target("shared", "alex");
            PolicyDocument::new(&grant(blocks), &target, "eu-central-1").check_size(inline)
        };
        assert!(check(30, true).is_ok());
        let error = check(60, true).unwrap_err().to_string();
        assert!(error.contains("an inline policy takes 2048"), "{error}");
        assert!(check(60, false).is_ok());
        assert!(check(200, false).is_err());
    }
}
