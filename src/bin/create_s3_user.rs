//! Creates IAM users that have access to one folder of a bucket each.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Parser;
use s3_user::cli::{
    self, ExitStatus, HandoverArgs, Job, NamedUser, Output, OutputArgs, Signals, TargetArgs,
};
use s3_user::rotate::OldKeys;
use s3_user::suspend::Direction;
use s3_user::{Connection, Grant, GrantChange, NewUser, PolicyDocument, create, rotate};

const NAME: &str = "create_s3_user";

const USAGE: &str = "create_s3_user -b BUCKET -u USER [OPTIONS]";

const AFTER_HELP: &str = "\
Examples:
  create_s3_user -b shared-files -u kim --expires 90d --kit --verify
  create_s3_user -b shared-files --list
  create_s3_user -b shared-files -u kim --update --expires 2030-12-31";

const AFTER_LONG_HELP: &str = "\
Examples:
  create_s3_user -b shared-files -u alex
  create_s3_user -b shared-files -u kim --access read-write --expires 90d --kit --verify
  create_s3_user -b shared-files -u alex --update --expires 2030-12-31
  create_s3_user -b shared-files -u alex --rotate-key --verify
  create_s3_user -b shared-files --list
  create_s3_user -b shared-files --users-from customers.txt -o keys --skip-existing
  create_s3_user -b shared-files -u alex --suspend
  key_file=$(create_s3_user -q -b shared-files -u lee -o /secure/keys)

Exit codes:
  0 done, 1 failed, and what was made for that user is undone, 2 bad usage,
  130 interrupted and undone (143 by SIGTERM, 129 by a closed terminal)

Shell completions and man page:
  create_s3_user --completions SHELL
  create_s3_user --man";

/// Create an IAM user that can list and download one folder of an S3 bucket
///
/// Creates the user, a policy for s3://BUCKET/USER/ and nothing else, and an access key.
/// Writes the key to USER_accessKeys.csv for you to deliver, and the path of that file to
/// stdout. If anything fails, everything is undone. If the folder is empty and one with a
/// similar name exists, a note says so, and at a terminal you are asked first, unless you
/// give --yes.
#[derive(Parser)]
#[command(name = NAME, version, override_usage = USAGE, verbatim_doc_comment)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    grant: GrantChange,
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

