//! Loads what clients are made from: options, the environment and the shared config files.

use std::fmt::Display;
use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpClientBuilder, ConnectorBuilder};

use super::ca_bundle::trust_store;
use super::client::Aws;
use super::config_files::ConfigFiles;
use super::connection::{Connection, region};
use super::credentials::{Helpers, export_credentials, name_token_file, none_in_time};
use super::error::AwsError;
use super::proxy;
use super::retry::scaled;

/// The reason that clients couldn't be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A setting in the environment or the shared config files can't be used.
    #[error("{0}")]
    Setting(String),
    /// No profile in the shared config files has this name.
    #[error("there is no profile {name} in the shared config files")]
    NoProfile {
        /// The name that was asked for.
        name: String,
        /// The names of the profiles that exist.
        profiles: Vec<String>,
    },
    /// Credentials couldn't be loaded.
    #[error("{}", .0.message())]
    Credentials(AwsError),
}

impl LoadError {
    pub(super) fn setting(setting: impl Display, error: impl Display) -> Self {
        Self::Setting(format!("{setting}: {error}"))
    }
}

impl Aws {
    /// Loads settings and credentials and makes the clients, without calling IAM or S3.
    ///
    /// Starts from `us-east-1` if no region is found.
    ///
    /// Fails if the profile named by the connection, or else by `AWS_PROFILE`, isn't in the
    /// shared config files; if a region, an endpoint or a key is malformed; or if there are
    /// no credentials.
    pub async fn load(connection: &Connection) -> Result<Self, LoadError> {
        check_environment()?;
        let variables = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
        let named = connection.profile.clone().or_else(|| first_variable(variables));
        let has_keys =
            variable("AWS_ACCESS_KEY_ID").is_some() && variable("AWS_SECRET_ACCESS_KEY").is_some();
        let files = ConfigFiles::read(has_keys && named.is_none()).await?;
        let profile = shared_profile(&files, named.as_deref())?;
        // An empty AWS_PROFILE counts as unset; the SDK would treat it as a name.
        let name = named.as_deref().unwrap_or("default");
        let seconds = connection.timeout.unwrap_or(60);
        let timeout = Duration::from_secs(seconds.into());
        let config = sdk_config(connection, &files, name, profile, timeout).await?;
        let loading = Helpers::end_with(Self::from_sdk_config(&config));
        match tokio::time::timeout(timeout, loading).await {
            Err(_) => Err(LoadError::Credentials(none_in_time())),
            Ok(Err(LoadError::Credentials(error))) => {
                let hint = files.asks_for_mfa(name).then(export_credentials);
                Err(LoadError::Credentials(name_token_file(error, profile).or_hint(hint)))
            }
            Ok(loaded) => loaded,
        }
    }
}

/// Fails on values of variables that the SDK would silently ignore or can't handle.
fn check_environment() -> Result<(), LoadError> {
    for (name, value) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"AWS_") && value.to_str().is_none() {
            return Err(LoadError::setting(name.display(), "its value is not UTF-8 text"));
        }
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
        let value = variable(name).unwrap_or_default();
        if value.contains(|c: char| !c.is_ascii_graphic() || c == '"' || c == '\'') {
            let wrong = "it contains a space, line break or quote, which AWS's own never do";
            return Err(LoadError::setting(name, wrong));
        }
    }
    Ok(())
}

/// Returns the value of a variable, or `None` if it is unset or empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the value of the first of these variables that isn't empty.
fn first_variable(names: [&str; 2]) -> Option<String> {
    names.into_iter().find_map(variable)
}

/// Returns the named profile from the shared config files. Without a name, returns the one
/// called `default`, if it exists.
fn shared_profile<'a>(
    files: &'a ConfigFiles,
    named: Option<&str>,
) -> Result<Option<&'a Profile>, LoadError> {
    files.check_name(named.unwrap_or("default"))?;
    let found = files.profiles.get_profile(named.unwrap_or("default"));
    match named {
        Some(name) if found.is_none() => Err(LoadError::NoProfile {
            name: name.to_owned(),
            profiles: files.profiles.profiles().map(str::to_owned).collect(),
        }),
        _ => Ok(found),
    }
}

