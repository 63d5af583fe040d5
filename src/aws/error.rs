//! Failed calls, each in one line, and the permission that each operation needs.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use rustls::CertificateError;
use rustls::Error::{InvalidCertificate, InvalidMessage};

use super::answer_size::is_exceeded;
use super::clock::{is_about_clock, wrong_clock};
use super::config::Remedy;
use super::connection::region;
use super::credentials::why_none;
use super::endpoint::Endpoint;
use super::proxy::proxy_of;
use super::refuser::{Refuser, permission_in};
use super::store::UNSUPPORTED;
use super::transient::{self, is_slow_down, is_transient};
use super::unreachable::tls_error;
use crate::errors::one_line;

/// A failed call, in one line: the operation, AWS's own code, and its message.
///
/// Holds no request, so no secret can be in it.
#[derive(Debug, Clone)]
pub struct AwsError {
    operation: &'static str,
    code: Option<String>,
    message: String,
    status: Option<u16>,
    /// Who was asked: AWS itself has a code for everything.
    endpoint: Arc<Endpoint>,
    /// What helps where there were no credentials or no answer, if that is known.
    remedy: Option<Remedy>,
    /// Whether nothing at all was answered.
    has_no_answer: bool,
    /// How many requests were sent, as far as they are counted.
    sent: usize,
    /// Whether there were no credentials for the last one.
    lacks_credentials: bool,
    /// Whether the service's answer came whole.
    answered: bool,
    /// Whether a page for browsers was answered.
    is_web_page: bool,
    bucket_region: Option<String>,
}

