//! The folders that the users of one run are to get.

use std::collections::BTreeMap;

use super::once::names;
use super::{NamedUser, TargetArgs};
use crate::access::{GivenFolder, Prefix, Target};
use crate::step::named_users;

/// The users of a run by the folders that they are to get.
pub struct Folders<'a> {
    /// The folder of those whose row names none; none for one that is named after the user.
    for_all: Option<&'a GivenFolder>,
    target: &'a TargetArgs,
    users: BTreeMap<Prefix, Vec<String>>,
}

impl<'a> Folders<'a> {
    /// The folders of these users, who are all to be created.
    pub fn of(
        users: &[NamedUser],
        for_all: Option<&'a GivenFolder>,
        target: &'a TargetArgs,
    ) -> Self {
        let mut folders = Self { for_all, target, users: BTreeMap::new() };
        for user in users {
            let prefix = folders.target(user).prefix().clone();
            folders.users.entry(prefix).or_default().push(user.name.to_string());
        }
        folders
    }

    /// A user in the bucket with the folder that it is to get.
    pub fn target(&self, user: &NamedUser) -> Target {
        self.target.new_target(user, self.for_all)
    }

    /// Says whose folder is around this user's, if anybody's is.
    pub fn problem(&self, user: &NamedUser) -> Option<String> {
        let target = self.target(user);
        let others = target.prefix().around().find_map(|folder| self.users.get(&folder))?;
        Some(format!("the folder of user {} is inside that of {}", user.name, named_users(others)))
    }

    /// Says which folders several users are to have, a line each.
    pub(super) fn shared(&self) -> impl Iterator<Item = String> {
        let shared = self.users.iter().filter(|(_, users)| users.len() > 1);
        shared.map(|(folder, users)| {
            format!(
                "{} users share the folder s3://{}/{folder}: {}",
                users.len(),
                self.target.bucket,
                names(users)
            )
        })
    }
}
