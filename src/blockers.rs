//! What else than keys and policies hangs on a user.

use std::fmt;

use crate::aws::Aws;
use crate::error::AwsError;
use crate::iam::{optional, present, remove};
use crate::names::UserName;

/// What else than keys and policies must go before a user can be deleted, as
/// [AWS lists it][conditions].
///
/// [conditions]: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blocker {
    LoginProfile,
    SigningCertificate(String),
    SshPublicKey(String),
    ServiceSpecificCredential(String),
    MfaDevice(String),
    Group(String),
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginProfile => f.write_str("login profile"),
            Self::SigningCertificate(id) => write!(f, "signing certificate {id}"),
            Self::SshPublicKey(id) => write!(f, "SSH public key {id}"),
            Self::ServiceSpecificCredential(id) => write!(f, "service-specific credential {id}"),
            Self::MfaDevice(serial) => write!(f, "MFA device {serial}"),
            Self::Group(name) => write!(f, "membership of group {name}"),
        }
    }
}

/// Every [`Blocker`] of the user; kinds that a store doesn't have are skipped.
pub(crate) async fn list(aws: &Aws, user: &UserName) -> Result<Vec<Blocker>, AwsError> {
    let (login, certificates, ssh_keys, credentials, mfa, groups) = tokio::try_join!(
        async {
            let get = aws.iam.get_login_profile().user_name(user.as_str());
            let profile = present(aws.call("GetLoginProfile", get.send()).await);
            optional(profile.map(|profile| profile.map(|_| Blocker::LoginProfile)))
        },
        async {
            let list = aws.iam.list_signing_certificates().user_name(user.as_str());
            let all = list
                .into_paginator()
                .items()
                .send()
                .collect::<Result<Vec<_>, _>>();
            optional(aws.call("ListSigningCertificates", all).await)
        },
        async {
            let list = aws.iam.list_ssh_public_keys().user_name(user.as_str());
            let all = list
                .into_paginator()
                .items()
                .send()
                .collect::<Result<Vec<_>, _>>();
            optional(aws.call("ListSSHPublicKeys", all).await)
        },
        async {
            let list = aws
                .iam
                .list_service_specific_credentials()
                .user_name(user.as_str());
            let all = aws
                .call("ListServiceSpecificCredentials", list.send())
                .await;
            optional(all.map(|all| all.service_specific_credentials.unwrap_or_default()))
        },
        async {
            let list = aws.iam.list_mfa_devices().user_name(user.as_str());
            let all = list
                .into_paginator()
                .items()
                .send()
                .collect::<Result<Vec<_>, _>>();
            optional(aws.call("ListMFADevices", all).await)
        },
        async {
            let list = aws.iam.list_groups_for_user().user_name(user.as_str());
            let all = list
                .into_paginator()
                .items()
                .send()
                .collect::<Result<Vec<_>, _>>();
            optional(aws.call("ListGroupsForUser", all).await)
        },
    )?;
    let certificates = certificates
        .into_iter()
        .map(|it| Blocker::SigningCertificate(it.certificate_id));
    let ssh_keys = ssh_keys
        .into_iter()
        .map(|it| Blocker::SshPublicKey(it.ssh_public_key_id));
    let credentials = credentials
        .into_iter()
        .map(|it| Blocker::ServiceSpecificCredential(it.service_specific_credential_id));
    let mfa = mfa
        .into_iter()
        .map(|it| Blocker::MfaDevice(it.serial_number));
    let groups = groups.into_iter().map(|it| Blocker::Group(it.group_name));
    Ok(login
        .into_iter()
        .chain(certificates)
        .chain(ssh_keys)
        .chain(credentials)
        .chain(mfa)
        .chain(groups)
        .collect())
}

pub(crate) async fn delete(
    aws: &Aws,
    user: &UserName,
    blocker: &Blocker,
) -> Result<bool, AwsError> {
    let user = user.as_str();
    match blocker {
        Blocker::LoginProfile => {
            let delete = aws.iam.delete_login_profile().user_name(user);
            remove(aws, "DeleteLoginProfile", || delete.clone().send()).await
        }
        Blocker::SigningCertificate(id) => {
            let delete = aws
                .iam
                .delete_signing_certificate()
                .user_name(user)
                .certificate_id(id);
            remove(aws, "DeleteSigningCertificate", || delete.clone().send()).await
        }
        Blocker::SshPublicKey(id) => {
            let delete = aws
                .iam
                .delete_ssh_public_key()
                .user_name(user)
                .ssh_public_key_id(id);
            remove(aws, "DeleteSSHPublicKey", || delete.clone().send()).await
        }
        Blocker::ServiceSpecificCredential(id) => {
            let delete = aws
                .iam
                .delete_service_specific_credential()
                .user_name(user)
                .service_specific_credential_id(id);
            remove(aws, "DeleteServiceSpecificCredential", || {
                delete.clone().send()
            })
            .await
        }
        Blocker::MfaDevice(serial) => {
            let deactivate = aws
                .iam
                .deactivate_mfa_device()
                .user_name(user)
                .serial_number(serial);
            remove(aws, "DeactivateMFADevice", || deactivate.clone().send()).await?;
            // A security key has a serial number of another form and no device to delete.
            if serial.contains(":mfa/") {
                let delete = aws.iam.delete_virtual_mfa_device().serial_number(serial);
                remove(aws, "DeleteVirtualMFADevice", || delete.clone().send()).await?;
            }
            Ok(true)
        }
        Blocker::Group(name) => {
            let leave = aws
                .iam
                .remove_user_from_group()
                .user_name(user)
                .group_name(name);
            remove(aws, "RemoveUserFromGroup", || leave.clone().send()).await
        }
    }
}
