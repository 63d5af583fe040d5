//! `--list`: who has access to a bucket, and what is odd about it.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_iam::types::StatusType;
#[cfg(unix)]
use pty_process::Command;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

#[cfg(unix)]
use crate::support::Session;
use crate::support::{
    ACCOUNT, ALLOW_ALL, Fault, INVENTORY, LocalAws, Run, Sandbox, add_user_of_the_scripts,
    assert_only_read, assert_usage, attach_new_policy, attach_policy, aws_with_alex,
    aws_with_files, binary, delete_key, edit_policy_of_alex, fill_to_eight_keys, keys_of,
    put_inline_policy, seconds_ago, set_end, set_end_by_policy, set_end_by_tag, state_of,
};

const DAY: i64 = 24 * 60 * 60;

async fn list(sandbox: &Sandbox, options: &[&str]) -> Run {
    let args = [&["-b", "shared", "--list"], options].concat();
    sandbox.run("create_s3_user", &args).await
}

async fn listed(sandbox: &Sandbox, options: &[&str]) -> Vec<Value> {
    let run = list(sandbox, &[&["--json"], options].concat()).await;
    let run = run.succeeded();
    assert_eq!(run.stderr, "");
    run.json_lines()
}

fn names(users: &[Value]) -> Vec<&str> {
    let names = users.iter().map(|user| user["user"].as_str().unwrap());
    names.collect()
}

fn codes(user: &Value) -> Vec<&str> {
    let odd = user["odd"].as_array().unwrap().iter();
    odd.map(|odd| odd["code"].as_str().unwrap()).collect()
}

fn texts(user: &Value) -> Vec<&str> {
    let odd = user["odd"].as_array().unwrap().iter();
    odd.map(|odd| odd["text"].as_str().unwrap()).collect()
}

/// Sets when each of the user's keys was made and last used, in seconds from now.
fn age_keys(aws: &LocalAws, user: &str, age: i64, used: Option<i64>) {
    let at = |seconds| seconds_ago(seconds).parse().unwrap();
    aws.change_iam(|iam| {
        for key in iam.access_keys.get_mut(user).unwrap() {
            key.created_at = at(age);
            let id = key.access_key_id.clone();
            iam.access_key_last_used.remove(&id);
            if let Some(used) = used {
                // The admin's own key was used a moment ago.
                let mut last_use = iam.access_key_last_used.values().next().unwrap().clone();
                last_use.last_used_date = at(used);
                last_use.service_name = "s3".to_owned();
                iam.access_key_last_used.insert(id, last_use);
            }
        }
    });
}

/// An AWS with users of many kinds, of whom alex, kim and lee are ours.
async fn aws_with_many_kinds() -> (LocalAws, Sandbox) {
    static PREPARED: OnceCell<LocalAws> = OnceCell::const_new();
    let aws = PREPARED.get_or_init(add_many_kinds).await.copy().await;
    let sandbox = Sandbox::new(&aws);
    (aws, sandbox)
}

async fn add_many_kinds() -> LocalAws {
    let aws = aws_with_files().await;
    aws.add_bucket("other", &[]).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let limited = ["--access", "read-write", "--expires", "2099-12-31"];
    let more = ["--source-ip", "203.0.113.0/24", "--also-read", "prices/"];
    let limited = [&limited[..], &more].concat();
    let inline = [&limited[..], &["--inline-policy", "--browse-root"]].concat();
    sandbox.create("kim", &inline).await.succeeded();
    add_user_of_the_scripts(&aws, "lee", "shared").await;

    // And those that are nobody's, or another bucket's.
    let others = ["-b", "other", "-u", "ada"];
    sandbox.run("create_s3_user", &others).await.succeeded();
    add_user_of_the_scripts(&aws, "ben", "other").await;
    aws.add_user("cleo", ALLOW_ALL).await;
    let document = aws.iam(|iam| iam.policies.values().next().unwrap().versions[0].clone());
    attach_new_policy(&aws, "cleo", "s3-access-for-alexander", &document.document).await;
    aws
}

