//! The IAM, S3 and STS clients, and the one way in which they are called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::service_config::ServiceConfigKey;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::config::LoadError;
use super::connection::http_url;
use super::credentials::AdminKey;
use super::error::{AwsError, SdkResult, ServiceError};
use super::interceptor::{Interceptor, Service, counting_requests};
use super::pace::{LeaveToPace, Pace};
use super::refuser::is_s3;
use super::store::{Endpoint, Store};
use super::unreachable::{GiveUp, GiveUpAfterCrash};
use crate::access::AccessKey;
use crate::errors::Hint;

/// One finished call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The API operation, such as `CreateUser`.
    pub operation: &'a str,
    /// The time it took, the SDK's own retries included.
    pub duration: Duration,
    /// The error, if it failed.
    pub error: Option<&'a AwsError>,
}

/// Is told of every call when it has ended.
pub(crate) type CallLog = Arc<dyn Fn(Call<'_>) + Send + Sync>;

/// Clients for IAM and S3; cheap to clone.
#[derive(Clone)]
pub struct Aws {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    /// `None` for a store of its own that names no endpoint for STS.
    pub(crate) sts: Option<aws_sdk_sts::Client>,
    pub(crate) region: String,
    pub(crate) store: Store,
    own_key: AdminKey,
    /// The caller, once that was asked.
    identity: Arc<OnceCell<Option<Identity>>>,
    /// True if the store keeps tags of users; empty until that was asked.
    pub(crate) keeps_tags: Arc<OnceCell<bool>>,
    log: Option<CallLog>,
    clock: Clock,
    /// The pace of all calls to IAM.
    pub(crate) pace: Pace,
    /// Ends the waiting for a turn.
    cancel: CancellationToken,
}

/// The user or role that calls are made as.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub arn: String,
    pub account: String,
}

impl Aws {
    /// Makes the clients from settings of your own, such as `aws_config` loads; only
    /// credentials are asked for.
    ///
    /// Fails on an endpoint that can't be one, and where there are no credentials.
    pub async fn from_sdk_config(config: &SdkConfig) -> Result<Self, LoadError> {
        let store = Store {
            iam: Endpoint::new(configured_endpoint(config, "iam")?).into(),
            s3: Endpoint::new(configured_endpoint(config, "s3")?).into(),
        };
        let has_sts = store.is_aws() || configured_endpoint(config, "sts")?.is_some();
        let own_key = AdminKey::load(config).await.map_err(LoadError::Credentials)?;
        // Many users' calls draw on the bucket together; each call's attempts are limited.
        let retries = RetryPartition::custom("iam").token_bucket(TokenBucket::unlimited());
        let clock = Clock::default();
        let give_up = GiveUp::default();
        let iam = aws_sdk_iam::config::Builder::from(config)
            .retry_partition(retries.build())
            .retry_classifier(give_up.clone())
            .retry_classifier(LeaveToPace)
            .interceptor(Interceptor::new(Service::Iam, &store, &clock));
        let sts = aws_sdk_sts::config::Builder::from(config)
            .retry_classifier(give_up.clone())
            .interceptor(Interceptor::new(Service::Sts, &store, &clock));
        let s3 = s3_config(config, &store).retry_classifier(give_up).interceptor(Interceptor::new(
            Service::S3,
            &store,
            &clock,
        ));
        Ok(Self {
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sts: has_sts.then(|| aws_sdk_sts::Client::from_conf(sts.build())),
            region: config.region().map(Region::to_string).unwrap_or_default(),
            store,
            own_key,
            identity: Arc::default(),
            keeps_tags: Arc::default(),
            log: None,
            clock,
            pace: Pace::default(),
            cancel: CancellationToken::new(),
        })
    }

    /// The ID of the access key that calls are made with at first.
    pub(crate) fn own_key(&self) -> &str {
        &self.own_key.id
    }

