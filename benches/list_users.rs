//! How long `--list` takes for many users, and how much memory.
//!
//!     cargo bench --bench list_users
//!
//! The local AWS, in this process, is filled with users by the real program, and
//! then takes 50 ms for each call. A table has a row for each number of users:
//! seconds and peak memory of the whole process, and how many calls it made.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{LocalAws, Sandbox, binary};
use wait4::Wait4;

const LATENCY: Duration = Duration::from_millis(50);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("| users | seconds | memory MiB | calls |");
    println!("|---|---|---|---|");
    for users in [100, 1000] {
        let (aws, sandbox) = runtime.block_on(aws_with(users));
        aws.faults.slow_down(LATENCY);
        aws.faults.forget();
        let mut list = Command::new(binary("create_s3_user"));
        list.args(["-b", "shared", "--list", "--json"]);
        list.env_clear().envs(sandbox.environment().iter().cloned());
        let output = sandbox.path().join("list.jsonl");
        list.stdin(Stdio::null());
        list.stdout(std::fs::File::create(&output).unwrap());
        let start = Instant::now();
        let used = list.spawn().unwrap().wait4().unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert!(used.status.success());
        let listed = std::fs::read_to_string(output).unwrap();
        assert_eq!(listed.lines().count(), users);
        let memory = used.rusage.maxrss as f64 / 1024.0 / 1024.0;
        let calls = aws.faults.operations().len();
        println!("| {users} | {seconds:.1} | {memory:.0} | {calls} |");
    }
}

/// A local AWS with so many users of the bucket `shared`.
async fn aws_with(users: usize) -> (LocalAws, Sandbox) {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["alex/report.txt"]).await;
    let sandbox = Sandbox::new(&aws);
    let names: Vec<_> = (0..users).map(|number| format!("user{number:04}")).collect();
    std::fs::write(sandbox.path().join("users"), names.join("\n")).unwrap();
    std::fs::create_dir(sandbox.path().join("keys")).unwrap();
    let args = ["-b", "shared", "--users-from", "users", "-o", "keys", "-q", "--jobs", "32"];
    sandbox.run("create_s3_user", &args).await.succeeded();
    (aws, sandbox)
}
