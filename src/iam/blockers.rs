//! What else than keys and policies blocks the deletion of a user: for each
//! kind of [`Blocker`], which `removal.rs` names, how it is found and removed.

use super::whole_list::all_of;
use super::{optional, present, remove};
use crate::aws::{AwsError, Run};
use crate::removal::Blocker;

/// Returns every [`Blocker`] of the user but its groups; kinds that a store doesn't have are
/// skipped.
pub(crate) async fn blockers(run: &Run) -> Result<Vec<Blocker>, AwsError> {
    let (has_login, certificates, ssh_keys, credentials, devices) = tokio::try_join!(
        has_login_profile(run),
        signing_certificates(run),
        ssh_keys(run),
        service_credentials(run),
        mfa_devices(run),
    )?;
    let mut found = Vec::from_iter(has_login.then_some(Blocker::LoginProfile));
    found.extend(certificates.into_iter().map(Blocker::SigningCertificate));
    found.extend(ssh_keys.into_iter().map(Blocker::SshPublicKey));
    found.extend(credentials.into_iter().map(Blocker::ServiceSpecificCredential));
    found.extend(devices.into_iter().map(Blocker::MfaDevice));
    Ok(found)
}

/// True if the user can sign in to the console.
pub(crate) async fn has_login_profile(run: &Run) -> Result<bool, AwsError> {
    let get = run.aws.iam_for_optional_calls().get_login_profile().user_name(run.user());
    let profile = present(run.aws.call_iam("GetLoginProfile", || get.clone().send()).await);
    Ok(optional(run, profile)?.is_some())
}

async fn signing_certificates(run: &Run) -> Result<Vec<String>, AwsError> {
    let list = run.aws.iam_for_optional_calls().list_signing_certificates().user_name(run.user());
    let all = all_of!(&run.aws, "ListSigningCertificates", list, certificates).await;
    Ok(optional(run, all)?.into_iter().map(|one| one.certificate_id).collect())
}

async fn ssh_keys(run: &Run) -> Result<Vec<String>, AwsError> {
    let list = run.aws.iam_for_optional_calls().list_ssh_public_keys().user_name(run.user());
    let all = all_of!(&run.aws, "ListSSHPublicKeys", list, ssh_public_keys).await;
    Ok(optional(run, all)?.into_iter().map(|one| one.ssh_public_key_id).collect())
}

async fn service_credentials(run: &Run) -> Result<Vec<String>, AwsError> {
    let iam = run.aws.iam_for_optional_calls();
    let list = iam.list_service_specific_credentials().user_name(run.user());
    let operation = "ListServiceSpecificCredentials";
    let all = all_of!(&run.aws, operation, list, service_specific_credentials).await;
    Ok(optional(run, all)?.into_iter().map(|one| one.service_specific_credential_id).collect())
}

async fn mfa_devices(run: &Run) -> Result<Vec<String>, AwsError> {
    let list = run.aws.iam_for_optional_calls().list_mfa_devices().user_name(run.user());
    let all = all_of!(&run.aws, "ListMFADevices", list, mfa_devices).await;
    Ok(optional(run, all)?.into_iter().map(|one| one.serial_number).collect())
}

/// Takes something off the user, and deletes it where it is the user's alone.
pub(crate) async fn remove_blocker(run: &Run, blocker: &Blocker) -> Result<bool, AwsError> {
    let iam = &run.aws.iam;
    let name = run.user();
    match blocker {
        Blocker::LoginProfile => {
            let request = iam.delete_login_profile().user_name(name);
            remove(run, "DeleteLoginProfile", || request.clone().send()).await
        }
        Blocker::SigningCertificate(id) => {
            let request = iam.delete_signing_certificate().user_name(name).certificate_id(id);
            remove(run, "DeleteSigningCertificate", || request.clone().send()).await
        }
        Blocker::SshPublicKey(id) => {
            let request = iam.delete_ssh_public_key().user_name(name).ssh_public_key_id(id);
            remove(run, "DeleteSSHPublicKey", || request.clone().send()).await
        }
        Blocker::ServiceSpecificCredential(id) => delete_service_credential(run, id).await,
        Blocker::MfaDevice(serial) => remove_mfa_device(run, serial).await,
        Blocker::Group(group) => {
            let request = iam.remove_user_from_group().user_name(name).group_name(group);
            remove(run, "RemoveUserFromGroup", || request.clone().send()).await
        }
    }
}

async fn delete_service_credential(run: &Run, id: &str) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_service_specific_credential().user_name(run.user());
    remove(run, "DeleteServiceSpecificCredential", || {
        delete.clone().service_specific_credential_id(id).send()
    })
    .await
}

async fn remove_mfa_device(run: &Run, serial: &str) -> Result<bool, AwsError> {
    let deactivate = run.aws.iam.deactivate_mfa_device().user_name(run.user());
    remove(run, "DeactivateMFADevice", || deactivate.clone().serial_number(serial).send()).await?;
    // A security key has a serial number of another form and no device to delete.
    if serial.contains(":mfa/") {
        let delete = run.aws.iam.delete_virtual_mfa_device().serial_number(serial);
        remove(run, "DeleteVirtualMFADevice", || delete.clone().send()).await?;
    }
    Ok(true)
}
