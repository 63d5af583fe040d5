//! Deletes an IAM user made by `create_s3_user`, and its folder's objects.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::{Parser, value_parser};
use s3_user::cli::{self, Meter, Output, OutputArgs, Signals, TargetArgs};
use s3_user::{Connection, Deleted, Interrupted, Step, Target, delete};

const NAME: &str = "delete_s3_user";

/// How many failed objects are named on the terminal; `--json` has all of them.
const NAMED: usize = 20;

const AFTER_HELP: &str = "\
Examples:
  delete_s3_user -b shared-files -u alex
  delete_s3_user -b shared-files -u alex --dry-run
  delete_s3_user -b shared-files -u alex -y --keep-objects

Exit codes:
  0 all deleted, 1 something failed or remains, 2 bad usage, 130 interrupted (143 by SIGTERM)";

/// Delete an IAM user made by create_s3_user, and all objects in the user's folder
///
/// Deletes the access keys, the policies, everything else that hangs on the user, all objects
/// under s3://BUCKET/USER/, and at last the user. Running it again finishes what was
/// interrupted. At a terminal it asks first; in a script it doesn't. Local key files stay.
#[derive(Parser)]
#[command(name = NAME, version, after_help = AFTER_HELP, verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Leave the folder's objects where they are
    #[arg(long)]
    keep_objects: bool,
    /// Delete earlier versions and delete markers of the objects too
    #[arg(long, conflicts_with = "keep_objects")]
    all_versions: bool,
    /// Delete requests under way at a time, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Don't ask, even at a terminal
    #[arg(short, long)]
    yes: bool,
    /// Delete even a user not made for this bucket, or a folder that has no user
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = cli::parse();
    let out = Output::new(NAME, &args.output);
    let target = Target::from(args.target.clone());
    let signals = Signals::listen(
        "stopping after the calls under way; once more to stop at once",
        "stopped; running the same command again continues".to_owned(),
    );
    let mut deleted = Deleted::nothing(&target);
    match run(&out, &target, args, &signals, &mut deleted).await {
        Ok(Outcome::Shown) => ExitCode::SUCCESS,
        Ok(Outcome::Deleted) => {
            out.result(&deleted, None);
            ExitCode::SUCCESS
        }
        Err(error) => {
            for line in deleted.failures(NAMED) {
                out.error_detail(&line);
            }
            out.error(&error);
            if error.is::<Interrupted>() {
                out.error_detail(&format!(
                    "{} are gone; running the same command again continues",
                    deleted.summary()
                ));
            }
            deleted.error = Some(format!("{error:#}"));
            out.result(&deleted, None);
            signals.exit_code(&error)
        }
    }
}

enum Outcome {
    Shown,
    Deleted,
}

async fn run(
    out: &Output,
    target: &Target,
    args: Args,
    signals: &Signals,
    deleted: &mut Deleted,
) -> Result<Outcome> {
    let aws = out.load(args.connection).await;
    let options = delete::Options {
        keep_objects: args.keep_objects,
        all_versions: args.all_versions,
        concurrency: args.concurrency.into(),
        force: args.force,
    };
    let plan = signals
        .or_interrupted(delete::plan(&aws, target, options))
        .await?;
    if plan.versions_remain() {
        out.say("note: earlier versions of the objects remain; --all-versions deletes them too");
    }
    if args.dry_run {
        plan.steps().iter().for_each(|step| out.say(step));
        out.result(&plan.report(), None);
        return Ok(Outcome::Shown);
    }
    if !args.yes && cli::at_terminal() {
        plan.steps().iter().for_each(|step| out.ask(step));
        let answer = signals
            .or_interrupted(async { Ok(out.confirm("go on?").await) })
            .await?;
        ensure!(answer, "not confirmed, so nothing is deleted");
    }
    let progress = Arc::default();
    let meter = Meter::start(out, &progress);
    let on_step = |step: &Step| meter.say(out, step);
    delete::apply(&plan, &signals.cancel, &on_step, &progress, deleted).await?;
    Ok(Outcome::Deleted)
}
