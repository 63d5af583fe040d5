//! Proxies of the environment: read as the AWS CLI reads them, which differs from
//! the SDK, and named in what goes wrong on the way through them.

use std::env;
use std::error::Error;
use std::sync::Arc;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use url::Url;

use super::config::LoadError;
use super::error::find;

/// An HTTP client that reaches each host directly or through the proxy for it.
/// `make` makes one with a given proxy.
///
/// Fails on a variable that names no proxy.
pub(super) fn client(
    make: impl Fn(ProxyConfig) -> SharedHttpClient,
) -> Result<SharedHttpClient, LoadError> {
    let no_proxy = variable("no").map_or(String::new(), |it| it.value);
    let through = |proxy: Proxy| Through {
        client: make(proxy.config.no_proxy(&no_proxy)),
        proxy: proxy.name.into(),
    };
    let http = proxy("http")?.map(through);
    let https = proxy("https")?.map(through);
    let direct = make(ProxyConfig::disabled());
    if http.is_none() && https.is_none() {
        return Ok(direct);
    }
    Ok(SharedHttpClient::new(Ways {
        direct,
        http,
        https,
        no_proxy: no_proxy.to_lowercase().into(),
    }))
}

/// A variable that is set, and not empty.
struct Variable {
    name: String,
    value: String,
}

/// The variable about `http`, `https`, `all` or `no` proxies. In lower case it goes
/// first, even if it is empty.
fn variable(about: &str) -> Option<Variable> {
    let lower = format!("{about}_proxy");
    let upper = lower.to_uppercase();
    let is_lower = env::var_os(&lower).is_some();
    let name = if is_lower { lower } else { upper };
    let value = env::var(&name).ok().filter(|value| !value.is_empty())?;
    Some(Variable { name, value })
}

/// The proxy for URLs of this scheme, if there is one.
fn proxy(scheme: &str) -> Result<Option<Proxy>, LoadError> {
    // To a program behind a web server, HTTP_PROXY is what the request has as its
    // header Proxy.
    let is_cgi = env::var_os("REQUEST_METHOD").is_some();
    let own = variable(scheme).filter(|own| !(is_cgi && own.name == "HTTP_PROXY"));
    let Some(own) = own else {
        let all = variable("all").and_then(|all| Proxy::new(scheme, &all.value));
        return Ok(all);
    };
    let proxy = Proxy::new(scheme, &own.value);
    let wrong = "a proxy is http:// or https:// and a host";
    proxy.map(Some).ok_or_else(|| LoadError::setting(own.name, wrong))
}

struct Proxy {
    /// Its URL, without user and password.
    name: String,
    config: ProxyConfig,
}

impl Proxy {
    fn new(scheme: &str, value: &str) -> Option<Self> {
        let url = if value.contains("://") {
            value.to_owned()
        } else {
            format!("http://{}", value.trim_start_matches('/'))
        };
        let config = match scheme {
            "http" => ProxyConfig::http(url.as_str()),
            _ => ProxyConfig::https(url.as_str()),
        };
        let mut shown = Url::parse(&url).ok().filter(Url::has_host)?;
        shown.set_username("").ok()?;
        shown.set_password(None).ok()?;
        let host = &shown[url::Position::BeforeHost..url::Position::AfterPort];
        Some(Self { name: format!("{}://{host}", shown.scheme()), config: config.ok()? })
    }
}

/// A client, or what it makes, that goes through a proxy.
#[derive(Debug, Clone)]
struct Through<C> {
    client: C,
    /// The proxy's URL, without user and password.
    proxy: Arc<str>,
}

/// The ways to a host: directly, and through the proxy for the URL's scheme.
#[derive(Debug)]
struct Ways<C> {
    direct: C,
    http: Option<Through<C>>,
    https: Option<Through<C>>,
    no_proxy: Arc<str>,
}

impl<C> Ways<C> {
    /// The way through a proxy; none where the host is to be reached directly.
    fn through(&self, url: &str) -> Option<&Through<C>> {
        let way = if url.starts_with("https:") { &self.https } else { &self.http };
        let authority = url.split("://").nth(1)?.split(['/', '?', '#']).next()?;
        let passed_over = passes_over(&self.no_proxy, &authority.to_lowercase());
        way.as_ref().filter(|_| !passed_over)
    }
}

/// Whether `NO_PROXY`, in lower case, has this host, with its port if the URL has
/// one: by itself, or with a domain that it is in.
fn passes_over(no_proxy: &str, host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let is_in = |domain: &str| {
        let end = format!(".{domain}");
        [host, without_port].iter().any(|it| *it == domain || it.ends_with(&end))
    };
    let domains = no_proxy.split(',').map(|it| it.trim().trim_start_matches('.'));
    no_proxy == "*" || domains.filter(|it| !it.is_empty()).any(is_in)
}

impl HttpClient for Ways<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        let through = |way: &Through<SharedHttpClient>| Through {
            client: connector(&way.client),
            proxy: way.proxy.clone(),
        };
        SharedHttpConnector::new(Ways {
            direct: connector(&self.direct),
            http: self.http.as_ref().map(through),
            https: self.https.as_ref().map(through),
            no_proxy: self.no_proxy.clone(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.direct.connector_metadata()
    }
}

impl HttpConnector for Ways<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(way) = self.through(request.uri()) else {
            return self.direct.call(request);
        };
        let answer = way.client.call(request);
        let proxy = way.proxy.clone();
        HttpConnectorFuture::new(async move { answer.await.map_err(|error| named(error, proxy)) })
    }
}

/// What went wrong on the way through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("through proxy {proxy}")]
struct ThroughProxy {
    proxy: Arc<str>,
    source: BoxError,
}

/// An error of the same kind that names the proxy.
fn named(error: ConnectorError, proxy: Arc<str>) -> ConnectorError {
    let other = error.as_other();
    let make: fn(BoxError) -> ConnectorError = if error.is_timeout() {
        ConnectorError::timeout
    } else if error.is_io() {
        ConnectorError::io
    } else {
        ConnectorError::user
    };
    let is_other = error.is_other();
    let connection = error.connection_metadata().cloned();
    let source = error.into_source();
    let through = Box::new(ThroughProxy { proxy, source });
    let made = if is_other { ConnectorError::other(through, other) } else { make(through) };
    match connection {
        Some(connection) => made.with_connection(connection),
        None => made,
    }
}

/// The proxy that an error came about on the way through, if there was one.
pub(super) fn proxy_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    find::<ThroughProxy>(error).map(|it| it.proxy.as_ref())
}
