//! Handing a key over: its file, the kit, and the test that it works. Makes and
//! deletes nothing in IAM; what it puts into the bucket to test a key, it
//! deletes again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};

use crate::access::{Access, AccessKey, Grant, Target, UserName};
use crate::aws::Patience;
use crate::step::Step;

use private_file::{Reserved, Written};

mod key_file;
mod key_files;
mod kit;
mod private_file;
mod verify;

pub(crate) use key_files::KeyFiles;
pub(crate) use kit::Settings;
pub(crate) use verify::{Verified, verify};

/// How long AWS gets by default to know a new key.
pub(crate) const VERIFY_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a new key is written.
#[derive(Debug, Clone)]
pub enum Destination {
    /// To the file `USER_accessKeys.csv` in this directory.
    Directory(PathBuf),
    /// To this open file, such as stdout.
    Open(Arc<File>),
}

/// How a new key is handed over.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the key is written.
    pub to: Destination,
    /// Whether to write `USER_kit/` and `USER_kit.zip` beside the file: settings
    /// for the person's client. Not for [`Destination::Open`].
    pub kit: bool,
    /// Whom the person can ask, as the kit says.
    pub contact: Option<String>,
    /// Whether to test what the key can do, and what it can't.
    pub verify: bool,
    /// How long to wait until AWS knows the key, to test it and before the keys
    /// that it replaces are deleted.
    pub verify_timeout: Duration,
}

impl Options {
    /// The key in a file in `dir`, and nothing else.
    pub fn file_in(dir: impl Into<PathBuf>) -> Self {
        Self {
            to: Destination::Directory(dir.into()),
            kit: false,
            contact: None,
            verify: false,
            verify_timeout: VERIFY_TIMEOUT,
        }
    }
}

/// A new access key, and where it was written.
#[derive(Debug, Clone, Serialize)]
pub struct HandedOver {
    /// The ID of the access key.
    pub access_key_id: String,
    /// The file that holds the key pair; none if it went to an open file.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The directory with settings for the person's client, if it was asked for.
    #[serde(serialize_with = "lossy")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kit: Option<PathBuf>,
    /// The same as one file to send.
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
    kit: Option<kit::Paths>,
    /// What takes the key where no file does.
    open: Option<Arc<File>>,
    contact: Option<String>,
    verify: bool,
    /// How long to wait until AWS knows the key.
    pub patience: Patience,
}

impl Handover {
    /// For the user's first key.
    pub fn first(options: &Options, user: &UserName) -> Self {
        Self::numbered(options, user, 1)
    }

    /// For a key that is not the user's first: file and kit get the first
    /// number that both are free for. Fails where no file can be made.
    pub fn another(options: &Options, user: &UserName) -> Result<Self> {
        let planned = (1..)
            .map(|number| Self::numbered(options, user, number))
            .find(|planned| planned.in_the_way().is_empty())
            .context("no number is free for another key file")?;
        planned.check()?;
        Ok(planned)
    }

    fn numbered(options: &Options, user: &UserName, number: u32) -> Self {
        let (dir, open) = match &options.to {
            Destination::Directory(dir) => (Some(dir), None),
            Destination::Open(file) => (None, Some(file.clone())),
        };
        let kit = dir.filter(|_| options.kit);
        Self {
            file: dir.map(|dir| key_file::path(dir, user, number)),
            kit: kit.map(|dir| kit::Paths::of(dir, user, number)),
            open,
            contact: options.contact.clone(),
            verify: options.verify,
            patience: Patience::of_new_key(options.verify_timeout),
        }
    }

    /// The files that would have to be overwritten.
    pub fn in_the_way(&self) -> Vec<PathBuf> {
        let file = self.file.iter().filter(|path| path.symlink_metadata().is_ok());
        let kit = self.kit.iter().flat_map(kit::Paths::in_the_way);
        file.chain(kit).cloned().collect()
    }

