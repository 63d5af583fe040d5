//! Whether an IAM user is one of ours, and for which bucket.

use anyhow::{Result, bail, ensure};

use super::inventory::{Found, Owner, find};
use crate::access::{
    BucketName, Expiry, INLINE_POLICY_NAME, SharedPrefix, Target, UserName, grant_of_policy,
    is_of_scripts, managed_policy_name, names_made_for, nearest,
};
use crate::aws::{Aws, AwsError, Run};
use crate::commands;
use crate::errors::{Hint, Hinted, Stays, did_you_mean};
use crate::iam::{self, PolicyInfo, User};
use crate::removal::ManagedPolicy;
use crate::s3::bucket::{self, BucketError};

/// What a run does with a user, and so how sure it must be that the user is ours.
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

/// For which bucket the user was made: by its tag; where there is none, by its
/// policies.
pub(crate) async fn owner(run: &Run, user: &User) -> Result<Owner, AwsError> {
    match Owner::by_tag(user, &run.target.bucket) {
        Some(owner) => Ok(owner),
        None => Ok(find(run, user.clone()).await?.owner()),
    }
}

/// Why a user doesn't count as ours.
struct NotOurs {
    message: String,
    /// The bucket it was made for, if that is known.
    made_for: Option<BucketName>,
    /// Whether it may be ours all the same, since it has a policy with one of our names.
    is_doubtful: bool,
}

/// Fails unless the user has this very name, and is ours for the bucket, as surely
/// as the purpose needs.
///
/// What a tag says is enough. Without one, the user may have nothing but what we
/// gave it, or it may be somebody's own.
pub(super) async fn check_ours(run: &Run, user: &User, purpose: Purpose) -> Result<()> {
    check_name(run, user)?;
    let not_ours = match Owner::by_tag(user, &run.target.bucket) {
        Some(owner) => why_not(run, owner, purpose),
        None => {
            let found = find(run, user.clone()).await?;
            match why_not(run, found.owner(), purpose) {
                None if purpose != Purpose::List => why_more(run, &found).await?,
                why_not => why_not,
            }
        }
    };
    match not_ours {
        None => Ok(()),
        Some(not_ours) => Err(refused(run, user, purpose, not_ours).await),
    }
}

/// Why an owner is not enough for the purpose, unless it is.
fn why_not(run: &Run, owner: Owner, purpose: Purpose) -> Option<NotOurs> {
    let Target { bucket, user } = &run.target;
    let not_created = format!("user {user} was not created by create_s3_user");
    let (message, made_for) = match owner {
        Owner::ThisBucket => return None,
        Owner::Edited(_) if !matches!(purpose, Purpose::GiveKey | Purpose::Delete) => return None,
        Owner::Edited(policy) => {
            let message =
                format!("policy {policy} of user {user} is not as create_s3_user writes it");
            (message, None)
        }
        Owner::OtherBucket(found, made_for) => {
            (format!("user {user} was not made for bucket {bucket}: {found}"), made_for)
        }
        Owner::Nobody(Some(policy)) => {
            let found = format!("its policy {policy} is not as that program writes it");
            return Some(NotOurs {
                message: format!("{not_created}: it has no tag s3-user:bucket, and {found}"),
                made_for: None,
                is_doubtful: true,
            });
        }
        Owner::Nobody(None) => {
            let found = "it has neither the tag s3-user:bucket nor one of that program's policies";
            (format!("{not_created}: {found}"), None)
        }
    };
    Some(NotOurs { message, made_for, is_doubtful: false })
}

/// Why a user without a tag may be somebody's own: it has more than what we give.
async fn why_more(run: &Run, found: &Found) -> Result<Option<NotOurs>, AwsError> {
    let mut more = found.others();
    if iam::has_login_profile(run).await? {
        more.push("has a login profile".to_owned());
    }
    if more.is_empty() {
        return Ok(None);
    }
    Ok(Some(NotOurs {
        message: format!(
            "user {} has no tag, so it may not have been made by create_s3_user: it also {}",
            run.target.user,
            more.join(", ")
        ),
        made_for: None,
        is_doubtful: true,
    }))
}

/// The error of a user that isn't ours, with what can be done about it.
async fn refused(run: &Run, user: &User, purpose: Purpose, not_ours: NotOurs) -> anyhow::Error {
    let NotOurs { message, made_for, is_doubtful } = not_ours;
    let hints = match purpose {
        Purpose::Delete => vec![delete_hint(run, made_for)],
        Purpose::Suspend if is_doubtful => suspend_hints(run).await,
        Purpose::Update | Purpose::GiveKey if is_doubtful && iam::keeps_tags(run, user).await => {
            let words = "if it was made for this bucket, tag it, then run the same command again";
            vec![Hint::run(words, commands::tag_user(&run.target))]
        }
        _ => Vec::new(),
    };
    Hinted { message, hints }.into()
}

