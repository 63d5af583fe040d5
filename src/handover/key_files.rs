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

impl KeyFiles {
    /// Looks for the keys with these IDs in every CSV file of the directory, by
    /// whatever name it goes. A file that can't be read holds none.
    pub fn look(dir: &Path, ids: &HashSet<&str>) -> Self {
        let mut files = Self::default();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                files.hidden_names.push(name);
            } else if name.ends_with(".csv")
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
