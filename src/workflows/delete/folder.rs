//! What is known of the folder before it is emptied.

use anyhow::{Result, bail};

use super::Options;
use crate::aws::Run;
use crate::s3::bucket;
use crate::s3::listing::{self, Cursor, Depth, PAGE, Page};
use crate::step::{Step, counted};

/// What is known of the folder before it is emptied.
pub(super) struct Folder {
    pub depth: Depth,
    pub concurrency: usize,
    pub first_page: Page,
    /// Whether the bucket keeps versions that this run leaves behind.
    pub versions_remain: bool,
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

impl Folder {
    /// Looks at the first page and the bucket's versions, unless the objects
    /// are kept.
    pub async fn look_into(run: &Run, options: Options) -> Result<Option<Self>> {
        if options.keep_objects {
            return Ok(None);
        }
        let depth = if options.all_versions {
            Depth::Versions
        } else {
            Depth::Objects
        };
        let start = Cursor::start();
        let (first_page, versioning) = tokio::join!(
            listing::page(run, depth, &start, PAGE),
            bucket::versioning(run),
        );
        if options.all_versions && versioning.needs_mfa {
            bail!(
                "bucket {} has MFA Delete on, so its versions can be deleted only by the root user \
                 with the MFA device",
                run.target.bucket
            );
        }
        Ok(Some(Self {
            depth,
            concurrency: options.concurrency,
            first_page: first_page?,
            versions_remain: versioning.keeps_versions && !options.all_versions,
        }))
    }

    /// The step that empties it.
    pub fn step(&self, run: &Run) -> Step {
        let Content { count, more, kind } = self.content();
        Step::EmptyFolder {
            folder: run.target.folder_url(),
            what: counted(count, more, kind),
        }
    }

    /// What is in it, as far as its first page tells.
    pub fn content(&self) -> Content {
        Content {
            count: self.first_page.entries.len() as u64,
            more: self.first_page.next.is_some(),
            kind: match self.depth {
                Depth::Objects => "object",
                Depth::Versions => "version",
            },
        }
    }

    /// That it stays, where there is something in it.
    pub fn stays_note(&self, run: &Run) -> Option<String> {
        let folder = run.target.folder_url();
        let note = format!("folder {folder} stays; --force deletes it without a user");
        (!self.first_page.entries.is_empty()).then_some(note)
    }

    /// That earlier versions stay, where the bucket keeps them.
    pub fn versions_note(&self) -> Option<String> {
        let note = "earlier versions of the objects will remain; --all-versions deletes them too";
        self.versions_remain.then(|| note.to_owned())
    }
}
