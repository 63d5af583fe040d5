//! Two runs for the same user at once: one wins, the other says so, and what
//! is left is consistent.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{
    FILES_OF_OTHERS, Fault, LocalAws, Run, Sandbox, active_keys_of, assert_complete,
    aws_with_files, is_gone, keys_of, policy_of_alex, set_end,
};

const ALEX: [&str; 4] = ["-b", "shared", "-u", "alex"];

/// Every point where a run can be overtaken by another.
const POINTS: [(&str, Fault); 10] = [
    ("GetUser", Fault::Pause),
    ("CreateUser", Fault::PauseBefore),
    ("CreateUser", Fault::Pause),
    ("CreatePolicy", Fault::PauseBefore),
    ("CreatePolicy", Fault::Pause),
    ("AttachUserPolicy", Fault::PauseBefore),
    ("AttachUserPolicy", Fault::Pause),
    ("CreateAccessKey", Fault::PauseBefore),
    ("CreateAccessKey", Fault::Pause),
    ("ListObjectsV2", Fault::Pause),
];

/// Starts the first program, and runs the second while a call of the first is
/// paused: to its end, or until the first can go on and ends.
async fn overtaken(
    aws: &LocalAws,
    point: (&str, Fault),
    first: (&Sandbox, &str),
    second: (&Sandbox, &str),
) -> (Run, Run) {
    aws.faults.once(point.0, point.1);
    let started = first.0.start(first.1, &ALEX);
    aws.faults.paused().await;
    let other = second.0.run(second.1, &ALEX).await;
    aws.faults.resume();
    (started.ended().await, other)
}

