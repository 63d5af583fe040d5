//! The access modes, and the rights that each gives: to add a mode, add it to
//! [`Access`] and follow the compiler, and name it in the help of `grant_change.rs`.

use std::fmt;

use serde::Serialize;

/// What a user may do with the objects of its folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// List and download
    #[default]
    Read,
    /// List, download, upload, overwrite and delete
    ReadWrite,
    /// Upload only, as into a drop box: no list, no download
    Write,
}

/// The rights to a folder. Policy, tests of the key, kit and words are made from
/// these, never from the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    /// See which objects there are.
    pub list: bool,
    /// Download objects.
    pub get: bool,
    /// Upload objects, in place of others too.
    pub put: bool,
    /// Delete objects.
    pub delete: bool,
}

impl Rights {
    /// The rights to each other folder that a user may read.
    pub const SHARED: Self = Self { list: true, get: true, put: false, delete: false };

    /// True if these have a right that the others lack.
    pub fn exceed(self, others: Self) -> bool {
        self.list && !others.list
            || self.get && !others.get
            || self.put && !others.put
            || self.delete && !others.delete
    }
}

impl Access {
    /// Every mode.
    const ALL: [Self; 3] = [Self::Read, Self::ReadWrite, Self::Write];

    /// The rights to the user's own folder.
    pub(crate) fn rights(self) -> Rights {
        match self {
            Self::Read => Rights { list: true, get: true, put: false, delete: false },
            Self::ReadWrite => Rights { list: true, get: true, put: true, delete: true },
            Self::Write => Rights { list: false, get: false, put: true, delete: false },
        }
    }

    /// The mode that gives just these rights, if there is one.
    pub(super) fn with_rights(rights: Rights) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.rights() == rights)
    }

    /// The kind of access in a word, before "access".
    pub(crate) fn adjective(self) -> &'static str {
        match self {
            Self::Read => "read-only",
            Self::ReadWrite => "read-write",
            Self::Write => "upload-only",
        }
    }

    /// The verbs of a sentence that ends with the folder.
    pub(crate) fn verbs(self) -> &'static str {
        match self {
            Self::Read => "list and download",
            Self::ReadWrite => "list, download, upload to and delete from",
            Self::Write => "upload to",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
            Self::Write => "write",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_mode_is_known_by_its_rights_and_its_name() {
        assert_eq!(Access::ALL, Access::value_variants());
        for access in Access::ALL {
            assert_eq!(Access::with_rights(access.rights()), Some(access));
            assert_eq!(Access::from_str(&access.to_string(), false), Ok(access));
        }
    }
}
