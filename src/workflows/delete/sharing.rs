//! What becomes of the folder, by who else lives there.

use std::collections::BTreeSet;

use anyhow::Result;

use super::DeleteOptions;
use super::folder::Folder;
use crate::aws::Run;
use crate::commands;
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::step::{folders_of, named_users};
use crate::workflows::holdings::Holdings;
use crate::workflows::neighbours::Neighbours;

/// The folder that goes with a user, or why it stays.
#[derive(Default)]
pub(super) struct Sharing {
    /// The folder; none if its objects stay.
    pub folder: Option<Folder>,
    /// The users for whom it stays.
    pub sharers: Vec<String>,
    /// True if others who share it are deleted in the same run, before this user.
    pub goes_last: bool,
    /// The note on what becomes of it because of them.
    pub note: Option<String>,
    /// The note on those of them who are deleted first, which is of no use afterwards.
    pub note_before: Option<String>,
}

impl Sharing {
    /// Looks into the folder and at who else lives there, unless the objects are kept
    /// anyway. Fails if somebody lives inside it, whatever is forced.
    ///
    /// The folder stays for whoever has the same one, or one around it. Of users that are
    /// deleted in the same run, the last by name takes it along.
    pub async fn look_into(
        run: &Run,
        own: Option<&Holdings>,
        options: &DeleteOptions,
    ) -> Result<Self> {
        if options.keep_objects {
            return Ok(Self::default());
        }
        let (folder, neighbours) =
            tokio::try_join!(Folder::look_into(run, options), Neighbours::find(run, own))?;
        let Neighbours { same, inside, around } = neighbours;
        if !inside.is_empty() {
            return Err(inhabited(run, &inside, own.is_some()));
        }
        let url = run.target.folder_url();
        let is_in_run = |name: &String| options.along_with.iter().any(|it| it.as_str() == name);
        let (leaving, staying): (Vec<_>, Vec<_>) = same.into_iter().partition(is_in_run);
        let sharers: Vec<_> = staying.into_iter().chain(around).collect();
        if !sharers.is_empty() {
            let note = Some(format!("{url} stays: it is shared with {}", named_users(&sharers)));
            return Ok(Self { sharers, note, ..Self::default() });
        }
        if let Some(last) = leaving.iter().max()
            && last.as_str() > run.user()
        {
            let note = Some(format!("{url} is deleted with user {last}, who shares it"));
            return Ok(Self { note, ..Self::default() });
        }
        let goes_last = !leaving.is_empty();
        let note_before = goes_last.then(|| {
            format!("{url} is shared with {}, to be deleted first", named_users(&leaving))
        });
        Ok(Self { folder: Some(folder), goes_last, note_before, ..Self::default() })
    }
}

/// The error that somebody lives inside the folder.
fn inhabited(run: &Run, inside: &BTreeSet<String>, has_user: bool) -> anyhow::Error {
    let folder = run.target.folder_url();
    let message = format!("{folder} holds {}, so it was not deleted", folders_of(inside));
    let delete = commands::delete_user(&run.target.bucket, run.user());
    let alone = Hint::run("to delete the user alone", delete);
    let hints = if has_user { vec![alone] } else { Vec::new() };
    Hinted { message, hints, kind: ErrorKind::Other }.into()
}

/// Fails if by now somebody else lives at the folder: it stays then.
pub(super) async fn check_alone(run: &Run, own: Option<&Holdings>) -> Result<()> {
    let others = Neighbours::find(run, own).await?.all();
    if others.is_empty() {
        return Ok(());
    }
    let has = if others.len() == 1 { "has" } else { "have" };
    let message = format!(
        "{} stays: by now {} {has} the same folder, one inside it or one around it",
        run.target.folder_url(),
        named_users(&others)
    );
    let hint = Hint::new("add --dry-run to see what the same command would delete now");
    Err(Hinted::new(message, hint).into())
}
