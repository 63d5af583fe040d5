//! Where IAM and S3 are reached, and what a store other than AWS does differently, asked
//! by intent.

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::config::http::HttpRequest;
use aws_smithy_types::base64;
use md5::{Digest, Md5};
use url::Url;

use super::error::AwsError;
use crate::access::is_host_of_aws;

/// The endpoint of a service: at AWS, or at another store.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// `None` for the one that the SDK finds by the region.
    url: Option<String>,
    is_aws: bool,
}

impl Endpoint {
    /// The endpoint at this URL, or AWS's own if none is given.
    ///
    /// The host alone shows if it is AWS: it may be AWS's own name, such as
    /// that of a VPC endpoint. Behind any other name nothing is guessed.
    pub fn new(url: Option<String>) -> Self {
        let is_aws = url.as_deref().is_none_or(|text| {
            Url::parse(text).is_ok_and(|url| url.host_str().is_some_and(is_host_of_aws))
        });
        Self { url, is_aws }
    }

    pub fn is_aws(&self) -> bool {
        self.is_aws
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new(None)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_deref().unwrap_or("AWS"))
    }
}

/// AWS itself, or another store with AWS's IAM and S3 APIs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// The endpoint of IAM, and STS.
    pub(super) iam: Arc<Endpoint>,
    pub(super) s3: Arc<Endpoint>,
}

impl Store {
    /// True if its IAM is AWS's.
    pub fn is_aws(&self) -> bool {
        self.iam.is_aws()
    }

    /// True if its S3 is AWS's.
    pub fn has_s3_of_aws(&self) -> bool {
        self.s3.is_aws()
    }

    /// The S3 endpoint that a person's client has to name; none for AWS, whose
    /// public one every client knows.
    pub fn s3_endpoint(&self) -> Option<&str> {
        self.s3.url.as_deref().filter(|_| !self.s3.is_aws)
    }

    /// True if the bucket's name goes into the path: an endpoint that is given by its URL
    /// seldom has a host name for each bucket.
    pub fn wants_path_style(&self) -> bool {
        self.s3.url.is_some()
    }

    /// True if it may refuse the checksums that SDKs have added to requests since
    /// 2025, and expect the older Content-MD5.
    pub fn may_lack_checksums(&self) -> bool {
        !self.s3.is_aws()
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

    /// True if it has no tags, by its answer to tagging something; AWS has.
    pub fn lacks_tags(&self, error: &AwsError) -> bool {
        !self.is_aws() && self.lacks(error)
    }

    /// True if it may have refused the tags rather than the thing to be created with
    /// them, which creating it without them tells.
    pub fn may_refuse_tags(&self, error: &AwsError) -> bool {
        let is_about_input = REFUSED_INPUT.iter().any(|code| error.is(code));
        !self.is_aws() && (self.lacks(error) || is_about_input)
    }

    /// True if it says in so many words that it doesn't offer the operation, such as
    /// creating a managed policy or asking STS; AWS has all. What a proxy answers in its
    /// place says nothing.
    pub fn says_it_lacks(&self, error: &AwsError) -> bool {
        !self.is_aws() && error.says_unsupported()
    }

    /// True if it refused a policy that AWS takes: some refuse one with an action
    /// that they don't know.
    pub fn refuses_policy(&self, error: &AwsError) -> bool {
        !self.is_aws() && error.is("MalformedPolicyDocument")
    }

    /// True if a policy counts as the user's only if it is in the list of the
    /// user's policies too: SeaweedFS makes one up under any name that is asked for.
    pub fn invents_policies(&self) -> bool {
        !self.is_aws()
    }

    /// True if it doesn't offer the operation at all, as stores say in several ways.
    pub fn lacks(&self, error: &AwsError) -> bool {
        error.is_unsupported()
    }

    /// True if it doesn't, or breaks down over the operation, as stores other than AWS do
    /// over what they don't offer.
    pub fn may_lack(&self, error: &AwsError) -> bool {
        self.lacks(error) || !self.is_aws() && error.is_crash()
    }

    /// True if it doesn't take batches of deletes: it doesn't know them, wants
    /// another checksum, or can't read a key in XML.
    pub fn refuses_batches(&self, error: &AwsError) -> bool {
        self.lacks(error) || REFUSED_BATCH.iter().any(|code| error.is(code))
    }
}

const REFUSED_INPUT: [&str; 5] = [
    "InvalidInput",
    "InvalidParameter",
    "InvalidParameterValue",
    "InvalidRequest",
    "ValidationError",
];

const REFUSED_BATCH: [&str; 3] = ["MissingContentMD5", "InvalidRequest", "MalformedXML"];

/// The codes for an operation that isn't offered.
pub(super) const UNSUPPORTED: [&str; 4] =
    ["InvalidAction", "NotImplemented", "UnsupportedOperation", "MethodNotAllowed"];

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    #[test]
    fn aws_keeps_the_checksum_that_another_store_may_not_know() {
        let elsewhere = Store {
            s3: Endpoint::new(Some("https://s3.example.com".to_owned())).into(),
            ..Store::default()
        };
        let md5_of_abc = "kAFQmDzST7DWlj99KOF/cg==";
        for (store, crc32, md5) in
            [(Store::default(), Some("NSRBwg=="), None), (elsewhere, None, Some(md5_of_abc))]
        {
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
