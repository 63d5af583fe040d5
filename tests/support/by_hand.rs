//! What an admin does to users and buckets without the programs.

use aws_sdk_s3::types::{
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use fakecloud_iam::Tag;
use serde_json::{Value, json};

use super::{ALLOW_ALL, LocalAws};

/// A policy that names `bucket`, in nobody's form.
pub fn policy_for(bucket: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": format!("arn:aws:s3:::{bucket}"),
        }],
    })
    .to_string()
}

/// A user as the Python scripts left it: no tags, two policies, a key.
pub async fn add_user_of_the_scripts(aws: &LocalAws, user: &str, bucket: &str) {
    let iam = aws.iam_client();
    iam.create_user().user_name(user).send().await.unwrap();
    let key = iam.create_access_key().user_name(user);
    key.send().await.unwrap();
    for kind in ["list", "get"] {
        let name = format!("s3-{kind}-for-{user}");
        let document = policy_of_the_scripts(kind, user, bucket);
        attach_new_policy(aws, user, &name, &document).await;
    }
}

/// One of the two policies of the Python scripts, `list` or `get`, read in their
/// source.
pub fn policy_of_the_scripts(kind: &str, user: &str, bucket: &str) -> String {
    let statement = match kind {
        "list" => json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": format!("arn:aws:s3:::{bucket}"),
            "Condition": {
                "StringEquals": { "s3:prefix": ["", format!("{user}/")], "s3:delimiter": ["/"] },
            },
        }),
        _ => json!({
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{bucket}/{user}/*"),
        }),
    };
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// Sets when the user's access ends by its tag, or takes the tag away, past all
/// checks.
pub fn set_end_by_tag(aws: &LocalAws, user: &str, end: Option<&str>) {
    aws.change_iam(|iam| {
        let tags = &mut iam.users.get_mut(user).unwrap().tags;
        tags.retain(|tag| tag.key != "s3-user:expires");
        tags.extend(
            end.map(|end| Tag { key: "s3-user:expires".to_owned(), value: end.to_owned() }),
        );
    });
}

/// Sets when the user's access ends by its one policy, managed or inline, or
/// that it doesn't, past all checks.
pub fn set_end_by_policy(aws: &LocalAws, user: &str, end: Option<&str>) {
    let with_end = |document: &mut String| {
        let mut policy: Value = serde_json::from_str(document).unwrap();
        for statement in policy["Statement"].as_array_mut().unwrap() {
            let conditions = statement.as_object_mut().unwrap();
            let conditions = conditions.entry("Condition").or_insert(json!({}));
            let conditions = conditions.as_object_mut().unwrap();
            conditions.remove("DateLessThan");
            if let Some(end) = end {
                let condition = json!({ "aws:CurrentTime": [end] });
                conditions.insert("DateLessThan".to_owned(), condition);
            }
        }
        *document = policy.to_string();
    };
    aws.change_iam(|iam| {
        let inline = iam.user_inline_policies.get_mut(user);
        if let Some(document) = inline.and_then(|policies| policies.get_mut("s3-access")) {
            return with_end(document);
        }
        let name = format!("s3-access-for-{user}");
        let mut policies = iam.policies.values_mut();
        let policy = policies.find(|policy| policy.policy_name == name);
        let versions = &mut policy.unwrap().versions;
        let default = versions.iter_mut().find(|version| version.is_default);
        with_end(&mut default.unwrap().document);
    });
}

/// Sets when the user's access ends by both.
pub fn set_end(aws: &LocalAws, user: &str, end: &str) {
    set_end_by_tag(aws, user, Some(end));
    set_end_by_policy(aws, user, Some(end));
}

/// The time so many seconds ago, RFC 3339 in UTC.
pub fn seconds_ago(seconds: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let then = jiff::Timestamp::from_second(now - seconds);
    then.unwrap().to_string()
}

/// Makes a managed policy, attaches it to the user, and returns its ARN.
pub async fn attach_new_policy(aws: &LocalAws, user: &str, policy: &str, document: &str) -> String {
    let create = aws.iam_client().create_policy().policy_name(policy);
    let made = create.policy_document(document).send().await.unwrap();
    let arn = made.policy.unwrap().arn.unwrap();
    attach_policy(aws, user, &arn).await;
    arn
}

/// Attaches a managed policy to the user.
pub async fn attach_policy(aws: &LocalAws, user: &str, arn: &str) {
    let attach = aws.iam_client().attach_user_policy().user_name(user);
    attach.policy_arn(arn).send().await.unwrap();
}

/// Gives the user an inline policy, in place of one of that name.
pub async fn put_inline_policy(aws: &LocalAws, user: &str, policy: &str, document: &str) {
    let put = aws.iam_client().put_user_policy().user_name(user);
    let put = put.policy_name(policy).policy_document(document);
    put.send().await.unwrap();
}

/// The document of alex's one policy as it counts now.
pub fn policy_of_alex(aws: &LocalAws) -> String {
    aws.iam(|iam| {
        let inline = iam.user_inline_policies.get("alex");
        if let Some(document) = inline.and_then(|policies| policies.get("s3-access")) {
            return document.clone();
        }
        let policy = iam.policies.values().next().unwrap();
        let mut versions = policy.versions.iter();
        let current = versions.find(|it| it.version_id == policy.default_version_id);
        current.unwrap().document.clone()
    })
}

/// Replaces a part of alex's one policy, managed or inline, past all checks.
pub fn edit_policy_of_alex(aws: &LocalAws, from: &str, to: &str) {
    aws.change_iam(|iam| {
        let inline = iam.user_inline_policies.get_mut("alex");
        let inline = inline.and_then(|policies| policies.get_mut("s3-access"));
        let document = match inline {
            Some(document) => document,
            None => {
                let policy = iam.policies.values_mut().next().unwrap();
                &mut policy.versions[0].document
            }
        };
        assert!(document.contains(from), "{document}");
        *document = document.replace(from, to);
    });
}

/// Replaces a part of a policy of this name, managed or inline, past all checks.
pub fn edit_policy(aws: &LocalAws, name: &str, from: &str, to: &str) {
    aws.change_iam(|iam| {
        let inline = iam.user_inline_policies.values_mut().find_map(|it| it.get_mut(name));
        let mut managed = iam.policies.values_mut();
        let managed = managed.find(|policy| policy.policy_name == name);
        let managed = managed.map(|policy| &mut policy.versions[0].document);
        let document = inline.or(managed).unwrap();
        assert!(document.contains(from), "{document}");
        *document = document.replace(from, to);
    });
}

/// Makes the tag of a user say another folder, or nothing, past all checks.
pub fn set_folder_tag(aws: &LocalAws, user: &str, value: Option<&str>) {
    aws.change_iam(|iam| {
        let tags = &mut iam.users.get_mut(user).unwrap().tags;
        tags.retain(|tag| tag.key != "s3-user:folder");
        let tag = |value: &str| Tag { key: "s3-user:folder".to_owned(), value: value.to_owned() };
        tags.extend(value.map(tag));
    });
}

/// Gives a user another IAM path, past all checks.
pub fn set_path(aws: &LocalAws, user: &str, path: &str) {
    aws.change_iam(|iam| iam.users.get_mut(user).unwrap().path = path.to_owned());
}

/// Renames a user.
pub async fn rename_user(aws: &LocalAws, user: &str, name: &str) {
    let update = aws.iam_client().update_user().user_name(user);
    update.new_user_name(name).send().await.unwrap();
}

/// Deletes one of the user's access keys.
pub async fn delete_key(aws: &LocalAws, user: &str, id: &str) {
    let delete = aws.iam_client().delete_access_key().user_name(user);
    delete.access_key_id(id).send().await.unwrap();
}

/// Makes one of alex's access keys `Active` or `Inactive`.
pub async fn set_status(aws: &LocalAws, id: &str, status: &str) {
    let update = aws.iam_client().update_access_key().user_name("alex");
    let update = update.access_key_id(id).status(status.into());
    update.send().await.unwrap();
}

/// A second key, and one of everything else but policies that stops IAM from
/// deleting a user.
pub async fn add_every_blocker(aws: &LocalAws, user: &str) {
    let iam = aws.iam_client();
    let key = iam.create_access_key().user_name(user);
    key.send().await.unwrap();
    let login = iam.create_login_profile().user_name(user);
    login.password("Correct-horse-7").send().await.unwrap();
    let upload = iam.upload_signing_certificate().user_name(user);
    let upload = upload.certificate_body(include_str!("certificate.pem"));
    upload.send().await.unwrap();
    let upload = iam.upload_ssh_public_key().user_name(user);
    let upload = upload.ssh_public_key_body(include_str!("ssh_key.pub"));
    upload.send().await.unwrap();
    let credential = iam.create_service_specific_credential().user_name(user);
    let credential = credential.service_name("codecommit.amazonaws.com");
    credential.send().await.unwrap();
    add_mfa_device(aws, user).await;
    let group = iam.create_group().group_name("partners");
    group.send().await.unwrap();
    let join = iam.add_user_to_group().user_name(user);
    join.group_name("partners").send().await.unwrap();
}

async fn add_mfa_device(aws: &LocalAws, user: &str) {
    let iam = aws.iam_client();
    let device = iam.create_virtual_mfa_device();
    let device = device.virtual_mfa_device_name("alex-phone");
    let device = device.send().await.unwrap().virtual_mfa_device.unwrap();
    let enable = iam.enable_mfa_device().user_name(user);
    let enable = enable.serial_number(device.serial_number);
    let enable = enable.authentication_code1("123456");
    let enable = enable.authentication_code2("654321");
    enable.send().await.unwrap();
}

/// Has the bucket `shared` encrypt new objects by this KMS key, or by the one
/// that AWS has for every account.
pub async fn encrypt_bucket(aws: &LocalAws, key: Option<&str>) {
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .set_kms_master_key_id(key.map(str::to_owned));
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default.build().unwrap());
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = aws.s3_client().put_bucket_encryption().bucket("shared");
    let put = put.server_side_encryption_configuration(encryption.build().unwrap());
    put.send().await.unwrap();
}

/// Has the bucket `shared` take ACLs, as buckets made before 2023 do.
pub async fn enable_acls(aws: &LocalAws) {
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter);
    let controls = OwnershipControls::builder().rules(rule.build().unwrap());
    let put = aws.s3_client().put_bucket_ownership_controls();
    let put = put.ownership_controls(controls.build().unwrap());
    put.bucket("shared").send().await.unwrap();
}

/// Begins a multipart upload into the bucket `shared`, and returns its ID.
pub async fn begin_upload(aws: &LocalAws, key: &str) -> String {
    let create = aws.s3_client().create_multipart_upload().bucket("shared");
    let upload = create.key(key).send().await.unwrap();
    upload.upload_id.unwrap()
}

/// Gives alex eight keys, which several calls at once can leave although IAM allows two.
pub fn fill_to_eight_keys(aws: &LocalAws) {
    aws.change_iam(|iam| {
        let keys = iam.access_keys.get_mut("alex").unwrap();
        for number in 1..8 {
            let mut another = keys[0].clone();
            another.access_key_id = format!("AKIAIOSFODNN7EXAMPL{number}");
            keys.push(another);
        }
    });
}

/// Adds a role `admin` that everybody may assume and that may do everything.
pub async fn add_role(aws: &LocalAws) {
    let iam = aws.iam_client();
    let trust = ALLOW_ALL.replace(r#""Resource":"*""#, r#""Principal":{"AWS":"*"}"#);
    let role = iam.create_role().role_name("admin");
    let role = role.assume_role_policy_document(trust);
    role.send().await.unwrap();
    let put = iam.put_role_policy().role_name("admin").policy_name("all");
    put.policy_document(ALLOW_ALL).send().await.unwrap();
    aws.faults.forget();
}
