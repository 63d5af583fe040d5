//! Every call of both programs, failing in every way.
//!
//! A clean run tells which calls there are; each is then made to go wrong in a
//! run of its own. See how many points that is with `--nocapture`.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use crate::support::{
    ALLOW_ALL, Fault, LocalAws, Run, Sandbox, active_keys_of, add_every_blocker, assert_complete,
    aws_with_files, begin_upload, delete_key, is_gone, keys_of, policy_text_of_alex, set_end,
    tag_of,
};

/// How many points of all tests are tried at a time.
static AT_A_TIME: Semaphore = Semaphore::const_new(6);

/// The same for those that only wait for answers that never come.
static HANGING_AT_A_TIME: Semaphore = Semaphore::const_new(48);

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Refused,
    /// At every attempt.
    Broken,
    BrokenOnce,
    AnswerLost,
    /// At every attempt, in the middle.
    AnswersCut,
    Throttled,
    /// At every attempt.
    Hanging,
    /// Told that all is well, and nothing else.
    Empty,
    /// Told so by a page of HTML.
    Html,
    /// Told so by half of the answer.
    Half,
}

impl Trouble {
    const ALL: [Self; 10] = [
        Self::Refused,
        Self::Broken,
        Self::BrokenOnce,
        Self::AnswerLost,
        Self::AnswersCut,
        Self::Throttled,
        Self::Hanging,
        Self::Empty,
        Self::Html,
        Self::Half,
    ];

    /// Whether the next attempt goes well.
    fn passes(self) -> bool {
        matches!(self, Self::BrokenOnce | Self::AnswerLost | Self::Throttled)
    }

    /// Whether the program doesn't learn what came of a call that was carried out.
    fn hides_answer(self) -> bool {
        matches!(self, Self::AnswerLost | Self::AnswersCut | Self::Hanging) || self.is_unreadable()
    }

    /// Whether the answer says that all is well and can't be read.
    fn is_unreadable(self) -> bool {
        matches!(self, Self::Empty | Self::Html | Self::Half)
    }

    /// Waits until a point with it may be tried.
    async fn its_turn(self) -> SemaphorePermit<'static> {
        let at_a_time = match self {
            Self::Hanging => &HANGING_AT_A_TIME,
            _ => &AT_A_TIME,
        };
        at_a_time.acquire().await.unwrap()
    }

    /// Lets the call go wrong that comes after `skip` others of its kind. The
    /// programs try twice in the tests, but seven times when throttled.
    fn inject(self, aws: &LocalAws, operation: &str, skip: usize) {
        let (times, fault) = match self {
            Self::Refused => (1, Fault::DENIED),
            Self::Broken => (2, Fault::BROKEN),
            Self::BrokenOnce => (1, Fault::BROKEN),
            Self::AnswerLost => (1, Fault::LoseAnswer),
            Self::AnswersCut => (2, Fault::CutAnswer),
            Self::Throttled => (5, Fault::Throttle),
            Self::Hanging => (2, Fault::Hang),
            Self::Empty => (2, Fault::EMPTY),
            Self::Html => (2, Fault::HTML),
            Self::Half => (2, Fault::HalfAnswer),
        };
        aws.faults.at(operation, skip, times, fault);
    }
}

/// One command, in a world of its own, and what must hold after it.
#[derive(Clone, Copy)]
struct Scenario {
    program: &'static str,
    options: &'static [&'static str],
    /// The operations that go wrong; all where it is empty.
    operations: &'static [&'static str],
    /// The options of each run that made and changed alex before; none if there is
    /// no alex.
    alex: &'static [&'static [&'static str]],
    /// Whether everything that can hang on a user hangs on alex.
    blocked: bool,
    /// Whether IAM is like that of Ceph: it keeps no tags.
    like_ceph: bool,
    /// Whether the programs take it for AWS itself.
    of_aws: bool,
    check: fn(&World, &Run, &str),
}

struct World {
    aws: LocalAws,
    sandbox: Sandbox,
    scenario: Scenario,
    /// The access key that alex was given last.
    old_key: Option<String>,
    /// Everything of the others.
    others: String,
}

/// What only `--verify` calls.
const OF_VERIFY: &[&str] = &[
    "ListObjectsV2",
    "GetObject",
    "PutObject",
    "DeleteObject",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPartCopy",
    "AbortMultipartUpload",
];

impl Scenario {
    fn is_of_expired(&self) -> bool {
        self.options.contains(&"--expired")
    }

    fn set_up(&self, aws: &LocalAws) {
        if self.like_ceph {
            aws.faults.be_like_ceph();
        }
    }

    /// Whether a run should get through, however the trouble goes. Whether a call
    /// made a secret or a user is not always known afterwards.
    fn gets_through(&self, trouble: Trouble, operation: &str) -> bool {
        let is_unclear = self.like_ceph && operation == "CreateUser" && trouble.hides_answer();
        trouble.passes() && operation != "CreateAccessKey" && !is_unclear
    }

