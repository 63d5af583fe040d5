//! Policies, managed and inline, and whom they are attached to.

use aws_sdk_iam::types::EntityType;

use super::tags::Tags;
use super::users::User;
use super::whole_list::all_of;
use super::{optional, present, remove};
use crate::access::{
    INLINE_POLICY_NAME, PolicyDocument, UserName, names_made_for, user_in_policy_name,
};
use crate::aws::{AwsError, Run};
use crate::removal::ManagedPolicy;

/// A managed policy as IAM describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PolicyInfo {
    pub arn: String,
    pub tags: Tags,
    /// The number of users, groups and roles it is attached to or bounds.
    pub uses: i32,
    default_version: String,
}

impl PolicyInfo {
    /// The policy as steps name it.
    pub fn to_managed(&self) -> ManagedPolicy {
        let name = self.arn.rsplit('/').next().unwrap_or_default();
        ManagedPolicy { name: name.to_owned(), arn: self.arn.clone() }
    }
}

/// A policy of a user, managed or inline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Policy {
    pub name: String,
    /// The ARN of a managed policy; none if it is an inline one.
    pub arn: Option<String>,
    /// The document, if it was read.
    pub text: Option<String>,
    /// How many users, groups and roles use a managed policy, if that was read.
    pub uses: Option<i32>,
}

impl Policy {
    /// True if it has one of the names of the policies made for the user.
    pub fn is_named_as_made_for(&self, user: &UserName) -> bool {
        match self.arn {
            Some(_) => names_made_for(user).contains(&self.name),
            None => self.name == INLINE_POLICY_NAME,
        }
    }

    /// True if it has one of the names of the policies made for any user.
    pub fn is_named_as_made(&self) -> bool {
        match self.arn {
            Some(_) => user_in_policy_name(&self.name).is_some(),
            None => self.name == INLINE_POLICY_NAME,
        }
    }

    /// A managed policy whose document was not read.
    pub fn managed(name: String, arn: String) -> Self {
        Self { name, arn: Some(arn), text: None, uses: None }
    }

    /// An inline policy, with its document if that was read.
    pub fn inline(name: String, text: Option<String>) -> Self {
        Self { name, arn: None, text, uses: None }
    }

    /// The policy as steps name it; none if it is an inline one.
    pub fn to_managed(&self) -> Option<ManagedPolicy> {
        Some(ManagedPolicy { name: self.name.clone(), arn: self.arn.clone()? })
    }

    /// True if the document was read and the question is true of it.
    pub fn text_is(&self, question: impl FnOnce(&str) -> bool) -> bool {
        self.text.as_deref().is_some_and(question)
    }

    /// True if it is an inline policy, or a managed one that is known to be on one
    /// user at most.
    pub fn is_unshared(&self) -> bool {
        self.arn.is_none() || self.uses.is_some_and(|uses| uses <= 1)
    }
}

/// Returns the ARN that a managed policy of the user's account has or would have, or
/// `None` if a store's ARNs have a form of their own.
pub(crate) fn policy_arn(user: &User, policy_name: &str) -> Option<String> {
    let (account, _) = user.arn.split_once(":user/")?;
    Some(format!("{account}:policy/{policy_name}"))
}

/// Returns the ARN that a managed policy of the caller's account has or would have, or
/// `None` if the store can't tell whose calls these are.
pub(crate) async fn policy_arn_of_caller(run: &Run, policy_name: &str) -> Option<String> {
    let identity = run.aws.identity().await?;
    let partition = identity.arn.split(':').nth(1)?;
    Some(format!("arn:{partition}:iam::{}:policy/{policy_name}", identity.account))
}

pub(crate) async fn get_policy(run: &Run, arn: &str) -> Result<Option<PolicyInfo>, AwsError> {
    let get = run.aws.iam.get_policy().policy_arn(arn);
    let answer = present(run.aws.call_iam("GetPolicy", || get.clone().send()).await);
    Ok(optional(run, answer)?.and_then(|found| found.policy).map(|policy| PolicyInfo {
        arn: arn.to_owned(),
        tags: Tags::from_sdk(policy.tags()),
        uses: uses(policy.attachment_count, policy.permissions_boundary_usage_count),
        default_version: policy.default_version_id().unwrap_or("v1").to_owned(),
    }))
}

