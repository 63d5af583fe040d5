//! Whether a listing gets on. Some stores answer the same pages for ever.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use anyhow::{Result, ensure};

use crate::s3::listing::{EMPTY_PAGES, Page, lists_nothing};

/// What the pages of one listing have shown so far.
#[derive(Debug, Default)]
pub(super) struct Headway {
    /// The greatest key.
    last: Option<String>,
    /// What was listed of that key.
    seen: Seen,
    empty_pages: usize,
}

impl Headway {
    /// The next page; as the last one, if it lists nothing that those before it don't:
    /// no greater key, and no more versions of the greatest one.
    ///
    /// Fails where `operation` lists nothing for too long, although it says that there
    /// is more.
    pub fn follow(&mut self, page: Page, operation: &str) -> Result<Page> {
        let greatest = page.entries.iter().map(|entry| entry.key.as_str()).max();
        let Some(greatest) = greatest else {
            self.empty_pages += 1;
            ensure!(self.empty_pages < EMPTY_PAGES, lists_nothing(operation));
            return Ok(page);
        };
        self.empty_pages = 0;
        let is_greater = self.last.as_deref().is_none_or(|last| greatest > last);
        if is_greater {
            self.last = Some(greatest.to_owned());
            self.seen = Seen::default();
        }
        let mut is_new = false;
        for entry in &page.entries {
            if self.last.as_deref() == Some(entry.key.as_str()) {
                is_new |= self.seen.add(&entry.version);
            }
        }
        Ok(Page { next: page.next.filter(|_| is_new), ..page })
    }
}

/// How much is remembered of what was seen; then it begins anew, so that memory is
/// bounded.
const MOST_SEEN: usize = 100_000;

/// What was seen, by its hash.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<u64>);

impl Seen {
    /// Whether this was not seen before.
    pub fn add(&mut self, thing: &impl Hash) -> bool {
        let hash = self.0.hasher().hash_one(thing);
        if self.0.contains(&hash) {
            return false;
        }
        if self.0.len() == MOST_SEEN {
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
            key: OwnKey::from_listing(&prefix, Some(key), false).unwrap(),
            version: version.map(str::to_owned),
            kind: Kind::Object,
        }
    }

    /// Whether the listing goes on after a page of these entries.
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
