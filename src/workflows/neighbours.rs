//! Who else lives at a folder: in the same one, inside it, or around it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use futures_util::future::join_all;

use super::holdings::{Holdings, Owner};
use super::inventory::Everybody;
use crate::access::{
    Prefix, UserName, folder_of_path, folder_path, managed_policy_name, names_bucket, read_policy,
};
use crate::aws::Run;
use crate::iam::{self, User};

/// The other users whose folders overlap with one.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The users who have the same folder, by name.
    pub same: BTreeSet<String>,
    /// The users whose folders are inside it.
    pub inside: BTreeSet<String>,
    /// The users whose folders are around it.
    pub around: BTreeSet<String>,
}

impl Neighbours {
    /// Finds who else lives at the run's folder, whose own user is left out.
    ///
    /// By the IAM paths of users, by the user whom the top folder is named after, and by
    /// the policy that is named after that. Where something about a user is unclear, it
    /// counts as living there. Fails if that can't be told.
    pub async fn find(run: &Run, own: Option<&Holdings>) -> Result<Self> {
        Self::among(run, own, true, None).await
    }

    /// Finds who lives at the folder of a user that is to be created. Where that gets a
    /// managed policy named after it (`gets_policy`), IAM itself refuses a second one, so
    /// nobody is looked for by policy. By path all users of a run are looked for at once.
    pub async fn of_new(run: &Run, gets_policy: bool, everybody: &Everybody) -> Result<Self> {
        let namesake = run.target.prefix().top().namesake();
        let is_guarded = gets_policy && namesake.as_ref() == Some(&run.target.user);
        Self::among(run, None, !is_guarded, Some(everybody)).await
    }

    async fn among(
        run: &Run,
        own: Option<&Holdings>,
        asks_by_policy: bool,
        everybody: Option<&Everybody>,
    ) -> Result<Self> {
        let folder = run.target.prefix();
        let top = folder.top();
        let (by_path, by_name, by_policy) = tokio::try_join!(
            Box::pin(by_path(run, &top, own, everybody)),
            Box::pin(by_name(run, &top)),
            Box::pin(async {
                if asks_by_policy { by_policy(run, &top, own).await } else { Ok(Vec::new()) }
            }),
        )?;
        let mut found = Self::default();
        for Resident { id, name, folder: other } in [by_path, by_name, by_policy].concat() {
            if own.is_some_and(|own| own.user.id == id) {
                continue;
            }
            if other == *folder {
                found.same.insert(name);
            } else if other.is_inside(folder) {
                found.inside.insert(name);
            } else if folder.is_inside(&other) {
                found.around.insert(name);
            }
        }
        Ok(found)
    }

    /// All of them.
    pub fn all(self) -> Vec<String> {
        let Self { same, inside, around } = self;
        same.into_iter().chain(inside).chain(around).collect()
    }
}

/// Which of the folders that the run's user is to read besides hold another user's files: a
/// note for each.
pub(super) async fn also_read_notes(run: &Run, folders: &[Prefix]) -> Vec<String> {
    let looks = folders.iter().map(async |folder: &Prefix| {
        (folder, Neighbours::find(&run.in_folder(folder.clone()), None).await)
    });
    let mut notes = Vec::new();
    for (folder, found) in join_all(looks).await {
        match found {
            Ok(found) => notes.extend(found.all().iter().map(|other| {
                format!("--also-read {folder} gives access to files of user {other}")
            })),
            Err(error) => notes.push(format!("can't tell who else has {folder}: {error:#}")),
        }
    }
    notes
}

/// A user with a folder; one with several is there several times.
#[derive(Debug, Clone)]
struct Resident {
    id: String,
    name: String,
    folder: Prefix,
}

