//! What is odd about a user in a list: its keys, the end of its access, its policies,
//! and who reads whose folder. No calls.

use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::{Holdings, Readers};
use crate::access::{Expiry, Grant, PolicyDocument, Target};
use crate::iam::{KeyInfo, LastUse};
use crate::step::counted;
use crate::workflows::holdings::names;

/// A key older than so many days is odd: a year.
const OLD: i64 = 365;
/// A key that was not used for so many days is odd.
const UNUSED: i64 = 90;
/// An end of access within so many days is pointed out.
pub const SOON: i64 = 14;
/// The code of an end that is so near.
pub const ENDS_SOON: &str = "ends-soon";
/// A key that was never used is odd once it is so many days old: IAM takes hours
/// to tell of a use.
const NEVER_USED: i64 = 1;

/// Something odd about a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oddity {
    /// One word for scripts, which stays the same.
    pub code: &'static str,
    /// The ID of the access key that it is about; none if it is about the user.
    pub key: Option<String>,
    /// The oddity in a few words for people.
    pub text: String,
}

impl Oddity {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, key: None, text: text.into() }
    }

    fn about_key(code: &'static str, key: &KeyInfo, text: impl Into<String>) -> Self {
        Self { key: Some(key.id.clone()), ..Self::new(code, text) }
    }
}

/// Everything odd about a user with these keys.
pub(super) fn oddities(
    holdings: &Holdings,
    keys: &[KeyInfo],
    readers: &Readers,
    now: Timestamp,
) -> Vec<Oddity> {
    let access = holdings.grant();
    let mut odd = Vec::from_iter(odd_count(keys));
    for key in keys {
        odd.extend(odd_age(key, now));
        odd.extend(odd_use(key, now));
    }
    odd.extend(odd_end(holdings, access.as_ref(), now));
    odd.extend(odd_policies(holdings, access.as_ref()));
    odd.extend(odd_folder(holdings, readers));
    odd.extend(odd_readers(&holdings.target, access.as_ref(), readers));
    odd
}

fn odd_count(keys: &[KeyInfo]) -> Option<Oddity> {
    match keys.len() {
        0 => Some(Oddity::new("no-key", "no access key")),
        1 => None,
        2 => Some(Oddity::new("two-keys", "two access keys")),
        more => Some(Oddity::new("two-keys", format!("{more} access keys"))),
    }
}

fn odd_age(key: &KeyInfo, now: Timestamp) -> Option<Oddity> {
    let is_old = days(key.created?, now) > OLD;
    is_old.then(|| Oddity::about_key("old-key", key, format!("key older than {OLD} days")))
}

fn odd_use(key: &KeyInfo, now: Timestamp) -> Option<Oddity> {
    let is_new = key.created.is_some_and(|created| days(created, now) < NEVER_USED);
    match &key.last_use_by_person() {
        LastUse::Never if !is_new => Some(Oddity::about_key("never-used", key, "key never used")),
        // As a test of the key is: it gives access to no files.
        LastUse::At(_, service) if service == "sts" && !is_new => {
            Some(Oddity::about_key("never-used", key, "key last used only with STS"))
        }
        LastUse::At(at, _) if days(*at, now) >= UNUSED => {
            let unused = counted(days(*at, now) as u64, "day");
            Some(Oddity::about_key("unused-key", key, format!("key unused for {unused}")))
        }
        LastUse::At(..) | LastUse::Never | LastUse::Unknown | LastUse::NotOffered => None,
    }
}

