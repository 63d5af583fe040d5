//! Deleting users whose folders are not named after them, are shared, or lie beside, inside
//! or around those of others: what must stay stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::properties::{allows_list, allows_object};
use crate::support::{
    Fault, LocalAws, Run, Sandbox, aws_with_files, edit_policy, is_gone, keys_of, rename_user,
    set_folder_tag, set_path, tag_of,
};

const ACME: [&str; 2] = ["--folder", "customers/acme/"];

const OF_ACME: [&str; 2] = ["customers/acme/a.txt", "customers/acme/sub/b.txt"];

/// What is near the folder of acme, and nobody's in these tests.
const BESIDE: [&str; 5] = [
    "alex/report.txt",
    "customers/acme",
    "customers/acme2/c.txt",
    "customers/d.txt",
    "customers/Acme/e.txt",
];

async fn aws_with_customers() -> LocalAws {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &[&OF_ACME[..], &BESIDE].concat()).await;
    aws.add_bucket("other", &OF_ACME).await;
    aws
}

#[track_caller]
fn assert_only_acme_is_empty(aws: &LocalAws) {
    let mut beside = BESIDE.map(str::to_owned);
    beside.sort();
    assert_eq!(aws.keys("shared"), beside);
    assert_eq!(aws.keys("other"), OF_ACME);
}

#[track_caller]
fn assert_nothing_is_deleted(aws: &LocalAws) {
    assert_eq!(aws.keys("shared").len(), BESIDE.len() + OF_ACME.len());
}

/// Says all notes of a run.
fn notes(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.contains("note: ")).collect()
}

#[tokio::test]
async fn own_folder_goes_and_nothing_beside_it() {
    for options in [&ACME[..], &[&ACME[..], &["--inline-policy"]].concat()] {
        for sandbox_of in [Sandbox::new, Sandbox::with_host_of_aws] {
            let aws = aws_with_customers().await;
            let sandbox = sandbox_of(&aws);
            sandbox.create("bob", options).await.succeeded();
            let run = sandbox.delete("bob", &["--json"]).await.succeeded();
            assert_eq!(run.json()["prefix"], "customers/acme/");
            assert_only_acme_is_empty(&aws);
            assert!(is_gone(&aws, "bob"));
        }
    }
}

#[tokio::test]
async fn shared_folder_goes_with_the_last_of_its_users() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("ann", &ACME).await.succeeded();
    let run = sandbox.create("bob", &ACME).await.succeeded();
    assert_eq!(notes(&run), ["note: s3://shared/customers/acme/ is shared with user ann"]);

    let note = "note: s3://shared/customers/acme/ stays: it is shared with user bob";
    for force in [&["--dry-run"][..], &["--force"]] {
        let run = sandbox.delete("ann", force).await.succeeded();
        assert!(notes(&run).contains(&note), "{run:?}");
        assert_nothing_is_deleted(&aws);
    }
    assert!(is_gone(&aws, "ann") && !is_gone(&aws, "bob"));
    sandbox.delete("bob", &[]).await.succeeded();
    assert_only_acme_is_empty(&aws);
}

#[tokio::test]
async fn folder_called_like_a_user_is_shared_with_that_one_too() {
    for sandbox_of in [Sandbox::new, Sandbox::with_host_of_aws] {
        let aws = aws_with_files().await;
        let sandbox = sandbox_of(&aws);
        sandbox.create("alex", &[]).await.succeeded();
        let run = sandbox.create("bob", &["--folder", "alex/"]).await.succeeded();
        assert!(run.stderr.contains("s3://shared/alex/ is shared with user alex"), "{run:?}");
        for (user, other) in [("bob", "alex"), ("alex", "bob")] {
            let before = aws.keys("shared");
            let run = sandbox.delete(user, &["--dry-run"]).await.succeeded();
            assert!(run.stderr.contains(&format!("shared with user {other}")), "{run:?}");
            assert!(!run.stderr.contains("Would delete 2 objects"), "{run:?}");
            assert_eq!(aws.keys("shared"), before);
        }
        sandbox.delete("alex", &[]).await.succeeded();
        assert_eq!(aws.keys("shared").len(), 4);
        sandbox.delete("bob", &[]).await.succeeded();
        assert_eq!(aws.keys("shared"), ["alexander/secret.txt", "jaime/photo.jpg"]);
    }
}

