//! The create workflow: user, policy, access key, key file, in that order;
//! whatever fails, all of it is undone.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::{Context, Result, bail};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::SetOnce;

use super::new_key::NewKey;
use super::outcome::{Created, Failed, PolicyRef, Preview, Workflow};
use super::provenance::{Owner, held_policies, is_unused_and_ours, look_up, owner, reachable};
use super::undo::Undo;
use crate::access::{Grant, INLINE_POLICY_NAME, NewUser, PolicyDocument, managed_policy_name};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::errors::{Hint, Hinted};
use crate::handover::{self, Handover};
use crate::iam::{self, PolicyInfo, Tags, User};
use crate::s3::listing::OwnKey;
use crate::s3::object::{delete_object, put_empty};
use crate::s3::{bucket, listing};
use crate::step::{Leftover, ManagedPolicy, Remedy, Step};

/// What a create run makes beyond the default.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the user may do.
    pub grant: Grant,
    /// How the IAM user is made.
    pub new_user: NewUser,
    /// Whether to put the empty object `USER/`, which some clients need to see
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
pub struct Plan {
    run: Run,
    options: Options,
    handover: Handover,
    policy_name: String,
    document: PolicyDocument,
    /// The steps, those that are taken at once together.
    rounds: Vec<Vec<Step>>,
    preview: Preview,
}

/// Checks that the bucket is there and that user and key file are not, and
/// changes nothing.
///
/// Only what isn't there is made: a user that exists is refused, whatever state
/// it is in, with what can be done about it.
pub async fn plan(run: &Run, options: &Options) -> Result<Plan> {
    let handover = Handover::first(&options.handover, &run.target.user);
    let (bucket, user) = look_up(run).await?;
    let run = reachable(run, bucket).await?;
    if let Some(user) = user {
        return Err(exists(&run, &user, &handover).await);
    }
    handover.check_free()?;
    let inline = options.new_user.inline_policy;
    let region = &run.aws.region;
    let document = PolicyDocument::for_bucket(&options.grant, &run.target, region, inline)?;
    let policy_name = if inline {
        INLINE_POLICY_NAME.to_owned()
    } else {
        managed_policy_name(&run.target.user)
    };
    let rounds = rounds(&run, options, &handover, &policy_name);
    let preview = Preview::new(&run.target, rounds.concat());
    Ok(Plan {
        preview: preview.with_policy(policy_name.clone(), document.clone()),
        run,
        options: options.clone(),
        handover,
        policy_name,
        document,
        rounds,
    })
}

/// Three round trips, and then what is asked for besides.
fn rounds(run: &Run, options: &Options, handover: &Handover, policy: &str) -> Vec<Vec<Step>> {
    let (user, policy) = (run.target.user.to_string(), policy.to_owned());
    let create_user = Step::CreateUser(user.clone());
    let create_key = Step::CreateAccessKey(user);
    let mut rounds = if options.new_user.inline_policy {
        vec![
            vec![create_user],
            vec![Step::PutInlinePolicy(policy), create_key],
        ]
    } else {
        vec![
            vec![create_user, Step::CreatePolicy(policy.clone())],
            vec![Step::AttachPolicy(policy), create_key],
        ]
    };
    if options.make_folder {
        rounds.push(vec![Step::MakeFolder(run.target.folder_url())]);
    }
    let handover = handover.steps(&run.target).into_iter();
    rounds.extend(handover.map(|step| vec![step]));
    rounds
}

/// That the user exists, and what can be done about it.
async fn exists(run: &Run, user: &User, handover: &Handover) -> anyhow::Error {
    refusal(run, user, handover)
        .await
        .unwrap_or_else(|error| error)
}

async fn refusal(run: &Run, user: &User, handover: &Handover) -> Result<anyhow::Error> {
    let (bucket, name) = (&run.target.bucket, &run.target.user);
    if user.name != name.as_str() {
        bail!(
            "user {name} can't be made: there is a user {}, and IAM user names must differ in more than case",
            user.name
        );
    }
    match owner(run, user).await? {
        Owner::Nobody => bail!("user {name} exists already, and was not made by create_s3_user"),
        Owner::OtherBucket(found, _) => {
            bail!("user {name} exists already, and was not made for bucket {bucket}: {found}")
        }
        Owner::ThisBucket => {}
    }
    let keys = iam::access_keys(run).await?;
    let keys: Vec<_> = keys.into_iter().map(|key| key.id).collect();
    let in_the_way = handover.in_the_way();
    let is_set_up = !keys.is_empty() && !held_policies(run).await?.is_empty();
    let found = if keys.is_empty() {
        "without an access key: an earlier run was interrupted, or another one is under way"
            .to_owned()
    } else {
        format!("with access key {}", keys.join(" and "))
    };
    Ok(Hinted {
        message: format!("user {name} exists already for bucket {bucket}, {found}"),
        hint: if is_set_up {
            Hint::UserIsSetUp { in_the_way }
        } else {
            Hint::StartOver { in_the_way }
        },
    }
    .into())
}

