//! What a user may do, until when and from where.

use std::net::IpAddr;

use anyhow::{Result, bail, ensure};
use ipnet::IpNet;

use super::{Access, Expiry, GrantChange, KmsKey, Prefix};

/// The rights of a user; by default to list and download its own folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The access to the objects of the user's folder.
    pub access: Access,
    /// The end of access; none if it doesn't end.
    pub expires: Option<Expiry>,
    /// The addresses that requests may come from; any if there are none.
    pub source_ips: Vec<IpNet>,
    /// The other folders that the user may list and download.
    pub also_read: Vec<Prefix>,
    /// The customer's KMS key that the bucket is encrypted with.
    pub kms_key: Option<KmsKey>,
    /// True if the user may list the bucket's top level too.
    pub browse_root: bool,
}

/// One part of a grant, for people and on the command line.
pub(super) struct Part {
    pub name: &'static str,
    pub value: String,
    /// The option that sets it, or both where there are two.
    pub option: &'static str,
    /// The arguments that set it to this value.
    pub arguments: Vec<String>,
    pub is_named_in: fn(&GrantChange) -> bool,
}

impl Grant {
    /// Every part, in the order of the options.
    pub(super) fn parts(&self) -> [Part; 6] {
        let (top_level, flag) = if self.browse_root {
            ("visible", "--browse-root")
        } else {
            ("hidden", "--no-browse-root")
        };
        [
            Part::new("access", "--access", Some(self.access), "", |it| it.access.is_some()),
            Part {
                value: self.expires.map_or("never".to_owned(), |end| end.in_words()),
                ..Part::new("expires", "--expires", self.expires, "never", |it| {
                    it.expires.is_some()
                })
            },
            Part::new("source addresses", "--source-ip", &self.source_ips, "any", |it| {
                it.source_ips.is_some()
            }),
            Part::new("other folders", "--also-read", &self.also_read, "none", |it| {
                it.also_read.is_some()
            }),
            Part::new("KMS key", "--kms-key", &self.kms_key, "none", |it| it.kms_key.is_some()),
            Part {
                name: "top level of the bucket",
                value: top_level.to_owned(),
                option: "either --browse-root or --no-browse-root",
                arguments: vec![flag.to_owned()],
                is_named_in: GrantChange::names_top_level,
            },
        ]
    }

    /// The options that name every part of this grant.
    pub(crate) fn as_options(&self) -> Vec<String> {
        self.parts().into_iter().flat_map(|part| part.arguments).collect()
    }

    /// Lists what is different in a new grant, for people.
    pub(crate) fn changes_to(&self, new: &Self) -> Vec<String> {
        self.parts_beside(new)
            .filter(|(old, new)| old.value != new.value)
            .map(|(old, new)| format!("{}: {} -> {}", old.name, old.value, new.value))
            .collect()
    }

    /// Lists what is the same in a new grant, for people.
    pub(crate) fn kept_in(&self, new: &Self) -> Vec<String> {
        self.parts_beside(new)
            .filter(|(old, new)| old.value == new.value)
            .map(|(old, _)| format!("{}: {}", old.name, old.value))
            .collect()
    }

    /// Lists all parts, where the earlier grant can't be read.
    pub(crate) fn all_as_changes(&self) -> Vec<String> {
        self.parts_beside(self)
            .map(|(part, _)| format!("{}: unknown -> {}", part.name, part.value))
            .collect()
    }

    /// The parts of two grants in pairs. The other folders come last, since there
    /// may be many.
    fn parts_beside(&self, other: &Self) -> impl Iterator<Item = (Part, Part)> {
        let mut pairs: Vec<_> = self.parts().into_iter().zip(other.parts()).collect();
        pairs.sort_by_key(|(part, _)| part.name == "other folders");
        pairs.into_iter()
    }

    /// Fails on what can't be granted together to a user with this folder.
    pub fn check_for(&self, own: &Prefix) -> Result<()> {
        for prefix in &self.also_read {
            ensure!(
                !prefix.overlaps(own),
                "the other folder {prefix} overlaps with the user's own folder {own}"
            );
        }
        self.check()
    }

    /// Fails on what can't be granted together to any user.
    pub fn check(&self) -> Result<()> {
        ensure!(
            !self.browse_root || self.access.rights().list,
            "--browse-root requires --access read or read-write"
        );
        for (index, prefix) in self.also_read.iter().enumerate() {
            let mut earlier = self.also_read[..index].iter();
            if let Some(earlier) = earlier.find(|earlier| earlier.overlaps(prefix)) {
                bail!("the other folder {prefix} overlaps with {earlier}; give only one of them");
            }
        }
        Ok(())
    }

