//! Folders that aren't named after their users, where no tags are kept: path and policy
//! alone say whose they are.

use crate::support::{Ceph, is_refused};

#[tokio::test]
#[ignore = "needs Ceph, the AWS CLI and rclone"]
async fn folder_of_two_people_goes_with_the_last_of_them() {
    let ceph = Ceph::without_public_acls().await;
    let [ann, bob, kim] = ["ann", "bob", "kim"].map(|name| ceph.user(name));
    let keys = ["Müller/acme/a.txt", "Müller/acme2/b.txt", "Müller/c.txt"];
    ceph.put(&keys).await;
    let folder = ["--folder", "Müller/acme/"];
    let kit = [&folder[..], &["--kit=dir", "--verify"]].concat();
    ceph.create(&ann, &kit).await.succeeded();
    let run = ceph.create(&bob, &folder).await.succeeded();
    assert!(run.stderr.contains(&format!("is shared with user {ann}")), "{run:?}");
    let holds = format!("holds the folders of users {ann}, {bob}");
    for (other, said) in [("Müller/", holds.as_str()), ("Müller/acme/x/", "is inside")] {
        ceph.create(&kim, &["--folder", other]).await.failed_with(said);
        assert!(ceph.is_gone(&kim).await);
    }

    let person = ceph.person(&ann);
    person.aws("ls :Müller/acme/").await.succeeded();
    person.rclone("copy :Müller/acme/ files").await.succeeded();
    assert!(ceph.sandbox.path().join(format!("{ann}_kit/files/a.txt")).exists());
    for refused in ["ls :Müller/", "ls :Müller/acme2/", "cp :Müller/c.txt ."] {
        let run = person.aws(refused).await;
        assert!(is_refused(&run), "{refused}: {run:?}");
    }

    let run = ceph.delete(&ann, &[]).await.succeeded();
    assert!(run.stderr.contains(&format!("stays: it is shared with user {bob}")), "{run:?}");
    assert_eq!(ceph.keys().await, keys);
    // A renamed user has the folder that it was created with.
    let renamed = ceph.user("robert");
    let rename = format!("update-user --new-user-name {renamed}");
    ceph.iam(&rename, &bob).await.succeeded();
    let list = ceph.create(&renamed, &["--list", "--json"]).await.succeeded();
    assert_eq!(list.json()["prefix"], "Müller/acme/");
    ceph.delete(&renamed, &[]).await.succeeded();
    assert!(ceph.is_gone(&renamed).await);
    assert_eq!(ceph.keys().await, keys[1..]);
    ceph.clear().await;
}
