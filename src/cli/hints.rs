//! What errors and their hints say, made from the facts that they carry.

use std::path::PathBuf;

use super::nearest::nearest;
use super::shell_commands::{ShellCommands, make_directory, move_away, within_boundary};
use crate::access::{BucketName, Target};
use crate::aws::{AwsError, LoadError, Refuser, Remedy, Run};
use crate::errors::{Candidates, Hint, Hinted, Stays, one_line};
use crate::s3::bucket::BucketError;
use crate::step::{Step, named_keys};
use crate::workflows::deleted::Deleted;
use crate::workflows::outcome::Failed;
use crate::workflows::provenance::is_ours;

/// An error as it is printed.
pub(super) struct Explained {
    /// In one line.
    pub error: String,
    /// What state things are in, a line each.
    pub state: Vec<String>,
    /// What is left, and the commands that remove it.
    pub left: Vec<Advice>,
    /// What can be done, a line each.
    pub hints: Vec<Advice>,
}

/// What can be done, and the command for it if there is one.
pub(super) struct Advice {
    pub words: String,
    pub command: Option<String>,
}

impl Advice {
    fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), command: None }
    }

    pub(super) fn with(words: impl Into<String>, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..Self::new(words) }
    }
}

impl Explained {
    /// The error of work on a target. `run` is what work there was, if any.
    pub async fn new(
        error: &anyhow::Error,
        target: &Target,
        run: Option<&Run>,
        commands: &ShellCommands,
    ) -> Self {
        let mut line = one_line(&format!("{error:#}"));
        let hint = hint_of(error);
        let mut hints = hint.map_or(Vec::new(), |hint| hints(hint, target, commands));
        if let Some(Hint::Nearest(candidates)) = hint
            && let Some(meant) = meant(candidates, target, run).await
        {
            line += &did_you_mean(&meant);
            hints.clear();
        }
        hints.extend(general_hint(error, commands));
        Self { error: line, state: Vec::new(), left: Vec::new(), hints }
    }

    /// The error of work on all users of a bucket, whoever they are.
    /// Some of them are to be deleted where it `deletes`.
    pub fn of_bucket(
        error: &anyhow::Error,
        bucket: &BucketName,
        commands: &ShellCommands,
        deletes: bool,
    ) -> Self {
        let mut line = one_line(&format!("{error:#}"));
        let mut hints: Vec<_> = general_hint(error, commands).into_iter().collect();
        if let Some(Hinted { hint: Hint::Nearest(Candidates::Buckets(names)), .. }) =
            error.downcast_ref()
        {
            match nearest(bucket.as_str(), names) {
                Some(meant) => line += &did_you_mean(&meant),
                None if deletes => {
                    hints.push(Advice::new("if it was deleted, add --keep-objects"));
                }
                None => {}
            }
        }
        Self { error: line, state: Vec::new(), left: Vec::new(), hints }
    }
}

/// The hint that an error carries.
fn hint_of(error: &anyhow::Error) -> Option<&Hint> {
    match error.downcast_ref::<Stays>() {
        Some(stays) => stays.hint.as_ref(),
        None => error.downcast_ref::<Hinted>().map(|hinted| &hinted.hint),
    }
}

