//! How fast a folder is emptied, side by side with what one would use instead.
//!
//!     cargo bench --bench empty_folder
//!
//! An S3 inside this process, with keys in memory and a stated latency, is
//! emptied by whole processes in turn: ours, a bare HTTP client that sends the
//! same requests and does nothing else (the floor), and each of s3rm, s5cmd,
//! rclone, s3cmd and aws that is on PATH. A table for each kind of server has
//! the medians of interleaved runs, 5 of large folders and 15 of small ones.
//! Every run must leave nothing behind. The floor is that of large folders.
//!
//! Environment variables: `SCENARIO`, the one table to make; `BEFORE`, an
//! earlier build of `delete_s3_user` to compare with; `SHOW_ERRORS`, set to see
//! what the programs say.

#[path = "../../tests/support/mod.rs"]
mod support;

mod bare_client;
mod server;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use server::{Latency, Server};
use wait4::Wait4;

const RUNS: usize = 5;
const RUNS_OF_SMALL: usize = 15;
const SLOW: Duration = Duration::from_secs(20);
const BUCKET: &str = "bench";
const LATENCY: Latency = Latency {
    list: Duration::from_millis(30),
    list_key: Duration::from_micros(70),
    delete: Duration::from_millis(30),
    delete_key: Duration::from_micros(270),
};

/// One kind of server, and how many keys it holds.
struct Scenario {
    name: &'static str,
    keys: u32,
    /// The versions of each key; more than one go with `--all-versions`.
    versions: u32,
    latency: Latency,
    /// Keys per second; more are answered with SlowDown.
    cap: Option<f64>,
    runs: usize,
}

impl Scenario {
    fn small(name: &'static str, keys: u32, versions: u32) -> Self {
        Self { name, keys, versions, latency: LATENCY, cap: None, runs: RUNS_OF_SMALL }
    }

    fn large(name: &'static str, latency: Latency, cap: Option<f64>) -> Self {
        Self { name, keys: 50_000, versions: 1, latency, cap, runs: RUNS }
    }
}

/// The cost of one run.
#[derive(Debug, Clone)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    memory: u64,
    calls: usize,
    refused: usize,
    left: usize,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    if let Some(mode) = args.next()
        && mode == "bare-client"
    {
        let [url, keys, cap] = std::array::from_fn(|_| args.next().unwrap());
        return bare_client::run(&url, keys.parse().unwrap(), cap.parse().ok());
    }
    let only = std::env::var("SCENARIO").ok();
    let scenarios = [
        Scenario::small("300 keys", 300, 1),
        Scenario::small("1,000 keys", 1000, 1),
        Scenario::small("4,000 keys", 4000, 1),
        Scenario::small("4,000 versions of 2,000 keys", 2000, 2),
        Scenario::large("no latency", Latency::default(), None),
        Scenario::large("latency", LATENCY, None),
        Scenario::large("latency, 3,500 keys/s", LATENCY, Some(3500.0)),
        Scenario {
            keys: 1_000_000,
            runs: 1,
            ..Scenario::large("latency, 1,000,000 keys", LATENCY, None)
        },
    ];
    for scenario in scenarios
        .into_iter()
        .filter(|scenario| only.as_deref().is_none_or(|only| only == scenario.name))
    {
        run(&scenario);
    }
}

fn run(scenario: &Scenario) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start(scenario.latency, scenario.cap));
    // The programs' IAM: ours is the only one that asks it anything.
    let iam = runtime.block_on(support::LocalAws::start());
    let tools = tools(&server, &iam, scenario);
    let mut costs = vec![Vec::new(); tools.len()];
    for _ in 0..scenario.runs {
        for (tool, costs) in tools.iter().zip(&mut costs) {
            // One run is enough to see that something is slow.
            if costs.first().is_none_or(|first: &Cost| first.wall < SLOW) {
                costs.push(measure(&server, scenario, tool));
            }
        }
    }
    println!("\n{}: {} keys, {} runs\n", scenario.name, scenario.keys, scenario.runs);
    println!(
        "| program | runs | wall s | against ours | CPU s | memory MiB | calls | refused | left |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let ours = median(&costs[0]);
    for (tool, costs) in tools.iter().zip(&costs) {
        let cost = median(costs);
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {} | {} |",
            tool.name,
            costs.len(),
            cost.wall.as_secs_f64(),
            cost.wall.as_secs_f64() / ours.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            cost.memory as f64 / 1024.0 / 1024.0,
            cost.calls,
            cost.refused,
            cost.left,
        );
        assert!(!tool.must_finish() || cost.left == 0, "{} left {} keys", tool.name, cost.left);
    }
}

fn median(costs: &[Cost]) -> Cost {
    Cost {
        wall: middle(costs.iter().map(|cost| cost.wall)),
        cpu: middle(costs.iter().map(|cost| cost.cpu)),
        memory: middle(costs.iter().map(|cost| cost.memory)),
        calls: middle(costs.iter().map(|cost| cost.calls)),
        refused: middle(costs.iter().map(|cost| cost.refused)),
        // Not the median: every run must leave nothing.
        left: costs.iter().map(|cost| cost.left).max().unwrap(),
    }
}

