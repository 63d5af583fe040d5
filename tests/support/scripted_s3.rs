//! A small S3 that speaks just the calls for emptying a folder, and does as a
//! test tells it: what the local AWS can't show.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is out of the ordinary about the store.
#[derive(Debug, Default)]
pub struct Script {
    /// Refuses a batch that holds a key XML can't carry.
    pub strict_xml: bool,
    /// Answers batches with this status and code instead of deleting.
    pub refuse_batches: Option<(u16, &'static str)>,
    /// Answers so many deleting requests with SlowDown first.
    pub slow_downs: AtomicUsize,
    /// The error codes to answer for a key, one each time it is deleted,
    /// before it goes; the last one for ever if `stubborn`.
    pub key_errors: Mutex<HashMap<String, Vec<&'static str>>>,
    pub stubborn: bool,
    /// Says that keys are deleted, and keeps them.
    pub keep_all: bool,
    /// The same for these keys, once for each time that they are here.
    pub kept: Mutex<Vec<String>>,
    /// Keys that somebody writes again after each deletion, and how often.
    pub rewritten: Mutex<HashMap<String, usize>>,
    /// Names the key of an error in a batch as it does not know it, after this text.
    pub errors_after: Option<&'static str>,
    /// Answers this version with the error of a key in a batch.
    pub errors_with_version: Option<&'static str>,
    /// Lists from the first key on, wherever it is asked to start.
    pub ignores_start_after: bool,
    /// Begins with so many pages of nothing.
    pub empty_pages: AtomicUsize,
    /// How listings go on for ever.
    pub endless: Option<Endless>,
    /// Lists this key as if it were under the prefix.
    pub foreign_key: Option<&'static str>,
    /// Leaves every so-manieth key out of a listing while others remain.
    pub skip_every: Option<usize>,
    /// Lists keys as they are, though asked for encoded ones.
    pub plain_listing: bool,
    /// Answers listings without keys, and without a word on whether that is all.
    pub vague_listing: bool,
    /// The keys of unfinished multipart uploads, one each. Of an upload that is gone the
    /// store says NoSuchKey, as Ceph does.
    pub uploads: Mutex<BTreeSet<String>>,
    /// Lists uploads that are gone already when somebody aborts them.
    pub lists_uploads_late: bool,
    /// How many listings of uploads still show those that are aborted.
    pub stale_uploads: Mutex<(usize, BTreeSet<String>)>,
    /// Keys of objects that arrive after a listing has shown the folder empty, one
    /// after each.
    pub late_keys: Mutex<Vec<String>>,
    /// The same for unfinished uploads.
    pub late_uploads: Mutex<Vec<String>>,
    /// How long each deleting request takes.
    pub latency: Duration,
}

/// How listings of objects and versions go on for ever.
#[derive(Debug, Clone, Copy)]
pub enum Endless {
    /// The first page again and again, each time with another token.
    NewTokens,
    /// The first page and the second one in turn, each with a token of its own.
    TwoTokens,
    /// An answer that never ends.
    Answer,
}

/// A running store.
pub struct ScriptedS3 {
    pub url: String,
    pub script: Arc<Script>,
    keys: Keys,
    requests: Arc<Mutex<Vec<String>>>,
    deleting: Arc<Deleting>,
}

/// How many deleting requests are under way now, and were at most.
#[derive(Default)]
struct Deleting {
    now: AtomicUsize,
    most: AtomicUsize,
}

type Keys = Arc<Mutex<BTreeMap<String, ()>>>;

#[derive(Clone)]
struct Store {
    script: Arc<Script>,
    keys: Keys,
    requests: Arc<Mutex<Vec<String>>>,
    deleting: Arc<Deleting>,
}

impl ScriptedS3 {
    pub async fn start(script: Script, keys: impl IntoIterator<Item = String>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store = Store {
            script: Arc::new(script),
            keys: Arc::new(Mutex::new(keys.into_iter().map(|key| (key, ())).collect())),
            requests: Arc::default(),
            deleting: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            script: store.script,
            keys: store.keys,
            requests: store.requests,
            deleting: store.deleting,
        }
    }

    /// The keys that are left.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().keys().cloned().collect()
    }

    /// How many requests of this kind came: `list`, `batch`, `single`, `list uploads`,
    /// `abort`, `list parts` or `key sent`.
    pub fn requests(&self, kind: &str) -> usize {
        self.requests.lock().iter().filter(|request| *request == kind).count()
    }

    /// How many deleting requests were under way at a time at most.
    pub fn most_deleting(&self) -> usize {
        self.deleting.most.load(Ordering::Relaxed)
    }
}