/// IAM's tag keys ignore case, and so must whoever looks for them.
#[tokio::test]
async fn tags_in_another_case_hide_nobody() {
    for option in ["--managed", "--inline-policy"] {
        let options = [&["--expires", "2099-12-31"][..], &[option]].concat();
        let options = options.iter().filter(|it| **it != "--managed");
        let (aws, sandbox) = aws_with_alex(&Vec::from_iter(options.copied())).await;
        aws.change_iam(|iam| {
            for tag in &mut iam.users.get_mut("alex").unwrap().tags {
                tag.key = match tag.key.as_str() {
                    "s3-user:bucket" => "S3-User:Bucket".to_owned(),
                    other => other.to_uppercase(),
                };
            }
        });
        // The policy shows nothing.
        edit_policy_of_alex(&aws, "s3:GetObject", "s3:Get*");
        let users = listed(&sandbox, &[]).await;
        assert_eq!(names(&users), ["alex"]);
        assert_eq!(users[0]["expires_tag"], "2100-01-01T00:00:00Z");
        sandbox.create("alex", &["--suspend"]).await.succeeded();
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(aws.iam(|iam| !iam.users.contains_key("alex")));
    }
}

#[tokio::test]
async fn every_user_of_ours_is_listed_and_nobody_else() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    age_keys(&aws, "alex", 12 * DAY, Some(2 * DAY));
    let before = state_of(&aws);
    let users = listed(&sandbox, &[]).await;
    assert_eq!(state_of(&aws), before, "nothing is changed");
    assert_only_read(&aws);
    assert_eq!(names(&users), ["alex", "kim", "lee"]);

    let mut alex = users[0].clone();
    let created = aws.iam(|iam| iam.users["alex"].created_at);
    let created = created.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let at = |time: &mut Value| time.take().as_str().unwrap()[..10].to_owned();
    let made = at(&mut alex["keys"][0]["created"]);
    assert_eq!(made, seconds_ago(12 * DAY)[..10]);
    let used = at(&mut alex["keys"][0]["last_used"]);
    assert_eq!(used, seconds_ago(2 * DAY)[..10]);
    let expected = json!({
        "user": "alex",
        "bucket": "shared",
        "prefix": "alex/",
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/s3-user/shared/folder/alex/alex"),
        "made_by": "create_s3_user",
        "created": created,
        "access": "read",
        "expires": null,
        "expires_tag": null,
        "source_ips": [],
        "kms_key": null,
        "browse_root": false,
        "also_read": [],
        "policies": [{
            "name": "s3-access-for-alex",
            "arn": format!("arn:aws:iam::{ACCOUNT}:policy/s3-access-for-alex"),
        }],
        "groups": [],
        "keys": [{
            "id": keys_of(&aws, "alex")[0],
            "created": null,
            "active": true,
            "last_used": null,
            "last_used_service": "s3",
            "last_used_known": true,
        }],
        "tags": {},
        "odd": [],
    });
    assert_eq!(alex, expected);

    let kim = &users[1];
    for (field, value) in [
        ("access", json!("read-write")),
        ("expires", json!("2100-01-01T00:00:00Z")),
        ("expires_tag", json!("2100-01-01T00:00:00Z")),
        ("source_ips", json!(["203.0.113.0/24"])),
        ("browse_root", json!(true)),
        ("also_read", json!(["prices/"])),
        ("policies", json!([{"name": "s3-access", "arn": null}])),
    ] {
        assert_eq!(kim[field], value, "{field}");
    }
    assert_eq!(codes(kim), [""; 0]);

    let lee = &users[2];
    assert_eq!(lee["made_by"], "python_scripts");
    assert_eq!(lee["access"], "read");
    assert_eq!(lee["browse_root"], true);
    assert_eq!(lee["policies"].as_array().unwrap().len(), 2);
    assert_eq!(codes(lee), ["old-policy"]);
    let fields = |user: &Value| {
        let fields = user.as_object().unwrap().keys();
        fields.cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(fields(lee), fields(kim), "every field is always there");
}

#[tokio::test]
async fn list_is_the_same_where_users_must_be_looked_up_one_by_one() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let group = aws.iam_client().create_group().group_name("partners");
    group.send().await.unwrap();
    let join = aws.iam_client().add_user_to_group().user_name("alex");
    join.group_name("partners").send().await.unwrap();
    attach_policy(&aws, "kim", "arn:aws:iam::aws:policy/ReadOnlyAccess").await;
    put_inline_policy(&aws, "kim", "more", ALLOW_ALL).await;
    let all_at_once = listed(&sandbox, &[]).await;
    assert_eq!(all_at_once.len(), 3);
    let before = state_of(&aws);
    let missing = Fault::Refuse(400, "InvalidAction");
    let crash = Fault::Refuse(500, "");
    for fault in [Fault::DENIED, missing, crash] {
        aws.faults.forget();
        aws.faults.always("GetAccountAuthorizationDetails", fault);
        assert_eq!(listed(&sandbox, &[]).await, all_at_once, "{fault:?}");
        let calls = aws.faults.counts();
        assert_eq!(calls["GetAccountAuthorizationDetails"], 1, "{calls:?}");
        assert_eq!(calls["ListUsers"], 1, "{calls:?}");
        assert_only_read(&aws);
    }
    assert_eq!(state_of(&aws), before);
}

