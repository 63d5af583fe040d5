//! Creates an IAM user that can list and download one folder of a bucket.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use s3_user::cli::{self, Output, OutputArgs, Signals, TargetArgs};
use s3_user::{Connection, Target, create};
use serde_json::json;

const NAME: &str = "create_s3_user";

const AFTER_HELP: &str = "\
Examples:
  create_s3_user -b shared-files -u alex
  create_s3_user -b shared-files -u alex --dry-run
  key_file=$(create_s3_user -q -b shared-files -u alex -o /secure/keys)

Exit codes:
  0 done, 1 failed and undone, 2 bad usage, 130 interrupted and undone (143 by SIGTERM)";

/// Create an IAM user that can list and download its own folder of an S3 bucket, and nothing else
///
/// Makes the user, a policy for s3://BUCKET/USER/, and an access key, which is written to
/// USER_accessKeys.csv for you to hand on. The path of that file is all that goes to stdout.
/// If anything fails, what was made is undone.
#[derive(Parser)]
#[command(name = NAME, version, after_help = AFTER_HELP, verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Directory for the key file
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    /// Put the policy into the user instead of making a managed policy
    #[arg(long)]
    inline_policy: bool,
    /// Check, then show the steps and the policy, and make nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = cli::parse();
    let out = Output::new(NAME, &args.output);
    let target = Target::from(args.target);
    let signals = Signals::listen(
        "stopping, and undoing what was made; once more to stop at once",
        format!(
            "stopped; remove what may be left with: delete_s3_user -b {} -u {} --keep-objects",
            target.bucket, target.user
        ),
    );
    let aws = out.load(args.connection).await;
    let plan = create::plan(&aws, &target, &args.output_dir, args.inline_policy);
    let plan = match signals.or_interrupted(plan).await {
        Ok(plan) => plan,
        Err(error) => return fail(&out, &target, &signals, create::Failed::undone(error)),
    };
    if args.dry_run {
        plan.steps().iter().for_each(|step| out.say(step));
        out.result(&plan.report(), Some(plan.document().to_json_pretty()));
        return ExitCode::SUCCESS;
    }
    match create::apply(&plan, &signals.cancel, &|step| out.say(step)).await {
        Ok(created) => {
            created.advice().iter().for_each(|line| out.say(line));
            out.result(&created, Some(created.key_file.display().to_string()));
            ExitCode::SUCCESS
        }
        Err(failed) => fail(&out, &target, &signals, failed),
    }
}

fn fail(out: &Output, target: &Target, signals: &Signals, failed: create::Failed) -> ExitCode {
    out.error(&failed.error);
    for left in &failed.left {
        out.error_detail(&left.to_string());
    }
    let left: Vec<_> = failed.left.iter().map(|left| &left.what).collect();
    let (user, error) = (target.user.as_str(), format!("{:#}", failed.error));
    out.result(&json!({ "user": user, "error": error, "left": left }), None);
    signals.exit_code(&failed.error)
}
