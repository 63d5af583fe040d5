//! Undoing a run that failed, whatever point it failed at.

use std::cell::RefCell;

use super::outcome::Failed;
use super::remove::remove;
use crate::aws::{AwsError, Made, Patience, Run};
use crate::step::Step;

/// What a run has made so far, as the steps that unmake it.
pub(super) struct Undo {
    run: Run,
    stack: RefCell<Vec<(Made, Step)>>,
    left: RefCell<Vec<Step>>,
}

impl Undo {
    pub fn of(run: &Run) -> Self {
        Self { run: run.undoing(), stack: RefCell::default(), left: RefCell::default() }
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

    /// Unmakes everything after an error, the last first. Steps that fail are left.
    ///
    /// IAM is waited for until one of its steps fails; what is under that on the
    /// stack may depend on it, so from then on each is tried once, and what is
    /// not found then is named too.
    pub async fn unwind(self, error: anyhow::Error) -> Failed {
        let run = &self.run;
        let mut left = self.left.into_inner();
        let mut has_undone = false;
        for (made, step) in self.stack.into_inner().into_iter().rev() {
            let removed = unmake(run, made, &step).await;
            let may_be_there = made == Made::Yes && run.cancel.is_cancelled();
            match removed {
                Ok(false) if may_be_there => left.push(step),
                Ok(was_there) if was_there || made == Made::Yes => {
                    has_undone = true;
                    run.done(&step);
                }
                Ok(_) => {}
                Err(_) => {
                    if !matches!(step, Step::DeleteObject { .. }) {
                        run.cancel.cancel();
                    }
                    left.push(step);
                }
            }
        }
        Failed { undone: has_undone && left.is_empty(), left, ..Failed::from(error) }
    }
}

/// Whether there was something to unmake. What was surely made is there, though
/// IAM may not know of it yet, or not its tags.
async fn unmake(run: &Run, made: Made, step: &Step) -> Result<bool, AwsError> {
    let mut patience = Patience::LOOKUP;
    loop {
        let removed = remove(run, step).await;
        let may_change = match &removed {
            Ok(was_there) => !was_there && made == Made::Yes,
            Err(error) => run.may_allow_later(error),
        };
        if !may_change || !patience.wait(&run.cancel).await {
            return removed;
        }
    }
}
