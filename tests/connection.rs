//! How AWS is reached: profiles, roles and regions.

use std::time::{Duration, Instant};

use crate::support::{
    ACCOUNT, AUTHORITY, FILES_OF_OTHERS, Fault, HANGING, IS_A_DIRECTORY, LocalAws, NO_SUCH_FILE,
    SELF_SIGNED, Sandbox, add_role, assert_complete, assert_usage, aws_with_files, is_gone,
    start_tls, start_tls_with,
};

/// A policy that allows next to nothing.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetCallerIdentity","Resource":"*"}]}"#;

/// Writes one of the shared config files.
fn write_shared(sandbox: &Sandbox, file: &str, content: &str) {
    let dir = sandbox.path().join("home/.aws");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(file), content).unwrap();
}

fn profile(name: &str, (id, secret): &(String, String)) -> String {
    format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

#[tokio::test]
async fn profile_on_the_command_line_goes_before_keys_in_the_environment() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let nobody = aws.add_user("nobody", NOTHING).await;
    write_shared(&sandbox, "credentials", &profile("nobody", &nobody));
    let run = sandbox.create("alex", &["--profile", "nobody"]).await;
    run.failed_with("GetUser: AccessDenied: User: arn:aws:iam::123456789012:user/nobody");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn wrong_clock_is_named_and_no_key_doubted() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (call, status, code, is_clock) in [
        ("HeadBucket", 400, "", true),
        ("HeadBucket", 403, "", true),
        ("GetUser", 403, "SignatureDoesNotMatch", true),
        ("GetUser", 403, "RequestTimeTooSkewed", true),
        ("ListObjectsV2", 403, "RequestTimeTooSkewed", true),
        ("GetUser", 403, "AccessDenied", false),
        ("GetUser", 400, "ValidationError", false),
    ] {
        aws.faults.forget();
        aws.faults.always(call, Fault::Early(status, code));
        // What is in the folder matters only where its object is to be made.
        let run = sandbox.create("alex", &["--make-folder"]).await;
        let clock = "this machine's clock is 20 minutes behind the server's\n\
                     hint: set the clock, then run the same command again\n";
        assert_eq!(run.stderr.ends_with(clock), is_clock, "{call} {code}: {run:?}");
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn unknown_profile_is_bad_usage_and_the_nearest_one_is_named() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    write_shared(&sandbox, "credentials", &profile("work", &aws.admin));
    for program in ["create_s3_user", "delete_s3_user"] {
        let args = ["-b", "shared", "-u", "alex"];
        for (name, advice) in [
            ("wrok", "did you mean work?"),
            ("elsewhere", "aws configure list-profiles"),
            ("od\nd", "there is no profile od d "),
        ] {
            let by_option = [&args[..], &["--profile", name]].concat();
            assert_usage(&sandbox.run(program, &by_option).await, advice);
            let environment = [("AWS_PROFILE", name)];
            assert_usage(&sandbox.run_with(program, &args, &environment).await, advice);
        }
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn role_of_a_profile_is_taken_on_without_a_region() {
    let aws = aws_with_files().await;
    add_role(&aws).await;
    let config = format!(
        "[profile work]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/admin\nsource_profile = base\n"
    );
    let by_option = ["--profile", "work"].as_slice();
    for (user, options, set) in [("alex", by_option, None), ("kim", &[], Some("work"))] {
        let sandbox = Sandbox::new(&aws)
            .set("AWS_REGION", None)
            .set("AWS_ACCESS_KEY_ID", None)
            .set("AWS_SECRET_ACCESS_KEY", None)
            .set("AWS_PROFILE", set);
        write_shared(&sandbox, "config", &config);
        write_shared(&sandbox, "credentials", &profile("base", &aws.admin));
        sandbox.create(user, options).await.succeeded();
        assert_complete(&aws, &sandbox, user);
    }
    let calls = aws.faults.counts();
    assert_eq!(calls["AssumeRole"], 2, "{calls:?}");
}

#[tokio::test]
async fn role_of_a_profile_is_taken_on_once_for_many_users() {
    let aws = aws_with_files().await;
    add_role(&aws).await;
    let sandbox = Sandbox::new(&aws);
    let config = format!(
        "[profile work]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/admin\nsource_profile = base\n"
    );
    write_shared(&sandbox, "config", &config);
    write_shared(&sandbox, "credentials", &profile("base", &aws.admin));
    sandbox.create("alex", &["-u", "kim"]).await.succeeded();
    aws.faults.forget();
    let options = ["-u", "kim", "--profile", "work"];
    sandbox.delete("alex", &options).await.succeeded();
    let calls = aws.faults.counts();
    assert_eq!(calls["AssumeRole"], 1, "{calls:?}");
}

/// Where the AWS CLI keeps the session of `aws login` as [`LOGIN_SESSION`]: a file
/// named by the SHA-256 of that.
const LOGIN_CACHE: &str =
    "login/cache/3bc116bc89c2aaafd2966cc3739259adf8e7b4b69c08c4e21f4dd28c17bb78d4.json";
const LOGIN_SESSION: &str = "arn:aws:iam::123456789012:user/admin";

#[tokio::test]
async fn session_of_aws_login_is_used() {
    let aws = aws_with_files().await;
    add_role(&aws).await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/admin");
    let session = aws.session_in_role(&role, None).await.unwrap();
    let sandbox = Sandbox::new(&aws)
        .set("AWS_ACCESS_KEY_ID", None)
        .set("AWS_SECRET_ACCESS_KEY", None)
        .set("AWS_PROFILE", Some("work"));
    let config = format!("[profile work]\nlogin_session = {LOGIN_SESSION}\n");
    write_shared(&sandbox, "config", &config);
    let run = sandbox.create("alex", &[]).await;
    let run = run.failed_with("can't load the AWS credentials: failed to read ");
    assert!(run.stderr.contains("aws login"), "{run:?}");

    let token = serde_json::json!({
        "accessToken": {
            "accessKeyId": session.access_key_id,
            "secretAccessKey": session.secret_access_key,
            "sessionToken": session.session_token,
            "accountId": ACCOUNT,
            "expiresAt": "2099-12-31T00:00:00Z",
        },
        "tokenType": "aws_sigv4",
        "refreshToken": "not needed yet",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": "not needed yet",
    });
    std::fs::create_dir_all(sandbox.path().join("home/.aws/login/cache")).unwrap();
    write_shared(&sandbox, LOGIN_CACHE, &token.to_string());
    sandbox.create("alex", &[]).await.succeeded();
    assert_complete(&aws, &sandbox, "alex");
}

#[tokio::test]
async fn why_a_profile_can_not_be_used_is_said_to_every_call() {
    let aws = aws_with_files().await;
    add_role(&aws).await;
    let sandbox =
        Sandbox::new(&aws).set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None);
    let denied = format!("role_arn = arn:aws:iam::{ACCOUNT}:role/other\nsource_profile = base\n");
    let signed_out = "sso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n\
                      sso_account_id = 123456789012\nsso_role_name = admin\n";
    let half = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n";
    write_shared(&sandbox, "credentials", &profile("base", &aws.admin));
    for (settings, reason) in [
        (half, "profile missing aws_secret_access_key"),
        ("source_profile = nowhere\nrole_arn = x\n", "could not find source profile nowhere"),
        (denied.as_str(), "can't load the AWS credentials: AccessDenied: "),
        (signed_out, "can't load the AWS credentials: failed to read "),
        ("region = us-east-1\n", "no AWS credentials found"),
    ] {
        write_shared(&sandbox, "config", &format!("[profile work]\n{settings}"));
        for program in ["create_s3_user", "delete_s3_user"] {
            let args = ["-b", "shared", "-u", "alex", "--profile", "work"];
            sandbox.run(program, &args).await.failed_with(reason);
        }
    }
}

#[tokio::test]
async fn empty_variables_are_as_if_not_set() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws)
        .set("AWS_PROFILE", Some(""))
        .set("AWS_REGION", Some(""))
        .set("AWS_MAX_ATTEMPTS", Some(""));
    sandbox.create("alex", &[]).await.succeeded();
    let run = sandbox.create("alex", &["--profile", ""]).await;
    assert_usage(&run, "a value is required for '--profile <PROFILE>'");
}

