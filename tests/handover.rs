//! What the admin hands on: the kit, the folder object, and the key on stdout.

use std::collections::HashMap;
use std::process::Stdio;

use percent_encoding::percent_decode_str;
use tokio::process::Command;

use crate::support::{
    Fault, LocalAws, Run, Sandbox, allowed, assert_complete, assert_private, assert_usage,
    aws_with_alex, aws_with_files, binary, client_of_kit, is_gone,
};

fn kit_file(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.path().join("alex_kit").join(name)).unwrap()
}

/// The settings of a file with one section.
fn settings(text: &str) -> (String, HashMap<String, String>) {
    let mut lines = text.lines();
    let section = lines.next().unwrap().to_owned();
    let pairs = lines.filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    (section, pairs.collect())
}

#[tokio::test]
async fn kit_is_closed_to_others_and_holds_the_key_and_the_place() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let options = ["--kit=dir", "--json", "--expires", "2099-12-31"];
    let run = sandbox.create("alex", &options).await.succeeded();
    assert_eq!(run.json()["kit"], "alex_kit");
    assert_complete(&aws, &sandbox, "alex");
    let kit = sandbox.path().join("alex_kit");
    assert_private(&kit);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&kit).unwrap() {
        let path = file.unwrap().path();
        assert_private(&path);
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    let expected = [
        "README.txt",
        "alex.duck",
        "aws-config",
        "aws-credentials",
        "cyberduck-secret.txt",
        "rclone.conf",
        "winscp-url.txt",
    ];
    assert_eq!(names, expected);

    let (id, secret) = sandbox.key_of("alex");
    let (section, credentials) = settings(&kit_file(&sandbox, "aws-credentials"));
    assert_eq!(section, "[alex]");
    assert_eq!(credentials["aws_access_key_id"], id);
    assert_eq!(credentials["aws_secret_access_key"], secret);

    let (section, rclone) = settings(&kit_file(&sandbox, "rclone.conf"));
    assert_eq!(section, "[alex]");
    for (key, value) in [
        ("type", "s3"),
        ("provider", "Other"),
        ("endpoint", &aws.url),
        ("force_path_style", "true"),
        ("access_key_id", &id),
        ("secret_access_key", &secret),
        ("region", "us-east-1"),
        ("no_check_bucket", "true"),
    ] {
        assert_eq!(rclone[key], value, "{key}");
    }

    let duck = plist::Value::from_file(kit.join("alex.duck")).unwrap();
    let duck = duck.as_dictionary().unwrap();
    let url = url::Url::parse(&aws.url).unwrap();
    for (key, value) in [
        ("Protocol", "s3"),
        ("Nickname", "alex"),
        ("Hostname", "127.0.0.1"),
        ("Port", &url.port().unwrap().to_string()),
        ("Username", &id),
        ("Path", "/shared/alex"),
    ] {
        assert_eq!(duck[key].as_string(), Some(value), "{key}");
    }

    let text = kit_file(&sandbox, "winscp-url.txt");
    assert_eq!(text.lines().count(), 1);
    let place = text.trim().replace(";x-s3urlstyle=1", "");
    let winscp = url::Url::parse(&place).unwrap();
    let decoded = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    assert_eq!((winscp.scheme(), winscp.username()), ("s3plain", id.as_str()));
    assert_eq!(decoded(winscp.password().unwrap()), secret);
    assert_eq!((winscp.host_str(), winscp.port()), (Some("127.0.0.1"), url.port()));
    assert_eq!(decoded(winscp.path()), "/shared/alex/");

    let to_paste = kit_file(&sandbox, "cyberduck-secret.txt");
    assert_eq!(to_paste, format!("{secret}\r\n"));

    let readme = kit_file(&sandbox, "README.txt");
    for part in [
        "s3://shared/alex/",
        "until the end of 31 December 2099 (UTC)",
        "list and download",
        "WinSCP",
    ] {
        assert!(readme.contains(part), "{part}");
    }
    assert!(!readme.contains(&secret) && !kit_file(&sandbox, "alex.duck").contains(&secret));
    for part in [
        "A browser can't open this address.",
        "in this folder.",
        "If you have questions, or lose these files, ask whoever sent them to you.",
    ] {
        assert!(readme.contains(part), "{part}: {readme}");
    }
    // This store has no https.
    let note =
        "note: Cyberduck needs its connection profile \"S3 (HTTP)\" to open the kit's bookmark";
    assert!(run.stderr.contains(note), "{run:?}");
}

