//! Servers that can't be reached or that answer nonsense: why, and when the SDK is not to
//! try them again.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_iam::config::interceptors::InterceptorContext;
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::error::SdkError;
use http_body_util::LengthLimitError;
use rustls::CertificateError;
use rustls::Error::{InvalidCertificate, InvalidMessage};

use super::error::{causes, find, innermost};
use super::hint::CHECK_PROXY;
use super::proxy::proxy_of;
use super::store::Endpoint;

/// Doesn't try again where the first answer of a run is still to come and the server
/// can't be reached: that is more likely a wrong setting than a server that comes back
/// in a moment. Once a server has answered, the run is patient. A certificate that isn't
/// trusted, a server without TLS and an answer that is too large stay so.
#[derive(Debug, Clone, Default)]
pub(super) struct GiveUp {
    has_answered: Arc<AtomicBool>,
}

impl ClassifyRetry for GiveUp {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.response().is_some() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let is_first = !self.has_answered.load(Ordering::Relaxed);
        let is_vain = is_too_large(error)
            || error.as_connector_error().is_some_and(|error| {
                let is_tls = matches!(find(error), Some(InvalidCertificate(_) | InvalidMessage(_)));
                is_tls || is_first && is_unreached(error)
            });
        if is_vain { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "give up"
    }
}

/// Tries no more after HTTP 500 without a code, as some stores answer calls
/// that they don't know; AWS has a code even then.
#[derive(Debug)]
pub(super) struct GiveUpAfterCrash;

impl ClassifyRetry for GiveUpAfterCrash {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_crash = context.response().is_some_and(|response| {
            let answer = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
            let has_code = answer.split("<Code>").nth(1).is_some_and(|code| !code.starts_with('<'));
            response.status().as_u16() == 500 && !has_code
        });
        if is_crash { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "give up after a crash"
    }
}

/// True if nobody listens there, or no host has that name.
fn is_unreached(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref().map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused)
            // The standard library has no kind for it.
            || cause.to_string().starts_with("failed to lookup address")
    })
}

/// True if the answer has more bytes than are read of one.
pub(super) fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    find::<LengthLimitError>(error).is_some()
}

const CHECK_NETWORK: &str =
    "check the network and the endpoint; to wait longer for a response, use --timeout";
const TRUST_AUTHORITY: &str =
    "set AWS_CA_BUNDLE to a file with the certificate authority of your proxy or store";
const OWN_CERTIFICATE: &str = "give the server a certificate of its own, signed by that authority, and set \
                               AWS_CA_BUNDLE to a file with the authority";
const PLAIN_HTTP: &str = "if the server is to be used without TLS, write its address as http://...";

/// Returns why no answer came from there, and a hint if something is known to help.
pub(super) fn no_answer<E, R>(
    error: &SdkError<E, R>,
    endpoint: &Endpoint,
) -> (String, Option<&'static str>)
where
    E: Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let is_timeout = matches!(error, SdkError::TimeoutError(_));
    let last = innermost(error);
    let (cause, hint) = match find::<rustls::Error>(error) {
        _ if is_timeout => ("no response in time", None),
        Some(InvalidCertificate(CertificateError::UnknownIssuer)) => {
            ("the server's certificate is not trusted", Some(TRUST_AUTHORITY))
        }
        // What a plain self-signed one is.
        Some(InvalidCertificate(wrong)) if format!("{wrong:?}").contains("CaUsedAsEndEntity") => (
            "the server's certificate is one of a certificate authority, which can't be a server's",
            Some(OWN_CERTIFICATE),
        ),
        Some(InvalidMessage(_)) => ("the server does not speak TLS", Some(PLAIN_HTTP)),
        _ => (last.as_str(), None),
    };
    match proxy_of(error) {
        Some(proxy) => (
            format!("can't reach {endpoint} through proxy {proxy}: {cause}"),
            hint.or(Some(CHECK_PROXY)),
        ),
        None => (
            format!("can't reach {endpoint}: {cause}"),
            hint.or(is_timeout.then_some(CHECK_NETWORK)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::interceptors::context::{Error, Input};
    use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// What comes of an attempt that ends with this error of the connection.
    fn classified(by: &GiveUp, error: io::Error) -> RetryAction {
        let mut context = InterceptorContext::new(Input::erase(()));
        let error = ConnectorError::io(error.into());
        let error: OrchestratorError<Error> = OrchestratorError::connector(error);
        context.set_output_or_error(Err(error));
        by.classify_retry(&context)
    }

    fn answer(to: &GiveUp) {
        let mut context = InterceptorContext::new(Input::erase(()));
        context.set_response(HttpResponse::new(503.try_into().unwrap(), SdkBody::empty()));
        to.classify_retry(&context);
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    fn untrusted() -> io::Error {
        let wrong = rustls::Error::from(CertificateError::UnknownIssuer);
        io::Error::other(io::Error::other(wrong))
    }

    #[test]
    fn nobody_is_waited_for_until_somebody_has_answered() {
        let give_up = GiveUp::default();
        let of_another_client = give_up.clone();
        assert_eq!(classified(&give_up, refused()), RetryAction::RetryForbidden);
        let no_such_host = "failed to lookup address information: Name or service not known";
        let no_such_host = io::Error::other(no_such_host);
        assert_eq!(classified(&give_up, no_such_host), RetryAction::RetryForbidden);
        let reset = || io::ErrorKind::ConnectionReset.into();
        assert_eq!(classified(&give_up, reset()), RetryAction::NoActionIndicated);
        answer(&of_another_client);
        assert_eq!(classified(&give_up, refused()), RetryAction::NoActionIndicated);
    }

    #[test]
    fn certificate_is_never_trusted_later() {
        let give_up = GiveUp::default();
        answer(&give_up);
        assert_eq!(classified(&give_up, untrusted()), RetryAction::RetryForbidden);
    }
}
