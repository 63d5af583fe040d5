//! Whose access has ended: by the tag and by the policy, whichever ends later.

use anyhow::{Result, bail};

use super::Options;
use crate::access::{BucketName, Expiry, UserName};
use crate::aws::{Aws, Run};
use crate::iam::User;
use crate::workflows::inventory::{Found, Inventory, find};

/// The users of a bucket whose access has ended.
pub struct Expired {
    /// Sorted by name.
    pub users: Vec<UserName>,
    /// Whose tag alone says that access has ended, and why they stay; a line each.
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
    let (mut users, mut notes) = (Vec::new(), Vec::new());
    for found in inventory.find_all(options.keep_objects).await? {
        match end_of(&found) {
            End::Ahead => {}
            End::Passed(_) => users.push(found.target.user),
            End::Disputed(why) => notes.push(format!("user {} stays: {why}", found.target.user)),
        }
    }
    users.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    notes.sort();
    Ok(Expired { users, notes })
}

/// When access of the user ended. Fails unless it has.
pub(super) async fn check(run: &Run, user: &User) -> Result<Expiry> {
    let found = find(run, user.clone()).await?;
    match end_of(&found) {
        End::Passed(end) => Ok(end),
        End::Ahead => bail!("access of user {} has not ended", run.target.user),
        End::Disputed(why) => bail!("access of user {} has not ended: {why}", run.target.user),
    }
}

/// The end of a user's access.
enum End {
    /// There is none, or it is yet to come, or less than a minute ago.
    Ahead,
    /// It was at this time, by whichever is later of tag and policy.
    Passed(Expiry),
    /// The tag says that it has passed, and the policies don't.
    Disputed(String),
}

fn end_of(found: &Found) -> End {
    let tagged = found.details.user.tags.expires.as_deref();
    let tagged = tagged.and_then(Expiry::at);
    let by_policies = end_by_policies(found);
    match (tagged.filter(Expiry::has_surely_passed), by_policies) {
        // Where no tags are kept, the policies are all there is.
        (None, Ok(Some(end))) if found.is_tagless && !found.has_others() => End::Passed(end),
        (None, _) => End::Ahead,
        (Some(tagged), Ok(end)) => End::Passed(end.map_or(tagged, |end| end.max(tagged))),
        (Some(tagged), Err(but)) => End::Disputed(format!(
            "its tag says that access ended at {tagged}, but {but}"
        )),
    }
}

/// The latest end by the user's policies, which have all ended; none if it has none
/// at all. Fails with what speaks against that.
fn end_by_policies(found: &Found) -> Result<Option<Expiry>, String> {
    let mut last = None;
    for policy in found.policies_of_ours() {
        let name = &policy.name;
        let Some(grant) = found.grant(policy) else {
            return Err(format!(
                "its policy {name} is not as create_s3_user writes it"
            ));
        };
        match grant.expires {
            None => return Err(format!("its policy {name} has no end")),
            Some(end) if !end.has_surely_passed() => {
                return Err(format!("by its policy {name} it ends at {end}"));
            }
            end => last = last.max(end),
        }
    }
    // A delete run that was interrupted leaves a user without any.
    if last.is_none() && found.has_others() {
        return Err("it has policies or groups that are not ours".to_owned());
    }
    Ok(last)
}
