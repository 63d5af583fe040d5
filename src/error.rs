//! Failed calls, each in one line.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};

/// A failed call, in one line: the operation, AWS's own code, and its message.
///
/// Holds no request, so no secret can be in it.
#[derive(Debug, Clone)]
pub struct AwsError {
    operation: &'static str,
    code: Option<String>,
    message: String,
    status: Option<u16>,
    /// Whether the service's answer came whole.
    answered: bool,
    bucket_region: Option<String>,
}

impl AwsError {
    pub(crate) fn new<E>(
        operation: &'static str,
        endpoint: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let answer = error.as_service_error().map(ProvideErrorMetadata::meta);
        let message = match answer {
            Some(answer) => answer.message().unwrap_or_default().to_owned(),
            None => no_answer(endpoint, error),
        };
        Self {
            operation,
            code: answer.and_then(|answer| answer.code()).map(str::to_owned),
            message: one_line(&message),
            answered: answer.is_some(),
            status: response.map(|response| response.status().as_u16()),
            bucket_region: response
                .and_then(|response| response.headers().get("x-amz-bucket-region"))
                .map(str::to_owned),
        }
    }

    /// An answer that says the call succeeded, but lacks what was asked for.
    pub(crate) fn incomplete(operation: &'static str) -> Self {
        Self {
            operation,
            code: None,
            message: "the answer is incomplete".to_owned(),
            status: None,
            answered: false,
            bucket_region: None,
        }
    }

    /// AWS's own code, such as `NoSuchEntity`; none where no answer came or
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

    pub(crate) fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// Whether the call may have been carried out all the same: no whole answer
    /// came, or only that of a server in trouble.
    pub(crate) fn is_unclear(&self) -> bool {
        let trouble = self.status.is_none_or(|status| status >= 500);
        !self.answered || trouble && !self.is_unsupported()
    }

    /// Whether the store doesn't offer this operation at all, as others than
    /// AWS say in several ways.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self.status, Some(405 | 501))
            || [
                "InvalidAction",
                "NotImplemented",
                "UnsupportedOperation",
                "MethodNotAllowed",
            ]
            .iter()
            .any(|code| self.is(code))
            || (self.code().is_none_or(str::is_empty) && matches!(self.status, Some(400 | 404)))
    }

    /// Whether the server broke down over the call, as some stores do over one
    /// they don't know; AWS has a code even for that.
    pub(crate) fn is_crash(&self) -> bool {
        self.answered && self.status == Some(500) && self.code().is_none_or(str::is_empty)
    }

    pub(crate) fn is_forbidden(&self) -> bool {
        self.status == Some(403)
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

    /// Whether the same call may well succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_unclear() || self.code().is_some_and(is_passing)
    }

    /// The permission the operation needs.
    fn permission(&self) -> String {
        let listed = S3_PERMISSIONS
            .iter()
            .find(|(operation, _)| *operation == self.operation);
        match listed {
            Some((_, permission)) => format!("s3:{permission}"),
            None => format!("iam:{}", self.operation),
        }
    }
}

/// What helps where a session has ended.
const SIGN_IN: &str = " (sign in again, for example with: aws sso login)";

/// The operations of S3 that are used, and the permissions they need; what isn't
/// listed is taken for one of IAM, where both have the same name.
const S3_PERMISSIONS: [(&str, &str); 13] = [
    ("ListBuckets", "ListAllMyBuckets"),
    ("HeadBucket", "ListBucket"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("GetObject", "GetObject"),
    ("PutObject", "PutObject"),
    ("GetBucketVersioning", "GetBucketVersioning"),
    ("ListObjectsV2", "ListBucket"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("ListParts", "ListMultipartUploadParts"),
    ("AbortMultipartUpload", "AbortMultipartUpload"),
    ("DeleteObjects", "DeleteObject"),
    ("DeleteObject", "DeleteObject"),
];

pub(crate) fn is_s3(operation: &str) -> bool {
    S3_PERMISSIONS.iter().any(|(name, _)| *name == operation)
}

/// Whether a code is that of a store in trouble, for a request or one key of it.
pub(crate) fn is_passing(code: &str) -> bool {
    is_slow_down(code) || matches!(code, "InternalError" | "RequestTimeout")
}

/// Whether a code asks for fewer requests.
pub(crate) fn is_slow_down(code: &str) -> bool {
    matches!(
        code,
        "SlowDown" | "ServiceUnavailable" | "Throttling" | "RequestLimitExceeded"
    )
}

impl AwsError {
    /// The operation and what was answered, without advice.
    pub(crate) fn answer(&self) -> String {
        let Self {
            operation, message, ..
        } = self;
        let answer = match (self.code(), self.status) {
            (Some(code), _) => code.to_owned(),
            (None, Some(status)) if self.answered => format!("HTTP {status}"),
            _ => return format!("{operation}: {message}"),
        };
        match message.is_empty() {
            true => format!("{operation}: {answer}"),
            false => format!("{operation}: {answer}: {message}"),
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.answer())?;
        match self.code() {
            Some(code) if code.starts_with("AccessDenied") => {
                write!(f, " (needs the permission {})", self.permission())
            }
            Some(code) if code.starts_with("ExpiredToken") => f.write_str(SIGN_IN),
            Some(_) if self.is_about_credentials() => {
                f.write_str(" (check the access key and secret in use)")
            }
            _ => Ok(()),
        }
    }
}

impl Error for AwsError {}

/// What to tell about a call that got no answer.
fn no_answer(endpoint: &str, error: &(dyn Error + 'static)) -> String {
    let credentials = chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>());
    let Some(credentials) = credentials else {
        return format!("no answer from {endpoint}: {}", innermost(error));
    };
    let is_about_sign_in = |cause: &String| cause.contains("SSO") || cause.contains("/sso/");
    let of_sign_in = chain(error).map(ToString::to_string).find(is_about_sign_in);
    let cause = innermost(credentials);
    match (of_sign_in, credentials) {
        (Some(cause), _) => format!("the AWS credentials can't be loaded: {cause}{SIGN_IN}"),
        // What is not about one profile lists all the places where there are none.
        (None, CredentialsError::CredentialsNotLoaded(_)) if !cause.starts_with("profile `") => {
            "no AWS credentials found: name a profile that has some with --profile or AWS_PROFILE, or \
             set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned()
        }
        _ => format!("the AWS credentials can't be loaded: {cause}"),
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The end of the chain of causes, which says most; what a service answered,
/// with its code.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().unwrap_or(error);
    match cause.downcast_ref::<ErrorMetadata>() {
        None => cause.to_string(),
        Some(answer) => {
            let (code, message) = (answer.code(), answer.message());
            format!("{}: {}", code.unwrap_or("?"), message.unwrap_or_default())
        }
    }
}

/// Text from elsewhere on one line, with control characters made visible.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let visible = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    words.chars().map(visible).collect()
}
