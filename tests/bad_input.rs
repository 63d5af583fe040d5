//! What is wrong is said in one line, before anything is made.

use std::time::{Duration, Instant};

use crate::support::{
    Fault, KMS_KEY, LocalAws, Run, Sandbox, assert_complete, assert_usage, aws_with_alex,
    aws_with_files, is_gone,
};

#[tokio::test]
async fn bad_names_are_refused_before_any_call() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let too_long = "u".repeat(65);
    let bucket_too_long = "b".repeat(64);
    for program in ["create_s3_user", "delete_s3_user"] {
        for user in [
            "",
            ".",
            "..",
            "-alex",
            "--force",
            &too_long,
            "al ex",
            "al/ex",
            "al*",
            "$al",
            "al\nex",
            "aléx",
            "\u{1b}[31malex",
        ] {
            let run = sandbox.run(program, &["-b", "shared", "-u", user]).await;
            assert_usage(&run, "a user name ");
            assert!(!run.stderr.contains('\u{1b}'));
        }
        for (bucket, part) in [
            ("", "3 to 63"),
            ("ab", "3 to 63"),
            (bucket_too_long.as_str(), "3 to 63"),
            ("Shared", "capitals"),
            ("sha..red", "periods"),
            ("192.168.1.1", "IP address"),
            ("s3://shared", "only the bucket's name"),
            ("arn:aws:s3:::shared", "ARN"),
            ("shared--use1-az4--x-s3", "directory"),
        ] {
            let run = sandbox.run(program, &["-b", bucket, "-u", "alex"]).await;
            assert_usage(&run, part);
        }
    }
    assert!(aws.faults.operations().is_empty());
}

#[tokio::test]
async fn secret_in_the_wrong_place_is_not_repeated() {
    let aws = LocalAws::start().await;
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let given = ["-b", "shared", "-u"];
    for (variable, options) in [
        (None, [secret].as_slice()),
        (None, &["alex", secret]),
        (None, &["alex", "--tag", secret]),
        (None, &["alex", "--expires", secret]),
        (None, &["alex", "--source-ip", secret]),
        (None, &["alex", &format!("--{secret}")]),
        (Some("AWS_REGION"), &["alex"]),
        (Some("AWS_PROFILE"), &["alex"]),
        (Some("AWS_ENDPOINT_URL"), &["alex"]),
    ] {
        let mut sandbox = Sandbox::new(&aws);
        if let Some(variable) = variable {
            sandbox = sandbox.set(variable, Some(secret));
        }
        let run = sandbox.run("create_s3_user", &[&given, options].concat()).await;
        assert_eq!(run.code, Some(2), "{options:?}: {run:?}");
        assert!(!run.stderr.contains("K7MDENG"), "{run:?}");
    }
    // A long word or number is no secret.
    let hash = "--a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
    let run =
        Sandbox::new(&aws).run("create_s3_user", &[&given[..], &["alex", hash]].concat()).await;
    assert_usage(&run, hash);
    assert!(aws.faults.operations().is_empty());
}

#[tokio::test]
async fn missing_and_unknown_arguments_are_one_line() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for program in ["create_s3_user", "delete_s3_user"] {
        let missing = "error: the following required arguments were not provided: ";
        let run = sandbox.run(program, &[]).await;
        assert_usage(&run, &format!("{missing}--bucket <BUCKET> <--user <USER>|"));
        let instead = match program {
            "create_s3_user" => "--list",
            _ => "--expired",
        };
        let give = format!("{missing}<--user <USER>|--users-from <FILE>|{instead}>; see");
        assert_usage(&sandbox.run(program, &["-b", "shared"]).await, &give);
        if program == "create_s3_user" {
            for (option, needed) in
                [("--sync", "--users-from <FILE>"), ("--csv", "--list"), ("--sort=used", "--list")]
            {
                let run = sandbox.run(program, &["-b", "shared", option]).await;
                assert_usage(&run, &format!("{missing}{needed}; see"));
            }
            for option in ["--suspend", "--resume", "--update", "--rotate-key", "--skip-existing"] {
                let run = sandbox.run(program, &["-b", "shared", option]).await;
                assert_usage(&run, &format!("{missing}<--user <USER>|--users-from <FILE>>; see"));
            }
        }
        let args = ["-b", "shared", "-u", "alex"];
        let run = sandbox.run(program, &[&args[..], &["--what"]].concat()).await;
        assert_usage(&run, "'--what'");
        let run = sandbox.run(program, &[&args[..], &["-v", "-q"]].concat()).await;
        assert_usage(&run, "--quiet");
    }
}