#[tokio::test]
async fn users_of_one_run_take_their_folder_along() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    for user in ["ann", "bob", "cleo"] {
        sandbox.create(user, &ACME).await.succeeded();
    }
    let users = ["-u", "bob", "-u", "ann", "-u", "cleo"];
    let dry_run = [&["-b", "shared", "--dry-run"], &users[..]].concat();
    let run = sandbox.run("delete_s3_user", &dry_run).await.succeeded();
    let note =
        "note: ann, bob: s3://shared/customers/acme/ is deleted with user cleo, who shares it\n";
    assert!(run.stderr.contains(note), "{run:?}");
    assert!(run.stderr.contains("is shared with users ann, bob, to be deleted first"), "{run:?}");
    assert_eq!(run.stdout.matches(", 2 objects\n").count(), 1, "{run:?}");
    assert_nothing_is_deleted(&aws);

    let two = ["-b", "shared", "-u", "bob", "-u", "ann"];
    sandbox.run("delete_s3_user", &two).await.succeeded();
    assert_nothing_is_deleted(&aws);
    for user in ["ann", "bob"] {
        sandbox.create(user, &[&ACME[..], &["-o", "home"]].concat()).await.succeeded();
    }
    let all = [&["-b", "shared"], &users[..]].concat();
    let run = sandbox.run("delete_s3_user", &all).await.succeeded();
    assert!(run.stderr.contains(note) && !run.stderr.contains("to be deleted first"), "{run:?}");
    assert_only_acme_is_empty(&aws);
    assert!(["ann", "bob", "cleo"].iter().all(|user| is_gone(&aws, user)));
}

#[tokio::test]
async fn last_of_a_run_leaves_the_folder_to_one_who_could_not_be_deleted() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    for user in ["ann", "bob"] {
        sandbox.create(user, &ACME).await.succeeded();
    }
    aws.faults.at("DeleteUser", 0, 1, Fault::DENIED);
    let users = ["-b", "shared", "-u", "ann", "-u", "bob"];
    let run = sandbox.run("delete_s3_user", &users).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("stays: by now user ann has"), "{run:?}");
    assert_nothing_is_deleted(&aws);
    assert!(!is_gone(&aws, "ann") && !is_gone(&aws, "bob"));
    aws.faults.forget();
    sandbox.run("delete_s3_user", &users).await.succeeded();
    assert_only_acme_is_empty(&aws);
}

#[tokio::test]
async fn folder_with_somebody_inside_stays_whatever_is_forced() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("acme", &["--folder", "customers/acme/sub/"]).await.succeeded();
    sandbox.create("bob", &["--folder", "customers/x/"]).await.succeeded();
    // As an admin could, who edits policy, tag and path by hand.
    edit_policy(&aws, "s3-access-for-bob", "customers/x/", "customers/");
    set_folder_tag(&aws, "bob", Some("customers/"));
    set_path(&aws, "bob", "/s3-user/shared/folder/customers/");
    for options in
        [&[][..], &["--force"], &["--all-versions"], &["--force", "--folder", "customers/"]]
    {
        let run = sandbox.delete("bob", options).await;
        let run = run.failed_with("s3://shared/customers/ holds the folder of user acme");
        let hint = "to delete the user alone: delete_s3_user -b shared -u bob --keep-objects";
        assert!(run.stderr.contains(hint), "{run:?}");
        assert_nothing_is_deleted(&aws);
        assert!(!is_gone(&aws, "bob"));
        assert_eq!(keys_of(&aws, "bob").len(), 1);
    }
    // And whoever lives inside leaves what is around.
    let run = sandbox.delete("acme", &[]).await.succeeded();
    assert!(run.stderr.contains("stays: it is shared with user bob"), "{run:?}");
    assert_nothing_is_deleted(&aws);
    sandbox.delete("bob", &["--keep-objects"]).await.succeeded();
    assert_nothing_is_deleted(&aws);
}

