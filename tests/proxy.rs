//! Proxies of the environment: used and passed over as by the AWS CLI, and named
//! where they can't be reached.

use std::net::TcpListener;

use crate::support::{LocalAws, Sandbox, assert_complete, assert_usage, aws_with_files, is_gone};

/// Where nobody listens.
fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

fn sandbox_at(aws: &LocalAws, url: &str, environment: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::with_key(url, &aws.admin);
    let set = |sandbox: Sandbox, it: &(&str, &str)| sandbox.set(it.0, Some(it.1));
    environment.iter().fold(sandbox, set)
}

#[tokio::test]
async fn hosts_are_reached_through_the_proxy_or_not_as_by_the_aws_cli() {
    let aws = aws_with_files().await;
    let proxy = aws.url.as_str();
    let without_scheme = proxy.strip_prefix("http://").unwrap();
    let dead = format!("http://{}", nobody());
    let store = "http://store.invalid";
    let at_port = "http://store.invalid:9000";
    for (url, environment, is_proxied) in [
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "")], true),
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "*")], false),
        (store, [("HTTP_PROXY", proxy), ("no_proxy", "*")], false),
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "STORE.invalid")], false),
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "a.b , .invalid")], false),
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "invalid")], false),
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "ore.invalid")], true),
        (store, [("HTTP_PROXY", proxy), ("NO_PROXY", "a.store.invalid")], true),
        (at_port, [("HTTP_PROXY", proxy), ("NO_PROXY", "store.invalid:9000")], false),
        (at_port, [("HTTP_PROXY", proxy), ("NO_PROXY", "invalid:9000")], false),
        (at_port, [("HTTP_PROXY", proxy), ("NO_PROXY", "store.invalid")], false),
        (at_port, [("HTTP_PROXY", proxy), ("NO_PROXY", "store.invalid:9001")], true),
        // A variable in lower case goes first, even if it is empty.
        (store, [("HTTP_PROXY", ""), ("http_proxy", proxy)], true),
        (store, [("HTTP_PROXY", &dead), ("http_proxy", proxy)], true),
        (store, [("HTTP_PROXY", proxy), ("http_proxy", "")], false),
        (store, [("http_proxy", without_scheme), ("NO_PROXY", "")], true),
        (store, [("ALL_PROXY", proxy), ("HTTP_PROXY", "")], true),
        (store, [("HTTPS_PROXY", proxy), ("ALL_PROXY", "socks5://127.0.0.1:9")], false),
        // As behind a web server, where a header of the request would set it.
        (store, [("HTTP_PROXY", proxy), ("REQUEST_METHOD", "GET")], false),
        (store, [("http_proxy", proxy), ("REQUEST_METHOD", "GET")], true),
    ] {
        let sandbox = sandbox_at(&aws, url, &environment);
        let run = sandbox.create("alex", &[]).await;
        if is_proxied {
            assert_eq!(run.code, Some(0), "{environment:?}: {run:?}");
            assert_complete(&aws, &sandbox, "alex");
            sandbox.delete("alex", &["--keep-objects"]).await.succeeded();
        } else {
            assert_eq!(run.code, Some(1), "{environment:?}: {run:?}");
            run.failed_with(&format!("can't reach {url}: "));
        }
    }
    let of_no_proxy = sandbox_at(
        &aws,
        store,
        &[("HTTP_PROXY", proxy), ("NO_PROXY", "store.invalid"), ("no_proxy", "")],
    );
    of_no_proxy.create("alex", &[]).await.succeeded();
}

#[tokio::test]
async fn addresses_are_reached_past_a_proxy_that_is_not_for_them() {
    let aws = aws_with_files().await;
    let dead = format!("http://{}", nobody());
    let port = aws.url.rsplit(':').next().unwrap();
    for (user, no_proxy) in [
        ("alex", "*".to_owned()),
        ("kim", "127.0.0.1".to_owned()),
        ("jo", format!("127.0.0.1:{port}")),
        ("lee", "10.0.0.0/8,127.0.0.0/8".to_owned()),
    ] {
        let environment = [("HTTP_PROXY", dead.as_str()), ("NO_PROXY", &no_proxy)];
        let sandbox = sandbox_at(&aws, &aws.url, &environment);
        sandbox.create(user, &[]).await.succeeded();
    }
}

#[tokio::test]
async fn proxy_that_can_not_be_reached_is_named_without_its_password() {
    let aws = aws_with_files().await;
    let address = nobody();
    let dead = format!("http://kim:hunter2@{address}/");
    let refused = format!("through proxy http://{address}: Connection refused");
    let check = "\nhint: check the proxy in HTTPS_PROXY or HTTP_PROXY";
    let to_store = sandbox_at(&aws, "http://store.invalid", &[("HTTP_PROXY", &dead)]);
    let to_aws = Sandbox::new(&aws).set("AWS_ENDPOINT_URL", None).set("HTTPS_PROXY", Some(&dead));
    for (sandbox, whom) in [(&to_store, "http://store.invalid"), (&to_aws, "AWS")] {
        for program in ["create_s3_user", "delete_s3_user"] {
            let run = sandbox.run(program, &["-b", "shared", "-u", "alex"]).await;
            let run = run.failed_with(&format!("can't reach {whom} {refused}"));
            assert!(run.stderr.contains(check), "{run:?}");
            assert!(!run.stderr.contains("hunter2"), "{run:?}");
        }
    }
    // A proxy that opens no tunnel, as one that wants a password.
    let closed = to_aws.set("HTTPS_PROXY", Some(&aws.url));
    let run = closed.create("alex", &[]).await;
    let run = run.failed_with(&format!("can't reach AWS through proxy {}: ", aws.url));
    assert!(run.stderr.contains(check), "{run:?}");

    // For credentials too.
    let (id, secret) = &aws.admin;
    let config = format!(
        "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/admin\nsource_profile = base\n\
         [profile base]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    );
    std::fs::write(closed.path().join("config"), config).unwrap();
    let with_role = closed.set("AWS_CONFIG_FILE", Some("config")).set("HTTPS_PROXY", Some(&dead));
    let run = with_role.create("alex", &["--profile", "work"]).await;
    let run = run.failed_with(&format!("can't load the AWS credentials: can't connect {refused}"));
    assert!(run.stderr.contains(check), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

#[tokio::test]
async fn proxy_that_can_not_be_one_is_bad_usage() {
    let aws = aws_with_files().await;
    for (name, value) in [
        ("HTTPS_PROXY", "ftp://kim:hunter2@proxy"),
        ("http_proxy", "socks5://kim:hunter2@proxy"),
        ("HTTP_PROXY", "http://kim:hunter2@pro xy:3128"),
        ("https_proxy", "http://"),
    ] {
        let sandbox = sandbox_at(&aws, &aws.url, &[(name, value)]);
        let run = sandbox.create("alex", &[]).await;
        assert_usage(&run, &format!("{name}: a proxy is http:// or https:// and a host"));
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}