async fn answer(
    State(store): State<Store>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let query: HashMap<_, _> = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let key = uri.path()[1..].split_once('/').map(|(_, key)| decoded(key)).unwrap_or_default();
    match (method.as_str(), key.as_str()) {
        ("HEAD", "") => StatusCode::OK.into_response(),
        ("GET", "") if query.contains_key("versioning") => {
            "<VersioningConfiguration/>".into_response()
        }
        ("GET", "") if query.contains_key("uploads") => store.list_uploads(&query["prefix"]),
        ("GET", key) if query.contains_key("uploadId") => store.list_parts(key),
        ("DELETE", key) if query.contains_key("uploadId") => store.abort_upload(key),
        ("GET" | "POST", "") if store.is_endless_answer() => {
            let page = || Ok::<_, std::convert::Infallible>("<Contents/>".repeat(10_000));
            Body::from_stream(stream::repeat_with(page)).into_response()
        }
        ("GET", "") if query.contains_key("versions") => store.list_versions(&query),
        ("GET", "") => store.list(&query),
        ("POST", "") => {
            store.take_time_to_delete().await;
            store.delete_batch(&String::from_utf8_lossy(&body))
        }
        ("DELETE", key) => {
            store.take_time_to_delete().await;
            store.delete_single(key)
        }
        _ => error(501, "NotImplemented"),
    }
}

impl Store {
    fn log(&self, request: &str) {
        self.requests.lock().push(request.to_owned());
    }

    fn is_endless_answer(&self) -> bool {
        matches!(self.script.endless, Some(Endless::Answer))
    }

    /// Lists one version of each key.
    fn list_versions(&self, query: &HashMap<String, String>) -> Response {
        self.log("list");
        let keys = self.keys.lock();
        let own = keys.keys().filter(|key| key.starts_with(&query["prefix"]));
        let after = query.get("key-marker").map_or("", String::as_str);
        let own = own.filter(|key| self.script.endless.is_some() || key.as_str() > after);
        let page: Vec<_> = own.take(1001).collect();
        let is_truncated = page.len() > 1000 || self.script.endless.is_some();
        let version = |key: &&String| {
            format!(
                "<Version><Key>{key}</Key><VersionId>1</VersionId><IsLatest>true</IsLatest></Version>"
            )
        };
        let listed: String = page.iter().take(1000).map(version).collect();
        let next = page.get(999).or(page.last());
        let next = next.map_or("alex/", |key| key.as_str());
        let number = self.requests.lock().len();
        let is_truncated = is_truncated && !page.is_empty();
        format!(
            "<ListVersionsResult><IsTruncated>{is_truncated}</IsTruncated>\
             <NextKeyMarker>{next}</NextKeyMarker>\
             <NextVersionIdMarker>{number}</NextVersionIdMarker>{listed}</ListVersionsResult>"
        )
        .into_response()
    }

    /// The token of the next page, of listings that go on for ever.
    fn endless_token(&self, after: &str) -> Option<String> {
        let number = self.requests.lock().len();
        match self.script.endless? {
            Endless::TwoTokens if after.is_empty() => Some("alex/001000".to_owned()),
            Endless::TwoTokens => Some(String::new()),
            _ => Some(number.to_string()),
        }
    }

