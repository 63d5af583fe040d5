//! Users whose folder is not named after them: where it is recorded, what their key gives
//! access to, and everything that is done with them.

use serde_json::Value;

use crate::support::{
    Fault, LocalAws, Sandbox, allowed, assert_complete, assert_nothing_left, assert_only_read,
    assert_usage, aws_with_files, client_of_kit, deletes, edit_policy, gets, is_gone, lists, puts,
    rename_user, set_end, tag_of,
};

const ACME: [&str; 2] = ["--folder", "customers/acme/"];

async fn aws_with_customers() -> LocalAws {
    let aws = LocalAws::start().await;
    let files = [
        "Müller GmbH/a=b+c/x y.txt",
        "acme/other.txt",
        "customers/acme/a.txt",
        "customers/acme2/c.txt",
        "customers/d.txt",
    ];
    aws.add_bucket("shared", &files).await;
    aws
}

fn path_of(aws: &LocalAws, user: &str) -> String {
    aws.iam(|iam| iam.users[user].path.clone())
}

#[tokio::test]
async fn folder_is_recorded_in_tag_path_and_policy() {
    let long = format!("{}/", "ü".repeat(45));
    let encoded = format!("{}/", "=C3=BC".repeat(45));
    for (folder, text, is_tagged) in [
        ("customers/acme/", "customers/acme/", true),
        ("Müller GmbH/a=b+c/", "M=C3=BCller=20GmbH/a=3Db=2Bc/", true),
        (&long, &encoded, false),
    ] {
        for sandbox_of in [Sandbox::new, Sandbox::with_host_of_aws] {
            let aws = aws_with_customers().await;
            let sandbox = sandbox_of(&aws);
            let run = sandbox.create("bob", &["--folder", folder, "--json"]).await.succeeded();
            assert_eq!(run.json()["prefix"], folder);
            assert_complete(&aws, &sandbox, "bob");
            let tag = tag_of(&aws, "bob", "s3-user:folder");
            assert_eq!(tag.as_deref(), is_tagged.then_some(text));
            assert_eq!(path_of(&aws, "bob"), format!("/s3-user/shared/folder/{text}"));
            let dry_run =
                sandbox.create("kim", &["--folder", folder, "--dry-run"]).await.succeeded();
            let policy: Value = serde_json::from_str(&dry_run.stdout).unwrap();
            let resource = format!("arn:aws:s3:::shared/{folder}*");
            assert!(policy.to_string().contains(&resource), "{policy}");
            sandbox.delete("bob", &[]).await.succeeded();
            assert!(is_gone(&aws, "bob"));
            assert!(!aws.keys("shared").iter().any(|key| key.starts_with(folder)));
        }
    }
}

#[tokio::test]
async fn ordinary_user_has_a_path_where_no_policy_stands_guard() {
    for (options, path) in [
        (&[][..], "/"),
        (&["--inline-policy"], "/s3-user/shared/folder/alex/"),
        (&["--folder", "alex/"], "/"),
        (&["--inline-policy", "--path", "/outside/"], "/outside/"),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::with_host_of_aws(&aws);
        sandbox.create("alex", options).await.succeeded();
        assert_eq!(path_of(&aws, "alex"), path);
        assert_eq!(tag_of(&aws, "alex", "s3-user:folder").as_deref(), Some("alex/"));
    }
}

