//! Emptying a folder: listing and deleting at once, until nothing is left.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::listing::{Depth, Entry, Kind, PAGE, Page};
use crate::access::Prefix;
use crate::aws::Run;
use crate::errors::Interrupted;

use pace::Pace;
use ranges::Alphabet;

mod deletes;
mod listers;
mod pace;
mod progress;
mod ranges;
mod uploads;

pub use progress::{Counts, FailedKey, Progress};

/// How many listings are under way at a time at most.
const LISTERS: usize = 12;

/// How many keys are worth a request of their own, if there are idle slots.
const FEWEST: usize = 100;

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
    run: &Run,
    depth: Depth,
    first_page: Page,
    concurrency: usize,
    progress: &Arc<Progress>,
) -> Result<Vec<FailedKey>> {
    let emptying = Arc::new(Emptying {
        once: run.with_aws(run.aws.without_retries()),
        run: run.clone(),
        prefix: run.target.prefix(),
        depth,
        concurrency,
        progress: progress.clone(),
        pace: Pace::default(),
        alphabet: Mutex::default(),
        listers: Arc::new(Semaphore::new(LISTERS.min(concurrency))),
    });
    emptying.abort_uploads().await?;
    // An empty page may be out of date by now; the last listing must be a fresh one.
    let mut first = Some(first_page).filter(|page| !page.entries.is_empty());
    let mut last_first = None;
    loop {
        let before = progress.counts().entries();
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
        if progress.counts().entries() == before && !failed.is_empty() {
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

impl Pass {
    /// Takes note of a page, and returns what of it is wanted.
    fn sort_out(&mut self, page: Vec<Entry>, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.listed += page.len();
        let (entries, skipped): (Vec<_>, Vec<_>) = page.into_iter().partition(wanted);
        self.skipped += skipped.len();
        let first = entries.first().map(|entry| entry.key.as_str().to_owned());
        self.first = self.first.take().into_iter().chain(first).min();
        entries
    }
}

/// The work of emptying one folder, as its listers and deleters share it.
struct Emptying {
    run: Run,
    /// The same without the SDK's retries, which draw on one quota for all
    /// requests: a store that keeps saying SlowDown empties it.
    once: Run,
    prefix: Prefix,
    depth: Depth,
    concurrency: usize,
    progress: Arc<Progress>,
    pace: Pace,
    alphabet: Mutex<Alphabet>,
    /// A permit for each lister that may run.
    listers: Arc<Semaphore>,
}

impl Emptying {
    /// Lists the whole folder once, and deletes what is `wanted` on the way.
    async fn pass(
        self: &Arc<Self>,
        first: Option<Page>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Pass> {
        let mut pass = Pass::default();
        let mut pages = self.start_listing(first).await?;
        let mut is_listed = false;
        let mut waiting = VecDeque::new();
        let mut deletes = JoinSet::new();
        let mut result = loop {
            while deletes.len() < self.concurrency && !waiting.is_empty() {
                // As many keys again as were listed may follow.
                let expected = if is_listed {
                    waiting.len()
                } else {
                    pass.listed
                };
                let size = (expected / self.concurrency).clamp(FEWEST, PAGE);
                let batch = waiting.drain(..size.min(waiting.len())).collect();
                let emptying = self.clone();
                deletes.spawn(async move { emptying.delete_entries(batch).await });
            }
            if is_listed && waiting.is_empty() {
                break Ok(());
            }
            let has_room = waiting.len() < self.concurrency * PAGE;
            tokio::select! {
                biased;
                _ = self.run.cancel.cancelled() => break Err(Interrupted.into()),
                Some(failed) = deletes.join_next() => match joined(failed) {
                    Ok(failed) => pass.failed.extend(failed),
                    Err(error) => break Err(error),
                },
                page = pages.recv(), if has_room && !is_listed => match page {
                    Some(Ok(entries)) => waiting.extend(pass.sort_out(entries, &wanted)),
                    Some(Err(error)) => break Err(error),
                    None => is_listed = true,
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
}

fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    result.expect("no task panics or is aborted")
}
