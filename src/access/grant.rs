//! What a user may do, until when and from where: the options under "Access".

use std::fmt;
use std::net::IpAddr;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Serialize;

use super::{Expiry, KmsKey, ValueError};

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
        if self.browse_root && !self.access.reads() {
            return Err(ValueError(
                "--browse-root is for access that lists, read or read-write",
            ));
        }
        Ok(())
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

    /// What the admin should know of a block that is every address there is.
    pub(crate) fn whole_block_note(&self) -> Option<String> {
        let whole = self.source_ips.iter().find(|block| block.prefix_len() == 0);
        whole.map(|block| format!("{block} is every address, so --source-ip limits nothing"))
    }

    /// When access ended, if it has.
    pub(crate) fn ended(&self) -> Option<Expiry> {
        self.expires.filter(Expiry::has_passed)
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
        let addresses: Vec<_> = self.source_ips.iter().map(IpNet::to_string).collect();
        let addresses = Some(addresses.join(", ")).filter(|blocks| !blocks.is_empty());
        let expires = self.expires.map(|at| at.to_string());
        let kms_key = self.kms_key.as_ref().map(KmsKey::to_string);
        let top = if self.browse_root {
            "listed"
        } else {
            "refused"
        };
        [
            ("access", self.access.to_string()),
            ("expires", expires.unwrap_or("never".to_owned())),
            ("source addresses", addresses.unwrap_or("any".to_owned())),
            ("KMS key", kms_key.unwrap_or("none".to_owned())),
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

/// A block of addresses; a single address is a block of one.
fn cidr(text: &str) -> Result<IpNet, ValueError> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let block = text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
        ValueError("an address block is written as 203.0.113.0/24, 203.0.113.7 or 2001:db8::/32")
    })?;
    // One address with the length of its network would open the whole of it.
    if let IpNet::V6(mapped) = block
        && mapped.addr().to_ipv4_mapped().is_some()
    {
        return Err(ValueError(
            "an IPv4 address is written as such, as 203.0.113.7, and not as ::ffff:203.0.113.7",
        ));
    }
    if block.addr() != block.network() {
        return Err(ValueError(
            "an address block begins at its first address, as 203.0.113.0/24; \
             a single address has no length, as 203.0.113.7",
        ));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_address_is_pointed_out() {
        let note = |block: &str| {
            let source_ips = vec![cidr(block).unwrap()];
            let grant = Grant {
                source_ips,
                ..Grant::default()
            };
            grant.whole_block_note()
        };
        for whole in ["0.0.0.0/0", "::/0"] {
            assert!(note(whole).unwrap().contains(whole), "{whole}");
        }
        assert_eq!(note("203.0.113.0/24"), None);
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
