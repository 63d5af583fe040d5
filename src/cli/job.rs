//! One user of a session: plans, applies, and prints what came of it.

use anyhow::Result;

use super::exit::ExitStatus;
use super::failure::fail;
use super::verbs::Verb;
use super::{NamedUser, Output, Session};
use crate::access::{GrantChange, UserName};
use crate::aws::{Aws, Run};
use crate::errors::caught;
use crate::workflows::outcome::Failed;
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
        let steps = out.clone();
        let target = session.target.target(&user.name);
        let cancel = session.signals.cancel.clone();
        Self {
            session,
            run: Run::new(aws.clone(), target, cancel, move |step| steps.step(step)),
            out,
            access: user.access,
        }
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
        let status = match planned {
            Ok(Planned::Do(plan)) if !self.out.dry_run => return self.apply(verb, plan).await,
            Ok(Planned::Do(plan)) => {
                self.out.plan(&plan.preview);
                ExitStatus::Done
            }
            Ok(Planned::Skip(outcome)) => {
                self.out.done(&outcome);
                ExitStatus::Skipped
            }
            Err(error) => self.failed(verb, error),
        };
        (self.user().clone(), status)
    }

    /// Does what is planned.
    pub async fn apply<V: Verb>(self, verb: &V, plan: Plan<V::Work>) -> (UserName, ExitStatus) {
        let _under_way = self.session.signals.begin(self.user());
        let line = self.out.is_alone().then(|| verb.progress_line(&self.out, &plan));
        let applied = caught(async { Ok(verb.apply(&plan).await) }).await;
        drop(line);
        let status = match applied {
            Ok(Ok(outcome)) => {
                self.out.done(&outcome);
                ExitStatus::Done
            }
            Ok(Err(failed)) => self.print_failure(&failed),
            Err(panicked) => self.failed(verb, panicked),
        };
        (self.user().clone(), status)
    }

    /// Prints that nothing was done with the user, and why.
    pub fn failed<V: Verb>(&self, verb: &V, error: anyhow::Error) -> ExitStatus {
        self.print_failure(&verb.failed(&self.run.target, error))
    }

    fn print_failure(&self, failed: &Failed) -> ExitStatus {
        fail(&self.out, &self.run.target, failed)
    }
}
