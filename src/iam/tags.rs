//! The tags by which a user or policy of ours is known again.

use aws_sdk_iam::types::Tag;

use crate::access::{BucketName, UserTag};

const BUCKET: &str = "s3-user:bucket";
const RUN: &str = "s3-user:run";
const FOLDER: &str = "s3-user:folder";
pub(crate) const EXPIRES: &str = "s3-user:expires";

/// The tags by which we know a user or policy of ours again, and the admin's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// The bucket it was made for.
    pub bucket: Option<String>,
    /// The run that made it: tells a lost answer of our own from somebody
    /// else's work.
    pub run: Option<String>,
    /// The folder, as [`folder_tag`](crate::access::folder_tag) writes it.
    pub folder: Option<String>,
    /// The end of access, for people and scripts; what ends it is the policy.
    pub expires: Option<String>,
    /// The admin's own tags.
    pub others: Vec<UserTag>,
}

impl Tags {
    /// Makes the tags of a new run, whose ID is 64 random bits.
    pub fn of_run(bucket: &BucketName) -> Self {
        Self {
            bucket: Some(bucket.to_string()),
            run: Some(format!("{:016x}", fastrand::u64(..))),
            ..Self::default()
        }
    }

    /// True if they say that what they are on was made for this bucket.
    pub fn are_of(&self, bucket: &BucketName) -> bool {
        self.bucket.as_deref() == Some(bucket.as_str())
    }

    pub(super) fn from_sdk(tags: &[Tag]) -> Self {
        let mut found = Self::default();
        for Tag { key, value, .. } in tags.iter().cloned() {
            // IAM ignores the case of keys, and keeps the first spelling of each.
            match key.to_ascii_lowercase().as_str() {
                BUCKET => found.bucket = Some(value),
                RUN => found.run = Some(value),
                FOLDER => found.folder = Some(value),
                EXPIRES => found.expires = Some(value),
                _ => found.others.push(UserTag { key, value }),
            }
        }
        found.others.sort();
        found
    }

    /// The number of tags.
    pub fn count(&self) -> usize {
        self.to_sdk().len()
    }

    pub(super) fn to_sdk(&self) -> Vec<Tag> {
        let ours = [
            (BUCKET, &self.bucket),
            (FOLDER, &self.folder),
            (RUN, &self.run),
            (EXPIRES, &self.expires),
        ];
        let mut tags = Vec::new();
        for (key, value) in ours {
            tags.extend(value.as_ref().map(|value| tag(key, value)));
        }
        tags.extend(self.others.iter().map(|other| tag(&other.key, &other.value)));
        tags
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().expect("key and value are given")
}
