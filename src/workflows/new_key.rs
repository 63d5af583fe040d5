//! A new access key: the steps that create and rotate share, from creating it
//! to handing it over.

use std::cell::{OnceCell, RefCell};

use anyhow::{Context, Result};

use super::undo::Undo;
use crate::access::{AccessKey, Grant};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::handover::{self, Delivery, HandedOver, Handover, Settings};
use crate::iam;
use crate::step::Step;

/// A new key on its way to the person.
pub(super) struct NewKey<'a> {
    run: &'a Run,
    undo: &'a Undo,
    /// The keys that the user had before.
    before: &'a [String],
    /// What the user may do, where that must be known.
    grant: Option<&'a Grant>,
    delivery: RefCell<Delivery>,
    key: OnceCell<AccessKey>,
}

impl<'a> NewKey<'a> {
    /// Makes room for the key's files. The key itself is not created yet.
    pub fn reserve(
        run: &'a Run,
        undo: &'a Undo,
        handover: &Handover,
        before: &'a [String],
        grant: Option<&'a Grant>,
    ) -> Result<Self> {
        Ok(Self {
            run,
            undo,
            before,
            grant,
            delivery: RefCell::new(handover.reserve()?),
            key: OnceCell::new(),
        })
    }

    /// Creates the key.
    pub async fn create(&self) -> Result<()> {
        let created = iam::create_access_key(self.run).await;
        match (&created, Made::by(&created)) {
            (Ok(key), made) => {
                let id = key.id().to_owned();
                self.undo.push(made, Step::DeleteAccessKey(id));
            }
            (Err(_), Made::No) => {}
            (Err(_), made) => match self.unknown_keys().await {
                Ok(ids) => {
                    let deletes = ids.into_iter().map(Step::DeleteAccessKey);
                    deletes.for_each(|delete| self.undo.push(made, delete));
                }
                Err(_) => self.undo.leave([Step::DeleteUnknownKey]),
            },
        }
        // It is created once.
        let _ = self.key.set(created?);
        Ok(())
    }

    /// The keys that the user didn't have before: nobody has their secrets. It
    /// may take IAM a while to know of them.
    async fn unknown_keys(&self) -> Result<Vec<String>, AwsError> {
        let run = self.undo.run();
        let list = async || {
            let keys = iam::access_keys(run).await?.into_iter().map(|key| key.id);
            let new: Vec<_> = keys.filter(|id| !self.before.contains(id)).collect();
            Ok(Some(new).filter(|new| !new.is_empty()))
        };
        Ok(until_known(&run.cancel, list).await?.unwrap_or_default())
    }

    /// One of the steps of the handover.
    pub async fn take(&self, step: &Step) -> Result<()> {
        let (run, key) = (self.run, self.key()?);
        match (step, self.grant) {
            (Step::WriteKeyFile(_), _) => self
                .delivery
                .borrow_mut()
                .write_key_file(key, &run.target.user),
            (Step::WriteKit(_), Some(grant)) => self.delivery.borrow_mut().write_kit(&Settings {
                key,
                target: &run.target,
                grant,
                region: &run.aws.region,
                endpoint: run.aws.store.s3_endpoint(),
            }),
            (Step::Verify(_), Some(grant)) => {
                let mut left = Vec::new();
                let verified = handover::verify(run, grant, key, &mut left).await;
                self.undo.leave(left);
                verified
            }
            _ => Ok(()),
        }
    }

    /// Keeps what was written: from here on the person has the key.
    pub fn finish(self) -> Result<HandedOver> {
        let key = self.key.into_inner().context("there is no key")?;
        self.delivery
            .into_inner()
            .finish(&key, &self.run.target.user)
    }

    fn key(&self) -> Result<&AccessKey> {
        self.key.get().context("there is no key")
    }
}