fn middle<T: Copy + Ord>(values: impl Iterator<Item = T>) -> T {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// A program that empties the folder `alex/`.
struct Tool {
    name: &'static str,
    command: Box<dyn Fn() -> Command>,
}

impl Tool {
    /// Others may fail: that is a result, too.
    fn must_finish(&self) -> bool {
        self.name.starts_with("delete_s3_user") || self.name == "bare client"
    }
}

/// Ours, the floor, and those others that are on PATH.
fn tools(server: &Server, iam: &support::LocalAws, scenario: &Scenario) -> Vec<Tool> {
    let url = server.url.clone();
    let program = support::binary("delete_s3_user");
    let mut tools = vec![ours("delete_s3_user", program, server, iam, scenario)];
    if let Some(before) = std::env::var_os("BEFORE") {
        tools.push(ours("delete_s3_user before", before.into(), server, iam, scenario));
    }
    if scenario.keys >= 50_000 {
        let url = url.clone();
        let keys = scenario.keys.to_string();
        let cap = scenario.cap.map(|cap| cap.to_string()).unwrap_or_default();
        tools.push(Tool {
            name: "bare client",
            command: Box::new(move || {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(["bare-client", &url, &keys, &cap]);
                command
            }),
        });
    }
    if scenario.keys > 50_000 {
        return tools;
    }
    let folder = format!("s3://{BUCKET}/alex/");
    let host = url.trim_start_matches("http://").to_owned();
    let mut others: [(&'static str, Vec<String>); 5] = [
        (
            "s3rm",
            words(&[
                "--force",
                "--target-force-path-style",
                "--target-endpoint-url",
                &url,
                &folder,
            ]),
        ),
        ("s5cmd", words(&["--endpoint-url", &url, "--log", "error", "rm", &format!("{folder}*")])),
        (
            "rclone",
            words(&[
                "delete",
                "--config=/dev/null",
                "--s3-provider=Other",
                "--s3-env-auth",
                &format!("--s3-endpoint={url}"),
                "--s3-force-path-style",
                "--checkers=16",
                "--transfers=16",
                &format!(":s3:{BUCKET}/alex"),
            ]),
        ),
        (
            "s3cmd",
            words(&[
                "--no-ssl",
                &format!("--host={host}"),
                &format!("--host-bucket={host}/%(bucket)"),
                "--access_key=test",
                "--secret_key=test",
                "--quiet",
                "--force",
                "--recursive",
                "rm",
                &folder,
            ]),
        ),
        ("aws", words(&["--endpoint-url", &url, "s3", "rm", "--recursive", "--quiet", &folder])),
    ];
    if scenario.versions > 1 {
        others[0].1.push("--delete-all-versions".to_owned());
        others[1].1.insert(5, "--all-versions".to_owned());
    }
    for (name, args) in others {
        // They wait for each answer in turn, or send a request for each key: minutes here.
        let is_slow = ["rclone", "s3cmd", "aws"].contains(&name);
        if !is_on_path(name) || is_slow && !scenario.latency.delete.is_zero() {
            continue;
        }
        tools.push(Tool {
            name,
            command: Box::new(move || {
                let mut command = Command::new(name);
                command
                    .args(&args)
                    .env("AWS_ACCESS_KEY_ID", "test")
                    .env("AWS_SECRET_ACCESS_KEY", "test");
                command
            }),
        });
    }
    tools
}

/// A build of our own.
fn ours(
    name: &'static str,
    program: PathBuf,
    server: &Server,
    iam: &support::LocalAws,
    scenario: &Scenario,
) -> Tool {
    let s3 = server.url.clone();
    let iam_url = iam.url.clone();
    let key = iam.admin.clone();
    let all_versions = scenario.versions > 1;
    Tool {
        name,
        command: Box::new(move || {
            let mut command = Command::new(&program);
            command.args(["-q", "-y", "-b", BUCKET, "-u", "alex", "--force"]);
            command.args(all_versions.then_some("--all-versions"));
            command
                .env("AWS_ENDPOINT_URL_IAM", &iam_url)
                .env("AWS_ENDPOINT_URL_S3", &s3)
                .env("AWS_ACCESS_KEY_ID", &key.0)
                .env("AWS_SECRET_ACCESS_KEY", &key.1);
            command
        }),
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn measure(server: &Server, scenario: &Scenario, tool: &Tool) -> Cost {
    server.fill(scenario.keys, scenario.versions);
    let mut command = (tool.command)();
    command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if std::env::var_os("SHOW_ERRORS").is_none() {
        command.stderr(Stdio::null());
    }
    let start = Instant::now();
    let used = command.spawn().unwrap().wait4().unwrap();
    let wall = start.elapsed();
    assert!(used.status.success() || !tool.must_finish(), "{} failed", tool.name);
    let counts = server.counts();
    Cost {
        wall,
        cpu: used.rusage.utime,
        memory: used.rusage.maxrss,
        calls: counts.calls,
        refused: counts.refused,
        left: counts.left,
    }
}
