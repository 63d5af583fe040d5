//! Lists a folder page by page: objects, versions and unfinished uploads.

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode;

use crate::access::Prefix;
use crate::aws::Run;
use crate::errors::one_line;

/// The most keys that S3 lists or deletes in one call.
pub(crate) const PAGE: usize = 1000;

/// The most empty pages in a row before giving up. Some stores return an empty page for
/// every page of keys that were deleted.
pub(crate) const EMPTY_PAGES: usize = 1000;

/// The error for a store that keeps saying there is more, but lists nothing.
pub(crate) fn only_empty_pages(operation: &str) -> String {
    format!("{operation}: the store lists nothing, page after page")
}

/// A key in the folder. Only [`OwnKey::from_listing`] makes one, and no other keys are ever
/// deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OwnKey(String);

impl OwnKey {
    /// Fails if the listed key is missing or outside the folder.
    pub fn from_listing(
        prefix: &Prefix,
        listed: Option<&str>,
        encoding: Option<&EncodingType>,
    ) -> Result<Self> {
        let key = decoded(listed.context("the store listed something without a key")?, encoding)?;
        ensure!(
            key.starts_with(prefix.as_str()),
            "asked for {prefix}, the store listed {}; nothing of that answer is deleted",
            one_line(&key)
        );
        Ok(Self(key))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns a listed key as it is in the bucket. `encoding` is the one named in the answer,
/// since not every store encodes keys when asked. In an encoded key, `+` stands for a space.
pub(super) fn decoded(key: &str, encoding: Option<&EncodingType>) -> Result<String> {
    if encoding != Some(&EncodingType::Url) {
        return Ok(key.to_owned());
    }
    let spaced = key.replace('+', " ");
    let text = percent_decode(spaced.as_bytes()).decode_utf8();
    Ok(text.with_context(|| format!("the store listed {spaced}, which is not UTF-8"))?.into())
}

/// The kind of a listed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An object, or the current version of one.
    Object,
    /// An earlier version of an object.
    Version,
    DeleteMarker,
}

/// One thing to delete.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: OwnKey,
    /// The version to delete; `None` for the current object, whatever its version.
    pub version: Option<String>,
    pub kind: Kind,
}

/// A page of a listing, in the order of its keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub entries: Vec<Entry>,
    /// The start of the next page; none after the last.
    pub next: Option<Cursor>,
}

/// The place where a page of a listing starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The page starts after this key.
    key: Option<String>,
    /// The store's own marker: for objects, a continuation token; for versions, the version
    /// of `key` after which the page starts.
    marker: Option<String>,
}

impl Cursor {
    /// The place before the first key.
    pub fn start() -> Self {
        Self::default()
    }

    /// The place after a key and all its versions.
    pub fn after(key: String) -> Self {
        Self { key: Some(key), marker: None }
    }
}

/// How deep a listing goes: current objects only, or all their versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    Objects,
    Versions,
}

impl Depth {
    /// The API operation that lists at this depth.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Objects => "ListObjectsV2",
            Self::Versions => "ListObjectVersions",
        }
    }
}

/// Lists one page of the folder, of at most `max_keys` entries.
pub(crate) async fn page(run: &Run, depth: Depth, from: &Cursor, max_keys: usize) -> Result<Page> {
    match depth {
        Depth::Objects => objects(run, from, max_keys).await,
        Depth::Versions => versions(run, from, max_keys).await,
    }
}

/// Returns the folder's first object, if any.
pub(crate) async fn first_object(run: &Run) -> Result<Option<OwnKey>> {
    let mut from = Cursor::start();
    for _ in 0..EMPTY_PAGES {
        let page = objects(run, &from, 1).await?;
        if let Some(entry) = page.entries.into_iter().next() {
            return Ok(Some(entry.key));
        }
        let Some(next) = page.next else {
            return Ok(None);
        };
        from = next;
    }
    bail!(only_empty_pages("ListObjectsV2"))
}

/// A request that lists the bucket's objects. It asks for encoded keys, since a control
/// character in a plain one would make the answer unreadable.
pub(super) fn list_objects(run: &Run) -> ListObjectsV2FluentBuilder {
    run.aws.s3.list_objects_v2().bucket(run.bucket()).encoding_type(EncodingType::Url)
}

