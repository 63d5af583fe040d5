//! Who has access to a bucket: all users of ours for it, and what is odd about
//! each. Only reads.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::provenance::{Purpose, find_ours, reachable};
use crate::access::{BucketName, Target, UserName, is_named_as_ours, names_bucket};
use crate::aws::{Aws, AwsError, Run};
use crate::iam::{self, User, UserDetails, UserPolicy};
use crate::s3::bucket::{self, BucketError};

pub use found::Found;
pub(crate) use found::Owner;
pub use listed::{LastUse, Listed, ListedKey, MadeBy, Oddity};
pub use readers::{Everybody, Readers};

mod found;
mod listed;
mod readers;

/// The users of ours for one bucket.
///
/// Whatever stops its work, nothing has changed.
pub struct Inventory {
    aws: Aws,
    bucket: BucketName,
    at_a_time: usize,
}

impl Inventory {
    /// An inventory of the bucket, whose users are looked at so many at a time.
    pub fn new(aws: &Aws, bucket: &BucketName, at_a_time: usize) -> Self {
        Self { aws: aws.clone(), bucket: bucket.clone(), at_a_time }
    }

    /// Every user of ours for the bucket, in no particular order.
    ///
    /// From one call for many users at a time; where that is refused, or a store
    /// doesn't offer it, by several calls for each user of the account. Fails,
    /// too, if the bucket can't be reached.
    pub async fn all(&self) -> Result<Vec<Found>> {
        self.find_all(false).await
    }

    /// The same, also for a bucket that is gone, if it `may_be_gone`.
    pub(super) async fn find_all(&self, may_be_gone: bool) -> Result<Vec<Found>> {
        let bucket = bucket::find(&self.aws, &self.bucket);
        let (bucket, users) = tokio::join!(bucket, self.all_details());
        // A failed call of IAM tells why; a refused HeadBucket has no code for that.
        let users = users?;
        let aws = match bucket {
            Err(BucketError::Missing { .. }) if may_be_gone => self.aws.clone(),
            found => reachable(&self.aws, found).await?,
        };
        let found = users.into_iter().filter_map(|details| {
            let user = details.user.name.parse().ok()?;
            let bucket = self.bucket.clone();
            Some(Found::new(Target { bucket, user }, &aws, details))
        });
        let mut ours = Vec::new();
        for found in found {
            let run = self.run(found.target.user.clone());
            let asked = found.ask_for_tags(&run).await;
            if asked.owner().is_ours() {
                ours.push(asked);
            }
        }
        Ok(ours)
    }

    /// Those users of the account that may be ours.
    async fn all_details(&self) -> Result<Vec<UserDetails>, AwsError> {
        let wanted = |details: &UserDetails| !self.is_of_other(&details.user);
        let telling = |text: &str| names_bucket(text, &self.bucket);
        let why_not = match iam::all_details(&self.aws, wanted, telling).await {
            Err(error) if error.is_forbidden() || self.aws.store.may_lack(&error) => error,
            read => return read,
        };
        let names = iam::all_names(&self.aws).await.map_err(|error| {
            // Where both are refused, the first is the better one to allow.
            if error.is_forbidden() && why_not.is_forbidden() { why_not } else { error }
        })?;
        // A name that isn't one we take can't be that of a user of ours.
        let users = names.iter().filter_map(|name| name.parse().ok());
        let look = async |user: UserName| {
            let run = self.run(user);
            unless_gone(&run, self.look_at(&run).await).await
        };
        let looks = stream::iter(users).map(look);
        let looks = looks.buffer_unordered(self.at_a_time);
        looks.try_filter_map(async |found| Ok(found)).try_collect().await
    }

