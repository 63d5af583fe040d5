//! The error codes of IAM and S3 that are transient: a call that fails with one of them is
//! tried again. To have another code retried, add it to its table here.
//!
//! In the table of IAM only codes that say for sure that nothing was done have a place: a
//! key that is created twice is one too many.

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};

/// The codes of IAM while another change of the same thing is under way. A change is sent
/// again for about a minute; what else is transient in IAM, the SDK retries.
pub(super) const OF_IAM: [&str; 3] =
    ["ConcurrentModification", "DeleteConflict", "EntityTemporarilyUnmodifiable"];

/// The codes of S3 while another request changes the same object: [try again][errors].
///
/// [errors]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const OF_S3: [&str; 2] = ["ConditionalRequestConflict", "OperationAborted"];

/// True if the code is that of a store in trouble, for a request or one key of it.
/// Asked where objects are put and deleted; of other calls the SDK's own table decides.
pub(crate) fn is_transient(code: &str) -> bool {
    is_slow_down(code)
        || code == "InternalError"
        || TRANSIENT_ERRORS.contains(&code)
        || OF_S3.contains(&code)
}

/// True if the code asks for fewer requests.
pub(crate) fn is_slow_down(code: &str) -> bool {
    code == "ServiceUnavailable" || THROTTLING_ERRORS.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_codes_are_those_of_the_sdk_and_ours() {
        for code in [
            "SlowDown",
            "ServiceUnavailable",
            "Throttling",
            "RequestTimeout",
            "InternalError",
            "ConditionalRequestConflict",
            "OperationAborted",
        ] {
            assert!(is_transient(code), "{code}");
        }
        for code in ["AccessDenied", "NoSuchKey", "LimitExceeded", ""] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
