//! The access policy of one user, as a typed document; no I/O.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::names::{BucketName, Target, UserName};

/// The name of the inline policy: fixed, since it lives inside its user, and
/// since some stores refuse `_` and `+` in policy names.
pub const INLINE_POLICY_NAME: &str = "s3-access";

/// The name of the managed policy made for a user.
pub fn managed_policy_name(user: &UserName) -> String {
    format!("s3-access-for-{user}")
}

/// The names of the managed policies made for a user, by this crate and by
/// the Python scripts that came before it.
pub(crate) fn names_made_for(user: &UserName) -> [String; 3] {
    let of_scripts = |kind| format!("s3-{kind}-for-{user}");
    [
        managed_policy_name(user),
        of_scripts("list"),
        of_scripts("get"),
    ]
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: String,
    action: Vec<String>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl Statement {
    fn allow(sid: &str, action: &str, resource: String) -> Self {
        Self {
            sid: sid.to_owned(),
            effect: "Allow".to_owned(),
            action: vec![action.to_owned()],
            resource: vec![resource],
            condition: None,
        }
    }
}

impl PolicyDocument {
    /// The policy that lets a user list and download the target's prefix, and
    /// nothing else.
    ///
    /// `partition` is the first part of the bucket's ARN (`aws`, `aws-cn`, ...).
    /// The list statement has no condition on the delimiter, so flat,
    /// recursive and subfolder listings all work; a request with no prefix,
    /// an empty one, or one of another folder matches no statement.
    pub fn read(target: &Target, partition: &str) -> Self {
        let prefix = target.prefix();
        let bucket = format!("arn:{partition}:s3:::{}", target.bucket);
        let folder = format!("{prefix}*");
        let objects = format!("{bucket}/{folder}");
        Self {
            version: "2012-10-17".to_owned(),
            statement: vec![
                Statement::allow("BucketLocation", "s3:GetBucketLocation", bucket.clone()),
                Statement {
                    condition: Some(json!({ "StringLike": { "s3:prefix": [folder] } })),
                    ..Statement::allow("ListFolder", "s3:ListBucket", bucket)
                },
                Statement::allow("GetObjects", "s3:GetObject", objects),
            ],
        }
    }

    /// Whether a text is this very document.
    pub(crate) fn is(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|document: Self| document == *self)
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

/// Whether a policy document, ours or anybody's, names this bucket or objects
/// in it as a resource.
pub(crate) fn names_bucket(document: &str, bucket: &BucketName) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else {
        return false;
    };
    one_or_many(&document["Statement"])
        .flat_map(|statement| one_or_many(&statement["Resource"]))
        .filter_map(Value::as_str)
        .filter_map(|arn| arn.splitn(6, ':').nth(5))
        .any(|resource| resource.split('/').next() == Some(bucket.as_str()))
}

/// IAM's grammar allows one value wherever it allows a list of them.
fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(many) => many.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

/// The [partition][partitions] a region belongs to, `aws` for the unknown.
///
/// [partitions]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
pub(crate) fn partition_of_region(region: &str) -> &'static str {
    [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ]
    .iter()
    .find(|(start, _)| region.starts_with(start))
    .map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bucket: &str, user: &str) -> Target {
        Target {
            bucket: bucket.parse().unwrap(),
            user: user.parse().unwrap(),
        }
    }

    #[test]
    fn read_policy_is_the_reviewed_one() {
        let document = PolicyDocument::read(&target("shared", "alex"), "aws-cn");
        let expected = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "BucketLocation",
                    "Effect": "Allow",
                    "Action": ["s3:GetBucketLocation"],
                    "Resource": ["arn:aws-cn:s3:::shared"],
                },
                {
                    "Sid": "ListFolder",
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket"],
                    "Resource": ["arn:aws-cn:s3:::shared"],
                    "Condition": { "StringLike": { "s3:prefix": ["alex/*"] } },
                },
                {
                    "Sid": "GetObjects",
                    "Effect": "Allow",
                    "Action": ["s3:GetObject"],
                    "Resource": ["arn:aws-cn:s3:::shared/alex/*"],
                },
            ],
        });
        assert_eq!(serde_json::to_value(&document).unwrap(), expected);
        let read_back: PolicyDocument = serde_json::from_str(&document.to_json()).unwrap();
        assert_eq!(read_back, document);
    }

    #[test]
    fn longest_names_fit_an_inline_policy() {
        let document =
            PolicyDocument::read(&target(&"b".repeat(63), &"u".repeat(64)), "aws-us-gov");
        assert!(document.to_json().len() <= 2048);
    }

    #[test]
    fn names_bucket_reads_every_form_of_resource() {
        let bucket = "shared".parse().unwrap();
        for (document, names_it) in [
            (
                r#"{"Statement":[{"Resource":["arn:aws:s3:::shared"]}]}"#,
                true,
            ),
            (
                r#"{"Statement":{"Resource":"arn:aws:s3:::shared/alex/*"}}"#,
                true,
            ),
            (
                r#"{"Statement":[{"Resource":"arn:aws-cn:s3:::shared/*"}]}"#,
                true,
            ),
            (
                r#"{"Statement":[{"Resource":"arn:aws:s3:::shared-too"}]}"#,
                false,
            ),
            (
                r#"{"Statement":[{"Resource":"arn:aws:s3:::other/shared"}]}"#,
                false,
            ),
            (r#"{"Statement":[{"Resource":"*"}]}"#, false),
            ("no json", false),
        ] {
            assert_eq!(names_bucket(document, &bucket), names_it, "{document}");
        }
    }

    #[test]
    fn partitions_follow_the_region() {
        assert_eq!(partition_of_region("eu-central-1"), "aws");
        assert_eq!(partition_of_region("cn-north-1"), "aws-cn");
        assert_eq!(partition_of_region("us-gov-west-1"), "aws-us-gov");
    }
}
