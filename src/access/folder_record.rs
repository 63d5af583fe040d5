//! A user's folder as the user carries it: in a tag, and in its IAM path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{BucketName, Prefix, Target, ValueError};

/// What a prefix keeps in tags and paths. Every other byte is written in hex.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-').remove(b'/');

/// The most characters that IAM takes in [the value of a tag][quotas].
///
/// [quotas]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const LONGEST_TAG: usize = 256;
/// The most characters that IAM takes in a path.
const LONGEST_PATH: usize = 512;

/// The text for a folder in tags and paths: every byte but `A-Z a-z 0-9 . _ - /` as `=`
/// and two digits of upper-case hex. `%` isn't allowed in tags.
pub(crate) fn folder_text(prefix: &Prefix) -> String {
    utf8_percent_encode(prefix.as_str(), ENCODED).to_string().replace('%', "=")
}

/// The folder that a text stands for; `None` if it is not just as it would be written.
pub(crate) fn folder_of_text(text: &str) -> Option<Prefix> {
    let bytes = text.replace('=', "%");
    let prefix: Prefix = percent_decode_str(&bytes).decode_utf8().ok()?.parse().ok()?;
    (folder_text(&prefix) == text).then_some(prefix)
}

/// The value of the tag for a folder; `None` if it would be longer than tags may be.
pub(crate) fn folder_tag(prefix: &Prefix) -> Option<String> {
    Some(folder_text(prefix)).filter(|value| value.len() <= LONGEST_TAG)
}

/// The IAM path of a user of the bucket with this folder; `None` if it would be longer
/// than paths may be.
pub(crate) fn folder_path(bucket: &BucketName, prefix: &Prefix) -> Option<String> {
    let path = format!("{}{}", path_of_folders(bucket), folder_text(prefix));
    (path.len() <= LONGEST_PATH).then_some(path)
}

impl Target {
    /// Fails on an IAM path that would name a folder, which only the programs give.
    pub(crate) fn check_path(&self, path: &str) -> Result<(), ValueError> {
        match folder_of_path(path, &self.bucket) {
            None => Ok(()),
            Some(_) => Err(ValueError::new(
                "a path that begins with /s3-user/BUCKET/folder/ names a folder; give that by --folder",
            )),
        }
    }

    /// Fails if the folder's name is too long for the IAM path of a user.
    ///
    /// [IAM takes 512 characters][paths]; all but `A-Z a-z 0-9 . _ - /` take three for each
    /// byte.
    ///
    /// [paths]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    pub fn check_folder(&self) -> Result<(), ValueError> {
        if folder_path(&self.bucket, self.prefix()).is_some() {
            return Ok(());
        }
        Err(ValueError::new(
            "the folder's name is too long: the IAM path of its user would have more than 512 \
             characters, where all but letters, digits and . _ - / take three for each byte",
        ))
    }
}

/// The folder that an IAM path stands for, or its text if it stands for none. `None` if
/// the path is not one for folders of the bucket.
pub(crate) fn folder_of_path<'a>(
    path: &'a str,
    bucket: &BucketName,
) -> Option<Result<Prefix, &'a str>> {
    let text = path.strip_prefix(&path_of_folders(bucket))?;
    Some(folder_of_text(text).ok_or(text))
}

/// The beginning of the IAM paths that the users of a bucket have.
pub(crate) fn path_of_users(bucket: &BucketName) -> String {
    format!("/s3-user/{bucket}/")
}

/// The beginning of the paths that name a folder of the bucket.
fn path_of_folders(bucket: &BucketName) -> String {
    path_of_users(bucket) + "folder/"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket() -> BucketName {
        "shared".parse().unwrap()
    }

    #[test]
    fn folder_reads_back_from_tag_and_path() {
        for (folder, text) in [
            ("alex/", "alex/"),
            ("customers/acme/", "customers/acme/"),
            ("Müller GmbH/", "M=C3=BCller=20GmbH/"),
            ("a=b/", "a=3Db/"),
            ("a+b@c,d/", "a=2Bb=40c=2Cd/"),
            ("50%/", "50=25/"),
        ] {
            let prefix: Prefix = folder.parse().unwrap();
            assert_eq!(folder_tag(&prefix).unwrap(), text);
            assert_eq!(folder_of_text(text), Some(prefix.clone()));
            let path = folder_path(&bucket(), &prefix).unwrap();
            assert_eq!(path, format!("/s3-user/shared/folder/{text}"));
            assert_eq!(folder_of_path(&path, &bucket()), Some(Ok(prefix)));
        }
    }

    #[test]
    fn other_texts_stand_for_no_folder() {
        for text in
            ["", "/", "alex", "a b/", "a=20", "a%20b/", "=61/", "a=3db/", "a//", "../", "=/"]
        {
            assert_eq!(folder_of_text(text), None, "{text}");
            let path = format!("/s3-user/shared/folder/{text}");
            assert_eq!(folder_of_path(&path, &bucket()), Some(Err(text)));
        }
        for path in ["/", "/s3-user/shared/", "/s3-user/other/folder/alex/", "/folder/alex/"] {
            assert_eq!(folder_of_path(path, &bucket()), None, "{path}");
        }
    }

    #[test]
    fn text_that_iam_would_not_take_is_not_written() {
        let folder = |letters| -> Prefix { format!("{}/", "é".repeat(letters)).parse().unwrap() };
        assert_eq!(folder_tag(&folder(42)).unwrap().len(), 253);
        assert_eq!(folder_tag(&folder(43)), None);
        assert_eq!(folder_path(&bucket(), &folder(81)).unwrap().len(), 510);
        assert_eq!(folder_path(&bucket(), &folder(82)), None);
    }

    proptest! {
        #[test]
        fn every_folder_reads_back(text in "[ -~\u{a1}-\u{ff}]{1,40}") {
            if let Ok(prefix) = format!("{text}/").parse::<Prefix>() {
                let tag = folder_tag(&prefix).unwrap();
                prop_assert!(tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-/=".contains(c)));
                prop_assert_eq!(folder_of_text(&tag), Some(prefix));
            }
        }
    }
}
