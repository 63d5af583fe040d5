//! A new access key: the steps that create and rotate share, from creating it
//! to handing it over.

use std::cell::{OnceCell, RefCell};

use anyhow::{Context, Result, bail};

use super::undo::Undo;
use crate::access::{AccessKey, Grant};
use crate::aws::{AwsError, Made, Patience, Run, until_known};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::handover::{self, ClientSettings, Delivery, HandedOver, Handover, Verified};
use crate::iam;
use crate::removal::{Leftover, Removal};
use crate::step::Step;

/// A new key on its way to the person.
pub(super) struct NewKey<'a> {
    run: &'a Run,
    undo: &'a Undo,
    /// The keys that an existing user had before; none if the run makes the
    /// user, and so every key is its own.
    before: Option<&'a [String]>,
    /// What the user may do, where that must be known.
    grant: Option<&'a Grant>,
    /// The steps of the handover.
    steps: Vec<Step>,
    /// How long to wait until AWS knows the key.
    patience: Patience,
    delivery: RefCell<Delivery>,
    key: OnceCell<AccessKey>,
}

impl<'a> NewKey<'a> {
    /// Makes room for the key's files. The key itself is not created yet.
    pub fn reserve(
        run: &'a Run,
        undo: &'a Undo,
        handover: &Handover,
        before: Option<&'a [String]>,
        grant: Option<&'a Grant>,
    ) -> Result<Self> {
        Ok(Self {
            run,
            undo,
            before,
            grant,
            steps: handover.steps(&run.target, grant),
            patience: handover.patience.clone(),
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
                self.undo.push(made, Removal::AccessKey(id));
            }
            (Err(_), Made::No) => {}
            (Err(_), _) => self.push_unclear().await,
        }
        // It is created once.
        let _ = self.key.set(created?);
        let user = self.run.target.user.to_string();
        self.run.done(&Step::CreateAccessKey(user));
        Ok(())
    }

    /// Notes the keys that may have come of a call whose answer is lost. On a
    /// user that the run makes they are its own, and undone; on another, they
    /// may be another run's, and are named.
    async fn push_unclear(&self) {
        let run = self.undo.run();
        let before = self.before.unwrap_or_default();
        let list = async || {
            let keys = iam::access_keys(run).await?.into_iter();
            let new: Vec<_> = keys.filter(|key| !before.contains(&key.id)).collect();
            Ok(Some(new).filter(|new| !new.is_empty()))
        };
        let found = until_known(&run.cancel, list).await.unwrap_or_default();
        for key in found.iter().flatten() {
            if self.before.is_none() {
                let delete = Removal::AccessKey(key.id.clone());
                self.undo.push(Made::Maybe, delete);
            } else {
                self.undo.leave([key.unclear()]);
            }
        }
        // With two keys, or without the user, no other can appear.
        let is_full = found.is_some() && !before.is_empty();
        if !is_full && self.before.is_some() {
            self.undo.leave([Leftover::LateKey]);
        }
    }

    /// Makes sure that the key works, before old ones go: `--verify` has tested it, or
    /// STS knows it, which is waited for. Fails where STS doesn't know it in time, as
    /// with a secret that came cut, and where STS doesn't say; a store may have no STS.
    pub async fn check_works(&self) -> Result<()> {
        let is_verify = |step: &Step| matches!(step, Step::Verify { .. });
        if self.steps.iter().any(is_verify) {
            return Ok(());
        }
        let (run, key) = (self.run, self.key()?);
        run.go_on()?;
        let mut patience = self.patience.clone();
        let tested =
            patience.retry_errors(&run.cancel, AwsError::is_about_credentials, async || match run
                .aws
                .knows(key)
                .await
            {
                Some(Err(error)) if !run.aws.store.says_it_lacks(&error) => Err(error),
                _ => Ok(()),
            });
        match tested.await {
            Ok(()) => Ok(()),
            Err(error) if error.is_about_credentials() => {
                run.go_on()?;
                bail!("the new key does not work: {}", error.answer())
            }
            Err(error) => Err(untested(run, &error).into()),
        }
    }

    /// Hands the key over: writes its file, tests it and writes the kit, as far as that was
    /// asked for. Returns what the admin should know besides, a line each.
    pub async fn deliver(&self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for step in &self.steps {
            self.run.go_on()?;
            let taken = self.take(step, &mut notes).await;
            self.run.done(&self.run.unless_interrupted(taken)?);
        }
        Ok(notes)
    }

    /// Takes one of the steps, and returns it as it was done.
    async fn take(&self, step: &Step, notes: &mut Vec<String>) -> Result<Step> {
        let (run, key) = (self.run, self.key()?);
        match (step, self.grant) {
            (Step::WriteKeyFile(_), _) => {
                self.delivery.borrow_mut().write_key_file(key, &run.target.user)?
            }
            (Step::WriteKit(_), Some(grant)) => {
                self.delivery.borrow_mut().write_kit(&ClientSettings {
                    key,
                    target: &run.target,
                    grant,
                    region: &run.aws.region,
                    endpoint: run.aws.store.s3_endpoint(),
                })?;
            }
            (Step::Verify { opens, .. }, Some(grant)) => {
                let mut left = Vec::new();
                let patience = self.patience.clone();
                let verified = handover::verify(run, grant, key, patience, &mut left).await;
                self.undo.leave(left);
                let Verified { untested, notes: more } = verified?;
                let is_all = more.is_empty();
                notes.extend(more);
                return Ok(Step::Verify { opens: opens.clone(), untested, is_all });
            }
            _ => bail!("{step} is no step of handing over a key"),
        }
        Ok(step.clone())
    }

    /// Keeps what was written: from here on the person has the key.
    pub fn finish(self) -> Result<HandedOver> {
        let key = self.key.into_inner().context("there is no key")?;
        self.delivery.into_inner().finish(&key, &self.run.target.user)
    }

    fn key(&self) -> Result<&AccessKey> {
        self.key.get().context("there is no key")
    }
}

/// That nobody knows whether the new key works.
fn untested(run: &Run, error: &AwsError) -> Hinted {
    let rotate = commands::create_s3_user(&run.target, "--rotate-key");
    Hinted::new(
        format!("the new key could not be tested, so the old one stays: {error}"),
        Hint::run(
            "to test the new key with requests to S3 instead, run",
            rotate.with(&["--verify"]),
        ),
    )
}
