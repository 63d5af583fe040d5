//! A create run under way: what it makes, and what each answer leaves open.

use anyhow::{Context, Result, bail};

use super::refusal::{at_quota, create_refused, policy_exists, user_exists};
use super::{Create, Options};
use crate::access::{INLINE_POLICY_NAME, managed_policy_name};
use crate::aws::{AwsError, Made, Run, until_known};
use crate::errors::caught;
use crate::iam::{self, Tags, User};
use crate::removal::{Leftover, ManagedPolicy, Removal};
use crate::s3::object::put_empty;
use crate::step::Step;
use crate::workflows::outcome::PolicyRef;
use crate::workflows::plan::Plan;
use crate::workflows::undo::Undo;

/// A create run under way. What it makes, it notes for undoing.
pub(super) struct Creating<'a> {
    work: &'a Create,
    run: &'a Run,
    undo: &'a Undo,
    tags: Tags,
}

/// The policy that the user gets.
pub(super) enum UserPolicy {
    Managed(ManagedPolicy),
    Inline,
}

impl<'a> Creating<'a> {
    /// A run that has made nothing yet.
    pub fn new(plan: &'a Plan<Create>, undo: &'a Undo) -> Self {
        Self { work: &plan.work, run: &plan.run, undo, tags: Tags::of_run(&plan.run.target.bucket) }
    }

    /// Creates the user, and at once the policy where it is a managed one.
    pub async fn user_and_policy(&self) -> Result<(User, UserPolicy)> {
        let (user, policy) = tokio::join!(caught(self.create_user()), self.send_policy());
        // Looked at also where there is no user, or a policy would go unnoticed.
        let policy = match policy {
            None => Ok(UserPolicy::Inline),
            Some(answer) => self.policy(answer, user.as_ref().ok()).await,
        };
        Ok((user?, policy?))
    }

    async fn create_user(&self) -> Result<User> {
        let user = self.user().await?;
        self.run.done(&Step::CreateUser(user.name.clone()));
        Ok(user)
    }

    async fn user(&self) -> Result<User> {
        let Options { grant, new_user, .. } = &self.work.options;
        let tags = Tags {
            expires: grant.expires.map(|at| at.to_string()),
            others: new_user.tags.clone(),
            ..self.tags.clone()
        };
        let create = async |tags: &Tags| iam::create_user(self.run, new_user, tags).await;
        let created = create_tagged(self.run, &tags, create).await;
        let made = Made::by(&created);
        let error = match created {
            Ok(user) => return Ok(self.made_user(user)),
            Err(error) if made == Made::No && !error.is_existing() => {
                return Err(create_refused(self.run, new_user, error).await);
            }
            Err(error) => error,
        };
        let look = async || iam::get_user(self.undo.run()).await;
        let found = until_known(&self.undo.run().cancel, look).await;
        match found {
            Ok(Some(user)) if user.tags.run == self.tags.run => return Ok(self.made_user(user)),
            Ok(Some(user))
                if made == Made::No
                    || user.name != self.run.user()
                    || !self.may_be_ours(&user.tags) =>
            {
                return Err(user_exists(self.run, &user, &self.work.handover).await);
            }
            _ if made == Made::No => {}
            _ => {
                let user = self.run.target.user.to_string();
                self.undo.leave([Leftover::UnclearUser(user)]);
            }
        }
        Err(error.into())
    }

    /// A user that this run made.
    fn made_user(&self, user: User) -> User {
        let delete = Removal::User(self.run.target.user.to_string());
        self.undo.push(Made::Yes, delete);
        user
    }

    /// Whether what was found may be what a call made whose answer is lost: a store
    /// other than AWS may have kept none of its tags.
    fn may_be_ours(&self, tags: &Tags) -> bool {
        !self.run.aws.store.is_aws() && *tags == Tags::default()
    }

    /// Sends the managed policy; none where it is to be an inline one.
    async fn send_policy(&self) -> Option<Result<String, AwsError>> {
        let Create { options, document, .. } = self.work;
        if options.new_user.inline_policy {
            return None;
        }
        let name = &self.policy_name();
        let create = async |tags: &Tags| iam::create_policy(self.run, name, document, tags).await;
        Some(create_tagged(self.run, &self.tags, create).await)
    }

    /// The policy, by the answer to sending it.
    async fn policy(
        &self,
        answer: Result<String, AwsError>,
        user: Option<&User>,
    ) -> Result<UserPolicy> {
        let made = Made::by(&answer);
        let error = match answer {
            Ok(arn) => return Ok(self.made_policy(arn)),
            Err(error) if self.run.aws.store.says_it_lacks(&error) => {
                return Ok(UserPolicy::Inline);
            }
            Err(error) if made == Made::No && !error.is_existing() => {
                return Err(at_quota(error));
            }
            Err(error) => error,
        };
        let arn = self.likely_policy_arn(user).await;
        let found = match &arn {
            None => Ok(None),
            Some(arn) => {
                let look = async || iam::get_policy(self.undo.run(), arn).await;
                until_known(&self.undo.run().cancel, look).await
            }
        };
        match found {
            Ok(Some(found)) if found.tags.run == self.tags.run => {
                return Ok(self.made_policy(found.arn));
            }
            Ok(Some(found)) if made == Made::No || !self.may_be_ours(&found.tags) => {
                return Err(policy_exists(self.run, &found, error).await);
            }
            _ if made == Made::No => {}
            _ => self.undo.leave([self.unclear_policy(arn)]),
        }
        Err(error.into())
    }

