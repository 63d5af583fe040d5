//! Deleting entries, at the pace and in the way that the store takes.

use anyhow::Result;
use aws_sdk_s3::types::{Delete, Error as KeyError, ObjectIdentifier};
use tokio::time::Instant;

use super::{Emptying, FailedKey};
use crate::aws::{Aws, AwsError, Patience, is_slow_down, is_transient};
use crate::errors::{Interrupted, one_line};
use crate::s3::listing::Entry;
use crate::s3::object::delete_object;

impl Emptying {
    /// Deletes entries with one request; one at a time the keys that XML can't carry,
    /// and all of them where the store takes no batches. Returns the keys that can't be
    /// deleted.
    pub(super) async fn delete_entries(&self, entries: Vec<Entry>) -> Result<Vec<FailedKey>> {
        let (batch, mut singles): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| fits_xml(entry.key.as_str()));
        let mut failed = Vec::new();
        if !batch.is_empty() {
            match self.delete(batch.clone(), Operation::DeleteObjects).await {
                Err(error) if self.refuses_batches(&error) => {
                    singles.splice(0..0, batch);
                }
                result => failed = result?,
            }
        }
        for entry in singles {
            self.run.go_on()?;
            failed.extend(self.delete(vec![entry], Operation::DeleteObject).await?);
        }
        Ok(failed)
    }

    fn refuses_batches(&self, error: &anyhow::Error) -> bool {
        error.downcast_ref().is_some_and(|error| self.run.aws.store.refuses_batches(error))
    }

    /// Deletes entries with one request, and sends again those that a store in
    /// trouble didn't delete. Returns the keys that can't be deleted.
    async fn delete(
        &self,
        mut entries: Vec<Entry>,
        operation: Operation,
    ) -> Result<Vec<FailedKey>> {
        let mut patience = Patience::DELETE;
        let mut failed = Vec::new();
        loop {
            let turn = self.pace.admit(entries.len());
            self.run.cancel.run_until_cancelled(turn).await.ok_or(Interrupted)?;
            let sent = Instant::now();
            let answer = match operation {
                Operation::DeleteObjects => self.delete_batch(&entries).await,
                Operation::DeleteObject => self.delete_one(&entries[0]).await,
            };
            let slows_down = match &answer {
                Ok(errors) => errors.iter().any(|error| is_slow_down(code(error))),
                Err(error) => error.code().is_some_and(is_slow_down),
            };
            let transient = match answer {
                Ok(errors) => Ok(self.sort_out(&errors, &mut entries, &mut failed)),
                Err(error) if error.is_passing() => Err(error),
                Err(error) => return Err(error.into()),
            };
            if entries.is_empty() {
                return Ok(failed);
            }
            let tries_again = if slows_down {
                self.pace.slow_down(entries.len(), sent);
                patience.spend(&self.run.cancel)
            } else {
                patience.wait(&self.run.cancel).await
            };
            if !tries_again {
                failed.extend(transient?);
                return Ok(failed);
            }
        }
    }

    /// Counts the entries that were deleted, leaves those in `entries` that are to be
    /// sent again, whose errors it returns, and adds the other errors to `failed`. Among
    /// these is an error about none of the entries, since something was not deleted.
    fn sort_out(
        &self,
        errors: &[KeyError],
        entries: &mut Vec<Entry>,
        failed: &mut Vec<FailedKey>,
    ) -> Vec<FailedKey> {
        for error in errors {
            if !entries.iter().any(|entry| is_about(error, entry)) {
                failed.push(error.into());
            }
        }
        let mut transient = Vec::new();
        entries.retain(|entry| match errors.iter().find(|error| is_about(error, entry)) {
            None => {
                self.progress.count(entry);
                false
            }
            Some(error) if is_transient(code(error)) => {
                transient.push(error.into());
                true
            }
            Some(error) => {
                failed.push(error.into());
                false
            }
        });
        transient
    }

    async fn delete_batch(&self, entries: &[Entry]) -> Result<Vec<KeyError>, AwsError> {
        let mut batch = Delete::builder().quiet(true);
        for entry in entries {
            let identifier = ObjectIdentifier::builder()
                .key(entry.key.as_str())
                .set_version_id(entry.version.clone());
            batch = batch.objects(identifier.build().expect("the key is given"));
        }
        let Aws { s3, store, .. } = self.once.aws.clone();
        let delete = s3
            .delete_objects()
            .bucket(self.run.bucket())
            .delete(batch.build().expect("the objects are given"))
            .customize()
            .mutate_request(move |request| store.fit_checksum(request));
        let answer = self.once.aws.call("DeleteObjects", delete.send()).await?;
        let all = answer.errors.unwrap_or_default().into_iter();
        // A key that is gone already counts as deleted.
        Ok(all.filter(|it| !matches!(code(it), "NoSuchKey" | "NoSuchVersion")).collect())
    }

    async fn delete_one(&self, entry: &Entry) -> Result<Vec<KeyError>, AwsError> {
        match delete_object(&self.once, entry.key.as_str(), entry.version.clone()).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) if error.is_about_object() => Ok(vec![
                KeyError::builder()
                    .key(entry.key.as_str())
                    .code(error.code().unwrap_or_default())
                    .message(error.message())
                    .build(),
            ]),
            Err(error) => Err(error),
        }
    }
}

/// The operation that deletes entries: all in one request, or just one.
#[derive(Debug, Clone, Copy)]
enum Operation {
    DeleteObjects,
    DeleteObject,
}

impl From<&KeyError> for FailedKey {
    fn from(error: &KeyError) -> Self {
        Self {
            key: error.key().unwrap_or_default().to_owned(),
            code: code(error).to_owned(),
            message: one_line(error.message().unwrap_or_default()),
        }
    }
}

fn code(error: &KeyError) -> &str {
    error.code().unwrap_or_default()
}

fn is_about(error: &KeyError, entry: &Entry) -> bool {
    // Ceph has the element for objects without a version, too.
    let version = error.version_id().filter(|id| !id.is_empty());
    let is_same_version =
        version.is_none() || entry.version.is_none() || version == entry.version.as_deref();
    error.key().unwrap_or_default() == entry.key.as_str() && is_same_version
}

/// True if XML 1.0 can carry the key; a batch with one that it can't fails whole.
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
        let target = Target::new("shared".parse().unwrap(), "alex".parse().unwrap());
        let cancel = CancellationToken::new();
        let run = Run::new(aws, target, cancel.clone(), |_| {});
        let entry = |number| Entry {
            key: OwnKey::from_listing(run.target.prefix(), Some(&format!("alex/{number}")), None)
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
