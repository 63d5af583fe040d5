//! Stores that know no checksum but Content-MD5: neither the programs nor the
//! kit's clients send them another.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::support::{
    FILES_OF_OTHERS, Sandbox, aws_with_alex, aws_with_files, client_of_kit, is_gone,
};

#[tokio::test]
async fn store_gets_no_checksum_that_it_does_not_know() {
    let aws = aws_with_files().await;
    aws.put_many("shared", (0..1500).map(|number| format!("alex/{number}")));
    let sandbox = Sandbox::new(&aws);
    aws.faults.refuse_checksums();
    let options = ["--access", "read-write", "--make-folder", "--verify", "-v"];
    let run = sandbox.create("alex", &options).await.succeeded();
    assert!(run.stderr.contains("Verified: can upload"), "{run:?}");
    assert!(run.stderr.contains("Verified: can download"), "{run:?}");
    aws.faults.forget();
    sandbox.delete("alex", &[]).await.succeeded();
    assert!(is_gone(&aws, "alex"));
    assert_eq!(aws.keys("shared"), FILES_OF_OTHERS);
    // In batches of a hundred or so, not one by one.
    let calls = aws.faults.counts();
    assert!(calls["DeleteObjects"] <= 16, "{calls:?}");
    assert!(!calls.contains_key("DeleteObject"), "{calls:?}");
}

#[tokio::test]
async fn checksums_that_the_admin_chose_are_sent() {
    let chosen = "[default]\nrequest_checksum_calculation = when_supported\n";
    for (variable, config) in [(Some("when_supported"), ""), (None, chosen), (Some(""), "")] {
        let aws = aws_with_files().await;
        aws.faults.refuse_checksums();
        let sandbox = Sandbox::new(&aws).set("AWS_REQUEST_CHECKSUM_CALCULATION", variable);
        let file = sandbox.path().join("config");
        std::fs::write(&file, config).unwrap();
        let sandbox = sandbox.set("AWS_CONFIG_FILE", file.to_str());
        let run = sandbox.create("alex", &["--make-folder"]).await;
        if variable == Some("") {
            run.succeeded();
        } else {
            run.failed_with("PutObject: InvalidArgument");
        }
    }
}

#[tokio::test]
async fn kit_has_clients_send_none_either() {
    let (aws, sandbox) = aws_with_alex(&["--kit=dir", "--access", "read-write"]).await;
    aws.faults.refuse_checksums();
    let s3 = client_of_kit(&aws, &sandbox, "alex", "alex".to_owned()).await;
    let put = s3.put_object().bucket("shared").key("alex/new");
    put.body(b"new".to_vec().into()).send().await.unwrap();
    let get = s3.get_object().bucket("shared").key("alex/new");
    get.send().await.unwrap();
    // As a client without the kit's settings does.
    let refused = aws.s3_client().put_object().bucket("shared").key("alex/x");
    refused.send().await.unwrap_err();
    let one = ObjectIdentifier::builder().key("alex/new").build().unwrap();
    let batch = Delete::builder().objects(one).build().unwrap();
    let refused = s3.delete_objects().bucket("shared").delete(batch);
    refused.send().await.unwrap_err();
}
