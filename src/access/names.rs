//! The names a run works on, parsed once at the edge and trusted inside.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::Prefix;

/// Gives a type around a text its `as_str` and `Display`.
macro_rules! as_text {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use as_text;

/// A value that can't be used, with what is accepted instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(Cow<'static, str>);

impl ValueError {
    pub(crate) const fn new(accepted: &'static str) -> Self {
        Self(Cow::Borrowed(accepted))
    }
}

/// The name of a general purpose S3 bucket.
///
/// 3 to 63 of `a-z`, `0-9`, `.` and `-`, starting and ending with a letter or
/// digit, as [AWS defines it][rules]; never an ARN, a URL, an IPv4 address, a
/// directory bucket or an access point alias.
///
/// [rules]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketName(String);

as_text!(BucketName);

impl FromStr for BucketName {
    type Err = ValueError;

    fn from_str(name: &str) -> Result<Self, ValueError> {
        let wrong = if name.contains("://") {
            "give only the bucket's name, without s3:// or a path"
        } else if name.starts_with("arn:") {
            "a bucket is given by its name, not by its ARN"
        } else if name.ends_with("--x-s3") {
            "directory buckets (--x-s3) are not supported, only general purpose buckets"
        } else if name.ends_with("-s3alias") || name.ends_with("--ol-s3") {
            "a bucket is given by its own name, not by an access point alias"
        } else if name.contains(|c: char| c.is_ascii_uppercase() || c == '_') {
            "bucket names with capitals or _ are not supported, only a-z, 0-9, . and -"
        } else if !(3..=63).contains(&name.len()) {
            "a bucket name has 3 to 63 characters of a-z, 0-9, . and -"
        } else if !name.chars().all(|c| is_letter_or_digit(c) || c == '.' || c == '-') {
            "a bucket name has only a-z, 0-9, . and -"
        } else if !name.starts_with(is_letter_or_digit) || !name.ends_with(is_letter_or_digit) {
            "a bucket name starts and ends with a letter or digit"
        } else if name.contains("..") {
            "a bucket name has no two periods in a row"
        } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
            "a bucket name is not an IP address"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(ValueError::new(wrong))
    }
}

fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// The name of an IAM user, after which its folder is called unless another one is given.
///
/// 1 to 64 of `A-Z`, `a-z`, `0-9` and `_+=,.@-`, as [IAM defines it][limits].
/// Not `.` or `..`, which many clients can't keep apart from a path, and not
/// starting with `-`, which every command would treat as an option.
///
/// [limits]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(String);

as_text!(UserName);

const LENGTH_AND_CHARACTERS: &str =
    "a user name must be 1 to 64 characters: A-Z, a-z, 0-9 and _+=,.@-";

impl FromStr for UserName {
    type Err = ValueError;

    fn from_str(name: &str) -> Result<Self, ValueError> {
        let is_allowed = |c: &char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c);
        let others: BTreeSet<_> = name.chars().filter(|c| !is_allowed(c)).collect();
        let wrong = if name.contains('/') {
            "a user name can't contain /; to give the user another folder, use --folder or, \
             in a users file, the folder column"
        } else if !others.is_empty() {
            let others: Vec<_> = others.iter().take(5).map(|c| format!("{c:?}")).collect();
            let wrong = format!("{LENGTH_AND_CHARACTERS}; not allowed: {}", others.join(" "));
            return Err(ValueError(wrong.into()));
        } else if !(1..=64).contains(&name.len()) {
            LENGTH_AND_CHARACTERS
        } else if name.starts_with('-') {
            "a user name can't start with -"
        } else if name == "." || name == ".." {
            "a user name can't be . or .."
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(ValueError::new(wrong))
    }
}

/// One user of one bucket: what both commands work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The bucket all the users share.
    pub bucket: BucketName,
    /// The user whose folder it is.
    pub user: UserName,
    prefix: Prefix,
    /// True if the folder is one that was given or read, and not only the likely one.
    knows_folder: bool,
}

impl Target {
    /// A user whose folder is named after it, as far as is known.
    ///
    /// The folder of an existing user is what the user carries: the workflows find it,
    /// and go by that.
    pub fn new(bucket: BucketName, user: UserName) -> Self {
        let prefix = Prefix::from(&user);
        Self { bucket, user, prefix, knows_folder: false }
    }

    /// The user with this folder.
    pub fn in_folder(&self, prefix: Prefix) -> Self {
        Self { prefix, knows_folder: true, ..self.clone() }
    }

    /// True if the folder is named after the user.
    pub(crate) fn has_likely_folder(&self) -> bool {
        self.prefix == Prefix::from(&self.user)
    }

    /// The prefix that holds the user's objects.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The folder as people and clients write it: `s3://BUCKET/FOLDER/`.
    pub fn folder_url(&self) -> String {
        self.url_of(&self.prefix)
    }

    /// Another folder of the bucket as people and clients write it.
    pub(crate) fn url_of(&self, folder: &Prefix) -> String {
        format!("s3://{}/{folder}", self.bucket)
    }
}

impl Serialize for Target {
    /// Writes `user`, `bucket` and `prefix`, which is null where the folder is not known.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Target", 3)?;
        fields.serialize_field("user", self.user.as_str())?;
        fields.serialize_field("bucket", self.bucket.as_str())?;
        let known = self.knows_folder.then_some(&self.prefix);
        fields.serialize_field("prefix", &known)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_bucket_names_parse() {
        let longest = "a".repeat(63);
        for name in ["abc", "my-bucket.example", "1a2", &longest] {
            assert_eq!(name.parse::<BucketName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn other_bucket_names_say_what_is_accepted() {
        let too_long = "a".repeat(64);
        for (name, part) in [
            ("", "3 to 63"),
            ("ab", "3 to 63"),
            (too_long.as_str(), "3 to 63"),
            ("My-bucket", "capitals"),
            ("my_bucket", "capitals or _"),
            ("my..bucket", "two periods"),
            ("192.168.0.1", "IP address"),
            ("-bucket", "starts and ends"),
            ("bucket.", "starts and ends"),
            ("s3://bucket/alex", "only the bucket's name"),
            ("https://bucket.s3.amazonaws.com", "only the bucket's name"),
            ("arn:aws:s3:::bucket", "ARN"),
            ("bucket--use1-az4--x-s3", "directory"),
            ("point-abc123-s3alias", "alias"),
            ("bucket/alex", "only a-z"),
            ("my bucket", "only a-z"),
            ("bücket", "only a-z"),
            ("bucket\n", "only a-z"),
        ] {
            let error = name.parse::<BucketName>().unwrap_err().to_string();
            assert!(error.contains(part), "{name:?}: {error}");
        }
    }

    #[test]
    fn ordinary_user_names_parse() {
        let longest = "a".repeat(64);
        for name in ["alex", "a", "A_b+c=d,e.f@g-h", "...", longest.as_str()] {
            assert_eq!(name.parse::<UserName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn other_user_names_say_what_is_accepted() {
        let too_long = "a".repeat(65);
        for (name, part) in [
            ("", "1 to 64"),
            (".", "can't be . or .."),
            ("..", "can't be . or .."),
            ("-alex", "start with -"),
            (too_long.as_str(), "1 to 64"),
            ("al ex", "A-Z"),
            ("customers/alex", "--folder"),
            ("al*", "A-Z"),
            ("al?", "A-Z"),
            ("$al", "A-Z"),
            ("alex\n", "A-Z"),
            ("aléx", "A-Z"),
        ] {
            let error = name.parse::<UserName>().unwrap_err().to_string();
            assert!(error.contains(part), "{name:?}: {error}");
        }
    }
}