#[tokio::test]
async fn contact_of_a_row_is_in_the_kit() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let rows = "user,contact\nalex,\"Kim, kim@example.com\"\njaime,\n";
    std::fs::write(sandbox.path().join("customers.csv"), rows).unwrap();
    let args = ["-b", "shared", "--users-from", "customers.csv", "--kit=dir", "--contact", "Lee"];
    sandbox.run("create_s3_user", &args).await.succeeded();
    for (user, from) in [("alex", "From Kim, kim@example.com\r\n"), ("jaime", "From Lee\r\n")] {
        let readme = sandbox.path().join(format!("{user}_kit")).join("README.txt");
        let readme = std::fs::read_to_string(readme).unwrap();
        assert!(readme.contains(from), "{readme}");
    }
}

#[tokio::test]
async fn archive_holds_the_same_files_as_the_kit() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let options = ["--kit=dir", "--json", "--contact", "Kim, kim@example.com"];
    let run = sandbox.create("alex", &options).await.succeeded();
    assert_eq!(run.json()["kit_zip"], "alex_kit.zip");
    let path = sandbox.path().join("alex_kit.zip");
    assert_private(&path);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let kit = std::fs::read_dir(sandbox.path().join("alex_kit")).unwrap();
    assert_eq!(archive.len(), kit.count());
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        #[cfg(unix)]
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o600);
        let name = file.name().unwrap().strip_prefix("alex_kit/").unwrap().to_owned();
        let mut content = String::new();
        std::io::Read::read_to_string(&mut file, &mut content).unwrap();
        assert_eq!(content, kit_file(&sandbox, &name));
    }
    assert!(kit_file(&sandbox, "README.txt").contains("  Kim, kim@example.com\r\n"));
    assert!(kit_file(&sandbox, "README.txt").contains("extract all of them first"));
    // All that holds the secret is named, so that none of it is forgotten.
    let copies = "then delete it and alex_kit/.\nalex_accessKeys.csv is your own copy of the key";
    assert!(run.stderr.contains(copies), "{run:?}");
}

#[tokio::test]
async fn kit_is_one_file_unless_a_directory_is_asked_for() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &["--kit", "--json"]).await.succeeded();
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv", "alex_kit.zip"]);
    assert_eq!(run.json()["kit_zip"], "alex_kit.zip");
    assert!(run.json().get("kit").is_none(), "{run:?}");
    assert!(run.stderr.contains("Wrote alex_kit.zip\n"), "{run:?}");
    let next = "Next: send alex_kit.zip over a secure channel, then delete it.\n";
    assert!(run.stderr.contains(next), "{run:?}");
    let zip = std::fs::File::open(sandbox.path().join("alex_kit.zip")).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let written = zip.by_index(0).unwrap().last_modified().unwrap();
    assert!(written.year() >= 2026, "{written}");
}

#[tokio::test]
async fn closing_words_for_many_name_their_kits() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let closing = "\nNext: send each person their kit (the zip file) over a secure channel, then \
                   delete your copies of the kits.\nThe key files are your own copies: keep them safe, or delete them too.\n";
    for options in [["--kit=dir"].as_slice(), &["--kit=dir", "--rotate-key"]] {
        let users = [&["-u", "jaime"], options].concat();
        let run = sandbox.create("alex", &users).await.succeeded();
        assert!(run.stderr.ends_with(closing), "{run:?}");
    }
}

