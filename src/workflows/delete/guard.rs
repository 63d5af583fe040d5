//! The checks that keep a delete run from users it must not touch.

use anyhow::{Result, ensure};

use super::DeleteOptions;
use super::folder::Folder;
use crate::aws::Run;
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::iam::User;
use crate::removal::Removal;
use crate::workflows::holdings::Holdings;
use crate::workflows::ours::{Purpose, check_name, check_ours, check_same, no_such_user};

/// Fails unless the user has this very name and, but with `--force`, is ours for this
/// bucket. Returns what the user holds, as far as that had to be read.
pub(super) async fn check_target(
    run: &Run,
    user: User,
    options: DeleteOptions,
) -> Result<Holdings> {
    if options.force {
        check_name(run, &user)?;
        return Ok(Holdings::unread(run, user));
    }
    check_ours(run, user, Purpose::Delete).await
}

/// True if there is a user of ours for the bucket, which is itself not there.
pub(super) async fn is_left(run: &Run, user: Option<&User>) -> bool {
    let Some(user) = user else { return false };
    check_ours(run, user.clone(), Purpose::Delete).await.is_ok()
}

/// Fails if the calls are made as the very user: with its key, or temporary
/// credentials of it.
pub(super) async fn check_not_self(run: &Run, user: &User, belongings: &[Removal]) -> Result<()> {
    let key_in_use = Removal::AccessKey(run.aws.own_key().to_owned());
    let caller = run.aws.identity().await;
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
