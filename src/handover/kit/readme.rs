//! The kit's README.txt, for somebody who has never heard of IAM: plain ASCII
//! in short lines with the line ends of Windows, which every editor can show.

use ipnet::IpNet;

use super::ClientSettings;
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

impl ClientSettings<'_> {
    pub(super) fn readme(&self, contact: Option<&str>) -> String {
        let Self { grant, endpoint, .. } = *self;
        let title = match endpoint {
            None => "Your files on Amazon S3",
            Some(_) => "Your files on an S3 server",
        };
        let start = if grant.browse_root { START_AT_BUCKET } else { START_IN_FOLDER };
        let in_common = if grant.access.rights().list {
            "They all show the same files."
        } else {
            "Both do the same thing."
        };
        let values = [
            ("sender", contact.map_or(String::new(), |it| wrapped("From", it) + "\n\n")),
            ("title", title.to_owned()),
            ("underline", "=".repeat(title.len())),
            ("can", sentence_on(grant.access).to_owned()),
            ("folder", self.folder()),
            (
                "server",
                endpoint.map_or(String::new(), |url| format!("\nThe server:\n\n    {url}\n")),
            ),
            ("also", self.paragraph_on_other_folders()),
            ("until", sentence_on_end(grant)),
            ("from", paragraph_on_addresses(&grant.source_ips)),
            ("same", in_common.to_owned()),
            ("ways", self.instructions()),
            ("start", start.trim_end().to_owned()),
            ("contact", contact_lines(contact)),
        ];
        filled(MAIN, &values).replace('\n', "\r\n")
    }

    /// The instructions for each kind of client.
    fn instructions(&self) -> String {
        let mut template = match self.grant.access {
            Access::Read => BROWSE.to_owned(),
            Access::ReadWrite => BROWSE.to_owned() + SEND,
            Access::Write => UPLOAD.to_owned(),
        };
        let mut values = vec![
            ("bookmark", self.bookmark_name()),
            ("folder", self.folder()),
            ("profile", self.profile()),
            ("remote", self.remote()),
        ];
        if let Some(shared) = self.grant.also_read.first() {
            template += GET_SHARED;
            // Cyberduck and WinSCP are of use only where the own folder can be listed.
            if self.grant.access.rights().list {
                template += BROWSE_SHARED;
            }
            values.push(("shared", format!("{}/{shared}", self.target.bucket)));
        }
        filled(&template, &values)
    }

    /// The paragraph on other folders that the person can read, if any.
    fn paragraph_on_other_folders(&self) -> String {
        if self.grant.also_read.is_empty() {
            return String::new();
        }
        let urls: Vec<_> = self.grant.also_read.iter().map(|it| self.target.url_of(it)).collect();
        filled(ALSO, &[("shared", urls.join("\n    "))])
    }
}

/// A template with its `{names}` replaced by values, which may hold braces of
/// their own.
fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, inside)) = rest.split_once('{')
        && let Some((name, after)) = inside.split_once('}')
    {
        let value = values.iter().find(|(known, _)| *known == name);
        let kept = format!("{{{name}}}");
        text += before;
        text += value.map_or(&kept, |(_, value)| value);
        rest = after;
    }
    text + rest
}

/// The sentence on whom to ask.
fn contact_lines(contact: Option<&str>) -> String {
    let Some(contact) = contact else {
        return "If you have questions, or lose these files, ask whoever sent them to you."
            .to_owned();
    };
    format!("If you have questions, or lose these files, ask:\n{}", wrapped(" ", contact))
}

/// A text after a start, in lines of at most 76 columns, of which all but the first are indented.
fn wrapped(start: &str, text: &str) -> String {
    let mut lines = Vec::new();
    let mut line = start.to_owned();
    for word in text.split_whitespace() {
        if line.len() > start.len() && line.chars().count() + 1 + word.chars().count() > 76 {
            lines.push(std::mem::replace(&mut line, String::from(" ")));
        }
        line += " ";
        line += word;
    }
    lines.push(line);
    lines.join("\n")
}

fn sentence_on(access: Access) -> &'static str {
    match access {
        Access::Read => "You can list and download all files in this folder:",
        Access::ReadWrite => {
            "You can list, download, upload, replace and delete files in this folder:"
        }
        Access::Write => "You can upload files to this folder, but not see what is in it:",
    }
}

fn sentence_on_end(grant: &Grant) -> String {
    match grant.expires {
        None => "Your access has no end date.".to_owned(),
        Some(expiry) => format!("Your access is valid {}.", expiry.for_people()),
    }
}

/// The paragraph on the addresses from which the key works; empty if from all.
fn paragraph_on_addresses(blocks: &[IpNet]) -> String {
    if blocks.is_empty() {
        return String::new();
    }
    let lines: String = blocks.iter().map(|block| format!("    {block}\n")).collect();
    format!("It works only from these network addresses:\n\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{AccessKey, Target};

    /// The text for every kind of access, with and without what can be left out.
    fn readmes() -> Vec<String> {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), "secret".to_owned());
        let target = Target::new("shared-files".parse().unwrap(), "alex".parse().unwrap());
        let mut readmes = Vec::new();
        for access in [Access::Read, Access::ReadWrite, Access::Write] {
            for full in [false, true] {
                let grant = Grant {
                    access,
                    browse_root: full,
                    also_read: full.then(|| "{contact}/".parse().unwrap()).into_iter().collect(),
                    expires: full.then(|| "2099-12-31".parse().unwrap()),
                    source_ips: full
                        .then(|| "203.0.113.0/24".parse().unwrap())
                        .into_iter()
                        .collect(),
                    ..Grant::default()
                };
                let settings = ClientSettings {
                    key: &key,
                    target: &target,
                    grant: &grant,
                    region: "eu-central-1",
                    endpoint: None,
                };
                readmes.push(settings.readme(full.then_some(
                    "Support desk of the Example Corporation, support@example.com, +49 30 123456",
                )));
            }
        }
        readmes
    }

    #[test]
    fn readme_is_filled_in_whatever_the_grant() {
        for readme in readmes() {
            let title = "Your files on Amazon S3\r\n=======================\r\n\r\n";
            assert!(readme.starts_with(title) || readme.starts_with("From Support"), "{readme}");
            assert!(readme.contains(title), "{readme}");
            let own = readme.replace("{contact}", "");
            assert!(!own.contains(['{', '}']), "{readme}");
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
