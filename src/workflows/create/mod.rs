//! The create workflow: user, policy, access key, key file, in that order;
//! whatever fails, everything is undone.

use std::path::Path;

use anyhow::Result;
use futures_util::future::join_all;

use super::outcome::{Created, Failed};
use super::plan::{Plan, PlannedPolicy, Preview};
use super::provenance::{folder_notes, reachable};
use super::undo::Undo;
use crate::access::{Grant, INLINE_POLICY_NAME, NewUser, PolicyDocument, managed_policy_name};
use crate::aws::Run;
use crate::handover::{self, Handover};
use crate::iam;
use crate::s3::bucket;
use crate::step::Step;

use creating::Creating;
use folder::Folder;
use refusal::user_exists;

mod creating;
mod folder;
mod refusal;

/// What a create run makes beyond the default.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the user may do.
    pub grant: Grant,
    /// How the IAM user is made.
    pub new_user: NewUser,
    /// Whether to put the empty object `USER/`, which some clients need to see
    /// the folder, unless it is there.
    pub make_folder: bool,
    /// How the key is handed over.
    pub handover: handover::Options,
}

impl Options {
    /// A user who lists and downloads its folder, with the key in a file in `dir`.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            grant: Grant::default(),
            new_user: NewUser::default(),
            make_folder: false,
            handover: handover::Options::file_in(dir.as_ref()),
        }
    }
}

/// What a create run makes.
pub struct Create {
    pub(crate) folder: Folder,
    options: Options,
    handover: Handover,
    policy: PlannedPolicy,
    /// The steps, those that are taken at once together.
    rounds: Vec<Vec<Step>>,
}

/// Checks that the bucket is there and that user and key file are not, and
/// changes nothing.
///
/// Only what isn't there is made: a user that exists is refused, whatever state
/// it is in, with what can be done about it.
pub async fn plan(run: &Run, options: &Options) -> Result<Plan<Create>> {
    let handover = Handover::first(&options.handover, &run.target.user);
    let found = async {
        let found = bucket::find(&run.aws, &run.target.bucket).await;
        let run = run.with_aws(reachable(&run.aws, found).await?);
        let folder = Folder::look_into(&run, options.make_folder).await?;
        anyhow::Ok((run, folder))
    };
    let notes = folder_notes(run, &options.grant.also_read);
    let (found, user, notes) = tokio::join!(found, iam::get_user(run), notes);
    // A failed GetUser tells why; a refused HeadBucket has no code for that.
    let user = user?;
    let (run, folder) = found?;
    if let Some(user) = user {
        return Err(user_exists(&run, &user, &handover).await);
    }
    handover.check()?;
    let inline = options.new_user.inline_policy;
    let region = &run.aws.region;
    let document = PolicyDocument::for_bucket(&options.grant, &run.target, region, inline)?;
    let name = if inline {
        INLINE_POLICY_NAME.to_owned()
    } else {
        managed_policy_name(&run.target.user)
    };
    let make_folder = options.make_folder && !folder.has_folder_object;
    let rounds = rounds(&run, options, make_folder, &handover, &name);
    let policy = PlannedPolicy { name, document };
    // A delegate creates users within a boundary, and has access to them by tag.
    let run = run.allowed_by_tags(options.new_user.permissions_boundary.is_some());
    let mut preview = Preview::new(&run.target, rounds.concat());
    preview.policy = Some(policy.clone());
    preview.notes = notes;
    Ok(Plan {
        preview,
        run,
        work: Create {
            folder,
            options: options.clone(),
            handover,
            policy,
            rounds,
        },
    })
}

/// Two round trips, and then what is asked for besides.
fn rounds(
    run: &Run,
    options: &Options,
    make_folder: bool,
    handover: &Handover,
    policy: &str,
) -> Vec<Vec<Step>> {
    let (user, policy) = (run.target.user.to_string(), policy.to_owned());
    let create_user = Step::CreateUser(user.clone());
    let create_key = Step::CreateAccessKey(user);
    let mut rounds = if options.new_user.inline_policy {
        vec![
            vec![create_user],
            vec![Step::PutInlinePolicy(policy), create_key],
        ]
    } else {
        vec![
            vec![create_user, Step::CreatePolicy(policy.clone())],
            vec![Step::AttachPolicy(policy), create_key],
        ]
    };
    if make_folder {
        rounds.push(vec![Step::MakeFolder(run.target.folder_url())]);
    }
    let steps = handover.steps(&run.target, Some(&options.grant));
    rounds.extend(steps.into_iter().map(|step| vec![step]));
    rounds
}

/// Makes user, policy and access key, and writes the key file.
///
/// Either everything is done, or what this run made is undone again, including
/// what was carried out although its answer got lost. Cancelling the run counts
/// as a failure, [`Interrupted`](crate::Interrupted), until the last step; calls under way are
/// waited for, so that nothing is made behind our back.
pub async fn apply(plan: &Plan<Create>) -> Result<Created, Failed> {
    let undo = Undo::of(&plan.run);
    match make(plan, &undo).await {
        Ok(created) => Ok(created),
        Err(error) => Err(undo.unwind(error).await),
    }
}

async fn make(plan: &Plan<Create>, undo: &Undo) -> Result<Created> {
    let creating = Creating::new(plan, undo)?;
    for round in &plan.work.rounds {
        plan.run.go_on()?;
        let taken = join_all(round.iter().map(|step| creating.take(step))).await;
        plan.run
            .unless_interrupted(taken.into_iter().collect::<Result<()>>())?;
    }
    plan.run.go_on()?;
    let mut created = creating.created()?;
    created.notes.extend(plan.preview.notes.iter().cloned());
    Ok(created)
}
