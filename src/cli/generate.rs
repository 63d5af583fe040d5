//! Shell completions and the man page, made from the definition of the arguments:
//! `--completions SHELL` and `--man`, which help doesn't show.

use std::io::{self, Write};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::exit::exit_now;
use super::terminal::print_error;

/// Adds the two options to a command. Nothing goes with either of them, and no user is
/// required then.
pub(super) fn with_options(command: Command) -> Command {
    let completions = Arg::new("completions")
        .long("completions")
        .value_name("SHELL")
        .value_parser(value_parser!(Shell));
    let man = Arg::new("man").long("man").action(ArgAction::SetTrue);
    command.args([completions, man].map(|arg| arg.exclusive(true).hide(true).group("users")))
}

/// Writes what either option asks for to stdout and exits with code 0, if one is given.
pub(super) fn if_asked(command: Command, matches: &ArgMatches) {
    if let Some(shell) = matches.get_one::<Shell>("completions") {
        write(command.get_name(), &completions(command.clone(), *shell));
    } else if matches.get_flag("man") {
        write(command.get_name(), man_page(command.clone()).as_bytes());
    }
}

fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    text
}

fn man_page(command: Command) -> String {
    let title = command.get_name().to_uppercase();
    // It would leave out the words of what only --help shows.
    let explained = command.mut_args(|arg| arg.hide_short_help(false));
    let mut page = Vec::new();
    clap_mangen::Man::new(explained)
        .title(title)
        .render(&mut page)
        .expect("a Vec takes all that is written");
    // What comes after the options is examples first.
    String::from_utf8_lossy(&page).replace(".SH EXTRA", ".SH EXAMPLES")
}

fn write(command: &str, text: &[u8]) -> ! {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            print_error(command, &format!("can't write to stdout: {error}"));
            exit_now(1)
        }
        _ => exit_now(0),
    }
}
