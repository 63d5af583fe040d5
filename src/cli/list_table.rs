//! The table of `--list`: a row for each user, and one for each further key of its own.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width};
use console::Term;
use jiff::Timestamp;

use crate::access::Expiry;
use crate::errors::harmless;
use crate::step::counted;
use crate::workflows::inventory::{KeyInfo, LastUse, Listed};

const HEADER: [&str; 7] = ["USER", FOLDER, "ACCESS", "ENDS (UTC)", "KEY", "LAST USED", "NOTES"];

/// The column that is left out where each folder is named after its user.
const FOLDER: &str = "FOLDER";
/// The column with the IDs of keys, which are left out where there is no room for them.
const KEY_INDEX: usize = 4;

/// The space after each column.
const GAP: u16 = 2;

/// The users as a table, no wider than the terminal if stdout is one.
pub(super) fn table(users: &[Listed]) -> String {
    let now = Timestamp::now();
    let mut rows = Vec::new();
    for user in users {
        let (access, ends) = access_cells(user);
        let (key, used) = match user.keys.first() {
            Some(key) => key_cells(key, now),
            None => ("none".to_owned(), String::new()),
        };
        // What is odd about the user stands beside its first key.
        let others = user.keys.get(1..).unwrap_or_default();
        let odd = odd_cell(user, |key| !others.iter().any(|other| Some(&other.id) == key));
        let name = user.target.user.to_string();
        rows.push([name, folder_cell(user), access, ends, key, used, odd]);
        for other in others {
            let odd = odd_cell(user, |key| key == Some(&other.id));
            let (key, used) = key_cells(other, now);
            let [name, folder, access, ends] = Default::default();
            rows.push([name, folder, access, ends, key, used, odd]);
        }
    }
    text(&rows, width_of_terminal())
}

/// The rows below the header. Where the table would be wider than `most`, it has no IDs of keys;
/// where that is not enough, cells wrap.
fn text(rows: &[[String; HEADER.len()]], most: Option<u16>) -> String {
    let shown: Vec<_> = (0..HEADER.len())
        .filter(|column| {
            HEADER[*column] != FOLDER || rows.iter().any(|row| !row[*column].is_empty())
        })
        .collect();
    let mut table = Table::new();
    let has_ids = rows.iter().any(has_id);
    table.load_style(NOTHING).set_header(shown.iter().map(|column| match *column {
        KEY_INDEX if !has_ids => "KEY AGE",
        column => HEADER[column],
    }));
    table.add_rows(rows.iter().map(|row| shown.iter().map(|column| &row[*column])));
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    let natural = table.trim_fmt();
    let Some(most) = most.filter(|most| widest(&natural) > usize::from(*most)) else {
        return natural;
    };
    if has_ids {
        return text(&without_key_ids(rows), Some(most));
    }
    // The gap after the last column is not shown.
    let room = most.saturating_add(GAP);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(room);
    let longest_words: Vec<_> = (0..shown.len())
        .map(|column| {
            let cells = table.column_cells_with_header_iter(column).flatten();
            cells.map(longest_word).max().unwrap_or(0) + GAP
        })
        .collect();
    let words_fit = longest_words.iter().sum::<u16>() <= room;
    for (index, column) in table.column_iter_mut().enumerate() {
        if words_fit {
            let width = Width::Fixed(longest_words[index]);
            column.set_constraint(ColumnConstraint::LowerBoundary(width));
        }
    }
    table.trim_fmt()
}

/// The rows with the state and age of each key alone, which `--json` has with its ID.
fn without_key_ids(rows: &[[String; HEADER.len()]]) -> Vec<[String; HEADER.len()]> {
    let mut rows = rows.to_vec();
    for row in rows.iter_mut().filter(|row| has_id(row)) {
        let about = row[KEY_INDEX].split_once(' ').map_or("", |(_, about)| about);
        row[KEY_INDEX] = about.to_owned();
    }
    rows
}

/// True if the row has the ID of a key, which has at least 16 characters.
fn has_id(row: &[String; HEADER.len()]) -> bool {
    row[KEY_INDEX].split(' ').next().is_some_and(|word| word.len() >= 16)
}

