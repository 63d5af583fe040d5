//! What can be removed, each kind of which `workflows/remove.rs` removes, and what a
//! failed run leaves that it could not remove.

use std::fmt;

/// One thing that a run removes. Displayed as what is to be done, such as
/// `delete user alex`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// Delete an access key.
    AccessKey(String),
    /// Detach a managed policy from the user.
    Attachment(ManagedPolicy),
    /// Attach a managed policy again that was detached from the user.
    Detachment(ManagedPolicy),
    /// Delete a managed policy.
    Policy(ManagedPolicy),
    /// Delete an inline policy.
    InlinePolicy(String),
    /// Remove something else that blocks the deletion of the user.
    Blocker(Blocker),
    /// Delete one object, or one version of it.
    Object {
        /// The object's URL.
        url: String,
        /// The version; none for the object as it is.
        version: Option<String>,
    },
    /// Delete the IAM user.
    User(String),
}

impl Removal {
    /// Says that it was done, such as `deleted user alex`.
    pub(crate) fn done(&self) -> String {
        let (_, done, object) = self.words();
        format!("{done} {object}")
    }

    /// The verb as it is to be done and as it was, and its object.
    pub(crate) fn words(&self) -> (&'static str, &'static str, String) {
        match self {
            Self::AccessKey(id) => ("delete", "deleted", format!("access key {id}")),
            Self::Attachment(policy) => ("detach", "detached", format!("policy {}", policy.name)),
            Self::Detachment(policy) => {
                ("reattach", "reattached", format!("policy {}", policy.name))
            }
            Self::Policy(policy) => ("delete", "deleted", format!("policy {}", policy.name)),
            Self::InlinePolicy(name) => ("delete", "deleted", format!("inline policy {name}")),
            Self::Blocker(blocker) => ("remove", "removed", blocker.to_string()),
            Self::Object { url, .. } => ("delete", "deleted", format!("object {url}")),
            Self::User(user) => ("delete", "deleted", format!("user {user}")),
        }
    }

    /// Names the part of a user that is there as long as this is not removed.
    pub(crate) fn what(&self, user: &str) -> String {
        match self {
            Self::AccessKey(id) => format!("access key {id} of user {user}"),
            Self::Attachment(policy) => format!("policy {} on user {user}", policy.name),
            Self::Detachment(policy) => {
                format!("policy {}, which user {user} lacks now", policy.name)
            }
            Self::InlinePolicy(name) => format!("policy {name} on user {user}"),
            Self::Policy(_) | Self::Blocker(_) | Self::Object { .. } | Self::User(_) => {
                self.words().2
            }
        }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to_do, _, object) = self.words();
        write!(f, "{to_do} {object}")
    }
}

/// A thing that a failed run leaves, for the admin to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leftover {
    /// Something that could not be removed.
    Removable(Removal),
    /// An access key that may still work, to be made inactive.
    ActiveKey(String),
    /// An access key that may still appear: its creation got no answer.
    LateKey,
    /// An access key that this run or another one created meanwhile.
    UnclearKey {
        /// The key's ID.
        id: String,
        /// The time of its creation, RFC 3339 in UTC, as far as IAM says.
        created: String,
    },
    /// A user that this run may have made, or that may still appear.
    UnclearUser(String),
    /// A managed policy that this run may have made, or that may still appear.
    UnclearPolicy {
        /// The policy, by a placeholder for its ARN where that is not known.
        policy: ManagedPolicy,
        /// Says how to tell that this run made it.
        if_ours: String,
    },
    /// An unfinished multipart upload.
    Upload {
        /// The key of the object.
        key: String,
        /// The upload's ID; none if its answer got lost.
        id: Option<String>,
    },
}

impl Leftover {
    /// Names what is left of a user.
    pub fn what(&self, user: &str) -> String {
        match self {
            Self::Removable(removal) => removal.what(user),
            Self::ActiveKey(id) => {
                format!("access key {id} of user {user}, which may still work")
            }
            Self::LateKey => "an access key that may still appear in a list".to_owned(),
            Self::UnclearKey { id, created } => {
                format!("access key {id}, created {created}, if no other run has its secret")
            }
            Self::UnclearUser(user) => {
                format!("user {user}, if it is there and no other run made it")
            }
            Self::UnclearPolicy { policy, if_ours } => {
                format!("policy {}, if it is there and {if_ours}", policy.name)
            }
            Self::Upload { key, .. } => format!("unfinished upload of {key}"),
        }
    }

    /// Names what is to be done about it, as a verb.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::ActiveKey(_) => "suspend",
            Self::Removable(Removal::Detachment(_)) => "attach",
            _ => "remove",
        }
    }
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// The policy's name.
    pub name: String,
    /// The policy's ARN.
    pub arn: String,
}

/// A thing other than keys and policies that must go before a user can be deleted, as
/// [AWS lists it][conditions]. `iam::blockers` finds and removes each kind.
///
/// [conditions]: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's own")]
pub enum Blocker {
    LoginProfile,
    SigningCertificate(String),
    SshPublicKey(String),
    ServiceSpecificCredential(String),
    MfaDevice(String),
    Group(String),
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginProfile => f.write_str("login profile"),
            Self::SigningCertificate(id) => write!(f, "signing certificate {id}"),
            Self::SshPublicKey(id) => write!(f, "SSH public key {id}"),
            Self::ServiceSpecificCredential(id) => write!(f, "service-specific credential {id}"),
            Self::MfaDevice(serial) => write!(f, "MFA device {serial}"),
            Self::Group(name) => write!(f, "membership of group {name}"),
        }
    }
}
