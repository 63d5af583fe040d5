//! Who else lives at a folder is found also where things are in the way: users renamed or
//! changed by hand, calls that are refused or answered wrongly. Where it can't be told,
//! nothing is deleted.

use crate::support::{
    Fault, LocalAws, Run, Sandbox, add_user_of_the_scripts, assert_usage, attach_policy, is_gone,
    keys_of, rename_user, set_end, set_folder_tag, set_path,
};

const ACME: [&str; 2] = ["--folder", "customers/acme/"];

/// A world with a folder of anna-smith, whose programs take it for AWS.
async fn world() -> (LocalAws, Sandbox) {
    let aws = LocalAws::start().await;
    let files = ["anna-smith/report.txt", "customers/acme/a.txt", "customers/zzz/b.txt"];
    aws.add_bucket("shared", &files).await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    (aws, sandbox)
}

/// The same with a user anna-smith that is called anna-jones now.
async fn world_with_renamed() -> (LocalAws, Sandbox) {
    let (aws, sandbox) = world().await;
    sandbox.create("anna-smith", &[]).await.succeeded();
    rename_user(&aws, "anna-smith", "anna-jones").await;
    (aws, sandbox)
}

#[track_caller]
fn assert_files(aws: &LocalAws, count: usize, run: &Run) {
    assert_eq!(aws.keys("shared").len(), count, "{run:?}");
}

#[tokio::test]
async fn policy_that_can_not_be_read_stops_a_deletion() {
    let (aws, sandbox) = world_with_renamed().await;
    sandbox.create("kim", &["--folder", "anna-smith/"]).await.succeeded();
    for fault in [Fault::Refuse(500, ""), Fault::BROKEN, Fault::DENIED, Fault::EMPTY] {
        aws.faults.always("GetPolicy", fault);
        let run = sandbox.delete("kim", &[]).await.failed_with("GetPolicy");
        assert_files(&aws, 3, &run);
        assert_eq!(keys_of(&aws, "kim").len(), 1);
        aws.faults.forget();
    }
}

#[tokio::test]
async fn policy_given_to_another_user_of_ours_keeps_the_folder() {
    let (aws, sandbox) = world().await;
    for user in ["anna-smith", "bob"] {
        sandbox.create(user, &[]).await.succeeded();
    }
    attach_policy(&aws, "bob", "arn:aws:iam::123456789012:policy/s3-access-for-anna-smith").await;
    let run = sandbox.delete("anna-smith", &[]).await.succeeded();
    assert!(run.stderr.contains("s3://shared/anna-smith/ stays: it is shared with user bob"));
    assert_files(&aws, 3, &run);
}

#[tokio::test]
async fn renamed_user_is_found_without_sts() {
    let (aws, sandbox) = world_with_renamed().await;
    aws.faults.always("GetCallerIdentity", Fault::DENIED);
    let run = sandbox.create("kim", &["--folder", "anna-smith/"]).await.succeeded();
    assert!(run.stderr.contains("is shared with user anna-jones"), "{run:?}");
    let run = sandbox.delete("anna-smith", &["--force"]).await;
    let run = run.failed_with("is used by users anna-jones, kim, so it was not deleted");
    assert_files(&aws, 3, &run);
}

#[tokio::test]
async fn user_with_a_name_that_we_take_no_more_lives_there_too() {
    let (aws, sandbox) = world().await;
    sandbox.create("anna-smith", &[]).await.succeeded();
    rename_user(&aws, "anna-smith", "-anna").await;
    let run = sandbox.create("kim", &["--folder", "anna-smith/"]).await.succeeded();
    assert!(run.stderr.contains("is shared with user -anna"), "{run:?}");
    let run = sandbox.delete("kim", &[]).await.succeeded();
    assert_files(&aws, 3, &run);
}

