//! The KMS key that a bucket is encrypted with.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// The ARN of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    arn: String,
    region: String,
}

impl KmsKey {
    /// The region the key is in.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl FromStr for KmsKey {
    type Err = ValueError;

    fn from_str(arn: &str) -> Result<Self, ValueError> {
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "kms", region, account, key]
                if [partition, region, account].into_iter().all(is_word)
                    && key.strip_prefix("key/").is_some_and(is_word) =>
            {
                Ok(Self { arn: arn.to_owned(), region: region.to_owned() })
            }
            [.., alias] if alias.starts_with("alias/") => Err(ValueError::new(
                "a policy needs the ARN of the key itself, not of an alias: \
                 see aws kms describe-key --key-id ALIAS",
            )),
            _ => Err(ValueError::new(
                "give the key's ARN, arn:aws:kms:REGION:ACCOUNT:key/ID, or \"none\" for no key",
            )),
        }
    }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kms_key_is_an_arn_of_a_key() {
        let arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let key: KmsKey = arn.parse().unwrap();
        assert_eq!((key.to_string().as_str(), key.region()), (arn, "eu-central-1"));
        for (text, part) in [
            ("1234abcd-12ab-34cd-56ef-1234567890ab", "give the key's ARN"),
            ("alias/mine", "not of an alias"),
            ("arn:aws:kms:eu-central-1:123456789012:alias/mine", "not of an alias"),
            ("arn:aws:kms:eu-central-1:123456789012:key/*", "give the key's ARN"),
            ("arn:aws:s3:::bucket", "give the key's ARN"),
        ] {
            let error = text.parse::<KmsKey>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
