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
        Self {
            id,
            secret: Zeroizing::new(secret),
        }
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

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({}, ****)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_secret() {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), "wJalrX".to_owned());
        assert_eq!(format!("{key:?}"), "AccessKey(AKIAIOSFODNN7EXAMPLE, ****)");
    }
}