#[tokio::test]
async fn archive_that_exists_is_not_overwritten() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let path = sandbox.path().join("alex_kit.zip");
    std::fs::write(&path, "precious").unwrap();
    let run = sandbox.create("alex", &["--kit=dir"]).await;
    run.failed_with("alex_kit.zip already exists; not overwriting it");
    assert!(is_gone(&aws, "alex"));
    std::fs::create_dir(sandbox.path().join("kim_kit")).unwrap();
    std::fs::write(sandbox.path().join("kim_kit/README.txt"), "precious").unwrap();
    let run = sandbox.create("kim", &["--kit=dir"]).await;
    let run = run.failed_with("kim_kit already exists; not overwriting it");
    assert!(
        run.stderr.contains("\nhint: there is no user kim, so this is an old key or kit, "),
        "{run:?}"
    );
    std::fs::remove_dir_all(sandbox.path().join("kim_kit")).unwrap();
    assert_eq!(sandbox.files(), ["alex_kit.zip"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn aws_sdk_reads_the_kits_profile_and_lists() {
    for user in ["alex", "a=b,c+d@e_f.g"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create(user, &["--kit=dir"]).await.succeeded();
        let profile = user.replace(['=', ','], "_");
        let s3 = client_of_kit(&aws, &sandbox, user, profile).await;
        let list = s3.list_objects_v2().bucket("shared");
        let prefix = format!("{user}/");
        assert!(allowed(list.clone().prefix(prefix).send().await), "{user}");
        assert!(!allowed(list.prefix("jaime/").send().await), "{user}");
    }
}

#[tokio::test]
async fn kit_of_a_drop_box_is_for_clients_that_need_not_list() {
    let (_, sandbox) = aws_with_alex(&["--kit=dir", "--access", "write"]).await;
    let kit = sandbox.path().join("alex_kit");
    assert!(!kit.join("alex.duck").exists() && !kit.join("winscp-url.txt").exists());
    assert!(kit_file(&sandbox, "rclone.conf").contains("no_head = true"));
    assert!(kit_file(&sandbox, "README.txt").contains("not see what is in it"));
}

#[cfg(unix)]
#[tokio::test]
async fn kit_that_is_there_already_stays_and_nothing_is_made() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let kit = sandbox.path().join("alex_kit");
    std::fs::create_dir(&kit).unwrap();
    std::fs::write(kit.join("precious"), "").unwrap();
    sandbox
        .create("alex", &["--kit=dir"])
        .await
        .failed_with("alex_kit already exists; not overwriting it");
    assert!(kit.join("precious").exists() && is_gone(&aws, "alex"));
    assert_eq!(sandbox.key_file("alex"), None);

    std::fs::remove_dir_all(&kit).unwrap();
    std::os::unix::fs::symlink("elsewhere", &kit).unwrap();
    sandbox
        .create("alex", &["--kit=dir"])
        .await
        .failed_with("alex_kit already exists; not overwriting it");

    // As a killed run leaves it.
    std::fs::remove_file(&kit).unwrap();
    std::fs::create_dir(&kit).unwrap();
    sandbox.create("alex", &["--kit=dir"]).await.succeeded();
    assert_private(&kit);
}

#[tokio::test]
async fn kit_goes_when_anything_fails() {
    for call in ["CreateUser", "AttachUserPolicy", "CreateAccessKey"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        aws.faults.always(call, Fault::DENIED);
        sandbox.create("alex", &["--kit=dir"]).await.failed_with(call);
        assert_eq!(sandbox.files(), [""; 0]);
    }
}

#[tokio::test]
async fn folder_object_is_made_once_and_not_taken_away_from_others() {
    let aws = LocalAws::start().await;
    aws.add_bucket("shared", &["jaime/photo.jpg"]).await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &["--make-folder"]).await.succeeded();
    assert!(run.stderr.contains("Created folder s3://shared/alex/"), "{run:?}");
    assert!(!run.stderr.contains("note:"), "{run:?}");
    aws.bucket("shared", |bucket| assert_eq!(bucket.objects["alex/"].size, 0));

    aws.put("shared", "kim/").await;
    aws.faults.forget();
    sandbox.create("kim", &["--make-folder"]).await.succeeded();
    assert!(!aws.faults.operations().contains(&"PutObject".to_owned()));
    aws.bucket("shared", |bucket| assert_eq!(bucket.objects["kim/"].size, 4));

    sandbox.create("lee", &[]).await.succeeded();
    assert_eq!(aws.keys("shared"), ["alex/", "jaime/photo.jpg", "kim/"]);
}