/// Compares when access ends by policy and by tag, with each other and with the clock.
fn odd_end(holdings: &Holdings, grant: Option<&Grant>, now: Timestamp) -> Vec<Oddity> {
    let tag = holdings.user.tags.expires.as_deref();
    let tagged = tag.and_then(Expiry::at);
    let Some(grant) = grant else {
        let has_ended = tagged.is_some_and(|end| end.has_passed());
        let by_tag = Oddity::new("access-ended", "access ended by its tag");
        return Vec::from_iter(has_ended.then_some(by_tag));
    };
    let mut odd = Vec::new();
    if grant.ended().is_some() {
        odd.push(Oddity::new("access-ended", "access ended"));
    } else if let Some(end) = grant.expires.filter(|end| end.is_ahead_until(soon(now))) {
        let (count, unit) = end.time_left(now);
        let text = format!("ends in {}", counted(count as u64, unit));
        odd.push(Oddity::new(ENDS_SOON, text));
    }
    if grant.expires != tagged && !holdings.is_tagless {
        odd.push(match tag {
            Some(tag) => Oddity::new("other-end", format!("tag says that access ends {tag}")),
            None => Oddity::new("other-end", "no tag says that access ends"),
        });
    }
    odd
}

fn odd_policies(holdings: &Holdings, grant: Option<&Grant>) -> Vec<Oddity> {
    let mut odd = Vec::new();
    match (holdings.access_policy(), grant) {
        (None, _) if holdings.is_made_by_scripts() => {
            odd.push(Oddity::new("old-policy", "policies of the Python scripts"));
        }
        (None, _) => odd.push(Oddity::new("no-policy", "no access policy")),
        (Some(_), None) => odd.push(Oddity::new("edited-policy", "policy edited")),
        (Some(policy), Some(grant)) => {
            let today = PolicyDocument::new(grant, &holdings.target, &holdings.region);
            if !policy.text_is(|text| today.is(text)) {
                odd.push(Oddity::new("old-policy", "policy in an older form"));
            }
        }
    }
    if holdings.has_both_kinds() {
        odd.push(Oddity::new("old-policy", "policies of the Python scripts too"));
    }
    let others = holdings.other_policies();
    if !others.is_empty() {
        let text = format!("also has policy {}", names(&others).join(", "));
        odd.push(Oddity::new("other-policies", text));
    }
    if !holdings.groups.is_empty() {
        let text = format!("in group {}", holdings.groups.join(", "));
        odd.push(Oddity::new("groups", text));
    }
    odd
}

/// Looks at what records the folder, and at whose folders overlap with it.
fn odd_folder(holdings: &Holdings, readers: &Readers) -> Vec<Oddity> {
    let Holdings { target, .. } = holdings;
    let mut odd = Vec::new();
    match holdings.folder() {
        Err(disputed) => odd.push(Oddity::new("unclear-folder", disputed.to_string())),
        Ok(None) => odd.push(Oddity::new("unclear-folder", "nothing says which folder it has")),
        // Without its path, it is found there only by a managed policy.
        Ok(Some(folder)) if !holdings.is_found_at(&folder) => {
            let text = format!("renamed in IAM, or its path was changed; its folder is {folder}");
            odd.push(Oddity::new("renamed", text));
        }
        Ok(Some(_)) => {}
    }
    let overlapping = readers.inside_or_around(target);
    if !overlapping.is_empty() {
        let text = format!("folder overlaps with that of {}", overlapping.join(", "));
        odd.push(Oddity::new("overlapping-folder", text));
    }
    odd
}

/// Names who reads whose folder: that may have been granted before this user was
/// there, or for another one of that name.
fn odd_readers(target: &Target, access: Option<&Grant>, readers: &Readers) -> Vec<Oddity> {
    let also_read = access.map(|access| &access.also_read[..]).unwrap_or_default();
    let mut odd = Vec::new();
    for (words, others) in [
        ("folder is also read by", readers.with_access_to(target)),
        ("also reads the folder of", readers.read_by(target, also_read)),
    ] {
        if !others.is_empty() {
            odd.push(Oddity::new("shared-folder", format!("{words} {}", others.join(", "))));
        }
    }
    odd
}

fn soon(now: Timestamp) -> Timestamp {
    now + (SOON * 24).hours()
}

/// The whole days between two times.
fn days(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()) / (24 * 60 * 60)
}
