//! Servers that can't be reached: nobody listens there, no such host, or a
//! certificate that nobody vouches for.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_iam::config::interceptors::InterceptorContext;
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};

/// Doesn't try again where the first answer of a run is still to come and the
/// server can't be reached: more likely a wrong setting than one that comes back
/// in a moment. Once a server has answered, the run is patient. A certificate
/// that isn't trusted, or a server without TLS, is so the next time too.
#[derive(Debug, Clone, Default)]
pub(super) struct GiveUpUnreached {
    has_answered: Arc<AtomicBool>,
}

impl ClassifyRetry for GiveUpUnreached {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.response().is_some() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        let failed = context.output_or_error().and_then(Result::err);
        let Some(error) = failed.and_then(|error| error.as_connector_error()) else {
            return RetryAction::NoActionIndicated;
        };
        let is_patient = self.has_answered.load(Ordering::Relaxed);
        if tls_error(error).is_some_and(stays) || !is_patient && is_unreached(error) {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "give up unreached"
    }
}

/// Whether nobody listens there, or no host has that name.
fn is_unreached(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        let is_refused = io.is_some_and(|it| it.kind() == io::ErrorKind::ConnectionRefused);
        // The standard library has no kind for it.
        is_refused || cause.to_string().starts_with("failed to lookup address")
    })
}

/// What is wrong with TLS or the server's certificate, where that is why nothing
/// was sent.
pub(super) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether it is so the next time too.
fn stays(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_))
}

/// The chain of causes with those within errors of I/O, which name as their source
/// that of what is within.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        let io = cause.downcast_ref::<io::Error>();
        match io.and_then(io::Error::get_ref) {
            Some(within) => Some(within),
            None => cause.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::interceptors::context::{Error, Input};
    use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use rustls::CertificateError;

    use super::*;

    /// What comes of an attempt that ends with this error of the connection.
    fn classified(by: &GiveUpUnreached, error: io::Error) -> RetryAction {
        let mut context = InterceptorContext::new(Input::erase(()));
        let error = ConnectorError::io(error.into());
        let error: OrchestratorError<Error> = OrchestratorError::connector(error);
        context.set_output_or_error(Err(error));
        by.classify_retry(&context)
    }

    fn answer(to: &GiveUpUnreached) {
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
        let give_up = GiveUpUnreached::default();
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
        let give_up = GiveUpUnreached::default();
        answer(&give_up);
        assert_eq!(classified(&give_up, untrusted()), RetryAction::RetryForbidden);
    }
}
