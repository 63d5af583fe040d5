//! Emptying a folder completely, on stores of every kind, and nothing beside it.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectLockLegalHold, ObjectLockLegalHoldStatus, VersioningConfiguration,
};
use parking_lot::Mutex;
use serde_json::json;

use crate::support::{
    ALLOW_ALL, Endless, FILES_OF_OTHERS, Fault, LocalAws, Run, Sandbox, Script, ScriptedS3,
    aws_with_alex, aws_with_files, begin_upload, is_gone,
};

/// What must survive, whatever goes.
const OTHERS: [&str; 5] = ["Alex/x", "alex", "alex-/x", "alexander/x", "jaime/x"];

fn with_others(keys: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    keys.into_iter().chain(OTHERS.map(str::to_owned))
}

fn numbered(count: usize) -> impl Iterator<Item = String> + Clone {
    (0..count).map(|number| format!("alex/{number:06}"))
}

/// Makes alex on the local AWS and deletes it again, with the folder in the
/// scripted store.
async fn delete_from(store: &ScriptedS3, args: &[&str]) -> (LocalAws, Sandbox, Run) {
    let (aws, sandbox) = aws_for(store).await;
    let run = sandbox.delete("alex", args).await;
    (aws, sandbox, run)
}

/// A local AWS with alex, whose programs find the bucket on this store.
async fn aws_for(store: &ScriptedS3) -> (LocalAws, Sandbox) {
    aws_with(store, &[]).await
}

/// The same, with alex made in another way.
async fn aws_with(store: &ScriptedS3, options: &[&str]) -> (LocalAws, Sandbox) {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["alex/on-another-store"]).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", options).await.succeeded();
    (aws, sandbox.set("AWS_ENDPOINT_URL_S3", Some(&store.url)))
}

#[tokio::test]
async fn flat_folder_is_listed_by_several_and_deleted_once() {
    let store = ScriptedS3::start(Script::default(), with_others(numbered(20_000))).await;
    let (aws, _, run) = delete_from(&store, &["--json"]).await;
    assert_eq!(run.succeeded().json()["objects"], 20_000);
    assert!(is_gone(&aws, "alex"));
    assert_eq!(store.keys(), OTHERS);
    assert!(store.requests("list") < 60, "{}", store.requests("list"));
}

#[tokio::test]
async fn small_folder_is_spread_over_the_idle_requests() {
    for (keys, requests) in [(50, 1), (300, 3), (1000, 10)] {
        let store = ScriptedS3::start(Script::default(), with_others(numbered(keys))).await;
        let (_, _, run) = delete_from(&store, &["--json"]).await;
        assert_eq!(run.succeeded().json()["objects"], keys);
        assert_eq!(store.keys(), OTHERS);
        assert_eq!(store.requests("batch"), requests, "for {keys} keys");
    }
}

#[tokio::test]
async fn large_folder_goes_in_large_batches() {
    let store = ScriptedS3::start(Script::default(), with_others(numbered(50_000))).await;
    let (_, _, run) = delete_from(&store, &["--json"]).await;
    assert_eq!(run.succeeded().json()["objects"], 50_000);
    assert_eq!(store.keys(), OTHERS);
    // In batches of 100 keys it would be 500.
    let batches = store.requests("batch");
    assert!(batches < 200, "{batches} batches");
}

#[tokio::test]
async fn keys_of_many_users_are_not_all_kept_while_planning() {
    let users: Vec<_> = (0..23).map(|number| format!("user{number}")).collect();
    let keys = users.iter().flat_map(|user| {
        let keys = if user == "user22" { 10 } else { 1000 };
        (0..keys).map(move |number| format!("{user}/{number}"))
    });
    let store = ScriptedS3::start(Script::default(), with_others(keys)).await;
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &[]).await;
    let sandbox = Sandbox::new(&aws);
    let others: Vec<_> = users[1..].iter().flat_map(|user| ["-u", user]).collect();
    sandbox.create(&users[0], &others).await.succeeded();
    let sandbox = sandbox.set("AWS_ENDPOINT_URL_S3", Some(&store.url));
    sandbox.delete(&users[0], &others).await.succeeded();
    assert_eq!(store.keys(), OTHERS);
    // Two for each user, and one more for those of which nothing was kept.
    let listings = store.requests("list");
    assert!((48..=49).contains(&listings), "{listings}");
}

