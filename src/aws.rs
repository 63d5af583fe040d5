//! The IAM and S3 clients: loading them, finding the bucket's region, and
//! putting the SDK's errors into one line.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::service_config::ServiceConfigKey;
use clap::value_parser;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::key_file::AccessKey;
use crate::names::{BucketName, ValueError};

/// How to reach AWS; what is not given comes from the environment and the
/// shared config files, as for the AWS CLI.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Profile of the AWS config files to use [default: AWS_PROFILE]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Region to start from; the bucket's own region is found by itself
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Another store with AWS's IAM and S3 APIs [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub endpoint_url: Option<String>,
    /// Seconds until an unanswered request is repeated, 1 to 3600 [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u16).range(1..=3600))]
    pub timeout: Option<u16>,
}

impl fmt::Display for Connection {
    /// As on a command line of this or the AWS CLI, each option with a space before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = [
            ("--profile", &self.profile),
            ("--region", &self.region),
            ("--endpoint-url", &self.endpoint_url),
        ];
        for (option, value) in options {
            if let Some(value) = value {
                write!(f, " {option} '{value}'")?;
            }
        }
        Ok(())
    }
}

fn http_url(url: &str) -> Result<String, ValueError> {
    let parsed = Url::parse(url).ok();
    match parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host()) {
        Some(_) => Ok(url.to_owned()),
        None => Err(ValueError("an endpoint starts with https:// or http://")),
    }
}

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

