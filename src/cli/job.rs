//! One user of a session: plans, applies, and prints what came of it.

use anyhow::Result;

use super::exit::ExitStatus;
use super::verbs::Verb;
use super::{NamedUser, Output, Session};
use crate::access::{GrantChange, UserName};
use crate::aws::{Aws, Run};
use crate::errors::caught;
use crate::workflows::plan::{Plan, Planned};

/// One user of a session, and where its words go.
pub(super) struct Job<'a> {
    pub session: &'a Session,
    pub run: Run,
    pub out: Output,
    /// The access that the user's own row in a table names.
    pub access: GrantChange,
}

impl<'a> Job<'a> {
    pub fn new(session: &'a Session, aws: &Aws, user: NamedUser) -> Self {
        let out = session.out.for_user(&user.name);
        let printer = out.clone();
        let run = Run::new(
            aws.clone(),
            session.target.target(&user.name),
            session.signals.cancel.clone(),
            move |step| printer.step(step),
        );
        Self { session, run, out, access: user.access }
    }

    pub fn user(&self) -> &UserName {
        &self.run.target.user
    }

    /// Plans, unless a signal comes before that is done.
    pub async fn plan<V: Verb>(&self, verb: &V) -> Result<Planned<V::Work>> {
        self.session.signals.or_interrupted(caught(verb.plan(self))).await
    }

    /// Plans, and at once does what is planned or shows it.
    pub async fn plan_and_apply<V: Verb>(self, verb: &V) -> (UserName, ExitStatus) {
        let line = self.out.is_alone().then(|| self.out.wait_for_response());
        let planned = self.plan(verb).await;
        drop(line);
        let to_apply = match planned {
            Ok(Planned::Do(plan)) => self.unless_dry_run(verb, Ok(plan)),
            Ok(Planned::Skip(outcome)) => {
                self.out.done(&outcome);
                Err(ExitStatus::Skipped)
            }
            Err(error) => Err(self.failed(verb, error)),
        };
        match to_apply {
            Ok(plan) => self.apply(verb, plan).await,
            Err(status) => (self.user().clone(), status),
        }
    }

    /// Returns the plan, if it is to be carried out. If not, shows it or prints why there
    /// is none, and returns how that ended.
    pub fn unless_dry_run<V: Verb>(
        &self,
        verb: &V,
        plan: Result<Plan<V::Work>>,
    ) -> Result<Plan<V::Work>, ExitStatus> {
        match plan {
            Ok(plan) if self.out.args.dry_run => {
                self.out.plan(&plan.preview);
                Err(ExitStatus::Done)
            }
            Ok(plan) => Ok(plan),
            Err(error) => Err(self.failed(verb, error)),
        }
    }

    /// Does what is planned.
    pub async fn apply<V: Verb>(self, verb: &V, plan: Plan<V::Work>) -> (UserName, ExitStatus) {
        self.session.signals.begin(self.user());
        let line = self.out.is_alone().then(|| verb.progress_line(&self.out, &plan));
        let applied = caught(async { Ok(verb.apply(&plan).await) }).await;
        drop(line);
        let status = match applied {
            Ok(Ok(outcome)) => {
                self.out.done(&outcome);
                ExitStatus::Done
            }
            Ok(Err(failed)) => self.out.fail(&self.run.target, &failed),
            Err(panicked) => self.failed(verb, panicked),
        };
        self.session.signals.end(self.user());
        (self.user().clone(), status)
    }

    /// Prints that nothing was done with the user, and why.
    pub fn failed<V: Verb>(&self, verb: &V, error: anyhow::Error) -> ExitStatus {
        self.out.fail(&self.run.target, &verb.failed(&self.run.target, error))
    }
}
