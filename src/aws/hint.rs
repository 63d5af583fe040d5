//! What can be done about a failed call.

use super::error::AwsError;
use super::refuser::Refuser;
use crate::errors::Hint;

impl AwsError {
    /// Returns what can be done about it, if anything is known.
    pub fn hint(&self) -> Option<Hint> {
        if let Some(hint) = self.own_hint() {
            return Some(hint.clone());
        }
        if let Some(refuser) = self.refuser() {
            return Some(Hint::new(ask_the_refuser(refuser, &self.permission())));
        }
        let words = if self.is_expired() {
            SIGN_IN
        } else if self.has_no_users() {
            "docs/stores.md says which stores work, and what to use instead with others"
        } else if self.is_access_denied() {
            "get this permission (docs/permissions.md), then run the same command again"
        } else if self.is_about_credentials() {
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the keys in your AWS profile"
        } else if self.has_no_answer() && self.is_of_aws() {
            "check the network, the region and, behind a proxy, HTTPS_PROXY"
        } else if self.has_no_answer() {
            "check the address given by --endpoint-url or AWS_ENDPOINT_URL, and the network"
        } else if self.is_throttling() {
            "calls are coming too fast; wait a minute, then run the same command again"
        } else {
            return None;
        };
        Some(Hint::new(words))
    }
}

pub(super) const CHECK_PROXY: &str =
    "check the proxy in HTTPS_PROXY or HTTP_PROXY; hosts in NO_PROXY are reached without it";
pub(super) const SET_CLOCK: &str = "set the clock, then run the same command again";
pub(super) const SIGN_IN: &str = "sign in again, for example with aws login or aws sso login";

/// Says what to do about a call that something else than a missing permission refuses.
fn ask_the_refuser(refuser: Refuser, permission: &str) -> String {
    match refuser {
        Refuser::Organization => format!(
            "your organization forbids this, whatever permissions you have; ask those who manage it to allow \
             {permission} in this account, or give a partner's own AWS account a role instead (docs/security.md)"
        ),
        Refuser::ResourceControl => format!(
            "a resource control policy of the organization that owns the bucket or key forbids this, whatever \
             permissions you have; ask those who manage it to allow {permission}"
        ),
        Refuser::Boundary => format!(
            "your permissions boundary limits you, whatever permissions you have; ask whoever set it to allow \
             {permission} in it"
        ),
        Refuser::SessionPolicy => format!(
            "the session policy that your temporary credentials were made with limits you; sign in without it, \
             or with one that allows {permission}"
        ),
        Refuser::EndpointPolicy => format!(
            "the policy of the VPC endpoint that the request went through forbids this, whatever permissions you \
             have; have it allow {permission}, or run this from another network"
        ),
        Refuser::ResourceDeny => format!(
            "the bucket policy, or the policy of the KMS key, forbids this, whatever permissions you have; have \
             it allow {permission}"
        ),
        Refuser::OtherAccount => format!(
            "the bucket or key belongs to another account: its own policy must allow you {permission} too"
        ),
        Refuser::OwnDeny => format!(
            "one of your own policies forbids this, whatever the others allow; have it allow {permission}. Some \
             forbid it only without MFA: then sign in with an MFA code"
        ),
    }
}
