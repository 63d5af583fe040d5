//! Pages of what is in a folder: objects, versions, unfinished uploads.

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode;

use crate::access::Prefix;
use crate::aws::Run;
use crate::errors::one_line;

/// How many keys S3 lists or deletes in one call at most.
pub(crate) const PAGE: usize = 1000;

/// How many pages without an entry may follow one another: some stores skip what was
/// deleted by the page.
pub(crate) const EMPTY_PAGES: usize = 1000;

/// That a store says again and again that there is more, and lists nothing.
pub(crate) fn lists_nothing(operation: &str) -> String {
    format!("{operation}: the store lists nothing, page after page")
}

/// A key that lies in the folder: there is no other way to make one than
/// [`OwnKey::from_listing`], and nothing else is ever deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OwnKey(String);

impl OwnKey {
    /// Fails, whatever the store answers, on a key outside the folder.
    pub fn from_listing(prefix: &Prefix, key: Option<&str>, encoded: bool) -> Result<Self> {
        let key = key.context("the store listed something without a key")?;
        let key = decoded(key, encoded)?;
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

/// A key as it is, of one as it was listed.
pub(crate) fn decoded(key: &str, encoded: bool) -> Result<String> {
    if encoded { url_decoded(key) } else { Ok(key.to_owned()) }
}

/// Decodes a key listed with `encoding-type=url`, where `+` stands for a space.
fn url_decoded(key: &str) -> Result<String> {
    let key = key.replace('+', " ");
    let decoded = percent_decode(key.as_bytes()).decode_utf8();
    let decoded = decoded.with_context(|| format!("the store listed {key}, which is not UTF-8"))?;
    Ok(decoded.into_owned())
}

/// What a listed entry is.
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
    /// None for the object as it is now, whatever its version.
    pub version: Option<String>,
    pub kind: Kind,
}

/// Some entries in the order of their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub entries: Vec<Entry>,
    /// Where the next page starts; none after the last.
    pub next: Option<Cursor>,
}

/// Where a page of a listing starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// At the first key after this one.
    After(String),
    /// Where S3 said that the next page of objects starts.
    Token(String),
    /// After this version of this key.
    Version(String, Option<String>),
}

impl Cursor {
    /// At the first key of all.
    pub fn start() -> Self {
        Self::After(String::new())
    }
}

/// What is listed: objects as they are, or all their versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    Objects,
    Versions,
}

impl Depth {
    /// The operation that lists them.
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

/// The first of the folder's objects, if any.
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
    bail!(lists_nothing("ListObjectsV2"))
}

async fn objects(run: &Run, from: &Cursor, max_keys: usize) -> Result<Page> {
    let prefix = run.target.prefix();
    let list = run
        .aws
        .s3
        .list_objects_v2()
        .bucket(run.bucket())
        .prefix(prefix.as_str())
        .encoding_type(EncodingType::Url)
        .max_keys(max_keys as i32);
    let list = match from {
        Cursor::Token(token) => list.continuation_token(token),
        Cursor::After(key) | Cursor::Version(key, _) if key.is_empty() => list,
        Cursor::After(key) | Cursor::Version(key, _) => list.start_after(key),
    };
    let answer = run.aws.call("ListObjectsV2", list.send()).await?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let entry = |object: &aws_sdk_s3::types::Object| {
        Ok(Entry {
            key: OwnKey::from_listing(&prefix, object.key(), encoded)?,
            version: None,
            kind: Kind::Object,
        })
    };
    let next = if goes_on("ListObjectsV2", answer.is_truncated())? {
        let token = answer.next_continuation_token();
        let token =
            token.context("ListObjectsV2: there is more, but the store doesn't say where")?;
        Some(Cursor::Token(token.to_owned()))
    } else {
        None
    };
    Ok(Page { entries: answer.contents().iter().map(entry).collect::<Result<_>>()?, next })
}