    fn list(&self, query: &HashMap<String, String>) -> Response {
        self.log("list");
        let start_after = query.get("start-after");
        let start_after = start_after.filter(|_| !self.script.ignores_start_after);
        let after = query.get("continuation-token").or(start_after);
        let after = after.map_or("", String::as_str);
        let from_start = matches!(self.script.endless, Some(Endless::NewTokens));
        let after = if from_start { "" } else { after };
        if takes_one(&self.script.empty_pages) {
            let token = self.requests.lock().len();
            return format!(
                "<ListBucketResult><IsTruncated>true</IsTruncated>\
                 <NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>"
            )
            .into_response();
        }
        if self.script.vague_listing {
            return "<ListBucketResult></ListBucketResult>".into_response();
        }
        let keys = self.keys.lock();
        let mut page: Vec<&str> = keys
            .keys()
            .map(String::as_str)
            .filter(|key| key.starts_with(&query["prefix"]) && *key > after)
            .take(1001)
            .collect();
        let is_empty = page.is_empty();
        let is_truncated = page.len() > 1000;
        page.truncate(1000);
        let next = page.last().copied().unwrap_or_default();
        if let Some(every) = self.script.skip_every.filter(|every| page.len() > *every) {
            let mut index = 0;
            page.retain(|_| {
                index += 1;
                index % every != 0
            });
        }
        page.extend(self.script.foreign_key);
        let encode = |key: &str| {
            if self.script.plain_listing {
                escaped(key)
            } else {
                utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
            }
        };
        let contents: String = page
            .iter()
            .map(|key| format!("<Contents><Key>{}</Key></Contents>", encode(key)))
            .collect();
        let encoding =
            if self.script.plain_listing { "" } else { "<EncodingType>url</EncodingType>" };
        let is_anything = keys.keys().any(|key| key.starts_with(&query["prefix"]));
        let endless = self.endless_token(after).filter(|_| is_anything);
        let is_truncated = is_truncated || endless.is_some();
        let next = endless.unwrap_or(next.to_owned());
        let token = if is_truncated {
            format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&next))
        } else {
            String::new()
        };
        drop(keys);
        if is_empty {
            self.arrive();
        }
        format!(
            "<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{encoding}{token}{contents}</ListBucketResult>"
        )
        .into_response()
    }

    /// Lets the next ones of those arrive that come late.
    fn arrive(&self) {
        let late = self.script.late_keys.lock().pop();
        self.keys.lock().extend(late.map(|key| (key, ())));
        let late = self.script.late_uploads.lock().pop();
        self.script.uploads.lock().extend(late);
    }

    fn list_uploads(&self, prefix: &str) -> Response {
        self.log("list uploads");
        let mut uploads = self.script.uploads.lock().clone();
        let mut stale = self.script.stale_uploads.lock();
        if stale.0 > 0 && !stale.1.is_empty() {
            stale.0 -= 1;
            uploads.extend(stale.1.clone());
        }
        let own = uploads.iter().filter(|key| key.starts_with(prefix));
        let listed: String = own
            .map(|key| format!("<Upload><Key>{key}</Key><UploadId>1</UploadId></Upload>"))
            .collect();
        format!(
            "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{listed}</ListMultipartUploadsResult>"
        )
        .into_response()
    }

    fn list_parts(&self, key: &str) -> Response {
        self.log("list parts");
        if self.script.uploads.lock().contains(key) {
            return "<ListPartsResult/>".into_response();
        }
        error(404, "NoSuchKey")
    }

    fn abort_upload(&self, key: &str) -> Response {
        self.log("abort");
        let is_there = self.script.uploads.lock().remove(key);
        self.script.stale_uploads.lock().1.insert(key.to_owned());
        if is_there && !self.script.lists_uploads_late {
            return StatusCode::NO_CONTENT.into_response();
        }
        error(404, "NoSuchKey")
    }

    async fn take_time_to_delete(&self) {
        let now = self.deleting.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.deleting.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(self.script.latency).await;
        self.deleting.now.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the store says SlowDown to this request.
    fn slows_down(&self) -> bool {
        takes_one(&self.script.slow_downs)
    }

    fn delete_batch(&self, body: &str) -> Response {
        self.log("batch");
        if let Some((status, code)) = self.script.refuse_batches {
            return error(status, code);
        }
        if self.slows_down() {
            return error(503, "SlowDown");
        }
        let keys: Vec<_> = body
            .split("<Key>")
            .skip(1)
            .map(|rest| unescaped(rest.split("</Key>").next().unwrap()))
            .collect();
        assert!((1..=1000).contains(&keys.len()), "{} keys in a batch", keys.len());
        keys.iter().for_each(|_| self.log("key sent"));
        let unfit = |key: &String| key.chars().any(|c| c < ' ' && !"\t\n\r".contains(c));
        if self.script.strict_xml && keys.iter().any(unfit) {
            return error(400, "MalformedXML");
        }
        let errors: String = keys
            .iter()
            .filter_map(|key| Some((key, self.delete(key)?)))
            .map(|(key, code)| {
                let key = escaped(key);
                let before = self.script.errors_after.unwrap_or_default();
                let version = self.script.errors_with_version;
                let version =
                    version.map(|version| format!("<VersionId>{version}</VersionId>"));
                let version = version.unwrap_or_default();
                format!(
                    "<Error><Key>{before}{key}</Key>{version}<Code>{code}</Code><Message>No.</Message></Error>"
                )
            })
            .collect();
        format!("<DeleteResult>{errors}</DeleteResult>").into_response()
    }

    fn delete_single(&self, key: &str) -> Response {
        self.log("single");
        if self.slows_down() {
            return error(503, "SlowDown");
        }
        match self.delete(key) {
            Some(code) => error(403, code),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }

    /// Deletes a key, or returns the error to answer for it.
    fn delete(&self, key: &str) -> Option<&'static str> {
        if let Some(codes) = self.script.key_errors.lock().get_mut(key)
            && !codes.is_empty()
        {
            return Some(if self.script.stubborn && codes.len() == 1 {
                codes[0]
            } else {
                codes.remove(0)
            });
        }
        let mut kept = self.script.kept.lock();
        if let Some(once) = kept.iter().position(|kept| kept == key) {
            kept.remove(once);
            return None;
        }
        let mut rewritten = self.script.rewritten.lock();
        let times = rewritten.get_mut(key).filter(|times| **times > 0);
        if let Some(times) = times {
            *times -= 1;
        } else if !self.script.keep_all {
            self.keys.lock().remove(key);
        }
        None
    }
}

/// Takes one off, if anything is left.
fn takes_one(counter: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
}

fn error(status: u16, code: &str) -> Response {
    let body =
        format!("<Error><Code>{code}</Code><Message>As the test wants it.</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#xD;")
}

fn unescaped(text: &str) -> String {
    // As XML parsers do: a bare CR is a line feed.
    text.replace('\r', "\n")
        .replace("&#xD;", "\r")
        .replace("&#xA;", "\n")
        .replace("&#x85;", "\u{85}")
        .replace("&#x2028;", "\u{2028}")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
