//! How AWS is reached: by options, the environment and the shared config files.

use std::fmt;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpClientBuilder, ConnectorBuilder};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use clap::value_parser;
use url::Url;

use crate::aws::{Aws, Observer};
use crate::names::ValueError;
use crate::nearest::nearest;

/// How to reach AWS; what is not given comes from the environment and the
/// shared config files, as for the AWS CLI.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Profile of the AWS config files to use [default: AWS_PROFILE]
    #[arg(hide_short_help = true, long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Region to start from; the bucket's own region is found by itself
    #[arg(hide_short_help = true, long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,
    /// Another store with AWS's IAM and S3 APIs [default: AWS_ENDPOINT_URL]
    #[arg(hide_short_help = true, long, value_name = "URL", value_parser = http_url)]
    pub endpoint_url: Option<String>,
    /// Seconds until an unanswered request is repeated, 1 to 3600 [default: 60]
    #[arg(hide_short_help = true, long, value_name = "SECONDS", value_parser = value_parser!(u16).range(1..=3600))]
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
                write!(f, " {option} '{}'", value.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

fn region(name: &str) -> Result<String, ValueError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !name.is_empty() && name.len() <= 63 && name.chars().all(fits) {
        true => Ok(name.to_owned()),
        false => Err(ValueError("a region is given by its code, as eu-central-1")),
    }
}

fn http_url(url: &str) -> Result<String, ValueError> {
    let parsed = Url::parse(url).ok();
    match parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host()) {
        Some(_) => Ok(url.to_owned()),
        None => Err(ValueError("an endpoint starts with https:// or http://")),
    }
}

/// A setting of the environment or the shared config files that can't be used,
/// and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(String);

impl Aws {
    /// Loads settings and makes the clients; no call of IAM or S3 is made.
    ///
    /// Where no region is configured, `us-east-1` is the one to start from.
    /// `observer` is told of every call when it has ended. Fails if the profile
    /// named by the connection, or else by `AWS_PROFILE`, isn't in the shared
    /// config files, and if an endpoint or key in the environment is none.
    pub async fn load(
        connection: &Connection,
        observer: Option<Observer>,
    ) -> Result<Self, SettingError> {
        check_environment()?;
        let profile = profile_name(connection);
        if let Some(name) = &profile {
            check_profile(name).await?;
        }
        let config = settings(connection, profile).await;
        let endpoint = |service| {
            let given = connection.endpoint_url.clone();
            given.or_else(|| configured_endpoint(&config, service))
        };
        let (iam_endpoint, s3_endpoint) = (endpoint("iam"), endpoint("s3"));
        let has_sts = iam_endpoint.is_none() || endpoint("sts").is_some();
        // A store that isn't AWS seldom has a host name for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(s3_endpoint.is_some())
            .build();
        // Many users' calls draw on the bucket together; each call's attempts are limited.
        let retries = RetryPartition::custom("iam").token_bucket(TokenBucket::unlimited());
        let iam = aws_sdk_iam::config::Builder::from(&config)
            .retry_partition(retries.build())
            .build();
        Ok(Self {
            iam: aws_sdk_iam::Client::from_conf(iam),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sts: has_sts.then(|| aws_sdk_sts::Client::new(&config)),
            region: config.region().map(Region::to_string).unwrap_or_default(),
            iam_endpoint,
            s3_endpoint,
            options: connection.to_string(),
            observer,
        })
    }
}

/// Fails on what the SDK would choke on.
fn check_environment() -> Result<(), SettingError> {
    for service in ["", "_IAM", "_S3", "_STS"] {
        let name = format!("AWS_ENDPOINT_URL{service}");
        if let Ok(url) = std::env::var(&name) {
            http_url(&url).map_err(|error| SettingError(format!("{name}: {error}")))?;
        }
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        let code = std::env::var(name).unwrap_or_default();
        if !code.is_empty() {
            region(&code).map_err(|error| SettingError(format!("{name}: {error}")))?;
        }
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
        let value = std::env::var(name).unwrap_or_default();
        if !value.chars().all(|c| c.is_ascii_graphic()) {
            return Err(SettingError(format!(
                "{name} has a space or line break in it, as none of AWS's has"
            )));
        }
    }
    Ok(())
}

/// The profile named on the command line, or else by the environment.
fn profile_name(connection: &Connection) -> Option<String> {
    let named = connection.profile.clone();
    let named = named.or_else(|| std::env::var("AWS_PROFILE").ok());
    named.filter(|name| !name.is_empty())
}

async fn check_profile(name: &str) -> Result<(), SettingError> {
    let loaded = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let profiles = loaded.map_err(|error| {
        let cause =
            std::error::Error::source(&error).map_or(error.to_string(), |it| it.to_string());
        SettingError(format!("can't read the shared config files: {cause}"))
    })?;
    match profiles.get_profile(name) {
        Some(_) => Ok(()),
        None => {
            let advice = match nearest(name, profiles.profiles()) {
                Some(profile) => format!("did you mean {profile}?"),
                None => "aws configure list-profiles shows them".to_owned(),
            };
            Err(SettingError(format!(
                "there is no profile {name} in the shared config files; {advice}"
            )))
        }
    }
}

/// All that clients are made from, the region included.
async fn settings(connection: &Connection, profile: Option<String>) -> SdkConfig {
    let http_client = http_client();
    let providers = ProviderConfig::without_region().with_http_client(http_client.clone());
    let region = starting_region(connection, profile.as_deref(), &providers).await;
    let timeout = Duration::from_secs(connection.timeout.unwrap_or(60).into());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(timeout);
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .app_name(AppName::new("s3-user").expect("a valid name"))
        .http_client(http_client)
        .retry_config(retry_config())
        .timeout_config(timeouts.build())
        .region(region.clone());
    if let Some(profile) = &connection.profile {
        // Named on the command line, a profile goes before keys in the environment.
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&providers.with_region(Some(region)))
            .profile_name(profile)
            .build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// An HTTP client as the SDK makes it by default, proxies of the environment
/// included, but with a TLS library that compiles in a fraction of the time.
fn http_client() -> SharedHttpClient {
    HttpClientBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
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
    profile: Option<&str>,
    providers: &ProviderConfig,
) -> Region {
    let mut of_profile = ProfileFileRegionProvider::builder().configure(providers);
    if let Some(profile) = profile {
        of_profile = of_profile.profile_name(profile);
    }
    let of_machine = ImdsRegionProvider::builder().configure(providers).build();
    let configured = RegionProviderChain::first_try(connection.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile.build())
        .or_else(of_machine);
    let region = configured.region().await;
    let region = region.filter(|region| !region.as_ref().is_empty());
    region.unwrap_or(Region::from_static("us-east-1"))
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
