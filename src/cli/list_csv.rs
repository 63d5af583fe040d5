//! `--list --csv`: the users as a file that a spreadsheet opens, and that `--sync` takes.

use anyhow::Result;
use csv::Writer;

use crate::workflows::inventory::{LastUse, Listed};

/// The columns of a users file, and after them those for people.
const HEADER: [&str; 14] = [
    "user",
    "folder",
    "access",
    "expires",
    "source-ip",
    "also-read",
    "kms-key",
    "browse-root",
    "#created",
    "#key",
    "#key created",
    "#key state",
    "#last used",
    "#notes",
];

/// The users in rows. The access of one whose policy can't be read back is left empty.
pub(super) fn text(users: &[Listed]) -> Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for user in users {
        writer.write_record(row(user))?;
    }
    let text = String::from_utf8(writer.into_inner()?)?;
    Ok(text.trim_end().to_owned())
}

fn row(user: &Listed) -> [String; HEADER.len()] {
    let access = user.access.map(|access| access.to_string()).unwrap_or_default();
    let browse_root = match user.access {
        Some(_) if user.browse_root => "yes",
        Some(_) => "no",
        None => "",
    };
    let of_keys = |cell: fn(&crate::iam::KeyInfo) -> String| {
        user.keys.iter().map(cell).collect::<Vec<_>>().join("; ")
    };
    let notes: Vec<_> = user.odd.iter().map(|odd| odd.text.as_str()).collect();
    [
        user.target.user.to_string(),
        user.target.prefix().to_string(),
        access,
        user.expires.map(|end| end.in_list_cell()).unwrap_or_default(),
        user.source_ips.join("; "),
        user.also_read.join("; "),
        user.kms_key.clone().unwrap_or_default(),
        browse_root.to_owned(),
        user.created.map(|at| at.to_string()).unwrap_or_default(),
        of_keys(|key| key.id.clone()),
        of_keys(|key| key.created.map(|at| at.to_string()).unwrap_or_default()),
        of_keys(|key| if key.is_active { "active" } else { "suspended" }.to_owned()),
        of_keys(|key| match &key.last_use_by_person() {
            LastUse::At(at, _) => at.to_string(),
            LastUse::Never => "never".to_owned(),
            LastUse::Unknown | LastUse::NotOffered => "unknown".to_owned(),
        }),
        notes.join("; "),
    ]
}
