//! Who may read whose folder by `--also-read`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, Owner};
use crate::access::{BucketName, Target, UserName, names_bucket};
use crate::aws::{Aws, Run};
use crate::iam::{self, UserDetails};

/// All users of an account, as far as one call tells; none where that is refused or
/// not offered, and then nobody is asked about one by one.
#[derive(Debug, Clone, Default)]
pub struct Everybody(Vec<UserDetails>);

impl Everybody {
    /// Asks once for all users, whichever bucket they are of.
    pub async fn ask(aws: &Aws, bucket: &BucketName) -> Self {
        let telling = |text: &str| names_bucket(text, bucket);
        let all = iam::all_details(aws, |_| true, telling).await;
        Self(all.unwrap_or_default())
    }

    /// Who of them may read whose folder of the bucket that a run is for, which has
    /// found the bucket's region.
    pub(crate) fn readers(&self, run: &Run) -> Readers {
        Readers::among(&self.of_bucket(&run.aws, &run.target.bucket))
    }

    /// Those of them that are ours for the bucket, by the clients in its region.
    pub fn of_bucket(&self, aws: &Aws, bucket: &BucketName) -> Vec<Found> {
        let found = self.0.iter().filter_map(|details| {
            let user = details.user.name.parse().ok()?;
            let bucket = bucket.clone();
            Some(Found::new(Target { bucket, user }, aws, details.clone()))
        });
        found.filter(|it| it.owner() == Owner::ThisBucket).collect()
    }
}

/// Which users may read the folders of which others.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// By the name of the one whose folder it is, which may be nobody's yet.
    readers: BTreeMap<String, BTreeSet<String>>,
    /// The users there are.
    users: BTreeSet<String>,
}

impl Readers {
    /// Those among these users.
    pub fn among<'a>(users: impl IntoIterator<Item = &'a Found>) -> Self {
        let mut known = Self::default();
        for found in users {
            let reader = found.target.user.to_string();
            let grant = found.access().unwrap_or_default();
            let owners = grant.also_read.iter().filter_map(|folder| folder.user());
            for owner in owners {
                let readers = known.readers.entry(owner.to_string()).or_default();
                readers.insert(reader.clone());
            }
            known.users.insert(reader);
        }
        known
    }

    /// Who may read the folder of this user, or what is in it.
    pub fn of(&self, user: &UserName) -> Vec<&str> {
        let readers = self.readers.get(user.as_str()).into_iter().flatten();
        readers.map(String::as_str).collect()
    }

    /// The users whose folders this one may read.
    pub(super) fn read_by(&self, user: &UserName) -> Vec<&str> {
        let shared = self.readers.iter();
        let shared = shared.filter(|(_, readers)| readers.contains(user.as_str()));
        let owners = shared.map(|(owner, _)| owner.as_str());
        owners.filter(|owner| self.users.contains(*owner)).collect()
    }

    /// What the admin should know of who else reads the target's folder.
    pub fn note(&self, target: &Target) -> Option<String> {
        let readers = self.of(&target.user);
        let s = if readers.len() == 1 { "" } else { "s" };
        let note = format!(
            "user{s} {} may read {} too (--also-read)",
            readers.join(", "),
            target.folder_url()
        );
        (!readers.is_empty()).then_some(note)
    }
}
