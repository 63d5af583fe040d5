//! What a user holds: its policies and groups. Read once for a plan, or made from a
//! page of the account, and asked from there: whose it is (`owner`), which folder it
//! has (`folder`), which of its policies are ours and what they grant (`policies`).

use crate::access::{INLINE_POLICY_NAME, Prefix, Target, UserName};
use crate::aws::{Aws, AwsError, Run};
use crate::iam::{self, Policy, Tags, User, UserDetails};

pub(crate) use owner::Owner;
pub(crate) use policies::names;

mod folder;
mod owner;
mod policies;

/// A user with what gives it access.
#[derive(Debug, Clone)]
pub struct Holdings {
    pub(crate) target: Target,
    /// The name by which its policies were made: another one if it was renamed since.
    pub(crate) made_as: UserName,
    /// The region of the bucket, which policies are written for.
    pub(crate) region: String,
    /// True if the user has no tags on a store that keeps none, so that only its
    /// policies say anything.
    pub(crate) is_tagless: bool,
    pub(crate) user: User,
    /// Its policies by name, with the texts of those that carry a name of ours.
    pub(crate) policies: Vec<Policy>,
    /// The names of its groups, sorted.
    pub(crate) groups: Vec<String>,
    extent: Extent,
}

/// The part of a user's holdings that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    User,
    /// The attached policies too, and our inline one.
    OurPolicies,
    All,
}

impl Holdings {
    /// Reads as much as tells whose the user is. The run's clients speak to the bucket's
    /// region.
    pub(crate) async fn find(run: &Run, user: User) -> Result<Self, AwsError> {
        let mut holdings = Self::unread(run, user);
        holdings.read_for_owner(run).await?;
        Ok(holdings)
    }

    /// Reads as much as tells whose the user is: all, unless a tag says it.
    pub(crate) async fn read_for_owner(&mut self, run: &Run) -> Result<(), AwsError> {
        match self.user.tags.bucket {
            Some(_) => Ok(()),
            None => self.read_all(run).await,
        }
    }

    /// Reads all that the user holds.
    pub(crate) async fn read(run: &Run, user: User) -> Result<Self, AwsError> {
        let mut holdings = Self::unread(run, user);
        holdings.read_all(run).await?;
        Ok(holdings)
    }

    /// The user alone, of whose policies nothing is known yet.
    pub(crate) fn unread(run: &Run, user: User) -> Self {
        let details = UserDetails { user, policies: Vec::new(), groups: Vec::new() };
        let holdings = Self::new(run.target.clone(), &run.aws, details);
        Self { extent: Extent::User, ..holdings }
    }

    /// Takes what AWS's list says of a user, and reads what it leaves out.
    pub(crate) async fn of_list(run: &Run, listed: &UserDetails) -> Result<Self, AwsError> {
        let mut details = listed.clone();
        let policies = &mut details.policies;
        read_our_documents(run, policies.iter_mut().filter(|it| it.text.is_none())).await?;
        Ok(Self::new(run.target.clone(), &run.aws, details))
    }

    /// Takes what the account's list says of a user. A user without tags counts as
    /// tagless until the store was [asked](Self::ask_for_tags).
    pub(crate) fn new(target: Target, aws: &Aws, details: UserDetails) -> Self {
        let mut holdings = Self {
            made_as: target.user.clone(),
            target,
            region: aws.region.clone(),
            is_tagless: !aws.store.is_aws() && details.user.tags == Tags::default(),
            user: details.user,
            policies: details.policies,
            groups: details.groups,
            extent: Extent::All,
        };
        holdings.settle();
        holdings
    }

    /// Reads all that the user holds, unless that was done.
    pub(crate) async fn read_all(&mut self, run: &Run) -> Result<(), AwsError> {
        if self.extent < Extent::All {
            let details = read_details(run, self.user.clone()).await?;
            *self = Self::new(self.target.clone(), &run.aws, details);
            self.ask_for_tags(run).await;
        }
        Ok(())
    }