    /// The user, if there is one and it may be ours.
    async fn look_at(&self, run: &Run) -> Result<Option<UserDetails>, AwsError> {
        match iam::get_user(run).await? {
            Some(user) if !self.is_of_other(&user) => details(run, user).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The users of these names, and those of which something is wrong: there is
    /// no such user, it isn't ours for the bucket, or a call failed.
    pub async fn named(&self, users: Vec<UserName>) -> (Vec<Found>, Vec<(Run, anyhow::Error)>) {
        let look = async |user: UserName| {
            let run = self.run(user);
            let found = find_named(&run).await;
            found.map_err(|error| (run, error))
        };
        let mut looks = stream::iter(users).map(look).buffered(self.at_a_time);
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        while let Some(look) = looks.next().await {
            match look {
                Ok(user) => found.push(user),
                Err(wrong) => failed.push(wrong),
            }
        }
        (found, failed)
    }

    /// All about these users, sorted by name, without those that have gone
    /// meanwhile. `on_user` is told of each that was looked at.
    pub async fn list(
        &self,
        users: Vec<Found>,
        readers: &Readers,
        on_user: impl Fn(),
    ) -> Result<Vec<Listed>, AwsError> {
        let now = Timestamp::now();
        let look = async |found: Found| {
            let run = self.run(found.target.user.clone());
            let keys = unless_gone(&run, keys(&run).await.map(Some)).await?;
            on_user();
            Ok(keys.map(|keys| Listed::new(&found, keys, readers, now)))
        };
        let looks = stream::iter(users).map(look);
        let looks = looks.buffer_unordered(self.at_a_time);
        let listed = looks.try_filter_map(async |listed| Ok(listed));
        let mut listed: Vec<Listed> = listed.try_collect().await?;
        let name = |listed: &Listed| listed.target.user.to_string();
        listed.sort_by_cached_key(name);
        Ok(listed)
    }

    /// Whether the user's tag says that it was made for another bucket.
    fn is_of_other(&self, user: &User) -> bool {
        let tagged = user.tags.bucket.as_deref();
        tagged.is_some_and(|tagged| tagged != self.bucket.as_str())
    }

    /// Work on one of the users.
    pub(in crate::workflows) fn run(&self, user: UserName) -> Run {
        let bucket = self.bucket.clone();
        let target = Target { bucket, user };
        Run::new(self.aws.clone(), target, CancellationToken::new(), |_| {})
    }
}

async fn find_named(run: &Run) -> Result<Found> {
    let (run, user) = find_ours(run, Purpose::List).await?;
    Ok(find(&run, user).await?)
}

/// A user with what gives it access. The run's clients speak to the bucket's
/// region.
pub(super) async fn find(run: &Run, user: User) -> Result<Found, AwsError> {
    let details = details(run, user).await?;
    let found = Found::new(run.target.clone(), &run.aws, details);
    Ok(found.ask_for_tags(run).await)
}

/// Nothing, where something could not be found since the user has gone meanwhile.
async fn unless_gone<T>(
    run: &Run,
    looked: Result<Option<T>, AwsError>,
) -> Result<Option<T>, AwsError> {
    match looked {
        Err(error) if error.is_missing() && iam::get_user(run).await?.is_none() => Ok(None),
        looked => looked,
    }
}

/// What gives the user access, with the texts of those policies that carry one of
/// our names.
async fn details(run: &Run, user: User) -> Result<UserDetails, AwsError> {
    let (attached, inline, groups) = tokio::try_join!(
        iam::attached_policies(run),
        iam::inline_policies(run),
        iam::groups(run),
    )?;
    let is_ours = |name: &str, is_managed| is_named_as_ours(&run.target.user, name, is_managed);
    let mut policies = Vec::new();
    for policy in attached {
        let text = if is_ours(&policy.name, true) {
            iam::managed_policy_document(run, &policy.arn).await?
        } else {
            None
        };
        policies.push(UserPolicy { name: policy.name, arn: Some(policy.arn), text });
    }
    for name in inline {
        let text = if is_ours(&name, false) {
            iam::inline_policy_document(run, &name).await?
        } else {
            None
        };
        policies.push(UserPolicy { name, arn: None, text });
    }
    Ok(UserDetails { user, policies, groups })
}

async fn keys(run: &Run) -> Result<Vec<ListedKey>, AwsError> {
    let mut keys = Vec::new();
    for key in iam::access_keys(run).await? {
        let last_use = last_use_of_key(run, &key.id).await?;
        keys.push(ListedKey::new(key, last_use));
    }
    Ok(keys)
}

/// When the key was last used; unknown where that is refused, and for a key that
/// has gone meanwhile.
pub(crate) async fn last_use_of_key(run: &Run, id: &str) -> Result<LastUse, AwsError> {
    match iam::last_used(run, id).await {
        Ok(used) => Ok(used.into()),
        Err(error) if error.is_forbidden() || error.is_missing() => Ok(LastUse::Unknown),
        Err(error) if run.aws.store.may_lack(&error) => Ok(LastUse::NotOffered),
        Err(error) => Err(error),
    }
}
