//! The local AWS of the tests, alone: kept up for use from a shell, or for as
//! long as one command runs.
//!
//!     cargo run --example local_aws
//!     cargo run --example local_aws -- create_s3_user -b shared-files -u alex

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use tokio::process::Command;

const BUCKET: &str = "shared-files";

#[tokio::main]
async fn main() -> ExitCode {
    let binaries = support::build_binaries("local_aws");
    let aws = support::aws_of_the_examples().await;
    let path = std::env::var("PATH").unwrap_or_default();
    let settings = [
        ("AWS_ENDPOINT_URL", aws.url.clone()),
        ("AWS_ACCESS_KEY_ID", aws.admin.0.clone()),
        ("AWS_SECRET_ACCESS_KEY", aws.admin.1.clone()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
        ("PATH", format!("{}:{path}", binaries.display())),
    ];
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else {
        println!(
            "# A local AWS with the bucket {BUCKET} is up until Ctrl-C. Paste into another shell:"
        );
        println!("unset AWS_PROFILE AWS_SESSION_TOKEN");
        for (name, value) in &settings {
            println!("export {name}='{value}'");
        }
        tokio::signal::ctrl_c().await.unwrap();
        return ExitCode::SUCCESS;
    };
    // Ctrl-C is for the command, which needs the local AWS until it has ended.
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let mut command = Command::new(&program);
    command.args(args).envs(settings).env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
    match command.status().await {
        Ok(status) => ExitCode::from(status.code().unwrap_or(1) as u8),
        Err(error) => {
            eprintln!("local_aws: error: can't run {}: {error}", program.display());
            ExitCode::from(127)
        }
    }
}
