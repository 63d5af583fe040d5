//! What a dry run over several users shows: a line for each, and the number of those who stay
//! as they are.

use super::Output;
use crate::access::{Grant, Target};
use crate::errors::harmless;
use crate::removal::Removal;
use crate::step::{Step, counted};
use crate::workflows::plan::Preview;

/// A line about one user: what happens to it as a sign with its name, its folder, and more.
pub(super) type Line = [String; 3];

/// What would be done with a user, in one line; none if nothing would.
pub(super) fn line(preview: &Preview) -> Option<Line> {
    let Preview { target, steps, .. } = preview;
    let deletes = matches!(steps.last(), Some(Step::Remove(Removal::User(_))));
    let (sign, what) = if let Some(grant) = &preview.grant {
        ('+', access(grant))
    } else if steps.is_empty() {
        return None;
    } else if deletes {
        ('-', what_goes(steps))
    } else {
        ('~', what_changes(preview))
    };
    Some([format!("{sign} {}", target.user), target.prefix().to_string(), what])
}

/// The access that a new user gets.
fn access(grant: &Grant) -> String {
    let mut parts = vec![grant.access.to_string()];
    parts.push(
        grant.expires.map_or("never ends".to_owned(), |end| format!("ends {}", end.in_words())),
    );
    let addresses: Vec<_> = grant.source_ips.iter().map(ToString::to_string).collect();
    if !addresses.is_empty() {
        parts.push(format!("only from {}", addresses.join(" ")));
    }
    parts.extend(grant.also_read.iter().map(|folder| format!("also reads {folder}")));
    parts.extend(grant.kms_key.iter().map(|key| format!("KMS key {key}")));
    parts.extend(grant.browse_root.then(|| "sees the top level of the bucket".to_owned()));
    parts.join(", ")
}

/// What becomes of a user that stays. Leaves out the files and tests that come with a new key,
/// and the updates that bring about the changes.
fn what_changes(preview: &Preview) -> String {
    let has_changes = !preview.changes.is_empty();
    let steps = preview.steps.iter().filter_map(|step| match step {
        step if has_changes && step.is_about_access() => None,
        Step::WriteKeyFile(_) | Step::WriteKit { .. } | Step::Verify { .. } => None,
        Step::CreateAccessKey(_) => Some("create an access key".to_owned()),
        step => Some(step.to_string()),
    });
    preview.changes.iter().cloned().chain(steps).collect::<Vec<_>>().join("; ")
}

/// The number of keys and objects that go with a user.
fn what_goes(steps: &[Step]) -> String {
    let is_key = |step: &&Step| matches!(step, Step::Remove(Removal::AccessKey(_)));
    let keys = steps.iter().filter(is_key).count();
    let mut parts = vec![counted(keys as u64, "access key")];
    parts.extend(steps.iter().filter_map(|step| match step {
        Step::EmptyFolder { what, .. } => Some(what.clone()),
        _ => None,
    }));
    parts.join(", ")
}

/// The lines in columns.
pub(super) fn in_columns(lines: &[Line]) -> String {
    let of_users = || lines.iter().filter(|line| !line[2].is_empty());
    let width = |column: usize| of_users().map(|line| line[column].chars().count()).max();
    let (first, second) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    let rows = lines.iter().map(|[user, folder, what]| {
        harmless(format!("{user:<first$}  {folder:<second$}  {what}").trim_end())
    });
    rows.collect::<Vec<_>>().join("\n")
}

impl Output {
    /// Says why a user stays as it is, in a dry run beside what would be done with others.
    pub(super) fn left(&self, target: &Target, sign: char, why: &str) {
        if self.args.dry_run {
            let line =
                [format!("{sign} {}", target.user), target.prefix().to_string(), why.to_owned()];
            self.report().planned.push(line);
        } else {
            self.note(why);
        }
    }

    /// Says in a dry run how many users stay as they are.
    pub(super) fn unchanged(&self, users: usize) {
        if self.args.dry_run && users > 0 {
            let line = [format!("= {users} unchanged"), String::new(), String::new()];
            self.report().planned.push(line);
        }
    }

    /// Prints the lines that were gathered as a result, unless each was printed as JSON or with
    /// all its steps.
    pub(super) fn planned(&self) {
        let mut lines = std::mem::take(&mut self.report().planned);
        let rank = |line: &Line| "+~-!=?".find(&line[0][..1]);
        lines.sort_by_cached_key(|line| (rank(line), line[0].clone()));
        if !lines.is_empty() && !self.args.json {
            self.results(&[] as &[Preview], &in_columns(&lines));
        }
    }
}
