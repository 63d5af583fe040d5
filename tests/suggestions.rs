//! What may have been meant is named, where something isn't there.

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, assert_complete, assert_usage, aws_with_files,
    is_gone,
};

/// Exit code 1, and the one line of error, without the program's name.
#[track_caller]
fn error_of(run: Run) -> String {
    let run = run.failed_with("there is no ");
    let line = run.stderr.lines().find(|line| line.contains(": error: "));
    line.unwrap().split(": error: ").nth(1).unwrap().to_owned()
}

/// The errors of every command that needs the user to be there.
async fn errors(sandbox: &Sandbox, user: &str) -> Vec<String> {
    vec![
        error_of(sandbox.delete(user, &[]).await),
        error_of(sandbox.create(user, &["--rotate-key"]).await),
        error_of(sandbox.create(user, &["--update"]).await),
    ]
}

#[tokio::test]
async fn user_with_a_similar_name_is_named_and_not_touched() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("jaime", &[]).await.succeeded();
    for error in errors(&sandbox, "jamie").await {
        assert_eq!(error, "there is no user jamie; did you mean jaime?");
    }
    assert!(aws.iam(|iam| iam.users.contains_key("jaime")));
    assert!(aws.keys("shared").contains(&"jaime/photo.jpg".to_owned()));
}

#[tokio::test]
async fn folder_without_a_user_of_this_bucket_is_not_suggested() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for error in errors(&sandbox, "jamie").await {
        assert_eq!(error, "there is no user jamie");
    }
    aws.add_user("jaime", ALLOW_ALL).await;
    for error in errors(&sandbox, "jamie").await {
        assert_eq!(error, "there is no user jamie");
    }
}

#[tokio::test]
async fn bucket_with_a_similar_name_is_named_where_buckets_may_be_listed() {
    let aws = aws_with_files().await;
    let run = async |aws: &LocalAws, program| {
        let args = ["-b", "shraed", "-u", "alex"];
        error_of(Sandbox::new(aws).run(program, &args).await)
    };
    for program in ["create_s3_user", "delete_s3_user"] {
        let error = run(&aws, program).await;
        assert_eq!(error, "there is no bucket shraed; did you mean shared?");
    }
    aws.faults.always("ListBuckets", Fault::DENIED);
    for program in ["create_s3_user", "delete_s3_user"] {
        assert_eq!(run(&aws, program).await, "there is no bucket shraed");
    }
}

#[tokio::test]
async fn option_with_a_similar_name_is_named() {
    let aws = aws_with_files().await;
    let run = Sandbox::new(&aws).create("alex", &["--acces", "read"]).await;
    assert_usage(&run, "a similar argument exists: '--access'");
    let run = Sandbox::new(&aws).create("alex", &["--rotate"]).await;
    assert_usage(&run, "a similar argument exists: '--rotate-key'");
    for option in ["--mode", "--readonly"] {
        let run = Sandbox::new(&aws).create("alex", &[option]).await;
        assert_usage(&run, &format!("unexpected argument '{option}' found; see "));
    }
}

/// The note about a name that looks misspelled, as create_s3_user prints it.
fn note(user: &str, similar: &str) -> String {
    format!(
        "note: s3://shared/{user}/ is empty, but s3://shared/{similar}/ exists; did you mean {similar}?"
    )
}

#[tokio::test]
async fn folder_with_a_similar_name_is_noted_where_the_users_own_is_empty() {
    let aws = aws_with_files().await;
    for (user, similar) in [("alexandr", "alexander"), ("Alex", "alex"), ("jamie", "jaime")] {
        let sandbox = Sandbox::new(&aws);
        let note = note(user, similar);
        let run = sandbox.create(user, &["--dry-run"]).await.succeeded();
        assert!(run.stderr.lines().any(|line| line == note), "{run:?}");
        assert!(is_gone(&aws, user));
        let run = sandbox.create(user, &["--json"]).await.succeeded();
        let undo = format!("delete_s3_user -b shared -u {user} --keep-objects");
        let note = format!("{note} If so, delete the user with: {undo}");
        assert!(run.stderr.lines().any(|line| line == note), "{run:?}");
        let json = run.json();
        let notes = json["notes"].as_array().unwrap();
        let bare = note.trim_start_matches("note: ");
        assert!(notes.iter().any(|note| note == bare), "{json}");
        assert_complete(&aws, &sandbox, user);
        let undo = undo.replacen("delete_s3_user", "\"$0\"", 1);
        let run = sandbox.run_script(&undo, "delete_s3_user").await;
        run.succeeded();
        assert!(is_gone(&aws, user));
    }
}

#[tokio::test]
async fn folder_is_not_noted_without_a_reason() {
    let aws = aws_with_files().await;
    for key in ["alexandra/report.txt", "kim1/report.txt", "readme"] {
        aws.put("shared", key).await;
    }
    let sandbox = Sandbox::new(&aws);
    // One with files of its own, one that is numbered, one like no folder.
    for user in ["alexandra", "kim2", "readmi"] {
        let run = sandbox.create(user, &[]).await.succeeded();
        assert!(!run.stderr.contains("did you mean"), "{run:?}");
    }
    aws.faults.always("ListObjectsV2", Fault::DENIED);
    let run = sandbox.create("alexandr", &[]).await.succeeded();
    assert!(!run.stderr.contains("did you mean"), "{run:?}");
}
