//! Deletes IAM users made by `create_s3_user`, and their folders' objects.

use std::process::ExitCode;

use clap::{Parser, value_parser};
use s3_user::cli::{self, Job, Output, OutputArgs, Signals, TargetArgs};
use s3_user::{Aws, Connection, Target, UserName, delete};

const NAME: &str = "delete_s3_user";

const USAGE: &str = "delete_s3_user -b BUCKET -u USER [OPTIONS]";

const AFTER_HELP: &str = "Example: delete_s3_user -b shared-files -u alex --dry-run";

const AFTER_LONG_HELP: &str = "\
Examples:
  delete_s3_user -b shared-files -u alex
  delete_s3_user -b shared-files -u alex --dry-run
  delete_s3_user -b shared-files -u alex -y --keep-objects
  delete_s3_user -b shared-files --expired --dry-run

Exit codes:
  0 all deleted, 1 something failed or remains, 2 bad usage,
  130 interrupted (143 by SIGTERM, 129 by a closed terminal)

Shell completions and man page:
  delete_s3_user --completions SHELL
  delete_s3_user --man";

/// Delete an IAM user made by create_s3_user, and all objects in its folder
///
/// Deletes the access keys, the policies, everything else that belongs to the user, all objects
/// under s3://BUCKET/USER/, and last the user. Running it again finishes what was
/// interrupted. Started at a terminal, even by a script, it asks there first, unless you give
/// --yes; where there is no terminal, it doesn't ask. Local key files stay.
#[derive(Parser)]
#[command(name = NAME, version, override_usage = USAGE, verbatim_doc_comment)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Every user whose access has ended, instead of -u
    ///
    /// Access has ended if both the user's tag s3-user:expires and its policy say so, and have
    /// for more than a minute. On a store that keeps no tags, its policy alone says so. A user
    /// who has other policies, groups or a login to the console stays, with a note.
    #[arg(verbatim_doc_comment, long, help_heading = "Users", group = "users")]
    #[arg(conflicts_with_all = ["user", "users_from", "force"])]
    expired: bool,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// How much is deleted, and how.
#[derive(clap::Args)]
#[command(next_help_heading = "What is deleted")]
struct Extent {
    /// Leave the folder's objects where they are
    #[arg(long)]
    keep_objects: bool,
    /// Delete earlier versions and delete markers too
    #[arg(long, conflicts_with = "keep_objects")]
    all_versions: bool,
    /// Delete the user even if it was not made for this bucket
    ///
    /// Also deletes a folder that has no user.
    #[arg(long)]
    force: bool,
    /// Delete requests under way at a time for each user, 1 to 256
    #[arg(hide_short_help = true, long, value_name = "N", default_value_t = 16)]
    #[arg(value_parser = value_parser!(u16).range(1..=256))]
    concurrency: u16,
}

impl From<&Args> for delete::Options {
    fn from(args: &Args) -> Self {
        let extent = &args.extent;
        Self {
            keep_objects: extent.keep_objects,
            all_versions: extent.all_versions,
            concurrency: extent.concurrency.into(),
            force: extent.force,
            only_expired: args.expired,
        }
    }
}

fn main() -> ExitCode {
    cli::run(NAME, work())
}

async fn work() -> ExitCode {
    let args: Args = cli::parse();
    let users = args.target.users(NAME).into_iter().map(|user| user.name);
    let users: Vec<_> = users.collect();
    let signals = Signals::listen(
        "stopping after the calls under way; press Ctrl-C again to stop at once",
        "stopped; running the same command again continues".to_owned(),
    );
    let out = Output::new(NAME, "deleted", &args.output, &args.connection, users.len());
    if args.expired {
        let options = (&args).into();
        let (connection, target) = (&args.connection, &args.target);
        return match cli::find_expired(&out, &signals, connection, target, options).await {
            Err(code) => code,
            Ok((aws, users)) => {
                let out = out.with_users(users.len());
                delete_users(&args, &out, &signals, &aws, &users).await
            }
        };
    }
    let targets = users.iter().map(|user| args.target.target(user));
    let loaded = out.load(&args.connection);
    let aws = match signals.cancel.run_until_cancelled(loaded).await {
        None => return cli::conclude(&out, &signals, &[], &users),
        Some(Err(error)) => return cli::no_clients(&out, &signals, targets, &error, true),
        Some(Ok(aws)) => aws,
    };
    delete_users(&args, &out, &signals, &aws, &users).await
}

async fn delete_users(
    args: &Args,
    out: &Output,
    signals: &Signals,
    aws: &Aws,
    users: &[UserName],
) -> ExitCode {
    let job = |target: Target| {
        let out = out.of(&target.user);
        Job::new(aws, target, signals, out, args.output.dry_run)
    };
    let targets = users.iter().map(|user| args.target.target(user));
    let jobs = targets.map(job).collect();
    let (at_a_time, options) = (args.target.jobs(), args.into());
    let (done, not_started) = cli::delete_all(jobs, at_a_time, options).await;
    cli::conclude(out, signals, &done, &not_started)
}
