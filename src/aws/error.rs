//! Failed calls, each in one line, by kind: no credentials, no answer, no whole answer,
//! or what the service answered.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};

use super::clock::wrong_clock;
use super::connection::region;
use super::credentials::no_credentials;
use super::hint::SET_CLOCK;
use super::refuser::{Refuser, permission};
use super::store::{Endpoint, UNSUPPORTED};
use super::transient::{self, is_slow_down, is_transient};
use super::unreachable::{is_too_large, no_answer};
use crate::errors::{Hint, one_line};

/// An error that a service answered, as the SDK reads it.
pub(crate) trait ServiceError: ProvideErrorMetadata + Error + 'static {}

impl<E: ProvideErrorMetadata + Error + 'static> ServiceError for E {}

/// The result of a call, as the SDK gives it.
pub(crate) type SdkResult<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// A failed call, in one line: the operation, AWS's own code, and its message.
///
/// Holds no request, so no secret can be in it.
#[derive(Debug, Clone)]
pub struct AwsError {
    operation: &'static str,
    endpoint: Arc<Endpoint>,
    /// The number of requests sent, those of retries included.
    sent: usize,
    kind: FailureKind,
    message: String,
    /// The hint that it was raised with.
    hint: Option<Box<Hint>>,
}

#[derive(Debug, Clone)]
enum FailureKind {
    /// There are no credentials for the call, or not any more.
    NoCredentials,
    /// No answer came: the server can't be reached, or was too slow.
    NoAnswer,
    /// The answer was cut, lacks something, or is not the service's own.
    BrokenAnswer(Box<Answer>),
    /// The service answered with an error.
    Failed(Box<Answer>),
}

/// The parts of an answer that say what went wrong.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    code: Option<String>,
    bucket_region: Option<String>,
    is_web_page: bool,
}

impl Answer {
    fn new(response: &HttpResponse, code: Option<&str>) -> Self {
        let bytes = response.body().bytes().unwrap_or_default();
        let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]);
        let start = beginning.trim_start().to_lowercase();
        let region_header = response.headers().get("x-amz-bucket-region");
        Self {
            status: response.status().as_u16(),
            code: code.map(str::to_owned),
            bucket_region: region_header.and_then(|name| region(name).ok()),
            // As a console or a proxy answers.
            is_web_page: start.starts_with("<html") || start.starts_with("<!doctype html"),
        }
    }
}

impl AwsError {
    pub(super) fn new<E: ServiceError>(
        operation: &'static str,
        endpoint: &Arc<Endpoint>,
        error: &SdkError<E, HttpResponse>,
        sent: usize,
    ) -> Self {
        let response = error.raw_response();
        let (kind, (message, hint)) = if let Some(answer) = error.as_service_error()
            && let Some(response) = response
        {
            let code = answer.meta().code();
            let message = answer.meta().message().unwrap_or_default();
            let told = match wrong_clock(response, code, message) {
                Some(wrong) => (wrong, Some(SET_CLOCK)),
                None => (message.to_owned(), None),
            };
            (FailureKind::Failed(Answer::new(response, code).into()), told)
        } else if let Some(error) = find::<CredentialsError>(error) {
            (FailureKind::NoCredentials, no_credentials(error))
        } else if let Some(response) = response {
            let told = if is_too_large(error) {
                ("the answer is too large".to_owned(), None)
            } else {
                no_answer(error, endpoint)
            };
            (FailureKind::BrokenAnswer(Answer::new(response, None).into()), told)
        } else {
            (FailureKind::NoAnswer, no_answer(error, endpoint))
        };
        Self {
            operation,
            endpoint: endpoint.clone(),
            sent,
            kind,
            message: one_line(&message),
            hint: hint.map(|words| Hint::new(words).into()),
        }
    }

    /// The error that there are no credentials, for `operation`, which was not sent.
    pub(super) fn no_credentials(operation: &'static str, message: &str) -> Self {
        Self::found_here(operation, FailureKind::NoCredentials, message)
    }

    /// An answer that says the call succeeded, but lacks what was asked for.
    pub(crate) fn incomplete(operation: &'static str) -> Self {
        Self::broken(operation, "the answer is incomplete")
    }

    /// A list that doesn't come to its end.
    pub(crate) fn without_end(operation: &'static str) -> Self {
        let message = "the list is incomplete: there is more, but the server doesn't say where";
        Self::broken(operation, message)
    }

    fn broken(operation: &'static str, message: &str) -> Self {
        let answer = Answer { status: 200, code: None, bucket_region: None, is_web_page: false };
        Self::found_here(operation, FailureKind::BrokenAnswer(answer.into()), message)
    }

    /// An error that the SDK doesn't see.
    fn found_here(operation: &'static str, kind: FailureKind, message: &str) -> Self {
        let message = message.to_owned();
        Self { operation, endpoint: Arc::default(), sent: 0, kind, message, hint: None }
    }