#[tokio::test]
async fn one_request_at_a_time_is_enough() {
    let script =
        Script { strict_xml: true, latency: Duration::from_millis(20), ..Script::default() };
    let odd = ["alex/000000\u{1}", "alex/002000\u{1}"].map(str::to_owned);
    let store = ScriptedS3::start(script, with_others(numbered(3000).chain(odd))).await;
    let (_, _, run) = delete_from(&store, &["--json", "--concurrency", "1"]).await;
    assert_eq!(run.succeeded().json()["objects"], 3002);
    assert_eq!(store.keys(), OTHERS);
    assert_eq!(store.most_deleting(), 1);
    let requests = (store.requests("single"), store.requests("batch"));
    assert_eq!(requests, (2, 4), "of at most 1,000 keys each");
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_under_way() {
    let script = Script { latency: Duration::from_millis(20), ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(3000))).await;
    let (_, _, run) = delete_from(&store, &["--json", "--concurrency", "3"]).await;
    assert_eq!(run.succeeded().json()["objects"], 3000);
    assert_eq!(store.keys(), OTHERS);
    assert!(store.most_deleting() <= 3, "{}", store.most_deleting());
}

#[tokio::test]
async fn keys_that_xml_cannot_carry_are_deleted_one_at_a_time() {
    let odd = ["alex/\u{1}", "alex/bell\u{7}", "alex/\u{1f}", "alex/\u{fffe}", "alex/\u{ffff}x"];
    let even = [
        "alex/tab\t",
        "alex/line\nfeed",
        "alex/return\r",
        "alex/\u{85}\u{2028}",
        "alex/+%20 &<>'\"",
        "alex/../x",
        "alex//x",
        "alex/",
        "alex/é漢😀",
    ];
    let script = Script { strict_xml: true, ..Script::default() };
    let longest = format!("alex/{}", "k".repeat(1019));
    let keys = odd.iter().chain(&even).map(|key| (*key).to_owned()).chain([longest]);
    let store = ScriptedS3::start(script, with_others(keys)).await;
    let (_, _, run) = delete_from(&store, &["--json"]).await;
    assert_eq!(run.succeeded().json()["objects"], odd.len() + even.len() + 1);
    assert_eq!(store.keys(), OTHERS);
    assert_eq!((store.requests("single"), store.requests("batch")), (odd.len(), 1));
}

#[tokio::test]
async fn store_that_lists_plain_keys_is_taken_at_its_word() {
    let script = Script { plain_listing: true, ..Script::default() };
    let keys = ["alex/100%25", "alex/a+b", "alex/a b&c"].map(str::to_owned);
    let store = ScriptedS3::start(script, with_others(keys)).await;
    delete_from(&store, &[]).await.2.succeeded();
    assert_eq!(store.keys(), OTHERS);
}

#[tokio::test]
async fn store_that_does_not_take_batches_is_emptied_key_by_key() {
    for (status, code) in [
        (400, "MissingContentMD5"),
        (400, "InvalidRequest"),
        (501, "NotImplemented"),
        (405, "MethodNotAllowed"),
    ] {
        let script = Script { refuse_batches: Some((status, code)), ..Script::default() };
        let store = ScriptedS3::start(script, with_others(numbered(30))).await;
        let (_, _, run) = delete_from(&store, &["--json"]).await;
        assert_eq!(run.succeeded().json()["objects"], 30, "{code}");
        assert_eq!(store.keys(), OTHERS, "{code}");
    }
}

#[tokio::test]
async fn slow_downs_slow_down_and_leave_nothing_behind() {
    let script = Script { slow_downs: AtomicUsize::new(6), ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(6000))).await;
    let (_, _, run) = delete_from(&store, &["--json"]).await;
    assert_eq!(run.succeeded().json()["objects"], 6000);
    assert_eq!(store.keys(), OTHERS);
}

#[tokio::test]
async fn keys_of_a_store_in_trouble_are_tried_again() {
    let passing =
        ["InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted"];
    let keys = passing.map(|code| (format!("alex/{code}"), vec![code, code]));
    let script =
        Script { key_errors: Mutex::new(keys.clone().into_iter().collect()), ..Script::default() };
    let keys = keys.into_iter().map(|(key, _)| key);
    let store = ScriptedS3::start(script, with_others(keys.chain(numbered(100)))).await;
    let (_, _, run) = delete_from(&store, &["--json"]).await;
    let json = run.succeeded().json();
    assert_eq!((&json["objects"], &json["failed"]), (&json!(105), &json!([])));
    assert_eq!(store.keys(), OTHERS);
}

