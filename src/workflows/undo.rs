//! Undoing a run that failed, whatever point it failed at.

use std::cell::RefCell;

use crate::aws::{AwsError, Made, Patience, Run};
use crate::iam;
use crate::s3::object::delete_object;
use crate::step::Step;

/// Takes a step that removes something, and tells whether it was there.
pub(super) async fn remove(run: &Run, step: &Step) -> Result<bool, AwsError> {
    match step {
        Step::DeleteAccessKey(id) => iam::delete_access_key(run, id).await,
        Step::DetachPolicy(policy) => iam::detach_policy(run, &policy.arn).await,
        Step::DeletePolicy(policy) => iam::delete_policy(run, &policy.arn).await,
        Step::DeleteInlinePolicy(name) => iam::delete_inline_policy(run, name).await,
        Step::Remove(blocker) => iam::remove_blocker(run, blocker).await,
        Step::DeleteUser(_) => iam::delete_unused_user(run).await,
        Step::DeleteObject { url, version } => {
            let bucket = format!("s3://{}/", run.target.bucket);
            let key = url.strip_prefix(&bucket).unwrap_or(url);
            delete_object(run, key, version.clone()).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// What a run has made so far, as the steps that unmake it.
pub(super) struct Undo {
    run: Run,
    stack: RefCell<Vec<(Made, Step)>>,
    left: RefCell<Vec<Step>>,
}

impl Undo {
    pub fn of(run: &Run) -> Self {
        Self {
            run: run.undoing(),
            stack: RefCell::default(),
            left: RefCell::default(),
        }
    }

    /// The run to look with at what was made: one that no signal stops.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Notes the step that unmakes what was made, or may have been.
    pub fn push(&self, made: Made, step: Step) {
        if made != Made::No {
            self.stack.borrow_mut().push((made, step));
        }
    }

    /// Notes a step that would have to be taken and can't.
    pub fn leave(&self, steps: impl IntoIterator<Item = Step>) {
        self.left.borrow_mut().extend(steps);
    }

    /// Unmakes everything, the last first, and returns the steps that failed.
    ///
    /// IAM is waited for until a step fails; what is under it on the stack may
    /// depend on that, so from then on each is tried once.
    pub async fn unwind(self) -> Vec<Step> {
        let mut left = self.left.into_inner();
        for (made, step) in self.stack.into_inner().into_iter().rev() {
            match unmake(&self.run, made, &step).await {
                Ok(true) => self.run.done(&step),
                Ok(false) => {}
                Err(_) => {
                    left.push(step);
                    self.run.cancel.cancel();
                }
            }
        }
        left
    }
}

/// Whether there was something to unmake. What was surely made is there, though
/// IAM may not know of it yet.
async fn unmake(run: &Run, made: Made, step: &Step) -> Result<bool, AwsError> {
    let mut patience = Patience::LOOKUP;
    loop {
        let was_there = remove(run, step).await?;
        if was_there || made != Made::Yes || !patience.wait(&run.cancel).await {
            return Ok(was_there || made == Made::Yes);
        }
    }
}
