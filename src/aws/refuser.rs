//! What refused a call, and what it was about, [as AWS words it][denied].
//!
//! [denied]: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html

/// The policy that refuses a call that the admin's own permissions may well allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuser {
    /// A service control policy of the organization that the account belongs to.
    Organization,
    /// A resource control policy of the organization that owns the resource.
    ResourceControl,
    Boundary,
    SessionPolicy,
    EndpointPolicy,
    /// The policy of a bucket or key denies it to everybody, or to some.
    ResourceDeny,
    /// The policy of a bucket or key in another account doesn't allow it.
    OtherAccount,
    /// A policy of the admin's own denies it.
    OwnDeny,
}

const DENY: &str = " with an explicit deny in ";

impl Refuser {
    /// The one that the message of an AccessDenied names; none where a permission
    /// is missing, or where it doesn't say.
    pub fn named_in(message: &str) -> Option<Self> {
        // What comes last is AWS's; before it are names that somebody else chose.
        let starts = [DENY, " because no "].iter().filter_map(|words| message.rfind(words));
        let reason = &message[starts.max()?..];
        for (policy, refuser) in [
            ("service control policy", Self::Organization),
            ("resource control policy", Self::ResourceControl),
            ("permissions boundary", Self::Boundary),
            ("session policy", Self::SessionPolicy),
            ("VPC endpoint policy", Self::EndpointPolicy),
        ] {
            if reason.contains(policy) {
                return Some(refuser);
            }
        }
        match (reason.contains("resource-based policy"), reason.starts_with(DENY)) {
            (true, true) => Some(Self::ResourceDeny),
            (true, false) => Some(Self::OtherAccount),
            (false, true) => Some(Self::OwnDeny),
            (false, false) => None,
        }
    }
}

/// The permission that the message of an AccessDenied names, which is not always
/// that of the operation: creating a user with tags takes `iam:TagUser` too.
fn permission_in(message: &str) -> Option<&str> {
    let behind = message.split("is not authorized to perform: ").nth(1)?;
    let permission = behind.split_whitespace().next()?;
    let (service, action) = permission.split_once(':')?;
    (is_word(service) && is_word(action)).then_some(permission)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The permission that a refused call lacks: what the message says, or else the one that
/// the operation needs.
pub(super) fn permission(operation: &str, message: &str) -> String {
    if let Some(named) = permission_in(message) {
        return named.to_owned();
    }
    match S3_PERMISSIONS.iter().find(|(name, _)| *name == operation) {
        Some((_, permission)) => format!("s3:{permission}"),
        None if operation == "GetCallerIdentity" => format!("sts:{operation}"),
        None => format!("iam:{operation}"),
    }
}

/// The operations of S3 that are used, and the permissions they need; what isn't
/// listed counts as one of IAM, where both have the same name.
const S3_PERMISSIONS: [(&str, &str); 17] = [
    ("ListBuckets", "ListAllMyBuckets"),
    ("HeadBucket", "ListBucket"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("GetObject", "GetObject"),
    ("PutObject", "PutObject"),
    ("CopyObject", "PutObject"),
    ("CreateMultipartUpload", "PutObject"),
    ("UploadPartCopy", "PutObject"),
    ("GetBucketVersioning", "GetBucketVersioning"),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("ListObjectsV2", "ListBucket"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("ListParts", "ListMultipartUploadParts"),
    ("AbortMultipartUpload", "AbortMultipartUpload"),
    ("DeleteObjects", "DeleteObject"),
    ("DeleteObject", "DeleteObject"),
];

pub(super) fn is_s3(operation: &str) -> bool {
    S3_PERMISSIONS.iter().any(|(name, _)| *name == operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_is_read_only_where_there_is_one() {
        let named = |rest| {
            let message = format!("User: x is not authorized to perform: {rest}");
            permission_in(&message).map(str::to_owned)
        };
        assert_eq!(named("iam:TagUser on resource: y").as_deref(), Some("iam:TagUser"));
        assert_eq!(named("iam:TagUser").as_deref(), Some("iam:TagUser"));
        for other in ["", "something on y", "iam: on y", "a:b:c", "\u{1b}[2J:x"] {
            assert_eq!(named(other), None, "{other}");
        }
        assert_eq!(permission_in("Access Denied"), None);
    }

    #[test]
    fn names_of_things_are_no_reason() {
        let about = "\"arn:aws:s3:::b/with an explicit deny in a session policy\"";
        let missing =
            format!("{about} because no identity-based policy allows the s3:PutObject action");
        assert_eq!(Refuser::named_in(&missing), None);
        assert_eq!(Refuser::named_in("Access Denied"), None);
    }
}
