//! Deleting the objects of a page, and what the store answers to that.

use anyhow::Result;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use tokio::time::Instant;

use super::{Emptying, FailedKey};
use crate::aws::{AwsError, Patience, is_slow_down, is_transient};
use crate::errors::{Interrupted, one_line};
use crate::s3::listing::Entry;
use crate::s3::object::delete_object;

impl Emptying {
    /// Deletes entries with one request, except keys that XML can't carry, which
    /// go one at a time.
    pub(super) async fn delete_entries(&self, entries: Vec<Entry>) -> Result<Vec<FailedKey>> {
        let (batch, single): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| fits_xml(entry.key.as_str()));
        let mut failed = Vec::new();
        if !batch.is_empty() {
            failed.extend(self.delete_batch(batch).await?);
        }
        failed.extend(self.delete_each(single).await?);
        Ok(failed)
    }

    async fn delete_batch(&self, entries: Vec<Entry>) -> Result<Vec<FailedKey>> {
        let refuses_batches = |error: &anyhow::Error| {
            let error = error.downcast_ref();
            error.is_some_and(|error| self.run.aws.store.refuses_batches(error))
        };
        match self.delete(entries.clone(), Request::Batch).await {
            Err(error) if refuses_batches(&error) => self.delete_each(entries).await,
            result => result,
        }
    }

    async fn delete_each(&self, entries: Vec<Entry>) -> Result<Vec<FailedKey>> {
        let mut failed = Vec::new();
        for entry in entries {
            self.run.go_on()?;
            failed.extend(self.delete(vec![entry], Request::Single).await?);
        }
        Ok(failed)
    }

    /// Deletes entries with one request, and again those that a store in
    /// trouble didn't delete; returns the ones that can't be deleted.
    async fn delete(&self, entries: Vec<Entry>, request: Request) -> Result<Vec<FailedKey>> {
        let cancel = &self.run.cancel;
        let mut patience = Patience::DELETE;
        let mut batch = Batch { entries, failed: Vec::new() };
        loop {
            let turn = self.pace.admit(batch.entries.len());
            let turn = cancel.run_until_cancelled(turn).await;
            turn.ok_or(Interrupted)?;
            let sent = Instant::now();
            let answer = self.send(&batch.entries, request).await;
            let slows_down = slows_down(&answer);
            let not_deleted = match answer {
                Ok(errors) => Ok(self.sort_out(&mut batch, &errors)),
                Err(error) if error.is_passing() => Err(error),
                Err(error) => return Err(error.into()),
            };
            if batch.entries.is_empty() {
                return Ok(batch.failed);
            }
            let tries_again = if slows_down {
                self.pace.slow_down(batch.entries.len(), sent);
                patience.spend(cancel)
            } else {
                patience.wait(cancel).await
            };
            if !tries_again {
                batch.failed.extend(not_deleted?);
                return Ok(batch.failed);
            }
        }
    }

    /// Counts the entries that were deleted, keeps those to send again, whose
    /// errors it returns, and notes the others as failed; so too an error that is of
    /// nothing that was sent, since something was not deleted.
    fn sort_out(&self, batch: &mut Batch, errors: &[KeyError]) -> Vec<FailedKey> {
        let mut passing = Vec::new();
        let is_strange = |error: &&KeyError| !batch.entries.iter().any(|entry| error.is_of(entry));
        let strange = errors.iter().filter(is_strange);
        let strange: Vec<_> = strange.map(|error| error.failed.clone()).collect();
        batch.failed.extend(strange);
        for entry in std::mem::take(&mut batch.entries) {
            match errors.iter().find(|error| error.is_of(&entry)) {
                None => self.progress.count(&entry),
                Some(error) if is_transient(&error.failed.code) => {
                    passing.push(error.failed.clone());
                    batch.entries.push(entry);
                }
                Some(error) => batch.failed.push(error.failed.clone()),
            }
        }
        passing
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
        let batch = Delete::builder().set_objects(Some(identifiers.collect())).quiet(true).build();
        let delete = self
            .once
            .aws
            .s3
            .delete_objects()
            .bucket(self.run.bucket())
            .delete(batch.expect("the objects are given"));
        let store = self.run.aws.store.clone();
        let delete = delete.customize();
        let delete = delete.mutate_request(move |request| store.fit_checksum(request));
        let answer = self.once.aws.call("DeleteObjects", delete.send()).await?;
        let errors = answer.errors.unwrap_or_default().into_iter();
        Ok(errors.map(KeyError::from).filter(KeyError::is_failure).collect())
    }

    async fn delete_object(&self, entry: &Entry) -> Result<Vec<KeyError>, AwsError> {
        let version = entry.version.clone();
        match delete_object(&self.once, entry.key.as_str(), version).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) if error.is_about_object() => Ok(vec![KeyError::of(entry, &error)]),
            Err(error) => Err(error),
        }
    }
}

