//! A table for people, which fits their terminal.

use console::Term;

/// The space between two columns.
const GAP: usize = 2;

/// The last column is never narrower than this while the others needn't wrap.
const LAST: usize = 20;

/// Rows of as many cells as there are columns, the header first.
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
    /// The column with words to copy, which are broken last.
    to_copy: usize,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub fn new(header: [&str; COLUMNS], to_copy: usize) -> Self {
        Self { rows: vec![header.map(str::to_owned)], to_copy }
    }

    pub fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// The table as text. Cells wrap where it would be wider than `most`.
    pub fn text(&self, most: Option<usize>) -> String {
        let widths = self.widths(most.unwrap_or(usize::MAX));
        let lines = self.rows.iter().flat_map(|row| lines(row, &widths));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// How wide each column is, so that the whole is no wider than `most`.
    fn widths(&self, most: usize) -> Vec<usize> {
        let last = COLUMNS - 1;
        let widest = |width: fn(&str) -> usize, column: usize| {
            let cells = self.rows.iter().map(|row| width(&row[column]));
            cells.max().unwrap_or(0)
        };
        let mut widths: Vec<_> = (0..=last).map(|column| widest(width, column)).collect();
        let words: Vec<_> = (0..=last).map(|column| widest(longest_word, column)).collect();
        let room = most.saturating_sub(GAP * last);
        // First the last column, then all between their words, then within them.
        let only_last = |column| {
            if column == last { LAST.max(words[last]) } else { usize::MAX }
        };
        shrink(&mut widths, room, only_last);
        shrink(&mut widths, room, |column| words[column]);
        shrink(&mut widths, room, |column| if column == self.to_copy { words[column] } else { 1 });
        shrink(&mut widths, room, |_| 1);
        widths
    }
}

/// Narrows the widest columns until they have room, but none below its floor.
fn shrink(widths: &mut [usize], room: usize, floor: impl Fn(usize) -> usize) {
    while widths.iter().sum::<usize>() > room {
        let can_shrink = |column: &usize| widths[*column] > floor(*column);
        let columns = (0..widths.len()).filter(can_shrink);
        let Some(widest) = columns.max_by_key(|column| widths[*column]) else {
            return;
        };
        widths[widest] -= 1;
    }
}

/// The lines of a row: more than one where a cell wraps.
fn lines(row: &[String], widths: &[usize]) -> Vec<String> {
    let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |index: usize| {
        let parts = cells.iter().zip(widths).map(|(cell, width)| {
            let part = cell.get(index).map_or("", String::as_str);
            format!("{part:width$}")
        });
        let line = parts.collect::<Vec<_>>().join(&" ".repeat(GAP));
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// The text in lines of at most so many characters, broken between words where
/// that goes.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let letters: Vec<_> = word.chars().collect();
        for (index, piece) in letters.chunks(most).enumerate() {
            let fits = |line: &String| width(line) + 1 + piece.len() <= most;
            match lines.last_mut().filter(|line| index == 0 && fits(line)) {
                Some(line) => {
                    line.push(' ');
                    line.extend(piece);
                }
                None => lines.push(piece.iter().collect()),
            }
        }
    }
    lines
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(width).max().unwrap_or(0)
}

/// How wide the terminal is that stdout is; none if it is not a terminal.
pub(super) fn width_of_terminal() -> Option<usize> {
    let terminal = Term::stdout();
    let given = std::env::var("COLUMNS").ok();
    let given = given.and_then(|columns| columns.parse().ok());
    let given = given.filter(|columns| *columns > 0);
    terminal.is_term().then(|| given.unwrap_or(terminal.size().1.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(["USER", "KEY", "ODD"], 1);
        table.push(["alex", "AKIA1 active, 12 days", ""].map(str::to_owned));
        table.push(["kim", "none", "no access key; in group partners"].map(str::to_owned));
        table
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let expected = "\
USER  KEY                    ODD
alex  AKIA1 active, 12 days
kim   none                   no access key; in group partners";
        assert_eq!(table().text(None), expected);
        assert_eq!(table().text(Some(61)), expected);
    }

    #[test]
    fn last_column_wraps_first_and_nothing_is_cut() {
        let expected = "\
USER  KEY                    ODD
alex  AKIA1 active, 12 days
kim   none                   no access key; in
                             group partners";
        assert_eq!(table().text(Some(50)), expected);
        let expected = "\
USER  KEY       ODD
alex  AKIA1
      active,
      12 days
kim   none      no
                access
                key; in
                group
                partners";
        assert_eq!(table().text(Some(24)), expected);
    }

    #[test]
    fn words_to_copy_are_broken_last() {
        let expected = "\
U  KEY      O
S           D
E           D
R
a  AKIA1
l  active,
e  12 days
x
k  none     n
i           o";
        let text = table().text(Some(13));
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn table_is_never_wider_than_the_terminal() {
        for most in 7..80 {
            let text = table().text(Some(most));
            let widest = text.lines().map(width).max().unwrap();
            assert!(widest <= most, "{most}:\n{text}");
            let letters = |text: &str| text.chars().filter(|c| *c != ' ' && *c != '\n').count();
            assert_eq!(letters(&text), letters(&table().text(None)), "{most}:\n{text}");
        }
    }
}