#[tokio::test]
async fn neighbour_lives_wherever_anything_says() {
    for (tag, path) in [
        (Some("elsewhere/"), "/"),
        (None, "/s3-user/shared/folder/elsewhere/"),
        (Some("=ZZ/"), "/"),
        (Some("anna-smith/"), "/s3-user/shared/folder/anna-smith/x/"),
    ] {
        let (aws, sandbox) = world().await;
        sandbox.create("anna-smith", &[]).await.succeeded();
        set_folder_tag(&aws, "anna-smith", tag);
        set_path(&aws, "anna-smith", path);
        let run = sandbox.create("kim", &["--folder", "anna-smith/sub/"]).await;
        run.failed_with("is inside the folder of user anna-smith");
        let run = sandbox.create("kim", &["--folder", "anna-smith/"]).await;
        if path.ends_with("/x/") {
            run.failed_with("holds the folder of user anna-smith");
            continue;
        }
        assert!(
            run.succeeded().stderr.contains("is shared with user anna-smith"),
            "{tag:?} {path}"
        );
        let run = sandbox.delete("kim", &[]).await.succeeded();
        assert_files(&aws, 3, &run);
    }
}

#[tokio::test]
async fn list_that_leaves_the_user_itself_out_is_not_believed() {
    for answer in [
        "<ListUsersResponse><ListUsersResult><IsTruncated>false</IsTruncated>\
         </ListUsersResult></ListUsersResponse>",
        "<ListUsersResponse><ListUsersResult><IsTruncated>false</IsTruncated><Users/>\
         </ListUsersResult></ListUsersResponse>",
        "<ListUsersResponse><ListUsersResult><IsTruncated>false</IsTruncated><Users><member>\
         <UserName>bob</UserName><UserId>AIDAX</UserId><Arn>arn:aws:iam::1:user/bob</Arn>\
         <CreateDate>2026-01-01T00:00:00Z</CreateDate></member></Users>\
         </ListUsersResult></ListUsersResponse>",
    ] {
        let (aws, sandbox) = world().await;
        for user in ["ann", "bob"] {
            sandbox.create(user, &ACME).await.succeeded();
        }
        aws.faults.always("ListUsers", Fault::Answer(answer));
        let run = sandbox.delete("bob", &[]).await;
        let run = run.failed_with("ListUsers doesn't find user bob by its IAM path");
        assert_files(&aws, 3, &run);
        assert_eq!(keys_of(&aws, "bob").len(), 1);
    }
}

#[tokio::test]
async fn user_of_another_bucket_that_was_renamed_lives_elsewhere() {
    let (aws, sandbox) = world().await;
    aws.add_bucket("other", &[]).await;
    let other = ["-b", "other", "-u", "anna-smith"];
    sandbox.run("create_s3_user", &other).await.succeeded();
    rename_user(&aws, "anna-smith", "anna-jones").await;
    let run = sandbox.create("kim", &["--folder", "anna-smith/"]).await.succeeded();
    assert!(!run.stderr.contains("is shared with"), "{run:?}");
    let run = sandbox.delete("kim", &[]).await.succeeded();
    assert_files(&aws, 2, &run);
}

#[tokio::test]
async fn files_of_somebody_who_moves_in_meanwhile_stay() {
    let (aws, sandbox) = world().await;
    sandbox.create("bob", &ACME).await.succeeded();
    aws.faults.once("DeleteObjects", Fault::Pause);
    let started = sandbox.start_delete("bob", &[]);
    aws.faults.paused().await;
    sandbox.create("ann", &ACME).await.succeeded();
    aws.put("shared", "customers/acme/of-ann.txt").await;
    aws.faults.resume();
    let run = started.ended().await.failed_with("by now user ann has");
    assert!(aws.keys("shared").contains(&"customers/acme/of-ann.txt".to_owned()), "{run:?}");
    sandbox.delete("bob", &[]).await.succeeded();
    assert!(aws.keys("shared").contains(&"customers/acme/of-ann.txt".to_owned()));
}

