//! The create workflow: plan, apply, undo.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use crate::aws::{self, Aws, AwsError};
use crate::blockers;
use crate::iam::{self, ManagedPolicy, Tags, User};
use crate::key_file::{self, ReservedKeyFile};
use crate::listing::{self, Cursor, Depth};
use crate::names::Target;
use crate::owner::{Owner, owner};
use crate::policy::{self, PolicyDocument};
use crate::report::{Created, Hinted, Interrupted, Leftover, PlanReport, PolicyRef, Step};

mod undo;

/// What [`apply`] will do, found out without changing anything.
#[derive(Clone)]
pub struct Plan {
    aws: Aws,
    target: Target,
    document: PolicyDocument,
    inline: bool,
    key_file: PathBuf,
    /// The keyless user that a killed run left.
    found: Option<User>,
}

/// Checks that the bucket is there and the user isn't, and changes nothing.
///
/// A user that is ours for this bucket and has no access key was left by a
/// killed run: the plan is then to finish it. Fails on any other user, on a
/// key file that is there already, and on a bucket that is missing or not
/// ours to see.
pub async fn plan(aws: &Aws, target: &Target, dir: &Path, inline: bool) -> Result<Plan> {
    let key_file = key_file::key_file_path(dir, &target.user);
    key_file::check_free(&key_file)?;
    let (bucket, user) = tokio::join!(
        aws.find_bucket(&target.bucket),
        iam::get_user(aws, &target.user)
    );
    // First the user: a refused HeadBucket has no code to tell why.
    let found = user?;
    let aws = bucket?;
    let document = PolicyDocument::read(target, policy::partition_of_region(&aws.region));
    if let Some(user) = &found {
        check_unfinished(&aws, target, user, &document, inline).await?;
    }
    Ok(Plan {
        document,
        aws,
        target: target.clone(),
        inline,
        key_file,
        found,
    })
}

/// Fails unless the user is one that a killed run left without a key.
async fn check_unfinished(
    aws: &Aws,
    target: &Target,
    user: &User,
    document: &PolicyDocument,
    inline: bool,
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
        Owner::OtherBucket(found) => {
            bail!(
                "user {name} exists already, and was not made for bucket {}: {found}",
                target.bucket
            )
        }
        Owner::ThisBucket => {}
    }
    let keys = iam::access_keys(aws, name).await?;
    let found = match keys.is_empty() {
        false => format!("access key {}", keys.join(" and ")),
        true => match other_access(aws, target, user, document, inline).await? {
            Some(other) => other,
            None => return Ok(()),
        },
    };
    Err(Hinted {
        message: format!(
            "user {name} exists already for bucket {}, with {found}",
            target.bucket
        ),
        hint: format!(
            "to make the user anew, run first: {}",
            delete_command(aws, target)
        ),
    }
    .into())
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
        blockers::list(aws, name),
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

/// The command that removes a user and leaves the folder as it is.
fn delete_command(aws: &Aws, target: &Target) -> String {
    let Target { bucket, user } = target;
    format!(
        "delete_s3_user -b {bucket} -u {user} --keep-objects{}",
        aws.options
    )
}

