//! The end of a user's access: by its tag and by its policy, whichever is later, if
//! nothing else gives access.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::DeleteOptions;
use crate::access::{BucketName, Expiry, UserName};
use crate::aws::{Aws, AwsError, Run};
use crate::errors::{ErrorKind, Hint, Hinted, Stays};
use crate::iam::{self, Policy};
use crate::s3::bucket::BucketError;
use crate::workflows::holdings::Holdings;
use crate::workflows::inventory::Inventory;

/// The users of a bucket whose access has ended.
pub struct Expired {
    /// Sorted by name.
    pub users: Vec<UserName>,
    /// The users who stay although their access seems to have ended, and why; a line each.
    pub notes: Vec<String>,
}

/// Finds the users of ours whose access to the bucket has ended, and changes
/// nothing.
///
/// They are looked at up to `at_a_time` at once, where that takes calls for each.
pub async fn expired(
    aws: &Aws,
    bucket: &BucketName,
    at_a_time: usize,
    options: &DeleteOptions,
) -> Result<Expired> {
    let inventory =
        Inventory::new(aws, bucket, at_a_time).even_without_bucket(options.keep_objects);
    let mut looks = stream::iter(inventory.all().await.map_err(with_hint)?)
        .map(async |holdings: Holdings| {
            let end = End::find(&inventory.run(holdings.target.user.clone()), &holdings).await?;
            Ok::<_, AwsError>((holdings.target.user, end))
        })
        .buffer_unordered(at_a_time);
    let mut users = Vec::new();
    let mut notes = Vec::new();
    while let Some((user, end)) = looks.try_next().await? {
        match end {
            End::Ahead => {}
            End::Passed(_) => users.push(user),
            End::Disputed(why) => notes.push(format!("user {user} stays: {why}")),
        }
    }
    users.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    notes.sort();
    Ok(Expired { users, notes })
}

/// Adds to the error that the bucket is missing what to do if it is gone for good.
fn with_hint(error: anyhow::Error) -> anyhow::Error {
    if let Some(BucketError::Missing { similar: None, .. }) = error.downcast_ref() {
        let hint = Hint::new("if it was deleted, add --keep-objects");
        let hinted = Hinted::new(error.to_string(), hint);
        return hinted.of_kind(ErrorKind::NoSuchBucket).into();
    }
    error
}

/// Returns when access of the user ended. Fails with [`Stays`] unless it has, and with
/// this hint.
pub(super) async fn check(run: &Run, holdings: &Holdings, hint: Option<Hint>) -> Result<Expiry> {
    let why = match End::find(run, holdings).await? {
        End::Passed(end) => return Ok(end),
        End::Ahead => "its access has not ended".to_owned(),
        End::Disputed(why) => why,
    };
    let message = format!("user {} and its folder stay: {why}", run.target.user);
    Err(Stays { message, hint }.into())
}

/// The end of a user's access.
enum End {
    /// There is none, or it is yet to come, or less than a minute ago.
    Ahead,
    /// It was at this time, by whichever is later of tag and policy.
    Passed(Expiry),
    /// Something says that it has passed, and something else speaks against that.
    Disputed(String),
}

impl End {
    /// Finds the end of a user's access, judged by the clock that is behind.
    async fn find(run: &Run, holdings: &Holdings) -> Result<Self, AwsError> {
        match Self::shown_by(holdings, run.aws.earlier_now()) {
            // Without a tag that says so, it must be certain that no group gives access.
            Self::Passed(_) if holdings.is_tagless && !iam::is_surely_in_no_group(run).await => {
                Ok(Self::Ahead)
            }
            Self::Passed(at) if iam::has_login_profile(run).await? => Ok(Self::Disputed(format!(
                "access ended on {}, but it also has a login to the console",
                at.in_words()
            ))),
            end => Ok(end),
        }
    }

    /// The end as far as tags, policies and groups show it.
    fn shown_by(holdings: &Holdings, now: Timestamp) -> Self {
        let tag = holdings.user.tags.expires.as_deref();
        let passed = tag.and_then(Expiry::at).filter(|at| at.has_surely_passed(now));
        let end = match (passed, end_by_policies(holdings, now)) {
            // Where no tags are kept, the policies are all there is.
            (None, Ok(Some(by_policies))) if holdings.is_tagless => by_policies,
            (None, _) => return Self::Ahead,
            (Some(tagged), Ok(by_policies)) => by_policies.map_or(tagged, |at| at.max(tagged)),
            (Some(tagged), Err(but)) => {
                let why =
                    format!("its tag says that access ended on {}, but {but}", tagged.in_words());
                return Self::Disputed(why);
            }
        };
        let others = holdings.foreign().join(", ");
        if others.is_empty() {
            return Self::Passed(end);
        }
        Self::Disputed(format!("access ended on {}, but it also has {others}", end.in_words()))
    }
}

/// The latest end by the user's policies of ours, which have all ended; none if it has
/// no such policy, as an interrupted delete run leaves it. Fails with the reason if one
/// has not ended.
fn end_by_policies(holdings: &Holdings, now: Timestamp) -> Result<Option<Expiry>, String> {
    let mut last = None;
    for policy in holdings.our_policies() {
        let Policy { name, .. } = policy;
        let Some(grant) = holdings.grant_by(policy) else {
            return Err(format!("its policy {name} is not as create_s3_user writes it"));
        };
        match grant.expires {
            None => return Err(format!("its policy {name} has no end")),
            Some(end) if !end.has_surely_passed(now) => {
                return Err(format!("by its policy {name} it ends on {}", end.in_words()));
            }
            end => last = last.max(end),
        }
    }
    Ok(last)
}
