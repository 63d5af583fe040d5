//! Who else lives at a folder: in the same one, inside it, or around it.

use std::future::ready;

use super::holdings::{Holdings, Owner};
use crate::access::{Prefix, UserName, folder_path, managed_policy_name};
use crate::aws::{AwsError, Run};
use crate::iam::{self, User};

/// The other users whose folders overlap with one.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The users who have the same folder, by name.
    pub same: Vec<String>,
    /// The users whose folders are inside it.
    pub inside: Vec<String>,
    /// The users whose folders are around it.
    pub around: Vec<String>,
}

impl Neighbours {
    /// Finds who else lives at the run's folder, whose own user is left out.
    ///
    /// By the IAM paths of users, by the user whom the top folder is named after, and by
    /// the policy that is named after that. A user whose folder nothing tells counts as
    /// living there.
    pub async fn find(run: &Run, own: Option<&Holdings>) -> Result<Self, AwsError> {
        let top = run.target.prefix().top();
        Self::among(run, own.map(|own| &own.user), by_policy(run, &top, own)).await
    }

    /// Finds who lives at the folder of a user that is to be created. Where it `gets_policy`
    /// of its own name, IAM itself refuses a second one of that name.
    pub async fn of_new(run: &Run, gets_policy: bool) -> Result<Self, AwsError> {
        let top = run.target.prefix().top();
        if gets_policy && top.user().as_ref() == Some(&run.target.user) {
            return Self::among(run, None, ready(Ok(Vec::new()))).await;
        }
        Self::among(run, None, by_policy(run, &top, None)).await
    }

    async fn among(
        run: &Run,
        own: Option<&User>,
        by_policy: impl Future<Output = Result<Vec<Resident>, AwsError>>,
    ) -> Result<Self, AwsError> {
        let folder = run.target.prefix();
        let top = folder.top();
        let (by_path, by_name, by_policy) = tokio::try_join!(
            Box::pin(by_path(run, &top)),
            Box::pin(by_name(run, &top)),
            Box::pin(by_policy),
        )?;
        let mut others = [by_path, by_name, by_policy].concat();
        others.retain(|(user, _)| own.is_none_or(|own| own.id != user.id));
        others.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        others.dedup_by(|(one, _), (other, _)| one.id == other.id);
        let mut found = Self::default();
        for (User { name, .. }, other) in others {
            if other == *folder {
                found.same.push(name);
            } else if other.is_inside(folder) {
                found.inside.push(name);
            } else if folder.is_inside(&other) {
                found.around.push(name);
            }
        }
        Ok(found)
    }
}

/// A user with its folder.
type Resident = (User, Prefix);

/// Finds the users whose IAM path names the top folder or one in it.
async fn by_path(run: &Run, top: &Prefix) -> Result<Vec<Resident>, AwsError> {
    // No user has a path that is longer than IAM takes.
    let Some(path) = folder_path(&run.target.bucket, top) else { return Ok(Vec::new()) };
    let users = iam::users_under_path(run, &path).await?.into_iter();
    Ok(users.map(|user| (user.clone(), folder_of(run, user, top))).collect())
}

/// The folder by the user's tag and path, or the likely one where neither tells.
fn folder_of(run: &Run, user: User, likely: &Prefix) -> Prefix {
    match Holdings::unread(run, user).folder() {
        Ok(Some(folder)) => folder,
        _ => likely.clone(),
    }
}

/// Finds the user whom the top folder is named after, if that is ours.
async fn by_name(run: &Run, top: &Prefix) -> Result<Vec<Resident>, AwsError> {
    let Some(name) = top.user().filter(|name| *name != run.target.user) else {
        return Ok(Vec::new());
    };
    let run = run.for_user(name);
    let Some(user) = iam::get_user(&run).await?.filter(|user| user.name == run.user()) else {
        return Ok(Vec::new());
    };
    let mut holdings = Holdings::find(&run, user.clone()).await?;
    if matches!(holdings.owner(), Owner::OtherBucket(..) | Owner::NotOurs(None)) {
        return Ok(Vec::new());
    }
    let folder = holdings.folder_to_show(&run).await.unwrap_or_else(|| top.clone());
    Ok(vec![(user, folder)])
}

/// Finds the users that have the policy named after the top folder's user, who may have
/// been renamed.
async fn by_policy(
    run: &Run,
    top: &Prefix,
    own: Option<&Holdings>,
) -> Result<Vec<Resident>, AwsError> {
    let Some(namesake) = top.user() else { return Ok(Vec::new()) };
    let mut residents = Vec::new();
    for name in users_of_policy(run, &managed_policy_name(&namesake), own).await? {
        // Whom the folder is named after is asked about by its name.
        if name == namesake {
            continue;
        }
        if let Some(user) = iam::get_user(&run.for_user(name)).await? {
            residents.push((user.clone(), folder_of(run, user, top)));
        }
    }
    Ok(residents)
}

/// Lists the users that a managed policy of this name is attached to, if there are others
/// than the own one.
async fn users_of_policy(
    run: &Run,
    name: &str,
    own: Option<&Holdings>,
) -> Result<Vec<UserName>, AwsError> {
    let arn = match own {
        Some(own) => iam::policy_arn(&own.user, name),
        None => iam::policy_arn_of_caller(run, name).await,
    };
    let Some(arn) = arn else { return Ok(Vec::new()) };
    let is_on_own = own.is_some_and(|own| own.has_attached(&arn));
    match iam::get_policy(run, &arn).await? {
        Some(policy) if policy.uses > i32::from(is_on_own) => {}
        _ => return Ok(Vec::new()),
    }
    let names = iam::policy_users(run, &arn).await?.into_iter();
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}