#[tokio::test]
async fn key_opens_the_folder_and_nothing_beside_it() {
    for folder in ["customers/acme/", "Müller GmbH/a=b+c/"] {
        for access in ["read", "read-write"] {
            let aws = aws_with_customers().await;
            let sandbox = Sandbox::new(&aws);
            let options = ["--folder", folder, "--access", access, "--kit=dir", "--verify", "-v"];
            let run = sandbox.create("bob", &options).await.succeeded();
            let around = folder.split_once('/').unwrap().0;
            let refused = format!("can't list s3://shared/{around}/");
            assert!(run.stderr.contains(&refused), "{run:?}");

            let own = aws.keys("shared").into_iter().find(|key| key.starts_with(folder)).unwrap();
            for s3 in [
                aws.s3_client_of(&sandbox.key_of("bob")),
                client_of_kit(&aws, &sandbox, "bob", "bob".to_owned()).await,
            ] {
                assert!(lists(&s3, Some(folder), Some("/")).await);
                assert!(gets(&s3, &own).await);
                for other in
                    ["", "customers/", "customers/acme", "customers/acme2/", "acme/", "bob/"]
                {
                    assert!(!lists(&s3, Some(other), None).await, "{other}");
                }
                for key in ["customers/d.txt", "customers/acme2/c.txt", "acme/other.txt"] {
                    assert!(!gets(&s3, key).await, "{key}");
                    assert!(!puts(&s3, key).await && !deletes(&s3, key).await, "{key}");
                }
                assert_eq!(puts(&s3, &own).await, access == "read-write");
            }
            let kit = sandbox.path().join("bob_kit");
            let read = |file: &str| std::fs::read_to_string(kit.join(file)).unwrap();
            assert!(read("README.txt").contains(&format!("s3://shared/{folder}")));
            let bookmark = plist::Value::from_file(kit.join("bob.duck")).unwrap();
            let path = bookmark.as_dictionary().unwrap()["Path"].as_string().unwrap();
            assert_eq!(path, format!("/shared/{}", folder.trim_end_matches('/')));
            let url = read("winscp-url.txt");
            let place = url.trim().rsplit_once("/shared/").unwrap().1;
            let decoded = percent_encoding::percent_decode_str(place).decode_utf8().unwrap();
            assert_eq!(decoded, folder);
        }
    }
}

#[tokio::test]
async fn folder_is_given_by_a_prefix_that_fits() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let too_long = format!("{}/", "é".repeat(90));
    for (options, said) in [
        (&["--folder", "/"][..], "must not start with /"),
        (&["--folder", "/acme"], "must not start with /"),
        (&["--folder", "a/../b"], "no part of it may be empty"),
        (&["--folder", "a*/"], "must not contain *, ? or $"),
        (&["--folder", "s3://shared/acme/"], "give only the folder"),
        (&["--folder", "Mu\u{308}ller/"], "write Müller/"),
        (&["--folder", "цены/"], "U+00FF"),
        (&["--folder", ""], "such as customers/acme/"),
        (&["--folder", &too_long], "the folder's name is too long"),
        (&["--folder", "acme/", "--path", "/x/"], "--path"),
        (&["--folder", "acme/", "--update"], "--folder"),
        (&["--folder", "acme/", "--rotate-key"], "--folder"),
        (&["--folder", "acme/", "--suspend"], "--folder"),
        (&["--folder", "acme/", "--also-read", "acme/prices/"], "overlaps with the user's own"),
        (&["--folder", "acme/", "--also-read", "acme/"], "overlaps with the user's own"),
    ] {
        assert_usage(&sandbox.create("alex", options).await, said);
    }
    assert_usage(&sandbox.create("customers/zoe", &[]).await, "--folder");
    assert_usage(&sandbox.delete("customers/zoe", &[]).await, "--folder");
    assert_usage(&sandbox.delete("alex", &["--folder", "a", "--keep-objects"]).await, "--folder");
    assert_eq!(aws.faults.operations(), [""; 0]);

    let run = sandbox.create("alex", &["--folder", "customers/acme"]).await.succeeded();
    let note = "note: added the missing /: the folder is customers/acme/";
    assert!(run.stderr.contains(note), "{run:?}");
    assert!(run.stderr.contains("s3://shared/customers/acme/"), "{run:?}");
    sandbox.create("kim", &["--also-read", "alex/"]).await.succeeded();
}

