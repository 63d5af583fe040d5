//! Finding the user that a run is about, and making sure that it is ours for the
//! bucket, as surely as what is done with it needs.

use anyhow::{Result, ensure};

use super::holdings::{Holdings, Owner};
use super::inventory::Everybody;
use crate::access::{
    BucketName, Expiry, Grant, Target, UserName, path_of_users, read_policy, similar_name,
};
use crate::aws::{Aws, AwsError, Run};
use crate::commands;
use crate::errors::{ErrorKind, Hint, Hinted, Stays, did_you_mean};
use crate::iam::{self, PolicyInfo, User};
use crate::s3::bucket::{self, BucketError};

/// The use that a run makes of a user, and so how sure it must be that it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To show it.
    List,
    /// To make its keys inactive.
    Suspend,
    /// To replace its policy.
    Update,
    /// To give it a key, or make its keys active.
    GiveKey,
    /// To delete it with its folder.
    Delete,
}

/// Finds the run's bucket and user, which must be ours for it. Returns the run in the
/// bucket's region and with the user's folder, as far as that is known.
pub(super) async fn find_ours(run: &Run, purpose: Purpose) -> Result<(Run, Holdings)> {
    let (bucket, user) = look_up(run, &Everybody::default()).await?;
    let in_region = reachable(&run.aws, bucket).await?;
    let Some(user) = user else {
        return Err(no_such_user(&in_region).await);
    };
    let unread = Holdings::unread(&in_region, user);
    let mut holdings = check_ours(&in_region, unread, purpose).await?;
    match holdings.folder_to_show(&in_region).await {
        Some(folder) => Ok((in_region.in_folder(folder), holdings)),
        None => Ok((in_region, holdings)),
    }
}

/// Looks for the bucket and the user at once: the run in the bucket's region,
/// or why there is none, and the user if there is one.
pub(super) async fn look_up(
    run: &Run,
    everybody: &Everybody,
) -> Result<(Result<Run, BucketError>, Option<User>), AwsError> {
    let (bucket, user) = tokio::join!(find_bucket(run, everybody), iam::get_user(run));
    // A failed GetUser tells why; a refused HeadBucket has no code for that.
    Ok((bucket, user?))
}

/// The run in the bucket's region, or why there is none.
pub(super) async fn find_bucket(run: &Run, everybody: &Everybody) -> Result<Run, BucketError> {
    Ok(run.with_aws(everybody.in_region(&run.aws, &run.target.bucket).await?))
}

/// Returns what was found in the bucket's region. The error that there is no such bucket
/// names a similar one.
pub(super) async fn reachable<T>(aws: &Aws, found: Result<T, BucketError>) -> Result<T> {
    match found {
        Err(BucketError::Missing { bucket, .. }) => {
            let names = bucket::all_names(aws).await;
            let similar = similar_name(bucket.as_str(), &names).cloned();
            Err(BucketError::Missing { bucket, similar }.into())
        }
        found => Ok(found?),
    }
}

/// The error that there is no such user. It names one of a similar name, if that is ours.
pub(super) async fn no_such_user(run: &Run) -> anyhow::Error {
    let similar = similar_user(run).await;
    let suggestion = did_you_mean(similar.as_ref().map(UserName::as_str));
    let list = Hint::run("to see all users", commands::list_users(&run.target.bucket));
    let hints = if similar.is_some() { Vec::new() } else { vec![list] };
    let message = format!("there is no user {}{suggestion}", run.target.user);
    Hinted { message, hints, kind: ErrorKind::NoSuchUser }.into()
}

async fn similar_user(run: &Run) -> Option<UserName> {
    let path = path_of_users(&run.target.bucket);
    let (folders, users) =
        tokio::join!(bucket::folders(run, ""), iam::users_under_path(run, &path));
    let mut names = folders.unwrap_or_default();
    names.extend(users.unwrap_or_default().into_iter().map(|user| user.name));
    let similar: UserName = similar_name(run.user(), &names)?.parse().ok()?;
    is_ours(&run.for_user(similar.clone())).await.then_some(similar)
}

