//! The secret is in the files that are handed over, and nowhere else.

use std::fs;
use std::path::Path;

use crate::support::{Fault, Run, Sandbox, aws_with_alex, aws_with_files};

/// The files under a directory that hold a text.
fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text) {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let aws = aws_with_files().await;
    let sandbox =
        Sandbox::new(&aws).set("RUST_LOG", Some("trace")).set("RUST_BACKTRACE", Some("full"));
    let mut runs: Vec<Run> = Vec::new();
    for options in [
        ["--dry-run", "--json", "-v"].as_slice(),
        &["--kit=dir", "--verify", "--access", "read-write", "-v"],
        &["-v"],
        &["--update", "-v"],
        &["--rotate-key", "--kit=dir", "--verify", "--json", "-v"],
    ] {
        runs.push(sandbox.create("alex", options).await);
    }
    let new = sandbox.key_in("alex_accessKeys.2.csv");
    let old = sandbox.key_of("alex");
    aws.faults.once("DeleteAccessKey", Fault::DENIED);
    runs.push(sandbox.delete("alex", &["-v"]).await);
    runs.push(sandbox.delete("alex", &["-v", "--json"]).await);
    for (secret, number) in [(&old.1, ""), (&new.1, ".2")] {
        for run in &runs {
            let printed = format!("{}{}", run.stdout, run.stderr);
            assert!(!printed.contains(secret.as_str()), "{run:?}");
            assert!(!printed.contains(&aws.admin.1), "{run:?}");
        }
        let files = files_with(sandbox.path(), secret);
        let csv = format!("alex_accessKeys{number}.csv");
        let zip = format!("alex_kit{number}.zip");
        assert_eq!(files.len(), 6, "{files:?}");
        for file in [csv.as_str(), &zip, "aws-credentials", "rclone.conf"] {
            assert!(files.contains(&file.to_owned()), "{files:?}");
        }
    }
    assert!(runs.iter().any(|run| run.stderr.contains("CreateAccessKey")), "-v says little");
}

#[tokio::test]
async fn names_from_elsewhere_do_nothing_to_a_terminal() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let groups = "<ListGroupsForUserResponse><ListGroupsForUserResult><Groups><member>\
        <Path>/</Path><GroupName>safe\u{202e}gpj&#155;2J</GroupName><GroupId>AGPA1</GroupId>\
        <Arn>arn:aws:iam::123456789012:group/x</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
        </member></Groups><IsTruncated>false</IsTruncated></ListGroupsForUserResult>\
        </ListGroupsForUserResponse>";
    aws.faults.always("ListGroupsForUser", Fault::Answer(groups));
    let run = sandbox.delete("alex", &["--dry-run", "--json"]).await;
    let run = run.succeeded();
    for printed in [&run.stdout, &run.stderr] {
        assert!(printed.contains("membership of group safe"), "{printed}");
        assert!(!printed.contains(['\u{202e}', '\u{9b}']), "{printed:?}");
    }
    let step = run.json()["steps"].to_string();
    assert!(step.contains("safe\u{202e}gpj\u{9b}2J"), "{step:?}");
}

#[tokio::test]
async fn forged_tag_gets_into_no_suggested_command() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.change_iam(|iam| {
        let tags = &mut iam.users.get_mut("alex").unwrap().tags;
        let tag = tags.iter_mut().find(|tag| tag.key == "s3-user:bucket");
        tag.unwrap().value = "other; touch pwned".to_owned();
    });
    let run = sandbox.delete("alex", &[]).await;
    let run = run.failed_with("belongs to bucket ");
    let hints = run.stderr.lines().filter(|line| line.starts_with("hint: "));
    assert_eq!(
        hints.collect::<Vec<_>>(),
        [
            "hint: check the name; to delete user alex anyway, add --force, and --keep-objects or --folder FOLDER/"
        ]
    );
}

#[cfg(unix)]
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_core_dump_is_written() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let script = "ulimit -c unlimited 2>/dev/null; echo $$ > pid; exec \"$0\" -b shared -u alex";
    let started = sandbox.start_script(script, "create_s3_user");
    aws.faults.paused().await;
    let pid = fs::read_to_string(sandbox.path().join("pid")).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid.trim())).unwrap();
    aws.faults.resume();
    started.ended().await.succeeded();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
}
