//! Handing a key over: its file, the kit, and the test that it works. Makes and
//! deletes nothing in IAM; what it puts into the bucket to test a key, it
//! deletes again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};

use crate::access::{AccessKey, Grant, Rights, Target, UserName};
use crate::aws::Patience;
use crate::step::Step;

use kit::{Kit, WrittenKit};
use private_file::{ReservedFile, WrittenFile};

mod key_file;
mod key_files;
mod kit;
mod options;
mod private_file;
mod verify;

pub(crate) use key_files::KeyFiles;
#[cfg(feature = "cli")]
pub(crate) use key_files::files_of;
pub(crate) use kit::ClientSettings;
#[cfg(feature = "cli")]
pub(crate) use options::contact;
pub use options::{Destination, HandoverOptions, KitForm};
pub(crate) use verify::verify;

/// A new access key, and where it was written.
#[derive(Debug, Clone, Serialize)]
pub struct HandedOver {
    /// The ID of the access key.
    pub access_key_id: String,
    /// The file that holds the key pair; none if it went to an open file.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The directory with the files of `kit_zip`, if it was asked for.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kit: Option<PathBuf>,
    /// The archive with settings for the person's client, if it was asked for.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kit_zip: Option<PathBuf>,
}

impl HandedOver {
    /// The file to send to the person; none if the key went to an open file.
    pub(crate) fn to_send(&self) -> Option<&Path> {
        self.kit_zip.as_deref().or(self.key_file.as_deref())
    }
}

/// A path as JSON text, which can't hold every byte a path can.
fn lossy<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = path.as_ref().map(|path| path.to_string_lossy());
    text.serialize(serializer)
}

/// A handover whose paths are known.
#[derive(Debug, Clone)]
pub(crate) struct Handover {
    file: Option<PathBuf>,
    kit: Option<Kit>,
    /// Takes the key where no file does.
    open: Option<Arc<File>>,
    /// True if the key is to be tested with real requests.
    pub verify: bool,
    /// The time until AWS must know the key.
    pub patience: Patience,
}

impl Handover {
    /// Plans the handover of the user's first key.
    pub fn first(options: &HandoverOptions, user: &UserName) -> Self {
        Self::numbered(options, user, 1)
    }

    /// Plans the handover of a key that is not the user's first: file and kit get
    /// the first number that both are free for. Fails where no file can be made.
    pub fn another(options: &HandoverOptions, user: &UserName) -> Result<Self> {
        let planned = (1..)
            .map(|number| Self::numbered(options, user, number))
            .find(|planned| planned.existing_files().is_empty())
            .context("no number is free for another key file")?;
        planned.check()?;
        Ok(planned)
    }

    fn numbered(options: &HandoverOptions, user: &UserName, number: u32) -> Self {
        let (dir, open) = match &options.to {
            Destination::Directory(dir) => (Some(dir), None),
            Destination::Open(file) => (None, Some(file.clone())),
        };
        Self {
            file: dir.map(|dir| key_file::path(dir, user, number)),
            kit: dir.zip(options.kit).map(|(dir, form)| {
                Kit::in_directory(dir, user, number, form, options.contact.clone())
            }),
            open,
            verify: options.verify,
            patience: Patience::of_new_key(options.verify_timeout),
        }
    }

    /// The files that would have to be overwritten.
    pub fn existing_files(&self) -> Vec<PathBuf> {
        let key_file = self.file.iter().filter(|path| path.symlink_metadata().is_ok());
        key_file.chain(self.kit.iter().flat_map(Kit::existing_files)).cloned().collect()
    }

    /// Fails if the key file can't be made: makes room for it, and gives that back.
    pub fn check(&self) -> Result<()> {
        self.reserve().map(drop)
    }

    /// True if the grant must be known.
    pub fn needs_grant(&self) -> bool {
        self.verify || self.kit.is_some()
    }

