//! How far the emptying of a folder has got.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::s3::listing::Kind;
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

/// How much was deleted from a folder.
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
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&counted(self.objects, false, "object"))?;
        for (count, thing) in [
            (self.versions, "earlier version"),
            (self.delete_markers, "delete marker"),
            (self.uploads, "unfinished upload"),
        ] {
            if count > 0 {
                write!(f, ", {}", counted(count, false, thing))?;
            }
        }
        Ok(())
    }
}

/// How much was deleted so far; can be read while it grows.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Counts>);

impl Progress {
    /// What was deleted until now.
    pub fn counts(&self) -> Counts {
        *self.lock()
    }

    pub(super) fn count_upload(&self) {
        self.lock().uploads += 1;
    }

    pub(super) fn count(&self, kind: Kind) {
        let mut counts = self.lock();
        match kind {
            Kind::Object => counts.objects += 1,
            Kind::Version => counts.versions += 1,
            Kind::DeleteMarker => counts.delete_markers += 1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
