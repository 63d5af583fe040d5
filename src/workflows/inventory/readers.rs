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
    readers: BTreeMap<String, BTreeSet<String>>,
    /// The users there are.
    users: BTreeSet<String>,
}

impl Readers {
    /// Those among these users.
    pub fn among<'a>(users: impl IntoIterator<Item = &'a Holdings>) -> Self {
        let mut known = Self::default();
        for holdings in users {
            let reader = holdings.target.user.to_string();
            let grant = holdings.grant().unwrap_or_default();
            for owner in grant.also_read.iter().filter_map(|folder| folder.user()) {
                let readers = known.readers.entry(owner.to_string()).or_default();
                readers.insert(reader.clone());
            }
            known.users.insert(reader);
        }
        known
    }

    /// The users who may read the folder of this one, or what is in it.
    pub fn of(&self, user: &UserName) -> Vec<&str> {
        let readers = self.readers.get(user.as_str()).into_iter().flatten();
        readers.map(String::as_str).collect()
    }

    /// The users whose folders this one may read.
    pub(super) fn read_by(&self, user: &UserName) -> Vec<&str> {
        self.readers
            .iter()
            .filter(|(owner, readers)| {
                readers.contains(user.as_str()) && self.users.contains(*owner)
            })
            .map(|(owner, _)| owner.as_str())
            .collect()
    }

    /// The note on who else reads the target's folder, if anybody does.
    pub fn note(&self, target: &Target) -> Option<String> {
        let readers = self.of(&target.user);
        if readers.is_empty() {
            return None;
        }
        let s = if readers.len() == 1 { "" } else { "s" };
        Some(format!(
            "user{s} {} may read {} too (--also-read)",
            readers.join(", "),
            target.folder_url()
        ))
    }
}