    /// The steps in their order; the grant is given where it must be known.
    pub fn steps(&self, target: &Target, grant: Option<&Grant>) -> Vec<Step> {
        let mut steps = Vec::from_iter(self.key_file_step());
        if self.verify {
            steps.push(Step::Verify {
                opens: grant.map_or(target.folder_url(), |grant| access_in_words(target, grant)),
                untested: Vec::new(),
                is_all: true,
            });
        }
        steps.extend(self.kit_step());
        steps
    }

    fn key_file_step(&self) -> Option<Step> {
        self.file.clone().map(Step::WriteKeyFile)
    }

    fn kit_step(&self) -> Option<Step> {
        self.kit.as_ref().map(|kit| Step::WriteKit {
            archive: kit.archive.clone(),
            directory: kit.directory.clone(),
        })
    }

    /// Makes room for the key file, before the key exists. Fails if a file or a kit
    /// would have to be overwritten, or there is no such directory.
    pub fn reserve(&self) -> Result<Delivery> {
        if let Some(path) = &self.file {
            private_file::check_free(path)?;
        }
        if let Some(kit) = &self.kit {
            kit.check_free()?;
        }
        Ok(Delivery {
            handover: self.clone(),
            reserved: self.file.as_deref().map(ReservedFile::beside).transpose()?,
            key_file: None,
            kit: None,
        })
    }
}

/// A handover under way. Removes what it wrote when dropped before
/// [`finish`](Self::finish).
pub(crate) struct Delivery {
    pub handover: Handover,
    reserved: Option<ReservedFile>,
    key_file: Option<WrittenFile>,
    kit: Option<WrittenKit>,
}

impl Delivery {
    /// Writes the key to its file, if it goes to one, and returns that step once it is on
    /// disk.
    pub fn write_key_file(&mut self, key: &AccessKey, user: &UserName) -> Result<Option<Step>> {
        if let Some(file) = self.reserved.take() {
            self.key_file = Some(file.write(&key_file::content(key, user)?)?);
        }
        Ok(self.handover.key_file_step())
    }

    /// Writes the kit, if there is to be one, and returns that step. The kit gets its name
    /// when all is finished.
    pub fn write_kit(&mut self, settings: &ClientSettings<'_>) -> Result<Option<Step>> {
        if let Some(kit) = &self.handover.kit {
            self.kit = Some(kit.write(settings)?);
        }
        Ok(self.handover.kit_step())
    }

    /// Keeps what was written, and gives the key to the open file where it
    /// goes to one.
    pub fn finish(self, key: &AccessKey, user: &UserName) -> Result<HandedOver> {
        if let Some(open) = &self.handover.open {
            let mut open: &File = open;
            open.write_all(&key_file::content(key, user)?).context("can't write the key")?;
        }
        if let Some(key_file) = &self.key_file {
            key_file.check()?;
        }
        if let Some(kit) = self.kit {
            kit.keep()?;
        }
        if let Some(key_file) = self.key_file {
            key_file.keep();
        }
        let (kit, kit_zip) = self.handover.kit.map(|kit| (kit.directory, kit.archive)).unzip();
        Ok(HandedOver {
            access_key_id: key.id().to_owned(),
            key_file: self.handover.file,
            kit: kit.flatten(),
            kit_zip,
        })
    }
}

/// The access that a grant gives, such as "read-only access to s3://shared/alex/".
pub(crate) fn access_in_words(target: &Target, grant: &Grant) -> String {
    let mut words = format!("{} access to {}", grant.access.adjective(), target.folder_url());
    for (index, folder) in grant.also_read.iter().enumerate() {
        let is_alike = index > 0 || grant.access.rights() == Rights::SHARED;
        words += if is_alike { " and " } else { ", read-only access to " };
        words += &target.url_of(folder);
    }
    if grant.browse_root {
        words += ", to the names at the top level of the bucket";
    }
    words
}