#[tokio::test]
async fn renamed_user_takes_its_own_folder_along_and_not_that_of_its_new_name() {
    for options in [&[][..], &["--inline-policy"]] {
        for is_earlier in [false, true] {
            let aws = LocalAws::start().await;
            let files = ["anna-jones/private.txt", "anna-smith/report.txt"];
            aws.add_bucket("shared", &files).await;
            let sandbox = Sandbox::with_host_of_aws(&aws);
            sandbox.create("anna-smith", options).await.succeeded();
            if is_earlier {
                set_folder_tag(&aws, "anna-smith", None);
                set_path(&aws, "anna-smith", "/");
            }
            rename_user(&aws, "anna-smith", "anna-jones").await;

            let run = sandbox.delete("anna-jones", &[]).await.succeeded();
            assert_eq!(aws.keys("shared"), ["anna-jones/private.txt"], "{run:?}");
            assert!(is_gone(&aws, "anna-jones") && is_gone(&aws, "anna-smith"), "{run:?}");
            let is_said = run.stderr.contains("user anna-jones was renamed in IAM: ");
            assert_eq!(is_said, options.is_empty() || is_earlier, "{run:?}");
        }
    }
}

#[tokio::test]
async fn renamed_user_is_deleted_wholly_also_after_an_interruption() {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["anna-jones/private.txt", "anna-smith/report.txt"]).await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("anna-smith", &[]).await.succeeded();
    rename_user(&aws, "anna-smith", "anna-jones").await;
    for call in ["DetachUserPolicy", "DeletePolicy", "DeleteObjects"] {
        aws.faults.once(call, Fault::Pause);
        sandbox.start_delete("anna-jones", &[]).killed_while_paused(&aws).await;
        aws.faults.resume();
        aws.faults.forget();
    }
    sandbox.delete("anna-jones", &[]).await.succeeded();
    assert_eq!(aws.keys("shared"), ["anna-jones/private.txt"]);
    assert!(is_gone(&aws, "anna-jones") && is_gone(&aws, "anna-smith"));
}

#[tokio::test]
async fn new_user_does_not_get_the_folder_of_a_renamed_one_unnoticed() {
    for options in [&[][..], &["--inline-policy"]] {
        let aws = LocalAws::start().await;
        aws.add_bucket("shared", &["anna-smith/report.txt"]).await;
        let sandbox = Sandbox::with_host_of_aws(&aws);
        sandbox.create("anna-smith", options).await.succeeded();
        rename_user(&aws, "anna-smith", "anna-jones").await;
        // A user of that name would have its folder.
        let run = sandbox.create("anna-smith", &["-o", "home"]).await;
        if options.is_empty() {
            let run = run.failed_with("s3-access-for-anna-smith already exists");
            assert!(run.stderr.contains("anna-jones"), "{run:?}");
        } else {
            assert!(run.succeeded().stderr.contains("is shared with user anna-jones"));
        }
        let run = sandbox.create("kim", &["--folder", "anna-smith/"]).await.succeeded();
        assert!(run.stderr.contains("anna-jones"), "{run:?}");
        let run = sandbox.create("lee", &["--folder", "anna-smith/sub/"]).await;
        run.failed_with("is inside the folder of");
        // Nor does anybody take it away.
        sandbox.delete("kim", &[]).await.succeeded();
        sandbox.delete("anna-smith", &["--force"]).await;
        assert_eq!(aws.keys("shared"), ["anna-smith/report.txt"]);
    }
}

