//! Shell completions and the man page, made from the definition of the
//! arguments by two options that help doesn't show.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Arg, ArgAction, Command, Error, value_parser};
use clap_complete::Shell;

use super::exit_now;
use super::output::to_stderr;
use super::paint::label;

/// With `--completions SHELL` or `--man` as the first argument, writes that to
/// stdout and exits with code 0.
pub(super) fn asked_for(mut command: Command, args: &[OsString]) -> Result<(), Error> {
    let first = args.get(1).cloned().unwrap_or_default();
    if first != "--completions" && first != "--man" {
        return Ok(());
    }
    let name = command.get_name().to_owned();
    let completions = Arg::new("completions")
        .long("completions")
        .value_name("SHELL")
        .value_parser(value_parser!(Shell));
    let man = Arg::new("man").long("man").action(ArgAction::SetTrue);
    let asked = Command::new("generate").args([completions, man]);
    let mut text = Vec::new();
    match asked.try_get_matches_from(args)?.get_one::<Shell>("completions") {
        Some(shell) => clap_complete::generate(*shell, &mut command, &name, &mut text),
        None => {
            // It would leave out the words of what only --help shows.
            let command = command.mut_args(|arg| arg.hide_short_help(false));
            let man = clap_mangen::Man::new(command).title(name.to_uppercase());
            man.render(&mut text).expect("a Vec takes all that is written");
            // What comes after the options is examples first.
            let page = String::from_utf8_lossy(&text).replace(".SH EXTRA", ".SH EXAMPLES");
            text = page.into_bytes();
        }
    }
    match io::stdout().write_all(&text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let error = format!("can't write to stdout: {error}");
            to_stderr(&format!("{name}: {} {error}", label("error")));
            exit_now(1)
        }
        _ => exit_now(0),
    }
}
