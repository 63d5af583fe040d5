//! Access with limits: from where, until when, and to what else.

use jiff::{SignedDuration, Timestamp};

use crate::support::{Ceph, is_refused, until};

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn other_folder_can_be_read_and_not_changed() {
    let ceph = Ceph::without_public_acls().await;
    let alex = ceph.user("alex");
    ceph.put(&["prices/2026.csv", "private/2026.csv"]).await;
    let options = ["--access", "read-write", "--also-read", "prices/"];
    let options = [&options[..], &["--kit=dir", "--verify"]].concat();
    ceph.create(&alex, &options).await.succeeded();

    let person = ceph.person(&alex);
    let list = person.aws("ls :prices/").await.succeeded();
    assert!(list.stdout.contains("2026.csv"), "{list:?}");
    person.rclone("copy :prices/ prices").await.succeeded();
    let downloaded = format!("{alex}_kit/prices/2026.csv");
    assert!(ceph.sandbox.path().join(downloaded).exists());
    for args in ["rm :prices/2026.csv", "cp README.txt :prices/", "ls :private/"] {
        let run = person.aws(args).await;
        assert!(is_refused(&run), "{args}: {run:?}");
    }

    ceph.delete(&alex, &[]).await.succeeded();
    assert!(ceph.is_gone(&alex).await);
    assert_eq!(ceph.keys().await, ["prices/2026.csv", "private/2026.csv"]);
    ceph.clear().await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn key_gives_access_from_its_addresses_alone() {
    let ceph = Ceph::new().await;
    let [here, elsewhere] = ["here", "elsewhere"].map(|name| ceph.user(name));
    let files = [&here, &elsewhere].map(|user| format!("{user}/a.txt"));
    ceph.put(&files.each_ref().map(String::as_str)).await;
    let addresses = ["--source-ip", "203.0.113.0/24", "--source-ip", "127.0.0.1"];
    let options = [&["--kit=dir", "--verify"], &addresses[..]].concat();
    ceph.create(&here, &options).await.succeeded();
    let options = [&["--kit=dir"], &addresses[..2]].concat();
    ceph.create(&elsewhere, &options).await.succeeded();
    let (from_here, from_elsewhere) = (ceph.person(&here), ceph.person(&elsewhere));
    assert!(from_here.gets_in().await && !from_elsewhere.gets_in().await);

    let now_from_here = ["--update", "--source-ip", "127.0.0.1"];
    ceph.create(&elsewhere, &now_from_here).await.succeeded();
    assert!(from_elsewhere.gets_in().await);
    ceph.delete(&here, &["-u", &elsewhere]).await.succeeded();
    ceph.clear().await;
}

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn access_ends_at_its_time() {
    let ceph = Ceph::new().await;
    let [guest, friend] = ["guest", "friend"].map(|name| ceph.user(name));
    let of_friend = format!("{friend}/b.txt");
    ceph.put(&[&format!("{guest}/a.txt"), &of_friend]).await;
    ceph.create(&friend, &["--expires", "1d"]).await.succeeded();
    let end = Timestamp::now() + SignedDuration::from_secs(30);
    let options = ["--kit=dir", "--expires", &format!("{end:.0}")];
    ceph.create(&guest, &options).await.succeeded();
    let person = ceph.person(&guest);
    assert!(person.gets_in().await);
    until("access ends", async || !person.gets_in().await).await;
    assert!(Timestamp::now() > end - SignedDuration::from_secs(1));

    // Not within a minute, even by a clock that is ahead.
    let expired = ["--expired"];
    let run = ceph.run_with_clock("+2m", "delete_s3_user", &expired).await;
    run.succeeded();
    assert!(!ceph.is_gone(&guest).await);
    until("--expired takes the guest", async || {
        let run = ceph.run_with_clock("+0", "delete_s3_user", &expired).await;
        run.succeeded();
        ceph.is_gone(&guest).await
    })
    .await;
    assert_eq!(ceph.users().await, [friend.as_str()]);
    assert_eq!(ceph.keys().await, [of_friend]);
    ceph.delete(&friend, &[]).await.succeeded();
    ceph.clear().await;
}