    /// Adds a hint, unless the error has one.
    pub(super) fn or_hint(self, hint: Option<Hint>) -> Self {
        Self { hint: self.hint.or(hint.map(Box::new)), ..self }
    }

    /// Replaces the message.
    pub(super) fn with_message(self, message: String) -> Self {
        Self { message, ..self }
    }

    fn answer_of_service(&self) -> Option<&Answer> {
        match &self.kind {
            FailureKind::Failed(answer) => Some(answer),
            _ => None,
        }
    }

    fn any_answer(&self) -> Option<&Answer> {
        match &self.kind {
            FailureKind::BrokenAnswer(answer) | FailureKind::Failed(answer) => Some(answer),
            FailureKind::NoCredentials | FailureKind::NoAnswer => None,
        }
    }

    /// AWS's own code, such as `NoSuchEntity`; none if no answer came or
    /// the answer had none.
    pub fn code(&self) -> Option<&str> {
        self.any_answer()?.code.as_deref()
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The status of the HTTP answer, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.any_answer().map(|answer| answer.status)
    }

    /// The region of the bucket, if S3 named it.
    pub(crate) fn bucket_region(&self) -> Option<&str> {
        self.any_answer()?.bucket_region.as_deref()
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }

    /// True if the answer has no code; AWS has one for everything.
    fn lacks_code(&self) -> bool {
        self.code().is_none_or(str::is_empty)
    }

    /// The hint that it was raised with.
    pub(crate) fn own_hint(&self) -> Option<&Hint> {
        self.hint.as_deref()
    }

    /// True if nothing at all was answered.
    pub(crate) fn has_no_answer(&self) -> bool {
        matches!(self.kind, FailureKind::NoAnswer)
    }

    /// True if AWS itself was asked, and not another store.
    pub(crate) fn is_of_aws(&self) -> bool {
        self.endpoint.is_aws()
    }
}

/// The questions of whether the call was carried out, and may succeed later.
impl AwsError {
    /// True if the call may still have been carried out: it was sent, be it before the
    /// credentials ended, and the answer is not the service's own refusal, but lost, cut,
    /// a proxy's, or that of a server in trouble.
    pub(crate) fn is_unclear(&self) -> bool {
        match &self.kind {
            FailureKind::NoCredentials => self.sent > 0,
            FailureKind::NoAnswer | FailureKind::BrokenAnswer(_) => true,
            FailureKind::Failed(answer) => {
                let is_definite = !self.lacks_code() && (300..500).contains(&answer.status);
                !is_definite && !self.is_unsupported()
            }
        }
    }

    /// True if the same call may well succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_unclear() || self.code().is_some_and(is_transient)
    }

    /// True if IAM has another change of the same thing under way.
    pub(crate) fn is_settling(&self) -> bool {
        self.is_one_of(&transient::OF_IAM)
    }

    /// True if the service said clearly that it did nothing, since calls come too fast.
    pub(crate) fn is_throttling(&self) -> bool {
        !self.is_unclear() && self.code().is_some_and(is_slow_down)
    }

    /// True if one of our loops would have waited for another answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_settling() || self.is_missing() || self.is_passing()
    }
}

/// The questions of what exists, and of what a store offers.
impl AwsError {
    /// True if the thing asked for doesn't exist.
    pub(crate) fn is_missing(&self) -> bool {
        self.is("NoSuchEntity")
    }

    /// True if a user or policy of that name exists already.
    pub(crate) fn is_existing(&self) -> bool {
        self.is("EntityAlreadyExists")
    }

    /// True if an object that was not to be overwritten exists already.
    pub(crate) fn is_object_existing(&self) -> bool {
        self.status() == Some(412)
    }

    /// True if the account or user has as many of these as IAM allows.
    pub(crate) fn is_at_quota(&self) -> bool {
        self.is("LimitExceeded")
    }

    /// True if something still hangs on what was to be deleted.
    pub(crate) fn is_in_use(&self) -> bool {
        self.is("DeleteConflict")
    }

    /// True if the answer shows that a download would be allowed, although there is
    /// nothing to download.
    pub(crate) fn is_allowed_download(&self) -> bool {
        self.is_one_of(&["NoSuchKey", "NoSuchVersion", "InvalidRange"]) || self.is_archived()
    }

    fn is_archived(&self) -> bool {
        self.is("InvalidObjectState")
    }

    /// True if the store says that it doesn't offer the operation.
    pub(super) fn says_unsupported(&self) -> bool {
        !self.is_of_aws() && matches!(self.status(), Some(405 | 501))
            || self.is_one_of(&UNSUPPORTED)
    }

    /// True if the store says so, or answers as if there were no such operation.
    pub(super) fn is_unsupported(&self) -> bool {
        self.says_unsupported()
            || !self.is_of_aws() && self.lacks_code() && matches!(self.status(), Some(400 | 404))
    }

