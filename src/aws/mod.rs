//! How AWS is reached and called: settings, credentials, clients, errors,
//! retries. Knows nothing of what the calls are for.

mod ca_bundle;
mod client;
mod clock;
mod config;
mod config_files;
mod connection;
mod credentials;
mod error;
mod hint;
mod iam_answers;
mod interceptor;
mod pace;
mod proxy;
mod refuser;
mod retry;
mod run;
mod store;
mod transient;
mod unreachable;

pub use client::Aws;
pub(crate) use client::{Call, Identity};
pub use config::LoadError;
pub use connection::Connection;
pub use error::AwsError;
pub(crate) use error::{Made, SdkResult, ServiceError};
pub(crate) use pace::Pace;
pub(crate) use refuser::Refuser;
pub(crate) use retry::{Patience, end_of_deleted_key, until_known, wait_until};
pub use run::Run;
pub(crate) use transient::{is_slow_down, is_transient};
