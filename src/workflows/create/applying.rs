//! Carrying out a create: three round trips, then the key is handed over.

use anyhow::{Context, Result, bail, ensure};

use super::refusal::{at_quota, create_refused, policy_exists, user_exists};
use super::{Create, CreateOptions};
use crate::access::{INLINE_POLICY_NAME, folder_tag, managed_policy_name};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::errors::caught;
use crate::iam::{self, Tags, User};
use crate::removal::{Leftover, ManagedPolicy, Removal};
use crate::s3::{bucket, object::put_empty};
use crate::step::Step;
use crate::workflows::new_key::{create_access_key, deliver};
use crate::workflows::outcome::{Created, Failed, PolicyRef};
use crate::workflows::plan::Plan;
use crate::workflows::undo::Undo;

/// Makes user, policy and access key, and writes the key file.
///
/// Either everything is done, or what this run made is undone again, including
/// what was carried out although its answer got lost. Cancelling the run counts
/// as a failure, [`Interrupted`](crate::Interrupted), until the last step; calls under way are
/// waited for, so that nothing is made behind our back.
pub async fn apply(plan: &Plan<Create>) -> Result<Created, Failed> {
    let undo = Undo::new(&plan.run);
    match caught(make(plan, &undo)).await {
        Ok(created) => Ok(created),
        Err(error) => Err(undo.unwind(error).await),
    }
}

/// Makes everything. A panic waits for what goes on at the same time, so that what that
/// makes is undone too.
async fn make(plan: &Plan<Create>, undo: &Undo) -> Result<Created> {
    let Plan { run, work, preview } = plan;
    let grant = &work.options.grant;
    let creating = Creating { work, run, undo, tags: Tags::of_run(&run.target.bucket) };
    let mut delivery = work.handover.reserve()?;
    run.go_on()?;
    let (user, policy) = run.unless_interrupted(creating.user_and_policy().await)?;
    run.go_on()?;
    creating.check_path(&user).await?;
    let (given, created, tagged, kms_note) = tokio::join!(
        caught(creating.give_policy(policy.as_ref())),
        caught(create_access_key(run, undo, None)),
        caught(creating.tags_note(&user)),
        caught(async { Ok(bucket::kms_note(run, grant).await) }),
    );
    let key = run.unless_interrupted(given.and(created))?;
    let mut notes = Vec::from_iter(work.empty_folder_note());
    notes.extend(kms_note?);
    notes.extend(creating.inline_note(policy.as_ref()));
    notes.extend(tagged?);
    if work.make_folder {
        run.go_on()?;
        run.unless_interrupted(creating.make_folder().await)?;
    }
    notes.extend(deliver(run, undo, &mut delivery, &key, Some(grant)).await?);
    run.go_on()?;
    notes.extend(preview.notes.iter().cloned());
    Ok(Created {
        target: run.target.clone(),
        arn: user.arn,
        access: grant.access,
        expires: grant.expires.map(|at| at.to_string()),
        source_ips: grant.source_ips.iter().map(ToString::to_string).collect(),
        also_read: grant.also_read.clone(),
        policy: reference(policy),
        key: delivery.finish(&key, &run.target.user)?,
        notes,
    })
}

/// A create run under way. What it makes, it notes for undoing.
struct Creating<'a> {
    work: &'a Create,
    run: &'a Run,
    undo: &'a Undo,
    tags: Tags,
}

/// A user or policy that a call was to create, looked for since its answer doesn't say
/// that it did.
enum Found<T> {
    /// This run made it: it has its tag.
    Ours(T),
    Theirs(T),
    Nothing,
    /// This run may have made it, or it may still appear.
    Unclear(Option<T>),
}

