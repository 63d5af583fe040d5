//! What holds for several users, or lines of a file, said once with their names or numbers.

use std::collections::HashMap;

/// The most users or lines that are named.
pub(super) const NAMED: usize = 20;

/// Returns each text once, with all that it was said of, in the order in which they came.
pub(super) fn by_text<T>(said: impl IntoIterator<Item = (T, String)>) -> Vec<(String, Vec<T>)> {
    let mut groups: Vec<(String, Vec<T>)> = Vec::new();
    let mut indexes = HashMap::new();
    for (what, text) in said {
        let index = *indexes.entry(text.clone()).or_insert(groups.len());
        if index == groups.len() {
            groups.push((text, Vec::new()));
        }
        groups[index].1.push(what);
    }
    groups
}

/// The names of users, or the numbers of lines: the first of them, and how many more there are.
pub(super) fn names(all: &[impl ToString]) -> String {
    let named: Vec<_> = all.iter().take(NAMED).map(ToString::to_string).collect();
    let more = all.len() - named.len();
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_several_is_said_once() {
        let said = [(1, "is empty"), (2, "has ended"), (3, "is empty")];
        let groups = by_text(said.map(|(line, text)| (line, text.to_owned())));
        let expected = [("is empty", vec![1, 3]), ("has ended", vec![2])];
        assert_eq!(groups, expected.map(|(text, lines)| (text.to_owned(), lines)));
    }

    #[test]
    fn no_more_than_twenty_are_named() {
        let all: Vec<_> = (10..=31).collect();
        assert!(names(&all).ends_with(", 28, 29 and 2 more"), "{}", names(&all));
        assert_eq!(names(&all[..20]).split(", ").count(), 20);
    }
}
