//! The update workflow: other access for an existing user. What is to change is
//! planned here, and carried out in `applying`.

use anyhow::{Result, ensure};

use super::error::Error;
use super::holdings::{Holdings, names};
use super::neighbours::{Neighbours, also_read_notes};
#[cfg(feature = "cli")]
use super::ours::check_ours;
use super::ours::{Purpose, find_ours, set_access_hint};
use super::outcome::PolicyRef;
use super::plan::{Plan, PlannedPolicy, Preview};
use crate::access::{
    Grant, GrantChange, PolicyDocument, PolicyKind, Target, UserTag, grant_of_scripts,
    managed_policy_name,
};
use crate::aws::Run;
use crate::commands;
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::iam::{self, Policy};
use crate::removal::Removal;
use crate::s3::bucket;
use crate::step::{Step, named_users};

pub use applying::apply;
pub(super) use applying::change_back;
use tags::TagChange;

mod applying;
mod tags;

/// The number of policies that the Python scripts gave a user.
const POLICIES_OF_SCRIPTS: usize = 2;

/// The options of an update run.
#[derive(Debug, Clone, Default)]
pub struct UpdateOptions {
    /// The access to change.
    pub access: GrantChange,
    /// Tags to set; all others stay.
    pub tags: Vec<UserTag>,
}

impl From<GrantChange> for UpdateOptions {
    fn from(access: GrantChange) -> Self {
        Self { access, tags: Vec::new() }
    }
}

/// An update run: the access to set.
pub struct Update {
    /// The access before; none if it can't be read.
    before: Option<Grant>,
    pub(super) grant: Grant,
    document: PolicyDocument,
    /// The policy that the user has then; none if it keeps those of the Python scripts.
    policy: Option<PolicyRef>,
    tags: TagChange,
    /// The user and its policies as they were looked at.
    holdings: Holdings,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// the one policy that `create` makes, or the two of the Python scripts, and
/// changes nothing.
///
/// A part of the access that the options don't name stays as it is. Fails if that
/// can't be read, since somebody edited the policy, unless they name every
/// part. The policies of the Python scripts are replaced if they name
/// any. Fails, too, if there are tags to set and the store keeps none.
pub async fn plan(run: &Run, options: &UpdateOptions) -> Result<Plan<Update>, Error> {
    Ok(plan_update(run, options).await?)
}

async fn plan_update(run: &Run, options: &UpdateOptions) -> Result<Plan<Update>> {
    let (found, mut holdings) = find_ours(run, Purpose::Update).await?;
    holdings.read_our_policies(&found).await?;
    plan_of(&found, holdings, options).await
}

/// Plans likewise for a user that an inventory of the bucket has found.
#[cfg(feature = "cli")]
pub(crate) async fn plan_listed(
    run: &Run,
    listed: &Holdings,
    options: &UpdateOptions,
) -> Result<Plan<Update>, Error> {
    let in_region = run.with_aws(run.aws.in_region(&listed.region));
    let holdings = check_ours(&in_region, listed.clone(), Purpose::Update).await?;
    Ok(plan_of(&in_region, holdings, options).await?)
}

/// Plans for a user whose policies are known, by the clients in the bucket's region.
async fn plan_of(
    run: &Run,
    mut holdings: Holdings,
    UpdateOptions { access: change, tags }: &UpdateOptions,
) -> Result<Plan<Update>> {
    let Some(folder) = holdings.folder()? else { return Err(no_folder(run, &holdings).await) };
    let run = run.in_folder(folder);
    let current = Current::find(&holdings, change)?;
    current.check_replaceable(&run, change)?;
    let before = current.grant.clone().unwrap_or_default();
    change.check_on(&before)?;
    let grant = change.apply_to(&before);
    let document = current.new_document(&run, &grant)?;
    let policy = current.new_policy(&holdings)?;
    if current.grant.as_ref().is_none_or(|before| grant.allows_more_than(before)) {
        check_neighbours(&run, &holdings).await?;
    }
    let mut steps = current.write_steps(policy.as_ref(), &document);
    steps.extend(current.detach_steps());
    let tagged_grant = policy.is_some().then_some(&grant);
    let tags = TagChange::find(&run, &holdings.user, tagged_grant, tags).await?;
    if tags != TagChange::default() {
        let position = if tags.comes_first(&holdings.user) { 0 } else { steps.len() };
        steps.insert(position, tags.step(&run.target.user));
    }
    steps.extend(current.delete_steps());
    let mut preview = Preview::new(&run.target, steps);
    if current.grant.is_some() {
        preview.changes = before.changes_to(&grant);
        preview.kept = before.kept_in(&grant);
    } else {
        preview.changes = grant.all_as_changes();
    }
    preview.changes.extend(tags.in_words(&holdings.user));
    let scripts_note = current.scripts_note();
    let known = current.grant.clone();
    preview.notes = notes(&run, &mut holdings, &before, &grant).await;
    preview.notes.extend(scripts_note);
    preview.policy = policy.clone().map(|PolicyRef { name, .. }| PlannedPolicy {
        name: Some(name),
        document: document.clone(),
    });
    let work = Update { before: known, grant, document, policy, tags, holdings };
    Ok(Plan { preview, run, work })
}

/// The policies that give the user its access before the update.
struct Current<'a> {
    /// The one policy that `create` makes; none if the user has only the two of the
    /// Python scripts.
    policy: Option<&'a Policy>,
    /// The policies of the Python scripts, if the update replaces them.
    replaced: Vec<&'a Policy>,
    /// True if there are policies of the Python scripts that stay.
    keeps_scripts: bool,
    /// The access they give, if that can be read back.
    grant: Option<Grant>,
}

