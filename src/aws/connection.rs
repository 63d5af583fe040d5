//! How AWS is reached: the options under "Connection".

use url::Url;

use crate::access::ValueError;

/// The way to AWS; what isn't given comes from the environment and the
/// shared config files, as for the AWS CLI.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Connection"))]
pub struct Connection {
    /// Profile of the AWS config files to use [default: AWS_PROFILE]
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "PROFILE"),
        arg(value_parser = clap::builder::NonEmptyStringValueParser::new())
    )]
    pub profile: Option<String>,
    /// Region to start from; the bucket's region is detected
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "REGION", value_parser = region)
    )]
    pub region: Option<String>,
    /// Another store with AWS's IAM and S3 APIs [default: AWS_ENDPOINT_URL]
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "URL", value_parser = http_url)
    )]
    pub endpoint_url: Option<String>,
    /// Seconds to wait for a response before retrying, 1 to 3600 [default: 60]
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))
    )]
    pub timeout: Option<u16>,
}

/// The code of a region, or of one to come.
pub(crate) fn region(name: &str) -> Result<String, ValueError> {
    if !(1..=63).contains(&name.len())
        || name.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-')
    {
        return Err(ValueError::new("give the region's code, such as eu-central-1"));
    }
    Ok(name.to_owned())
}

/// The URL of a store. Without a password, which would be shown in messages.
pub(crate) fn http_url(text: &str) -> Result<String, ValueError> {
    let wrong = match Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => {
            let is_plain = url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none();
            if is_plain && !text.contains(char::is_whitespace) {
                return Ok(text.to_owned());
            }
            "an endpoint is https:// or http:// and a host, without spaces, user, password, ? and #"
        }
        _ => "an endpoint starts with https:// or http://",
    };
    Err(ValueError::new(wrong))
}
