//! An S3 for one folder: numbered keys in memory, all with the same number of
//! versions, a stated latency, a cap on the keys deleted per second, and counters.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

/// The times that the server takes to answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    pub list: Duration,
    pub list_key: Duration,
    pub delete: Duration,
    pub delete_key: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub calls: usize,
    pub refused: usize,
    pub left: usize,
}

pub struct Server {
    pub url: String,
    store: Arc<Store>,
}

struct Store {
    latency: Latency,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    /// Key and version; version 0 is the current one.
    entries: BTreeSet<(u32, u32)>,
    keeps_versions: bool,
    counts: Counts,
    cap: Option<Cap>,
}

/// A token bucket that holds one second's worth of keys. A request is admitted
/// while there is anything in it, and may leave it in debt.
struct Cap {
    rate: f64,
    level: f64,
    filled: Instant,
}

impl Cap {
    fn new(rate: f64) -> Self {
        Self { rate, level: rate, filled: Instant::now() }
    }

    fn admits(&mut self, keys: usize) -> bool {
        let now = Instant::now();
        let gained = (now - self.filled).as_secs_f64() * self.rate;
        self.level = (self.level + gained).min(self.rate);
        self.filled = now;
        let admitted = self.level > 0.0;
        if admitted {
            self.level -= keys as f64;
        }
        admitted
    }
}

pub fn key(number: u32) -> String {
    format!("alex/{number:09}")
}

fn number(key: &str) -> Option<u32> {
    key.strip_prefix("alex/")?.parse().ok()
}

impl Server {
    pub async fn start(latency: Latency, cap: Option<f64>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bucket = Bucket {
            entries: BTreeSet::new(),
            keeps_versions: false,
            counts: Counts::default(),
            cap: cap.map(Cap::new),
        };
        let store = Arc::new(Store { latency, bucket: Mutex::new(bucket) });
        let router = Router::new().fallback(answer).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, store }
    }

    /// Puts this many keys in, each with this many versions, and resets the counters.
    pub fn fill(&self, keys: u32, versions: u32) {
        let mut bucket = self.store.bucket.lock();
        bucket.entries =
            (0..keys).flat_map(|key| (0..versions).map(move |version| (key, version))).collect();
        bucket.keeps_versions = versions > 1;
        bucket.counts = Counts::default();
        bucket.cap = bucket.cap.take().map(|cap| Cap::new(cap.rate));
    }

    pub fn counts(&self) -> Counts {
        let bucket = self.store.bucket.lock();
        Counts { left: bucket.entries.len(), ..bucket.counts }
    }
}