#[track_caller]
fn assert_says_so(run: &Run, what: &str) {
    assert_eq!(run.code, Some(1), "{what}: {run:?}");
    let errors = run.stderr.lines().filter(|line| line.contains(": error: "));
    assert_eq!(errors.count(), 1, "{what}: {run:?}");
    assert!(!run.stderr.contains("left: "), "{what}: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_creates_wins() {
    let mut points = JoinSet::new();
    for point in POINTS {
        points.spawn(async move {
            let what = format!("{point:?}");
            let aws = aws_with_files().await;
            let (first, second) = (Sandbox::new(&aws), Sandbox::new(&aws));
            let create = "create_s3_user";
            let (one, two) = overtaken(&aws, point, (&first, create), (&second, create)).await;
            let (winner, loser, lost) = match one.code {
                Some(0) => (first, two, second),
                _ => (second, one, first),
            };
            assert_says_so(&loser, &what);
            assert_complete(&aws, &winner, "alex");
            assert_eq!(lost.key_file("alex"), None, "{what}");
        });
    }
    points.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_and_delete_end_as_one_after_the_other() {
    let mut points = JoinSet::new();
    for point in POINTS {
        points.spawn(async move {
            let what = format!("{point:?}");
            let aws = aws_with_files().await;
            let (creates, deletes) = (Sandbox::new(&aws), Sandbox::new(&aws));
            let (create, delete) =
                overtaken(&aws, point, (&creates, "create_s3_user"), (&deletes, "delete_s3_user"))
                    .await;
            if create.code == Some(0) && delete.code == Some(1) {
                assert_complete(&aws, &creates, "alex");
                return;
            }
            assert!(is_gone(&aws, "alex"), "{what}: {create:?} {delete:?}");
            if create.code != Some(0) {
                assert_says_so(&create, &what);
                assert_eq!(creates.key_file("alex"), None, "{what}");
            }
        });
    }
    points.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_overtaken_by_another_command_ends_consistently() {
    let mut points = JoinSet::new();
    for operation in [
        "GetUser",
        "ListAccessKeys",
        "DeleteAccessKey",
        "DetachUserPolicy",
        "DeletePolicy",
        "DeleteObjects",
        "DeleteUser",
    ] {
        for (fault, second) in [
            (Fault::PauseBefore, "delete_s3_user"),
            (Fault::Pause, "delete_s3_user"),
            (Fault::PauseBefore, "create_s3_user"),
            (Fault::Pause, "create_s3_user"),
        ] {
            points.spawn(async move {
                let what = format!("{operation} {fault:?} {second}");
                let aws = aws_with_files().await;
                let before = Sandbox::new(&aws);
                before.create("alex", &[]).await.succeeded();
                let (first, other) = (Sandbox::new(&aws), Sandbox::new(&aws));
                let (one, two) = overtaken(
                    &aws,
                    (operation, fault),
                    (&first, "delete_s3_user"),
                    (&other, second),
                )
                .await;
                // The last to finish decides: a create that came after the
                // user was deleted leaves one that is whole.
                match (one.code, two.code) {
                    (_, Some(0)) if second == "create_s3_user" && !is_gone(&aws, "alex") => {
                        assert_complete(&aws, &other, "alex");
                    }
                    (Some(0 | 1), Some(0 | 1)) => {
                        assert!(is_gone(&aws, "alex"), "{what}: {one:?} {two:?}");
                        assert!([one.code, two.code].contains(&Some(0)), "{what}: {one:?} {two:?}");
                    }
                    _ => panic!("{what}: {one:?} {two:?}"),
                }
                let keys = aws.keys("shared");
                for key in FILES_OF_OTHERS {
                    assert!(keys.contains(&key.to_owned()), "{what}");
                }
            });
        }
    }
    points.join_all().await;
}

/// A command for alex, and whether there must be an alex before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Create,
    Rotate,
    Update,
    Suspend,
    Delete,
    Expired,
    /// Delete and create, and an upload by the new alex; only as the second of two.
    MakeAnew,
}

impl Command {
    const ALL: [Self; 6] =
        [Self::Create, Self::Rotate, Self::Update, Self::Suspend, Self::Delete, Self::Expired];

    /// What may come in between, where alex's access has ended, or not.
    fn seconds(self, has_ended: bool) -> Vec<Self> {
        match (self, has_ended) {
            (Self::Create, _) => Self::ALL.to_vec(),
            (Self::Expired, _) | (_, false) => [&Self::ALL[..], &[Self::MakeAnew]].concat(),
            (_, true) => vec![Self::Expired],
        }
    }

    fn program(self) -> &'static str {
        if self.deletes() { "delete_s3_user" } else { "create_s3_user" }
    }

    fn args(self) -> Vec<&'static str> {
        let options: &[_] = match self {
            Self::Expired => return vec!["-b", "shared", "--expired"],
            Self::Create | Self::Delete | Self::MakeAnew => &[],
            Self::Rotate => &["--rotate-key"],
            Self::Suspend => &["--suspend"],
            Self::Update => &["--update", "--access", "write", "--expires", "2099-12-31"],
        };
        [&ALEX, options].concat()
    }

    fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::Expired)
    }

    /// Whether it takes away keys that others have.
    fn ends_keys(self) -> bool {
        matches!(self, Self::Rotate | Self::MakeAnew) || self.deletes()
    }

    /// Runs it to its end; what tells is the run that was its last.
    async fn run(self, aws: &LocalAws, sandbox: &Sandbox) -> Run {
        if self == Self::MakeAnew {
            // There may be no alex any more.
            sandbox.delete("alex", &[]).await;
        }
        let run = sandbox.run(self.program(), &self.args()).await;
        if self == Self::MakeAnew && run.code == Some(0) {
            aws.put("shared", NEW_FILE).await;
        }
        run
    }
}

const NEW_FILE: &str = "alex/new.txt";