#[tokio::test]
async fn password_in_an_endpoint_is_refused_and_not_shown() {
    let aws = aws_with_files().await;
    let url = "http://admin:hunter2@127.0.0.1:1";
    let by_option = Sandbox::new(&aws);
    let run = by_option.create("alex", &["--endpoint-url", url]).await;
    assert_usage(&run, "without spaces, user, password");
    assert!(run.stderr.contains("'http://****@127.0.0.1:1'"), "{run:?}");
    let by_variable = Sandbox::new(&aws).set("AWS_ENDPOINT_URL", Some(url));
    let run = by_variable.create("alex", &[]).await;
    assert_usage(&run, "without spaces, user, password");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[tokio::test]
async fn proxy_of_the_environment_is_used() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws)
        .set("AWS_ENDPOINT_URL", Some("http://store.invalid"))
        .set("HTTP_PROXY", Some(&aws.url));
    sandbox.create("alex", &[]).await.succeeded();
    assert_complete(&aws, &sandbox, "alex");
    let sandbox = sandbox.set("NO_PROXY", Some("store.invalid"));
    let run = sandbox.create("kim", &[]).await;
    run.failed_with("can't reach http://store.invalid");
}

/// A local AWS behind TLS, and a directory with certificates: of the authority
/// that vouches for it, and of another one.
async fn aws_behind_tls() -> (LocalAws, Sandbox) {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::with_key(&start_tls(&aws).await, &aws.admin);
    std::fs::write(sandbox.path().join("ca.pem"), AUTHORITY).unwrap();
    let other = include_str!("support/certificate.pem");
    std::fs::write(sandbox.path().join("other.pem"), other).unwrap();
    (aws, sandbox)
}