impl Plan {
    /// The policy the user will get.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The name of that policy.
    pub fn policy_name(&self) -> String {
        match self.inline {
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
        let policy_steps = match self.inline {
            true => vec![Step::PutInlinePolicy(policy)],
            false => vec![
                Step::CreatePolicy(policy.clone()),
                Step::AttachPolicy(policy),
            ],
        };
        let key_steps = [
            Step::CreateAccessKey(user),
            Step::WriteKeyFile(self.key_file.clone()),
        ];
        create_user
            .into_iter()
            .chain(policy_steps)
            .chain(key_steps)
            .collect()
    }
}

/// A create run that failed, and was undone but for what is `left`.
#[derive(Debug)]
pub struct Failed {
    /// What failed.
    pub error: anyhow::Error,
    /// What could not be undone; empty if nothing is left of the run.
    pub left: Vec<Leftover>,
}

impl Failed {
    /// A failure with nothing left of the run.
    pub fn undone(error: anyhow::Error) -> Self {
        Self {
            error,
            left: Vec::new(),
        }
    }
}

/// Makes user, policy and access key, and writes the key file.
///
/// Either all of it is done, or what this run made is undone again, including
/// what was carried out although its answer got lost. Cancelling `cancel`
/// counts as a failure, [`Interrupted`], until the key file is written; calls
/// under way are waited for, so that nothing is made behind our back.
/// `on_step` is told of each step when it is done, those of undoing too.
pub async fn apply(
    plan: &Plan,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
) -> Result<Created, Failed> {
    let mut run = Run {
        plan,
        cancel,
        on_step,
        tags: Tags::new(&plan.target.bucket, &random_id()),
        user: Made::No,
        policy: Made::No,
        policy_arn: None,
        granted: Made::No,
        key: Made::No,
        key_id: None,
    };
    match run.make().await {
        Ok(created) => Ok(created),
        Err(error) => Err(Failed {
            error,
            left: run.undo().await,
        }),
    }
}

/// Tells this run's work from that of any other: 64 random bits.
fn random_id() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}

/// Whether a thing was made by this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    No,
    /// It was asked for, and the answer leaves open whether it was made: none
    /// came, or a retry was told that the thing exists.
    Maybe,
    Yes,
}

impl Made {
    fn by<T>(result: &Result<T, AwsError>) -> Self {
        match result {
            Ok(_) => Self::Yes,
            Err(error) if error.is_unclear() || error.is(iam::EXISTS) => Self::Maybe,
            Err(_) => Self::No,
        }
    }
}

/// Creates something with tags, or without them on a store that refuses them.
async fn create_tagged<T>(
    tags: &Tags,
    create: impl AsyncFn(&Tags) -> Result<T, AwsError>,
) -> (Result<T, AwsError>, Made) {
    let result = create(tags).await;
    if !result.as_ref().is_err_and(iam::refuses_tags) {
        let made = Made::by(&result);
        return (result, made);
    }
    let result = create(&Tags::default()).await;
    // Without tags nobody can tell later, so what may be ours counts as ours.
    let made = match &result {
        Err(error) if !error.is_unclear() => Made::No,
        _ => Made::Yes,
    };
    (result, made)
}

/// A run under way, and what it has made so far.
struct Run<'a> {
    plan: &'a Plan,
    cancel: &'a CancellationToken,
    on_step: &'a dyn Fn(&Step),
    tags: Tags,
    user: Made,
    policy: Made,
    /// The managed policy's ARN as soon as it is known.
    policy_arn: Option<String>,
    /// Whether the user was given the policy.
    granted: Made,
    key: Made,
    key_id: Option<String>,
}

