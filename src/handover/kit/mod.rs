//! The kit: an archive to send, with settings for the person's client and a README that
//! explains them, and maybe a directory with the same.

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jiff::ZonedDateTime;
use tempfile::Builder;
use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::private_file::{ReservedFile, WrittenFile};
use super::{KitForm, key_file, private_file};
use crate::access::UserName;
use crate::os;

use settings::NamedFile;

pub(crate) use settings::ClientSettings;

mod readme;
mod settings;

/// A kit to write.
#[derive(Debug, Clone)]
pub(super) struct Kit {
    pub archive: PathBuf,
    /// The directory beside it with the same files, if there is to be one.
    pub directory: Option<PathBuf>,
    /// Somebody whom the person can ask.
    contact: Option<String>,
}

impl Kit {
    /// `USER_kit.zip` and maybe `USER_kit` in a directory, and from the second on
    /// `USER_kit.N.zip` and `USER_kit.N`.
    pub fn in_directory(
        dir: &Path,
        user: &UserName,
        number: u32,
        form: KitForm,
        contact: Option<String>,
    ) -> Self {
        let name = match number {
            1 => format!("{user}_kit"),
            number => format!("{user}_kit.{number}"),
        };
        Self {
            archive: key_file::in_directory(dir, format!("{name}.zip")),
            directory: (form == KitForm::Dir).then(|| key_file::in_directory(dir, name)),
            contact,
        }
    }

    /// The files and directories that would have to be overwritten.
    pub fn existing_files(&self) -> impl Iterator<Item = &PathBuf> {
        let taken_directory = self.directory.as_ref().filter(|path| !is_free(path));
        let taken_archive = Some(&self.archive).filter(|path| path.symlink_metadata().is_ok());
        taken_directory.into_iter().chain(taken_archive)
    }

    /// Fails if directory or archive would have to be overwritten.
    pub fn check_free(&self) -> Result<()> {
        self.directory.as_deref().map_or(Ok(()), check_free)?;
        private_file::check_free(&self.archive)
    }

    /// Writes the archive and the directory, and returns once they are on disk.
    pub fn write(&self, settings: &ClientSettings<'_>) -> Result<WrittenKit> {
        let contents = settings.files(self.contact.as_deref())?;
        let name = self.archive.file_stem().unwrap_or_default();
        let zip = zipped(&settings::file_stem(&name.to_string_lossy()), &contents)?;
        let write = |path: &PathBuf| KitDirectory::beside(path, &contents);
        Ok(WrittenKit {
            directory: self.directory.as_ref().map(write).transpose()?,
            archive: ReservedFile::beside(&self.archive)?.write(&zip)?,
        })
    }
}

/// A zip archive that holds the files in a directory of this name.
fn zipped(directory: &str, files: &[NamedFile]) -> Result<Zeroizing<Vec<u8>>> {
    // Room for everything, so that no copy of the secret stays behind where it grew.
    let size: usize = files.iter().map(|(_, content)| content.len() + 1024).sum();
    let mut archive = Zeroizing::new(Vec::with_capacity(size + 1024));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o600)
        .last_modified_time(now());
    let mut zip = ZipWriter::new(Cursor::new(&mut *archive));
    for (name, content) in files {
        zip.start_file(format!("{directory}/{name}"), options)?;
        zip.write_all(content.as_bytes())?;
    }
    zip.finish()?;
    Ok(archive)
}

/// The time of day here, as archives have it.
fn now() -> DateTime {
    let now = ZonedDateTime::now();
    let [month, day, hour, minute, second] =
        [now.month(), now.day(), now.hour(), now.minute(), now.second()].map(|it| it as u8);
    let date = DateTime::from_date_and_time(now.year() as u16, month, day, hour, minute, second);
    date.unwrap_or_default()
}

/// True if nothing is at `path`, or an empty directory.
fn is_free(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Fails if something but an empty directory is at `path`.
fn check_free(path: &Path) -> Result<()> {
    if is_free(path) { Ok(()) } else { Err(private_file::already_exists(path)) }
}

/// A kit that is written, and gone when dropped unless kept.
#[derive(Debug)]
pub(super) struct WrittenKit {
    directory: Option<KitDirectory>,
    archive: WrittenFile,
}

impl WrittenKit {
    /// Keeps archive and directory, and gives the latter its name. Fails where something has
    /// that name, or the archive is gone.
    pub fn keep(self) -> Result<()> {
        self.archive.check()?;
        if let Some(directory) = self.directory {
            directory.keep()?;
        }
        self.archive.keep();
        Ok(())
    }
}

/// A private directory beside the one to make, under a hidden name; gone when dropped.
#[derive(Debug)]
struct KitDirectory {
    path: PathBuf,
    /// The directory itself, whoever may put another one at its path. Closed before it is
    /// removed, as Windows would have it.
    handle: File,
    hidden: Hidden,
}

impl KitDirectory {
    /// Writes the files, which nobody else can read, and returns once they are on disk.
    fn beside(path: &Path, files: &[NamedFile]) -> Result<Self> {
        let kit = Self::make(path).with_context(|| format!("can't create {}", path.display()))?;
        for (name, content) in files {
            kit.write(name, content).with_context(|| cant_write(&path.join(name)))?;
        }
        os::sync_directory(&kit.hidden.0).with_context(|| cant_write(path))?;
        Ok(kit)
    }

    fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let mut file = os::create_file_in(&self.handle, name)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()
    }

    fn make(path: &Path) -> io::Result<Self> {
        let made = Builder::new()
            .prefix(&private_file::temporary_prefix(path))
            .make_in(os::long_path(private_file::directory_of(path))?, os::create_directory)?;
        let (handle, hidden) = made.into_parts();
        Ok(Self { path: path.to_owned(), handle, hidden: Hidden(hidden.keep()?) })
    }

    /// Gives it its name, and returns once that is on disk. Fails where something
    /// has that name.
    fn keep(self) -> Result<()> {
        check_free(&self.path)?;
        fs::rename(&self.hidden.0, &self.path).with_context(|| cant_write(&self.path))?;
        ensure!(
            os::is_at(&self.handle, &self.path),
            "{}: somebody else put another directory there",
            cant_write(&self.path)
        );
        // Nothing of ours is under the hidden name any more.
        std::mem::forget(self.hidden);
        // The key file is the copy that must not get lost.
        let _ = os::sync_directory(private_file::directory_of(&self.path));
        Ok(())
    }
}

fn cant_write(path: &Path) -> String {
    format!("can't write {}", path.display())
}

/// A directory that is removed when dropped, if it is still there.
#[derive(Debug)]
struct Hidden(PathBuf);

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_somebody_else_at_the_same_path_gets_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("alex_kit");
        let kit = KitDirectory::make(&path).unwrap();
        let ours = parent.path().join("ours");
        fs::rename(&kit.hidden.0, &ours).unwrap();
        fs::create_dir(&kit.hidden.0).unwrap();
        os::create_file_in(&kit.handle, "secret").unwrap();
        assert!(ours.join("secret").exists());
        assert_eq!(fs::read_dir(&kit.hidden.0).unwrap().count(), 0);
        let error = kit.keep().unwrap_err().to_string();
        assert!(error.contains("somebody else"), "{error}");
    }
}
