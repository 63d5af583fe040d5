//! Deletes IAM users made by `create_s3_user`, and their folders' objects.

use std::process::ExitCode;

use clap::Parser;
use s3_user::cli::{self, Exit, OutputArgs, Session, StopWords, TargetArgs};
use s3_user::{Connection, delete};

const NAME: &str = "delete_s3_user";

const USAGE: &str = "delete_s3_user -b BUCKET -u USER [OPTIONS]";

/// The help of --users-from here, where only names and folders are read.
const USERS_FILE: &str = "\
File with a user name per line, or CSV; - for stdin

Blank lines and comments after # are skipped. The CSV file for create_s3_user works too: only its \
\"user\" and \"folder\" columns are used, but all cells must be valid.";

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
/// in its folder, and finally the user. Running it again finishes an interrupted run. At a terminal,
/// even when started by a script, it asks for confirmation first unless you give --yes; without a
/// terminal, it doesn't ask. Local key files stay.
#[derive(Parser)]
#[command(name = NAME, version, override_usage = USAGE)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
#[command(mut_args(|arg| if arg.get_id() == "users_from" { arg.long_help(USERS_FILE) } else { arg }))]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Every user whose access has ended, instead of -u
    ///
    /// Access has ended if both the user's tag s3-user:expires and its policy have said so for
    /// more than a minute. On a store that keeps no tags, its policy alone says so. A user
    /// who has other policies, groups or a console login stays, with a note.
    #[arg(long, help_heading = "Users", group = "users")]
    #[arg(conflicts_with_all = ["user", "users_from", "force", "folder"])]
    expired: bool,
    #[command(flatten)]
    extent: delete::DeleteOptions,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

fn main() -> ExitCode {
    cli::run(NAME, work())
}

async fn work() -> Exit {
    let args: Args = cli::parse(&[]);
    let users = args.target.users(NAME);
    let stop_words = StopWords {
        first: "stopping after the calls under way; press Ctrl-C again to stop at once",
        second: "stopped; running the same command again continues".to_owned(),
    };
    let session =
        Session::new(NAME, &args.target, &args.output, &args.connection, users.len(), stop_words);
    if args.expired {
        session.delete_expired(args.extent).await
    } else {
        session.delete(args.extent, users).await
    }
}