    /// Fails if a file or kit is in the way, or the directory isn't there.
    fn check_free(&self) -> Result<()> {
        self.file.as_deref().map_or(Ok(()), private_file::check_free)?;
        self.kit.as_ref().map_or(Ok(()), kit::Paths::check_free)
    }

    /// Fails where the key file can't be made: makes room for it, and takes that
    /// back.
    pub fn check(&self) -> Result<()> {
        self.reserve().map(drop)
    }

    /// Whether the grant must be known.
    pub fn needs_grant(&self) -> bool {
        self.verify || self.kit.is_some()
    }

    /// What will be done, in order; the grant is given where it must be known.
    pub fn steps(&self, target: &Target, grant: Option<&Grant>) -> Vec<Step> {
        let verify = Step::Verify {
            opens: grant.map_or(target.folder_url(), |grant| opens(target, grant)),
            untested: Vec::new(),
            is_all: true,
        };
        let file = self.file.clone().map(Step::WriteKeyFile);
        let kit = self.kit.as_ref();
        let kit = kit.map(|kit| Step::WriteKit(kit.archive.clone()));
        // Without the grant the step fails: a test that was asked for is never left out.
        let verify = self.verify.then_some(verify);
        file.into_iter().chain(verify).chain(kit).collect()
    }

    /// Makes room for the key file, before the key exists.
    pub fn reserve(&self) -> Result<Delivery> {
        self.check_free()?;
        Ok(Delivery {
            handover: self.clone(),
            file: self.file.as_deref().map(Reserved::at).transpose()?,
            written: None,
            kit: None,
        })
    }
}

/// A handover under way. What it wrote is removed again when dropped before
/// [`finish`](Self::finish).
pub(crate) struct Delivery {
    handover: Handover,
    file: Option<Reserved>,
    written: Option<Written>,
    kit: Option<kit::Written>,
}

impl Delivery {
    /// Writes the key to its file. Returns once it is on disk.
    pub fn write_key_file(&mut self, key: &AccessKey, user: &UserName) -> Result<()> {
        if let Some(file) = self.file.take() {
            self.written = Some(file.write(&key_file::content(key, user)?)?);
        }
        Ok(())
    }

    /// Writes the kit. It gets its name when all is finished.
    pub fn write_kit(&mut self, settings: &Settings<'_>) -> Result<()> {
        if let Some(paths) = &self.handover.kit {
            let contact = self.handover.contact.as_deref();
            self.kit = Some(kit::Written::at(paths, &settings.with_contact(contact))?);
        }
        Ok(())
    }

    /// Keeps what was written, and gives the key to the open file where it
    /// goes to one.
    pub fn finish(mut self, key: &AccessKey, user: &UserName) -> Result<HandedOver> {
        if let Some(open) = &self.handover.open {
            let csv = key_file::content(key, user)?;
            let mut open: &File = open;
            open.write_all(&csv).context("can't write the key")?;
        }
        if let Some(written) = &self.written {
            written.check()?;
        }
        if let Some(kit) = self.kit.take() {
            kit.keep()?;
        }
        if let Some(written) = self.written.take() {
            written.keep();
        }
        let (kit, kit_zip) =
            self.handover.kit.map(|paths| (paths.directory, paths.archive)).unzip();
        Ok(HandedOver {
            access_key_id: key.id().to_owned(),
            key_file: self.handover.file,
            kit,
            kit_zip,
        })
    }
}

/// What the key gives access to, as people say it.
fn opens(target: &Target, grant: &Grant) -> String {
    let kind = grant.access.adjective();
    let mut opens = format!("{kind} access to {}", target.folder_url());
    let mut and = match grant.access {
        Access::Read => " and ",
        Access::ReadWrite | Access::Write => ", read-only access to ",
    };
    for folder in &grant.also_read {
        opens += &format!("{and}{}", target.url_of(folder));
        and = " and ";
    }
    opens
}
