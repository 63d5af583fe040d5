//! What is said where credentials are refused or missing, by what really is wrong
//! with them.

use crate::support::{
    ACCOUNT, Fault, IS_A_DIRECTORY, LocalAws, NO_SUCH_FILE, Run, Sandbox, add_role, aws_with_files,
    is_gone,
};

const CLOCK: &str = "\nhint: set the clock, then run the same command again\n";

/// Asserts that the only hint is this one.
#[track_caller]
fn assert_hint(run: &Run, hint: &str) {
    let hints = run.stderr.lines().filter(|line| line.starts_with("hint: "));
    let hints: Vec<_> = hints.collect();
    assert_eq!(hints.len(), 1, "{run:?}");
    assert!(hints[0].contains(hint), "{hint}: {run:?}");
}

#[tokio::test]
async fn wrong_clock_is_told_by_the_words_of_a_refusal_too() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let expired = "Signature expired: 20261129T163428Z is now earlier than 20261129T165928Z \
                   (20261129T171428Z - 15 min.)";
    let early = "Signature not yet current: 20261129T173428Z is still later than 20261129T172928Z";
    let skewed = "The difference between the request time and the server's time is too large.";
    for (call, code, message) in [
        ("GetUser", "SignatureDoesNotMatch", expired),
        ("GetUser", "SignatureDoesNotMatch", early),
        ("CreateUser", "InvalidSignatureException", early),
        ("ListObjectsV2", "RequestTimeTooSkewed", skewed),
        ("CreateAccessKey", "RequestExpired", "Request has expired."),
        ("CreatePolicy", "RequestInTheFuture", ""),
    ] {
        aws.faults.forget();
        aws.faults.always(call, Fault::Say(403, code, message));
        let run = sandbox.create("alex", &["--make-folder"]).await;
        let run = run.failed_with(&format!("{call}: {code}"));
        assert!(run.stderr.contains(message), "{run:?}");
        assert!(run.stderr.ends_with(CLOCK), "{run:?}");
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn session_that_iam_does_not_take_is_told_to_be_started_with_mfa() {
    let aws = aws_with_files().await;
    let token = Sandbox::new(&aws).set("AWS_SESSION_TOKEN", Some("token"));
    let plain = Sandbox::new(&aws);
    let message = "The security token included in the request is invalid.";
    let invalid = Fault::Say(403, "InvalidClientTokenId", message);
    for call in ["GetUser", "CreateUser", "ListAttachedUserPolicies"] {
        aws.faults.forget();
        aws.faults.always(call, invalid);
        for (sandbox, hint) in [(&token, "MFA code"), (&plain, "check AWS_ACCESS_KEY_ID")] {
            let run = if call == "CreateUser" {
                sandbox.create("alex", &[]).await
            } else {
                sandbox.delete("admin", &["--force"]).await
            };
            assert_hint(&run.failed_with("InvalidClientTokenId"), hint);
        }
    }
    assert!(!is_gone(&aws, "admin") && is_gone(&aws, "alex"));
}

#[tokio::test]
async fn listing_tells_why_a_look_at_the_bucket_is_refused() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let ended = "The provided token has expired.";
    let denied = "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: s3:ListBucket \
                  on resource: \"arn:aws:s3:::shared\" because no identity-based policy allows the \
                  s3:ListBucket action";
    let by_organization = "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: \
                           s3:ListBucket on resource: \"arn:aws:s3:::shared\" with an explicit deny in a \
                           resource control policy";
    for (status, code, message, hint) in [
        (400, "ExpiredToken", ended, "sign in again"),
        (403, "InvalidAccessKeyId", "No such key.", "check AWS_ACCESS_KEY_ID"),
        (403, "RequestTimeTooSkewed", "Too far off.", "set the clock"),
        (403, "AccessDenied", denied, "aws sts get-caller-identity"),
        (403, "AccessDenied", by_organization, "resource control policy"),
    ] {
        for head in [400, 403] {
            aws.faults.forget();
            aws.faults.always("HeadBucket", Fault::Refuse(head, ""));
            aws.faults.always("ListObjectsV2", Fault::Say(status, code, message));
            for args in [["-u", "alex"].as_slice(), &["--list"]] {
                let args = [&["-b", "shared"], args].concat();
                let run = sandbox.run("create_s3_user", &args).await;
                let run = run.failed_with(&format!("ListObjectsV2: {code}: {message}"));
                let is_of_others = run.stderr.contains("bucket shared exists, but");
                assert_eq!(is_of_others, code == "AccessDenied", "{run:?}");
                assert_hint(&run, hint);
            }
        }
    }
    // Without an answer that says more, the first one stands.
    for listed in [Fault::BROKEN, Fault::OtherAnswer(403, ""), Fault::HTML] {
        aws.faults.forget();
        aws.faults.always("HeadBucket", Fault::Refuse(403, ""));
        aws.faults.always("ListObjectsV2", listed);
        let run = sandbox.create("alex", &[]).await;
        run.failed_with("HeadBucket: AccessDenied: bucket shared exists, but you can't access it");
    }
    assert!(is_gone(&aws, "alex"));
}

