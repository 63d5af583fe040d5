//! A change of what a user may do: the options under "Access".

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{Access, Expiry, Grant, KmsKey, Prefix, ValueError};

/// The new value of a part of the grant, or none if the option has a word
/// such as `never` in place of one.
///
/// By a name of its own, since clap takes `Option<Option<T>>` for an option that
/// may lack its value.
pub type Setting<T> = Option<T>;

/// A change of what a user may do. A part that it doesn't name stays as it is,
/// and is as in the default [`Grant`] for a new user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Access"))]
pub struct GrantChange {
    /// read, read-write or write [default: read]
    ///
    ///   read        list and download
    ///   read-write  list, download, upload, overwrite and delete
    ///   write       upload only: no list, no download
    #[cfg_attr(
        feature = "cli",
        arg(verbatim_doc_comment, long, value_name = "MODE", value_enum),
        arg(hide_possible_values = true)
    )]
    pub access: Option<Access>,
    /// When access ends: a date, time or duration (90d)
    ///
    /// A time is in RFC 3339 format: 2026-12-31T18:00:00Z. A duration is in weeks, days,
    /// hours or minutes, such as 2w, 90d, 12h or 30min. A date includes that whole day in
    /// UTC: with 2026-12-31, access stops at 2027-01-01T00:00:00Z. With --update, a
    /// later time also brings back access that has ended, and "never" removes the end.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "WHEN"),
        arg(value_parser = |text: &str| setting("never", text, Expiry::from_str))
    )]
    pub expires: Option<Setting<Expiry>>,
    /// Only from these addresses; may be repeated
    ///
    /// IPv4 or IPv6, such as 203.0.113.0/24 or 203.0.113.7. Requests through a VPC endpoint
    /// have no such address and are refused. With --update, the new addresses replace all
    /// earlier ones, and "any" removes the limit.
    #[cfg_attr(
        feature = "cli",
        arg(long = "source-ip", value_name = "CIDR"),
        arg(value_parser = |text: &str| setting("any", text, cidr))
    )]
    pub source_ips: Option<Vec<Setting<IpNet>>>,
    /// Also allow listing and downloading this other folder; may be repeated
    ///
    /// Such as prices/ or lists/2026/, ending in /. The person can't change anything there,
    /// and delete_s3_user never touches it. With --update, the new folders replace all
    /// earlier ones, and "none" removes them.
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "PREFIX/"),
        arg(value_parser = |text: &str| setting("none", text, Prefix::from_str))
    )]
    pub also_read: Option<Vec<Setting<Prefix>>>,
    /// KMS key that the bucket is encrypted with, if it is one you manage
    ///
    /// Allows using that key through S3 only. The key's own policy must let IAM decide, as
    /// the default one does. With --update, "none" removes it.
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, value_name = "ARN"),
        arg(value_parser = |text: &str| setting("none", text, KmsKey::from_str))
    )]
    pub kms_key: Option<Setting<KmsKey>>,
    /// Allow listing the bucket's top level too, which shows every folder's name
    ///
    /// For clients that must start at the bucket. Other folders' content stays inaccessible.
    #[cfg_attr(
        feature = "cli",
        arg(hide_short_help = true, long, conflicts_with = "no_browse_root")
    )]
    pub browse_root: bool,
    /// With --update, no longer allow listing the bucket's top level
    #[cfg_attr(feature = "cli", arg(hide_short_help = true, long))]
    pub no_browse_root: bool,
}

impl GrantChange {
    /// Fails if a list of values has the word for none among them.
    pub fn check(&self) -> Result<(), ValueError> {
        if is_mixed(&self.source_ips) {
            return Err(ValueError::new("any can't be given with other addresses"));
        }
        if is_mixed(&self.also_read) {
            return Err(ValueError::new("none can't be given with other folders"));
        }
        Ok(())
    }

