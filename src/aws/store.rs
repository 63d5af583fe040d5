//! What a store other than AWS does differently, asked by intent.

use aws_sdk_iam::config::interceptors::{
    AfterDeserializationInterceptorContextRef, InterceptorContext,
};
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_sdk_s3::config::http::HttpRequest;
use aws_smithy_types::base64;
use md5::{Digest, Md5};

use super::error::AwsError;

/// AWS itself, or another store with AWS's IAM and S3 APIs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// The endpoint of IAM; none for AWS.
    pub(super) iam_endpoint: Option<String>,
    /// The endpoint of S3; none for AWS.
    pub(super) s3_endpoint: Option<String>,
}

impl Store {
    /// Whether it is AWS itself.
    pub fn is_aws(&self) -> bool {
        self.iam_endpoint.is_none()
    }

    /// The S3 endpoint that a person's client has to name; none for AWS.
    pub fn s3_endpoint(&self) -> Option<&str> {
        self.s3_endpoint.as_deref()
    }

    /// Whether buckets are a part of the path: a store that isn't AWS seldom
    /// has a host name for each.
    pub fn wants_path_style(&self) -> bool {
        self.s3_endpoint.is_some()
    }

    /// Whether it may refuse the checksums that SDKs have added to requests since
    /// 2025, and expect the older Content-MD5.
    pub fn may_lack_checksums(&self) -> bool {
        self.s3_endpoint.is_some()
    }

    /// Replaces the checksum that the SDK gives a request by one that the store
    /// knows.
    pub fn fit_checksum(&self, request: &mut HttpRequest) {
        if !self.may_lack_checksums() {
            return;
        }
        let md5 = Md5::digest(request.body().bytes().unwrap_or_default());
        let headers = request.headers_mut();
        for checksum in ["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"] {
            headers.remove(checksum);
        }
        headers.insert("content-md5", base64::encode(md5));
    }

    /// Whether it refused the tags rather than the thing tagged; AWS has tags.
    pub fn refuses_tags(&self, error: &AwsError) -> bool {
        !self.is_aws() && (self.lacks(error) || REFUSED_INPUT.iter().any(|code| error.is(code)))
    }

    /// Whether it refused a policy that AWS takes: some refuse one with an action
    /// that they don't know.
    pub fn refuses_policy(&self, error: &AwsError) -> bool {
        !self.is_aws() && error.is("MalformedPolicyDocument")
    }

    /// Whether a policy counts as the user's only if it is in the list of the
    /// user's policies too: SeaweedFS makes one up under any name that is asked for.
    pub fn invents_policies(&self) -> bool {
        !self.is_aws()
    }

    /// Whether it doesn't offer the operation at all, as stores say in several ways.
    pub fn lacks(&self, error: &AwsError) -> bool {
        error.is_unsupported()
    }

    /// The same, or it breaks down over the operation, as some do over what they
    /// don't offer.
    pub fn may_lack(&self, error: &AwsError) -> bool {
        self.lacks(error) || error.is_crash()
    }

    /// Whether it doesn't take batches of deletes: it doesn't know them, wants
    /// another checksum, or can't read a key in XML.
    pub fn refuses_batches(&self, error: &AwsError) -> bool {
        self.lacks(error) || REFUSED_BATCH.iter().any(|code| error.is(code))
    }

    /// How an endpoint is called in messages.
    pub(super) fn endpoint(&self, of_s3: bool) -> &str {
        let endpoint = if of_s3 {
            &self.s3_endpoint
        } else {
            &self.iam_endpoint
        };
        endpoint.as_deref().unwrap_or(AWS)
    }
}

/// What AWS is called where an endpoint would be.
pub(super) const AWS: &str = "AWS";

const REFUSED_INPUT: [&str; 5] = [
    "InvalidInput",
    "InvalidParameter",
    "InvalidParameterValue",
    "InvalidRequest",
    "ValidationError",
];

const REFUSED_BATCH: [&str; 3] = ["MissingContentMD5", "InvalidRequest", "MalformedXML"];

/// The codes for an operation that isn't offered.
pub(super) const UNSUPPORTED: [&str; 4] = [
    "InvalidAction",
    "NotImplemented",
    "UnsupportedOperation",
    "MethodNotAllowed",
];

/// Lets no answer of IAM pass for a success that isn't one of IAM's: the SDK
/// reads none of it where nothing but success is to be told.
#[derive(Debug)]
pub(super) struct OnlyAnswersOfIam;

impl Intercept for OnlyAnswersOfIam {
    fn name(&self) -> &'static str {
        "only answers of IAM"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        let is_whole = String::from_utf8_lossy(body)
            .trim_end()
            .ends_with("Response>");
        if response.status().is_success() && !is_whole {
            return Err("the answer is not one of IAM's".into());
        }
        Ok(())
    }
}

/// Tries no more after HTTP 500 without a code, as some stores answer calls
/// that they don't know; AWS has a code even then.
#[derive(Debug)]
pub(super) struct GiveUpAfterCrash;

impl ClassifyRetry for GiveUpAfterCrash {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let crashed = context.response().is_some_and(|response| {
            let body = response.body().bytes().unwrap_or_default();
            let code = String::from_utf8_lossy(body);
            let code = code.split("<Code>").nth(1).unwrap_or("<");
            response.status().as_u16() == 500 && code.starts_with('<')
        });
        if crashed {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "give up after a crash"
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    #[test]
    fn aws_keeps_the_checksum_that_another_store_may_not_know() {
        let elsewhere = Store {
            s3_endpoint: Some("https://s3.example.com".to_owned()),
            ..Store::default()
        };
        let md5_of_abc = "kAFQmDzST7DWlj99KOF/cg==";
        for (store, crc32, md5) in [
            (Store::default(), Some("NSRBwg=="), None),
            (elsewhere, None, Some(md5_of_abc)),
        ] {
            let mut request = HttpRequest::new(SdkBody::from("abc"));
            let headers = request.headers_mut();
            headers.insert("x-amz-checksum-crc32", "NSRBwg==");
            headers.insert("x-amz-sdk-checksum-algorithm", "CRC32");
            store.fit_checksum(&mut request);
            let headers = request.headers();
            let algorithm = headers.get("x-amz-sdk-checksum-algorithm");
            assert_eq!(algorithm.is_some(), crc32.is_some());
            assert_eq!(headers.get("x-amz-checksum-crc32"), crc32);
            assert_eq!(headers.get("content-md5"), md5);
        }
    }
}
