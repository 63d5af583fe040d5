//! What errors and their hints say, made from the facts that they carry.

use std::path::PathBuf;

use super::nearest::nearest;
use super::shell_commands::{ShellCommands, make_directory, move_away};
use crate::access::{BucketName, Target};
use crate::aws::{AwsError, LoadError, Run};
use crate::errors::{Candidates, Hint, Hinted, one_line};
use crate::workflows::provenance::is_ours;

/// An error as it is printed.
pub(super) struct Explained {
    /// In one line.
    pub error: String,
    /// What can be done, a line each.
    pub hints: Vec<String>,
}

impl Explained {
    /// The error of work on a target. `run` is what work there was, if any.
    pub async fn new(
        error: &anyhow::Error,
        target: &Target,
        run: Option<&Run>,
        commands: &ShellCommands,
    ) -> Self {
        let mut line = in_words(error);
        let hint = error.downcast_ref::<Hinted>().map(|hinted| &hinted.hint);
        if let Some(Hint::Nearest(candidates)) = hint
            && let Some(meant) = meant(candidates, target, run).await
        {
            line += &did_you_mean(&meant);
        }
        let mut hints = hint.map_or(Vec::new(), |hint| hint_lines(hint, target, commands));
        let forbidden = error.downcast_ref::<AwsError>();
        let forbidden = forbidden.filter(|error| error.is_forbidden_by_organization());
        hints.extend(forbidden.map(ask_the_organization));
        Self { error: line, hints }
    }

    /// The error of work on all users of a bucket, whoever they are.
    pub fn of_bucket(error: &anyhow::Error, bucket: &BucketName) -> Self {
        let mut line = in_words(error);
        if let Some(Hinted {
            hint: Hint::Nearest(Candidates::Buckets(names)),
            ..
        }) = error.downcast_ref()
            && let Some(meant) = nearest(bucket.as_str(), names)
        {
            line += &did_you_mean(&meant);
        }
        Self {
            error: line,
            hints: Vec::new(),
        }
    }
}

fn in_words(error: &anyhow::Error) -> String {
    let mut line = one_line(&format!("{error:#}"));
    if needs_sign_in(error) {
        line += " (sign in again, for example with aws login or aws sso login)";
    }
    line
}

fn ask_the_organization(error: &AwsError) -> String {
    format!(
        "your organization forbids this, whatever permissions you have; ask those who manage it to allow {} in \
         this account, or give a partner's own AWS account a role instead (docs/security.md)",
        error.permission()
    )
}

fn needs_sign_in(error: &anyhow::Error) -> bool {
    let of_call = error.downcast_ref().is_some_and(AwsError::needs_sign_in);
    let of_load = error.downcast_ref();
    let of_load = of_load.is_some_and(|error| {
        matches!(
            error,
            LoadError::Credentials {
                needs_sign_in: true,
                ..
            }
        )
    });
    of_call || of_load
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

fn hint_lines(hint: &Hint, target: &Target, commands: &ShellCommands) -> Vec<String> {
    let user = target.user.as_str();
    let update = || commands.create("--update", target);
    let new_key = || format!("for a new key: {}", commands.create("--rotate-key", target));
    let line = match hint {
        Hint::UserIsSetUp {
            in_the_way,
            is_suspended,
            ..
        } => {
            let resume = || format!("to resume access: {}", commands.create("--resume", target));
            let other = [
                new_key(),
                format!("to change access: {} ...", update()),
                format!(
                    "to start over, first run: {}",
                    start_over(target, in_the_way, commands)
                ),
            ];
            return is_suspended.then(resume).into_iter().chain(other).collect();
        }
        Hint::NewKey => new_key(),
        Hint::StartOver { in_the_way } => format!(
            "unless another run is at work on it, first run: {}",
            start_over(target, in_the_way, commands)
        ),
        Hint::DeletePolicy(arn) => format!(
            "unless another run is at work on it, first run: {}",
            commands.delete_policy(arn)
        ),
        Hint::KeyFileExists => "it may hold the user's only key; give another directory with -o, \
                                or make another key with --rotate-key"
            .to_owned(),
        Hint::MakeDirectory(dir) => format!("make it with: {}", make_directory(dir)),
        Hint::UseBoundary(arn) => format!(
            "if you may create users only within the permissions boundary of this bucket, add its options: {}",
            commands.create_within(arn, target)
        ),
        Hint::UseInlinePolicy => {
            "--inline-policy makes no managed policy, and counts towards no such quota".to_owned()
        }
        Hint::VerifyFromAllowedAddress => {
            "a key limited by --source-ip can be verified only from such an address".to_owned()
        }
        Hint::DeleteAccessKey(id) => {
            let id = id.as_deref().unwrap_or("ACCESS_KEY_ID");
            let delete = commands.delete_key(id, user);
            format!("delete the one not in use: {delete}")
        }
        Hint::SetAccess(grant) => format!(
            "set all of the access that the user should have, such as: {}",
            commands.set_access(grant, target)
        ),
        Hint::ExtendAccess => format!("extend it first: {} --expires WHEN", update()),
        Hint::DeleteForBucket(made_for) => {
            let delete = commands.delete(made_for, user);
            format!("to delete it with its folder there, run: {delete}")
        }
        Hint::Force => "--force deletes it all the same".to_owned(),
        Hint::ForceFolder(folder) => {
            format!("{folder} still holds objects; --force deletes them without the user")
        }
        Hint::Nearest(_) => return Vec::new(),
    };
    vec![line]
}

/// The command that clears the way for a new user, files included.
fn start_over(target: &Target, in_the_way: &[PathBuf], commands: &ShellCommands) -> String {
    let mut command = commands.delete_user(&target.bucket, target.user.as_str());
    for path in in_the_way {
        command += &format!(" && {}", move_away(path));
    }
    command
}
