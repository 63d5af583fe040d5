//! Credentials whose provider says every time why it can't be used.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

use crate::error::innermost;

/// A provider that answers one caller after the other, and tells each of them
/// why its settings can't be used: the SDK's own tells it to the first only, and
/// to the others that it is "already taken".
#[derive(Debug)]
pub(crate) struct SameFailure {
    provider: SharedCredentialsProvider,
    /// The last reason that was told, and whether it was that there are none.
    failure: Mutex<Option<(String, bool)>>,
}

impl SameFailure {
    pub fn of(provider: SharedCredentialsProvider) -> Self {
        Self {
            provider,
            failure: Mutex::default(),
        }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut failure = self.failure.lock().await;
        let error = match self.provider.provide_credentials().await {
            Err(error) => error,
            credentials => return credentials,
        };
        let reason = innermost(&error);
        let is_missing = matches!(error, CredentialsError::CredentialsNotLoaded(_));
        match &*failure {
            Some((reason, true)) if reason_is_gone(&error) => {
                Err(CredentialsError::not_loaded(reason.clone()))
            }
            Some((reason, false)) if reason_is_gone(&error) => {
                Err(CredentialsError::invalid_configuration(reason.clone()))
            }
            _ => {
                *failure = Some((reason, is_missing));
                Err(error)
            }
        }
    }
}

fn reason_is_gone(error: &CredentialsError) -> bool {
    innermost(error).ends_with("already taken")
}

impl ProvideCredentials for SameFailure {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}
