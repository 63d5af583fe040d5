//! Listing a folder by several listers at once, each of which lists a range of its keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;

use super::Emptying;
use super::headway::Headway;
use super::ranges::{Alphabet, Range};
use crate::s3::listing::{self, Cursor, Entry, PAGE, Page};

/// The most listers at a time.
const LISTERS: usize = 12;

/// Lists a range of keys to its end, page by page. Stops earlier if pages show nothing
/// new: what it misses, the next pass finds.
pub(super) struct Lister {
    /// The keys that are not listed yet.
    range: Range,
    /// The place after which the whole range began.
    start: String,
    next: Cursor,
    /// The next page, if it is known already.
    known_page: Option<Page>,
    headway: Headway,
}

impl Lister {
    fn new(range: Range, next: Cursor, known_page: Option<Page>) -> Self {
        let start = range.after.clone();
        Self { range, start, next, known_page, headway: Headway::default() }
    }

    pub async fn next_page(mut self, emptying: Arc<Emptying>) -> Result<(Self, Page)> {
        if let Some(page) = self.known_page.take() {
            return Ok((self, page));
        }
        let listed = listing::page(&emptying.run, emptying.depth, &self.next, PAGE).await?;
        Ok((self, listed))
    }
}

/// A listing of the whole folder.
pub(super) struct Listing<'a> {
    emptying: &'a Emptying,
    /// The listers whose next page is to be requested.
    pub waiting: Vec<Lister>,
    /// The number of listers that may still be started.
    free: usize,
    alphabet: Alphabet,
}

impl<'a> Listing<'a> {
    /// Starts with one lister, which shares its range with others as it goes.
    pub fn new(emptying: &'a Emptying, first_page: Option<Page>) -> Self {
        Self {
            emptying,
            waiting: vec![Lister::new(Range::everything(), Cursor::start(), first_page)],
            free: LISTERS.min(emptying.concurrency) - 1,
            alphabet: Alphabet::default(),
        }
    }

    /// Returns the entries of a page that are in the lister's range, and lets the lister
    /// wait for its next page, if there is one.
    pub fn take(&mut self, mut lister: Lister, listed: Page) -> Result<Vec<Entry>> {
        let Self { emptying, .. } = *self;
        let mut page = lister.headway.follow(listed, emptying.depth.operation())?;
        if !lister.start.is_empty() {
            // Some stores list from the start, wherever they are asked to.
            let all = page.entries.len();
            page.entries.retain(|entry| emptying.name(entry) > lister.start.as_str());
            if page.entries.len() < all {
                emptying.starts_anywhere.store(false, Ordering::Relaxed);
            }
        }
        let end = page.entries.last().map_or("", |entry| emptying.name(entry));
        let is_at_end = page.next.is_none() || lister.range.is_past_end(end);
        if !is_at_end && end > lister.range.after.as_str() {
            lister.range.after = end.to_owned();
            self.share(&mut lister.range, &page.entries);
        }
        page.entries.retain(|entry| !lister.range.is_past_end(emptying.name(entry)));
        match page.next {
            Some(next) if !is_at_end => self.waiting.push(Lister { next, ..lister }),
            _ => self.free += 1,
        }
        Ok(page.entries)
    }

    /// Gives the upper part of what remains of a range to each lister that is free.
    fn share(&mut self, range: &mut Range, page: &[Entry]) {
        for entry in page {
            self.alphabet.learn(self.emptying.name(entry));
        }
        while self.free > 0
            && self.emptying.starts_anywhere.load(Ordering::Relaxed)
            && let Some(upper) = range.split_off(self.emptying.name(&page[0]), &self.alphabet)
        {
            let next = Cursor::after(format!("{}{}", self.emptying.prefix, upper.after));
            self.waiting.push(Lister::new(upper, next, None));
            self.free -= 1;
        }
    }
}

impl Emptying {
    /// Returns the part of the key after the folder's prefix, which ranges are made of.
    fn name<'a>(&self, entry: &'a Entry) -> &'a str {
        &entry.key.as_str()[self.prefix.as_str().len()..]
    }
}
