//! A folder that a person may read besides their own.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::names::as_text;
use super::{UserName, ValueError};

/// The prefix of a folder that a user may list and download, and never change.
///
/// Never empty, ends in `/`, and has none of the characters `*`, `?` and `$`,
/// which mean something else in a policy. Its parts are neither empty nor `.` or
/// `..`, which many clients can't tell from a path. At most 1,023 bytes, since a
/// key has 1,024.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedPrefix(String);

as_text!(SharedPrefix);

impl SharedPrefix {
    /// True if one of the two folders is the other, or is in it.
    pub(crate) fn overlaps(&self, other: &str) -> bool {
        self.0.starts_with(other) || other.starts_with(&self.0)
    }

    /// The user whose folder this would be, or be in.
    pub(crate) fn user(&self) -> Option<UserName> {
        self.0.split('/').next()?.parse().ok()
    }
}

impl FromStr for SharedPrefix {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let folder = text.strip_suffix('/');
        let wrong = if text.contains("://") {
            "a folder is given by its prefix alone, such as prices/, without s3:// and the bucket"
        } else if text.contains(['*', '?', '$']) {
            "a prefix has no *, ? or $, since they mean something else in a policy"
        } else if text.contains(['"', '`', '\\']) {
            "a prefix has no \", ` or \\, which the commands in a kit could not quote"
        } else if text.contains(|c: char| c > '\u{ff}' || c.is_control()) {
            "a prefix has only printable characters up to U+00FF, since IAM takes no others"
        } else if text.len() > 1023 {
            "a prefix has at most 1023 bytes"
        } else if folder.is_some_and(|it| it.split('/').any(|part| ["", ".", ".."].contains(&part)))
        {
            "a prefix does not start with /, and none of its parts is empty, . or .."
        } else if folder.is_none() {
            "a folder is given by its prefix, which ends in /, such as prices/, or none for no folder"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(ValueError(wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> SharedPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn folders_parse_at_any_depth() {
        let longest = format!("{}/", "p".repeat(1022));
        for text in
            ["prices/", "a/b/", "Price list (2026)/", "généraux/", ".hidden/..x/", longest.as_str()]
        {
            assert_eq!(prefix(text).as_str(), text);
        }
    }

    #[test]
    fn other_prefixes_say_what_is_accepted() {
        let too_long = format!("{}/", "p".repeat(1023));
        for (text, part) in [
            ("", "ends in /"),
            ("prices", "ends in /"),
            ("none", "none for no folder"),
            ("/", "start with /"),
            ("/prices/", "start with /"),
            ("prices//", "empty"),
            ("a//b/", "empty"),
            ("./", ". or .."),
            ("../", ". or .."),
            ("a/../b/", ". or .."),
            ("prices/*", "no *, ? or $"),
            ("p?/", "no *, ? or $"),
            ("${aws:username}/", "no *, ? or $"),
            ("\"prices\"/", "could not quote"),
            ("p`id`/", "could not quote"),
            ("prices\n/", "printable"),
            ("\u{9b}2J/", "printable"),
            ("цены/", "U+00FF"),
            ("e\u{301}/", "U+00FF"),
            ("s3://shared/prices/", "prefix alone"),
            (too_long.as_str(), "1023"),
        ] {
            let error = text.parse::<SharedPrefix>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn folders_overlap_where_one_is_in_the_other() {
        for (one, other, overlap) in [
            ("a/", "a/", true),
            ("a/b/", "a/", true),
            ("a/", "a/b/", true),
            ("a/", "ab/", false),
            ("a/b/", "a/c/", false),
            ("A/", "a/", false),
        ] {
            assert_eq!(prefix(one).overlaps(other), overlap, "{one} {other}");
        }
    }

    #[test]
    fn first_part_is_the_user_if_it_can_be_one() {
        assert_eq!(prefix("jaime/photos/").user().unwrap().as_str(), "jaime");
        assert_eq!(prefix("price list/").user(), None);
    }
}
