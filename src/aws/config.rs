//! What clients are made from: options, the environment and the shared config
//! files.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{
    self, Profile, ProfileFileCredentialsProvider, ProfileFileRegionProvider,
};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_iam::config::{RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpClientBuilder, ConnectorBuilder};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;

use super::ca_bundle::trust_store;
use super::client::Aws;
use super::clock::Clock;
use super::connection::{Connection, http_url, region};
use super::credentials::{Preloaded, why_none};
use super::endpoint::Endpoint;
use super::iam_answers::{OnlyAnswersOfIam, ReadInFormOfAws};
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
    /// Set the machine's clock.
    SetClock,
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
        let config = settings(connection).await?;
        let (own_key, config) = with_credentials(config).await?;
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
            .interceptor(clock.clone())
            .interceptor(OnlyAnswersOfIam)
            .interceptor(ReadInFormOfAws)
            .build();
        let sts = aws_sdk_sts::config::Builder::from(&config)
            .interceptor(ReadInFormOfAws)
            .build();
        Ok(Self {
            iam: aws_sdk_iam::Client::from_conf(iam),
            s3: s3_client(&config, &store, unreached),
            sts: has_sts.then(|| aws_sdk_sts::Client::from_conf(sts)),
            region: config.region().map(Region::to_string).unwrap_or_default(),
            store,
            own_key,
            identity: Arc::default(),
            log: None,
            clock,
        })
    }
}

/// A client for S3, which on other stores sends and checks only the checksums
/// that a request must have, unless the environment or the profile says otherwise.
fn s3_client(config: &SdkConfig, store: &Store, unreached: GiveUpUnreached) -> aws_sdk_s3::Client {
    let mut s3 = aws_sdk_s3::config::Builder::from(config).retry_classifier(unreached);
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

/// Asks for credentials once, and hands these to the first call. Returns the ID
/// of the access key too.
async fn with_credentials(config: SdkConfig) -> Result<(String, SdkConfig), LoadError> {
    let failed = |error: &CredentialsError| {
        let (reason, remedy) = why_none(error);
        LoadError::Credentials { reason, remedy }
    };
    let none = CredentialsError::not_loaded("no provider is configured");
    let provider = config.credentials_provider().ok_or_else(|| failed(&none))?;
    let first = provider.provide_credentials().await;
    let first = first.map_err(|error| failed(&error))?;
    let own_key = first.access_key_id().to_owned();
    let preloaded = SharedCredentialsProvider::new(Preloaded::new(first, provider));
    let mut config = config.into_builder();
    config.set_credentials_provider(Some(preloaded));
    Ok((own_key, config.build()))
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
async fn shared_profile(named: Option<&str>) -> Result<Option<Profile>, LoadError> {
    let loaded = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let Some(name) = named else {
        // The SDK does without files that can't be read.
        return Ok(loaded
            .ok()
            .and_then(|it| it.get_profile("default").cloned()));
    };
    let profiles = loaded.map_err(|error| {
        let cause = error
            .source()
            .map_or(error.to_string(), |it| it.to_string());
        LoadError::setting("can't read the shared config files", cause)
    })?;
    match profiles.get_profile(name) {
        Some(profile) => Ok(Some(profile.clone())),
        None => Err(LoadError::NoProfile {
            name: name.to_owned(),
            profiles: profiles.profiles().map(str::to_owned).collect(),
        }),
    }
}

/// All settings but those of a single service, the region included.
async fn settings(connection: &Connection) -> Result<SdkConfig, LoadError> {
    let profile = connection.profile.clone();
    let profile = profile
        .or(variable("AWS_PROFILE"))
        .or(variable("AWS_DEFAULT_PROFILE"));
    let shared = shared_profile(profile.as_deref()).await?;
    // As if an empty AWS_PROFILE weren't set, which the SDK treats as a name.
    let profile = profile.unwrap_or("default".to_owned());
    let http_client = http_client(trust_store(shared.as_ref())?);
    let providers = ProviderConfig::without_region().with_http_client(http_client.clone());
    let region = starting_region(connection, &profile, &providers).await?;
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
        .profile_name(&profile);
    if connection.profile.is_some() {
        // Named on the command line, a profile goes before keys in the environment.
        let providers = providers
            .with_region(Some(region))
            .with_retry_config(retry_config())
            .with_timeout_config(timeouts);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&providers)
            .profile_name(profile);
        loader = loader.credentials_provider(provider.build());
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Ok(loader.load().await)
}

/// An HTTP client as the SDK makes it by default, proxies of the environment
/// included, but with a TLS library that compiles in a fraction of the time.
fn http_client(trusted: TrustStore) -> SharedHttpClient {
    let tls = TlsContext::builder().with_trust_store(trusted);
    let tls = tls.build().expect("a trust store is all it needs");
    HttpClientBuilder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// The region given, or configured, or where the machine is; a bucket is found
/// from any.
async fn starting_region(
    connection: &Connection,
    profile: &str,
    providers: &ProviderConfig,
) -> Result<Region, LoadError> {
    let given = connection.region.clone();
    let given = given
        .or(variable("AWS_REGION"))
        .or(variable("AWS_DEFAULT_REGION"));
    let of_profile = ProfileFileRegionProvider::builder().configure(providers);
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
/// seconds; another number can be set in `AWS_MAX_ATTEMPTS`.
fn retry_config() -> RetryConfig {
    let chosen = variable("AWS_MAX_ATTEMPTS").and_then(|number| number.parse().ok());
    RetryConfig::standard()
        .with_max_attempts(chosen.filter(|number| *number > 0).unwrap_or(7))
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
