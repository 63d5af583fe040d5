//! The line that moves at the terminal while the work goes on, below all that is printed.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Output;

/// How many characters wide a bar is.
const BAR: usize = 20;

impl Output {
    /// Shows at the terminal how many of several users are done, failed and left,
    /// until the result is dropped.
    pub fn count_users(&self) -> Option<ProgressLine> {
        let users = self.users;
        let tally = self.tally.clone();
        (users > 1).then(|| self.progress(move |_| tally.bar(users)))
    }

    /// Shows at the terminal how long the work takes, until the result is dropped.
    pub fn wait_for_response(&self) -> ProgressLine {
        self.progress(|_| "waiting for a response".to_owned())
    }

    /// Shows at the terminal, until the result is dropped, a line that tells
    /// how far the work has got; nothing with `--quiet` or `--verbose`, and
    /// where stderr is not a terminal, or one that can't go back in a line.
    pub fn progress(
        &self,
        words: impl Fn(Duration) -> String + Clone + Send + Sync + 'static,
    ) -> ProgressLine {
        let style = ProgressStyle::with_template("{spinner} {words}, {elapsed}");
        let style = style.expect("a valid template").with_key(
            "words",
            move |state: &ProgressState, line: &mut dyn fmt::Write| {
                let _ = line.write_str(&words(state.elapsed()));
            },
        );
        if !self.quiet && !self.verbose && !is_dumb() {
            self.line.set_style(style);
            self.line.reset();
            self.line.set_draw_target(ProgressDrawTarget::stderr());
            self.line.enable_steady_tick(Duration::from_millis(100));
        }
        ProgressLine(self.line.clone())
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// How the work on several users has gone so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: AtomicUsize,
    failed: AtomicUsize,
    /// The users with a new key.
    keys: AtomicUsize,
    /// The users with a kit.
    kits: AtomicUsize,
}

impl Tally {
    pub fn count_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_key(&self, has_kit: bool) {
        self.keys.fetch_add(1, Ordering::Relaxed);
        self.kits.fetch_add(has_kit.into(), Ordering::Relaxed);
    }

    pub fn has_kits(&self) -> bool {
        self.kits.load(Ordering::Relaxed) > 0
    }

    pub fn has_keys(&self) -> bool {
        self.keys.load(Ordering::Relaxed) > 0
    }

    pub fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// As a bar and in numbers, of so many users.
    fn bar(&self, users: usize) -> String {
        let done = self.done.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        let left = users.saturating_sub(done + failed);
        let full = (users - left) * BAR / users.max(1);
        let bar = "█".repeat(full) + &"░".repeat(BAR - full);
        format!("{bar} {done} done, {failed} failed, {left} left")
    }
}

/// A line at the terminal that goes when this is dropped.
#[derive(Debug)]
pub struct ProgressLine(ProgressBar);

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        // What is set up for the next one would be drawn at once, and stay.
        self.0.set_draw_target(ProgressDrawTarget::hidden());
    }
}
