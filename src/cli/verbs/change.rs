//! Changing users that exist: `--update`, `--rotate-key`, `--suspend`, `--resume`.

use anyhow::Result;

use super::{Verb, only_for};
use crate::cli::exit::Exit;
use crate::cli::{Job, NamedUser, Session};
use crate::commands::Command;
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::{Failed, Rotated, Suspended, Updated};
use crate::workflows::plan::{Plan, Planned};
use crate::workflows::rotate::{self, Rotate};
use crate::workflows::suspend::{self, Direction, Suspend};
use crate::workflows::update::{self, Update, UpdateOptions};

impl Session {
    /// Changes what the users may do; what a user's own row says goes first.
    pub async fn update(&self, options: UpdateOptions, users: Vec<NamedUser>) -> Exit {
        self.run(&options, users).await
    }

    /// Replaces the users' keys.
    pub async fn rotate(&self, options: rotate::RotateOptions, users: Vec<NamedUser>) -> Exit {
        self.run(&options, users).await
    }

    /// Makes the users' keys inactive, or active again.
    pub async fn suspend(&self, direction: Direction, users: Vec<NamedUser>) -> Exit {
        self.run(&direction, users).await
    }
}

impl Verb for UpdateOptions {
    type Work = Update;
    type Outcome = Updated;
    const PLANS_ALL_FIRST: bool = false;

    fn past_participle(&self) -> &'static str {
        "updated"
    }

    async fn plan(&self, job: &Job<'_>, _: &Everybody) -> Result<Planned<Update>> {
        let access = self.access.overridden_by(&job.row.access);
        let options = Self { access, tags: self.tags.clone() };
        Ok(Planned::Do(update::plan(&job.run, &options).await?))
    }

    async fn apply(&self, plan: &Plan<Update>) -> Result<Updated, Failed> {
        update::apply(plan).await
    }
}

impl Verb for rotate::RotateOptions {
    type Work = Rotate;
    type Outcome = Rotated;
    const PLANS_ALL_FIRST: bool = false;

    fn past_participle(&self) -> &'static str {
        "given a new key"
    }

    /// The same command would replace the new keys, too.
    fn how_to_go_on(&self, left: &[&NamedUser]) -> (&'static str, Option<Command>) {
        only_for(left)
    }

    async fn plan(&self, job: &Job<'_>, _: &Everybody) -> Result<Planned<Rotate>> {
        let access = self.access.overridden_by(&job.row.access);
        let handover = job.handover(&self.handover);
        let options = rotate::RotateOptions { access, handover, ..self.clone() };
        Ok(Planned::Do(rotate::plan(&job.run, &options).await?))
    }

    async fn apply(&self, plan: &Plan<Rotate>) -> Result<Rotated, Failed> {
        rotate::apply(plan).await
    }
}

impl Verb for Direction {
    type Work = Suspend;
    type Outcome = Suspended;
    const PLANS_ALL_FIRST: bool = false;

    fn past_participle(&self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
        }
    }

    fn unchanged(&self) -> &'static str {
        match self {
            Self::Suspend => "already suspended",
            Self::Resume => "already active",
        }
    }

    async fn plan(&self, job: &Job<'_>, _: &Everybody) -> Result<Planned<Suspend>> {
        Ok(Planned::Do(suspend::plan(&job.run, *self).await?))
    }

    async fn apply(&self, plan: &Plan<Suspend>) -> Result<Suspended, Failed> {
        suspend::apply(plan).await
    }
}
