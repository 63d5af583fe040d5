//! The users that a command works on, from its arguments and from a file: a list of
//! names, or a table with options of its own for each user (`users_csv`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use super::problems::{self, Place, Problem};
use super::secrets::is_like_key;
use super::terminal::to_stderr;
use super::users_csv::Table;
use crate::access::{Expiry, GivenFolder, GrantChange, UserName, ValueError};

/// The characters that people and word processors put around names.
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];

/// A user that is named, with the options of its own row.
#[derive(Debug, Clone)]
pub struct NamedUser {
    /// The user's name.
    pub name: UserName,
    /// The access that the user's row in a table names; nothing without one.
    pub access: GrantChange,
    /// The same with what each empty cell stands for, where the table says everything.
    pub whole: GrantChange,
    /// True if the row says how long access lasts from now on, and not when it ends.
    pub lasts: bool,
    /// The folder that the row names; none without one.
    pub folder: Option<GivenFolder>,
    /// Whom the person can ask, if the row says so.
    pub contact: Option<String>,
    /// The file and line that name the user; none for -u.
    pub place: Option<Place>,
}

impl From<UserName> for NamedUser {
    /// A user without options of its own.
    fn from(name: UserName) -> Self {
        Self {
            name,
            access: GrantChange::default(),
            whole: GrantChange::default(),
            lasts: false,
            folder: None,
            contact: None,
            place: None,
        }
    }
}

impl NamedUser {
    /// True if the user's row says more than its name.
    pub fn has_options(&self) -> bool {
        self.access != GrantChange::default() || self.folder.is_some() || self.contact.is_some()
    }

    /// Fails on an end of access that has passed, as rows of a list may have.
    pub fn check_end(&self) -> Result<(), ValueError> {
        let end = self.access.expires.flatten();
        if end.is_some_and(|end| end.has_passed()) { Err(Expiry::PASSED) } else { Ok(()) }
    }
}

/// Returns the users that are named, each once and in order; or all that is wrong with
/// the names, a line each.
///
/// `file` has a name on each line, without commas, or begins with a header that
/// has a column `user`. Blank lines are skipped, and what follows a `#`; of a table only lines
/// that begin with `# `. `-` stands for stdin.
pub(super) fn read(
    given: Vec<UserName>,
    file: Option<&Path>,
) -> Result<Vec<NamedUser>, Vec<String>> {
    let mut list = List::default();
    for user in given {
        list.add(user.into());
    }
    if let Some(path) = file {
        let stdin = path == Path::new("-");
        list.file = if stdin { "stdin".into() } else { path.to_string_lossy().into() };
        match text(path, &list.file) {
            Ok(text) => list.add_text(&text),
            Err(problem) => list.problems.push((None, problem)),
        }
        if list.users.is_empty() && list.problems.is_empty() {
            let after = if list.has_header { " below its header" } else { "" };
            list.problems.push((None, format!("{} contains no user names{after}", list.file)));
        }
    }
    list.into_users().map_err(problems::lines)
}

/// The names in a file with this text.
#[cfg(fuzzing)]
pub(crate) fn names_in(text: &str) -> Result<Vec<String>, Vec<String>> {
    Ok(users_in(text)?.into_iter().map(|user| user.name.to_string()).collect())
}

/// The text of a file, which spreadsheets and Windows may save in other encodings.
fn text(path: &Path, file: &str) -> Result<String, String> {
    let bytes = content(path).map_err(|error| format!("can't read {file}: {error}"))?;
    // How a zip archive begins, which such a workbook is.
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(format!("{file} is a workbook or a zip file; save a workbook as CSV in UTF-8"));
    }
    // No text in UTF-8 has a NUL in it, and all but a few in UTF-16 have.
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    if is_utf16 || bytes.contains(&0) {
        return Err(format!("{file} is UTF-16 or not a text file; save it as UTF-8"));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| format!("{file} is not UTF-8; save it as UTF-8"))?;
    match other_content(&text) {
        Some(what) => Err(format!("{file} looks like {what}, not a list of users")),
        None => Ok(text),
    }
}

