//! A create run under way: each step, and what its answer leaves open.

use std::cell::OnceCell;

use anyhow::{Context, Result};
use tokio::sync::SetOnce;

use super::refusal::{at_quota, create_refused, policy_exists, user_exists};
use super::{Create, Options};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::iam::{self, Tags, User};
use crate::s3::bucket;
use crate::s3::object::put_empty;
use crate::step::{ManagedPolicy, Step};
use crate::workflows::new_key::NewKey;
use crate::workflows::outcome::{Created, PolicyRef};
use crate::workflows::plan::{Plan, PlannedPolicy};
use crate::workflows::undo::Undo;

/// A create run under way, and what it has made so far.
pub(super) struct Creating<'a> {
    work: &'a Create,
    run: &'a Run,
    undo: &'a Undo,
    tags: Tags,
    /// None once it is known that there won't be one.
    user: SetOnce<Option<User>>,
    policy_arn: OnceCell<String>,
    key: NewKey<'a>,
    grant_notes: OnceCell<Vec<String>>,
}

impl<'a> Creating<'a> {
    /// A run that has made nothing yet, but room for the key's files.
    pub fn new(plan: &'a Plan<Create>, undo: &'a Undo) -> Result<Self> {
        let Plan { run, work, .. } = plan;
        let grant = Some(&work.options.grant);
        Ok(Self {
            work,
            run,
            undo,
            tags: Tags::of_run(&run.target.bucket),
            user: SetOnce::new(),
            policy_arn: OnceCell::new(),
            key: NewKey::reserve(run, undo, &work.handover, None, grant)?,
            grant_notes: OnceCell::new(),
        })
    }

    /// Takes one of the steps.
    pub async fn take(&self, step: &Step) -> Result<()> {
        match step {
            Step::CreateUser(_) => {
                let user = self.create_user().await;
                // It is created once.
                let _ = self.user.set(user.as_ref().ok().cloned());
                user?;
            }
            Step::CreatePolicy(_) => self.create_policy().await?,
            Step::AttachPolicy(_) => self.attach_policy().await?,
            Step::PutInlinePolicy(_) => self.put_inline_policy().await?,
            Step::CreateAccessKey(_) => {
                let grant = &self.work.options.grant;
                let notes = bucket::grant_notes(self.run, grant);
                let (created, notes) = tokio::join!(self.key.create(), notes);
                // They are looked up once.
                let _ = self.grant_notes.set(notes);
                created?;
            }
            Step::MakeFolder(_) => self.make_folder().await?,
            step => {
                self.run.done(&self.key.take(step).await?);
                return Ok(());
            }
        }
        self.run.done(step);
        Ok(())
    }

    async fn create_user(&self) -> Result<User> {
        let Options {
            grant, new_user, ..
        } = &self.work.options;
        let tags = Tags {
            expires: grant.expires.map(|at| at.to_string()),
            others: new_user.tags.clone(),
            ..self.tags.clone()
        };
        let create = async |tags: &Tags| iam::create_user(self.run, new_user, tags).await;
        let (answer, made) = create_tagged(self.run, &tags, create).await;
        let delete = Step::DeleteUser(self.run.target.user.to_string());
        let error = match answer {
            Err(error) if made == Made::Maybe => error,
            answer => {
                self.undo.push(made, delete);
                return match answer {
                    Ok(user) => Ok(user),
                    Err(error) => Err(create_refused(self.run, new_user, error).await),
                };
            }
        };
        let look = async || iam::get_user(self.undo.run()).await;
        match until_known(&self.undo.run().cancel, look).await {
            Ok(Some(user)) if user.tags.run == self.tags.run => {
                self.undo.push(Made::Yes, delete);
                Ok(user)
            }
            Ok(Some(other)) => Err(user_exists(self.run, &other, &self.work.handover).await),
            Ok(None) => Err(error.into()),
            Err(_) => {
                self.undo.leave([delete]);
                Err(error.into())
            }
        }
    }

    async fn create_policy(&self) -> Result<()> {
        let PlannedPolicy { name, document } = &self.work.policy;
        let create = async |tags: &Tags| iam::create_policy(self.run, name, document, tags).await;
        let (answer, made) = create_tagged(self.run, &self.tags, create).await;
        let error = match answer {
            Ok(arn) => {
                self.have_policy(arn);
                return Ok(());
            }
            Err(error) if made == Made::No && !error.is_existing() => {
                return Err(at_quota(error));
            }
            Err(error) => error,
        };
        let Some(arn) = self.likely_policy_arn().await else {
            if error.is_unclear() {
                self.undo.leave([self.delete_unclear_policy()]);
            }
            return Err(error.into());
        };
        let look = async || iam::get_policy(self.undo.run(), &arn).await;
        match until_known(&self.undo.run().cancel, look).await {
            Ok(Some(found)) if made == Made::Yes || found.tags.run == self.tags.run => {
                self.have_policy(arn);
                Ok(())
            }
            Ok(Some(found)) => Err(policy_exists(self.run, &found, error).await),
            Ok(None) => Err(error.into()),
            Err(_) => {
                self.undo.leave([self.delete_policy(arn)]);
                Err(error.into())
            }
        }
    }

