//! One pass over the folder: what is listed is deleted while the listing goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use tokio::task::{JoinError, JoinSet};

use super::listers::Listing;
use super::{Emptying, FailedKey};
use crate::errors::Interrupted;
use crate::s3::listing::{Entry, PAGE, Page};

/// The fewest keys that are worth a request of their own.
const FEWEST: usize = 100;

/// The result of a pass over the folder.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub listed: usize,
    /// The number of listed entries that this pass was to delete.
    pub wanted: usize,
    /// One of the keys to delete.
    pub first: Option<String>,
    pub failed: Vec<FailedKey>,
}

impl Pass {
    /// True if there was something to delete, and none of it could be.
    pub fn deletes_nothing(&self) -> bool {
        !self.failed.is_empty() && self.failed.len() >= self.wanted
    }

    /// Adds the result of a second pass over the same folder.
    pub fn add(&mut self, second: Self) {
        self.wanted += second.wanted;
        self.failed.extend(second.failed);
        self.first = self.first.take().or(second.first);
    }
}

impl Emptying {
    /// Lists the whole folder once, and deletes what is `wanted` on the way, but nothing
    /// before `check`. `first_page` is its first page, if that is known already.
    pub(super) async fn pass(
        self: &Arc<Self>,
        first_page: Option<Page>,
        wanted: impl Fn(&Entry) -> bool,
        check: impl AsyncFn() -> Result<()>,
    ) -> Result<Pass> {
        self.progress.start_listing();
        let mut pass = Pass::default();
        let mut deletes = JoinSet::new();
        let listing = Listing::new(self, first_page);
        let listed = self.list_and_delete(listing, wanted, check, &mut pass, &mut deletes);
        let mut result = listed.await;
        // What is under way is finished and counted, after an error too.
        while let Some(deleted) = deletes.join_next().await {
            match joined(deleted) {
                Ok(failed) => pass.failed.extend(failed),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map(|()| pass)
    }

    async fn list_and_delete(
        self: &Arc<Self>,
        mut listing: Listing<'_>,
        wanted: impl Fn(&Entry) -> bool,
        check: impl AsyncFn() -> Result<()>,
        pass: &mut Pass,
        deletes: &mut JoinSet<Result<Vec<FailedKey>>>,
    ) -> Result<()> {
        let mut pages = JoinSet::new();
        let mut queue = VecDeque::new();
        let mut is_listed = false;
        let mut is_checked = false;
        loop {
            if !queue.is_empty() && !is_checked {
                check().await?;
                is_checked = true;
            }
            // While the listing goes on, assume that as many keys are still to come as it
            // has brought so far: in a large folder the batches soon have full size, which
            // saves requests.
            let keys = if is_listed { queue.len() } else { pass.listed };
            while deletes.len() < self.concurrency && !queue.is_empty() {
                let batch = next_batch(&mut queue, keys / self.concurrency);
                let emptying = self.clone();
                deletes.spawn(async move { emptying.delete_entries(batch).await });
            }
            while queue.len() < self.concurrency * PAGE
                && let Some(lister) = listing.waiting.pop()
            {
                pages.spawn(lister.next_page(self.clone()));
            }
            is_listed = pages.is_empty() && listing.waiting.is_empty();
            if is_listed && deletes.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = self.run.cancel.cancelled() => return Err(Interrupted.into()),
                Some(deleted) = deletes.join_next() => pass.failed.extend(joined(deleted)?),
                Some(listed) = pages.join_next() => {
                    let (lister, page) = joined(listed)?;
                    for entry in listing.take(lister, page)? {
                        self.progress.uncount(&entry);
                        pass.listed += 1;
                        if wanted(&entry) {
                            pass.wanted += 1;
                            pass.first.get_or_insert_with(|| entry.key.as_str().to_owned());
                            queue.push_back(entry);
                        }
                    }
                }
            }
        }
    }
}

/// Takes an equal `share` of the queue for each request, so that none is idle while
/// another has much to do.
fn next_batch(queue: &mut VecDeque<Entry>, share: usize) -> Vec<Entry> {
    let keys = share.clamp(FEWEST, PAGE).min(queue.len());
    queue.drain(..keys).collect()
}

fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    result.unwrap_or_else(|_| Err(anyhow!("internal error")))
}