/// What happens to the user alex, and what is odd about it then.
type Odd = (&'static str, &'static [&'static str], &'static [&'static str]);

const ODD: [Odd; 19] = [
    ("nothing", &[], &[]),
    ("no key", &["no-key"], &["no access key"]),
    ("never used", &["never-used"], &["key never used"]),
    ("made yesterday", &["never-used"], &["key never used"]),
    ("made today", &[], &[]),
    ("unused for 89 days", &[], &[]),
    ("unused for 90 days", &["unused-key"], &["key unused for 90 days"]),
    ("365 days old", &[], &[]),
    ("366 days old", &["old-key"], &["key older than 365 days"]),
    ("two keys", &["two-keys"], &["two access keys"]),
    ("eight keys", &["two-keys"], &["8 access keys"]),
    ("ended", &["access-ended"], &["access ended"]),
    ("ends later by the tag", &["other-end"], &["tag says that access ends 2100-01-01T00:00:00Z"]),
    ("ends by the policy alone", &["other-end"], &["no tag says that access ends"]),
    ("older policy", &["old-policy"], &["policy in an older form"]),
    ("edited policy", &["edited-policy"], &["policy edited"]),
    ("no policy", &["no-policy"], &["no access policy"]),
    ("more policies", &["other-policies"], &["also has policy ReadOnlyAccess, more, s3-access"]),
    ("group", &["groups"], &["in group partners"]),
];

async fn make_odd(aws: &LocalAws, what: &str) {
    let iam = aws.iam_client();
    match what {
        "no key" => delete_key(aws, "alex", &keys_of(aws, "alex")[0]).await,
        "never used" => age_keys(aws, "alex", 12 * DAY, None),
        "made yesterday" => age_keys(aws, "alex", DAY, None),
        "made today" => age_keys(aws, "alex", DAY - 3600, None),
        "unused for 89 days" => age_keys(aws, "alex", 100 * DAY, Some(90 * DAY - 3600)),
        "unused for 90 days" => age_keys(aws, "alex", 100 * DAY, Some(90 * DAY)),
        "365 days old" => age_keys(aws, "alex", 366 * DAY - 3600, Some(DAY)),
        "366 days old" => age_keys(aws, "alex", 366 * DAY, Some(DAY)),
        "eight keys" => {
            fill_to_eight_keys(aws);
            age_keys(aws, "alex", 12 * DAY, Some(DAY));
        }
        "two keys" => {
            let create = iam.create_access_key().user_name("alex");
            create.send().await.unwrap();
            age_keys(aws, "alex", 12 * DAY, Some(DAY));
        }
        "ended" => set_end(aws, "alex", &seconds_ago(1)),
        "ends later by the tag" => set_end_by_tag(aws, "alex", Some("2100-01-01T00:00:00Z")),
        "ends by the policy alone" => {
            set_end_by_policy(aws, "alex", Some("2100-01-01T00:00:00Z"));
        }
        "older policy" => {
            edit_policy_of_alex(aws, r#","s3:GetBucketOwnershipControls""#, "");
        }
        "edited policy" => edit_policy_of_alex(aws, "s3:GetObject", "s3:*"),
        "no policy" => aws.change_iam(|iam| {
            iam.user_policies.remove("alex");
        }),
        "more policies" => {
            attach_policy(aws, "alex", "arn:aws:iam::aws:policy/ReadOnlyAccess").await;
            put_inline_policy(aws, "alex", "more", ALLOW_ALL).await;
            put_inline_policy(aws, "alex", "s3-access", ALLOW_ALL).await;
        }
        "group" => {
            let group = iam.create_group().group_name("partners");
            group.send().await.unwrap();
            let join = iam.add_user_to_group().user_name("alex");
            join.group_name("partners").send().await.unwrap();
        }
        _ => {}
    }
}

#[tokio::test]
async fn what_is_odd_is_said_in_a_word_and_in_a_few() {
    for (what, expected_codes, expected_texts) in ODD {
        let (aws, sandbox) = aws_with_alex(&["--access", "read-write"]).await;
        age_keys(&aws, "alex", 12 * DAY, Some(DAY));
        make_odd(&aws, what).await;
        let users = listed(&sandbox, &[]).await;
        assert_eq!(codes(&users[0]), expected_codes, "{what}");
        assert_eq!(texts(&users[0]), expected_texts, "{what}");
        let run = list(&sandbox, &[]).await.succeeded();
        let row = run.stdout.lines().nth(1).unwrap();
        assert!(row.ends_with(&expected_texts.join("; ")), "{row}");
    }
}

#[tokio::test]
async fn table_has_a_row_for_each_user_and_each_key() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let iam = aws.iam_client();
    let old = keys_of(&aws, "alex").remove(0);
    let create = iam.create_access_key().user_name("alex");
    let new = create.send().await.unwrap().access_key.unwrap().access_key_id;
    let suspend = iam.update_access_key().user_name("alex");
    let suspend = suspend.access_key_id(&new);
    suspend.status(StatusType::Inactive).send().await.unwrap();
    age_keys(&aws, "alex", 400 * DAY, Some(3 * 60 * 60));
    aws.change_iam(|iam| {
        let keys = iam.access_keys.get_mut("alex").unwrap();
        let first = keys.iter_mut().find(|key| key.access_key_id == old).unwrap();
        first.created_at = seconds_ago(500 * DAY).parse().unwrap();
    });
    age_keys(&aws, "kim", DAY, None);
    delete_key(&aws, "lee", &keys_of(&aws, "lee")[0]).await;
    let kims = &keys_of(&aws, "kim")[0];
    let run = list(&sandbox, &[]).await.succeeded();
    assert_eq!(run.stderr, "3 users, 3 with notes\n");
    let expected = "\
USER  FOLDER          ACCESS           ENDS (UTC)  KEY                                  LAST USED  NOTES
alex                  read             never       OLD                  500d            3h ago     two access keys; key older than 365 days
                                                   NEW                  400d suspended  3h ago     key older than 365 days
kim   kim/ + prices/  read-write (IP)  2099-12-31  KIMS                 24h             never      key never used
lee                   read             never       none                                            no access key; policies of the Python scripts
";
    let ids = [("OLD", &old), ("NEW", &new), ("KIMS", kims)];
    let expected = ids
        .iter()
        .fold(expected.to_owned(), |table, (name, id)| table.replace(&format!("{name:20}"), id));
    assert_eq!(run.stdout, expected);
}

#[tokio::test]
async fn csv_of_the_list_is_a_users_file_that_changes_nothing() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let options = ["--folder", "customers/a b/", "--tag", "team=x", "--expires", "20h"];
    sandbox.create("max", &options).await.succeeded();
    let run = list(&sandbox, &["--csv"]).await.succeeded();
    assert_eq!(run.stderr, "");
    assert_eq!(run.stdout.lines().count(), 5, "{run:?}");
    let header = "user,folder,access,expires,source-ip,also-read,kms-key,browse-root,#created,";
    assert!(run.stdout.starts_with(header), "{run:?}");
    let kim = "\nkim,kim/,read-write,2099-12-31,203.0.113.0/24,prices/,,yes,";
    assert!(run.stdout.contains(kim), "{run:?}");
    std::fs::write(sandbox.path().join("list.csv"), &run.stdout).unwrap();
    aws.faults.forget();
    let sync = ["-b", "shared", "--users-from", "list.csv", "--sync", "--dry-run"];
    let sync = sandbox.run("create_s3_user", &sync).await.succeeded();
    // The policies of the Python scripts are replaced where the access is named.
    assert!(sync.stdout.starts_with("~ lee  "), "{sync:?}");
    assert!(sync.stdout.contains("\n= 3 unchanged\n"), "{sync:?}");
    assert_eq!(listed(&sandbox, &["-u", "max"]).await[0]["tags"], json!({"team": "x"}));
}

#[tokio::test]
async fn list_is_sorted_as_asked() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    sandbox.create("max", &["--expires", "30h"]).await.succeeded();
    age_keys(&aws, "alex", 12 * DAY, Some(DAY));
    age_keys(&aws, "kim", 12 * DAY, Some(5 * DAY));
    for (by, expected) in [
        ("name", ["alex", "kim", "lee", "max"]),
        ("ends", ["max", "kim", "alex", "lee"]),
        ("used", ["lee", "max", "kim", "alex"]),
    ] {
        let users = listed(&sandbox, &["--sort", by]).await;
        let names: Vec<_> = users.iter().map(|user| user["user"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{by}");
    }
    let users = listed(&sandbox, &["-u", "max"]).await;
    assert_eq!((codes(&users[0]), texts(&users[0])), (vec!["ends-soon"], vec!["ends in 30 hours"]));
    let run = list(&sandbox, &[]).await.succeeded();
    assert!(run.stderr.ends_with(" with notes; access ends within 14 days for 1\n"), "{run:?}");
}

#[tokio::test]
async fn our_own_test_of_a_key_is_no_use_of_it() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for (used, expected) in [(12 * DAY - 60, vec!["never-used"]), (11 * DAY, vec![])] {
        age_keys(&aws, "alex", 12 * DAY, Some(used));
        let users = listed(&sandbox, &[]).await;
        assert_eq!(codes(&users[0]), expected);
        assert!(users[0]["keys"][0]["last_used"].is_string(), "{users:?}");
        let is_own_test = expected == ["never-used"];
        let table = list(&sandbox, &[]).await.succeeded().stdout;
        assert_eq!(table.contains(" 12d  never"), is_own_test, "{table}");
        let csv = list(&sandbox, &["--csv"]).await.succeeded().stdout;
        assert_eq!(csv.contains(",never,"), is_own_test, "{csv}");
    }
    // GetCallerIdentity tests it, too; of a new key nothing is expected yet.
    for (age, expected) in
        [(12 * DAY, ["key last used only with STS"].as_slice()), (DAY - 3600, &[])]
    {
        age_keys(&aws, "alex", age, Some(3600));
        aws.change_iam(|iam| {
            for last_use in iam.access_key_last_used.values_mut() {
                last_use.service_name = "sts".to_owned();
            }
        });
        let users = listed(&sandbox, &[]).await;
        assert_eq!(texts(&users[0]), expected);
        let code: &[_] = if expected.is_empty() { &[] } else { &["never-used"] };
        assert_eq!(codes(&users[0]), code);
        assert_eq!(users[0]["keys"][0]["last_used_service"], "sts");
    }
}

#[tokio::test]
async fn end_of_a_user_without_a_policy_is_told_like_any_other() {
    let (aws, sandbox) = aws_with_alex(&["--expires", "2030-12-31"]).await;
    aws.change_iam(|iam| {
        iam.user_policies.remove("alex");
    });
    let table = list(&sandbox, &[]).await.succeeded().stdout;
    assert!(table.contains(" unknown  2030-12-31 "), "{table}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn table_fits_the_terminal() {
    let (aws, _) = aws_with_many_kinds().await;
    age_keys(&aws, "alex", 400 * DAY, Some(3 * 60 * 60));
    for columns in [None, Some("60"), Some("200"), Some("0"), Some("wide")] {
        let width = match columns {
            Some("60") => 60,
            Some("200") => 200,
            _ => 80,
        };
        let sandbox = Sandbox::new(&aws).set("COLUMNS", columns);
        let command = Command::new(binary("create_s3_user"));
        let command = command.args(["-b", "shared", "--list"]);
        let shown = Session::start(&sandbox, command).ends_with(0).await;
        let table = &shown[shown.find("USER").unwrap()..];
        let widest = table.lines().map(|line| line.trim_end().chars().count()).max();
        assert!(widest.unwrap() <= width, "{columns:?}\n{table}");
        assert!(widest.unwrap() > width / 2, "{columns:?}\n{table}");
        let key = &keys_of(&aws, "alex")[0];
        assert_eq!(table.contains(key), width == 200, "{table}");
        for word in ["alex", "read-write", "2099-12-31"] {
            assert!(table.contains(word) || width < 80, "{word} is cut in\n{table}");
        }
    }
}

#[tokio::test]
async fn names_narrow_it_down_and_take_no_look_at_the_whole_account() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let all = listed(&sandbox, &[]).await;
    aws.faults.forget();
    let users = listed(&sandbox, &["-u", "lee", "-u", "alex"]).await;
    assert_eq!(users, [all[0].clone(), all[2].clone()]);
    let calls = aws.faults.counts();
    for call in ["GetAccountAuthorizationDetails", "ListUsers"] {
        assert!(!calls.contains_key(call), "{calls:?}");
    }
    std::fs::write(sandbox.path().join("customers"), "kim\n").unwrap();
    let users = listed(&sandbox, &["--users-from", "customers"]).await;
    assert_eq!(users, [all[1].clone()]);
    assert_only_read(&aws);
}

#[tokio::test]
async fn name_of_no_user_of_ours_is_told_and_nothing_is_listed() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    aws.put("shared", "kim/photo.jpg").await;
    for (user, error) in [
        ("kimm", "there is no user kimm; did you mean kim?"),
        ("nobody", "there is no user nobody"),
        ("Alex", "there is no user Alex; did you mean alex?"),
        ("ada", "user ada belongs to bucket other"),
        ("cleo", "user cleo was not created by create_s3_user"),
    ] {
        for format in [[].as_slice(), &["--json"]] {
            let run = list(&sandbox, &[&["-u", user], format].concat()).await;
            let run = run.failed_with(error);
            assert_eq!(run.stdout, "");
        }
    }
    let run = list(&sandbox, &["-u", "kimm", "-u", "alex", "-u", "ada"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    let errors: Vec<_> = run.stderr.lines().collect();
    assert_eq!(errors.len(), 2, "{run:?}");
    assert!(errors[0].contains("error: there is no user kimm"), "{run:?}");
    assert!(errors[1].contains("error: user ada belongs to"), "{run:?}");
}

#[tokio::test]
async fn no_user_is_an_empty_list_and_no_failure() {
    let aws = aws_with_files().await;
    aws.add_user("cleo", ALLOW_ALL).await;
    let sandbox = Sandbox::new(&aws);
    for format in [[].as_slice(), &["--json"]] {
        let run = list(&sandbox, format).await.succeeded();
        assert_eq!(run.stdout, "");
        assert_eq!(run.stderr, "No users for bucket shared\n");
    }
}

/// So many users who are nobody's, whose names come before all others, and as
/// many policies.
fn add_foreigners(aws: &LocalAws, count: usize) {
    aws.change_iam(|iam| {
        let model = iam.users["admin"].clone();
        let policy = iam.policies.values().next().unwrap().clone();
        for number in 0..count {
            let name = format!("a{number:04}");
            let mut user = model.clone();
            user.user_name.clone_from(&name);
            iam.users.insert(name.clone(), user);
            let mut policy = policy.clone();
            policy.arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
            policy.policy_name = name;
            iam.policies.insert(policy.arn.clone(), policy);
        }
    });
}

#[tokio::test]
async fn list_goes_on_to_the_last_page() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let before = listed(&sandbox, &[]).await;
    add_foreigners(&aws, 1200);
    aws.faults.forget();
    assert_eq!(listed(&sandbox, &[]).await, before);
    let calls = aws.faults.counts();
    assert_eq!(calls["GetAccountAuthorizationDetails"], 3, "{calls:?}");
}

#[tokio::test]
async fn list_goes_on_to_the_last_page_of_names() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let before = listed(&sandbox, &[]).await;
    add_foreigners(&aws, 1100);
    aws.faults.forget();
    aws.faults.look_up_one_by_one();
    assert_eq!(listed(&sandbox, &[]).await, before);
    assert_eq!(aws.faults.counts()["ListUsers"], 2);
}

#[tokio::test]
async fn page_that_does_not_lead_on_fails_the_list() {
    let cut = "<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>\
               <IsTruncated>true</IsTruncated>MARKER</GetAccountAuthorizationDetailsResult>\
               </GetAccountAuthorizationDetailsResponse>";
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for marker in ["", "<Marker>again</Marker>"] {
        let page = cut.replace("MARKER", marker).leak();
        aws.faults.forget();
        aws.faults.always("GetAccountAuthorizationDetails", Fault::Answer(page));
        let run = list(&sandbox, &[]).await;
        let run = run.failed_with("GetAccountAuthorizationDetails: the list is incomplete");
        assert_eq!(run.stdout, "");
    }
}

/// Every call of a list, and whether it is made only where all users can't be had
/// at once.
fn calls() -> impl Iterator<Item = (&'static str, bool)> {
    let of_keys = [("ListAccessKeys", false), ("GetAccessKeyLastUsed", false)];
    INVENTORY.into_iter().chain(of_keys)
}

#[tokio::test]
async fn call_that_fails_fails_the_list_and_changes_nothing() {
    let mut points = JoinSet::new();
    for (call, is_one_by_one) in calls() {
        for fault in
            [Fault::DENIED, Fault::Throttle, Fault::BROKEN, Fault::LoseAnswer, Fault::HalfAnswer]
        {
            let is_refused = fault == Fault::DENIED;
            let is_replaced = is_refused && call == "GetAccountAuthorizationDetails";
            let is_noted = is_refused && call == "GetAccessKeyLastUsed";
            // The answer to a HeadBucket has no body that could be lost.
            let refuses = [Fault::DENIED, Fault::Throttle, Fault::BROKEN].contains(&fault);
            let is_harmless = call == "HeadBucket" && !refuses;
            if is_replaced || is_noted || is_harmless {
                continue;
            }
            points.spawn(async move {
                let (aws, sandbox) = aws_with_many_kinds().await;
                let before = state_of(&aws);
                if is_one_by_one {
                    aws.faults.look_up_one_by_one();
                }
                aws.faults.always(call, fault);
                let run = list(&sandbox, &["--json"]).await;
                let named = match (call, is_refused) {
                    // What would be the better one to allow.
                    ("ListUsers", true) => "GetAccountAuthorizationDetails: AccessDenied",
                    _ => call,
                };
                let run = run.failed_with(&format!("error: {named}"));
                assert_eq!(run.stdout, "", "{call} {fault:?}");
                assert_only_read(&aws);
                assert_eq!(state_of(&aws), before, "{call} {fault:?}");
            });
        }
    }
    points.join_all().await;
}

#[tokio::test]
async fn call_that_fails_once_is_made_up_for() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let expected = listed(&sandbox, &[]).await;
    for (call, is_one_by_one) in calls() {
        for fault in [Fault::Throttle, Fault::LoseAnswer] {
            aws.faults.forget();
            if is_one_by_one {
                aws.faults.look_up_one_by_one();
            }
            aws.faults.once(call, fault);
            assert_eq!(listed(&sandbox, &[]).await, expected, "{call} {fault:?}");
        }
    }
}

