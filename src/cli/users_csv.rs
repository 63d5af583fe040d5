//! A users file that is a table: CSV whose header has a column `user`, and
//! columns named like the access options.

use clap::{Args, Command, FromArgMatches};
use csv::{Reader, ReaderBuilder, StringRecord, Terminator, Trim};

use super::in_one_line;
use super::users_file::{NamedUser, shown, user_name, without_comment};
use crate::access::GrantChange;

/// The columns that take a value.
const VALUES: [&str; 3] = ["access", "expires", "kms-key"];
/// The columns that take several, separated by semicolons.
const LISTS: [&str; 2] = ["source-ip", "also-read"];
/// The column that takes yes or no.
const YES_OR_NO: &str = "browse-root";

/// A row of the table, or what is wrong with it or the header.
pub(super) struct Row {
    /// Its line in the file, from 1.
    pub line: usize,
    pub user: Result<NamedUser, String>,
}

/// The lines with something else than a comment in them, with their numbers.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, without_comment(line).trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// True if the first line names a column `user`.
pub(super) fn has_header(text: &str) -> bool {
    let Some((_, line)) = lines(text).next() else { return false };
    let mut names = StringRecord::new();
    has_closed_quotes(line)
        && reader(line).read_record(&mut names).is_ok()
        && names.iter().any(|name| name.eq_ignore_ascii_case("user"))
}

/// The rows in order; of a header that can't be read, its problem alone.
pub(super) fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut table = String::new();
    for (line, text) in (1..).zip(text.lines()) {
        let row = without_comment(text).trim();
        if has_closed_quotes(row) {
            table += row;
        } else {
            // The rest may be in a comment or on the next line.
            let problem = "a quote is not closed on this line, before any comment";
            rows.push(Row { line, user: Err(problem.to_owned()) });
        }
        table.push('\n');
    }
    let mut reader = reader(&table);
    let mut header: Option<Vec<String>> = None;
    let mut cells = StringRecord::new();
    loop {
        let read = reader.read_record(&mut cells);
        // A row ends with its line, or else a quote within a cell took more lines into it.
        let more_lines = cells.iter().map(|cell| cell.matches('\n').count()).sum::<usize>();
        let line = (reader.position().line() as usize).saturating_sub(1 + more_lines);
        let user = match (read, &header) {
            (Ok(false), _) => break,
            (Ok(true), _) if cells.iter().any(|cell| cell.contains(['\r', '\n'])) => {
                Err("a row must be one line of CSV".to_owned())
            }
            // What a spreadsheet makes of an empty row.
            (Ok(true), Some(_)) if cells.iter().all(str::is_empty) => continue,
            (Ok(true), Some(header)) => user(header, &cells),
            (Ok(true), None) => match columns(&cells) {
                Ok(columns) => {
                    header = Some(columns);
                    continue;
                }
                Err(problem) => return vec![Row { line, user: Err(problem) }],
            },
            (Err(error), _) => Err(error.to_string()),
        };
        rows.push(Row { line, user });
    }
    rows.sort_by_key(|row| row.line);
    rows
}

fn has_closed_quotes(line: &str) -> bool {
    line.matches('"').count().is_multiple_of(2)
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut builder = ReaderBuilder::new();
    // By default a lone carriage return would end a row, and not its line.
    builder.terminator(Terminator::Any(b'\n'));
    builder.has_headers(false).flexible(true).trim(Trim::All).from_reader(text.as_bytes())
}

/// The names of the columns. Fails on one that is unknown or there twice: a
/// misspelled `expires` would give access without an end.
fn columns(names: &StringRecord) -> Result<Vec<String>, String> {
    let names: Vec<_> = names.iter().map(str::to_ascii_lowercase).collect();
    let known = || [&["user"], &VALUES[..], &LISTS, &[YES_OR_NO]].concat();
    for (index, name) in names.iter().enumerate() {
        if !known().contains(&name.as_str()) {
            let name = shown(name);
            let known = known().join(", ");
            return Err(format!("unknown column {name:?}; the columns are {known}"));
        }
        if names[..index].contains(name) {
            return Err(format!("column {name} appears twice"));
        }
    }
    Ok(names)
}

