//! One pass over the folder: what is listed is deleted while the listing goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::{Emptying, FailedKey, joined};
use crate::errors::Interrupted;
use crate::s3::listing::{Entry, PAGE, Page};

/// How many keys are worth a request of their own.
const FEWEST: usize = 100;

/// What one pass over the folder met.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub listed: usize,
    /// Whether the listing has come to its end.
    is_listed: bool,
    /// Listed and to be deleted in this pass.
    pub wanted: usize,
    /// The first key listed, of those to be deleted.
    pub first: Option<String>,
    /// Listed, and not yet being deleted.
    waiting: VecDeque<Entry>,
    pub failed: Vec<FailedKey>,
}

impl Pass {
    /// Takes note of a page, of which some entries are `wanted`.
    fn add(&mut self, page: Vec<Entry>, wanted: impl Fn(&Entry) -> bool) {
        self.listed += page.len();
        let entries: Vec<_> = page.into_iter().filter(wanted).collect();
        self.wanted += entries.len();
        let first = entries.first().map(|entry| entry.key.as_str().to_owned());
        self.first = self.first.take().into_iter().chain(first).min();
        self.waiting.extend(entries);
    }

    /// What to delete with the next request, when one of `concurrency` is idle.
    ///
    /// An equal share for each of them, so that none is idle while another has
    /// much to do. While the listing goes on, as many keys as it has brought so
    /// far are taken to be still to come: in a large folder batches soon are as
    /// large as they may be, since each request costs.
    fn next_batch(&mut self, concurrency: usize) -> Option<Vec<Entry>> {
        let keys = if self.is_listed { self.waiting.len() } else { self.listed };
        let share = (keys / concurrency).clamp(FEWEST, PAGE);
        let batch = self.waiting.drain(..share.min(self.waiting.len()));
        Some(batch.collect()).filter(|batch: &Vec<_>| !batch.is_empty())
    }
}

impl Emptying {
    /// Lists the whole folder once, and deletes what is `wanted` on the way.
    /// `first` is its first page, if that is known already.
    pub(super) async fn pass(
        self: &Arc<Self>,
        first: Option<Page>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Pass> {
        self.progress.prove();
        let mut pass = Pass::default();
        let mut pages = self.start_listing(first).await?;
        let mut deletes = JoinSet::new();
        let mut result = loop {
            while deletes.len() < self.concurrency
                && let Some(batch) = pass.next_batch(self.concurrency)
            {
                let emptying = self.clone();
                deletes.spawn(async move { emptying.delete_entries(batch).await });
            }
            if pass.is_listed && deletes.is_empty() {
                break Ok(());
            }
            let has_room = pass.waiting.len() < self.concurrency * PAGE;
            tokio::select! {
                biased;
                _ = self.run.cancel.cancelled() => break Err(Interrupted.into()),
                Some(failed) = deletes.join_next() => match joined(failed) {
                    Ok(failed) => pass.failed.extend(failed),
                    Err(error) => break Err(error),
                },
                page = pages.recv(), if has_room && !pass.is_listed => match page {
                    Some(Ok(entries)) => {
                        entries.iter().for_each(|entry| self.progress.uncount(entry));
                        pass.add(entries, &wanted);
                    }
                    Some(Err(error)) => break Err(error),
                    None => pass.is_listed = true,
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
