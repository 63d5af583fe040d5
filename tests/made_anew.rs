//! A user that is deleted and made anew by others while a delete run is under way:
//! what belongs to the new person stays.

use crate::support::{
    Fault, LocalAws, Run, Sandbox, active_keys_of, add_every_blocker, assert_complete,
    aws_with_alex, aws_with_files, begin_upload, set_end,
};

/// What alex uploads after having been made anew.
const NEW_FILES: [&str; 2] = ["alex/new.txt", "alex/report.txt"];

const MADE_ANEW: &str =
    "user alex was deleted and created again meanwhile; the new user and its files stay";

/// Deletes alex, makes alex anew and has the new alex upload, one file under the name
/// of an old one. Returns the directory with the new key.
async fn make_anew(aws: &LocalAws) -> Sandbox {
    let other = Sandbox::new(aws);
    other.delete("alex", &[]).await.succeeded();
    other.create("alex", &[]).await.succeeded();
    for key in NEW_FILES {
        aws.put("shared", key).await;
    }
    begin_upload(aws, "alex/unfinished").await;
    other
}

/// Makes alex anew while a call of a delete run is held up.
async fn made_anew_while_held(
    aws: &LocalAws,
    options: &[&str],
    (operation, skip): (&str, usize),
) -> (Run, Sandbox) {
    aws.faults.at(operation, skip, 1, Fault::Pause);
    let sandbox = Sandbox::new(aws);
    let started = sandbox.start("delete_s3_user", &[&["-b", "shared"], options].concat());
    aws.faults.paused().await;
    let other = make_anew(aws).await;
    aws.faults.resume();
    (started.ended().await, other)
}

/// Asserts that the run says why it stopped and doesn't advise what would delete the
/// new user.
#[track_caller]
fn assert_stopped(run: Run, why: &str, what: &str) {
    let run = run.failed_with(why);
    for advice in ["same command", "left: "] {
        assert!(!run.stderr.contains(advice), "{what}: {run:?}");
    }
}

