//! What else than keys and policies blocks the deletion of a user: for each
//! kind of [`Blocker`], which `removal.rs` names, how it is found and removed.

use super::whole_list::all_of;
use super::{groups, optional, present, remove};
use crate::aws::{AwsError, Run};
use crate::removal::Blocker;

/// Every [`Blocker`] of the user; kinds that a store doesn't have are skipped.
pub(crate) async fn blockers(run: &Run) -> Result<Vec<Blocker>, AwsError> {
    let (aws, user) = (&run.aws, run.user());
    let iam = aws.iam_for_optional_calls();
    let login = async {
        let login = has_login_profile(run).await?;
        Ok(Vec::from_iter(login.then_some(Blocker::LoginProfile)))
    };
    let certificates = async {
        let list = iam.list_signing_certificates().user_name(user);
        let all = all_of!(aws, "ListSigningCertificates", list, certificates).await;
        found(run, all, |one| Blocker::SigningCertificate(one.certificate_id))
    };
    let ssh_keys = async {
        let list = iam.list_ssh_public_keys().user_name(user);
        let all = all_of!(aws, "ListSSHPublicKeys", list, ssh_public_keys).await;
        found(run, all, |one| Blocker::SshPublicKey(one.ssh_public_key_id))
    };
    let credentials = async {
        let list = iam.list_service_specific_credentials().user_name(user);
        let all =
            all_of!(aws, "ListServiceSpecificCredentials", list, service_specific_credentials)
                .await;
        found(run, all, |one| {
            Blocker::ServiceSpecificCredential(one.service_specific_credential_id)
        })
    };
    let devices = async {
        let list = iam.list_mfa_devices().user_name(user);
        let all = all_of!(aws, "ListMFADevices", list, mfa_devices).await;
        found(run, all, |one| Blocker::MfaDevice(one.serial_number))
    };
    let groups = async { found(run, groups(run).await, Blocker::Group) };
    let (login, certificates, ssh_keys, credentials, devices, groups) =
        tokio::try_join!(login, certificates, ssh_keys, credentials, devices, groups)?;
    Ok([login, certificates, ssh_keys, credentials, devices, groups].concat())
}

/// Whether the user can sign in to the console.
pub(crate) async fn has_login_profile(run: &Run) -> Result<bool, AwsError> {
    let iam = run.aws.iam_for_optional_calls();
    let get = iam.get_login_profile().user_name(run.user());
    let profile = present(run.aws.call("GetLoginProfile", get.send()).await);
    Ok(optional(run, profile)?.is_some())
}

fn found<T>(
    run: &Run,
    all: Result<Vec<T>, AwsError>,
    blocker: impl Fn(T) -> Blocker,
) -> Result<Vec<Blocker>, AwsError> {
    Ok(optional(run, all)?.into_iter().map(blocker).collect())
}

/// Takes something off the user, and deletes it where it is the user's alone.
pub(crate) async fn remove_blocker(run: &Run, blocker: &Blocker) -> Result<bool, AwsError> {
    let (iam, user) = (&run.aws.iam, run.user());
    match blocker {
        Blocker::LoginProfile => {
            let delete = iam.delete_login_profile().user_name(user);
            remove(run, "DeleteLoginProfile", || delete.clone().send()).await
        }
        Blocker::SigningCertificate(id) => {
            let delete = iam.delete_signing_certificate().user_name(user);
            let delete = || delete.clone().certificate_id(id).send();
            remove(run, "DeleteSigningCertificate", delete).await
        }
        Blocker::SshPublicKey(id) => {
            let delete = iam.delete_ssh_public_key().user_name(user);
            let delete = || delete.clone().ssh_public_key_id(id).send();
            remove(run, "DeleteSSHPublicKey", delete).await
        }
        Blocker::ServiceSpecificCredential(id) => {
            let delete = iam.delete_service_specific_credential().user_name(user);
            let delete = || delete.clone().service_specific_credential_id(id).send();
            remove(run, "DeleteServiceSpecificCredential", delete).await
        }
        Blocker::MfaDevice(serial) => {
            let deactivate = iam.deactivate_mfa_device().user_name(user);
            let deactivate = || deactivate.clone().serial_number(serial).send();
            remove(run, "DeactivateMFADevice", deactivate).await?;
            // A security key has a serial number of another form and no device to delete.
            if serial.contains(":mfa/") {
                let delete = || iam.delete_virtual_mfa_device().serial_number(serial).send();
                remove(run, "DeleteVirtualMFADevice", delete).await?;
            }
            Ok(true)
        }
        Blocker::Group(name) => {
            let leave = iam.remove_user_from_group().user_name(user);
            let leave = || leave.clone().group_name(name).send();
            remove(run, "RemoveUserFromGroup", leave).await
        }
    }
}
