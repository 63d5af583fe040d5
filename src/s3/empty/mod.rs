//! Emptying a folder: listing and deleting at once, until nothing is left.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::listing::{Depth, Entry, Kind, Page};
use crate::access::Prefix;
use crate::aws::{Patience, Run};
use crate::errors::one_line;
use crate::step::counted;

use pace::Pace;
use pass::Pass;
use ranges::Alphabet;

mod deletes;
mod headway;
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
/// start until the folder is empty, since some stores skip keys when objects are
/// deleted while paging; and for some seconds more where the listings don't get
/// shorter, since somebody may still be writing. Ends before that where nothing can
/// be deleted, or what couldn't be still can't. Returns the keys that can't be
/// deleted, which stop nothing else. `check` is asked before each pass over the folder
/// whether what is in it may still go. Fails if the folder doesn't get empty. An error
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
        starts_anywhere: AtomicBool::new(true),
    });
    // An upload may become an object until it is aborted, and an empty page may
    // be out of date by now: the listing that ends the loop comes after both.
    let mut first = Some(first_page).filter(|page| !page.entries.is_empty());
    if first.is_none() {
        check().await?;
        emptying.abort_uploads().await?;
    }
    let mut patience = Patience::FOLDER;
    let mut fewest = usize::MAX;
    let mut gone = progress.counts().entries();
    let mut failed_before = Vec::new();
    loop {
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
        if pass.wanted < pass.listed {
            // Last, and not where a version stays: without its marker it would be back.
            let failed = pass.failed.iter();
            let stays: HashSet<_> = failed.map(|failed| failed.key.clone()).collect();
            let goes = |entry: &Entry| !stays.contains(entry.key.as_str());
            let markers = |entry: &Entry| entry.kind == Kind::DeleteMarker && goes(entry);
            check().await?;
            let markers = emptying.pass(None, markers).await?;
            pass.wanted += markers.wanted;
            pass.failed.extend(markers.failed);
            pass.first = pass.first.or(markers.first);
        }
        let stays = !pass.failed.is_empty();
        if stays && pass.failed.len() >= pass.wanted {
            progress.drop_unproven();
            return Ok(pass.failed);
        }
        // Others may write to the folder, and some stores skip keys, or list few of them
        // in each pass.
        let gone_now = progress.counts().entries();
        if pass.listed < fewest || gone_now >= gone + HEADWAY {
            fewest = fewest.min(pass.listed);
            gone = gone_now;
            failed_before = pass.failed;
            patience = Patience::FOLDER;
            continue;
        }
        let stays_again = stays && fails_again(&failed_before, &pass.failed);
        if stays_again || !patience.wait(&run.cancel).await {
            run.go_on()?;
            progress.drop_unproven();
            ensure!(stays, still_listed(&pass));
            return Ok(pass.failed);
        }
        failed_before = pass.failed;
    }
}

/// How many more entries a pass must have deleted to count as getting on, although it
/// listed no fewer: more than somebody writes meanwhile.
const HEADWAY: u64 = 500;

/// Whether there were objects that could not be deleted, none of which can be now.
fn fails_again(before: &[FailedKey], now: &[FailedKey]) -> bool {
    let keys: HashSet<_> = now.iter().map(|failed| &failed.key).collect();
    (1..=now.len()).contains(&before.len())
        && before.iter().all(|failed| keys.contains(&failed.key))
}

/// That objects don't go, or come back: the store does not delete them, or somebody
/// writes them again.
fn still_listed(pass: &Pass) -> String {
    let listed = counted(pass.listed as u64, false, "object");
    let first = one_line(pass.first.as_deref().unwrap_or_default());
    if pass.listed == 1 {
        format!("{listed} is still listed after deleting it: {first}")
    } else {
        format!("{listed} are still listed after deleting them, {first} among them")
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
    /// Whether the store lists from where it is asked to, as far as is known.
    starts_anywhere: AtomicBool,
}

fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    result.expect("no task panics or is aborted")
}