#[tokio::test]
async fn folder_with_a_long_name_may_not_fit_an_inline_policy() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let folder = format!("{}/", "long-name".repeat(45));
    let options = ["--folder", &folder, "--inline-policy", "--access", "read-write"];
    let options = [&options[..], &["--source-ip", "203.0.113.0/24"]].concat();
    assert_usage(&sandbox.create("alex", &options).await, "an inline policy takes 2048");
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn folder_inside_or_around_that_of_another_user_is_refused() {
    for sandbox_of in [Sandbox::new, Sandbox::with_host_of_aws] {
        let aws = aws_with_customers().await;
        let sandbox = sandbox_of(&aws);
        sandbox.create("bob", &ACME).await.succeeded();
        sandbox.create("acme", &[]).await.succeeded();
        for (user, options, said) in [
            (
                "kim",
                &["--folder", "customers/"][..],
                "s3://shared/customers/ holds the folder of user bob",
            ),
            ("customers", &[], "s3://shared/customers/ holds the folder of user bob"),
            ("customers", &["--inline-policy"], "holds the folder of user bob"),
            ("kim", &["--folder", "customers/acme/sub/"], "is inside the folder of user bob"),
            (
                "kim",
                &["--folder", "acme/sub/"],
                "s3://shared/acme/sub/ is inside the folder of user acme",
            ),
        ] {
            aws.faults.forget();
            let run = sandbox.create(user, options).await.failed_with(said);
            assert!(run.stderr.contains("hint: choose a folder"), "{run:?}");
            assert_only_read(&aws);
            assert!(is_gone(&aws, user));
        }
        // What only begins alike is another folder.
        for (user, folder) in
            [("lee", "customers/acme2/"), ("max", "customers/acm/"), ("ida", "acmee/")]
        {
            let run = sandbox.create(user, &["--folder", folder]).await.succeeded();
            assert!(!run.stderr.contains("shared with"), "{run:?}");
        }
        // Users of another bucket live elsewhere.
        aws.add_bucket("other", &[]).await;
        let other = ["-b", "other", "-u", "zoe", "--folder", "customers/"];
        sandbox.run("create_s3_user", &other).await.succeeded();
    }
}

#[tokio::test]
async fn rows_of_a_file_name_folders() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    let from = ["-b", "shared", "--users-from", "users.csv"];
    let write = |table: &str| std::fs::write(sandbox.path().join("users.csv"), table).unwrap();
    for (table, options, said) in [
        (
            "user,folder\nann,customers/\nbob,customers/acme/\n",
            &[][..],
            "users.csv:3: the folder of user bob is inside that of user ann",
        ),
        (
            "user,folder\nbob,customers/acme/\ncustomers,\n",
            &[],
            "users.csv:2: the folder of user bob is inside that of user customers",
        ),
        ("user,folder\nbob,a*\n", &[], "users.csv:2: column folder: a folder must not contain *"),
        (
            "user,folder\nbob,acme/\n",
            &["--path", "/x/"],
            "--path takes no folders, but users.csv has some; use a file without them",
        ),
        (
            "user,folder\nbob,acme/\n",
            &["--update"],
            "--update takes no folders, but users.csv has some; use a file without them",
        ),
        (
            "user,folder\nbob,acme/\n",
            &["--list"],
            "--list takes no folders, but users.csv has some; use a file without them",
        ),
    ] {
        write(table);
        let run = sandbox.run("create_s3_user", &[&from[..], options].concat()).await;
        assert_usage(&run, said);
    }
    assert_eq!(aws.faults.operations(), [""; 0]);

    write(
        "user,folder,access\nann,customers/acme/,read\nbob,customers/acme,read-write\nacme,,\nkim,,\n",
    );
    let options = ["--folder", "x/", "--json"];
    let run = sandbox.run("create_s3_user", &[&from[..], &options].concat()).await.succeeded();
    let mut folders: Vec<_> = run
        .json_lines()
        .iter()
        .map(|line| (line["user"].to_string(), line["prefix"].to_string()))
        .collect();
    folders.sort();
    let expected =
        [("acme", "x/"), ("ann", "customers/acme/"), ("bob", "customers/acme/"), ("kim", "x/")];
    assert_eq!(
        folders,
        expected.map(|(user, folder)| (format!("{user:?}"), format!("{folder:?}")))
    );
    let run = sandbox.run("delete_s3_user", &from).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let left =
        ["Müller GmbH/a=b+c/x y.txt", "acme/other.txt", "customers/acme2/c.txt", "customers/d.txt"];
    let mut left = left.map(str::to_owned);
    left.sort();
    assert_eq!(aws.keys("shared"), left);
}