#[tokio::test]
async fn bare_word_is_answered_with_the_option_or_program() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for (program, word, instead) in [
        ("create_s3_user", "list", "run create_s3_user -b BUCKET --list\n"),
        ("create_s3_user", "suspend", "run create_s3_user -b BUCKET -u USER --suspend\n"),
        ("create_s3_user", "update", "run create_s3_user -b BUCKET -u USER --update\n"),
        ("create_s3_user", "rotate", "run create_s3_user -b BUCKET -u USER --rotate-key\n"),
        ("create_s3_user", "--delete", "'--delete' found; to delete a user, run delete_s3_user "),
        ("delete_s3_user", "expired", "run delete_s3_user -b BUCKET --expired\n"),
        ("create_s3_user", "delete", "run delete_s3_user -b BUCKET -u USER\n"),
        ("delete_s3_user", "list", "run create_s3_user -b BUCKET --list\n"),
        ("create_s3_user", "version", "for the version, use --version\n"),
        ("create_s3_user", "--users", "for a file of users, use --users-from FILE\n"),
        ("create_s3_user", "--expired", "run delete_s3_user -b BUCKET --expired\n"),
        ("delete_s3_user", "--list", "run create_s3_user -b BUCKET --list\n"),
        ("create_s3_user", "foo", "unexpected argument 'foo' found; to name a user, use -u USER\n"),
    ] {
        for args in [vec![word], vec!["-b", "shared", word], vec![word, "-u", "alex"]] {
            assert_usage(&sandbox.run(program, &args).await, instead);
        }
    }
}

#[tokio::test]
async fn bucket_may_be_named_by_a_variable() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let sandbox = sandbox.set("S3_USER_BUCKET", Some("shared"));
    let run = sandbox.run("create_s3_user", &["--list"]).await.succeeded();
    assert!(run.stdout.contains("\nalex  read "), "{run:?}");
    let other = sandbox.run("create_s3_user", &["-b", "other", "--list"]).await;
    other.failed_with("there is no bucket other");
    sandbox.run("delete_s3_user", &["-u", "alex"]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn number_out_of_range_is_refused_with_the_range() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for (option, range) in [("--jobs", "1 to 32"), ("--timeout", "1 to 3600")] {
        let run = sandbox.create("alex", &[option, "0"]).await;
        assert_usage(&run, &format!("0 is not a number from {range}\n"));
    }
}

#[tokio::test]
async fn day_that_does_not_exist_and_block_that_begins_elsewhere_are_explained() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for (option, value, part) in [
        ("--expires", "2030-02-30", ": there is no such date\n"),
        ("--expires", "2020-01-01", ": that time has already passed\n"),
        (
            "--source-ip",
            "203.0.113.5/24",
            ": write 203.0.113.0/24 for the whole block, or 203.0.113.5 for this address alone\n",
        ),
        ("--source-ip", "::ffff:203.0.113.5", ": write an IPv4 address as 203.0.113.5, not as"),
    ] {
        assert_usage(&sandbox.create("alex", &[option, value]).await, part);
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// Longer than it takes to fail without trying again, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Runs both programs and expects both to fail in this way.
async fn both_fail(sandbox: &Sandbox, part: &str) {
    sandbox.create("alex", &[]).await.failed_with(part);
    sandbox.delete("alex", &[]).await.failed_with(part);
}

#[tokio::test]
async fn credentials_that_are_missing_expired_or_wrong_are_told_apart() {
    let aws = aws_with_files().await;
    let sandbox =
        Sandbox::new(&aws).set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None);
    both_fail(&sandbox, "no AWS credentials found").await;

    let sandbox = Sandbox::new(&aws);
    aws.faults.always("GetUser", Fault::Refuse(403, "ExpiredToken"));
    both_fail(&sandbox, "GetUser: ExpiredToken").await;
    let run = sandbox.create("alex", &[]).await;
    assert!(run.stderr.contains("\nhint: sign in again"), "{run:?}");
    aws.faults.forget();

    let wrong = (aws.admin.0.clone(), "wrong".to_owned());
    let sandbox = Sandbox::with_key(&aws.url, &wrong);
    both_fail(&sandbox, "SignatureDoesNotMatch").await;
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn bucket_that_is_missing_or_of_others_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for program in ["create_s3_user", "delete_s3_user"] {
        let run = sandbox.run(program, &["-b", "nowhere", "-u", "alex"]).await;
        run.failed_with("there is no bucket nowhere");
    }
    aws.faults.always("HeadBucket", Fault::Refuse(403, ""));
    both_fail(&sandbox, "bucket shared exists, but you can't access it").await;
    both_fail(&sandbox, "s3:ListBucket").await;
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn endpoint_that_cannot_be_reached_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_key("http://127.0.0.1:9", &aws.admin);
    both_fail(&sandbox, "can't reach http://127.0.0.1:9: Connection refused").await;
    // Twenty attempts would take minutes.
    let patient = Sandbox::with_key("http://127.0.0.1:9", &aws.admin)
        .with_full_pauses()
        .set("AWS_MAX_ATTEMPTS", Some("20"));
    let start = Instant::now();
    both_fail(&patient, "Connection refused").await;
    assert!(start.elapsed() < AT_ONCE);
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &["--endpoint-url", "http://127.0.0.1:9"]).await;
    run.failed_with("can't reach http://127.0.0.1:9: ");
    let run = sandbox.create("alex", &["--endpoint-url", "nonsense"]).await;
    assert_usage(&run, "http://");
}

