//! The requests that WinSCP and Cyberduck make one after the other, as read in
//! their source, with the person's key: which operations get through.

mod cyberduck;
mod step;
mod winscp;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    FILES_OF_OTHERS, LocalAws, Sandbox, aws_with_alex, edit_policy_of_alex, enable_acls,
};
use step::{Session, Step, Stop, needs};

/// What is in the folder, and what isn't.
const OLD: &str = "report.txt";
const SUB: &str = "2026/";
const IN_SUB: &str = "2026/may.csv";
const NEW: &str = "new.txt";
const NEW_FOLDER: &str = "new/";

/// What is uploaded.
const CONTENT: &str = "new";

/// The end of an upload in one part.
const ALL_PARTS: &str = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>\
                         <ETag>ETAG</ETag></Part></CompleteMultipartUpload>";

/// The access modes, in the order of the columns of `docs/clients.md`.
const MODES: [&str; 3] = ["read", "read-write", "write"];

/// Which of the modes let a client get through.
const READS: [bool; 3] = [true, true, false];
const WRITES: [bool; 3] = [false, true, false];
const NEVER: [bool; 3] = [false; 3];

struct Operation {
    /// As `docs/clients.md` has it.
    name: &'static str,
    gets_through: [bool; 3],
    steps: Vec<Step>,
    /// What it makes, changes or removes in the folder.
    changes: &'static [&'static str],
}

impl Operation {
    fn new(
        name: &'static str,
        gets_through: [bool; 3],
        steps: Vec<Step>,
        changes: &'static [&'static str],
    ) -> Self {
        Self { name, gets_through, steps, changes }
    }
}

struct Client {
    name: &'static str,
    connect: fn(&str) -> Vec<Step>,
    go_up: fn() -> Vec<Step>,
    operations: fn(&str) -> Vec<Operation>,
}

const CLIENTS: [Client; 2] = [
    Client {
        name: "WinSCP",
        connect: winscp::connect,
        go_up: winscp::go_up,
        operations: winscp::operations,
    },
    Client {
        name: "Cyberduck",
        connect: cyberduck::connect,
        go_up: cyberduck::go_up,
        operations: cyberduck::operations,
    },
];

/// The ETag of each object.
fn objects(aws: &LocalAws) -> BTreeMap<String, String> {
    aws.bucket("shared", |bucket| {
        let objects = bucket.objects.iter();
        objects.map(|(key, object)| (key.clone(), object.etag.clone())).collect()
    })
}

/// The keys of the objects that differ.
fn changed(before: &BTreeMap<String, String>, aws: &LocalAws) -> BTreeSet<String> {
    let after = objects(aws);
    let keys = before.keys().chain(after.keys());
    let differs = |key: &&String| before.get(*key) != after.get(*key);
    keys.filter(differs).cloned().collect()
}

/// Connects to alex's folder, and goes on with these requests.
async fn connect_and(
    client: &Client,
    aws: &LocalAws,
    key: &(String, String),
    steps: &[Step],
) -> Result<(), Stop> {
    let mut session = Session::new(aws, key);
    session.replay(&(client.connect)("alex/")).await?;
    session.replay(steps).await
}

/// Whether `docs/clients.md` says of each mode that the operation gets through.
fn documented(client: &Client, operation: &Operation) -> [bool; 3] {
    let page = include_str!("../docs/clients.md");
    let heading = format!("\n## {}\n", client.name);
    let (_, section) = page.split_once(&heading).unwrap();
    let row = format!("| {} | ", operation.name);
    let mut rows = section.lines().filter_map(|line| line.strip_prefix(&row));
    let row = rows.next().unwrap_or_else(|| panic!("no row {row}"));
    let cells: Vec<_> = row.split(" | ").collect();
    [1, 2, 3].map(|column| cells[column] == "✓")
}

