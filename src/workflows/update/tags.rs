//! The tags that an update sets: the one that says when access ends, and the admin's own.

use anyhow::{Context, Result, ensure};

use crate::access::{Expiry, Grant, UserName, UserTag};
use crate::aws::{AwsError, Run};
use crate::iam::{self, Tags, User};
use crate::step::Step;

/// The number of tags that IAM takes for a user.
const MOST_TAGS: usize = 50;

/// The tags to set, and to remove.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TagChange {
    set: Tags,
    /// True if the tag that says when access ends is to go.
    removes_end: bool,
}

impl TagChange {
    /// Makes the tag say this end of access.
    pub fn to_end(end: Option<Expiry>) -> Self {
        let expires = end.map(|end| end.to_string());
        Self { removes_end: expires.is_none(), set: Tags { expires, ..Tags::default() } }
    }

    /// Finds what the user's tags lack: these of the admin's own, and of the end of access the
    /// one that its `grant` has, if any.
    ///
    /// Fails if there are tags to set and the store keeps none, or has no room for them. The end
    /// stays untagged where none are kept.
    pub async fn find(
        run: &Run,
        user: &User,
        grant: Option<&Grant>,
        own: &[UserTag],
    ) -> Result<Self> {
        let end = grant.map(|grant| Self::to_end(grant.expires));
        let mut change = end.filter(|end| end.set.expires != user.tags.expires).unwrap_or_default();
        let is_new = |tag: &&UserTag| value_of(user, tag) != Some(&tag.value);
        change.set.others = own.iter().filter(is_new).cloned().collect();
        if change == Self::default() {
            return Ok(change);
        }
        if !iam::keeps_tags(run, user).await {
            ensure!(
                change.set.others.is_empty(),
                "this store keeps no tags, so --tag can't be used"
            );
            return Ok(Self::default());
        }
        if run.aws.store.is_aws() {
            change.check_room(user)?;
        }
        Ok(change)
    }

    /// Fails if the user would have more tags than [IAM takes][quotas]. There is always room
    /// for the tag that says when access ends.
    ///
    /// [quotas]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    fn check_room(&self, user: &User) -> Result<()> {
        let added = self.set.others.iter().filter(|tag| value_of(user, tag).is_none()).count();
        let lacks_end = user.tags.expires.is_none();
        let adds_any = added > 0 || lacks_end && self.set.expires.is_some();
        let tags = user.tags.count() + added + usize::from(lacks_end);
        ensure!(
            !adds_any || tags <= MOST_TAGS,
            "user {} would have {tags} tags, with the one that says when access ends; IAM takes \
             {MOST_TAGS}, so remove some first",
            user.name
        );
        Ok(())
    }

    /// True if the tags are set before the policy is: unless access ends earlier, since what
    /// deletes ended users goes by the tag, which must never end first.
    pub fn comes_first(&self, user: &User) -> bool {
        let tagged = user.tags.expires.as_deref().and_then(Expiry::at);
        let end = self.set.expires.as_deref().and_then(Expiry::at);
        end.is_none_or(|end| tagged.is_some_and(|tagged| end > tagged))
    }

    /// The step that changes them.
    pub fn step(&self, user: &UserName) -> Step {
        if self.set == Tags::default() {
            Step::UntagUser(iam::EXPIRES.to_owned(), user.to_string())
        } else {
            Step::TagUser(user.to_string())
        }
    }

    /// The admin's own tags as they are and will be, for people.
    pub fn in_words(&self, user: &User) -> Vec<String> {
        let words = |tag: &UserTag| {
            let before =
                value_of(user, tag).map_or("none".to_owned(), |value| format!("{value:?}"));
            format!("tag {}: {before} -> {:?}", tag.key, tag.value)
        };
        self.set.others.iter().map(words).collect()
    }

    /// Changes the tags. Returns a note if the store keeps none, and none had to be set.
    pub async fn apply(&self, run: &Run) -> Result<Option<String>> {
        let changed = self.try_to_apply(run).await;
        let has_own = !self.set.others.is_empty();
        if !has_own && changed.as_ref().is_err_and(|error| run.aws.store.lacks_tags(error)) {
            let note = "this store keeps no tags, so only the policy says when access ends";
            return Ok(Some(note.to_owned()));
        }
        changed.with_context(|| {
            let state = if has_own {
                "lacks its new tags; running the same command again sets them"
            } else if self.removes_end {
                "still has the tag that says when access ends; running the same command again \
                 removes it"
            } else {
                "lacks the tag that says when access ends; running the same command again sets it"
            };
            format!("user {} {state}", run.target.user)
        })?;
        Ok(None)
    }

    async fn try_to_apply(&self, run: &Run) -> Result<(), AwsError> {
        if self.removes_end {
            iam::untag_expiry(run).await?;
        }
        if self.set == Tags::default() {
            return Ok(());
        }
        iam::tag_user(run, &self.set).await
    }
}

/// The value that the user has of this tag, whatever the case of its key, which IAM ignores.
fn value_of<'a>(user: &'a User, tag: &UserTag) -> Option<&'a String> {
    let key = tag.key.to_lowercase();
    let found = user.tags.others.iter().find(|other| other.key.to_lowercase() == key);
    found.map(|other| &other.value)
}
