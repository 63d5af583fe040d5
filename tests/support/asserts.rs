//! What there is of a user, and what must hold after a run.

use super::{LocalAws, Run, Sandbox};

/// Whether nothing of the user is left in IAM: not the user itself, no key, and
/// no policy by any of its names.
pub fn is_gone(aws: &LocalAws, user: &str) -> bool {
    aws.iam(|iam| {
        !iam.users.contains_key(user)
            && iam.access_keys.get(user).is_none_or(Vec::is_empty)
            && iam.user_policies.get(user).is_none_or(Vec::is_empty)
            && iam.user_inline_policies.get(user).is_none_or(|inline| inline.is_empty())
            && iam.policies.values().all(|policy| !policy.policy_name.ends_with(user))
    })
}

/// The IDs of the user's access keys.
pub fn keys_of(aws: &LocalAws, user: &str) -> Vec<String> {
    aws.iam(|iam| {
        let keys = iam.access_keys.get(user).into_iter().flatten();
        keys.map(|key| key.access_key_id.clone()).collect()
    })
}

/// The IDs of those of the user's access keys that are active.
pub fn active_keys_of(aws: &LocalAws, user: &str) -> Vec<String> {
    aws.iam(|iam| {
        let keys = iam.access_keys.get(user).into_iter().flatten();
        let active = keys.filter(|key| key.status == "Active");
        active.map(|key| key.access_key_id.clone()).collect()
    })
}

/// The value of one of the user's tags.
pub fn tag_of(aws: &LocalAws, user: &str, key: &str) -> Option<String> {
    aws.iam(|iam| {
        let mut tags = iam.users[user].tags.iter();
        let tag = tags.find(|tag| tag.key == key);
        tag.map(|tag| tag.value.clone())
    })
}

/// Asserts that the user has exactly one policy and exactly the key that is in
/// the key file.
#[track_caller]
pub fn assert_complete(aws: &LocalAws, sandbox: &Sandbox, user: &str) {
    let (id, secret) = sandbox.key_of(user);
    aws.iam(|iam| {
        let keys = &iam.access_keys[user];
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!((&keys[0].access_key_id, &keys[0].secret_access_key), (&id, &secret));
        let managed = iam.user_policies.get(user).map_or(0, Vec::len);
        let inline = iam.user_inline_policies.get(user).map_or(0, |inline| inline.len());
        assert_eq!(managed + inline, 1);
    });
}

/// Asserts that there is nothing of alex but the folder, as before a create run.
#[track_caller]
pub fn assert_nothing_left(aws: &LocalAws, sandbox: &Sandbox, when: &str) {
    assert!(is_gone(aws, "alex"), "{when}");
    assert_eq!(sandbox.key_file("alex"), None, "{when}");
    assert_eq!(aws.keys("shared").len(), 4, "{when}");
}

/// Asserts that the run ended with exit code 2, and said nothing but one line of
/// error that holds `part`.
#[track_caller]
pub fn assert_usage(run: &Run, part: &str) {
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.contains(": error: ") && run.stderr.contains(part), "{part}: {run:?}");
}

/// All that IAM and the bucket `shared` hold, but for when keys were last used.
pub fn state_of(aws: &LocalAws) -> String {
    let mut iam = aws.iam(Clone::clone);
    iam.access_key_last_used.clear();
    format!("{iam:?} {:?}", aws.keys("shared"))
}

/// Asserts that no operation was called that could change anything.
#[track_caller]
pub fn assert_only_read(aws: &LocalAws) {
    let reads = ["Get", "List", "Head"];
    let is_read = |call: &String| reads.iter().any(|verb| call.starts_with(verb));
    let calls = aws.faults.operations();
    assert!(calls.iter().all(is_read), "{calls:?}");
}

/// The text of the policy that gives alex access.
pub fn policy_text_of_alex(aws: &LocalAws) -> String {
    aws.iam(|iam| {
        let inline = iam.user_inline_policies.get("alex");
        let inline = inline.and_then(|policies| policies.get("s3-access").cloned());
        let managed = iam.policies.values().find(|it| it.policy_name.ends_with("-alex"));
        let managed = managed.map(|policy| {
            let mut versions = policy.versions.iter();
            let default = versions.find(|it| it.version_id == policy.default_version_id);
            default.unwrap().document.clone()
        });
        inline.or(managed).unwrap()
    })
}
