//! What looks like a secret in the input, by mistake: it is neither taken for a name nor
//! shown.

/// The length of a secret access key, in characters of base64.
const SECRET: usize = 40;
/// The most slashes in what is taken for a secret, and not for a path.
const SLASHES: usize = 2;

/// True for what looks like the ID of an access key or its secret, and not like a name.
pub(super) fn is_like_key(name: &str) -> bool {
    name.len() == SECRET && name.chars().all(is_base64) || is_like_id(name)
}

/// True for text that begins as the [IDs of access keys][ids] do. A part of the world does, too,
/// but has no digit and is shorter.
///
/// [ids]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
fn is_like_id(name: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let has_digit = name.contains(|c: char| c.is_ascii_digit());
    let begins =
        name.starts_with("AKIA") || name.starts_with("ASIA") && (has_digit || name.len() >= 16);
    begins && name.chars().all(is_capital)
}

/// True for what looks like the secret of an access key, and not like a word, number or path.
pub(super) fn is_like_secret(text: &str) -> bool {
    let kinds = [char::is_lowercase, char::is_uppercase, |c: char| c.is_ascii_digit()];
    text.len() == SECRET
        && text.chars().all(is_base64)
        && kinds.iter().all(|is_kind| text.contains(*is_kind))
        && text.matches('/').count() <= SLASHES
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}

/// Hides what looks like a secret access key, and all that a URL has before its host, such as
/// a password.
pub(super) fn without_secrets(text: &str) -> String {
    let mut shown = without_passwords(text);
    for secret in text.split(|c| !is_base64(c)).flat_map(secrets_in) {
        shown = shown.replace(secret, "****");
    }
    shown
}

/// The secrets in a word of base64, in which slashes may stand around them.
fn secrets_in(word: &str) -> impl Iterator<Item = &str> {
    let starts = [0].into_iter().chain(word.match_indices('/').map(|(at, _)| at + 1));
    let ends =
        |rest: &&str| rest.get(SECRET..).is_some_and(|it| it.is_empty() || it.starts_with('/'));
    let rests = starts.map(|start| &word[start..]).filter(ends);
    rests.map(|rest| &rest[..SECRET]).filter(|part| is_like_secret(part))
}

fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // As clap quotes a value, and others do.
        let end = part.find("' for '").or_else(|| part.find(char::is_whitespace));
        let end = end.unwrap_or(part.len());
        shown += "://";
        match part[..end].rfind('@') {
            Some(at) => shown += &format!("****{}", &part[at..]),
            None => shown += part,
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[test]
    fn keys_are_no_names() {
        for key in [SECRET_KEY, "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "AKIAIO", "ASIA7"] {
            assert!(is_like_key(key), "{key}");
        }
        let padded = format!("{}=", &SECRET_KEY[1..]);
        for key in [padded.as_str(), "ASIAABCDEFGHIJKLMNOP"] {
            assert!(is_like_key(key), "{key}");
        }
        for name in ["ASIA", "ASIAPAC", "Asia7", "ASIA-7", "akiaiosfodnn7example", "alex"] {
            assert!(!is_like_key(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        for (before, after) in [
            ("", ""),
            ("invalid value '", "' for '--user <USER>'"),
            ("x/", "/24"),
            ("s3://", "/x"),
            ("no file /home/kim/", ".csv"),
        ] {
            let shown = without_secrets(&format!("{before}{SECRET_KEY}{after}"));
            assert_eq!(shown, format!("{before}****{after}"));
        }
        for text in [
            "can't read /home/Kim/Documents/Kunden2026/ListenNeu",
            "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn passwords_are_hidden_whatever_is_in_them() {
        for password in ["secret", "p'q", "y z", "p@q"] {
            let url =
                format!("invalid value 'http://kim:{password}@host:1' for '--endpoint-url <URL>'");
            let shown = without_secrets(&url);
            assert_eq!(shown, "invalid value 'http://****@host:1' for '--endpoint-url <URL>'");
        }
    }
}