/// The number of users, groups and roles that a policy is attached to or bounds.
pub(super) fn uses(attached: Option<i32>, bounding: Option<i32>) -> i32 {
    attached.unwrap_or(0) + bounding.unwrap_or(0)
}

/// Returns the IDs and names of the users that a managed policy is attached to.
pub(crate) async fn policy_users(run: &Run, arn: &str) -> Result<Vec<(String, String)>, AwsError> {
    let list = run.aws.iam.list_entities_for_policy().policy_arn(arn);
    let of_users = list.entity_filter(EntityType::User);
    let all = all_of!(&run.aws, "ListEntitiesForPolicy", of_users, policy_users).await;
    let users = present(all)?.unwrap_or_default();
    let named = users.into_iter().filter_map(|user| Some((user.user_id?, user.user_name?)));
    Ok(named.collect())
}

/// Returns the document of the policy's default version.
pub(crate) async fn policy_document(run: &Run, policy: &PolicyInfo) -> Result<String, AwsError> {
    let PolicyInfo { arn, default_version, .. } = policy;
    let get = run.aws.iam.get_policy_version().policy_arn(arn).version_id(default_version);
    let answer = run.aws.call_iam("GetPolicyVersion", || get.clone().send()).await?;
    let document = answer.policy_version.and_then(|version| version.document);
    Ok(url_decoded(&document.unwrap_or_default()))
}

/// Decodes a policy document, which AWS returns percent-encoded, and other stores as
/// it is.
pub(super) fn url_decoded(document: &str) -> String {
    if document.trim_start().starts_with('{') {
        return document.to_owned();
    }
    percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned()
}

/// Sends a document; and to a store that refuses it, the same without the action
/// that only AWS is sure to know.
async fn send_document<T>(
    run: &Run,
    document: &PolicyDocument,
    send: impl AsyncFn(String) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let without = document.without_ownership();
    match send(document.to_json()).await {
        Err(error) if run.aws.store.refuses_policy(&error) && without != *document => {
            send(without.to_json()).await
        }
        answer => answer,
    }
}

/// Creates a managed policy and returns its ARN.
pub(crate) async fn create_policy(
    run: &Run,
    name: &str,
    document: &PolicyDocument,
    tags: &Tags,
) -> Result<String, AwsError> {
    let create = run.aws.iam.create_policy().policy_name(name).set_tags(Some(tags.to_sdk()));
    let answer = send_document(run, document, async |text| {
        run.change("CreatePolicy", || create.clone().policy_document(&text).send()).await
    });
    let created = answer.await?.policy;
    created.and_then(|policy| policy.arn).ok_or(AwsError::incomplete("CreatePolicy"))
}

/// Deletes a managed policy that is attached to nothing, its older versions first if it has
/// any: IAM refuses it then.
pub(crate) async fn delete_policy(run: &Run, arn: &str) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_policy().policy_arn(arn);
    let at_once = run.aws.call_iam("DeletePolicy", || delete.clone().send()).await;
    match at_once {
        Err(error) if error.is_in_use() => {}
        answer => return Ok(present(answer)?.is_some()),
    }
    for version in former_versions(run, arn).await? {
        delete_policy_version(run, arn, &version).await?;
    }
    remove(run, "DeletePolicy", || run.aws.iam.delete_policy().policy_arn(arn).send()).await
}

/// Returns the IDs of the policy's versions but the default one, the oldest first.
pub(crate) async fn former_versions(run: &Run, arn: &str) -> Result<Vec<String>, AwsError> {
    let list = run.aws.iam.list_policy_versions().policy_arn(arn);
    let all = all_of!(&run.aws, "ListPolicyVersions", list, versions).await;
    let mut former = present(all)?.unwrap_or_default();
    former.retain(|version| !version.is_default_version());
    former.sort_by_key(|version| version.create_date().map(|date| date.as_nanos()));
    Ok(former.into_iter().filter_map(|version| version.version_id).collect())
}

pub(crate) async fn delete_policy_version(
    run: &Run,
    arn: &str,
    version: &str,
) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_policy_version().policy_arn(arn).version_id(version);
    remove(run, "DeletePolicyVersion", || delete.clone().send()).await
}

