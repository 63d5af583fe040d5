//! An access key pair.

use std::fmt;

use zeroize::Zeroizing;

/// An access key pair. The secret is wiped from memory when dropped, and
/// never shown by `Debug`.
#[derive(Clone)]
pub(crate) struct AccessKey {
    id: String,
    secret: Zeroizing<String>,
}

impl AccessKey {
    pub fn new(id: String, secret: String) -> Self {
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// True if this can be a whole key: an ID of [16 to 128 capitals and
    /// digits][id], and a secret of at least 16 printable characters; on AWS 40.
    ///
    /// [id]: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
    pub fn is_plausible(&self, is_aws: bool) -> bool {
        let length = self.secret.len();
        is_plausible_id(&self.id)
            && self.secret.chars().all(|c| c.is_ascii_graphic())
            && if is_aws { length == 40 } else { length >= 16 }
    }

    /// The access key ID, which is not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret access key, for the files that are handed over and for
    /// signing requests.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// True if this can be a whole access key ID.
pub(crate) fn is_plausible_id(id: &str) -> bool {
    (16..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({}, ****)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_key_is_none() {
        let is_plausible = |id: &str, secret: &str, is_aws| {
            AccessKey::new(id.to_owned(), secret.to_owned()).is_plausible(is_aws)
        };
        let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert!(is_plausible(id, secret, true) && is_plausible(id, secret, false));
        assert!(!is_plausible(id, &secret[..39], true));
        assert!(is_plausible(id, &secret[..16], false));
        for (id, secret) in [
            (id, &secret[..15]),
            (&id[..15], secret),
            ("akiaiosfodnn7example", secret),
            (id, "wJalrXUtnFEMI/K7\n[default]"),
            (id, "wJalrXUtnFEMI/K7 MDENG"),
            ("AKIAIOSFODNN7EXAM\nE", secret),
        ] {
            assert!(!is_plausible(id, secret, false), "{id} {secret}");
        }
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), "wJalrX".to_owned());
        assert_eq!(format!("{key:?}"), "AccessKey(AKIAIOSFODNN7EXAMPLE, ****)");
    }
}