/// Fails unless the user has this very name, and is ours for the bucket, as surely
/// as the purpose needs. Returns what the user holds, as far as that had to be read.
///
/// A tag is enough. Without one, the user may have nothing but what we gave it, or it
/// may be somebody's own.
pub(super) async fn check_ours(
    run: &Run,
    mut holdings: Holdings,
    purpose: Purpose,
) -> Result<Holdings> {
    check_name(run, &holdings.user)?;
    holdings.read_for_owner(run).await?;
    let refusal = match refusal_by_owner(&run.target, holdings.owner(), purpose) {
        None if holdings.user.tags.bucket.is_none() && purpose != Purpose::List => {
            refusal_by_extras(run, &holdings).await?
        }
        by_owner => by_owner,
    };
    match refusal {
        None => Ok(holdings),
        Some(refusal) => Err(refusal.into_error(run, &holdings.user, purpose).await),
    }
}

/// Fails unless the user has this very name: IAM finds it by another spelling,
/// whose folder is somebody else's.
pub(super) fn check_name(run: &Run, user: &User) -> Result<()> {
    let name = &run.target.user;
    ensure!(
        user.name == name.as_str(),
        "there is no user {name}, only {}; upper and lower case matter",
        user.name
    );
    Ok(())
}

/// The reason why a user doesn't count as ours.
struct Refusal {
    message: String,
    /// The bucket it was made for, if that is known.
    made_for: Option<BucketName>,
    /// True if it may be ours all the same, since it has a policy with one of our names.
    is_doubtful: bool,
}

/// The refusal of a user whose owner is not enough for the purpose.
fn refusal_by_owner(target: &Target, owner: Owner, purpose: Purpose) -> Option<Refusal> {
    let Target { user, .. } = target;
    match owner {
        Owner::ThisBucket => None,
        Owner::Edited(_) if !matches!(purpose, Purpose::GiveKey | Purpose::Delete) => None,
        Owner::Edited(policy) => Some(Refusal::certain(format!(
            "policy {policy} of user {user} is not as create_s3_user writes it"
        ))),
        Owner::OtherBucket(belongs, made_for) => {
            Some(Refusal { made_for, ..Refusal::certain(format!("user {user} {belongs}")) })
        }
        Owner::NotOurs(Some(policy)) => Some(Refusal::doubtful(format!(
            "user {user} was not created by create_s3_user: it has no tag s3-user:bucket, \
             and its policy {policy} is not as that program writes it"
        ))),
        Owner::NotOurs(None) => Some(Refusal::certain(format!(
            "user {user} was not created by create_s3_user: it has neither the tag \
             s3-user:bucket nor a policy that create_s3_user writes"
        ))),
    }
}

/// The refusal of a user without a tag that has more than what we give: it may be
/// somebody's own.
async fn refusal_by_extras(run: &Run, holdings: &Holdings) -> Result<Option<Refusal>, AwsError> {
    let policies = holdings.other_policies();
    let mut more: Vec<_> = policies.iter().map(|it| format!("has policy {}", it.name)).collect();
    more.extend(holdings.groups.iter().map(|name| format!("is in group {name}")));
    if iam::has_login_profile(run).await? {
        more.push("has a login profile".to_owned());
    }
    if more.is_empty() {
        return Ok(None);
    }
    Ok(Some(Refusal::doubtful(format!(
        "user {} has no tag, so it may not have been made by create_s3_user: it also {}",
        run.target.user,
        more.join(", ")
    ))))
}

impl Refusal {
    fn certain(message: String) -> Self {
        Self { message, made_for: None, is_doubtful: false }
    }

    fn doubtful(message: String) -> Self {
        Self { is_doubtful: true, ..Self::certain(message) }
    }

