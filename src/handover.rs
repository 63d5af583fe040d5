//! Handing a key over: its file, the kit, and the check that it works.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::grant::Grant;
use crate::key_file::{self, AccessKey, ReservedKeyFile, key_file_path};
use crate::kit::{self, ReservedKit};
use crate::names::{Target, UserName};
use crate::report::{Interrupted, Leftover, Step, folder_url};
use crate::verify;

/// Takes the bytes of a key's CSV, and fails if it can't.
pub type Writer = Arc<dyn Fn(&[u8]) -> io::Result<()> + Send + Sync>;

/// Where a new key is written.
#[derive(Clone)]
pub enum Destination {
    /// To the file `USER_accessKeys.csv` in this directory.
    Directory(PathBuf),
    /// To this writer, and into no file.
    Writer(Writer),
}

/// How a new key is handed over.
#[derive(Clone)]
pub struct Options {
    /// Where the key is written.
    pub to: Destination,
    /// Whether to write `USER_kit/` beside the file: settings for the person's
    /// client. Not for a [`Destination::Writer`].
    pub kit: bool,
    /// Whether to try what the key opens, and what it doesn't.
    pub verify: bool,
}

impl Options {
    /// The key in a file in `dir`, and nothing else.
    pub fn file_in(dir: impl Into<PathBuf>) -> Self {
        Self {
            to: Destination::Directory(dir.into()),
            kit: false,
            verify: false,
        }
    }
}

/// A handover whose paths are known and free.
#[derive(Clone)]
pub(crate) struct Handover {
    to: Place,
    kit: Option<PathBuf>,
    verify: bool,
}

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Writer(Writer),
}

impl Handover {
    /// Fails if a file or kit is in the way.
    pub fn plan(options: &Options, user: &UserName) -> Result<Self> {
        let planned = Self::numbered(options, user, 1);
        planned.check_free()?;
        Ok(planned)
    }

    /// For a key that is not the user's first: file and kit get the first
    /// number that both are free for.
    pub fn plan_another(options: &Options, user: &UserName) -> Result<Self> {
        let is_taken = |path: &Path| path.symlink_metadata().is_ok();
        let planned = (1..)
            .map(|number| Self::numbered(options, user, number))
            .find(|planned| planned.check_free().is_ok() || !planned.paths().any(is_taken))
            .context("no number is free for another key file")?;
        planned.check_free()?;
        Ok(planned)
    }

    fn numbered(options: &Options, user: &UserName, number: u32) -> Self {
        let (to, kit) = match &options.to {
            Destination::Writer(writer) => (Place::Writer(writer.clone()), None),
            Destination::Directory(dir) => (
                Place::File(key_file_path(dir, user, number)),
                options.kit.then(|| kit::kit_path(dir, user, number)),
            ),
        };
        Self {
            to,
            kit,
            verify: options.verify,
        }
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.file().into_iter().chain(self.kit())
    }

    fn check_free(&self) -> Result<()> {
        self.file().map_or(Ok(()), key_file::check_free)?;
        self.kit().map_or(Ok(()), kit::check_free)
    }

    /// The file the key goes to, if it goes to one.
    pub fn file(&self) -> Option<&Path> {
        match &self.to {
            Place::File(path) => Some(path),
            Place::Writer(_) => None,
        }
    }

    /// The kit's directory, if there will be one.
    pub fn kit(&self) -> Option<&Path> {
        self.kit.as_deref()
    }

    /// Whether the grant must be known.
    pub fn needs_grant(&self) -> bool {
        self.verify || self.kit.is_some()
    }

    /// What will be done, in order.
    pub fn steps(&self, target: &Target) -> Vec<Step> {
        let verify = || Step::Verify(format!("{} opens, and nothing else", folder_url(target)));
        let write = self.paths().map(|path| Step::Write(path.to_owned()));
        write.chain(self.verify.then(verify)).collect()
    }

    /// Makes file and kit, still empty, before the key exists.
    pub fn reserve(&self) -> Result<Reserved> {
        Ok(Reserved {
            file: self.file().map(ReservedKeyFile::reserve).transpose()?,
            kit: self.kit().map(ReservedKit::reserve).transpose()?,
        })
    }

    /// Writes the key, and tries it where that is asked for.
    ///
    /// On failure, and when cancelled, nothing of the key stays written; what
    /// else stays is added to `left`.
    pub async fn deliver(
        &self,
        mut reserved: Reserved,
        key: &AccessKey,
        user: &Granted<'_>,
        cancel: &CancellationToken,
        on_step: &dyn Fn(&Step),
        left: &mut Vec<Leftover>,
    ) -> Result<()> {
        let Granted { aws, target, grant } = *user;
        let wrote = |path: Option<&Path>| {
            path.into_iter()
                .for_each(|path| on_step(&Step::Write(path.to_owned())));
        };
        if let Some(file) = &mut reserved.file {
            file.write(key, &target.user)?;
        }
        wrote(self.file());
        if let (Some(kit), Some(grant)) = (&mut reserved.kit, grant) {
            kit.write(&kit::Settings {
                key,
                target,
                grant,
                region: &aws.region,
                endpoint: aws.s3_endpoint.as_deref(),
            })?;
        }
        wrote(self.kit());
        if let Some(grant) = grant.filter(|_| self.verify) {
            verify::verify(user, grant, key, cancel, on_step, left).await?;
        }
        Interrupted::check(cancel)?;
        if let Place::Writer(writer) = &self.to {
            let csv = key_file::to_csv(key, &target.user)?;
            writer(&csv).context("can't write the key")?;
        }
        reserved.keep();
        Ok(())
    }
}

/// Whose key is handed over, and what it opens, as far as that is known.
pub(crate) struct Granted<'a> {
    pub aws: &'a Aws,
    pub target: &'a Target,
    pub grant: Option<&'a Grant>,
}

/// File and kit, removed again when dropped before the key is delivered.
pub(crate) struct Reserved {
    file: Option<ReservedKeyFile>,
    kit: Option<ReservedKit>,
}

impl Reserved {
    fn keep(self) {
        self.file.into_iter().for_each(ReservedKeyFile::keep);
        self.kit.into_iter().for_each(ReservedKit::keep);
    }
}
