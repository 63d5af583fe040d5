//! The update workflow: other access for an existing user. What is to change is
//! planned here, and carried out in `applying`.

use anyhow::{Result, ensure};

use super::holdings::{Holdings, names};
use super::ours::{Purpose, find_ours, folder_notes, set_access_hint};
use super::outcome::PolicyRef;
use super::plan::{Plan, PlannedPolicy, Preview};
use crate::access::{
    Expiry, Grant, GrantChange, PolicyDocument, PolicyKind, Target, grant_of_scripts,
    managed_policy_name,
};
use crate::aws::Run;
use crate::errors::Hinted;
use crate::iam::{self, Policy, User};
use crate::removal::Removal;
use crate::s3::bucket;
use crate::step::Step;

pub use applying::apply;

mod applying;

/// The number of policies that the Python scripts gave a user.
const POLICIES_OF_SCRIPTS: usize = 2;

/// An update run: the access to set.
pub struct Update {
    grant: Grant,
    document: PolicyDocument,
    /// The policy that the user has then; none if it keeps those of the Python scripts.
    policy: Option<PolicyRef>,
    /// The user and its policies as they were looked at.
    holdings: Holdings,
}

/// Checks that there is such a user, that it is ours for this bucket and has
/// the one policy that `create` makes, or the two of the Python scripts, and
/// changes nothing.
///
/// A part of the access that `change` doesn't name stays as it is. Fails if that
/// can't be read, since somebody edited the policy, unless `change` names every
/// part. The policies of the Python scripts are replaced if `change` names
/// anything.
pub async fn plan(run: &Run, change: &GrantChange) -> Result<Plan<Update>> {
    let (run, mut holdings) = find_ours(run, Purpose::Update).await?;
    holdings.read_our_policies(&run).await?;
    let current = Current::find(&holdings, change)?;
    current.check_replaceable(&run, change)?;
    let old = current.grant.clone();
    let before = old.clone().unwrap_or_default();
    change.check_on(&before)?;
    let grant = change.apply_to(&before);
    let document = current.new_document(&run, &grant)?;
    let policy = match current.policy {
        Some(policy) => Some(PolicyRef::from(policy)),
        None if current.replaced.is_empty() => None,
        None => Some(new_policy(&run, &holdings.user)?),
    };
    let mut steps = current.write_steps(policy.as_ref(), &document);
    steps.extend(current.detach_steps());
    if policy.is_some() {
        add_tag_step(&mut steps, &run, &holdings.user, grant.expires).await;
    }
    steps.extend(current.delete_steps());
    let mut preview = Preview::new(&run.target, steps);
    match &old {
        Some(old) => {
            preview.changes = old.changes_to(&grant);
            preview.kept = old.kept_in(&grant);
        }
        None => preview.changes = grant.all_as_changes(),
    }
    let scripts_note = current.scripts_note();
    preview.notes = notes(&run, &mut holdings, old.as_ref(), &grant).await;
    preview.notes.extend(scripts_note);
    preview.policy = policy.as_ref().map(|policy| PlannedPolicy {
        name: Some(policy.name.clone()),
        document: document.clone(),
    });
    Ok(Plan { preview, run, work: Update { grant, document, policy, holdings } })
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
            let policy = holdings.sole_access_policy(candidates)?;
            let text = policy.text.as_deref().unwrap_or_default();
            (Some(policy), PolicyDocument::grant(text, &holdings.target, &holdings.region))
        };
        let changes_nothing = *change == GrantChange::default();
        let keeps_scripts = changes_nothing && !of_scripts.is_empty();
        let replaced = if changes_nothing { Vec::new() } else { of_scripts };
        Ok(Self { policy, replaced, keeps_scripts, grant })
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
        // Another store has a limit of its own.
        let is_inline = self.policy.is_some_and(|policy| policy.arn.is_none());
        let has_limit_of_inline = is_inline && run.aws.store.is_aws();
        let kind = if has_limit_of_inline { PolicyKind::Inline } else { PolicyKind::Managed };
        PolicyDocument::for_bucket(grant, &run.target, &run.aws.region, kind)
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

/// Adds the step that sets the tag of the end of access, if the tag says otherwise.
async fn add_tag_step(steps: &mut Vec<Step>, run: &Run, user: &User, expires: Option<Expiry>) {
    let tagged = user.tags.expires.as_deref();
    let is_tagged = tagged == expires.map(|at| at.to_string()).as_deref();
    if is_tagged || !iam::keeps_tags(run, user).await {
        return;
    }
    // What deletes ended users goes by the tag: it must never end first.
    let position = if is_later(expires, tagged) { 0 } else { steps.len() };
    steps.insert(position, Step::TagUser(run.target.user.to_string()));
}

/// The policy that takes the place of those of the Python scripts.
fn new_policy(run: &Run, user: &User) -> Result<PolicyRef> {
    let name = managed_policy_name(&run.target.user);
    let arn = iam::policy_arn(user, &name);
    ensure!(
        arn.is_some(),
        "the ARN of user {} has no form that tells that of its policy",
        run.target.user
    );
    Ok(PolicyRef { name, arn })
}

/// True if access is to end later than the tag says, or never.
fn is_later(expires: Option<Expiry>, tagged: Option<&str>) -> bool {
    let tagged_end = tagged.and_then(Expiry::at);
    expires.is_none() || tagged_end.is_some() && expires > tagged_end
}

/// Fails unless the change names every part of the access, since the policy can't tell
/// any.
fn check_names_all(target: &Target, policy: &Policy, change: &GrantChange) -> Result<()> {
    let unnamed = change.unnamed();
    if unnamed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "policy {} is not as create_s3_user writes it, so what it allows can't be kept; \
         to replace it, also give {}",
        policy.name,
        unnamed.join(", ")
    );
    let hint = set_access_hint(target, &change.apply_to(&Grant::default()));
    Err(Hinted::new(message, hint).into())
}

/// Notes for the admin on the access that the user has then.
async fn notes(
    run: &Run,
    holdings: &mut Holdings,
    old: Option<&Grant>,
    grant: &Grant,
) -> Vec<String> {
    let old_folders = old.map_or(&[][..], |old| &old.also_read);
    let mut new_folders = grant.also_read.clone();
    new_folders.retain(|folder| !old_folders.contains(folder));
    let (unread, folders, grants) = tokio::join!(
        holdings.read_rest(run),
        folder_notes(run, &new_folders),
        bucket::grant_notes(run, grant),
    );
    let mut notes = Vec::new();
    for error in unread {
        notes.push(format!("can't tell what else may give access: {error}"));
    }
    notes.extend(more_access_note(holdings));
    if let Some(ended) = grant.ended() {
        notes.push(format!("access ended at {ended}; --expires extends it"));
    }
    [notes, folders, grants].concat()
}

/// The note on which other policies and groups may give the user more access, if any.
fn more_access_note(holdings: &Holdings) -> Option<String> {
    let policies = names(&holdings.other_policies()).join(", ");
    let groups = holdings.groups.join(", ");
    let mut more = Vec::new();
    match holdings.other_policies().len() {
        0 => {}
        1 => more.push(format!("has policy {policies}")),
        _ => more.push(format!("has policies {policies}")),
    }
    match holdings.groups.len() {
        0 => {}
        1 => more.push(format!("is in group {groups}")),
        _ => more.push(format!("is in groups {groups}")),
    }
    if more.is_empty() {
        return None;
    }
    Some(format!("the user also {}, which may give more access", more.join(" and ")))
}