#[tokio::test]
async fn last_use_that_is_not_told_is_unknown_and_noted_once() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    let refused =
        "note: last use of keys is unknown (needs the permission iam:GetAccessKeyLastUsed)";
    let lacking = "note: this store does not tell when keys were last used";
    for (fault, note) in [(Fault::DENIED, refused), (Fault::Refuse(400, "InvalidAction"), lacking)]
    {
        aws.faults.forget();
        aws.faults.always("GetAccessKeyLastUsed", fault);
        let run = list(&sandbox, &["--json"]).await.succeeded();
        let notes: Vec<_> = run.stderr.lines().collect();
        assert_eq!(notes, [note]);
        for user in run.json_lines() {
            assert_eq!(user["keys"][0]["last_used_known"], false);
            assert!(!codes(&user).contains(&"never-used"), "{user}");
        }
        let run = list(&sandbox, &[]).await.succeeded();
        assert_eq!(run.stdout.matches("  unknown").count(), 3, "{run:?}");
    }
}

#[tokio::test]
async fn user_that_vanishes_meanwhile_is_left_out() {
    for call in ["GetAccountAuthorizationDetails", "ListUsers"] {
        let (aws, sandbox) = aws_with_many_kinds().await;
        if call == "ListUsers" {
            aws.faults.look_up_one_by_one();
        }
        aws.faults.once(call, Fault::Pause);
        let args = ["-b", "shared", "--list", "--json"];
        let started = sandbox.start("create_s3_user", &args);
        aws.faults.paused().await;
        Sandbox::new(&aws).delete("kim", &[]).await.succeeded();
        aws.faults.resume();
        let run = started.ended().await.succeeded();
        assert_eq!(names(&run.json_lines()), ["alex", "lee"], "{call}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn interruption_lists_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (aws, sandbox) = aws_with_many_kinds().await;
        aws.faults.once("ListAccessKeys", Fault::Pause);
        let started = sandbox.start("create_s3_user", &["-b", "shared", "--list"]);
        let run = started.stopped_while_paused(&aws, signal).await;
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{run:?}");
        assert!(run.stderr.contains("error: interrupted"), "{run:?}");
        run.ended_by(code - 128);
    }
}

#[tokio::test]
async fn no_more_users_are_looked_at_at_a_time_than_jobs_says() {
    let (aws, sandbox) = aws_with_many_kinds().await;
    add_foreigners(&aws, 40);
    aws.faults.slow_down(Duration::from_millis(5));
    for one_by_one in [false, true] {
        if one_by_one {
            aws.faults.look_up_one_by_one();
        }
        aws.faults.most_under_way();
        let args = ["-b", "shared", "--list", "--jobs", "2", "-q"];
        sandbox.run("create_s3_user", &args).await.succeeded();
        // Three calls at once about each user that must be looked up.
        let most = if one_by_one { 6 } else { 2 };
        assert!(aws.faults.most_under_way() <= most, "{one_by_one}");
    }
}

#[tokio::test]
async fn options_that_change_something_are_refused() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    for option in [
        "--dry-run",
        "--update",
        "--rotate-key",
        "--kit=dir",
        "--verify",
        "--make-folder",
        "--browse-root",
        "--inline-policy",
        "--output-dir=keys",
        "--access=write",
        "--expires=9d",
        "--path=/x/",
    ] {
        let run = list(&sandbox, &[option]).await;
        assert_usage(&run, "'--list' cannot be used with");
        let name = option.split('=').next().unwrap();
        assert!(run.stderr.contains(name), "{run:?}");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
    let run = sandbox.run("create_s3_user", &["--list"]).await;
    assert_usage(&run, "required arguments were not provided: --bucket <BUCKET>; see");
}

#[tokio::test]
async fn bucket_and_credentials_that_are_wrong_are_told() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let run = sandbox.run("create_s3_user", &["-b", "shard", "--list"]).await;
    run.failed_with("there is no bucket shard; did you mean shared?");
    let nobody =
        Sandbox::new(&aws).set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None);
    let run = list(&nobody, &["--json", "-u", "alex"]).await;
    let run = run.failed_with("no AWS credentials found");
    assert_eq!(run.stdout, "");
    aws.faults.always("ListAccessKeys", Fault::Refuse(403, "ExpiredToken"));
    let run = list(&sandbox, &[]).await;
    let run = run.failed_with("ListAccessKeys: ExpiredToken: As the test wants it.");
    assert!(run.stderr.contains("\nhint: sign in again"), "{run:?}");
}

