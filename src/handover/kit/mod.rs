//! The kit: a directory with settings for the person's client and a README that
//! explains them, and the same in one archive to send.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, Mode, OFlags, openat};
use tempfile::{Builder, TempDir};

use super::private_file::Reserved;
use super::{key_file, private_file};
use crate::access::UserName;

use settings::NamedFile;

pub(crate) use settings::Settings;

mod archive;
mod readme;
mod settings;

/// Where a kit goes.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub directory: PathBuf,
    /// The archive beside it.
    pub archive: PathBuf,
}

impl Paths {
    /// `USER_kit` and `USER_kit.zip` in a directory, and from the second on
    /// `USER_kit.N` and `USER_kit.N.zip`.
    pub fn of(dir: &Path, user: &UserName, number: u32) -> Self {
        let name = match number {
            1 => format!("{user}_kit"),
            number => format!("{user}_kit.{number}"),
        };
        Self {
            archive: key_file::in_directory(dir, format!("{name}.zip")),
            directory: key_file::in_directory(dir, name),
        }
    }

    /// What exists and would have to be overwritten.
    pub fn in_the_way(&self) -> impl Iterator<Item = &PathBuf> {
        let directory = Some(&self.directory).filter(|path| !is_free(path));
        let archive = Some(&self.archive).filter(|path| path.symlink_metadata().is_ok());
        directory.into_iter().chain(archive)
    }

    /// Fails if anything is in the way.
    pub fn check_free(&self) -> Result<()> {
        check_free(&self.directory)?;
        private_file::check_free(&self.archive)
    }
}

/// Whether nothing is at `path`, or an empty directory.
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
pub(super) struct Written {
    directory: Directory,
    archive: private_file::Written,
}

impl Written {
    /// Writes directory and archive, and returns once they are on disk.
    pub fn at(paths: &Paths, settings: &Settings<'_>) -> Result<Self> {
        let files = settings.files()?;
        let name = paths.directory.file_name().unwrap_or_default();
        let archive = archive::of(&name.to_string_lossy(), &files)?;
        Ok(Self {
            directory: Directory::beside(&paths.directory, &files)?,
            archive: Reserved::at(&paths.archive)?.write(&archive)?,
        })
    }

    /// Gives the directory its name. Fails where something has that name, or
    /// the archive is gone.
    pub fn keep(self) -> Result<()> {
        self.archive.check()?;
        self.directory.keep()?;
        self.archive.keep();
        Ok(())
    }
}

/// A directory of mode 0700 beside the one to make, under a hidden name; gone
/// when dropped.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    dir: TempDir,
    /// The directory itself, whoever may put another one at its path.
    handle: File,
}

impl Directory {
    /// Writes the files with mode 0600, and returns once they are on disk.
    fn beside(path: &Path, files: &[NamedFile]) -> Result<Self> {
        let kit = Self::make(path).with_context(|| format!("can't create {}", path.display()))?;
        for (name, content) in files {
            let failed = || format!("can't write {}", path.join(name).display());
            let file = private_file::create_in(&kit.handle, Path::new(name));
            let mut file = file.with_context(failed)?;
            file.write_all(content.as_bytes()).with_context(failed)?;
            file.sync_all().with_context(failed)?;
        }
        let synced = private_file::sync(&kit.handle);
        synced.with_context(|| format!("can't write {}", path.display()))?;
        Ok(kit)
    }

    fn make(path: &Path) -> io::Result<Self> {
        let dir = Builder::new()
            .prefix(&private_file::temporary_prefix(path))
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(private_file::directory_of(path))?;
        // A umask may take even the owner's rights away.
        if fs::metadata(dir.path())?.mode() & 0o700 != 0o700 {
            fs::set_permissions(dir.path(), Permissions::from_mode(0o700))?;
        }
        let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = File::from(openat(CWD, dir.path(), directory, Mode::empty())?);
        check_own(&handle)?;
        Ok(Self { path: path.to_owned(), dir, handle })
    }

    /// Gives it its name, and returns once that is on disk. Fails where something
    /// has that name.
    fn keep(self) -> Result<()> {
        check_free(&self.path)?;
        let failed = || format!("can't write {}", self.path.display());
        fs::rename(self.dir.path(), &self.path).with_context(failed)?;
        ensure!(
            private_file::is_at(&self.handle, &self.path),
            "can't write {}: somebody else put another directory there",
            self.path.display()
        );
        let _ = self.dir.keep();
        // The key file is the copy that must not get lost.
        let _ = File::open(private_file::directory_of(&self.path)).map(|dir| dir.sync_all());
        Ok(())
    }
}

/// Fails unless the directory is ours, and closed to others.
fn check_own(dir: &File) -> io::Result<()> {
    let found = dir.metadata()?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if is_ours && found.is_dir() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::other("somebody else put another directory there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_somebody_else_at_the_same_path_gets_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("alex_kit");
        let kit = Directory::make(&path).unwrap();
        let ours = parent.path().join("ours");
        fs::rename(kit.dir.path(), &ours).unwrap();
        fs::create_dir(kit.dir.path()).unwrap();
        private_file::create_in(&kit.handle, Path::new("secret")).unwrap();
        assert!(ours.join("secret").exists());
        assert_eq!(fs::read_dir(kit.dir.path()).unwrap().count(), 0);
        let error = kit.keep().unwrap_err().to_string();
        assert!(error.contains("somebody else"), "{error}");
    }
}
