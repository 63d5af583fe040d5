//! A user, whose it is, and which of its policies are ours.

use crate::access::{
    BucketName, Grant, Target, allows_only_in, grant_of_policy, grant_of_scripts, is_named_as_ours,
    is_of_scripts, managed_policy_name, names_bucket,
};
use crate::aws::{Aws, Run};
use crate::iam::{self, Tags, User, UserDetails, UserPolicy};

/// A user with what gives it access. Those in a list are ours for the bucket.
#[derive(Debug, Clone)]
pub struct Found {
    pub(crate) target: Target,
    /// The bucket's, which policies are written for.
    pub(super) region: String,
    /// Whether it has no tags, on a store that keeps none: then they tell nothing. Until
    /// the store was [asked](Self::ask_for_tags), on one that may keep none.
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

    /// Asks whether the store keeps tags, where that matters.
    pub(super) async fn ask_for_tags(self, run: &Run) -> Self {
        Self {
            is_tagless: self.is_tagless && !iam::keeps_tags(run, &self.details.user).await,
            ..self
        }
    }

    /// For which bucket it was made: by its tag, or without one by its policies.
    pub(crate) fn owner(&self) -> Owner {
        let bucket = &self.target.bucket;
        if let Some(owner) = Owner::by_tag(&self.details.user, bucket) {
            return owner;
        }
        let is_as_made = |policy: &UserPolicy| self.grant(policy).is_some();
        if self.policies_of_ours().any(is_as_made) {
            return Owner::ThisBucket;
        }
        let says = |policy: &UserPolicy, tells: fn(&str, &BucketName) -> bool| {
            let text = policy.text.as_deref();
            text.is_some_and(|text| tells(text, bucket))
        };
        let is_edited = |policy: &UserPolicy| policy.arn.is_none() && says(policy, allows_only_in);
        if let Some(policy) = self.policies_of_ours().find(|it| is_edited(it))
            && self.is_tagless
        {
            return Owner::Edited(policy.name.clone());
        }
        let names_it = |policy: &&UserPolicy| says(policy, names_bucket);
        match (self.policies_of_ours().find(names_it), self.policies_of_ours().next()) {
            (Some(edited), _) => Owner::Nobody(Some(edited.name.clone())),
            (None, Some(other)) => {
                let found = format!("its policy {} is for another bucket", other.name);
                Owner::OtherBucket(found, None)
            }
            (None, None) => Owner::Nobody(None),
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

    /// The policies of the Python scripts, in their exact form.
    fn policies_of_scripts(&self) -> impl Iterator<Item = &UserPolicy> {
        let is_theirs = |policy: &&UserPolicy| {
            let text = policy.text.as_deref();
            text.is_some_and(|text| is_of_scripts(&policy.name, text, &self.target))
        };
        self.policies_of_ours().filter(is_theirs)
    }

    /// Whether it has a policy of the Python scripts besides one of today, as an
    /// interrupted update leaves it.
    pub(super) fn has_both_kinds(&self) -> bool {
        self.access_policy().is_some() && self.policies_of_scripts().next().is_some()
    }

    /// The policies besides those that it was made with.
    pub(super) fn other_policies(&self) -> Vec<&UserPolicy> {
        let made_with: Vec<_> =
            self.access_policy().into_iter().chain(self.policies_of_scripts()).collect();
        let is_other =
            |policy: &&UserPolicy| !made_with.iter().any(|made| std::ptr::eq(*made, *policy));
        self.details.policies.iter().filter(is_other).collect()
    }

    /// The policies without one of our names, and the groups, in words.
    pub(crate) fn foreign(&self) -> Vec<String> {
        let policies = self.details.policies.iter();
        let foreign = policies.filter(|policy| !self.is_named_as_ours(policy));
        let foreign = foreign.map(|policy| format!("policy {}", policy.name));
        let groups = self.details.groups.iter();
        foreign.chain(groups.map(|group| format!("group {group}"))).collect()
    }

    /// What else than our policies gives it access, in words.
    pub(crate) fn others(&self) -> Vec<String> {
        let policies = self.other_policies();
        let policies = policies.iter().map(|it| format!("has policy {}", it.name));
        let groups = self.details.groups.iter();
        let groups = groups.map(|name| format!("is in group {name}"));
        policies.chain(groups).collect()
    }

    /// What it may do, if its policies are as `create` or `update` make them, or the
    /// Python scripts did.
    pub(crate) fn access(&self) -> Option<Grant> {
        match self.access_policy() {
            Some(policy) => self.grant(policy),
            None => (self.policies_of_scripts().count() == 2).then(grant_of_scripts),
        }
    }

    /// What one of the policies stands for, if it is as `create` or `update` make it,
    /// or one of the two of the Python scripts.
    pub(crate) fn grant(&self, policy: &UserPolicy) -> Option<Grant> {
        let text = policy.text.as_deref()?;
        grant_of_policy(&policy.name, text, &self.target, &self.region)
    }
}

/// For which bucket a user was made, as far as its tags and policies tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// For the bucket in question.
    ThisBucket,
    /// For it too, by this inline policy, which somebody edited, if the store keeps no
    /// tags: then all that it allows is in the bucket.
    Edited(String),
    /// For another bucket, with what says so, and its name if that does.
    OtherBucket(String, Option<BucketName>),
    /// Not made by this tool or the Python scripts before it, with the policy that
    /// has one of their names all the same, if there is one.
    Nobody(Option<String>),
}

impl Owner {
    /// Whether it is surely enough one of ours to be listed.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::ThisBucket | Self::Edited(_))
    }

    /// By the user's tag, if it has that.
    pub fn by_tag(user: &User, bucket: &BucketName) -> Option<Self> {
        let tagged = user.tags.bucket.as_deref()?;
        if tagged == bucket.as_str() {
            return Some(Self::ThisBucket);
        }
        let found = format!("it is tagged for bucket {tagged}");
        Some(Self::OtherBucket(found, tagged.parse().ok()))
    }
}
