//! Listing a folder by several listers at once.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use anyhow::Result;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Emptying;
use super::headway::Headway;
use super::ranges::Range;
use crate::s3::listing::{self, Cursor, Entry, PAGE, Page};

type Pages = mpsc::Sender<Result<Vec<Entry>>>;

impl Emptying {
    /// Starts a first lister, which takes on others as it goes.
    pub(super) async fn start_listing(
        self: &Arc<Self>,
        first: Option<Page>,
    ) -> Result<mpsc::Receiver<Result<Vec<Entry>>>> {
        let (sender, pages) = mpsc::channel(1);
        let permit = self.listers.clone().acquire_owned().await?;
        tokio::spawn(self.clone().list(Range::everything(), first, sender, permit));
        Ok(pages)
    }

    /// Lists a range to its end, page by page, and gives the upper part of what
    /// remains to each lister that is free. Stops before that where pages show nothing
    /// new: what it misses, the next pass finds. `first` is its first page, if that is
    /// known already.
    fn list(
        self: Arc<Self>,
        mut range: Range,
        mut first: Option<Page>,
        pages: Pages,
        permit: OwnedSemaphorePermit,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _permit = permit;
            let start = range.after.clone();
            let mut headway = Headway::default();
            let mut from = match range.after.as_str() {
                "" => Cursor::start(),
                after => Cursor::After(format!("{}{after}", self.prefix)),
            };
            loop {
                let listed = match first.take() {
                    Some(page) => Ok(page),
                    None => listing::page(&self.run, self.depth, &from, PAGE).await,
                };
                let page = listed.and_then(|page| headway.follow(page, self.depth.operation()));
                let Page { mut entries, next } = match page {
                    Ok(page) => page,
                    Err(error) => return drop(pages.send(Err(error)).await),
                };
                self.keep_those_after(&start, &mut entries);
                let last = entries.last().map(|entry| self.name(entry).to_owned());
                let at_end = last.as_deref().is_some_and(|last| range.is_past_end(last));
                if let Some(last) = last.filter(|last| !at_end && *last > range.after)
                    && next.is_some()
                {
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

    /// Drops what another lister lists: some stores list from the start, wherever
    /// they are asked to.
    fn keep_those_after(&self, start: &str, entries: &mut Vec<Entry>) {
        if start.is_empty() {
            return;
        }
        let listed = entries.len();
        entries.retain(|entry| self.name(entry) > start);
        if entries.len() < listed {
            self.starts_anywhere.store(false, Ordering::Relaxed);
        }
    }

    /// The part of the key after the folder's prefix: what ranges are made of.
    fn name<'a>(&self, entry: &'a Entry) -> &'a str {
        &entry.key.as_str()[self.prefix.as_str().len()..]
    }

    /// Splits a range for as many listers as are free.
    fn share(self: &Arc<Self>, range: &mut Range, page: &[Entry], pages: &Pages) {
        let mut alphabet = self.alphabet.lock().unwrap_or_else(PoisonError::into_inner);
        page.iter().for_each(|entry| alphabet.learn(self.name(entry)));
        while self.starts_anywhere.load(Ordering::Relaxed)
            && let Ok(permit) = self.listers.clone().try_acquire_owned()
        {
            let Some(upper) = range.split_off(self.name(&page[0]), &alphabet) else {
                return;
            };
            tokio::spawn(self.clone().list(upper, None, pages.clone(), permit));
        }
    }
}