/// Finds the users whose IAM path names the top folder or one in it. Fails if the own user
/// is not found that way although its path does: then no other would be.
async fn by_path(
    run: &Run,
    top: &Prefix,
    own: Option<&Holdings>,
    everybody: Option<&Everybody>,
) -> Result<Vec<Resident>> {
    let bucket = &run.target.bucket;
    // No user has a path that is longer than IAM takes.
    let Some(path) = folder_path(bucket, top) else { return Ok(Vec::new()) };
    let users = match everybody {
        Some(everybody) => everybody.under_path(run, &path).await?,
        None => iam::users_under_path(run, &path).await?,
    };
    let own = own.map(|own| &own.user).filter(|own| own.path.starts_with(&path));
    if let Some(own) = own {
        ensure!(
            users.iter().any(|user| user.id == own.id),
            "ListUsers doesn't find user {} by its IAM path, so it isn't known who else has its \
             folder",
            own.name
        );
    }
    let mut residents = Vec::new();
    for User { id, name, path, .. } in users {
        let by_path = folder_of_path(&path, bucket).and_then(Result::ok);
        residents.push(Resident { id, name, folder: by_path.unwrap_or(top.clone()) });
    }
    Ok(residents)
}

/// Finds the user whom the top folder is named after, if that is ours: with every folder
/// that its tag, path and policies name, and with the top one where that is not clear.
async fn by_name(run: &Run, top: &Prefix) -> Result<Vec<Resident>> {
    let Some(name) = top.namesake().filter(|name| *name != run.target.user) else {
        return Ok(Vec::new());
    };
    let run = run.for_user(name);
    let Some(user) = iam::get_user(&run).await?.filter(|user| user.name == run.user()) else {
        return Ok(Vec::new());
    };
    let mut holdings = Holdings::find(&run, user).await?;
    if matches!(holdings.owner(), Owner::OtherBucket(..) | Owner::NotOurs(None)) {
        return Ok(Vec::new());
    }
    holdings.read_our_policies(&run).await?;
    let mut folders = holdings.folders();
    if !matches!(holdings.folder(), Ok(Some(_))) {
        folders.push(top.clone());
    }
    let User { id, name, .. } = &holdings.user;
    let at = |folder| Resident { id: id.clone(), name: name.clone(), folder };
    Ok(folders.into_iter().map(at).collect())
}

/// Finds the users that have the policy named after the top folder's user, who may have
/// been renamed: they live at the folder that it gives access to.
async fn by_policy(run: &Run, top: &Prefix, own: Option<&Holdings>) -> Result<Vec<Resident>> {
    let Some(namesake) = top.namesake() else { return Ok(Vec::new()) };
    let Some(arn) = arn_of_policy(run, &namesake, own).await? else { return Ok(Vec::new()) };
    // Where only the own user had it, nobody else can have it after its deletion.
    if own.is_some_and(|own| own.alone_has(&arn)) {
        return Ok(Vec::new());
    }
    let Some(policy) = iam::get_policy(run, &arn).await?.filter(|policy| policy.uses > 0) else {
        return Ok(Vec::new());
    };
    let bucket = &run.target.bucket;
    let text = iam::policy_document(run, &policy).await?;
    if !names_bucket(&text, bucket) {
        return Ok(Vec::new());
    }
    let read = read_policy(&policy.to_managed().name, &text, bucket, &run.aws.region);
    let folder = read.map_or(top.clone(), |(folder, _)| folder);
    let mut residents = Vec::new();
    for (id, name) in iam::policy_users(run, &arn).await? {
        residents.push(Resident { id, name, folder: folder.clone() });
    }
    Ok(residents)
}

/// The ARN of the managed policy made for a user of this name; none in an account without
/// users.
async fn arn_of_policy(
    run: &Run,
    user: &UserName,
    own: Option<&Holdings>,
) -> Result<Option<String>> {
    let name = managed_policy_name(user);
    if let Some(own) = own {
        return Ok(iam::policy_arn(&own.user, &name));
    }
    if let Some(arn) = iam::policy_arn_of_caller(run, &name).await {
        return Ok(Some(arn));
    }
    let any_user = iam::first_user(run).await?;
    Ok(any_user.and_then(|user| iam::policy_arn(&user, &name)))
}