/// A local AWS where the command would succeed, and the key that alex has there.
async fn aws_for(command: Command, has_ended: bool) -> (LocalAws, Option<String>) {
    let aws = aws_with_files().await;
    if command == Command::Create {
        return (aws, None);
    }
    let before = Sandbox::with_host_of_aws(&aws);
    let options: &[_] = if has_ended { &["--expires", "9d"] } else { &[] };
    before.create("alex", options).await.succeeded();
    if has_ended {
        set_end(&aws, "alex", "2020-01-01T00:00:00Z");
    }
    (aws, Some(before.key_of("alex").0))
}

/// The IDs of the access keys in the CSV files of a sandbox.
fn written(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.files().into_iter();
    let keys = files.filter(|file| file.ends_with(".csv"));
    keys.map(|file| sandbox.key_in(&file).0).collect()
}

/// Lets one command overtake another at each of its calls: no key is live that
/// nobody has, none is reported as good that isn't, and nobody else's things go.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_lost_whichever_two_commands_meet() {
    static AT_A_TIME: Semaphore = Semaphore::const_new(6);
    let mut points = JoinSet::new();
    let worlds = [
        (Command::Create, false),
        (Command::Rotate, false),
        (Command::Update, false),
        (Command::Update, true),
        (Command::Suspend, false),
        (Command::Suspend, true),
        (Command::Delete, false),
        (Command::Delete, true),
        (Command::Expired, true),
    ];
    for (first, has_ended) in worlds {
        let before = Arc::new(aws_for(first, has_ended).await);
        let aws = before.0.copy().await;
        let clean = Sandbox::with_host_of_aws(&aws);
        clean.run(first.program(), &first.args()).await.succeeded();
        for (operation, times) in aws.faults.counts() {
            for second in first.seconds(has_ended) {
                let pauses = Fault::pauses(&operation);
                let places = (0..times).flat_map(|skip| pauses.iter().map(move |it| (skip, *it)));
                for (skip, fault) in places {
                    let (operation, before) = (operation.clone(), before.clone());
                    points.spawn(async move {
                        let _permit = AT_A_TIME.acquire().await.unwrap();
                        let what =
                            format!("{second:?} at {operation} {skip} {fault:?} of {first:?}");
                        let aws = before.0.copy().await;
                        aws.faults.at(&operation, skip, 1, fault);
                        let is_done = meet(&aws, first, second, before.1.clone(), &what).await;
                        if is_done && second == Command::MakeAnew && first.deletes() {
                            let point = (operation.as_str(), skip, fault);
                            assert_anew_or_gone(&aws, first, point, &what);
                        }
                    });
                }
            }
        }
    }
    let count = points.len();
    while let Some(point) = points.join_next().await {
        point.unwrap();
    }
    println!("{count} pairs of runs");
}