    /// True if the server broke down over the call, as some stores do over one they
    /// don't know.
    pub(super) fn is_crash(&self) -> bool {
        self.answer_of_service().is_some_and(|answer| answer.status == 500) && self.lacks_code()
    }

    /// True if a store other than AWS has no users at all, by its answer to creating
    /// or looking for them. A server in trouble, or a proxy that refuses, doesn't say so.
    pub(crate) fn has_no_users(&self) -> bool {
        let Some(answer) = self.any_answer().filter(|_| !self.is_of_aws()) else {
            return false;
        };
        let has_no_such_page = match answer.status {
            // S3 takes the name of the call for that of a bucket or object.
            404 => self.code().is_none() || self.is_one_of(&["NoSuchBucket", "NoSuchKey"]),
            200 => answer.is_web_page,
            _ => false,
        };
        match self.operation {
            "CreateUser" | "GetUser" | "ListUsers" => self.says_unsupported() || has_no_such_page,
            // A store with users may lack the look at all of them at once.
            "GetAccountAuthorizationDetails" => has_no_such_page && !self.says_unsupported(),
            _ => false,
        }
    }
}

/// The questions of who or what refused the call.
impl AwsError {
    /// True if the request was refused for what it asks for, and not for who asks or how:
    /// stores have codes of their own for that. A bucket that takes no ACLs refuses them
    /// with a code of its own too, whoever asks.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.is("AccessControlListNotSupported")
            || self.status() == Some(403) && !self.is_about_credentials() && !self.is_archived()
    }

    /// True if a permission is missing or a policy denies it, by AWS's code for that.
    pub(crate) fn is_access_denied(&self) -> bool {
        self.code().is_some_and(|code| code.starts_with("AccessDenied"))
    }

    /// True if a request was refused by a policy after one whose answer is not known.
    pub(crate) fn is_denied_again(&self) -> bool {
        self.is_access_denied() && self.sent > 1
    }

    /// True if this object can't be deleted now, whoever asks: it is locked, or archived.
    pub(crate) fn is_about_object(&self) -> bool {
        self.is("AccessDenied") || self.is_archived()
    }

    /// Returns what forbids the call although the admin may have the permission for it.
    pub(crate) fn refuser(&self) -> Option<Refuser> {
        if !self.is_access_denied() {
            return None;
        }
        Refuser::named_in(&self.message)
    }

    /// The permission that is missing: what the answer says, or else the one that
    /// the operation needs.
    pub(crate) fn permission(&self) -> String {
        permission(self.operation, &self.message)
    }

    /// True if the access key isn't known, or not yet.
    pub(crate) fn is_unknown_key(&self) -> bool {
        self.is("InvalidAccessKeyId")
    }

    /// True if the request was refused because this machine's clock is off.
    pub(crate) fn is_about_clock(&self) -> bool {
        self.hint.as_ref().is_some_and(|hint| hint.words == SET_CLOCK)
    }

    /// True if the credentials are wrong, ended, or not known yet.
    pub(crate) fn is_about_credentials(&self) -> bool {
        self.is_one_of(&["InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch"])
            || self.is_expired()
    }

    /// True if the session has ended.
    pub(super) fn is_expired(&self) -> bool {
        self.code().is_some_and(|code| code.starts_with("ExpiredToken"))
    }
}

impl AwsError {
    /// The operation and what was answered, without advice.
    pub(crate) fn answer(&self) -> String {
        let Self { operation, message, endpoint, .. } = self;
        if self.has_no_users() {
            return format!("{operation}: this store has no IAM users: {endpoint}");
        }
        let Some(Answer { code, status, .. }) = self.answer_of_service() else {
            return format!("{operation}: {message}");
        };
        let code_or_status = code.clone().unwrap_or_else(|| format!("HTTP {status}"));
        if message.is_empty() {
            return format!("{operation}: {code_or_status}");
        }
        format!("{operation}: {code_or_status}: {message}")
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.answer())?;
        if self.is_access_denied() && self.refuser().is_none() {
            write!(f, " (needs the permission {})", self.permission())?;
        }
        Ok(())
    }
}

impl Error for AwsError {}

/// Returns an error and its causes. An I/O error that wraps another one passes over it
/// when asked for its source; here the wrapped one comes too.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(within) => Some(within),
            None => cause.source(),
        }
    })
}

/// Returns the first error of a type among an error and its causes.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Returns the words of the last cause, which says most; of what a service answered,
/// with its code.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let cause = causes(error).last().unwrap_or(error);
    match cause.downcast_ref::<ErrorMetadata>() {
        None => cause.to_string(),
        Some(answer) => {
            format!("{}: {}", answer.code().unwrap_or("?"), answer.message().unwrap_or_default())
        }
    }
}

/// Says if a thing was made by a call, as far as its answer tells.
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
            Err(error) if error.is_unclear() || error.is_existing() && error.sent > 1 => {
                Self::Maybe
            }
            Err(_) => Self::No,
        }
    }
}
