//! Listing a folder by several listers at once, each a range of its keys.

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
        first_page: Option<Page>,
    ) -> Result<mpsc::Receiver<Result<Vec<Entry>>>> {
        let (pages, receiver) = mpsc::channel(1);
        let permit = self.listers.clone().acquire_owned().await?;
        self.start_lister(Range::everything(), first_page, pages, permit);
        Ok(receiver)
    }

    fn start_lister(
        self: &Arc<Self>,
        range: Range,
        first_page: Option<Page>,
        pages: Pages,
        permit: OwnedSemaphorePermit,
    ) {
        let emptying = self.clone();
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = emptying.list(range, first_page, &pages).await {
                // Fails only where the pass has ended already.
                let _ = pages.send(Err(error)).await;
            }
        });
    }

    /// Lists a range to its end, page by page, and gives the upper part of what
    /// remains to each lister that is free. Stops earlier if pages show nothing
    /// new: what it misses, the next pass finds.
    async fn list(
        self: &Arc<Self>,
        mut range: Range,
        mut first_page: Option<Page>,
        pages: &Pages,
    ) -> Result<()> {
        let start = range.after.clone();
        let mut headway = Headway::default();
        let mut next = Some(if start.is_empty() {
            Cursor::start()
        } else {
            Cursor::after(format!("{}{start}", self.prefix))
        });
        while let Some(from) = next {
            let page = match first_page.take() {
                Some(page) => page,
                None => listing::page(&self.run, self.depth, &from, PAGE).await?,
            };
            let mut page = headway.follow(page, self.depth.operation())?;
            if !start.is_empty() {
                self.drop_before(&start, &mut page.entries);
            }
            let last = page.entries.last().map(|entry| self.name(entry).to_owned());
            let is_at_end = last.as_deref().is_some_and(|last| range.is_past_end(last));
            next = page.next.filter(|_| !is_at_end);
            if next.is_some()
                && let Some(last) = last.filter(|last| *last > range.after)
            {
                range.after = last;
                self.share(&mut range, &page.entries, pages);
            }
            page.entries.retain(|entry| !range.is_past_end(self.name(entry)));
            if pages.send(Ok(page.entries)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Drops the entries of other listers: some stores list from the start, wherever
    /// they are asked to.
    fn drop_before(&self, start: &str, entries: &mut Vec<Entry>) {
        let listed = entries.len();
        entries.retain(|entry| self.name(entry) > start);
        if entries.len() < listed {
            self.starts_anywhere.store(false, Ordering::Relaxed);
        }
    }

    /// Returns the part of the key after the folder's prefix, which ranges are made of.
    fn name<'a>(&self, entry: &'a Entry) -> &'a str {
        &entry.key.as_str()[self.prefix.as_str().len()..]
    }

    /// Splits a range for as many listers as are free.
    fn share(self: &Arc<Self>, range: &mut Range, page: &[Entry], pages: &Pages) {
        let mut alphabet = self.alphabet.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in page {
            alphabet.learn(self.name(entry));
        }
        while self.starts_anywhere.load(Ordering::Relaxed)
            && let Ok(permit) = self.listers.clone().try_acquire_owned()
            && let Some(upper) = range.split_off(self.name(&page[0]), &alphabet)
        {
            self.start_lister(upper, None, pages.clone(), permit);
        }
    }
}
