//! A users file that is a table: CSV, as spreadsheets write it, whose header has a column
//! `user`, and columns named like the access options, `folder` and `contact`.

use std::error::Error;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Command, FromArgMatches};
use csv::{ReaderBuilder, StringRecord};

use super::arguments::in_one_line;
use super::secrets::{is_like_key, is_like_secret};
use super::users_file::{NamedUser, user_name};
use crate::access::{Expiry, GrantChange, ValueError};
use crate::handover::contact;
use crate::step::counted;

/// The columns with a part of the access, each with the word that an empty cell stands for
/// where the table says everything.
const ACCESS: [(&str, &str); 6] = [
    ("access", "read"),
    (EXPIRES, "never"),
    ("source-ip", "any"),
    ("also-read", "none"),
    ("kms-key", "none"),
    (YES_OR_NO, "no"),
];
/// The columns that take several values.
const LISTS: [&str; 2] = ["source-ip", "also-read"];
/// The columns with something else.
const OTHERS: [&str; 3] = [USER, FOLDER, CONTACT];

const USER: &str = "user";
const FOLDER: &str = "folder";
const CONTACT: &str = "contact";
const EXPIRES: &str = "expires";
const SECRET_FOLDER: &str = "column folder: this looks like a secret access key; if it is a \
                             folder, end it with /";
/// The column that takes yes or no.
const YES_OR_NO: &str = "browse-root";

/// A table of users.
pub(super) struct Table {
    columns: Vec<String>,
    separator: char,
}

impl Table {
    /// The table that begins with this line, or `None` if the line names no column.
    ///
    /// Fails without a column `user`, and on a column that is unknown or there twice: a
    /// misspelled `expires` would give access without an end. One whose name begins with `#` is
    /// for people.
    pub fn with_header(line: &str) -> Result<Option<Self>, String> {
        let separated_with = |is_one: fn(&str) -> bool| {
            [',', ';', '\t'].into_iter().find(|separator| {
                let cells = cells(line, *separator);
                cells.is_ok_and(|names| names.iter().any(|name| is_one(&column(name))))
            })
        };
        let Some(separator) = separated_with(|name| name == USER) else {
            return match separated_with(is_known) {
                Some(_) => Err("there is no column named user".to_owned()),
                None => Ok(None),
            };
        };
        let mut columns = Vec::new();
        for (number, cell) in (1..).zip(&one_line_of_cells(line, separator)?) {
            let name = column(cell);
            if !(is_known(&name) || name.is_empty() || is_for_people(&name)) {
                let access = ACCESS.map(|(column, _)| column);
                let known = [&OTHERS[..], &access].concat().join(", ");
                let is_short = cell.len() <= 20 && !is_like_key(cell);
                let shown = if is_short { format!(" {name:?}") } else { String::new() };
                return Err(format!(
                    "unknown column {number}{shown}: use {known}, or start the name with # to have it \
                     ignored"
                ));
            }
            if columns.contains(&name) && is_known(&name) {
                return Err(format!("column {name} appears twice"));
            }
            columns.push(name);
        }
        while columns.last().is_some_and(String::is_empty) {
            columns.pop();
        }
        match columns.iter().position(String::is_empty) {
            Some(index) => Err(format!("column {} has no name", index + 1)),
            None => Ok(Some(Self { columns, separator })),
        }
    }

    /// True for a line that is no row. Where the first column is for people, such as `#id`,
    /// each is one.
    pub fn is_comment(&self, line: &str) -> bool {
        (line == "#" || line.starts_with("# ")) && !is_for_people(&self.columns[0])
    }

    /// The user of a row, or `None` if the row is empty, as spreadsheets write some; or all that
    /// is wrong with its cells.
    pub fn user(&self, line: &str) -> Result<Option<NamedUser>, Vec<String>> {
        let Some(row) = self.row(line).map_err(|problem| vec![problem])? else { return Ok(None) };
        self.user_of(&row).map(Some).map_err(|problem| {
            let alone = (0..row.len()).map(|column| self.user_of(&self.with_only(column, &row)));
            let problems: Vec<_> = alone.filter_map(Result::err).collect();
            if problems.is_empty() { vec![problem] } else { problems }
        })
    }

    /// The row with this cell and some name, and nothing else.
    fn with_only(&self, column: usize, row: &[String]) -> Vec<String> {
        let mut alone = vec![String::new(); row.len()];
        if let Some(name) = self.index(USER) {
            alone[name] = "anybody".to_owned();
        }
        alone[column].clone_from(&row[column]);
        alone
    }