    /// The change with the parts that the other one names in place of its own.
    pub fn overridden_by(&self, other: &Self) -> Self {
        let top_level = if other.names_top_level() { other } else { self };
        Self {
            access: other.access.or(self.access),
            expires: other.expires.or(self.expires),
            source_ips: other.source_ips.as_ref().or(self.source_ips.as_ref()).cloned(),
            also_read: other.also_read.as_ref().or(self.also_read.as_ref()).cloned(),
            kms_key: other.kms_key.as_ref().or(self.kms_key.as_ref()).cloned(),
            browse_root: top_level.browse_root,
            no_browse_root: top_level.no_browse_root,
        }
    }

    /// The grant as it is after the change.
    pub fn apply_to(&self, grant: &Grant) -> Grant {
        Grant {
            access: self.access.unwrap_or(grant.access),
            expires: self.expires.unwrap_or(grant.expires),
            source_ips: values(&self.source_ips).unwrap_or_else(|| grant.source_ips.clone()),
            also_read: values(&self.also_read).unwrap_or_else(|| grant.also_read.clone()),
            kms_key: self.kms_key.as_ref().unwrap_or(&grant.kms_key).clone(),
            browse_root: self.browse_root || grant.browse_root && !self.no_browse_root,
        }
    }

    /// Fails if a part that it names doesn't go with one that stays.
    pub(crate) fn check_on(&self, old: &Grant) -> Result<(), ValueError> {
        let new = self.apply_to(old);
        if new.access.rights().list || !new.browse_root {
            return Ok(());
        }
        Err(ValueError::new(if self.browse_root {
            "--browse-root requires --access read or read-write, but the user may only upload; \
             add --access read or --access read-write"
        } else {
            "--access write can't be combined with listing the bucket's top level, which the user may do; \
             add --no-browse-root"
        }))
    }

    /// The options of the parts that it doesn't name.
    pub(crate) fn unnamed(&self) -> Vec<&'static str> {
        Grant::default()
            .parts()
            .iter()
            .filter(|part| !(part.is_named_in)(self))
            .map(|part| part.option)
            .collect()
    }

    pub(super) fn names_top_level(&self) -> bool {
        self.browse_root || self.no_browse_root
    }
}

fn is_mixed<T>(given: &Option<Vec<Setting<T>>>) -> bool {
    given.as_ref().is_some_and(|given| given.len() > 1 && given.iter().any(Option::is_none))
}

