//! What a run has made, as far as the answers tell.

use std::hash::{BuildHasher, Hasher, RandomState};

use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::error::AwsError;
use crate::iam;
use crate::key_file::AccessKey;
use crate::names::{Target, UserName};
use crate::report::{Leftover, Step};
use crate::settle::wait_for;

/// Tells this run's work from that of any other: 64 random bits.
pub(crate) fn random_id() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}

/// Whether a thing was made by this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    No,
    /// It was asked for, and the answer leaves open whether it was made: none
    /// came, or a retry was told that the thing exists.
    Maybe,
    Yes,
}

impl Made {
    pub fn by<T>(result: &Result<T, AwsError>) -> Self {
        match result {
            Ok(_) => Self::Yes,
            Err(error) if error.is_unclear() || error.is(iam::EXISTS) => Self::Maybe,
            Err(_) => Self::No,
        }
    }

    /// Removes the thing. One that was surely made is waited for: IAM may not
    /// know of it yet.
    pub async fn remove(
        self,
        remove: impl AsyncFnMut() -> Result<bool, AwsError>,
    ) -> Result<bool, AwsError> {
        wait_for(|was_there| *was_there || self != Self::Yes, remove).await
    }
}

/// The access key that a run makes, and what undoing it takes.
pub(crate) struct NewKey<'a> {
    aws: &'a Aws,
    user: &'a UserName,
    /// The keys that the user had before.
    before: &'a [String],
    made: Made,
    id: Option<String>,
}

impl<'a> NewKey<'a> {
    pub fn not_yet(aws: &'a Aws, target: &'a Target, before: &'a [String]) -> Self {
        Self {
            aws,
            user: &target.user,
            before,
            made: Made::No,
            id: None,
        }
    }

    /// The key's ID, once it is known.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub async fn create(&mut self, cancel: &CancellationToken) -> Result<AccessKey, AwsError> {
        let key = iam::create_access_key(self.aws, self.user, cancel).await;
        self.made = Made::by(&key);
        self.id = key.as_ref().ok().map(|key| key.id().to_owned());
        key
    }

    /// Deletes the key that was made; where that is unclear, every key that
    /// the user didn't have before: nobody has its secret.
    pub async fn undo(&self, remove_with: &str, on_step: &dyn Fn(&Step)) -> Option<Leftover> {
        let undo = async {
            for id in self.ids().await? {
                let delete = async || iam::delete_access_key(self.aws, self.user, &id).await;
                self.made.remove(delete).await?;
                on_step(&Step::DeleteAccessKey(id).undoing());
            }
            Ok::<_, AwsError>(())
        };
        let id = self.id.as_deref().map(|id| format!(" {id}"));
        undo.await.is_err().then(|| Leftover {
            what: format!("access key{} of user {}", id.unwrap_or_default(), self.user),
            remove_with: remove_with.to_owned(),
        })
    }

    async fn ids(&self) -> Result<Vec<String>, AwsError> {
        if self.id.is_some() || self.made == Made::No {
            return Ok(self.id.iter().cloned().collect());
        }
        let new = async || {
            let keys = iam::access_keys(self.aws, self.user).await?;
            let is_new = |id: &String| !self.before.contains(id);
            Ok(keys.into_iter().filter(is_new).collect())
        };
        wait_for(|keys: &Vec<_>| !keys.is_empty(), new).await
    }
}
