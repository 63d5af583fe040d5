//! What a user holds: its policies and groups. Read once for a plan, or made from a
//! page of the account, and asked from there: whose it is (`owner`), which of its
//! policies are ours and what they grant (`policies`).

use crate::access::{INLINE_POLICY_NAME, Target, is_named_as_ours, names_made_for};
use crate::aws::{Aws, AwsError, Run};
use crate::iam::{self, Policy, Tags, User, UserDetails};
use crate::removal::ManagedPolicy;

pub(crate) use owner::Owner;
pub(crate) use policies::names;

mod owner;
mod policies;

/// A user with what gives it access.
#[derive(Debug, Clone)]
pub struct Holdings {
    pub(crate) target: Target,
    /// The region of the bucket, which policies are written for.
    pub(crate) region: String,
    /// True if the user has no tags on a store that keeps none, so that only its
    /// policies say anything.
    pub(crate) is_tagless: bool,
    pub(crate) user: User,
    /// Its policies by name, with the texts of those that carry one of our names.
    pub(crate) policies: Vec<Policy>,
    /// The names of its groups, sorted.
    pub(crate) groups: Vec<String>,
    /// True if all policies and groups were read.
    is_complete: bool,
}

impl Holdings {
    /// Reads all that the user holds. The run's clients speak to the bucket's region.
    pub(crate) async fn read(run: &Run, user: User) -> Result<Self, AwsError> {
        let details = read_details(run, user).await?;
        let mut holdings = Self::new(run.target.clone(), &run.aws, details);
        holdings.ask_for_tags(run).await;
        Ok(holdings)
    }

    /// Reads the attached policies and our inline one, which is enough of a user whose
    /// tag says whose it is.
    pub(crate) async fn read_our_policies(run: &Run, user: User) -> Result<Self, AwsError> {
        let mut policies = Vec::from_iter(our_inline_policy(run).await?);
        let names = names_made_for(&run.target.user);
        for attached in iam::attached_policies(run).await? {
            let is_ours = names.contains(&attached.name);
            policies.push(managed_policy(run, attached, is_ours).await?);
        }
        let details = UserDetails { user, policies, groups: Vec::new() };
        let holdings = Self::new(run.target.clone(), &run.aws, details);
        Ok(Self { is_complete: false, ..holdings })
    }

    /// Takes what the account's list says of a user. A user without tags counts as
    /// tagless until the store was [asked](Self::ask_for_tags).
    pub(crate) fn new(target: Target, aws: &Aws, details: UserDetails) -> Self {
        let UserDetails { user, mut policies, mut groups } = details;
        // Stores list them in different orders.
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        groups.sort();
        Self {
            target,
            region: aws.region.clone(),
            is_tagless: !aws.store.is_aws() && user.tags == Tags::default(),
            user,
            policies,
            groups,
            is_complete: true,
        }
    }

    /// Asks the store whether it keeps tags, where that matters.
    pub(crate) async fn ask_for_tags(&mut self, run: &Run) {
        self.is_tagless = self.is_tagless && !iam::keeps_tags(run, &self.user).await;
    }

    /// Reads the names of the other inline policies and of the groups, unless they are
    /// known. Returns why some could not be read.
    pub(crate) async fn read_rest(&mut self, run: &Run) -> Vec<AwsError> {
        let mut unread = Vec::new();
        if self.is_complete {
            return unread;
        }
        let (inline, groups) = tokio::join!(iam::inline_policies(run), iam::groups(run));
        match inline {
            Ok(names) => {
                for name in names {
                    if !self.policies.iter().any(|it| it.arn.is_none() && it.name == name) {
                        self.policies.push(inline_policy(name, None));
                    }
                }
                self.policies.sort_by(|one, other| one.name.cmp(&other.name));
            }
            Err(error) => unread.push(error),
        }
        match groups {
            Ok(names) => self.groups = names,
            Err(error) => unread.push(error),
        }
        self.groups.sort();
        self.is_complete = true;
        unread
    }
}

/// Reads what gives the user access, with the texts of those policies that carry one
/// of our names.
pub(super) async fn read_details(run: &Run, user: User) -> Result<UserDetails, AwsError> {
    let (attached, inline, groups) = tokio::try_join!(
        iam::attached_policies(run),
        iam::inline_policies(run),
        iam::groups(run),
    )?;
    let mut policies = Vec::new();
    for policy in attached {
        let is_ours = is_named_as_ours(&run.target.user, &policy.name, true);
        policies.push(managed_policy(run, policy, is_ours).await?);
    }
    for name in inline {
        let is_ours = is_named_as_ours(&run.target.user, &name, false);
        let text = if is_ours { iam::inline_policy_document(run, &name).await? } else { None };
        policies.push(inline_policy(name, text));
    }
    Ok(UserDetails { user, policies, groups })
}

/// An attached policy, with its text and its uses if it is ours.
async fn managed_policy(
    run: &Run,
    attached: ManagedPolicy,
    is_ours: bool,
) -> Result<Policy, AwsError> {
    let ManagedPolicy { name, arn } = attached;
    let info = if is_ours { iam::get_policy(run, &arn).await? } else { None };
    let (text, uses) = match info {
        Some(info) => (Some(iam::policy_document(run, &info).await?), Some(info.uses)),
        None => (None, None),
    };
    Ok(Policy { name, arn: Some(arn), text, uses })
}

fn inline_policy(name: String, text: Option<String>) -> Policy {
    Policy { name, arn: None, text, uses: None }
}

/// The inline policy with our name, by a call that needs no list of them.
async fn our_inline_policy(run: &Run) -> Result<Option<Policy>, AwsError> {
    let name = INLINE_POLICY_NAME.to_owned();
    let text = iam::inline_policy_document(run, &name).await?;
    if text.is_none() {
        return Ok(None);
    }
    // Some stores answer with a policy under any name.
    let is_there =
        !run.aws.store.invents_policies() || iam::inline_policies(run).await?.contains(&name);
    Ok(is_there.then(|| inline_policy(name, text)))
}
