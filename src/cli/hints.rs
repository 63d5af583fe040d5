//! What an error is printed as: a line, what state things are in, and the hints that it carries.

use crate::aws::{AwsError, LoadError, Refuser, Remedy};
use crate::commands::{self, Command};
use crate::errors::{Hint, Hinted, Stays, one_line};
use crate::removal::Removal;
use crate::s3::bucket::BucketError;
use crate::step::{Step, named_keys};
use crate::workflows::create::UserExists;
use crate::workflows::deleted::Deleted;
use crate::workflows::outcome::State;

/// An error as it is printed.
pub(super) struct Explained {
    /// In one line.
    pub error: String,
    /// What state things are in, a line each.
    pub state: Vec<String>,
    /// What is left, and the commands that remove it.
    pub left: Vec<(String, Command)>,
    /// What can be done, a line each.
    pub hints: Vec<Hint>,
}

impl Explained {
    pub fn new(error: &anyhow::Error) -> Self {
        let mut hints = hints(error);
        hints.extend(call_or_load_hint(error));
        Self { error: one_line(&format!("{error:#}")), state: Vec::new(), left: Vec::new(), hints }
    }
}

/// The hints that the error was raised with.
fn hints(error: &anyhow::Error) -> Vec<Hint> {
    if let Some(stays) = error.downcast_ref::<Stays>() {
        return Vec::from_iter(stays.hint.clone());
    }
    if let Some(exists) = error.downcast_ref::<UserExists>() {
        return exists.hints.clone();
    }
    error.downcast_ref::<Hinted>().map_or(Vec::new(), |hinted| hinted.hints.clone())
}

/// What can be done about a call that failed, or clients that could not be made.
fn call_or_load_hint(error: &anyhow::Error) -> Option<Hint> {
    if let Some(LoadError::Credentials { remedy, .. }) = error.downcast_ref() {
        return remedy.map(|remedy| match remedy {
            Remedy::ExportCredentials => {
                Hint::run(remedy_in_words(remedy), commands::export_credentials())
            }
            _ => Hint::new(remedy_in_words(remedy)),
        });
    }
    let is_own = |error: &AwsError| error.refuser().is_none();
    let call = match error.downcast_ref() {
        Some(BucketError::Refused(_)) => None,
        Some(BucketError::Denied(_, error)) if is_own(error) => None,
        Some(BucketError::Denied(_, error) | BucketError::Other(error)) => Some(error),
        _ => Some(error.downcast_ref()?),
    };
    match call {
        None => Some(Hint::run("see whose credentials these are", commands::caller_identity())),
        Some(error) => call_hint(error).map(Hint::new),
    }
}

fn remedy_in_words(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::SignIn => "sign in again, for example with aws login or aws sso login",
        Remedy::TrustAuthority => {
            "set AWS_CA_BUNDLE to a file with the certificate authority of your proxy or store"
        }
        Remedy::OwnCertificate => {
            "give the server a certificate of its own, signed by that authority, and set AWS_CA_BUNDLE to a file \
             with the authority"
        }
        Remedy::PlainHttp => {
            "if the server is to be used without TLS, write its address as http://..."
        }
        Remedy::CheckProxy => {
            "check the proxy in HTTPS_PROXY or HTTP_PROXY; hosts in NO_PROXY are reached without it"
        }
        Remedy::SetClock => "set the clock, then run the same command again",
        Remedy::StartSessionWithMfa => {
            "IAM accepts the session of a user only if it was started with an MFA code: sign in with one; if \
             AWS_SESSION_TOKEN is of another access key, unset it"
        }
        Remedy::ExportCredentials => {
            "the profile asks for an MFA code, for which the AWS CLI can ask you; then run the same command \
             without --profile"
        }
        Remedy::Configure => {
            "name a profile with --profile or AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
    }
}

