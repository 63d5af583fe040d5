//! The two policies that the Python scripts gave a user, in their exact form.

use serde_json::{Value, json};

use super::policy::names_made_for;
use super::{Grant, PolicyDocument, Target};

/// The grant that the two give together.
pub(crate) fn grant_of_scripts() -> Grant {
    Grant { browse_root: true, ..Grant::default() }
}

/// True if a policy is the one of the two that has this name, as the scripts wrote
/// it for this user and bucket.
pub(crate) fn is_of_scripts(name: &str, text: &str, target: &Target) -> bool {
    let bucket = format!("arn:aws:s3:::{}", target.bucket);
    let folder = target.prefix();
    let [_, list, get] = names_made_for(&target.user);
    let statement = if name == list {
        json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket,
            "Condition": {
                "StringEquals": { "s3:prefix": ["", folder.as_str()], "s3:delimiter": ["/"] },
            },
        })
    } else if name == get {
        json!({
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": format!("{bucket}/{folder}*"),
        })
    } else {
        return false;
    };
    let written = json!({ "Version": "2012-10-17", "Statement": [statement] });
    // The scripts accepted no other user names.
    target.user.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && serde_json::from_str::<Value>(text).is_ok_and(|found| found == written)
}

/// The grant that a policy of this name stands for, if it is as this crate writes it
/// for the user, or as the Python scripts did: then the grant of their two together.
pub(crate) fn grant_of_policy(
    name: &str,
    text: &str,
    target: &Target,
    region: &str,
) -> Option<Grant> {
    PolicyDocument::grant(text, target, region)
        .or_else(|| is_of_scripts(name, text, target).then(grant_of_scripts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::shared", "Condition":
        {"StringEquals": {"s3:prefix": ["", "alex/"], "s3:delimiter": ["/"]}}}]}"#;
    const GET: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shared/alex/*"}]}"#;

    fn target(user: &str) -> Target {
        Target { bucket: "shared".parse().unwrap(), user: user.parse().unwrap() }
    }

    #[test]
    fn policies_of_the_scripts_are_known_by_their_exact_form() {
        let alex = target("alex");
        for (name, text) in [("s3-list-for-alex", LIST), ("s3-get-for-alex", GET)] {
            let grant = grant_of_policy(name, text, &alex, "eu-central-1");
            assert_eq!(grant, Some(grant_of_scripts()));
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
                assert!(!is_of_scripts(name, &other, &alex), "{other}");
            }
            for other in ["s3-access-for-alex", "s3-access", "s3-get-for-kim"] {
                assert!(!is_of_scripts(other, text, &alex), "{other}");
            }
        }
        assert!(!is_of_scripts("s3-get-for-alex", LIST, &alex));
        let dotted = GET.replace("alex", "a.lex");
        assert!(!is_of_scripts("s3-get-for-a.lex", &dotted, &target("a.lex")));
    }
}