    /// Reads the attached policies and our inline one, unless that was done: they are
    /// enough of a user whose tag says whose it is.
    pub(crate) async fn read_our_policies(&mut self, run: &Run) -> Result<(), AwsError> {
        if self.extent < Extent::OurPolicies {
            let inline = our_inline_policy(run).await?;
            self.policies = iam::attached_policies(run).await?;
            read_our_documents(run, &mut self.policies).await?;
            self.policies.extend(inline);
            self.settle();
            self.extent = Extent::OurPolicies;
        }
        Ok(())
    }

    /// Sorts policies and groups, which stores list in different orders, and takes name and
    /// folder from them.
    fn settle(&mut self) {
        self.policies.sort_by(|one, other| one.name.cmp(&other.name));
        self.groups.sort();
        self.made_as = self.find_former_name();
        if let Some(folder) = self.shown_folder() {
            self.target = self.target.in_folder(folder);
        }
    }

    /// Takes the folder from elsewhere, where the user may not show it itself.
    pub(crate) fn settle_in(&mut self, folder: Prefix) {
        self.made_as = self.name_by_folder(&folder).unwrap_or(self.made_as.clone());
        self.target = self.target.in_folder(folder);
    }

    /// Asks the store whether it keeps tags, where that matters.
    pub(crate) async fn ask_for_tags(&mut self, run: &Run) {
        self.is_tagless = self.is_tagless && !iam::keeps_tags(run, &self.user).await;
    }

    /// Reads the names of the other inline policies and of the groups, unless they are
    /// known. Returns why some could not be read.
    pub(crate) async fn read_rest(&mut self, run: &Run) -> Vec<AwsError> {
        let mut unread = Vec::new();
        if self.extent == Extent::All {
            return unread;
        }
        let (inline, groups) = tokio::join!(iam::inline_policies(run), iam::groups(run));
        match inline {
            Ok(mut others) => {
                others.retain(|it| !self.inline_policies().any(|known| known.name == it.name));
                self.policies.extend(others);
            }
            Err(error) => unread.push(error),
        }
        match groups {
            Ok(names) => self.groups = names,
            Err(error) => unread.push(error),
        }
        self.settle();
        self.extent = Extent::All;
        unread
    }

    fn inline_policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(|policy| policy.arn.is_none())
    }
}

/// Lists the user's policies, managed and inline, without their documents.
async fn list_policies(run: &Run) -> Result<Vec<Policy>, AwsError> {
    let (mut policies, inline) =
        tokio::try_join!(iam::attached_policies(run), iam::inline_policies(run))?;
    policies.extend(inline);
    Ok(policies)
}

/// Reads what gives the user access, with the texts of those policies that carry one
/// of our names.
pub(super) async fn read_details(run: &Run, user: User) -> Result<UserDetails, AwsError> {
    let (mut policies, groups) = tokio::try_join!(list_policies(run), iam::groups(run))?;
    read_our_documents(run, &mut policies).await?;
    Ok(UserDetails { user, policies, groups })
}

async fn read_our_documents(
    run: &Run,
    policies: impl IntoIterator<Item = &mut Policy>,
) -> Result<(), AwsError> {
    for policy in policies {
        if policy.is_named_as_made() {
            iam::read_document(run, policy).await?;
        }
    }
    Ok(())
}

/// Reads the inline policy with our name, by a call that needs no list of them.
async fn our_inline_policy(run: &Run) -> Result<Option<Policy>, AwsError> {
    let mut policy = Policy::inline(INLINE_POLICY_NAME.to_owned(), None);
    iam::read_document(run, &mut policy).await?;
    // Some stores answer with a policy under any name.
    let is_there = policy.text.is_some()
        && (!run.aws.store.invents_policies()
            || iam::inline_policies(run).await?.iter().any(|it| it.name == policy.name));
    Ok(is_there.then_some(policy))
}
