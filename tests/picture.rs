//! The picture of a terminal in docs/.

use crate::support::lines_at_terminal;

const PICTURE: &str = include_str!("../docs/terminal.svg");

/// What a line of the picture says, without its elements.
fn text_of(line: &str) -> String {
    let parts = line.split('<').filter_map(|part| part.split_once('>'));
    let text: String = parts.map(|(_, text)| text).collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What create_s3_user does at once, by how the lines about it begin: either line
/// may come first.
const AT_ONCE: [[&str; 2]; 2] =
    [["✓ Created user ", "✓ Created policy "], ["✓ Attached policy ", "✓ Created an access key "]];

fn are_at_once(one: &str, next: &str) -> bool {
    let begins = |line: &str, starts: &[&str]| starts.iter().any(|start| line.starts_with(start));
    AT_ONCE.iter().any(|starts| begins(one, starts) && begins(next, starts))
}

/// The lines, where those about what is done at once are sorted.
fn in_one_order(mut lines: Vec<String>) -> Vec<String> {
    let rounds = lines.chunk_by_mut(|one, next| are_at_once(one, next));
    rounds.for_each(<[_]>::sort);
    lines.retain(|line| !line.is_empty());
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn picture_shows_what_the_programs_print() {
    let lines = PICTURE.lines().filter(|line| line.starts_with("<text"));
    let drawn = lines.map(text_of).collect();
    let shown = lines_at_terminal().await.into_iter();
    let shown = shown.map(|line| String::from_iter(line.into_iter().map(|span| span.text)));
    assert_eq!(
        in_one_order(drawn),
        in_one_order(shown.collect()),
        "cargo run --example picture > docs/terminal.svg draws it again"
    );
}
