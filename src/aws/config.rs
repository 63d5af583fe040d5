//! What clients are made from: options, the environment and the shared config
//! files.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_iam::config::{RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpClientBuilder, ConnectorBuilder};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::service_config::ServiceConfigKey;

use super::answer_size::AnswerSize;
use super::ca_bundle::trust_store;
use super::client::{Aws, CountRequests};
use super::clock::Clock;
use super::config_files::ConfigFiles;
use super::connection::{Connection, http_url, region};
use super::credentials::{Helpers, Preloaded, unreadable_token_file, why_none};
use super::endpoint::Endpoint;
use super::iam_answers::{OnlyAnswersOfIam, ReadInFormOfAws};
use super::proxy;
use super::retry::scaled;
use super::store::Store;
use super::unreachable::GiveUpUnreached;

/// Why there are no clients.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// A setting of the environment or the shared config files can't be used.
    #[error("{0}")]
    Setting(String),
    /// No profile of the shared config files has this name.
    #[error("there is no profile {name} in the shared config files")]
    NoProfile {
        /// The name.
        name: String,
        /// The profiles there are.
        profiles: Vec<String>,
    },
    /// There are no credentials.
    #[error("{reason}")]
    Credentials {
        /// Why there are none.
        reason: String,
        /// What helps, if that is known.
        remedy: Option<Remedy>,
    },
}

/// What helps where a call can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Sign in again.
    SignIn,
    /// Name a profile, or set an access key.
    Configure,
    /// Name the certificate authority that vouches for the server.
    TrustAuthority,
    /// Give the server another certificate than that of an authority.
    OwnCertificate,
    /// Write the server's address with http.
    PlainHttp,
    /// Look after the proxy.
    CheckProxy,
    /// Set the machine's clock.
    SetClock,
    /// Give an MFA code for the credentials of a user's session.
    StartSessionWithMfa,
    /// Have the AWS CLI ask for the MFA code that the profile wants.
    ExportCredentials,
}

impl LoadError {
    pub(super) fn setting(setting: impl Display, error: impl Display) -> Self {
        Self::Setting(format!("{setting}: {error}"))
    }
}

impl Aws {
    /// Loads settings and credentials and makes the clients; no call of IAM or
    /// S3 is made.
    ///
    /// Where no region is configured, `us-east-1` is the one to start from.
    /// Fails if the profile named by the connection, or else by `AWS_PROFILE`,
    /// isn't in the shared config files, on a region, an endpoint or a key that
    /// can't be one, and where there are no credentials.
    pub async fn load(connection: &Connection) -> Result<Self, LoadError> {
        check_environment()?;
        let settings = settings(connection).await?;
        let first = first_credentials(&settings).await?;
        let own_key = first.access_key_id().to_owned();
        let is_session = first.session_token().is_some();
        let config = with_credentials(settings.config, first);
        let endpoint = |service| match &connection.endpoint_url {
            Some(given) => Ok(Some(given.clone())),
            None => configured_endpoint(&config, service),
        };
        let store = Store {
            iam: Endpoint::new(endpoint("iam")?).into(),
            s3: Endpoint::new(endpoint("s3")?).into(),
        };
        let has_sts = endpoint("sts")?.is_some() || store.is_aws();
        // Many users' calls draw on the bucket together; each call's attempts are limited.
        let retries = RetryPartition::custom("iam").token_bucket(TokenBucket::unlimited());
        let unreached = GiveUpUnreached::default();
        let clock = Clock::default();
        let iam = aws_sdk_iam::config::Builder::from(&config)
            .retry_partition(retries.build())
            .retry_classifier(unreached.clone())
            .retry_classifier(AnswerSize::OF_IAM)
            .interceptor(AnswerSize::OF_IAM)
            .interceptor(CountRequests)
            .interceptor(clock.clone())
            .interceptor(OnlyAnswersOfIam);
        let sts = aws_sdk_sts::config::Builder::from(&config)
            .retry_classifier(AnswerSize::OF_IAM)
            .interceptor(AnswerSize::OF_IAM);
        let (iam, sts) = if store.is_aws() {
            (iam, sts)
        } else {
            (iam.interceptor(ReadInFormOfAws), sts.interceptor(ReadInFormOfAws))
        };
        Ok(Self {
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            s3: s3_client(&config, &store, unreached),
            sts: has_sts.then(|| aws_sdk_sts::Client::from_conf(sts.build())),
            region: config.region().map(Region::to_string).unwrap_or_default(),
            store,
            own_key,
            is_session,
            identity: Arc::default(),
            keeps_tags: Arc::default(),
            log: None,
            clock,
        })
    }
}