/// Makes user, policy and access key, and writes the key file.
///
/// Either all of it is done, or what this run made is undone again, including
/// what was carried out although its answer got lost. Cancelling the run counts
/// as a failure, [`Interrupted`](crate::Interrupted), until the last step; calls under way are
/// waited for, so that nothing is made behind our back.
pub async fn apply(plan: &Plan) -> Result<Created, Failed> {
    let undo = Undo::of(&plan.run);
    match make(plan, &undo).await {
        Ok(created) => Ok(created),
        Err(error) => Err(Failed {
            left: undo.unwind().await,
            ..Failed::from(error)
        }),
    }
}

impl Workflow for Plan {
    type Done = Created;

    fn preview(&self) -> &Preview {
        &self.preview
    }

    async fn apply(&self) -> Result<Created, Failed> {
        apply(self).await
    }
}

async fn make(plan: &Plan, undo: &Undo) -> Result<Created> {
    let (run, grant) = (&plan.run, Some(&plan.options.grant));
    let creating = Creating {
        plan,
        run,
        undo,
        tags: Tags::of_run(&run.target.bucket),
        user: SetOnce::new(),
        policy_arn: OnceCell::new(),
        key: NewKey::reserve(run, undo, &plan.handover, &[], grant)?,
        seen: OnceCell::new(),
    };
    for round in &plan.rounds {
        run.go_on()?;
        let taken = join_all(round.iter().map(|step| creating.take(step))).await;
        run.unless_interrupted(taken.into_iter().collect::<Result<()>>())?;
    }
    creating.created()
}

/// A create run under way, and what it has made so far.
struct Creating<'a> {
    plan: &'a Plan,
    run: &'a Run,
    undo: &'a Undo,
    tags: Tags,
    /// None once it is known that there won't be one.
    user: SetOnce<Option<User>>,
    policy_arn: OnceCell<String>,
    key: NewKey<'a>,
    seen: OnceCell<Seen>,
}

/// What is looked up while the key is made.
struct Seen {
    first_object: Result<Option<OwnKey>>,
    grant_notes: Vec<String>,
}