    fn sandbox(&self, aws: &LocalAws) -> Sandbox {
        if self.of_aws { Sandbox::with_host_of_aws(aws) } else { Sandbox::new(aws) }
    }

    /// The way in which the answer to one of the calls can't be read: each in turn.
    fn unreadable(&self, index: usize) -> Trouble {
        [Trouble::Empty, Trouble::Html, Trouble::Half][(index + self.options.len()) % 3]
    }

    /// The options that say whom it is about.
    fn target(&self) -> &'static [&'static str] {
        if self.is_of_expired() { &["-b", "shared"] } else { &["-b", "shared", "-u", "alex"] }
    }

    /// What goes wrong with a call. The other ways in which an answer can be lost
    /// only in the plain scenarios, which make and take away the same things,
    /// and where it matters: what is changed, or listed to be deleted.
    fn troubles(&self, operation: &str, index: usize) -> impl Iterator<Item = Trouble> {
        let is_plain = self.operations.is_empty()
            && (self.options.len() != 2 || self.options.contains(&"--suspend-old"));
        let lists = ["ListAccessKeys", "ListObjectsV2", "ListMultipartUploads"];
        let matters = Fault::pauses(operation).len() > 1 || lists.contains(&operation);
        Trouble::ALL.into_iter().filter(move |trouble| {
            match trouble {
                // The same as to fail once, for a call that only reads.
                Trouble::AnswerLost => !Fault::only_reads(operation),
                trouble if trouble.is_unreadable() && *trouble != self.unreadable(index) => false,
                _ => is_plain && matters || !trouble.hides_answer(),
            }
        })
    }

    /// Every call of a clean run that is to go wrong, by how many of its kind
    /// come before it.
    fn calls(&self, clean: &LocalAws) -> Vec<(String, usize)> {
        let goes_wrong = |operation: &String| {
            self.operations.is_empty() || self.operations.contains(&operation.as_str())
        };
        let counts = clean.faults.counts().into_iter();
        let mut calls: Vec<_> = counts
            .filter(|(operation, _)| goes_wrong(operation))
            .flat_map(|(operation, times)| (0..times).map(move |skip| (operation.clone(), skip)))
            .collect();
        calls.sort();
        calls
    }
}

impl World {
    async fn new(scenario: Scenario) -> Self {
        let aws = aws_with_files().await;
        scenario.set_up(&aws);
        let sandbox = scenario.sandbox(&aws);
        aws.add_bucket("other", &["alex/elsewhere"]).await;
        aws.add_user("alexander", ALLOW_ALL).await;
        for options in scenario.alex {
            sandbox.create("alex", options).await.succeeded();
        }
        if scenario.blocked {
            add_every_blocker(&aws, "alex").await;
            begin_upload(&aws, "alex/unfinished").await;
        }
        // A key is older than the one that replaces it.
        aws.change_iam(|iam| {
            for key in iam.access_keys.get_mut("alex").into_iter().flatten() {
                key.created_at = "2026-01-01T00:00:00Z".parse().unwrap();
            }
        });
        if scenario.is_of_expired() {
            take_what_gives_access(&aws).await;
            set_end(&aws, "alex", "2020-01-01T00:00:00Z");
        }
        let old_key = key_files(&sandbox).pop().map(|file| sandbox.key_in(&file).0);
        let others = of_others(&aws);
        Self { aws, sandbox, scenario, old_key, others }
    }

    /// The same world once more, where nothing has been called yet.
    async fn copy(&self) -> Self {
        let aws = self.aws.copy().await;
        self.scenario.set_up(&aws);
        let sandbox = self.scenario.sandbox(&aws);
        for file in key_files(&self.sandbox) {
            let from = self.sandbox.path().join(&file);
            std::fs::copy(from, sandbox.path().join(&file)).unwrap();
        }
        Self {
            aws,
            sandbox,
            scenario: self.scenario,
            old_key: self.old_key.clone(),
            others: self.others.clone(),
        }
    }

    /// The world that a killed program has left, but for calls of its that are still under way.
    async fn without_late_calls(self) -> Self {
        let aws = self.aws.copy().await;
        self.scenario.set_up(&aws);
        let address = if self.scenario.of_aws { "HTTP_PROXY" } else { "AWS_ENDPOINT_URL" };
        let sandbox = self.sandbox.set(address, Some(&aws.url));
        Self { aws, sandbox, ..self }
    }

    async fn run(&self, trouble: Option<Trouble>) -> Run {
        let args = [
            self.scenario.target(),
            self.scenario.options,
            if trouble == Some(Trouble::Hanging) {
                // Much longer than any call takes that is answered.
                &["--timeout", "5"]
            } else {
                &[]
            },
        ]
        .concat();
        let attempts = match trouble {
            Some(Trouble::Throttled) => "7",
            _ => "2",
        };
        let attempts = [("AWS_MAX_ATTEMPTS", attempts)];
        self.sandbox.run_with(self.scenario.program, &args, &attempts).await
    }
}

/// The names of the key files, the oldest first.
fn key_files(sandbox: &Sandbox) -> Vec<String> {
    let mut files = sandbox.files();
    files.retain(|file| file.ends_with(".csv"));
    files.sort_by_key(|file| (file.len(), file.clone()));
    files
}

