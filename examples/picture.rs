//! Draws what the two programs show at a terminal, as an SVG on stdout.
//!
//!     cargo run --example picture > docs/terminal.svg
//!
//! They run on a local AWS, at a pseudo-terminal.

#[path = "../tests/support/mod.rs"]
mod support;

use support::{COLUMNS, PROMPT, QUESTION, Span, lines_at_terminal};

// In pixels. The characters of nearly all monospace fonts are 0.6 of their size wide.
const FONT_SIZE: usize = 14;
const LINE: usize = 20;
const MARGIN: usize = 20;
const TITLE_BAR: usize = 40;
const WIDTH: usize = COLUMNS.get() as usize * FONT_SIZE * 6 / 10 + 2 * MARGIN;

const WHITE: &str = "#ffffff";

#[tokio::main]
async fn main() {
    support::build_binaries("picture");
    print!("{}", draw(&lines_at_terminal().await));
}

/// Draws the lines in a window.
fn draw(lines: &[Vec<Span>]) -> String {
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
        let text = String::from_iter(line.iter().map(drawn));
        if !text.is_empty() {
            svg += &format!("<text x=\"{MARGIN}\" y=\"{y}\">{text}</text>\n");
        }
    }
    svg + "</g>\n</svg>\n"
}

fn drawn(span: &Span) -> String {
    let Span { text, colour, is_bold } = span;
    // What somebody typed stands out, too.
    for prompt in [PROMPT, QUESTION] {
        if let Some(typed) = text.strip_prefix(prompt) {
            return escape(prompt) + &element(WHITE, true, typed);
        }
    }
    match colour {
        vt100::Color::Idx(1) => element("#f47067", *is_bold, text),
        vt100::Color::Idx(2) => element("#57ab5a", *is_bold, text),
        vt100::Color::Idx(3) => element("#c69026", *is_bold, text),
        vt100::Color::Idx(6) => element("#39c5cf", *is_bold, text),
        _ if *is_bold => element(WHITE, true, text),
        _ => escape(text),
    }
}

fn element(colour: &str, is_bold: bool, text: &str) -> String {
    let weight = if is_bold { r#" font-weight="bold""# } else { "" };
    format!(r#"<tspan fill="{colour}"{weight}>{}</tspan>"#, escape(text))
}

/// Escapes text for an XML element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
