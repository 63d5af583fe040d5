//! Emptying a folder: listing and deleting at once, until nothing is left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::listing::{Depth, Entry, Kind, Page};
use crate::access::Prefix;
use crate::aws::Run;

use pace::Pace;
use ranges::Alphabet;

mod deletes;
mod listers;
mod pace;
mod pass;
mod progress;
mod ranges;
mod uploads;

pub use progress::{Counts, FailedKey, Progress};

/// How many listings are under way at a time at most.
const LISTERS: usize = 12;

/// Deletes everything in the folder and nothing else: unfinished uploads,
/// objects, and with [`Depth::Versions`] all their versions and delete markers.
///
/// `first_page` is that of the folder, listed before. Lists again from the
/// start until the folder is empty or a pass deletes
/// nothing, since some stores skip keys when objects are deleted while paging.
/// Returns the keys that can't be deleted, which stop nothing else. `check` is asked
/// before each pass over the folder whether what is in it may still go. An error
/// or a cancellation leaves the rest of the folder as it is (an error about an
/// upload may wait for the end of a pass); what was deleted
/// is in `progress`. Memory does not grow with the folder.
pub(crate) async fn empty(
    run: &Run,
    depth: Depth,
    first_page: Page,
    concurrency: usize,
    progress: &Arc<Progress>,
    check: impl AsyncFn() -> Result<()>,
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
    // An upload may become an object until it is aborted, and an empty page may
    // be out of date by now: the listing that ends the loop comes after both.
    let mut first = Some(first_page).filter(|page| !page.entries.is_empty());
    if first.is_none() {
        check().await?;
        emptying.abort_uploads().await?;
    }
    let mut last_first = None;
    loop {
        let before = progress.counts().entries();
        let no_markers = |entry: &Entry| entry.kind != Kind::DeleteMarker;
        check().await?;
        let mut pass = if let Some(page) = first.take() {
            let pass = emptying.pass(Some(page), no_markers);
            let (aborted, pass) = tokio::join!(emptying.abort_uploads(), pass);
            aborted.and(pass)?
        } else {
            emptying.pass(None, no_markers).await?
        };
        if pass.listed == 0 {
            return Ok(Vec::new());
        }
        if pass.skipped > 0 {
            // Last, and not where a version stays: without its marker it would be back.
            let failed = pass.failed.iter();
            let stays: HashSet<_> = failed.map(|failed| failed.key.clone()).collect();
            let goes = |entry: &Entry| !stays.contains(entry.key.as_str());
            let markers = |entry: &Entry| entry.kind == Kind::DeleteMarker && goes(entry);
            check().await?;
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

fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    result.expect("no task panics or is aborted")
}
