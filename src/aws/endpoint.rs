//! Where a service is reached: at AWS, or at another store.

use std::fmt;

use url::Url;

use crate::access::is_host_of_aws;

/// The endpoint of a service.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// `None` for the one that the SDK finds by the region.
    url: Option<String>,
    is_aws: bool,
}

impl Endpoint {
    /// The endpoint at this URL, or AWS's own if none is given.
    ///
    /// The host alone shows if it is AWS: it may be AWS's own name, such as
    /// that of a VPC endpoint. Behind any other name nothing is guessed.
    pub fn new(url: Option<String>) -> Self {
        let is_aws = url.as_deref().is_none_or(|url| {
            let url = Url::parse(url).ok();
            url.is_some_and(|url| url.host_str().is_some_and(is_host_of_aws))
        });
        Self { url, is_aws }
    }

    /// True if AWS itself answers there.
    pub fn is_aws(&self) -> bool {
        self.is_aws
    }

    /// The URL, if one was given.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new(None)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url().unwrap_or("AWS"))
    }
}
