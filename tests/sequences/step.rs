//! One request of a client, and what the client makes of the answer.

use axum::http::Request;
use bytes::Bytes;

use crate::support::{Answer, LocalAws, Signed};

/// What must come back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expect {
    /// Success. Anything else ends the operation.
    Allowed,
    /// Success, and a listing that isn't empty.
    Found,
    /// A refusal, in every access mode. The client goes on.
    Refused,
    /// Success or a refusal, as the access mode has it. The client goes on.
    Either,
}

#[derive(Debug, Clone)]
pub struct Step {
    /// As `docs/clients.md` has it, with the path inside the bucket. `UPLOAD_ID` stands
    /// for the ID that the last multipart upload got.
    request: String,
    headers: Vec<(&'static str, String)>,
    /// `ETAG` stands for the ETag of the part uploaded last.
    body: String,
    unsigned_payload: bool,
    expect: Expect,
    /// Whether it is sent only where the last listing was empty.
    if_empty: bool,
}

/// A request whose refusal ends the operation.
pub fn needs(request: impl Into<String>) -> Step {
    Step::new(request.into(), Expect::Allowed)
}

/// A listing whose refusal ends the operation, and which must not be empty.
pub fn finds(request: impl Into<String>) -> Step {
    Step::new(request.into(), Expect::Found)
}

/// A request that no access mode allows, and which the client can do without.
pub fn refused(request: impl Into<String>) -> Step {
    Step::new(request.into(), Expect::Refused)
}

/// A request that some access modes allow, and which the client can do without.
pub fn either(request: impl Into<String>) -> Step {
    Step::new(request.into(), Expect::Either)
}

impl Step {
    fn new(request: String, expect: Expect) -> Self {
        Self {
            request,
            headers: Vec::new(),
            body: String::new(),
            unsigned_payload: false,
            expect,
            if_empty: false,
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    pub fn unsigned_payload(mut self) -> Self {
        self.unsigned_payload = true;
        self
    }

    pub fn if_empty(mut self) -> Self {
        self.if_empty = true;
        self
    }

    pub fn method(&self) -> &str {
        self.request.split(' ').next().unwrap()
    }

    /// Whether the request is for something in this folder.
    pub fn names(&self, folder: &str) -> bool {
        let headers = self.headers.iter().map(|(_, value)| value.as_str());
        let mut parts = headers.chain([self.request.as_str(), &self.body]);
        parts.any(|part| part.contains(folder))
    }
}

/// What ended an operation.
#[derive(Debug, PartialEq)]
pub struct Stop {
    pub request: String,
    pub status: u16,
    pub code: String,
}

/// A client that is connected, and what it has learnt.
pub struct Session<'a> {
    aws: &'a LocalAws,
    key: &'a (String, String),
    /// Whether the bucket said that it takes no ACLs.
    no_acls: bool,
    /// Whether the last listing was empty.
    empty: bool,
    upload_id: String,
    etag: String,
}

impl<'a> Session<'a> {
    pub fn new(aws: &'a LocalAws, key: &'a (String, String)) -> Self {
        Self {
            aws,
            key,
            no_acls: false,
            empty: false,
            upload_id: String::new(),
            etag: String::new(),
        }
    }

    /// Sends the requests in order, up to the first that the client can't do without.
    pub async fn replay(&mut self, steps: &[Step]) -> Result<(), Stop> {
        for step in steps {
            if step.if_empty && !self.empty {
                continue;
            }
            let answer = self.send(step).await;
            let (status, request) = (answer.status, &step.request);
            let allowed = is_success(&answer);
            match step.expect {
                Expect::Refused => assert_eq!(status, 403, "{request}"),
                Expect::Either => assert!(allowed || status == 403, "{request}: {status}"),
                Expect::Found if allowed && !self.empty => {}
                Expect::Allowed if allowed => {}
                Expect::Found | Expect::Allowed => {
                    return Err(Stop {
                        request: request.clone(),
                        status,
                        code: answer.code().to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Sends a request, and keeps what clients keep of the answer.
    pub async fn send(&mut self, step: &Step) -> Answer {
        let (method, target) = step.request.split_once(' ').unwrap();
        let (service, path) = if let Some(path) = target.strip_prefix("https://sts.amazonaws.com") {
            ("sts", path.to_owned())
        } else if let Some(path) = target.strip_prefix("https://s3.amazonaws.com") {
            ("s3", path.to_owned())
        } else {
            ("s3", format!("/shared{target}"))
        };
        let path = path.replace("UPLOAD_ID", &self.upload_id);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.aws.url));
        for (name, value) in &step.headers {
            if !(self.no_acls && *name == "x-amz-acl") {
                request = request.header(*name, value);
            }
        }
        let body = Bytes::from(step.body.replace("ETAG", &self.etag));
        let signed = Signed { key: self.key, service, unsigned_payload: step.unsigned_payload };
        let request = request.body(body.clone().into()).unwrap();
        let answer = signed.send(request, &body).await;
        self.learn(&answer);
        answer
    }

    fn learn(&mut self, answer: &Answer) {
        let text = &answer.text;
        self.no_acls |= text.contains("BucketOwnerEnforced");
        if text.contains("<ListBucketResult") {
            self.empty = !text.contains("<Contents>") && !text.contains("<CommonPrefixes>");
        }
        if let Some(rest) = text.split("<UploadId>").nth(1) {
            rest.split('<').next().unwrap().clone_into(&mut self.upload_id);
        }
        if let Some(etag) = answer.headers.get("etag") {
            etag.to_str().unwrap().clone_into(&mut self.etag);
        }
    }
}

/// Some failures are reported in the body of a success.
fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status) && !answer.text.contains("<Error>")
}