impl Creating<'_> {
    async fn take(&self, step: &Step) -> Result<()> {
        match step {
            Step::CreateUser(_) => self.create_user().await?,
            Step::CreatePolicy(_) => self.create_policy().await?,
            Step::AttachPolicy(_) => self.attach_policy().await?,
            Step::PutInlinePolicy(_) => self.put_inline_policy().await?,
            Step::CreateAccessKey(_) => {
                let created = self.key.create(|_| Remedy::DeleteUser);
                let (created, ()) = tokio::join!(created, self.look_around());
                created?;
            }
            Step::MakeFolder(_) => {
                if !self.make_folder().await? {
                    return Ok(());
                }
            }
            step => self.key.take(step).await?,
        }
        self.run.done(step);
        Ok(())
    }

    async fn create_user(&self) -> Result<()> {
        let tags = Tags {
            expires: self.plan.options.grant.expires.map(|at| at.to_string()),
            others: self.plan.options.new_user.tags.clone(),
            ..self.tags.clone()
        };
        let new_user = &self.plan.options.new_user;
        let create = async |tags: &Tags| iam::create_user(self.run, new_user, tags).await;
        let (answer, made) = create_tagged(self.run, &tags, create).await;
        let found = match answer {
            Err(error) if made == Made::Maybe => self.find_own_user(error).await,
            answer => answer.map_err(anyhow::Error::from),
        };
        let made = if found.is_ok() { Made::Yes } else { made };
        self.push_user(made);
        // It is set once.
        let _ = self.user.set(found.as_ref().ok().cloned());
        found.map(drop)
    }

    /// The user, if this run made it although `error` was the answer.
    async fn find_own_user(&self, error: AwsError) -> Result<User> {
        match get_own_user(self.run, &self.tags).await {
            Ok(Some(user)) => Ok(user),
            Ok(None) if error.is_existing() => match iam::get_user(self.run).await {
                Ok(Some(other)) => Err(exists(self.run, &other, &self.plan.handover).await),
                _ => Err(error.into()),
            },
            _ => Err(error.into()),
        }
    }

    fn push_user(&self, made: Made) {
        let user = &self.run.target.user;
        let left = Leftover {
            what: format!("user {user}"),
            remedy: Remedy::DeleteUser,
        };
        let tags = self.tags.clone();
        let step = Step::DeleteUser(user.to_string());
        self.undo.push(made, step, left, move |run| {
            let tags = tags.clone();
            async move {
                if made == Made::Maybe && get_own_user(&run, &tags).await?.is_none() {
                    return Ok(false);
                }
                iam::delete_unused_user(&run).await
            }
            .boxed_local()
        });
    }

    async fn create_policy(&self) -> Result<()> {
        let (name, document) = (&self.plan.policy_name, self.plan.document.to_json());
        let create = async |tags: &Tags| iam::create_policy(self.run, name, &document, tags).await;
        let (answer, made) = create_tagged(self.run, &self.tags, create).await;
        let error = match answer {
            Ok(arn) => {
                self.push_policy(Made::Yes, Some(arn.clone()));
                let _ = self.policy_arn.set(arn);
                return Ok(());
            }
            Err(error) if made == Made::No => return Err(at_quota(error)),
            Err(error) => error,
        };
        let Some(arn) = self.likely_policy_arn().await else {
            self.push_policy(made, None);
            return Err(error.into());
        };
        match get_new_policy(self.run, &arn).await {
            Ok(Some(found)) if found.tags.run == self.tags.run => {
                self.push_policy(Made::Yes, Some(arn.clone()));
                let _ = self.policy_arn.set(arn);
                Ok(())
            }
            Ok(Some(found)) => Err(self.policy_exists(&found, error).await),
            _ => {
                self.push_policy(made, Some(arn));
                Err(error.into())
            }
        }
    }

    /// The policy's ARN, as far as user or account tell it.
    async fn likely_policy_arn(&self) -> Option<String> {
        let name = &self.plan.policy_name;
        match self.user.wait().await {
            Some(user) => iam::policy_arn(user, name),
            None => policy_in_account(self.run, name).await.ok(),
        }
    }

    /// That a policy of that name exists, and what can be done about it.
    async fn policy_exists(&self, found: &PolicyInfo, error: AwsError) -> anyhow::Error {
        if !is_unused_and_ours(self.run, found).await.unwrap_or(false) {
            return error.into();
        }
        Hinted {
            message: format!(
                "{error}; it belongs to no user: an earlier run was interrupted, or another one is under way"
            ),
            hint: Hint::StartOver {
                in_the_way: Vec::new(),
            },
        }
        .into()
    }

    fn push_policy(&self, made: Made, arn: Option<String>) {
        let name = self.plan.policy_name.clone();
        let run_tag = self.tags.run.clone();
        let what = match (&arn, &run_tag) {
            (None, Some(tag)) => {
                format!("policy {name}, if it is there and tagged s3-user:run={tag}")
            }
            _ => format!("policy {name}"),
        };
        let shown = arn.clone().unwrap_or(format!("ARN_OF_{name}"));
        let left = Leftover {
            what,
            remedy: Remedy::DeletePolicy(shown.clone()),
        };
        let step = Step::DeletePolicy(ManagedPolicy {
            name: name.clone(),
            arn: shown,
        });
        self.undo.push(made, step, left, move |run| {
            let (name, arn, run_tag) = (name.clone(), arn.clone(), run_tag.clone());
            async move {
                let arn = match arn {
                    Some(arn) => arn,
                    None => policy_in_account(&run, &name).await?,
                };
                if made == Made::Maybe {
                    let found = get_new_policy(&run, &arn).await?;
                    if found.is_none_or(|found| found.tags.run != run_tag) {
                        return Ok(false);
                    }
                }
                iam::delete_policy(&run, &arn).await
            }
            .boxed_local()
        });
    }

    async fn attach_policy(&self) -> Result<()> {
        let arn = self.policy_arn.get().context("there is no policy")?.clone();
        let attached = iam::attach_policy(self.run, &arn).await;
        let name = self.plan.policy_name.clone();
        let left = self.policy_on_user();
        let step = Step::DetachPolicy(ManagedPolicy {
            name,
            arn: arn.clone(),
        });
        self.undo.push(Made::by(&attached), step, left, move |run| {
            let arn = arn.clone();
            async move { iam::detach_policy(&run, &arn).await }.boxed_local()
        });
        Ok(attached?)
    }

    async fn put_inline_policy(&self) -> Result<()> {
        let put = iam::put_inline_policy(self.run, &self.plan.document.to_json()).await;
        let name = self.plan.policy_name.clone();
        let left = self.policy_on_user();
        let step = Step::DeleteInlinePolicy(name.clone());
        self.undo.push(Made::by(&put), step, left, move |run| {
            let name = name.clone();
            async move { iam::delete_inline_policy(&run, &name).await }.boxed_local()
        });
        Ok(put?)
    }

    fn policy_on_user(&self) -> Leftover {
        let (name, user) = (&self.plan.policy_name, &self.run.target.user);
        Leftover {
            what: format!("policy {name} on user {user}"),
            remedy: Remedy::DeleteUser,
        }
    }

    /// Looks at what the admin should know of.
    async fn look_around(&self) {
        let (first_object, grant_notes) = tokio::join!(
            listing::first_object(self.run),
            bucket::grant_notes(self.run, &self.plan.options.grant),
        );
        let seen = Seen {
            first_object,
            grant_notes,
        };
        // It is looked up once.
        let _ = self.seen.set(seen);
    }

    /// Puts the folder object, unless it is the first of the folder already.
    async fn make_folder(&self) -> Result<bool> {
        let key = self.run.target.prefix().to_string();
        let seen = self.seen.get().map(|seen| &seen.first_object);
        match seen.context("nothing was listed")? {
            Ok(Some(first)) if first.as_str() == key => return Ok(false),
            Err(error) => bail!("{error:#}"),
            Ok(_) => {}
        }
        let put = put_empty(self.run, &key).await;
        let url = self.run.target.folder_url();
        let left = Leftover {
            what: format!("folder object {url}"),
            remedy: Remedy::DeleteObject(url.clone()),
        };
        self.undo
            .push(put.made, Step::DeleteFolder(url), left, move |run| {
                let (key, version) = (key.clone(), put.version.clone());
                async move { delete_object(&run, &key, version).await.map(|()| true) }.boxed_local()
            });
        put.answer?;
        Ok(true)
    }

    fn created(self) -> Result<Created> {
        let user = self
            .user
            .into_inner()
            .flatten()
            .context("there is no user")?;
        let seen = self.seen.into_inner().context("nothing was listed")?;
        let Plan { options, .. } = self.plan;
        Ok(Created {
            target: self.run.target.clone(),
            access: options.grant.access,
            expires: options.grant.expires.map(|at| at.to_string()),
            policy: PolicyRef {
                name: self.plan.policy_name.clone(),
                arn: self.policy_arn.into_inner(),
            },
            key: self.key.finish()?,
            notes: notes(self.run, options, &user, seen),
            arn: user.arn,
        })
    }
}