    /// A policy that this run made.
    fn made_policy(&self, arn: String) -> UserPolicy {
        let policy = self.managed_policy(arn);
        let delete = Removal::Policy(policy.clone());
        self.undo.push(Made::Yes, delete);
        self.run.done(&Step::CreatePolicy(policy.name.clone()));
        UserPolicy::Managed(policy)
    }

    /// The policy as one that this run may have made, with what tells whether it did.
    fn unclear_policy(&self, arn: Option<String>) -> Leftover {
        let placeholder = || format!("ARN_OF_{}", self.policy_name());
        let tag = self.tags.run.as_deref().unwrap_or_default();
        Leftover::UnclearPolicy {
            policy: self.managed_policy(arn.unwrap_or_else(placeholder)),
            if_ours: if self.run.aws.store.is_aws() {
                format!("tagged s3-user:run={tag}")
            } else {
                "no other run made it".to_owned()
            },
        }
    }

    fn managed_policy(&self, arn: String) -> ManagedPolicy {
        let name = self.policy_name();
        ManagedPolicy { name, arn }
    }

    fn policy_name(&self) -> String {
        managed_policy_name(&self.run.target.user)
    }

    /// The policy's ARN, as far as user or account tell it.
    async fn likely_policy_arn(&self, user: Option<&User>) -> Option<String> {
        let name = self.policy_name();
        match user {
            Some(user) => iam::policy_arn(user, &name),
            None => Some(format!("{}:policy/{name}", iam::account(self.run).await?)),
        }
    }

    /// Gives the user its policy.
    pub async fn give_policy(&self, policy: &UserPolicy) -> Result<()> {
        let (given, step, undo) = match policy {
            UserPolicy::Managed(policy) => (
                iam::attach_policy(self.run, &policy.arn).await,
                Step::AttachPolicy(policy.name.clone()),
                Removal::Attachment(policy.clone()),
            ),
            UserPolicy::Inline => (
                iam::put_inline_policy(self.run, &self.work.document).await,
                Step::PutInlinePolicy(INLINE_POLICY_NAME.to_owned()),
                Removal::InlinePolicy(INLINE_POLICY_NAME.to_owned()),
            ),
        };
        self.undo.push(Made::by(&given), undo);
        given?;
        self.run.done(&step);
        Ok(())
    }

    /// What the admin should know of tags that the store didn't keep. Fails where the
    /// admin's own tags are among them.
    pub async fn tags_note(&self, user: &User) -> Result<Option<String>> {
        if user.tags.bucket.is_some() {
            return Ok(None);
        }
        // Some stores take tags and keep none, and not all that keep them say so at once.
        let read_back = iam::get_user(self.run).await;
        let has_own_tags = !self.work.options.new_user.tags.is_empty();
        let found = match read_back {
            Err(error) if has_own_tags => {
                return Err(error).context("can't tell whether the store keeps tags");
            }
            found => found.unwrap_or_default(),
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
    pub async fn make_folder(&self) -> Result<()> {
        let key = self.run.target.prefix().to_string();
        let put = put_empty(self.run, &key).await;
        let folder = self.run.target.folder_url();
        let delete = Removal::Object { url: folder.clone(), version: put.version };
        self.undo.push(put.made, delete);
        put.answer?;
        self.run.done(&Step::MakeFolder(folder));
        Ok(())
    }
}

impl UserPolicy {
    /// That it is an inline policy although none was asked for.
    pub fn note(&self, asked_for_inline: bool) -> Option<String> {
        let is_instead = matches!(self, Self::Inline) && !asked_for_inline;
        let note = "this store has no managed policies, so an inline policy is used";
        is_instead.then(|| note.to_owned())
    }

    /// How the policy is called.
    pub fn reference(&self) -> PolicyRef {
        match self {
            Self::Managed(policy) => {
                PolicyRef { name: policy.name.clone(), arn: Some(policy.arn.clone()) }
            }
            Self::Inline => PolicyRef { name: INLINE_POLICY_NAME.to_owned(), arn: None },
        }
    }
}

/// Creates something with tags, or without them on a store that refuses them;
/// not where the admin's own tags would be lost.
async fn create_tagged<T>(
    run: &Run,
    tags: &Tags,
    create: impl AsyncFn(&Tags) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let result = create(tags).await;
    let refused = |error: &AwsError| run.aws.store.may_refuse_tags(error);
    if !tags.others.is_empty() || !result.as_ref().is_err_and(refused) {
        return result;
    }
    create(&Tags::default()).await
}
