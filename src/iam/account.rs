//! All users of the account, by the page. Takes the clients alone: these calls
//! are about no one user.

use std::collections::{HashMap, HashSet};

use aws_sdk_iam::types::{EntityType, ManagedPolicyDetail, UserDetail};

use super::policies::{Policy, url_decoded, uses};
use super::tags::Tags;
use super::to_jiff;
use super::users::User;
use super::whole_list::{ListPage, PAGE, all_of, whole_list};
use crate::aws::{Aws, AwsError};

/// A user with what gives it access, as IAM lists it.
#[derive(Debug, Clone)]
pub(crate) struct UserDetails {
    pub user: User,
    /// Its policies, managed and inline.
    pub policies: Vec<Policy>,
    /// The names of its groups.
    pub groups: Vec<String>,
}

/// Reads the details of all users, page by page, and returns those of the users
/// that are `wanted`.
///
/// Keeps the texts of those managed policies alone that `keeps_text` accepts: an
/// account may have thousands of others.
pub(crate) async fn all_details(
    aws: &Aws,
    wanted: impl Fn(&UserDetails) -> bool,
    keeps_text: impl Fn(&str) -> bool,
) -> Result<Vec<UserDetails>, AwsError> {
    let iam = aws.iam_for_optional_calls();
    let get = iam
        .get_account_authorization_details()
        .max_items(PAGE)
        .filter(EntityType::User)
        .filter(EntityType::LocalManagedPolicy);
    // A user and its policy may be on different pages.
    let mut known = HashMap::new();
    let mut users = whole_list(aws, "GetAccountAuthorizationDetails", async |marker| {
        let page = get.clone().set_marker(marker).send().await?;
        for policy in page.policies.into_iter().flatten() {
            let read = read_policy(policy);
            known.extend(read.filter(|(_, (text, _))| keeps_text(text)));
        }
        let details = page.user_detail_list.into_iter().flatten().map(UserDetails::from);
        Ok(ListPage {
            items: details.filter(&wanted).collect(),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    })
    .await?;
    // One that changes while the pages are read may be on two of them.
    let mut seen = HashSet::new();
    users.retain(|details| seen.insert(details.user.id.clone()));
    for policy in users.iter_mut().flat_map(|user| &mut user.policies) {
        if let Some((text, uses)) = policy.arn.as_ref().and_then(|arn| known.get(arn)) {
            policy.text = Some(text.clone());
            policy.uses = Some(*uses);
        }
    }
    Ok(users)
}

/// The names of all users.
pub(crate) async fn all_names(aws: &Aws) -> Result<Vec<String>, AwsError> {
    let list = aws.iam.list_users().max_items(PAGE);
    let all = all_of!(aws, "ListUsers", list, users).await?;
    Ok(all.into_iter().map(|user| user.user_name).collect())
}

impl From<UserDetail> for UserDetails {
    /// Takes the texts of the inline policies; those of managed ones are elsewhere.
    fn from(detail: UserDetail) -> Self {
        let user = User {
            tags: Tags::from_sdk(detail.tags()),
            created: detail.create_date.and_then(|at| to_jiff(&at)),
            name: detail.user_name.unwrap_or_default(),
            id: detail.user_id.unwrap_or_default(),
            arn: detail.arn.unwrap_or_default(),
            path: detail.path.unwrap_or_default(),
        };
        let mut policies = Vec::new();
        for policy in detail.attached_managed_policies.into_iter().flatten() {
            let name = policy.policy_name.unwrap_or_default();
            policies.push(Policy::managed(name, policy.policy_arn.unwrap_or_default()));
        }
        for policy in detail.user_policy_list.into_iter().flatten() {
            let text = policy.policy_document.as_deref().map(url_decoded);
            policies.push(Policy::inline(policy.policy_name.unwrap_or_default(), text));
        }
        Self { user, policies, groups: detail.group_list.unwrap_or_default() }
    }
}

/// The ARN of a managed policy, with the document of its default version and how many use it.
fn read_policy(policy: ManagedPolicyDetail) -> Option<(String, (String, i32))> {
    let uses = uses(policy.attachment_count, policy.permissions_boundary_usage_count);
    let mut versions = policy.policy_version_list.into_iter().flatten();
    let default = versions.find(|version| version.is_default_version)?;
    Some((policy.arn?, (url_decoded(&default.document?), uses)))
}
