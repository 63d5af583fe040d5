//! The access key and the CSV file it is handed over in.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::names::UserName;
use crate::report::Hinted;

/// An access key pair. The secret is wiped from memory when dropped, and
/// never shown by `Debug`.
pub struct AccessKey {
    id: String,
    secret: Zeroizing<String>,
}

impl AccessKey {
    pub(crate) fn new(id: String, secret: String) -> Self {
        Self {
            id,
            secret: Zeroizing::new(secret),
        }
    }

    /// The access key ID, which is not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret access key, for the files that are handed over and for
    /// signing requests.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({}, ****)", self.id)
    }
}

/// Where a key of a user is written in a directory: `USER_accessKeys.csv`, and
/// from the second on `USER_accessKeys.N.csv`.
pub fn key_file_path(dir: &Path, user: &UserName, number: u32) -> PathBuf {
    let name = match number {
        1 => format!("{user}_accessKeys.csv"),
        number => format!("{user}_accessKeys.{number}.csv"),
    };
    in_directory(dir, name)
}

/// A name in a directory, as people write it.
pub(crate) fn in_directory(dir: &Path, name: String) -> PathBuf {
    match dir == Path::new(".") {
        true => name.into(),
        false => dir.join(name),
    }
}

/// Fails if a file at `path` would be in the way of a new key file, or the
/// directory isn't there.
///
/// An empty regular file is not in the way: it is what a killed run leaves.
pub(crate) fn check_free(path: &Path) -> Result<()> {
    let dir = parent(path);
    match fs::symlink_metadata(path) {
        Err(error) if no_such_path(&error) => match fs::metadata(dir) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => bail!("{} is not a directory", dir.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let dir = dir.display();
                Err(Hinted {
                    message: format!("can't use directory {dir}: {error}"),
                    hint: format!("make it with: mkdir -m 700 '{dir}'"),
                }
                .into())
            }
            Err(error) => {
                Err(error).with_context(|| format!("can't use directory {}", dir.display()))
            }
        },
        Err(error) => Err(error).with_context(|| format!("can't look at {}", path.display())),
        Ok(found) if found.is_file() && found.len() == 0 => Ok(()),
        Ok(_) => Err(Hinted {
            message: format!(
                "{} is there already, and is never overwritten",
                path.display()
            ),
            hint: "it may hold the user's only key; give another directory with -o, or make \
                   another key with --rotate-key"
                .to_owned(),
        }
        .into()),
    }
}

/// The directory of a file, also of one named without a directory.
fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Removes an empty file that a killed run left, so that a new one is ours
/// alone, whoever owned the old one. A run under way holds a lock on its own.
fn remove_abandoned(path: &Path) -> Result<()> {
    let failed = || format!("can't take over {}", path.display());
    let mut options = OpenOptions::new();
    let file = match options
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
    {
        Err(error) if no_such_path(&error) => return Ok(()),
        opened => opened.with_context(failed)?,
    };
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        bail!("{} is being written by another run", path.display());
    }
    check_free(path)?;
    fs::remove_file(path).with_context(failed)
}