impl AwsError {
    pub(crate) fn new<E>(
        operation: &'static str,
        endpoint: &Arc<Endpoint>,
        error: &SdkError<E, HttpResponse>,
        sent: usize,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let answer = error.as_service_error().map(ProvideErrorMetadata::meta);
        let credentials = chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>());
        let code = answer.and_then(|answer| answer.code());
        let wrong_clock = response.and_then(|response| wrong_clock(response, code));
        let (message, remedy) = match (answer, credentials, wrong_clock) {
            (_, _, Some(wrong)) => (wrong, Some(Remedy::SetClock)),
            (Some(answer), ..) => {
                let message = answer.message().unwrap_or_default();
                let is_clock = is_about_clock(code, message);
                (message.to_owned(), is_clock.then_some(Remedy::SetClock))
            }
            (None, Some(credentials), _) => why_none(credentials),
            (None, None, _) if is_exceeded(error) => ("the answer is too large".to_owned(), None),
            (None, None, _) => {
                let (cause, remedy) = why_unreached(error);
                let proxy = proxy_of(error);
                let through = proxy.map_or(String::new(), |it| format!(" through proxy {it}"));
                let of_proxy = proxy.map(|_| Remedy::CheckProxy);
                (format!("can't reach {endpoint}{through}: {cause}"), remedy.or(of_proxy))
            }
        };
        Self {
            operation,
            code: code.map(str::to_owned),
            message: one_line(&message),
            endpoint: endpoint.clone(),
            remedy,
            has_no_answer: answer.is_none() && credentials.is_none() && response.is_none(),
            sent,
            lacks_credentials: credentials.is_some(),
            answered: answer.is_some(),
            is_web_page: response.is_some_and(is_web_page),
            status: response.map(|response| response.status().as_u16()),
            bucket_region: response
                .and_then(|response| response.headers().get("x-amz-bucket-region"))
                .and_then(|name| region(name).ok()),
        }
    }

    /// An answer that says the call succeeded, but lacks what was asked for.
    pub(crate) fn incomplete(operation: &'static str) -> Self {
        Self::lacking(operation, "the answer is incomplete")
    }

    /// A list that doesn't come to its end.
    pub(crate) fn without_end(operation: &'static str) -> Self {
        let message = "the list is incomplete: there is more, but the server doesn't say where";
        Self::lacking(operation, message)
    }

    fn lacking(operation: &'static str, message: &str) -> Self {
        Self {
            operation,
            code: None,
            message: message.to_owned(),
            status: None,
            endpoint: Arc::default(),
            remedy: None,
            has_no_answer: false,
            sent: 1,
            lacks_credentials: false,
            answered: false,
            is_web_page: false,
            bucket_region: None,
        }
    }

    /// AWS's own code, such as `NoSuchEntity`; none if no answer came or
    /// the answer had none.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The status of the HTTP answer, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Where the bucket is, if S3 said so.
    pub(crate) fn bucket_region(&self) -> Option<&str> {
        self.bucket_region.as_deref()
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// Whether the call may still have been carried out: it was sent, be it before
    /// the credentials ended, and the answer is not the service's own refusal, but
    /// lost, cut, a proxy's, or that of a server in trouble.
    pub(crate) fn is_unclear(&self) -> bool {
        let has_code = self.code().is_some_and(|code| !code.is_empty());
        let refuses = self.status.is_some_and(|status| (300..500).contains(&status));
        let is_refusal = has_code && refuses || self.is_unsupported();
        let was_sent = self.sent > 0 || !self.lacks_credentials;
        was_sent && !(self.answered && is_refusal)
    }

    /// Whether the call may have made what it was to make: nothing says that it
    /// didn't, or a request that was not the first was told that the thing exists.
    fn may_have_made(&self) -> bool {
        self.is_unclear() || self.is_existing() && self.sent > 1
    }

    /// What helps where the call could not be made, or the credentials have ended.
    pub(crate) fn remedy(&self) -> Option<Remedy> {
        let is_expired = self.code().is_some_and(|code| code.starts_with("ExpiredToken"));
        self.remedy.or(is_expired.then_some(Remedy::SignIn))
    }

    /// Whether nothing at all was answered.
    pub(crate) fn has_no_answer(&self) -> bool {
        self.has_no_answer
    }

    /// Whether AWS itself was asked, and not another store.
    pub(crate) fn is_of_aws(&self) -> bool {
        self.endpoint.is_aws()
    }

    /// Whether the same call may well succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_unclear() || self.code().is_some_and(is_transient)
    }

    /// Whether one of our loops would have waited for another answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_settling() || self.is_missing() || self.is_passing()
    }

    pub(crate) fn is_settling(&self) -> bool {
        transient::OF_IAM.iter().any(|code| self.is(code))
    }

    /// Whether the service said clearly that it did nothing, since calls come
    /// too fast.
    pub(crate) fn is_throttling(&self) -> bool {
        !self.is_unclear() && self.code().is_some_and(is_slow_down)
    }

    /// Whether the store says that it doesn't offer the operation.
    pub(super) fn says_unsupported(&self) -> bool {
        !self.is_of_aws() && matches!(self.status, Some(405 | 501))
            || UNSUPPORTED.iter().any(|code| self.is(code))
    }

    /// The same, or it answers as if there were no such operation.
    pub(super) fn is_unsupported(&self) -> bool {
        self.says_unsupported()
            || !self.is_of_aws()
                && self.code().is_none_or(str::is_empty)
                && matches!(self.status, Some(400 | 404))
    }

    /// Whether the server broke down over the call, as some stores do over one
    /// they don't know; AWS has a code even for that.
    pub(crate) fn is_crash(&self) -> bool {
        self.answered && self.status == Some(500) && self.code().is_none_or(str::is_empty)
    }

    /// Whether a store other than AWS has no users at all, by its answer to creating
    /// or looking for them. A server in trouble, or a proxy that refuses, doesn't say so.
    pub(crate) fn has_no_users(&self) -> bool {
        let about_users = ["CreateUser", "GetAccountAuthorizationDetails", "GetUser", "ListUsers"];
        // What S3 says of a bucket or object by the name of the call.
        let of_s3 = ["NoSuchBucket", "NoSuchKey"];
        let has_no_page = match self.status {
            Some(404) => self.code().is_none_or(|code| of_s3.contains(&code)),
            Some(200) => self.is_web_page,
            _ => false,
        };
        // A store with users may lack the look at all of them at once.
        let is_looked_at_otherwise =
            self.operation == "GetAccountAuthorizationDetails" && self.says_unsupported();
        about_users.contains(&self.operation)
            && !self.is_of_aws()
            && !is_looked_at_otherwise
            && (self.says_unsupported() || has_no_page)
    }

    /// Whether the thing asked for isn't there.
    pub(crate) fn is_missing(&self) -> bool {
        self.is("NoSuchEntity")
    }

    /// Whether a user or policy of that name exists already.
    pub(crate) fn is_existing(&self) -> bool {
        self.is("EntityAlreadyExists")
    }

    /// Whether the account or user has as many of these as IAM allows.
    pub(crate) fn is_at_quota(&self) -> bool {
        self.is("LimitExceeded")
    }

    /// Whether an object that was not to be overwritten exists already.
    pub(crate) fn is_object_existing(&self) -> bool {
        self.status == Some(412)
    }

    /// Whether something still hangs on what was to be deleted.
    pub(crate) fn is_in_use(&self) -> bool {
        self.is("DeleteConflict")
    }

    /// Whether the request was refused for what it asks for, and not for who
    /// asks or how: stores have codes of their own for that. A bucket that
    /// takes no ACLs refuses them with a code of its own too, whoever asks.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is("AccessControlListNotSupported")
            || self.status == Some(403) && !self.is_about_credentials() && !self.is_archived()
    }

    /// What forbids the call although the admin may have the permission for it.
    pub(crate) fn refuser(&self) -> Option<Refuser> {
        let is_denied = self.is_access_denied();
        is_denied.then(|| Refuser::named_in(&self.message))?
    }

    /// Whether the admin's permissions don't allow the call.
    pub(crate) fn is_access_denied(&self) -> bool {
        self.code().is_some_and(|code| code.starts_with("AccessDenied"))
    }

    /// Whether this object can't be deleted or had now, whoever asks: it is
    /// locked, or archived.
    pub(crate) fn is_about_object(&self) -> bool {
        self.is("AccessDenied") || self.is_archived()
    }

    fn is_archived(&self) -> bool {
        self.is("InvalidObjectState")
    }

    /// Whether the answer shows that a download would be allowed, although
    /// there is nothing to be had.
    pub(crate) fn is_allowed_download(&self) -> bool {
        ["NoSuchKey", "NoSuchVersion", "InvalidRange"].iter().any(|code| self.is(code))
            || self.is_archived()
    }

    /// Whether the access key isn't known, or not yet.
    pub(crate) fn is_unknown_key(&self) -> bool {
        self.is("InvalidAccessKeyId")
    }

    pub(crate) fn is_about_credentials(&self) -> bool {
        self.code().is_some_and(|code| {
            code.starts_with("ExpiredToken")
                || matches!(
                    code,
                    "InvalidAccessKeyId" | "InvalidClientTokenId" | "SignatureDoesNotMatch"
                )
        })
    }

    /// The same error of a call with credentials of a session: IAM knows those that
    /// were given to a user without an MFA code only by not knowing them.
    pub(super) fn of_session(self) -> Self {
        let is_unknown = self.is("InvalidClientTokenId");
        let remedy = is_unknown.then_some(Remedy::StartSessionWithMfa);
        Self { remedy: remedy.or(self.remedy), ..self }
    }

    /// The permission that is missing: what the answer says, or else the one that
    /// the operation needs.
    pub(crate) fn permission(&self) -> String {
        if let Some(named) = permission_in(&self.message) {
            return named.to_owned();
        }
        let listed = S3_PERMISSIONS.iter().find(|(operation, _)| *operation == self.operation);
        match listed {
            Some((_, permission)) => format!("s3:{permission}"),
            None if self.operation == "GetCallerIdentity" => format!("sts:{}", self.operation),
            None => format!("iam:{}", self.operation),
        }
    }
}

