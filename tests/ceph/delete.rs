//! What is deleted, and what is left alone.

use crate::support::{Ceph, answer};

/// Ends of keys that are hard to write in XML, in a path or in a listing.
const HARD: [&str; 4] = ["\u{1}control", "\u{fffe}none", "a//b/../c", "ü +%&<>'\""];

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn folder_is_emptied_of_versions_uploads_and_keys_that_are_hard_to_write() {
    let ceph = Ceph::new().await;
    let [alex, other] = ["alex", "alexander"].map(|name| ceph.user(name));
    let versioning = "put-bucket-versioning --versioning-configuration Status=Enabled";
    ceph.s3api(versioning).await.succeeded();
    for user in [&alex, &other] {
        ceph.create(user, &["--make-folder"]).await.succeeded();
    }
    let hard = HARD.map(|end| format!("{alex}/{end}"));
    ceph.put(&hard.each_ref().map(String::as_str)).await;
    let twice = format!("{alex}/twice");
    ceph.put(&[&twice, &twice]).await;
    let deleted = format!("delete-object --key {twice}");
    ceph.s3api(&deleted).await.succeeded();
    for user in [&alex, &other] {
        let upload = format!("create-multipart-upload --key {user}/unfinished");
        ceph.s3api(&upload).await.succeeded();
    }
    assert_eq!(versions(&ceph).await.len(), HARD.len() + 5);

    let run = ceph.delete(&alex, &["--all-versions", "--json"]).await;
    let run = run.succeeded();
    assert_eq!(run.json()["uploads"], 1, "{run:?}");
    assert!(ceph.is_gone(&alex).await);
    assert_eq!(versions(&ceph).await, [format!("{other}/")]);
    assert_eq!(uploads(&ceph).await, [format!("{other}/unfinished")]);
    assert!(!ceph.is_gone(&other).await);

    ceph.delete(&other, &["--all-versions"]).await.succeeded();
    assert_eq!(versions(&ceph).await, [""; 0]);
    ceph.clear().await;
}

/// The keys of all versions and delete markers.
async fn versions(ceph: &Ceph) -> Vec<String> {
    let list = ceph.s3api("list-object-versions").await.succeeded();
    let list = answer(&list);
    let of = |kind: &str| list[kind].as_array().cloned().unwrap_or_default();
    let all = [of("Versions"), of("DeleteMarkers")].concat();
    let keys = all.iter().filter_map(|version| version["Key"].as_str());
    keys.map(str::to_owned).collect()
}

/// The keys of all unfinished uploads.
async fn uploads(ceph: &Ceph) -> Vec<String> {
    let list = ceph.s3api("list-multipart-uploads").await.succeeded();
    let list = answer(&list)["Uploads"].take();
    let keys = list.as_array().into_iter().flatten();
    let keys = keys.filter_map(|upload| upload["Key"].as_str());
    keys.map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn keys_that_are_hard_to_write_go_without_versions_too() {
    let ceph = Ceph::new().await;
    let alex = ceph.user("alex");
    ceph.create(&alex, &[]).await.succeeded();
    let hard = HARD.map(|end| format!("{alex}/{end}"));
    let neighbor = format!("{alex}\u{1}/kept");
    ceph.put(&hard.each_ref().map(String::as_str)).await;
    ceph.put(&[&neighbor]).await;
    let run = ceph.delete(&alex, &["--json"]).await.succeeded();
    assert_eq!(run.json()["objects"], HARD.len(), "{run:?}");
    assert!(ceph.is_gone(&alex).await);
    assert_eq!(ceph.keys().await, [neighbor]);
    ceph.clear().await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn user_that_is_not_ours_is_left_alone() {
    let ceph = Ceph::new().await;
    let kim = ceph.user("kim");
    ceph.put(&[&format!("{kim}/precious")]).await;
    ceph.iam("create-user", &kim).await.succeeded();
    ceph.iam("create-access-key", &kim).await.succeeded();
    let all =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let put = format!("put-user-policy --policy-name work --policy-document {all}");
    ceph.iam(&put, &kim).await.succeeded();
    let before = state(&ceph, &kim).await;

    let exists = format!("user {kim} already exists");
    ceph.create(&kim, &[]).await.failed_with(&exists);
    let not_ours = format!("user {kim} was not created by create_s3_user");
    for options in [["--update", "--access=write"].as_slice(), &["--rotate-key"], &["--suspend"]] {
        ceph.create(&kim, options).await.failed_with(&not_ours);
    }
    ceph.delete(&kim, &[]).await.failed_with(&not_ours);
    assert_eq!(state(&ceph, &kim).await, before);

    ceph.delete(&kim, &["--force", "--folder", &format!("{kim}/")]).await.succeeded();
    assert!(ceph.is_gone(&kim).await);
    assert_eq!(ceph.keys().await, [""; 0]);
    ceph.clear().await;
}

/// What there is of a user.
async fn state(ceph: &Ceph, user: &str) -> String {
    let (keys, policy) = (ceph.access_keys(user).await, ceph.policy(user, "work").await);
    format!("{keys:?} {policy} {:?}", ceph.keys().await)
}