    /// Returns who calls are made as, or `None` if the store can't tell. Asked once.
    pub(crate) async fn identity(&self) -> Option<&Identity> {
        self.identity.get_or_init(async || self.ask_for_identity().await).await.as_ref()
    }

    async fn ask_for_identity(&self) -> Option<Identity> {
        let answer = self.sts.as_ref()?.get_caller_identity().send();
        let found = self.call("GetCallerIdentity", answer).await.ok()?;
        Some(Identity { arn: found.arn?, account: found.account? })
    }

    /// The time by this machine's clock, or by IAM's where that is earlier: an end of
    /// access before it has surely passed.
    pub(crate) fn earlier_now(&self) -> Timestamp {
        self.clock.earlier_now()
    }

    /// Fails if STS doesn't know an access key and its secret, which needs no
    /// permission. Returns `None` if there is no STS to ask.
    pub(crate) async fn knows(&self, key: &AccessKey) -> Option<Result<(), AwsError>> {
        let with_key = self.sts.as_ref()?.config().to_builder().credentials_provider(sdk_key(key));
        let sts = aws_sdk_sts::Client::from_conf(with_key.build());
        match self.call("GetCallerIdentity", sts.get_caller_identity().send()).await {
            Ok(answer) if answer.arn.is_none() => {
                Some(Err(AwsError::incomplete("GetCallerIdentity")))
            }
            answer => Some(answer.map(drop)),
        }
    }

    /// Tells the log of every call.
    pub(crate) fn logging(self, log: CallLog) -> Self {
        Self { log: Some(log), ..self }
    }

    fn with_s3(
        &self,
        configure: impl FnOnce(aws_sdk_s3::config::Builder) -> aws_sdk_s3::config::Builder,
    ) -> Self {
        let configured = configure(self.s3.config().to_builder());
        Self { s3: aws_sdk_s3::Client::from_conf(configured.build()), ..self.clone() }
    }

    /// Returns clients with S3 in this region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        if region == self.region {
            return self.clone();
        }
        Self {
            region: region.to_owned(),
            ..self.with_s3(|s3| s3.region(Region::new(region.to_owned())))
        }
    }

    /// Returns clients that send each request to S3 just once.
    pub(crate) fn without_retries(&self) -> Self {
        self.with_s3(|s3| s3.retry_config(RetryConfig::disabled()))
    }

    /// Returns clients that call S3 with another access key.
    pub(crate) fn with_key(&self, key: &AccessKey) -> Self {
        self.with_s3(|s3| s3.credentials_provider(sdk_key(key)))
    }

    /// Returns IAM for calls that a store may not offer: one that the server broke down
    /// over is not sent again.
    pub(crate) fn iam_for_optional_calls(&self) -> aws_sdk_iam::Client {
        if self.store.is_aws() {
            return self.iam.clone();
        }
        let impatient = self.iam.config().to_builder().retry_classifier(GiveUpAfterCrash);
        aws_sdk_iam::Client::from_conf(impatient.build())
    }

    /// Returns clients that wait for no turn any longer once this is cancelled.
    pub(crate) fn cancelled_by(self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self }
    }

    /// Calls IAM in its turn, again and again while calls come too fast. Once the run is
    /// cancelled, calls at once and no more than once.
    pub(crate) async fn call_iam<T, E: ServiceError>(
        &self,
        operation: &'static str,
        mut send: impl AsyncFnMut() -> SdkResult<T, E>,
    ) -> Result<T, AwsError> {
        loop {
            self.cancel.run_until_cancelled(self.pace.turn()).await;
            let sent = tokio::time::Instant::now();
            let result = self.call(operation, send()).await;
            let is_refused = result.as_ref().is_err_and(AwsError::is_throttling);
            if !is_refused {
                self.pace.got_through();
            }
            if !is_refused || !self.pace.slow_down(sent) || self.cancel.is_cancelled() {
                return result;
            }
        }
    }

    /// Waits for an answer, tells the log, and words the error.
    pub(crate) fn call<T, E: ServiceError>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<T, AwsError>> {
        // Boxed, since a small stack can't take the calls of a workflow one within the other.
        self.called(operation, Box::pin(answer))
    }

    async fn called<T, E: ServiceError>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = SdkResult<T, E>>,
    ) -> Result<T, AwsError> {
        let start = Instant::now();
        let (answer, sent) = counting_requests(answer).await;
        let result = answer.map_err(|error| {
            let endpoint = if is_s3(operation) { &self.store.s3 } else { &self.store.iam };
            let failed = AwsError::new(operation, endpoint, &error, sent);
            let hint = self.needs_mfa(operation, &failed).then(|| Hint::new(START_WITH_MFA));
            failed.or_hint(hint)
        });
        if let Some(log) = &self.log {
            log(Call { operation, duration: start.elapsed(), error: result.as_ref().err() });
        }
        result
    }

    /// True if the error may mean that a user's session was started without an MFA code.
    /// IAM doesn't accept the access key of such a session; STS does, and S3 answers with
    /// a code of its own.
    fn needs_mfa(&self, operation: &str, error: &AwsError) -> bool {
        let is_of_iam = !is_s3(operation) && operation != "GetCallerIdentity";
        self.own_key.is_session && is_of_iam && error.is("InvalidClientTokenId")
    }
}

