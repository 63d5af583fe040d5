//! The create workflow: user, policy, access key, key file, in that order;
//! whatever fails, everything is undone.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::error::Error;
use super::inventory::Everybody;
use super::neighbours::{Neighbours, also_read_notes};
use super::ours::{find_bucket, reachable};
use super::outcome::Skipped;
use super::plan::{Plan, Planned, PlannedPolicy, Preview};
use crate::access::{
    GivenFolder, Grant, INLINE_POLICY_NAME, NewUser, PolicyDocument, PolicyKind, Prefix, Target,
    boundary_name, folder_path, managed_policy_name,
};
use crate::aws::Run;
use crate::errors::{Hint, Hinted};
use crate::handover::{self, Handover};
use crate::iam;
use crate::s3::{bucket, listing};
use crate::step::{Step, folders_of, named_users};

pub use applying::apply;
pub(crate) use refusal::UserExists;
use refusal::{old_key, user_exists};

mod applying;
mod refusal;

/// The options of a create run.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// The user's folder; none for one that is named after the user. It never changes.
    pub folder: Option<GivenFolder>,
    /// The user's access.
    pub grant: Grant,
    /// The properties of the IAM user.
    pub new_user: NewUser,
    /// Put an empty object named like the folder, which some clients need to see it, unless
    /// it is there.
    pub make_folder: bool,
    /// The way in which the key is handed over.
    pub handover: handover::HandoverOptions,
}

impl CreateOptions {
    /// A user who lists and downloads its folder, with the key in a file in `dir`.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            folder: None,
            grant: Grant::default(),
            new_user: NewUser::default(),
            make_folder: false,
            handover: handover::HandoverOptions::file_in(dir.as_ref()),
        }
    }

    /// The options with what it takes to create users as a delegate, if that is asked for.
    async fn for_delegate(&self, run: &Run) -> Result<Self> {
        let mut options = self.clone();
        if options.new_user.delegate {
            let boundary = iam::policy_arn_of_caller(run, &boundary_name(&run.target.bucket)).await;
            let boundary = boundary.context(
                "can't tell the number of this account, which is in the ARN of the permissions boundary",
            )?;
            options.new_user.permissions_boundary = Some(boundary);
            options.new_user.inline_policy = true;
        }
        Ok(options)
    }
}

/// A create run: what it makes, and what it has found.
pub struct Create {
    pub(crate) folder: FolderContents,
    options: CreateOptions,
    handover: Handover,
    document: PolicyDocument,
    /// The IAM path of the user; none for IAM's default.
    path: Option<String>,
    /// True if the folder object is to be put.
    make_folder: bool,
}

/// The contents of the user's folder before anything is made, and of the bucket beside it.
pub(crate) struct FolderContents {
    /// True if it is known that there is nothing in it.
    is_empty: bool,
    /// True if the object that some clients need to see the folder is there.
    has_folder_object: bool,
    /// The names of the folders beside it, where this one is empty.
    pub others: Vec<String>,
}

/// Checks that the bucket is there and that user and key file are not, and
/// changes nothing.
///
/// Only what isn't there is made: a user that exists is refused, whatever state
/// it is in, with what can be done about it.
pub async fn plan(run: &Run, options: &CreateOptions) -> Result<Plan<Create>, Error> {
    Ok(plan_among(run, options, &Everybody::default()).await?)
}