#[cfg(unix)]
#[tokio::test]
async fn key_file_that_cannot_be_written_stops_before_anything_is_made() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::write(sandbox.path().join("file"), "").unwrap();
    std::fs::write(sandbox.path().join("alex_accessKeys.csv"), "precious").unwrap();
    std::fs::write(sandbox.path().join("elsewhere"), "").unwrap();
    let link = sandbox.path().join("jaime_accessKeys.csv");
    std::os::unix::fs::symlink("elsewhere", link).unwrap();
    let kim = ["-b", "shared", "-u", "kim", "-o"];
    for (user, dir, part) in [
        ("alex", ".", "alex_accessKeys.csv already exists; not overwriting it"),
        ("jaime", ".", "jaime_accessKeys.csv already exists"),
        ("kim", "missing", "the directory missing doesn't exist"),
        ("kim", "file", "file is not a directory"),
        // Read-only even for root.
        #[cfg(target_os = "linux")]
        ("kim", "/proc", "can't create a file in /proc: "),
    ] {
        let args = [&kim[..3], &[user, "-o", dir]].concat();
        for dry_run in [&[][..], &["--dry-run"]] {
            let args = [&args, dry_run].concat();
            sandbox.run("create_s3_user", &args).await.failed_with(part);
        }
        assert!(is_gone(&aws, user));
    }
    let run = sandbox.create("kim", &["-o", "all/keys"]).await;
    let hint = "\nhint: make it with: mkdir -p -m 700 all/keys\n";
    assert!(run.stderr.contains(hint), "{run:?}");
    sandbox.create("kim", &["--dry-run"]).await.succeeded();
    let files = ["alex_accessKeys.csv", "elsewhere", "file", "jaime_accessKeys.csv"];
    assert_eq!(sandbox.files(), files, "a dry run leaves nothing");
    assert_eq!(sandbox.key_file("alex").as_deref(), Some("precious"));
    let making = aws.faults.operations();
    assert!(making.iter().all(|call| !call.starts_with("Create")), "{making:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn closed_stdout_is_no_reason_to_panic() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let script = "\"$0\" -b shared -u alex --json | true; \"$0\" -b shared -u kim >&-";
    let run = sandbox.run_script(script, "create_s3_user").await;
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    assert!(sandbox.key_file("alex").is_some() && sandbox.key_file("kim").is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn result_that_stdout_does_not_take_is_told_and_a_failure() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let to_full_disk = async |program: &str, args: &str| {
        let script = format!("\"$0\" {args} > /dev/full");
        let run = sandbox.run_script(&script, program).await;
        run.failed_with("can't write to stdout: No space left on device")
    };
    let run = to_full_disk("create_s3_user", "-q -b shared -u alex").await;
    assert!(run.stderr.contains("alex_accessKeys.csv"), "{run:?}");
    assert_complete(&aws, &sandbox, "alex");
    to_full_disk("create_s3_user", "-q -b shared -u kim --dry-run").await;
    to_full_disk("create_s3_user", "--completions bash").await;
    to_full_disk("delete_s3_user", "-q -b shared -u alex --json").await;
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn help_is_as_reviewed() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for (program, lines, short, long) in [
        (
            "create_s3_user",
            40,
            include_str!("help/create_s3_user.short.txt"),
            include_str!("help/create_s3_user.txt"),
        ),
        (
            "delete_s3_user",
            24,
            include_str!("help/delete_s3_user.short.txt"),
            include_str!("help/delete_s3_user.txt"),
        ),
    ] {
        let version = sandbox.run(program, &["--version"]).await.succeeded();
        assert_eq!(version.stdout, format!("{program} {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(sandbox.run(program, &["-h"]).await.succeeded().stdout, short);
        assert_eq!(sandbox.run(program, &["--help"]).await.succeeded().stdout, long);
        for (text, columns) in [(long, 100), (short, 80)] {
            let is_wide = |line: &str| line.chars().count() > columns;
            let wide: Vec<_> = text.lines().filter(|line| is_wide(line)).collect();
            assert_eq!(wide, [""; 0]);
        }
        assert!(short.lines().count() <= lines, "-h fits a screen");
    }
}

#[tokio::test]
async fn settings_of_the_environment_that_make_no_sense_are_no_panic() {
    let aws = aws_with_files().await;
    for (name, value) in [
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_MAX_ATTEMPTS", ""),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_REGION", ""),
    ] {
        let sandbox = Sandbox::new(&aws).set(name, Some(value));
        sandbox.create("alex", &["--dry-run"]).await.succeeded();
    }
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_S3"] {
        for value in ["", "s3.example.com"] {
            let sandbox = Sandbox::new(&aws).set(name, Some(value));
            let run = sandbox.create("alex", &["--dry-run"]).await;
            assert_usage(&run, "an endpoint starts with https:// or http://");
        }
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
        for value in ["two\nlines", "\"AKIAIOSFODNN7EXAMPLE\"", "AKIAIOSFODNN7EXAMPLE\r"] {
            let sandbox = Sandbox::new(&aws).set(name, Some(value));
            let run = sandbox.create("alex", &["--dry-run"]).await;
            let wrong = format!("{name}: it contains a space, line break or quote");
            assert_usage(&run, &wrong);
        }
    }
}

#[tokio::test]
async fn completions_and_man_page_are_made_from_the_same_definitions() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for program in ["create_s3_user", "delete_s3_user"] {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let run = sandbox.run(program, &["--completions", shell]).await;
            let run = run.succeeded();
            for part in [program, "users-from", "endpoint-url"] {
                assert!(run.stdout.contains(part), "{part} is not in {shell}'s");
            }
            for old in ["keep-old-keys", "suspend-old"] {
                assert!(!run.stdout.contains(old), "{old} is in {shell}'s");
            }
        }
        let man = sandbox.run(program, &["--man"]).await.succeeded().stdout;
        assert!(man.contains(".TH ") && man.contains("users\\-from"), "{man}");
        assert!(man.contains("How many users to work on at a time"), "{man}");
        let run = sandbox.run(program, &["--completions", "cmd"]).await;
        assert_usage(&run, "bash");
        let help = sandbox.run(program, &["-h"]).await.succeeded().stdout;
        assert!(!help.contains("--completions") && !help.contains("--man"));
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// The options of create_s3_user in its help, each with a value that it takes.
fn options() -> Vec<Vec<&'static str>> {
    let help = include_str!("help/create_s3_user.txt");
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-'));
    let options = lines.filter_map(|line| {
        // A value that can be left out stands beside its option.
        let words = line.split_whitespace().map(|word| word.split('[').next().unwrap_or_default());
        let words: Vec<_> = words.collect();
        let at = words.iter().position(|word| word.starts_with("--"))?;
        Some(words[at..].to_vec()).filter(|words| words.len() <= 2)
    });
    let value = |option: &str, name: &str| match (option, name) {
        (_, "<MODE>") => "read",
        (_, "<WHEN>") => "1d",
        (_, "<CIDR>") => "203.0.113.0/24",
        (_, "<PREFIX/>") => "a/",
        (_, "<WHAT>") => "keep",
        (_, "<BY>") => "ends",
        ("--kms-key", _) => KMS_KEY,
        ("--permissions-boundary", _) => "arn:aws:iam::aws:policy/ReadOnlyAccess",
        (_, "</PATH/>") => "/a/",
        (_, "<KEY=VALUE>") => "a=b",
        _ => "2",
    };
    options
        .map(|words| match words[..] {
            [option, name] => vec![option, value(option, name)],
            _ => words,
        })
        .collect()
}

