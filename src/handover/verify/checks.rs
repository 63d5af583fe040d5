//! The requests that a new key is tested with, and the answer that each should get.

use crate::access::{Grant, Prefix, Target};

/// One request with the new key.
pub(super) struct Check {
    /// The request in words, after "can" or "can't".
    pub words: String,
    pub request: TestRequest,
    pub should_be_allowed: bool,
}

pub(super) enum TestRequest {
    List {
        prefix: Option<String>,
        delimiter: Option<&'static str>,
    },
    Get(String),
    /// Gets an object by its version.
    GetVersion(String),
    Copy {
        from: String,
        to: String,
    },
    /// Copies an object as the part of an upload.
    CopyAsPart {
        from: String,
        to: String,
    },
    /// Puts an object with something that the permission to put doesn't allow.
    PutWith(Extra, String),
    /// Puts an object, which must not be readable with a key that only writes.
    Put(String),
    /// Deletes an object that isn't there.
    Delete(String),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Extra {
    Tags,
    Acl,
}

/// The keys of existing objects to try.
pub(super) struct ExistingKeys {
    /// In the user's folder.
    pub own: Option<String>,
    /// In a folder that the user has no access to.
    pub foreign: Option<String>,
    /// In the folders that the user may also read.
    pub shared: Vec<String>,
}

/// All checks. Those that should be allowed come first: they show that the key is known,
/// so that a refusal means something.
pub(super) fn checks(target: &Target, grant: &Grant, existing: ExistingKeys) -> Vec<Check> {
    let rights = grant.access.rights();
    let mut checks = folder_checks(target, grant);
    if let Some(key) = existing.own {
        let version = TestRequest::GetVersion(key.clone());
        checks.extend([
            Check::new("download an object of its own", TestRequest::Get(key), rights.get),
            Check::new("download a version of it", version, false),
        ]);
    }
    if rights.put {
        // The right to upload doesn't include these.
        for (words, extra) in
            [("upload with tags", Extra::Tags), ("upload with an ACL", Extra::Acl)]
        {
            let request = TestRequest::PutWith(extra, probe(target.prefix().as_str()));
            checks.push(Check::new(words, request, false));
        }
    }
    for folder in &grant.also_read {
        checks.extend(shared_folder_checks(folder, target));
    }
    for key in existing.shared {
        checks.push(Check::new(format!("download {key}"), TestRequest::Get(key), true));
    }
    if let Some(key) = existing.foreign {
        checks.extend(foreign_object_checks(key, target, grant));
    }
    checks.sort_by_key(|check| !check.should_be_allowed);
    checks
}

impl TestRequest {
    /// True if it makes an object where it is allowed.
    pub fn puts(&self) -> bool {
        match self {
            Self::Put(_) | Self::PutWith(..) | Self::Copy { .. } | Self::CopyAsPart { .. } => true,
            Self::List { .. } | Self::Get(_) | Self::GetVersion(_) | Self::Delete(_) => false,
        }
    }
}

impl Check {
    fn new(words: impl Into<String>, request: TestRequest, should_be_allowed: bool) -> Self {
        Self { words: words.into(), request, should_be_allowed }
    }

    fn list(words: impl Into<String>, prefix: Option<&str>, should_be_allowed: bool) -> Self {
        let list = TestRequest::List { prefix: prefix.map(str::to_owned), delimiter: None };
        Self::new(words, list, should_be_allowed)
    }

    fn upload(folder: &str, name: &str, should_be_allowed: bool) -> Self {
        let put = TestRequest::Put(probe(folder));
        Self::new(format!("upload to {name}"), put, should_be_allowed)
    }

    fn delete(folder: &str, name: &str, should_be_allowed: bool) -> Self {
        let delete = TestRequest::Delete(probe(folder));
        Self::new(format!("delete from {name}"), delete, should_be_allowed)
    }

    /// List, upload and delete in a folder that is somebody else's.
    fn all_refused(folder: &str, name: &str) -> [Self; 3] {
        [
            Self::list(format!("list {name}"), Some(folder), false),
            Self::upload(folder, name, false),
            Self::delete(folder, name, false),
        ]
    }
}

/// A key of an object that isn't there.
pub(super) fn probe(folder: &str) -> String {
    format!("{folder}s3-user-verify-{:016x}", fastrand::u64(..))
}

fn folder_checks(target: &Target, grant: &Grant) -> Vec<Check> {
    let rights = grant.access.rights();
    let url = target.folder_url();
    let own = target.prefix();
    let prefix = own.as_str();
    let top = TestRequest::List { prefix: Some(String::new()), delimiter: Some("/") };
    let name = own.without_slash();
    let mut checks = vec![
        Check::list(format!("list {url}"), Some(prefix), rights.list),
        Check::new("list the bucket's top level", top, grant.browse_root),
        Check::list("list the whole bucket", Some(""), false),
        Check::list("list the bucket without a prefix", None, false),
        Check::list("list all that begins with the folder's name", Some(name), false),
        Check::upload(prefix, &url, rights.put),
        Check::delete(prefix, &url, rights.delete),
    ];
    // A name that begins alike is what a careless policy allows too.
    let neighbour = format!("{name}-s3-user-verify/");
    checks.extend(Check::all_refused(&neighbour, "another folder"));
    for around in own.around() {
        let words = format!("list {}", target.url_of(&around));
        checks.push(Check::list(words, Some(around.as_str()), false));
    }
    checks
}

/// Checks for a folder that the user may read and not change.
fn shared_folder_checks(folder: &Prefix, target: &Target) -> [Check; 3] {
    let url = target.url_of(folder);
    let prefix = folder.as_str();
    [
        Check::list(format!("list {url}"), Some(prefix), true),
        Check::upload(prefix, &url, false),
        Check::delete(prefix, &url, false),
    ]
}

/// Checks for an object of somebody else, and for the folder that it is in.
fn foreign_object_checks(key: String, target: &Target, grant: &Grant) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some((name, _)) = key.rsplit_once('/') {
        let folder = format!("{name}/");
        checks.extend(Check::all_refused(&folder, &folder));
    }
    if grant.access.rights().put {
        let own = target.prefix();
        let copy = TestRequest::Copy { from: key.clone(), to: probe(own.as_str()) };
        let part = TestRequest::CopyAsPart { from: key.clone(), to: probe(own.as_str()) };
        checks.push(Check::new("copy an object of another folder", copy, false));
        checks.push(Check::new("copy an object of another folder as a part", part, false));
    }
    checks.push(Check::new("download an object of another folder", TestRequest::Get(key), false));
    checks
}
