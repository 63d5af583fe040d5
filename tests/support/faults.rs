//! What goes wrong between a client and the local AWS, on demand.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, DATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::lag::Lag;
use super::like_ceph;

/// A thing that goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused with this status and code, without being carried out.
    Refuse(u16, &'static str),
    /// Refused with this status, code and message, without being carried out.
    Say(u16, &'static str, &'static str),
    /// Refused by a policy, in these words, without being carried out.
    Deny(&'static str),
    /// Answered with this XML, without being carried out.
    Answer(&'static str),
    /// Carried out, and the connection closed in the middle of the answer.
    LoseAnswer,
    /// Carried out, and the connection closed after half of the answer's body.
    CutAnswer,
    /// Carried out, and answered with half of the body as if it were the whole.
    HalfAnswer,
    /// Carried out, and answered with another body, as by a broken proxy.
    OtherAnswer(u16, &'static str),
    /// Carried out, and answered with a list that goes on; where, this XML says.
    CutList(&'static str),
    /// The same, with another place to go on each time.
    EndlessList,
    /// Carried out, and answered as by a store that keeps no IAM paths.
    NoPaths,
    /// Not carried out, and answered as by a proxy that welcomes everybody.
    Proxy,
    /// Refused, as the service does where calls come too fast.
    Throttle,
    /// Refused with this status and code by a server whose clock is 20 minutes ahead.
    Early(u16, &'static str),
    /// Carried out, and never answered.
    Hang,
    /// Carried out, with the answer kept back until [`Faults::resume`].
    Pause,
    /// Kept back until [`Faults::resume`], and then carried out.
    PauseBefore,
}

/// What a proxy answers that wants to be asked first.
pub const WELCOME: &str = "<html><body>Welcome to the hotel.</body></html>";

impl Fault {
    /// How a call is held up: before and after it is carried out, which is the
    /// same for one that only reads. Not at all where another call is made at the same time.
    pub fn pauses(operation: &str) -> &'static [Self] {
        // Asked together with ListAccessKeys, ListAttachedUserPolicies or HeadBucket.
        let together = [
            "GetAccountAuthorizationDetails",
            "GetBucketEncryption",
            "GetBucketVersioning",
            "GetLoginProfile",
            "ListGroupsForUser",
            "ListMFADevices",
            "ListServiceSpecificCredentials",
            "ListSigningCertificates",
            "ListSSHPublicKeys",
            "ListUserPolicies",
        ];
        if together.contains(&operation) {
            &[]
        } else if Self::only_reads(operation) {
            &[Self::Pause]
        } else {
            &[Self::PauseBefore, Self::Pause]
        }
    }

    pub fn only_reads(operation: &str) -> bool {
        ["Get", "List", "Head"].iter().any(|verb| operation.starts_with(verb))
    }

    pub const EMPTY: Self = Self::OtherAnswer(200, "");
    pub const HTML: Self = Self::OtherAnswer(200, WELCOME);
    pub const DENIED: Self = Self::Refuse(403, "AccessDenied");
    pub const BROKEN: Self = Self::Refuse(500, "InternalFailure");
}

/// One request, as far as tests tell requests apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation as AWS names it.
    pub operation: String,
    pub bucket: Option<String>,
    /// The key of the object; empty if it is about none.
    pub key: String,
    /// The form fields of an IAM call; empty for S3.
    pub fields: String,
    /// The ID of the access key that signed it.
    pub access_key: String,
    /// What a store answers that knows no checksum but Content-MD5, if it
    /// refuses the call.
    refused_for_checksum: Option<Fault>,
}

impl Call {
    fn is_of_iam(&self) -> bool {
        !self.fields.is_empty() && self.operation != "GetCallerIdentity"
    }

    pub fn from_http(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Self {
        let signed = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let signed = signed.and_then(|it| it.split("Credential=").nth(1));
        let access_key = signed.and_then(|it| it.split('/').next());
        let access_key = access_key.unwrap_or_default().to_owned();
        let query = uri.query().unwrap_or_default();
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let body = String::from_utf8_lossy(body);
        let refused_for_checksum =
            has_checksum(headers).then_some(Fault::Refuse(400, "InvalidArgument")).or_else(|| {
                let lacks =
                    method == "POST" && has("delete") && !headers.contains_key("content-md5");
                lacks.then_some(Fault::Refuse(400, "MissingContentMD5"))
            });
        let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        if let Some(action) = action.filter(|_| uri.path() == "/") {
            return Self {
                operation: action.to_owned(),
                bucket: None,
                key: String::new(),
                fields: body.clone().into_owned(),
                access_key,
                refused_for_checksum: None,
            };
        }
        let (bucket, key) = uri.path()[1..].split_once('/').unwrap_or((&uri.path()[1..], ""));
        let is_copy = headers.contains_key("x-amz-copy-source");
        let operation = match (method.as_str(), key.is_empty()) {
            ("GET", true) if bucket.is_empty() => "ListBuckets",
            ("HEAD", true) => "HeadBucket",
            ("PUT", true) => "CreateBucket",
            ("POST", true) if has("delete") => "DeleteObjects",
            ("GET", true) if has("encryption") => "GetBucketEncryption",
            ("GET", true) if has("object-lock") => "GetObjectLockConfiguration",
            ("GET", true) if has("versioning") => "GetBucketVersioning",
            ("GET", true) if has("versions") => "ListObjectVersions",
            ("GET", true) if has("uploads") => "ListMultipartUploads",
            ("GET", true) if has("list-type") => "ListObjectsV2",
            ("GET", false) if has("uploadId") => "ListParts",
            ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
            ("DELETE", false) => "DeleteObject",
            ("GET", false) => "GetObject",
            ("POST", false) if has("uploads") => "CreateMultipartUpload",
            ("PUT", false) if is_copy && has("uploadId") => "UploadPartCopy",
            ("PUT", false) if is_copy => "CopyObject",
            ("PUT", false) => "PutObject",
            (other, _) => other,
        };
        Self {
            operation: operation.to_owned(),
            bucket: Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty()),
            key: key.to_owned(),
            fields: String::new(),
            access_key,
            refused_for_checksum,
        }
    }

    /// The value of a form field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut pairs = self.fields.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The name of the policy it is about.
    pub fn policy(&self) -> Option<&str> {
        self.field("PolicyArn")?.rsplit("%2F").next()
    }
}

/// Whether a request has or asks for one of the checksums that SDKs have added
/// since 2025, in a header or a trailer.
fn has_checksum(headers: &HeaderMap) -> bool {
    headers.iter().any(|(name, value)| {
        let name = name.as_str();
        name.starts_with("x-amz-checksum-")
            || ["x-amz-sdk-checksum-algorithm", "x-amz-trailer"].contains(&name)
            || name == "content-encoding" && value == "aws-chunked"
    })
}

/// A fault for the calls it fits, so often.
struct Rule {
    operation: String,
    /// The form fields must hold this.
    field: &'static str,
    /// The ID of an access key whose calls don't fit.
    unless_signed_by: Option<String>,
    fault: Fault,
    /// How many fitting calls pass before the first one that goes wrong.
    skip: usize,
    times: usize,
}

impl Rule {
    /// One for every call of the operation.
    fn new(operation: &str, fault: Fault) -> Self {
        Self {
            operation: operation.to_owned(),
            field: "",
            unless_signed_by: None,
            fault,
            skip: 0,
            times: usize::MAX,
        }
    }

    fn fits(&self, call: &Call) -> bool {
        self.operation == call.operation
            && call.fields.contains(self.field)
            && self.unless_signed_by.as_deref() != Some(&call.access_key)
            && self.times > 0
    }
}

/// A token bucket.
struct TokenBucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// Takes a token, if there is one.
    fn takes(&mut self) -> bool {
        let now = Instant::now();
        let more = (now - self.filled).as_secs_f64() * self.per_second;
        self.filled = now;
        self.tokens = (self.tokens + more).min(self.burst);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

/// The faults to come, and the calls that were.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Call>>,
    /// What rations the calls of IAM.
    bucket: Mutex<Option<TokenBucket>>,
    /// How many calls it refused.
    refused: AtomicUsize,
    lag: Mutex<Option<Lag>>,
    refuse_checksums: AtomicBool,
    is_like_ceph: AtomicBool,
    hides_tags: AtomicBool,
    /// Who put each object, where that lets them read it.
    uploaders: Mutex<Option<HashMap<String, String>>>,
    /// How many seconds the clock is ahead of this machine's.
    clock: AtomicI64,
    /// How long each call takes at least.
    latency: Mutex<Duration>,
    /// How many calls are under way, and the most there were at a time.
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    arrived: Notify,
    paused: Notify,
    resume: Notify,
}

/// Every call that finds out who has access to a bucket, and whether it is made
/// only where all users can't be had at once.
pub const INVENTORY: [(&str, bool); 10] = [
    ("HeadBucket", false),
    ("GetAccountAuthorizationDetails", false),
    ("ListUsers", true),
    ("GetUser", true),
    ("ListAttachedUserPolicies", true),
    ("GetPolicy", true),
    ("GetPolicyVersion", true),
    ("ListUserPolicies", true),
    ("GetUserPolicy", true),
    ("ListGroupsForUser", true),
];

impl Faults {
    /// From now on, users are looked up one by one, since all at once are refused.
    pub fn look_up_one_by_one(&self) {
        self.always("GetAccountAuthorizationDetails", Fault::DENIED);
    }

    /// From now on, every call of the operation goes wrong.
    pub fn always(&self, operation: &str, fault: Fault) {
        self.at(operation, 0, usize::MAX, fault);
    }

    /// The next call of the operation goes wrong.
    pub fn once(&self, operation: &str, fault: Fault) {
        self.at(operation, 0, 1, fault);
    }

    /// After `skip` calls of the operation, the next `times` go wrong.
    pub fn at(&self, operation: &str, skip: usize, times: usize, fault: Fault) {
        self.rules.lock().push(Rule { skip, times, ..Rule::new(operation, fault) });
    }

    /// The next `times` calls of the operation go wrong that are signed by another
    /// access key than this one.
    pub fn unless_signed_by(&self, key: &str, operation: &str, times: usize, fault: Fault) {
        self.rules.lock().push(Rule {
            unless_signed_by: Some(key.to_owned()),
            times,
            ..Rule::new(operation, fault)
        });
    }

    /// From now on, IAM takes so many calls a second, and a burst of so many at once, as AWS
    /// rations them.
    pub fn ration(&self, per_second: f64, burst: f64) {
        *self.bucket.lock() =
            Some(TokenBucket { per_second, burst, tokens: burst, filled: Instant::now() });
        self.refused.store(0, Ordering::Relaxed);
    }

    /// How many calls of IAM were made, refused ones included.
    pub fn operations_of_iam(&self) -> usize {
        self.calls.lock().iter().filter(|call| call.is_of_iam()).count()
    }

    /// How many calls were refused since they came too fast.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether a call of IAM comes too fast.
    fn is_too_fast(&self, call: &Call) -> bool {
        let mut bucket = self.bucket.lock();
        let is_too_fast = call.is_of_iam() && bucket.as_mut().is_some_and(|bucket| !bucket.takes());
        self.refused.fetch_add(usize::from(is_too_fast), Ordering::Relaxed);
        is_too_fast
    }

    /// Every call that carries tags is refused.
    pub fn refuse_tags(&self) {
        for operation in ["CreateUser", "CreatePolicy", "TagUser"] {
            self.rules.lock().push(Rule {
                field: "Tags.member",
                ..Rule::new(operation, Fault::Refuse(400, "InvalidAction"))
            });
        }
    }

    /// From now on, IAM has the calls that Ceph has, and answers in Ceph's form.
    pub fn be_like_ceph(&self) {
        self.is_like_ceph.store(true, Ordering::Relaxed);
    }

    /// From now on, tags are taken and not shown with users.
    pub fn hide_tags(&self) {
        self.hides_tags.store(true, Ordering::Relaxed);
    }

    /// From now on, objects belong to whoever put them, and can be read by them.
    pub fn let_uploaders_read(&self) {
        *self.uploaders.lock() = Some(HashMap::new());
    }

    /// Notes who puts an object, and tells whether who gets one had put it.
    fn is_of_uploader(&self, call: &Call) -> bool {
        let mut uploaders = self.uploaders.lock();
        let Some(uploaders) = uploaders.as_mut() else {
            return false;
        };
        if call.operation == "PutObject" {
            uploaders.insert(call.key.clone(), call.access_key.clone());
        }
        call.operation == "GetObject" && uploaders.get(&call.key) == Some(&call.access_key)
    }

    /// From now on, every answer is dated so many seconds ahead of this machine's clock.
    pub fn set_clock(&self, ahead: i64) {
        self.clock.store(ahead, Ordering::Relaxed);
    }

    /// From now on, S3 knows no checksum but Content-MD5.
    pub fn refuse_checksums(&self) {
        self.refuse_checksums.store(true, Ordering::Relaxed);
    }

    /// What is made or taken away is known only after so many references to it.
    pub fn lag(&self, references: usize, admin: &str) {
        *self.lag.lock() = Some(Lag::new(references, admin));
    }

    /// From now on, every call takes so long at least.
    pub fn slow_down(&self, latency: Duration) {
        *self.latency.lock() = latency;
    }

    /// The most calls that were under way at a time since this was last asked.
    pub fn most_under_way(&self) -> usize {
        self.most_under_way.swap(0, Ordering::Relaxed)
    }

    /// Nothing goes wrong any more, and no call was made yet.
    pub fn forget(&self) {
        self.rules.lock().clear();
        self.calls.lock().clear();
    }

    /// Names of the operations called so far, in the order they came in.
    pub fn operations(&self) -> Vec<String> {
        self.calls.lock().iter().map(|call| call.operation.clone()).collect()
    }

    /// Each operation called so far, with how often.
    pub fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for operation in self.operations() {
            *counts.entry(operation).or_default() += 1;
        }
        counts
    }

    /// Waits until the operation was called.
    pub async fn called(&self, operation: &str) {
        loop {
            let next = self.arrived.notified();
            if self.counts().contains_key(operation) {
                return;
            }
            next.await;
        }
    }

    /// Waits until a call is paused.
    pub async fn paused(&self) {
        self.paused.notified().await;
    }

    /// Lets the answer of the paused call go.
    pub fn resume(&self) {
        self.resume.notify_one();
    }

    fn fault_for(&self, call: &Call) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let rule = rules.iter_mut().find(|rule| rule.fits(call))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault)
    }

    /// Lets a call through after its time, or lets it go wrong.
    pub async fn around(&self, call: Call, carry_out: impl Future<Output = Response>) -> Response {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        let latency = *self.latency.lock();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let mut answer = self.answer(call, carry_out).await;
        let ahead = self.clock.load(Ordering::Relaxed);
        if ahead != 0 {
            answer.headers_mut().insert(DATE, date(ahead));
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    async fn answer(&self, call: Call, carry_out: impl Future<Output = Response>) -> Response {
        let too_early = self.lag.lock().as_mut().and_then(|lag| lag.fault_for(&call));
        let refuses_checksums = self.refuse_checksums.load(Ordering::Relaxed);
        let refused = call.refused_for_checksum.filter(|_| refuses_checksums);
        let fault = if self.is_of_uploader(&call) {
            Some(Fault::Answer(""))
        } else if self.is_too_fast(&call) {
            Some(Fault::Throttle)
        } else if refused.is_some() {
            refused
        } else {
            too_early.or_else(|| self.fault_for(&call))
        };
        let is_s3 = call.fields.is_empty();
        let is_like_ceph = !is_s3 && self.is_like_ceph.load(Ordering::Relaxed);
        let operation = call.operation.clone();
        let hides_tags = self.hides_tags.load(Ordering::Relaxed)
            && ["CreateUser", "GetUser"].contains(&operation.as_str());
        self.calls.lock().push(call);
        self.arrived.notify_waiters();
        let carried_out = async {
            if hides_tags {
                return like_ceph::without_tags(carry_out.await).await;
            }
            if !is_like_ceph {
                return carry_out.await;
            }
            match like_ceph::refusal(&operation) {
                Some(refusal) => refusal,
                None => like_ceph::answer(&operation, carry_out.await).await,
            }
        };
        match fault {
            None => carried_out.await,
            Some(Fault::Refuse(status, code)) => refusal(status, code, AS_WANTED, is_s3),
            Some(Fault::Say(status, code, message)) => refusal(status, code, message, is_s3),
            Some(Fault::Deny(message)) => refusal(403, "AccessDenied", message, is_s3),
            Some(Fault::Early(status, code)) => {
                let later = date(20 * 60 + 30);
                ([(DATE, later)], refusal(status, code, AS_WANTED, is_s3)).into_response()
            }
            Some(Fault::Throttle) if is_s3 => refusal(503, "SlowDown", AS_WANTED, is_s3),
            Some(Fault::Throttle) => refusal(400, "Throttling", AS_WANTED, is_s3),
            Some(Fault::Answer(body)) => body.into_response(),
            Some(Fault::LoseAnswer) => {
                carried_out.await;
                let cut = futures_util::stream::once(async {
                    Err::<Bytes, _>(io::Error::other("the answer is lost"))
                });
                Body::from_stream(cut).into_response()
            }
            Some(Fault::CutAnswer) => cut_in_half(carried_out.await).await,
            Some(Fault::HalfAnswer) => {
                let body = body_of(carried_out.await).await;
                body.slice(..body.len() / 2).into_response()
            }
            Some(Fault::OtherAnswer(status, body)) => {
                carried_out.await;
                (StatusCode::from_u16(status).unwrap(), body).into_response()
            }
            Some(Fault::NoPaths) => without_paths(carried_out.await).await,
            Some(Fault::Proxy) => WELCOME.into_response(),
            Some(Fault::CutList(marker)) => cut_list(carried_out.await, marker).await,
            Some(Fault::EndlessList) => {
                let marker = format!("<Marker>{}</Marker>", self.calls.lock().len());
                cut_list(carried_out.await, &marker).await
            }
            Some(Fault::Hang) => {
                carried_out.await;
                std::future::pending().await
            }
            Some(Fault::PauseBefore) => {
                self.paused.notify_one();
                self.resume.notified().await;
                carried_out.await
            }
            Some(Fault::Pause) => {
                let answer = carried_out.await;
                self.paused.notify_one();
                self.resume.notified().await;
                answer
            }
        }
    }
}

async fn without_paths(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let body = body_of(Response::from_parts(parts.clone(), body)).await;
    let text = String::from_utf8_lossy(&body);
    let mut parts_of_text = text.split("<Path>");
    let mut without = parts_of_text.next().unwrap_or_default().to_owned();
    for part in parts_of_text {
        without += "<Path>/";
        without += &part[part.find("</Path>").unwrap()..];
    }
    (parts.status, without).into_response()
}

pub async fn body_of(answer: Response) -> Bytes {
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX);
    body.await.unwrap()
}

/// A list of IAM that goes on, where `marker` says.
async fn cut_list(answer: Response, marker: &str) -> Response {
    let body = body_of(answer).await;
    let body = String::from_utf8_lossy(&body).replace("<IsTruncated>false</IsTruncated>", "");
    let goes_on = format!("<IsTruncated>true</IsTruncated>{marker}");
    let end = body.rfind("Result>").unwrap();
    let end = body[..end].rfind("</").unwrap();
    [&body[..end], &goes_on, &body[end..]].concat().into_response()
}

/// A time so many seconds ahead of this machine's clock, as answers have it.
fn date(ahead: i64) -> HeaderValue {
    let now = DateTime::from(SystemTime::now());
    let then = DateTime::from_secs(now.secs() + ahead);
    then.fmt(DateTimeFormat::HttpDate).unwrap().parse().unwrap()
}

async fn cut_in_half(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let half = body.slice(..body.len() / 2);
    let pieces = [Ok(half), Err(io::Error::other("the rest is lost"))];
    // A pause lets the first half get on its way before the connection breaks.
    let pieces = futures_util::stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// What a refusal says where it doesn't matter.
const AS_WANTED: &str = "As the test wants it.";

fn refusal(status: u16, code: &str, message: &str, is_s3: bool) -> Response {
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = if is_s3 {
        error
    } else {
        format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>")
    };
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