/// What goes with every option.
const COMMON: &[&str] = &[
    "--bucket",
    "--user",
    "--users-from",
    "--jobs",
    "--yes",
    "--dry-run",
    "--json",
    "--verbose",
    "--quiet",
    "--help",
    "--version",
    "--profile",
    "--region",
    "--endpoint-url",
    "--timeout",
];

/// What says what a user may do.
const OF_ACCESS: &[&str] = &[
    "--access",
    "--expires",
    "--source-ip",
    "--also-read",
    "--kms-key",
    "--browse-root",
    "--no-browse-root",
];

/// What says how a key is handed over.
const OF_A_KEY: &[&str] = &["--output-dir", "--kit", "--verify"];

/// What is for a new user alone.
const OF_A_NEW_USER: &[&str] = &[
    "--folder",
    "--make-folder",
    "--path",
    "--permissions-boundary",
    "--tag",
    "--inline-policy",
    "--delegate",
];

/// Options that are nothing without another one.
const NEEDS: [(&str, &str); 5] = [
    ("--contact", "--kit"),
    ("--verify-timeout", "--verify"),
    ("--old-key", "--rotate-key"),
    ("--csv", "--list"),
    ("--sort", "--list"),
];

/// The options that an error names, but for --help.
fn named(run: &Run) -> Vec<&str> {
    let words = run.stderr.split(|c: char| c != '-' && !c.is_ascii_lowercase());
    let named = words.filter(|word| word.starts_with("--") && *word != "--help");
    let mut named: Vec<_> = named.collect();
    named.sort_unstable();
    named
}

