//! The line that moves at the terminal while the work goes on, below all that is printed.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Output;
use super::report::locked;
use crate::aws::Pace;
use crate::step::counted;

impl Output {
    /// Shows at the terminal how many of several users are done, failed and left,
    /// until the result is dropped.
    pub fn count_users(&self) -> Option<ProgressLine> {
        let users = self.users;
        let so_far = self.report.clone();
        (users > 1).then(|| self.progress(move |_| locked(&so_far).bar(users)))
    }

    /// Shows at the terminal how many of several users were looked at so far, or how long that
    /// takes, until the result is dropped.
    pub fn count_checked(&self) -> ProgressLine {
        if self.is_alone() {
            return self.wait_for_response();
        }
        let all = counted(self.users as u64, "user");
        let so_far = self.report.clone();
        self.progress(move |_| format!("checked {} of {all}", locked(&so_far).checked))
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
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        if !self.args.quiet && !self.args.verbose && !is_dumb {
            let pace = self.pace.clone();
            let style = ProgressStyle::with_template("{spinner} {words}, {elapsed}");
            self.line.set_style(style.expect("a valid template").with_key(
                "words",
                move |state: &ProgressState, line: &mut dyn fmt::Write| {
                    if pace.get().is_some_and(Pace::is_limited) {
                        let _ = line.write_str("IAM limits the rate: ");
                    }
                    let _ = line.write_str(&words(state.elapsed()));
                },
            ));
            self.line.reset();
            self.line.set_draw_target(ProgressDrawTarget::stderr());
            self.line.enable_steady_tick(Duration::from_millis(100));
        }
        ProgressLine(self.line.clone())
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
