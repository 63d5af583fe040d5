//! The whole story on a local AWS: a user is created, its key is tried on
//! everything, and the user is deleted.
//!
//! Fails if anything isn't as it should be.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use support::{LocalAws, Sandbox};

const BUCKET: &str = "shared-files";

struct Tour {
    /// True if everything was as it should be so far.
    as_it_should: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::build_binaries("tour");
    let mut tour = Tour { as_it_should: true };
    let aws = support::aws_of_the_examples().await;
    let sandbox = Sandbox::new(&aws);

    println!("A local AWS is up: signatures are checked and policies enforced.");
    println!("The bucket {BUCKET} holds the files of several people:\n");
    print_keys(&aws);

    tour.run(&sandbox, "create_s3_user").await;
    if let Some(file) = sandbox.key_file("alex") {
        println!(
            "\nThe key file has the key ID, the secret and the name ({} bytes, mode 0600).",
            file.len()
        );
        tour.try_the_key(&aws, &sandbox).await;
    }
    tour.run(&sandbox, "delete_s3_user").await;

    println!("\nWhat is left in the bucket:\n");
    print_keys(&aws);
    println!();
    let left = ["alexander/plans.pdf", "jaime/photo.jpg"];
    tour.check("only alex's files are gone", aws.keys(BUCKET) == left);
    let users = aws.iam(|iam| iam.users.keys().cloned().collect::<Vec<_>>());
    tour.check("only the admin is left in IAM", users == ["admin"]);
    tour.check("no policy is left", aws.iam(|iam| iam.policies.is_empty()));
    if tour.as_it_should {
        ExitCode::SUCCESS
    } else {
        println!("\nSomething is NOT as it should be: see the lines marked WRONG.");
        ExitCode::FAILURE
    }
}

fn print_keys(aws: &LocalAws) {
    for key in aws.keys(BUCKET) {
        println!("    s3://{BUCKET}/{key}");
    }
}

impl Tour {
    /// Runs one of the two programs for alex, and shows what it prints.
    async fn run(&mut self, sandbox: &Sandbox, program: &str) {
        let args = ["-b", BUCKET, "-u", "alex"];
        println!("\n$ {program} {}\n", args.join(" "));
        let run = sandbox.run(program, &args).await;
        for line in run.stderr.lines().chain(run.stdout.lines()) {
            println!("    {line}");
        }
        println!();
        self.check(&format!("{program} succeeded"), run.code == Some(0));
    }

    fn check(&mut self, what: &str, as_it_should: bool) {
        println!("  {:7} {what}", if as_it_should { "ok" } else { "WRONG" });
        self.as_it_should &= as_it_should;
    }

    /// Shows whether a request was allowed or refused, and whether it should be.
    fn expect<T, E>(&mut self, should: &str, what: &str, answer: Result<T, SdkError<E>>) {
        let status = answer
            .as_ref()
            .err()
            .map(|error| error.raw_response().map(|answer| answer.status().as_u16()));
        let was = match status {
            None => "allowed",
            Some(Some(403)) => "refused",
            Some(_) => "unclear",
        };
        let mark = if was == should { "" } else { "   <- WRONG" };
        println!("  {was} {what}{mark}");
        self.as_it_should &= was == should;
    }

    async fn try_the_key(&mut self, aws: &LocalAws, sandbox: &Sandbox) {
        println!("\nWhat alex can do with that key, each tried for real:\n");
        let key = sandbox.key_of("alex");
        let s3 = aws.s3_client_of(&key);
        for prefix in ["alex/", "alex/2026/"] {
            self.expect(
                "allowed",
                &format!("list s3://{BUCKET}/{prefix}"),
                list(&s3, prefix).await,
            );
        }
        for key in ["alex/report.pdf", "alex/2026/may.csv"] {
            let get = s3.get_object().bucket(BUCKET).key(key).send().await;
            self.expect("allowed", &format!("download s3://{BUCKET}/{key}"), get);
        }

        println!("\nAnd what alex can't:\n");
        for (prefix, who) in
            [("", "the top"), ("alexander/", "another folder"), ("jaime/", "another folder")]
        {
            self.expect(
                "refused",
                &format!("list s3://{BUCKET}/{prefix} ({who})"),
                list(&s3, prefix).await,
            );
        }
        for key in ["alexander/plans.pdf", "jaime/photo.jpg"] {
            let get = s3.get_object().bucket(BUCKET).key(key).send().await;
            self.expect("refused", &format!("download s3://{BUCKET}/{key}"), get);
        }
        let put = s3.put_object().bucket(BUCKET).key("alex/mine.txt").body(b"mine".to_vec().into());
        self.expect("refused", &format!("upload s3://{BUCKET}/alex/mine.txt"), put.send().await);
        let delete = s3.delete_object().bucket(BUCKET).key("alex/report.pdf");
        self.expect(
            "refused",
            &format!("delete s3://{BUCKET}/alex/report.pdf"),
            delete.send().await,
        );
        self.expect("refused", "list all buckets", s3.list_buckets().send().await);
        let iam = aws.iam_client_of(&key);
        self.expect("refused", "list all users", iam.list_users().send().await);
        let more_keys = iam.create_access_key().user_name("alex");
        self.expect("refused", "make another access key", more_keys.send().await);
    }
}

async fn list(
    s3: &Client,
    prefix: &str,
) -> Result<impl Sized, SdkError<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error>> {
    s3.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await
}
