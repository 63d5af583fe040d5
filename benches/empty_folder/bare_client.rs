//! The floor: the requests that empty the folder, and nothing else. It knows
//! how many keys there are, signs nothing, reads of each answer only what it
//! needs, and paces itself by the very cap the server has.

use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::server::key;

type Http = Client<HttpConnector, Full<Bytes>>;

const LISTERS: u32 = 8;
const DELETERS: usize = 16;

pub fn run(url: &str, keys: u32, cap: Option<f64>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(empty(format!("{url}/bench"), keys, cap));
}

async fn empty(url: String, keys: u32, cap: Option<f64>) {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let (sender, mut pages) = mpsc::channel(DELETERS);
    for lister in 0..LISTERS {
        let range = start_of_part(lister, keys)..start_of_part(lister + 1, keys);
        tokio::spawn(list(http.clone(), url.clone(), range, sender.clone()));
    }
    drop(sender);
    let in_flight = Arc::new(Semaphore::new(DELETERS));
    let cap = Arc::new(cap.map(|rate| Schedule {
        rate,
        start: OnceLock::new(),
        keys: AtomicU32::new(0),
    }));
    let mut deletes = JoinSet::new();
    while let Some(page) = pages.recv().await {
        let permit = in_flight.clone().acquire_owned().await.unwrap();
        let (http, url, cap) = (http.clone(), url.clone(), cap.clone());
        deletes.spawn(async move {
            delete(&http, &url, page, cap.as_ref().as_ref()).await;
            drop(permit);
        });
    }
    while deletes.join_next().await.is_some() {}
    // As ours does: a last look whether anything is left.
    let left = get(&http, &format!("{url}?list-type=2&prefix=alex/")).await;
    assert!(!left.contains("<Key>"));
}

fn start_of_part(lister: u32, keys: u32) -> u32 {
    (u64::from(lister) * u64::from(keys) / u64::from(LISTERS)) as u32
}

/// Lists a range of keys, and sends the body of a delete request for each page.
async fn list(
    http: Http,
    url: String,
    range: std::ops::Range<u32>,
    pages: mpsc::Sender<(u32, Bytes)>,
) {
    let end = key(range.end);
    let mut after = match range.start {
        0 => "alex/".to_owned(),
        start => key(start - 1),
    };
    loop {
        let page = get(&http, &format!("{url}?list-type=2&prefix=alex/&start-after={after}")).await;
        let keys: Vec<_> = page
            .split("<Key>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap())
            .take_while(|key| *key < end.as_str())
            .collect();
        let Some(last) = keys.last() else { return };
        after = (*last).to_owned();
        let mut body = String::from("<Delete><Quiet>true</Quiet>");
        for key in &keys {
            let _ = write!(body, "<Object><Key>{key}</Key></Object>");
        }
        body += "</Delete>";
        let is_last = keys.len() < 1000 || page.contains("<IsTruncated>false");
        pages.send((keys.len() as u32, body.into())).await.unwrap();
        if is_last {
            return;
        }
    }
}

async fn get(http: &Http, url: &str) -> String {
    let answer = http.get(url.parse().unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Deletes a page, when the cap has room for it, and asks again where it hasn't yet.
async fn delete(http: &Http, url: &str, (keys, body): (u32, Bytes), cap: Option<&Schedule>) {
    if let Some(cap) = cap {
        cap.wait(keys).await;
    }
    loop {
        let request = Request::post(format!("{url}?delete")).body(Full::new(body.clone()));
        let answer = http.request(request.unwrap()).await.unwrap();
        let deleted = answer.status().is_success();
        answer.into_body().collect().await.unwrap();
        if deleted {
            return;
        }
    }
}

/// The very pace that the server's cap allows: a second's worth of keys at
/// once, and then evenly.
struct Schedule {
    rate: f64,
    /// The time at which the first page was deleted.
    start: OnceLock<Instant>,
    keys: AtomicU32,
}

impl Schedule {
    async fn wait(&self, keys: u32) {
        let start = *self.start.get_or_init(Instant::now);
        let before = f64::from(self.keys.fetch_add(keys, Ordering::Relaxed));
        // The server's clock starts a little later, when the first page arrives.
        let seconds = ((before - self.rate) / self.rate).max(0.0) + 0.02;
        tokio::time::sleep_until(start + Duration::from_secs_f64(seconds)).await;
    }
}
