//! A local AWS inside the test process, and the real binaries run against it.

#![allow(
    dead_code,
    unused_imports,
    reason = "the tests and each example use a part of it"
)]

mod faults;
mod lag;
mod local_aws;
mod programs;
mod scripted_s3;
mod session;

pub use faults::Fault;
pub use local_aws::{ACCOUNT, ALLOW_ALL, LocalAws};
pub use programs::{HANGING, Run, Sandbox, binary, build_binaries};
pub use scripted_s3::{Script, ScriptedS3};
pub use session::{COLUMNS, QUESTION, ROWS, Session};

/// What the bucket of the examples holds.
pub const FILES_OF_SEVERAL_PEOPLE: [&str; 4] = [
    "alex/2026/may.csv",
    "alex/report.pdf",
    "alexander/plans.pdf",
    "jaime/photo.jpg",
];