#[tokio::test]
async fn bucket_may_be_in_another_region() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.move_bucket("shared", "eu-central-1");
    assert_eq!(names(&listed(&sandbox, &[]).await), ["alex"]);
}

#[cfg(unix)]
#[tokio::test]
async fn list_that_stdout_does_not_take_is_a_failure() {
    let (_, sandbox) = aws_with_alex(&[]).await;
    for format in ["", "--json"] {
        let script = format!("\"$0\" -b shared --list {format} > /dev/full");
        let run = sandbox.run_script(&script, "create_s3_user").await;
        run.failed_with("can't write to stdout: No space left on device");
    }
    let script = "\"$0\" -b shared --list --json | true";
    let run = sandbox.run_script(script, "create_s3_user").await.succeeded();
    assert_eq!(run.stderr, "");
}

#[tokio::test]
async fn names_of_others_do_nothing_to_a_terminal() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.change_iam(|iam| {
        let policies = iam.user_inline_policies.entry("alex".to_owned());
        policies.or_default().insert("\u{9b}2J".to_owned(), ALLOW_ALL.to_owned());
    });
    for format in [[].as_slice(), &["--json"]] {
        let run = list(&sandbox, format).await.succeeded();
        assert!(run.stdout.contains("9b"), "{run:?}");
        assert!(!run.stdout.contains('\u{9b}'), "{run:?}");
    }
}

