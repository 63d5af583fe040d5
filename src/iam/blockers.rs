//! What else than keys and policies hangs on a user.

use std::fmt;

use super::{optional, present, remove};
use crate::aws::Aws;
use crate::error::AwsError;
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
pub(crate) async fn blockers(aws: &Aws, user: &UserName) -> Result<Vec<Blocker>, AwsError> {
    let (iam, user) = (&aws.iam, user.as_str());
    let login = async {
        let get = iam.get_login_profile().user_name(user).send();
        let profile = present(aws.call("GetLoginProfile", get).await);
        let profile = profile.map(Vec::from_iter);
        found(profile, |_| Blocker::LoginProfile)
    };
    let certificates = async {
        let list = iam.list_signing_certificates().user_name(user);
        let all = list.into_paginator().items().send().collect();
        let all = aws.call("ListSigningCertificates", all).await;
        found(all, |one| Blocker::SigningCertificate(one.certificate_id))
    };
    let ssh_keys = async {
        let list = iam.list_ssh_public_keys().user_name(user);
        let all = list.into_paginator().items().send().collect();
        let all = aws.call("ListSSHPublicKeys", all).await;
        found(all, |one| Blocker::SshPublicKey(one.ssh_public_key_id))
    };
    let credentials = async {
        let list = iam.list_service_specific_credentials().user_name(user);
        let all = aws.call("ListServiceSpecificCredentials", list.send());
        let all = all
            .await
            .map(|all| all.service_specific_credentials.unwrap_or_default());
        found(all, |one| {
            Blocker::ServiceSpecificCredential(one.service_specific_credential_id)
        })
    };
    let devices = async {
        let list = iam.list_mfa_devices().user_name(user);
        let all = list.into_paginator().items().send().collect();
        let all = aws.call("ListMFADevices", all).await;
        found(all, |one| Blocker::MfaDevice(one.serial_number))
    };
    let groups = async {
        let list = iam.list_groups_for_user().user_name(user);
        let all = list.into_paginator().items().send().collect();
        let all = aws.call("ListGroupsForUser", all).await;
        found(all, |one| Blocker::Group(one.group_name))
    };
    let (login, certificates, ssh_keys, credentials, devices, groups) =
        tokio::try_join!(login, certificates, ssh_keys, credentials, devices, groups)?;
    Ok([login, certificates, ssh_keys, credentials, devices, groups].concat())
}

fn found<T>(
    all: Result<Vec<T>, AwsError>,
    blocker: impl Fn(T) -> Blocker,
) -> Result<Vec<Blocker>, AwsError> {
    Ok(optional(all)?.into_iter().map(blocker).collect())
}

/// Takes something off the user, and deletes it where it is the user's alone.
pub(crate) async fn remove_blocker(
    aws: &Aws,
    user: &UserName,
    blocker: &Blocker,
) -> Result<bool, AwsError> {
    let (iam, user) = (&aws.iam, user.as_str());
    match blocker {
        Blocker::LoginProfile => {
            let delete = iam.delete_login_profile().user_name(user);
            remove(aws, "DeleteLoginProfile", || delete.clone().send()).await
        }
        Blocker::SigningCertificate(id) => {
            let delete = iam.delete_signing_certificate().user_name(user);
            let delete = || delete.clone().certificate_id(id).send();
            remove(aws, "DeleteSigningCertificate", delete).await
        }
        Blocker::SshPublicKey(id) => {
            let delete = iam.delete_ssh_public_key().user_name(user);
            let delete = || delete.clone().ssh_public_key_id(id).send();
            remove(aws, "DeleteSSHPublicKey", delete).await
        }
        Blocker::ServiceSpecificCredential(id) => {
            let delete = iam.delete_service_specific_credential().user_name(user);
            let delete = || delete.clone().service_specific_credential_id(id).send();
            remove(aws, "DeleteServiceSpecificCredential", delete).await
        }
        Blocker::MfaDevice(serial) => {
            let deactivate = iam.deactivate_mfa_device().user_name(user);
            let deactivate = || deactivate.clone().serial_number(serial).send();
            remove(aws, "DeactivateMFADevice", deactivate).await?;
            // A security key has a serial number of another form and no device to delete.
            if serial.contains(":mfa/") {
                let delete = || iam.delete_virtual_mfa_device().serial_number(serial).send();
                remove(aws, "DeleteVirtualMFADevice", delete).await?;
            }
            Ok(true)
        }
        Blocker::Group(name) => {
            let leave = iam.remove_user_from_group().user_name(user);
            let leave = || leave.clone().group_name(name).send();
            remove(aws, "RemoveUserFromGroup", leave).await
        }
    }
}