    /// The cells of a row, or `None` if they are empty.
    fn row(&self, line: &str) -> Result<Option<Vec<String>>, String> {
        let mut row: Vec<_> =
            one_line_of_cells(line, self.separator)?.iter().map(str::to_owned).collect();
        if row.iter().all(String::is_empty) {
            return Ok(None);
        }
        while row.len() > self.columns.len() && row.last().is_some_and(String::is_empty) {
            row.pop();
        }
        if row.len() != self.columns.len() {
            let cells = counted(row.len() as u64, "cell");
            let quote = match self.separator {
                separator @ (',' | ';') if row.len() > self.columns.len() => {
                    format!("; put quotes around a cell that contains {separator}")
                }
                _ => String::new(),
            };
            return Err(format!("{cells}, but the header has {}{quote}", self.columns.len()));
        }
        Ok(Some(row))
    }

    /// The user of a row, or the first thing that is wrong with its cells.
    fn user_of(&self, row: &[String]) -> Result<NamedUser, String> {
        let name = self.cell(USER, row);
        if name.is_empty() {
            return Err("no user name".to_owned());
        }
        let mut user = NamedUser::from(user_name(name)?);
        (user.access, user.lasts) = self.access(row)?;
        user.whole = self.empty_cells(row)?.overridden_by(&user.access);
        user.folder = match self.cell(FOLDER, row) {
            "" => None,
            text if is_like_secret(text) => return Err(SECRET_FOLDER.to_owned()),
            text => Some(text.parse().map_err(|error| format!("column {FOLDER}: {error}"))?),
        };
        user.contact = match self.cell(CONTACT, row) {
            "" => None,
            text => Some(contact(text).map_err(|error| format!("column {CONTACT}: {error}"))?),
        };
        Ok(user)
    }

    /// The access that the cells with something in them name, and whether it lasts for a time
    /// from now on.
    fn access(&self, row: &[String]) -> Result<(GrantChange, bool), String> {
        let mut options = Vec::new();
        for (name, value) in self.access_cells(row).filter(|(_, value)| !value.is_empty()) {
            options.extend(self.as_options(name, value)?);
        }
        let mut access = parsed(&options).map_err(|error| without_value(&error))?;
        access.check().map_err(|error| error.to_string())?;
        let mut lasts = false;
        match self.cell(EXPIRES, row) {
            "" => {}
            never if never.eq_ignore_ascii_case("never") => access.expires = Some(None),
            text => {
                let read = Expiry::in_list(text).map_err(|error| wrong_end(text, &error))?;
                (access.expires, lasts) = (Some(Some(read.0)), read.1);
            }
        }
        Ok((access, lasts))
    }

    /// The access that the empty cells stand for where the table says everything.
    fn empty_cells(&self, row: &[String]) -> Result<GrantChange, String> {
        let mut options = Vec::new();
        for (name, _) in self.access_cells(row).filter(|(_, value)| value.is_empty()) {
            let word = ACCESS.iter().find(|(known, _)| *known == name);
            options.extend(self.as_options(name, word.map_or("", |(_, word)| word))?);
        }
        let mut access = parsed(&options).map_err(|error| without_value(&error))?;
        let has_end = self.columns.iter().any(|name| name == EXPIRES);
        access.expires = has_end.then_some(None);
        Ok(access)
    }

    /// The cells of the columns with a part of the access.
    fn access_cells<'a>(&'a self, row: &'a [String]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let cells = self.columns.iter().map(String::as_str).zip(row.iter().map(String::as_str));
        cells.filter(|(name, _)| ACCESS.iter().any(|(known, _)| known == name))
    }

    /// A cell as it would stand on the command line; nothing for the end, whose words differ.
    fn as_options(&self, column: &str, value: &str) -> Result<Vec<String>, String> {
        if column == EXPIRES {
            return Ok(Vec::new());
        }
        if column == YES_OR_NO {
            return match word(value).as_str() {
                "yes" => Ok(vec![format!("--{YES_OR_NO}")]),
                "no" => Ok(vec![format!("--no-{YES_OR_NO}")]),
                _ => Err(format!("column {YES_OR_NO}: must be yes or no")),
            };
        }
        if !LISTS.contains(&column) {
            return Ok(vec![format!("--{column}={}", word(value))]);
        }
        let values = self.list(column, value);
        if values.is_empty() {
            return Err(format!("column {column} has nothing but separators"));
        }
        Ok(values.iter().map(|value| format!("--{column}={}", word(value))).collect())
    }

    /// The values in a cell, which semicolons separate; spaces where semicolons would need
    /// quotes. In a folder's name there may be spaces, but not after a slash.
    fn list(&self, column: &str, value: &str) -> Vec<String> {
        let marked = if column == "source-ip" {
            value.replace([',', ' '], ";")
        } else if self.separator == ';' {
            value.replace("/ ", "/;")
        } else {
            value.to_owned()
        };
        let values = marked.split(';').map(str::trim).filter(|value| !value.is_empty());
        values.map(str::to_owned).collect()
    }

    /// The cell of a column; empty without that column.
    fn cell<'a>(&self, column: &str, row: &'a [String]) -> &'a str {
        self.index(column).and_then(|index| row.get(index)).map_or("", String::as_str)
    }

    fn index(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|it| it == column)
    }
}