/// What a file is that was given by mistake, such as a key file, if that shows.
fn other_content(text: &str) -> Option<&'static str> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_ascii_lowercase().replace(['_', ' ', '-'], "");
    if lower.contains("accesskeyid") || lower.contains("secretaccesskey") {
        Some("a key file")
    } else if start.starts_with("-----BEGIN") {
        Some("a key or a certificate")
    } else if start.starts_with('[') {
        Some("a config file, or JSON")
    } else if start.starts_with('{') {
        Some("JSON")
    } else {
        None
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path);
    }
    if io::stdin().is_terminal() {
        to_stderr("reading user names from the terminal, one per line; end with Ctrl-D");
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The table that a text is, with the line of its header; `None` for a list of names.
fn table_in(text: &str) -> Result<Option<(usize, Table)>, (usize, String)> {
    for (number, line) in numbered(text) {
        if let Some(table) = Table::with_header(line).map_err(|problem| (number, problem))? {
            return Ok(Some((number, table)));
        }
        // Above a header stand comments, and what tells Excel the separator.
        if !line.starts_with('#') && !line.starts_with("sep=") {
            break;
        }
    }
    Ok(None)
}

/// The lines that aren't blank, with their numbers from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}

/// The lines of a list of names with something else than a comment in them, with their
/// numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, without_comment(line).trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// The line up to a `#` that begins it or follows white space; within a word,
/// it is a part of a bad name.
fn without_comment(line: &str) -> &str {
    let mut signs = line.match_indices('#').map(|(index, _)| &line[..index]);
    signs.find(|before| before.is_empty() || before.ends_with(char::is_whitespace)).unwrap_or(line)
}

/// The users in a text, or all that is wrong with it.
#[cfg(any(test, fuzzing))]
pub(super) fn users_in(text: &str) -> Result<Vec<NamedUser>, Vec<String>> {
    let mut list = List { file: "users".to_owned(), ..List::default() };
    list.add_text(text);
    list.into_users().map_err(problems::lines)
}

/// A user's name, or what is wrong with it. Never the text itself: it may be a secret.
pub(super) fn user_name(name: &str) -> Result<UserName, String> {
    if is_like_key(name) {
        return Err("this looks like an access key; if it is a user name, use -u".to_owned());
    }
    if name.contains(QUOTES) {
        return Err("remove the quotes".to_owned());
    }
    name.parse().map_err(|error: ValueError| error.to_string())
}

/// True for a line that people write above a column of names, or several columns: it
/// names no user.
fn is_title(line: &str) -> bool {
    let titles = [
        "client",
        "clients",
        "customer",
        "customers",
        "iamuser",
        "login",
        "name",
        "names",
        "user",
        "users",
        "username",
        "usernames",
    ];
    let first = line.split([',', ';', '\t']).next().unwrap_or_default();
    let letters = first.to_ascii_lowercase().replace([' ', '_', '-', '"'], "");
    titles.contains(&letters.as_str())
}

#[derive(Default)]
struct List {
    /// The file's name for people.
    file: String,
    users: Vec<NamedUser>,
    /// Each user's index, by the name in lower case: IAM has no two names that differ
    /// only in case.
    indexes: HashMap<String, usize>,
    problems: Vec<Problem>,
    /// True if the file is a table.
    has_header: bool,
}

impl List {
    fn add_text(&mut self, text: &str) {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        match table_in(&text) {
            Ok(Some((header, table))) => {
                self.has_header = true;
                let rows = numbered(&text).filter(|(row, _)| *row > header);
                for (number, line) in rows.filter(|(_, line)| !table.is_comment(line)) {
                    self.add_read(number, table.user(line));
                }
            }
            Ok(None) => {
                for (number, line) in lines(&text) {
                    let user = self.user(line).map(Some).map_err(|problem| vec![problem]);
                    self.add_read(number, user);
                }
            }
            Err((number, problem)) => self.problems.push((Some(self.place(number)), problem)),
        }
    }

    fn add_read(&mut self, line: usize, read: Result<Option<NamedUser>, Vec<String>>) {
        let place = Some(self.place(line));
        match read {
            Ok(Some(user)) => self.add(NamedUser { place, ..user }),
            Ok(None) => {}
            Err(problems) => {
                let problems = problems.into_iter().map(|problem| (place.clone(), problem));
                self.problems.extend(problems);
            }
        }
    }

    fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line }
    }

    /// The user that a line of a list names.
    fn user(&self, line: &str) -> Result<NamedUser, String> {
        if self.users.is_empty() && self.problems.is_empty() && is_title(line) {
            let wrong = "this looks like a header; name the column user, or remove the line";
            return Err(wrong.to_owned());
        }
        // A line of a CSV file would make a user of another name.
        if line.contains(',') {
            let wrong = "put one user name on each line, or start the file with a header that has \
                         a \"user\" column; use -u for a name with a comma";
            return Err(wrong.to_owned());
        }
        Ok(user_name(line)?.into())
    }

    fn into_users(self) -> Result<Vec<NamedUser>, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self.users) } else { Err(self.problems) }
    }

    fn add(&mut self, user: NamedUser) {
        match self.indexes.entry(user.name.as_str().to_ascii_lowercase()) {
            Entry::Vacant(entry) => {
                entry.insert(self.users.len());
                self.users.push(user);
            }
            Entry::Occupied(entry) => {
                let first = &self.users[*entry.get()];
                let why =
                    if first.name == user.name { "" } else { "; IAM ignores case in user names" };
                let earlier = match &first.place {
                    Some(place) => format!("on line {}", place.line),
                    None => "given with -u".to_owned(),
                };
                let problem = match user.place {
                    Some(_) => format!("user {} is already {earlier}{why}", user.name),
                    None => format!("-u {} is given twice{why}", user.name),
                };
                self.problems.push((user.place, problem));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let mut list = List { file: "users".to_owned(), ..List::default() };
        list.add_text(text);
        let users = list.users.iter().map(|user| user.name.to_string());
        (users.collect(), problems::lines(list.problems))
    }

    #[test]
    fn blank_lines_and_comments_are_skipped() {
        let (users, problems) =
            read("\u{feff}alex\r\n\n  # all of sales\nkim # since May\n\tlee\t\n");
        assert_eq!(users, ["alex", "kim", "lee"]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn bad_names_and_duplicates_are_all_reported_with_their_lines() {
        for header in ["", "user\n"] {
            let text = format!("{header}alex\nal ex\n\nAlex\nkim/\nalex\nlee#old\n");
            let (_, problems) = read(&text);
            let first = 2 + header.lines().count();
            let places: Vec<_> =
                problems.iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect();
            let expected = [first, first + 2, first + 3, first + 4, first + 5];
            assert_eq!(places, expected.map(|line| format!("users:{line}:")));
            let first = format!("is already on line {}", first - 1);
            assert!(problems[1].contains(&first), "{problems:?}");
            let other_case =
                problems.iter().filter(|it| it.ends_with("ignores case in user names"));
            assert_eq!(other_case.count(), 1, "{problems:?}");
        }
        let (_, problems) = read("lee,90\n");
        assert!(problems[0].starts_with("users:1: put one user name "), "{problems:?}");
    }

    #[test]
    fn problem_of_several_lines_is_told_once() {
        let (_, problems) =
            read("user,expires\nal,1/2/2030\nben,never\nkim,3/4/2030\neva,5/6/2030\n");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("users:2: column expires: "), "{problems:?}");
        assert!(problems[0].ends_with(" (also on lines 4, 5)"), "{problems:?}");
    }

    #[test]
    fn title_of_another_name_is_no_user() {
        for (text, is_refused) in [
            ("Name\nalex\n", true),
            ("User name\nalex\n", true),
            ("name,access\n", true),
            ("alex\nname\n", false),
        ] {
            let (_, problems) = read(text);
            assert_eq!(problems.len(), usize::from(is_refused), "{problems:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_names_or_problems(text in "(?s).{0,200}", header in "(user(,access)?\n)?") {
            let text = header + &text;
            let (users, problems) = read(&text);
            let mut distinct: Vec<_> = users.iter().map(|user| user.to_lowercase()).collect();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), users.len());
            let named = text.split(['\n', '\r']).filter(|line| {
                !line.trim_start_matches('\u{feff}').trim().is_empty()
            });
            prop_assert!(users.len() + problems.len() <= 2 * named.count() + 1);
        }
    }
}
