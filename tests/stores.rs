//! What stores other than AWS do differently, and what must not come of it.

use crate::support::{ALLOW_ALL, Fault, Sandbox, aws_with_files, gets, is_gone, puts};

#[tokio::test]
async fn policy_is_made_without_an_action_that_the_store_does_not_know() {
    for (options, call) in [
        (["--access", "read-write"].as_slice(), "CreatePolicy"),
        (
            &["--access", "read-write", "--inline-policy"],
            "PutUserPolicy",
        ),
    ] {
        let aws = aws_with_files().await;
        let sandbox = Sandbox::new(&aws);
        let malformed = Fault::Refuse(400, "MalformedPolicyDocument");
        aws.faults.once(call, malformed);
        sandbox.create("alex", options).await.succeeded();
        let s3 = aws.s3_client_of(&sandbox.key_of("alex"));
        assert!(gets(&s3, "alex/report.txt").await && puts(&s3, "alex/new.txt").await);
        let ownership = s3.get_bucket_ownership_controls().bucket("shared");
        assert!(ownership.send().await.is_err());

        // The policy is recognized, and an update goes the same way.
        let again = ["--update", "--access", "read-write", "--json"];
        aws.faults.always("CreatePolicyVersion", malformed);
        aws.faults.always("PutUserPolicy", malformed);
        let run = sandbox.create("alex", &again).await;
        run.failed_with("MalformedPolicyDocument");
        aws.faults.forget();
        aws.faults.once("CreatePolicyVersion", malformed);
        aws.faults.once("PutUserPolicy", malformed);
        sandbox.create("alex", &again).await.succeeded();
        assert!(puts(&s3, "alex/new.txt").await);
        sandbox.delete("alex", &[]).await.succeeded();
        assert!(is_gone(&aws, "alex"));
    }
}

#[tokio::test]
async fn policy_that_is_refused_for_something_else_is_an_error() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.faults.always(
        "CreatePolicy",
        Fault::Refuse(400, "MalformedPolicyDocument"),
    );
    let run = sandbox.create("alex", &[]).await;
    run.failed_with("CreatePolicy: MalformedPolicyDocument");
    assert_eq!(aws.faults.counts()["CreatePolicy"], 1);
    assert!(is_gone(&aws, "alex"));
}

/// SeaweedFS answers GetUserPolicy under any name with what else the user may do.
#[tokio::test]
async fn user_whose_policy_the_store_makes_up_is_not_ours() {
    let aws = aws_with_files().await;
    let sandbox = Sandbox::new(&aws);
    aws.add_user("kim", ALLOW_ALL).await;
    aws.put("shared", "kim/precious").await;
    aws.faults.always(
        "GetUserPolicy",
        Fault::Answer(
            "<GetUserPolicyResponse><GetUserPolicyResult><UserName>kim</UserName>\
             <PolicyName>s3-access</PolicyName><PolicyDocument>{&quot;Statement&quot;:[{\
             &quot;Resource&quot;:&quot;arn:aws:s3:::shared/*&quot;}]}</PolicyDocument>\
             </GetUserPolicyResult></GetUserPolicyResponse>",
        ),
    );
    let run = sandbox.delete("kim", &[]).await;
    run.failed_with("user kim was not created by create_s3_user");
    assert!(!is_gone(&aws, "kim"));
    assert!(aws.keys("shared").contains(&"kim/precious".to_owned()));
}
