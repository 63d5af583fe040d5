//! The progress of emptying a folder: what was deleted, and what can't be.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::s3::listing::{Entry, Kind};
use crate::step::counted;

/// An object that could not be deleted, with AWS's own code and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedKey {
    /// The object's key.
    pub key: String,
    /// AWS's error code, such as `AccessDenied`.
    pub code: String,
    /// AWS's explanation, which may be empty.
    pub message: String,
}

/// The numbers of things deleted from a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Objects as they were: the only or the current version of each.
    pub objects: u64,
    /// Earlier versions of objects.
    pub versions: u64,
    /// Delete markers.
    pub delete_markers: u64,
    /// Unfinished multipart uploads.
    pub uploads: u64,
}

impl Counts {
    /// Everything but uploads.
    pub fn entries(&self) -> u64 {
        self.objects + self.versions + self.delete_markers
    }

    fn of_kind(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Object => &mut self.objects,
            Kind::Version => &mut self.versions,
            Kind::DeleteMarker => &mut self.delete_markers,
        }
    }

    fn subtract(&mut self, kind: Kind, number: u64) {
        let count = self.of_kind(kind);
        *count = count.saturating_sub(number);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&counted(self.objects, "object"))?;
        for (count, thing) in [
            (self.versions, "earlier version"),
            (self.delete_markers, "delete marker"),
            (self.uploads, "unfinished upload"),
        ] {
            if count > 0 {
                write!(f, ", {}", counted(count, thing))?;
            }
        }
        Ok(())
    }
}

/// The most deleted entries that are remembered, so that memory does not grow with the
/// folder: some 2 MiB.
const REMEMBERED: usize = 100_000;

/// The numbers of things deleted so far, which can be read while they grow.
///
/// What is listed again after a store has said that it deleted it does not count.
/// In a folder of more than 100,000 objects, what a later listing shows may be new
/// and is taken for listed again: too little is counted there, never too much.
#[derive(Debug, Default)]
pub struct Progress {
    deleted: Mutex<DeletedKeys>,
    waits: AtomicBool,
}

#[derive(Debug, Default)]
struct DeletedKeys {
    counts: Counts,
    /// The part of `counts` that was deleted since the last listing began, so that no
    /// listing has shown it gone.
    unproven: Counts,
    /// The entries in `counts`, by the hashes of their keys and versions.
    remembered: HashMap<u64, Kind>,
    /// The number of entries in `counts` that earlier passes deleted and that are not
    /// remembered.
    forgotten: u64,
}

impl Progress {
    /// True while the run waits for uploads that may still arrive.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    pub(crate) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// The numbers of things deleted until now.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    pub(super) fn count_upload(&self) {
        self.lock().counts.uploads += 1;
    }

    /// Takes uploads back that are listed again.
    pub(super) fn uncount_uploads(&self, count: u64) {
        let counts = &mut self.lock().counts;
        counts.uploads = counts.uploads.saturating_sub(count);
    }

    /// Counts an entry that the store says it deleted.
    pub(super) fn count(&self, entry: &Entry) {
        let mut deleted = self.lock();
        let id = deleted.hash(entry);
        if deleted.remembered.contains_key(&id) {
            return;
        }
        if deleted.remembered.len() < REMEMBERED {
            deleted.remembered.insert(id, entry.kind);
        }
        *deleted.counts.of_kind(entry.kind) += 1;
        *deleted.unproven.of_kind(entry.kind) += 1;
    }

    /// Takes an entry back that is listed again.
    pub(super) fn uncount(&self, listed: &Entry) {
        let mut deleted = self.lock();
        let id = deleted.hash(listed);
        if let Some(kind) = deleted.remembered.remove(&id) {
            deleted.counts.subtract(kind, 1);
        } else if deleted.forgotten > 0 {
            deleted.forgotten -= 1;
            deleted.counts.subtract(listed.kind, 1);
        }
    }

    /// Says that a listing of the whole folder begins, which will show which of the
    /// counted entries are gone.
    pub(super) fn start_listing(&self) {
        let mut deleted = self.lock();
        let known = deleted.remembered.len() as u64;
        deleted.forgotten = deleted.counts.entries().saturating_sub(known);
        deleted.unproven = Counts::default();
    }

    /// Takes back what was deleted since the last listing began: no further one will show
    /// that it is gone.
    pub(super) fn drop_unproven(&self) {
        let mut deleted = self.lock();
        let Counts { objects, versions, delete_markers, .. } =
            std::mem::take(&mut deleted.unproven);
        deleted.counts.subtract(Kind::Object, objects);
        deleted.counts.subtract(Kind::Version, versions);
        deleted.counts.subtract(Kind::DeleteMarker, delete_markers);
    }

    fn lock(&self) -> MutexGuard<'_, DeletedKeys> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeletedKeys {
    fn hash(&self, entry: &Entry) -> u64 {
        self.remembered.hasher().hash_one((entry.key.as_str(), &entry.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Prefix, UserName};
    use crate::s3::listing::OwnKey;

    fn entry(number: usize, kind: Kind) -> Entry {
        let prefix = Prefix::from(&"alex".parse::<UserName>().unwrap());
        Entry {
            key: OwnKey::from_listing(&prefix, Some(&format!("alex/{number}")), None).unwrap(),
            version: None,
            kind,
        }
    }

    #[test]
    fn what_is_listed_again_does_not_count_as_what_it_was() {
        let progress = Progress::default();
        progress.count(&entry(1, Kind::Version));
        progress.count(&entry(2, Kind::Object));
        progress.start_listing();
        progress.uncount(&entry(1, Kind::Object));
        progress.uncount(&entry(3, Kind::Object));
        let counts = progress.counts();
        assert_eq!((counts.objects, counts.versions), (1, 0));
        progress.count(&entry(1, Kind::Object));
        assert_eq!(progress.counts().objects, 2);
        progress.drop_unproven();
        assert_eq!(progress.counts().objects, 1);
    }

    #[test]
    fn no_more_counts_than_is_gone_of_a_folder_too_large_to_remember() {
        let (all, stay) = (REMEMBERED + 50_000, 30_000);
        let progress = Progress::default();
        (0..all).for_each(|number| {
            // Of a pass that lists while it deletes.
            progress.uncount(&entry(number, Kind::Object));
            progress.count(&entry(number, Kind::Object));
        });
        assert_eq!(progress.counts().objects, all as u64);
        progress.start_listing();
        (all - stay..all).for_each(|number| progress.uncount(&entry(number, Kind::Object)));
        assert_eq!(progress.counts().objects, (all - stay) as u64);
        assert!(progress.lock().remembered.len() <= REMEMBERED);
    }
}