/// A page that comes while users change may have one again.
#[tokio::test]
async fn user_twice_in_the_details_counts_once() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let twice = "<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>\
        <IsTruncated>false</IsTruncated><UserDetailList><member><UserName>alex</UserName>\
        <UserId>AIDA1</UserId><Arn>arn:aws:iam::123456789012:user/alex</Arn><Tags><member>\
        <Key>s3-user:bucket</Key><Value>shared</Value></member></Tags></member><member>\
        <UserName>alex</UserName><UserId>AIDA1</UserId>\
        <Arn>arn:aws:iam::123456789012:user/alex</Arn><Tags><member><Key>s3-user:bucket</Key>\
        <Value>shared</Value></member></Tags></member></UserDetailList>\
        </GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>";
    aws.faults.always("GetAccountAuthorizationDetails", Fault::Answer(twice));
    let run = list(&sandbox, &["--json"]).await.succeeded();
    assert_eq!(run.json()["user"], "alex");
}

/// A folder may be shared before its user is there, or with somebody who read that of
/// a former user of the name.
#[tokio::test]
async fn folder_that_somebody_else_reads_is_odd_for_both() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let shares = ["--also-read", "alex/2026/", "--also-read", "prices/"];
    sandbox.create("kim", &shares).await.succeeded();
    let users = listed(&sandbox, &[]).await;
    assert_eq!(codes(&users[0]), [""; 0], "nobody is alex yet");
    sandbox.create("alex", &[]).await.succeeded();
    sandbox.create("alexander", &[]).await.succeeded();
    for names in [[].as_slice(), &["-u", "alex", "-u", "alexander", "-u", "kim"]] {
        let users = listed(&sandbox, names).await;
        assert_eq!(texts(&users[0]), ["folder is also read by kim"]);
        assert_eq!(texts(&users[1]), [""; 0]);
        assert_eq!(texts(&users[2]), ["also reads the folder of alex"]);
        assert_eq!(codes(&users[0]), ["shared-folder"]);
        assert_eq!(codes(&users[2]), ["shared-folder"]);
    }
    let none = ["--update", "--also-read", "none"];
    sandbox.create("kim", &none).await.succeeded();
    for user in listed(&sandbox, &[]).await {
        assert_eq!(codes(&user), [""; 0]);
    }
}