/// What to do with existing users, in place of making one.
#[derive(clap::Args)]
#[command(next_help_heading = "Existing users")]
struct Change {
    /// Skip users that already exist for this bucket, with a policy and a key
    ///
    /// Nothing about them changes, whatever access the options name, and they don't count as
    /// failed: a run over many users that was interrupted can be run again. A user whose key
    /// was lost by a run that was killed fails: replace its key with --rotate-key.
    #[arg(verbatim_doc_comment, hide_short_help = true, long, group = "mode")]
    skip_existing: bool,
    /// List the bucket's users with their access and keys
    ///
    /// All users made for the bucket, or those given by -u: folder, access, end, keys, last
    /// use, and anything odd. A table, or with --json a line for each user. Changes nothing.
    /// Looks at 16 users at a time unless --jobs is given.
    #[arg(verbatim_doc_comment, long, groups = ["mode", "users"])]
    #[arg(conflicts_with_all = ["GrantChange", "HandoverArgs", "NewUser", "dry_run", "old_keys"])]
    list: bool,
    /// Change the access of an existing user
    ///
    /// Changes only what the access options name. Replaces the user's policy and leaves the
    /// key alone. Prints what changes and what stays. A policy that somebody edited is
    /// replaced only if all access options are given.
    #[arg(verbatim_doc_comment, long, group = "mode")]
    #[arg(conflicts_with_all = ["HandoverArgs", "NewUser", "old_keys"])]
    update: bool,
    /// Replace the access key of an existing user
    ///
    /// Creates a new key, then deletes the old one. While the old key file exists, the new
    /// one is USER_accessKeys.2.csv, and so on. The old key works until the new one is safe,
    /// and is deleted only once STS, where the store has it, or --verify has tested that one.
    #[arg(verbatim_doc_comment, long, group = "mode", conflicts_with_all = ["make_folder", "GrantChange", "NewUser"])]
    rotate_key: bool,
    /// With --rotate-key, leave the old key as it is
    #[arg(hide_short_help = true, long, group = "old_keys")]
    keep_old_keys: bool,
    /// With --rotate-key, make the old key inactive instead of deleting it
    ///
    /// --resume makes it active again, and the next --rotate-key deletes it.
    #[arg(hide_short_help = true, long, group = "old_keys")]
    suspend_old: bool,
    /// Make all access keys of an existing user inactive
    ///
    /// Everything else stays. The person has no access until --resume. It may take a few
    /// seconds to apply.
    #[arg(verbatim_doc_comment, long, group = "mode")]
    #[arg(conflicts_with_all = ["GrantChange", "HandoverArgs", "NewUser", "old_keys"])]
    suspend: bool,
    /// Make all access keys of an existing user active again
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = ["GrantChange", "output_dir", "kit", "contact", "make_folder", "verify_timeout", "NewUser", "old_keys"])]
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

    /// What is done with the users, in the past tense.
    fn did(&self) -> &'static str {
        if self.update {
            "updated"
        } else if self.rotate_key {
            "given a new key"
        } else if self.suspend {
            "suspended"
        } else if self.resume {
            "resumed"
        } else {
            "created"
        }
    }

    /// Whether it is something to do with users that exist.
    fn is_of_existing(&self) -> bool {
        self.update || self.rotate_key || self.direction().is_some()
    }

    /// The option with which nothing can be said on access, if one is given.
    fn takes_names_alone(&self) -> Option<&'static str> {
        let options = [
            ("--list", self.list),
            ("--rotate-key", self.rotate_key),
            ("--suspend", self.suspend),
            ("--resume", self.resume),
        ];
        let given = options.into_iter().find(|(_, is_given)| *is_given);
        given.map(|(option, _)| option)
    }

    /// Whether the keys are to be suspended or resumed, if either.
    fn direction(&self) -> Option<Direction> {
        let suspend = self.suspend.then_some(Direction::Suspend);
        suspend.or(self.resume.then_some(Direction::Resume))
    }
}

impl Args {
    /// Fails on what can't work, before any call is made.
    fn check(&self, users: &[NamedUser]) -> anyhow::Result<()> {
        ensure!(
            !(self.change.resume && self.handover.verify),
            "--verify can't be used with --resume: it needs the secret of the key, \
             which only the person has"
        );
        if !self.change.rotate_key {
            ensure!(!self.change.keep_old_keys, "--keep-old-keys needs --rotate-key");
            ensure!(!self.change.suspend_old, "--suspend-old needs --rotate-key");
        }
        if let Some(option) = self.change.takes_names_alone()
            && let Some(user) = users.iter().find(|it| it.access != GrantChange::default())
        {
            bail!(
                "{option} can't be used with access options in the users file, as in the row of user {}",
                user.name
            );
        }
        self.grant.check()?;
        self.new_user.check()?;
        Ok(self.handover.check(self.output.json, users.len())?)
    }

    /// What is wrong with the access that users are to have, a line each.
    fn problems(&self, users: &[NamedUser]) -> Vec<String> {
        let wrong = |user| Some((user, self.check_grant(user).err()?));
        let problems = users.iter().filter_map(wrong);
        let line = |(user, error): (&NamedUser, _)| match &user.place {
            Some(place) => format!("{place}: {error}"),
            None => format!("user {}: {error}", user.name),
        };
        problems.map(line).collect()
    }

    fn check_grant(&self, user: &NamedUser) -> anyhow::Result<()> {
        let (target, grant) = (self.target.target(&user.name), self.new_grant(user));
        grant.check(&target.prefix())?;
        // What else an existing user's policy holds is not known yet.
        if !self.change.update {
            // The shortest that any region makes of it.
            let policy = PolicyDocument::new(&grant, &target, "");
            policy.check_size(self.new_user.policy_kind())?;
        }
        Ok(())
    }

