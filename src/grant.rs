//! What a user may do, until when and from where, as the command line says it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_iam::primitives::{DateTime, DateTimeFormat};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Serialize;

use crate::names::ValueError;

/// What a user may do with its own folder; by default list and download it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Access")]
pub struct Grant {
    /// Kind of access: read, read-write, or write (upload only)
    ///
    ///   read        list and download
    ///   read-write  list, download, upload, overwrite and delete
    ///   write       upload only: no list, no download
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "MODE",
        value_enum,
        default_value_t
    )]
    #[arg(hide_possible_values = true)]
    pub access: Access,
    /// When access ends: a date, an RFC 3339 time, or a span as 2w, 90d or 12h
    ///
    /// A date includes that whole day in UTC: with 2026-12-31, the first refused instant is
    /// 2027-01-01T00:00:00Z. Ended access can be given again with --update.
    #[arg(verbatim_doc_comment, long, value_name = "WHEN")]
    pub expires: Option<Expiry>,
    /// Allow requests from these addresses only; may be repeated
    ///
    /// IPv4 or IPv6, as 203.0.113.0/24 or 203.0.113.7. Requests through a VPC endpoint have
    /// no such address and are refused.
    #[arg(verbatim_doc_comment, long = "source-ip", value_name = "CIDR", value_parser = cidr)]
    pub source_ips: Vec<IpNet>,
    /// KMS key the bucket is encrypted with, where it is one of your own
    ///
    /// Allows using that key through S3 only. The key's own policy must let IAM decide, as
    /// the default one does.
    #[arg(verbatim_doc_comment, hide_short_help = true, long, value_name = "ARN")]
    pub kms_key: Option<KmsKey>,
    /// Allow listing the bucket's top level too, which shows every folder's name
    ///
    /// For clients that must start at the bucket. The content of other folders stays closed.
    #[arg(hide_short_help = true, long)]
    pub browse_root: bool,
}

impl Grant {
    /// Fails on a combination that has no meaning.
    pub fn check(&self) -> Result<(), ValueError> {
        match self.browse_root && !self.access.reads() {
            true => Err(ValueError(
                "--browse-root is for access that lists, read or read-write",
            )),
            false => Ok(()),
        }
    }

    /// What the admin should know of an address block from which no request comes
    /// to AWS.
    pub(crate) fn private_block_note(&self) -> Option<String> {
        let private = self.source_ips.iter().find(|block| match block {
            IpNet::V4(block) => {
                let start = block.network();
                start.is_private() || start.is_loopback() || start.is_link_local()
            }
            IpNet::V6(block) => {
                let start = block.network();
                start.is_unique_local() || start.is_loopback() || start.is_unicast_link_local()
            }
        });
        private.map(|block| {
            format!("{block} is a private block, and requests reach AWS from public addresses")
        })
    }

    /// When access ended, if it has.
    pub(crate) fn ended(&self) -> Option<Expiry> {
        self.expires.filter(|expiry| expiry.0.secs() <= now())
    }

    /// What differs in another grant, in words.
    pub(crate) fn changes_to(&self, other: &Self) -> Vec<String> {
        self.in_words()
            .into_iter()
            .zip(other.in_words())
            .filter(|(old, new)| old != new)
            .map(|((what, old), (_, new))| format!("{what}: {old} -> {new}"))
            .collect()
    }

    fn in_words(&self) -> [(&'static str, String); 5] {
        let or = |text: String, other: &str| match text.is_empty() {
            true => other.to_owned(),
            false => text,
        };
        let addresses: Vec<_> = self.source_ips.iter().map(IpNet::to_string).collect();
        let expires = self.expires.map(|at| at.to_string()).unwrap_or_default();
        let kms_key = self.kms_key.as_ref().map(KmsKey::to_string);
        let top = if self.browse_root {
            "listed"
        } else {
            "refused"
        };
        [
            ("access", self.access.to_string()),
            ("expires", or(expires, "never")),
            ("source addresses", or(addresses.join(", "), "any")),
            ("KMS key", or(kms_key.unwrap_or_default(), "none")),
            ("top level of the bucket", top.to_owned()),
        ]
    }
}

/// What a user may do with the objects of its folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// List and download
    #[default]
    Read,
    /// List, download, upload, overwrite and delete
    ReadWrite,
    /// Upload only, as into a drop box: no list, no download
    Write,
}

