//! The CSV file that an access key is handed over in.

use std::path::{Path, PathBuf};

use anyhow::Result;
use zeroize::Zeroizing;

use crate::access::{AccessKey, UserName};

/// The path of a user's key file in a directory: `USER_accessKeys.csv`, and
/// from the second on `USER_accessKeys.N.csv`.
pub(super) fn path(dir: &Path, user: &UserName, number: u32) -> PathBuf {
    let name = match number {
        1 => format!("{user}_accessKeys.csv"),
        number => format!("{user}_accessKeys.{number}.csv"),
    };
    in_directory(dir, name)
}

/// A name in a directory, as people write it.
pub(super) fn in_directory(dir: &Path, name: String) -> PathBuf {
    if dir == Path::new(".") { name.into() } else { dir.join(name) }
}

/// The key as it is handed over: a header and one row, as the AWS console has
/// them, with the column that `aws configure import` demands.
pub(super) fn content(key: &AccessKey, user: &UserName) -> Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(512));
    // Its buffer is not wiped: this leaves no more than two characters there.
    let mut rows = csv::WriterBuilder::new().buffer_capacity(2).from_writer(&mut *content);
    rows.write_record(["Access key ID", "Secret access key", "User name"])?;
    rows.write_record([key.id(), key.secret(), user.as_str()])?;
    rows.flush()?;
    drop(rows);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_is_one_header_and_one_row() {
        let secret = "+/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), secret.to_owned());
        let expected = format!(
            "Access key ID,Secret access key,User name\nAKIAIOSFODNN7EXAMPLE,{secret},alex\n"
        );
        let csv = content(&key, &"alex".parse().unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&csv), expected);
    }

    proptest! {
        #[test]
        fn any_key_reads_back(
            id in "[A-Z0-9]{16,32}",
            secret in "[ -~]{1,64}",
            user in "[A-Za-z0-9_+=,.@][A-Za-z0-9_+=,.@-]{2,63}",
        ) {
            let key = AccessKey::new(id.clone(), secret.clone());
            let csv = content(&key, &user.parse().unwrap()).unwrap();
            let mut reader = csv::Reader::from_reader(&csv[..]);
            let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            let row: Vec<_> = rows[0].iter().collect();
            prop_assert_eq!(row, [id.as_str(), &secret, &user]);
            prop_assert!(!csv.ends_with(b"\n\n"));
        }
    }
}
