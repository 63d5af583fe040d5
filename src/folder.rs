//! Emptying a folder: listing and deleting at once, until nothing is left.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::bucket;
use crate::error::{AwsError, is_passing, is_slow_down, one_line};
use crate::listing::{self, Cursor, Depth, Entry, Kind, PAGE, Page, Upload};
use crate::names::{Prefix, Target};
use crate::pace::Pace;
use crate::ranges::{Alphabet, Range};
use crate::report::{Interrupted, counted};

/// How many listings are under way at a time at most.
const LISTERS: usize = 12;

/// How often a request is sent at most, before its keys count as failed.
const ATTEMPTS: u32 = 20;

/// An object that could not be deleted, with AWS's own code and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedKey {
    /// The object's key.
    pub key: String,
    /// AWS's error code, such as `AccessDenied`.
    pub code: String,
    /// AWS's explanation, which may be empty.
    pub message: String,
}

/// How much was deleted so far; can be read while it grows.
#[derive(Debug, Default)]
pub struct Progress {
    objects: AtomicU64,
    versions: AtomicU64,
    delete_markers: AtomicU64,
    uploads: AtomicU64,
}

impl Progress {
    /// Objects as they were: the only or the current version of each.
    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Earlier versions of objects.
    pub fn versions(&self) -> u64 {
        self.versions.load(Ordering::Relaxed)
    }

    /// Delete markers.
    pub fn delete_markers(&self) -> u64 {
        self.delete_markers.load(Ordering::Relaxed)
    }

