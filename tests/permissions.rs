//! An admin needs exactly the permissions that the README lists.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::create::{aws_with_files, is_gone};
use crate::support::{Fault, LocalAws, Sandbox};

/// The policies of the README's JSON blocks, for the bucket `shared`: what
/// create needs, and what delete needs.
fn policies_of_the_readme() -> [Value; 2] {
    let readme = include_str!("../README.md").replace("shared-files", "shared");
    let blocks = readme.split("```json\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let policies: Vec<_> = blocks
        .map(|block| serde_json::from_str::<Value>(block).unwrap())
        .filter(|block| block["Statement"].to_string().contains("iam:GetUser"))
        .collect();
    policies.try_into().unwrap()
}

/// The policy without one of its actions.
fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Action"]
            .as_array_mut()
            .unwrap()
            .retain(|given| given != action);
    }
    let statements = policy["Statement"].as_array_mut().unwrap();
    statements.retain(|statement| statement["Action"] != json!([]));
    policy
}

fn actions(policy: &Value) -> HashSet<String> {
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap());
    actions
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

/// Somebody who may do what the policy says.
async fn with_policy(aws: &LocalAws, name: &str, policy: &Value) -> Sandbox {
    let key = aws.add_user(name, &policy.to_string()).await;
    Sandbox::with_key(&aws.url, &key)
}

#[tokio::test]
async fn create_needs_what_the_readme_says_and_nothing_less() {
    let [policy, _] = policies_of_the_readme();
    let aws = aws_with_files().await;
    let helper = with_policy(&aws, "helper", &policy).await;
    helper.create("alex", &[]).await.succeeded();
    helper.create("kim", &["--inline-policy"]).await.succeeded();

    let undo = undo_actions();
    for action in actions(&policy)
        .iter()
        .filter(|action| !undo.contains(&action.as_str()))
    {
        let helper = with_policy(&aws, &action.replace(':', "-"), &without(&policy, action)).await;
        let inline = match action.as_str() {
            "iam:PutUserPolicy" => ["--inline-policy"].as_slice(),
            _ => &[],
        };
        let run = helper.create("jaime", inline).await;
        assert_eq!(run.code, Some(1), "without {action}: {run:?}");
        assert!(is_gone(&aws, "jaime"), "without {action}: {run:?}");
    }
}

/// What only a create run that fails needs.
fn undo_actions() -> [&'static str; 8] {
    [
        "iam:ListAccessKeys",
        "iam:DeleteAccessKey",
        "iam:DetachUserPolicy",
        "iam:DeleteUserPolicy",
        "iam:GetPolicy",
        "iam:ListPolicyVersions",
        "iam:DeletePolicy",
        "iam:DeleteUser",
    ]
}

#[tokio::test]
async fn undoing_needs_what_the_readme_says_and_nothing_less() {
    let [policy, _] = policies_of_the_readme();
    let managed = [].as_slice();
    let mut cases = JoinSet::new();
    for (action, call, fault, options) in [
        (
            "iam:ListAccessKeys",
            "CreateAccessKey",
            Fault::LoseAnswer,
            managed,
        ),
        (
            "iam:DeleteAccessKey",
            "AttachUserPolicy",
            Fault::DENIED,
            managed,
        ),
        (
            "iam:DetachUserPolicy",
            "CreateAccessKey",
            Fault::DENIED,
            managed,
        ),
        (
            "iam:DeleteUserPolicy",
            "CreateAccessKey",
            Fault::DENIED,
            &["--inline-policy"],
        ),
        ("iam:GetPolicy", "CreatePolicy", Fault::LoseAnswer, managed),
        (
            "iam:ListPolicyVersions",
            "CreateAccessKey",
            Fault::DENIED,
            managed,
        ),
        (
            "iam:DeletePolicy",
            "CreateAccessKey",
            Fault::DENIED,
            managed,
        ),
        ("iam:DeleteUser", "CreateAccessKey", Fault::DENIED, managed),
    ] {
        assert!(undo_actions().contains(&action) && actions(&policy).contains(action));
        let policy = policy.clone();
        cases.spawn(async move {
            let aws = aws_with_files().await;
            let helper = with_policy(&aws, "helper", &policy).await;
            aws.faults.at(call, 0, 2, fault);
            let run = helper.create("alex", options).await;
            assert!(
                run.code == Some(0) || is_gone(&aws, "alex"),
                "{action}: {run:?}"
            );
            assert!(!run.stderr.contains("left:"), "{action}: {run:?}");

            let aws = aws_with_files().await;
            let restricted = with_policy(&aws, "restricted", &without(&policy, action)).await;
            aws.faults.at(call, 0, 2, fault);
            let run = restricted.create("alex", options).await;
            assert_eq!(run.code, Some(1), "without {action}: {run:?}");
            assert!(run.stderr.contains("left: "), "without {action}: {run:?}");
        });
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

#[tokio::test]
async fn delete_needs_what_the_readme_says_and_nothing_less() {
    let [_, policy] = policies_of_the_readme();
    for action in actions(&policy) {
        let aws = aws_with_files().await;
        let admin = Sandbox::new(&aws);
        user_with_everything(&aws, &admin).await;
        let helper = with_policy(&aws, "restricted", &without(&policy, &action)).await;
        let options = match action.starts_with("s3:") && action.contains("Version") {
            true => ["--all-versions"].as_slice(),
            false => &[],
        };
        let run = helper.delete("alex", options).await;
        // Tagging a user of the earlier scripts is the one thing that may fail.
        let expected = if action == "iam:TagUser" { 0 } else { 1 };
        assert_eq!(run.code, Some(expected), "without {action}: {run:?}");
        let helper = with_policy(&aws, "helper", &policy).await;
        if !is_gone(&aws, "alex") {
            helper.delete("alex", &["--force"]).await.succeeded();
        }
        assert!(is_gone(&aws, "alex"), "without {action}");
    }
}

/// An untagged user that has one of everything delete_s3_user removes.
async fn user_with_everything(aws: &LocalAws, admin: &Sandbox) {
    admin.create("alex", &["--inline-policy"]).await.succeeded();
    let iam = aws.iam_client();
    let policy = iam.create_policy().policy_name("s3-list-for-alex");
    let policy = policy
        .policy_document(crate::delete::policy_for("shared"))
        .send()
        .await
        .unwrap();
    let arn = policy.policy.unwrap().arn.unwrap();
    let version = iam
        .create_policy_version()
        .policy_arn(&arn)
        .set_as_default(true);
    version
        .policy_document(crate::delete::policy_for("shared"))
        .send()
        .await
        .unwrap();
    iam.attach_user_policy()
        .user_name("alex")
        .policy_arn(&arn)
        .send()
        .await
        .unwrap();
    crate::delete::add_every_blocker(aws, "alex").await;
    let upload = aws.s3_client().create_multipart_upload();
    let upload = upload.bucket("shared").key("alex/unfinished");
    upload.send().await.unwrap();
    iam.untag_user()
        .user_name("alex")
        .tag_keys("s3-user:bucket")
        .send()
        .await
        .unwrap();
    iam.delete_user_policy()
        .user_name("alex")
        .policy_name("s3-access")
        .send()
        .await
        .unwrap();
    let put = iam.put_user_policy().user_name("alex").policy_name("zzz");
    put.policy_document(crate::delete::policy_for("shared"))
        .send()
        .await
        .unwrap();
    let read_inline = iam
        .put_user_policy()
        .user_name("alex")
        .policy_name("s3-access");
    read_inline
        .policy_document(crate::delete::policy_for("other"))
        .send()
        .await
        .unwrap();
}