fn delete_hint(run: &Run, made_for: Option<BucketName>) -> Hint {
    let user = run.user();
    match made_for {
        Some(bucket) => {
            let delete = commands::delete_user_and_folder(&bucket, user);
            Hint::run("to delete it with its folder there, run", delete)
        }
        None => Hint::new(format!(
            "check the name; to delete user {user} and all objects in {} anyway, add --force",
            run.target.folder_url()
        )),
    }
}

async fn suspend_hints(run: &Run) -> Vec<Hint> {
    let keys = iam::access_keys(run).await.unwrap_or_default();
    let active = keys.iter().filter(|key| key.is_active);
    active
        .map(|key| {
            let suspend = commands::suspend_access_key(run.user(), &key.id);
            Hint::run("to suspend it anyway, run", suspend)
        })
        .collect()
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

/// Fails with [`Stays`] if somebody else has the user's name by now. Returns the user,
/// if it is still there.
pub(super) async fn check_same(run: &Run, seen: Option<&User>) -> Result<Option<User>> {
    let found = iam::get_user(run).await?;
    let what = match (&found, seen) {
        (Some(found), Some(seen)) if found.id != seen.id => {
            "was deleted and created again meanwhile; the new user and its files stay"
        }
        (Some(_), None) => "was created meanwhile; the user and its files stay",
        _ => return Ok(found),
    };
    Err(Stays { message: format!("user {} {what}", run.target.user), hint: None }.into())
}

/// Looks for the bucket and the user at once: the run in the bucket's region,
/// or why there is none, and the user if there is one.
pub(super) async fn look_up(
    run: &Run,
) -> Result<(Result<Run, BucketError>, Option<User>), AwsError> {
    let bucket = bucket::find(&run.aws, &run.target.bucket);
    let (bucket, user) = tokio::join!(bucket, iam::get_user(run));
    // A failed GetUser tells why; a refused HeadBucket has no code for that.
    Ok((bucket.map(|aws| run.with_aws(aws)), user?))
}

/// Returns what was found in the bucket's region. The error that there is no such bucket
/// names a similar one.
pub(super) async fn reachable<T>(aws: &Aws, found: Result<T, BucketError>) -> Result<T> {
    match found {
        Err(BucketError::Missing { bucket, .. }) => {
            let similar = nearest(bucket.as_str(), &bucket::all_names(aws).await);
            Err(BucketError::Missing { bucket, similar }.into())
        }
        found => Ok(found?),
    }
}

/// The run in the bucket's region and the user, which must be ours for the bucket,
/// as surely as the purpose needs.
pub(super) async fn find_ours(run: &Run, purpose: Purpose) -> Result<(Run, User)> {
    let (bucket, user) = look_up(run).await?;
    let run = reachable(&run.aws, bucket).await?;
    let Some(user) = user else {
        return Err(no_such_user(&run).await);
    };
    check_ours(&run, &user, purpose).await?;
    Ok((run, user))
}

/// The error that there is no such user. It names one of a similar name, if that is ours.
pub(super) async fn no_such_user(run: &Run) -> anyhow::Error {
    let message = format!("there is no user {}", run.target.user);
    if let Some(similar) = similar_user(run).await {
        let message = message + &did_you_mean(Some(similar.as_str()));
        return Hinted { message, hints: Vec::new() }.into();
    }
    let list = commands::list_users(&run.target.bucket);
    Hinted::new(message, Hint::run("to see all users", list)).into()
}

async fn similar_user(run: &Run) -> Option<UserName> {
    let folders = bucket::folders(run).await.ok()?;
    let similar: UserName = nearest(run.user(), &folders)?.parse().ok()?;
    is_ours(&run.for_user(similar.clone())).await.then_some(similar)
}

/// Whether the run's user exists, under this very name, and is ours for the
/// bucket.
pub(crate) async fn is_ours(run: &Run) -> bool {
    match iam::get_user(run).await {
        Ok(Some(user)) => check_ours(run, &user, Purpose::List).await.is_ok(),
        _ => false,
    }
}

/// That the user's access has ended: by its tag, or by its policy on a store that
/// keeps no tags.
pub(super) async fn ended_note(run: &Run, user: &User) -> Result<Option<String>, AwsError> {
    let by_tag = user.tags.expires.as_deref().and_then(Expiry::at);
    let expires = if iam::keeps_tags(run, user).await {
        by_tag
    } else {
        let grant = find(run, user.clone()).await?.access();
        grant.and_then(|grant| grant.expires)
    };
    let ended = expires.filter(Expiry::has_passed);
    Ok(ended.map(|ended| format!("access ended at {ended}; --update extends it")))
}

/// What the admin should know of folders that the run's user is to read: which
/// of them hold another user's files, a line each.
pub(super) async fn folder_notes(run: &Run, folders: &[SharedPrefix]) -> Vec<String> {
    let mut notes = Vec::new();
    for folder in folders {
        let Some(other) = folder.user() else { continue };
        if is_ours(&run.for_user(other.clone())).await {
            notes.push(format!("--also-read {folder} gives access to files of user {other}"));
        }
    }
    notes
}

/// Whether nothing uses the policy, and it was made for the user and the bucket in
/// question.
pub(super) async fn is_unused_and_ours(run: &Run, found: &PolicyInfo) -> Result<bool, AwsError> {
    let bucket = &run.target.bucket;
    if found.uses > 0 {
        return Ok(false);
    }
    Ok(match &found.tags.bucket {
        Some(tagged) => tagged == bucket.as_str(),
        None => {
            let text = iam::policy_document(run, found).await?;
            let name = found.arn.rsplit('/').next().unwrap_or_default();
            grant_of_policy(name, &text, &run.target, &run.aws.region).is_some()
        }
    })
}

/// A policy on a user that carries one of our names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeldPolicy {
    pub name: String,
    /// None if it is the inline policy.
    pub managed: Option<PolicyInfo>,
    /// The document.
    pub text: String,
}

