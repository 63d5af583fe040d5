//! What looks like a secret in the input, by mistake: it is neither taken for a name nor
//! shown.

/// The length of a secret access key, in characters of base64.
const SECRET: usize = 40;

/// True for what looks like the ID of an access key or its secret.
pub(super) fn is_like_key(text: &str) -> bool {
    is_like_secret(text.trim_end_matches('=')) || begins_like_id(text) && text.len() >= 16
}

/// True for text in capitals and digits that begins as the [IDs of access keys][ids] do.
///
/// [ids]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
pub(super) fn begins_like_id(text: &str) -> bool {
    ["AKIA", "ASIA"].iter().any(|start| text.starts_with(start))
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn is_like_secret(text: &str) -> bool {
    text.len() == SECRET && text.chars().all(is_base64)
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/".contains(c)
}

/// Hides what looks like a secret access key, and all that a URL has before its host, such as
/// a password.
pub(super) fn without_secrets(text: &str) -> String {
    let mut shown = without_passwords(text);
    let words = shown.split(|c| !is_base64(c)).filter(|word| is_random(word));
    let secrets: Vec<_> = words.map(str::to_owned).collect();
    for secret in secrets {
        shown = shown.replace(&secret, "****");
    }
    shown
}

/// True for a secret, and not for such a long word or number.
fn is_random(word: &str) -> bool {
    let kinds = [char::is_lowercase, char::is_uppercase, |c: char| c.is_ascii_digit()];
    is_like_secret(word) && kinds.iter().all(|is_kind| word.contains(*is_kind))
}

fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '\'' || c.is_whitespace()).unwrap_or(part.len());
        shown += "://";
        match part[..end].rfind('@') {
            Some(at) => shown += &format!("****{}", &part[at..]),
            None => shown += part,
        }
    }
    shown
}
