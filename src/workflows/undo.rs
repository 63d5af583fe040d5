//! Undoing a run that failed, whatever point it failed at.

use std::cell::RefCell;

use futures_util::future::LocalBoxFuture;

use crate::aws::{AwsError, Made, Patience, Run};
use crate::step::{Leftover, Step};

/// How one thing is unmade: true if it was there.
type Unmake = Box<dyn Fn(Run) -> LocalBoxFuture<'static, Result<bool, AwsError>>>;

/// What a run has made so far: each thing with how to unmake it.
pub(super) struct Undo {
    run: Run,
    stack: RefCell<Vec<Entry>>,
    left: RefCell<Vec<Leftover>>,
}

struct Entry {
    made: Made,
    step: Step,
    left: Leftover,
    unmake: Unmake,
}

impl Undo {
    pub fn of(run: &Run) -> Self {
        Self {
            run: run.clone(),
            stack: RefCell::default(),
            left: RefCell::default(),
        }
    }

    /// Notes that something was made, or may have been: `step` is what undoing
    /// it says, `left` what is told if that fails.
    pub fn push(
        &self,
        made: Made,
        step: Step,
        left: Leftover,
        unmake: impl Fn(Run) -> LocalBoxFuture<'static, Result<bool, AwsError>> + 'static,
    ) {
        if made == Made::No {
            return;
        }
        let entry = Entry {
            made,
            step,
            left,
            unmake: Box::new(unmake),
        };
        self.stack.borrow_mut().push(entry);
    }

    /// Notes what can't be undone.
    pub fn leave(&self, left: Vec<Leftover>) {
        self.left.borrow_mut().extend(left);
    }

    /// Unmakes everything, the last first, and returns what is left.
    ///
    /// IAM is waited for until something can't be unmade; what is under it on
    /// the stack may be held by that, so from then on each is tried once.
    pub async fn unwind(self) -> Vec<Leftover> {
        let run = self.run.undoing();
        let mut left = self.left.into_inner();
        for entry in self.stack.into_inner().into_iter().rev() {
            match entry.undo(&run).await {
                Ok(true) => run.done(&entry.step),
                Ok(false) => {}
                Err(_) => {
                    left.push(entry.left);
                    run.cancel.cancel();
                }
            }
        }
        left
    }
}

impl Entry {
    /// Whether there was something to unmake. What was surely made is there,
    /// though IAM may not know of it yet.
    async fn undo(&self, run: &Run) -> Result<bool, AwsError> {
        let mut patience = Patience::LOOKUP;
        while !(self.unmake)(run.clone()).await? {
            if self.made != Made::Yes {
                return Ok(false);
            }
            if !patience.wait(&run.cancel).await {
                break;
            }
        }
        Ok(true)
    }
}
