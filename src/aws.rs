//! The IAM and S3 clients, and the one way in which they are called.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::Region;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::credentials::Remembering;
use crate::error::{AwsError, is_s3};
use crate::key_file::AccessKey;

/// One finished call, as given to the observer of [`Aws::load`].
#[derive(Debug)]
pub struct Call<'a> {
    /// The API operation, such as `CreateUser`.
    pub operation: &'a str,
    /// How long it took, the SDK's own retries included.
    pub duration: Duration,
    /// What went wrong, if anything did.
    pub error: Option<&'a AwsError>,
}

/// Is told of every call when it has ended.
pub type Observer = Arc<dyn Fn(Call<'_>) + Send + Sync>;

/// Clients for IAM and S3; cheap to clone.
#[derive(Clone)]
pub struct Aws {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    /// None for a store of its own that names no endpoint for STS.
    pub(crate) sts: Option<aws_sdk_sts::Client>,
    pub(crate) region: String,
    /// The endpoint of IAM, where it is not AWS's own.
    pub(crate) iam_endpoint: Option<String>,
    /// The endpoint of S3, where it is not AWS's own.
    pub(crate) s3_endpoint: Option<String>,
    pub(crate) credentials: Option<Arc<Remembering>>,
    /// The connection options given, as they are written on a command line.
    pub(crate) options: String,
    pub(crate) observer: Option<Observer>,
}

impl Aws {
    /// The same clients, with an S3 client that is configured anew.
    fn with_s3(
        &self,
        configure: impl FnOnce(aws_sdk_s3::config::Builder) -> aws_sdk_s3::config::Builder,
    ) -> Self {
        let config = configure(self.s3.config().to_builder());
        Self {
            s3: aws_sdk_s3::Client::from_conf(config.build()),
            ..self.clone()
        }
    }

    /// The same clients, with S3 in another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.with_s3(|s3| s3.region(Region::new(region.to_owned())))
        }
    }

    /// The same clients, with each request to S3 sent just once.
    pub(crate) fn without_retries(&self) -> Self {
        self.with_s3(|s3| s3.retry_config(RetryConfig::disabled()))
    }

    /// The same clients, with S3 called by another access key.
    pub(crate) fn with_key(&self, key: &AccessKey) -> Self {
        let key = Credentials::new(key.id(), key.secret(), None, None, "new access key");
        self.with_s3(|s3| s3.credentials_provider(key))
    }

    /// The ID of the access key that calls were made with so far.
    pub(crate) async fn own_key_id(&self) -> Option<String> {
        self.credentials.as_ref()?.key_id().await
    }

    /// Whether IAM is not AWS's own.
    pub(crate) fn is_store_of_its_own(&self) -> bool {
        self.iam_endpoint.is_some()
    }

    /// Waits for an answer, tells the observer, and words the error.
    pub(crate) async fn call<T, E>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let start = Instant::now();
        let result = answer.await.map_err(|error| {
            let endpoint = match is_s3(operation) {
                true => &self.s3_endpoint,
                false => &self.iam_endpoint,
            };
            AwsError::new(operation, endpoint.as_deref().unwrap_or("AWS"), &error)
        });
        if let Some(observer) = &self.observer {
            observer(Call {
                operation,
                duration: start.elapsed(),
                error: result.as_ref().err(),
            });
        }
        result
    }
}