impl Run<'_> {
    async fn make(&mut self) -> Result<Created> {
        let Plan { aws, target, .. } = self.plan;
        let file = ReservedKeyFile::reserve(&self.plan.key_file)?;
        Interrupted::check(self.cancel)?;

        let (user, policy) = tokio::join!(self.create_user(), self.create_policy());
        (self.user, self.policy) = (user.1, policy.1);
        self.policy_arn = policy.0.as_ref().ok().cloned().flatten();
        let user = match user.0 {
            Ok(user) => user,
            Err(error) => self.recover_user(error).await?,
        };
        if let Err(error) = policy.0 {
            self.recover_policy(&user, error).await?;
        }
        Interrupted::check(self.cancel)?;

        let start = Cursor::start();
        let (granted, key, first_page) = tokio::join!(
            self.grant(),
            iam::create_access_key(aws, &target.user, self.cancel),
            listing::page(aws, target, Depth::Objects, &start, 1),
        );
        self.key = Made::by(&key);
        self.key_id = key.as_ref().ok().map(|key| key.id().to_owned());
        self.granted = Made::by(&granted);
        Interrupted::check(self.cancel)?;
        let key = key?;
        (self.on_step)(&Step::CreateAccessKey(target.user.to_string()));
        granted?;
        Interrupted::check(self.cancel)?;

        file.write(&key, &target.user)?;
        (self.on_step)(&Step::WriteKeyFile(self.plan.key_file.clone()));
        Ok(Created {
            user: user.name,
            arn: user.arn,
            bucket: target.bucket.to_string(),
            prefix: target.prefix().to_string(),
            policy: PolicyRef {
                name: self.plan.policy_name(),
                arn: self.policy_arn.clone(),
            },
            access_key_id: key.id().to_owned(),
            key_file: self.plan.key_file.clone(),
            folder_is_empty: first_page.ok().map(|page| page.entries.is_empty()),
            tagged: user.tags.bucket.is_some(),
        })
    }

    async fn create_user(&self) -> (Result<User, AwsError>, Made) {
        let Plan { aws, target, .. } = self.plan;
        if let Some(found) = &self.plan.found {
            return (Ok(found.clone()), Made::No);
        }
        let created = create_tagged(&self.tags, async |tags| {
            iam::create_user(aws, &target.user, tags).await
        })
        .await;
        if created.0.is_ok() {
            (self.on_step)(&Step::CreateUser(target.user.to_string()));
        }
        created
    }

    /// The new policy's ARN; none where the policy is to be an inline one.
    async fn create_policy(&self) -> (Result<Option<String>, AwsError>, Made) {
        if self.plan.inline {
            return (Ok(None), Made::No);
        }
        let name = self.plan.policy_name();
        let document = self.plan.document.to_json();
        let (arn, made) = create_tagged(&self.tags, async |tags| {
            iam::create_policy(&self.plan.aws, &name, &document, tags).await
        })
        .await;
        if arn.is_ok() {
            (self.on_step)(&Step::CreatePolicy(name));
        }
        (arn.map(Some), made)
    }

    /// The user, if this run made it although `error` was the answer.
    async fn recover_user(&mut self, error: AwsError) -> Result<User> {
        if self.user == Made::Maybe
            && let Ok(Some(user)) = self.our_user().await
        {
            self.user = Made::Yes;
            return Ok(user);
        }
        Err(error.into())
    }

    /// The user, if this run made it; waits until IAM knows of it.
    async fn our_user(&self) -> Result<Option<User>, AwsError> {
        let get = async || iam::get_user(&self.plan.aws, &self.plan.target.user).await;
        let user = aws::wait_for(Option::is_some, get).await?;
        Ok(user.filter(|user| user.tags.run == self.tags.run))
    }

    async fn get_policy(&self, arn: &str) -> Result<Option<ManagedPolicy>, AwsError> {
        aws::wait_for(Option::is_some, async || {
            iam::get_policy(&self.plan.aws, arn).await
        })
        .await
    }

    /// Goes on with the policy, if it exists although `error` was the answer:
    /// made by this run, or left by a killed one and just the same.
    async fn recover_policy(&mut self, user: &User, error: AwsError) -> Result<()> {
        let Plan {
            aws,
            target,
            document,
            ..
        } = self.plan;
        let arn = iam::policy_arn(user, &self.plan.policy_name());
        let Some(arn) = arn.filter(|_| self.policy == Made::Maybe) else {
            return Err(error.into());
        };
        self.policy_arn = Some(arn.clone());
        let Some(found) = self.get_policy(&arn).await? else {
            return Err(error.into());
        };
        if found.tags.run == self.tags.run {
            self.policy = Made::Yes;
            return Ok(());
        }
        self.policy = Made::No;
        let text = iam::policy_document(aws, &found).await?;
        let ours = found
            .tags
            .bucket
            .is_none_or(|bucket| bucket == target.bucket.as_str());
        match document.is(&text) && ours {
            true => Ok(()),
            false => Err(error.into()),
        }
    }

    async fn grant(&self) -> Result<(), AwsError> {
        let Plan {
            aws,
            target,
            document,
            ..
        } = self.plan;
        let name = self.plan.policy_name();
        let step = match &self.policy_arn {
            Some(arn) => {
                iam::attach_policy(aws, &target.user, arn, self.cancel).await?;
                Step::AttachPolicy(name)
            }
            None => {
                iam::put_inline_policy(aws, &target.user, &document.to_json(), self.cancel).await?;
                Step::PutInlinePolicy(name)
            }
        };
        (self.on_step)(&step);
        Ok(())
    }
}
