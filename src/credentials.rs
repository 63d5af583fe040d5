//! The credentials that calls are made with, and what is known of them without
//! asking their provider again, which may ask a person.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

use crate::error::innermost;

/// A provider that answers one caller after the other, and remembers what it
/// answered.
///
/// Each caller is told why its settings can't be used: the SDK's own provider
/// tells it to the first only, and to the others that it is "already taken".
#[derive(Debug)]
pub(crate) struct Remembering {
    provider: SharedCredentialsProvider,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The ID of the access key last provided.
    key_id: Option<String>,
    /// The last reason for there being none, and whether it was that nobody has any.
    failure: Option<(String, bool)>,
}

impl Remembering {
    pub fn of(provider: SharedCredentialsProvider) -> Arc<Self> {
        Arc::new(Self {
            provider,
            memory: Mutex::default(),
        })
    }

    /// The ID of the access key that calls are made with; none before the first.
    pub async fn key_id(&self) -> Option<String> {
        self.memory.lock().await.key_id.clone()
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut memory = self.memory.lock().await;
        let error = match self.provider.provide_credentials().await {
            Err(error) => error,
            Ok(credentials) => {
                memory.key_id = Some(credentials.access_key_id().to_owned());
                return Ok(credentials);
            }
        };
        let reason = innermost(&error);
        if !reason.ends_with("already taken") {
            let is_missing = matches!(error, CredentialsError::CredentialsNotLoaded(_));
            memory.failure = Some((reason, is_missing));
            return Err(error);
        }
        Err(match memory.failure.clone() {
            Some((reason, true)) => CredentialsError::not_loaded(reason),
            Some((reason, false)) => CredentialsError::invalid_configuration(reason),
            None => error,
        })
    }
}

impl ProvideCredentials for Remembering {
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
