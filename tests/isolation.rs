//! What the person's own key opens, and what it doesn't: each request is made
//! for real.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::support::{
    ALLOW_ALL, allowed, aws_with_alex, aws_with_files, client_of_alex, gets, lists,
};

#[tokio::test]
async fn own_folder_lists_in_every_way_clients_do() {
    for options in [[].as_slice(), &["--inline-policy"]] {
        let aws = aws_with_files().await;
        let s3 = client_of_alex(&aws, options).await;
        for prefix in ["alex/", "alex/2026", "alex/2026/", "alex/nothing-here/"] {
            assert!(lists(&s3, Some(prefix), None).await, "{prefix}");
            assert!(lists(&s3, Some(prefix), Some("/")).await, "{prefix}");
        }
        assert!(allowed(s3.get_bucket_location().bucket("shared").send().await));
    }
}

#[tokio::test]
async fn nothing_else_lists() {
    let aws = aws_with_files().await;
    let s3 = client_of_alex(&aws, &[]).await;
    for prefix in [
        None,
        Some(""),
        Some("/"),
        Some("a"),
        Some("alex"),
        Some("alexander"),
        Some("alexander/"),
        Some("Alex/"),
        Some("ALEX/"),
        Some("jaime/"),
        Some("/alex/"),
        Some("*"),
        Some("../alex/"),
        Some(" alex/"),
    ] {
        assert!(!lists(&s3, prefix, None).await, "{prefix:?}");
        assert!(!lists(&s3, prefix, Some("/")).await, "{prefix:?}");
    }
    assert!(!allowed(s3.list_buckets().send().await));
    assert!(!allowed(s3.head_bucket().bucket("shared").send().await));
    for prefix in ["alex/", "jaime/", ""] {
        let versions = s3.list_object_versions().bucket("shared").prefix(prefix);
        assert!(!allowed(versions.send().await), "{prefix}");
        let uploads = s3.list_multipart_uploads().bucket("shared").prefix(prefix);
        assert!(!allowed(uploads.send().await), "{prefix}");
    }
}

#[tokio::test]
async fn own_objects_download_and_no_others() {
    let aws = aws_with_files().await;
    for key in ["Alex/private.txt", "alex", "alex-too/x"] {
        aws.put("shared", key).await;
    }
    aws.add_bucket("other", &["alex/report.txt"]).await;
    let s3 = client_of_alex(&aws, &[]).await;

    let got = s3.get_object().bucket("shared").key("alex/report.txt").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "alex/report.txt");
    assert!(gets(&s3, "alex/2026/may.csv").await);
    for key in ["alexander/secret.txt", "Alex/private.txt", "jaime/photo.jpg", "alex", "alex-too/x"]
    {
        assert!(!gets(&s3, key).await, "{key}");
    }
    let elsewhere = s3.get_object().bucket("other").key("alex/report.txt");
    assert!(!allowed(elsewhere.send().await));
    let version = s3.get_object().bucket("shared").key("alex/report.txt").version_id("null");
    assert!(!allowed(version.send().await));
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let aws = aws_with_files().await;
    let s3 = client_of_alex(&aws, &[]).await;
    let before = aws.keys("shared");
    for key in ["alex/report.txt", "alex/new.txt", "jaime/photo.jpg", "new.txt"] {
        let put = s3.put_object().bucket("shared").key(key).body(b"x".to_vec().into());
        assert!(!allowed(put.send().await), "{key}");
        assert!(!allowed(s3.delete_object().bucket("shared").key(key).send().await), "{key}");
        let upload = s3.create_multipart_upload().bucket("shared").key(key);
        assert!(!allowed(upload.send().await), "{key}");
        let copy = s3.copy_object().bucket("shared").key(key).copy_source("shared/alex/report.txt");
        assert!(!allowed(copy.send().await), "{key}");
        let batch =
            Delete::builder().objects(ObjectIdentifier::builder().key(key).build().unwrap());
        let delete = s3.delete_objects().bucket("shared").delete(batch.build().unwrap());
        assert!(!allowed(delete.send().await), "{key}");
    }
    assert!(!allowed(s3.create_bucket().bucket("mine").send().await));
    assert!(!allowed(s3.get_bucket_policy().bucket("shared").send().await));
    assert_eq!(aws.keys("shared"), before);
}

#[tokio::test]
async fn nothing_of_iam_is_open() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let iam = aws.iam_client_of(&sandbox.key_of("alex"));
    assert!(!allowed(iam.list_users().send().await));
    assert!(!allowed(iam.get_user().user_name("alex").send().await));
    assert!(!allowed(iam.create_access_key().user_name("alex").send().await));
    let put = iam.put_user_policy().user_name("alex").policy_name("more");
    assert!(!allowed(put.policy_document(ALLOW_ALL).send().await));
}

#[tokio::test]
async fn key_opens_nothing_once_the_user_is_deleted() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
    assert!(gets(&s3, "alex/report.txt").await);
    sandbox.delete("alex", &["--keep-objects"]).await.succeeded();
    let refused = s3.get_object().bucket("shared").key("alex/report.txt").send().await;
    assert_eq!(refused.unwrap_err().code(), Some("InvalidAccessKeyId"));
}