/// Plans likewise. The users whose IAM paths name folders are listed once for all that share
/// `everybody`.
pub(crate) async fn plan_among(
    run: &Run,
    options: &CreateOptions,
    everybody: &Everybody,
) -> Result<Plan<Create>> {
    let options = options.for_delegate(run).await?;
    let CreateOptions { folder, grant, new_user, .. } = &options;
    let run = run.in_folder(Prefix::of_user(&run.target.user, folder.as_ref()));
    let target = &run.target;
    check_target(target, new_user)?;
    let handover = Handover::first(&options.handover, &target.user);
    let (found, user, neighbours, other_folders) = tokio::join!(
        look_into_bucket(&run, options.make_folder, everybody),
        iam::get_user(&run),
        Neighbours::of_new(&run, !new_user.inline_policy, everybody),
        also_read_notes(&run, &grant.also_read),
    );
    // A failed GetUser tells why; a refused HeadBucket has no code for that.
    let existing = user?;
    let (run, contents) = found?;
    if let Some(user) = existing {
        return Err(user_exists(&run, &user, &handover).await);
    }
    let mut notes = Vec::from_iter(folder.as_ref().and_then(GivenFolder::note));
    let neighbours = neighbours?;
    check_no_overlap(target, &neighbours)?;
    notes.extend(shared_note(target, &neighbours.same));
    notes.extend(other_folders);
    notes.extend(grant.address_notes());
    handover.check().map_err(|error| old_key(error, target))?;
    // Another store has a limit of its own.
    let kind = if run.aws.store.is_aws() { new_user.policy_kind() } else { PolicyKind::Managed };
    let document = PolicyDocument::for_bucket(grant, target, &run.aws.region, kind)?;
    let make_folder = options.make_folder && !contents.has_folder_object;
    let policy_name = planned_policy_name(&run, new_user);
    let policy = PlannedPolicy { name: policy_name, document: document.clone() };
    let path = path_of_user(&run, new_user);
    let is_delegate = new_user.permissions_boundary.is_some();
    let work = Create {
        folder: contents,
        options: options.clone(),
        handover,
        document,
        path,
        make_folder,
    };
    let mut preview = Preview::new(target, work.steps(target, policy.name.clone()));
    preview.policy = Some(policy);
    preview.grant = Some(grant.clone());
    preview.notes = notes;
    // A delegate creates users within a boundary, and has access to them by tag.
    let run = if is_delegate { run.allowed_by_tags() } else { run };
    Ok(Plan { preview, run, work })
}

/// Fails on a folder whose name is too long, and on an IAM path of its own that names another
/// folder, or none where the folder isn't named after the user.
pub fn check_target(target: &Target, new_user: &NewUser) -> Result<()> {
    target.check_folder()?;
    let Some(path) = &new_user.path else { return Ok(()) };
    ensure!(
        target.has_likely_folder(),
        "a user with an IAM path of its own can only have the folder that is named after it"
    );
    Ok(target.check_path(path)?)
}

/// Fails if another user's folder is inside this one or around it: one of the two would have
/// access to all of the other's files.
fn check_no_overlap(target: &Target, neighbours: &Neighbours) -> Result<()> {
    let Neighbours { inside, around, .. } = neighbours;
    let what = if !inside.is_empty() {
        format!("holds {}", folders_of(inside))
    } else if !around.is_empty() {
        format!("is inside the folder of {}", named_users(around))
    } else {
        return Ok(());
    };
    let message = format!("{} {what}", target.folder_url());
    let hint = Hint::new(
        "choose a folder that isn't inside another user's folder and doesn't contain one",
    );
    Err(Hinted::new(message, hint).into())
}

/// The note on whom the folder is shared with, if anybody has the same.
fn shared_note(target: &Target, same: &BTreeSet<String>) -> Option<String> {
    let note = || format!("{} is shared with {}", target.folder_url(), named_users(same));
    (!same.is_empty()).then(note)
}

/// Returns the IAM path that a new user gets. One that names its folder unless the name of
/// its policy stands guard over that: a store other than AWS may turn out to have none.
fn path_of_user(run: &Run, new_user: &NewUser) -> Option<String> {
    let Target { bucket, .. } = &run.target;
    let has_guard = run.aws.store.is_aws() && !new_user.inline_policy;
    match &new_user.path {
        Some(given) => Some(given.clone()),
        None if has_guard && run.target.has_likely_folder() => None,
        None => folder_path(bucket, run.target.prefix()),
    }
}