#[tokio::test]
async fn folder_that_is_not_clear_is_not_deleted() {
    for (tag, path, policy, said) in [
        (Some("alex/"), None, None, "its tag says alex/"),
        (Some("customers/"), None, None, "its tag says customers/"),
        (Some(""), None, None, "its tag says \"\", which is no folder"),
        (Some("customers/acme"), None, None, "which is no folder"),
        (Some("=2A/"), None, None, "its tag says \"=2A/\", which is no folder"),
        (None, Some("alex/"), None, "its IAM path says alex/"),
        (None, Some("a=zz/"), None, "its IAM path says \"a=zz/\", which is no folder"),
        (None, None, Some("alex/"), "its policy s3-access-for-bob says alex/"),
        (Some("alex/"), Some("alex/"), None, "says customers/acme/"),
        (Some("alex/"), None, Some("alex/"), "its IAM path says customers/acme/"),
    ] {
        let aws = aws_with_customers().await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create("bob", &ACME).await.succeeded();
        if let Some(tag) = tag {
            set_folder_tag(&aws, "bob", Some(tag));
        }
        if let Some(path) = path {
            set_path(&aws, "bob", &format!("/s3-user/shared/folder/{path}"));
        }
        if let Some(policy) = policy {
            edit_policy(&aws, "s3-access-for-bob", "customers/acme/", policy);
        }
        for options in [&[][..], &["--force"], &["--folder", "alex/"]] {
            let run = sandbox.delete("bob", options).await;
            let run = run.failed_with("it is not clear which folder user bob has");
            assert!(run.stderr.contains(said), "{said}: {run:?}");
            assert!(run.stderr.contains("--keep-objects"), "{run:?}");
            assert_nothing_is_deleted(&aws);
            assert_eq!(keys_of(&aws, "bob").len(), 1);
        }
        sandbox.delete("bob", &["--keep-objects"]).await.succeeded();
        assert!(is_gone(&aws, "bob"));
        assert_nothing_is_deleted(&aws);
    }
}

#[tokio::test]
async fn folder_that_nothing_says_is_asked_for() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &["--inline-policy"]).await.succeeded();
    set_folder_tag(&aws, "alex", None);
    set_path(&aws, "alex", "/");
    edit_policy(&aws, "s3-access", "s3:GetBucketLocation", "s3:GetBucketAcl");
    for options in [&[][..], &["--force"]] {
        let run = sandbox.delete("alex", options).await;
        let run = run.failed_with("nothing says which folder user alex has");
        for hint in ["-u alex --keep-objects", "--folder FOLDER/"] {
            assert!(run.stderr.contains(hint), "{run:?}");
        }
        assert_eq!(run.stderr.matches("--force").count(), 2 * options.len(), "{run:?}");
        assert_eq!(aws.keys("shared").len(), 4);
    }
    // It counts only after a look at who lives there.
    sandbox.create("jaime", &[]).await.succeeded();
    let run = sandbox.delete("alex", &["--folder", "jaime", "--dry-run"]).await.succeeded();
    assert!(run.stderr.contains("stays: it is shared with user jaime"), "{run:?}");
    assert!(run.stderr.contains("added the missing /: the folder is jaime/"), "{run:?}");
    sandbox.delete("alex", &["--folder", "alex/"]).await.succeeded();
    assert_eq!(aws.keys("shared"), ["alexander/secret.txt", "jaime/photo.jpg"]);
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn other_folder_than_the_recorded_one_is_refused() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("bob", &ACME).await.succeeded();
    for other in ["customers/", "customers/acme2/", "bob/", "customers/acme/sub/"] {
        let run = sandbox.delete("bob", &["--folder", other]).await;
        run.failed_with(&format!("user bob has the folder customers/acme/, not {other}"));
        let table = format!("user,folder\nbob,{other}\n");
        std::fs::write(sandbox.path().join("users.csv"), table).unwrap();
        let from = ["-b", "shared", "--users-from", "users.csv"];
        let run = sandbox.run("delete_s3_user", &from).await;
        run.failed_with("user bob has the folder customers/acme/");
    }
    assert_nothing_is_deleted(&aws);
    sandbox.delete("bob", &ACME).await.succeeded();
    assert_only_acme_is_empty(&aws);
}

