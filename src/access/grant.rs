//! What a user may do, until when and from where.

use std::fmt;

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;
use ipnet::IpNet;
use serde::Serialize;

use super::{Expiry, KmsKey, Prefix, SharedPrefix};

/// What a user may do; by default list and download its own folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// What the user may do with the objects of its folder.
    pub access: Access,
    /// When access ends; none if it doesn't.
    pub expires: Option<Expiry>,
    /// The addresses that requests may come from; any if there are none.
    pub source_ips: Vec<IpNet>,
    /// The customer's KMS key that the bucket is encrypted with.
    pub kms_key: Option<KmsKey>,
    /// Whether the user may list the bucket's top level too.
    pub browse_root: bool,
    /// The other folders that the user may list and download.
    pub also_read: Vec<SharedPrefix>,
}

impl Grant {
    /// Fails on what can't be granted together, to a user with this folder.
    pub fn check(&self, own: &Prefix) -> Result<()> {
        ensure!(
            !self.browse_root || self.access.reads(),
            "--browse-root needs access that lists: --access read or read-write"
        );
        for (index, prefix) in self.also_read.iter().enumerate() {
            ensure!(
                !prefix.overlaps(own.as_str()),
                "--also-read {prefix} overlaps with the user's own folder {own}"
            );
            let mut earlier = self.also_read[..index].iter();
            if let Some(earlier) = earlier.find(|earlier| earlier.overlaps(prefix.as_str())) {
                bail!(
                    "--also-read {prefix} overlaps with --also-read {earlier}; give only one of them"
                );
            }
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

    /// What is different in a new grant, for people.
    pub(crate) fn changes_to(&self, new: &Self) -> Vec<String> {
        let parts = self.in_words().into_iter().zip(new.in_words());
        parts
            .filter(|(old, new)| old != new)
            .map(|((part, old), (_, new))| format!("{part}: {old} -> {new}"))
            .collect()
    }

    /// What is the same in a new grant, for people.
    pub(crate) fn kept_in(&self, new: &Self) -> Vec<String> {
        let parts = self.in_words().into_iter().zip(new.in_words());
        parts
            .filter(|(old, new)| old == new)
            .map(|((part, value), _)| format!("{part}: {value}"))
            .collect()
    }

    /// All parts, where what was before can't be read.
    pub(crate) fn all_as_changes(&self) -> Vec<String> {
        let parts = self.in_words().into_iter();
        parts.map(|(part, value)| format!("{part}: unknown -> {value}")).collect()
    }

    fn in_words(&self) -> [(&'static str, String); 6] {
        let top = if self.browse_root { "visible" } else { "hidden" };
        [
            ("access", self.access.to_string()),
            ("expires", texts(self.expires, "never").join(", ")),
            ("source addresses", texts(&self.source_ips, "any").join(", ")),
            ("KMS key", texts(&self.kms_key, "none").join(", ")),
            ("top level of the bucket", top.to_owned()),
            ("other folders", texts(&self.also_read, "none").join(", ")),
        ]
    }
}

/// Each value as text, or the word for none of them.
pub(super) fn texts<T: ToString>(values: impl IntoIterator<Item = T>, none: &str) -> Vec<String> {
    let mut texts: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
    if texts.is_empty() {
        texts.push(none.to_owned());
    }
    texts
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

    /// The kind of access in a word, before "access".
    pub(crate) fn adjective(self) -> &'static str {
        match self {
            Self::Read => "read-only",
            Self::ReadWrite => "read-write",
            Self::Write => "upload-only",
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_blocks_are_pointed_out() {
        let note = |block: &str| {
            let source_ips = vec!["203.0.113.0/24".parse().unwrap(), block.parse().unwrap()];
            let grant = Grant { source_ips, ..Grant::default() };
            grant.private_block_note()
        };
        for private in ["10.0.0.0/8", "192.168.1.7/32", "127.0.0.0/8", "fd00::/8", "::1/128"] {
            assert!(note(private).unwrap().contains(private), "{private}");
        }
        for public in ["198.51.100.7/32", "2001:db8::/32", "0.0.0.0/0", "::/0"] {
            assert_eq!(note(public), None, "{public}");
        }
    }

    #[test]
    fn every_address_is_pointed_out() {
        let note = |block: &str| {
            let source_ips = vec![block.parse().unwrap()];
            let grant = Grant { source_ips, ..Grant::default() };
            grant.whole_block_note()
        };
        for whole in ["0.0.0.0/0", "::/0"] {
            assert!(note(whole).unwrap().contains(whole), "{whole}");
        }
        assert_eq!(note("203.0.113.0/24"), None);
    }

    #[test]
    fn changes_name_what_differs_and_what_is_kept() {
        let old = Grant {
            also_read: vec!["prices/".parse().unwrap(), "a/b/".parse().unwrap()],
            ..Grant::default()
        };
        let new = Grant {
            access: Access::ReadWrite,
            source_ips: vec!["10.0.0.0/8".parse().unwrap()],
            ..old.clone()
        };
        let changed = ["access: read -> read-write", "source addresses: any -> 10.0.0.0/8"];
        assert_eq!(old.changes_to(&new), changed);
        let kept = [
            "expires: never",
            "KMS key: none",
            "top level of the bucket: hidden",
            "other folders: prices/, a/b/",
        ];
        assert_eq!(old.kept_in(&new), kept);
        assert_eq!(new.changes_to(&new), [""; 0]);
    }

    #[test]
    fn what_can_not_be_granted_together_is_refused() {
        let own = Prefix::from(&"alex".parse().unwrap());
        let check = |also_read: &[&str]| {
            let also_read = also_read.iter().map(|text| text.parse().unwrap());
            let grant = Grant { also_read: also_read.collect(), ..Grant::default() };
            grant.check(&own)
        };
        for good in [&[][..], &["prices/", "a/b/", "a/c/", "alexander/", "Alex/"]] {
            check(good).unwrap();
        }
        for (bad, part) in [
            (["alex/", "prices/"], "alex/ overlaps with the user's own"),
            (["prices/", "alex/a/"], "alex/a/ overlaps with the user's own"),
            (["prices/", "prices/"], "prices/ overlaps with --also-read prices/"),
            (["a/b/", "a/"], "a/ overlaps with --also-read a/b/"),
        ] {
            let error = check(&bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad:?}: {error}");
        }
    }
}
