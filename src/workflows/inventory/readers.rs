//! Who may read whose folder by `--also-read`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Holdings, holdings};
use crate::access::{BucketName, Target, UserName, names_bucket};
use crate::aws::{Aws, Run};
use crate::iam::{self, UserDetails};
use crate::workflows::holdings::Owner;

/// All users of an account by one call; empty where that is refused or not offered,
/// since asking about each would take too long.
#[derive(Debug, Clone, Default)]
pub struct Everybody(Vec<UserDetails>);

impl Everybody {
    /// Asks once for all users, whichever bucket they were made for.
    pub async fn ask(aws: &Aws, bucket: &BucketName) -> Self {
        let all = iam::all_details(aws, |_| true, |text| names_bucket(text, bucket)).await;
        Self(all.unwrap_or_default())
    }

    /// Tells which of them may read whose folder of the run's bucket, whose region the
    /// run has found.
    pub(crate) fn readers(&self, run: &Run) -> Readers {
        Readers::among(&self.of_bucket(&run.aws, &run.target.bucket))
    }

    /// Those of them that are ours for the bucket, by the clients in its region.
    pub fn of_bucket(&self, aws: &Aws, bucket: &BucketName) -> Vec<Holdings> {
        let users = self.0.iter().filter_map(|details| holdings(bucket, aws, details.clone()));
        users.filter(|user| user.owner() == Owner::ThisBucket).collect()
    }
}

/// Which users may read the folders of which others.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// By the name of the folder's user, who may not exist yet.
    by_owner: BTreeMap<String, BTreeSet<String>>,
    /// The users there are.
    users: BTreeSet<String>,
}

impl Readers {
    /// Finds the readers among these users.
    pub fn among<'a>(users: impl IntoIterator<Item = &'a Holdings>) -> Self {
        let mut known = Self::default();
        for holdings in users {
            let reader = holdings.target.user.to_string();
            let folders = holdings.grant().unwrap_or_default().also_read;
            for owner in folders.iter().filter_map(|folder| folder.user()) {
                known.by_owner.entry(owner.to_string()).or_default().insert(reader.clone());
            }
            known.users.insert(reader);
        }
        known
    }

    /// The users who may read the folder of this one, or what is in it.
    pub fn with_access_to(&self, user: &UserName) -> Vec<&str> {
        self.by_owner.get(user.as_str()).into_iter().flatten().map(String::as_str).collect()
    }

    /// The users whose folders this one may read.
    pub(super) fn read_by(&self, user: &UserName) -> Vec<&str> {
        let mut owners = Vec::new();
        for (owner, readers) in &self.by_owner {
            if readers.contains(user.as_str()) && self.users.contains(owner) {
                owners.push(owner.as_str());
            }
        }
        owners
    }

    /// The note on who else reads the target's folder, if anybody does.
    pub fn note(&self, target: &Target) -> Option<String> {
        let who = match &self.with_access_to(&target.user)[..] {
            [] => return None,
            [only] => format!("user {only}"),
            several => format!("users {}", several.join(", ")),
        };
        Some(format!("{who} may read {} too (--also-read)", target.folder_url()))
    }
}