/// What can be done about a failed call.
fn call_hint(error: &AwsError) -> Option<String> {
    let hint = if let Some(remedy) = error.remedy() {
        remedy_in_words(remedy)
    } else if error.has_no_users() {
        "docs/stores.md says which stores work, and what to use instead with others"
    } else if let Some(refuser) = error.refuser() {
        return Some(ask_the_refuser(refuser, &error.permission()));
    } else if error.is_access_denied() {
        "get this permission (docs/permissions.md), then run the same command again"
    } else if error.is_about_credentials() {
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the keys in your AWS profile"
    } else if error.has_no_answer() && error.is_of_aws() {
        "check the network, the region and, behind a proxy, HTTPS_PROXY"
    } else if error.has_no_answer() {
        "check the address given by --endpoint-url or AWS_ENDPOINT_URL, and the network"
    } else if error.is_throttling() {
        "calls are coming too fast; wait a minute, then run the same command again"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// What to do about a call that something else than a missing permission refuses.
fn ask_the_refuser(refuser: Refuser, permission: &str) -> String {
    match refuser {
        Refuser::Organization => format!(
            "your organization forbids this, whatever permissions you have; ask those who manage it to allow \
             {permission} in this account, or give a partner's own AWS account a role instead (docs/security.md)"
        ),
        Refuser::ResourceControl => format!(
            "a resource control policy of the organization that owns the bucket or key forbids this, whatever \
             permissions you have; ask those who manage it to allow {permission}"
        ),
        Refuser::Boundary => format!(
            "your permissions boundary limits you, whatever permissions you have; ask whoever set it to allow \
             {permission} in it"
        ),
        Refuser::SessionPolicy => format!(
            "the session policy that your temporary credentials were made with limits you; sign in without it, \
             or with one that allows {permission}"
        ),
        Refuser::EndpointPolicy => format!(
            "the policy of the VPC endpoint that the request went through forbids this, whatever permissions you \
             have; have it allow {permission}, or run this from another network"
        ),
        Refuser::ResourceDeny => format!(
            "the bucket policy, or the policy of the KMS key, forbids this, whatever permissions you have; have \
             it allow {permission}"
        ),
        Refuser::OtherAccount => format!(
            "the bucket or key belongs to another account: its own policy must allow you {permission} too"
        ),
        Refuser::OwnDeny => format!(
            "one of your own policies forbids this, whatever the others allow; have it allow {permission}. Some \
             forbid it only without MFA: then sign in with an MFA code"
        ),
    }
}

/// What state a run that failed leaves a user in, a line each.
pub(super) fn state_lines(state: &State, user: &str) -> Vec<String> {
    match state {
        State::Deleted(deleted) => deleted_lines(deleted),
        State::Undone => vec![format!("everything made for user {user} was undone")],
        _ => Vec::new(),
    }
}

/// What a delete run has deleted, and what is left for another one.
fn deleted_lines(deleted: &Deleted) -> Vec<String> {
    let gone = gone(deleted).join(", ");
    let has_left = !deleted.remaining.is_empty();
    match (gone.is_empty(), has_left) {
        (true, false) => Vec::new(),
        (true, true) => vec!["nothing was deleted".to_owned()],
        (false, false) => vec![format!("gone: {gone}")],
        (false, true) => vec![format!("gone: {gone}"), left_line(deleted)],
    }
}

fn left_line(deleted: &Deleted) -> String {
    let mut left = Vec::new();
    for step in &deleted.remaining {
        let thing = match step {
            Step::EmptyFolder { folder, .. } => format!("what is still in {folder}"),
            Step::Remove(Removal::Attachment(policy)) => format!("policy {}", policy.name),
            Step::Remove(removal) => removal.what(deleted.target.user.as_str()),
            _ => continue,
        };
        if !left.contains(&thing) {
            left.push(thing);
        }
    }
    let force = if deleted.needs_force { " with --force" } else { "" };
    let left = left.join(", ");
    format!("left: {left}; running the same command again{force} continues")
}

fn gone(deleted: &Deleted) -> Vec<String> {
    let mut gone = Vec::new();
    if !deleted.access_keys.is_empty() {
        gone.push(named_keys(&deleted.access_keys));
    }
    for name in &deleted.policies_detached {
        if !deleted.policies_deleted.contains(name) {
            gone.push(format!("policy {name} (detached)"));
        }
    }
    gone.extend(deleted.policies_deleted.iter().map(|name| format!("policy {name}")));
    gone.extend(deleted.other.iter().cloned());
    let folder = &deleted.folder;
    if folder.entries() > 0 || folder.uploads > 0 {
        gone.push(folder.to_string());
    }
    gone
}