/// The name of a column, as the options are written.
fn column(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace([' ', '_'], "-")
}

fn is_known(column: &str) -> bool {
    OTHERS.contains(&column) || ACCESS.iter().any(|(known, _)| *known == column)
}

fn is_for_people(column: &str) -> bool {
    column.starts_with('#')
}

/// A word such as `Read` in lower case, as the options take it; anything else as it is.
fn word(value: &str) -> String {
    let is_word = value.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    if is_word { value.to_ascii_lowercase() } else { value.to_owned() }
}

/// What is wrong with an end. Spreadsheets show dates in the way of the country.
fn wrong_end(text: &str, error: &ValueError) -> String {
    let has_year = text.split(|c: char| !c.is_ascii_digit()).any(|number| number.len() >= 4);
    let is_in_parts = text.matches(['/', '.', '-']).count() == 2;
    let is_of_spreadsheet = text.chars().all(|c| c.is_alphanumeric() || "/.-,: ".contains(c))
        && text.contains(|c: char| c.is_ascii_digit())
        && (has_year || is_in_parts);
    if is_of_spreadsheet && *error == Expiry::ACCEPTED {
        return format!(
            "column {EXPIRES}: write dates as 2026-12-31, and format the column as text, so that \
             the spreadsheet doesn't change them"
        );
    }
    format!("column {EXPIRES}: {error}")
}

fn one_line_of_cells(line: &str, separator: char) -> Result<StringRecord, String> {
    let mut row = cells(line, separator)?;
    // A quote within a cell took the line break into it.
    if row.iter().any(|cell| cell.contains('\n')) {
        return Err("a row must be one line of CSV".to_owned());
    }
    row.trim();
    Ok(row)
}

