//! What delete_s3_user asks about: all that goes, in a short table.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Job;
use super::list::span;
use crate::removal::{ManagedPolicy, Removal};
use crate::step::{Step, counted};
use crate::workflows::delete::{self, Content, Delete};
use crate::workflows::inventory::LastUse;
use crate::workflows::plan::Plan;

/// How many users are shown with what they have.
const SHOWN: usize = 20;

type Planned<'a> = (Job<'a>, Plan<Delete>);

/// The lines before the question.
pub(super) async fn lines(planned: &[Planned<'_>]) -> Vec<String> {
    match planned {
        [(job, plan)] if job.out.is_alone() => of_one(job, plan).await,
        _ => of_many(planned).await,
    }
}

async fn of_one(job: &Job<'_>, plan: &Plan<Delete>) -> Vec<String> {
    let mut lines = vec!["This will delete:".to_owned()];
    let mut push = |what, which: &str| lines.push(job.out.line(format!("  {what:<15} {which}")));
    if let Some(Step::Remove(Removal::User(user))) = plan.preview.steps.last() {
        push("user", &format!("{user}{}", in_brackets(&about(plan).await)));
    }
    for step in &plan.preview.steps {
        if let Some((what, which)) = row(step, &plan.preview.steps) {
            push(what, &which);
        }
    }
    let notes = plan.preview.notes.iter();
    lines.extend(notes.map(|note| job.out.labelled("note", note)));
    lines
}

/// What a step deletes; none if it only prepares that, or where another row
/// says it.
fn row(step: &Step, steps: &[Step]) -> Option<(&'static str, String)> {
    let removal = match step {
        Step::EmptyFolder { folder, what } => {
            return Some(("folder", format!("{folder} ({what})")));
        }
        Step::Remove(removal) => removal,
        _ => return None,
    };
    let is_deleted =
        |policy: &ManagedPolicy| steps.contains(&Step::Remove(Removal::Policy(policy.clone())));
    match removal {
        Removal::AccessKey(id) => Some(("access key", id.clone())),
        Removal::Attachment(policy) if is_deleted(policy) => None,
        Removal::Attachment(policy) => Some(("policy", format!("{} (detached only)", policy.name))),
        Removal::Policy(policy) => Some(("policy", policy.name.clone())),
        Removal::InlinePolicy(name) => Some(("inline policy", name.clone())),
        Removal::Blocker(blocker) => Some(("also", blocker.to_string())),
        Removal::User(_) | Removal::Object { .. } | Removal::Detachment(_) => None,
    }
}

async fn of_many(planned: &[Planned<'_>]) -> Vec<String> {
    let Some((job, _)) = planned.first() else {
        return Vec::new();
    };
    let mut lines = vec![total(planned)];
    let shown = planned.iter().take(SHOWN);
    lines.extend(join_all(shown.map(in_a_line)).await);
    if planned.len() > SHOWN {
        lines.push(format!("  and {} more", planned.len() - SHOWN));
    }
    let notes = planned.iter().flat_map(|(job, plan)| {
        let notes = plan.preview.notes.iter();
        notes.map(|note| (job.user().clone(), note.clone()))
    });
    lines.extend(job.out.lines_of(notes.collect()));
    lines
}

async fn in_a_line((job, plan): &Planned<'_>) -> String {
    let folder = plan.work.content().into_iter();
    let folder = folder.map(|it| counted(it.count, it.more, it.kind));
    let has = [folder.collect(), about(plan).await].concat();
    format!("  {}{}", job.user(), in_brackets(&has))
}

/// How many users and objects there are in all.
fn total(planned: &[Planned<'_>]) -> String {
    let users = counted(planned.len() as u64, false, "user");
    let folders = planned.iter().filter_map(|(_, plan)| plan.work.content());
    let all = folders.reduce(|sum, folder| Content {
        count: sum.count + folder.count,
        more: sum.more || folder.more,
        kind: sum.kind,
    });
    match all {
        None => format!("This will delete {users}:"),
        Some(Content { count, more, kind }) => {
            format!("This will delete {users} and {}:", counted(count, more, kind))
        }
    }
}

/// The age of the user, and when its keys were last used, as far as IAM tells.
async fn about(plan: &Plan<Delete>) -> Vec<String> {
    let now = Timestamp::now();
    let mut about = Vec::new();
    about.extend(plan.work.created().map(|at| format!("made {} ago", span(at, now))));
    match delete::last_use(plan).await {
        Some(LastUse::At(at, _)) => about.push(format!("last used {} ago", span(at, now))),
        Some(LastUse::Never) => about.push("never used".to_owned()),
        Some(LastUse::Unknown | LastUse::NotOffered) | None => {}
    }
    about
}

fn in_brackets(parts: &[String]) -> String {
    if parts.is_empty() {
        return String::new();
    }
    format!(" ({})", parts.join(", "))
}
