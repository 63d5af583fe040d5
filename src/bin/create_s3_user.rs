//! Creates IAM users that have access to one folder of a bucket each.

use std::process::ExitCode;

use anyhow::{anyhow, bail, ensure};
use clap::{Id, Parser};
use s3_user::cli::{
    self, Existing, Exit, Folders, ListOptions, NamedUser, OutputArgs, Problem, Session, StopWords,
    TargetArgs, args_of,
};
use s3_user::rotate::OldKeys;
use s3_user::suspend::Direction;
use s3_user::{
    Connection, Destination, GivenFolder, Grant, GrantChange, HandoverOptions, NewUser,
    PolicyDocument, Target, create, rotate, update,
};

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
  130 interrupted, and what was made for unfinished users is undone
  (143 by SIGTERM, 129 by a closed terminal)

Shell completions and man page:
  create_s3_user --completions SHELL
  create_s3_user --man";

/// What options of earlier versions are called now.
const RENAMED: [(&str, &str); 2] =
    [("--keep-old-keys", "--old-key=keep"), ("--suspend-old", "--old-key=suspend")];

/// Create an IAM user that can list and download one folder of an S3 bucket
///
/// Creates the user, an access key, and a policy that gives access to the user's folder only
/// (s3://BUCKET/USER/ unless you give --folder). Writes the key to USER_accessKeys.csv for you to
/// deliver, and the path of that file to stdout. If a step fails, everything done for that user is
/// undone. If the folder is empty and one with a similar name exists, a note says so, and at a
/// terminal you are asked first, unless you give --yes.
#[derive(Parser)]
#[command(name = NAME, version, override_usage = USAGE)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// The user's folder, if it isn't named after the user
    ///
    /// Such as customers/acme/. Several users can share a folder, but no user's folder can be
    /// inside another user's. It can't be changed later. A "folder" column in a users file
    /// overrides it.
    #[arg(long, value_name = "FOLDER/", help_heading = "Users")]
    #[arg(display_order = 3, conflicts_with = "path")]
    folder: Option<GivenFolder>,
    #[command(flatten)]
    grant: GrantChange,
    #[command(flatten)]
    handover: HandoverOptions,
    /// Create an empty object for the folder, which some clients need to show it
    ///
    /// Without it, WinSCP and Cyberduck report an empty folder as missing.
    // Right after --contact.
    #[arg(hide_short_help = true, long, help_heading = "Delivery", display_order = 14)]
    make_folder: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    new_user: NewUser,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What to do with existing users, instead of creating one.
#[derive(clap::Args)]
#[command(next_help_heading = "Existing users")]
struct Change {
    /// Skip users that already exist for this bucket, with a policy and a key
    ///
    /// Nothing about them changes, whatever access options are given, and they don't count as
    /// failed: a run over many users that was interrupted can be run again. A user whose key
    /// was lost because a run was killed counts as failed: replace its key with --rotate-key.
    #[arg(hide_short_help = true, long, group = "mode")]
    skip_existing: bool,
    /// Create and update users so that they match the users file
    ///
    /// Creates missing users, updates those whose row differs, leaves the rest alone, and lists
    /// the bucket's users who are not in the file; it deletes nobody. A column that the file
    /// doesn't have is left alone for users that exist, and an empty cell stands for the
    /// default. Users that are suspended, or have no key or an edited policy, are reported and
    /// left unchanged. --dry-run shows what would change.
    #[arg(long, group = "mode", requires = "users_from", conflicts_with = "user")]
    #[arg(conflicts_with_all = [args_of::<GrantChange>(), vec![Id::from("folder")]].concat())]
    sync: bool,
    /// List the bucket's users with their access and keys
    ///
    /// All users made for the bucket, or those given by -u: folder, access, end, keys, last
    /// use, and warnings. A table, or with --json a line for each user. Changes nothing.
    /// Looks at 16 users at a time unless --jobs is given.
    #[arg(long, groups = ["mode", "users"])]
    #[arg(conflicts_with_all = [args_of::<GrantChange>(), for_key(), for_new_user()].concat())]
    #[arg(conflicts_with = "dry_run")]
    list: bool,
    #[command(flatten)]
    list_options: ListOptions,
    /// Change the access or the tags of an existing user
    ///
    /// Changes only what the access options and --tag specify. Replaces the user's policy and
    /// leaves the key alone. Prints what changes and what stays. A policy that somebody edited
    /// is replaced only if all access options are given.
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = not_for_update())]
    update: bool,
    /// Replace the access key of an existing user
    ///
    /// Creates a new key, then deletes the old one. While the old key file exists, the new
    /// one is USER_accessKeys.2.csv, and so on. The old key works until the new one is
    /// written, and is deleted only after STS (if the store has it) or --verify has confirmed that
    /// the new one works.
    /// Access options change the user's access at the same time, such as --expires 365d.
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = not_for_rotation())]
    rotate_key: bool,
    /// With --rotate-key, what becomes of the old key: delete, suspend or keep [default: delete]
    ///
    /// A key that is suspended is inactive: --resume makes it active again, and the next
    /// --rotate-key deletes it, except with keep.
    #[arg(hide_short_help = true, long, value_name = "WHAT", hide_possible_values = true)]
    #[arg(value_enum, requires = "rotate_key")]
    #[arg(conflicts_with_all = not_for_rotation())]
    old_key: Option<OldKeys>,
    /// Make all access keys of an existing user inactive
    ///
    /// Everything else stays. The person has no access until you run --resume. It may take a few
    /// seconds to apply.
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = [args_of::<GrantChange>(), for_key(), for_new_user()].concat())]
    suspend: bool,
    /// Make all access keys of an existing user active again
    #[arg(long, group = "mode")]
    #[arg(conflicts_with_all = [args_of::<GrantChange>(), for_key(), for_new_user()].concat())]
    resume: bool,
}

