//! Splitting a range of keys between several listers, without knowing how the
//! keys are spread.
//!
//! Only speed depends on where a split falls: the two parts always cover each
//! key of the range exactly once.

/// The characters seen in keys so far, in order, so that splits fall among them.
#[derive(Debug, Default)]
pub(crate) struct Alphabet(Vec<char>);

impl Alphabet {
    pub fn learn(&mut self, key: &str) {
        for c in key.chars() {
            if let Err(place) = self.0.binary_search(&c) {
                self.0.insert(place, c);
            }
        }
    }

    /// The base of the numbers that keys are read as: a digit for each character, and
    /// digit 0, which stands for the end of a key.
    fn base(&self) -> u128 {
        self.0.len() as u128 + 1
    }

    fn digit(&self, c: char) -> u128 {
        let lower = self.0.partition_point(|known| *known < c) as u128;
        (lower + 1).min(self.base() - 1)
    }
}

/// The keys `k` with `after < k <= end`, in the order of S3: by their UTF-8
/// bytes, which is also that of `str`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub after: String,
    /// The last key; none for all keys after `after`.
    pub end: Option<String>,
}

impl Range {
    pub fn everything() -> Self {
        Self { after: String::new(), end: None }
    }

    fn contains(&self, key: &str) -> bool {
        key > self.after.as_str() && !self.is_past_end(key)
    }

    pub fn is_past_end(&self, key: &str) -> bool {
        self.end.as_deref().is_some_and(|end| key > end)
    }

    /// Takes the upper part off, if there seems to be enough for two.
    ///
    /// `first` is the first key of the page that ended at `after`: how far the
    /// page got tells how densely the keys lie. A range of few such pages is
    /// halved. Of a long one, whose end may be far beyond the last key, the
    /// cut is at the geometric mean between one page and the whole, so that a
    /// handful of cuts finds the last key, however far off it is.
    pub fn split_off(&mut self, first: &str, alphabet: &Alphabet) -> Option<Self> {
        let scale = Scale::new(self, alphabet);
        let low = scale.position(&self.after);
        let page = low.saturating_sub(scale.position(first)).max(1);
        let rest = scale.high.saturating_sub(low);
        let part = match rest / page {
            0 | 1 => return None,
            2..64 => rest / 2,
            _ => ((page as f64).sqrt() * (rest as f64).sqrt()) as u128,
        };
        let middle = scale.shortest_key(low.saturating_add(part), self)?;
        Some(self.split_at(middle))
    }

    /// Keeps the keys up to `middle`, and returns the range of those after it.
    fn split_at(&mut self, middle: String) -> Self {
        Self { after: middle.clone(), end: self.end.replace(middle) }
    }
}

/// The keys of a range as numbers, whose digits are the characters after the
/// beginning that `after` and `end` have in common.
struct Scale<'a> {
    alphabet: &'a Alphabet,
    common: String,
    digits: u32,
    /// The position of the range's end.
    high: u128,
}

impl<'a> Scale<'a> {
    fn new(range: &Range, alphabet: &'a Alphabet) -> Self {
        let base = alphabet.base();
        // One digit less than fits, so that no sum of two positions overflows.
        let digits = (126.0 / (base as f64).log2()).max(1.0) as u32;
        let mut scale =
            Self { alphabet, common: String::new(), digits, high: base.pow(digits) - 1 };
        if let Some(end) = &range.end {
            let pairs = range.after.chars().zip(end.chars());
            scale.common = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
            scale.high = scale.position(end);
        }
        scale
    }

    /// Returns the position of a key; 0 for one that lacks the common beginning.
    fn position(&self, key: &str) -> u128 {
        let mut rest = key.strip_prefix(&self.common).unwrap_or_default().chars();
        (0..self.digits).fold(0, |number, _| {
            let digit = rest.next().map_or(0, |c| self.alphabet.digit(c));
            number * self.alphabet.base() + digit
        })
    }