#[tokio::test]
async fn forced_deletion_is_finished_by_running_it_again() {
    let (aws, sandbox) = world().await;
    add_user_of_the_scripts(&aws, "anna-smith", "shared").await;
    let iam = aws.iam_client();
    iam.create_group().group_name("partners").send().await.unwrap();
    let join = iam.add_user_to_group().user_name("anna-smith").group_name("partners");
    join.send().await.unwrap();
    sandbox.delete("anna-smith", &[]).await.failed_with("is in group partners");
    for operation in ["DeleteObjects", "DetachUserPolicy", "DeletePolicy", "DeleteUser"] {
        aws.faults.once(operation, Fault::DENIED);
        let run = sandbox.delete("anna-smith", &["--force"]).await;
        assert_eq!(run.code, Some(1), "{operation}: {run:?}");
        aws.faults.forget();
    }
    let options: &[&str] =
        if keys_of(&aws, "anna-smith").is_empty() && aws.keys("shared").len() == 2 {
            &["--force", "--keep-objects"]
        } else {
            &["--force"]
        };
    sandbox.delete("anna-smith", options).await.succeeded();
    assert!(is_gone(&aws, "anna-smith"));
    assert_eq!(aws.keys("shared").len(), 2);
}

#[tokio::test]
async fn expired_user_is_deleted_without_asking_who_else_has_its_policy() {
    let (aws, sandbox) = world().await;
    sandbox.create("anna-smith", &["--expires", "9d"]).await.succeeded();
    set_end(&aws, "anna-smith", "2020-01-01T00:00:00Z");
    aws.faults.always("ListEntitiesForPolicy", Fault::DENIED);
    sandbox.run("delete_s3_user", &["-b", "shared", "--expired"]).await.succeeded();
    assert!(is_gone(&aws, "anna-smith"));
    assert_eq!(aws.keys("shared").len(), 2);
}

#[tokio::test]
async fn folder_to_be_read_besides_is_noted_where_its_users_are_unknown() {
    let (aws, sandbox) = world().await;
    sandbox.create("kim", &[]).await.succeeded();
    aws.faults.always("ListUsers", Fault::DENIED);
    let run = sandbox.create("kim", &["--update", "--also-read", "anna-smith/"]).await.succeeded();
    let note = "note: can't tell who else has anna-smith/: ListUsers: AccessDenied";
    assert!(run.stderr.contains(note), "{run:?}");
}

#[tokio::test]
async fn store_that_refuses_tags_keeps_the_path() {
    let (aws, _) = world().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.refuse_tags();
    sandbox.create("lee", &["--inline-policy"]).await.succeeded();
    let path = aws.iam(|iam| iam.users["lee"].path.clone());
    assert_eq!(path, "/s3-user/shared/folder/lee/");
}

#[tokio::test]
async fn folder_in_json_is_null_where_it_is_not_known() {
    let (aws, sandbox) = world().await;
    sandbox.create("bob", &ACME).await.succeeded();
    aws.faults.always("GetUser", Fault::DENIED);
    let run = sandbox.delete("bob", &["--json"]).await;
    assert!(run.json()["prefix"].is_null(), "{run:?}");
    let run = sandbox.create("bob", &["--rotate-key", "--json"]).await;
    assert!(run.json()["prefix"].is_null(), "{run:?}");
}

#[tokio::test]
async fn users_that_are_gone_share_a_folder_with_those_of_the_run() {
    let (aws, sandbox) = world().await;
    sandbox.create("ann", &ACME).await.succeeded();
    sandbox.create("zed", &ACME).await.succeeded();
    let args = ["-b", "shared", "-u", "ghost", "-u", "ann", "-u", "zed", "--force"];
    let run = sandbox.run("delete_s3_user", &[&args[..], &ACME].concat()).await.succeeded();
    assert_files(&aws, 2, &run);
    assert!(is_gone(&aws, "ann") && is_gone(&aws, "zed"));
}

#[tokio::test]
async fn path_that_would_name_a_folder_is_refused() {
    let (aws, sandbox) = world().await;
    for path in ["/s3-user/shared/folder/kim/", "/s3-user/shared/folder/x/"] {
        let run = sandbox.create("kim", &["--path", path]).await;
        assert_usage(&run, "give that by --folder");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
    sandbox.create("kim", &["--path", "/s3-user/other/folder/x/"]).await.succeeded();
}
