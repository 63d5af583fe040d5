//! Creates IAM users that have access to one folder of a bucket each.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use s3_user::cli::{self, ExitStatus, HandoverArgs, Job, Output, OutputArgs, Signals, TargetArgs};
use s3_user::rotate::OldKeys;
use s3_user::suspend::Direction;
use s3_user::{Connection, Grant, NewUser, PolicyDocument, UserName, create, rotate};

const NAME: &str = "create_s3_user";

const USAGE: &str = "create_s3_user -b BUCKET -u USER [OPTIONS]";

const AFTER_HELP: &str = "\
Examples:
  create_s3_user -b shared-files -u alex
  create_s3_user -b shared-files -u kim --access read-write --expires 90d --kit --verify

All options, and what they mean: create_s3_user --help";

const AFTER_LONG_HELP: &str = "\
Examples:
  create_s3_user -b shared-files -u alex
  create_s3_user -b shared-files -u kim --access read-write --expires 90d --kit --verify
  create_s3_user -b shared-files -u alex --update --expires 2030-12-31
  create_s3_user -b shared-files -u alex --rotate-key --verify
  create_s3_user -b shared-files -u alex --suspend
  key_file=$(create_s3_user -q -b shared-files -u lee -o /secure/keys)

Exit codes:
  0 done, 1 failed, and what was made for that user is undone, 2 bad usage,
  130 interrupted and undone (143 by SIGTERM, 129 by a closed terminal)

Shell completions and man page:
  create_s3_user --completions SHELL
  create_s3_user --man";

/// Create an IAM user that can list and download its own folder of an S3 bucket, and nothing else
///
/// Makes the user, a policy for s3://BUCKET/USER/, and an access key, which is written to
/// USER_accessKeys.csv for you to hand on. The path of that file is all that goes to stdout.
/// If anything fails, what was made is undone.
#[derive(Parser)]
#[command(name = NAME, version, override_usage = USAGE, verbatim_doc_comment)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    grant: Grant,
    #[command(flatten)]
    handover: HandoverArgs,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    new_user: NewUser,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What to do with a user that is there, in place of making one.
#[derive(clap::Args)]
#[command(next_help_heading = "Changing a user that is there")]
struct Change {
    /// Give a user that is there the access of the access options, and no other
    ///
    /// Replaces the user's policy, and touches no key. What isn't said is as for a new user.
    #[arg(long, group = "mode", conflicts_with_all = ["HandoverArgs", "NewUser", "old_keys"])]
    update: bool,
    /// Make a new key for a user that is there, then delete the old one
    ///
    /// While the old key file is there, the new one is USER_accessKeys.2.csv, and so on.
    /// The old key works until the new one is safe.
    #[arg(verbatim_doc_comment, long, group = "mode", conflicts_with_all = ["make_folder", "Grant", "NewUser"])]
    rotate_key: bool,
    /// With --rotate-key, leave the old key as it is
    #[arg(
        hide_short_help = true,
        long,
        group = "old_keys",
        requires = "rotate_key"
    )]
    keep_old_keys: bool,
    /// With --rotate-key, make the old key inactive instead of deleting it
    ///
    /// --resume makes it active again, and the next --rotate-key deletes it.
    #[arg(
        hide_short_help = true,
        long,
        group = "old_keys",
        requires = "rotate_key"
    )]
    suspend_old: bool,
    /// Make all access keys of an existing user inactive; everything else stays
    ///
    /// The person has no access until --resume. AWS may take a few seconds to apply this.
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = ["Grant", "HandoverArgs", "NewUser", "old_keys"])]
    suspend: bool,
    /// Make all access keys of an existing user active again
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = ["Grant", "output_dir", "kit", "make_folder", "NewUser", "old_keys"])]
    resume: bool,
}

impl Change {
    /// What becomes of the old keys, where there is a new one.
    fn old_keys(&self) -> OldKeys {
        if self.keep_old_keys {
            OldKeys::Keep
        } else if self.suspend_old {
            OldKeys::Suspend
        } else {
            OldKeys::Delete
        }
    }

    /// Whether the keys are to be suspended or resumed, if either.
    fn direction(&self) -> Option<Direction> {
        let suspend = self.suspend.then_some(Direction::Suspend);
        suspend.or(self.resume.then_some(Direction::Resume))
    }
}

impl Args {
    /// Fails on what can't work, before any call is made.
    fn check(&self, users: &[UserName]) -> anyhow::Result<()> {
        ensure!(
            !(self.change.resume && self.handover.verify),
            "--verify can't be used with --resume: it needs the secret of the key, \
             which only the person has"
        );
        self.grant.check()?;
        self.new_user.check()?;
        self.handover.check(self.output.json, users)?;
        for user in users {
            // The shortest that any region makes of it.
            let policy = PolicyDocument::new(&self.grant, &self.target.target(user), "");
            policy.check_size(self.new_user.inline_policy)?;
        }
        Ok(())
    }

    /// What the first signal says, and the second.
    fn stopping(&self) -> (&'static str, String) {
        if self.change.update || self.change.suspend || self.change.resume {
            let first = "stopping after the call under way; once more to stop at once";
            let second = "stopped; running the same command again continues";
            return (first, second.to_owned());
        }
        let first = "stopping, and undoing what was made; once more to stop at once";
        let second = if self.change.rotate_key {
            let list = self.target.list_keys(&self.connection);
            format!("stopped; a new key whose file is not there can be deleted, see: {list}")
        } else {
            let delete = self.target.delete_user(&self.connection);
            format!("stopped; remove what may be left with: {delete}")
        };
        (first, second)
    }

    async fn work(&self, job: Job<'_>) -> ExitStatus {
        let handover = (&self.handover).into();
        if self.change.update {
            return job.update(&self.grant).await;
        }
        if self.change.rotate_key {
            let old_keys = self.change.old_keys();
            return job.rotate(&rotate::Options { handover, old_keys }).await;
        }
        if let Some(direction) = self.change.direction() {
            return job.suspend(direction).await;
        }
        job.create(&create::Options {
            grant: self.grant.clone(),
            new_user: self.new_user.clone(),
            make_folder: self.handover.make_folder,
            handover,
        })
        .await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = cli::parse();
    let users = args.target.users(NAME);
    if let Err(error) = args.check(&users) {
        cli::bad_usage(NAME, error);
    }
    let (first, second) = args.stopping();
    let signals = Signals::listen(first, second);
    let out = Output::new(NAME, &args.output, &args.connection, users.len());
    let targets = users.iter().map(|user| args.target.target(user));
    let loaded = out.load(&args.connection);
    let aws = match signals.cancel.run_until_cancelled(loaded).await {
        None => return cli::conclude(&out, &signals, &[], &users),
        Some(Err(error)) => return cli::no_clients(&out, &signals, targets, &error, false).await,
        Some(Ok(aws)) => aws,
    };
    let _line = out.count_users();
    let jobs = args.target.jobs.into();
    let (done, not_started) = cli::each(users, jobs, &signals.cancel, async |user| {
        let (target, out) = (args.target.target(&user), out.of(&user));
        let job = Job::new(&aws, target, &signals, out, args.output.dry_run);
        (user, args.work(job).await)
    })
    .await;
    cli::conclude(&out, &signals, &done, &not_started)
}