async fn versions(run: &Run, from: &Cursor, max_keys: usize) -> Result<Page> {
    let prefix = run.target.prefix();
    let list = run
        .aws
        .s3
        .list_object_versions()
        .bucket(run.bucket())
        .prefix(prefix.as_str())
        .encoding_type(EncodingType::Url)
        .max_keys(max_keys as i32);
    let list = match from {
        Cursor::After(key) | Cursor::Token(key) if key.is_empty() => list,
        Cursor::After(key) | Cursor::Token(key) => list.key_marker(key),
        Cursor::Version(key, version) => {
            list.key_marker(key).set_version_id_marker(version.clone())
        }
    };
    let answer = run.aws.call("ListObjectVersions", list.send()).await?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let mut entries = Vec::with_capacity(max_keys);
    for version in answer.versions() {
        entries.push(Entry {
            key: OwnKey::from_listing(&prefix, version.key(), encoded)?,
            version: version.version_id().map(str::to_owned),
            kind: match version.is_latest() {
                Some(true) => Kind::Object,
                _ => Kind::Version,
            },
        });
    }
    for marker in answer.delete_markers() {
        entries.push(Entry {
            key: OwnKey::from_listing(&prefix, marker.key(), encoded)?,
            version: marker.version_id().map(str::to_owned),
            kind: Kind::DeleteMarker,
        });
    }
    entries.sort_by(|a, b| a.key.as_str().cmp(b.key.as_str()));
    let next = if goes_on("ListObjectVersions", answer.is_truncated())? {
        let key = answer.next_key_marker();
        let key =
            key.context("ListObjectVersions: there is more, but the store doesn't say where")?;
        Some(Cursor::Version(
            decoded(key, encoded)?,
            answer.next_version_id_marker().map(str::to_owned),
        ))
    } else {
        None
    };
    Ok(Page { entries, next })
}

/// Whether a listing goes on. It counts as complete only where the answer says so.
fn goes_on(operation: &str, is_truncated: Option<bool>) -> Result<bool> {
    is_truncated.with_context(|| {
        format!("{operation}: the answer does not say whether it is the whole listing")
    })
}

/// Some of the unfinished multipart uploads.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub uploads: Vec<Upload>,
    /// Whether there are more.
    pub more: bool,
}

/// An unfinished multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Upload {
    pub key: OwnKey,
    pub id: String,
}

/// The first page of the folder's unfinished multipart uploads; empty on a
/// store that doesn't list them.
pub(crate) async fn uploads(run: &Run) -> Result<Uploads> {
    let prefix = run.target.prefix();
    let list = run
        .aws
        .s3
        .list_multipart_uploads()
        .bucket(run.bucket())
        .prefix(prefix.as_str())
        .encoding_type(EncodingType::Url);
    let answer = match run.aws.call("ListMultipartUploads", list.send()).await {
        Err(error) if run.aws.store.lacks(&error) => return Ok(Uploads::default()),
        answer => answer?,
    };
    let more = goes_on("ListMultipartUploads", answer.is_truncated())?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let upload = |upload: &aws_sdk_s3::types::MultipartUpload| {
        Ok(Upload {
            key: OwnKey::from_listing(&prefix, upload.key(), encoded)?,
            id: upload.upload_id().unwrap_or_default().to_owned(),
        })
    };
    Ok(Uploads { uploads: answer.uploads().iter().map(upload).collect::<Result<_>>()?, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_keys_are_decoded() {
        assert_eq!(url_decoded("alex/a+b%2Bc%25%0A%C3%A9").unwrap(), "alex/a b+c%\n\u{e9}");
        assert_eq!(url_decoded("alex%2Fx").unwrap(), "alex/x");
        assert!(url_decoded("alex/%ff").is_err());
    }

    #[test]
    fn keys_outside_the_folder_are_errors() {
        let prefix = Prefix::from(&"alex".parse::<crate::access::UserName>().unwrap());
        for key in ["alexander/x", "alex", "Alex/x", "", "x/alex/"] {
            OwnKey::from_listing(&prefix, Some(key), false).unwrap_err();
        }
        OwnKey::from_listing(&prefix, Some("alex%2Fx"), false).unwrap_err();
        OwnKey::from_listing(&prefix, None, false).unwrap_err();
        let own = OwnKey::from_listing(&prefix, Some("alex%2Fx"), true).unwrap();
        assert_eq!(own.as_str(), "alex/x");
    }
}