#[tokio::test]
async fn user_of_another_bucket_takes_no_folder_here_along() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    let other = ["-b", "other", "-u", "bob", "--folder", "customers/acme/"];
    sandbox.run("create_s3_user", &other).await.succeeded();
    let run = sandbox.delete("bob", &["--force"]).await;
    run.failed_with("nothing says which folder user bob has");
    assert_nothing_is_deleted(&aws);
    sandbox.delete("bob", &["--force", "--keep-objects"]).await.succeeded();
    assert_nothing_is_deleted(&aws);
    assert_eq!(aws.keys("other"), OF_ACME);
}

#[tokio::test]
async fn folder_without_a_user_goes_only_where_nobody_lives() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("ann", &["--folder", "customers/acme/sub/"]).await.succeeded();
    for (folder, said) in [
        ("customers/", "holds the folder of user ann"),
        ("customers/acme/", "holds the folder of user ann"),
        ("customers/acme/sub/", "is used by user ann"),
        ("customers/acme/sub/deeper/", "is used by user ann"),
    ] {
        let run = sandbox.delete("ghost", &["--force", "--folder", folder]).await;
        run.failed_with(said);
        assert_nothing_is_deleted(&aws);
    }
    sandbox.delete("ann", &["--keep-objects"]).await.succeeded();
    sandbox.delete("ghost", &["--folder", "customers/acme/"]).await.failed_with("no user ghost");
    assert_nothing_is_deleted(&aws);
    sandbox.delete("ghost", &["--force", "--folder", "customers/acme/"]).await.succeeded();
    assert_only_acme_is_empty(&aws);
}

#[tokio::test]
async fn folder_stays_where_somebody_came_to_live_meanwhile() {
    for (folder, options) in [
        ("customers/acme/", &[][..]),
        ("customers/acme/sub/", &["--path", "/s3-user/shared/folder/customers/acme/sub/"]),
    ] {
        let aws = aws_with_customers().await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create("bob", &ACME).await.succeeded();
        aws.faults.once("DeletePolicy", Fault::Pause);
        let started = sandbox.start_delete("bob", &[]);
        aws.faults.paused().await;
        if options.is_empty() {
            sandbox.create("ann", &["--folder", folder]).await.succeeded();
        } else {
            let ann = aws.iam_client().create_user().user_name("ann").path(options[1]);
            ann.send().await.unwrap();
        }
        aws.faults.resume();
        let run = started.ended().await;
        run.failed_with("s3://shared/customers/acme/ stays: by now user ann has");
        assert_nothing_is_deleted(&aws);
        assert!(keys_of(&aws, "bob").is_empty() && !is_gone(&aws, "bob"));
        if options.is_empty() {
            sandbox.delete("bob", &[]).await.succeeded();
            assert_nothing_is_deleted(&aws);
            assert!(is_gone(&aws, "bob") && !is_gone(&aws, "ann"));
        }
    }
}

#[tokio::test]
async fn two_runs_that_both_keep_the_folder_say_how_to_delete_it() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("ann", &ACME).await.succeeded();
    sandbox.create("bob", &ACME).await.succeeded();
    aws.faults.at("DeleteAccessKey", 0, 1, Fault::Pause);
    let started = sandbox.start_delete("ann", &[]);
    aws.faults.paused().await;
    let run = sandbox.delete("bob", &[]).await.succeeded();
    assert!(!run.stderr.contains("no user has"), "{run:?}");
    aws.faults.resume();
    let run = started.ended().await.succeeded();
    let command = "options: delete_s3_user -b shared -u ann --force --folder \"customers/acme/\"";
    assert!(run.stderr.contains("no user has s3://shared/customers/acme/ any more"), "{run:?}");
    assert!(run.stderr.contains(command), "{run:?}");
    assert_nothing_is_deleted(&aws);
    let force = ["--force", "--folder", "customers/acme/"];
    sandbox.delete("ann", &force).await.succeeded();
    assert_only_acme_is_empty(&aws);
}