/// A client for S3, which on other stores sends and checks only the checksums
/// that a request must have, unless the environment or the profile says otherwise.
fn s3_client(config: &SdkConfig, store: &Store, unreached: GiveUpUnreached) -> aws_sdk_s3::Client {
    let mut s3 = aws_sdk_s3::config::Builder::from(config)
        .retry_classifier(unreached)
        .retry_classifier(AnswerSize::OF_S3)
        .interceptor(AnswerSize::OF_S3);
    s3.set_force_path_style(Some(store.wants_path_style()));
    let is_open = |setting| {
        let chosen = configured(config, "s3", setting);
        store.may_lack_checksums() && chosen.is_none_or(|chosen| chosen.is_empty())
    };
    if is_open("request_checksum_calculation") {
        s3 = s3.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    }
    if is_open("response_checksum_validation") {
        s3 = s3.response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    aws_sdk_s3::Client::from_conf(s3.build())
}

/// What the clients have in common, and what tells why they have no credentials.
struct Settings {
    config: SdkConfig,
    profile: Option<Profile>,
    /// Whether the profile asks for an MFA code.
    asks_for_mfa: bool,
    /// How long an answer may take.
    timeout: Duration,
}

/// Asks for credentials once.
async fn first_credentials(settings: &Settings) -> Result<Credentials, LoadError> {
    let none = CredentialsError::not_loaded("no provider is configured");
    let given = match settings.config.credentials_provider() {
        Some(provider) => {
            let waited = Helpers::end_with(provider.provide_credentials());
            let given = tokio::time::timeout(settings.timeout, waited).await;
            given.map_err(|_| LoadError::Credentials {
                reason: "can't load the AWS credentials: none in time (see --timeout)".to_owned(),
                remedy: None,
            })?
        }
        None => Err(none),
    };
    given.map_err(|error| {
        let told = why_none(&error);
        let reason = unreadable_token_file(&error, settings.profile.as_ref()).unwrap_or(told.0);
        let mfa = settings.asks_for_mfa.then_some(Remedy::ExportCredentials);
        LoadError::Credentials { reason, remedy: told.1.or(mfa) }
    })
}

/// The settings with the credentials that were asked for, for the first call.
fn with_credentials(config: SdkConfig, first: Credentials) -> SdkConfig {
    let Some(provider) = config.credentials_provider() else {
        return config;
    };
    let preloaded = SharedCredentialsProvider::new(Preloaded::new(first, provider));
    let mut with = config.into_builder();
    with.set_credentials_provider(Some(preloaded));
    with.build()
}

/// Fails on what the SDK would pass over, or choke on.
fn check_environment() -> Result<(), LoadError> {
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("AWS_") && value.to_str().is_none() {
            return Err(LoadError::setting(name, "its value is not UTF-8 text"));
        }
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
        let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\'';
        if !variable(name).unwrap_or_default().chars().all(fits) {
            let wrong = "it contains a space, line break or quote, which AWS's own never do";
            return Err(LoadError::setting(name, wrong));
        }
    }
    Ok(())
}

/// The value of a variable; none if it is empty.
pub(super) fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// The profile of that name in the shared config files; the one called `default`,
/// if it is there, where none is named.
fn shared_profile(files: &ConfigFiles, named: Option<&str>) -> Result<Option<Profile>, LoadError> {
    files.check_name(named.unwrap_or("default"))?;
    let profiles = files.profiles();
    let profile = profiles.get_profile(named.unwrap_or("default"));
    match named {
        Some(name) if profile.is_none() => Err(LoadError::NoProfile {
            name: name.to_owned(),
            profiles: profiles.profiles().map(str::to_owned).collect(),
        }),
        _ => Ok(profile.cloned()),
    }
}