/// Takes alex's login and group away, with which access has never ended.
async fn take_what_gives_access(aws: &LocalAws) {
    let iam = aws.iam_client();
    let login = iam.delete_login_profile().user_name("alex");
    login.send().await.unwrap();
    let leave = iam.remove_user_from_group().user_name("alex");
    leave.group_name("partners").send().await.unwrap();
}

/// All there is in IAM and S3 that isn't alex's.
fn of_others(aws: &LocalAws) -> String {
    let keys = aws.keys("shared").into_iter();
    let keys: Vec<_> = keys.filter(|key| !key.starts_with("alex/")).collect();
    let iam = aws.iam(|iam| {
        let user = &iam.users["alexander"];
        let policies = &iam.user_inline_policies["alexander"];
        let key = &iam.access_keys["alexander"][0].access_key_id;
        format!("{} {key} {policies:?}", user.arn)
    });
    format!("{keys:?} {:?} {iam}", aws.keys("other"))
}

/// Tries every trouble with every call of the scenario's clean run.
async fn at_every_call(scenario: Scenario) {
    let before = Arc::new(World::new(scenario).await);
    let world = before.copy().await;
    let clean = world.run(None).await.succeeded();
    (scenario.check)(&world, &clean, "clean");
    let calls = scenario.calls(&world.aws);
    let mut points = JoinSet::new();
    for (index, (operation, skip)) in calls.into_iter().enumerate() {
        for trouble in scenario.troubles(&operation, index) {
            let (operation, before) = (operation.clone(), before.clone());
            points.spawn(async move {
                let _permit = trouble.its_turn().await;
                point(before.copy().await, &operation, skip, trouble).await;
            });
        }
    }
    let count = points.len();
    points.join_all().await;
    println!("{count} points of {} {:?}", scenario.program, scenario.options);
}

async fn point(world: World, operation: &str, skip: usize, trouble: Trouble) {
    let scenario = world.scenario;
    let what = format!("{trouble:?} {operation} {skip} of {:?}", scenario.options);
    trouble.inject(&world.aws, operation, skip);
    let run = world.run(Some(trouble)).await;
    assert!(matches!(run.code, Some(0 | 1)), "{what}: {run:?}");
    if scenario.gets_through(trouble, operation) {
        assert_eq!(run.code, Some(0), "{what}: {run:?}");
    }
    assert_told(&run, trouble, operation, &what);
    if operation == "CreateAccessKey" && trouble.hides_answer() {
        let asked = world.aws.faults.counts().remove(operation);
        let once = asked.is_none_or(|times| times == 1);
        assert!(once, "a key is never asked for twice; {what}: {run:?}");
    }
    assert_eq!(of_others(&world.aws), world.others, "{what}: {run:?}");
    (scenario.check)(&world, &run, &what);
    let has = |option| scenario.options.contains(&option);
    let can_go_on = ["--update", "--suspend", "--resume"].into_iter().any(has);
    let again = scenario.program == "delete_s3_user" || can_go_on;
    if again && run.code == Some(1) {
        world.aws.faults.forget();
        // Without tags nothing shows whose a user without a policy is.
        let options = if run.stderr.contains("again with --force continues") {
            &["--force"]
        } else {
            scenario.options
        };
        let scenario = Scenario { options, ..scenario };
        let world = World { scenario, ..world };
        let again = world.run(None).await.succeeded();
        assert_eq!(of_others(&world.aws), world.others, "{what}: {again:?}");
        (scenario.check)(&world, &again, &what);
    }
}

/// Asserts that a run that fails says so in one line, which names the call and,
/// where that was refused, the permission it needs.
fn assert_told(run: &Run, trouble: Trouble, operation: &str, what: &str) {
    let errors = run.stderr.lines().filter(|line| line.contains(": error: "));
    let errors: Vec<_> = errors.collect();
    let expected = usize::from(run.code == Some(1));
    assert_eq!(errors.len(), expected, "{what}: {run:?}");
    let Some(error) = errors.first() else { return };
    if !trouble.is_unreadable() {
        let call = format!("{operation}: ");
        assert!(error.contains(&call), "{what}: {run:?}");
    }
    if trouble == Trouble::Refused {
        let needs = "needs the permission ";
        assert!(error.contains(needs), "{what}: {run:?}");
    }
}