type Observer = Arc<dyn Fn(Call<'_>) + Send + Sync>;

/// Clients for IAM and S3; cheap to clone.
#[derive(Clone)]
pub struct Aws {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    /// None for a store of its own that names no endpoint for STS.
    pub(crate) sts: Option<aws_sdk_sts::Client>,
    pub(crate) region: String,
    /// The endpoints of IAM and S3, where they are not AWS's own.
    endpoints: [Option<String>; 2],
    /// The connection options given, as they are written on a command line.
    pub(crate) options: String,
    observer: Option<Observer>,
}

impl Aws {
    /// Loads settings and credentials and makes the clients; no call is made.
    ///
    /// Where no region is configured, `us-east-1` is the one to start from.
    /// `observer` is told of every call when it has ended.
    pub async fn load(connection: Connection, observer: Option<Observer>) -> Self {
        let timeout = Duration::from_secs(connection.timeout.unwrap_or(60).into());
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .app_name(AppName::new("s3-user").expect("a valid name"))
            .retry_config(retry_config())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(timeout)
                    .build(),
            );
        if let Some(profile) = &connection.profile {
            // Named on the command line, a profile goes before keys in the environment.
            let provider = ProfileFileCredentialsProvider::builder()
                .profile_name(profile)
                .build();
            loader = loader.profile_name(profile).credentials_provider(provider);
        }
        if let Some(region) = &connection.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &connection.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let region = config.region().map_or("", Region::as_ref);
        let region = if region.is_empty() {
            "us-east-1"
        } else {
            region
        }
        .to_owned();
        let config = config
            .to_builder()
            .region(Region::new(region.clone()))
            .build();
        let endpoints = ["iam", "s3"].map(|service| {
            let given = connection.endpoint_url.clone();
            given.or_else(|| configured_endpoint(&config, service))
        });
        let is_aws = endpoints[0].is_none();
        let has_sts = is_aws || connection.endpoint_url.is_some();
        let has_sts = has_sts || configured_endpoint(&config, "sts").is_some();
        // A store that isn't AWS seldom has a host name for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(endpoints[1].is_some())
            .build();
        // Many users' calls draw on the bucket together; each call's attempts are limited.
        let retries = RetryPartition::custom("iam").token_bucket(TokenBucket::unlimited());
        let iam = aws_sdk_iam::config::Builder::from(&config)
            .retry_partition(retries.build())
            .build();
        Self {
            iam: aws_sdk_iam::Client::from_conf(iam),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sts: has_sts.then(|| aws_sdk_sts::Client::new(&config)),
            region,
            endpoints,
            options: connection.to_string(),
            observer,
        }
    }

    /// Checks that the bucket is there and ours to see, and returns clients
    /// that speak to its region.
    pub(crate) async fn find_bucket(&self, bucket: &BucketName) -> Result<Self, BucketError> {
        let head = async |aws: &Self| {
            let head = aws.s3.head_bucket().bucket(bucket.as_str());
            aws.call("HeadBucket", head.send()).await
        };
        let found = match head(self).await {
            Err(error) => match &error.bucket_region {
                Some(region) if *region != self.region => {
                    let aws = self.in_region(region);
                    head(&aws).await.map(|_| aws)
                }
                _ => Err(error),
            },
            Ok(_) => Ok(self.clone()),
        };
        found.map_err(|error| match error.status {
            Some(404) => BucketError::Missing(bucket.clone()),
            Some(403) if !error.is_about_credentials() => BucketError::Refused(bucket.clone()),
            _ => BucketError::Other(error),
        })
    }

    fn in_region(&self, region: &str) -> Self {
        let s3 = self
            .s3
            .config()
            .to_builder()
            .region(Region::new(region.to_owned()))
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// The same clients, with each request sent just once.
    pub(crate) fn without_retries(&self) -> Self {
        let s3 = self
            .s3
            .config()
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            ..self.clone()
        }
    }

    /// The same S3 client, with another access key.
    pub(crate) fn with_key(&self, key: &AccessKey) -> Self {
        let credentials = Credentials::new(key.id(), key.secret(), None, None, "new access key");
        let s3 = self
            .s3
            .config()
            .to_builder()
            .credentials_provider(credentials)
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            ..self.clone()
        }
    }

    /// Whether IAM is not AWS's own.
    pub(crate) fn is_store_of_its_own(&self) -> bool {
        self.endpoints[0].is_some()
    }

    /// The S3 endpoint, where it is not AWS's own.
    pub(crate) fn s3_endpoint(&self) -> Option<&str> {
        self.endpoints[1].as_deref()
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
            let [iam, s3] = &self.endpoints;
            let endpoint = if is_s3(operation) { s3 } else { iam };
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

/// More attempts than the SDK's 3, since IAM throttles a burst of calls for
/// seconds; another number can be set in `AWS_MAX_ATTEMPTS`.
fn retry_config() -> RetryConfig {
    let chosen = std::env::var("AWS_MAX_ATTEMPTS")
        .ok()
        .and_then(|number| number.parse().ok());
    RetryConfig::standard()
        .with_max_attempts(chosen.filter(|number| *number > 0).unwrap_or(7))
        .with_initial_backoff(Duration::from_millis(250))
}

/// The endpoint of a service (`iam`, `s3`) as set by environment or profile;
/// none for AWS itself.
fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .expect("all parts of the key are given");
    let of_service = config
        .service_config()
        .and_then(|configured| configured.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Tries again while IAM, which is eventually consistent, answers with one of
/// `codes`: after 0.5 s, then doubling, for about a minute in all; half of that
/// if something isn't known, which is settled sooner or never.
///
/// Gives up early, with the last error, when cancelled.
pub(crate) async fn settle<T>(
    codes: &[&str],
    cancel: &CancellationToken,
    mut attempt: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let mut pause = Duration::from_millis(500);
    loop {
        let error = match attempt().await {
            Err(error) if codes.iter().any(|code| error.is(code)) => error,
            settled => return settled,
        };
        let most = if error.is("NoSuchEntity") { 16 } else { 32 };
        let waited = cancel.run_until_cancelled(tokio::time::sleep(pause));
        if pause.as_secs() > most || waited.await.is_none() {
            return Err(error);
        }
        pause *= 2;
    }
}

/// Asks again while the answer isn't what it should be soon: after 0.5 s, then
/// doubling, for about 8 seconds in all. Returns the last answer.
pub(crate) async fn wait_for<T>(
    is_there: impl Fn(&T) -> bool,
    mut ask: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let mut pause = Duration::from_millis(500);
    loop {
        let answer = ask().await?;
        if is_there(&answer) || pause.as_secs() >= 8 {
            return Ok(answer);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Why a bucket can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error("there is no bucket {0}")]
    Missing(BucketName),
    #[error(
        "HeadBucket: AccessDenied: bucket {0} is there but not yours to see \
         (needs the permission s3:ListBucket, and the right account)"
    )]
    Refused(BucketName),
    #[error(transparent)]
    Other(#[from] AwsError),
}

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
    fn new<E>(operation: &'static str, endpoint: &str, error: &SdkError<E, HttpResponse>) -> Self
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

    fn is_about_credentials(&self) -> bool {
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

/// The operations of S3 that are used, and the permissions they need; those of
/// IAM are named alike.
const S3_PERMISSIONS: [(&str, &str); 12] = [
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

fn is_s3(operation: &str) -> bool {
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

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.operation)?;
        match (self.code(), self.status) {
            (Some(code), _) => write!(f, "{code}")?,
            (None, Some(status)) if self.answered => write!(f, "HTTP {status}")?,
            _ => return f.write_str(&self.message),
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match self.code() {
            Some(code) if code.starts_with("AccessDenied") => {
                write!(f, " (needs the permission {})", self.permission())
            }
            Some(code) if code.starts_with("ExpiredToken") => {
                f.write_str(" (sign in again, for example with: aws sso login)")
            }
            Some(_) if self.is_about_credentials() => {
                f.write_str(" (check the access key and secret in use)")
            }
            _ => Ok(()),
        }
    }
}

impl Error for AwsError {}

/// What to tell about a call that got no answer: the end of the chain of
/// causes says most, unless there is a better word for it.
fn no_answer(endpoint: &str, error: &(dyn Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |cause| (*cause).source());
    let credentials = chain().find_map(|cause| cause.downcast_ref::<CredentialsError>());
    let innermost = chain().last().unwrap_or(error).to_string();
    match credentials {
        Some(CredentialsError::CredentialsNotLoaded(_)) => {
            "no AWS credentials found: name a profile that has some with --profile or AWS_PROFILE, or \
             set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned()
        }
        Some(_) => format!("the AWS credentials can't be loaded: {innermost}"),
        None => format!("no answer from {endpoint}: {innermost}"),
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