/// Returns whether the second command did what it was to do.
async fn meet(
    aws: &LocalAws,
    first: Command,
    second: Command,
    old_key: Option<String>,
    what: &str,
) -> bool {
    let (one, two) = (Sandbox::with_host_of_aws(aws), Sandbox::with_host_of_aws(aws));
    let started = one.start(first.program(), &first.args());
    aws.faults.paused().await;
    let later = second.run(aws, &two).await;
    aws.faults.resume();
    let runs = [(first, &one, started.ended().await), (second, &two, later)];
    let live = aws.iam(|iam| {
        let keys = iam.access_keys.get("alex").into_iter().flatten();
        keys.map(|key| key.access_key_id.clone()).collect::<Vec<_>>()
    });
    let told = format!("{}{}", runs[0].2.stderr, runs[1].2.stderr);
    let known = [Vec::from_iter(old_key.clone()), written(&one), written(&two)].concat();
    for key in &live {
        let named = told.contains(&format!("left: access key {key}"));
        assert!(known.contains(key) || named, "{what}: {key}: {runs:?}", runs = told);
    }
    for (index, (_, sandbox, run)) in runs.iter().enumerate() {
        assert!(matches!(run.code, Some(0 | 1)), "{what}: {run:?}");
        let errors = run.stderr.lines().filter(|line| line.contains(": error: "));
        assert_eq!(errors.count(), usize::from(run.code == Some(1)), "{what}: {run:?}");
        let (other, _, others) = &runs[1 - index];
        let taken = other.ends_keys() && others.code == Some(0);
        for key in written(sandbox) {
            assert!(live.contains(&key) || taken, "{what}: {key} is dead: {run:?} {others:?}");
        }
    }
    let suspends =
        |(command, _, run): &(Command, _, Run)| *command == Command::Suspend && run.code == Some(0);
    if runs.iter().any(suspends) {
        let active = active_keys_of(aws, "alex");
        let old_key_works = old_key.is_some_and(|old| active.contains(&old));
        assert!(!old_key_works, "{what}: {told}");
    }
    let both = runs.iter().all(|(_, _, run)| run.code == Some(0));
    let both_of = |one, other| [(one, other), (other, one)].contains(&(first, second));
    if both && both_of(Command::Rotate, Command::Suspend) {
        // Who suspends a user gets to know of each key that works, or who rotates does.
        let known = told.contains("was suspended; the new key restores access");
        assert!(known || active_keys_of(aws, "alex").is_empty(), "{what}: {told}");
    }
    let creates = (first, second) == (Command::Create, Command::Create);
    assert!(!(both && creates), "{what}: both have won");
    let keys = aws.keys("shared");
    for key in FILES_OF_OTHERS {
        assert!(keys.contains(&key.to_owned()), "{what}: {key}");
    }
    runs[1].2.code == Some(0)
}

/// Asserts that a user made anew while a run deletes the old one is whole, or gone as
/// a whole where the run looked it up only then.
#[track_caller]
fn assert_anew_or_gone(
    aws: &LocalAws,
    first: Command,
    (operation, skip, fault): (&str, usize, Fault),
    what: &str,
) {
    let is_looked_up_later = operation == "HeadBucket" && first == Command::Delete;
    if is_looked_up_later && is_gone(aws, "alex") {
        return;
    }
    assert_eq!(keys_of(aws, "alex").len(), 1, "{what}");
    // That the user is still the same may have been true when it was asked.
    if operation == "GetUser" && skip > 0 {
        return;
    }
    assert!(aws.keys("shared").contains(&NEW_FILE.to_owned()), "{what}");
    // A call that is on its way already can't be had back.
    let is_on_its_way = (operation, fault) == ("DetachUserPolicy", Fault::PauseBefore);
    let policies = aws.iam(|iam| iam.user_policies.get("alex").map_or(0, Vec::len));
    assert!(policies == 1 || is_on_its_way, "{what}");
}

/// The calls of an update of alex, with how often each is made.
async fn calls_of_update(before: &LocalAws, update: &[&str]) -> Vec<(String, usize)> {
    let aws = before.copy().await;
    let args = [&ALEX, update].concat();
    let run = Sandbox::new(&aws).run("create_s3_user", &args).await;
    run.succeeded();
    aws.faults.counts().into_iter().collect()
}

/// Whether the call comes after the update has looked at the policy for the last
/// time: from then on IAM has no way to write only what nobody has changed.
fn is_after_last_look(operation: &str, skip: usize, pause: Fault, is_inline: bool) -> bool {
    match operation {
        "PutUserPolicy" | "CreatePolicyVersion" => pause == Fault::PauseBefore,
        "GetUser" | "GetPolicyVersion" => skip > 0,
        "GetPolicy" => skip > 0 && pause == Fault::Pause,
        "GetUserPolicy" => is_inline && skip > 0 && pause == Fault::Pause,
        "ListUserPolicies" | "ListAttachedUserPolicies" => is_inline && skip > 0,
        _ => false,
    }
}

