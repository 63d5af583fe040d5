//! Proxies set in the environment. They are read the way the AWS CLI does, not the SDK,
//! and named in errors of requests sent through them.

use std::env;
use std::error::Error;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use url::Url;

use super::config::LoadError;
use super::error::find;

/// Makes an HTTP client that reaches each host directly or through the proxy for it.
/// `make` makes a client for a single proxy.
///
/// Fails if `HTTP_PROXY` or `HTTPS_PROXY` is set to something that isn't a proxy.
pub(super) fn client(
    make: impl Fn(ProxyConfig) -> SharedHttpClient,
) -> Result<SharedHttpClient, LoadError> {
    let direct = make(ProxyConfig::disabled());
    let no_proxy = variable("no").map_or(String::new(), |(_, value)| value);
    let mut clients = Vec::new();
    for scheme in ["http", "https"] {
        if let Some(Proxy { name, config }) = proxy(scheme)? {
            clients.push((scheme, name, make(config.no_proxy(&no_proxy))));
        }
    }
    if clients.is_empty() {
        return Ok(direct);
    }
    let exempt = no_proxy.to_lowercase();
    Ok(http_client_fn(move |settings, components| {
        let mut proxied = Vec::new();
        for (scheme, name, client) in &clients {
            let connector = client.http_connector(settings, components);
            proxied.push(ProxyConnector { scheme, name: name.clone(), connector });
        }
        SharedHttpConnector::new(Connectors {
            direct: direct.http_connector(settings, components),
            proxied,
            exempt: exempt.clone(),
        })
    }))
}

/// Returns the name and value of `http_proxy`, `https_proxy`, `all_proxy` or `no_proxy`,
/// unless it is empty. The variable in lower case takes precedence over the one in upper
/// case, even if it is empty.
fn variable(about: &str) -> Option<(String, String)> {
    let lower = format!("{about}_proxy");
    let name = if env::var_os(&lower).is_some() { lower } else { lower.to_uppercase() };
    let value = env::var(&name).ok().filter(|text| !text.is_empty())?;
    Some((name, value))
}

/// Returns the proxy for URLs of this scheme, if there is one.
fn proxy(scheme: &str) -> Result<Option<Proxy>, LoadError> {
    // A web server sets HTTP_PROXY for a CGI program to the request's Proxy header, which
    // anybody can send.
    let is_cgi = env::var_os("REQUEST_METHOD").is_some();
    match variable(scheme) {
        Some((name, value)) if !(is_cgi && name == "HTTP_PROXY") => {
            let wrong = "a proxy is http:// or https:// and a host";
            Proxy::new(scheme, &value).map(Some).ok_or_else(|| LoadError::setting(name, wrong))
        }
        _ => Ok(variable("all").and_then(|(_, value)| Proxy::new(scheme, &value))),
    }
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

/// Connects to a host directly, or through the proxy for the URL's scheme.
#[derive(Debug)]
struct Connectors {
    direct: SharedHttpConnector,
    proxied: Vec<ProxyConnector>,
    /// `NO_PROXY`, in lower case.
    exempt: String,
}

/// A connector that goes through a proxy.
#[derive(Debug)]
struct ProxyConnector {
    scheme: &'static str,
    /// The proxy's URL, without user and password.
    name: String,
    connector: SharedHttpConnector,
}

impl Connectors {
    /// Returns the proxy for a URL, or `None` if its host is reached directly.
    fn proxy_for(&self, url: &str) -> Option<&ProxyConnector> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?.to_lowercase();
        if is_exempt(&self.exempt, &authority) {
            return None;
        }
        self.proxied.iter().find(|proxy| proxy.scheme == scheme)
    }
}

/// True if `NO_PROXY`, in lower case, lists this host or a domain that it is in. The host
/// comes with its port if the URL has one.
fn is_exempt(no_proxy: &str, host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    no_proxy == "*"
        || no_proxy
            .split(',')
            .map(|entry| entry.trim().trim_start_matches('.'))
            .filter(|domain| !domain.is_empty())
            .any(|domain| is_within(host, domain) || is_within(without_port, domain))
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl HttpConnector for Connectors {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(ProxyConnector { connector, name, .. }) = self.proxy_for(request.uri()) else {
            return self.direct.call(request);
        };
        let answer = connector.call(request);
        let proxy = name.clone();
        HttpConnectorFuture::new(async move {
            answer.await.map_err(|error| {
                // Timeouts become I/O errors too: the SDK retries both, but no `user` errors.
                let make = if error.is_user() { ConnectorError::user } else { ConnectorError::io };
                make(Box::new(ThroughProxy { proxy, source: error.into_source() }))
            })
        })
    }
}

/// The error of a request sent through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("through proxy {proxy}")]
struct ThroughProxy {
    proxy: String,
    source: BoxError,
}

/// Returns the proxy that the failed request was sent through, if any.
pub(super) fn proxy_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    find::<ThroughProxy>(error).map(|it| it.proxy.as_str())
}
