//! Other access that comes with a new key: changed before the key is made, and changed back
//! if none is handed over.

use crate::access::{Grant, GrantChange};
use crate::aws::Run;
use crate::errors::caught;
use crate::workflows::error::Error;
use crate::workflows::outcome::{Failed, State};
use crate::workflows::plan::Plan;
use crate::workflows::update::{self, Update};

/// A change of the user's access.
pub(super) struct Renewal(Plan<Update>);

impl Renewal {
    /// Plans the change; none if `access` names nothing.
    pub async fn plan(run: &Run, access: &GrantChange) -> Result<Option<Self>, Error> {
        if *access == GrantChange::default() {
            return Ok(None);
        }
        Ok(Some(Self(update::plan(run, &access.clone().into()).await?)))
    }

    /// The plan, for its steps and notes.
    pub fn update(&self) -> &Plan<Update> {
        &self.0
    }

    /// The access that the user has then.
    pub fn grant(&self) -> &Grant {
        &self.0.work.grant
    }

    /// Changes the access, or leaves it as it was.
    pub async fn apply(&self) -> Result<(), Failed> {
        match update::apply(&self.0).await {
            Ok(_) => Ok(()),
            Err(failed) => Err(self.after(failed).await),
        }
    }

    /// Changes the access back after a failure to replace the key, unless the person has the
    /// new one. No signal stops it.
    pub async fn after(&self, failed: Failed) -> Failed {
        let Plan { run, preview, .. } = &self.0;
        let Failed { error, state } = failed;
        if preview.steps.is_empty() || matches!(state, State::HandedOver { .. }) {
            return Failed { error, state };
        }
        match caught(update::change_back(&self.0)).await {
            Ok(()) if matches!(state, State::NothingLeft) => Failed { error, state: State::Undone },
            Ok(()) => Failed { error, state },
            Err(stays) => {
                let error = error.context(format!(
                    "the access of user {} stays changed ({}), since changing it back failed: \
                     {stays:#}",
                    run.target.user,
                    preview.changes.join("; ")
                ));
                Failed { error, state }
            }
        }
    }
}