    /// Returns the shortest beginning of the key at `position` that still lies within
    /// the range.
    fn shortest_key(&self, position: u128, range: &Range) -> Option<String> {
        let base = self.alphabet.base();
        let mut key = self.common.clone();
        for place in (0..self.digits).rev() {
            let digit = (position / base.pow(place) % base) as usize;
            key.push(*self.alphabet.0.get(digit.checked_sub(1)?)?);
            if range.contains(&key) && range.end.as_ref() != Some(&key) {
                return Some(key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    /// Keys as S3 has them, with many that share long beginnings.
    fn keys() -> impl Strategy<Value = BTreeSet<String>> {
        let any = "\\PC{0,6}";
        let alike = "a{0,9}[ab/]{0,3}";
        let numbers = (0..5000u32).prop_map(|number| format!("{number:09}"));
        btree_set(prop_oneof![any, alike, numbers], 0..200)
            .prop_map(|keys| keys.into_iter().filter(|key| !key.is_empty()).collect())
    }

    /// What one lister gets: the first keys after `after`, and whether that is all.
    fn page(keys: &BTreeSet<String>, after: &str, size: usize) -> (Vec<String>, bool) {
        let mut rest =
            keys.range::<str, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        let page: Vec<_> = rest.by_ref().take(size).cloned().collect();
        (page, rest.next().is_none())
    }

    /// Lists all keys with several listers, as `folder` does; `split` gives
    /// the upper part of a range away, or not.
    fn list_all(
        keys: &BTreeSet<String>,
        size: usize,
        mut split: impl FnMut(&mut Range, &str) -> Option<Range>,
    ) -> (Vec<String>, usize) {
        let mut ranges = VecDeque::from([Range::everything()]);
        let (mut listed, mut calls) = (Vec::new(), 0);
        while let Some(mut range) = ranges.pop_front() {
            let (mut page, is_last) = page(keys, &range.after, size);
            calls += 1;
            let past_end = page.last().is_some_and(|last| range.is_past_end(last));
            if !is_last && !past_end {
                range.after = page.last().unwrap().clone();
                ranges.extend(split(&mut range, &page[0]));
                ranges.push_back(range.clone());
            }
            page.retain(|key| !range.is_past_end(key));
            listed.extend(page);
        }
        listed.sort();
        (listed, calls)
    }

    proptest! {
        #[test]
        fn each_key_is_listed_once_wherever_ranges_are_split(
            keys in keys(),
            size in 1..20usize,
            middles in vec("\\PC{0,4}", 0..50),
        ) {
            let mut middles = middles.into_iter();
            let (listed, _) = list_all(&keys, size, |range, _| {
                let middle = middles.next().filter(|middle| range.contains(middle))?;
                Some(range.split_at(middle))
            });
            prop_assert_eq!(listed, keys.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn each_key_is_listed_once_by_the_splits_that_are_chosen(keys in keys(), size in 1..20usize) {
            let mut alphabet = Alphabet::default();
            keys.iter().step_by(7).for_each(|key| alphabet.learn(key));
            let (listed, _) = list_all(&keys, size, |range, first| {
                let whole = range.clone();
                let upper = range.split_off(first, &alphabet)?;
                assert!(upper.after > whole.after && range.end.as_ref() == Some(&upper.after));
                assert!(upper.end == whole.end && !whole.is_past_end(&upper.after));
                Some(upper)
            });
            prop_assert_eq!(listed, keys.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn few_cuts_find_the_end_of_a_flat_folder() {
        let keys: BTreeSet<_> = (0..50_000).map(|number| format!("{number:09}")).collect();
        let mut alphabet = Alphabet::default();
        keys.iter().take(1000).for_each(|key| alphabet.learn(key));
        let (listed, calls) =
            list_all(&keys, 1000, |range, first| range.split_off(first, &alphabet));
        assert_eq!(listed.len(), keys.len());
        assert!(calls < 90, "{calls} calls for 50 pages");
    }
}