/// All settings but those of a single service, the region included.
async fn settings(connection: &Connection) -> Result<Settings, LoadError> {
    let given = connection.profile.clone();
    let named = given.or(variable("AWS_PROFILE")).or(variable("AWS_DEFAULT_PROFILE"));
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let has_keys = keys.iter().all(|name| variable(name).is_some());
    let files = ConfigFiles::read(has_keys && named.is_none()).await?;
    let shared = shared_profile(&files, named.as_deref())?;
    // As if an empty AWS_PROFILE weren't set, which the SDK treats as a name.
    let profile = named.unwrap_or("default".to_owned());
    let asks_for_mfa = files.asks_for_mfa(&profile);
    let trusted = trust_store(shared.as_ref())?;
    let http_client = proxy::client(|proxy| http_client(&trusted, proxy))?;
    let providers = ProviderConfig::without_region().with_http_client(http_client.clone());
    let region = starting_region(connection, &files, &profile, &providers).await?;
    let timeout = Duration::from_secs(connection.timeout.unwrap_or(60).into());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .app_name(AppName::new("s3-user").expect("a valid name"))
        .http_client(http_client)
        .retry_config(retry_config())
        .timeout_config(timeouts.clone())
        .region(region.clone())
        .profile_files(files.for_sdk())
        .profile_name(&profile);
    if connection.profile.is_some() {
        // Named on the command line, a profile goes before keys in the environment.
        let providers = providers
            .with_region(Some(region))
            .with_retry_config(retry_config())
            .with_timeout_config(timeouts);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&providers)
            .profile_files(files.for_sdk())
            .profile_name(profile);
        loader = loader.credentials_provider(provider.build());
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Ok(Settings { config: loader.load().await, profile: shared, asks_for_mfa, timeout })
}

/// An HTTP client as the SDK makes it by default, but with a TLS library that
/// compiles in a fraction of the time.
fn http_client(trusted: &TrustStore, proxy: ProxyConfig) -> SharedHttpClient {
    let tls = TlsContext::builder().with_trust_store(trusted.clone());
    let tls = tls.build().expect("a trust store is all it needs");
    HttpClientBuilder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// The region given, or configured, or where the machine is; a bucket is found
/// from any.
async fn starting_region(
    connection: &Connection,
    files: &ConfigFiles,
    profile: &str,
    providers: &ProviderConfig,
) -> Result<Region, LoadError> {
    let given = connection.region.clone();
    let given = given.or(variable("AWS_REGION")).or(variable("AWS_DEFAULT_REGION"));
    let of_profile = ProfileFileRegionProvider::builder().configure(providers);
    let of_profile = of_profile.profile_files(files.for_sdk());
    let of_machine = ImdsRegionProvider::builder().configure(providers).build();
    let configured = RegionProviderChain::first_try(given.map(Region::new))
        .or_else(of_profile.profile_name(profile).build())
        .or_else(of_machine);
    let code = configured.region().await.map(|code| code.to_string());
    let code = code.filter(|code| !code.is_empty());
    let code = code.unwrap_or("us-east-1".to_owned());
    region(&code)
        .map(Region::new)
        .map_err(|error| LoadError::setting(format!("configured region {code}"), error))
}

/// More attempts than the SDK's 3, since IAM throttles a burst of calls for
/// seconds; another number, up to 20, can be set in `AWS_MAX_ATTEMPTS`: a call under way
/// is waited for even after Ctrl-C.
fn retry_config() -> RetryConfig {
    let chosen: Option<u32> = variable("AWS_MAX_ATTEMPTS").and_then(|number| number.parse().ok());
    let chosen = chosen.filter(|number| *number > 0);
    RetryConfig::standard()
        .with_max_attempts(chosen.map_or(7, |number| number.min(20)))
        .with_initial_backoff(scaled(Duration::from_millis(250)))
}

/// The endpoint of a service (`iam`, `s3`) as set by environment or profile;
/// none for AWS itself.
fn configured_endpoint(config: &SdkConfig, service: &str) -> Result<Option<String>, LoadError> {
    let of_service = configured(config, service, "endpoint_url");
    let endpoint = of_service.or_else(|| config.endpoint_url().map(str::to_owned));
    endpoint
        .map(|url| http_url(&url))
        .transpose()
        .map_err(|error| LoadError::setting(format!("configured endpoint of {service}"), error))
}

/// A setting of a service, or of all, by the environment or the profile.
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
