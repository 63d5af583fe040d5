//! The key files that lie in a directory: the keys in them, and the hidden file
//! that a killed run left.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::path::Path;

use zeroize::Zeroizing;

use super::key_file;
use super::private_file::temporary_prefix;
use crate::access::UserName;

/// The size in bytes above which a file is not read: one with a single key is far smaller.
const LONGEST: u64 = 1 << 20;

/// The access keys that lie in files of a directory. Nothing else of what the
/// files hold is kept or shown.
#[derive(Debug, Default)]
pub(crate) struct KeyFiles {
    /// The IDs of the keys that are in a file.
    ids: HashSet<String>,
    hidden_names: Vec<String>,
}

/// The names of a user's key files and kits in a directory, sorted.
#[cfg(feature = "cli")]
pub(crate) fn files_of(dir: &Path, user: &UserName) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut found: Vec<_> = names.filter(|name| is_of(name, user)).collect();
    found.sort();
    found
}

/// True for a name such as `USER_accessKeys.csv`, `USER_accessKeys.2.csv`, `USER_kit` or
/// `USER_kit.2.zip`.
#[cfg(feature = "cli")]
fn is_of(name: &str, user: &UserName) -> bool {
    let Some(rest) = name.strip_prefix(user.as_str()) else { return false };
    let number = if let Some(rest) = rest.strip_prefix("_accessKeys") {
        rest.strip_suffix(".csv")
    } else if let Some(rest) = rest.strip_prefix("_kit") {
        Some(rest.strip_suffix(".zip").unwrap_or(rest))
    } else {
        None
    };
    let digits = |number: &str| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    number.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(digits))
}

impl KeyFiles {
    /// Looks for the keys with these IDs in every CSV file of the directory, by
    /// whatever name it goes. A file that can't be read holds none, and without IDs none is read.
    pub fn look(dir: &Path, ids: &HashSet<&str>) -> Self {
        let mut files = Self::default();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                files.hidden_names.push(name);
            } else if !ids.is_empty()
                && name.ends_with(".csv")
                && let Some(content) = content(&entry)
            {
                let words = content.split(|c: char| !c.is_ascii_alphanumeric());
                files.ids.extend(words.filter(|word| ids.contains(word)).map(str::to_owned));
            }
        }
        files
    }

    /// True if a file holds one of these keys.
    pub fn hold_any(&self, ids: &[String]) -> bool {
        ids.iter().any(|id| self.ids.contains(id))
    }

    /// The hidden file that a run made for the first key of this user, and was
    /// killed before it gave it its name.
    pub fn leftover(&self, user: &UserName) -> Option<&str> {
        let prefix = temporary_prefix(&key_file::path(Path::new("."), user, 1));
        self.hidden_names.iter().map(String::as_str).find(|name| {
            let random = name.strip_prefix(&prefix).unwrap_or_default();
            !random.is_empty() && random.chars().all(|c| c.is_ascii_alphanumeric())
        })
    }
}

fn content(entry: &DirEntry) -> Option<Zeroizing<String>> {
    let found = fs::metadata(entry.path()).ok()?;
    if !found.is_file() || found.len() > LONGEST {
        return None;
    }
    fs::read_to_string(entry.path()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_user_are_no_others() {
        let alex = "alex".parse().unwrap();
        for name in ["alex_accessKeys.csv", "alex_accessKeys.12.csv", "alex_kit", "alex_kit.3.zip"]
        {
            assert!(is_of(name, &alex), "{name}");
        }
        for name in [
            "alex_accessKeys.old.csv",
            "alexander_kit",
            "alex_kit.zip.old",
            "alex_kits",
            "alex.csv",
        ] {
            assert!(!is_of(name, &alex), "{name}");
        }
    }

    #[test]
    fn keys_are_found_by_their_whole_id_in_any_csv_file() {
        let dir = tempfile::tempdir().unwrap();
        for (name, id) in [
            ("alex_accessKeys.2.csv", "AKIAALEX000000000001"),
            ("renamed.csv", "AKIAKIM0000000000001"),
            ("notes.txt", "AKIALEE0000000000001"),
        ] {
            let content = format!("Access key ID,Secret access key\r\n{id},secret\r\n");
            fs::write(dir.path().join(name), content).unwrap();
        }
        let ids = [
            "AKIAALEX000000000001",
            "AKIAKIM0000000000001",
            "AKIALEE0000000000001",
            "AKIAKIM00000000000",
        ];
        let files = KeyFiles::look(dir.path(), &HashSet::from(ids));
        let held = ids.map(|id| files.hold_any(&[id.to_owned()]));
        assert_eq!(held, [true, true, false, false]);
        assert!(!format!("{files:?}").contains("secret"));
    }

    #[test]
    fn leftover_is_that_of_the_very_user() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            ".alexander_accessKeys.csv.Ab12Cd",
            ".alex_accessKeys.csv.q_accessKeys.csv.Ab12Cd",
            ".alex_accessKeys.2.csv.Ab12Cd",
            ".kim_accessKeys.csv.Ab12Cd",
            "lee_accessKeys.csv.Ab12Cd",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let files = KeyFiles::look(dir.path(), &HashSet::new());
        let leftover = |user: &str| files.leftover(&user.parse().unwrap());
        assert_eq!(leftover("kim"), Some(".kim_accessKeys.csv.Ab12Cd"));
        assert_eq!(leftover("alex"), None);
        assert_eq!(leftover("lee"), None);
    }
}
