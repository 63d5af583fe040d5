//! What is wrong with the users that a command line and a users file name.

use std::fmt;

use super::once::{by_text, names};

/// The most problems that are told: a wrong file may have as many as it has lines.
const MOST: usize = 20;

/// A line of a users file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name for people.
    pub file: String,
    /// The line's number, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is wrong, and where in the users file if it is there.
pub type Problem = (Option<Place>, String);

/// Returns the problems as lines, each once with all its places: the first of them, and how
/// many more there are.
pub(super) fn lines(problems: Vec<Problem>) -> Vec<String> {
    let mut lines: Vec<_> = by_text(problems).into_iter().map(line).collect();
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    match more {
        0 => {}
        1 => lines.push("1 more problem".to_owned()),
        _ => lines.push(format!("{more} more problems")),
    }
    lines
}

fn line((problem, places): (String, Vec<Option<Place>>)) -> String {
    let places: Vec<_> = places.into_iter().flatten().collect();
    let Some((first, others)) = places.split_first() else { return problem };
    let others: Vec<_> = others.iter().map(|place| place.line).collect();
    match others.len() {
        0 => format!("{first}: {problem}"),
        1 => format!("{first}: {problem} (also on line {})", names(&others)),
        _ => format!("{first}: {problem} (also on lines {})", names(&others)),
    }
}
