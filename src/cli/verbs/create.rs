//! Creating users: a name that looks misspelled is asked about, and with
//! `--skip-existing` users that are there already are skipped.

use std::path::Path;

use anyhow::Result;

use super::Verb;
use crate::access::{Grant, GrantChange, Target, UserName, similar_name};
use crate::cli::exit::Exit;
use crate::cli::failure::NotConfirmed;
use crate::cli::hints::in_shell;
use crate::cli::once::names;
use crate::cli::{Folders, Job, NamedUser, Session};
use crate::commands::{self, Command};
use crate::errors::{Hint, Hinted};
use crate::handover::{Destination, KeyFiles};
use crate::iam::{self, LastUse};
use crate::step::{counted, named_keys};
use crate::workflows::create::{self, Create};
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::{Created, Failed, Skipped};
use crate::workflows::plan::{Plan, Planned};

/// The treatment of users that exist for the bucket and lack nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They fail.
    Refuse,
    /// They are left as they are.
    Skip,
}

struct Creation {
    /// Everything but the access, which each user may have its own of.
    options: create::CreateOptions,
    access: GrantChange,
    existing: Existing,
}

impl Session {
    /// Creates the users with these options, and with the access that `access` and their
    /// own row name.
    pub async fn create(
        &self,
        options: create::CreateOptions,
        access: GrantChange,
        existing: Existing,
        users: Vec<NamedUser>,
    ) -> Exit {
        for shared in Folders::of(&users, options.folder.as_ref(), &self.target).shared() {
            self.out.note(&shared);
        }
        self.run(&Creation { options, access, existing }, users).await
    }
}

impl Verb for Creation {
    type Work = Create;
    type Outcome = Created;
    const PLANS_ALL_FIRST: bool = true;

    fn target(&self, session: &Session, user: &NamedUser) -> Target {
        session.target.new_target(user, self.options.folder.as_ref())
    }

    fn past_participle(&self) -> &'static str {
        "created"
    }

    fn how_to_go_on(&self, _: &[&NamedUser]) -> (&'static str, Option<Command>) {
        ("to continue, run the same command with --skip-existing", None)
    }

    async fn plan(&self, job: &Job<'_>, everybody: &Everybody) -> Result<Planned<Create>> {
        let grant = self.access.overridden_by(&job.row.access).apply_to(&Grant::default());
        let folder = job.folder_or(&self.options.folder);
        let handover = job.handover(&self.options.handover);
        let options = create::CreateOptions { folder, grant, handover, ..self.options.clone() };
        match self.existing {
            Existing::Skip => Ok(create::plan_or_skip(&job.run, &options, everybody).await?),
            Existing::Refuse => {
                Ok(Planned::Do(create::plan_among(&job.run, &options, everybody).await?))
            }
        }
    }

    async fn apply(&self, plan: &Plan<Create>) -> Result<Created, Failed> {
        create::apply(plan).await
    }

    async fn review(
        &self,
        job: &Job<'_>,
        plan: &mut Plan<Create>,
        readers_note: Option<String>,
    ) -> Result<()> {
        plan.preview.notes.extend(readers_note);
        let Some(doubt) = doubt(plan) else { return Ok(()) };
        if job.out.args.dry_run {
            plan.preview.notes.push(doubt);
        } else if !job.out.asks() {
            let delete = commands::delete_user(&job.run.target.bucket, job.user().as_str());
            let undo = in_shell(&delete, &job.out.connection);
            plan.preview.notes.push(format!("{doubt} If so, delete the user with: {undo}"));
        } else if !is_confirmed(job, &doubt).await {
            job.run.go_on()?;
            return Err(NotConfirmed("created").into());
        }
        Ok(())
    }

    /// Skips users, but fails for those whose key an earlier run has lost. Notes whose
    /// keys may be lost.
    async fn skip(&self, session: &Session, skipped: Vec<(Job<'_>, Skipped)>) {
        let files = match &self.options.handover.to {
            Destination::Directory(dir) if !skipped.is_empty() => {
                let ids = skipped.iter().flat_map(|(_, outcome)| &outcome.access_keys);
                Some(KeyFiles::look(dir, &ids.map(String::as_str).collect()))
            }
            _ => None,
        };
        let looked_at = session
            .at_a_time(skipped, async |(job, outcome): (Job<'_>, Skipped)| {
                self.skip_one(&job, &outcome, files.as_ref()).await
            })
            .await;
        let mut unused: Vec<_> = looked_at.into_iter().flatten().collect();
        unused.sort_by_cached_key(UserName::to_string);
        if !unused.is_empty() {
            session.out.note(&unused_note(&unused));
        }
    }
}

