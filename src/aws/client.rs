//! The IAM, S3 and STS clients, and the one way in which they are called.

use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::Region;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
#[cfg(test)]
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::clock::Clock;
use super::error::{AwsError, is_s3};
use super::iam_answers::GiveUpAfterCrash;
use super::store::Store;
use crate::access::AccessKey;

/// One finished call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The API operation, such as `CreateUser`.
    pub operation: &'a str,
    /// How long it took, the SDK's own retries included.
    pub duration: Duration,
    /// What went wrong, if anything did.
    pub error: Option<&'a AwsError>,
}

/// Is told of every call when it has ended.
pub(crate) type CallLog = Arc<dyn Fn(Call<'_>) + Send + Sync>;

/// Clients for IAM and S3; cheap to clone.
#[derive(Clone)]
pub struct Aws {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    /// None for a store of its own that names no endpoint for STS.
    pub(crate) sts: Option<aws_sdk_sts::Client>,
    pub(crate) region: String,
    pub(crate) store: Store,
    /// The ID of the access key that the first calls are made with.
    pub(crate) own_key: String,
    /// Whether that is one of a session, which ends.
    pub(super) is_session: bool,
    /// Whose calls these are, once that was asked.
    pub(super) identity: Arc<OnceCell<Option<Identity>>>,
    /// Whether the store keeps tags of users, once that was asked.
    pub(crate) keeps_tags: Arc<OnceCell<bool>>,
    pub(super) log: Option<CallLog>,
    pub(super) clock: Clock,
}

/// Whose calls these are.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub arn: String,
    pub account: String,
}

impl Aws {
    /// Whose calls these are; none if the store can't tell. Asked once.
    pub(crate) async fn identity(&self) -> Option<&Identity> {
        let ask = async || {
            let answer = self.sts.as_ref()?.get_caller_identity().send();
            let answer = self.call("GetCallerIdentity", answer).await.ok()?;
            Some(Identity { arn: answer.arn?, account: answer.account? })
        };
        self.identity.get_or_init(ask).await.as_ref()
    }

    /// The time by this machine's clock, or by IAM's where that is earlier: what has
    /// passed by it has surely passed.
    pub(crate) fn earlier_now(&self) -> Timestamp {
        self.clock.earlier_now()
    }

    /// Whether STS knows an access key and its secret, which needs no
    /// permission; none if there is no STS to ask.
    pub(crate) async fn knows(&self, key: &AccessKey) -> Option<Result<(), AwsError>> {
        let config = self.sts.as_ref()?.config().to_builder();
        let key = Credentials::new(key.id(), key.secret(), None, None, "new access key");
        let sts = aws_sdk_sts::Client::from_conf(config.credentials_provider(key).build());
        let answer = self.call("GetCallerIdentity", sts.get_caller_identity().send());
        let known = answer.await.and_then(|answer| {
            let incomplete = AwsError::incomplete("GetCallerIdentity");
            answer.arn.map(drop).ok_or(incomplete)
        });
        Some(known)
    }

    /// The same clients, with every call told to the log.
    pub(crate) fn logging(self, log: CallLog) -> Self {
        Self { log: Some(log), ..self }
    }

    fn with_s3(
        &self,
        configure: impl FnOnce(aws_sdk_s3::config::Builder) -> aws_sdk_s3::config::Builder,
    ) -> Self {
        let config = configure(self.s3.config().to_builder());
        Self { s3: aws_sdk_s3::Client::from_conf(config.build()), ..self.clone() }
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

    /// IAM for calls that a store may not have: an answer that it broke down
    /// is taken as that, and not asked for again.
    pub(crate) fn iam_for_optional_calls(&self) -> aws_sdk_iam::Client {
        if self.store.is_aws() {
            return self.iam.clone();
        }
        let config = self.iam.config().to_builder();
        aws_sdk_iam::Client::from_conf(config.retry_classifier(GiveUpAfterCrash).build())
    }

    /// Waits for an answer, tells the log, and words the error, which knows how many
    /// requests were sent.
    pub(crate) async fn call<T, E>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let start = Instant::now();
        let counted = async { (answer.await, SENT.with(Cell::get)) };
        let (answer, sent) = SENT.scope(Cell::new(0), counted).await;
        let result = answer.map_err(|error| {
            let endpoint = self.store.endpoint(is_s3(operation));
            let error = AwsError::new(operation, endpoint, &error, sent);
            // STS knows every session, and S3 has a code of its own.
            let is_of_iam = !is_s3(operation) && operation != "GetCallerIdentity";
            if self.is_session && is_of_iam { error.of_session() } else { error }
        });
        if let Some(log) = &self.log {
            log(Call { operation, duration: start.elapsed(), error: result.as_ref().err() });
        }
        result
    }
}

tokio::task_local! {
    /// How many requests the call under way has sent, those of retries included.
    static SENT: Cell<usize>;
}

/// Counts the requests of a call: the SDK doesn't tell of those before the last.
#[derive(Debug)]
pub(super) struct CountRequests;

impl Intercept for CountRequests {
    fn name(&self) -> &'static str {
        "count requests"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Nobody asks of calls that load credentials.
        let _ = SENT.try_with(|sent| sent.set(sent.get() + 1));
        Ok(())
    }
}

#[cfg(test)]
impl Aws {
    /// Clients whose requests are answered in place of AWS.
    pub(crate) fn answered_by(http: impl aws_sdk_s3::config::HttpClient + 'static) -> Self {
        let key = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(key))
            .http_client(http)
            .build();
        Self {
            iam: aws_sdk_iam::Client::new(&config),
            s3: aws_sdk_s3::Client::new(&config),
            sts: None,
            region: "us-east-1".to_owned(),
            store: Store::default(),
            own_key: String::new(),
            is_session: false,
            identity: Arc::default(),
            keeps_tags: Arc::default(),
            log: None,
            clock: Clock::default(),
        }
    }
}
