//! The rooms of `src`: each uses only rooms below it.
//!
//!     cargo test --test suite rooms -- --nocapture
//!
//! prints which room uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the top floor down to the ground. `iam` and `s3` are side by side.
const ROOMS: [&str; 12] = [
    "cli",
    "workflows",
    "handover",
    "iam",
    "s3",
    "aws",
    "errors",
    "commands",
    "step",
    "removal",
    "access",
    "os",
];

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rooms that each room names, by `crate::ROOM`.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in rust_files(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        let room = room.trim_end_matches(".rs");
        if room == "lib" || room == "bin" {
            continue;
        }
        assert!(ROOMS.contains(&room), "{room} is no room");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not say what it is for", inside.display());
        let uses = uses.entry(room.to_owned()).or_default();
        for used in text.split("crate::").skip(1) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let used: String = used.chars().take_while(|c| is_name(*c)).collect();
            // Links in the documentation name what the crate's first page shows.
            let is_type = used.starts_with(char::is_uppercase);
            if used != room && !is_type {
                uses.insert(used);
            }
        }
    }
    uses
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let floor = |name: &str| ROOMS.iter().position(|room| *room == name);
    let uses = uses();
    for room in ROOMS {
        let used: Vec<_> = uses[room].iter().map(String::as_str).collect();
        println!("{room} -> {}", used.join(", "));
        for used in used {
            assert!(floor(used) > floor(room), "{room} uses {used}");
        }
    }
    assert!(!uses["iam"].contains("s3"), "iam and s3 are side by side");
}