/// The operations of S3 that are used, and the permissions they need; what isn't
/// listed counts as one of IAM, where both have the same name.
const S3_PERMISSIONS: [(&str, &str); 17] = [
    ("ListBuckets", "ListAllMyBuckets"),
    ("HeadBucket", "ListBucket"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("GetObject", "GetObject"),
    ("PutObject", "PutObject"),
    ("CopyObject", "PutObject"),
    ("CreateMultipartUpload", "PutObject"),
    ("UploadPartCopy", "PutObject"),
    ("GetBucketVersioning", "GetBucketVersioning"),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("ListObjectsV2", "ListBucket"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("ListParts", "ListMultipartUploadParts"),
    ("AbortMultipartUpload", "AbortMultipartUpload"),
    ("DeleteObjects", "DeleteObject"),
    ("DeleteObject", "DeleteObject"),
];

pub(super) fn is_s3(operation: &str) -> bool {
    S3_PERMISSIONS.iter().any(|(name, _)| *name == operation)
}

impl AwsError {
    /// The operation and what was answered, without advice.
    pub(crate) fn answer(&self) -> String {
        let Self { operation, message, endpoint, .. } = self;
        if self.has_no_users() {
            return format!("{operation}: this store has no IAM users: {endpoint}");
        }
        let answer = match (self.code(), self.status) {
            (Some(code), _) => code.to_owned(),
            (None, Some(status)) if self.answered => format!("HTTP {status}"),
            _ => return format!("{operation}: {message}"),
        };
        if message.is_empty() {
            return format!("{operation}: {answer}");
        }
        format!("{operation}: {answer}: {message}")
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.answer())?;
        match self.code() {
            Some(_) if self.is_access_denied() && self.refuser().is_none() => {
                write!(f, " (needs the permission {})", self.permission())
            }
            _ => Ok(()),
        }
    }
}

impl Error for AwsError {}

/// Whether it is a page for browsers, as a console or a proxy answers.
fn is_web_page(response: &HttpResponse) -> bool {
    let body = response.body().bytes().unwrap_or_default();
    let start = String::from_utf8_lossy(&body[..body.len().min(100)]).to_lowercase();
    ["<html", "<!doctype html"].iter().any(|tag| start.trim_start().starts_with(tag))
}

/// Why no answer came, and what helps if that is known.
fn why_unreached<E>(error: &SdkError<E, HttpResponse>) -> (String, Option<Remedy>)
where
    E: Error + 'static,
{
    if let SdkError::TimeoutError(_) = error {
        return ("no response in time (see --timeout)".to_owned(), None);
    }
    let (cause, remedy) = match tls_error(error) {
        Some(InvalidCertificate(CertificateError::UnknownIssuer)) => {
            ("the server's certificate is not trusted", Remedy::TrustAuthority)
        }
        // What a plain self-signed one is.
        Some(InvalidCertificate(wrong)) if format!("{wrong:?}").contains("CaUsedAsEndEntity") => (
            "the server's certificate is one of a certificate authority, which can't be a server's",
            Remedy::OwnCertificate,
        ),
        Some(InvalidMessage(_)) => ("the server does not speak TLS", Remedy::PlainHttp),
        _ => return (innermost(error), None),
    };
    (cause.to_owned(), Some(remedy))
}

pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The end of the chain of causes, which says most; what a service answered,
/// with its code.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().unwrap_or(error);
    match cause.downcast_ref::<ErrorMetadata>() {
        None => cause.to_string(),
        Some(answer) => {
            let (code, message) = (answer.code(), answer.message());
            format!("{}: {}", code.unwrap_or("?"), message.unwrap_or_default())
        }
    }
}

/// Whether a thing was made by a call, as far as its answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    No,
    /// The answer leaves it open: none came, or a retry was told that the thing
    /// exists.
    Maybe,
    Yes,
}

impl Made {
    pub fn by<T>(result: &Result<T, AwsError>) -> Self {
        match result {
            Ok(_) => Self::Yes,
            Err(error) if error.may_have_made() => Self::Maybe,
            Err(_) => Self::No,
        }
    }
}