impl Access {
    /// Whether the folder can be listed and its objects downloaded.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// Whether objects can be uploaded.
    pub fn writes(self) -> bool {
        self != Self::Read
    }

    /// What somebody can do, in a sentence that ends with the folder.
    pub(crate) fn verbs(self) -> &'static str {
        match self {
            Self::Read => "list and download",
            Self::ReadWrite => "list, download, upload to and delete from",
            Self::Write => "upload to",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
            Self::Write => "write",
        })
    }
}

/// The first instant at which access is refused, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(DateTime);

impl Expiry {
    /// Reads what [`Display`](fmt::Display) wrote, in the past too.
    pub(crate) fn at(text: &str) -> Option<Self> {
        let time = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).ok()?;
        time.fmt(DateTimeFormat::DateTime).ok()?;
        Some(Self(time))
    }

    fn parse(text: &str, now: i64) -> Result<Self, ValueError> {
        const ACCEPTED: ValueError = ValueError(
            "a time is a date as 2026-12-31, an RFC 3339 time as 2026-12-31T18:00:00+01:00, \
             or a span from now as 2w, 90d or 12h",
        );
        // humantime takes m for minutes and M for months, and months and years as averages.
        let is_vague = |unit: &str| {
            ["m", "M", "y"].contains(&unit) || unit.starts_with("month") || unit.starts_with("year")
        };
        if text.split(|c: char| !c.is_ascii_alphabetic()).any(is_vague) {
            return Err(ValueError(
                "a span is in weeks, days, hours or min, as 2w, 90d, 12h or 30min, \
                 since months and years have no fixed length",
            ));
        }
        let seconds = if let Ok(span) = humantime::parse_duration(text) {
            i64::try_from(span.as_secs())
                .ok()
                .and_then(|span| now.checked_add(span))
        } else if let Some(midnight) = Self::at(&format!("{text}T00:00:00Z")) {
            // The whole day counts.
            Some(midnight.0.secs() + 24 * 60 * 60)
        } else {
            Self::at(text).map(|time| time.0.secs())
        };
        let expiry = Self(DateTime::from_secs(seconds.ok_or(ACCEPTED)?));
        if expiry.0.fmt(DateTimeFormat::DateTime).is_err() {
            return Err(ValueError("a time lies before the year 10000"));
        }
        match expiry.0.secs() > now {
            true => Ok(expiry),
            false => Err(ValueError("that time has passed already")),
        }
    }
}

impl FromStr for Expiry {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::parse(text, now())
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

impl Expiry {
    /// The last day on which there is access, where it ends with that day in UTC.
    pub(crate) fn last_day(&self) -> Option<String> {
        let day = DateTime::from_secs(self.0.secs() - 24 * 60 * 60);
        let day = day.fmt(DateTimeFormat::DateTime).ok()?;
        day.strip_suffix("T00:00:00Z").map(str::to_owned)
    }
}

impl fmt::Display for Expiry {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.fmt(DateTimeFormat::DateTime);
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

/// A block of addresses; a single address is a block of one.
fn cidr(text: &str) -> Result<IpNet, ValueError> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let block = text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
        ValueError("an address block is written as 203.0.113.0/24, 203.0.113.7 or 2001:db8::/32")
    })?;
    // One address with the length of its network would open the whole of it.
    match block.addr() == block.network() {
        true => Ok(block),
        false => Err(ValueError(
            "an address block begins at its first address, as 203.0.113.0/24; \
             a single address has no length, as 203.0.113.7",
        )),
    }
}

/// The ARN of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    arn: String,
    region: String,
}

impl KmsKey {
    /// The region the key is in.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl FromStr for KmsKey {
    type Err = ValueError;

    fn from_str(arn: &str) -> Result<Self, ValueError> {
        let word = |text: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
        };
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "kms", region, account, key]
                if word(partition)
                    && word(region)
                    && word(account)
                    && key.strip_prefix("key/").is_some_and(word) =>
            {
                Ok(Self {
                    arn: arn.to_owned(),
                    region: region.to_owned(),
                })
            }
            [.., alias] if alias.starts_with("alias/") => Err(ValueError(
                "a policy needs the ARN of the key itself, not of an alias: \
                 see aws kms describe-key --key-id ALIAS",
            )),
            _ => Err(ValueError(
                "a KMS key is given by its ARN: arn:aws:kms:REGION:ACCOUNT:key/ID",
            )),
        }
    }
}