/// Returns the settings that all services share, including the region.
async fn sdk_config(
    connection: &Connection,
    files: &ConfigFiles,
    name: &str,
    profile: Option<&Profile>,
    timeout: Duration,
) -> Result<SdkConfig, LoadError> {
    let trusted = trust_store(profile)?;
    let http = proxy::client(|proxy| http_client(&trusted, proxy))?;
    let providers = ProviderConfig::without_region().with_http_client(http.clone());
    let region = starting_region(connection, files, name, &providers).await?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(timeout)
        .build();
    let retries = retry_config(profile)?;
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .app_name(AppName::new("s3-user").expect("a valid name"))
        .http_client(http)
        .retry_config(retries.clone())
        .timeout_config(timeouts.clone())
        .region(region.clone())
        .profile_files(files.for_sdk())
        .profile_name(name);
    if connection.profile.is_some() {
        // A profile named on the command line takes precedence over keys in the environment.
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(
                &providers
                    .with_region(Some(region))
                    .with_retry_config(retries)
                    .with_timeout_config(timeouts),
            )
            .profile_files(files.for_sdk())
            .profile_name(name);
        loader = loader.credentials_provider(provider.build());
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Ok(loader.load().await)
}

/// Makes an HTTP client as the SDK does by default, but with a TLS library that
/// compiles in a fraction of the time.
fn http_client(trusted: &TrustStore, proxy: ProxyConfig) -> SharedHttpClient {
    let tls = TlsContext::builder()
        .with_trust_store(trusted.clone())
        .build()
        .expect("a trust store is all it needs");
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

/// Returns the region from the options, the environment, the shared config files or EC2's
/// instance metadata, in this order. A bucket can be found from any region.
async fn starting_region(
    connection: &Connection,
    files: &ConfigFiles,
    profile: &str,
    providers: &ProviderConfig,
) -> Result<Region, LoadError> {
    let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let given = connection.region.clone().or_else(|| first_variable(variables));
    let in_files = ProfileFileRegionProvider::builder()
        .configure(providers)
        .profile_files(files.for_sdk())
        .profile_name(profile)
        .build();
    let found = RegionProviderChain::first_try(given.map(Region::new))
        .or_else(in_files)
        .or_else(ImdsRegionProvider::builder().configure(providers).build())
        .region()
        .await;
    let configured = found.as_ref().map(Region::as_ref).filter(|code| !code.is_empty());
    let code = configured.unwrap_or("us-east-1");
    region(code)
        .map(Region::new)
        .map_err(|error| LoadError::setting(format!("configured region {code}"), error))
}

/// Returns the retry mode and the number of attempts that the environment sets, or else the
/// profile.
///
/// The default is 7 attempts instead of the SDK's 3, since IAM fails for seconds at times. More
/// than 20 are never made: even after Ctrl-C, a call in progress is waited for. A call to IAM
/// that is throttled counts as no attempt.
fn retry_config(profile: Option<&Profile>) -> Result<RetryConfig, LoadError> {
    let setting = |name: &str, key: &str| {
        variable(name).or_else(|| profile?.get(key).map(str::to_owned)).filter(|it| !it.is_empty())
    };
    let attempts = setting("AWS_MAX_ATTEMPTS", "max_attempts").and_then(|it| it.parse().ok());
    let attempts = match attempts {
        None | Some(0) => 7,
        Some(number) => u32::min(number, 20),
    };
    let mode = setting("AWS_RETRY_MODE", "retry_mode");
    let config = match mode.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("standard" | "legacy") => RetryConfig::standard(),
        Some("adaptive") => RetryConfig::adaptive(),
        Some(_) => {
            let is_variable = variable("AWS_RETRY_MODE").is_some();
            let name = if is_variable { "AWS_RETRY_MODE" } else { "retry_mode" };
            let wrong = "a retry mode is standard, adaptive or legacy, which counts as standard";
            return Err(LoadError::setting(name, wrong));
        }
    };
    Ok(config.with_max_attempts(attempts).with_initial_backoff(scaled(Duration::from_millis(250))))
}