const START_WITH_MFA: &str = "IAM accepts the session of a user only if it was started with an MFA code: \
                              sign in with one; if AWS_SESSION_TOKEN is of another access key, unset it";

fn sdk_key(key: &AccessKey) -> Credentials {
    Credentials::new(key.id(), key.secret(), None, None, "new access key")
}

/// The settings of S3, which on other stores sends and checks only the checksums
/// that a request must have, unless the environment or the profile says otherwise.
fn s3_config(config: &SdkConfig, store: &Store) -> aws_sdk_s3::config::Builder {
    let mut s3 = aws_sdk_s3::config::Builder::from(config);
    s3.set_force_path_style(Some(store.wants_path_style()));
    if store.may_lack_checksums() {
        if configured(config, "s3", "request_checksum_calculation").is_none_or(|it| it.is_empty()) {
            s3 = s3.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        if configured(config, "s3", "response_checksum_validation").is_none_or(|it| it.is_empty()) {
            s3 = s3.response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
    }
    s3
}

/// Returns the endpoint of a service (`iam`, `s3`), if the program, the environment or
/// the profile sets one. One set by the program goes first.
fn configured_endpoint(config: &SdkConfig, service: &str) -> Result<Option<String>, LoadError> {
    let general = config.endpoint_url().map(str::to_owned);
    let url = if config.get_origin("endpoint_url").is_client_config() {
        general
    } else {
        configured(config, service, "endpoint_url").or(general)
    };
    url.map(|url| http_url(&url))
        .transpose()
        .map_err(|error| LoadError::setting(format!("configured endpoint of {service}"), error))
}

/// Returns a setting of a service, or of all, by the environment or the profile.
fn configured(config: &SdkConfig, service: &str, setting: &str) -> Option<String> {
    let variable = format!("AWS_{}", setting.to_uppercase());
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env(&variable)
        .profile(setting)
        .build()
        .expect("all parts of the key are given");
    config.service_config()?.load_config(key)
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_sdk_s3::config::HttpClient;

    use super::*;

    impl Aws {
        /// Clients whose requests are answered in place of AWS.
        pub(crate) fn answered_by(http: impl HttpClient + 'static) -> Self {
            let key = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
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
                own_key: AdminKey { id: String::new(), is_session: false },
                identity: Arc::default(),
                keeps_tags: Arc::default(),
                log: None,
                clock: Clock::default(),
                pace: Pace::default(),
                cancel: CancellationToken::new(),
            }
        }
    }
}
