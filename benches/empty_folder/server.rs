//! An S3 for one folder: numbered keys in memory, a stated latency, a cap on
//! the keys deleted per second, and counters.

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

/// How long the server takes to answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    pub list: Duration,
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
    keys: BTreeSet<u32>,
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
        Self {
            rate,
            level: rate,
            filled: Instant::now(),
        }
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
            keys: BTreeSet::new(),
            counts: Counts::default(),
            cap: cap.map(Cap::new),
        };
        let store = Arc::new(Store {
            latency,
            bucket: Mutex::new(bucket),
        });
        let router = Router::new().fallback(answer).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, store }
    }

    /// Puts so many keys in and forgets all that was.
    pub fn fill(&self, keys: usize) {
        let mut bucket = self.store.bucket.lock();
        bucket.keys = (0..keys as u32).collect();
        bucket.counts = Counts::default();
        bucket.cap = bucket.cap.take().map(|cap| Cap::new(cap.rate));
    }

    pub fn counts(&self) -> Counts {
        let bucket = self.store.bucket.lock();
        Counts {
            left: bucket.keys.len(),
            ..bucket.counts
        }
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
    let has = |name: &str| query.contains_key(name);
    let key = uri.path()[1..].split_once('/').map_or("", |(_, key)| key);
    match (method.as_str(), key) {
        ("HEAD", "") => ().into_response(),
        ("GET", "") if has("location") => "<LocationConstraint/>".into_response(),
        ("GET", "") if has("versioning") => "<VersioningConfiguration/>".into_response(),
        ("GET", "") if has("uploads") => "<ListMultipartUploadsResult/>".into_response(),
        ("GET", "") => store.list(&query).await,
        ("POST", "") => {
            let body = std::str::from_utf8(&body).unwrap();
            let keys = body.split("<Key>").skip(1);
            let keys = keys
                .filter_map(|rest| number(rest.split('<').next()?))
                .collect();
            store.delete(keys, "<DeleteResult/>".into_response()).await
        }
        ("DELETE", key) => {
            let keys = number(&key.replace("%2F", "/")).into_iter().collect();
            store
                .delete(keys, StatusCode::NO_CONTENT.into_response())
                .await
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Store {
    async fn list(&self, query: &HashMap<&str, String>) -> Response {
        tokio::time::sleep(self.latency.list).await;
        let from = ["continuation-token", "start-after", "marker", "key-marker"];
        let after = from
            .iter()
            .find_map(|name| query.get(name))
            .map_or("", String::as_str);
        let page: Vec<_> = {
            let bucket = self.bucket.lock();
            let first = first_after(after);
            bucket.keys.range(first..).take(1001).copied().collect()
        };
        let versions = query.contains_key("versions");
        let tag = if versions { "Version" } else { "Contents" };
        let mut body = String::with_capacity(300_000);
        body += if versions {
            "<ListVersionsResult>"
        } else {
            "<ListBucketResult>"
        };
        let is_truncated = page.len() > 1000;
        let _ = write!(
            body,
            "<Name>bench</Name><MaxKeys>1000</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>"
        );
        if query.contains_key("encoding-type") {
            body += "<EncodingType>url</EncodingType>";
        }
        let page = &page[..page.len().min(1000)];
        if is_truncated {
            let last = key(*page.last().unwrap());
            let _ = match (versions, query.contains_key("list-type")) {
                (true, _) => write!(
                    body,
                    "<NextKeyMarker>{last}</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>"
                ),
                (_, true) => write!(
                    body,
                    "<NextContinuationToken>{last}</NextContinuationToken>"
                ),
                _ => write!(body, "<NextMarker>{last}</NextMarker>"),
            };
        }
        let version = if versions {
            "<VersionId>null</VersionId><IsLatest>true</IsLatest>"
        } else {
            ""
        };
        for number in page {
            let _ = write!(
                body,
                "<{tag}><Key>{}</Key>{version}<LastModified>2026-01-01T00:00:00.000Z</LastModified>\
                 <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>1</Size>\
                 <StorageClass>STANDARD</StorageClass></{tag}>",
                key(*number)
            );
        }
        body += if versions {
            "</ListVersionsResult>"
        } else {
            "</ListBucketResult>"
        };
        body.into_response()
    }

    async fn delete(&self, keys: Vec<u32>, done: Response) -> Response {
        let admitted = {
            let mut bucket = self.bucket.lock();
            let admitted = bucket.cap.as_mut().is_none_or(|cap| cap.admits(keys.len()));
            bucket.counts.refused += usize::from(!admitted);
            admitted
        };
        if !admitted {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let error = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            return (StatusCode::SERVICE_UNAVAILABLE, error).into_response();
        }
        tokio::time::sleep(self.latency.delete + self.latency.delete_key * keys.len() as u32).await;
        let mut bucket = self.bucket.lock();
        for key in keys {
            bucket.keys.remove(&key);
        }
        done
    }
}

/// The first number whose key comes after this text, in the order of S3.
fn first_after(after: &str) -> u32 {
    let digits = match after.strip_prefix("alex/") {
        Some(digits) => digits,
        None if after < "alex/" => return 0,
        None => return u32::MAX,
    };
    // The longest beginning that is digits, filled up to the nine of a key.
    let valid: String = digits
        .chars()
        .take_while(char::is_ascii_digit)
        .take(9)
        .collect();
    let rest = &digits[valid.len()..];
    let (low, width) = (valid.parse::<u64>().unwrap_or(0), 9 - valid.len() as u32);
    let number = match rest.chars().next() {
        // Comes before all keys that begin so, unless it is one of them.
        None if width > 0 => low * 10u64.pow(width),
        None => low + 1,
        Some(c) if c < '0' && width > 0 => low * 10u64.pow(width),
        Some(_) => (low + 1) * 10u64.pow(width),
    };
    number.min(u64::from(u32::MAX)) as u32
}
