//! How many answers each workflow waits for one after the other.
//!
//!     cargo bench --bench round_trips
//!
//! The local AWS, in this process, takes 200 ms for each call, as behind a proxy far away.
//! A table has a row for each command: its calls, its seconds, and those as a number of round
//! trips.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{LocalAws, Sandbox, binary};

const LATENCY: Duration = Duration::from_millis(200);

/// What is run, in this order.
const COMMANDS: [(&str, &[&str]); 12] = [
    ("create_s3_user", &["-u", "alex"]),
    ("create_s3_user", &["-u", "zoe"]),
    ("create_s3_user", &["-u", "tom", "--folder", "customers/acme/"]),
    ("create_s3_user", &["-u", "kim", "--inline-policy"]),
    ("create_s3_user", &["--list"]),
    ("create_s3_user", &["-u", "alex", "--update", "--access", "read-write"]),
    ("create_s3_user", &["-u", "zoe", "--rotate-key"]),
    ("create_s3_user", &["-u", "zoe", "--suspend"]),
    ("delete_s3_user", &["-u", "tom"]),
    ("delete_s3_user", &["-u", "kim"]),
    ("delete_s3_user", &["-u", "zoe"]),
    ("delete_s3_user", &["-u", "alex", "--keep-objects"]),
];

fn main() {
    println!("| command | calls | seconds | round trips |");
    println!("|---|---|---|---|");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let aws = runtime.block_on(LocalAws::start());
    runtime.block_on(aws.add_bucket("shared", &["alex/report.txt", "zoe/report.txt"]));
    aws.faults.slow_down(LATENCY);
    let sandbox = Sandbox::with_host_of_aws(&aws).with_full_pauses();
    for (program, options) in COMMANDS {
        aws.faults.forget();
        let mut command = Command::new(binary(program));
        command.args(["-b", "shared"]).args(options).current_dir(sandbox.path());
        command.env_clear().envs(sandbox.environment().iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        assert!(command.status().unwrap().success(), "{program} {options:?}");
        let seconds = start.elapsed().as_secs_f64();
        let calls: usize = aws.faults.counts().values().sum();
        let trips = (seconds / LATENCY.as_secs_f64()).floor();
        println!("| {program} {} | {calls} | {seconds:.2} | {trips} |", options.join(" "));
    }
}