/// The options for a new key, of a new user or an existing one.
fn for_key() -> Vec<Id> {
    let mut options = args_of::<HandoverOptions>();
    options.push(Id::from("old_key"));
    options
}

/// The options that don't go with other access or tags for an existing user. Of `--kit` more is
/// said than clap could.
fn not_for_update() -> Vec<Id> {
    let mut options = [for_key(), for_new_user()].concat();
    options.retain(|option| option != "kit" && option != "tags");
    options
}

/// The options for a new user alone.
fn for_new_user() -> Vec<Id> {
    let mut options = args_of::<NewUser>();
    options.extend(["make_folder", "folder"].map(Id::from));
    options
}

/// The options that don't go with a new key for an existing user.
fn not_for_rotation() -> Vec<Id> {
    let mut options = for_new_user();
    options.push(Id::from("skip_existing"));
    options
}

impl Change {
    /// The option that doesn't go with access options, if one is given.
    fn without_access(&self) -> Option<&'static str> {
        self.mode().filter(|option| !["--update", "--rotate-key"].contains(option))
    }

    /// The option that says what to do with existing users, if one is given.
    fn mode(&self) -> Option<&'static str> {
        let options = [
            ("--list", self.list),
            ("--update", self.update),
            ("--rotate-key", self.rotate_key),
            ("--suspend", self.suspend),
            ("--resume", self.resume),
        ];
        options.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }
}

impl Args {
    /// Fails on what can't work and clap can't know of, before any call is made.
    fn check(&self, users: &[NamedUser]) -> anyhow::Result<()> {
        self.check_rows(users)?;
        self.grant.check()?;
        self.new_user.check()?;
        // Clap lets it pass where anything given doesn't go with --list.
        ensure!(
            self.change.list || !self.change.list_options.are_given(),
            "the following required arguments were not provided: --list"
        );
        ensure!(
            !self.change.update || self.handover.kit.is_none(),
            "--kit can't be used with --update: a kit holds the secret, which is known only when a key \
             is created; use --rotate-key --kit"
        );
        if let Destination::Open(_) = self.handover.to {
            ensure!(
                self.handover.kit.is_none(),
                "--kit can't be used with -o -, which writes no files"
            );
            ensure!(!self.output.json, "--json can't be used with -o -: the key goes to stdout");
            ensure!(users.len() <= 1, "-o - takes one user at a time");
        }
        Ok(())
    }

    /// Fails on a users file with columns that an option doesn't go with.
    fn check_rows(&self, users: &[NamedUser]) -> anyhow::Result<()> {
        let has_access = |user: &&NamedUser| user.access != GrantChange::default();
        let has_folder = |user: &&NamedUser| user.folder.is_some();
        for (option, what, user) in [
            (self.change.without_access(), "access options", users.iter().find(has_access)),
            (self.without_folder(), "folders", users.iter().find(has_folder)),
        ] {
            if let (Some(option), Some(user)) = (option, user) {
                let file = user.place.as_ref().map_or("a users file", |place| &place.file);
                bail!("{option} takes no {what}, but {file} has some; use a file without them");
            }
        }
        Ok(())
    }

