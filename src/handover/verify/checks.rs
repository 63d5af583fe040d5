//! The requests that a new key is tested with, and what each should come to.

use crate::access::{Access, Grant, SharedPrefix, Target};

/// One request with the new key.
pub(super) struct Check {
    /// What it does, after "can" or "can't".
    pub what: String,
    pub request: Request,
    pub should_be_allowed: bool,
}

pub(super) enum Request {
    List {
        prefix: Option<String>,
        delimiter: Option<&'static str>,
    },
    Get(String),
    /// Gets an object by its version.
    GetVersion(String),
    /// Copies an object, whole or as the part of an upload.
    Copy {
        from: String,
        to: String,
        as_part: bool,
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
pub(super) struct Objects {
    /// In the user's folder.
    pub own: Option<String>,
    /// In a folder that the user has no access to.
    pub foreign: Option<String>,
    /// In the folders that the user may also read.
    pub shared: Vec<String>,
}

/// All that is tried. What should be allowed first: it shows that the key is known, so that a
/// refusal means something.
pub(super) fn checks(target: &Target, grant: &Grant, objects: Objects) -> Vec<Check> {
    let mut checks = of_folders(target, grant);
    let own = objects.own.into_iter();
    checks.extend(own.flat_map(|key| of_own_object(key, grant)));
    if grant.access.writes() {
        checks.extend(of_extras(target));
    }
    let shared = grant.also_read.iter();
    checks.extend(shared.flat_map(|folder| of_shared_folder(folder, target)));
    let shared = objects.shared.into_iter();
    checks.extend(shared.map(|key| Check::new(format!("download {key}"), Request::Get(key), true)));
    let foreign = objects.foreign.into_iter();
    checks.extend(foreign.flat_map(|key| of_foreign_object(key, target, grant)));
    checks.sort_by_key(|check| !check.should_be_allowed);
    checks
}

impl Request {
    /// Whether it makes an object where it is allowed.
    pub fn puts(&self) -> bool {
        matches!(self, Self::Put(_) | Self::PutWith(..) | Self::Copy { .. })
    }
}

impl Check {
    fn new(what: impl Into<String>, request: Request, should_be_allowed: bool) -> Self {
        Self { what: what.into(), request, should_be_allowed }
    }

    fn list(what: impl Into<String>, prefix: Option<&str>, allowed: bool) -> Self {
        let prefix = prefix.map(str::to_owned);
        let delimiter = None;
        Self::new(what, Request::List { prefix, delimiter }, allowed)
    }

    /// List, upload and delete in a folder that is somebody else's.
    fn elsewhere(folder: &str, name: &str) -> [Self; 3] {
        let list = Self::list(format!("list {name}"), Some(folder), false);
        let [upload, delete] = Self::changes(folder, name);
        [list, upload, delete]
    }

    /// Upload and delete in a folder that the user must not change.
    fn changes(folder: &str, name: &str) -> [Self; 2] {
        [
            Self::new(format!("upload to {name}"), Request::Put(probe(folder)), false),
            Self::new(format!("delete from {name}"), Request::Delete(probe(folder)), false),
        ]
    }
}

/// A key of an object that isn't there.
pub(super) fn probe(folder: &str) -> String {
    format!("{folder}s3-user-verify-{:016x}", fastrand::u64(..))
}

fn of_folders(target: &Target, grant: &Grant) -> Vec<Check> {
    let (folder, prefix) = (target.folder_url(), target.prefix().to_string());
    let Grant { access, .. } = grant;
    let top = Request::List { prefix: Some(String::new()), delimiter: Some("/") };
    // A name that begins alike is what a careless policy allows too.
    let neighbour = format!("{}-s3-user-verify/", target.user);
    let upload = Request::Put(probe(&prefix));
    let delete = Request::Delete(probe(&prefix));
    let deletes = *access == Access::ReadWrite;
    let name = target.user.as_str();
    let mut checks = vec![
        Check::list(format!("list {folder}"), Some(&prefix), access.reads()),
        Check::new("list the bucket's top level", top, grant.browse_root),
        Check::list("list the whole bucket", Some(""), false),
        Check::list("list the bucket without a prefix", None, false),
        Check::list("list all that begins with the user's name", Some(name), false),
        Check::new(format!("upload to {folder}"), upload, access.writes()),
        Check::new(format!("delete from {folder}"), delete, deletes),
    ];
    checks.extend(Check::elsewhere(&neighbour, "another folder"));
    checks
}

fn of_own_object(key: String, grant: &Grant) -> [Check; 2] {
    let version = Request::GetVersion(key.clone());
    let (get, reads) = (Request::Get(key), grant.access.reads());
    [
        Check::new("download an object of its own", get, reads),
        Check::new("download a version of it", version, false),
    ]
}

/// A folder that the user may read and not change.
fn of_shared_folder(folder: &SharedPrefix, target: &Target) -> [Check; 3] {
    let name = target.url_of(folder);
    let list = Check::list(format!("list {name}"), Some(folder.as_str()), true);
    let [upload, delete] = Check::changes(folder.as_str(), &name);
    [list, upload, delete]
}

/// What the permission to upload doesn't include.
fn of_extras(target: &Target) -> [Check; 2] {
    let put = |extra| Request::PutWith(extra, probe(target.prefix().as_str()));
    [
        Check::new("upload with tags", put(Extra::Tags), false),
        Check::new("upload with an ACL", put(Extra::Acl), false),
    ]
}

/// An object of somebody else's, and the folder it is really in.
fn of_foreign_object(key: String, target: &Target, grant: &Grant) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some((folder, _)) = key.split_once('/') {
        let folder = format!("{folder}/");
        checks.extend(Check::elsewhere(&folder, &folder));
    }
    if grant.access.writes() {
        let copy = |as_part| Request::Copy {
            from: key.clone(),
            to: probe(target.prefix().as_str()),
            as_part,
        };
        let what = "copy an object of another folder";
        checks.push(Check::new(what, copy(false), false));
        checks.push(Check::new(format!("{what} as a part"), copy(true), false));
    }
    let what = "download an object of another folder";
    checks.push(Check::new(what, Request::Get(key), false));
    checks
}