/// All is made, or nothing is left.
fn made_or_undone(world: &World, run: &Run, what: &str) {
    let has = |option| world.scenario.options.contains(&option);
    let probes = world.aws.keys("shared").into_iter();
    let probes: Vec<_> = probes.filter(|key| key.contains("s3-user-verify")).collect();
    for probe in &probes {
        let left = format!("left: object s3://shared/{probe};");
        assert!(run.stderr.contains(&left), "{what}: {run:?}");
    }
    let folder = world.aws.keys("shared").contains(&"alex/".to_owned());
    let kit = world.sandbox.path().join("alex_kit");
    // Of an object whose deletion got no answer nobody knows whether it is left.
    let is_unclear = ["DeleteObject", "AbortMultipartUpload", "CreateMultipartUpload"]
        .iter()
        .any(|call| run.stderr.contains(&format!("verify: {call}: ")));
    let mut left = run.stderr.lines().filter(|line| line.starts_with("left: "));
    let is_named_in_doubt = |line: &str| {
        let of_call = |call| run.stderr.contains(&format!(": error: {call}: "));
        line.starts_with("left: user alex, if it is there and ") && of_call("CreateUser")
            || line.starts_with("left: policy s3-access-for-alex, if ") && of_call("CreatePolicy")
    };
    assert!(is_unclear || left.all(is_named_in_doubt), "{what}: {run:?}");
    if run.code == Some(0) {
        assert_complete(&world.aws, &world.sandbox, "alex");
        assert_eq!(folder, has("--make-folder"), "{what}: {run:?}");
        assert_eq!(kit.join("README.txt").exists(), has("--kit=dir"), "{what}: {run:?}");
    } else {
        let is_bare = keys_of(&world.aws, "alex").is_empty()
            && world.aws.iam(|iam| !iam.user_inline_policies.contains_key("alex"));
        let is_named = run.stderr.contains("left: user alex, if it is there and ");
        let is_left = world.scenario.like_ceph && is_bare && is_named;
        assert!(is_left || is_gone(&world.aws, "alex"), "{what}: {run:?}");
        assert_eq!(world.sandbox.key_file("alex"), None, "{what}: {run:?}");
        assert!(!folder && !kit.exists(), "{what}: {run:?}");
    }
}

const CREATE: Scenario = Scenario {
    program: "create_s3_user",
    options: &[],
    operations: &[],
    alex: &[],
    blocked: false,
    like_ceph: false,
    of_aws: false,
    check: made_or_undone,
};

/// On a store that keeps no tags, where nothing tells whose a bare user is.
const CREATE_ON_CEPH: Scenario = Scenario { like_ceph: true, ..CREATE };

const VERIFIED: Scenario =
    Scenario { options: &["--verify", "--access", "read-write"], operations: OF_VERIFY, ..CREATE };

