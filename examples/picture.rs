//! Draws what the two programs show at a terminal, as an SVG on stdout.
//!
//!     cargo run --example picture > docs/terminal.svg
//!
//! They run on a local AWS, at a pseudo-terminal. The access key's ID is replaced
//! by the one of AWS's documentation, since it is another each time. Steps that
//! are taken at the same time come in any order.

#[path = "../tests/support/mod.rs"]
mod support;

use std::num::NonZeroU16;

use pty_process::{Command, Size};
use support::{FILES_OF_SEVERAL_PEOPLE, LocalAws, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CREATE: &str = "create_s3_user -b shared-files -u alex --kit --verify";
const DELETE: &str = "delete_s3_user -b shared-files -u alex";
const DOCUMENTED_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

const PROMPT: &str = "$ ";
const QUESTION: &str = "go on? [y/N] ";
const ROWS: NonZeroU16 = NonZeroU16::new(60).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

// In pixels. The characters of nearly all monospace fonts are 0.6 of their size wide.
const FONT_SIZE: usize = 14;
const LINE: usize = 20;
const MARGIN: usize = 20;
const TITLE_BAR: usize = 40;
const WIDTH: usize = COLUMNS.get() as usize * FONT_SIZE * 6 / 10 + 2 * MARGIN;

#[tokio::main]
async fn main() {
    support::build_binaries("picture");
    let aws = LocalAws::start().await;
    aws.add_bucket("shared-files", &FILES_OF_SEVERAL_PEOPLE)
        .await;
    let sandbox = Sandbox::new(&aws);
    let mut terminal = Terminal {
        screen: vt100::Parser::new(ROWS, COLUMNS, 0),
        sandbox: &sandbox,
    };
    terminal.run(CREATE, None).await;
    terminal.shows("\r\n");
    terminal.run(DELETE, Some("y\n")).await;
    let key_id = sandbox.key_of("alex").0;
    print!("{}", draw(&terminal.lines(&key_id)));
}

/// A terminal at which one command runs after the other.
struct Terminal<'a> {
    screen: vt100::Parser,
    sandbox: &'a Sandbox,
}

impl Terminal<'_> {
    fn shows(&mut self, text: impl AsRef<[u8]>) {
        self.screen.process(text.as_ref());
    }

    /// Runs a command, which must succeed, and gives the answer if it asks.
    async fn run(&mut self, command: &str, mut answer: Option<&str>) {
        self.shows(format!("{PROMPT}{command}\r\n"));
        let (mut terminal, programs_end) = pty_process::open().unwrap();
        terminal
            .resize(Size::new(ROWS.get(), COLUMNS.get()))
            .unwrap();
        let mut words = command.split(' ');
        let mut program = Command::new(support::binary(words.next().unwrap()))
            .args(words)
            .env_clear()
            .envs(self.sandbox.environment().iter().cloned())
            .env("TERM", "xterm")
            .current_dir(self.sandbox.path())
            .spawn(programs_end)
            .unwrap();
        let mut bytes = [0; 4096];
        // Linux tells the end of a terminal by an error, macOS by no bytes.
        while let Ok(count @ 1..) = terminal.read(&mut bytes).await {
            self.shows(&bytes[..count]);
            let asks = self.screen.screen().contents().ends_with(QUESTION);
            if let Some(answer) = answer.take_if(|_| asks) {
                terminal.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        assert!(program.wait().await.unwrap().success());
        assert_eq!(answer, None, "it must ask");
    }

    /// What is on the screen in the end.
    fn lines(&self, key_id: &str) -> Vec<String> {
        let contents = self.screen.screen().contents();
        assert!(contents.starts_with(PROMPT), "too few rows");
        let contents = contents.replace(key_id, DOCUMENTED_KEY_ID);
        contents.trim_end().lines().map(str::to_owned).collect()
    }
}

/// The lines in a window.
fn draw(lines: &[String]) -> String {
    let height = TITLE_BAR + lines.len() * LINE + MARGIN;
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
    for (row, line) in lines.iter().enumerate() {
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