    /// True if it may allow something in the user's own folder, or at the top level, that an
    /// earlier one did not. Other folders don't count.
    pub(crate) fn allows_more_than(&self, earlier: &Self) -> bool {
        let is_longer = match (self.expires, earlier.expires) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(end), Some(earlier_end)) => end > earlier_end,
        };
        let is_new = |block: &IpNet| !earlier.source_ips.iter().any(|it| it.contains(block));
        let is_from_more_addresses = !earlier.source_ips.is_empty()
            && (self.source_ips.is_empty() || self.source_ips.iter().any(is_new));
        self.access.rights().exceed(earlier.access.rights())
            || self.browse_root && !earlier.browse_root
            || self.kms_key.is_some() && self.kms_key != earlier.kms_key
            || is_longer
            || is_from_more_addresses
    }

    /// Notes for the admin on address blocks that don't do what was meant.
    pub(crate) fn address_notes(&self) -> Vec<String> {
        let private = self.source_ips.iter().filter(|it| is_private(it.network()));
        let private: Vec<_> = private.map(IpNet::to_string).collect();
        let whole = self.source_ips.iter().filter(|it| it.prefix_len() == 0);
        let mut notes = Vec::new();
        if !private.is_empty() {
            let (are, they) = if private.len() == 1 { ("is", "it") } else { ("are", "they") };
            let what_follows = if private.len() == self.source_ips.len() {
                "this probably locks the user out".to_owned()
            } else {
                format!("{they} probably won't give access")
            };
            notes.push(format!(
                "{} {are} private, but AWS, or another store on the internet, sees public \
                 addresses; {what_follows}",
                private.join(", ")
            ));
        }
        notes.extend(whole.map(|block| {
            let version = if block.addr().is_ipv4() { 4 } else { 6 };
            format!("{block} covers every IPv{version} address, so it restricts none of them")
        }));
        notes
    }

    /// The time at which access ended, if it has.
    pub(crate) fn ended(&self) -> Option<Expiry> {
        self.expires.filter(Expiry::has_passed)
    }
}

impl Part {
    /// A part that an option sets, once for each of its values. The option takes a
    /// word in place of none.
    fn new<T: ToString>(
        name: &'static str,
        option: &'static str,
        given: impl IntoIterator<Item = T>,
        none: &str,
        is_named_in: fn(&GrantChange) -> bool,
    ) -> Self {
        let mut values: Vec<_> = given.into_iter().map(|value| value.to_string()).collect();
        if values.is_empty() {
            values.push(none.to_owned());
        }
        Self {
            name,
            value: values.join(", "),
            option,
            arguments: values.into_iter().flat_map(|value| [option.to_owned(), value]).collect(),
            is_named_in,
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => it.is_private() || it.is_loopback() || it.is_link_local(),
        IpAddr::V6(it) => it.is_unique_local() || it.is_loopback() || it.is_unicast_link_local(),
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
            grant.address_notes()
        };
        for private in [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.1.7/32",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "fd00::/8",
            "fe80::/10",
            "::1/128",
        ] {
            let words =
                format!("{private} is private, but AWS, or another store on the internet, ");
            assert!(note(private)[0].starts_with(&words), "{private}");
            assert!(note(private)[0].ends_with("; it probably won't give access"), "{private}");
        }
        for public in ["198.51.100.7/32", "2001:db8::/32"] {
            assert_eq!(note(public), [""; 0], "{public}");
        }
    }

    #[test]
    fn all_private_blocks_are_named_and_whether_they_are_all_there_is() {
        let note = |blocks: &[&str]| {
            let source_ips = blocks.iter().map(|block| block.parse().unwrap()).collect();
            Grant { source_ips, ..Grant::default() }.address_notes().concat()
        };
        let both = note(&["10.0.0.0/8", "fe80::/10"]);
        assert!(both.starts_with("10.0.0.0/8, fe80::/10 are private, "), "{both}");
        assert!(both.ends_with("; this probably locks the user out"), "{both}");
        let some = note(&["10.0.0.0/8", "203.0.113.0/24", "fe80::/10"]);
        assert!(some.starts_with("10.0.0.0/8, fe80::/10 are private, "), "{some}");
        assert!(some.ends_with("; they probably won't give access"), "{some}");
    }

    #[test]
    fn every_address_is_pointed_out() {
        let note = |block: &str| {
            let source_ips = vec![block.parse().unwrap()];
            let grant = Grant { source_ips, ..Grant::default() };
            grant.address_notes()
        };
        for (whole, version) in [("0.0.0.0/0", "IPv4"), ("::/0", "IPv6")] {
            assert_eq!(
                note(whole),
                [format!("{whole} covers every {version} address, so it restricts none of them")]
            );
        }
        assert_eq!(note("203.0.113.0/24"), [""; 0]);
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
            grant.check_for(&own)
        };
        for good in [&[][..], &["prices/", "a/b/", "a/c/", "alexander/", "Alex/"]] {
            check(good).unwrap();
        }
        for (bad, part) in [
            (["alex/", "prices/"], "alex/ overlaps with the user's own"),
            (["prices/", "alex/a/"], "alex/a/ overlaps with the user's own"),
            (["prices/", "prices/"], "prices/ overlaps with prices/"),
            (["a/b/", "a/"], "a/ overlaps with a/b/"),
        ] {
            let error = check(&bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad:?}: {error}");
        }
    }
}
