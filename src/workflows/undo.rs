//! Undoes a failed run, wherever it failed.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::outcome::{Failed, State};
use super::remove::remove;
use crate::aws::{AwsError, Made, Patience, Run};
use crate::removal::{Leftover, Removal};
use crate::step::Step;

/// A stack of removals that undo what a run has done so far.
pub(super) struct Undo {
    run: Run,
    stack: RefCell<Vec<(Made, Removal)>>,
    left: RefCell<Vec<Leftover>>,
}

impl Undo {
    pub fn new(run: &Run) -> Self {
        Self { run: run.undoing(), stack: RefCell::default(), left: RefCell::default() }
    }

    /// The run to use for checking what was made. No signal stops it.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Records how to undo something that was done, or may have been.
    pub fn push(&self, made: Made, removal: Removal) {
        if made != Made::No {
            self.stack.borrow_mut().push((made, removal));
        }
    }

    /// Records what to leave in place, since it isn't known to be ours.
    pub fn leave(&self, left: impl IntoIterator<Item = Leftover>) {
        self.left.borrow_mut().extend(left);
    }

    /// Undoes everything after an error, newest first, and reports what couldn't be removed.
    ///
    /// Each removal is retried until IAM knows what is to be removed, for about half a minute
    /// in all, since all was made at about the same time. Once a removal in IAM
    /// has failed, the rest are tried only once, since they may depend on it.
    /// Whatever was made but isn't found then is reported too.
    pub async fn unwind(self, error: anyhow::Error) -> Failed {
        let Self { run, stack, left } = self;
        let mut left = left.into_inner();
        let mut has_undone = false;
        let mut patience = Patience::NEW;
        for (made, removal) in stack.into_inner().into_iter().rev() {
            match unmake(&run, made, &removal, &mut patience).await {
                Ok(was_there) => {
                    if was_there || made == Made::Yes && !run.cancel.is_cancelled() {
                        has_undone = true;
                        // Reporting the step may panic; the rest must be undone even so.
                        let _ = catch_unwind(AssertUnwindSafe(|| run.done(&Step::Undo(removal))));
                    } else if made == Made::Yes {
                        left.push(Leftover::Removable(removal));
                    }
                }
                Err(_) => {
                    if !matches!(removal, Removal::Object { .. }) {
                        run.cancel.cancel();
                    }
                    left.push(Leftover::Removable(removal));
                }
            }
        }
        let state = if !left.is_empty() {
            State::Left(left)
        } else if has_undone {
            State::Undone
        } else {
            State::NothingLeft
        };
        Failed::new(error, state)
    }
}

/// Returns true if there was something to remove. Retries as long as patience lasts, since
/// IAM may not know yet what was made, or its tags.
async fn unmake(
    run: &Run,
    made: Made,
    removal: &Removal,
    patience: &mut Patience,
) -> Result<bool, AwsError> {
    let is_in_iam = !matches!(removal, Removal::Object { .. });
    patience.restart();
    let removed = patience.retry(
        &run.cancel,
        |removed: &Result<bool, AwsError>| match removed {
            Ok(was_there) => !was_there && made == Made::Yes,
            Err(error) => is_in_iam && run.may_allow_later(error),
        },
        async || remove(run, removal).await,
    );
    removed.await
}
