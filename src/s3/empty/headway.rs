//! Finding out that a listing doesn't advance. Some stores answer the same pages for
//! ever.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use anyhow::{Result, ensure};

use crate::s3::listing::{EMPTY_PAGES, Page, only_empty_pages};

/// The headway of one listing, by its pages so far.
#[derive(Debug, Default)]
pub(super) struct Headway {
    greatest_key: Option<String>,
    /// The versions listed of the greatest key.
    versions: Seen,
    empty_pages: usize,
}

impl Headway {
    /// Returns the page, and makes it the last one if it lists nothing new: no greater
    /// key than the pages before it, and no more versions of the greatest one.
    ///
    /// Fails where `operation` lists nothing for too long, although it says that there
    /// is more.
    pub fn follow(&mut self, page: Page, operation: &str) -> Result<Page> {
        let Some(greatest) = page.entries.iter().map(|entry| entry.key.as_str()).max() else {
            self.empty_pages += 1;
            ensure!(self.empty_pages < EMPTY_PAGES, only_empty_pages(operation));
            return Ok(page);
        };
        self.empty_pages = 0;
        if self.greatest_key.as_deref().is_none_or(|before| greatest > before) {
            self.greatest_key = Some(greatest.to_owned());
            self.versions = Seen::default();
        }
        let mut is_new = false;
        for entry in &page.entries {
            if self.greatest_key.as_deref() == Some(entry.key.as_str()) {
                is_new |= self.versions.add(&entry.version);
            }
        }
        Ok(Page { next: page.next.filter(|_| is_new), ..page })
    }
}

/// The most things that are remembered; then remembering starts over, so that memory is
/// bounded.
const MOST_SEEN: usize = 100_000;

/// The things seen so far, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<u64>);

impl Seen {
    /// Adds a thing; false if it was seen before.
    pub fn add(&mut self, thing: &impl Hash) -> bool {
        let hash = self.0.hasher().hash_one(thing);
        if self.0.len() == MOST_SEEN && !self.0.contains(&hash) {
            self.0.clear();
        }
        self.0.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Prefix, UserName};
    use crate::s3::listing::{Cursor, Entry, Kind, OwnKey};

    fn entry(key: &str, version: Option<&str>) -> Entry {
        let prefix = Prefix::from(&"alex".parse::<UserName>().unwrap());
        Entry {
            key: OwnKey::from_listing(&prefix, Some(key), None).unwrap(),
            version: version.map(str::to_owned),
            kind: Kind::Object,
        }
    }

    /// True if the listing goes on after a page of these entries.
    fn goes_on_after(headway: &mut Headway, entries: &[Entry]) -> bool {
        let page = Page { entries: entries.to_owned(), next: Some(Cursor::start()) };
        headway.follow(page, "List").unwrap().next.is_some()
    }

    #[test]
    fn keys_must_advance() {
        let mut headway = Headway::default();
        for (page, goes_on) in [
            (["alex/a", "alex/b"], true),
            (["alex/c", "alex/d"], true),
            (["alex/a", "alex/b"], false),
            (["alex/c", "alex/d"], false),
            (["alex/d", "alex/e"], true),
            // Not in order, as some stores list.
            (["alex/g", "alex/f"], true),
            (["alex/f", "alex/g"], false),
        ] {
            let entries = page.map(|key| entry(key, None));
            assert_eq!(goes_on_after(&mut headway, &entries), goes_on, "{page:?}");
        }
    }

    #[test]
    fn key_may_stay_while_there_are_versions_of_it_that_were_not_seen() {
        let mut headway = Headway::default();
        for (versions, goes_on) in [
            (["1", "2"], true),
            (["3", "4"], true),
            (["4", "5"], true),
            (["1", "2"], false),
            (["3", "4"], false),
            (["5", "6"], true),
        ] {
            let entries = versions.map(|version| entry("alex/a", Some(version)));
            assert_eq!(goes_on_after(&mut headway, &entries), goes_on, "{versions:?}");
        }
        let earlier = [entry("alex/Z", Some("7"))];
        assert!(!goes_on_after(&mut headway, &earlier));
    }

    #[test]
    fn pages_without_entries_are_followed_so_far() {
        let mut headway = Headway::default();
        for key in ["alex/a", "alex/b"] {
            for _ in 1..EMPTY_PAGES {
                assert!(goes_on_after(&mut headway, &[]));
            }
            assert!(goes_on_after(&mut headway, &[entry(key, None)]));
        }
        for _ in 1..EMPTY_PAGES {
            assert!(goes_on_after(&mut headway, &[]));
        }
        headway.follow(Page::default(), "List").unwrap_err();
    }

    #[test]
    fn memory_of_what_was_seen_is_bounded() {
        let mut seen = Seen::default();
        for number in 0..3 * MOST_SEEN {
            assert!(seen.add(&number));
            assert!(seen.0.len() <= MOST_SEEN);
        }
        assert!(!seen.add(&(3 * MOST_SEEN - 1)));
    }
}