async fn objects(run: &Run, from: &Cursor, max_keys: usize) -> Result<Page> {
    let folder = run.target.prefix();
    let list = list_objects(run)
        .prefix(folder.as_str())
        .max_keys(max_keys as i32)
        .set_start_after(from.key.clone())
        .set_continuation_token(from.marker.clone());
    let answer = run.aws.call("ListObjectsV2", list.send()).await?;
    let mut page = Page::default();
    if is_truncated("ListObjectsV2", answer.is_truncated())? {
        let token = next_place("ListObjectsV2", answer.next_continuation_token())?;
        page.next = Some(Cursor { key: None, marker: Some(token.to_owned()) });
    }
    for object in answer.contents() {
        page.entries.push(Entry {
            key: OwnKey::from_listing(folder, object.key(), answer.encoding_type())?,
            version: None,
            kind: Kind::Object,
        });
    }
    Ok(page)
}

async fn versions(run: &Run, from: &Cursor, max_keys: usize) -> Result<Page> {
    let folder = run.target.prefix();
    let client = &run.aws.s3;
    let list = client
        .list_object_versions()
        .bucket(run.bucket())
        .prefix(folder.as_str())
        .encoding_type(EncodingType::Url)
        .max_keys(max_keys as i32)
        .set_key_marker(from.key.clone())
        .set_version_id_marker(from.marker.clone());
    let answer = run.aws.call("ListObjectVersions", list.send()).await?;
    let encoding = answer.encoding_type();
    let mut page = Page::default();
    for version in answer.versions() {
        page.entries.push(Entry {
            key: OwnKey::from_listing(folder, version.key(), encoding)?,
            version: version.version_id().map(str::to_owned),
            kind: if version.is_latest() == Some(true) { Kind::Object } else { Kind::Version },
        });
    }
    for marker in answer.delete_markers() {
        page.entries.push(Entry {
            key: OwnKey::from_listing(folder, marker.key(), encoding)?,
            version: marker.version_id().map(str::to_owned),
            kind: Kind::DeleteMarker,
        });
    }
    page.entries.sort_by(|a, b| a.key.as_str().cmp(b.key.as_str()));
    if is_truncated("ListObjectVersions", answer.is_truncated())? {
        let key = next_place("ListObjectVersions", answer.next_key_marker())?;
        let marker = answer.next_version_id_marker().map(str::to_owned);
        page.next = Some(Cursor { key: Some(decoded(key, encoding)?), marker });
    }
    Ok(page)
}

/// True if there are more pages. A listing counts as complete only if the answer says so.
fn is_truncated(operation: &str, answered: Option<bool>) -> Result<bool> {
    answered.with_context(|| {
        format!("{operation}: the answer does not say whether it is the whole listing")
    })
}

fn next_place<'a>(operation: &str, place: Option<&'a str>) -> Result<&'a str> {
    place.with_context(|| format!("{operation}: there is more, but the store doesn't say where"))
}

/// An unfinished multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Upload {
    pub key: OwnKey,
    pub id: String,
}

/// Returns the first page of the folder's unfinished multipart uploads, and whether there
/// are more. Returns none if the store can't list them.
pub(crate) async fn uploads(run: &Run) -> Result<(Vec<Upload>, bool)> {
    let folder = run.target.prefix();
    let client = &run.aws.s3;
    let list = client
        .list_multipart_uploads()
        .bucket(run.bucket())
        .prefix(folder.as_str())
        .encoding_type(EncodingType::Url);
    let answer = match run.aws.call("ListMultipartUploads", list.send()).await {
        Err(error) if run.aws.store.lacks(&error) => return Ok((Vec::new(), false)),
        result => result?,
    };
    let more = is_truncated("ListMultipartUploads", answer.is_truncated())?;
    let mut uploads = Vec::new();
    for upload in answer.uploads() {
        uploads.push(Upload {
            key: OwnKey::from_listing(folder, upload.key(), answer.encoding_type())?,
            id: upload.upload_id().unwrap_or_default().to_owned(),
        });
    }
    Ok((uploads, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_keys_are_decoded() {
        let url = Some(&EncodingType::Url);
        assert_eq!(decoded("alex/a+b%2Bc%25%0A%C3%A9", url).unwrap(), "alex/a b+c%\n\u{e9}");
        assert_eq!(decoded("alex%2Fx", url).unwrap(), "alex/x");
        assert!(decoded("alex/%ff", url).is_err());
    }

    #[test]
    fn keys_outside_the_folder_are_errors() {
        let prefix = "alex/".parse().unwrap();
        for key in ["alexander/x", "alex", "Alex/x", "", "x/alex/"] {
            OwnKey::from_listing(&prefix, Some(key), None).unwrap_err();
        }
        OwnKey::from_listing(&prefix, Some("alex%2Fx"), None).unwrap_err();
        OwnKey::from_listing(&prefix, None, None).unwrap_err();
        let url = Some(&EncodingType::Url);
        let own = OwnKey::from_listing(&prefix, Some("alex%2Fx"), url).unwrap();
        assert_eq!(own.as_str(), "alex/x");
    }
}
