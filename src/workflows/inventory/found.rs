//! A user of ours, and which of its policies are. No calls.

use crate::access::{
    Grant, PolicyDocument, Target, is_named_as_ours, managed_policy_name, names_bucket,
};
use crate::aws::Aws;
use crate::iam::{Tags, UserDetails, UserPolicy};

/// A user of ours for the bucket, with what gives it access.
#[derive(Debug, Clone)]
pub struct Found {
    pub(crate) target: Target,
    /// The bucket's, which policies are written for.
    pub(super) region: String,
    /// Whether it has no tags, on a store that may keep none: then they tell nothing.
    pub(crate) is_tagless: bool,
    pub(crate) details: UserDetails,
}

impl Found {
    /// With policies and groups by name, whatever order a store lists them in.
    pub(super) fn new(target: Target, aws: &Aws, mut details: UserDetails) -> Self {
        let by_name = |one: &UserPolicy, other: &UserPolicy| one.name.cmp(&other.name);
        details.policies.sort_by(by_name);
        details.groups.sort();
        Self {
            target,
            region: aws.region.clone(),
            is_tagless: !aws.store.is_aws() && details.user.tags == Tags::default(),
            details,
        }
    }

    /// Whether it was made for the bucket: by its tag, or without one by a policy
    /// with one of our names, which names the bucket.
    pub(super) fn is_ours(&self) -> bool {
        let bucket = &self.target.bucket;
        let names_it = |policy: &UserPolicy| {
            let text = policy.text.as_deref();
            text.is_some_and(|text| names_bucket(text, bucket))
        };
        match &self.details.user.tags.bucket {
            Some(tagged) => tagged == bucket.as_str(),
            None => self.policies_of_ours().any(names_it),
        }
    }

    /// The policies that carry one of our names, also of the Python scripts'.
    pub(crate) fn policies_of_ours(&self) -> impl Iterator<Item = &UserPolicy> {
        let policies = self.details.policies.iter();
        policies.filter(|policy| self.is_named_as_ours(policy))
    }

    fn is_named_as_ours(&self, policy: &UserPolicy) -> bool {
        is_named_as_ours(&self.target.user, &policy.name, policy.arn.is_some())
    }

    /// The one policy that `create` makes: the managed one, or else the inline one.
    pub(super) fn access_policy(&self) -> Option<&UserPolicy> {
        let managed = managed_policy_name(&self.target.user);
        let is_made = |policy: &&UserPolicy| policy.arn.is_none() || policy.name == managed;
        let made = self.policies_of_ours().filter(is_made);
        made.max_by_key(|policy| policy.arn.is_some())
    }

    /// Whether the Python scripts made it, whose policies have names of their own.
    pub(super) fn is_of_scripts(&self) -> bool {
        self.access_policy().is_none() && self.policies_of_ours().next().is_some()
    }

    /// The policies besides those that it was made with.
    pub(super) fn other_policies(&self) -> Vec<&UserPolicy> {
        let made_with: Vec<_> = match self.access_policy() {
            Some(policy) => vec![policy],
            None => self.policies_of_ours().collect(),
        };
        let is_other =
            |policy: &&UserPolicy| !made_with.iter().any(|made| std::ptr::eq(*made, *policy));
        self.details.policies.iter().filter(is_other).collect()
    }

    /// What else than our policies may give it access, in words.
    pub(crate) fn others(&self) -> Vec<String> {
        let mut others = Vec::new();
        for policy in &self.details.policies {
            if !self.is_named_as_ours(policy) {
                others.push(format!("policy {}", policy.name));
            }
        }
        for group in &self.details.groups {
            others.push(format!("group {group}"));
        }
        others
    }

    /// What one of the policies grants, if it is as `create` or `update` makes it.
    pub(crate) fn grant(&self, policy: &UserPolicy) -> Option<Grant> {
        PolicyDocument::grant(policy.text.as_deref()?, &self.target, &self.region)
    }
}
