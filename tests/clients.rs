//! The kit's files in the hands of the real clients.

use tokio::process::Command;

use crate::support::{LocalAws, Run, Sandbox, aws_with_files};

/// Somebody who got a kit, and whose folder holds a file.
struct Person {
    aws: LocalAws,
    sandbox: Sandbox,
    user: &'static str,
    /// The user's name as the kit gives it to clients.
    profile: &'static str,
    /// The prefix of the folder, and in quotes as README.txt has it.
    prefix: &'static str,
}

impl Person {
    /// One with a name as most are, one with all that a name can have, and one whose folder
    /// has a name of its own.
    async fn three(options: &[&str]) -> [Self; 3] {
        let alex = Self::new(("alex", "alex"), "alex/", options);
        let other = Self::new(("a=b,c+d@e_f.g", "a_b_c+d@e_f.g"), "a=b,c+d@e_f.g/", options);
        let acme = Self::new(("acme", "acme"), "Müller GmbH & Co/a=b+c%20,d/", options);
        [alex.await, other.await, acme.await]
    }

    async fn new(
        (user, profile): (&'static str, &'static str),
        prefix: &'static str,
        options: &[&str],
    ) -> Self {
        let aws = aws_with_files().await;
        aws.put("shared", &format!("{prefix}2026/report.txt")).await;
        let sandbox = Sandbox::new(&aws);
        let options = [&["--kit=dir", "--folder", prefix], options].concat();
        sandbox.create(user, &options).await.succeeded();
        // Not every store has the checksums that clients add by default.
        aws.faults.refuse_checksums();
        Self { aws, sandbox, user, profile, prefix }
    }

    /// Runs a client in the kit's directory, with no settings but the kit's. Arguments are
    /// quoted as in a shell.
    async fn run(&self, program: &str, args: &str) -> Run {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut client = Command::new(program);
        client
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.sandbox.path())
            .env("AWS_CONFIG_FILE", "aws-config")
            .env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials")
            .env("AWS_CREDENTIAL_FILE", "aws-credentials")
            .env("AWS_PROFILE", self.profile)
            .current_dir(self.sandbox.path().join(format!("{}_kit", self.user)));
        let output = client.args(shlex::split(args).unwrap()).output().await;
        Run::from(output.expect("the client is installed"))
    }

    /// The folder as most clients are given it.
    fn folder(&self) -> String {
        format!("\"s3://shared/{}\"", self.prefix)
    }

    #[track_caller]
    fn has_downloaded(&self, file: &str) {
        let kit = self.sandbox.path().join(format!("{}_kit", self.user));
        let content = std::fs::read_to_string(kit.join(file)).unwrap();
        assert_eq!(content, format!("{}2026/report.txt", self.prefix));
    }
}

#[tokio::test]
#[ignore = "needs the AWS CLI on PATH"]
async fn aws_cli_lists_and_syncs_with_the_kit() {
    for person in Person::three(&[]).await {
        let folder = person.folder();
        let aws = async |args: &str| person.run("aws", &format!("s3 {args}")).await;
        let list = aws(&format!("ls {folder}")).await.succeeded();
        assert!(list.stdout.contains("2026/"), "{list:?}");
        aws(&format!("sync {folder} files")).await.succeeded();
        person.has_downloaded("files/2026/report.txt");
        for elsewhere in ["ls s3://shared/", "ls s3://shared/jaime/", "ls"] {
            let refused = aws(elsewhere).await.stderr;
            assert!(refused.contains("AccessDenied"), "{elsewhere}: {refused}");
        }
    }
}

#[tokio::test]
#[ignore = "needs rclone on PATH"]
async fn rclone_copies_with_the_kit() {
    rclone_copies("rclone", true).await;
}

#[tokio::test]
#[ignore = "needs version 1.60 of rclone on PATH as rclone-1.60"]
async fn rclone_of_debian_12_downloads_with_the_kit() {
    // Before version 1.61, it sends an ACL with uploads.
    rclone_copies("rclone-1.60", false).await;
}

