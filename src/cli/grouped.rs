//! Errors that many users have in common: said once, with the users' names.

use std::collections::HashSet;

use super::once::names;
use super::{NamedUser, Session};
use crate::access::BucketName;
use crate::commands::{self, Command};
use crate::errors::{ErrorKind, Hinted};
use crate::workflows::create::UserExists;

/// What may be wrong with several users in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouped {
    /// The user was to be created and exists.
    Exists,
    /// There is no such user.
    IsMissing,
    /// A file is where the key would be written.
    HasFile,
}

impl Grouped {
    const ALL: [Self; 3] = [Self::Exists, Self::IsMissing, Self::HasFile];

    /// The kind of a user's error, if it is one of these, and nothing more is said of it.
    pub fn of(error: &anyhow::Error) -> Option<Self> {
        if error.is::<UserExists>() {
            return Some(Self::Exists);
        }
        let Hinted { hints, kind, .. } = error.downcast_ref()?;
        // Where a folder of the missing user is found, a hint says so. A similar name may be that
        // of another user of the list.
        let says_more = hints.iter().any(|hint| hint.command.is_none());
        match kind {
            ErrorKind::NoSuchUser if !says_more => Some(Self::IsMissing),
            ErrorKind::FileExists => Some(Self::HasFile),
            _ => None,
        }
    }

    /// The words for one user, and for several.
    fn words(self, users: usize) -> &'static str {
        match (self, users) {
            (Self::Exists, 1) => "user already exists",
            (Self::Exists, _) => "users already exist",
            (Self::IsMissing, 1) => "user doesn't exist",
            (Self::IsMissing, _) => "users don't exist",
            (Self::HasFile, 1) => "user already has a key file or kit in the output directory",
            (Self::HasFile, _) => "users already have a key file or kit in the output directory",
        }
    }

    /// What can be done about it.
    fn hint(self, bucket: &BucketName) -> (&'static str, Option<Command>) {
        match self {
            Self::Exists => (
                "to skip users that exist, add --skip-existing; to change their access, use --update, \
                 or --sync with a users file",
                None,
            ),
            Self::IsMissing => ("to see all users", Some(commands::list_users(bucket))),
            Self::HasFile => (
                "choose another directory with -o DIR, or move the files away: they may hold the \
                 keys of deleted users, or of users in another account",
                None,
            ),
        }
    }
}

impl Session {
    /// Prints the errors on these users that were gathered, each once, and what can be done
    /// about them.
    pub(super) fn say_grouped(&self, users: &[NamedUser]) {
        let gathered = std::mem::take(&mut self.out.report().grouped);
        let out = self.out.for_all();
        for kind in Grouped::ALL {
            let of_kind = gathered.iter().filter(|(found, _)| *found == kind);
            let of_kind: HashSet<_> = of_kind.map(|(_, user)| user).collect();
            let names_in_order = users.iter().map(|user| &user.name);
            let of_kind: Vec<_> = names_in_order.filter(|user| of_kind.contains(user)).collect();
            if of_kind.is_empty() {
                continue;
            }
            let count = of_kind.len();
            out.error(&format!("{count} {}: {}", kind.words(count), names(&of_kind)));
            let (words, command) = kind.hint(&self.target.bucket);
            out.hint(words, command.as_ref());
        }
    }
}
