//! Emptying a folder: listing and deleting at once, pass after pass, until nothing
//! is left.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};

use super::listing::{Depth, Entry, Kind, Page};
use crate::access::Prefix;
use crate::aws::{Patience, Run};
use crate::errors::one_line;
use crate::step::counted;

use pace::Pace;
use pass::Pass;

mod deletes;
mod headway;
mod listers;
mod pace;
mod pass;
mod progress;
mod ranges;
mod uploads;

pub use progress::{Counts, FailedKey, Progress};

/// A round that deleted this many entries has made progress even if it listed no fewer
/// than the one before: somebody who still writes adds fewer meanwhile.
const HEADWAY: u64 = 500;

/// Deletes everything in the folder and nothing else: unfinished uploads,
/// objects, and with [`Depth::Versions`] all their versions and delete markers.
///
/// `first_page` is the folder's, listed before. Lists again from the start until the
/// folder is empty, since some stores skip keys when objects are deleted while paging;
/// and for some seconds more where the listings don't get shorter, since somebody may
/// still be writing. Ends earlier if nothing can be deleted, or the objects that
/// couldn't be deleted still can't.
///
/// Returns the keys that can't be deleted; they don't keep the others from being
/// deleted. `check` is called before each pass deletes anything, and an error of it ends
/// the run. Fails if the folder doesn't become empty. An error or a cancellation leaves
/// the rest of the folder as it is (an error about an upload may wait for the end of a
/// pass); `progress` has what was deleted. Memory does not grow with the folder.
pub(crate) async fn empty(
    run: &Run,
    depth: Depth,
    first_page: Page,
    concurrency: usize,
    progress: &Arc<Progress>,
    check: impl AsyncFn() -> Result<()>,
) -> Result<Vec<FailedKey>> {
    let emptying = Arc::new(Emptying::new(run, depth, concurrency, progress));
    // An upload may become an object until it is aborted, and an empty page may
    // be out of date by now: the listing that ends the loop comes after both.
    let mut known_page = Some(first_page).filter(|page| !page.entries.is_empty());
    check().await?;
    if known_page.is_none() {
        emptying.abort_uploads().await?;
    }
    let mut patience = Patience::FOLDER;
    let mut fewest = usize::MAX;
    let mut gone = progress.counts().entries();
    let mut failed_before = Vec::new();
    loop {
        let round = emptying.delete_listed(known_page.take(), &check).await?;
        if round.listed == 0 {
            return Ok(Vec::new());
        }
        if round.deletes_nothing() {
            progress.drop_unproven();
            return Ok(round.failed);
        }
        // Others may write to the folder, and some stores skip keys, or list few of them
        // in each pass.
        let gone_now = progress.counts().entries();
        if round.listed < fewest || gone_now >= gone + HEADWAY {
            fewest = fewest.min(round.listed);
            gone = gone_now;
            patience = Patience::FOLDER;
        } else if still_fail(&failed_before, &round.failed) || !patience.wait(&run.cancel).await {
            run.go_on()?;
            progress.drop_unproven();
            ensure!(!round.failed.is_empty(), still_listed(&round));
            return Ok(round.failed);
        }
        failed_before = round.failed;
    }
}

/// True if there were keys that couldn't be deleted, and none of them can be now.
fn still_fail(before: &[FailedKey], now: &[FailedKey]) -> bool {
    let keys: HashSet<_> = now.iter().map(|failed| &failed.key).collect();
    (1..=now.len()).contains(&before.len())
        && before.iter().all(|failed| keys.contains(&failed.key))
}

/// The error for objects that stay or come back: the store does not delete them, or
/// somebody writes them again.
fn still_listed(round: &Pass) -> String {
    let objects = counted(round.listed as u64, "object");
    let one = one_line(round.first.as_deref().unwrap_or_default());
    if round.listed == 1 {
        format!("{objects} is still listed after deleting it: {one}")
    } else {
        format!("{objects} are still listed after deleting them, {one} among them")
    }
}

/// The work of emptying one folder, as its listers and deleters share it.
struct Emptying {
    run: Run,
    /// A run without the SDK's retries, which draw on one quota for all
    /// requests: a store that keeps saying SlowDown empties it.
    once: Run,
    prefix: Prefix,
    depth: Depth,
    concurrency: usize,
    progress: Arc<Progress>,
    pace: Pace,
    /// False once the store has listed from the start although asked for a later place.
    starts_anywhere: AtomicBool,
}

impl Emptying {
    fn new(run: &Run, depth: Depth, concurrency: usize, progress: &Arc<Progress>) -> Self {
        Self {
            run: run.clone(),
            once: run.with_aws(run.aws.without_retries()),
            prefix: run.target.prefix().clone(),
            depth,
            concurrency,
            progress: progress.clone(),
            pace: Pace::default(),
            starts_anywhere: AtomicBool::new(true),
        }
    }

    /// Deletes once what is listed: objects and versions in a first pass, their delete
    /// markers in a second. With `first_page`, for which the check was made, aborts the
    /// unfinished uploads meanwhile.
    async fn delete_listed(
        self: &Arc<Self>,
        first_page: Option<Page>,
        check: &impl AsyncFn() -> Result<()>,
    ) -> Result<Pass> {
        let is_no_marker = |entry: &Entry| entry.kind != Kind::DeleteMarker;
        let mut round = if first_page.is_some() {
            let pass = self.pass(first_page, is_no_marker, async || Ok(()));
            let (aborted, deleted) = tokio::join!(self.abort_uploads(), pass);
            aborted.and(deleted)?
        } else {
            self.pass(None, is_no_marker, check).await?
        };
        if round.wanted < round.listed {
            // Markers go last, and not where a version stays: without its marker it
            // would be back.
            let stay: HashSet<_> = round.failed.iter().map(|failed| failed.key.clone()).collect();
            let is_wanted = |entry: &Entry| {
                entry.kind == Kind::DeleteMarker && !stay.contains(entry.key.as_str())
            };
            round.add(self.pass(None, is_wanted, check).await?);
        }
        Ok(round)
    }
}
