//! The kit's README.txt, for somebody who has never heard of IAM: plain ASCII
//! in short lines with the line ends of Windows, which every editor can show.

use ipnet::IpNet;

use super::Settings;
use crate::access::{Access, Grant};

const MAIN: &str = include_str!("templates/readme/main.txt");
const START_IN_FOLDER: &str = include_str!("templates/readme/start-in-folder.txt");
const START_AT_BUCKET: &str = include_str!("templates/readme/start-at-bucket.txt");
const BROWSE: &str = include_str!("templates/readme/browse.txt");
const SEND: &str = include_str!("templates/readme/send.txt");
const UPLOAD: &str = include_str!("templates/readme/upload.txt");
const ALSO: &str = include_str!("templates/readme/also.txt");
const GET_SHARED: &str = include_str!("templates/readme/get-shared.txt");
const BROWSE_SHARED: &str = include_str!("templates/readme/browse-shared.txt");

/// Who fills this in is the admin, if the person is to know whom to ask.
const NOBODY_NAMED: &str = "______________________________________________";

impl Settings<'_> {
    pub(super) fn readme(&self) -> String {
        let title = self.title();
        let grant = self.grant;
        let mut ways = match grant.access {
            Access::Read => BROWSE.to_owned(),
            Access::ReadWrite => BROWSE.to_owned() + SEND,
            Access::Write => UPLOAD.to_owned(),
        };
        let shared = grant.also_read.iter().map(|it| self.target.url_of(it));
        let shared: Vec<_> = shared.collect();
        let mut also = String::new();
        if let Some(first) = shared.first() {
            also = ALSO.replace("{shared}", &shared.join("\n    "));
            ways += &self.how_to_get(first);
        }
        let start = if grant.browse_root {
            START_AT_BUCKET
        } else {
            START_IN_FOLDER
        };
        let same = if grant.access.reads() {
            "They all show the same files."
        } else {
            "They all do the same."
        };
        let contact = self.contact.unwrap_or(NOBODY_NAMED);
        let values = [
            ("{ways}", ways.as_str()),
            ("{start}", start.trim_end()),
            ("{underline}", &"=".repeat(title.chars().count())),
            ("{title}", &title),
            ("{can}", can(grant.access)),
            ("{until}", &until(grant)),
            ("{from}", &from(&grant.source_ips)),
            ("{same}", same),
            ("{bookmark}", &self.bookmark_name()),
            ("{folder}", &self.folder()),
            ("{profile}", &self.profile()),
            // Last, since they can be any text.
            ("{also}", &also),
            (
                "{contact}",
                &format!("Questions, or files lost? Ask:\n  {contact}"),
            ),
        ];
        let fill = |text: String, (name, value): (&str, &str)| text.replace(name, value);
        let text = values.into_iter().fold(MAIN.to_owned(), fill);
        text.replace('\n', "\r\n")
    }

    /// How to download from another folder, by its URL.
    fn how_to_get(&self, url: &str) -> String {
        let path = url.trim_start_matches("s3://");
        let get = GET_SHARED
            .replace("{url}", url)
            .replace("{remote}", &format!("{}:{path}", self.profile()));
        if self.grant.access.reads() {
            get + &BROWSE_SHARED.replace("{path}", path)
        } else {
            get
        }
    }

    fn title(&self) -> String {
        let bucket = &self.target.bucket;
        match self.endpoint {
            None => format!("Your folder in the Amazon S3 bucket {bucket}"),
            Some(url) => format!("Your folder in the bucket {bucket} at {url}"),
        }
    }
}

fn can(access: Access) -> &'static str {
    match access {
        Access::Read => "You can list and download all files in this folder:",
        Access::ReadWrite => {
            "You can list, download, upload, replace and delete files in this folder:"
        }
        Access::Write => "You can upload files to this folder, but not see what is in it:",
    }
}

fn until(grant: &Grant) -> String {
    match grant.expires {
        None => "Your access has no end date.".to_owned(),
        Some(expiry) => format!("Your access works {}.", expiry.for_people()),
    }
}

/// From which addresses the key works, a line each; nothing where from all.
fn from(blocks: &[IpNet]) -> String {
    if blocks.is_empty() {
        return String::new();
    }
    let lines = blocks.iter().map(|block| format!("    {block}\n"));
    format!(
        "It works only from these network addresses:\n\n{}",
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{AccessKey, Target};

    /// The text for every kind of access, with and without what can be left out.
    fn readmes() -> Vec<String> {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), "secret".to_owned());
        let target = Target {
            bucket: "shared-files".parse().unwrap(),
            user: "alex".parse().unwrap(),
        };
        let mut readmes = Vec::new();
        for access in [Access::Read, Access::ReadWrite, Access::Write] {
            for full in [false, true] {
                let grant = Grant {
                    access,
                    browse_root: full,
                    also_read: full
                        .then(|| "prices/".parse().unwrap())
                        .into_iter()
                        .collect(),
                    expires: full.then(|| "2099-12-31".parse().unwrap()),
                    source_ips: full
                        .then(|| "203.0.113.0/24".parse().unwrap())
                        .into_iter()
                        .collect(),
                    ..Grant::default()
                };
                let settings = Settings {
                    key: &key,
                    target: &target,
                    grant: &grant,
                    region: "eu-central-1",
                    endpoint: None,
                    contact: full.then_some("Kim, kim@example.com"),
                };
                readmes.push(settings.readme());
            }
        }
        readmes
    }

    #[test]
    fn readme_is_filled_in_whatever_the_grant() {
        for readme in readmes() {
            let title = "Your folder in the Amazon S3 bucket shared-files\r\n=====";
            assert!(readme.starts_with(title), "{readme}");
            assert!(!readme.contains(['{', '}']), "{readme}");
            assert!(!readme.contains("secret\r\n"), "{readme}");
        }
    }

    #[test]
    fn readme_can_be_read_in_any_editor() {
        for readme in readmes() {
            assert!(readme.is_ascii(), "{readme}");
            for line in readme.split_inclusive('\n') {
                assert!(line.ends_with("\r\n"), "{line:?}");
                // A command stays in one piece.
                let is_command = line.starts_with("    ");
                assert!(is_command || line.trim_end().len() <= 76, "{line:?}");
            }
            assert!(!readme.contains("\r\n\r\n\r\n\r\n"), "{readme}");
        }
    }
}
