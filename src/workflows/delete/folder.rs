//! What is known of the folder before it is emptied.

use anyhow::{Result, bail};

use super::Options;
use crate::aws::Run;
use crate::s3::bucket::{self, Versioning};
use crate::s3::listing::{self, Cursor, Depth, Entry, Kind, PAGE, Page};
use crate::step::{Step, counted};

/// What is known of the folder before it is emptied.
pub(super) struct Folder {
    pub depth: Depth,
    pub concurrency: usize,
    /// What is in it, as far as its first page tells.
    pub content: Content,
    /// Its first page; empty if that is not kept.
    pub first_page: Page,
    /// What the bucket does with versions that this run leaves behind; none if it
    /// keeps none.
    pub versioning: Option<Versioning>,
    /// Whether this run leaves versions behind, as far as the folder tells now.
    pub will_leave_versions: bool,
}

/// How much is in a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub count: u64,
    /// Whether there is more than that.
    pub more: bool,
    /// What is counted, such as `object`.
    pub kind: &'static str,
}

impl Content {
    fn of(first_page: &Page, depth: Depth) -> Self {
        Self {
            count: first_page.entries.len() as u64,
            more: first_page.next.is_some(),
            kind: match depth {
                Depth::Objects => "object",
                Depth::Versions => "version",
            },
        }
    }
}

impl Folder {
    /// Looks at the first page and the bucket's versions, unless the objects
    /// are kept.
    pub async fn look_into(run: &Run, options: Options) -> Result<Option<Self>> {
        if options.keep_objects {
            return Ok(None);
        }
        let depth = if options.all_versions { Depth::Versions } else { Depth::Objects };
        let start = Cursor::start();
        let (first_page, versioning) =
            tokio::join!(listing::page(run, depth, &start, PAGE), bucket::versioning(run),);
        if options.all_versions && versioning.needs_mfa {
            bail!(
                "bucket {} has MFA Delete on, so its versions can be deleted only by the root user \
                 with the MFA device",
                run.target.bucket
            );
        }
        let leaves_versions = versioning.keeps_versions && !options.all_versions;
        let first_page = first_page?;
        let mut folder = Self {
            depth,
            concurrency: options.concurrency,
            content: Content::of(&first_page, depth),
            first_page,
            versioning: leaves_versions.then_some(versioning),
            will_leave_versions: false,
        };
        let has_objects = folder.content.count > 0;
        folder.will_leave_versions = folder.versions_remain(run, has_objects).await;
        Ok(Some(folder))
    }

    /// The step that empties it.
    pub fn step(&self, run: &Run) -> Step {
        let Content { count, more, kind } = self.content;
        Step::EmptyFolder { folder: run.target.folder_url(), what: counted(count, more, kind) }
    }

    /// That it stays, where there is something in it.
    pub fn stays_note(&self, run: &Run) -> Option<String> {
        let folder = run.target.folder_url();
        let note = format!("folder {folder} stays; --force deletes it without a user");
        (self.content.count > 0).then_some(note)
    }

    /// Whether there are versions that deleting the objects leaves behind. Where they
    /// can't be listed, there are if there are or were objects.
    pub async fn versions_remain(&self, run: &Run, has_objects: bool) -> bool {
        let Some(versioning) = self.versioning else {
            return false;
        };
        let Ok(page) = listing::page(run, Depth::Versions, &Cursor::start(), PAGE).await else {
            return has_objects;
        };
        let stays = |entry: &Entry| {
            // In its place comes a marker of the same version.
            let is_replaced = versioning.is_suspended && entry.version.as_deref() == Some("null");
            entry.kind != Kind::DeleteMarker && !is_replaced
        };
        page.next.is_some() || page.entries.iter().any(stays)
    }

    /// That earlier versions stay, where there are any.
    pub fn versions_note(&self) -> Option<String> {
        let note = "earlier versions of the objects will remain; --all-versions deletes them too";
        self.will_leave_versions.then(|| note.to_owned())
    }
}