fn widest(table: &str) -> usize {
    table.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn longest_word(cell: &Cell) -> u16 {
    let text = cell.content();
    text.split(' ').map(|word| word.chars().count() as u16).max().unwrap_or(0)
}

/// The width of the terminal that stdout is; `None` if it is not a terminal.
fn width_of_terminal() -> Option<u16> {
    let terminal = Term::stdout();
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let known = given.filter(|columns| *columns > 0).unwrap_or(terminal.size().1);
    terminal.is_term().then_some(known)
}

/// Names what is odd about those keys of the user that the filter takes; it gets `None`
/// for what is odd about the user itself.
fn odd_cell(user: &Listed, takes: impl Fn(Option<&String>) -> bool) -> String {
    let odd = user.odd.iter().filter(|odd| takes(odd.key.as_ref()));
    odd.map(|odd| harmless(&odd.text)).collect::<Vec<_>>().join("; ")
}

/// The user's folder, and those that it may read besides; nothing for the folder that is named
/// after the user alone.
fn folder_cell(user: &Listed) -> String {
    if user.target.has_likely_folder() && user.also_read.is_empty() {
        return String::new();
    }
    let mut folders = user.target.prefix().to_string();
    for shared in &user.also_read {
        folders += &format!(" + {}", harmless(shared));
    }
    folders
}

/// The user's access with a mark if it is limited to addresses, and its end; unknown where
/// its policy can't be read back.
fn access_cells(user: &Listed) -> (String, String) {
    let mark = if user.source_ips.is_empty() { "" } else { " (IP)" };
    match (user.access, &user.expires) {
        (Some(access), Some(end)) => (format!("{access}{mark}"), end.in_table()),
        (Some(access), None) => (format!("{access}{mark}"), "never".to_owned()),
        (None, _) => {
            let end = user.expires_tag.as_deref().map(|tag| match Expiry::at(tag) {
                Some(end) => end.in_table(),
                None => harmless(tag),
            });
            ("unknown".to_owned(), end.unwrap_or("unknown".to_owned()))
        }
    }
}

/// A key with its state and age, and when it was last used.
fn key_cells(key: &KeyInfo, now: Timestamp) -> (String, String) {
    let mut cell = harmless(&key.id);
    if let Some(created) = key.created {
        cell += &format!(" {}", short_span(created, now));
    }
    if !key.is_active {
        cell += " suspended";
    }
    let used = match &key.last_use_by_person() {
        LastUse::Unknown | LastUse::NotOffered => "unknown".to_owned(),
        LastUse::Never => "never".to_owned(),
        LastUse::At(at, _) => format!("{} ago", short_span(*at, now)),
    };
    (cell, used)
}

/// The time between two instants in minutes, hours or days.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let (count, unit) = in_one_unit(from, to);
    counted(count as u64, unit)
}

/// The same as `32d`, `5h` or `3min`.
fn short_span(from: Timestamp, to: Timestamp) -> String {
    let (count, unit) = in_one_unit(from, to);
    let unit = if unit == "minute" { "min" } else { &unit[..1] };
    format!("{count}{unit}")
}

fn in_one_unit(from: Timestamp, to: Timestamp) -> (i64, &'static str) {
    let minutes = (to.as_second() - from.as_second()) / 60;
    match minutes {
        ..60 => (minutes.max(1), "minute"),
        60..2880 => (minutes / 60, "hour"),
        _ => (minutes / 60 / 24, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 7]> {
        [
            ["alex", "", "read", "never", "AKIAIOSFODNN7EXAMPLE 12d", "", ""],
            ["", "", "", "", "AKIAIOSFODNN8EXAMPLE 2d suspended", "never", ""],
            [
                "kim",
                "kim/ + prices/",
                "read-write (IP)",
                "2099-12-31",
                "none",
                "",
                "no access key; in group partners",
            ],
        ]
        .map(|row| row.map(str::to_owned))
        .into()
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let expected = "\
USER  FOLDER          ACCESS           ENDS (UTC)  KEY                                LAST USED  NOTES
alex                  read             never       AKIAIOSFODNN7EXAMPLE 12d
                                                   AKIAIOSFODNN8EXAMPLE 2d suspended  never
kim   kim/ + prices/  read-write (IP)  2099-12-31  none                                          no access key; in group partners";
        assert_eq!(text(&rows(), None), expected);
        assert_eq!(text(&rows(), Some(129)), expected);
    }

    #[test]
    fn folders_are_left_out_where_none_has_a_name_of_its_own() {
        let shown = text(&rows()[..2], Some(80));
        let expected = "\
USER  ACCESS  ENDS (UTC)  KEY                                LAST USED  NOTES
alex  read    never       AKIAIOSFODNN7EXAMPLE 12d
                          AKIAIOSFODNN8EXAMPLE 2d suspended  never";
        assert_eq!(shown, expected);
    }

    #[test]
    fn cells_are_broken_between_words() {
        let shown = text(&rows(), Some(70));
        for word in ["2099-12-31", "suspended", "prices/", "read-write", "partners"] {
            assert!(shown.contains(word), "{word} is broken in\n{shown}");
        }
    }

    #[test]
    fn table_is_never_wider_than_the_terminal_and_nothing_is_cut() {
        for most in 44..140 {
            let shown = text(&rows(), Some(most));
            let widest = shown.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= most.into(), "{most}:\n{shown}");
            let letters = |text: &str| text.chars().filter(|c| *c != ' ' && *c != '\n').count();
            let all = if most < 129 { without_key_ids(&rows()) } else { rows() };
            assert_eq!(letters(&shown), letters(&text(&all, None)), "{most}:\n{shown}");
        }
    }

    #[test]
    fn ids_of_keys_are_left_out_where_a_line_for_each_user_fits_then() {
        let expected = "\
USER  ACCESS  ENDS (UTC)  KEY AGE       LAST USED  NOTES
alex  read    never       12d
                          2d suspended  never";
        assert_eq!(text(&rows()[..2], Some(60)), expected);
        assert!(text(&rows()[..2], Some(80)).contains("AKIAIOSFODNN8EXAMPLE"));
    }

    #[test]
    fn spans_are_in_one_unit() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        for (from, expected) in [
            ("2026-06-15T12:00:30Z", "1 minute"),
            ("2026-06-15T11:58:00Z", "2 minutes"),
            ("2026-06-15T11:00:00Z", "1 hour"),
            ("2026-06-13T12:00:01Z", "47 hours"),
            ("2026-06-13T12:00:00Z", "2 days"),
            ("2025-05-11T12:00:00Z", "400 days"),
        ] {
            assert_eq!(span(from.parse().unwrap(), now), expected, "{from}");
        }
    }
}
