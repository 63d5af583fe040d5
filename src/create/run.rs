//! A create run under way.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::Plan;
use crate::aws::Aws;
use crate::bucket::{self, Put};
use crate::error::AwsError;
use crate::handover::{Granted, Reserved};
use crate::iam::{self, ManagedPolicy, Tags, User};
use crate::key_file::AccessKey;
use crate::listing::{self, Cursor, Depth, Page};
use crate::made::{Made, NewKey, random_id};
use crate::report::{
    Created, HandedOver, Hinted, Interrupted, Leftover, PolicyRef, Step, folder_url,
};
use crate::settle::wait_for;

mod undo;

/// A run that takes longer may have been taken for killed; see [`wait_for`].
const HELD_UP: Duration = Duration::from_secs(5);

/// A run under way, and what it has made so far.
pub(super) struct Run<'a> {
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

/// What is looked up while the key is made.
struct Seen {
    first_page: Result<Page>,
    grant_notes: Vec<String>,
}

impl<'a> Run<'a> {
    /// A run that has made nothing yet.
    pub fn new(plan: &'a Plan, cancel: &'a CancellationToken, on_step: &'a dyn Fn(&Step)) -> Self {
        Self {
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
        }
    }

    /// Makes everything, in three round trips where nothing is in the way.
    pub async fn make(&mut self) -> Result<Created> {
        let reserved = self.plan.handover.reserve()?;
        Interrupted::check(self.cancel)?;
        let user = self.make_user_and_policy().await?;
        Interrupted::check(self.cancel)?;
        let (key, seen) = self.give_access().await?;
        self.check_alone().await?;
        let first_page = match self.plan.make_folder {
            true => Some(self.make_folder(seen.first_page?).await?),
            false => seen.first_page.ok(),
        };
        Interrupted::check(self.cancel)?;
        self.hand_over(reserved, &key).await?;
        let notes = self.notes(&user, first_page, seen.grant_notes);
        Ok(self.created(user, &key, notes))
    }

    /// Makes user and policy at once, and sorts out what each answer leaves open.
    async fn make_user_and_policy(&mut self) -> Result<User> {
        let (user, policy) = tokio::join!(self.create_user(), self.create_policy());
        (self.user, self.policy) = (user.1, policy.1);
        self.policy_arn = policy.0.as_ref().ok().cloned().flatten();
        if user.0.is_ok() && self.plan.found.is_none() {
            (self.on_step)(&Step::CreateUser(self.plan.target.user.to_string()));
        }
        if self.policy_arn.is_some() {
            (self.on_step)(&Step::CreatePolicy(self.plan.policy_name()));
        }
        let user = match user.0 {
            Ok(user) => user,
            Err(error) => self.recover_user(error).await?,
        };
        if let Err(error) = policy.0 {
            self.recover_policy(&user, error).await?;
        }
        Ok(user)
    }

    /// Gives the user the policy and a key at once, and meanwhile looks at what
    /// the admin should know of.
    async fn give_access(&mut self) -> Result<(AccessKey, Seen)> {
        let Plan { aws, target, .. } = self.plan;
        let mut new_key = NewKey::not_yet(aws, target, &[]);
        let start = Cursor::start();
        let (granted, key, first_page, grant_notes) = tokio::join!(
            self.grant(),
            new_key.create(self.cancel),
            listing::page(aws, target, Depth::Objects, &start, 1),
            bucket::grant_notes(aws, &target.bucket, &self.plan.grant),
        );
        self.key = new_key;
        self.granted = Made::by(&granted);
        if let Ok(step) = &granted {
            (self.on_step)(step);
        }
        if key.is_ok() {
            (self.on_step)(&Step::CreateAccessKey(target.user.to_string()));
        }
        Interrupted::check(self.cancel)?;
        let key = key?;
        granted?;
        Ok((
            key,
            Seen {
                first_page,
                grant_notes,
            },
        ))
    }

    async fn hand_over(&mut self, reserved: Reserved, key: &AccessKey) -> Result<()> {
        let Plan {
            aws,
            target,
            grant,
            handover,
            ..
        } = self.plan;
        let grant = Some(grant);
        let granted = Granted { aws, target, grant };
        let (cancel, on_step) = (self.cancel, self.on_step);
        handover
            .deliver(reserved, key, &granted, cancel, on_step, &mut self.left)
            .await
    }

    fn created(&self, user: User, key: &AccessKey, notes: Vec<String>) -> Created {
        let Plan { target, grant, .. } = self.plan;
        Created {
            bucket: target.bucket.to_string(),
            prefix: target.prefix().to_string(),
            access: grant.access,
            expires: grant.expires.map(|at| at.to_string()),
            policy: PolicyRef {
                name: self.plan.policy_name(),
                arn: self.policy_arn.clone(),
            },
            key: HandedOver::new(key, &self.plan.handover),
            notes,
            user: user.name,
            arn: user.arn,
        }
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

    fn notes(&self, user: &User, first_page: Option<Page>, of_grant: Vec<String>) -> Vec<String> {
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
        empty.into_iter().chain(of_grant).chain(untagged).collect()
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
        create_tagged(aws, &tags, async |tags| {
            iam::create_user(aws, &target.user, &self.plan.new_user, tags).await
        })
        .await
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
            return Err(at_quota(error));
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
            (self.on_step)(&Step::CreatePolicy(self.plan.policy_name()));
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

    /// Gives the user the policy, and returns the step that this was.
    async fn grant(&self) -> Result<Step, AwsError> {
        let Plan {
            aws,
            target,
            document,
            ..
        } = self.plan;
        let name = self.plan.policy_name();
        match &self.policy_arn {
            Some(arn) => {
                iam::attach_policy(aws, &target.user, arn, self.cancel).await?;
                Ok(Step::AttachPolicy(name))
            }
            None => {
                iam::put_inline_policy(aws, &target.user, &document.to_json(), self.cancel).await?;
                Ok(Step::PutInlinePolicy(name))
            }
        }
    }
}

/// The error of a policy that wasn't made, with the way around a full account.
fn at_quota(error: AwsError) -> anyhow::Error {
    if !error.is("LimitExceeded") {
        return error.into();
    }
    Hinted {
        message: error.to_string(),
        hint: "--inline-policy makes no managed policy, and counts towards no such quota"
            .to_owned(),
    }
    .into()
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
