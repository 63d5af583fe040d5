//! Which of a user's policies are ours, what they grant, and what the user has besides.

use anyhow::{Result, bail};

use super::Holdings;
use crate::access::{Grant, Target, folder_of_scripts, grant_of_scripts, managed_policy_name};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::iam::Policy;
use crate::workflows::outcome::PolicyRef;

impl Holdings {
    /// The policies that carry one of our names or the Python scripts'.
    pub(crate) fn our_policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(|policy| policy.is_named_as_made_for(&self.made_as))
    }

    /// [Our policies](Self::our_policies) whose text was read.
    pub(crate) fn our_policies_read(&self) -> Vec<&Policy> {
        self.our_policies().filter(|policy| policy.text.is_some()).collect()
    }

    /// True if the user has the managed policy with this ARN, and nobody else has.
    pub(crate) fn alone_has(&self, arn: &str) -> bool {
        let mut policies = self.policies.iter();
        policies.any(|policy| policy.arn.as_deref() == Some(arn) && policy.is_unshared())
    }

    /// True if a managed policy of the user was made for it, and nobody else has it.
    pub(crate) fn is_ours_alone(&self, policy: &Policy) -> bool {
        policy.is_named_as_made_for(&self.made_as) && policy.is_unshared()
    }

    /// The document of a policy of the user, if it was read.
    pub(crate) fn text_of(&self, policy: &Policy) -> Option<&str> {
        let mut policies = self.policies.iter();
        let same = policies.find(|it| it.name == policy.name && it.arn == policy.arn)?;
        same.text.as_deref()
    }

    /// The policy that `create` makes: the managed one if there is one, or else the inline one.
    pub(crate) fn access_policy(&self) -> Option<&Policy> {
        let managed = self.our_policies().find(|it| it.arn.is_some() && self.is_access_policy(it));
        managed.or_else(|| self.our_policies().find(|it| it.arn.is_none()))
    }

    /// True if one of our policies has the name that `create` gives it.
    fn is_access_policy(&self, policy: &Policy) -> bool {
        policy.arn.is_none() || policy.name == managed_policy_name(&self.made_as)
    }

    /// Returns the only policy of these. Fails if there are none or several, or if it
    /// doesn't have the name that `create` gives.
    pub(crate) fn sole_access_policy<'a>(&self, policies: &[&'a Policy]) -> Result<&'a Policy> {
        let Target { user, .. } = &self.target;
        match policies {
            [] => {
                let message = format!("user {user} has no policy that create_s3_user made");
                let target = &self.target;
                let delete = commands::delete_user(&target.bucket, target.user.as_str());
                Err(Hinted::new(message, Hint::run("to start over, first run", delete)).into())
            }
            [policy] if self.is_access_policy(policy) => Ok(policy),
            others => bail!(
                "user {user} does not have the one policy that create_s3_user makes, but {}",
                names(others).join(" and ")
            ),
        }
    }

    /// True if a policy is exactly as the Python scripts wrote it.
    pub(crate) fn is_of_scripts(&self, policy: &Policy) -> bool {
        let Target { bucket, .. } = &self.target;
        policy.text_is(|text| folder_of_scripts(&policy.name, text, bucket).is_some())
    }

    /// Our policies that are exactly as the Python scripts wrote them.
    fn policies_of_scripts(&self) -> impl Iterator<Item = &Policy> {
        self.our_policies().filter(|policy| self.is_of_scripts(policy))
    }

    /// True if the Python scripts made the user, which the names of its policies tell.
    pub(crate) fn is_made_by_scripts(&self) -> bool {
        self.access_policy().is_none() && self.our_policies().next().is_some()
    }

    /// True if the user has both a policy of the Python scripts and one that `create` makes,
    /// as after an interrupted update.
    pub(crate) fn has_both_kinds(&self) -> bool {
        self.access_policy().is_some() && self.policies_of_scripts().next().is_some()
    }

    /// The policies that neither `create` nor the Python scripts made.
    pub(crate) fn other_policies(&self) -> Vec<&Policy> {
        let made_with: Vec<_> =
            self.access_policy().into_iter().chain(self.policies_of_scripts()).collect();
        self.policies.iter().filter(|policy| !made_with.contains(policy)).collect()
    }

    /// Names the policies and groups that aren't ours, such as `policy audit` or `group staff`.
    pub(crate) fn foreign(&self) -> Vec<String> {
        self.policies
            .iter()
            .filter(|policy| !policy.is_named_as_made_for(&self.made_as))
            .map(|policy| format!("policy {}", policy.name))
            .chain(self.groups.iter().map(|group| format!("group {group}")))
            .collect()
    }

    /// The access that our policies give the user, if they are still as `create`, `update` or
    /// the Python scripts wrote them.
    pub(crate) fn grant(&self) -> Option<Grant> {
        match self.access_policy() {
            Some(policy) => self.grant_by(policy),
            None => (self.policies_of_scripts().count() == 2).then(grant_of_scripts),
        }
    }

    /// The access that a policy stands for, if it is still as `create`, `update` or the Python
    /// scripts wrote it. Either of the scripts' two policies stands for the access of both.
    pub(crate) fn grant_by(&self, policy: &Policy) -> Option<Grant> {
        self.access_by(policy).map(|(_, grant)| grant)
    }
}

/// The names of policies.
pub(crate) fn names<'a>(policies: &[&'a Policy]) -> Vec<&'a str> {
    policies.iter().map(|policy| policy.name.as_str()).collect()
}

impl From<&Policy> for PolicyRef {
    fn from(policy: &Policy) -> Self {
        Self { name: policy.name.clone(), arn: policy.arn.clone() }
    }
}
