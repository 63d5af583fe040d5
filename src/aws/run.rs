//! What a run carries with it: its clients, its target and when to stop.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Aws, AwsError, Patience, SdkResult, ServiceError};
use crate::access::{Prefix, Target, UserName};
use crate::errors::Interrupted;
use crate::step::Step;

/// Work on one user: the clients, the target, when to stop, and whom to tell of each step.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Run {
    pub(crate) aws: Aws,
    pub(crate) target: Target,
    pub(crate) cancel: CancellationToken,
    /// True if the admin may change the user only because of its tags or path. IAM may take
    /// a moment to know those of a new user.
    is_allowed_by_tags: bool,
    on_step: Arc<dyn Fn(&Step) + Send + Sync>,
}

impl Run {
    /// Work that stops when `cancel` is cancelled. `on_step` is called with each step once
    /// it is done.
    pub fn new(
        aws: Aws,
        target: Target,
        cancel: CancellationToken,
        on_step: impl Fn(&Step) + Send + Sync + 'static,
    ) -> Self {
        let aws = aws.cancelled_by(cancel.clone());
        Self { aws, target, cancel, is_allowed_by_tags: false, on_step: Arc::new(on_step) }
    }

    /// Work on the same user, which the admin may change only because of its tags or path.
    pub(crate) fn allowed_by_tags(self) -> Self {
        Self { is_allowed_by_tags: true, ..self }
    }

    /// True if the call may be refused only because IAM doesn't know the user's tags yet.
    pub(crate) fn may_allow_later(&self, error: &AwsError) -> bool {
        self.is_allowed_by_tags && error.is_access_denied()
    }

    /// The user's name, in the form that API calls take.
    pub(crate) fn user(&self) -> &str {
        self.target.user.as_str()
    }

    /// The bucket's name, in the form that API calls take.
    pub(crate) fn bucket(&self) -> &str {
        self.target.bucket.as_str()
    }

    /// Work on the same user with other clients.
    pub(crate) fn with_aws(&self, aws: Aws) -> Self {
        Self { aws, ..self.clone() }
    }

    /// Work on another user of the bucket, whose folder is named after it as far as is known.
    pub(crate) fn for_user(&self, user: UserName) -> Self {
        let target = Target::new(self.target.bucket.clone(), user);
        Self { target, ..self.clone() }
    }

    /// Work on the same user, who has this folder.
    pub(crate) fn in_folder(&self, folder: Prefix) -> Self {
        Self { target: self.target.in_folder(folder), ..self.clone() }
    }

    /// Work that undoes what was done. No signal stops it.
    pub(crate) fn undoing(&self) -> Self {
        let aws = self.aws.clone().cancelled_by(CancellationToken::new());
        Self { aws, cancel: CancellationToken::new(), ..self.clone() }
    }

    /// Fails once the run is cancelled. Called before each step and each request that
    /// changes something.
    pub(crate) fn go_on(&self) -> Result<(), Interrupted> {
        if self.cancel.is_cancelled() {
            return Err(Interrupted);
        }
        Ok(())
    }

    /// Sends a change to IAM, and retries while another change to the same thing is in
    /// progress.
    pub(crate) async fn change<T, E: ServiceError, F: Future<Output = SdkResult<T, E>>>(
        &self,
        operation: &'static str,
        send: impl Fn() -> F,
    ) -> Result<T, AwsError> {
        let mut patience = Patience::SETTLING;
        patience
            .retry_errors(&self.cancel, AwsError::is_settling, async || {
                self.aws.call_iam(operation, async || send().await).await
            })
            .await
    }

    /// Sends a change to something just created, and retries while IAM may not know it, or
    /// its tags, yet.
    pub(crate) async fn change_new<T, E: ServiceError, F: Future<Output = SdkResult<T, E>>>(
        &self,
        operation: &'static str,
        send: impl Fn() -> F,
    ) -> Result<T, AwsError> {
        let mut until_known = Patience::NEW;
        let mut until_allowed = Patience::NEW;
        until_allowed
            .retry_errors(
                &self.cancel,
                |error| self.may_allow_later(error),
                async || {
                    until_known
                        .retry_errors(&self.cancel, AwsError::is_missing, async || {
                            self.change(operation, &send).await
                        })
                        .await
                },
            )
            .await
    }

    /// Returns the result of a call, but [`Interrupted`] instead of its error if the run was
    /// cancelled while the call waited for something.
    pub(crate) fn unless_interrupted<T, E>(&self, result: Result<T, E>) -> anyhow::Result<T>
    where
        anyhow::Error: From<E>,
    {
        result.map_err(|error| {
            let failed = anyhow::Error::from(error);
            let waited = failed
                .downcast_ref::<AwsError>()
                .is_some_and(|call| call.is_waited_for() || self.may_allow_later(call));
            match self.go_on() {
                Err(interrupted) if waited => interrupted.into(),
                _ => failed,
            }
        })
    }

    /// Reports a step that is done.
    pub(crate) fn done(&self, step: &Step) {
        (self.on_step)(step);
    }
}
