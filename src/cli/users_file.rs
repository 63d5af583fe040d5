//! The users a command works on, from its arguments and from a file: a list of
//! names, or a table with options of its own for each user (`users_csv`).

use std::collections::HashMap;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use super::output::to_stderr;
use super::users_csv::{self, Row};
use crate::access::{GrantChange, UserName};

/// How many problems with names are told.
const MOST_PROBLEMS: usize = 20;

/// A user that is named, with the options of its own row.
#[derive(Debug, Clone)]
pub struct NamedUser {
    /// The user's name.
    pub name: UserName,
    /// What the user's row in a table says on access; nothing without one.
    pub access: GrantChange,
    /// The file and line that name the user; none for -u.
    pub place: Option<String>,
}

impl From<UserName> for NamedUser {
    /// A user without options of its own.
    fn from(name: UserName) -> Self {
        Self { name, access: GrantChange::default(), place: None }
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
        list.add(None, user.into());
    }
    if let Some(file) = file {
        let name =
            if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
        let content = content(file).map_err(|error| format!("can't read {name}: {error}"));
        match content.and_then(|bytes| text(&name, bytes)) {
            Ok(text) => list.add_text(&name, &text),
            Err(problem) => list.problems.push(problem),
        }
        if list.users.is_empty() && list.problems.is_empty() {
            let after = if list.has_header { " below its header" } else { "" };
            list.problems.push(format!("{name} contains no user names{after}"));
        }
    }
    if list.problems.is_empty() { Ok(list.users) } else { Err(first_of(list.problems)) }
}

/// The first problems, and how many more there are: a wrong file may have as many
/// as it has lines.
pub(super) fn first_of(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if more > 0 {
        let s = if more == 1 { "" } else { "s" };
        problems.push(format!("{more} more problem{s}"));
    }
    problems
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

fn content(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut stdin = io::stdin();
    if stdin.is_terminal() {
        to_stderr("reading user names from the terminal, one on each line; end with Ctrl-D");
    }
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file, which spreadsheets and Windows may save in other encodings.
fn text(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    // No text in UTF-8 has a NUL in it, and all but a few in UTF-16 have.
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    if is_utf16 || bytes.contains(&0) {
        return Err(format!("{name} is UTF-16, or no text at all; save it as UTF-8"));
    }
    String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8; save it as UTF-8"))
}

/// The line up to a `#` that begins it or follows white space; within a word,
/// it is a part of a bad name.
pub(super) fn without_comment(line: &str) -> &str {
    let starts = |(index, _): &(usize, &str)| {
        line[..*index].chars().next_back().is_none_or(char::is_whitespace)
    };
    match line.match_indices('#').find(starts) {
        Some((index, _)) => &line[..index],
        None => line,
    }
}

/// A user's name, or what is wrong with it.
pub(super) fn user_name(name: &str) -> Result<UserName, String> {
    let is_quoted = name.contains(QUOTES);
    name.parse().map_err(|error| match error {
        _ if is_quoted => format!("{}: remove the quotes", shown(name)),
        error => format!("{}: {error}", shown(name)),
    })
}

/// What people and word processors put around names.
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];

/// A bad name as it is shown in a message: on one line, and not too long.
pub(super) fn shown(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars().take(80) {
        if QUOTES.contains(&c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

/// Whether a line is what people write above a column of names, or several
/// columns: it names no user.
fn is_title(line: &str) -> bool {
    let titles = ["name", "names", "user", "users", "username", "usernames"];
    let first = line.split([',', ';', '\t']).next().unwrap_or_default();
    let letters = first.to_ascii_lowercase().replace([' ', '_', '-', '"'], "");
    titles.contains(&letters.as_str())
}

/// What separates the columns of a table that isn't CSV, if the line is of one.
fn other_separator(line: &str) -> Option<&'static str> {
    let separators = [(';', "semicolons"), ('\t', "tabs")];
    let found = separators.iter().find(|(separator, _)| line.contains(*separator));
    found.filter(|_| !line.contains(',')).map(|(_, name)| *name)
}

#[derive(Default)]
struct List {
    users: Vec<NamedUser>,
    /// Where each was given, by its name in lower case: IAM has no two names
    /// that differ only in case.
    places: HashMap<String, Option<String>>,
    problems: Vec<String>,
    /// Whether the file is a table.
    has_header: bool,
}

impl List {
    fn add_text(&mut self, file: &str, text: &str) {
        let text = text.trim_start_matches('\u{feff}');
        let first = users_csv::lines(text).next();
        if let Some((line, separator)) =
            first.and_then(|(line, text)| Some((line, other_separator(text)?)))
        {
            self.problems.push(format!(
                "{file}:{line}: the columns are separated by {separator}; save the file as CSV with commas, \
                 or write one name on each line"
            ));
            return;
        }
        if !users_csv::has_header(text) {
            return self.add_lines(file, text);
        }
        self.has_header = true;
        for Row { line, user } in users_csv::rows(text) {
            match user {
                Ok(user) => self.add(Some(format!("{file}:{line}")), user),
                Err(problem) => self.problems.push(format!("{file}:{line}: {problem}")),
            }
        }
    }

    fn add_lines(&mut self, file: &str, text: &str) {
        for (line, name) in users_csv::lines(text) {
            let place = format!("{file}:{line}");
            let list_is_empty = self.users.is_empty() && self.problems.is_empty();
            match user_name(name) {
                _ if list_is_empty && is_title(name) => self.problems.push(format!(
                    "{place}: {}: this looks like a header; name the column user, or remove the line",
                    shown(name)
                )),
                // A line of a CSV file would make a user of another name.
                Ok(_) if name.contains(',') => self.problems.push(format!(
                    "{place}: {name}: write one name on each line, or a header with a column user above; \
                     give a name with a comma by -u"
                )),
                Ok(user) => self.add(Some(place), user.into()),
                Err(problem) => self.problems.push(format!("{place}: {problem}")),
            }
        }
    }

    /// Adds a user that the file names at a place, or -u.
    fn add(&mut self, place: Option<String>, user: NamedUser) {
        let user = NamedUser { place, ..user };
        let lower = user.name.as_str().to_ascii_lowercase();
        let Some(first) = self.places.get(&lower) else {
            self.places.insert(lower, user.place.clone());
            self.users.push(user);
            return;
        };
        let place = user.place.map_or(String::new(), |place| format!("{place}: "));
        let first = first.as_deref().unwrap_or("-u");
        let name = &user.name;
        let why = if self.users.iter().any(|it| it.name == *name) {
            ""
        } else {
            "; IAM has no two names that differ only in case"
        };
        let problem = format!("{place}{name} is given twice, first by {first}{why}");
        self.problems.push(problem);
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
            let places: Vec<_> =
                problems.iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect();
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
        for (text, is_refused) in [
            ("Name\nalex\n", true),
            ("User name\nalex\n", true),
            ("name,access\n", true),
            ("alex\nname\n", false),
        ] {
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
