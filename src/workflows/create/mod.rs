//! The create workflow: user, policy, access key, key file, in that order;
//! whatever fails, everything is undone.

use std::path::Path;

use anyhow::Result;

use super::new_key::NewKey;
use super::ours::{folder_notes, reachable};
use super::outcome::{Created, Failed, Skipped};
use super::plan::{Plan, Planned, PlannedPolicy, Preview};
use super::undo::Undo;
use crate::access::{
    Grant, INLINE_POLICY_NAME, NewUser, PolicyDocument, PolicyKind, managed_policy_name,
};
use crate::aws::Run;
use crate::errors::caught;
use crate::handover::{self, Handover};
use crate::iam;
use crate::s3::bucket;
use crate::step::Step;

use creating::Creating;
use folder::Folder;
pub(crate) use refusal::UserExists;
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
    document: PolicyDocument,
    /// Whether to put the folder object.
    make_folder: bool,
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
    // Another store has a limit of its own.
    let kind =
        if run.aws.store.is_aws() { options.new_user.policy_kind() } else { PolicyKind::Managed };
    let document = PolicyDocument::for_bucket(&options.grant, &run.target, region, kind)?;
    let make_folder = options.make_folder && !folder.has_folder_object;
    // A delegate creates users within a boundary, and has access to them by tag.
    let run = run.allowed_by_tags(options.new_user.permissions_boundary.is_some());
    let policy = planned_policy(&run, inline, &document);
    let mut steps = vec![Step::CreateUser(run.target.user.to_string())];
    steps.extend(policy_steps(&run, policy.name.as_deref(), inline));
    steps.push(Step::CreateAccessKey(run.target.user.to_string()));
    if make_folder {
        steps.push(Step::MakeFolder(run.target.folder_url()));
    }
    steps.extend(handover.steps(&run.target, Some(&options.grant)));
    let mut preview = Preview::new(&run.target, steps);
    preview.policy = Some(policy);
    preview.notes = notes;
    Ok(Plan {
        preview,
        run,
        work: Create { folder, options: options.clone(), handover, document, make_folder },
    })
}

/// Plans the same, but skips a user that exists for this bucket and lacks nothing.
pub async fn plan_or_skip(run: &Run, options: &Options) -> Result<Planned<Create>> {
    let error = match plan(run, options).await {
        Ok(plan) => return Ok(Planned::Do(plan)),
        Err(error) => error,
    };
    match error.downcast()? {
        UserExists { keys_if_complete: Some(keys), .. } => {
            Ok(Planned::Skip(Skipped::new(&run.target, keys)))
        }
        incomplete => Err(incomplete.into()),
    }
}

/// The policy that the user will have. Its name isn't known of a store that may
/// have no managed policies: only creating one tells.
fn planned_policy(run: &Run, inline: bool, document: &PolicyDocument) -> PlannedPolicy {
    let name = if inline {
        Some(INLINE_POLICY_NAME.to_owned())
    } else if run.aws.store.is_aws() {
        Some(managed_policy_name(&run.target.user))
    } else {
        None
    };
    PlannedPolicy { name, document: document.clone() }
}

fn policy_steps(run: &Run, name: Option<&str>, inline: bool) -> Vec<Step> {
    match name {
        None => vec![Step::GivePolicy(run.target.folder_url())],
        Some(name) if inline => vec![Step::PutInlinePolicy(name.to_owned())],
        Some(name) => {
            vec![Step::CreatePolicy(name.to_owned()), Step::AttachPolicy(name.to_owned())]
        }
    }
}

/// Makes user, policy and access key, and writes the key file.
///
/// Either everything is done, or what this run made is undone again, including
/// what was carried out although its answer got lost. Cancelling the run counts
/// as a failure, [`Interrupted`](crate::Interrupted), until the last step; calls under way are
/// waited for, so that nothing is made behind our back.
pub async fn apply(plan: &Plan<Create>) -> Result<Created, Failed> {
    let undo = Undo::of(&plan.run);
    match caught(make(plan, &undo)).await {
        Ok(created) => Ok(created),
        Err(error) => Err(undo.unwind(error).await),
    }
}

/// Three round trips, and then what is asked for besides. A panic waits for what goes on
/// at the same time, so that what that makes is undone too.
async fn make(plan: &Plan<Create>, undo: &Undo) -> Result<Created> {
    let Plan { run, work, preview } = plan;
    let grant = &work.options.grant;
    let creating = Creating::new(plan, undo);
    let key = NewKey::reserve(run, undo, &work.handover, None, Some(grant))?;
    run.go_on()?;
    let (user, policy) = run.unless_interrupted(creating.user_and_policy().await)?;
    run.go_on()?;
    let (given, created, tags_note, grant_notes) = tokio::join!(
        caught(creating.give_policy(&policy)),
        caught(key.create()),
        caught(creating.tags_note(&user)),
        caught(async { Ok(bucket::grant_notes(run, grant).await) }),
    );
    run.unless_interrupted(given.and(created))?;
    let tags_note = tags_note?;
    if work.make_folder {
        run.go_on()?;
        run.unless_interrupted(creating.make_folder().await)?;
    }
    let key_notes = key.deliver().await?;
    run.go_on()?;
    let mut notes = Vec::from_iter(empty_folder_note(work));
    notes.extend(grant_notes?);
    notes.extend(policy.note(work.options.new_user.inline_policy));
    notes.extend(tags_note);
    notes.extend(key_notes);
    notes.extend(preview.notes.iter().cloned());
    Ok(Created {
        target: run.target.clone(),
        arn: user.arn,
        access: grant.access,
        expires: grant.expires.map(|at| at.to_string()),
        also_read: grant.also_read.clone(),
        policy: policy.reference(),
        key: key.finish()?,
        notes,
    })
}

fn empty_folder_note(work: &Create) -> Option<String> {
    let options = &work.options;
    let matters =
        work.folder.is_empty && !options.make_folder && options.grant.access.rights().list;
    let note = "there are no files yet, and some clients report an empty folder as missing: \
                upload one before you send the key (--make-folder avoids this)";
    matters.then(|| note.to_owned())
}
