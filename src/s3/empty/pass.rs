//! One pass over the folder: what is listed is deleted while the listing goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::{JoinError, JoinSet};

use super::{Emptying, FailedKey};
use crate::errors::Interrupted;
use crate::s3::listing::{Entry, PAGE, Page};

/// How many keys are worth a request of their own.
const FEWEST: usize = 100;

/// The result of a pass over the folder.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub listed: usize,
    /// How many of those listed this pass was to delete.
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

/// Entries that are listed and not yet being deleted.
#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// True once the listing has come to its end.
    is_complete: bool,
}

impl Queue {
    /// Takes the entries for the next request, when one of `concurrency` is idle.
    ///
    /// An equal share for each of them, so that none is idle while another has
    /// much to do. While the listing goes on, as many keys as it has brought so
    /// far (`listed`) are taken to be still to come: in a large folder batches soon are
    /// as large as they may be, since each request costs.
    fn next_batch(&mut self, listed: usize, concurrency: usize) -> Option<Vec<Entry>> {
        let keys = if self.is_complete { self.entries.len() } else { listed };
        let share = (keys / concurrency).clamp(FEWEST, PAGE).min(self.entries.len());
        (share > 0).then(|| self.entries.drain(..share).collect())
    }
}

impl Emptying {
    /// Lists the whole folder once, and deletes what is `wanted` on the way.
    /// `first_page` is its first page, if that is known already.
    pub(super) async fn pass(
        self: &Arc<Self>,
        first_page: Option<Page>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Pass> {
        self.progress.start_listing();
        let mut pass = Pass::default();
        let mut queue = Queue::default();
        let mut pages = self.start_listing(first_page).await?;
        let mut deletes = JoinSet::new();
        let mut result = loop {
            while deletes.len() < self.concurrency
                && let Some(batch) = queue.next_batch(pass.listed, self.concurrency)
            {
                let emptying = self.clone();
                deletes.spawn(async move { emptying.delete_entries(batch).await });
            }
            if queue.is_complete && deletes.is_empty() {
                break Ok(());
            }
            let has_room = queue.entries.len() < self.concurrency * PAGE;
            tokio::select! {
                biased;
                _ = self.run.cancel.cancelled() => break Err(Interrupted.into()),
                Some(deleted) = deletes.join_next() => match joined(deleted) {
                    Ok(failed) => pass.failed.extend(failed),
                    Err(error) => break Err(error),
                },
                page = pages.recv(), if has_room && !queue.is_complete => match page {
                    Some(Ok(entries)) => {
                        pass.listed += entries.len();
                        for entry in entries {
                            self.progress.uncount(&entry);
                            if wanted(&entry) {
                                pass.wanted += 1;
                                pass.first.get_or_insert_with(|| entry.key.as_str().to_owned());
                                queue.entries.push_back(entry);
                            }
                        }
                    }
                    Some(Err(error)) => break Err(error),
                    None => queue.is_complete = true,
                },
            }
        };
        // What is under way is finished and counted, after an error too.
        while let Some(deleted) = deletes.join_next().await {
            match joined(deleted) {
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