#[tokio::test]
async fn folder_is_not_touched_where_nobody_can_tell_who_lives_there() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("bob", &ACME).await.succeeded();
    aws.faults.always("ListUsers", Fault::DENIED);
    for options in [&[][..], &["--force"]] {
        let run = sandbox.delete("bob", options).await.failed_with("ListUsers: AccessDenied");
        assert!(run.stderr.contains("iam:ListUsers"), "{run:?}");
        assert_eq!(keys_of(&aws, "bob").len(), 1);
    }
    let run = sandbox.create("ann", &ACME).await.failed_with("ListUsers: AccessDenied");
    assert!(run.stderr.contains("iam:ListUsers"), "{run:?}");
    assert!(is_gone(&aws, "ann"));
    sandbox.create("kim", &[]).await.failed_with("ListUsers: AccessDenied");
    sandbox.delete("bob", &["--keep-objects"]).await.succeeded();
    assert_nothing_is_deleted(&aws);
}

#[tokio::test]
async fn folder_is_recorded_before_the_policy_of_an_earlier_version_goes() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    set_folder_tag(&aws, "alex", None);
    aws.faults.once("DetachUserPolicy", Fault::PauseBefore);
    sandbox.start_delete("alex", &[]).killed_while_paused(&aws).await;
    aws.faults.resume();
    assert_eq!(tag_of(&aws, "alex", "s3-user:folder").as_deref(), Some("alex/"));
    sandbox.delete("alex", &[]).await.succeeded();
    assert_eq!(aws.keys("shared"), ["alexander/secret.txt", "jaime/photo.jpg"]);
}

#[tokio::test]
async fn policy_of_somebody_else_makes_no_user_ours() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.iam_client().create_user().user_name("bob").send().await.unwrap();
    let arn = "arn:aws:iam::123456789012:policy/s3-access-for-alex";
    let attach = aws.iam_client().attach_user_policy().user_name("bob").policy_arn(arn);
    attach.send().await.unwrap();
    sandbox.delete("bob", &[]).await.failed_with("was not created by create_s3_user");
    // Bob can read what is in the folder, and so it stays for bob.
    let run = sandbox.delete("alex", &[]).await.succeeded();
    assert!(run.stderr.contains("s3://shared/alex/ stays: it is shared with user bob"), "{run:?}");
    assert_eq!(aws.keys("shared").len(), 4);
    assert!(!is_gone(&aws, "bob") && keys_of(&aws, "alex").is_empty());
}

/// One thing that an admin does.
#[derive(Debug, Clone)]
enum Act {
    Create { user: usize, folder: Option<usize>, is_inline: bool },
    Rename { user: usize, name: usize },
    Delete { users: Vec<usize> },
}

const NAMES: [&str; 5] = ["acme", "ann", "bob", "c", "zoe"];

const FOLDERS: [&str; 7] = ["acme/", "acme/x/", "c/a/", "c/a/b/", "c/ab/", "c a/", "zoe/"];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let user = || 0..NAMES.len();
    let act = prop_oneof![
        5 => (user(), prop::option::of(0..FOLDERS.len()), any::<bool>())
            .prop_map(|(user, folder, is_inline)| Act::Create { user, folder, is_inline }),
        1 => (user(), user()).prop_map(|(user, name)| Act::Rename { user, name }),
        3 => prop::collection::vec(user(), 1..4).prop_map(|users| Act::Delete { users }),
    ];
    prop::collection::vec(act, 4..14)
}

/// The users there should be by name, each with its folder and the name of its policy.
type Users = BTreeMap<String, (String, Option<String>)>;

/// The world that the acts should lead to.
#[derive(Debug, Default)]
struct Model {
    users: Users,
    files: BTreeSet<String>,
}

