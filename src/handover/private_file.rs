//! Files that hold a secret. Nobody else can read them, they are created before the secret
//! exists, and they never overwrite anything.

use std::fs::{self, File};
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::{Builder, NamedTempFile};

use crate::commands;
use crate::commands::move_away;
use crate::errors::{ErrorKind, Hint, Hinted};
use crate::os;

/// An empty private file in the same directory as the one to write, under a temporary
/// name. Deleted when dropped.
#[derive(Debug)]
pub(super) struct ReservedFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl ReservedFile {
    /// Creates the file. Fails if anything is at `path`, even a dangling symbolic link.
    pub fn beside(path: &Path) -> Result<Self> {
        check_free(path)?;
        let file = os::long_path(directory_of(path))
            .and_then(|dir| {
                Builder::new().prefix(&temporary_prefix(path)).make_in(dir, os::create_file)
            })
            .map_err(|error| {
                let dir = directory_of(path).display();
                let message = format!("can't create a file in {dir}: {error}");
                Hinted::new(message, Hint::new(OTHER_DIRECTORY))
            })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the content and gives the file its final name. Fails if something has that
    /// name by now. Returns once the file and its directory are on disk.
    pub fn write(self, content: &[u8]) -> Result<WrittenFile> {
        let failure = format!("can't write {}", self.path.display());
        self.write_and_name(content).context(failure)
    }

    fn write_and_name(mut self, content: &[u8]) -> io::Result<WrittenFile> {
        self.file.write_all(content)?;
        self.file.as_file().sync_all()?;
        let named = self.file.persist_noclobber(os::long_path(&self.path)?)?;
        let written = WrittenFile { path: self.path, file: named, kept: false };
        os::sync_directory(directory_of(&written.path))?;
        Ok(written)
    }
}

/// A file that was written. Deleted when dropped, unless kept.
#[derive(Debug)]
pub(super) struct WrittenFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl WrittenFile {
    /// Fails if the file was removed or replaced since it was written.
    pub fn check(&self) -> Result<()> {
        ensure!(
            os::is_at(&self.file, &self.path),
            "can't keep {}: somebody removed or replaced it",
            self.path.display()
        );
        Ok(())
    }

    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for WrittenFile {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Emptied first, so that the secret is gone even if the file can't be removed.
        let _ = self.file.set_len(0);
        if os::is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Fails if something exists at `path` or can't, or if its directory doesn't.
pub(super) fn check_free(path: &Path) -> Result<()> {
    if os::is_device(path) {
        let message = format!("{}: Windows takes this name for a device", path.display());
        return Err(Hinted::new(message, Hint::new("write the key to stdout with -o -")).into());
    }
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
            check_directory(directory_of(path))
        }
        Err(error) => Err(cant_use(directory_of(path), error)),
        Ok(_) => Err(already_exists(path)),
    }
}

fn cant_use(dir: &Path, error: io::Error) -> anyhow::Error {
    anyhow::Error::from(error).context(format!("can't use directory {}", dir.display()))
}

const OTHER_DIRECTORY: &str = "choose another directory with -o DIR";

/// The error for an existing file, which is not overwritten since it may hold a key.
pub(super) fn already_exists(path: &Path) -> anyhow::Error {
    let message = format!("{} already exists; not overwriting it", path.display());
    let words = "it may hold a key; to keep it under another name, run";
    let hint = Hint { words: words.to_owned(), command: Some(move_away(path)) };
    Hinted::new(message, hint).of_kind(ErrorKind::FileExists).into()
}

fn check_directory(dir: &Path) -> Result<()> {
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => {
            let message = format!("{} is not a directory", dir.display());
            Err(Hinted::new(message, Hint::new(OTHER_DIRECTORY)).into())
        }
        Err(error) if error.kind() == NotFound => {
            let message = format!("the directory {} doesn't exist", dir.display());
            let hint = Hint::run("make it with", commands::make_directory(dir));
            Err(Hinted::new(message, hint).into())
        }
        Err(error) => Err(cant_use(dir, error)),
    }
}

/// The directory of a file; `.` if the path names none.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The prefix of a file's temporary name.
pub(super) fn temporary_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_file_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.csv");
        let file = ReservedFile::beside(&path).unwrap();
        assert!(!path.exists());
        file.write(b"secret").unwrap().keep();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_left_of_a_file_that_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.csv");
        drop(ReservedFile::beside(&path).unwrap());
        drop(ReservedFile::beside(&path).unwrap().write(b"secret").unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn file_that_appears_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.csv");
        let one = ReservedFile::beside(&path).unwrap();
        let two = ReservedFile::beside(&path).unwrap();
        let first = one.write(b"first").unwrap();
        let error = two.write(b"second").unwrap_err().to_string();
        assert!(error.contains("can't write"), "{error}");
        first.keep();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn file_of_another_under_the_same_name_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.csv");
        let written = ReservedFile::beside(&path).unwrap().write(b"secret").unwrap();
        fs::rename(&path, dir.path().join("moved.csv")).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(written);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(fs::read(dir.path().join("moved.csv")).unwrap(), b"");
    }

    #[test]
    fn existing_file_stays_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.csv");
        fs::write(&path, "").unwrap();
        ReservedFile::beside(&path).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