/// Gives the policy a new version, and makes it the one that counts.
pub(crate) async fn create_policy_version(
    run: &Run,
    arn: &str,
    document: &PolicyDocument,
) -> Result<(), AwsError> {
    let create = run.aws.iam.create_policy_version().policy_arn(arn).set_as_default(true);
    let answer = send_document(run, document, async |text| {
        run.change("CreatePolicyVersion", || create.clone().policy_document(&text).send()).await
    });
    answer.await.map(drop)
}

/// Attaches a policy that, like the user, may have been made a moment ago.
pub(crate) async fn attach_policy(run: &Run, arn: &str) -> Result<(), AwsError> {
    let attach = run.aws.iam.attach_user_policy().user_name(run.user()).policy_arn(arn);
    run.change_new("AttachUserPolicy", || attach.clone().send()).await.map(drop)
}

pub(crate) async fn detach_policy(run: &Run, arn: &str) -> Result<bool, AwsError> {
    let detach = run.aws.iam.detach_user_policy().user_name(run.user()).policy_arn(arn);
    remove(run, "DetachUserPolicy", || detach.clone().send()).await
}

/// Returns every managed policy attached to the user, without its document.
pub(crate) async fn attached_policies(run: &Run) -> Result<Vec<Policy>, AwsError> {
    let list = run.aws.iam.list_attached_user_policies().user_name(run.user());
    let all = all_of!(&run.aws, "ListAttachedUserPolicies", list, attached_policies).await;
    let attached = optional(run, all)?.into_iter();
    Ok(attached.filter_map(|it| Some(Policy::managed(it.policy_name?, it.policy_arn?))).collect())
}

/// Returns the user's inline policies, without their documents.
pub(crate) async fn inline_policies(run: &Run) -> Result<Vec<Policy>, AwsError> {
    let list = run.aws.iam.list_user_policies().user_name(run.user());
    let names = optional(run, all_of!(&run.aws, "ListUserPolicies", list, policy_names).await)?;
    Ok(names.into_iter().map(|name| Policy::inline(name, None)).collect())
}

/// Reads the document of a user's policy, and how many use it if it is a managed one.
/// What isn't there has none.
pub(crate) async fn read_document(run: &Run, policy: &mut Policy) -> Result<(), AwsError> {
    if let Some(arn) = &policy.arn {
        if let Some(info) = get_policy(run, arn).await? {
            policy.text = Some(policy_document(run, &info).await?);
            policy.uses = Some(info.uses);
        }
        return Ok(());
    }
    let get = run.aws.iam.get_user_policy().user_name(run.user()).policy_name(&policy.name);
    let answer = present(run.aws.call_iam("GetUserPolicy", || get.clone().send()).await)?;
    policy.text = answer.map(|found| url_decoded(&found.policy_document));
    Ok(())
}

/// Puts our policy into a user that may have been made a moment ago.
pub(crate) async fn put_inline_policy(
    run: &Run,
    document: &PolicyDocument,
) -> Result<(), AwsError> {
    let put = run.aws.iam.put_user_policy().user_name(run.user()).policy_name(INLINE_POLICY_NAME);
    let answer = send_document(run, document, async |text| {
        run.change_new("PutUserPolicy", || put.clone().policy_document(&text).send()).await
    });
    answer.await.map(drop)
}

pub(crate) async fn delete_inline_policy(run: &Run, name: &str) -> Result<bool, AwsError> {
    let delete = run.aws.iam.delete_user_policy().user_name(run.user()).policy_name(name);
    remove(run, "DeleteUserPolicy", || delete.clone().send()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_encoded_document_is_decoded() {
        for (document, expected) in [
            ("%7B%22a%22%3A%22100%2525%22%7D", r#"{"a":"100%25"}"#),
            (r#"{"a":"100%25"}"#, r#"{"a":"100%25"}"#),
            ("\n {\"a\":\"%41\"}", "\n {\"a\":\"%41\"}"),
            ("%0A%7B%22a%22%3A%22%2541%22%7D", "\n{\"a\":\"%41\"}"),
            ("", ""),
        ] {
            assert_eq!(url_decoded(document), expected);
        }
    }
}