#[tokio::test]
async fn folder_object_is_an_object_that_the_new_key_opens() {
    let aws = aws_with_files().await;
    let options = ["--make-folder", "--verify", "-v"];
    let run = Sandbox::new(&aws).create("kim", &options).await.succeeded();
    let verified = "Verified: can download an object of its own";
    assert!(run.stderr.contains(verified), "{run:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn folder_object_is_undone_with_the_rest() {
    for (call, fault) in [
        ("PutObject", Fault::DENIED),
        ("PutObject", Fault::BROKEN),
        ("PutObject", Fault::LoseAnswer),
        ("AttachUserPolicy", Fault::DENIED),
        ("CreateAccessKey", Fault::DENIED),
        ("ListObjectsV2", Fault::DENIED),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let times = if call == "PutObject" { usize::MAX } else { 2 };
        aws.faults.at(call, 0, times, fault);
        let run = sandbox.create("alex", &["--make-folder"]).await;
        let run = run.failed_with(call);
        assert!(!run.stderr.contains("left:"), "{run:?}");
        assert!(is_gone(&aws, "alex"), "{call} {fault:?}");
        assert_eq!(aws.keys("shared").len(), 4, "{call} {fault:?}");
    }
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    std::fs::create_dir(sandbox.path().join("keys")).unwrap();
    aws.faults.once("PutObject", Fault::Pause);
    aws.faults.always("DeleteObject", Fault::DENIED);
    let started = sandbox.start_create("alex", &["--make-folder", "-o", "keys"]);
    aws.faults.paused().await;
    std::fs::remove_dir_all(sandbox.path().join("keys")).unwrap();
    aws.faults.resume();
    let run = started.ended().await.failed_with("can't write keys/alex_accessKeys.csv");
    let left = "left: object s3://shared/alex/; remove it with: aws s3 rm s3://shared/alex/";
    assert!(run.stderr.contains(left), "{run:?}");
    assert!(is_gone(&aws, "alex"));
}

/// A program whose stdout is a pipe that takes nothing.
#[cfg(unix)]
async fn run_with_closed_stdout(command: &mut Command) -> Run {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let command = command.stdout(Stdio::from(writer)).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    Run::from(child.wait_with_output().await.unwrap())
}

#[tokio::test]
async fn key_goes_to_stdout_and_into_no_file() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let run = sandbox.create("alex", &["-o", "-", "--verify"]).await.succeeded();
    std::fs::write(sandbox.path().join("alex_accessKeys.csv"), &run.stdout).unwrap();
    assert_complete(&aws, &sandbox, "alex");
    let secret = sandbox.key_of("alex").1;
    assert!(run.stdout.starts_with("Access key ID,Secret access key,User name\n"));
    assert!(!run.stderr.contains(&secret) && run.stderr.contains("stdout"));
    assert_eq!(sandbox.files(), ["alex_accessKeys.csv"]);

    let run = sandbox.create("alex", &["-o", "-", "--rotate-key", "-q"]).await.succeeded();
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (2, ""));
}

#[cfg(unix)]
#[tokio::test]
async fn key_that_stdout_does_not_take_is_undone() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let mut create = sandbox.command(binary("create_s3_user"));
    create.args(["-b", "shared", "-u", "alex", "-o", "-"]);
    let run = run_with_closed_stdout(&mut create).await;
    run.failed_with("can't write the key: Broken pipe");
    assert!(is_gone(&aws, "alex"));
}

#[cfg(unix)]
#[tokio::test]
async fn key_is_not_sent_nowhere() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for redirection in [">&-", ">/dev/null"] {
        let script = format!("exec \"$0\" -b shared -u alex -o - {redirection}");
        let run = sandbox.run_script(&script, "create_s3_user").await;
        assert_usage(&run, "or the secret is lost");
    }
    assert_eq!(aws.faults.operations(), [""; 0]);
}

#[tokio::test]
async fn kit_says_where_a_client_may_start() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    for (user, options, start) in [
        ("alex", ["--kit=dir"].as_slice(), "Always start in your own folder"),
        ("kim", &["--kit=dir", "--browse-root"], "or at the bucket"),
    ] {
        sandbox.create(user, options).await.succeeded();
        let readme = sandbox.path().join(format!("{user}_kit/README.txt"));
        let readme = std::fs::read_to_string(readme).unwrap();
        assert!(readme.contains(start), "{readme}");
    }
}