async fn answer(
    State(store): State<Arc<Store>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    store.bucket.lock().counts.calls += 1;
    let query: HashMap<_, _> = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name, value.replace("%2F", "/")))
        .collect();
    let key = uri.path()[1..].split_once('/').map_or("", |(_, key)| key);
    match (method.as_str(), key) {
        ("HEAD", "") => ().into_response(),
        ("GET", "") if query.contains_key("location") => "<LocationConstraint/>".into_response(),
        ("GET", "") if query.contains_key("versioning") => store.versioning().into_response(),
        ("GET", "") if query.contains_key("uploads") => store.list_uploads().await,
        ("GET", "") if query.contains_key("versions") => store.list_versions(&query).await,
        ("GET", "") => store.list(&query).await,
        ("POST", "") => {
            let body = std::str::from_utf8(&body).unwrap();
            let objects = body.split("<Object>").skip(1);
            let entries = objects.filter_map(|object| {
                let version = text(object, "VersionId").unwrap_or_default();
                entry(text(object, "Key")?, version)
            });
            let done = "<DeleteResult/>".into_response();
            store.delete(entries.collect(), done).await
        }
        ("DELETE", key) => {
            let version = query.get("versionId").map_or("", String::as_str);
            let entries = entry(&key.replace("%2F", "/"), version);
            let done = StatusCode::NO_CONTENT.into_response();
            store.delete(entries.into_iter().collect(), done).await
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Store {
    fn versioning(&self) -> &'static str {
        if self.bucket.lock().keeps_versions {
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        } else {
            "<VersioningConfiguration/>"
        }
    }

    async fn list_uploads(&self) -> Response {
        tokio::time::sleep(self.latency.list).await;
        NO_UPLOADS.into_response()
    }

    async fn list(&self, query: &HashMap<&str, String>) -> Response {
        tokio::time::sleep(self.latency.list).await;
        let from = ["continuation-token", "start-after", "marker"];
        let after = from.iter().find_map(|name| query.get(name)).map_or("", String::as_str);
        let page: Vec<_> = {
            let bucket = self.bucket.lock();
            let rest = bucket.entries.range((first_after(after), 0)..);
            let current = rest.filter(|(_, version)| *version == 0);
            current.take(1001).copied().collect()
        };
        self.write_page(&page).await;
        let mut body = listing("ListBucketResult", query, &page);
        for (number, _) in page.iter().take(1000) {
            let _ = write!(body, "<Contents><Key>{}</Key>", key(*number));
            body += OBJECT;
            body += "</Contents>";
        }
        if let Some(last) = last_of_truncated(&page) {
            let tag = if query.contains_key("list-type") {
                "NextContinuationToken"
            } else {
                "NextMarker"
            };
            let _ = write!(body, "<{tag}>{}</{tag}>", key(last.0));
        }
        body += "</ListBucketResult>";
        body.into_response()
    }

    async fn list_versions(&self, query: &HashMap<&str, String>) -> Response {
        tokio::time::sleep(self.latency.list).await;
        let marker = query.get("key-marker").map_or("", String::as_str);
        let version = query.get("version-id-marker").map(String::as_str);
        let first = match version.and_then(|version| entry(marker, version)) {
            Some((number, version)) => (number, version + 1),
            None => (first_after(marker), 0),
        };
        let page: Vec<_> = {
            let bucket = self.bucket.lock();
            bucket.entries.range(first..).take(1001).copied().collect()
        };
        self.write_page(&page).await;
        let mut body = listing("ListVersionsResult", query, &page);
        for (number, version) in page.iter().take(1000) {
            let id = version_id(*version);
            let is_latest = *version == 0;
            let _ = write!(
                body,
                "<Version><Key>{}</Key><VersionId>{id}</VersionId><IsLatest>{is_latest}</IsLatest>",
                key(*number)
            );
            body += OBJECT;
            body += "</Version>";
        }
        if let Some(last) = last_of_truncated(&page) {
            let _ = write!(
                body,
                "<NextKeyMarker>{}</NextKeyMarker><NextVersionIdMarker>{}</NextVersionIdMarker>",
                key(last.0),
                version_id(last.1)
            );
        }
        body += "</ListVersionsResult>";
        body.into_response()
    }

    async fn write_page(&self, page: &[(u32, u32)]) {
        let listed = page.len().min(1000) as u32;
        tokio::time::sleep(self.latency.list_key * listed).await;
    }

    async fn delete(&self, entries: Vec<(u32, u32)>, done: Response) -> Response {
        let admitted = {
            let mut bucket = self.bucket.lock();
            let cap = bucket.cap.as_mut();
            let admitted = cap.is_none_or(|cap| cap.admits(entries.len()));
            bucket.counts.refused += usize::from(!admitted);
            admitted
        };
        if !admitted {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let error = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            return (StatusCode::SERVICE_UNAVAILABLE, error).into_response();
        }
        let work = self.latency.delete_key * entries.len() as u32;
        tokio::time::sleep(self.latency.delete + work).await;
        let mut bucket = self.bucket.lock();
        for entry in entries {
            bucket.entries.remove(&entry);
        }
        done
    }
}

const NO_UPLOADS: &str = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>\
     </ListMultipartUploadsResult>";

/// The rest of what S3 lists of an object or a version, after its name.
const OBJECT: &str = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>\
     <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>1</Size>\
     <StorageClass>STANDARD</StorageClass>";

/// The beginning of the answer to a listing.
fn listing(tag: &str, query: &HashMap<&str, String>, page: &[(u32, u32)]) -> String {
    let is_truncated = last_of_truncated(page).is_some();
    let mut body = String::with_capacity(300_000);
    let _ = write!(
        body,
        "<{tag}><Name>bench</Name><MaxKeys>1000</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>"
    );
    if query.contains_key("encoding-type") {
        body += "<EncodingType>url</EncodingType>";
    }
    body
}

/// The last entry listed, where one more shows that there is a next page.
fn last_of_truncated(page: &[(u32, u32)]) -> Option<(u32, u32)> {
    page.get(1000).and(page.get(999)).copied()
}

fn version_id(version: u32) -> String {
    format!("v{version}")
}

/// Parses a key and the ID of a version; no ID stands for the current version.
fn entry(key: &str, version_id: &str) -> Option<(u32, u32)> {
    let version = match version_id.strip_prefix('v') {
        Some(digits) => digits.parse().ok()?,
        None => 0,
    };
    Some((number(key)?, version))
}

/// Returns the text of an element.
fn text<'a>(xml: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    rest.split('<').next()
}

/// The first number whose key comes after this text, in the order of S3.
fn first_after(after: &str) -> u32 {
    let digits = match after.strip_prefix("alex/") {
        Some(digits) => digits,
        None if after < "alex/" => return 0,
        None => return u32::MAX,
    };
    // The longest beginning that is digits, filled up to the nine of a key.
    let valid: String = digits.chars().take_while(char::is_ascii_digit).take(9).collect();
    let rest = &digits[valid.len()..];
    let low = valid.parse::<u64>().unwrap_or(0);
    let width = 9 - valid.len() as u32;
    let number = match rest.chars().next() {
        // Comes before all keys that begin so, unless it is one of them.
        None if width > 0 => low * 10u64.pow(width),
        None => low + 1,
        Some(c) if c < '0' && width > 0 => low * 10u64.pow(width),
        Some(_) => (low + 1) * 10u64.pow(width),
    };
    number.min(u64::from(u32::MAX)) as u32
}
