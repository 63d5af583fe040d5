//! Lists of IAM that don't come to their end: what isn't listed can't be deleted,
//! suspended or counted, so such a list counts for nothing.

use crate::support::{
    Fault, LocalAws, Sandbox, active_keys_of, add_every_blocker, aws_with_alex, keys_of, state_of,
};

/// That a list goes on, and nowhere, or where it was before.
const CUT: [Fault; 3] =
    [Fault::CutList(""), Fault::CutList("<Marker/>"), Fault::CutList("<Marker>again</Marker>")];

const INCOMPLETE: &str = "the list is incomplete: there is more, but the server doesn't say where";

/// Asserts that the command fails for the list that is cut, and changes nothing.
async fn assert_cut(aws: &LocalAws, command: &[&str], operation: &str) {
    for cut in CUT {
        let before = state_of(aws);
        let rest = [&["-b", "shared"], &command[1..]].concat();
        aws.faults.always(operation, cut);
        let run = Sandbox::new(aws).run(command[0], &rest).await;
        run.failed_with(&format!("{operation}: {INCOMPLETE}"));
        assert_eq!(state_of(aws), before, "{operation} {cut:?}");
        aws.faults.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_beyond_a_cut_list_is_never_taken_for_none() {
    let (aws, _) = aws_with_alex(&[]).await;
    for option in ["--suspend", "--resume", "--rotate-key"] {
        let command = ["create_s3_user", "-u", "alex", option];
        assert_cut(&aws, &command, "ListAccessKeys").await;
    }
    assert_eq!(active_keys_of(&aws, "alex").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_by_a_list_that_is_cut() {
    let (aws, _) = aws_with_alex(&["--inline-policy"]).await;
    add_every_blocker(&aws, "alex").await;
    let command = ["delete_s3_user", "-u", "alex"];
    for operation in [
        "ListAccessKeys",
        "ListAttachedUserPolicies",
        "ListUserPolicies",
        "ListSigningCertificates",
        "ListSSHPublicKeys",
        "ListServiceSpecificCredentials",
        "ListMFADevices",
        "ListGroupsForUser",
    ] {
        assert_cut(&aws, &command, operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_beyond_a_cut_list_are_never_taken_for_none() {
    let (aws, _) = aws_with_alex(&[]).await;
    for command in [["create_s3_user", "--list"], ["delete_s3_user", "--expired"]] {
        assert_cut(&aws, &command, "GetAccountAuthorizationDetails").await;
    }
    for cut in CUT {
        aws.faults.look_up_one_by_one();
        aws.faults.always("ListUsers", cut);
        let list = ["-b", "shared", "--list"];
        let run = Sandbox::new(&aws).run("create_s3_user", &list).await;
        run.failed_with(&format!("ListUsers: {INCOMPLETE}"));
        aws.faults.forget();
    }
}

#[tokio::test]
async fn policy_whose_versions_are_a_cut_list_stays() {
    for cut in CUT {
        let (aws, sandbox) = aws_with_alex(&[]).await;
        sandbox.create("alex", &["--update", "--expires", "9d"]).await.succeeded();
        aws.faults.always("ListPolicyVersions", cut);
        let run = sandbox.delete("alex", &[]).await;
        run.failed_with(&format!("ListPolicyVersions: {INCOMPLETE}"));
        assert_eq!(aws.iam(|iam| iam.policies.len()), 1, "{cut:?}");
        aws.faults.forget();
        sandbox.delete("alex", &[]).await.succeeded();
    }
}

#[tokio::test]
async fn list_that_goes_on_for_ever_is_given_up() {
    let (aws, sandbox) = aws_with_alex(&[]).await;
    aws.faults.always("ListAccessKeys", Fault::EndlessList);
    let run = sandbox.create("alex", &["--suspend"]).await;
    run.failed_with(&format!("ListAccessKeys: {INCOMPLETE}"));
    assert_eq!(active_keys_of(&aws, "alex").len(), 1);
}

#[tokio::test]
async fn every_page_of_a_list_counts() {
    let (aws, sandbox) = aws_with_alex(&["--inline-policy"]).await;
    add_every_blocker(&aws, "alex").await;
    for (operation, list, what) in [
        (
            "ListServiceSpecificCredentials",
            "ServiceSpecificCredentials",
            "service-specific credential",
        ),
        ("ListAccessKeys", "AccessKeyMetadata", "access key"),
        ("ListMFADevices", "MFADevices", "MFA device"),
    ] {
        let first = format!(
            "<{operation}Response><{operation}Result><{list}/><IsTruncated>true</IsTruncated>\
             <Marker>2</Marker></{operation}Result></{operation}Response>"
        );
        aws.faults.once(operation, Fault::Answer(first.leak()));
        let run = sandbox.delete("alex", &["--dry-run"]).await.succeeded();
        assert!(run.stderr.contains(what), "{operation}: {run:?}");
        assert_eq!(aws.faults.counts()[operation], 2);
        aws.faults.forget();
    }
    assert_eq!(keys_of(&aws, "alex").len(), 2);
}
