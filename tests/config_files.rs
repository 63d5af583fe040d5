//! The shared config files: one that can't be used stops a run before anybody
//! else's keys are used.

use std::path::MAIN_SEPARATOR as SEP;

use crate::support::{
    ACCOUNT, Fault, IS_A_DIRECTORY, LocalAws, Sandbox, assert_usage, aws_with_files, is_gone,
};

/// What must never be printed.
const SECRET: &str = "hunter2";

fn write(sandbox: &Sandbox, file: &str, content: impl AsRef<[u8]>) {
    let dir = sandbox.path().join("home/.aws");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(file), content).unwrap();
}

fn profile(name: &str, (id, secret): &(String, String)) -> String {
    format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

fn without_keys(sandbox: Sandbox) -> Sandbox {
    sandbox.set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None)
}

/// One whose admin is the profiles `default` and `work`, and who has no keys in the
/// environment.
fn sandbox_with_profiles(aws: &LocalAws) -> Sandbox {
    let sandbox = without_keys(Sandbox::new(aws));
    let both = profile("default", &aws.admin) + &profile("work", &aws.admin);
    write(&sandbox, "credentials", both);
    sandbox
}

/// Asserts that every way of naming who acts is refused for a file, and that
/// nothing from the file is shown.
async fn assert_refused(aws: &LocalAws, mut sandbox: Sandbox, wrong: &str) {
    let (id, secret) = &aws.admin;
    let ways = [
        ([].as_slice(), [].as_slice()),
        (&["--profile", "work"], &[]),
        (&[], &[("AWS_PROFILE", "work")]),
        (&[], &[("AWS_ACCESS_KEY_ID", id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret)]),
    ];
    for (options, environment) in ways {
        for program in ["create_s3_user", "delete_s3_user"] {
            let args = [&["-b", "shared", "-u", "alex"], options].concat();
            let run = sandbox.run_with(program, &args, environment).await;
            assert_usage(&run, wrong);
            assert!(!run.stderr.contains(SECRET), "{run:?}");
            assert!(!run.stderr.contains(secret.as_str()), "{run:?}");
        }
    }
    // Where the variables say that the files are elsewhere, these are of no concern.
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        sandbox = sandbox.set(name, Some("nowhere"));
    }
    let run = sandbox.create("alex", &[]).await;
    run.failed_with("no AWS credentials found");
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// Text in UTF-16, with or without a byte order mark.
fn utf_16(text: &str, mark: &[u8]) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    mark.iter().copied().chain(units).collect()
}

#[tokio::test]
async fn file_that_is_not_utf_8_is_refused_and_nobody_else_acts() {
    let aws = aws_with_files().await;
    let role = "[default]\nrole_arn = arn:aws:iam::123456789012:role/B";
    let source = "ro\nsource_profile = work\n";
    let windows_1252 = [role.as_bytes(), b"\xfc", source.as_bytes()].concat();
    let with_nul = format!("{role}\0{source}");
    let text = format!("{role}{source}");
    for (content, line) in [
        (windows_1252, 2),
        (utf_16(&text, b"\xff\xfe"), 1),
        (utf_16(&text, b""), 1),
        (with_nul.into_bytes(), 2),
    ] {
        for file in ["config", "credentials"] {
            let sandbox = sandbox_with_profiles(&aws);
            write(&sandbox, file, &content);
            let path = format!("{SEP}home{SEP}.aws/{file}: line {line} is not UTF-8 text");
            assert_refused(&aws, sandbox, &path).await;
        }
    }
}

#[tokio::test]
async fn file_that_can_not_be_parsed_is_named_with_the_line_on_every_path() {
    let aws = aws_with_files().await;
    for (content, wrong) in [
        ("[profile other]\n  key = hunter2\n", "line 2: Expected a property"),
        ("[profile other] hunter2\n", "line 1: Profile definition must end"),
        ("[profile other]\nhunter2\n", "line 2: Expected an '=' sign"),
        ("\n[profile other\n", "line 2: Profile definition must end"),
        ("key = hunter2\n", "line 1: Expected a profile definition"),
        ("[default]\ns3 =\n  hunter2\n", "line 3: Expected an '=' sign"),
    ] {
        for file in ["config", "credentials"] {
            let sandbox = sandbox_with_profiles(&aws);
            write(&sandbox, file, content);
            let path = format!("{SEP}home{SEP}.aws/{file}: {wrong}");
            assert_refused(&aws, sandbox, &path).await;
        }
    }
}