    /// The error, with what can be done about it.
    async fn into_error(self, run: &Run, user: &User, purpose: Purpose) -> anyhow::Error {
        let Self { message, made_for, is_doubtful } = self;
        let words = "if it was made for this bucket, tag it, then run the same command again";
        let tag_hint = Hint::run(words, commands::tag_user(&run.target));
        let hints = match purpose {
            Purpose::Delete => vec![delete_hint(run, made_for)],
            Purpose::Suspend if is_doubtful => suspend_hints(run).await,
            Purpose::Update | Purpose::GiveKey
                if is_doubtful && iam::keeps_tags(run, user).await =>
            {
                vec![tag_hint]
            }
            _ => Vec::new(),
        };
        Hinted { message, hints, kind: ErrorKind::NotOurs }.into()
    }
}

fn delete_hint(run: &Run, made_for: Option<BucketName>) -> Hint {
    match made_for {
        Some(bucket) => Hint::run(
            "to delete it with its folder there, run",
            commands::delete_user_and_folder(&bucket, run.user()),
        ),
        None => Hint::new(format!(
            "check the name; to delete user {} anyway, add --force, and --keep-objects or \
             --folder FOLDER/",
            run.target.user
        )),
    }
}

async fn suspend_hints(run: &Run) -> Vec<Hint> {
    let mut hints = Vec::new();
    for key in iam::access_keys(run).await.unwrap_or_default() {
        if key.is_active {
            let suspend = commands::suspend_access_key(run.user(), &key.id);
            hints.push(Hint::run("to suspend it anyway, run", suspend));
        }
    }
    hints
}

/// True if the run's user exists, under this very name, and is ours for the bucket.
async fn is_ours(run: &Run) -> bool {
    match iam::get_user(run).await {
        Ok(Some(user)) => check_ours(run, Holdings::unread(run, user), Purpose::List).await.is_ok(),
        _ => false,
    }
}

/// The hint to give all of the user's access anew.
pub(super) fn set_access_hint(target: &Target, grant: &Grant) -> Hint {
    let words = "to set all of the user's access, run for example";
    Hint::run(words, commands::set_access(target, grant))
}

/// Fails with [`Stays`] if somebody else has the user's name by now. Returns the user,
/// if it is still there.
pub(super) async fn check_same(run: &Run, seen: Option<&User>) -> Result<Option<User>> {
    let found = iam::get_user(run).await?;
    let change = match (&found, seen) {
        (Some(found), Some(seen)) if found.id != seen.id => {
            "was deleted and created again meanwhile; the new user and its files stay"
        }
        (Some(_), None) => "was created meanwhile; the user and its files stay",
        _ => return Ok(found),
    };
    Err(Stays { message: format!("user {} {change}", run.target.user), hint: None }.into())
}

/// The note that the user's access has ended, if it has: by its tag, or by its policy
/// on a store that keeps no tags.
pub(super) fn ended_note(holdings: &Holdings) -> Option<String> {
    let end = if holdings.is_tagless {
        holdings.grant()?.expires
    } else {
        holdings.user.tags.expires.as_deref().and_then(Expiry::at)
    };
    let ended = end.filter(Expiry::has_passed)?;
    Some(format!("access ended on {}; --update --expires restores it", ended.in_words()))
}

/// True if nothing uses the policy, and it was made for the run's bucket and a user of
/// that name.
pub(super) async fn is_unused_and_ours(run: &Run, policy: &PolicyInfo) -> Result<bool, AwsError> {
    if policy.uses > 0 {
        return Ok(false);
    }
    if let Some(tagged) = &policy.tags.bucket {
        return Ok(tagged == run.bucket());
    }
    let text = iam::policy_document(run, policy).await?;
    let name = policy.to_managed().name;
    Ok(read_policy(&name, &text, &run.target.bucket, &run.aws.region).is_some())
}
