//! The create workflow: plan, apply, undo.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::blockers;
use crate::bucket::{self, Put};
use crate::error::AwsError;
use crate::grant::Grant;
use crate::handover::{self, Granted, Handover};
use crate::iam::{self, ManagedPolicy, Tags, User};
use crate::listing::{self, Cursor, Depth, Page};
use crate::made::{Made, NewKey, random_id};
use crate::names::Target;
use crate::new_user::NewUser;
use crate::owner::{Owner, held_policies, owner};
use crate::policy::{self, PolicyDocument};
use crate::report::{
    Created, Failed, HandedOver, Hinted, Interrupted, Leftover, PlanReport, PolicyRef, Step,
    folder_url,
};
use crate::settle::wait_for;

mod undo;

/// A run that takes longer may have been taken for killed; see [`wait_for`].
const HELD_UP: Duration = Duration::from_secs(5);

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
    let (bucket, user) = tokio::join!(
        bucket::find(aws, &target.bucket),
        iam::get_user(aws, &target.user)
    );
    // First the user: a refused HeadBucket has no code to tell why.
    let found = user?;
    let aws = bucket?;
    let document = policy_for(&options.grant, target, &aws)?;
    let inline = options.new_user.inline_policy;
    document.check_size(inline)?;
    if let Some(user) = &found {
        check_unfinished(&aws, target, user, &document, options).await?;
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

/// Fails unless the user is one that a killed run left without a key.
async fn check_unfinished(
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
        Owner::OtherBucket(found) => {
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
    let anew = format!(
        "to make the user anew, run first: {}",
        delete_command(aws, target)
    );
    let (found, hint) = match keys.is_empty() {
        false => {
            let rotate = create_command("--rotate-key", aws, target);
            let hint = match held_policies(aws, name).await?.is_empty() {
                true => anew,
                false => format!("for a new key, run: {rotate}; {anew}"),
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

/// A command of create_s3_user for a user that is there.
pub(crate) fn create_command(option: &str, aws: &Aws, target: &Target) -> String {
    let Target { bucket, user } = target;
    format!(
        "create_s3_user {option} -b {bucket} -u {user}{}",
        aws.options
    )
}

/// The command that removes a user and leaves the folder as it is.
pub(crate) fn delete_command(aws: &Aws, target: &Target) -> String {
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
        key: NewKey::not_yet(&plan.aws, &plan.target, &[]),
        folder: None,
        left: Vec::new(),
        started: Instant::now(),
    };
    match run.make().await {
        Ok(created) => Ok(created),
        Err(error) => Err(Failed {
            left: run.undo().await,
            ..Failed::from(error)
        }),
    }
}

/// Creates something with tags, or without them on a store that refuses them.
///
/// Not where the admin's own tags would be lost, nor on AWS, which has tags.
async fn create_tagged<T>(
    aws: &Aws,
    tags: &Tags,
    create: impl AsyncFn(&Tags) -> Result<T, AwsError>,
) -> (Result<T, AwsError>, Made) {
    let result = create(tags).await;
    let may_go_without = aws.is_store_of_its_own() && tags.others.is_empty();
    if !may_go_without || !result.as_ref().is_err_and(iam::refuses_tags) {
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
    key: NewKey<'a>,
    /// What came of putting the folder object.
    folder: Option<Put>,
    /// What the handover left behind.
    left: Vec<Leftover>,
    started: Instant,
}

impl Run<'_> {
    async fn make(&mut self) -> Result<Created> {
        let Plan { aws, target, .. } = self.plan;
        let reserved = self.plan.handover.reserve()?;
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

        let mut new_key = NewKey::not_yet(aws, target, &[]);
        let start = Cursor::start();
        let (granted, key, first_page, kms_note) = tokio::join!(
            self.grant(),
            new_key.create(self.cancel),
            listing::page(aws, target, Depth::Objects, &start, 1),
            bucket::kms_note(aws, &target.bucket, &self.plan.grant),
        );
        self.key = new_key;
        self.granted = Made::by(&granted);
        Interrupted::check(self.cancel)?;
        let key = key?;
        (self.on_step)(&Step::CreateAccessKey(target.user.to_string()));
        granted?;
        self.check_alone().await?;
        let first_page = match self.plan.make_folder {
            true => Some(self.make_folder(first_page?).await?),
            false => first_page.ok(),
        };
        Interrupted::check(self.cancel)?;

        let granted = Granted {
            aws,
            target,
            grant: Some(&self.plan.grant),
        };
        let handover = &self.plan.handover;
        handover
            .deliver(
                reserved,
                &key,
                &granted,
                self.cancel,
                self.on_step,
                &mut self.left,
            )
            .await?;
        Ok(Created {
            bucket: target.bucket.to_string(),
            prefix: target.prefix().to_string(),
            access: self.plan.grant.access,
            expires: self.plan.grant.expires.map(|at| at.to_string()),
            policy: PolicyRef {
                name: self.plan.policy_name(),
                arn: self.policy_arn.clone(),
            },
            key: HandedOver::new(&key, handover),
            notes: self.notes(&user, first_page, kms_note),
            user: user.name,
            arn: user.arn,
        })
    }

    /// Fails if another run gave the same user a key: one that took this run's
    /// user for left by a killed one, or whose user this run took for that.
    ///
    /// The former waits for longer than a run takes that isn't held up, so only
    /// one that is needs to look. What is left then but the key is the other's.
    async fn check_alone(&mut self) -> Result<()> {
        let Plan { aws, target, .. } = self.plan;
        if self.plan.found.is_none() && self.started.elapsed() < HELD_UP {
            return Ok(());
        }
        if iam::access_keys(aws, &target.user).await?.len() > 1 {
            (self.user, self.policy, self.granted) = (Made::No, Made::No, Made::No);
            bail!(
                "user {} got an access key from another run meanwhile",
                target.user
            );
        }
        Ok(())
    }

    fn notes(
        &self,
        user: &User,
        first_page: Option<Page>,
        kms_note: Option<String>,
    ) -> Vec<String> {
        let folder = folder_url(&self.plan.target);
        let empty = first_page.is_some_and(|page| page.entries.is_empty());
        let empty = (empty && !self.plan.make_folder && self.plan.grant.access.reads()).then(|| {
            format!(
                "{folder} is still empty, and some clients take an empty folder for a missing one; \
                 --make-folder helps them"
            )
        });
        let untagged = user.tags.bucket.is_none();
        let untagged =
            untagged.then(|| "the store refused tags, so user and policy have none".to_owned());
        [empty, kms_note, untagged].into_iter().flatten().collect()
    }

    /// Puts the folder object, unless it is the first of the folder already.
    async fn make_folder(&mut self, first_page: Page) -> Result<Page> {
        let Plan { aws, target, .. } = self.plan;
        let prefix = target.prefix();
        let mut entries = first_page.entries.iter();
        if entries.any(|entry| entry.key.as_str() == prefix.as_str()) {
            return Ok(first_page);
        }
        let put = bucket::put_empty(aws, &target.bucket, prefix.as_str()).await;
        let put = self.folder.insert(put);
        put.answer.clone()?;
        (self.on_step)(&Step::MakeFolder(folder_url(target)));
        Ok(first_page)
    }

    async fn create_user(&self) -> (Result<User, AwsError>, Made) {
        let Plan { aws, target, .. } = self.plan;
        if let Some(found) = &self.plan.found {
            return (Ok(found.clone()), Made::No);
        }
        let tags = Tags {
            expires: self.plan.grant.expires.map(|at| at.to_string()),
            others: self.plan.new_user.tags.clone(),
            ..self.tags.clone()
        };
        let created = create_tagged(aws, &tags, async |tags| {
            iam::create_user(aws, &target.user, &self.plan.new_user, tags).await
        })
        .await;
        if created.0.is_ok() {
            (self.on_step)(&Step::CreateUser(target.user.to_string()));
        }
        created
    }

    /// The new policy's ARN; none where the policy is to be an inline one.
    async fn create_policy(&self) -> (Result<Option<String>, AwsError>, Made) {
        if self.plan.new_user.inline_policy {
            return (Ok(None), Made::No);
        }
        let name = self.plan.policy_name();
        let document = self.plan.document.to_json();
        let (arn, made) = create_tagged(&self.plan.aws, &self.tags, async |tags| {
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
        let user = wait_for(Option::is_some, get).await?;
        Ok(user.filter(|user| user.tags.run == self.tags.run))
    }

    async fn get_policy(&self, arn: &str) -> Result<Option<ManagedPolicy>, AwsError> {
        wait_for(Option::is_some, async || {
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
        // Another run that lost the user to this one may be about to undo it.
        let wait = self.plan.found.is_none();
        let look = async || iam::get_policy(aws, &arn).await;
        let Some(found) = wait_for(|found| found.is_none() || !wait, look).await? else {
            let (created, made) = self.create_policy().await;
            self.policy = made;
            self.policy_arn = created?;
            return Ok(());
        };
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
