//! The users a command works on, from its arguments and from a file: a list of
//! names, or a table with options of its own for each user (`users_table`).

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::users_table::{self, Row};
use crate::access::{GrantChange, UserName};

/// A user that is named, with what is said of this one alone.
#[derive(Debug, Clone)]
pub struct NamedUser {
    /// The user's name.
    pub name: UserName,
    /// What the user's row in a table says on access; nothing without one.
    pub access: GrantChange,
}

impl From<UserName> for NamedUser {
    /// A user of whom nothing else is said.
    fn from(name: UserName) -> Self {
        Self {
            name,
            access: GrantChange::default(),
        }
    }
}

/// Who is named, each once and in order; or all that is wrong with the names, a
/// line each.
///
/// `file` has a name on each line, without commas, or begins with a header that
/// has a column `user`. Blank lines and what follows a `#` are skipped. `-` stands
/// for stdin.
pub(super) fn read(
    given: Vec<UserName>,
    file: Option<&Path>,
) -> Result<Vec<NamedUser>, Vec<String>> {
    let mut list = List::default();
    for user in given {
        list.add("-u".to_owned(), user.into());
    }
    if let Some(file) = file {
        let name = if file == Path::new("-") {
            "stdin".to_owned()
        } else {
            file.display().to_string()
        };
        match content(file) {
            Ok(text) => list.add_text(&name, &text),
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
    list.add_text("users", text);
    if list.problems.is_empty() {
        Ok(list.users.iter().map(|it| it.name.to_string()).collect())
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
pub(super) fn without_comment(line: &str) -> &str {
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

/// A bad name as it is shown in a message: on one line, and not too long.
pub(super) fn shown(name: &str) -> String {
    name.escape_debug().take(80).collect()
}

/// Whether a name is what people write above a column of names.
fn is_title(name: &str) -> bool {
    let titles = ["name", "names", "users", "username", "user_name"];
    titles.contains(&name.to_ascii_lowercase().as_str())
}

#[derive(Default)]
struct List {
    users: Vec<NamedUser>,
    /// Where each was given, by its name in lower case: IAM has no two names
    /// that differ only in case.
    places: HashMap<String, String>,
    problems: Vec<String>,
}

impl List {
    fn add_text(&mut self, file: &str, text: &str) {
        let text = text.trim_start_matches('\u{feff}');
        if !users_table::has_header(text) {
            return self.add_lines(file, text);
        }
        for Row { line, user } in users_table::rows(text) {
            match user {
                Ok(user) => self.add(format!("{file}:{line}"), user),
                Err(problem) => self.problems.push(format!("{file}:{line}: {problem}")),
            }
        }
    }

    fn add_lines(&mut self, file: &str, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let name = without_comment(line).trim();
            let place = format!("{file}:{}", index + 1);
            let list_is_empty = self.users.is_empty() && self.problems.is_empty();
            match name.parse::<UserName>() {
                _ if name.is_empty() => {}
                Ok(_) if list_is_empty && is_title(name) => self.problems.push(format!(
                    "{place}: {name}: looks like a header, which is taken as one only if it has a column user; \
                     a user of that name is given by -u"
                )),
                // A line of a CSV file would make a user of another name.
                Ok(_) if name.contains(',') => self.problems.push(format!(
                    "{place}: {name}: a line has a name alone, unless the first line is a header with a \
                     column user; a name with a comma is given by -u"
                )),
                Ok(user) => self.add(place, user.into()),
                Err(error) => {
                    let name = shown(name);
                    self.problems.push(format!("{place}: {name}: {error}"));
                }
            }
        }
    }

    fn add(&mut self, place: String, user: NamedUser) {
        let lower = user.name.as_str().to_ascii_lowercase();
        match self.places.get(&lower) {
            Some(first) => {
                let name = &user.name;
                let is_same = self.users.iter().any(|it| it.name == *name);
                let why = if is_same {
                    ""
                } else {
                    "; IAM has no two names that differ only in case"
                };
                self.problems.push(format!(
                    "{place}: {name} is given twice, first by {first}{why}"
                ));
            }
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
        list.add_text("users", text);
        let users = list.users.iter().map(|user| user.name.to_string());
        (users.collect(), list.problems)
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
        for header in ["", "user\n"] {
            let text = format!("{header}alex\nal ex\n\nAlex\nkim/\nalex\nlee#old\n");
            let (_, problems) = lines(&text);
            let first = 2 + header.lines().count();
            let places: Vec<_> = problems
                .iter()
                .map(|it| it.split(' ').next().unwrap().to_owned())
                .collect();
            let expected = [first, first + 2, first + 3, first + 4, first + 5];
            assert_eq!(places, expected.map(|line| format!("users:{line}:")));
            let first = format!("first by users:{}", first - 1);
            assert!(problems[1].contains(&first), "{problems:?}");
            let other_case = problems.iter().filter(|it| it.ends_with("only in case"));
            assert_eq!(other_case.count(), 1, "{problems:?}");
        }
        let (_, problems) = lines("lee,90\n");
        assert!(problems[0].starts_with("users:1: lee,90: "), "{problems:?}");
    }

    #[test]
    fn title_of_another_name_is_no_user() {
        for (text, is_refused) in [("Name\nalex\n", true), ("alex\nname\n", false)] {
            let (_, problems) = lines(text);
            assert_eq!(problems.len(), usize::from(is_refused), "{problems:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_names_or_problems(text in "(?s).{0,200}", header in "(user(,access)?\n)?") {
            let text = header + &text;
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
