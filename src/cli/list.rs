//! `--list`: who has access to a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::exit::{Ending, Exit};
use super::list_table::table;
use super::{NamedUser, Session};
use crate::aws::Aws;
use crate::step::{counted, thousands};
use crate::workflows::inventory::{Inventory, LastUse, Listed, Readers};

impl Session {
    /// Lists the users of the bucket, or those of them that are named, as a table or
    /// as JSON.
    ///
    /// Prints all of the list or, where anything fails, nothing of it.
    pub async fn list(&self, users: Vec<NamedUser>) -> Exit {
        let work = async { self.look_up(&self.load().await?, users).await };
        let listed = match self.signals.or_interrupted(work).await {
            Ok(Some(listed)) => listed,
            Ok(None) => return Exit::Failure,
            Err(error) => return self.failed(&error),
        };
        if listed.is_empty() {
            self.out.say(format!("No users for bucket {}", self.target.bucket));
            return Exit::Success;
        }
        self.out.results(&listed, &table(&listed));
        if any_key_was_used(&listed, &LastUse::Unknown) {
            self.out.note(
                "last use of keys is unknown (needs the permission iam:GetAccessKeyLastUsed)",
            );
        }
        if any_key_was_used(&listed, &LastUse::NotOffered) {
            self.out.note("this store does not tell when keys were last used");
        }
        if self.out.report().has_lost_results { Exit::Failure } else { Exit::Success }
    }

    /// Looks up the users. Returns `None` if something is wrong with one that is named,
    /// which is told.
    async fn look_up(&self, aws: &Aws, users: Vec<NamedUser>) -> Result<Option<Vec<Listed>>> {
        let seen = Arc::new(AtomicU64::new(0));
        let all = Arc::new(AtomicU64::new(0));
        let (seen_so_far, all_found) = (seen.clone(), all.clone());
        let _line = self.out.progress(move |_| match all_found.load(Ordering::Relaxed) {
            0 => "looking for users".to_owned(),
            all => {
                let seen = thousands(seen_so_far.load(Ordering::Relaxed));
                format!("{seen} of {}", counted(all, "user"))
            }
        });
        let inventory = Inventory::new(aws, &self.target.bucket, self.target.jobs_to_list());
        let found = if users.is_empty() {
            inventory.all().await?
        } else {
            let names = users.into_iter().map(|user| user.name).collect();
            let (found, failed) = inventory.named(names).await;
            for (run, error) in &failed {
                self.out.for_user(&run.target.user).failed(error);
            }
            if !failed.is_empty() {
                return Ok(None);
            }
            found
        };
        all.store(found.len() as u64, Ordering::Relaxed);
        let readers = Readers::among(&found);
        let listed = inventory.list(found, &readers, || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        Ok(Some(listed.await?))
    }

    /// Prints why nothing came of the work on all users of the bucket.
    pub(super) fn failed(&self, error: &anyhow::Error) -> Exit {
        self.out.failed(error);
        match Ending::after(error) {
            Ending::Interrupted => self.signals.exit(),
            _ => Exit::Failure,
        }
    }
}

fn any_key_was_used(users: &[Listed], last_use: &LastUse) -> bool {
    users.iter().flat_map(|user| &user.keys).any(|key| key.last_use == *last_use)
}
