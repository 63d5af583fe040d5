//! The checks that keep a delete run from users it must not touch.

use anyhow::{Result, bail, ensure};

use super::DeleteOptions;
use super::folder::Folder;
use super::sharing::Sharing;
use crate::access::{Prefix, Target, folder_tag};
use crate::aws::{Identity, Run};
use crate::commands;
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::iam::{Tags, User};
use crate::removal::Removal;
use crate::step::named_users;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::{Purpose, check_name, check_ours, check_same, no_such_user};

/// Fails unless the user has this very name and, but with `--force`, is ours for this
/// bucket. Returns what the user holds, as far as that had to be read.
pub(super) async fn check_target(
    run: &Run,
    holdings: Holdings,
    options: &DeleteOptions,
) -> Result<Holdings> {
    if options.force {
        check_name(run, &holdings.user)?;
        return Ok(holdings);
    }
    check_ours(run, holdings, Purpose::Delete).await
}

/// True if there is a user of ours for the bucket, which is itself not there.
pub(super) async fn is_left(run: &Run, user: Option<&User>) -> bool {
    let Some(user) = user else { return false };
    check_ours(run, Holdings::unread(run, user.clone()), Purpose::Delete).await.is_ok()
}

/// Fails if the calls are made as the very user: with its key, or temporary
/// credentials of it.
pub(super) fn check_not_self(
    run: &Run,
    user: &User,
    belongings: &[Removal],
    caller: Option<&Identity>,
) -> Result<()> {
    let key_in_use = Removal::AccessKey(run.aws.own_key().to_owned());
    ensure!(
        !belongings.contains(&key_in_use) && caller.is_none_or(|caller| caller.arn != user.arn),
        "user {} is the one that runs this command; nothing was deleted",
        run.target.user
    );
    Ok(())
}

/// Fails if the user is no longer the one that was looked at, or none, as may be
/// when the question stood for long.
pub(super) async fn check_unchanged(run: &Run, seen: Option<&User>) -> Result<()> {
    let found = check_same(run, seen).await?;
    ensure!(
        found.as_ref().map(|user| &user.tags) == seen.map(|user| &user.tags),
        "user {} has changed or gone since it was looked at; run the same command again",
        run.target.user
    );
    Ok(())
}

/// The folder that goes with the user; none if the objects are kept. Fails if it is not known
/// for sure, or is another one than was given.
pub(super) fn own_folder(holdings: &Holdings, options: &DeleteOptions) -> Result<Option<Prefix>> {
    let Target { bucket, user, .. } = &holdings.target;
    let given = options.folder.as_ref().map(|given| &given.prefix);
    if options.keep_objects && given.is_none() {
        return Ok(holdings.folder().ok().flatten());
    }
    let force: &[&str] = if options.force { &["--force"] } else { &[] };
    let delete_user = commands::delete_user(bucket, user.as_str()).with(force);
    let alone = Hint::run("to delete the user alone", delete_user);
    let recorded = match holdings.folder() {
        Err(disputed) => return Err(Hinted::new(disputed.to_string(), alone).into()),
        Ok(recorded) => recorded,
    };
    match (recorded, given) {
        (Some(recorded), Some(given)) if recorded != *given => {
            bail!("user {user} has the folder {recorded}, not {given}")
        }
        (None, None) => {
            let message = format!("nothing says which folder user {user} has");
            let named = commands::delete_user_and_folder(bucket, user.as_str()).with(force);
            let words = "to delete its folder too, name it";
            let with_folder = Hint::run(words, named.with(&["--folder", "FOLDER/"]));
            let hints = vec![alone, with_folder];
            Err(Hinted { message, hints, kind: ErrorKind::Other }.into())
        }
        (recorded, given) => Ok(recorded.or(given.cloned())),
    }
}

/// True if nothing but its policies shows the folder of a user that is only forced upon,
/// and gets no tags.
pub(super) fn is_known_by_policies(holdings: &Holdings, options: &DeleteOptions) -> bool {
    let has_tag = holdings.user.tags.folder.is_some();
    let is_tagged = holdings.user.tags.are_of(&holdings.target.bucket);
    let is_recorded = matches!(holdings.folder(), Ok(Some(_)));
    options.force && !is_tagged && !has_tag && is_recorded && holdings.folder_by_path().is_none()
}

/// The tags that a user of ours should have and lacks. A user that is only forced upon
/// gets none.
pub(super) fn missing_tags(
    run: &Run,
    user: &User,
    folder: Option<&Prefix>,
    options: &DeleteOptions,
) -> Tags {
    let is_tagged = user.tags.are_of(&run.target.bucket);
    if options.force && !is_tagged {
        return Tags::default();
    }
    let folder = folder.and_then(folder_tag).filter(|_| user.tags.folder.is_none());
    let lacks_any = !is_tagged || folder.is_some();
    // A delegate may tag only with the bucket's tag among them.
    Tags { bucket: lacks_any.then(|| run.bucket().to_owned()), folder, ..Tags::default() }
}

/// Looks into the folder of a user that is gone, unless the objects are kept. Fails if it
/// is to be deleted and somebody lives there.
pub(super) async fn look_into_left(run: &Run, options: &DeleteOptions) -> Result<Sharing> {
    if options.keep_objects {
        return Ok(Sharing::default());
    }
    if !options.force {
        let folder = Some(Folder::look_into(run, options).await?);
        return Ok(Sharing { folder, ..Sharing::default() });
    }
    let found = Sharing::look_into(run, None, options).await?;
    ensure!(
        found.sharers.is_empty(),
        "{} is used by {}, so it was not deleted",
        run.target.folder_url(),
        named_users(&found.sharers)
    );
    Ok(found)
}

/// The error that there is no such user, with what may have been meant.
pub(super) async fn no_user(run: &Run, folder: Option<&Folder>) -> anyhow::Error {
    if folder.is_none_or(|folder| folder.content.count == 0) {
        return no_such_user(run).await;
    }
    let hint =
        format!("{} still holds objects; to delete them, add --force", run.target.folder_url());
    let message = format!("there is no user {}", run.target.user);
    Hinted::new(message, Hint::new(hint)).of_kind(ErrorKind::NoSuchUser).into()
}