    /// Takes note of a policy that this run made.
    fn have_policy(&self, arn: String) {
        self.undo.push(Made::Yes, self.delete_policy(arn.clone()));
        // It is made once.
        let _ = self.policy_arn.set(arn);
    }

    /// Names a policy by what tells that this run made it, where nothing tells
    /// its ARN.
    fn delete_unclear_policy(&self) -> Step {
        let name = &self.work.policy.name;
        let tag = self.tags.run.as_deref().unwrap_or_default();
        Step::DeletePolicy(ManagedPolicy {
            name: format!("{name}, if it is there and tagged s3-user:run={tag}"),
            arn: format!("ARN_OF_{name}"),
        })
    }

    fn delete_policy(&self, arn: String) -> Step {
        Step::DeletePolicy(self.policy(arn))
    }

    fn policy(&self, arn: String) -> ManagedPolicy {
        let name = self.work.policy.name.clone();
        ManagedPolicy { name, arn }
    }

    /// The policy's ARN, as far as user or account tell it.
    async fn likely_policy_arn(&self) -> Option<String> {
        let name = &self.work.policy.name;
        match self.user.wait().await {
            Some(user) => iam::policy_arn(user, name),
            None => Some(format!("{}:policy/{name}", iam::account(self.run).await?)),
        }
    }

    async fn attach_policy(&self) -> Result<()> {
        let arn = self.policy_arn.get().context("there is no policy")?;
        let attached = iam::attach_policy(self.run, arn).await;
        let detach = Step::DetachPolicy(self.policy(arn.clone()));
        self.undo.push(Made::by(&attached), detach);
        Ok(attached?)
    }

    async fn put_inline_policy(&self) -> Result<()> {
        let put = iam::put_inline_policy(self.run, &self.work.policy.document).await;
        let delete = Step::DeleteInlinePolicy(self.work.policy.name.clone());
        self.undo.push(Made::by(&put), delete);
        Ok(put?)
    }

    /// Puts the folder object.
    async fn make_folder(&self) -> Result<()> {
        let key = self.run.target.prefix().to_string();
        let put = put_empty(self.run, &key).await;
        let (url, version) = (self.run.target.folder_url(), put.version);
        self.undo
            .push(put.made, Step::DeleteObject { url, version });
        Ok(put.answer?)
    }

    /// Keeps the key, and tells what was made.
    pub fn created(self) -> Result<Created> {
        let user = self
            .user
            .into_inner()
            .flatten()
            .context("there is no user")?;
        let grant_notes = self.grant_notes.into_inner().unwrap_or_default();
        let Create { options, .. } = self.work;
        Ok(Created {
            target: self.run.target.clone(),
            access: options.grant.access,
            expires: options.grant.expires.map(|at| at.to_string()),
            also_read: options.grant.also_read.clone(),
            policy: PolicyRef {
                name: self.work.policy.name.clone(),
                arn: self.policy_arn.into_inner(),
            },
            key: self.key.finish()?,
            notes: notes(self.work, &user, grant_notes),
            arn: user.arn,
        })
    }
}

fn notes(work: &Create, user: &User, grant_notes: Vec<String>) -> Vec<String> {
    let options = &work.options;
    let mut notes = Vec::new();
    if work.folder.is_empty && !options.make_folder && options.grant.access.reads() {
        let note = "there are no files yet, and some clients report an empty folder as missing: \
                    upload one before you send the key (--make-folder avoids this)";
        notes.push(note.to_owned());
    }
    notes.extend(grant_notes);
    if user.tags.bucket.is_none() {
        notes.push("the store refused tags, so user and policy have none".to_owned());
    }
    notes
}

/// Creates something with tags, or without them on a store that refuses them;
/// not where the admin's own tags would be lost.
async fn create_tagged<T>(
    run: &Run,
    tags: &Tags,
    create: impl AsyncFn(&Tags) -> Result<T, AwsError>,
) -> (Result<T, AwsError>, Made) {
    let result = create(tags).await;
    let refused = |error: &AwsError| run.aws.store.refuses_tags(error);
    if !tags.others.is_empty() || !result.as_ref().is_err_and(refused) {
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
