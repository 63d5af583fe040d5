//! How far the emptying of a folder has got.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// How much was deleted so far; can be read while it grows.
#[derive(Debug, Default)]
pub struct Progress {
    objects: AtomicU64,
    versions: AtomicU64,
    delete_markers: AtomicU64,
    uploads: AtomicU64,
}

impl Progress {
    /// Objects as they were: the only or the current version of each.
    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Earlier versions of objects.
    pub fn versions(&self) -> u64 {
        self.versions.load(Ordering::Relaxed)
    }

    /// Delete markers.
    pub fn delete_markers(&self) -> u64 {
        self.delete_markers.load(Ordering::Relaxed)
    }

    /// Unfinished multipart uploads.
    pub fn uploads(&self) -> u64 {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Everything but uploads.
    pub fn entries(&self) -> u64 {
        self.objects() + self.versions() + self.delete_markers()
    }

    /// What was deleted, but for uploads.
    pub(crate) fn in_words(&self) -> String {
        let objects = counted(self.objects(), false, "object");
        match self.versions() + self.delete_markers() {
            0 => objects,
            versions => format!("{objects}, {}", counted(versions, false, "version")),
        }
    }

    pub(super) fn count_upload(&self) {
        self.uploads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, kind: Kind) {
        let counter = match kind {
            Kind::Object => &self.objects,
            Kind::Version => &self.versions,
            Kind::DeleteMarker => &self.delete_markers,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