fn no_such_path(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A key file that is ours, and empty, before the key exists; removed again
/// when dropped unless kept.
#[derive(Debug)]
pub(crate) struct ReservedKeyFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl ReservedKeyFile {
    /// Creates the file with mode 0600, in place of an empty one that no other
    /// run holds. Never follows a symbolic link at `path`.
    pub fn reserve(path: &Path) -> Result<Self> {
        check_free(path)?;
        let failed = || format!("can't create {}", path.display());
        remove_abandoned(path)?;
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .with_context(failed)?;
        // Some network file systems have no locks; creating the file was exclusive all the same.
        let _ = file.try_lock();
        // Whatever the umask.
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .with_context(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            kept: false,
        })
    }

    /// Writes the key, and returns once file and directory are on disk.
    ///
    /// A header and one row, as the AWS console has them, with the column
    /// that `aws configure import` demands.
    pub fn write(&mut self, key: &AccessKey, user: &UserName) -> Result<()> {
        let failed = || format!("can't write {}", self.path.display());
        let content = to_csv(key, user).with_context(failed)?;
        self.file.write_all(&content).with_context(failed)?;
        self.file.sync_all().with_context(failed)?;
        File::open(parent(&self.path))
            .and_then(|dir| dir.sync_all())
            .with_context(failed)?;
        // A file whose name has gone meanwhile would be lost when closed.
        fs::symlink_metadata(&self.path).with_context(failed)?;
        Ok(())
    }

    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for ReservedKeyFile {
    fn drop(&mut self) {
        if !self.kept {
            // Emptied as well, so that no secret stays even if it can't be removed.
            let _ = self.file.set_len(0);
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The key as it is handed over: a header and one row.
pub(crate) fn to_csv(key: &AccessKey, user: &UserName) -> Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(512));
    // Its buffer is not wiped: this leaves no more than two characters there.
    let mut csv = csv::WriterBuilder::new()
        .buffer_capacity(2)
        .from_writer(&mut *content);
    csv.write_record(["Access key ID", "Secret access key", "User name"])?;
    csv.write_record([key.id.as_str(), key.secret.as_str(), user.as_str()])?;
    csv.flush()?;
    drop(csv);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "+/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn key() -> AccessKey {
        AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), SECRET.to_owned())
    }

    #[test]
    fn debug_never_shows_the_secret() {
        assert_eq!(
            format!("{:?}", key()),
            "AccessKey(AKIAIOSFODNN7EXAMPLE, ****)"
        );
    }

    #[test]
    fn file_is_one_header_and_one_row_with_mode_0600() {
        let dir = tempfile::tempdir().unwrap();
        let user = "alex".parse().unwrap();
        let path = key_file_path(dir.path(), &user, 1);
        let mut file = ReservedKeyFile::reserve(&path).unwrap();
        file.write(&key(), &user).unwrap();
        file.keep();
        let expected = format!(
            "Access key ID,Secret access key,User name\nAKIAIOSFODNN7EXAMPLE,{SECRET},alex\n"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn user_name_with_a_comma_reads_back_as_one_field() {
        let csv = to_csv(&key(), &"a,b".parse().unwrap()).unwrap();
        let mut reader = csv::Reader::from_reader(&csv[..]);
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(
            row.iter().collect::<Vec<_>>(),
            ["AKIAIOSFODNN7EXAMPLE", SECRET, "a,b"]
        );
    }

    proptest! {
        #[test]
        fn any_key_reads_back(
            id in "[A-Z0-9]{16,32}",
            secret in "[ -~]{1,64}",
            user in "[A-Za-z0-9_+=,.@][A-Za-z0-9_+=,.@-]{2,63}",
        ) {
            let key = AccessKey::new(id.clone(), secret.clone());
            let csv = to_csv(&key, &user.parse().unwrap()).unwrap();
            let mut reader = csv::Reader::from_reader(&csv[..]);
            let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            let row: Vec<_> = rows[0].iter().collect();
            prop_assert_eq!(row, [id.as_str(), &secret, &user]);
            prop_assert!(!csv.ends_with(b"\n\n"));
        }
    }

    #[test]
    fn file_that_is_not_kept_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alex_accessKeys.csv");
        drop(ReservedKeyFile::reserve(&path).unwrap());
        assert!(!path.exists());
        let mut file = ReservedKeyFile::reserve(&path).unwrap();
        file.write(&key(), &"alex".parse().unwrap()).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn empty_file_is_taken_over_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alex_accessKeys.csv");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = ReservedKeyFile::reserve(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(file);
    }

    #[test]
    fn empty_file_of_a_run_under_way_is_not_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alex_accessKeys.csv");
        let _first = ReservedKeyFile::reserve(&path).unwrap();
        let error = ReservedKeyFile::reserve(&path).unwrap_err().to_string();
        assert!(error.contains("another run"), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn existing_file_and_symbolic_link_stay_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alex_accessKeys.csv");
        fs::write(&path, "precious").unwrap();
        ReservedKeyFile::reserve(&path).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

        let link = dir.path().join("jaime_accessKeys.csv");
        let elsewhere = dir.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        ReservedKeyFile::reserve(&link).unwrap_err();
        assert!(!elsewhere.exists());
    }
}
