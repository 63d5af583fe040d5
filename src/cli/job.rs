//! One user of a session: plans, applies, and prints what came of it.

use anyhow::{Result, anyhow};

use super::exit::Ending;
use super::verbs::Verb;
use super::{NamedUser, Output, Session};
use crate::access::{GivenFolder, UserName};
use crate::aws::{Aws, Run};
use crate::errors::caught;
use crate::handover::HandoverOptions;
use crate::workflows::error::Error;
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::{Failed, Outcome, Skipped};
use crate::workflows::plan::{Plan, Planned};

/// One user of a session, and where its words go.
pub(super) struct Job<'a> {
    pub session: &'a Session,
    pub run: Run,
    pub out: Output,
    /// The user with what its own row in a table says.
    pub row: NamedUser,
}

impl<'a> Job<'a> {
    pub fn new(session: &'a Session, aws: &Aws, verb: &impl Verb, user: &NamedUser) -> Self {
        let out = session.out.for_user(&user.name);
        let printer = out.clone();
        let run = Run::new(
            aws.clone(),
            verb.target(session, user),
            session.signals.cancel.clone(),
            move |step| printer.step(step),
        );
        Self { session, run, out, row: user.clone() }
    }

    /// The folder that the user's own row names, or else the one for all.
    pub fn folder_or(&self, for_all: &Option<GivenFolder>) -> Option<GivenFolder> {
        self.row.folder.clone().or_else(|| for_all.clone())
    }

    /// The delivery of a key, with whom the row names as the contact.
    pub fn handover(&self, for_all: &HandoverOptions) -> HandoverOptions {
        let contact = self.row.contact.clone().or_else(|| for_all.contact.clone());
        HandoverOptions { contact, ..for_all.clone() }
    }

    pub fn user(&self) -> &UserName {
        &self.run.target.user
    }

    /// Plans, unless a signal comes before that is done. Fails at once where another user could
    /// not be planned for, in a way that is the same for all, and none could.
    pub async fn plan<V: Verb>(
        &self,
        verb: &V,
        everybody: &Everybody,
    ) -> Result<Planned<V::Work>, Error> {
        if let Some(hopeless) = self.session.out.report().hopeless.clone() {
            return Err(anyhow!(hopeless).into());
        }
        let planning = caught(verb.plan(self, everybody));
        let planned = self.session.signals.or_interrupted(planning).await.map_err(Error::from);
        let mut report = self.session.out.report();
        report.checked += 1;
        match &planned {
            Ok(_) => report.has_plans = true,
            Err(error) if !report.has_plans && error.is_about_all() => {
                report.hopeless = Some(error.to_string());
            }
            Err(_) => {}
        }
        planned
    }

    /// Plans, and at once does what is planned or shows it.
    pub async fn plan_and_apply<V: Verb>(self, verb: &V) {
        let line = self.out.is_alone().then(|| self.out.wait_for_response());
        let planned = self.plan(verb, &Everybody::default()).await;
        drop(line);
        match planned {
            Ok(Planned::Skip(outcome)) => self.skip(&outcome),
            Ok(Planned::Do(plan)) => {
                if let Some(plan) = self.unless_dry_run(verb, plan) {
                    self.apply(verb, plan).await;
                }
            }
            Err(error) => self.failed(verb, error.into()),
        }
    }

    /// Returns the plan to carry it out. In a dry run shows it instead, and is done.
    pub fn unless_dry_run<V: Verb>(&self, verb: &V, plan: Plan<V::Work>) -> Option<Plan<V::Work>> {
        if !self.out.args.dry_run {
            return Some(plan);
        }
        verb.show(&self.out, &plan);
        let ending = if plan.preview.steps.is_empty() { Ending::Unchanged } else { Ending::Done };
        self.session.end(self.user(), ending);
        None
    }

    /// Does what is planned.
    pub async fn apply<V: Verb>(self, verb: &V, plan: Plan<V::Work>) {
        self.session.signals.begin(self.user());
        let line = self.out.is_alone().then(|| verb.progress_line(&self.out, &plan));
        let applied = caught(async { Ok(verb.apply(&plan).await) }).await;
        drop(line);
        match applied {
            Ok(Ok(outcome)) => {
                self.out.done(&outcome);
                let ending = if outcome.has_changed() { Ending::Done } else { Ending::Unchanged };
                self.session.end(self.user(), ending);
            }
            Ok(Err(failed)) => self.fail(&failed),
            Err(panicked) => self.fail(&verb.failed(&plan.preview.target, panicked)),
        }
        self.session.signals.end(self.user());
    }

    /// Says that the user is left as it is.
    pub fn skip(&self, outcome: &Skipped) {
        self.out.done(outcome);
        self.session.end(self.user(), Ending::Skipped);
    }

    /// Prints that nothing was done with the user, and why.
    pub fn failed<V: Verb>(&self, verb: &V, error: anyhow::Error) {
        self.fail(&verb.failed(&self.run.target, error));
    }

    fn fail(&self, failed: &Failed) {
        self.out.fail(&self.run.target, failed);
        self.session.end(self.user(), Ending::after(failed.error.inner()));
    }
}
