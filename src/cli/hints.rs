//! What errors and their hints say, made from the facts that they carry.

use std::path::PathBuf;

use super::nearest::nearest;
use super::shell_commands::ShellCommands;
use crate::access::Target;
use crate::aws::Run;
use crate::errors::{Candidates, Hint, Hinted, one_line};
use crate::workflows::provenance::is_ours;

/// An error in words.
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
        let mut line = one_line(&format!("{error:#}"));
        let hint = error.downcast_ref::<Hinted>().map(|hinted| &hinted.hint);
        if let Some(Hint::Nearest(candidates)) = hint
            && let Some(meant) = meant(candidates, target, run).await
        {
            line += &did_you_mean(&meant);
        }
        let hints = hint.map_or(Vec::new(), |hint| hint_lines(hint, target, commands));
        Self { error: line, hints }
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

fn hint_lines(hint: &Hint, target: &Target, commands: &ShellCommands) -> Vec<String> {
    let user = &target.user;
    let update = || commands.create("--update", target);
    let line = match hint {
        Hint::UserIsSetUp { in_the_way } => {
            return vec![
                format!("for a new key: {}", commands.create("--rotate-key", target)),
                format!("to change access: {} ...", update()),
                start_over(target, in_the_way, commands),
            ];
        }
        Hint::StartOver { in_the_way } => start_over(target, in_the_way, commands),
        Hint::KeyFileExists => "it may hold the user's only key; give another directory with -o, \
                                or make another key with --rotate-key"
            .to_owned(),
        Hint::MakeDirectory(dir) => format!("make it with: mkdir -m 700 '{}'", dir.display()),
        Hint::UseInlinePolicy => {
            "--inline-policy makes no managed policy, and counts towards no such quota".to_owned()
        }
        Hint::VerifyFromAllowedAddress => {
            "a key limited by --source-ip can be verified only from such an address".to_owned()
        }
        Hint::DeleteAccessKey(id) => {
            format!(
                "delete the one not in use: {}",
                commands.delete_key(id, user)
            )
        }
        Hint::SetAccess => format!(
            "first set the access it should have: {} --access ...",
            update()
        ),
        Hint::ExtendAccess => {
            format!("extend it first: {} --expires WHEN --access ...", update())
        }
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
    let mut command = commands.delete_user(&target.bucket, &target.user);
    for path in in_the_way {
        let path = path.display().to_string().replace('\'', r"'\''");
        command += &format!(" && mv '{path}' '{path}.old'");
    }
    format!("to start over, first run: {command}")
}
