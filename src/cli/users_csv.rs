//! A users file that is a table: CSV whose header has a column `user`, and
//! columns named like the access options, and `folder`.

use std::error::Error;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Command, FromArgMatches};
use csv::{ReaderBuilder, StringRecord, Terminator};

use super::arguments::in_one_line;
use super::users_file::{NamedUser, user_name};
use crate::access::GrantChange;

/// The columns that take a value.
const VALUES: [&str; 3] = ["access", "expires", "kms-key"];
/// The columns that take several, separated by semicolons.
const LISTS: [&str; 2] = ["source-ip", "also-read"];
/// The column that names the folder.
const FOLDER: &str = "folder";
/// The column that takes yes or no.
const YES_OR_NO: &str = "browse-root";

/// A table of users.
pub(super) struct Table {
    columns: Vec<String>,
}

impl Table {
    /// The table that begins with this line, or `None` if the line names no column `user`.
    ///
    /// Fails on columns that commas don't separate, and on one that is unknown or there
    /// twice: a misspelled `expires` would give access without an end.
    pub fn with_header(line: &str) -> Result<Option<Self>, String> {
        for (separator, separators) in [(';', "semicolons"), ('\t', "tabs")] {
            if line.contains(separator) && !line.contains(',') {
                return Err(format!(
                    "the columns are separated by {separators}; save the file as CSV with \
                     commas, or write one name on each line"
                ));
            }
        }
        if !cells(line).is_ok_and(|names| names.iter().any(is_user)) {
            return Ok(None);
        }
        let known = [&["user", FOLDER], &VALUES[..], &LISTS, &[YES_OR_NO]].concat();
        let mut columns = Vec::new();
        for cell in &one_line_of_cells(line)? {
            let name = cell.to_ascii_lowercase();
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                return Err(format!("unknown column {name:?}; the columns are {known}"));
            }
            if columns.contains(&name) {
                return Err(format!("column {name} appears twice"));
            }
            columns.push(name);
        }
        Ok(Some(Self { columns }))
    }

    /// The user of a row, or `None` if the row is empty, as spreadsheets write some.
    pub fn user(&self, line: &str) -> Result<Option<NamedUser>, String> {
        let row = one_line_of_cells(line)?;
        if row.iter().all(str::is_empty) {
            return Ok(None);
        }
        if row.len() != self.columns.len() {
            return Err(format!("{} cells, but the header has {}", row.len(), self.columns.len()));
        }
        let name = self.cell("user", &row);
        if name.is_empty() {
            return Err("no user name".to_owned());
        }
        let user = NamedUser::from(user_name(name)?);
        let mut options = Vec::new();
        for (column, value) in self.columns.iter().zip(&row) {
            options.extend(as_options(column, value)?);
        }
        let access = parsed(&options).map_err(|error| without_value(&error))?;
        access.check().map_err(|error| error.to_string())?;
        let folder = match self.cell(FOLDER, &row) {
            "" => None,
            text => Some(text.parse().map_err(|error| format!("column {FOLDER}: {error}"))?),
        };
        Ok(Some(NamedUser { access, folder, ..user }))
    }

    /// The cell of a column; empty without that column.
    fn cell<'a>(&self, column: &str, row: &'a StringRecord) -> &'a str {
        let index = self.columns.iter().position(|it| it == column);
        index.and_then(|index| row.get(index)).unwrap_or_default()
    }
}

fn is_user(column: &str) -> bool {
    column.trim().eq_ignore_ascii_case("user")
}

fn one_line_of_cells(line: &str) -> Result<StringRecord, String> {
    let mut row = cells(line)?;
    // A quote within a cell took the line break into it.
    if row.iter().any(|cell| cell.contains(['\r', '\n'])) {
        return Err("a row must be one line of CSV".to_owned());
    }
    row.trim();
    Ok(row)
}