    /// The option that doesn't go with folders, if one is given.
    fn without_folder(&self) -> Option<&'static str> {
        self.change.mode().or(self.new_user.path.is_some().then_some("--path"))
    }

    /// Says what is wrong with the access or the folder that users are to get.
    fn problems(&self, users: &[NamedUser]) -> Vec<Problem> {
        let folders = Folders::of(users, self.folder.as_ref(), &self.target);
        let mut problems = Vec::new();
        for user in users {
            let error = match self.check_row(&folders.target(user), user) {
                Err(error) => Some(error.to_string()),
                Ok(()) if self.change.mode().is_none() => folders.problem(user),
                Ok(()) => None,
            };
            problems.extend(error.map(|error| match &user.place {
                Some(place) => (Some(place.clone()), error),
                None => (None, format!("user {}: {error}", user.name)),
            }));
        }
        problems
    }

    fn check_row(&self, target: &Target, user: &NamedUser) -> anyhow::Result<()> {
        if self.change.sync {
            ensure!(
                !user.lasts,
                "column expires: a duration would move the end with every run; write a date such as \
                 2026-12-31"
            );
        } else {
            user.check_end().map_err(|error| anyhow!("column expires: {error}"))?;
        }
        let grant = self.grant.overridden_by(&user.access).apply_to(&Grant::default());
        // What an existing user has besides, or its folder, is not known yet.
        if self.change.mode().is_some() || self.change.sync {
            return grant.check();
        }
        create::check_target(target, &self.new_user)?;
        grant.check_for(target.prefix())?;
        // The shortest that any region makes of it.
        let policy = PolicyDocument::new(&grant, target, "");
        policy.check_size(self.new_user.policy_kind())
    }

    fn stop_words(&self, users: &[NamedUser]) -> StopWords {
        if self.change.list {
            return StopWords { first: "stopping", second: "stopped".to_owned() };
        }
        if self.change.update || self.change.suspend || self.change.resume {
            return StopWords {
                first: "stopping after the calls under way; press Ctrl-C again to stop at once",
                second: "stopped; running the same command again continues".to_owned(),
            };
        }
        StopWords {
            first: match (users.len(), self.change.rotate_key) {
                (1, _) => "stopping, and undoing what was made; press Ctrl-C again to stop at once",
                (_, true) => {
                    "stopping, and undoing key replacements that aren't finished; press Ctrl-C again \
                     to stop at once"
                }
                (_, false) => {
                    "stopping, and removing users that are only partly created; press Ctrl-C again \
                     to stop at once"
                }
            },
            second: if self.change.rotate_key {
                let list = self.target.list_keys(&self.connection);
                let changes_access = |user: &NamedUser| {
                    self.grant.overridden_by(&user.access) != GrantChange::default()
                };
                let access =
                    if users.iter().any(changes_access) { "access may have changed; " } else { "" };
                format!(
                    "stopped; {access}a new key without a file can be deleted; list the keys \
                     with: {list}"
                )
            } else {
                let delete = self.target.delete_user(&self.connection);
                format!("stopped; remove what may be left with: {delete}")
            },
        }
    }

    /// Does what the options name with the users.
    async fn carry_out(self, session: Session, users: Vec<NamedUser>) -> Exit {
        let Self { folder, grant, handover, change, new_user, make_folder, .. } = self;
        if change.list {
            session.list(change.list_options, users).await
        } else if change.update {
            let options = update::UpdateOptions { access: grant, tags: new_user.tags };
            session.update(options, users).await
        } else if change.rotate_key {
            let old_keys = change.old_key.unwrap_or_default();
            session.rotate(rotate::RotateOptions { handover, old_keys, access: grant }, users).await
        } else if change.suspend {
            session.suspend(Direction::Suspend, users).await
        } else if change.resume {
            session.suspend(Direction::Resume, users).await
        } else if change.sync {
            let grant = Grant::default();
            let options = create::CreateOptions { folder, grant, new_user, make_folder, handover };
            session.sync(options, users).await
        } else {
            let existing = if change.skip_existing { Existing::Skip } else { Existing::Refuse };
            let options = create::CreateOptions {
                folder,
                grant: Grant::default(),
                new_user,
                make_folder,
                handover,
            };
            session.create(options, grant, existing, users).await
        }
    }
}

fn main() -> ExitCode {
    cli::run(NAME, work())
}

async fn work() -> Exit {
    let args: Args = cli::parse(&RENAMED);
    let users = args.target.users(NAME);
    if let Err(error) = args.check(&users) {
        cli::bad_usage(NAME, error);
    }
    cli::refuse_users(NAME, args.problems(&users));
    let session = Session::new(
        NAME,
        &args.target,
        &args.output,
        &args.connection,
        users.len(),
        args.stop_words(&users),
    );
    args.carry_out(session, users).await
}
