//! A user that is there before it is made, and may be what a killed run left.

use anyhow::{Result, bail};

use super::Options;
use crate::aws::Aws;
use crate::commands;
use crate::iam::{self, User};
use crate::names::Target;
use crate::owner::{Owner, held_policies, owner};
use crate::policy::{self, PolicyDocument};
use crate::report::Hinted;
use crate::settle::wait_for;

/// Fails unless the user is one that a killed run left without a key.
pub(super) async fn check(
    aws: &Aws,
    target: &Target,
    user: &User,
    document: &PolicyDocument,
    options: &Options,
) -> Result<()> {
    let name = &target.user;
    if user.name != name.as_str() {
        bail!(
            "user {name} can't be made: there is a user {}, and IAM user names must differ in more than case",
            user.name
        );
    }
    match owner(aws, target, user).await? {
        Owner::Nobody => bail!("user {name} exists already, and was not made by create_s3_user"),
        Owner::OtherBucket(found, _) => {
            bail!(
                "user {name} exists already, and was not made for bucket {}: {found}",
                target.bucket
            )
        }
        Owner::ThisBucket => {}
    }
    // A run that made it just now may be about to make its key.
    let list = async || iam::access_keys(aws, name).await;
    let keys = wait_for(|keys: &Vec<_>| !keys.is_empty() || !user.is_young(), list).await?;
    let remove = commands::remove_user(&target.bucket, name, &aws.options);
    let anew = format!("to make the user anew, run first: {remove}");
    let (found, hint) = match keys.is_empty() {
        false => {
            let rotate = commands::create("--rotate-key", target, &aws.options);
            let update = commands::create("--update", target, &aws.options);
            let hint = match held_policies(aws, name).await?.is_empty() {
                true => anew,
                false => {
                    format!("for a new key, run: {rotate}; for other access: {update} ...; {anew}")
                }
            };
            (format!("access key {}", keys.join(" and ")), hint)
        }
        true => {
            let inline = options.new_user.inline_policy;
            let expires = options.grant.expires.map(|at| at.to_string());
            match other_access(aws, target, user, document, inline).await? {
                Some(other) => (other, anew),
                None if user.is_as(&options.new_user, expires.as_deref()) => return Ok(()),
                None => ("another path, boundary or tags".to_owned(), anew),
            }
        }
    };
    let message = format!(
        "user {name} exists already for bucket {}, with {found}",
        target.bucket
    );
    Err(Hinted { message, hint }.into())
}

/// What gives a user more, or other, access than the plan does, if anything:
/// a killed run leaves nothing of the kind.
async fn other_access(
    aws: &Aws,
    target: &Target,
    user: &User,
    document: &PolicyDocument,
    inline: bool,
) -> Result<Option<String>> {
    let name = &target.user;
    let (attached, inlined, blockers) = tokio::try_join!(
        iam::attached_policies(aws, name),
        iam::inline_policies(aws, name),
        iam::blockers(aws, name),
    )?;
    let ours = iam::policy_arn(user, &policy::managed_policy_name(name));
    for (policy, arn) in attached {
        let text = match iam::get_policy(aws, &arn).await? {
            Some(found) if !inline && Some(&arn) == ours.as_ref() => {
                iam::policy_document(aws, &found).await?
            }
            _ => String::new(),
        };
        if !document.is(&text) {
            return Ok(Some(format!("policy {policy}")));
        }
    }
    for policy in inlined {
        let text = match inline && policy == policy::INLINE_POLICY_NAME {
            true => iam::inline_policy_document(aws, name, &policy).await?,
            false => None,
        };
        if !document.is(&text.unwrap_or_default()) {
            return Ok(Some(format!("inline policy {policy}")));
        }
    }
    Ok(blockers.first().map(|blocker| blocker.to_string()))
}