/// Whether the store asks for fewer requests, for the whole or for a key.
fn slows_down(answer: &Result<Vec<KeyError>, AwsError>) -> bool {
    match answer {
        Ok(errors) => errors.iter().any(|error| is_slow_down(&error.failed.code)),
        Err(error) => error.code().is_some_and(is_slow_down),
    }
}

/// What is left of a page to delete.
struct Batch {
    entries: Vec<Entry>,
    /// What can't be deleted.
    failed: Vec<FailedKey>,
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
            // Ceph has the element for objects without a version, too.
            version: error.version_id.filter(|version| !version.is_empty()),
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
        let same_version =
            self.version.is_none() || entry.version.is_none() || self.version == entry.version;
        self.failed.key == entry.key.as_str() && same_version
    }
}

/// Whether XML 1.0 can carry the key; a batch with one that it can't fails whole.
fn fits_xml(key: &str) -> bool {
    key.chars().all(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use tokio::time::sleep;
    use tokio_util::sync::CancellationToken;

    use super::super::{Progress, empty};
    use super::*;
    use crate::access::Target;
    use crate::aws::{Aws, Run};
    use crate::s3::listing::{Depth, Kind, OwnKey, PAGE, Page};

    const CONCURRENCY: usize = 16;

    /// A store that says SlowDown to every batch.
    #[derive(Debug, Default)]
    struct Overloaded {
        batches: AtomicUsize,
    }

    impl Overloaded {
        fn batches(&self) -> usize {
            self.batches.load(Ordering::Relaxed)
        }
    }

    #[derive(Debug)]
    struct Connector(Arc<Overloaded>);

    impl HttpConnector for Connector {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let no_uploads = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
            let (status, body) = if request.method() == "POST" {
                self.0.batches.fetch_add(1, Ordering::Relaxed);
                (503, "<Error><Code>SlowDown</Code></Error>")
            } else {
                (200, no_uploads)
            };
            HttpConnectorFuture::new(async move {
                sleep(Duration::from_millis(50)).await;
                let status = status.try_into().unwrap();
                Ok(HttpResponse::new(status, SdkBody::from(body)))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn interruption_reaches_batches_that_wait_for_their_turn() {
        let store = Arc::new(Overloaded::default());
        let connector = SharedHttpConnector::new(Connector(store.clone()));
        let aws = Aws::answered_by(http_client_fn(move |_, _| connector.clone()));
        let target = Target { bucket: "shared".parse().unwrap(), user: "alex".parse().unwrap() };
        let cancel = CancellationToken::new();
        let run = Run::new(aws, target, cancel.clone(), |_| {});
        let entry = |number| Entry {
            key: OwnKey::from_listing(&run.target.prefix(), Some(&format!("alex/{number}")), false)
                .unwrap(),
            version: None,
            kind: Kind::Object,
        };
        let first_page = Page { entries: (0..CONCURRENCY * PAGE).map(entry).collect(), next: None };
        let progress = Arc::new(Progress::default());
        let check = async || Ok(());
        let emptying = empty(&run, Depth::Objects, first_page, CONCURRENCY, &progress, check);
        let interrupt = async {
            // All have been refused once and wait, each for a turn of its own.
            while store.batches() <= CONCURRENCY {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(60)).await;
            cancel.cancel();
            (store.batches(), Instant::now())
        };
        let (emptied, (sent, at)) = tokio::join!(emptying, interrupt);
        let error = emptied.unwrap_err();
        assert!(error.is::<Interrupted>(), "{error:#}");
        assert_eq!(sent, CONCURRENCY + 1);
        assert_eq!((store.batches(), at.elapsed()), (sent, Duration::ZERO));
    }
}