#[tokio::test]
async fn operations_get_through_in_the_modes_that_the_page_says() {
    for (mode, access) in MODES.into_iter().enumerate() {
        let (prepared, sandbox) = aws_with_alex(&["--access", access]).await;
        let key = sandbox.key_of("alex");
        let before = objects(&prepared);
        for client in &CLIENTS {
            for operation in (client.operations)("alex/") {
                let what = format!("{}: {} with {access}", client.name, operation.name);
                let aws = prepared.copy().await;
                let outcome = connect_and(client, &aws, &key, &operation.steps).await;
                let mut changes = BTreeSet::new();
                if operation.gets_through[mode] {
                    assert_eq!(outcome, Ok(()), "{what}");
                    changes.extend(operation.changes.iter().map(|name| format!("alex/{name}")));
                } else {
                    assert_eq!(outcome.expect_err(&what).status, 403, "{what}");
                }
                assert_eq!(changed(&before, &aws), changes, "{what}");
                assert_eq!(aws.uploads("shared"), [""; 0], "{what}");
                let documented = documented(client, &operation);
                assert_eq!(documented, operation.gets_through, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_other_folders_is_answered_or_changed() {
    for access in MODES {
        let (aws, sandbox) = aws_with_alex(&["--access", access]).await;
        let key = sandbox.key_of("alex");
        let before = objects(&aws);
        for folder in ["jaime/", "alexander/"] {
            for client in &CLIENTS {
                for operation in (client.operations)(folder) {
                    // Also what the client would send only if all before went well.
                    let mut session = Session::new(&aws, &key);
                    for step in &operation.steps {
                        let status = session.send(step).await.status;
                        let refused = status == 403 || !step.names(folder);
                        assert!(refused, "{access}: {step:?}: {status}");
                    }
                }
            }
        }
        assert_eq!(changed(&before, &aws), BTreeSet::new(), "{access}");
        assert_eq!(aws.uploads("shared"), [""; 0], "{access}");
    }
}

#[tokio::test]
async fn empty_folder_can_be_connected_to_only_with_its_object() {
    for access in MODES {
        for make_folder in [[].as_slice(), &["--make-folder"]] {
            let aws = LocalAws::start().await;
            aws.add_bucket("shared", &FILES_OF_OTHERS).await;
            let sandbox = Sandbox::new(&aws);
            let options = [&["--access", access, "--kit=dir"], make_folder].concat();
            sandbox.create("alex", &options).await.succeeded();
            let key = sandbox.key_of("alex");
            let [winscp, cyberduck] = &CLIENTS;
            let by_winscp = connect_and(winscp, &aws, &key, &[]).await;
            let by_cyberduck = connect_and(cyberduck, &aws, &key, &[]).await;
            let what = format!("{access} {make_folder:?}: {by_winscp:?}, {by_cyberduck:?}");
            match (access, make_folder) {
                ("write", _) => {
                    assert_eq!(by_winscp.unwrap_err().status, 403, "{what}");
                    assert_eq!(by_cyberduck.unwrap_err().status, 403, "{what}");
                }
                (_, []) => {
                    // An empty listing, and the list of all buckets.
                    assert_eq!(by_winscp.unwrap_err().status, 200, "{what}");
                    let stop = by_cyberduck.unwrap_err();
                    assert_eq!(stop.request, "GET https://s3.amazonaws.com/", "{what}");
                    assert_eq!(stop.status, 403, "{what}");
                }
                _ => assert!(by_winscp.is_ok() && by_cyberduck.is_ok(), "{what}"),
            }
            for (client, upload) in
                [(winscp, winscp::upload("alex/", NEW)), (cyberduck, cyberduck::upload("alex/"))]
            {
                let uploads = access == "read-write" && !make_folder.is_empty();
                let outcome = connect_and(client, &aws, &key, &upload).await;
                assert_eq!(outcome.is_ok(), uploads, "{access} {make_folder:?}");
            }
            for file in ["winscp-url.txt", "alex.duck"] {
                let file = sandbox.path().join("alex_kit").join(file);
                assert_eq!(file.exists(), access != "write", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn top_of_the_bucket_lists_with_browse_root() {
    for access in ["read", "read-write"] {
        let (aws, sandbox) = aws_with_alex(&["--access", access, "--browse-root"]).await;
        let key = sandbox.key_of("alex");
        for client in &CLIENTS {
            let outcome = connect_and(client, &aws, &key, &(client.go_up)()).await;
            assert_eq!(outcome, Ok(()), "{} with {access}", client.name);
        }
    }
}

/// Each of Cyberduck's ways to upload ends with this refusal, and WinSCP uploads.
async fn only_cyberduck_is_refused(aws: &LocalAws, key: &(String, String), refusal: (u16, &str)) {
    for stop in uploads_with_cyberduck(aws, key).await {
        assert_eq!((stop.status, stop.code.as_str()), refusal, "{stop:?}");
    }
    let [winscp, _] = &CLIENTS;
    let upload = winscp::upload("alex/", NEW);
    assert_eq!(connect_and(winscp, aws, key, &upload).await, Ok(()));
}

/// What Cyberduck's ways to upload end with.
async fn uploads_with_cyberduck(aws: &LocalAws, key: &(String, String)) -> Vec<Stop> {
    let [_, cyberduck] = &CLIENTS;
    let before = objects(aws);
    let mut stops = Vec::new();
    for steps in [
        cyberduck::upload("alex/"),
        cyberduck::upload_parts("alex/"),
        cyberduck::overwrite("alex/"),
    ] {
        let outcome = connect_and(cyberduck, aws, key, &steps).await;
        stops.push(outcome.unwrap_err());
    }
    assert_eq!(changed(&before, aws), BTreeSet::new());
    stops
}

#[tokio::test]
async fn cyberduck_that_may_not_read_the_ownership_setting_uploads_nothing() {
    let (aws, sandbox) = aws_with_alex(&["--access", "read-write"]).await;
    edit_policy_of_alex(&aws, r#","s3:GetBucketOwnershipControls""#, "");
    only_cyberduck_is_refused(
        &aws,
        &sandbox.key_of("alex"),
        (400, "AccessControlListNotSupported"),
    )
    .await;
}

#[tokio::test]
async fn cyberduck_uploads_nothing_to_a_bucket_that_takes_acls() {
    let (aws, sandbox) = aws_with_alex(&["--access", "read-write"]).await;
    enable_acls(&aws).await;
    only_cyberduck_is_refused(&aws, &sandbox.key_of("alex"), (403, "AccessDenied")).await;
}

#[tokio::test]
async fn missing_key_is_refused_to_whoever_lists_only_a_prefix() {
    let (aws, sandbox) = aws_with_alex(&["--access", "read-write"]).await;
    for (key, status) in [(&sandbox.key_of("alex"), 403), (&aws.admin, 404)] {
        for method in ["HEAD", "GET"] {
            let missing = needs(format!("{method} /alex/new.txt"));
            let answer = Session::new(&aws, key).send(&missing).await;
            assert_eq!(answer.status, status, "{method}");
        }
    }
}
