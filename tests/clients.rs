//! The kit's files in the hands of the real clients.

use tokio::process::Command;

use crate::create::aws_with_files;
use crate::support::{Run, Sandbox};

/// A client in the kit's directory, with no settings but the kit's.
fn client(sandbox: &Sandbox, kit: &str, program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", sandbox.path())
        .env("AWS_CONFIG_FILE", "aws-config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials")
        .current_dir(sandbox.path().join(kit));
    command
}

async fn run(mut command: Command, args: &str) -> Run {
    let output = command.args(args.split_whitespace()).output().await;
    Run::from(output.expect("the client is installed"))
}

#[tokio::test]
#[ignore = "needs the AWS CLI on PATH"]
async fn aws_cli_lists_and_syncs_with_the_kit() {
    for (user, profile) in [("alex", "alex"), ("a=b,c+d@e_f.g", "a_b_c+d@e_f.g")] {
        let aws = aws_with_files().await;
        aws.put("shared", &format!("{user}/report.txt")).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create(user, &["--kit"]).await.succeeded();
        let kit = format!("{user}_kit");
        let aws_cli = async |args: &str| {
            let args = format!("--profile {profile} {args}");
            run(client(&sandbox, &kit, "aws"), &args).await
        };
        let list = aws_cli(&format!("s3 ls s3://shared/{user}/"))
            .await
            .succeeded();
        assert!(list.stdout.contains("report.txt"), "{list:?}");
        aws_cli(&format!("s3 sync s3://shared/{user}/ files"))
            .await
            .succeeded();
        let file = sandbox.path().join(&kit).join("files/report.txt");
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            format!("{user}/report.txt")
        );
        for elsewhere in ["s3 ls s3://shared/", "s3 ls s3://shared/jaime/", "s3 ls"] {
            let refused = aws_cli(elsewhere).await;
            assert!(
                refused.stderr.contains("AccessDenied"),
                "{elsewhere}: {refused:?}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs rclone on PATH"]
async fn rclone_copies_with_the_kit() {
    for (user, remote) in [("alex", "alex"), ("a=b,c+d@e_f.g", "a_b_c+d@e_f.g")] {
        let aws = aws_with_files().await;
        aws.put("shared", &format!("{user}/2026/report.txt")).await;
        let sandbox = Sandbox::new(&aws);
        let options = ["--kit", "--access", "read-write"];
        sandbox.create(user, &options).await.succeeded();
        let kit = format!("{user}_kit");
        let rclone = async |args: &str| {
            let args = format!("--config rclone.conf --retries 1 {args}");
            run(client(&sandbox, &kit, "rclone"), &args).await
        };
        let place = format!("{remote}:shared/{user}/");
        let list = rclone(&format!("lsf -R {place}")).await.succeeded();
        assert!(list.stdout.contains("2026/report.txt"), "{list:?}");
        rclone(&format!("copy {place} files")).await.succeeded();
        let file = sandbox.path().join(&kit).join("files/2026/report.txt");
        assert!(file.exists());
        rclone(&format!("copy README.txt {place}"))
            .await
            .succeeded();
        assert!(aws.keys("shared").contains(&format!("{user}/README.txt")));
        assert_ne!(
            rclone(&format!("lsf {remote}:shared/jaime/")).await.code,
            Some(0)
        );
        assert_ne!(rclone(&format!("lsd {remote}:shared")).await.code, Some(0));
    }
}

#[tokio::test]
#[ignore = "needs s3cmd on PATH"]
async fn s3cmd_lists_and_downloads_with_the_kit() {
    for (user, profile) in [("alex", "alex"), ("a=b,c+d@e_f.g", "a_b_c+d@e_f.g")] {
        let aws = aws_with_files().await;
        aws.put("shared", &format!("{user}/2026/report.txt")).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create(user, &["--kit"]).await.succeeded();
        let kit = format!("{user}_kit");
        let host = aws.url.strip_prefix("http://").unwrap();
        let s3cmd = async |args: &str| {
            let mut client = client(&sandbox, &kit, "s3cmd");
            client.env("AWS_CREDENTIAL_FILE", "aws-credentials");
            client.env("AWS_PROFILE", profile);
            let place = format!("--no-ssl --host={host} --host-bucket={host} --region=us-east-1");
            run(client, &format!("{place} {args}")).await
        };
        let list = s3cmd(&format!("ls s3://shared/{user}/")).await.succeeded();
        assert!(list.stdout.contains(&format!("/{user}/2026/")), "{list:?}");
        s3cmd(&format!("get --recursive s3://shared/{user}/ ."))
            .await
            .succeeded();
        let file = sandbox.path().join(&kit).join("2026/report.txt");
        assert!(file.exists());
        for elsewhere in [
            "ls s3://shared/",
            "ls s3://shared/jaime/",
            "ls",
            "get s3://shared/jaime/photo.jpg",
        ] {
            let refused = s3cmd(elsewhere).await;
            assert!(refused.stderr.contains("403"), "{elsewhere}: {refused:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs s5cmd on PATH"]
async fn s5cmd_lists_and_downloads_with_the_kit() {
    for (user, profile) in [("alex", "alex"), ("a=b,c+d@e_f.g", "a_b_c+d@e_f.g")] {
        let aws = aws_with_files().await;
        aws.put("shared", &format!("{user}/2026/report.txt")).await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create(user, &["--kit"]).await.succeeded();
        let kit = format!("{user}_kit");
        let s5cmd = async |args: &str| {
            let place = format!("--profile {profile} --endpoint-url {}", aws.url);
            let client = client(&sandbox, &kit, "s5cmd");
            run(client, &format!("{place} {args}")).await
        };
        let list = s5cmd(&format!("ls s3://shared/{user}/")).await.succeeded();
        assert!(list.stdout.contains("2026/"), "{list:?}");
        s5cmd(&format!("cp s3://shared/{user}/* files/"))
            .await
            .succeeded();
        let file = sandbox.path().join(&kit).join("files/2026/report.txt");
        assert!(file.exists());
        for elsewhere in [
            "ls s3://shared/",
            "ls s3://shared/jaime/",
            "ls",
            "cp s3://shared/jaime/photo.jpg .",
        ] {
            let refused = s5cmd(elsewhere).await;
            assert!(
                refused.stderr.contains("AccessDenied"),
                "{elsewhere}: {refused:?}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the AWS CLI and rclone on PATH"]
async fn clients_drop_files_into_a_folder_they_can_not_see() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox
        .create("alex", &["--kit", "--access", "write"])
        .await
        .succeeded();
    let kit = || client(&sandbox, "alex_kit", "aws");
    let args = "--profile alex s3 cp README.txt s3://shared/alex/by-aws.txt";
    run(kit(), args).await.succeeded();
    let args = "--profile alex s3 ls s3://shared/alex/";
    assert_ne!(run(kit(), args).await.code, Some(0));
    let rclone = client(&sandbox, "alex_kit", "rclone");
    let args = "--config rclone.conf --retries 1 copyto --no-check-dest README.txt \
                alex:shared/alex/by-rclone.txt";
    run(rclone, args).await.succeeded();
    for key in ["alex/by-aws.txt", "alex/by-rclone.txt"] {
        assert!(aws.keys("shared").contains(&key.to_owned()), "{key}");
    }
}