/// What can be done about an error, whatever it is the work on.
fn general_hint(error: &anyhow::Error, commands: &ShellCommands) -> Option<Advice> {
    if let Some(LoadError::Credentials { remedy, .. }) = error.downcast_ref() {
        return remedy.map(|remedy| match remedy {
            Remedy::ExportCredentials => {
                Advice::with(remedy_in_words(remedy), commands.export_credentials())
            }
            _ => Advice::new(remedy_in_words(remedy)),
        });
    }
    let of_bucket = error.downcast_ref();
    let is_own = |error: &AwsError| error.refuser().is_none();
    let call = match of_bucket {
        Some(BucketError::Refused(_)) => None,
        Some(BucketError::Denied(_, error)) if is_own(error) => None,
        Some(BucketError::Denied(_, error) | BucketError::Other(error)) => Some(error),
        _ => Some(error.downcast_ref()?),
    };
    match call {
        None => Some(Advice::with("see whose credentials these are", commands.identity())),
        Some(error) => call_hint(error).map(Advice::new),
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

/// What to add to the word that a name isn't there.
pub(super) fn did_you_mean(meant: &str) -> String {
    format!("; did you mean {meant}?")
}

/// The candidate that was most likely meant; of folders, only one whose user is
/// ours.
async fn meant(candidates: &Candidates, target: &Target, run: Option<&Run>) -> Option<String> {
    match candidates {
        Candidates::Buckets(names) => nearest(target.bucket.as_str(), names),
        Candidates::Folders(names) => {
            let user = nearest(target.user.as_str(), names)?;
            let run = run?.for_user(user.parse().ok()?);
            is_ours(&run).await.then_some(user)
        }
    }
}

fn hints(hint: &Hint, target: &Target, commands: &ShellCommands) -> Vec<Advice> {
    let user = target.user.as_str();
    let update = || commands.create("--update", target);
    let new_key = || Advice::with("for a new key", commands.create("--rotate-key", target));
    let if_alone = "if no other run is working on it, first run";
    let advice = match hint {
        Hint::UserIsSetUp { in_the_way, is_suspended, .. } => {
            let resume = || Advice::with("to resume access", commands.create("--resume", target));
            let start_over = start_over(target, in_the_way, commands);
            let other = [
                new_key(),
                Advice::with("to change access", format!("{} ...", update())),
                Advice::with("to start over, first run", start_over),
            ];
            return is_suspended.then(resume).into_iter().chain(other).collect();
        }
        Hint::NewKey => new_key(),
        Hint::VerifyNewKey => {
            let rotate = commands.create("--rotate-key", target);
            let words = "to test the new key with requests to S3 instead, run";
            Advice::with(words, format!("{rotate} --verify"))
        }
        Hint::StartOver { in_the_way } => {
            Advice::with(if_alone, start_over(target, in_the_way, commands))
        }
        Hint::DeletePolicy(arn) => Advice::with(if_alone, commands.delete_policy(arn)),
        Hint::KeyFileExists => Advice::new(
            "it may hold the user's only key; give another directory with -o, \
             or make another key with --rotate-key",
        ),
        Hint::MakeDirectory(dir) => Advice::with("make it with", make_directory(dir)),
        Hint::OtherDirectory => Advice::new("write to another directory with -o DIR"),
        Hint::OtherName => Advice::new("choose another name for the new user"),
        Hint::ObjectsStay => Advice::new(
            "an object lock, a legal hold or a bucket policy may protect them; \
             once they can be deleted, run the same command again",
        ),
        Hint::UseBoundary(arn) => Advice::with(
            "if you may create users only within this bucket's permissions boundary, add",
            within_boundary(arn, &target.bucket),
        ),
        Hint::UseInlinePolicy => Advice::new("use --inline-policy, which this quota doesn't limit"),
        Hint::VerifyFromAllowedAddress => {
            Advice::new("with --source-ip, --verify works only from one of these addresses")
        }
        Hint::FindWhatAllows => Advice::new(
            "a bucket policy or an ACL may allow it to everybody, \
             or this store doesn't enforce policies",
        ),
        Hint::BlockPublicAcls => Advice::with(
            "this store lets whoever can upload make the uploads public; first block public ACLs",
            commands.block_public_acls(&target.bucket),
        ),
        Hint::FindWhatRefuses => Advice::new(
            "a bucket policy, a permissions boundary or your organization may refuse it; \
             if the store is slow to know new keys, give --verify-timeout",
        ),
        Hint::DeleteAccessKey(id) => {
            let id = id.as_deref().unwrap_or("ACCESS_KEY_ID");
            Advice::with("delete the one not in use", commands.delete_key(id, user))
        }
        Hint::DeleteNewerKey(id) => Advice::with(
            "neither was used yet; if the person doesn't have the newer one, delete it",
            commands.delete_key(id, user),
        ),
        Hint::SetAccess(grant) => Advice::with(
            "to set all of the user's access, run for example",
            commands.set_access(grant, target),
        ),
        Hint::ExtendAccess => {
            Advice::with("extend it first", format!("{} --expires WHEN", update()))
        }
        Hint::DeleteForBucket(made_for) => {
            Advice::with("to delete it with its folder there, run", commands.delete(made_for, user))
        }
        Hint::KeepObjects => Advice::with(
            "if it was deleted, delete the user alone",
            commands.delete_user(&target.bucket, user),
        ),
        Hint::SuspendKeys(keys) => {
            let words = "to suspend it anyway, run";
            let suspend = |id: &String| Advice::with(words, commands.suspend_key(id, user));
            return keys.iter().map(suspend).collect();
        }
        Hint::TagAsOurs => Advice::with(
            "if it was made for this bucket, tag it, then run the same command again",
            commands.tag_user(target),
        ),
        Hint::Force => Advice::new(format!(
            "check the name; to delete user {user} and all objects in {} anyway, add --force",
            target.folder_url()
        )),
        Hint::ForceFolder(folder) => {
            Advice::new(format!("{folder} still holds objects; to delete them, add --force"))
        }
        Hint::Nearest(Candidates::Folders(_)) => {
            Advice::with("to see all users", commands.list(&target.bucket))
        }
        Hint::Nearest(Candidates::Buckets(_)) => return Vec::new(),
    };
    vec![advice]
}

/// What state a run that failed leaves things in, a line each.
pub(super) fn state_after(failed: &Failed, target: &Target) -> Vec<String> {
    match &failed.deleted {
        Some(deleted) => gone_and_left(deleted),
        None if failed.undone => {
            vec![format!("everything made for user {} was undone", target.user)]
        }
        None => Vec::new(),
    }
}

/// What a delete run has deleted, and what is left for another one.
fn gone_and_left(deleted: &Deleted) -> Vec<String> {
    let gone = gone(deleted);
    let gone = match (gone.is_empty(), deleted.remaining.is_empty()) {
        (true, true) => return Vec::new(),
        (true, false) => return vec!["nothing was deleted".to_owned()],
        (false, true) => return vec![format!("gone: {}", gone.join(", "))],
        (false, false) => gone,
    };
    let mut left = Vec::new();
    for step in &deleted.remaining {
        let thing = match step {
            Step::TagUser(_) => continue,
            Step::EmptyFolder { folder, .. } => format!("what is still in {folder}"),
            Step::DetachPolicy(policy) => format!("policy {}", policy.name),
            step => step.leftover(deleted.target.user.as_str()),
        };
        if !left.contains(&thing) {
            left.push(thing);
        }
    }
    let again = if deleted.needs_force {
        "running the same command again with --force continues"
    } else {
        "running the same command again continues"
    };
    vec![format!("gone: {}", gone.join(", ")), format!("left: {}; {again}", left.join(", "))]
}

fn gone(deleted: &Deleted) -> Vec<String> {
    let mut gone = Vec::new();
    if !deleted.access_keys.is_empty() {
        gone.push(named_keys(&deleted.access_keys));
    }
    let detached = deleted.policies_detached.iter();
    let kept = detached.filter(|name| !deleted.policies_deleted.contains(name));
    gone.extend(kept.map(|name| format!("policy {name} (detached)")));
    let policies = deleted.policies_deleted.iter();
    gone.extend(policies.map(|name| format!("policy {name}")));
    gone.extend(deleted.other.iter().cloned());
    let folder = &deleted.folder;
    if folder.entries() > 0 || folder.uploads > 0 {
        gone.push(folder.to_string());
    }
    gone
}

/// The command that clears the way for a new user, files included.
fn start_over(target: &Target, in_the_way: &[PathBuf], commands: &ShellCommands) -> String {
    let mut command = commands.delete_user(&target.bucket, target.user.as_str());
    for path in in_the_way {
        command += &format!(" && {}", move_away(path));
    }
    command
}