const UNTRUSTED: &str = "the server's certificate is not trusted";

#[tokio::test]
async fn ca_bundle_says_whom_to_trust() {
    let (aws, sandbox) = aws_behind_tls().await;
    let run = sandbox.create("alex", &[]).await.failed_with(UNTRUSTED);
    let hint = "\nhint: set AWS_CA_BUNDLE to";
    assert!(run.stderr.contains(hint), "{run:?}");
    assert_eq!(aws.faults.operations(), [""; 0]);

    // Twenty attempts would take minutes.
    let mut sandbox = sandbox.with_full_pauses().set("AWS_MAX_ATTEMPTS", Some("20"));
    let start = Instant::now();
    sandbox.create("alex", &[]).await.failed_with(UNTRUSTED);
    assert!(start.elapsed() < Duration::from_secs(20));

    sandbox = sandbox.set("AWS_CA_BUNDLE", Some("ca.pem"));
    sandbox.create("alex", &["--verify"]).await.succeeded();
    assert_complete(&aws, &sandbox, "alex");
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));

    // As with the AWS CLI, none but those in the bundle.
    let sandbox = sandbox.set("SSL_CERT_FILE", Some("ca.pem"));
    let sandbox = sandbox.set("AWS_CA_BUNDLE", Some("other.pem"));
    sandbox.create("kim", &[]).await.failed_with(UNTRUSTED);
    let sandbox = sandbox.set("AWS_CA_BUNDLE", Some(""));
    sandbox.create("kim", &[]).await.succeeded();
}

