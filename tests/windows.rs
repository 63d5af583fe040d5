//! What is peculiar to Windows: access lists, Ctrl-Break, names that devices have, long
//! paths, and hints for PowerShell.

use crate::support::{
    Fault, Sandbox, assert_complete, assert_nothing_left, assert_private, aws_with_alex,
    aws_with_files, is_gone, keys_of,
};

#[tokio::test]
async fn key_file_and_kit_are_closed_to_others() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("alex", &["--kit=dir"]).await.succeeded();
    for file in ["alex_accessKeys.csv", "alex_kit.zip", "alex_kit", "alex_kit/README.txt"] {
        assert_private(&sandbox.path().join(file));
    }
    let open = sandbox.path().join("open");
    std::fs::write(&open, "").unwrap();
    assert!(std::panic::catch_unwind(|| assert_private(&open)).is_err(), "nothing is tested");
}

#[tokio::test]
async fn ctrl_break_undoes_everything() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let run = sandbox.start_create("alex", &[]).stopped_while_paused(&aws, "BREAK").await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("all changes were undone"), "{run:?}");
    assert_nothing_left(&aws, &sandbox, "Ctrl-Break");
}

#[tokio::test]
async fn second_ctrl_break_ends_it_at_once() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let mut started = sandbox.start_create("alex", &[]);
    aws.faults.paused().await;
    started.signal("BREAK").await;
    started.says("stopping").await;
    started.signal("BREAK").await;
    let run = started.ended().await;
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("under way: alex"), "{run:?}");
    aws.faults.resume();
}

#[tokio::test]
async fn name_of_a_device_is_refused_before_anything_is_made() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for user in ["nul.kim", "COM1.kim"] {
        for options in [&[][..], &["--dry-run"], &["--kit=dir"]] {
            let run = sandbox.create(user, options).await;
            let run = run.failed_with("_accessKeys.csv: Windows takes this name for a device");
            assert!(run.stderr.contains("\nhint: write the key to stdout with -o -\n"), "{run:?}");
        }
        assert!(is_gone(&aws, user));
    }
    for user in ["con", "aux"] {
        sandbox.create(user, &["--kit=dir"]).await.succeeded();
        assert_complete(&aws, &sandbox, user);
        assert!(sandbox.path().join(format!("{user}_kit/_{user}.duck")).exists());
    }
}

#[tokio::test]
async fn path_may_be_longer_than_260_characters() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let dir = "a-part-of-forty-characters-of-a-long-path/".repeat(8);
    std::fs::create_dir_all(sandbox.path().join(&dir)).unwrap();
    sandbox.create("alex", &["-o", &dir, "--kit=dir"]).await.succeeded();
    for file in ["alex_accessKeys.csv", "alex_kit.zip", "alex_kit"] {
        assert_private(&sandbox.path().join(&dir).join(file));
    }
    let files = std::fs::read_dir(sandbox.path().join(&dir)).unwrap();
    assert_eq!(files.count(), 3);
}

#[tokio::test]
async fn two_names_that_differ_in_case_are_refused() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("users.txt"), "Alex\r\nalex\r\n").unwrap();
    let args = ["-b", "shared", "--users-from", "users.txt"];
    let run = sandbox.run("create_s3_user", &args).await;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("IAM ignores case in user names"), "{run:?}");
}

#[tokio::test]
async fn users_file_of_windows_is_read() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("users.txt"), "alex\r\nkim\r\n").unwrap();
    let args = ["-b", "shared", "--users-from", "users.txt"];
    sandbox.run("create_s3_user", &args).await.succeeded();
    for user in ["alex", "kim"] {
        assert_complete(&aws, &sandbox, user);
    }
}

#[tokio::test]
async fn credentials_are_in_the_profile_of_the_user() {
    let aws = aws_with_files().await;
    let (id, secret) = &aws.admin;
    let sandbox = Sandbox::new(&aws)
        .set("AWS_ACCESS_KEY_ID", None)
        .set("AWS_SECRET_ACCESS_KEY", None)
        .set("HOME", Some("C:\\nowhere"));
    let dir = sandbox.path().join("home").join(".aws");
    std::fs::create_dir(&dir).unwrap();
    let credentials =
        format!("[default]\r\naws_access_key_id = {id}\r\naws_secret_access_key = {secret}\r\n");
    std::fs::write(dir.join("credentials"), credentials).unwrap();
    sandbox.create("alex", &[]).await.succeeded();
}

#[tokio::test]
async fn hints_are_for_powershell() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let dir = sandbox.path().join("Kim's keys");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("alex_accessKeys.csv"), "").unwrap();
    let run = sandbox.create("alex", &["-o", "Kim's keys"]).await;
    let run = run.failed_with("user alex already exists");
    let moves = "; if ($?) { Move-Item -LiteralPath 'Kim''s keys\\alex_accessKeys.csv' \
                 'Kim''s keys\\alex_accessKeys.csv.old' }";
    assert!(run.stderr.contains(moves), "{run:?}");

    let run = sandbox.create("kim", &["-o", "all/keys"]).await;
    assert!(run.stderr.contains("\nhint: make it with: mkdir all/keys\n"), "{run:?}");
    assert_eq!(keys_of(&aws, "alex").len(), 1);
}