fn cells(line: &str, separator: char) -> Result<StringRecord, String> {
    if !line.matches('"').count().is_multiple_of(2) {
        // The rest may be on the next line.
        return Err("a quote is not closed on this line".to_owned());
    }
    let mut cells = StringRecord::new();
    ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator as u8)
        .from_reader(format!("{line}\n").as_bytes())
        .read_record(&mut cells)
        .map_err(|error| error.to_string())?;
    Ok(cells)
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
        format!("must be one of {}", known.join(", "))
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
    use super::super::users_file::users_in;
    use super::*;
    use crate::access::{Access, Grant};

    #[test]
    fn header_is_a_line_with_a_column_user() {
        let is_header = |line| matches!(Table::with_header(line), Ok(Some(_)));
        for header in [
            "user",
            "access, user ,expires",
            "\"user\",\"access\"",
            "Access;User;Source IP",
            "user\taccess\tBrowse_Root\t\t",
            "#id,user,#phone",
        ] {
            assert!(is_header(header), "{header:?}");
        }
        for names in ["", "alex", "users", "alex,user2", "user,\"access", "user.access", "#user"] {
            assert!(!is_header(names), "{names:?}");
        }
    }

    #[test]
    fn tables_are_read_as_spreadsheets_write_them() {
        for text in [
            "user,access,source-ip\nalex,read-write,203.0.113.7; 2001:db8::/32\nkim,,\n",
            "\u{feff}User,Access,Source IP,,\r\n\r\nalex,Read-Write,203.0.113.7;2001:db8::/32,,\r\n,,,,\r\nkim,,,,\r\n",
            "# customers\nUSER;ACCESS;SOURCE_IP\nalex;read-write;203.0.113.7 2001:db8::/32\nkim;;\n",
            "sep=\t\nuser\taccess\t#since\tsource-ip\ralex\tREAD-WRITE\t# May, \t203.0.113.7;2001:db8::/32\rkim\t\t#1\t\r",
            "#no,user,access,source-ip\n# 1,alex,read-write,\"203.0.113.7;2001:db8::/32\"\n2,kim,,Any\n",
        ] {
            let users = users_in(text).unwrap();
            let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
            assert_eq!(names, ["alex", "kim"], "{text:?}");
            assert_eq!(users[0].access.access, Some(Access::ReadWrite));
            assert_eq!(users[0].access.source_ips.as_ref().unwrap().len(), 2, "{text:?}");
            assert_eq!(users[1].access.access, None);
        }
    }

    #[test]
    fn empty_cells_stand_for_the_default_where_the_table_says_everything() {
        let header = "user,access,expires,source-ip,also-read,kms-key,browse-root\n";
        let users = users_in(&format!("{header}alex,,,,,,\n")).unwrap();
        assert_eq!(users[0].access, GrantChange::default());
        assert_eq!(users[0].whole.unnamed(), [""; 0]);
        assert_eq!(users[0].whole.apply_to(&Grant::default()), Grant::default());
        let users = users_in("user,expires,#access\nalex,Never,read\nkim,90d,\n").unwrap();
        assert_eq!(users[0].whole.unnamed().len(), 5);
        assert_eq!(users[0].whole.expires, Some(None));
        assert!(users[1].lasts && !users[0].lasts);
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_line() {
        let text = "user,access,expires,browse-root\n\
                    alex,all,,\n\
                    al ex,,,\n\
                    kim,,2030-02-30,\n\
                    lee,read\n\
                    ida,,,maybe\n\
                    ,read,,\n\
                    max,\"read,,\n\
                    ben,,a,\n\
                    eva,,31.12.2026,\n\
                    tom,,,,x\n\
                    ina,,12/31/2026,\n\
                    joe,,46387,\n";
        let found = users_in(text).unwrap_err();
        let expected = [
            "column access: must be one of read, read-write, write",
            "a user name must be",
            "column expires: there is no such date",
            "2 cells, but the header has 4",
            "column browse-root: must be yes or no",
            "no user name",
            "a quote is not closed",
            "column expires: give a date such as 2026-12-31, ",
            "column expires: write dates as 2026-12-31, and ",
            "5 cells, but the header has 4",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (line, (problem, part)) in (2..).zip(found.iter().zip(expected)) {
            assert!(problem.starts_with(&format!("users:{line}: {part}")), "{problem}");
        }
    }

    #[test]
    fn dates_of_spreadsheets_are_told_what_to_write() {
        for date in ["31-Dec-30", "Dec 31, 2030", "2030-12-31 00:00:00", "1/2/30", "5. März 2030"]
        {
            let found = users_in(&format!("user,expires\nalex,\"{date}\"\n")).unwrap_err();
            let expected = "users:2: column expires: write dates as 2026-12-31, and ";
            assert!(found[0].starts_with(expected), "{found:?}");
        }
        for text in ["in 100 days", "1 year", "soon", "a-b-c"] {
            let found = users_in(&format!("user,expires\nalex,{text}\n")).unwrap_err();
            assert!(!found[0].contains("write dates as "), "{found:?}");
        }
    }

    #[test]
    fn every_wrong_cell_of_a_row_is_named() {
        let rows = "user,access,expires,folder\nal ex,all,1/2/2030,/a\nkim,all,2090-01-01,\n";
        let found = users_in(rows).unwrap_err();
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[1].starts_with("users:2: column access: must be one of "), "{found:#?}");
        assert!(found[1].ends_with(" (also on line 3)"), "{found:#?}");
        assert!(found[3].starts_with("users:2: column folder: "), "{found:#?}");
    }

    #[test]
    fn end_that_has_passed_is_for_the_caller_to_judge() {
        let users = users_in("user,expires\nalex,2020-01-01\nkim,2099-01-01\n").unwrap();
        assert!(users[0].check_end().is_err() && users[1].check_end().is_ok());
    }

    #[test]
    fn unknown_and_double_columns_are_refused() {
        for (header, part) in [
            ("user,expire", "unknown column 2 \"expire\": use user, folder, contact, "),
            ("user,Source IP,source_ip", "column source-ip appears twice"),
            ("user,,access", "column 2 has no name"),
        ] {
            let found = users_in(&format!("{header}\nalex,,\n")).unwrap_err();
            assert_eq!(found.len(), 1);
            assert!(found[0].contains(part), "{found:?}");
        }
    }
}