#[tokio::test]
async fn keys_that_stay_are_named_with_the_code_and_stop_nothing_else() {
    let locked: Vec<_> = (0..25).map(|number| format!("alex/locked-{number:02}")).collect();
    let errors = locked.iter().map(|key| (key.clone(), vec!["AccessDenied"]));
    let script =
        Script { key_errors: Mutex::new(errors.collect()), stubborn: true, ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(2500).chain(locked.clone()))).await;
    let (aws, sandbox, run) = delete_from(&store, &["--json"]).await;
    let run = run.failed_with("25 objects could not be deleted, so user alex stays");
    let named = run.stderr.lines().filter(|line| line.ends_with(": AccessDenied: No."));
    assert_eq!(named.count(), 20, "{run:?}");
    assert!(run.stderr.contains("and 5 more"), "{run:?}");
    let json = run.json();
    assert_eq!(json["objects"], 2500);
    assert_eq!(json["failed"].as_array().unwrap().len(), 25);
    assert_eq!(json["failed"][0]["code"], "AccessDenied");
    assert!(!is_gone(&aws, "alex"));

    store.script.key_errors.lock().clear();
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(store.keys(), OTHERS);
}

#[tokio::test]
async fn foreign_key_in_a_listing_is_an_error_and_no_deletion() {
    for foreign in ["alexander/x", "alex", "jaime/x", "Alex/x", ""] {
        let script = Script { foreign_key: Some(foreign), ..Script::default() };
        let store = ScriptedS3::start(script, with_others(numbered(10))).await;
        let (aws, _, run) = delete_from(&store, &[]).await;
        run.failed_with("asked for alex/, the store listed");
        assert_eq!(store.requests("batch") + store.requests("single"), 0);
        assert_eq!(store.keys().len(), 10 + OTHERS.len());
        assert!(!is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn keys_skipped_while_paging_are_found_by_listing_again() {
    let script = Script { skip_every: Some(3), ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(5000))).await;
    let (_, _, run) = delete_from(&store, &["--json"]).await;
    assert_eq!(run.succeeded().json()["objects"], 5000);
    assert_eq!(store.keys(), OTHERS);
}

#[tokio::test]
async fn store_that_only_says_it_deletes_is_found_out() {
    let script = Script { keep_all: true, ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(10))).await;
    let (aws, _, run) = delete_from(&store, &[]).await;
    let run = run.failed_with("10 objects are still listed after deleting them");
    assert!(run.stderr.contains("alex/000000"), "{run:?}");
    assert!(!is_gone(&aws, "alex"));
}

#[tokio::test]
async fn undeletable_keys_of_a_store_that_lists_all_from_the_start_are_sent_twice() {
    let errors = numbered(3000).map(|key| (key, vec!["AccessDenied"]));
    for (ignores_start_after, most_listings) in [(false, 40), (true, 60)] {
        let script = Script {
            ignores_start_after,
            key_errors: Mutex::new(errors.clone().collect()),
            stubborn: true,
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(numbered(3001))).await;
        let (_, _, run) = delete_from(&store, &["--json"]).await;
        let run = run.failed_with("3,000 objects could not be deleted, so user alex stays");
        assert_eq!(run.json()["objects"], 1);
        let (listings, sent) = (store.requests("list"), store.requests("key sent"));
        assert!(listings < most_listings, "{listings} listings");
        assert_eq!(sent, 6001);
    }
}

#[tokio::test]
async fn store_that_lists_all_from_the_start_is_emptied_and_each_key_sent_once() {
    let script = Script { ignores_start_after: true, ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(20_000))).await;
    let (_, _, run) = delete_from(&store, &["--json"]).await;
    assert_eq!(run.succeeded().json()["objects"], 20_000);
    assert_eq!(store.keys(), OTHERS);
    let (listings, sent) = (store.requests("list"), store.requests("key sent"));
    assert!(listings < 250, "{listings} listings");
    assert_eq!(sent, 20_000);
}