#[tokio::test]
async fn file_that_a_variable_names_is_checked_too() {
    let aws = aws_with_files().await;
    for (name, file) in [("AWS_CONFIG_FILE", "~/config"), ("AWS_SHARED_CREDENTIALS_FILE", "keys")] {
        let sandbox = sandbox_with_profiles(&aws);
        let path = file.replace("~/", &format!("home{SEP}"));
        std::fs::write(sandbox.path().join(&path), b"[default]\n# \xe4\n").unwrap();
        let sandbox = sandbox.set(name, Some(file));
        let run = sandbox.create("alex", &[]).await;
        assert_usage(&run, &format!("{path}: line 2 is not UTF-8 text"));
        assert_eq!(aws.faults.operations(), [""; 0]);
    }
}

#[tokio::test]
async fn file_that_can_not_be_read_is_refused_unless_the_keys_are_in_the_environment() {
    let aws = aws_with_files().await;
    for (name, file) in
        [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
    {
        let sandbox = sandbox_with_profiles(&aws);
        std::fs::create_dir(sandbox.path().join("unreadable")).unwrap();
        let sandbox = sandbox.set(name, Some("unreadable"));
        let wrong = &format!("can't read unreadable: {IS_A_DIRECTORY}");
        assert_usage(&sandbox.create("alex", &[]).await, wrong);
        let options = ["--profile", "work"];
        assert_usage(&sandbox.create("alex", &options).await, wrong);
        assert_eq!(aws.faults.operations(), [""; 0], "{file}");
        let (id, secret) = &aws.admin;
        let sandbox = sandbox.set("AWS_ACCESS_KEY_ID", Some(id));
        let sandbox = sandbox.set("AWS_SECRET_ACCESS_KEY", Some(secret));
        assert_usage(&sandbox.create("alex", &options).await, wrong);
        sandbox.create(file, &[]).await.succeeded();
        aws.faults.forget();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn file_that_is_not_there_is_fine() {
    let aws = aws_with_files().await;
    for (user, home, config, credentials) in [
        ("alex", "/dev/null", None, Some("keys")),
        ("kim", "/nonexistent", None, Some("keys")),
        ("jo", "home", Some("nowhere"), Some("keys")),
        ("lee", "home", Some("keys"), Some("keys/of/nobody")),
        ("max", "home", Some("keys"), Some("")),
    ] {
        let sandbox = without_keys(Sandbox::new(&aws))
            .set("HOME", Some(home))
            .set("AWS_CONFIG_FILE", config)
            .set("AWS_SHARED_CREDENTIALS_FILE", credentials);
        std::fs::write(sandbox.path().join("keys"), profile("default", &aws.admin)).unwrap();
        sandbox.create(user, &[]).await.succeeded();
    }
}

#[tokio::test]
async fn byte_order_mark_and_windows_line_ends_work() {
    let aws = aws_with_files().await;
    let windows = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let sandbox = without_keys(Sandbox::new(&aws));
    let keys = windows(&profile("default", &aws.admin));
    write(&sandbox, "credentials", keys);
    sandbox.create("alex", &[]).await.succeeded();
    let nowhere = windows("[default]\nendpoint_url = http://127.0.0.1:9\n");
    write(&sandbox, "config", nowhere);
    let sandbox = sandbox.set("AWS_ENDPOINT_URL", None);
    let run = sandbox.create("kim", &[]).await;
    run.failed_with("can't reach http://127.0.0.1:9: ");
    let run = sandbox.create("kim", &["--profile", "default"]).await;
    run.failed_with("can't reach http://127.0.0.1:9: ");
}

#[cfg(unix)]
#[tokio::test]
async fn files_from_pipes_are_read_once() {
    let aws = aws_with_files().await;
    let sandbox = without_keys(Sandbox::new(&aws));
    std::fs::write(sandbox.path().join("keys"), profile("work", &aws.admin)).unwrap();
    let script =
        "cat keys | AWS_SHARED_CREDENTIALS_FILE=/dev/stdin \"$0\" -b shared -u alex --profile work";
    let run = sandbox.run_script(script, "create_s3_user").await;
    run.succeeded();
    assert!(!is_gone(&aws, "alex"));
}

#[tokio::test]
async fn profile_whose_name_the_sdk_passes_over_is_said_not_to_be_supported() {
    let aws = aws_with_files().await;
    let role = format!("role_arn = arn:aws:iam::{ACCOUNT}:role/admin\n");
    for (file, header, name) in [
        ("config", "[profile my work]", "my work"),
        ("config", "[profile \"my work\"]", "my work"),
        ("config", "[profile büro]", "büro"),
        ("config", "[profile 'quoted']", "quoted"),
        ("credentials", "[my work]", "my work"),
        ("credentials", "[büro]", "büro"),
    ] {
        let mut sandbox = sandbox_with_profiles(&aws);
        write(&sandbox, file, format!("\n{header}\n{role}"));
        let wrong = format!("{SEP}home{SEP}.aws/{file}: line 2: profile {name} is not supported");
        let run = sandbox.create("alex", &["--profile", name]).await;
        assert_usage(&run, &wrong);
        sandbox = sandbox.set("AWS_PROFILE", Some(name));
        assert_usage(&sandbox.create("alex", &[]).await, &wrong);
        assert_eq!(aws.faults.operations(), [""; 0]);
    }

    // As a source of keys, and without being named: the raw keys must not act.
    let sandbox = sandbox_with_profiles(&aws);
    let with_source = format!("[profile work]\n{role}source_profile = büro\n[profile büro]\n");
    write(&sandbox, "config", with_source);
    let run = sandbox.create("alex", &["--profile", "work"]).await;
    assert_usage(&run, "line 4: profile büro is not supported");
    sandbox.create("alex", &[]).await.succeeded();
    write(&sandbox, "config", format!("[profile \"default\"]\n{role}"));
    let run = sandbox.create("kim", &[]).await;
    assert_usage(&run, "line 1: profile default is not supported");
}

#[tokio::test]
async fn retries_are_set_by_the_environment_and_the_profile() {
    let aws = aws_with_files().await;
    let without = [("AWS_MAX_ATTEMPTS", ""), ("AWS_RETRY_MODE", "")];
    for (settings, environment, attempts) in [
        ("", without, 7),
        ("max_attempts = 3\nretry_mode = legacy\n", without, 3),
        ("max_attempts = 3\nretry_mode = Adaptive\n", without, 3),
        ("max_attempts = 3\n", [("AWS_MAX_ATTEMPTS", "2"), ("AWS_RETRY_MODE", "standard")], 2),
        ("retry_mode = often\n", [("AWS_MAX_ATTEMPTS", "2"), ("AWS_RETRY_MODE", "adaptive")], 2),
    ] {
        let sandbox = sandbox_with_profiles(&aws);
        write(&sandbox, "config", format!("[profile work]\n{settings}"));
        aws.faults.forget();
        aws.faults.always("GetUser", Fault::BROKEN);
        let args = ["-b", "shared", "-u", "alex", "--profile", "work"];
        let run = sandbox.run_with("create_s3_user", &args, &environment).await;
        run.failed_with("GetUser: InternalFailure");
        assert_eq!(aws.faults.counts()["GetUser"], attempts, "{settings} {environment:?}");
    }

    aws.faults.forget();
    let wrong = "a retry mode is standard, adaptive or legacy";
    let sandbox = sandbox_with_profiles(&aws);
    write(&sandbox, "config", "[profile work]\nretry_mode = often\n");
    let run = sandbox.create("alex", &["--profile", "work"]).await;
    assert_usage(&run, &format!("retry_mode: {wrong}"));
    let sandbox = sandbox.set("AWS_RETRY_MODE", Some("often"));
    assert_usage(&sandbox.create("alex", &[]).await, &format!("AWS_RETRY_MODE: {wrong}"));
    assert_eq!(aws.faults.operations(), [""; 0]);
}
