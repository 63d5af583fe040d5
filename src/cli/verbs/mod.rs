//! What a session can do with a user: create, update, rotate the key, suspend and
//! resume, delete.

use anyhow::Result;

use super::progress::ProgressLine;
use super::session::Ready;
use super::{Job, NamedUser, Output, Session};
use crate::access::Target;
use crate::commands::{self, Command};
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::{Failed, Outcome, Skipped};
use crate::workflows::plan::{Plan, Planned};

mod change;
mod create;
mod delete;
mod sync;

pub use create::Existing;

/// How to go on where all that is done stays done.
const SAME_AGAIN: (&str, Option<Command>) = ("to continue, run the same command again", None);

/// How to go on where the same command can't be run again for the users who are done.
fn only_for(left: &[&NamedUser]) -> (&'static str, Option<Command>) {
    if left.iter().any(|user| user.has_options()) {
        let words = "to continue, run the same command for only the users listed as interrupted or \
                     not started, with a file of their rows";
        return (words, None);
    }
    let users = commands::options_for(left.iter().map(|user| &user.name));
    let words = if left.iter().any(|user| user.place.is_some()) {
        "to continue, run the same command without --users-from, only for these users"
    } else {
        "to continue, run the same command only for these users"
    };
    (words, Some(users))
}

/// Something to do with each user.
pub(super) trait Verb {
    /// The workflow's own part of a plan.
    type Work;
    /// The result.
    type Outcome: Outcome;
    /// True if nothing is done before all users are planned for, so that they can be
    /// asked about. If not, each user is planned for right before.
    const PLANS_ALL_FIRST: bool;

    /// The user as far as it is known beforehand.
    fn target(&self, session: &Session, user: &NamedUser) -> Target {
        session.target.target(&user.name)
    }

    /// Says what users are when it is done, such as "created".
    fn past_participle(&self) -> &'static str;

    /// The word for users with nothing to change.
    fn unchanged(&self) -> &'static str {
        "unchanged"
    }

    /// Says how to go on after an interruption with those of several users who are left, with
    /// the options that name them if it isn't the same command.
    fn how_to_go_on(&self, _left: &[&NamedUser]) -> (&'static str, Option<Command>) {
        SAME_AGAIN
    }

    /// Finds out what there is to do, and changes nothing. Users on the list needn't be looked
    /// up again.
    async fn plan(&self, job: &Job<'_>, everybody: &Everybody) -> Result<Planned<Self::Work>>;

    /// Does what is planned.
    async fn apply(&self, plan: &Plan<Self::Work>) -> Result<Self::Outcome, Failed>;

    /// Shows what would be done.
    fn show(&self, out: &Output, plan: &Plan<Self::Work>) {
        out.plan(&plan.preview);
    }

    /// Adds what else there is to note to a plan, such as who may read the folder, and
    /// asks about it if it looks wrong.
    async fn review(
        &self,
        _job: &Job<'_>,
        _plan: &mut Plan<Self::Work>,
        _readers_note: Option<String>,
    ) -> Result<()> {
        Ok(())
    }

    /// Asks once about all plans. Returns those to carry out.
    async fn confirm<'a>(
        &self,
        _session: &Session,
        plans: Vec<Ready<'a, Self::Work>>,
    ) -> Vec<Ready<'a, Self::Work>> {
        plans
    }

    /// True if the plan is carried out only once all others are.
    fn goes_last(&self, _plan: &Plan<Self::Work>) -> bool {
        false
    }

    /// Says of users that they are skipped.
    async fn skip(&self, _session: &Session, _skipped: Vec<(Job<'_>, Skipped)>) {}

    /// Shows that the work on the only user goes on.
    fn progress_line(&self, out: &Output, _plan: &Plan<Self::Work>) -> ProgressLine {
        out.wait_for_response()
    }

    /// The failure of a run that has done nothing.
    fn failed(&self, _target: &Target, error: anyhow::Error) -> Failed {
        error.into()
    }
}
