//! What the two programs show at a terminal: drawn by an example, checked by a test.

use pty_process::Command;

use super::fixtures::aws_of_the_examples;
use super::programs::{Sandbox, binary};
use super::session::{COLUMNS, QUESTION, ROWS, Session};

pub const PROMPT: &str = "$ ";

const CREATE: &str = "create_s3_user -b shared-files -u alex --kit --verify";
const DELETE: &str = "delete_s3_user -b shared-files -u alex";

/// A part of a line in one colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub colour: vt100::Color,
    pub is_bold: bool,
}

/// The lines of a terminal at which both programs have run. The access key's ID
/// is the one of AWS's documentation, since it is another each time.
pub async fn lines_at_terminal() -> Vec<Vec<Span>> {
    let aws = aws_of_the_examples().await;
    let sandbox = Sandbox::with_host_of_aws(&aws).set("TERM", Some("xterm"));
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    for (command, answer) in [(CREATE, None), (DELETE, Some("y\n"))] {
        let shown = run(&sandbox, command, answer).await;
        terminal.process(format!("{PROMPT}{command}\r\n{shown}\r\n").as_bytes());
    }
    let screen = terminal.screen();
    assert!(screen.contents().starts_with(PROMPT), "too few rows");
    let key = sandbox.key_of("alex").0;
    let lines = (0..ROWS.get()).map(|row| spans(screen, row, &key));
    let mut lines: Vec<_> = lines.collect();
    while lines.pop_if(|line| line.iter().all(|span| span.text.is_empty())).is_some() {}
    lines
}

/// What a command shows, which must succeed, and is given the answer to its
/// question.
async fn run(sandbox: &Sandbox, command: &str, answer: Option<&str>) -> String {
    let mut words = command.split(' ');
    let program = Command::new(binary(words.next().unwrap())).args(words);
    let program = program.current_dir(sandbox.path());
    let mut session = Session::start(sandbox, program);
    let mut shown = String::new();
    if let Some(answer) = answer {
        shown += &session.shows(Some(QUESTION)).await;
        session.types(answer).await;
    }
    shown + &session.ends_with(0).await
}

fn spans(screen: &vt100::Screen, row: u16, key: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for cell in (0..COLUMNS.get()).filter_map(|column| screen.cell(row, column)) {
        let (colour, is_bold) = (cell.fgcolor(), cell.bold());
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match spans.last_mut() {
            Some(last) if (last.colour, last.is_bold) == (colour, is_bold) => last.text += text,
            _ => spans.push(Span { text: text.to_owned(), colour, is_bold }),
        }
    }
    if let Some(last) = spans.last_mut() {
        last.text.truncate(last.text.trim_end().len());
    }
    for span in &mut spans {
        span.text = span.text.replace(key, "AKIAIOSFODNN7EXAMPLE");
    }
    spans
}
