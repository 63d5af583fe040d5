//! Deleting the objects of a page, and what the store answers to that.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{ATTEMPTS, Emptying, FailedKey};
use crate::bucket;
use crate::error::{AwsError, is_passing, is_slow_down, one_line};
use crate::listing::Entry;
use crate::report::Interrupted;

impl Emptying {
    /// Starts to delete the entries of a page: in a batch, but for keys that
    /// XML can't carry, which go one at a time.
    pub(super) fn spawn_deletes(
        self: &Arc<Self>,
        entries: Vec<Entry>,
        deletes: &mut JoinSet<Result<Vec<FailedKey>>>,
    ) {
        let (batch, single): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| fits_xml(entry.key.as_str()));
        if !batch.is_empty() {
            let emptying = self.clone();
            deletes.spawn(async move { emptying.delete_batch(batch).await });
        }
        if !single.is_empty() {
            let emptying = self.clone();
            deletes.spawn(async move { emptying.delete_each(single).await });
        }
    }

    async fn delete_batch(&self, entries: Vec<Entry>) -> Result<Vec<FailedKey>> {
        match self.delete(entries.clone(), Request::Batch).await {
            Err(error) if refuses_batches(&error) => self.delete_each(entries).await,
            result => Ok(result?),
        }
    }

    async fn delete_each(&self, entries: Vec<Entry>) -> Result<Vec<FailedKey>> {
        let mut failed = Vec::new();
        for entry in entries {
            Interrupted::check(&self.cancel)?;
            failed.extend(self.delete(vec![entry], Request::Single).await?);
        }
        Ok(failed)
    }

    /// Deletes entries with one request, and once more those that a store in
    /// trouble didn't; returns the ones that can't be deleted.
    async fn delete(
        &self,
        mut entries: Vec<Entry>,
        request: Request,
    ) -> Result<Vec<FailedKey>, AwsError> {
        let mut failed = Vec::new();
        for attempt in 1.. {
            self.pace.admit(entries.len()).await;
            let sent = Instant::now();
            let may_retry = attempt < ATTEMPTS && !self.cancel.is_cancelled();
            let slow_down = match self.send(&entries, request).await {
                Ok(errors) => {
                    entries = self.settle(entries, &errors, may_retry, &mut failed);
                    errors.iter().any(|error| is_slow_down(&error.failed.code))
                }
                Err(error) if error.is_passing() && may_retry => {
                    error.code().is_some_and(is_slow_down)
                }
                Err(error) => return Err(error),
            };
            if entries.is_empty() {
                break;
            }
            match slow_down {
                true => self.pace.slow_down(entries.len(), sent),
                false => tokio::time::sleep(backoff(attempt)).await,
            }
        }
        Ok(failed)
    }

    /// Sorts the entries of an answered request: those without an error are
    /// counted, those to send again returned, and the others are `failed`.
    fn settle(
        &self,
        entries: Vec<Entry>,
        errors: &[KeyError],
        may_retry: bool,
        failed: &mut Vec<FailedKey>,
    ) -> Vec<Entry> {
        let mut again = Vec::new();
        for entry in entries {
            match errors.iter().find(|error| error.is_of(&entry)) {
                None => self.progress.count(entry.kind),
                Some(error) if may_retry && is_passing(&error.failed.code) => again.push(entry),
                Some(error) => failed.push(error.failed.clone()),
            }
        }
        again
    }

    async fn send(&self, entries: &[Entry], request: Request) -> Result<Vec<KeyError>, AwsError> {
        match request {
            Request::Batch => self.delete_objects(entries).await,
            Request::Single => self.delete_object(&entries[0]).await,
        }
    }

    async fn delete_objects(&self, entries: &[Entry]) -> Result<Vec<KeyError>, AwsError> {
        let identifiers = entries.iter().map(|entry| {
            let identifier = ObjectIdentifier::builder().key(entry.key.as_str());
            let identifier = identifier.set_version_id(entry.version.clone()).build();
            identifier.expect("the key is given")
        });
        let batch = Delete::builder()
            .set_objects(Some(identifiers.collect()))
            .quiet(true)
            .build();
        let delete = self
            .once
            .s3
            .delete_objects()
            .bucket(self.target.bucket.as_str())
            .delete(batch.expect("the objects are given"));
        let answer = self.once.call("DeleteObjects", delete.send()).await?;
        let errors = answer.errors.unwrap_or_default().into_iter();
        Ok(errors
            .map(KeyError::from)
            .filter(KeyError::is_failure)
            .collect())
    }

    async fn delete_object(&self, entry: &Entry) -> Result<Vec<KeyError>, AwsError> {
        let (bucket, version) = (&self.target.bucket, entry.version.clone());
        match bucket::delete_object(&self.once, bucket, entry.key.as_str(), version).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) if error.is("AccessDenied") || error.is("InvalidObjectState") => {
                Ok(vec![KeyError::of(entry, &error)])
            }
            Err(error) => Err(error),
        }
    }
}

/// How entries are deleted: all in one request, or just one.
#[derive(Debug, Clone, Copy)]
enum Request {
    Batch,
    Single,
}

/// The error S3 answered for one entry.
#[derive(Debug)]
struct KeyError {
    failed: FailedKey,
    version: Option<String>,
}

impl From<aws_sdk_s3::types::Error> for KeyError {
    fn from(error: aws_sdk_s3::types::Error) -> Self {
        Self {
            failed: FailedKey {
                key: error.key.unwrap_or_default(),
                code: error.code.unwrap_or_default(),
                message: one_line(&error.message.unwrap_or_default()),
            },
            version: error.version_id,
        }
    }
}

impl KeyError {
    fn of(entry: &Entry, error: &AwsError) -> Self {
        Self {
            failed: FailedKey {
                key: entry.key.as_str().to_owned(),
                code: error.code().unwrap_or_default().to_owned(),
                message: error.message().to_owned(),
            },
            version: entry.version.clone(),
        }
    }

    /// What is gone already counts as deleted.
    fn is_failure(&self) -> bool {
        !matches!(self.failed.code.as_str(), "NoSuchKey" | "NoSuchVersion")
    }

    fn is_of(&self, entry: &Entry) -> bool {
        let same_version = self.version.is_none() || self.version == entry.version;
        self.failed.key == entry.key.as_str() && same_version
    }
}

/// Whether a store doesn't take batches as the SDK sends them: it doesn't know
/// them, or wants Content-MD5, or can't read a key in XML.
fn refuses_batches(error: &AwsError) -> bool {
    error.is_unsupported()
        || ["MissingContentMD5", "InvalidRequest", "MalformedXML"]
            .iter()
            .any(|code| error.is(code))
}

/// Whether XML 1.0 can carry the key; a batch with one that it can't fails whole.
fn fits_xml(key: &str) -> bool {
    key.chars().all(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    })
}

/// The pause after a failed attempt: 0.2 s, doubling to at most 5 s.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(100 * (1 << attempt.min(6))).min(Duration::from_secs(5))
}