impl Creation {
    /// Skips a user, unless an earlier run has left a hidden file of its key, and the
    /// key itself is in no file. Returns the user if the key is in no file and was never
    /// used, as far as that is known.
    async fn skip_one(
        &self,
        job: &Job<'_>,
        outcome: &Skipped,
        files: Option<&KeyFiles>,
    ) -> Option<UserName> {
        if let Some(error) = files.and_then(|files| lost_key(outcome, files)) {
            job.failed(self, error);
            return None;
        }
        let keys = &outcome.access_keys;
        let is_unwritten = files.is_some_and(|files| !files.hold_any(keys));
        let is_unused = is_unwritten && are_unused(job, keys).await;
        job.skip(outcome);
        is_unused.then(|| job.user().clone())
    }
}

/// True if none of the keys was ever used, as far as the store tells.
async fn are_unused(job: &Job<'_>, keys: &[String]) -> bool {
    for key in keys {
        if !matches!(iam::last_use(&job.run, key).await, Ok(LastUse::Never)) {
            return false;
        }
    }
    true
}

/// The error for a user whose key is in no file, but for the hidden one that a run left that was
/// killed; none without that.
pub(super) fn lost_key(outcome: &Skipped, files: &KeyFiles) -> Option<anyhow::Error> {
    let Skipped { target, access_keys: keys, .. } = outcome;
    let leftover = files.leftover(&target.user).filter(|_| !files.hold_any(keys))?;
    let message = format!(
        "user {} already exists, but no file here has its {}: {leftover} was left by a run that was \
         killed before it wrote the key, or belongs to one that is still running",
        target.user,
        named_keys(keys)
    );
    let new_key = commands::create_s3_user(target, "--rotate-key");
    Some(Hinted::new(message, Hint::run("for a new key", new_key)).into())
}

fn unused_note(users: &[UserName]) -> String {
    let verb = if users.len() == 1 { "has" } else { "have" };
    format!(
        "{} {verb} a key that has never been used, but no key file in the output directory: {}",
        counted(users.len() as u64, "user"),
        names(users)
    )
}

/// Says what makes the name look misspelled, if anything does: it has a comma in it, is that of
/// a file, or the folder is empty, and there is one with a similar name beside it.
pub(super) fn doubt(plan: &Plan<Create>) -> Option<String> {
    let target = &plan.preview.target;
    let names = target.user.as_str().split(',').count();
    if names > 1 {
        return Some(format!(
            "{} is the name of one user; did you mean {names} users, each with -u?",
            target.user
        ));
    }
    let file = target.user.as_str();
    if file.contains('.') && Path::new(file).is_file() {
        return Some(format!("{file} is a file; did you mean --users-from {file}?"));
    }
    let (parent, name) = target.prefix().parent_and_name();
    let similar = similar_name(name, &plan.work.folder.others)?;
    let other = format!("s3://{}/{parent}{similar}/", target.bucket);
    let folder = target.folder_url();
    Some(format!("{folder} is empty, but {other} exists; did you mean {parent}{similar}?"))
}

async fn is_confirmed(job: &Job<'_>, doubt: &str) -> bool {
    let lines = [job.out.labelled("note", doubt)];
    let question = format!("Create user {} anyway?", job.user());
    let answer = job.out.confirm(&lines, &question);
    job.session.signals.cancel.run_until_cancelled(answer).await.unwrap_or(false)
}
