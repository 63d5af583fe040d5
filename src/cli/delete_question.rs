//! The question of delete_s3_user: all that goes, in a short table.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Job;
use super::dry_run::{Line, in_columns};
use super::list_table::span;
use super::session::Ready;
use crate::removal::Removal;
use crate::step::{Step, counted};
use crate::workflows::delete::{self, Content, Delete};
use crate::workflows::inventory::LastUse;
use crate::workflows::plan::Plan;

/// The most users that are shown with what they have.
const SHOWN: usize = 15;

/// The lines before the question.
pub(super) async fn lines(ready: &[Ready<'_, Delete>]) -> Vec<String> {
    match ready {
        [(job, plan)] if job.out.is_alone() => of_one(job, plan).await,
        _ => of_many(ready).await,
    }
}

async fn of_one(job: &Job<'_>, plan: &Plan<Delete>) -> Vec<String> {
    let steps = &plan.preview.steps;
    let mut rows = Vec::new();
    if let Some(Step::Remove(Removal::User(user))) = steps.last() {
        rows.push(("user", format!("{user}{}", in_brackets(&about(plan).await))));
    }
    rows.extend(steps.iter().filter_map(|step| row(step, steps)));
    let mut lines = vec!["This will delete:".to_owned()];
    lines.extend(rows.iter().map(|(what, which)| job.out.line(format!("  {what:<15} {which}"))));
    lines.extend(plan.preview.notes.iter().map(|note| job.out.labelled("note", note)));
    lines
}

/// The kind and the name of what a step deletes; `None` if it only prepares that, or
/// where another row says it.
fn row(step: &Step, steps: &[Step]) -> Option<(&'static str, String)> {
    match step {
        Step::EmptyFolder { folder, what } => Some(("folder", format!("{folder} ({what})"))),
        Step::Remove(removal) => match removal {
            Removal::AccessKey(id) => Some(("access key", id.clone())),
            Removal::Attachment(policy) => {
                let is_deleted = steps.contains(&Step::Remove(Removal::Policy(policy.clone())));
                (!is_deleted).then(|| ("policy", format!("{} (detached only)", policy.name)))
            }
            Removal::Policy(policy) => Some(("policy", policy.name.clone())),
            Removal::InlinePolicy(name) => Some(("inline policy", name.clone())),
            Removal::Blocker(blocker) => Some(("also", blocker.to_string())),
            Removal::User(_) | Removal::Object { .. } | Removal::Detachment(_) => None,
        },
        _ => None,
    }
}

async fn of_many(ready: &[Ready<'_, Delete>]) -> Vec<String> {
    let Some((job, _)) = ready.first() else {
        return Vec::new();
    };
    let mut lines = vec![total(ready)];
    let rows = join_all(ready.iter().take(SHOWN).map(in_a_line)).await;
    lines.extend(in_columns(&rows).lines().map(str::to_owned));
    if ready.len() > SHOWN {
        lines.push(format!("  and {} more", ready.len() - SHOWN));
    }
    let mut notes = Vec::new();
    for (job, plan) in ready {
        notes.extend(plan.preview.notes.iter().map(|note| (job.user().clone(), note.clone())));
    }
    lines.extend(job.out.lines_of(notes));
    lines
}

async fn in_a_line((job, plan): &Ready<'_, Delete>) -> Line {
    let mut has = Vec::new();
    has.extend(plan.work.content().map(|content| content.to_string()));
    has.extend(about(plan).await);
    let folder = plan.work.content().map(|_| plan.preview.target.prefix().to_string());
    [format!("  {}", job.user()), folder.unwrap_or_default(), has.join(", ")]
}

/// The numbers of users and objects in all.
fn total(ready: &[Ready<'_, Delete>]) -> String {
    let users = counted(ready.len() as u64, "user");
    let folders = ready.iter().filter_map(|(_, plan)| plan.work.content());
    let all = folders.reduce(|sum, folder| Content {
        count: sum.count + folder.count,
        more: sum.more || folder.more,
        depth: sum.depth,
    });
    let objects = all.map_or(String::new(), |all| format!(" and {all}"));
    format!("This will delete {users}{objects}:")
}

/// The age of the user, and when its keys were last used, as far as IAM tells.
async fn about(plan: &Plan<Delete>) -> Vec<String> {
    let now = Timestamp::now();
    let mut about = Vec::new();
    about.extend(plan.work.created().map(|at| format!("created {} ago", span(at, now))));
    match delete::last_use(plan).await {
        Some(LastUse::At(at, _)) => about.push(format!("last used {} ago", span(at, now))),
        Some(LastUse::Never) => about.push("never used".to_owned()),
        Some(LastUse::Unknown | LastUse::NotOffered) | None => {}
    }
    about
}

fn in_brackets(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
