//! The properties of a new IAM user beyond its name: the options under "IAM
//! user".

use std::collections::HashSet;
use std::str::FromStr;

use super::{PolicyKind, ValueError};

/// Properties passed through to the new IAM user.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "IAM user"))]
pub struct NewUser {
    /// Embed the policy in the user instead of creating a managed policy
    #[cfg_attr(feature = "cli", arg(hide_short_help = true, long))]
    pub inline_policy: bool,
    /// Create users the way a delegate is allowed to
    ///
    /// Same as --inline-policy with --permissions-boundary set to the policy
    /// s3-user-boundary-BUCKET of your own account.
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long),
        arg(conflicts_with_all = ["inline_policy", "permissions_boundary", "path"])
    )]
    pub delegate: bool,
    /// Policy that limits what the user can ever be allowed
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "ARN", value_parser = policy_arn)
    )]
    pub permissions_boundary: Option<String>,
    /// IAM path of the user
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "/PATH/", value_parser = path)
    )]
    pub path: Option<String>,
    /// Tag of the user; may be repeated
    ///
    /// With --update, its other tags stay.
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long = "tag", value_name = "KEY=VALUE")
    )]
    pub tags: Vec<UserTag>,
}

impl NewUser {
    /// The kind of policy that the user gets.
    pub fn policy_kind(&self) -> PolicyKind {
        if self.inline_policy || self.delegate { PolicyKind::Inline } else { PolicyKind::Managed }
    }

    /// Fails on tags that can't go together: IAM takes 50, of which four are
    /// ours, and takes keys that differ only in case for one.
    pub fn check(&self) -> Result<(), ValueError> {
        let keys: HashSet<_> = self.tags.iter().map(|tag| tag.key.to_lowercase()).collect();
        if keys.len() < self.tags.len() {
            return Err(ValueError::new(
                "give each tag key once; keys that differ only in case count as the same",
            ));
        }
        if keys.len() > 46 {
            return Err(ValueError::new(
                "a user can have at most 46 tags besides the four that create_s3_user sets",
            ));
        }
        Ok(())
    }
}

/// A tag as [IAM takes it][rules].
///
/// [rules]: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserTag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for UserTag {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (key, value) =
            text.split_once('=').ok_or(ValueError::new("a tag is written as KEY=VALUE"))?;
        let lower = key.to_lowercase();
        let wrong = if key.trim().is_empty() || key.chars().count() > 128 {
            "the key of a tag has 1 to 128 characters, and not only spaces"
        } else if value.chars().count() > 256 {
            "the value of a tag has at most 256 characters"
        } else if !text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c)) {
            "a tag has only letters, digits, spaces and _.:/=+-@"
        } else if lower.starts_with("aws:") || lower.starts_with("s3-user:") {
            "a tag key must not start with aws: or s3-user:"
        } else {
            return Ok(Self { key: key.to_owned(), value: value.to_owned() });
        };
        Err(ValueError::new(wrong))
    }
}

/// `/`, or words between slashes, as [IAM defines paths][paths].
///
/// [paths]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
fn path(text: &str) -> Result<String, ValueError> {
    let printable = text.chars().all(|c| c.is_ascii_graphic());
    let framed = text == "/" || text.len() > 2 && text.starts_with('/') && text.ends_with('/');
    if !(printable && framed && text.len() <= 512) {
        return Err(ValueError::new(
            "a path begins and ends with /, and has at most 512 printable ASCII characters",
        ));
    }
    Ok(text.to_owned())
}

fn policy_arn(text: &str) -> Result<String, ValueError> {
    match text.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "iam", _, _, policy] if policy.starts_with("policy/") => Ok(text.to_owned()),
        _ => Err(ValueError::new(
            "a permissions boundary is given by the ARN of a policy: arn:aws:iam::ACCOUNT:policy/NAME",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_key_and_value() {
        let tag: UserTag = "Cost center=a=b".parse().unwrap();
        assert_eq!((tag.key.as_str(), tag.value.as_str()), ("Cost center", "a=b"));
        assert_eq!("k=".parse::<UserTag>().unwrap().value, "");
        let long_key = format!("{}=v", "k".repeat(129));
        for (text, part) in [
            ("no-value", "KEY=VALUE"),
            ("=v", "1 to 128"),
            (" =v", "1 to 128"),
            (long_key.as_str(), "1 to 128"),
            ("k=a,b", "only letters"),
            ("AWS:k=v", "aws:"),
            ("s3-user:bucket=x", "s3-user:"),
        ] {
            let error = text.parse::<UserTag>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn tag_keys_that_differ_only_in_case_are_refused() {
        for (tags, is_fine) in [(["team=a", "cost=b"], true), (["team=a", "Team=b"], false)] {
            let tags = tags.map(|tag| tag.parse().unwrap()).to_vec();
            let user = NewUser { tags, ..NewUser::default() };
            assert_eq!(user.check().is_ok(), is_fine);
        }
    }

    #[test]
    fn paths_begin_and_end_with_a_slash() {
        for good in ["/", "/outside/", "/a/b/"] {
            assert!(path(good).is_ok(), "{good}");
        }
        for bad in ["", "//", "outside", "/outside", "outside/", "/out side/"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn boundary_is_the_arn_of_a_policy() {
        assert!(policy_arn("arn:aws:iam::123456789012:policy/limits").is_ok());
        assert!(policy_arn("arn:aws:iam::aws:policy/ReadOnlyAccess").is_ok());
        assert!(policy_arn("limits").is_err());
        assert!(policy_arn("arn:aws:iam::123456789012:user/alex").is_err());
    }
}
