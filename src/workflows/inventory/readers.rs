//! Who may read whose folder by `--also-read`, and whose folders overlap.

use std::collections::BTreeSet;

use tokio::sync::OnceCell;

use super::by_folder::ByFolder;
use super::{Holdings, holdings};
use crate::access::{BucketName, Prefix, Target, names_bucket, path_of_users};
use crate::aws::{Aws, AwsError, Run};
use crate::iam::{self, User, UserDetails};
use crate::s3::bucket::{self, BucketError};
use crate::workflows::holdings::Owner;

/// What is asked once for all users of a run, by whoever needs it first. Nobody is known
/// where the list of all users of the account is refused or not offered, since asking about
/// each would take too long; nor by default.
#[derive(Clone, Default)]
pub(crate) struct Everybody {
    /// The bucket of the run; none if nobody is to be asked about.
    place: Option<(Aws, BucketName)>,
    /// The region of the run's bucket, or why that can't be used.
    region: OnceCell<Result<String, BucketError>>,
    /// The users of the account, whichever bucket they were made for.
    all: OnceCell<Vec<UserDetails>>,
    /// The users under the bucket's IAM path.
    under_path: OnceCell<Vec<User>>,
}

impl Everybody {
    /// The users of the account, of whom nothing is known yet.
    pub fn of(aws: &Aws, bucket: &BucketName) -> Self {
        Self { place: Some((aws.clone(), bucket.clone())), ..Self::default() }
    }

    /// Returns clients for the bucket's region, or why there are none: the bucket of the run,
    /// which is looked for once.
    pub async fn in_region(&self, aws: &Aws, bucket: &BucketName) -> Result<Aws, BucketError> {
        let find = async || Ok(bucket::find(aws, bucket).await?.region);
        let region = self.region.get_or_init(find).await;
        region.as_ref().map_err(Clone::clone).map(|region| aws.in_region(region))
    }

    /// Asks for all users, unless that was done, and looks for the bucket meanwhile.
    pub async fn all(&self) -> &[UserDetails] {
        let ask = async || {
            let Some((aws, bucket)) = &self.place else { return Vec::new() };
            let all = iam::all_details(aws, |_| true, |text| names_bucket(text, bucket));
            // Where it isn't found, each plan says so.
            let (all, _) = tokio::join!(all, self.in_region(aws, bucket));
            all.unwrap_or_default()
        };
        self.all.get_or_init(ask).await
    }

    /// Those of them who are known so far.
    fn known(&self) -> &[UserDetails] {
        self.all.get().map_or(&[], Vec::as_slice)
    }

    /// Returns what AWS's list says of the run's user, if it is there under this very name.
    /// The lists of other stores may leave out what a look at the user shows.
    pub async fn find(&self, run: &Run) -> Option<&UserDetails> {
        if !run.aws.store.is_aws() {
            return None;
        }
        self.all().await.iter().find(|details| details.user.name == run.user())
    }

    /// Returns the users of the run's bucket whose IAM path begins like this, by one list for
    /// all that ask.
    pub async fn under_path(&self, run: &Run, path: &str) -> Result<Vec<User>, AwsError> {
        let of_bucket = path_of_users(&run.target.bucket);
        let list = async || iam::users_under_path(run, &of_bucket).await;
        let users = self.under_path.get_or_try_init(list).await?.iter();
        Ok(users.filter(|user| user.path.starts_with(path)).cloned().collect())
    }

    /// Tells which of those who are known may read whose folder of the run's bucket, whose
    /// region the run has found.
    pub fn readers(&self, run: &Run) -> Readers {
        let known = self
            .known()
            .iter()
            .filter_map(|details| holdings(&run.target.bucket, &run.aws, details.clone()));
        let ours: Vec<_> = known.filter(|user| user.owner() == Owner::ThisBucket).collect();
        Readers::among(&ours)
    }
}

/// Which users have which folders, and may read those of which others.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// The users by their own folders.
    homes: ByFolder,
    /// The users by the other folders that they may read.
    readers: ByFolder,
}

impl Readers {
    /// Finds the readers among these users.
    pub fn among<'a>(users: impl IntoIterator<Item = &'a Holdings>) -> Self {
        let mut known = Self::default();
        for holdings in users {
            let name = holdings.target.user.as_str();
            for folder in holdings.grant().unwrap_or_default().also_read {
                known.readers.add(&folder, name);
            }
            known.homes.add(holdings.target.prefix(), name);
        }
        known
    }

    /// The users who may read this user's folder, or what is in it, besides.
    pub fn with_access_to(&self, target: &Target) -> Vec<&str> {
        others(target, self.readers.neighbours(target.prefix()))
    }

    /// The users whose folders this one may read by these others.
    pub(super) fn read_by(&self, target: &Target, also_read: &[Prefix]) -> Vec<&str> {
        let owners = also_read.iter().flat_map(|folder| self.homes.neighbours(folder));
        others(target, owners.collect())
    }

    /// The users whose folders are inside this user's, or around it.
    pub(super) fn inside_or_around(&self, target: &Target) -> Vec<&str> {
        others(target, self.homes.inside_or_around(target.prefix()))
    }

    /// The note on who else reads the target's folder, if anybody does.
    pub fn note(&self, target: &Target) -> Option<String> {
        let who = match &self.with_access_to(target)[..] {
            [] => return None,
            [only] => format!("user {only}"),
            several => format!("users {}", several.join(", ")),
        };
        Some(format!("{who} may read {} too (--also-read)", target.folder_url()))
    }
}

fn others<'a>(target: &Target, users: BTreeSet<&'a str>) -> Vec<&'a str> {
    users.into_iter().filter(|name| *name != target.user.as_str()).collect()
}
