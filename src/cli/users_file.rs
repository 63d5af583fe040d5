//! The users a command works on, from its arguments and from a file.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::access::UserName;

/// Whose names are given, each once and in order; or all that is wrong with
/// them, a line each.
///
/// `file` has a name per line, without commas; blank lines and what follows a
/// `#` are skipped.
/// `-` stands for stdin.
pub(super) fn read(
    given: Vec<UserName>,
    file: Option<&Path>,
) -> Result<Vec<UserName>, Vec<String>> {
    let mut list = List::default();
    for user in given {
        list.add("-u".to_owned(), user);
    }
    if let Some(file) = file {
        let name = if file == Path::new("-") {
            "stdin".to_owned()
        } else {
            file.display().to_string()
        };
        match content(file) {
            Ok(text) => list.add_lines(&name, &text),
            Err(error) => list.problems.push(format!("can't read {name}: {error}")),
        }
        if list.users.is_empty() && list.problems.is_empty() {
            list.problems.push(format!("{name} names no user"));
        }
    }
    if list.problems.is_empty() {
        Ok(list.users)
    } else {
        Err(list.problems)
    }
}

/// The names in a file with this text.
#[cfg(fuzzing)]
pub(crate) fn names_in(text: &str) -> Result<Vec<String>, Vec<String>> {
    let mut list = List::default();
    list.add_lines("users", text);
    if list.problems.is_empty() {
        Ok(list.users.iter().map(UserName::to_string).collect())
    } else {
        Err(list.problems)
    }
}

fn content(file: &Path) -> io::Result<String> {
    if file != Path::new("-") {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The line up to a `#` that begins it or follows white space; within a word,
/// it is a part of a bad name.
fn without_comment(line: &str) -> &str {
    let starts = |(index, _): &(usize, &str)| {
        line[..*index]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    match line.match_indices('#').find(starts) {
        Some((index, _)) => &line[..index],
        None => line,
    }
}

#[derive(Default)]
struct List {
    users: Vec<UserName>,
    /// Where each was given, by its name in lower case: IAM has no two names
    /// that differ only in case.
    places: HashMap<String, String>,
    problems: Vec<String>,
}

impl List {
    fn add_lines(&mut self, file: &str, text: &str) {
        let text = text.trim_start_matches('\u{feff}');
        for (index, line) in text.lines().enumerate() {
            let name = without_comment(line).trim();
            let place = format!("{file}:{}", index + 1);
            match name.parse() {
                _ if name.is_empty() => {}
                // A line of a CSV file would make a user of another name.
                Ok(_) if name.contains(',') => self.problems.push(format!(
                    "{place}: {name}: a line has a name alone; one with a comma is given by -u"
                )),
                Ok(user) => self.add(place, user),
                Err(error) => {
                    let name: String = name.escape_debug().take(80).collect();
                    self.problems.push(format!("{place}: {name}: {error}"));
                }
            }
        }
    }

    fn add(&mut self, place: String, user: UserName) {
        let lower = user.as_str().to_ascii_lowercase();
        match self.places.get(&lower) {
            Some(first) => self.problems.push(format!(
                "{place}: {user} is given twice, first by {first}; capitals make no other name"
            )),
            None => {
                self.places.insert(lower, place);
                self.users.push(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> (Vec<String>, Vec<String>) {
        let mut list = List::default();
        list.add_lines("users", text);
        let users = list.users.iter().map(UserName::to_string).collect();
        (users, list.problems)
    }

    #[test]
    fn blank_lines_and_comments_are_skipped() {
        let (users, problems) =
            lines("\u{feff}alex\r\n\n  # all of sales\nkim # since May\n\tlee\t\n");
        assert_eq!(users, ["alex", "kim", "lee"]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn bad_names_and_duplicates_are_all_reported_with_their_lines() {
        let (_, problems) = lines("alex\nal ex\n\nAlex\nkim/\nalex\nlee#old\nlee,90\n");
        let places: Vec<_> = problems
            .iter()
            .map(|it| it.split(' ').next().unwrap())
            .collect();
        assert_eq!(
            places,
            [
                "users:2:", "users:4:", "users:5:", "users:6:", "users:7:", "users:8:"
            ]
        );
        assert!(problems[1].contains("first by users:1"), "{problems:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_names_or_problems(text in "(?s).{0,200}") {
            let (users, problems) = lines(&text);
            let mut distinct: Vec<_> = users.iter().map(|user| user.to_lowercase()).collect();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), users.len());
            let named = text.lines().filter(|line| {
                !line.trim_start_matches('\u{feff}').trim().is_empty()
            });
            prop_assert!(users.len() + problems.len() <= named.count() + 1);
        }
    }
}
