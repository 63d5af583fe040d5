//! The two policies that the Python scripts gave a user, in their exact form.

use serde_json::{Value, json};

use super::policy::{names_made_for, user_in_policy_name};
use super::{BucketName, Grant, PolicyDocument, Prefix};

/// The grant that the two give together.
pub(crate) fn grant_of_scripts() -> Grant {
    Grant { browse_root: true, ..Grant::default() }
}

/// The folder of a policy that is just as the scripts wrote one of this name for the
/// bucket.
pub(crate) fn folder_of_scripts(name: &str, text: &str, bucket: &BucketName) -> Option<Prefix> {
    let user = user_in_policy_name(name)?;
    let folder = Prefix::from(&user);
    let arn = format!("arn:aws:s3:::{bucket}");
    let [_, list, get] = names_made_for(&user);
    let statement = if name == list {
        json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn,
            "Condition": {
                "StringEquals": { "s3:prefix": ["", folder.as_str()], "s3:delimiter": ["/"] },
            },
        })
    } else if name == get {
        json!({
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": format!("{arn}/{folder}*"),
        })
    } else {
        return None;
    };
    let written = json!({ "Version": "2012-10-17", "Statement": [statement] });
    // The scripts accepted no other user names.
    let is_written =
        user.as_str().bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it))
            && serde_json::from_str::<Value>(text).is_ok_and(|found| found == written);
    is_written.then_some(folder)
}

/// The folder and the grant that a policy of this name stands for, if it is as this crate
/// writes it, or as the Python scripts did: then the grant of their two together.
pub(crate) fn read_policy(
    name: &str,
    text: &str,
    bucket: &BucketName,
    region: &str,
) -> Option<(Prefix, Grant)> {
    PolicyDocument::read(text, bucket, region)
        .or_else(|| Some((folder_of_scripts(name, text, bucket)?, grant_of_scripts())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::shared", "Condition":
        {"StringEquals": {"s3:prefix": ["", "alex/"], "s3:delimiter": ["/"]}}}]}"#;
    const GET: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shared/alex/*"}]}"#;

    #[test]
    fn policies_of_the_scripts_are_known_by_their_exact_form() {
        let bucket: BucketName = "shared".parse().unwrap();
        for (name, text) in [("s3-list-for-alex", LIST), ("s3-get-for-alex", GET)] {
            let folder: Prefix = "alex/".parse().unwrap();
            let read = read_policy(name, text, &bucket, "eu-central-1");
            assert_eq!(read, Some((folder, grant_of_scripts())));
            for other in [
                text.replace("Allow", "Deny"),
                text.replace("alex/", "kim/"),
                text.replace("shared", "other"),
                text.replace(":ListBucket", ":*").replace(":GetObject", ":*"),
                text.replace("alex/*", "*").replace("\"\", ", ""),
                text.replace("\"Effect\"", "\"Sid\": \"Bob\", \"Effect\""),
                text.replace(
                    "}]}",
                    "}, {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}]}",
                ),
                text.replace("2012-10-17", "2008-10-17"),
                String::new(),
            ] {
                assert_ne!(other, text);
                assert_eq!(folder_of_scripts(name, &other, &bucket), None, "{other}");
            }
            for other in ["s3-access-for-alex", "s3-access", "s3-get-for-kim"] {
                assert_eq!(folder_of_scripts(other, text, &bucket), None, "{other}");
            }
        }
        assert_eq!(folder_of_scripts("s3-get-for-alex", LIST, &bucket), None);
        let dotted = GET.replace("alex", "a.lex");
        assert_eq!(folder_of_scripts("s3-get-for-a.lex", &dotted, &bucket), None);
    }
}