impl HeldPolicy {
    /// It as a managed policy, if it is one, and by how many it is used.
    pub fn if_managed(&self) -> Option<(ManagedPolicy, i32)> {
        let managed = self.managed.as_ref()?;
        let policy = ManagedPolicy { name: self.name.clone(), arn: managed.arn.clone() };
        Some((policy, managed.uses))
    }
}

/// Every policy on the user that carries one of our names.
pub(super) async fn held_policies(run: &Run) -> Result<Vec<HeldPolicy>, AwsError> {
    let mut policies = Vec::new();
    let inline = iam::inline_policy_document(run, INLINE_POLICY_NAME).await?;
    if let Some(text) = inline
        && (!run.aws.store.invents_policies() || is_listed(run, INLINE_POLICY_NAME).await?)
    {
        policies.push(HeldPolicy { name: INLINE_POLICY_NAME.to_owned(), managed: None, text });
    }
    let names = names_made_for(&run.target.user);
    for attached in iam::attached_policies(run).await? {
        if names.contains(&attached.name)
            && let Some(managed) = iam::get_policy(run, &attached.arn).await?
        {
            policies.push(HeldPolicy {
                name: attached.name,
                text: iam::policy_document(run, &managed).await?,
                managed: Some(managed),
            });
        }
    }
    Ok(policies)
}

async fn is_listed(run: &Run, inline_policy: &str) -> Result<bool, AwsError> {
    let names = iam::inline_policies(run).await?;
    Ok(names.iter().any(|name| name == inline_policy))
}

/// Takes those of the Python scripts, in their exact form, from a user's policies.
pub(super) fn take_those_of_scripts(run: &Run, held: &mut Vec<HeldPolicy>) -> Vec<HeldPolicy> {
    let is_theirs =
        |policy: &mut HeldPolicy| is_of_scripts(&policy.name, &policy.text, &run.target);
    held.extract_if(.., is_theirs).collect()
}

/// The one of a user's policies that gives it its access. Fails where there is none,
/// or more than that one.
pub(super) fn access_policy(run: &Run, mut held: Vec<HeldPolicy>) -> Result<HeldPolicy> {
    let user = &run.target.user;
    let ours = [INLINE_POLICY_NAME.to_owned(), managed_policy_name(user)];
    match held.pop() {
        Some(policy) if held.is_empty() && ours.contains(&policy.name) => Ok(policy),
        None => bail!("user {user} has no policy that create_s3_user made"),
        Some(last) => {
            held.push(last);
            let names: Vec<_> = held.into_iter().map(|held| held.name).collect();
            bail!(
                "user {user} does not have the one policy that create_s3_user makes, but {}",
                names.join(" and ")
            )
        }
    }
}