#[tokio::test]
async fn emptying_ends_where_one_key_stays_and_another_is_written_again() {
    let keys = ["alex/log", "alex/protected"].map(str::to_owned);
    for others in [0, 2000] {
        let script = Script {
            key_errors: Mutex::new([(keys[1].clone(), vec!["AccessDenied"])].into()),
            stubborn: true,
            rewritten: Mutex::new([(keys[0].clone(), usize::MAX)].into()),
            ..Script::default()
        };
        let files = numbered(others).chain(keys.clone());
        let store = ScriptedS3::start(script, with_others(files)).await;
        let (aws, _, run) = delete_from(&store, &["--json"]).await;
        let run = run.failed_with("1 object could not be deleted, so user alex stays");
        assert_eq!(run.json()["objects"], others, "the one that is back isn't gone");
        assert!(!is_gone(&aws, "alex"));
        assert!(store.requests("list") < 20, "{}", store.requests("list"));
        assert_eq!(
            store.keys(),
            with_others(keys.clone()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn key_that_is_written_again_for_a_while_goes_and_counts_once() {
    for times in [1, 2, 5] {
        let script = Script {
            rewritten: Mutex::new([("alex/log".to_owned(), times)].into()),
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(["alex/log".to_owned()])).await;
        let (aws, _, run) = delete_from(&store, &["--json"]).await;
        assert_eq!(run.succeeded().json()["objects"], 1, "{times} times");
        assert!(is_gone(&aws, "alex"));
        assert_eq!(store.keys(), OTHERS);
    }
}

#[tokio::test]
async fn key_that_is_written_again_for_ever_is_named() {
    for others in [0, 2000] {
        let script = Script {
            rewritten: Mutex::new([("alex/log\n".to_owned(), usize::MAX)].into()),
            ..Script::default()
        };
        let files = numbered(others).chain(["alex/log\n".to_owned()]);
        let store = ScriptedS3::start(script, with_others(files)).await;
        let (aws, _, run) = delete_from(&store, &["--json"]).await;
        let run = run.failed_with("1 object is still listed after deleting it: alex/log");
        assert_eq!(run.json()["objects"], others);
        assert!(!is_gone(&aws, "alex"));
        assert!(store.requests("list") < 40, "{}", store.requests("list"));
    }
}

#[tokio::test]
async fn listings_that_go_on_for_ever_come_to_an_end() {
    for endless in [Endless::NewTokens, Endless::TwoTokens] {
        let errors = numbered(1500).map(|key| (key, vec!["AccessDenied"]));
        for (errors, code) in [(Default::default(), 0), (errors.collect(), 1)] {
            let script = Script {
                endless: Some(endless),
                key_errors: Mutex::new(errors),
                stubborn: true,
                ..Script::default()
            };
            let store = ScriptedS3::start(script, with_others(numbered(1500))).await;
            let (aws, _, run) = delete_from(&store, &["--json"]).await;
            assert_eq!(run.code, Some(code), "{endless:?}: {run:?}");
            assert_eq!(is_gone(&aws, "alex"), code == 0);
            assert_eq!(store.keys().len(), OTHERS.len() + 1500 * code as usize);
            let (listings, sent) = (store.requests("list"), store.requests("key sent"));
            assert!(listings < 100 && sent < 10_000, "{listings}, {sent}");
        }
    }
}

#[tokio::test]
async fn lists_of_versions_that_go_on_for_ever_come_to_an_end() {
    let errors = numbered(1500).map(|key| (key, vec!["AccessDenied"]));
    for (errors, code) in [(Default::default(), 0), (errors.collect(), 1)] {
        let script = Script {
            endless: Some(Endless::NewTokens),
            key_errors: Mutex::new(errors),
            stubborn: true,
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(numbered(1500))).await;
        let (aws, _, run) = delete_from(&store, &["--json", "--all-versions"]).await;
        assert_eq!(run.code, Some(code), "{run:?}");
        assert_eq!(is_gone(&aws, "alex"), code == 0);
        assert_eq!(store.keys().len(), OTHERS.len() + 1500 * code as usize);
        let (listings, sent) = (store.requests("list"), store.requests("key sent"));
        assert!(listings < 100 && sent < 10_000, "{listings}, {sent}");
    }
}

#[tokio::test]
async fn pages_of_nothing_are_followed_and_are_no_empty_folder() {
    for (empty_pages, code) in [(30, 0), (usize::MAX, 1)] {
        let script = Script { empty_pages: AtomicUsize::new(empty_pages), ..Script::default() };
        let store = ScriptedS3::start(script, with_others(numbered(10))).await;
        let (aws, _, run) = delete_from(&store, &[]).await;
        assert_eq!(run.code, Some(code), "{run:?}");
        assert_eq!(is_gone(&aws, "alex"), code == 0);
        assert_eq!(store.keys().len(), OTHERS.len() + 10 * code as usize);
        if code == 1 {
            run.failed_with("ListObjectsV2: the store lists nothing, page after page");
        }
    }
}

#[tokio::test]
async fn errors_of_keys_with_another_version_or_name_count() {
    for (errors_after, errors_with_version) in [
        (None, Some("")),
        (None, Some("null")),
        (Some("shared/"), None),
        (Some("shared/"), Some("")),
    ] {
        let script = Script {
            key_errors: Mutex::new([("alex/000001".to_owned(), vec!["AccessDenied"])].into()),
            stubborn: true,
            errors_after,
            errors_with_version,
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(numbered(2))).await;
        let (aws, _, run) = delete_from(&store, &["--json"]).await;
        let json = run.failed_with("1 object could not be deleted").json();
        assert_eq!(json["objects"], 1);
        let named = format!("{}alex/000001", errors_after.unwrap_or_default());
        assert_eq!(json["failed"][0]["key"], named);
        assert!(!is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn what_the_store_only_says_it_deletes_is_not_counted() {
    // Twice, since the first pass may list while it deletes.
    for (kept, keep_all, objects) in [(2, false, 10), (0, true, 0)] {
        let script = Script {
            kept: Mutex::new(vec!["alex/000003".to_owned(); kept]),
            keep_all,
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(numbered(10))).await;
        let (_, _, run) = delete_from(&store, &["--json"]).await;
        assert_eq!(run.json()["objects"], objects, "{run:?}");
        assert_eq!(store.keys().len(), OTHERS.len() + 10 - objects);
    }
}

#[tokio::test]
async fn aborted_upload_that_is_listed_again_is_looked_at_again() {
    for (times, code) in [(1, 0), (3, 0), (usize::MAX, 1)] {
        let script = Script {
            uploads: Mutex::new(["alex/big".to_owned()].into()),
            stale_uploads: Mutex::new((times, BTreeSet::new())),
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(numbered(3))).await;
        let (aws, _, run) = delete_from(&store, &["--json"]).await;
        assert_eq!(run.code, Some(code), "{run:?}");
        assert_eq!(run.json()["uploads"], 1 - code, "{run:?}");
        assert_eq!(is_gone(&aws, "alex"), code == 0);
        if code == 1 {
            let said = "the multipart upload of alex/big is still listed after aborting it";
            assert!(run.stderr.contains(said), "{run:?}");
        }
    }
}

#[tokio::test]
async fn answer_without_an_end_is_an_error_of_its_call() {
    let script = Script { endless: Some(Endless::Answer), ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(10))).await;
    let (aws, _, run) = delete_from(&store, &[]).await;
    run.failed_with("ListObjectsV2: the answer is too large");
    assert!(!is_gone(&aws, "alex"));

    let sandbox = Sandbox::with_key(&store.url, &aws.admin);
    let run = sandbox.create("kim", &[]).await;
    run.failed_with("GetUser: the answer is too large");
}

/// Puts three versions of one object, a deleted object, and a plain one into
/// alex's folder, and the same into that of alexander.
async fn aws_with_versions(status: BucketVersioningStatus) -> LocalAws {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["alex/before", "alexander/before"]).await;
    let s3 = aws.s3_client();
    let set = |status| {
        let versioning = VersioningConfiguration::builder().status(status).build();
        s3.put_bucket_versioning().bucket("shared").versioning_configuration(versioning).send()
    };
    set(BucketVersioningStatus::Enabled).await.unwrap();
    for folder in ["alex", "alexander"] {
        for _ in 0..3 {
            aws.put("shared", &format!("{folder}/thrice")).await;
        }
        let gone = format!("{folder}/gone");
        aws.put("shared", &gone).await;
        s3.delete_object().bucket("shared").key(gone).send().await.unwrap();
    }
    if status == BucketVersioningStatus::Suspended {
        set(status).await.unwrap();
    }
    aws
}

#[tokio::test]
async fn all_versions_and_delete_markers_go_when_asked_for() {
    for status in [BucketVersioningStatus::Enabled, BucketVersioningStatus::Suspended] {
        let aws = aws_with_versions(status).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create("alex", &[]).await.succeeded();
        let before = aws.versions("shared", "alexander/").await;
        let run = sandbox.delete("alex", &["--all-versions", "--json"]).await.succeeded();
        assert!(!run.stderr.contains("remain"), "{run:?}");
        let json = run.json();
        assert_eq!(json["objects"], 2, "{json}");
        assert_eq!(json["versions"], 3, "{json}");
        assert_eq!(json["delete_markers"], 1, "{json}");
        assert!(aws.versions("shared", "alex/").await.is_empty());
        assert_eq!(aws.versions("shared", "alexander/").await, before);
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn versions_of_one_object_go_in_several_requests() {
    let aws = aws_with_versions(BucketVersioningStatus::Enabled).await;
    let s3 = aws.s3_client();
    for folder in ["alex", "alexander"] {
        for _ in 0..250 {
            aws.put("shared", &format!("{folder}/often")).await;
        }
        let delete = s3.delete_object().bucket("shared");
        let delete = delete.key(format!("{folder}/often"));
        delete.send().await.unwrap();
    }
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let before = aws.versions("shared", "alexander/").await;
    let run = sandbox.delete("alex", &["--all-versions", "--json"]).await;
    let json = run.succeeded().json();
    assert_eq!(json["objects"], 2, "{json}");
    assert_eq!(json["versions"], 253, "{json}");
    assert_eq!(json["delete_markers"], 2, "{json}");
    assert!(aws.versions("shared", "alex/").await.is_empty());
    assert_eq!(aws.versions("shared", "alexander/").await, before);
    // Three for the versions, and the markers last.
    assert_eq!(aws.faults.counts()["DeleteObjects"], 4);
}

#[tokio::test]
async fn delete_markers_of_objects_long_gone_go_too() {
    let aws = aws_with_versions(BucketVersioningStatus::Enabled).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let s3 = aws.s3_client();
    for key in aws.keys("shared").iter().filter(|key| key.starts_with("alex/")) {
        s3.delete_object().bucket("shared").key(key).send().await.unwrap();
    }
    let all = s3.list_object_versions().bucket("shared").prefix("alex/");
    for version in all.send().await.unwrap().versions() {
        let delete = s3.delete_object().bucket("shared").key(version.key().unwrap());
        let delete = delete.version_id(version.version_id().unwrap());
        delete.send().await.unwrap();
    }
    let markers = aws.versions("shared", "alex/").await.len() as u64;
    assert!(markers > 1);
    let run = sandbox.delete("alex", &["--all-versions", "--json"]).await;
    assert_eq!(run.succeeded().json()["delete_markers"], markers);
    assert!(aws.versions("shared", "alex/").await.is_empty() && is_gone(&aws, "alex"));
}

#[tokio::test]
async fn earlier_versions_that_remain_are_pointed_out() {
    for status in [BucketVersioningStatus::Enabled, BucketVersioningStatus::Suspended] {
        let aws = aws_with_versions(status).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create("alex", &[]).await.succeeded();
        let run = sandbox.delete("alex", &[]).await.succeeded();
        let note = "note: earlier versions of the objects remain; to delete them too, run with \
                    the same connection options: delete_s3_user -b shared -u USER --force \
                    --all-versions\n";
        assert!(run.stderr.contains(note), "{run:?}");
        let list = aws.s3_client().list_objects_v2().bucket("shared").prefix("alex/");
        assert_eq!(list.send().await.unwrap().key_count(), Some(0));
        assert!(!aws.versions("shared", "alex/").await.is_empty());
        let advised = ["--force", "--all-versions"];
        sandbox.delete("alex", &advised).await.succeeded();
        assert!(aws.versions("shared", "alex/").await.is_empty());
    }
}

#[tokio::test]
async fn advice_on_earlier_versions_is_for_the_users_that_are_gone_alone() {
    let aws = aws_with_versions(BucketVersioningStatus::Enabled).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.add_user("alexander", ALLOW_ALL).await;
    let run = sandbox.delete("alex", &["-u", "alexander"]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("options: delete_s3_user -b shared -u USER --force"), "{run:?}");
    assert!(!run.stderr.contains("same command"), "{run:?}");
    let before = aws.versions("shared", "alexander/").await;
    assert!(!before.is_empty());
    let advised = ["--force", "--all-versions"];
    sandbox.delete("alex", &advised).await.succeeded();
    assert!(aws.versions("shared", "alex/").await.is_empty());
    assert_eq!(aws.versions("shared", "alexander/").await.len(), before.len());
    assert!(!is_gone(&aws, "alexander"));
}

#[tokio::test]
async fn nothing_is_said_of_versions_where_there_are_none() {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["alex/before.txt", "jaime/photo.jpg"]).await;
    let sandbox = Sandbox::new(&aws);
    aws.keep_versions("shared").await;
    for user in ["kim", "lee"] {
        sandbox.create(user, &[]).await.succeeded();
    }
    for options in [&["--dry-run"][..], &[]] {
        let run = sandbox.delete("kim", options).await.succeeded();
        assert!(!run.stderr.contains("version"), "{run:?}");
    }
    // What is already deleted has left versions behind.
    aws.put("shared", "lee/report.txt").await;
    let s3 = aws.s3_client();
    let delete = s3.delete_object().bucket("shared").key("lee/report.txt");
    delete.send().await.unwrap();
    for (options, note) in [
        (&["--dry-run"][..], "note: earlier versions of the objects will remain; "),
        (&[], "note: earlier versions of the objects remain; "),
    ] {
        let run = sandbox.delete("lee", options).await.succeeded();
        assert!(run.stderr.contains(note), "{run:?}");
    }

    // An object from before versioning, deleted while it is suspended, is gone.
    aws.suspend_versions("shared").await;
    sandbox.create("alex", &[]).await.succeeded();
    for options in [&["--dry-run"][..], &[]] {
        let run = sandbox.delete("alex", options).await.succeeded();
        assert!(!run.stderr.contains("version"), "{run:?}");
    }
}

#[tokio::test]
async fn versions_that_can_not_be_listed_remain_where_there_were_objects() {
    for (user, is_said) in [("alex", true), ("kim", false)] {
        let aws = aws_with_versions(BucketVersioningStatus::Enabled).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create(user, &[]).await.succeeded();
        aws.faults.always("ListObjectVersions", Fault::DENIED);
        for options in [&["--dry-run"][..], &[]] {
            let run = sandbox.delete(user, options).await.succeeded();
            let note = "note: earlier versions of the objects ";
            assert_eq!(run.stderr.contains(note), is_said, "{run:?}");
        }
    }
}

#[tokio::test]
async fn versioning_that_is_refused_is_said_and_where_there_is_none_it_is_not() {
    for (fault, says) in [(Fault::DENIED, true), (Fault::Refuse(501, "NotImplemented"), false)] {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        aws.faults.always("GetBucketVersioning", fault);
        let note = "note: can't tell whether earlier versions of the objects remain (needs";
        for options in [["--dry-run"].as_slice(), &[]] {
            let run = sandbox.delete("alex", options).await.succeeded();
            assert_eq!(run.stderr.contains(note), says, "{run:?}");
        }
    }
}

#[tokio::test]
async fn mfa_delete_is_one_clear_line_before_anything_is_touched() {
    let aws = aws_with_versions(BucketVersioningStatus::Enabled).await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let on = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>\
        </VersioningConfiguration>";
    aws.faults.always("GetBucketVersioning", Fault::Answer(on));
    let run = sandbox.delete("alex", &["--all-versions"]).await;
    run.failed_with("bucket shared has MFA Delete on");
    aws.iam(|iam| assert_eq!(iam.access_keys["alex"].len(), 1));
}

#[tokio::test]
async fn version_under_legal_hold_stays_with_its_marker_and_the_user() {
    let aws = LocalAws::start().await;
    let s3 = aws.s3_client();
    let create = s3.create_bucket().bucket("shared").object_lock_enabled_for_bucket(true);
    create.send().await.unwrap();
    for key in ["alex/held", "alex/held", "alex/free", "jaime/x"] {
        aws.put("shared", key).await;
    }
    let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On).build();
    let put = s3.put_object_legal_hold().bucket("shared").key("alex/held").legal_hold(hold);
    put.send().await.unwrap();
    for key in ["alex/held", "alex/free"] {
        s3.delete_object().bucket("shared").key(key).send().await.unwrap();
    }
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let run = sandbox.delete("alex", &["--all-versions", "--json"]).await;
    let run = run.failed_with("1 object could not be deleted, so user alex stays");
    assert_eq!(run.json()["failed"][0]["key"], "alex/held");
    assert_eq!(run.json()["failed"][0]["code"], "AccessDenied");
    assert_eq!(
        aws.versions("shared", "alex/").await,
        ["alex/held", "alex/held"],
        "the version and its marker"
    );
    assert!(!is_gone(&aws, "alex"));
}

#[tokio::test]
async fn unfinished_uploads_are_aborted_always() {
    for args in [["--json"].as_slice(), &["--json", "--all-versions"]] {
        let aws = aws_with_files().await;
        let s3 = aws.s3_client();
        for key in ["alex/big", "alex/bigger", "alexander/big", "Alex/big"] {
            let id = begin_upload(&aws, key).await;
            let part = s3.upload_part().bucket("shared").key(key).upload_id(&id).part_number(1);
            part.body(b"part".to_vec().into()).send().await.unwrap();
        }
        let sandbox = Sandbox::new(&aws);
        sandbox.create("alex", &[]).await.succeeded();
        let run = sandbox.delete("alex", args).await.succeeded();
        assert_eq!(run.json()["uploads"], 2);
        assert_eq!(aws.uploads("shared"), ["Alex/big", "alexander/big"]);
    }
}

#[tokio::test]
async fn uploads_are_kept_with_the_objects() {
    let aws = aws_with_files().await;
    begin_upload(&aws, "alex/big").await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    sandbox.delete("alex", &["--keep-objects"]).await.succeeded();
    assert_eq!(aws.uploads("shared"), ["alex/big"]);
}

#[tokio::test]
async fn upload_that_is_completed_while_uploads_are_listed_is_deleted_as_an_object() {
    for files in [["alex/before"].as_slice(), &[]] {
        let aws = LocalAws::start().await;
        aws.add_bucket("shared", files).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create("alex", &[]).await.succeeded();
        aws.faults.once("ListMultipartUploads", Fault::Pause);
        let started = sandbox.start_delete("alex", &[]);
        aws.faults.paused().await;
        aws.put("shared", "alex/completed").await;
        aws.faults.resume();
        started.ended().await.succeeded();
        assert!(aws.keys("shared").is_empty(), "{files:?} before");
    }
}

#[tokio::test]
async fn part_that_comes_in_while_aborting_is_aborted_too() {
    let aws = aws_with_files().await;
    begin_upload(&aws, "alex/big").await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    let still = "<ListPartsResult><Part><PartNumber>1</PartNumber></Part></ListPartsResult>";
    aws.faults.once("ListParts", Fault::Answer(still));
    sandbox.delete("alex", &[]).await.succeeded();
    assert_eq!(aws.faults.counts()["AbortMultipartUpload"], 2);
}

#[tokio::test]
async fn upload_whose_key_the_store_does_not_know_is_gone() {
    for lists_uploads_late in [false, true] {
        let uploads = ["alex/big", "alex/bigger", "alexander/big", "alex"];
        let script = Script {
            uploads: Mutex::new(uploads.map(str::to_owned).into()),
            lists_uploads_late,
            ..Script::default()
        };
        let store = ScriptedS3::start(script, with_others(numbered(3))).await;
        let (aws, _, run) = delete_from(&store, &["--json"]).await;
        let json = run.succeeded().json();
        assert_eq!((&json["uploads"], &json["objects"]), (&json!(2), &json!(3)));
        assert!(is_gone(&aws, "alex"));
        assert_eq!(store.keys(), OTHERS);
        let left = store.script.uploads.lock().clone();
        assert_eq!(left, ["alex", "alexander/big"].map(str::to_owned).into());
        let asked = if lists_uploads_late { 0 } else { 2 };
        assert_eq!(store.requests("abort"), 2);
        assert_eq!(store.requests("list parts"), asked);
    }
}

/// Two objects and two unfinished uploads that arrive late, and a listing shows one each.
fn late_arrivals() -> Script {
    let late = |names: [&str; 2]| Mutex::new(names.map(str::to_owned).into());
    Script {
        late_keys: late(["alex/too-late", "alex/late"]),
        late_uploads: late(["alex/too-late", "alex/late"]),
        ..Script::default()
    }
}

#[tokio::test]
async fn what_a_person_uploads_after_the_folder_was_empty_goes_too() {
    // The plan's listing is the first one to show the folder empty.
    let store = ScriptedS3::start(late_arrivals(), with_others([])).await;
    let (aws, sandbox) = aws_with(&store, &["--access", "read-write"]).await;
    // Two seconds, which the steps before the folder's don't take.
    let sandbox = sandbox.set("S3_USER_TEST_PAUSES", Some("0.4"));
    let run = sandbox.delete("alex", &["--json"]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    let json = run.json();
    assert_eq!((&json["objects"], &json["uploads"]), (&json!(2), &json!(2)));
    assert_eq!(store.keys(), OTHERS);
    assert!(store.script.uploads.lock().is_empty());
}

#[tokio::test]
async fn folder_of_a_person_who_could_only_read_is_listed_once_when_it_is_empty() {
    for options in [[].as_slice(), &["--inline-policy"]] {
        let store = ScriptedS3::start(Script::default(), with_others([])).await;
        let (_aws, sandbox) = aws_with(&store, options).await;
        // No shorter than what would be waited for otherwise.
        sandbox.with_full_pauses().delete("alex", &[]).await.succeeded();
        let listings = (store.requests("list"), store.requests("list uploads"));
        assert_eq!(listings, (2, 1), "one more for the plan");
    }
}

#[tokio::test]
async fn policies_are_not_read_where_it_makes_no_difference() {
    for options in [["--keep-objects"].as_slice(), &["--dry-run"]] {
        let (aws, sandbox) = aws_with_alex(&["--access", "write"]).await;
        sandbox.delete("alex", options).await.succeeded();
        let calls = aws.faults.counts();
        assert_eq!(calls["GetPolicyVersion"], 1, "the plan's: {calls:?}");
    }
}

#[tokio::test]
async fn interrupted_emptying_says_how_many_are_gone_and_continues() {
    let aws = aws_with_files().await;
    aws.put_many("shared", numbered(3000));
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.faults.at("DeleteObjects", 1, 1, Fault::Pause);
    let started = sandbox.start_delete("alex", &["--concurrency", "1"]);
    let run = started.stopped_while_paused(&aws, "INT").await;
    assert_eq!(run.code, Some(130), "{run:?}");
    let gone = 3004 - aws.keys("shared").len();
    assert!((1000..3000).contains(&gone), "{gone}");
    let gone = format!("{},{:03} objects", gone / 1000, gone % 1000);
    for (start, end) in [
        ("deleted: access key ", gone.as_str()),
        (
            "left: the rest of s3://shared/alex/, user alex; ",
            "running the same command again continues",
        ),
    ] {
        let is_said = |line: &str| line.starts_with(start) && line.ends_with(end);
        assert!(run.stderr.lines().any(is_said), "{start}: {run:?}");
    }
    sandbox.delete("alex", &[]).await.succeeded();
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn listing_that_does_not_say_whether_it_is_whole_deletes_nothing() {
    let script = Script { vague_listing: true, ..Script::default() };
    let store = ScriptedS3::start(script, with_others(numbered(10))).await;
    let (aws, _, run) = delete_from(&store, &[]).await;
    run.failed_with("does not say whether it is the whole listing");
    assert!(!is_gone(&aws, "alex"));
    assert_eq!(store.keys().len(), 10 + OTHERS.len());
}
