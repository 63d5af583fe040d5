//! Whose a user is: for which bucket it was made, as far as it shows that itself.

use super::Holdings;
use crate::access::{BucketName, Target, allows_only_in, names_bucket};
use crate::iam::{Policy, User};

/// The bucket that a user was made for, as far as its tags and policies show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The bucket in question.
    ThisBucket,
    /// This bucket too, by this inline policy, which somebody edited, if the store
    /// keeps no tags: all that it allows is in the bucket.
    Edited(String),
    /// Another bucket, in words that follow the user's name, and its name if that is known.
    OtherBucket(String, Option<BucketName>),
    /// No bucket: neither this tool nor the Python scripts before it made the user. With
    /// the policy that has one of their names all the same, if there is one.
    NotOurs(Option<String>),
}

impl Owner {
    /// The owner by the user's tag, if it has that.
    pub fn by_tag(user: &User, bucket: &BucketName) -> Option<Self> {
        let tagged = user.tags.bucket.as_deref()?;
        if tagged == bucket.as_str() {
            return Some(Self::ThisBucket);
        }
        let belongs = format!("belongs to bucket {tagged}");
        Some(Self::OtherBucket(belongs, tagged.parse().ok()))
    }

    /// True if the user is surely enough one of ours to be listed.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::ThisBucket | Self::Edited(_))
    }
}

impl Holdings {
    /// The bucket that the user was made for: by its tag, or without one by its
    /// policies.
    pub(crate) fn owner(&self) -> Owner {
        let Target { bucket, .. } = &self.target;
        if let Some(owner) = Owner::by_tag(&self.user, bucket) {
            return owner;
        }
        let ours: Vec<_> = self.our_policies().collect();
        if ours.iter().any(|policy| self.is_surely_ours(policy)) {
            return Owner::ThisBucket;
        }
        let edited = ours.iter().find(|policy| {
            policy.arn.is_none() && policy.text_is(|text| allows_only_in(text, bucket))
        });
        if let Some(policy) = edited.filter(|_| self.is_tagless) {
            return Owner::Edited(policy.name.clone());
        }
        let naming = ours.iter().find(|it| it.text_is(|text| names_bucket(text, bucket)));
        match (naming, ours.first()) {
            (Some(policy), _) => Owner::NotOurs(Some(policy.name.clone())),
            (None, Some(other)) => {
                let belongs = format!("belongs to another bucket, by its policy {}", other.name);
                Owner::OtherBucket(belongs, None)
            }
            (None, None) => Owner::NotOurs(None),
        }
    }

    /// True if a policy of a user without a tag reads back as ours, for the folder that is
    /// named after the user or that its path names.
    fn is_surely_ours(&self, policy: &Policy) -> bool {
        self.access_by(policy).is_some_and(|(folder, _)| self.is_found_at(&folder))
    }
}
