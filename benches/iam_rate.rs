//! What many users take where IAM rations its calls, as AWS does.
//!
//!     cargo bench --bench iam_rate
//!
//! The local AWS, in this process, takes 50 ms for each call, and rations the calls of IAM by
//! a token bucket. A table has a row for each command: how many calls of IAM it made, how many
//! of them were refused, its seconds, and those as a multiple of what the calls that got
//! through take at that rate.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{LocalAws, Sandbox, binary};
use wait4::Wait4;

const LATENCY: Duration = Duration::from_millis(50);

fn main() {
    println!(
        "| command | users | calls/s | calls | a user | refused | seconds | multiple | memory MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let create = ["--users-from", "users", "-o", "home", "-q"].as_slice();
    let list = ["--list", "--json"].as_slice();
    let delete = ["--users-from", "users", "-q"].as_slice();
    for (users, rate, burst) in [(60, 10.0, 20.0), (300, 20.0, 40.0)] {
        let aws = runtime.block_on(LocalAws::start());
        runtime.block_on(aws.add_bucket("shared", &["alex/report.txt"]));
        let sandbox = Sandbox::with_host_of_aws(&aws).with_full_pauses();
        let names: Vec<_> = (0..users).map(|number| format!("user{number:04}")).collect();
        std::fs::write(sandbox.path().join("users"), names.join("\n")).unwrap();
        aws.faults.slow_down(LATENCY);
        for (program, options) in
            [("create_s3_user", create), ("create_s3_user", list), ("delete_s3_user", delete)]
        {
            // Of 300 only the list is of interest.
            let is_rationed = users == 60 || options == list;
            aws.faults.ration(if is_rationed { rate } else { 1e9 }, burst);
            aws.faults.forget();
            let mut command = Command::new(binary(program));
            command.args(["-b", "shared"]).args(options).current_dir(sandbox.path());
            command.env_clear().envs(sandbox.environment().iter().cloned());
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let start = Instant::now();
            let used = command.spawn().unwrap().wait4().unwrap();
            let seconds = start.elapsed().as_secs_f64();
            assert!(used.status.success(), "{program}");
            if !is_rationed {
                continue;
            }
            let refused = aws.faults.refused();
            let calls = aws.faults.operations_of_iam();
            let through = (calls - refused) as f64;
            let multiple = seconds / ((through - burst).max(1.0) / rate);
            let each = through / f64::from(users);
            let memory = used.rusage.maxrss as f64 / 1024.0 / 1024.0;
            let what = if options == list { "--list" } else { program };
            println!(
                "| {what} | {users} | {rate} | {calls} | {each:.1} | {:.1}% | {seconds:.1} | {multiple:.2} | {memory:.0} |",
                refused as f64 * 100.0 / calls as f64
            );
        }
    }
}