/// Reads a value, or the word in place of one.
fn setting<T, E>(
    none: &str,
    text: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Setting<T>, E> {
    if text == none { Ok(None) } else { read(text).map(Some) }
}

/// The values of a list that was given; empty for the word for none.
fn values<T: Clone>(given: &Option<Vec<Setting<T>>>) -> Option<Vec<T>> {
    given.as_ref().map(|list| list.iter().flatten().cloned().collect())
}

/// A block of addresses; a single address is a block of one.
fn cidr(text: &str) -> Result<IpNet, String> {
    let accepted = "give an address or a block, such as 203.0.113.7, 203.0.113.0/24 or \
                    2001:db8::/32, or \"any\" for no limit";
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let block = text.parse().or_else(|_| address()).map_err(|_| accepted)?;
    if let IpNet::V6(mapped) = block
        && let Some(address) = mapped.addr().to_ipv4_mapped()
    {
        return Err(format!("write an IPv4 address as {address}, not as ::ffff:{address}"));
    }
    // One address with the length of its network would give access to the whole network.
    if block.addr() != block.network() {
        return Err(format!(
            "write {} for the whole block, or {} for this address alone",
            block.trunc(),
            block.addr()
        ));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/k";

    /// The change that these options make.
    fn change(options: &[&str]) -> GrantChange {
        let command = GrantChange::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(options).unwrap();
        GrantChange::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn change_overrides_the_parts_that_it_names() {
        let first = change(&["--access", "write", "--expires", "2099-12-31"]);
        for (other, expected) in [
            (&[][..], &["--access", "write", "--expires", "2099-12-31"][..]),
            (
                &["--expires", "never", "--browse-root"],
                &["--access", "write", "--expires", "never", "--browse-root"],
            ),
            (
                &["--access", "read", "--source-ip", "203.0.113.7"],
                &["--access", "read", "--expires", "2099-12-31", "--source-ip", "203.0.113.7"],
            ),
        ] {
            assert_eq!(first.overridden_by(&change(other)), change(expected));
        }
        let browsing = change(&["--browse-root"]);
        let not_browsing = change(&["--no-browse-root"]);
        assert_eq!(browsing.overridden_by(&not_browsing), not_browsing);
    }

    /// A grant with no part as in the default one.
    fn full_grant() -> Grant {
        Grant {
            access: Access::ReadWrite,
            expires: Some("2099-12-31".parse().unwrap()),
            source_ips: vec![cidr("203.0.113.0/24").unwrap(), cidr("::1").unwrap()],
            kms_key: Some(KEY.parse().unwrap()),
            browse_root: true,
            also_read: vec!["price list/".parse().unwrap(), "a/b/".parse().unwrap()],
        }
    }

    #[test]
    fn part_that_no_option_names_stays() {
        assert_eq!(change(&[]).apply_to(&full_grant()), full_grant());
        assert_eq!(change(&[]).apply_to(&Grant::default()), Grant::default());
        let changed = change(&["--expires", "never"]).apply_to(&full_grant());
        assert_eq!(full_grant().changes_to(&changed).len(), 1);
        assert_eq!(changed.expires, None);
    }

    #[test]
    fn each_option_changes_its_part_alone() {
        for options in [
            ["--access", "write"].as_slice(),
            &["--expires", "2098-12-31"],
            &["--expires", "never"],
            &["--source-ip", "198.51.100.7"],
            &["--source-ip", "any"],
            &["--also-read", "prices/"],
            &["--also-read", "none"],
            &["--kms-key", "none"],
            &["--no-browse-root"],
        ] {
            let change = change(options);
            let changed = change.apply_to(&full_grant());
            assert_eq!(full_grant().changes_to(&changed).len(), 1, "{options:?}");
            let unnamed = change.unnamed();
            assert!(unnamed.len() == 5 && !unnamed.contains(&options[0]));
        }
    }

    #[test]
    fn list_that_is_given_replaces_the_whole_of_it() {
        let options = ["--source-ip", "198.51.100.7", "--also-read", "prices/"];
        let changed = change(&options).apply_to(&full_grant());
        assert_eq!(changed.source_ips, [cidr("198.51.100.7").unwrap()]);
        assert_eq!(changed.also_read, ["prices/".parse().unwrap()]);
    }

    #[test]
    fn options_of_a_grant_make_it_of_any_other() {
        for grant in [Grant::default(), full_grant()] {
            let options = grant.as_options();
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            let change = change(&options);
            assert_eq!(change.unnamed(), [""; 0]);
            for other in [Grant::default(), full_grant()] {
                assert_eq!(change.apply_to(&other), grant);
            }
        }
    }

    #[test]
    fn word_for_none_stands_alone() {
        for (options, is_fine) in [
            (["--source-ip", "any", "--source-ip", "::1"], false),
            (["--also-read", "a/", "--also-read", "none"], false),
            (["--source-ip", "any", "--also-read", "none"], true),
        ] {
            assert_eq!(change(&options).check().is_ok(), is_fine, "{options:?}");
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
            "::ffff:203.0.113.7",
            "::ffff:203.0.113.0/120",
            "2001:db8::1/32",
            "203.0.113",
            "example.com",
            "*",
        ] {
            assert!(cidr(text).is_err(), "{text:?}");
        }
        let wrong = cidr("203.0.113.7/24").unwrap_err();
        assert!(wrong.starts_with("write 203.0.113.0/24 for"), "{wrong}");
    }
}