    /// What the options and the user's own row say on its access.
    fn grant_change(&self, user: &NamedUser) -> GrantChange {
        self.grant.overridden_by(&user.access)
    }

    /// What a new user may do.
    fn new_grant(&self, user: &NamedUser) -> Grant {
        self.grant_change(user).apply_to(&Grant::default())
    }

    /// What the first signal says, and the second.
    fn stopping(&self) -> (&'static str, String) {
        if self.change.list {
            return ("stopping", "stopped".to_owned());
        }
        if self.change.update || self.change.suspend || self.change.resume {
            let first = "stopping after the call under way; press Ctrl-C again to stop at once";
            let second = "stopped; running the same command again continues";
            return (first, second.to_owned());
        }
        let first = "stopping, and undoing what was made; press Ctrl-C again to stop at once";
        let second = if self.change.rotate_key {
            let list = self.target.list_keys(&self.connection);
            format!("stopped; a new key without a file can be deleted; list the keys with: {list}")
        } else {
            let delete = self.target.delete_user(&self.connection);
            format!("stopped; remove what may be left with: {delete}")
        };
        (first, second)
    }

    /// Changes a user that exists.
    async fn change(&self, job: Job<'_>, user: &NamedUser) -> ExitStatus {
        if self.change.update {
            return job.update(&self.grant_change(user)).await;
        }
        if let Some(direction) = self.change.direction() {
            return job.suspend(direction).await;
        }
        let options =
            rotate::Options { handover: (&self.handover).into(), old_keys: self.change.old_keys() };
        job.rotate(&options).await
    }

    fn creation(&self, user: &NamedUser) -> create::Options {
        create::Options {
            grant: self.new_grant(user),
            new_user: self.new_user.clone(),
            make_folder: self.handover.make_folder,
            handover: (&self.handover).into(),
        }
    }
}

fn main() -> ExitCode {
    cli::run(NAME, work())
}

async fn work() -> ExitCode {
    let args: Args = cli::parse();
    let users = args.target.users(NAME);
    if let Err(error) = args.check(&users) {
        cli::bad_usage(NAME, error);
    }
    cli::refuse_users(NAME, args.problems(&users));
    let (first, second) = args.stopping();
    let signals = Signals::listen(first, second);
    let out = Output::new(NAME, args.change.did(), &args.output, &args.connection, users.len());
    let names: Vec<_> = users.iter().map(|user| user.name.clone()).collect();
    if args.change.list {
        return cli::list(&out, &signals, &args.connection, &args.target, names).await;
    }
    let targets = names.iter().map(|name| args.target.target(name));
    let loaded = out.load(&args.connection);
    let aws = match signals.cancel.run_until_cancelled(loaded).await {
        None => return cli::conclude(&out, &signals, &[], &names),
        Some(Err(error)) => return cli::no_clients(&out, &signals, targets, &error, false),
        Some(Ok(aws)) => aws,
    };
    let job = |user: &NamedUser| {
        let (target, out) = (args.target.target(&user.name), out.of(&user.name));
        Job::new(&aws, target, &signals, out, args.output.dry_run)
    };
    let at_a_time = args.target.jobs();
    let (done, not_started) = if args.change.is_of_existing() {
        let _line = out.count_users();
        let change = async |user: NamedUser| {
            let status = args.change(job(&user), &user).await;
            (user.name, status)
        };
        let (done, waiting) = cli::each(users, at_a_time, &signals.cancel, change).await;
        (done, waiting.into_iter().map(|user| user.name).collect())
    } else {
        let new = |user| (job(user), args.creation(user));
        let jobs = users.iter().map(new).collect();
        cli::create_all(jobs, at_a_time, args.change.skip_existing).await
    };
    cli::conclude(&out, &signals, &done, &not_started)
}