impl<'a> Current<'a> {
    /// Fails unless the user has the one policy of today or the two of the scripts.
    fn find(holdings: &'a Holdings, change: &GrantChange) -> Result<Self> {
        let ours = holdings.our_policies_read();
        let (of_scripts, of_today): (Vec<_>, Vec<_>) =
            ours.iter().partition(|policy| holdings.is_of_scripts(policy));
        let (policy, grant) = if of_today.is_empty() && of_scripts.len() == POLICIES_OF_SCRIPTS {
            (None, Some(grant_of_scripts()))
        } else {
            let candidates = if of_today.is_empty() { &ours } else { &of_today };
            let sole = holdings.sole_access_policy(candidates)?;
            (Some(sole), holdings.grant_by(sole))
        };
        if *change == GrantChange::default() {
            let keeps_scripts = !of_scripts.is_empty();
            return Ok(Self { policy, replaced: Vec::new(), keeps_scripts, grant });
        }
        Ok(Self { policy, replaced: of_scripts, keeps_scripts: false, grant })
    }

    /// Fails if others use the policy, or if what it allows can't be kept.
    fn check_replaceable(&self, run: &Run, change: &GrantChange) -> Result<()> {
        let Some(policy) = self.policy else { return Ok(()) };
        ensure!(
            policy.is_unshared(),
            "policy {} is not only attached to user {}, and the access of others would change too",
            policy.name,
            run.target.user
        );
        if self.grant.is_none() {
            check_names_all(&run.target, policy, change)?;
        }
        Ok(())
    }

    fn new_document(&self, run: &Run, grant: &Grant) -> Result<PolicyDocument> {
        let kind = match self.policy {
            // Another store has a limit of its own.
            Some(Policy { arn: None, .. }) if run.aws.store.is_aws() => PolicyKind::Inline,
            _ => PolicyKind::Managed,
        };
        PolicyDocument::for_bucket(grant, &run.target, &run.aws.region, kind)
    }

    /// The policy that the user has then: a new one in place of those of the Python
    /// scripts; none if it keeps them.
    fn new_policy(&self, holdings: &Holdings) -> Result<Option<PolicyRef>> {
        if self.policy.is_some() || self.replaced.is_empty() {
            return Ok(self.policy.map(PolicyRef::from));
        }
        let name = managed_policy_name(&holdings.made_as);
        let arn = iam::policy_arn(&holdings.user, &name);
        ensure!(
            arn.is_some(),
            "the ARN of user {} has no form that tells that of its policy",
            holdings.user.name
        );
        Ok(Some(PolicyRef { name, arn }))
    }

    /// The steps that write the document: into the policy, unless that has it already,
    /// or into a new one.
    fn write_steps(&self, policy: Option<&PolicyRef>, document: &PolicyDocument) -> Vec<Step> {
        match (self.policy, policy) {
            (Some(old), _) if old.text_is(|text| document.is(text)) => vec![],
            (Some(old), _) => vec![Step::UpdatePolicy(old.name.clone())],
            (None, Some(new)) => {
                vec![Step::CreatePolicy(new.name.clone()), Step::AttachPolicy(new.name.clone())]
            }
            (None, None) => vec![],
        }
    }

