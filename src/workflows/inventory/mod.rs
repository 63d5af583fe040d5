//! Who has access to a bucket: all users of ours for it, and what is odd about
//! each. Only reads.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::holdings::{Owner, read_details};
use super::ours::{Purpose, find_ours, reachable};
use crate::access::{BucketName, Target, UserName, names_bucket};
use crate::aws::{Aws, AwsError, Run};
use crate::iam::{self, User, UserDetails};
use crate::s3::bucket::{self, BucketError};

pub use super::holdings::Holdings;
pub use crate::iam::{KeyInfo, LastUse};
pub use listed::{Listed, MadeBy};
pub use oddities::{ENDS_SOON, Oddity, SOON};
pub(crate) use readers::Everybody;
pub use readers::Readers;

mod by_folder;
mod listed;
mod oddities;
mod readers;

/// The users of ours for one bucket.
///
/// Whatever stops its work, nothing has changed.
pub struct Inventory {
    aws: Aws,
    bucket: BucketName,
    at_a_time: usize,
    bucket_may_be_gone: bool,
}

impl Inventory {
    /// An inventory of the bucket, whose users are looked at so many at a time.
    pub fn new(aws: &Aws, bucket: &BucketName, at_a_time: usize) -> Self {
        Self { aws: aws.clone(), bucket: bucket.clone(), at_a_time, bucket_may_be_gone: false }
    }

    /// Takes the users of the bucket also if it is gone.
    pub(super) fn even_without_bucket(self, bucket_may_be_gone: bool) -> Self {
        Self { bucket_may_be_gone, ..self }
    }

    /// Finds every user of ours for the bucket, in no particular order.
    ///
    /// From one call for many users at a time; where that is refused, or a store
    /// doesn't offer it, by several calls for each user of the account. Fails,
    /// too, if the bucket can't be reached.
    pub async fn all(&self) -> Result<Vec<Holdings>> {
        let (found, users) =
            tokio::join!(bucket::find(&self.aws, &self.bucket), self.possibly_ours());
        // A failed call of IAM tells why; a refused HeadBucket has no code for that.
        let possibly_ours = users?;
        let aws = match found {
            Err(BucketError::Missing { .. }) if self.bucket_may_be_gone => self.aws.clone(),
            found => reachable(&self.aws, found).await?,
        };
        let mut ours = Vec::new();
        for details in possibly_ours {
            let Some(mut holdings) = holdings(&self.bucket, &aws, details) else { continue };
            holdings.ask_for_tags(&self.run(holdings.target.user.clone())).await;
            if holdings.owner().is_ours() {
                ours.push(holdings);
            }
        }
        Ok(ours)
    }

    /// Reads those users of the account that may be ours.
    async fn possibly_ours(&self) -> Result<Vec<UserDetails>, AwsError> {
        let details = iam::all_details(
            &self.aws,
            |details| self.may_be_ours(&details.user),
            |text| names_bucket(text, &self.bucket),
        );
        let refusal = match details.await {
            Err(error) if error.is_forbidden() || self.aws.store.may_lack(&error) => error,
            read => return read,
        };
        let names = iam::all_names(&self.aws).await.map_err(|error| {
            // Where both are refused, the first is the better one to allow.
            if error.is_forbidden() && refusal.is_forbidden() { refusal } else { error }
        })?;
        // A name that isn't one we take can't be that of a user of ours.
        stream::iter(names.iter().filter_map(|name| name.parse().ok()))
            .map(async |name: UserName| {
                let run = self.run(name);
                unless_gone(&run, self.look_at(&run).await).await
            })
            .buffer_unordered(self.at_a_time)
            .try_filter_map(async |found| Ok(found))
            .try_collect()
            .await
    }

    /// The user, if there is one and it may be ours.
    async fn look_at(&self, run: &Run) -> Result<Option<UserDetails>, AwsError> {
        match iam::get_user(run).await? {
            Some(user) if self.may_be_ours(&user) => read_details(run, user).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Finds the users of these names. Returns, too, those of which something is wrong:
    /// there is no such user, it isn't ours for the bucket, or a call failed.
    pub async fn named(&self, users: Vec<UserName>) -> (Vec<Holdings>, Vec<(Run, anyhow::Error)>) {
        let mut looks = stream::iter(users)
            .map(async |name: UserName| {
                let run = self.run(name);
                find_named(&run).await.map_err(|error| (run, error))
            })
            .buffered(self.at_a_time);
        let mut found = Vec::new();
        let mut failed = Vec::new();
        while let Some(look) = looks.next().await {
            match look {
                Ok(user) => found.push(user),
                Err(wrong) => failed.push(wrong),
            }
        }
        (found, failed)
    }

    /// Reads the keys of these users. Returns all about them, sorted by name, without
    /// those that have gone meanwhile. Calls `on_user` for each that was looked at.
    pub async fn list(
        &self,
        users: Vec<Holdings>,
        readers: &Readers,
        on_user: impl Fn(),
    ) -> Result<Vec<Listed>, AwsError> {
        let now = Timestamp::now();
        let mut listed: Vec<Listed> = stream::iter(users)
            .map(async |holdings: Holdings| {
                let run = self.run(holdings.target.user.clone());
                let found = unless_gone(&run, keys(&run).await.map(Some)).await?;
                on_user();
                Ok(found.map(|keys| Listed::new(&holdings, keys, readers, now)))
            })
            .buffer_unordered(self.at_a_time)
            .try_filter_map(async |listed| Ok(listed))
            .try_collect()
            .await?;
        listed.sort_by_cached_key(|listed| listed.target.user.to_string());
        Ok(listed)
    }

    /// False if the user's tag says that it was made for another bucket.
    fn may_be_ours(&self, user: &User) -> bool {
        !matches!(Owner::by_tag(user, &self.bucket), Some(Owner::OtherBucket(..)))
    }

    /// Work on one of the users.
    pub(in crate::workflows) fn run(&self, user: UserName) -> Run {
        let target = Target::new(self.bucket.clone(), user);
        Run::new(self.aws.clone(), target, CancellationToken::new(), |_| {})
    }
}

/// The holdings of a user of the account; none if we take no user of that name.
fn holdings(bucket: &BucketName, aws: &Aws, details: UserDetails) -> Option<Holdings> {
    let target = Target::new(bucket.clone(), details.user.name.parse().ok()?);
    Some(Holdings::new(target, aws, details))
}

async fn find_named(run: &Run) -> Result<Holdings> {
    let (in_region, mut holdings) = find_ours(run, Purpose::List).await?;
    holdings.read_all(&in_region).await?;
    Ok(holdings)
}

/// Turns an error into `None` if something was missing since the user has gone
/// meanwhile.
async fn unless_gone<T>(
    run: &Run,
    looked: Result<Option<T>, AwsError>,
) -> Result<Option<T>, AwsError> {
    match looked {
        Err(error) if error.is_missing() && iam::get_user(run).await?.is_none() => Ok(None),
        looked => looked,
    }
}

/// Reads the user's keys, and when they were last used.
async fn keys(run: &Run) -> Result<Vec<KeyInfo>, AwsError> {
    let mut keys = iam::access_keys(run).await?;
    for key in &mut keys {
        key.last_use = iam::last_use(run, &key.id).await?;
    }
    Ok(keys)
}
