//! Draws what the two programs show at a terminal, as an SVG on stdout.
//!
//!     cargo run --example picture > docs/terminal.svg
//!
//! They run on a local AWS, at a pseudo-terminal. The access key's ID is replaced
//! by the one of AWS's documentation, since it is another each time.

#[path = "../tests/support/mod.rs"]
mod support;

use pty_process::Command;
use support::{COLUMNS, QUESTION, ROWS, Sandbox, Session};

const CREATE: &str = "create_s3_user -b shared-files -u alex --kit --verify";
const DELETE: &str = "delete_s3_user -b shared-files -u alex";
const DOCUMENTED_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

const PROMPT: &str = "$ ";

// In pixels. The characters of nearly all monospace fonts are 0.6 of their size wide.
const FONT_SIZE: usize = 14;
const LINE: usize = 20;
const MARGIN: usize = 20;
const TITLE_BAR: usize = 40;
const WIDTH: usize = COLUMNS.get() as usize * FONT_SIZE * 6 / 10 + 2 * MARGIN;

#[tokio::main]
async fn main() {
    support::build_binaries("picture");
    let aws = support::aws_of_the_examples().await;
    let sandbox = Sandbox::new(&aws).set("TERM", Some("xterm"));
    let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
    for (command, answer) in [(CREATE, None), (DELETE, Some("y\n"))] {
        let shown = run(&sandbox, command, answer).await;
        screen.process(format!("{PROMPT}{command}\r\n{shown}\r\n").as_bytes());
    }
    let contents = screen.screen().contents();
    assert!(contents.starts_with(PROMPT), "too few rows");
    let contents = contents.replace(&sandbox.key_of("alex").0, DOCUMENTED_KEY_ID);
    print!("{}", draw(contents.trim_end()));
}

/// What a command shows, which must succeed, and is given the answer to its
/// question.
async fn run(sandbox: &Sandbox, command: &str, answer: Option<&str>) -> String {
    let mut words = command.split(' ');
    let program = Command::new(support::binary(words.next().unwrap())).args(words);
    let program = program.current_dir(sandbox.path());
    let mut session = Session::start(sandbox, program);
    let mut shown = String::new();
    if let Some(answer) = answer {
        shown += &session.shows(Some(QUESTION)).await;
        session.types(answer).await;
    }
    shown + &session.ends_with(0).await
}

/// The lines in a window.
fn draw(contents: &str) -> String {
    let height = TITLE_BAR + contents.lines().count() * LINE + MARGIN;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">
<title>create_s3_user and delete_s3_user at a terminal</title>
<rect x="0.5" y="0.5" width="{}" height="{}" rx="8" fill="#1c2128" stroke="#545d68"/>
<circle cx="20" cy="20" r="6" fill="#ff5f57"/>
<circle cx="40" cy="20" r="6" fill="#febc2e"/>
<circle cx="60" cy="20" r="6" fill="#28c840"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace" font-size="{FONT_SIZE}" fill="#cdd9e5" xml:space="preserve">
"##,
        WIDTH - 1,
        height - 1
    );
    for (row, line) in contents.lines().enumerate() {
        let y = TITLE_BAR + row * LINE + FONT_SIZE;
        let typed = |after: &str| line.starts_with(after).then_some(after.len());
        let text = match typed(PROMPT).or(typed(QUESTION)) {
            Some(at) => format!(
                r##"{}<tspan fill="#ffffff" font-weight="bold">{}</tspan>"##,
                escape(&line[..at]),
                escape(&line[at..])
            ),
            None => escape(line),
        };
        if !text.is_empty() {
            svg += &format!("<text x=\"{MARGIN}\" y=\"{y}\">{text}</text>\n");
        }
    }
    svg + "</g>\n</svg>\n"
}

/// As text of an XML element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