impl Model {
    /// Whether the user is made.
    fn create(&mut self, user: &str, folder: &str, is_inline: bool) -> bool {
        let overlaps = |other: &str| {
            other != folder && (other.starts_with(folder) || folder.starts_with(other))
        };
        let policy = (!is_inline).then(|| user.to_owned());
        let is_free = self
            .users
            .values()
            .all(|(other, named)| !overlaps(other) && (named.is_none() || *named != policy));
        let is_made = is_free && !self.users.contains_key(user);
        if is_made {
            self.users.insert(user.to_owned(), (folder.to_owned(), policy));
        }
        is_made
    }

    fn delete(&mut self, users: &[&str]) {
        for user in users {
            let (folder, _) = self.users.remove(*user).unwrap();
            if self.users.values().all(|(other, _)| *other != folder) {
                self.files.retain(|file| !file.starts_with(&folder));
            }
        }
    }
}

/// Does all of it, and asserts after each act that exactly the files of folders are gone
/// whose last user was deleted, and that nobody's policy reaches a folder not theirs.
async fn act_by_act(acts: &[Act]) {
    let aws = LocalAws::start().await;
    let names = NAMES.map(|name| format!("{name}/file"));
    let files: BTreeSet<_> =
        FOLDERS.iter().map(|folder| format!("{folder}file")).chain(names).collect();
    let keys: Vec<_> = files.iter().map(String::as_str).collect();
    aws.add_bucket("shared", &keys).await;
    let mut model = Model { files, ..Model::default() };
    for act in acts {
        let sandbox = Sandbox::new(&aws);
        match act {
            Act::Create { user, folder, is_inline } => {
                let folder = folder.map(|folder| FOLDERS[folder]);
                let mut options = Vec::new();
                options.extend(folder.iter().flat_map(|folder| ["--folder", folder]));
                options.extend(is_inline.then_some("--inline-policy"));
                let run = sandbox.create(NAMES[*user], &options).await;
                let folder = folder.map_or(format!("{}/", NAMES[*user]), str::to_owned);
                let is_made = model.create(NAMES[*user], &folder, *is_inline);
                assert_eq!(run.code == Some(0), is_made, "{act:?} {model:?} {run:?}");
            }
            Act::Rename { user, name } => {
                let (user, name) = (NAMES[*user], NAMES[*name]);
                if model.users.contains_key(user) && !model.users.contains_key(name) {
                    rename_user(&aws, user, name).await;
                    let renamed = model.users.remove(user).unwrap();
                    model.users.insert(name.to_owned(), renamed);
                }
            }
            Act::Delete { users } => {
                let users: BTreeSet<_> = users.iter().map(|user| NAMES[*user]).collect();
                let there = users.into_iter().filter(|user| model.users.contains_key(*user));
                let there: Vec<_> = there.collect();
                if !there.is_empty() {
                    let mut args = vec!["-b", "shared"];
                    args.extend(there.iter().flat_map(|user| ["-u", user]));
                    sandbox.run("delete_s3_user", &args).await.succeeded();
                    model.delete(&there);
                }
            }
        }
        let keys: BTreeSet<_> = aws.keys("shared").into_iter().collect();
        assert_eq!(keys, model.files, "{act:?} {model:?}");
        assert_isolated(&aws, &model.users, act);
    }
}