fn cells(line: &str) -> Result<StringRecord, String> {
    if !line.matches('"').count().is_multiple_of(2) {
        // The rest may be in a comment or on the next line.
        return Err("a quote is not closed on this line, before any comment".to_owned());
    }
    let mut cells = StringRecord::new();
    ReaderBuilder::new()
        .has_headers(false)
        // By default a lone carriage return would end a row, and not its line.
        .terminator(Terminator::Any(b'\n'))
        .from_reader(format!("{line}\n").as_bytes())
        .read_record(&mut cells)
        .map_err(|error| error.to_string())?;
    Ok(cells)
}

/// A cell as it would stand on the command line; nothing for an empty one.
fn as_options(column: &str, value: &str) -> Result<Vec<String>, String> {
    if value.is_empty() || ["user", FOLDER].contains(&column) {
        Ok(Vec::new())
    } else if LISTS.contains(&column) {
        let values = value.split(';').map(str::trim).filter(|value| !value.is_empty());
        Ok(values.map(|value| format!("--{column}={value}")).collect())
    } else if column != YES_OR_NO {
        Ok(vec![format!("--{column}={value}")])
    } else if value.eq_ignore_ascii_case("yes") {
        Ok(vec![format!("--{YES_OR_NO}")])
    } else if value.eq_ignore_ascii_case("no") {
        Ok(vec![format!("--no-{YES_OR_NO}")])
    } else {
        Err(format!("{YES_OR_NO} is yes or no"))
    }
}

fn parsed(options: &[String]) -> Result<GrantChange, clap::Error> {
    let command = GrantChange::augment_args(Command::new("row").no_binary_name(true));
    let matches = command.try_get_matches_from(options)?;
    GrantChange::from_arg_matches(&matches)
}

/// What is wrong with the value of a cell, by its column and without the value: it may be a
/// secret in the wrong column.
fn without_value(error: &clap::Error) -> String {
    let reason = if let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) {
        format!("accepted are {}", known.join(", "))
    } else if let Some(source) = error.source() {
        source.to_string()
    } else {
        return in_one_line(error);
    };
    // An option such as `--access <MODE>`, which is named like its column.
    let option = error.get(ContextKind::InvalidArg).map(ContextValue::to_string);
    let option = option.unwrap_or_default();
    let column = option.split(' ').next().unwrap_or_default().trim_start_matches("--");
    format!("column {column}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::super::users_file::lines;
    use super::*;
    use crate::access::Access;

    /// The users of a table, and what is wrong in it, by line.
    fn read(text: &str) -> (Vec<NamedUser>, Vec<(usize, String)>) {
        let mut lines = lines(text);
        let (line, header) = lines.next().unwrap();
        let table = match Table::with_header(header) {
            Ok(table) => table.unwrap(),
            Err(problem) => return (Vec::new(), vec![(line, problem)]),
        };
        let mut users = Vec::new();
        let mut problems = Vec::new();
        for (line, row) in lines {
            match table.user(row) {
                Ok(user) => users.extend(user),
                Err(problem) => problems.push((line, problem)),
            }
        }
        (users, problems)
    }

    fn has_header(text: &str) -> bool {
        let first = lines(text).next();
        first.is_some_and(|(_, line)| matches!(Table::with_header(line), Ok(Some(_))))
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
        let (users, problems) = read(text);
        assert_eq!(problems, []);
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
                    max,\"read # or more\",,\n\
                    ben,,a,\n";
        let (_, found) = read(text);
        let expected = [
            (2, "column access: accepted are read, read-write, write"),
            (3, "a user name must be"),
            (4, "column expires: that time has already passed"),
            (5, "2 cells, but the header has 4"),
            (6, "browse-root is yes or no"),
            (7, "no user name"),
            (8, "a quote is not closed"),
            (9, "column expires: a time is a date such as 2026-12-31, "),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((line, problem), (at, part)) in found.iter().zip(expected) {
            assert!(*line == at && problem.starts_with(part), "{line}: {problem}");
        }
    }

    #[test]
    fn unknown_and_double_columns_are_refused() {
        for (header, part) in [
            ("user,expire", "unknown column \"expire\"; the columns are user, folder"),
            ("user,access,access", "column access appears twice"),
        ] {
            let (_, found) = read(&format!("{header}\nalex,,\n"));
            assert_eq!(found.len(), 1);
            assert!(found[0].1.starts_with(part), "{found:?}");
        }
    }
}
