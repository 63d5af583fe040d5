//! What holds for every name and every grant there is.

use proptest::prelude::*;
use s3_user::{Access, Expiry, Grant, KmsKey, PolicyDocument, Prefix, Target, UserTag};
use serde_json::Value;

/// Whether a pattern of an IAM policy matches a text, by [IAM's rules] alone:
/// `*` stands for any characters, `?` for one.
///
/// [IAM's rules]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
fn matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => {
            matches(&pattern[1..], text) || !text.is_empty() && matches(pattern, &text[1..])
        }
        (Some('?'), Some(_)) => matches(&pattern[1..], &text[1..]),
        (Some(one), Some(other)) if one == other => matches(&pattern[1..], &text[1..]),
        _ => false,
    }
}

fn is_like(pattern: &str, text: &str) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    matches(&chars(pattern), &chars(text))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn statements<'a>(document: &'a Value, action: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = document["Statement"].as_array().unwrap().iter();
    all.filter(move |one| strings(&one["Action"]).contains(&action))
}

/// Whether the policy lets its user do this with the object.
pub fn allows_object(document: &Value, action: &str, bucket: &str, key: &str) -> bool {
    let arn = format!("arn:aws:s3:::{bucket}/{key}");
    statements(document, action)
        .any(|one| strings(&one["Resource"]).iter().any(|pattern| is_like(pattern, &arn)))
}

/// Whether the policy lets its user list this prefix, without a delimiter.
pub fn allows_list(document: &Value, bucket: &str, prefix: &str) -> bool {
    let arn = format!("arn:aws:s3:::{bucket}");
    statements(document, "s3:ListBucket").any(|one| {
        let on_bucket = strings(&one["Resource"]).iter().any(|pattern| is_like(pattern, &arn));
        let condition = &one["Condition"];
        // Without a delimiter in the request, a condition on it never holds.
        let no_delimiter = condition["StringEquals"]["s3:delimiter"].is_null();
        let like = strings(&condition["StringLike"]["s3:prefix"]);
        on_bucket && no_delimiter && like.iter().any(|pattern| is_like(pattern, prefix))
    })
}

fn targets() -> impl Strategy<Value = Target> {
    let bucket = "[a-z0-9][a-z0-9-]{1,20}[a-z0-9]";
    let user = "[A-Za-z0-9_+=,.@][A-Za-z0-9_+=,.@-]{0,20}";
    let folder = prop::option::of("([A-Za-z0-9 ._+{}é-]{1,4}/){1,3}");
    (bucket, user, folder).prop_filter_map("no name", |(bucket, user, folder)| {
        let target = Target::new(bucket.parse().ok()?, user.parse().ok()?);
        match folder {
            Some(folder) => Some(target.in_folder(folder.parse().ok()?)),
            None => Some(target),
        }
    })
}

fn grants() -> impl Strategy<Value = Grant> {
    let access = prop_oneof![Just(Access::Read), Just(Access::ReadWrite), Just(Access::Write)];
    (access, any::<bool>(), any::<bool>(), any::<bool>(), shared()).prop_map(
        |(access, browse_root, expires, limited, also_read)| Grant {
            access,
            browse_root: browse_root && access != Access::Write,
            expires: expires.then(|| "2099-12-31".parse().unwrap()),
            source_ips: if limited { vec!["10.0.0.0/8".parse().unwrap()] } else { Vec::new() },
            kms_key: None,
            also_read,
        },
    )
}

/// Folders to be read besides the user's own.
fn shared() -> impl Strategy<Value = Vec<Prefix>> {
    let folder = "([A-Za-z0-9 ._+{}é-]{1,4}/){1,2}";
    prop::collection::vec(folder, 0..3).prop_filter_map("no prefix", |folders| {
        folders.iter().map(|folder| folder.parse().ok()).collect()
    })
}

/// What can be granted together, and keys to try.
fn cases() -> impl Strategy<Value = (Target, Grant, String)> {
    let granted = (targets(), grants());
    let granted =
        granted.prop_filter("overlap", |(target, grant)| grant.check_for(target.prefix()).is_ok());
    granted.prop_flat_map(|(target, grant)| {
        let mut folders: Vec<_> = grant.also_read.iter().map(|it| it.to_string()).collect();
        folders.push(target.prefix().to_string());
        let keys = prop::sample::select(folders).prop_flat_map(|folder| keys(&folder));
        (Just(target), Just(grant), keys)
    })
}

/// Keys in and near a folder, and anything else.
fn keys(folder: &str) -> impl Strategy<Value = String> + use<> {
    let folder = folder.trim_end_matches('/').to_owned();
    let (lower, upper) = (folder.to_lowercase(), folder.to_uppercase());
    let parent = folder.split('/').next().unwrap_or_default().to_owned();
    prop_oneof![
        Just(folder.clone()),
        Just(format!("{folder}/")),
        "\\PC{0,12}".prop_map(move |more| format!("{parent}/{more}")),
        "[a-z]{0,3}".prop_map(move |more| format!("{folder}{more}/x")),
        Just(format!("{lower}/x")),
        Just(format!("{upper}/x")),
        "\\PC{0,12}",
    ]
}

proptest! {
    #[test]
    fn policy_allows_the_own_folder_and_the_shared_ones_and_nothing_else(
        (target, grant, key) in cases(), other in "[a-z0-9-]{3,20}"
    ) {
        let document = PolicyDocument::new(&grant, &target, "eu-central-1").to_json();
        let document: Value = serde_json::from_str(&document).unwrap();
        let (bucket, own) = (target.bucket.as_str(), target.prefix());
        let shared = grant.also_read.iter().map(Prefix::as_str);
        let folders = shared.chain([own.as_str()]).map(|folder| format!("{folder}{key}"));
        let keys: Vec<_> = folders.chain([key.clone()]).collect();
        let (reads, writes) = (grant.access != Access::Write, grant.access != Access::Read);
        for key in keys {
            let is_own = key.starts_with(own.as_str());
            let is_shared = grant.also_read.iter().any(|folder| key.starts_with(folder.as_str()));
            let may_read = is_own && reads || is_shared;
            prop_assert_eq!(allows_list(&document, bucket, &key), may_read, "list {}", key);
            for (action, allowed) in [
                ("s3:GetObject", may_read),
                ("s3:PutObject", is_own && writes),
                ("s3:AbortMultipartUpload", is_own && writes),
                ("s3:DeleteObject", is_own && grant.access == Access::ReadWrite),
            ] {
                let is_allowed = |bucket| allows_object(&document, action, bucket, &key);
                prop_assert_eq!(is_allowed(bucket), allowed, "{} {}", action, key);
                prop_assert!(other == bucket || !is_allowed(&other));
            }
        }
        for statement in document["Statement"].as_array().unwrap() {
            for action in strings(&statement["Action"]) {
                prop_assert!(!action.contains('*'), "{action}");
            }
        }
    }

    #[test]
    fn nothing_that_is_typed_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<s3_user::BucketName>();
        let _ = text.parse::<s3_user::UserName>();
        let _ = text.parse::<Expiry>();
        let _ = text.parse::<KmsKey>();
        let _ = text.parse::<UserTag>();
        let _ = text.parse::<Prefix>();
    }

    #[test]
    fn times_that_are_typed_lie_ahead(text in "[0-9]{1,6} ?(s|m|h|d|w|y|months)") {
        if let Ok(expiry) = text.parse::<Expiry>() {
            prop_assert!(expiry.to_string().as_str() > "2026-01-01", "{text} {expiry}");
        }
    }
}
