//! Whose access has ended: by the tag and by the policy, whichever ends later, and
//! with nothing else that gives access.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::Options;
use crate::access::{BucketName, Expiry, UserName};
use crate::aws::{Aws, AwsError, Run};
use crate::errors::{Hint, Hinted, Stays};
use crate::iam::{self, User};
use crate::s3::bucket::BucketError;
use crate::workflows::inventory::{Found, Inventory, find};

/// The users of a bucket whose access has ended.
pub struct Expired {
    /// Sorted by name.
    pub users: Vec<UserName>,
    /// Whose access seems to have ended, and why they stay; a line each.
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
    options: Options,
) -> Result<Expired> {
    let inventory = Inventory::new(aws, bucket, at_a_time);
    let found = inventory.find_all(options.keep_objects).await.map_err(with_hint)?;
    let look = async |found: Found| {
        let run = inventory.run(found.target.user.clone());
        let end = end(&run, &found).await?;
        Ok::<_, AwsError>((found.target.user, end))
    };
    let mut looks = stream::iter(found).map(look).buffer_unordered(at_a_time);
    let (mut users, mut notes) = (Vec::new(), Vec::new());
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

/// The error, with what to do where the bucket is gone for good.
fn with_hint(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(BucketError::Missing { similar: None, .. }) => {
            let hint = Hint::new("if it was deleted, add --keep-objects");
            Hinted::new(error.to_string(), hint).into()
        }
        _ => error,
    }
}

/// When access of the user ended. Fails with [`Stays`] unless it has, and with this hint.
pub(super) async fn check(run: &Run, user: &User, hint: Option<Hint>) -> Result<Expiry> {
    let found = find(run, user.clone()).await?;
    let why = match end(run, &found).await? {
        End::Passed(end) => return Ok(end),
        End::Ahead => "its access has not ended".to_owned(),
        End::Disputed(why) => why,
    };
    Err(Stays { message: format!("user {} and its folder stay: {why}", run.target.user), hint }
        .into())
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

/// The end of a user's access, judged by the clock that is behind.
async fn end(run: &Run, found: &Found) -> Result<End, AwsError> {
    let end = end_of(found, run.aws.earlier_now());
    // Where a tag says nothing, no doubt must be left that nothing else gives access.
    if found.is_tagless && matches!(end, End::Passed(_)) && !iam::is_surely_in_no_group(run).await {
        return Ok(End::Ahead);
    }
    if let End::Passed(at) = end
        && iam::has_login_profile(run).await?
    {
        let why = format!("access ended at {at}, but it also has a login to the console");
        return Ok(End::Disputed(why));
    }
    Ok(end)
}

/// The same, as far as tags, policies and groups tell.
fn end_of(found: &Found, now: Timestamp) -> End {
    let tag = found.details.user.tags.expires.as_deref();
    let passed = tag.and_then(Expiry::at).filter(|end| end.has_surely_passed(now));
    let end = match (passed, end_by_policies(found, now)) {
        // Where no tags are kept, the policies are all there is.
        (None, Ok(Some(end))) if found.is_tagless => end,
        (None, _) => return End::Ahead,
        (Some(tagged), Ok(end)) => end.map_or(tagged, |end| end.max(tagged)),
        (Some(tagged), Err(but)) => {
            let why = format!("its tag says that access ended at {tagged}, but {but}");
            return End::Disputed(why);
        }
    };
    let others = found.foreign().join(", ");
    if others.is_empty() {
        return End::Passed(end);
    }
    End::Disputed(format!("access ended at {end}, but it also has {others}"))
}

/// The latest end by the user's policies of ours, which have all ended; none if it has
/// none, as a delete run that was interrupted leaves it. Fails with what speaks against
/// that.
fn end_by_policies(found: &Found, now: Timestamp) -> Result<Option<Expiry>, String> {
    let mut last = None;
    for policy in found.policies_of_ours() {
        let name = &policy.name;
        let Some(grant) = found.grant(policy) else {
            return Err(format!("its policy {name} is not as create_s3_user writes it"));
        };
        match grant.expires {
            None => return Err(format!("its policy {name} has no end")),
            Some(end) if !end.has_surely_passed(now) => {
                return Err(format!("by its policy {name} it ends at {end}"));
            }
            end => last = last.max(end),
        }
    }
    Ok(last)
}