fn user(header: &[String], record: &StringRecord) -> Result<NamedUser, String> {
    if record.len() != header.len() {
        let (cells, columns) = (record.len(), header.len());
        return Err(format!("{cells} cells, but the header has {columns}"));
    }
    let user_column = header.iter().position(|column| column == "user");
    let name = match user_column.and_then(|column| record.get(column)) {
        Some(name) if !name.is_empty() => user_name(name)?,
        _ => return Err("no user name".to_owned()),
    };
    let mut options = Vec::new();
    for (column, value) in header.iter().zip(record) {
        options.extend(as_options(column, value)?);
    }
    let access = parsed(&options).map_err(|error| format!("{name}: {error}"))?;
    Ok(NamedUser { access, ..name.into() })
}

/// A cell as it would stand on the command line; nothing for an empty one.
fn as_options(column: &str, value: &str) -> Result<Vec<String>, String> {
    let option = |value: &str| format!("--{column}={value}");
    if value.is_empty() || column == "user" {
        return Ok(Vec::new());
    }
    if LISTS.contains(&column) {
        let values = value.split(';').map(str::trim);
        let values = values.filter(|value| !value.is_empty());
        return Ok(values.map(option).collect());
    }
    if column != YES_OR_NO {
        return Ok(vec![option(value)]);
    }
    match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(vec![format!("--{YES_OR_NO}")]),
        "no" => Ok(vec![format!("--no-{YES_OR_NO}")]),
        _ => Err(format!("{YES_OR_NO} is yes or no")),
    }
}

fn parsed(options: &[String]) -> Result<GrantChange, String> {
    let command = GrantChange::augment_args(Command::new("row").no_binary_name(true));
    let change = command
        .try_get_matches_from(options)
        .and_then(|matches| GrantChange::from_arg_matches(&matches))
        .map_err(|error| in_one_line(&error))?;
    change.check().map_err(|error| error.to_string())?;
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;

    fn problems(text: &str) -> Vec<(usize, String)> {
        let rows = rows(text).into_iter();
        rows.filter_map(|row| Some((row.line, row.user.err()?))).collect()
    }

    #[test]
    fn header_is_a_line_with_a_column_user() {
        for header in [
            "user",
            "User\r\nalex",
            "\n# customers\nuser,access\n",
            "access, user ,expires",
            "\"user\",\"access\"",
        ] {
            assert!(has_header(header), "{header:?}");
        }
        for names in ["", "alex\nuser\n", "users", "alex,user2", "user,\"access\nalex,read\n"] {
            assert!(!has_header(names), "{names:?}");
        }
    }

    #[test]
    fn cells_are_options_and_empty_ones_are_not_there() {
        let text = "user,access,expires,source-ip,browse-root\r\n\
                    alex,read-write,2099-12-31,203.0.113.7; 2001:db8::/32,yes\r\n\
                    # a comment\r\n\
                    \r\n\
                    ,,,,\r\n\
                    kim,,,, # since May\r\n";
        let rows = rows(text);
        let users: Vec<_> = rows.into_iter().map(|row| row.user.unwrap()).collect();
        assert_eq!(users.len(), 2);
        let alex = &users[0].access;
        assert_eq!(alex.access, Some(Access::ReadWrite));
        assert_eq!(alex.source_ips.as_ref().unwrap().len(), 2);
        assert!(alex.browse_root && alex.expires.is_some());
        assert_eq!(users[1].access, GrantChange::default());
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_line() {
        let text = "user,access,expires,browse-root\n\
                    alex,all,,\n\
                    al ex,,,\n\
                    kim,,2020-01-01,\n\
                    lee,read\n\
                    ida,,,maybe\n\
                    ,read,,\n\
                    max,\"read # or more\",,\n";
        let found = problems(text);
        let expected = [
            (2, "alex: invalid value 'all' for '--access <MODE>'"),
            (3, "al ex: a user name has"),
            (4, "kim: invalid value '2020-01-01' for '--expires <WHEN>'"),
            (5, "2 cells, but the header has 4"),
            (6, "browse-root is yes or no"),
            (7, "no user name"),
            (8, "a quote is not closed"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((line, problem), (at, part)) in found.iter().zip(expected) {
            assert!(*line == at && problem.starts_with(part), "{line}: {problem}");
        }
    }

    #[test]
    fn unknown_and_double_columns_are_refused() {
        for (header, part) in [
            ("user,expire", "unknown column \"expire\"; the columns are user, access"),
            ("user,access,access", "column access appears twice"),
        ] {
            let found = problems(&format!("{header}\nalex,,\n"));
            assert_eq!(found.len(), 1);
            assert!(found[0].1.starts_with(part), "{found:?}");
        }
    }
}