/// Finds the bucket and looks into the user's folder and at those beside it. Returns the run in
/// the bucket's region. Fails where the folder can't be listed, if it is to be made.
async fn look_into_bucket(
    run: &Run,
    make_folder: bool,
    everybody: &Everybody,
) -> Result<(Run, FolderContents)> {
    // Mostly the bucket is where the clients are.
    let (found, here) =
        tokio::join!(find_bucket(run, everybody), look_into_folder(run, make_folder));
    let in_region = reachable(&run.aws, found).await?;
    let contents = if in_region.aws.region == run.aws.region {
        here
    } else {
        look_into_folder(&in_region, make_folder).await
    };
    Ok((in_region, contents?))
}

async fn look_into_folder(run: &Run, make_folder: bool) -> Result<FolderContents> {
    let (parent, _) = run.target.prefix().parent_and_name();
    let (listed, others) = tokio::join!(listing::first_object(run), bucket::folders(run, parent));
    let first = match listed {
        Err(error) if make_folder => return Err(error),
        listed => listed.ok(),
    };
    let is_empty = first == Some(None);
    let others = if is_empty { others.unwrap_or_default() } else { Vec::new() };
    let has_folder_object =
        first.flatten().is_some_and(|first| first.as_str() == run.target.prefix().as_str());
    Ok(FolderContents { is_empty, has_folder_object, others })
}

/// Plans likewise, but skips a user that exists for this bucket and lacks nothing. Fails if
/// another folder than the user's is given.
pub(crate) async fn plan_or_skip(
    run: &Run,
    options: &CreateOptions,
    everybody: &Everybody,
) -> Result<Planned<Create>, Error> {
    let error = match plan_among(run, options, everybody).await {
        Ok(plan) => return Ok(Planned::Do(plan)),
        Err(error) => error,
    };
    match error.downcast()? {
        UserExists { target, keys_if_complete: Some(keys), .. } => {
            check_given(&target, options)?;
            Ok(Planned::Skip(Skipped::new(&target, keys)))
        }
        incomplete => Err(anyhow::Error::from(incomplete).into()),
    }
}

/// Fails if an existing user's folder is another one than is given.
fn check_given(target: &Target, options: &CreateOptions) -> Result<()> {
    let given = options.folder.as_ref().map(|given| &given.prefix);
    ensure!(
        given.is_none_or(|given| given == target.prefix()),
        "user {} already exists, and has the folder {}; a user's folder can't be changed",
        target.user,
        target.prefix()
    );
    Ok(())
}

/// Returns the name of the policy that the user will have; none of a store that may have
/// no managed policies: only creating one tells.
fn planned_policy_name(run: &Run, new_user: &NewUser) -> Option<String> {
    if new_user.inline_policy {
        Some(INLINE_POLICY_NAME.to_owned())
    } else {
        run.aws.store.is_aws().then(|| managed_policy_name(&run.target.user))
    }
}

impl Create {
    fn steps(&self, target: &Target, policy_name: Option<String>) -> Vec<Step> {
        let CreateOptions { grant, new_user, .. } = &self.options;
        let mut steps = vec![Step::CreateUser(target.user.to_string())];
        match policy_name {
            None => steps.push(Step::GivePolicy(target.folder_url())),
            Some(name) if new_user.inline_policy => steps.push(Step::PutInlinePolicy(name)),
            Some(name) => {
                steps.extend([Step::CreatePolicy(name.clone()), Step::AttachPolicy(name)]);
            }
        }
        steps.push(Step::CreateAccessKey(target.user.to_string()));
        if self.make_folder {
            steps.push(Step::MakeFolder(target.folder_url()));
        }
        steps.extend(self.handover.steps(target, Some(grant)));
        steps
    }

    fn empty_folder_note(&self) -> Option<String> {
        let CreateOptions { grant, make_folder, .. } = &self.options;
        let matters = self.folder.is_empty && !make_folder && grant.access.rights().list;
        let note = "no files yet; some clients report an empty folder as missing, so upload a \
                    file before you send the key";
        matters.then(|| note.to_owned())
    }
}
