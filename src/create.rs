//! The create workflow: plan, apply, undo.

use std::path::Path;

use anyhow::{Result, ensure};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::grant::Grant;
use crate::handover::{self, Handover};
use crate::iam::User;
use crate::names::Target;
use crate::new_user::NewUser;
use crate::owner::look_up;
use crate::policy::{self, PolicyDocument};
use crate::report::{Created, Failed, PlanReport, Step, folder_url};

use run::Run;

mod run;
mod unfinished;

/// What a create run makes beyond the default.
#[derive(Clone)]
pub struct Options {
    /// What the user may do.
    pub grant: Grant,
    /// How the IAM user is made.
    pub new_user: NewUser,
    /// Whether to put the empty object `USER/`, which some clients take for
    /// the folder, unless it is there.
    pub make_folder: bool,
    /// How the key is handed over.
    pub handover: handover::Options,
}

impl Options {
    /// A user who lists and downloads its folder, with the key in a file in `dir`.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            grant: Grant::default(),
            new_user: NewUser::default(),
            make_folder: false,
            handover: handover::Options::file_in(dir.as_ref()),
        }
    }
}

/// What [`apply`] will do, found out without changing anything.
#[derive(Clone)]
pub struct Plan {
    aws: Aws,
    target: Target,
    grant: Grant,
    document: PolicyDocument,
    new_user: NewUser,
    make_folder: bool,
    handover: Handover,
    /// The keyless user that a killed run left.
    found: Option<User>,
}

/// Checks that the bucket is there and the user isn't, and changes nothing.
///
/// A user that is ours for this bucket and has no access key was left by a
/// killed run: the plan is then to finish it. Fails on any other user, on a
/// key file that is there already, and on a bucket that is missing or not
/// ours to see.
pub async fn plan(aws: &Aws, target: &Target, options: &Options) -> Result<Plan> {
    let handover = Handover::plan(&options.handover, &target.user)?;
    let (bucket, found) = look_up(aws, target).await?;
    let aws = bucket?;
    let document = policy_for(&options.grant, target, &aws)?;
    let inline = options.new_user.inline_policy;
    document.check_size(inline)?;
    if let Some(user) = &found {
        unfinished::check(&aws, target, user, &document, options).await?;
    }
    Ok(Plan {
        grant: options.grant.clone(),
        document,
        aws,
        target: target.clone(),
        new_user: options.new_user.clone(),
        make_folder: options.make_folder,
        handover,
        found,
    })
}

/// The policy document for a bucket whose region is known.
pub(crate) fn policy_for(grant: &Grant, target: &Target, aws: &Aws) -> Result<PolicyDocument> {
    if let Some(key) = &grant.kms_key {
        ensure!(
            key.region() == aws.region,
            "the KMS key is in region {}, but bucket {} in {}, so it can't be the bucket's",
            key.region(),
            target.bucket,
            aws.region
        );
        let partition = policy::partition_of_region(&aws.region);
        ensure!(
            key.to_string().starts_with(&format!("arn:{partition}:")),
            "the KMS key is not in partition {partition}, where bucket {} is",
            target.bucket
        );
    }
    Ok(PolicyDocument::new(grant, target, &aws.region))
}

impl Plan {
    /// The policy the user will get.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The name of that policy.
    pub fn policy_name(&self) -> String {
        match self.new_user.inline_policy {
            true => policy::INLINE_POLICY_NAME.to_owned(),
            false => policy::managed_policy_name(&self.target.user),
        }
    }

    /// The plan as data, for `--dry-run --json`.
    pub fn report(&self) -> PlanReport {
        let policy = (self.policy_name(), self.document.clone());
        PlanReport::new(&self.target, &self.steps(), Some(policy))
    }

    /// What will be done, in order.
    pub fn steps(&self) -> Vec<Step> {
        let user = self.target.user.to_string();
        let policy = self.policy_name();
        let create_user = match self.found {
            None => Some(Step::CreateUser(user.clone())),
            Some(_) => None,
        };
        let policy_steps = match self.new_user.inline_policy {
            true => vec![Step::PutInlinePolicy(policy)],
            false => vec![
                Step::CreatePolicy(policy.clone()),
                Step::AttachPolicy(policy),
            ],
        };
        let folder = Step::MakeFolder(folder_url(&self.target));
        create_user
            .into_iter()
            .chain(policy_steps)
            .chain(self.make_folder.then_some(folder))
            .chain([Step::CreateAccessKey(user)])
            .chain(self.handover.steps(&self.target))
            .collect()
    }
}

/// Makes user, policy and access key, and writes the key file.
///
/// Either all of it is done, or what this run made is undone again, including
/// what was carried out although its answer got lost. Cancelling `cancel`
/// counts as a failure, [`Interrupted`](crate::Interrupted), until the key file is written; calls
/// under way are waited for, so that nothing is made behind our back.
/// `on_step` is told of each step when it is done, those of undoing too.
pub async fn apply(
    plan: &Plan,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
) -> Result<Created, Failed> {
    let mut run = Run::new(plan, cancel, on_step);
    match run.make().await {
        Ok(created) => Ok(created),
        Err(error) => Err(Failed {
            left: run.undo().await,
            ..Failed::from(error)
        }),
    }
}
