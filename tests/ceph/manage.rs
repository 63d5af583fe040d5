//! Users that exist: one through all that can be done with it, and many at once.

use serde_json::json;

use crate::support::{Ceph, Run};

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn user_is_listed_updated_suspended_resumed_and_rotated() {
    let ceph = Ceph::without_public_acls().await;
    let alex = ceph.user("alex");
    ceph.put(&[&format!("{alex}/report.txt")]).await;
    ceph.create(&alex, &["--kit=dir", "--expires", "90d"]).await.succeeded();
    let (id, _) = ceph.sandbox.key_of(&alex);
    let person = ceph.person(&alex);
    let keys = async |status: &str| {
        let expected = [(id.clone(), status.to_owned())];
        assert_eq!(ceph.access_keys(&alex).await, expected);
    };

    let listed = listed(&ceph).await;
    let user = &listed.json_lines()[0];
    assert_eq!(user["user"], alex.as_str());
    assert_eq!(user["access"], "read");
    assert_eq!(user["keys"][0]["id"], id.as_str());
    assert_eq!(user["odd"], json!([]), "{user}");
    let policy = ceph.policy(&alex, "s3-access").await;
    let end = user["expires"].as_str().expect("access ends");
    assert!(policy.to_string().contains(end), "{end} is not in {policy}");

    let update = ["--update", "--access", "read-write", "--expires", "never"];
    ceph.create(&alex, &update).await.succeeded();
    let updated = ceph.policy(&alex, "s3-access").await.to_string();
    assert!(updated.contains("s3:PutObject") && !updated.contains("CurrentTime"));
    keys("Active").await;
    let upload = format!("cp README.txt :{alex}/");
    person.aws(&upload).await.succeeded();
    let run = ceph.create(&alex, &update).await.succeeded();
    assert!(run.stderr.contains("Nothing to change"), "{run:?}");

    ceph.create(&alex, &["--suspend"]).await.succeeded();
    keys("Inactive").await;
    assert_ne!(person.aws(&upload).await.code, Some(0));
    ceph.create(&alex, &["--resume"]).await.succeeded();
    keys("Active").await;
    person.aws(&upload).await.succeeded();

    let rotate = ["--rotate-key", "--verify"];
    ceph.create(&alex, &rotate).await.succeeded();
    let (new, _) = ceph.sandbox.key_in(&format!("{alex}_accessKeys.2.csv"));
    assert_eq!(ceph.access_keys(&alex).await, [(new, "Active".to_owned())]);
    assert_ne!(person.aws(&upload).await.code, Some(0));
    assert_eq!(ceph.policy(&alex, "s3-access").await.to_string(), updated);

    ceph.delete(&alex, &[]).await.succeeded();
    assert!(ceph.is_gone(&alex).await);
    assert_eq!(ceph.keys().await, [""; 0]);
    ceph.clear().await;
}

async fn listed(ceph: &Ceph) -> Run {
    let args = [&ceph.place()[..], &["--list", "--json"]].concat();
    ceph.sandbox.run("create_s3_user", &args).await.succeeded()
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn thirty_users_come_and_go_past_one_in_the_way() {
    let ceph = Ceph::new().await;
    let names = (1..=30).map(|number| ceph.user(&format!("user{number:02}")));
    let names: Vec<_> = names.collect();
    let in_the_way = &names[11];
    ceph.iam("create-user", in_the_way).await.succeeded();
    let file = ceph.sandbox.path().join("users.txt");
    std::fs::write(file, names.join("\n")).expect("the directory of the test can be written");
    let args = [&ceph.place()[..], &["--users-from", "users.txt"]].concat();
    std::fs::create_dir(ceph.sandbox.path().join("keys")).expect("it isn't there yet");
    let with = |more: &[&'static str]| [&args[..], more].concat();

    let create = with(&["-o", "keys", "--json"]);
    let run = ceph.sandbox.run("create_s3_user", &create).await;
    let run = run.failed_with(in_the_way);
    let lines = run.json_lines();
    let failed = lines.iter().filter(|line| !line["error"].is_null());
    let failed: Vec<_> = failed.map(|line| &line["user"]).collect();
    assert_eq!((lines.len(), failed), (30, vec![&json!(in_the_way)]));
    assert_eq!(ceph.users().await, names);
    assert_eq!(ceph.access_keys(in_the_way).await, []);
    let last = &names[29];
    let (id, _) = ceph.sandbox.key_in(&format!("keys/{last}_accessKeys.csv"));
    assert_eq!(ceph.access_keys(last).await, [(id, "Active".to_owned())]);
    let policy = ceph.policy(last, "s3-access").await;
    assert!(policy.to_string().contains(last.as_str()), "{policy}");
    assert_eq!(listed(&ceph).await.json_lines().len(), 29);

    let delete = with(&["--yes"]);
    let run = ceph.sandbox.run("delete_s3_user", &delete).await;
    run.failed_with(in_the_way);
    assert_eq!(ceph.users().await, [in_the_way.as_str()]);
    ceph.iam("delete-user", in_the_way).await.succeeded();
    ceph.clear().await;
}