fn assert_isolated(aws: &LocalAws, users: &Users, act: &Act) {
    let mut there: Vec<_> = aws.iam(|iam| iam.users.keys().cloned().collect());
    there.retain(|user| user != "admin");
    there.sort();
    assert!(there.iter().eq(users.keys()), "{act:?}: {there:?} {users:?}");
    let made_up = ["a", "acme", "acme/y", "c/a", "c/abc/x", "c a", "c/"].map(str::to_owned);
    for (user, (folder, policy)) in users {
        let document = aws.iam(|iam| match policy {
            None => iam.user_inline_policies[user]["s3-access"].clone(),
            Some(name) => {
                let name = format!("s3-access-for-{name}");
                let mut policies = iam.policies.values();
                let policy = policies.find(|policy| policy.policy_name == name).unwrap();
                assert_eq!(iam.user_policies[user], std::slice::from_ref(&policy.arn));
                policy.versions[0].document.clone()
            }
        });
        let document: Value = serde_json::from_str(&document).unwrap();
        let inside = FOLDERS.iter().map(|folder| format!("{folder}new"));
        for key in made_up.iter().cloned().chain(inside) {
            let is_own = key.starts_with(folder);
            assert_eq!(allows_list(&document, "shared", &key), is_own, "{user} {key}");
            let gets = allows_object(&document, "s3:GetObject", "shared", &key);
            assert_eq!(gets, is_own, "{user} {key}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn folder_goes_with_its_last_user_in_whatever_order(acts in acts()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(act_by_act(&acts));
    }
}

/// Every call of a run that deletes both users of a folder, going wrong in several ways:
/// what is beside it stays, and running it again finishes.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_both_users_of_a_folder_survives_every_failing_call() {
    let users = ["-b", "shared", "-u", "ann", "-u", "bob"];
    let before = Arc::new(aws_with_customers().await);
    for user in ["ann", "bob"] {
        Sandbox::new(&before).create(user, &ACME).await.succeeded();
    }
    let aws = before.copy().await;
    Sandbox::new(&aws).run("delete_s3_user", &users).await.succeeded();
    let mut points = JoinSet::new();
    let at_a_time = Arc::new(Semaphore::new(8));
    for (operation, times) in aws.faults.counts() {
        for skip in 0..times {
            for fault in [Fault::DENIED, Fault::LoseAnswer] {
                let (operation, at_a_time) = (operation.clone(), at_a_time.clone());
                let before = before.clone();
                points.spawn(async move {
                    let _permit = at_a_time.acquire().await.unwrap();
                    let aws = before.copy().await;
                    let sandbox = Sandbox::new(&aws);
                    aws.faults.at(&operation, skip, 2, fault);
                    let run = sandbox.run("delete_s3_user", &users).await;
                    let what = format!("{operation} {skip} {fault:?}: {run:?}");
                    let beside =
                        BESIDE.iter().all(|key| aws.keys("shared").contains(&key.to_string()));
                    assert!(beside && aws.keys("other") == OF_ACME, "{what}");
                    if run.code != Some(0) {
                        aws.faults.forget();
                        let left = ["ann", "bob"].into_iter().filter(|user| !is_gone(&aws, user));
                        let left: Vec<_> = left.flat_map(|user| ["-u", user]).collect();
                        let args = [&users[..2], &left].concat();
                        let again = sandbox.run("delete_s3_user", &args).await;
                        assert_eq!(again.code, Some(0), "{what} {again:?}");
                    }
                    assert!(is_gone(&aws, "ann") && is_gone(&aws, "bob"), "{what}");
                    assert_only_acme_is_empty(&aws);
                });
            }
        }
    }
    println!("{} points", points.len());
    points.join_all().await;
}

/// Two creates at once whose folders overlap: neither can see the other. Both stand, and
/// the list says so; nothing is deleted then.
#[tokio::test(flavor = "multi_thread")]
async fn overlap_of_two_creates_at_once_is_listed() {
    for operation in ["ListUsers", "CreateUser"] {
        let aws = aws_with_customers().await;
        let sandbox = Sandbox::new(&aws);
        let pause = if operation == "ListUsers" { Fault::Pause } else { Fault::PauseBefore };
        aws.faults.once(operation, pause);
        let started = sandbox.start_create("ann", &["--folder", "customers/"]);
        aws.faults.paused().await;
        sandbox.create("bob", &ACME).await.succeeded();
        aws.faults.resume();
        started.ended().await.succeeded();
        let list = ["-b", "shared", "--list"];
        let run = sandbox.run("create_s3_user", &list).await.succeeded();
        for other in ["ann", "bob"] {
            let said = format!("folder overlaps with that of {other}");
            assert!(
                run.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(&said),
                "{run:?}"
            );
        }
        sandbox.delete("ann", &[]).await.failed_with("holds the folder of user bob");
        sandbox.delete("bob", &[]).await.succeeded();
        assert_nothing_is_deleted(&aws);
    }
}
