//! Names by folder: who has it, and who may read it.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::Prefix;

/// Users by a folder of each.
#[derive(Debug, Clone, Default)]
pub(super) struct ByFolder(BTreeMap<Prefix, BTreeSet<String>>);

impl ByFolder {
    pub fn add(&mut self, folder: &Prefix, user: &str) {
        self.0.entry(folder.clone()).or_default().insert(user.to_owned());
    }

    /// The users at the folder, inside it and around it.
    pub fn neighbours(&self, folder: &Prefix) -> BTreeSet<&str> {
        let mut users = self.inside_or_around(folder);
        users.extend(self.at(folder));
        users
    }

    /// The users inside the folder and around it.
    pub fn inside_or_around(&self, folder: &Prefix) -> BTreeSet<&str> {
        let from_here = self.0.range(folder.clone()..).skip_while(|(other, _)| *other == folder);
        let mut users = BTreeSet::new();
        for (_, names) in from_here.take_while(|(other, _)| other.is_inside(folder)) {
            users.extend(names.iter().map(String::as_str));
        }
        for around in folder.around() {
            users.extend(self.at(&around));
        }
        users
    }

    fn at(&self, folder: &Prefix) -> impl Iterator<Item = &str> {
        self.0.get(folder).into_iter().flatten().map(String::as_str)
    }
}