impl fmt::Display for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-15T12:00:00Z.
    const NOW: i64 = 1_781_524_800;

    #[test]
    fn times_are_read_as_people_mean_them() {
        for (text, expected) in [
            ("2026-12-31", "2027-01-01T00:00:00Z"),
            ("2026-06-15", "2026-06-16T00:00:00Z"),
            ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00Z"),
            ("2026-12-31T18:00:00+01:00", "2026-12-31T17:00:00Z"),
            ("2026-12-31T18:00:00.7Z", "2026-12-31T18:00:00Z"),
            ("12h", "2026-06-16T00:00:00Z"),
            ("90d", "2026-09-13T12:00:00Z"),
            ("1d 2h", "2026-06-16T14:00:00Z"),
            ("30min", "2026-06-15T12:30:00Z"),
        ] {
            let expiry = Expiry::parse(text, NOW).unwrap();
            assert_eq!(expiry.to_string(), expected, "{text}");
            assert_eq!(Expiry::at(expected), Some(expiry));
            let whole_day = expected.ends_with("T00:00:00Z") && text.len() == 10;
            assert!(!whole_day || expiry.last_day().as_deref() == Some(text));
        }
    }

    #[test]
    fn past_and_unreadable_times_are_refused() {
        for (text, part) in [
            ("2026-06-14", "passed"),
            ("2026-06-15T12:00:00Z", "passed"),
            ("2026-06-15T13:00:00+02:00", "passed"),
            ("0s", "passed"),
            ("2026-02-30", "RFC 3339"),
            ("31.12.2026", "RFC 3339"),
            ("tomorrow", "RFC 3339"),
            ("-5d", "RFC 3339"),
            ("90", "RFC 3339"),
            ("3m", "no fixed length"),
            ("1d 3M", "no fixed length"),
            ("6months", "no fixed length"),
            ("1y", "no fixed length"),
            ("9000years", "no fixed length"),
            ("", "RFC 3339"),
            ("900000w", "10000"),
            ("99999999999999999d", "RFC 3339"),
        ] {
            let error = Expiry::parse(text, NOW).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn addresses_are_blocks_of_either_family() {
        for (text, expected) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(cidr(text).unwrap().to_string(), expected);
        }
        for text in [
            "",
            "203.0.113.0/33",
            "203.0.113.7/24",
            "2001:db8::1/32",
            "203.0.113",
            "example.com",
            "*",
        ] {
            assert!(cidr(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn private_blocks_are_pointed_out() {
        let note = |block: &str| {
            let source_ips = vec!["203.0.113.0/24".parse().unwrap(), cidr(block).unwrap()];
            let grant = Grant {
                source_ips,
                ..Grant::default()
            };
            grant.private_block_note()
        };
        for private in ["10.0.0.0/8", "192.168.1.7", "127.0.0.1", "fd00::/8", "::1"] {
            assert!(note(private).unwrap().contains(private), "{private}");
        }
        for public in ["198.51.100.7", "2001:db8::/32", "0.0.0.0/0", "::/0"] {
            assert_eq!(note(public), None, "{public}");
        }
    }

    #[test]
    fn kms_key_is_an_arn_of_a_key() {
        let arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let key: KmsKey = arn.parse().unwrap();
        assert_eq!(
            (key.to_string().as_str(), key.region()),
            (arn, "eu-central-1")
        );
        for (text, part) in [
            ("1234abcd-12ab-34cd-56ef-1234567890ab", "by its ARN"),
            ("alias/mine", "not of an alias"),
            (
                "arn:aws:kms:eu-central-1:123456789012:alias/mine",
                "not of an alias",
            ),
            ("arn:aws:kms:eu-central-1:123456789012:key/*", "by its ARN"),
            ("arn:aws:s3:::bucket", "by its ARN"),
        ] {
            let error = text.parse::<KmsKey>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn changes_name_what_differs() {
        let old = Grant::default();
        let new = Grant {
            access: Access::ReadWrite,
            source_ips: vec!["10.0.0.0/8".parse().unwrap()],
            ..Grant::default()
        };
        let expected = [
            "access: read -> read-write",
            "source addresses: any -> 10.0.0.0/8",
        ];
        assert_eq!(old.changes_to(&new), expected);
        assert_eq!(new.changes_to(&new), [""; 0]);
    }
}