#[tokio::test]
async fn everything_else_goes_by_the_recorded_folder() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("bob", &ACME).await.succeeded();
    let before = aws.iam(|iam| iam.users["bob"].tags.clone());
    let update = ["--update", "--access", "read-write", "--expires", "2099-12-31", "--json"];
    let run = sandbox.create("bob", &update).await.succeeded();
    assert_eq!(run.json()["prefix"], "customers/acme/");
    let rotate = ["--rotate-key", "--kit=dir", "--verify", "--json"];
    let run = sandbox.create("bob", &rotate).await.succeeded();
    assert_eq!(run.json()["prefix"], "customers/acme/");
    let readme = sandbox.path().join("bob_kit.2/README.txt");
    let readme = std::fs::read_to_string(readme)
        .or_else(|_| std::fs::read_to_string(sandbox.path().join("bob_kit/README.txt")));
    assert!(readme.unwrap().contains("s3://shared/customers/acme/"));
    let run = sandbox.create("bob", &["--suspend"]).await.succeeded();
    assert!(run.stderr.contains("s3://shared/customers/acme/"), "{run:?}");
    let run = sandbox.create("bob", &["--resume", "--json"]).await.succeeded();
    assert_eq!(run.json()["prefix"], "customers/acme/");
    let key = sandbox.key_in("bob_accessKeys.2.csv");
    let s3 = aws.s3_client_of(&key);
    assert!(puts(&s3, "customers/acme/new.txt").await && !puts(&s3, "customers/x.txt").await);
    let tag = before.iter().find(|tag| tag.key == "s3-user:folder").unwrap();
    assert_eq!(tag_of(&aws, "bob", "s3-user:folder").as_ref(), Some(&tag.value));

    set_end(&aws, "bob", "2020-01-01T00:00:00Z");
    let expired = ["-b", "shared", "--expired", "--json"];
    let run = sandbox.run("delete_s3_user", &expired).await.succeeded();
    assert_eq!(run.json()["prefix"], "customers/acme/");
    assert!(is_gone(&aws, "bob"));
    assert!(aws.keys("shared").contains(&"customers/acme2/c.txt".to_owned()));
    assert!(!aws.keys("shared").iter().any(|key| key.starts_with("customers/acme/")));
}

async fn listed(sandbox: &Sandbox) -> Vec<(String, String, Vec<String>)> {
    let args = ["-b", "shared", "--list", "--json"];
    let run = sandbox.run("create_s3_user", &args).await.succeeded();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let odd = |user: &Value| {
        let odd = user["odd"].as_array().unwrap().iter();
        odd.map(|odd| format!("{}: {}", text(&odd["code"]), text(&odd["text"]))).collect()
    };
    let users = run.json_lines();
    users.iter().map(|user| (text(&user["user"]), text(&user["prefix"]), odd(user))).collect()
}