fn write_config(sandbox: &Sandbox, config: &str) {
    let dir = sandbox.path().join("home/.aws");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config"), config).unwrap();
}

fn without_keys(aws: &LocalAws) -> Sandbox {
    Sandbox::new(aws).set("AWS_ACCESS_KEY_ID", None).set("AWS_SECRET_ACCESS_KEY", None)
}

#[tokio::test]
async fn token_file_that_can_not_be_read_is_named() {
    let aws = aws_with_files().await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/admin");
    let by_environment = without_keys(&aws)
        .set("AWS_ROLE_ARN", Some(&role))
        .set("AWS_WEB_IDENTITY_TOKEN_FILE", Some("tokens/missing"));
    let by_profile = without_keys(&aws).set("AWS_PROFILE", Some("work"));
    let config =
        format!("[profile work]\nrole_arn = {role}\nweb_identity_token_file = tokens/missing\n");
    write_config(&by_profile, &config);
    let of_container = without_keys(&aws)
        .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", Some("http://127.0.0.1:9"))
        .set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Some("tokens/missing"));
    for sandbox in [by_environment, by_profile, of_container] {
        let run = sandbox.create("alex", &[]).await;
        let wrong = "can't load the AWS credentials: can't read token file tokens/missing: ";
        run.failed_with(&format!("{wrong}{NO_SUCH_FILE}"));
        std::fs::create_dir_all(sandbox.path().join("tokens/missing")).unwrap();
        let run = sandbox.delete("alex", &[]).await;
        run.failed_with(&format!("can't read token file tokens/missing: {IS_A_DIRECTORY}"));
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn profile_that_asks_for_an_mfa_code_has_the_hint_how_to_give_it() {
    let aws = aws_with_files().await;
    add_role(&aws).await;
    let (id, secret) = &aws.admin;
    let with_serial = |serial: &str| {
        format!(
            "[profile work]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/admin\nsource_profile = base\n{serial}\
             [profile more]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/admin\nsource_profile = work\n\
             [profile base]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
        )
    };
    let sandbox = without_keys(&aws);
    write_config(&sandbox, &with_serial("mfa_serial = arn:aws:iam::1:mfa/kim\n"));
    let denied = Fault::Deny("User: kim is not authorized to perform: sts:AssumeRole");
    aws.faults.always("AssumeRole", denied);
    let run = sandbox.create("alex", &["--profile", "work"]).await;
    let run = run.failed_with("can't load the AWS credentials: AccessDenied");
    assert_hint(&run, "eval \"$(aws configure export-credentials --format env --profile work)\"");
    let by_variable = sandbox.set("AWS_PROFILE", Some("more"));
    let run = by_variable.create("alex", &[]).await;
    assert_hint(&run, "eval \"$(aws configure export-credentials --format env)\"");
    // A role that wants no code after all.
    aws.faults.forget();
    by_variable.create("alex", &[]).await.succeeded();
    aws.faults.always("AssumeRole", denied);
    write_config(&by_variable, &with_serial(""));
    let run = by_variable.create("kim", &[]).await;
    assert!(!run.stderr.contains("export-credentials"), "{run:?}");
}