#[tokio::test(flavor = "multi_thread")]
async fn create_is_all_or_nothing() {
    at_every_call(CREATE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_without_tags_is_all_or_nothing_or_names_the_user() {
    at_every_call(CREATE_ON_CEPH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_an_inline_policy_is_all_or_nothing() {
    let options = &["--inline-policy"];
    at_every_call(Scenario { options, ..CREATE }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_another_folder_is_all_or_nothing() {
    for like_ceph in [false, true] {
        let options = &["--folder", "customers/acme/"];
        // What is different: who else has it, and how it is recorded.
        let operations = &["ListUsers", "GetUser", "CreateUser", "ListUserTags"];
        at_every_call(Scenario { options, operations, like_ceph, ..CREATE }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_kit_and_folder_is_all_or_nothing() {
    let options = &["--kit=dir", "--make-folder"];
    at_every_call(Scenario { options, ..CREATE }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verified_create_is_all_or_nothing() {
    at_every_call(VERIFIED).await;
}

/// A create run that fails at its end, since the directory of the key file is
/// gone when the file is to be written, and is undone while every call of the
/// `refused` operation is denied. Only the calls that undo it count as called.
async fn undone_at_the_end(
    options: &'static [&'static str],
    refused: Option<&str>,
) -> (World, Run) {
    let world = World::new(Scenario { options, ..CREATE }).await;
    let keys = world.sandbox.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let faults = &world.aws.faults;
    faults.once("PutObject", Fault::Pause);
    let options = [&["-o", "keys"], options].concat();
    let started = world.sandbox.start_create("alex", &options);
    faults.paused().await;
    std::fs::remove_dir_all(keys).unwrap();
    faults.forget();
    if let Some(operation) = refused {
        faults.always(operation, Fault::DENIED);
    }
    faults.resume();
    let run = started.ended().await.failed_with("can't write keys/");
    (world, run)
}

/// Asserts that what is named as left is what is left.
fn assert_left_is_named(world: &World, run: &Run, refused: &str) {
    let named = |what: &str| run.stderr.contains(&format!("left: {what}"));
    let (user, policy) = world.aws.iam(|iam| {
        let mut managed = iam.policies.values();
        let managed = managed.any(|it| it.policy_name.ends_with("-alex"));
        let inline = iam.user_inline_policies.get("alex");
        (iam.users.contains_key("alex"), managed || inline.is_some_and(|inline| !inline.is_empty()))
    });
    let key = !keys_of(&world.aws, "alex").is_empty();
    let folder = world.aws.keys("shared").contains(&"alex/".to_owned());
    assert_eq!(named("user alex"), user, "{refused}: {run:?}");
    assert_eq!(named("access key "), key, "{refused}: {run:?}");
    let named_policy = named("policy ") || named("inline policy ");
    assert_eq!(named_policy, policy, "{refused}: {run:?}");
    assert_eq!(named("object s3://shared/alex/;"), folder, "{refused}: {run:?}");
    let at = |text: &str| run.stderr.rfind(text);
    assert!(at("\nhint: ").is_none() || at("\nleft: ") < at("\nhint: "), "{run:?}");
    let anything = user || key || policy || folder;
    assert!(anything || refused.starts_with("Get"), "{refused}: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_undone_is_named() {
    for options in [["--make-folder"].as_slice(), &["--make-folder", "--inline-policy"]] {
        let (world, run) = undone_at_the_end(options, None).await;
        made_or_undone(&world, &run, "undone");
        let calls = world.aws.faults.counts();
        assert!(calls.len() >= 4, "{calls:?}");
        for call in calls.keys() {
            let (world, run) = undone_at_the_end(options, Some(call)).await;
            assert_left_is_named(&world, &run, call);
        }
    }
}

/// The one active key is the new one, which is in its file, or the old one; or
/// both, where that is said.
fn new_key_or_old_one(world: &World, run: &Run, what: &str) {
    let old = world.old_key.clone().unwrap();
    let keys = active_keys_of(&world.aws, "alex");
    let file = key_files(&world.sandbox).pop().unwrap();
    let new = Some(world.sandbox.key_in(&file).0).filter(|new| *new != old);
    let is_named = |key: &String| run.stderr.contains(&format!("left: access key {key}"));
    match (run.code, &new) {
        (Some(0), Some(new)) => assert_eq!(&keys, &[new.as_str()], "{what}: {run:?}"),
        (Some(1), None) => {
            assert!(keys.contains(&old), "{what}: {run:?}");
            let mut others = keys.iter().filter(|key| **key != old);
            assert!(others.all(is_named), "{what}: {run:?}");
        }
        (Some(1), Some(new)) => {
            assert!(keys.contains(new) && keys.len() <= 2, "{what}: {run:?}");
            let mut others = keys.iter().filter(|key| *key != new);
            assert!(others.all(is_named), "{what}: {run:?}");
        }
        _ => panic!("{what}: {run:?}"),
    }
}

const ROTATE: Scenario =
    Scenario { options: &["--rotate-key"], alex: &[&[]], check: new_key_or_old_one, ..CREATE };

const VERIFIED_ROTATE: Scenario = Scenario {
    options: &["--rotate-key", "--verify", "--kit=dir"],
    operations: OF_VERIFY,
    ..ROTATE
};

/// A rotation that first deletes the key that an earlier one suspended.
const ROTATE_AGAIN: Scenario = Scenario {
    options: &["--rotate-key", "--suspend-old"],
    alex: &[&[], &["--rotate-key", "--suspend-old"]],
    check: new_key_or_old_one_and_none_lost,
    ..ROTATE
};

/// The same, and the key that was the active one is not deleted.
fn new_key_or_old_one_and_none_lost(world: &World, run: &Run, what: &str) {
    new_key_or_old_one(world, run, what);
    let old = world.old_key.clone().unwrap();
    let keys = keys_of(&world.aws, "alex");
    assert!(keys.contains(&old), "{what}: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_leaves_a_key_that_works() {
    at_every_call(ROTATE).await;
    at_every_call(ROTATE_AGAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verified_rotation_leaves_a_key_that_works() {
    at_every_call(VERIFIED_ROTATE).await;
}

/// The new key with the new access; or the access as it was, unless it is said that it
/// stays changed.
fn new_key_and_access_or_neither(world: &World, run: &Run, what: &str) {
    new_key_or_old_one(world, run, what);
    let has_new_key = key_files(&world.sandbox).len() > 1;
    let has_new_access = policy_text_of_alex(&world.aws).contains("2100-");
    let is_tagged = tag_of(&world.aws, "alex", "s3-user:expires").is_some();
    if run.code == Some(0) {
        assert!(has_new_access && is_tagged, "{what}: {run:?}");
    }
    let is_told = ["stays changed (expires: never ->", "the tag that says when access ends"];
    if !is_told.iter().any(|part| run.stderr.contains(part)) {
        assert_eq!((has_new_access, is_tagged), (has_new_key, has_new_key), "{what}: {run:?}");
    }
}

/// A new key with a new end of access.
const RENEW: Scenario = Scenario {
    options: &["--rotate-key", "--expires", "2099-12-31"],
    check: new_key_and_access_or_neither,
    ..ROTATE
};

#[tokio::test(flavor = "multi_thread")]
async fn renewal_gives_a_new_key_and_access_or_neither() {
    at_every_call(RENEW).await;
}

/// The policy is the old one or the new one, and the key as it was.
fn old_access_or_new(world: &World, run: &Run, what: &str) {
    let document = policy_text_of_alex(&world.aws);
    let (writes, expires) = (document.contains("PutObject"), document.contains("2100-"));
    assert_eq!(writes, expires, "{what}: {run:?}");
    let tag = tag_of(&world.aws, "alex", "s3-user:expires");
    if run.code == Some(0) {
        assert!(writes && tag.is_some(), "{what}: {run:?}");
    }
    let keys = keys_of(&world.aws, "alex");
    assert_eq!(keys, [world.old_key.clone().unwrap()]);
}

const UPDATE: Scenario = Scenario {
    options: &["--update", "--access", "write", "--expires", "2099-12-31"],
    alex: &[&[]],
    check: old_access_or_new,
    ..CREATE
};

#[tokio::test(flavor = "multi_thread")]
async fn update_gives_the_old_access_or_the_new() {
    at_every_call(UPDATE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_update_gives_the_old_access_or_the_new() {
    let alex: &[&[_]] = &[&["--inline-policy"]];
    at_every_call(Scenario { alex, ..UPDATE }).await;
}

/// After success no key of alex works, or with `--resume` each does; the keys are
/// the same as before.
fn suspended_or_resumed_when_it_says_so(world: &World, run: &Run, what: &str) {
    let keys = keys_of(&world.aws, "alex");
    let known = key_files(&world.sandbox).into_iter();
    let known: Vec<_> = known.map(|file| world.sandbox.key_in(&file).0).collect();
    assert_eq!(keys, known, "{what}: {run:?}");
    let resumes = world.scenario.options.contains(&"--resume");
    if run.code == Some(0) {
        let expected = if resumes { keys } else { Vec::new() };
        let active = active_keys_of(&world.aws, "alex");
        assert_eq!(active, expected, "{what}: {run:?}");
    }
}

/// A user with two keys.
const SUSPEND: Scenario = Scenario {
    options: &["--suspend"],
    alex: &[&[], &["--rotate-key", "--keep-old-keys"]],
    check: suspended_or_resumed_when_it_says_so,
    ..CREATE
};

const RESUME: Scenario = Scenario {
    options: &["--resume"],
    alex: &[&[], &["--rotate-key", "--keep-old-keys"], &["--suspend"]],
    ..SUSPEND
};

#[tokio::test(flavor = "multi_thread")]
async fn changes_without_tags_are_as_safe() {
    for scenario in [ROTATE, SUSPEND] {
        at_every_call(Scenario {
            like_ceph: true,
            operations: &[
                "GetCallerIdentity",
                "CreateAccessKey",
                "DeleteAccessKey",
                "ListAccessKeys",
                "UpdateAccessKey",
            ],
            ..scenario
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_can_always_be_run_again() {
    at_every_call(SUSPEND).await;
    at_every_call(RESUME).await;
}

/// After success, nothing is left of alex.
fn deleted_when_it_says_so(world: &World, run: &Run, what: &str) {
    let keys = world.aws.keys("shared").into_iter();
    let own = keys.filter(|key| key.starts_with("alex/")).count();
    if run.code == Some(0) {
        assert!(is_gone(&world.aws, "alex"), "{what}: {run:?}");
        assert_eq!(own, 0, "{what}: {run:?}");
        assert_eq!(world.aws.uploads("shared"), [""; 0], "{what}: {run:?}");
    } else {
        let there = world.aws.iam(|iam| iam.users.contains_key("alex"));
        assert!(there, "the user is what running again needs; {what}: {run:?}");
    }
}

const DELETE: Scenario = Scenario {
    program: "delete_s3_user",
    options: &[],
    operations: &[],
    alex: &[&[]],
    blocked: false,
    like_ceph: false,
    of_aws: false,
    check: deleted_when_it_says_so,
};

/// A user with everything that a user can have, and what only that calls.
const DELETE_BLOCKED: Scenario = Scenario {
    operations: &[
        "DeleteLoginProfile",
        "DeleteSigningCertificate",
        "DeleteSSHPublicKey",
        "DeleteServiceSpecificCredential",
        "DeactivateMFADevice",
        "DeleteVirtualMFADevice",
        "RemoveUserFromGroup",
        "DeleteUserPolicy",
        "AbortMultipartUpload",
        "ListParts",
        "DeleteUser",
    ],
    alex: &[&["--inline-policy"]],
    blocked: true,
    ..DELETE
};

/// A user whose access has ended, with everything but what might give access.
const EXPIRED: Scenario = Scenario {
    options: &["--expired"],
    operations: &[
        "GetAccountAuthorizationDetails",
        "GetUser",
        "GetLoginProfile",
        "DeleteAccessKey",
        "DeleteSigningCertificate",
        "DetachUserPolicy",
        "DeletePolicy",
        "DeleteObjects",
        "DeleteUser",
    ],
    alex: &[&["--expires", "9d"]],
    blocked: true,
    ..DELETE
};

#[tokio::test(flavor = "multi_thread")]
async fn delete_without_tags_can_always_be_run_again() {
    let scenario = Scenario {
        like_ceph: true,
        operations: &[
            "GetUser",
            "ListUserTags",
            "DeleteAccessKey",
            "DeleteObjects",
            "DeleteUserPolicy",
            "DeleteUser",
        ],
        ..DELETE
    };
    at_every_call(scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_of_expired_users_can_always_be_run_again() {
    at_every_call(EXPIRED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_can_always_be_run_again() {
    at_every_call(DELETE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_from_the_list_of_aws_can_always_be_run_again() {
    at_every_call(Scenario { of_aws: true, ..DELETE }).await;
    at_every_call(Scenario { of_aws: true, ..DELETE_BLOCKED }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_of_all_versions_can_always_be_run_again() {
    let scenario = Scenario {
        options: &["--all-versions"],
        operations: &["GetBucketVersioning", "ListObjectVersions", "DeleteObjects"],
        ..DELETE
    };
    at_every_call(scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_of_a_user_with_everything_can_always_be_run_again() {
    at_every_call(DELETE_BLOCKED).await;
}

/// Stops the program by a signal at every call of the scenario, before or after
/// the call is carried out, and lets `then` look at what it left.
async fn stopped_at_every_call<Then>(
    scenario: Scenario,
    signals: &[&'static str],
    then: fn(World, Run, String) -> Then,
) where
    Then: Future<Output = ()> + Send + 'static,
{
    let before = Arc::new(World::new(scenario).await);
    let world = before.copy().await;
    world.run(None).await.succeeded();
    let mut points = JoinSet::new();
    for (index, (operation, skip)) in scenario.calls(&world.aws).into_iter().enumerate() {
        let signal = signals[index % signals.len()];
        for fault in Fault::pauses(&operation) {
            let (operation, before) = (operation.clone(), before.clone());
            points.spawn(async move {
                let _permit = AT_A_TIME.acquire().await.unwrap();
                let what = format!("{signal} at {operation} {skip}, {fault:?}");
                let world = before.copy().await;
                world.aws.faults.at(&operation, skip, 1, *fault);
                let run = stopped(&world, signal).await;
                world.aws.faults.forget();
                let world = if signal == "KILL" { world.without_late_calls().await } else { world };
                then(world, run, what).await;
            });
        }
    }
    let count = points.len();
    points.join_all().await;
    println!("{count} times {signals:?} to {} {:?}", scenario.program, scenario.options);
}

/// A run that gets a signal while a call is paused.
async fn stopped(world: &World, signal: &str) -> Run {
    let args = [world.scenario.target(), world.scenario.options].concat();
    let mut started = world.sandbox.start(world.scenario.program, &args);
    world.aws.faults.paused().await;
    started.signal(signal).await;
    if signal != "KILL" {
        started.says("stopping").await;
        world.aws.faults.resume();
    }
    started.ended().await
}

/// A run that is stopped has undone what it did, or was done already.
async fn undone_or_done(world: World, run: Run, what: String) {
    let signals = [("HUP", 129), ("INT", 130), ("QUIT", 131), ("TERM", 143)];
    let stopped = signals.iter().find(|(name, _)| what.starts_with(name));
    let stopped = stopped.unwrap().1;
    assert!([0, stopped].map(Some).contains(&run.code), "{what}: {run:?}");
    assert_eq!(run.signal.is_some(), run.code == Some(stopped), "{what}: {run:?}");
    assert_eq!(of_others(&world.aws), world.others, "{what}: {run:?}");
    let code = run.code.map(|code| code.min(1));
    (world.scenario.check)(&world, &Run { code, ..run }, &what);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_that_is_interrupted_is_undone() {
    let signals = ["INT", "TERM", "HUP", "QUIT"];
    stopped_at_every_call(CREATE, &signals, undone_or_done).await;
    stopped_at_every_call(CREATE_ON_CEPH, &["TERM"], undone_or_done).await;
    let options = &["--inline-policy", "--make-folder", "--kit=dir"];
    let inline = Scenario { options, ..CREATE };
    stopped_at_every_call(inline, &["INT"], undone_or_done).await;
    stopped_at_every_call(VERIFIED, &["TERM"], undone_or_done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_that_is_interrupted_leaves_a_key_that_works() {
    for (scenario, signal) in [
        (ROTATE, "QUIT"),
        (RENEW, "INT"),
        (ROTATE_AGAIN, "INT"),
        (SUSPEND, "TERM"),
        (RESUME, "INT"),
        (VERIFIED_ROTATE, "INT"),
        (UPDATE, "INT"),
        (UPDATE, "HUP"),
    ] {
        stopped_at_every_call(scenario, &[signal], undone_or_done).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_that_is_interrupted_is_finished_by_running_again() {
    stopped_at_every_call(DELETE, &["INT", "HUP"], delete_again_finishes).await;
}

/// Running delete once cleans up.
async fn delete_cleans_up(world: World, _: Run, what: String) {
    let run = world.sandbox.delete("alex", &[]).await;
    let nothing_to_do = run.stderr.contains("there is no user alex");
    assert!(run.code == Some(0) || nothing_to_do, "{what}: {run:?}");
    assert!(is_gone(&world.aws, "alex"), "{what}: {run:?}");
    assert_eq!(of_others(&world.aws), world.others, "{what}");
}

/// A user without tags and without a policy is nobody's, so it takes `--force`.
async fn forced_delete_cleans_up(world: World, _: Run, what: String) {
    let run = world.sandbox.delete("alex", &["--force"]).await;
    assert_eq!(run.code, Some(0), "{what}: {run:?}");
    assert!(is_gone(&world.aws, "alex"), "{what}: {run:?}");
    assert_eq!(of_others(&world.aws), world.others, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_delete_cleans_up_what_a_create_without_tags_left() {
    stopped_at_every_call(CREATE_ON_CEPH, &["KILL"], forced_delete_cleans_up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_cleans_up_what_a_killed_create_left() {
    let options = &["--inline-policy", "--make-folder", "--kit=dir"];
    for scenario in [CREATE, Scenario { options, ..CREATE }] {
        stopped_at_every_call(scenario, &["KILL"], delete_cleans_up).await;
    }
    stopped_at_every_call(ROTATE, &["KILL"], delete_cleans_up).await;
    stopped_at_every_call(UPDATE, &["KILL"], delete_cleans_up).await;
}

/// The same command again succeeds, if need be after the commands of its hints;
/// each clears the way and touches neither the folder nor anybody else.
async fn same_command_again_succeeds(world: World, _: Run, what: String) {
    let folder = || {
        let keys = world.aws.keys("shared").into_iter();
        keys.filter(|key| key.starts_with("alex/")).collect::<Vec<_>>()
    };
    let before = folder();
    let mut run = world.run(None).await;
    if run.code == Some(1) {
        run_hinted_command(&world, &run, &what).await;
        assert_eq!(folder(), before, "{what}: {run:?}");
        assert_eq!(of_others(&world.aws), world.others, "{what}: {run:?}");
        run = world.run(None).await;
    }
    assert_eq!(run.code, Some(0), "{what}: {run:?}");
    let known = key_files(&world.sandbox).into_iter();
    let known: Vec<_> = known.map(|file| world.sandbox.key_in(&file).0).collect();
    let live = active_keys_of(&world.aws, "alex");
    assert_eq!(live.len(), 1, "{what}: {run:?}");
    assert!(known.contains(&live[0]), "{what}: {live:?}: {run:?}");
    assert_eq!(of_others(&world.aws), world.others, "{what}: {run:?}");
}

/// Runs the last command that a hint names, as it stands.
async fn run_hinted_command(world: &World, run: &Run, what: &str) {
    let mut hints = run.stderr.lines().filter(|line| line.starts_with("hint: "));
    let hint = hints.next_back().expect(what);
    let command =
        ["delete_s3_user ", "aws iam "].iter().find_map(|start| Some(&hint[hint.find(start)?..]));
    let command = command.unwrap_or_else(|| panic!("{what}: {run:?}"));
    let by_aws = "aws iam delete-access-key --user-name alex --access-key-id ";
    match command.strip_prefix(by_aws) {
        Some(id) => delete_key(&world.aws, "alex", id).await,
        None => {
            let script = format!("PATH=${{0%/*}}:$PATH; {command}");
            let run = world.sandbox.run_script(&script, "delete_s3_user").await;
            assert_eq!(run.code, Some(0), "{what}: {command}: {run:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn same_command_again_succeeds_after_a_kill() {
    let options = &["--inline-policy", "--make-folder", "--kit=dir"];
    let inline = Scenario { options, ..CREATE };
    for scenario in [CREATE, inline, VERIFIED, ROTATE, ROTATE_AGAIN, VERIFIED_ROTATE, UPDATE] {
        stopped_at_every_call(scenario, &["KILL"], same_command_again_succeeds).await;
    }
}

/// The same command again finishes, without a hint.
async fn same_command_again_finishes(world: World, _: Run, what: String) {
    let run = world.run(None).await.succeeded();
    (world.scenario.check)(&world, &run, &what);
    assert_eq!(of_others(&world.aws), world.others, "{what}: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_again_finishes_after_a_kill() {
    for scenario in [SUSPEND, RESUME] {
        stopped_at_every_call(scenario, &["KILL"], same_command_again_finishes).await;
    }
}

async fn delete_again_finishes(world: World, run: Run, what: String) {
    assert!(matches!(run.code, Some(0 | 129 | 130 | 131 | 137 | 143)), "{what}: {run:?}");
    let run = world.run(None).await;
    let nothing_to_do = run.stderr.contains("there is no user alex");
    assert!(run.code == Some(0) || nothing_to_do, "{what}: {run:?}");
    deleted_when_it_says_so(&world, &Run { code: Some(0), ..run }, &what);
    assert_eq!(of_others(&world.aws), world.others, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_again_finishes_after_a_kill() {
    for scenario in [DELETE, DELETE_BLOCKED, EXPIRED] {
        stopped_at_every_call(scenario, &["KILL"], delete_again_finishes).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nohup_goes_on_working() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.once("CreateAccessKey", Fault::Pause);
    let script = "trap '' HUP QUIT; exec \"$0\" -b shared -u alex";
    let started = sandbox.start_script(script, "create_s3_user");
    aws.faults.paused().await;
    started.signal("HUP").await;
    started.signal("QUIT").await;
    aws.faults.resume();
    started.ended().await.succeeded();
    assert_complete(&aws, &sandbox, "alex");
}