    /// Unfinished multipart uploads.
    pub fn uploads(&self) -> u64 {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Everything but uploads.
    pub fn entries(&self) -> u64 {
        self.objects() + self.versions() + self.delete_markers()
    }

    /// What was deleted, but for uploads.
    pub(crate) fn in_words(&self) -> String {
        let objects = counted(self.objects(), false, "object");
        match self.versions() + self.delete_markers() {
            0 => objects,
            versions => format!("{objects}, {}", counted(versions, false, "version")),
        }
    }

    fn count(&self, kind: Kind) {
        let counter = match kind {
            Kind::Object => &self.objects,
            Kind::Version => &self.versions,
            Kind::DeleteMarker => &self.delete_markers,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Deletes everything in the folder and nothing else: unfinished uploads,
/// objects, and with [`Depth::Versions`] all their versions and delete markers.
///
/// `first_page` is that of the folder, listed before. Lists again from the
/// start until the folder is empty or a pass deletes
/// nothing, since some stores skip keys when objects are deleted while paging.
/// Returns the keys that can't be deleted, which stop nothing else. An error
/// or a cancellation leaves the rest of the folder as it is; what was deleted
/// is in `progress`. Memory does not grow with the folder.
pub(crate) async fn empty(
    aws: &Aws,
    target: &Target,
    depth: Depth,
    first_page: Page,
    concurrency: usize,
    cancel: &CancellationToken,
    progress: &Arc<Progress>,
) -> Result<Vec<FailedKey>> {
    let emptying = Arc::new(Emptying {
        once: aws.without_retries(),
        aws: aws.clone(),
        target: target.clone(),
        prefix: target.prefix(),
        depth,
        concurrency,
        cancel: cancel.clone(),
        progress: progress.clone(),
        pace: Pace::default(),
        alphabet: Mutex::default(),
        listers: Arc::new(Semaphore::new(LISTERS.min(concurrency))),
    });
    emptying.abort_uploads().await?;
    let mut first = Some(first_page);
    let mut last_first = None;
    loop {
        let before = progress.entries();
        let mut pass = emptying
            .pass(first.take(), |entry| entry.kind != Kind::DeleteMarker)
            .await?;
        if pass.listed == 0 {
            return Ok(Vec::new());
        }
        if pass.skipped > 0 {
            // Last, and not where a version stays: without its marker it would be back.
            let failed = pass.failed.iter();
            let stays: HashSet<_> = failed.map(|failed| failed.key.clone()).collect();
            let goes = |entry: &Entry| !stays.contains(entry.key.as_str());
            let markers = |entry: &Entry| entry.kind == Kind::DeleteMarker && goes(entry);
            let markers = emptying.pass(None, markers).await?;
            pass.failed.extend(markers.failed);
            pass.first = pass.first.or(markers.first);
        }
        let failed = pass.failed;
        if progress.entries() == before && !failed.is_empty() {
            return Ok(failed);
        }
        // A key that was deleted in the last pass and is listed again.
        ensure!(
            pass.first.is_some() && pass.first != last_first || !failed.is_empty(),
            "{} objects are still listed after deleting them",
            pass.listed
        );
        last_first = pass.first;
    }
}

/// What one pass over the folder met.
#[derive(Debug, Default)]
struct Pass {
    listed: usize,
    /// Listed and not to be deleted in this pass.
    skipped: usize,
    /// The first key listed, of those to be deleted.
    first: Option<String>,
    failed: Vec<FailedKey>,
}

/// The work of emptying one folder, as its listers and deleters share it.
struct Emptying {
    aws: Aws,
    /// The same without the SDK's retries, which draw on one quota for all
    /// requests: a store that keeps saying SlowDown empties it.
    once: Aws,
    target: Target,
    prefix: Prefix,
    depth: Depth,
    concurrency: usize,
    cancel: CancellationToken,
    progress: Arc<Progress>,
    pace: Pace,
    alphabet: Mutex<Alphabet>,
    /// A permit for each lister that may run.
    listers: Arc<Semaphore>,
}

type Pages = mpsc::Sender<Result<Vec<Entry>>>;

impl Emptying {
    /// Lists the whole folder once, and deletes what is `wanted` on the way.
    async fn pass(
        self: &Arc<Self>,
        first: Option<Page>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Pass> {
        let mut pass = Pass::default();
        let mut deletes = JoinSet::new();
        let mut pages = self.start_listing(first).await?;
        let mut result = loop {
            tokio::select! {
                biased;
                _ = self.cancel.cancelled() => break Err(Interrupted.into()),
                Some(failed) = deletes.join_next() => match joined(failed) {
                    Ok(failed) => pass.failed.extend(failed),
                    Err(error) => break Err(error),
                },
                page = pages.recv(), if deletes.len() < self.concurrency => match page {
                    Some(Ok(entries)) => {
                        pass.listed += entries.len();
                        let (entries, skipped): (Vec<_>, Vec<_>) = entries.into_iter().partition(&wanted);
                        pass.skipped += skipped.len();
                        let first = entries.first().map(|entry| entry.key.as_str().to_owned());
                        pass.first = pass.first.into_iter().chain(first).min();
                        self.spawn_deletes(entries, &mut deletes);
                    }
                    Some(Err(error)) => break Err(error),
                    None => break Ok(()),
                },
            }
        };
        // What is under way is finished and counted, after an error too.
        while let Some(failed) = deletes.join_next().await {
            match joined(failed) {
                Ok(failed) => pass.failed.extend(failed),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map(|()| pass)
    }

    /// Starts a first lister, which takes on others as it goes.
    async fn start_listing(
        self: &Arc<Self>,
        first: Option<Page>,
    ) -> Result<mpsc::Receiver<Result<Vec<Entry>>>> {
        let (sender, pages) = mpsc::channel(self.concurrency);
        let permit = self.listers.clone().acquire_owned().await?;
        tokio::spawn(
            self.clone()
                .list(Range::everything(), first, sender, permit),
        );
        Ok(pages)
    }

    /// Lists a range to its end, page by page, and gives the upper part of what
    /// remains to each lister that is free. `first` is its first page, if that
    /// is known already.
    fn list(
        self: Arc<Self>,
        mut range: Range,
        mut first: Option<Page>,
        pages: Pages,
        permit: OwnedSemaphorePermit,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _permit = permit;
            let mut from = match range.after.as_str() {
                "" => Cursor::start(),
                after => Cursor::After(format!("{}{after}", self.prefix)),
            };
            loop {
                let page = match first.take() {
                    Some(page) => Ok(page),
                    None => listing::page(&self.aws, &self.target, self.depth, &from, PAGE).await,
                };
                let Page { mut entries, next } = match page {
                    Ok(page) => page,
                    Err(error) => return drop(pages.send(Err(error)).await),
                };
                let last = entries.last().map(|entry| self.name(entry).to_owned());
                let at_end = last.as_deref().is_some_and(|last| range.is_past_end(last));
                if let Some(last) = last.filter(|_| !at_end && next.is_some()) {
                    range.after = last;
                    self.share(&mut range, &entries, &pages);
                }
                entries.retain(|entry| !range.is_past_end(self.name(entry)));
                if pages.send(Ok(entries)).await.is_err() || at_end {
                    return;
                }
                match next {
                    Some(next) => from = next,
                    None => return,
                }
            }
        })
    }

    /// The part of the key after the folder's prefix: what ranges are made of.
    fn name<'a>(&self, entry: &'a Entry) -> &'a str {
        &entry.key.as_str()[self.prefix.as_str().len()..]
    }

    /// Splits a range for as many listers as are free.
    fn share(self: &Arc<Self>, range: &mut Range, page: &[Entry], pages: &Pages) {
        let mut alphabet = self.alphabet.lock().unwrap_or_else(PoisonError::into_inner);
        page.iter()
            .for_each(|entry| alphabet.learn(self.name(entry)));
        while let Ok(permit) = self.listers.clone().try_acquire_owned() {
            let Some(upper) = range.split_off(self.name(&page[0]), &alphabet) else {
                return;
            };
            tokio::spawn(self.clone().list(upper, None, pages.clone(), permit));
        }
    }

    /// Starts to delete the entries of a page: in a batch, but for keys that
    /// XML can't carry, which go one at a time.
    fn spawn_deletes(
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

    /// Aborts the folder's unfinished multipart uploads.
    async fn abort_uploads(self: &Arc<Self>) -> Result<()> {
        let mut last_seen = None;
        loop {
            let uploads = listing::uploads(&self.aws, &self.target).await?;
            let Some(first) = uploads.first().cloned() else {
                return Ok(());
            };
            ensure!(
                last_seen.as_ref() != Some(&first),
                "the multipart upload of {} is still listed after aborting it",
                one_line(first.key.as_str())
            );
            last_seen = Some(first);
            let mut aborts = JoinSet::new();
            for upload in uploads {
                Interrupted::check(&self.cancel)?;
                if aborts.len() == self.concurrency
                    && let Some(aborted) = aborts.join_next().await
                {
                    joined(aborted)?;
                }
                let emptying = self.clone();
                aborts.spawn(async move { emptying.abort(upload).await });
            }
            while let Some(aborted) = aborts.join_next().await {
                joined(aborted)?;
            }
        }
    }

    /// Aborts one upload, again while it has parts: one that was being
    /// uploaded meanwhile [may have come after][abort].
    ///
    /// [abort]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
    async fn abort(&self, upload: Upload) -> Result<()> {
        let (bucket, key) = (self.target.bucket.as_str(), upload.key.as_str());
        for _ in 0..ATTEMPTS {
            let abort = self
                .aws
                .s3
                .abort_multipart_upload()
                .bucket(bucket)
                .key(key)
                .upload_id(&upload.id);
            match self.aws.call("AbortMultipartUpload", abort.send()).await {
                Err(error) if error.is("NoSuchUpload") => break,
                aborted => aborted?,
            };
            let parts = self
                .aws
                .s3
                .list_parts()
                .bucket(bucket)
                .key(key)
                .upload_id(&upload.id);
            match self.aws.call("ListParts", parts.send()).await {
                Ok(answer) if !answer.parts().is_empty() => {}
                Err(error) if !error.is("NoSuchUpload") && !error.is_unsupported() => {
                    return Err(error.into());
                }
                _ => break,
            }
        }
        self.progress.uploads.fetch_add(1, Ordering::Relaxed);
        Ok(())
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

fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    result.expect("no task panics or is aborted")
}
