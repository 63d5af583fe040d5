//! The picture of a terminal in docs/.

use crate::support::{QUESTION, Sandbox, aws_of_the_examples};

const PICTURE: &str = include_str!("../docs/terminal.svg");

/// What a line of the picture says, without its elements.
fn text_of(line: &str) -> String {
    let parts = line.split('<').filter_map(|part| part.split_once('>'));
    let text: String = parts.map(|(_, text)| text).collect();
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// What create_s3_user does at once, by how the lines about it begin: either line
/// may come first.
const AT_ONCE: [[&str; 2]; 2] = [
    ["create user ", "create policy "],
    ["attach policy ", "create an access key "],
];

fn are_at_once(one: &str, next: &str) -> bool {
    let begins = |line: &str, starts: &[&str]| starts.iter().any(|start| line.starts_with(start));
    AT_ONCE
        .iter()
        .any(|starts| begins(one, starts) && begins(next, starts))
}

/// The lines of a text, where those about what is done at once are sorted.
fn in_one_order(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    let rounds = lines.chunk_by_mut(|one, next| are_at_once(one, next));
    rounds.for_each(<[_]>::sort);
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn picture_shows_what_the_programs_print() {
    let aws = aws_of_the_examples().await;
    let sandbox = Sandbox::new(&aws);
    let lines = PICTURE.lines().filter(|line| line.starts_with("<text"));
    let lines: Vec<_> = lines.map(text_of).collect();
    let runs: Vec<_> = lines.chunk_by(|_, next| !next.starts_with("$ ")).collect();
    assert_eq!(runs.len(), 2);
    for run in runs {
        let (command, shown) = run.split_first().unwrap();
        let words: Vec<_> = command.split(' ').skip(1).collect();
        let printed = sandbox.run(words[0], &words[1..]).await.succeeded();
        let printed = (printed.stderr + &printed.stdout)
            .replace(&sandbox.key_of("alex").0, "AKIAIOSFODNN7EXAMPLE");
        // At a terminal, the steps are also what the question is about.
        for part in shown.split(|line| line.starts_with(QUESTION)) {
            let lines = part.iter().map(String::as_str);
            let lines: Vec<_> = lines
                .filter(|line| *line != "this would be deleted:")
                .collect();
            assert_eq!(
                in_one_order(&lines.join("\n")),
                in_one_order(&printed),
                "cargo run --example picture > docs/terminal.svg draws it again"
            );
        }
    }
}
