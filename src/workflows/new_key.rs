//! A new access key, as create and rotate make one: created, handed over, tested.

use anyhow::{Result, bail, ensure};

use super::undo::Undo;
use crate::access::{AccessKey, Grant};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::handover::{self, ClientSettings, Delivery, Handover, access_in_words};
use crate::iam::{self, KeyInfo};
use crate::removal::{Leftover, Removal};
use crate::step::Step;

/// Creates an access key. `before` are the keys that an existing user has; none if the
/// run makes the user, whose keys are all its own.
pub(super) async fn create_access_key(
    run: &Run,
    undo: &Undo,
    before: Option<&[KeyInfo]>,
) -> Result<AccessKey> {
    let created = iam::create_access_key(run).await;
    match (&created, Made::by(&created)) {
        (Ok(key), made) => undo.push(made, Removal::AccessKey(key.id().to_owned())),
        (Err(_), Made::No) => {}
        (Err(_), _) => note_unclear_keys(undo, before).await,
    }
    let key = created?;
    run.done(&Step::CreateAccessKey(run.target.user.to_string()));
    Ok(key)
}

/// Notes the keys that may have come of a call whose answer is lost. On a user that the
/// run makes they are its own, and undone; on another, they may be another run's, and
/// are named.
async fn note_unclear_keys(undo: &Undo, before: Option<&[KeyInfo]>) {
    let found = until_known(&undo.run().cancel, async || {
        let mut keys = iam::access_keys(undo.run()).await?;
        keys.retain(|key| before.unwrap_or_default().iter().all(|old| old.id != key.id));
        Ok(Some(keys).filter(|keys| !keys.is_empty()))
    });
    let new_keys = found.await.unwrap_or_default().unwrap_or_default();
    let Some(before) = before else {
        for key in new_keys {
            undo.push(Made::Maybe, Removal::AccessKey(key.id));
        }
        return;
    };
    undo.leave(new_keys.iter().map(KeyInfo::unclear));
    // With two keys no other can appear.
    if new_keys.is_empty() || before.is_empty() {
        undo.leave([Leftover::LateKey]);
    }
}

/// Hands the key over: writes its file, tests it and writes the kit, as far as that was
/// asked for. Returns what the admin should know besides, a line each.
///
/// A test and a kit need the grant.
pub(super) async fn deliver(
    run: &Run,
    undo: &Undo,
    delivery: &mut Delivery,
    key: &AccessKey,
    grant: Option<&Grant>,
) -> Result<Vec<String>> {
    run.go_on()?;
    if let Some(step) = delivery.write_key_file(key, &run.target.user)? {
        run.done(&step);
    }
    let Some(grant) = grant else {
        // A test that was asked for is never left out.
        ensure!(!delivery.handover.needs_grant(), "it is not known what the key gives access to");
        return Ok(Vec::new());
    };
    let mut notes = Vec::new();
    if delivery.handover.verify {
        run.go_on()?;
        notes = verify(run, undo, &delivery.handover, key, grant).await?;
    }
    run.go_on()?;
    let settings = ClientSettings {
        key,
        target: &run.target,
        grant,
        region: &run.aws.region,
        endpoint: run.aws.store.s3_endpoint(),
    };
    if let Some(step) = delivery.write_kit(&settings)? {
        run.done(&step);
        if grant.access.rights().list {
            notes.extend(settings.notes()?);
        }
    }
    Ok(notes)
}

/// Tests the key. Returns notes on more that the store allows.
async fn verify(
    run: &Run,
    undo: &Undo,
    handover: &Handover,
    key: &AccessKey,
    grant: &Grant,
) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let tested = handover::verify(run, grant, key, handover.patience.clone(), &mut left).await;
    undo.leave(left);
    let verified = run.unless_interrupted(tested)?;
    run.done(&Step::Verify {
        opens: access_in_words(&run.target, grant),
        untested: verified.untested,
        is_all: verified.notes.is_empty(),
    });
    Ok(verified.notes)
}

/// Makes sure that the key works, before old ones go: `--verify` has tested it, or
/// STS knows it, which is waited for. Fails where STS doesn't know it in time, as
/// with a secret that came cut, and where STS doesn't say; a store may have no STS.
pub(super) async fn check_works(run: &Run, handover: &Handover, key: &AccessKey) -> Result<()> {
    if handover.verify {
        return Ok(());
    }
    run.go_on()?;
    let mut patience = handover.patience.clone();
    let tested = patience.retry_errors(&run.cancel, AwsError::is_about_credentials, async || {
        match run.aws.knows(key).await {
            Some(Err(error)) if !run.aws.store.says_it_lacks(&error) => Err(error),
            _ => Ok(()),
        }
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

/// The error that it is not known whether the new key works.
fn untested(run: &Run, error: &AwsError) -> Hinted {
    let message = format!("the new key could not be tested, so the old one stays: {error}");
    let with_verify = commands::create_s3_user(&run.target, "--rotate-key").with(&["--verify"]);
    Hinted::new(
        message,
        Hint::run("to test the new key with requests to S3 instead, run", with_verify),
    )
}
