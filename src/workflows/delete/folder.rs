//! The folder as it is before it is emptied.

use std::fmt;

use anyhow::{Result, bail};

use super::DeleteOptions;
use crate::aws::Run;
use crate::s3::bucket::{self, Versioning};
use crate::s3::listing::{self, Cursor, Depth, Entry, Kind, PAGE, Page};
use crate::step::{Step, thousands};

/// The folder before it is emptied.
pub(super) struct Folder {
    pub depth: Depth,
    pub concurrency: usize,
    /// Its content, as far as its first page shows it.
    pub content: Content,
    /// Its first page; empty if that is not kept.
    pub first_page: Page,
    /// The bucket's way with versions that this run leaves behind; none if it keeps
    /// none.
    pub versioning: Option<Versioning>,
    /// True if this run leaves versions behind, as far as the folder shows now.
    pub will_leave_versions: bool,
    /// True if it is not known whether the bucket keeps versions.
    pub versioning_is_unknown: bool,
}

/// The number of things in a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub count: u64,
    /// True if there are more than that.
    pub more: bool,
    /// What is counted.
    pub depth: Depth,
}

impl Content {
    fn on_page(first_page: &Page, depth: Depth) -> Self {
        Self { count: first_page.entries.len() as u64, more: first_page.next.is_some(), depth }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let things = match (self.depth, self.count) {
            (Depth::Objects, 1) => "object",
            (Depth::Objects, _) => "objects",
            (Depth::Versions, 1) => "version or delete marker",
            (Depth::Versions, _) => "versions and delete markers",
        };
        let more = if self.more { "+" } else { "" };
        write!(f, "{}{more} {things}", thousands(self.count))
    }
}

impl Folder {
    /// Looks at the first page and the bucket's versions.
    pub async fn look_into(run: &Run, options: &DeleteOptions) -> Result<Self> {
        let depth = if options.all_versions { Depth::Versions } else { Depth::Objects };
        let start = Cursor::start();
        let (page, versioning) =
            tokio::join!(listing::page(run, depth, &start, PAGE), bucket::versioning(run));
        if options.all_versions && versioning.needs_mfa {
            bail!(
                "bucket {} has MFA Delete on, so its versions can be deleted only by the root user \
                 with the MFA device",
                run.target.bucket
            );
        }
        let leaves_versions = versioning.keeps_versions && !options.all_versions;
        let first_page = page?;
        let mut folder = Self {
            depth,
            concurrency: options.concurrency,
            content: Content::on_page(&first_page, depth),
            first_page,
            versioning: leaves_versions.then_some(versioning),
            will_leave_versions: false,
            versioning_is_unknown: versioning.is_refused && !options.all_versions,
        };
        folder.will_leave_versions = folder.versions_remain(run, folder.content.count > 0).await;
        Ok(folder)
    }

    /// The step that empties it.
    pub fn step(&self, run: &Run) -> Step {
        Step::EmptyFolder { folder: run.target.folder_url(), what: self.content.to_string() }
    }

    /// The note that the folder stays, if anything is in it.
    pub fn stays_note(&self, run: &Run) -> Option<String> {
        (self.content.count > 0).then(|| {
            format!(
                "folder {} stays, since there is no user {}; to delete it too, add --force",
                run.target.folder_url(),
                run.target.user
            )
        })
    }

    /// Tells whether there are versions that deleting the objects leaves behind. If they
    /// can't be listed, there are if there are or were objects.
    pub async fn versions_remain(&self, run: &Run, has_objects: bool) -> bool {
        let Some(versioning) = self.versioning else {
            return false;
        };
        let Ok(page) = listing::page(run, Depth::Versions, &Cursor::start(), PAGE).await else {
            return has_objects;
        };
        page.next.is_some() || page.entries.iter().any(|entry| stays(entry, versioning))
    }

    /// The note that nobody looked for earlier versions, if that was refused.
    pub fn unchecked_note(&self) -> Option<String> {
        let note = "can't tell whether earlier versions of the objects remain (needs the permission \
                    s3:GetBucketVersioning)";
        self.versioning_is_unknown.then(|| note.to_owned())
    }

    /// The note that earlier versions stay, if there are any.
    pub fn versions_note(&self) -> Option<String> {
        let note = "earlier versions of the objects will remain; --all-versions deletes them too";
        self.will_leave_versions.then(|| note.to_owned())
    }
}

/// True if a version stays when the objects are deleted.
fn stays(version: &Entry, versioning: Versioning) -> bool {
    // Where versions are suspended, a marker takes the place of the version `null`.
    let is_replaced = versioning.is_suspended && version.version.as_deref() == Some("null");
    version.kind != Kind::DeleteMarker && !is_replaced
}