#[tokio::test]
async fn list_shows_folders_and_what_is_odd_about_them() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::with_host_of_aws(&aws);
    for (user, options) in [
        ("ann", &ACME[..]),
        ("bob", &ACME),
        ("carl", &["--folder", "customers/x/"]),
        ("dora", &["--inline-policy"]),
        ("eve", &[]),
    ] {
        sandbox.create(user, options).await.succeeded();
    }
    for user in listed(&sandbox).await {
        assert_eq!(user.2, [""; 0], "{user:?}");
    }
    let run = sandbox.run("create_s3_user", &["-b", "shared", "--list"]).await.succeeded();
    assert_eq!(run.stdout.matches("customers/acme/").count(), 2, "{run:?}");

    edit_policy(&aws, "s3-access-for-carl", "customers/x/", "customers/");
    aws.change_iam(|iam| {
        iam.users.get_mut("carl").unwrap().path = "/s3-user/shared/folder/customers/".to_owned();
        for user in ["carl", "dora"] {
            iam.users.get_mut(user).unwrap().tags.retain(|tag| tag.key != "s3-user:folder");
        }
        iam.users.get_mut("dora").unwrap().path = "/".to_owned();
    });
    for (user, name) in [("dora", "dorothy"), ("eve", "eva")] {
        rename_user(&aws, user, name).await;
    }
    let expected = [
        ("ann", "customers/acme/", "overlapping-folder: folder overlaps with that of carl"),
        ("bob", "customers/acme/", "overlapping-folder: folder overlaps with that of carl"),
        ("carl", "customers/", "overlapping-folder: folder overlaps with that of ann, bob"),
        (
            "dorothy",
            "dora/",
            "renamed: renamed in IAM, or its path was changed; its folder is dora/",
        ),
        ("eva", "eve/", "renamed: renamed in IAM, or its path was changed; its folder is eve/"),
    ];
    let expected = expected
        .map(|(user, folder, odd)| (user.to_owned(), folder.to_owned(), vec![odd.to_owned()]));
    assert_eq!(listed(&sandbox).await, expected);

    // On an overlap that came about all the same, nobody is allowed more.
    for (options, is_refused) in [
        (&["--access", "read-write"][..], true),
        (&["--expires", "2099-12-31"], false),
        (&["--expires", "2098-12-31"], false),
        (&["--expires", "never"], true),
        (&["--source-ip", "203.0.113.0/24"], false),
        (&["--source-ip", "203.0.113.7"], false),
        (&["--source-ip", "203.0.113.0/28"], true),
        (&["--source-ip", "any"], true),
    ] {
        let run = sandbox.create("bob", &[&["--update"], options].concat()).await;
        if is_refused {
            let said =
                "overlaps with the folder of user carl, so user bob can't be given more access";
            run.failed_with(said);
        } else {
            run.succeeded();
        }
    }
    // A renamed user is managed as before.
    sandbox.create("eva", &["--update", "--access", "read-write"]).await.succeeded();
    sandbox.create("eva", &["--rotate-key", "--verify"]).await.succeeded();
    let s3 = aws.s3_client_of(&sandbox.key_of("eva"));
    assert!(puts(&s3, "eve/a.txt").await && !puts(&s3, "eva/a.txt").await);
}

#[tokio::test]
async fn store_without_paths_takes_no_other_folder() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for operation in ["CreateUser", "GetUser"] {
        aws.faults.always(operation, Fault::NoPaths);
    }
    let run = sandbox.create("alex", &ACME).await;
    run.failed_with("this store keeps no IAM paths, so a folder can only be named after its user");
    assert_nothing_left(&aws, &sandbox, "without paths");
}

#[tokio::test]
async fn name_of_a_folder_that_looks_misspelled_is_pointed_out() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("bob", &["--folder", "customers/amce/"]).await.succeeded();
    let doubt = "s3://shared/customers/amce/ is empty, but s3://shared/customers/acme/ exists; \
                 did you mean customers/acme?";
    assert!(run.stderr.contains(doubt), "{run:?}");
    // A user with another folder is suggested by its name.
    sandbox.create("acme-bob", &ACME).await.succeeded();
    let run = sandbox.delete("acme-bbo", &[]).await;
    run.failed_with("did you mean acme-bob?");
}

#[tokio::test]
async fn nobody_is_asked_about_a_folder_that_may_be_read_besides() {
    let aws = aws_with_customers().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("bob", &ACME).await.succeeded();
    let run = sandbox.create("kim", &["--also-read", "customers/"]).await.succeeded();
    let note = "--also-read customers/ gives access to files of user bob";
    assert!(run.stderr.contains(note), "{run:?}");
    let run = sandbox.delete("bob", &["--dry-run"]).await.succeeded();
    let note = "user kim may read s3://shared/customers/acme/ too";
    assert!(run.stderr.contains(note), "{run:?}");
    let s3 = aws.s3_client_of(&sandbox.key_of("kim"));
    assert!(allowed(s3.list_objects_v2().bucket("shared").prefix("customers/").send().await));
}