impl Creating<'_> {
    /// Creates the user, and at once the policy where it is a managed one.
    async fn user_and_policy(&self) -> Result<(User, Option<ManagedPolicy>)> {
        let (user, sent) = tokio::join!(
            caught(self.create_user()),
            caught(async { Ok(self.send_policy().await) })
        );
        // Looked at also where there is no user, or a policy would go unnoticed.
        let policy = match sent {
            Ok(answer) => self.policy(answer, user.as_ref().ok()).await,
            Err(panicked) => {
                self.undo.leave([self.unclear_policy(None)]);
                Err(panicked)
            }
        };
        Ok((user?, policy?))
    }

    async fn create_user(&self) -> Result<User> {
        let Create { options: CreateOptions { grant, new_user, .. }, handover, .. } = self.work;
        let tags = Tags {
            folder: folder_tag(self.run.target.prefix()),
            expires: grant.expires.map(|at| at.to_string()),
            others: new_user.tags.clone(),
            ..self.tags.clone()
        };
        let path = self.work.path.as_deref();
        let created = create_tagged(self.run, &tags, async |tags| {
            iam::create_user(self.run, new_user, path, tags).await
        });
        let mut answer = created.await;
        // A store that refuses tags may refuse paths too, and an ordinary folder needs none.
        if let Err(error) = &answer
            && path.is_some()
            && tags.others.is_empty()
            && self.run.target.has_likely_folder()
            && new_user.path.is_none()
            && self.run.aws.store.may_refuse_tags(error)
        {
            answer = iam::create_user(self.run, new_user, None, &Tags::default()).await;
        }
        let made = Made::by(&answer);
        let error = match answer {
            Ok(user) => return Ok(self.made_user(user)),
            Err(error) if made == Made::No && !error.is_existing() => {
                return Err(create_refused(self.run, new_user, error).await);
            }
            Err(error) => error,
        };
        let undoing = self.undo.run();
        let found = until_known(&undoing.cancel, async || iam::get_user(undoing).await).await;
        match self.judge(made, found.unwrap_or_default(), |user| &user.tags) {
            Found::Ours(user) => Ok(self.made_user(user)),
            Found::Theirs(user) => Err(user_exists(self.run, &user, handover).await),
            // IAM finds it by another spelling.
            Found::Unclear(Some(user)) if user.name != self.run.user() => {
                Err(user_exists(self.run, &user, handover).await)
            }
            Found::Unclear(_) => {
                self.undo.leave([Leftover::UnclearUser(self.run.target.user.to_string())]);
                Err(error.into())
            }
            Found::Nothing => Err(error.into()),
        }
    }

    /// Fails if the user's folder is to be named by its IAM path and the store keeps none:
    /// who else lives there could not be told.
    async fn check_path(&self, user: &User) -> Result<()> {
        let path = &self.work.path;
        if self.run.target.has_likely_folder() || path.as_ref() == Some(&user.path) {
            return Ok(());
        }
        // Not every store's answer to CreateUser has the path.
        let found = iam::get_user(self.run).await?;
        ensure!(
            found.is_some_and(|user| path.as_ref() == Some(&user.path)),
            "this store keeps no IAM paths, so a folder can only be named after its user"
        );
        Ok(())
    }

    /// Notes a user that this run made.
    fn made_user(&self, user: User) -> User {
        self.undo.push(Made::Yes, Removal::User(self.run.target.user.to_string()));
        self.run.done(&Step::CreateUser(user.name.clone()));
        user
    }

    /// Tells whose it is that was found after a call to create it.
    fn judge<T>(&self, made: Made, found: Option<T>, tags: fn(&T) -> &Tags) -> Found<T> {
        match found {
            Some(found) if tags(&found).run == self.tags.run => Found::Ours(found),
            Some(found) if made == Made::No || !self.may_be_ours(tags(&found)) => {
                Found::Theirs(found)
            }
            None if made == Made::No => Found::Nothing,
            found => Found::Unclear(found),
        }
    }

    /// True if something with these tags may be what a call made whose answer is lost: a
    /// store other than AWS may have kept none of them.
    fn may_be_ours(&self, tags: &Tags) -> bool {
        !self.run.aws.store.is_aws() && *tags == Tags::default()
    }

    /// Sends the managed policy; none where it is to be an inline one.
    async fn send_policy(&self) -> Option<Result<String, AwsError>> {
        let Create { options, document, .. } = self.work;
        if options.new_user.inline_policy {
            return None;
        }
        let name = self.policy_name();
        let created = create_tagged(self.run, &self.tags, async |tags| {
            iam::create_policy(self.run, &name, document, tags).await
        });
        Some(created.await)
    }

    /// Returns the managed policy, by the answer to sending it; none where it is to be an
    /// inline one.
    async fn policy(
        &self,
        answer: Option<Result<String, AwsError>>,
        user: Option<&User>,
    ) -> Result<Option<ManagedPolicy>> {
        let Some(created) = answer else { return Ok(None) };
        let made = Made::by(&created);
        let error = match created {
            Ok(arn) => return Ok(Some(self.made_policy(arn))),
            Err(error) if self.run.aws.store.says_it_lacks(&error) => return Ok(None),
            Err(error) if made == Made::No && !error.is_existing() => return Err(at_quota(error)),
            Err(error) => error,
        };
        let arn = self.likely_policy_arn(user).await;
        let undoing = self.undo.run();
        let found = match &arn {
            None => Ok(None),
            Some(arn) => {
                until_known(&undoing.cancel, async || iam::get_policy(undoing, arn).await).await
            }
        };
        match self.judge(made, found.unwrap_or_default(), |policy| &policy.tags) {
            Found::Ours(policy) => Ok(Some(self.made_policy(policy.arn))),
            Found::Theirs(policy) => Err(policy_exists(self.run, &policy, error).await),
            Found::Unclear(_) => {
                self.undo.leave([self.unclear_policy(arn)]);
                Err(error.into())
            }
            Found::Nothing => Err(error.into()),
        }
    }

    /// Notes a policy that this run made.
    fn made_policy(&self, arn: String) -> ManagedPolicy {
        let policy = ManagedPolicy { name: self.policy_name(), arn };
        self.undo.push(Made::Yes, Removal::Policy(policy.clone()));
        self.run.done(&Step::CreatePolicy(policy.name.clone()));
        policy
    }

    /// The policy as one that this run may have made, with what tells whether it did.
    fn unclear_policy(&self, arn: Option<String>) -> Leftover {
        let name = self.policy_name();
        let tag = self.tags.run.as_deref().unwrap_or_default();
        Leftover::UnclearPolicy {
            if_ours: if self.run.aws.store.is_aws() {
                format!("tagged s3-user:run={tag}")
            } else {
                "no other run made it".to_owned()
            },
            policy: ManagedPolicy { arn: arn.unwrap_or(format!("ARN_OF_{name}")), name },
        }
    }

    fn policy_name(&self) -> String {
        managed_policy_name(&self.run.target.user)
    }

    /// Returns the policy's ARN, as far as user or account tell it.
    async fn likely_policy_arn(&self, user: Option<&User>) -> Option<String> {
        let name = self.policy_name();
        match user {
            Some(user) => iam::policy_arn(user, &name),
            None => iam::policy_arn_of_caller(self.run, &name).await,
        }
    }

    /// Attaches the managed policy to the user, or puts the inline one where there is none.
    async fn give_policy(&self, managed: Option<&ManagedPolicy>) -> Result<()> {
        let (given, removal, step) = match managed {
            Some(policy) => (
                iam::attach_policy(self.run, &policy.arn).await,
                Removal::Attachment(policy.clone()),
                Step::AttachPolicy(policy.name.clone()),
            ),
            None => (
                iam::put_inline_policy(self.run, &self.work.document).await,
                Removal::InlinePolicy(INLINE_POLICY_NAME.to_owned()),
                Step::PutInlinePolicy(INLINE_POLICY_NAME.to_owned()),
            ),
        };
        self.undo.push(Made::by(&given), removal);
        given?;
        self.run.done(&step);
        Ok(())
    }

    /// Returns a note if the user has an inline policy although none was asked for.
    fn inline_note(&self, managed: Option<&ManagedPolicy>) -> Option<String> {
        let is_instead = managed.is_none() && !self.work.options.new_user.inline_policy;
        let note = "this store has no managed policies, so an inline policy is used";
        is_instead.then(|| note.to_owned())
    }

    /// Returns a note if the store didn't keep the tags. Fails where the admin's own tags
    /// are among them.
    async fn tags_note(&self, user: &User) -> Result<Option<String>> {
        if user.tags.bucket.is_some() {
            return Ok(None);
        }
        let has_own_tags = !self.work.options.new_user.tags.is_empty();
        // Some stores take tags and keep none, and not all that keep them say so at once.
        let found = match iam::get_user(self.run).await {
            Err(error) if has_own_tags => {
                return Err(error).context("can't tell whether the store keeps tags");
            }
            read_back => read_back.unwrap_or_default(),
        };
        if found.is_none_or(|user| user.tags.bucket.is_some()) {
            return Ok(None);
        }
        if has_own_tags {
            bail!("this store keeps no tags, so --tag can't be used");
        }
        let note = "the user got no tags, so it is recognized by its policy alone";
        Ok(Some(note.to_owned()))
    }

    /// Puts the folder object.
    async fn make_folder(&self) -> Result<()> {
        let url = self.run.target.folder_url();
        let put = put_empty(self.run, self.run.target.prefix().as_str()).await;
        self.undo.push(put.made, Removal::Object { url: url.clone(), version: put.version });
        put.answer?;
        self.run.done(&Step::MakeFolder(url));
        Ok(())
    }
}

fn reference(managed: Option<ManagedPolicy>) -> PolicyRef {
    match managed {
        Some(ManagedPolicy { name, arn }) => PolicyRef { name, arn: Some(arn) },
        None => PolicyRef { name: INLINE_POLICY_NAME.to_owned(), arn: None },
    }
}

/// Creates something with tags, or without them on a store that refuses them;
/// not where the admin's own tags would be lost.
async fn create_tagged<T>(
    run: &Run,
    tags: &Tags,
    create: impl AsyncFn(&Tags) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    match create(tags).await {
        Err(error) if tags.others.is_empty() && run.aws.store.may_refuse_tags(&error) => {
            create(&Tags::default()).await
        }
        answer => answer,
    }
}