fn notes(run: &Run, options: &Options, user: &User, seen: Seen) -> Vec<String> {
    let mut notes = Vec::new();
    let is_empty = seen.first_object.is_ok_and(|first| first.is_none());
    if is_empty && !options.make_folder && options.grant.access.reads() {
        notes.push(format!(
            "{} is still empty, and some clients take an empty folder for a missing one; \
             --make-folder helps them",
            run.target.folder_url()
        ));
    }
    notes.extend(seen.grant_notes);
    if user.tags.bucket.is_none() {
        notes.push("the store refused tags, so user and policy have none".to_owned());
    }
    notes
}

/// The user, if the run with these tags made it; waits until IAM knows of it.
async fn get_own_user(run: &Run, tags: &Tags) -> Result<Option<User>, AwsError> {
    let user = until_known(&run.cancel, async || iam::get_user(run).await).await?;
    Ok(user.filter(|user| user.tags.run == tags.run))
}

async fn get_new_policy(run: &Run, arn: &str) -> Result<Option<PolicyInfo>, AwsError> {
    until_known(&run.cancel, async || iam::get_policy(run, arn).await).await
}

/// The ARN that a policy of the caller's account has or would have.
async fn policy_in_account(run: &Run, name: &str) -> Result<String, AwsError> {
    let account = iam::account(run).await;
    let account = account.ok_or(AwsError::incomplete("GetCallerIdentity"))?;
    Ok(format!("{account}:policy/{name}"))
}

/// The error of a policy that wasn't made, with the way around a full account.
fn at_quota(error: AwsError) -> anyhow::Error {
    if !error.is_at_quota() {
        return error.into();
    }
    Hinted {
        message: error.to_string(),
        hint: Hint::UseInlinePolicy,
    }
    .into()
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