#[tokio::test]
async fn kit_names_the_folders_to_be_read_too() {
    for mode in ["read", "write"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let shares = ["--also-read", "price list/", "--also-read", "jaime/"];
        let options = [&["--kit=dir", "--access", mode], &shares[..]].concat();
        sandbox.create("alex", &options).await.succeeded();
        let readme = kit_file(&sandbox, "README.txt");
        let readme = readme.replace("\r\n", "\n");
        for part in [
            "files in:\n\n    s3://shared/price list/\n    s3://shared/jaime/\n\nYour access",
            "aws --profile alex s3 sync \"s3://shared/price list/\" other-files\n",
            "rclone --config rclone.conf copy \"alex:shared/price list/\" other-files\n",
        ] {
            assert!(readme.contains(part), "{part}: {readme}");
        }
        let browse = "Then enter:\n\n    /shared/price list/\n";
        assert_eq!(readme.contains(browse), mode == "read", "{readme}");
    }
}

#[tokio::test]
async fn kit_says_what_the_store_is_and_when_access_ends() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let options = ["--kit=dir", "--expires", "2099-12-25T07:38:00+01:00"];
    sandbox.create("alex", &options).await.succeeded();
    let readme = kit_file(&sandbox, "README.txt");
    let title = format!("The server:\r\n\r\n    {}\r\n", aws.url);
    assert!(readme.starts_with("Your files on an S3 server\r\n"), "{readme}");
    assert!(readme.contains(&title), "{readme}");
    assert!(!readme.contains("Amazon"), "{readme}");
    let ends = "Your access is valid until 25 December 2099, 06:38 UTC.\r\n";
    assert!(readme.contains(ends), "{readme}");
}

#[tokio::test]
async fn interrupted_run_writes_no_key_to_stdout() {
    for options in [["-o", "-"].as_slice(), &["-o", "-", "--rotate-key"]] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let rotates = options.contains(&"--rotate-key");
        if rotates {
            sandbox.create("alex", &[]).await.succeeded();
        }
        aws.faults.once("CreateAccessKey", Fault::Pause);
        let started = sandbox.start_create("alex", options);
        let run = started.stopped_while_paused(&aws, "INT").await;
        assert_eq!((run.code, run.stdout.as_str()), (Some(130), ""), "{run:?}");
        if rotates {
            assert_complete(&aws, &sandbox, "alex");
        } else {
            assert!(is_gone(&aws, "alex"));
        }
    }
}

#[tokio::test]
async fn kit_of_a_user_called_default_takes_nobodys_own_profile() {
    for user in ["default", "DEFAULT"] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        sandbox.create(user, &["--kit=dir"]).await.succeeded();
        let kit = sandbox.path().join(format!("{user}_kit"));
        let credentials = std::fs::read_to_string(kit.join("aws-credentials")).unwrap();
        assert!(credentials.starts_with(&format!("[{user}_]\n")), "{user}");
    }
}

/// Windows has no such files itself, and refuses to make any.
#[cfg(unix)]
#[tokio::test]
async fn kit_of_a_user_named_like_a_device_unpacks_on_windows() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    sandbox.create("nul.kim", &["--kit"]).await.succeeded();
    let file = std::fs::File::open(sandbox.path().join("nul.kim_kit.zip")).unwrap();
    let archive = zip::ZipArchive::new(file).unwrap();
    let names: Vec<_> = archive.file_names().map(|name| name.unwrap()).collect();
    assert!(names.iter().all(|name| name.starts_with("_nul.kim_kit/")), "{names:?}");
    assert!(names.iter().any(|name| *name == "_nul.kim_kit/_nul.kim.duck"), "{names:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn kit_is_the_admins_whatever_the_umask_takes_away() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    let script = "umask 0777; exec \"$0\" -b shared -u alex --kit=dir";
    sandbox.run_script(script, "create_s3_user").await.succeeded();
    for file in ["alex_kit", "alex_kit/README.txt", "alex_kit.zip", "alex_accessKeys.csv"] {
        assert_private(&sandbox.path().join(file));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn suggested_command_keeps_the_spaces_of_a_path() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let dir = sandbox.path().join("two  spaces");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("alex_accessKeys.csv"), "").unwrap();
    let run = sandbox.create("alex", &["-o", "two  spaces"]).await;
    let run = run.failed_with("user alex already exists");
    let moves = "mv -n -- 'two  spaces/alex_accessKeys.csv' 'two  spaces/alex_accessKeys.csv.old'";
    assert!(run.stderr.contains(moves), "{run:?}");
    assert_complete(&aws, &sandbox, "alex");
}