#[tokio::test]
async fn self_signed_certificate_and_server_without_tls_are_explained_at_once() {
    let aws = aws_with_files().await;
    let self_signed = start_tls_with(&aws, SELF_SIGNED).await;
    let without_tls = aws.url.replace("http://", "https://");
    for (url, error, hint) in [
        (
            self_signed,
            "the server's certificate is one of a certificate authority",
            "\nhint: give the server a certificate of its own, signed by that authority",
        ),
        (
            without_tls,
            "the server does not speak TLS",
            "\nhint: if the server is to be used without TLS, write its address as http://",
        ),
    ] {
        let sandbox = Sandbox::with_key(&url, &aws.admin).with_full_pauses();
        let start = Instant::now();
        let run = sandbox.create("alex", &[]).await.failed_with(error);
        assert!(run.stderr.contains(hint), "{run:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn look_at_the_bucket_that_fails_has_the_hint_of_any_other_call() {
    let (aws, sandbox) = aws_behind_tls().await;
    let untrusted = sandbox
        .set("AWS_ENDPOINT_URL_IAM", Some(&aws.url))
        .set("AWS_ENDPOINT_URL_STS", Some(&aws.url));
    // A port that is free for a moment may be another test's in the next.
    let refused = Sandbox::new(&aws).set("AWS_ENDPOINT_URL_S3", Some("http://127.0.0.1:1"));
    for (sandbox, error, hint) in [
        (untrusted, UNTRUSTED, "\nhint: set AWS_CA_BUNDLE to"),
        (refused, "can't reach http://", "\nhint: check the address"),
    ] {
        let args = ["-b", "shared", "--list"];
        for run in [sandbox.create("alex", &[]).await, sandbox.run("create_s3_user", &args).await] {
            let run = run.failed_with("error: HeadBucket: can't reach http");
            assert!(run.stderr.contains(error), "{run:?}");
            assert!(run.stderr.contains(hint), "{run:?}");
        }
    }
}

#[tokio::test]
async fn ca_bundle_of_the_profile_holds_unless_the_environment_has_one() {
    let (_aws, sandbox) = aws_behind_tls().await;
    let config = "[default]\nca_bundle = ca.pem\n[profile work]\nca_bundle = other.pem\n";
    write_shared(&sandbox, "config", config);
    sandbox.create("alex", &[]).await.succeeded();
    let work = sandbox.set("AWS_PROFILE", Some("work"));
    work.create("kim", &[]).await.failed_with(UNTRUSTED);
    let work = work.set("AWS_CA_BUNDLE", Some("ca.pem"));
    work.create("kim", &[]).await.succeeded();
}

#[tokio::test]
async fn ca_bundle_may_hold_what_is_no_certificate_too() {
    let (_aws, sandbox) = aws_behind_tls().await;
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB";
    let bundle = format!("# ours\n{key}{broken}{AUTHORITY}# more\n{key}{cut}");
    std::fs::write(sandbox.path().join("bundle.pem"), bundle).unwrap();
    let sandbox = sandbox.set("AWS_CA_BUNDLE", Some("bundle.pem"));
    sandbox.create("alex", &[]).await.succeeded();

    std::fs::write(sandbox.path().join("none.pem"), [key, broken, cut].concat()).unwrap();
    std::fs::write(sandbox.path().join("empty.pem"), "").unwrap();
    let mut sandbox = sandbox;
    for (file, wrong) in [
        ("none.pem", "none.pem holds no certificate"),
        ("empty.pem", "empty.pem holds no certificate"),
        ("missing.pem", &format!("can't read missing.pem: {NO_SUCH_FILE}")),
        ("home", &format!("can't read home: {IS_A_DIRECTORY}")),
    ] {
        sandbox = sandbox.set("AWS_CA_BUNDLE", Some(file));
        for program in ["create_s3_user", "delete_s3_user"] {
            let run = sandbox.run(program, &["-b", "shared", "-u", "kim"]).await;
            assert_usage(&run, &format!("AWS_CA_BUNDLE: {wrong}"));
        }
    }
    write_shared(&sandbox, "config", "[profile work]\nca_bundle = none.pem\n");
    let sandbox = sandbox.set("AWS_CA_BUNDLE", None);
    let run = sandbox.create("kim", &["--profile", "work"]).await;
    let wrong = "ca_bundle of profile work: none.pem holds no certificate";
    assert_usage(&run, wrong);
}

#[tokio::test]
async fn region_that_can_not_be_one_is_bad_usage() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for region in ["EU (Frankfurt)", "eu_central_1", "", "eu-central-1a.evil"] {
        let run = sandbox.create("alex", &["--region", region]).await;
        assert_usage(&run, "give the region's code, such as eu-central-1");
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        let sandbox = Sandbox::new(&aws).set("AWS_REGION", Some(""));
        let sandbox = sandbox.set(name, Some("EU (Frankfurt)"));
        let run = sandbox.delete("alex", &[]).await;
        assert_usage(&run, "configured region EU (Frankfurt): give the region's code");
    }
}

/// A profile whose credentials come from a script: the admin's, good for a
/// moment, until a file `ended` is there. It logs each time that it has none.
#[cfg(unix)]
fn write_session_profile(sandbox: &Sandbox, (id, secret): &(String, String)) {
    let dir = sandbox.path().display();
    let script = format!(
        "if [ -e {dir}/ended ]; then\n\
         echo none >> {dir}/refused\n\
         echo 'The SSO session has expired' >&2\n\
         exit 1\n\
         fi\n\
         echo '{{\"Version\": 1, \"AccessKeyId\": \"{id}\", \"SecretAccessKey\": \"{secret}\", \
         \"Expiration\": \"2020-01-01T00:00:00Z\"}}'\n"
    );
    std::fs::write(sandbox.path().join("session.sh"), script).unwrap();
    let config = format!("[profile work]\ncredential_process = /bin/sh {dir}/session.sh\n");
    write_shared(sandbox, "config", &config);
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_sent_before_the_session_ended_is_named_as_left() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    write_session_profile(&sandbox, &aws.admin);
    aws.faults.always("CreateUser", Fault::Hang);
    aws.faults.always("CreatePolicy", Fault::Hang);
    let options = ["--profile", "work", "--timeout", "2"];
    let run = sandbox.start_create("alex", &options);
    aws.faults.called("CreateUser").await;
    aws.faults.called("CreatePolicy").await;
    std::fs::write(sandbox.path().join("ended"), "").unwrap();
    let run = run.ended().await;
    let run = run.failed_with("CreateUser: can't load the AWS credentials: ");
    assert!(!is_gone(&aws, "alex"));
    for left in ["user alex, if ", "policy s3-access-for-alex, if "] {
        let left = format!("left: {left}it is there and no other run made it; remove it with: ");
        assert!(run.stderr.contains(&left), "{run:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn session_that_ends_in_the_middle_of_a_folder_stops_the_run_at_once() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws).with_full_pauses();
    write_session_profile(&sandbox, &aws.admin);
    sandbox.create("alex", &[]).await.succeeded();
    aws.put_many("shared", (0..3000).map(|n| format!("alex/{n:05}")));
    aws.faults.once("DeleteObjects", Fault::Pause);
    let options = ["--profile", "work", "--concurrency", "1"];
    let run = sandbox.start_delete("alex", &options);
    aws.faults.paused().await;
    std::fs::write(sandbox.path().join("ended"), "").unwrap();
    aws.faults.resume();
    let run = run.ended().await;
    let run = run.failed_with("can't load the AWS credentials: ");
    assert!(run.stderr.contains("aws sso login"), "{run:?}");
    let refused = std::fs::read_to_string(sandbox.path().join("refused")).unwrap();
    // Once for what is under way, to list and to delete, and for who the user is by now.
    assert!(refused.lines().count() <= 3, "asked {refused:?} times");
    assert!(aws.keys("shared").len() > 1000, "{run:?}");

    std::fs::remove_file(sandbox.path().join("ended")).unwrap();
    sandbox.delete("alex", &options).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
}

#[tokio::test]
async fn no_credentials_are_an_error_for_each_user_before_any_call() {
    let aws = aws_with_files().await;
    let sandbox =
        Sandbox::new(&aws).set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None);
    for (program, summary) in
        [("create_s3_user", "0 of 2 users created\n"), ("delete_s3_user", "0 of 2 users deleted\n")]
    {
        let args = ["-b", "shared", "-u", "alex", "-u", "kim", "--json"];
        let run = sandbox.run(program, &args).await;
        assert_eq!(run.code, Some(1), "{run:?}");
        for (line, user) in run.json_lines().iter().zip(["alex", "kim"]) {
            assert_eq!(line["user"], user);
            let error = line["error"].as_str().unwrap();
            assert!(error.starts_with("no AWS credentials found"), "{error}");
        }
        assert!(run.stderr.contains(summary), "{run:?}");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// A profile whose credentials never come; the file `helper` has the number of the
/// process that they are waited for from, once it is there.
#[cfg(unix)]
async fn write_waiting_profile(sandbox: &Sandbox) {
    let dir = sandbox.path().display();
    let made = sandbox.command("mkfifo").args(["started", "hold"]).status();
    assert!(made.await.unwrap().success());
    let script = format!("echo $$ > {dir}/helper\necho > {dir}/started\nread x < {dir}/hold\n");
    std::fs::write(sandbox.path().join("hold.sh"), script).unwrap();
    let config = format!("[profile work]\ncredential_process = true && /bin/sh {dir}/hold.sh\n");
    write_shared(sandbox, "config", &config);
}

/// Waits until the helper of a waiting profile has ended.
#[cfg(unix)]
async fn assert_helper_ends(sandbox: &Sandbox) {
    let pid = std::fs::read_to_string(sandbox.path().join("helper")).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let start = Instant::now();
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(start.elapsed() < HANGING, "the helper goes on");
        tokio::task::yield_now().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn signal_reaches_the_loading_of_credentials_and_who_gives_them() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        write_waiting_profile(&sandbox).await;
        let mut run = sandbox.start_create("alex", &["--profile", "work"]);
        let started = sandbox.path().join("started");
        let started = tokio::task::spawn_blocking(|| std::fs::read(started));
        started.await.unwrap().unwrap();
        run.signal(signal).await;
        run.says("stopping").await;
        let run = run.ended().await;
        assert_eq!(run.code, Some(code), "{run:?}");
        assert_helper_ends(&sandbox).await;
        assert_eq!(aws.faults.operations(), [""; 0]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn credentials_that_do_not_come_are_not_waited_for() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    write_waiting_profile(&sandbox).await;
    let run = sandbox.start_create("alex", &["--profile", "work", "--timeout", "3"]);
    let started = sandbox.path().join("started");
    let started = tokio::task::spawn_blocking(|| std::fs::read(started));
    started.await.unwrap().unwrap();
    let run = run.ended().await;
    let run = run.failed_with("can't load the AWS credentials: none in time");
    assert!(run.stderr.contains("hint: to wait longer for them, use --timeout"), "{run:?}");
    assert_helper_ends(&sandbox).await;
    assert_eq!(aws.faults.operations(), [""; 0]);
}

/// What a script started before it became the program is the script's.
#[cfg(unix)]
#[tokio::test]
async fn process_of_the_calling_script_is_left_alone() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    write_waiting_profile(&sandbox).await;
    let script = "sleep 300 > /dev/null 2>&1 & echo $! > other; \
                  exec \"$0\" -b shared -u alex --profile work --timeout 3";
    let run = sandbox.start_script(script, "create_s3_user");
    let started = sandbox.path().join("started");
    let started = tokio::task::spawn_blocking(|| std::fs::read(started));
    started.await.unwrap().unwrap();
    run.ended().await.failed_with("none in time");
    assert_helper_ends(&sandbox).await;
    let other = std::fs::read_to_string(sandbox.path().join("other")).unwrap();
    let ended = sandbox.command("kill").arg(other.trim()).status();
    assert!(ended.await.unwrap().success(), "it was there to be ended");
}