#[track_caller]
fn assert_new_alex_is_whole(aws: &LocalAws, other: &Sandbox, what: &str) {
    assert_complete(aws, other, "alex");
    assert_eq!(active_keys_of(aws, "alex").len(), 1, "{what}");
    let keys = aws.keys("shared");
    for key in NEW_FILES {
        assert!(keys.contains(&key.to_owned()), "{what}: {keys:?}");
    }
    assert_eq!(aws.uploads("shared"), ["alex/unfinished"], "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_policy_of_a_user_made_anew_stay() {
    let of_alex: &[&str] = &["-u", "alex"];
    for (access, options, held) in [
        // Before the first pass over the folder: the policy, then the files.
        ("read", of_alex, ("DeleteAccessKey", 0)),
        ("read", of_alex, ("DeletePolicy", 0)),
        // Before a later one.
        ("read", of_alex, ("DeleteObjects", 0)),
        ("read", of_alex, ("ListMultipartUploads", 0)),
        // Before the one for what arrives late.
        ("read-write", of_alex, ("ListObjectsV2", 1)),
        // After the folder, where the policy goes last.
        ("read", &["--expired"], ("DeleteObjects", 0)),
        ("read", &["--expired"], ("ListObjectsV2", 1)),
    ] {
        let what = format!("{options:?} {held:?}");
        let (aws, _) = aws_with_alex(&["--access", access, "--expires", "9d"]).await;
        if options == ["--expired"] {
            set_end(&aws, "alex", "2020-01-01T00:00:00Z");
        }
        let (run, other) = made_anew_while_held(&aws, options, held).await;
        assert_stopped(run, MADE_ANEW, &what);
        assert_new_alex_is_whole(&aws, &other, &what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_user_made_anew_stay() {
    let (aws, _) = aws_with_alex(&[]).await;
    aws.keep_versions("shared").await;
    let delete = aws.s3_client().delete_object().bucket("shared");
    delete.key("alex/2026/may.csv").send().await.unwrap();
    for skip in 0..2 {
        let aws = aws.copy().await;
        let options = ["-u", "alex", "--all-versions"];
        let held = ("DeleteObjects", skip);
        let (run, other) = made_anew_while_held(&aws, &options, held).await;
        assert_stopped(run, MADE_ANEW, &format!("{held:?}"));
        assert_new_alex_is_whole(&aws, &other, &format!("{held:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn login_and_groups_of_a_user_made_anew_stay() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    add_every_blocker(&aws, "alex").await;
    aws.faults.once("DeleteUserPolicy", Fault::Pause);
    let started = sandbox.start_delete("alex", &[]);
    aws.faults.paused().await;
    let other = make_anew(&aws).await;
    let iam = aws.iam_client();
    let login = iam.create_login_profile().user_name("alex");
    login.password("Correct-horse-7").send().await.unwrap();
    let join = iam.add_user_to_group().user_name("alex");
    join.group_name("partners").send().await.unwrap();
    aws.faults.resume();
    assert_stopped(started.ended().await, MADE_ANEW, "login");
    assert_new_alex_is_whole(&aws, &other, "login");
    iam.get_login_profile().user_name("alex").send().await.unwrap();
    let groups = iam.list_groups_for_user().user_name("alex").send().await;
    assert_eq!(groups.unwrap().groups.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_to_go_on_with_a_user_made_anew_whatever_failed() {
    // The second of two deletions of the policy is the held run's, of the new policy.
    for refused in [None, Some(Fault::DENIED)] {
        let (aws, _) = aws_with_alex(&[]).await;
        if let Some(fault) = refused {
            aws.faults.at("DeletePolicy", 1, 1, fault);
        }
        let held = ("DetachUserPolicy", 0);
        let (run, other) = made_anew_while_held(&aws, &["-u", "alex"], held).await;
        let what = format!("{refused:?}");
        assert_stopped(run, MADE_ANEW, &what);
        assert_new_alex_is_whole(&aws, &other, &what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_user_made_where_there_was_none_stay() {
    for (operation, skip) in [("GetUser", 1), ("DeleteObjects", 0), ("ListMultipartUploads", 0)] {
        let aws = aws_with_files().await;
        aws.faults.at(operation, skip, 1, Fault::Pause);
        let (sandbox, other) = (Sandbox::new(&aws), Sandbox::new(&aws));
        let started = sandbox.start_delete("alex", &["--force"]);
        aws.faults.paused().await;
        other.create("alex", &[]).await.succeeded();
        for key in NEW_FILES {
            aws.put("shared", key).await;
        }
        begin_upload(&aws, "alex/unfinished").await;
        aws.faults.resume();
        let why = "user alex was created meanwhile; the user and its files stay";
        assert_stopped(started.ended().await, why, operation);
        assert_new_alex_is_whole(&aws, &other, operation);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_of_a_user_that_another_run_deleted_is_emptied_to_its_end() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.once("DeleteObjects", Fault::Pause);
    let started = sandbox.start_delete("alex", &[]);
    aws.faults.paused().await;
    let other = Sandbox::new(&aws).delete("alex", &[]).await;
    other.succeeded();
    aws.put("shared", "alex/late.txt").await;
    aws.faults.resume();
    started.ended().await.succeeded();
    assert!(!aws.keys("shared").contains(&"alex/late.txt".to_owned()));
}

#[tokio::test]
async fn files_of_a_user_made_anew_while_others_are_looked_for_stay() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    sandbox.create("alex", &[]).await.succeeded();
    aws.faults.at("ListUsers", 1, 1, Fault::Pause);
    let started = sandbox.start_delete("alex", &[]);
    aws.faults.paused().await;
    let other = Sandbox::new(&aws);
    other.delete("alex", &["--keep-objects"]).await.succeeded();
    other.create("alex", &[]).await.succeeded();
    aws.faults.resume();
    started.ended().await.failed_with("was deleted and created again meanwhile");
    assert_complete(&aws, &other, "alex");
    assert_eq!(aws.keys("shared").len(), 4);
}

#[tokio::test]
async fn who_the_user_is_costs_few_calls() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.put_many("shared", (0..2500).map(|number| format!("alex/{number}")));
    sandbox.delete("alex", &[]).await.succeeded();
    // When it is looked up, before anything goes, before its policy, before the folder, and
    // before it goes itself; not for each of three pages, nor for a last look at nothing.
    assert_eq!(aws.faults.counts()["GetUser"], 5);
    assert_eq!(aws.faults.counts()["ListUsers"], 2);
}