#[tokio::test]
async fn options_that_make_no_sense_together_are_refused_naming_both() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    let options = options();
    assert!(options.len() > 35, "{options:?}");
    for (mode, beside) in [
        ("--list", vec![&["--csv", "--sort"][..]]),
        ("--suspend", vec![]),
        ("--resume", vec![]),
        ("--update", vec![OF_ACCESS, &["--tag"]]),
        ("--rotate-key", vec![OF_ACCESS, OF_A_KEY, &["--old-key"]]),
        ("--skip-existing", vec![OF_ACCESS, OF_A_KEY, OF_A_NEW_USER]),
    ] {
        let beside = [&[COMMON], &beside[..]].concat().concat();
        let is_refused = |option: &&Vec<&str>| {
            let only_shows = option[0] == "--dry-run" && mode == "--list";
            option[0] != mode && (!beside.contains(&option[0]) || only_shows)
        };
        for option in options.iter().filter(is_refused) {
            let run = sandbox.create("alex", &[&[mode], &option[..]].concat()).await;
            assert_usage(&run, "");
            let needed = NEEDS.iter().find(|(name, _)| *name == option[0]);
            let named = named(&run);
            let is_needed = needed.is_some_and(|(_, needed)| named == [*needed]);
            let are_both = [mode, option[0]].iter().all(|option| named.contains(option));
            // It does not go with -u either.
            let is_sync = option[0] == "--sync" && named.contains(&"--sync");
            assert!(are_both || is_needed || is_sync, "{run:?}");
        }
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn option_that_needs_another_one_is_refused_whatever_else_is_given() {
    let aws = LocalAws::start().await;
    let sandbox = Sandbox::new(&aws);
    for (option, needed) in NEEDS {
        let all = options();
        let given = all.iter().find(|it| it[0] == option).unwrap();
        let run = sandbox.create("alex", given).await;
        assert_usage(&run, &format!("arguments were not provided: {needed}"));
        let others = all.iter().filter(|other| {
            let ends_there = ["--help", "--version"].contains(&other[0]);
            !ends_there && ![option, needed].contains(&other[0])
        });
        for other in others {
            let run = sandbox.create("alex", &[&given[..], other].concat()).await;
            assert_eq!(run.code, Some(2), "{other:?}: {run:?}");
        }
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn too_few_open_files_are_one_line() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for program in ["create_s3_user", "delete_s3_user"] {
        for files in [4, 6, 8, 10, 12] {
            let script = format!("ulimit -n {files}; exec \"$0\" -b shared -u alex");
            let run = sandbox.run_script(&script, program).await;
            assert_eq!(run.code, Some(1), "{files}: {run:?}");
            assert!(run.stderr.starts_with(&format!("{program}: error: ")), "{run:?}");
            let lines = run.stderr.lines().filter(|line| !line.starts_with("hint: "));
            assert_eq!(lines.count(), 1, "{files}: {run:?}");
        }
    }
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn attempts_are_bounded_whatever_the_environment_says() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws).set("AWS_MAX_ATTEMPTS", Some("2000000000"));
    let sandbox = sandbox.set("S3_USER_TEST_PAUSES", Some("0.0001"));
    aws.faults.always("GetUser", Fault::Refuse(503, "ServiceUnavailable"));
    let run = sandbox.create("alex", &[]).await;
    run.failed_with("GetUser: ServiceUnavailable");
    assert_eq!(aws.faults.counts()["GetUser"], 20);
}