async fn rclone_copies(program: &str, uploads: bool) {
    for person in Person::three(&["--access", "read-write"]).await {
        // As README.txt names it.
        let remote = person.profile.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let remote = format!("{remote}:shared");
        let folder = format!("\"{remote}/{}\"", person.prefix);
        let rclone = async |args: &str| {
            let args = format!("--config rclone.conf --retries 1 {args}");
            person.run(program, &args).await
        };
        let list = rclone(&format!("lsf -R {folder}")).await.succeeded();
        assert!(list.stdout.contains("2026/report.txt"), "{list:?}");
        rclone(&format!("copy {folder} files")).await.succeeded();
        person.has_downloaded("files/2026/report.txt");
        let one = format!("\"{remote}/{}2026/report.txt\"", person.prefix);
        rclone(&format!("copy {one} one")).await.succeeded();
        person.has_downloaded("one/report.txt");
        rclone(&format!("copyto {one} one.txt")).await.succeeded();
        person.has_downloaded("one.txt");
        if uploads {
            // As README.txt has it; a directory is listed first.
            for upload in ["copy --no-check-dest README.txt", "copy one"] {
                rclone(&format!("{upload} {folder}")).await.succeeded();
            }
            for file in ["README.txt", "report.txt"] {
                let uploaded = format!("{}{file}", person.prefix);
                assert!(person.aws.keys("shared").contains(&uploaded), "{uploaded}");
            }
        }
        for elsewhere in [format!("lsf {remote}/jaime/"), format!("lsd {remote}")] {
            assert_ne!(rclone(&elsewhere).await.code, Some(0), "{elsewhere}");
        }
    }
}

#[tokio::test]
#[ignore = "needs s3cmd on PATH"]
async fn s3cmd_lists_and_downloads_with_the_kit() {
    for person in Person::three(&[]).await {
        let folder = person.folder();
        let host = person.aws.url.strip_prefix("http://").unwrap();
        let s3cmd = async |args: &str| {
            let place = format!("--no-ssl --host={host} --host-bucket={host} --region=us-east-1");
            person.run("s3cmd", &format!("{place} {args}")).await
        };
        let list = s3cmd(&format!("ls {folder}")).await.succeeded();
        assert!(list.stdout.contains("/2026/"), "{list:?}");
        let download = format!("get --recursive {folder} .");
        s3cmd(&download).await.succeeded();
        person.has_downloaded("2026/report.txt");
        for elsewhere in
            ["ls s3://shared/", "ls s3://shared/jaime/", "ls", "get s3://shared/jaime/photo.jpg"]
        {
            let refused = s3cmd(elsewhere).await.stderr;
            assert!(refused.contains("403"), "{elsewhere}: {refused}");
        }
    }
}

#[tokio::test]
#[ignore = "needs s5cmd on PATH"]
async fn s5cmd_lists_and_downloads_with_the_kit() {
    for person in Person::three(&[]).await {
        let folder = person.folder();
        let s5cmd = async |args: &str| {
            let key = format!("--credentials-file aws-credentials --profile {}", person.profile);
            let args = format!("{key} --endpoint-url {} {args}", person.aws.url);
            person.run("s5cmd", &args).await
        };
        let list = s5cmd(&format!("ls {folder}")).await.succeeded();
        assert!(list.stdout.contains("2026/"), "{list:?}");
        s5cmd(&format!("cp {}*\" files/", folder.trim_end_matches('"'))).await.succeeded();
        person.has_downloaded("files/2026/report.txt");
        for elsewhere in
            ["ls s3://shared/", "ls s3://shared/jaime/", "ls", "cp s3://shared/jaime/photo.jpg ."]
        {
            let refused = s5cmd(elsewhere).await.stderr;
            assert!(refused.contains("AccessDenied"), "{elsewhere}: {refused}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the AWS CLI and rclone on PATH"]
async fn clients_drop_files_into_a_folder_they_can_not_see() {
    let alex = Person::new(("alex", "alex"), "alex/", &["--access", "write"]).await;
    let by_aws = "s3 cp README.txt s3://shared/alex/by-aws.txt";
    alex.run("aws", by_aws).await.succeeded();
    let list = alex.run("aws", "s3 ls s3://shared/alex/").await;
    assert_ne!(list.code, Some(0));
    let by_rclone = "--config rclone.conf --retries 1 copyto --no-check-dest README.txt \
                     alex:shared/alex/by-rclone.txt";
    alex.run("rclone", by_rclone).await.succeeded();
    for key in ["alex/by-aws.txt", "alex/by-rclone.txt"] {
        assert!(alex.aws.keys("shared").contains(&key.to_owned()), "{key}");
    }
}