    fn detach_steps(&self) -> impl Iterator<Item = Step> {
        let policies = self.replaced.iter().filter_map(|policy| policy.to_managed());
        policies.map(|policy| Step::Remove(Removal::Attachment(policy)))
    }

    /// The steps that delete what is replaced; a policy that others use too is theirs.
    fn delete_steps(&self) -> impl Iterator<Item = Step> {
        let unshared = self.replaced.iter().filter(|policy| policy.is_unshared());
        let policies = unshared.filter_map(|policy| policy.to_managed());
        policies.map(|policy| Step::Remove(Removal::Policy(policy)))
    }

    fn scripts_note(&self) -> Option<String> {
        let note = "the user has policies of the Python scripts; --update with any access option \
                    replaces them";
        self.keeps_scripts.then(|| note.to_owned())
    }
}

/// The error that a user carries nothing that says its folder.
async fn no_folder(run: &Run, holdings: &Holdings) -> anyhow::Error {
    let Target { user, .. } = &run.target;
    let message =
        format!("nothing says which folder user {user} has, so no policy can be written for it");
    let record = if iam::keeps_tags(run, &holdings.user).await {
        Some(commands::tag_folder(&run.target))
    } else {
        commands::set_path(&run.target)
    };
    let words = "if it is the one in this command, run it, and then the same command again";
    let hint = record.map(|command| Hint::run(words, command));
    Hinted { message, hints: Vec::from_iter(hint), kind: ErrorKind::Other }.into()
}

/// Fails if another user's folder is inside this one or around it: more access would reach
/// that user's files, too.
async fn check_neighbours(run: &Run, holdings: &Holdings) -> Result<()> {
    let Neighbours { inside, around, .. } = Neighbours::find(run, Some(holdings)).await?;
    let others: Vec<_> = inside.into_iter().chain(around).collect();
    ensure!(
        others.is_empty(),
        "{} overlaps with the folder of {}, so user {} can't be given more access",
        run.target.folder_url(),
        named_users(&others),
        run.target.user
    );
    Ok(())
}

/// Fails unless the change names every part of the access, since the policy can't tell
/// any.
fn check_names_all(target: &Target, policy: &Policy, change: &GrantChange) -> Result<()> {
    let missing = change.unnamed();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "policy {} is not as create_s3_user writes it, so what it allows can't be kept; \
         to replace it, also give {}",
        policy.name,
        all_of(&missing)
    );
    let hint = set_access_hint(target, &change.apply_to(&Grant::default()));
    Err(Hinted::new(message, hint).into())
}

/// Options as a list of which all are needed.
fn all_of(options: &[&str]) -> String {
    match options.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => options.concat(),
    }
}

/// Notes for the admin on the access that the user has then.
async fn notes(run: &Run, holdings: &mut Holdings, before: &Grant, grant: &Grant) -> Vec<String> {
    let mut new_folders = grant.also_read.clone();
    new_folders.retain(|folder| !before.also_read.contains(folder));
    let (unread, folders, kms_note) = tokio::join!(
        holdings.read_rest(run),
        also_read_notes(run, &new_folders),
        bucket::kms_note(run, grant),
    );
    let mut notes = Vec::new();
    for error in unread {
        notes.push(format!("can't tell what else may give access: {error}"));
    }
    notes.extend(more_access_note(holdings));
    if let Some(ended) = grant.ended() {
        let end = ended.in_words();
        notes.push(if before.expires == grant.expires {
            format!("access ended on {end}; --update --expires restores it")
        } else {
            format!("{end} has already passed, so access ends at once")
        });
    }
    notes.extend(folders);
    notes.extend(kms_note);
    notes.extend(grant.address_notes());
    notes
}

/// The note on which other policies and groups may give the user more access, if any.
fn more_access_note(holdings: &Holdings) -> Option<String> {
    let others = holdings.other_policies();
    let Holdings { groups, .. } = holdings;
    let mut more = Vec::new();
    if !others.is_empty() {
        let policies = if others.len() == 1 { "policy" } else { "policies" };
        more.push(format!("has {policies} {}", names(&others).join(", ")));
    }
    if !groups.is_empty() {
        let s = if groups.len() == 1 { "" } else { "s" };
        more.push(format!("is in group{s} {}", groups.join(", ")));
    }
    if more.is_empty() {
        return None;
    }
    Some(format!("the user also {}, which may give more access", more.join(" and ")))
}
