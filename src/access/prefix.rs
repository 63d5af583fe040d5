//! Folders of a bucket, by their key prefixes.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::names::as_text;
use super::{UserName, ValueError};

/// The key prefix of a folder: a user's own, or another one that it may read.
///
/// Never empty, and always ends in `/`, so `al/` never matches `alex/`. Has none of the
/// characters `*`, `?` and `$`, which have a special meaning in a policy. Its parts are
/// neither empty nor `.` or `..`, which many clients can't tell from a path. At most
/// 1,023 bytes, since a key has 1,024.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Prefix(String);

as_text!(Prefix);

impl Prefix {
    /// The folder that is given for a user, or else the one that is named after it.
    pub(crate) fn of_user(user: &UserName, given: Option<&GivenFolder>) -> Self {
        given.map_or_else(|| Self::from(user), |given| given.prefix.clone())
    }

    /// True if one of the two folders is the other, or is in it.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }

    /// True if the folder is inside the other one, and not the same.
    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        self != other && self.0.starts_with(&other.0)
    }

    /// The folders around this one, from the top level of the bucket down.
    pub(crate) fn around(&self) -> impl Iterator<Item = Self> {
        let within = &self.0[..self.0.len() - 1];
        within.match_indices('/').map(|(index, _)| Self(within[..=index].to_owned()))
    }

    /// The folder at the bucket's top level that this is, or is in.
    pub(crate) fn top(&self) -> Self {
        self.around().next().unwrap_or_else(|| self.clone())
    }

    /// The user name that the folder has, if it can be one.
    pub(crate) fn namesake(&self) -> Option<UserName> {
        self.without_slash().parse().ok()
    }

    /// The prefix without the `/` that it ends in.
    pub(crate) fn without_slash(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }

    /// The prefix of the folder that it is in, empty at the bucket's top level, and its
    /// name there.
    pub(crate) fn parent_and_name(&self) -> (&str, &str) {
        let text = self.without_slash();
        text.split_at(text.rfind('/').map_or(0, |index| index + 1))
    }
}

impl From<&UserName> for Prefix {
    /// The folder that is named after the user.
    fn from(user: &UserName) -> Self {
        Self(format!("{user}/"))
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let folder = text.strip_suffix('/');
        let wrong = if text.contains("://") {
            "give only the folder, such as prices/, without s3:// or the bucket"
        } else if text.contains(['*', '?', '$']) {
            "a folder must not contain *, ? or $, which have a special meaning in a policy"
        } else if text.contains(['"', '`', '\\']) {
            "a folder must not contain \", ` or \\, which the commands in a kit could not quote"
        } else if !is_nfc(text) {
            let composed: String = text.nfc().collect();
            composed.parse::<Self>()?;
            return Err(PrefixError::Decomposed(composed));
        } else if text.contains(|c: char| c > '\u{ff}' || c.is_control()) {
            "a folder must have only printable characters up to U+00FF, since IAM takes no others"
        } else if text.len() > 1023 {
            "a folder must have at most 1023 bytes"
        } else if folder.is_some_and(|it| it.split('/').any(|part| ["", ".", ".."].contains(&part)))
        {
            "a folder must not start with /, and no part of it may be empty, . or .."
        } else if folder.is_none() {
            "end a folder with /, such as prices/, or use \"none\" for no folder"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(PrefixError::Wrong(ValueError::new(wrong)))
    }
}

/// A text that is no prefix of a folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// Something else is accepted.
    #[error(transparent)]
    Wrong(ValueError),
    /// It has a letter and an accent as two characters, as macOS writes names of files.
    /// To S3, the same name with a single character is another folder.
    #[error(
        "a letter with an accent must be one character: write {0} (it looks the same, but isn't)"
    )]
    Decomposed(String),
}

/// A folder as it is given for a user: the `/` at its end may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenFolder {
    /// The folder.
    pub prefix: Prefix,
    /// True if the `/` was missing.
    pub(crate) lacked_slash: bool,
}

impl GivenFolder {
    /// The note that the `/` was added, if it was.
    pub(crate) fn note(&self) -> Option<String> {
        self.lacked_slash.then(|| format!("added the missing /: the folder is {}", self.prefix))
    }
}

impl From<Prefix> for GivenFolder {
    fn from(prefix: Prefix) -> Self {
        Self { prefix, lacked_slash: false }
    }
}

impl FromStr for GivenFolder {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        if text.is_empty() {
            let wrong = "give a folder such as customers/acme/";
            return Err(PrefixError::Wrong(ValueError::new(wrong)));
        }
        let lacked_slash = !text.ends_with('/');
        let prefix = if lacked_slash { format!("{text}/").parse() } else { text.parse() };
        Ok(Self { prefix: prefix?, lacked_slash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
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
            ("", "end a folder with /"),
            ("prices", "end a folder with /"),
            ("none", "\"none\" for no folder"),
            ("/", "start with /"),
            ("/prices/", "start with /"),
            ("prices//", "empty"),
            ("a//b/", "empty"),
            ("./", ". or .."),
            ("../", ". or .."),
            ("a/../b/", ". or .."),
            ("prices/*", "must not contain *, ? or $"),
            ("p?/", "must not contain *, ? or $"),
            ("${aws:username}/", "must not contain *, ? or $"),
            ("\"prices\"/", "could not quote"),
            ("p`id`/", "could not quote"),
            ("prices\n/", "printable"),
            ("\u{9b}2J/", "printable"),
            ("цены/", "U+00FF"),
            ("e\u{301}/", "write \u{e9}/ "),
            ("s3://shared/prices/", "only the folder"),
            (too_long.as_str(), "1023"),
        ] {
            let error = text.parse::<Prefix>().unwrap_err().to_string();
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
            assert_eq!(prefix(one).overlaps(&prefix(other)), overlap, "{one} {other}");
        }
    }

    #[test]
    fn folder_knows_what_is_around_it() {
        let around = |text: &str| prefix(text).around().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(around("a/b/c/"), ["a/", "a/b/"]);
        assert_eq!(around("a/"), [""; 0]);
        assert_eq!((prefix("a/b/c/").top(), prefix("a/").top()), (prefix("a/"), prefix("a/")));
        assert_eq!(prefix("a/b/c/").parent_and_name(), ("a/b/", "c"));
        assert_eq!(prefix("a/").parent_and_name(), ("", "a"));
        for (inner, outer, is_inside) in
            [("a/b/", "a/", true), ("a/", "a/", false), ("a/", "a/b/", false), ("ab/", "a/", false)]
        {
            assert_eq!(prefix(inner).is_inside(&prefix(outer)), is_inside, "{inner} {outer}");
        }
    }

    #[test]
    fn folder_of_a_user_is_called_like_it() {
        let alex: UserName = "alex".parse().unwrap();
        assert_eq!(Prefix::from(&alex).as_str(), "alex/");
        assert_eq!(prefix("jaime/").namesake().unwrap().as_str(), "jaime");
        assert_eq!(prefix("jaime/photos/").namesake(), None);
        assert_eq!(prefix("price list/").namesake(), None);
    }

    #[test]
    fn slash_at_the_end_may_be_missing_where_a_folder_is_given() {
        for (text, lacked_slash) in [("customers/acme/", false), ("customers/acme", true)] {
            let given: GivenFolder = text.parse().unwrap();
            assert_eq!(given, GivenFolder { prefix: prefix("customers/acme/"), lacked_slash });
        }
        for wrong in ["", "/", "//", "a/..", "s3://shared/a", "u\u{308}"] {
            assert!(wrong.parse::<GivenFolder>().is_err(), "{wrong:?}");
        }
    }
}