/// An update of one part meets one of another: no change is lost with both told to
/// be done.
#[tokio::test(flavor = "multi_thread")]
async fn no_limit_is_lost_where_two_updates_meet() {
    let first = ["--update", "--source-ip", "203.0.113.7"];
    let second = ["--update", "--access", "read-write"];
    let mut refused = 0;
    for options in [[].as_slice(), &["--inline-policy"]] {
        let before = aws_with_files().await;
        let sandbox = Sandbox::new(&before);
        sandbox.create("alex", options).await.succeeded();
        before.faults.forget();
        for (operation, times) in calls_of_update(&before, &first).await {
            for (skip, pause) in places(&operation, times) {
                if is_after_last_look(&operation, skip, pause, !options.is_empty()) {
                    continue;
                }
                let what = format!("{operation} {skip} {pause:?} {options:?}");
                let aws = before.copy().await;
                aws.faults.at(&operation, skip, 1, pause);
                let (one, two) = (Sandbox::new(&aws), Sandbox::new(&aws));
                let started = one.start("create_s3_user", &[&ALEX, &first[..]].concat());
                aws.faults.paused().await;
                let args = [&ALEX, &second[..]].concat();
                two.run("create_s3_user", &args).await.succeeded();
                aws.faults.resume();
                let run = started.ended().await;
                let policy = policy_of_alex(&aws);
                assert!(policy.contains("PutObject"), "{what}: {policy}");
                if run.code == Some(0) {
                    assert!(policy.contains("203.0.113.7"), "{what}: {policy}");
                    continue;
                }
                refused += 1;
                assert_says_so(&run, &what);
                assert!(!policy.contains("203.0.113.7"), "{what}: {policy}");
                // Who it was is asked after the policies, which may not be there then.
                let says = [
                    "user alex was deleted and created again meanwhile; the new user and its files stay",
                    "user alex or its policy has changed since it was looked at",
                ];
                assert!(says.iter().any(|it| run.stderr.contains(it)), "{what}: {run:?}");
            }
        }
    }
    assert!(refused > 5, "{refused}");
}

/// Every place where a run can be held, at each call of an operation.
fn places(operation: &str, times: usize) -> impl Iterator<Item = (usize, Fault)> {
    let pauses = Fault::pauses(operation);
    (0..times).flat_map(move |skip| pauses.iter().map(move |pause| (skip, *pause)))
}

/// Somebody new gets nothing of what the former user of that name had.
#[tokio::test(flavor = "multi_thread")]
async fn user_made_anew_gets_no_access_of_the_former() {
    let update = ["--update", "--expires", "2099-12-31"];
    for options in [[].as_slice(), &["--inline-policy"]] {
        let before = aws_with_files().await;
        let sandbox = Sandbox::new(&before);
        let wide = [&["--access", "read-write", "--browse-root"], options].concat();
        sandbox.create("alex", &wide).await.succeeded();
        before.faults.forget();
        for (operation, times) in calls_of_update(&before, &update).await {
            for (skip, pause) in places(&operation, times) {
                let is_last_look = (&*operation, skip, pause) == ("GetUser", 1, Fault::Pause);
                if is_last_look || ["CreatePolicyVersion", "PutUserPolicy"].contains(&&*operation) {
                    // What is under way can't be called back.
                    continue;
                }
                let what = format!("{operation} {skip} {pause:?} {options:?}");
                let aws = before.copy().await;
                aws.faults.at(&operation, skip, 1, pause);
                let one = Sandbox::new(&aws);
                let started = one.start("create_s3_user", &[&ALEX, &update[..]].concat());
                aws.faults.paused().await;
                let two = Sandbox::new(&aws);
                let keep = ["--keep-objects"];
                two.delete("alex", &keep).await.succeeded();
                two.create("alex", options).await.succeeded();
                aws.faults.resume();
                let run = started.ended().await;
                let policy = policy_of_alex(&aws);
                assert!(!policy.contains("PutObject"), "{what}: {run:?}");
                assert!(!policy.contains("ListRoot"), "{what}: {run:?}");
                if run.code != Some(0) {
                    assert_says_so(&run, &what);
                }
            }
        }
    }
}
