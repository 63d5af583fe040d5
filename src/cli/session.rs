//! One run of a program: plans what is to be done with each user, asks once, carries it
//! out, and concludes.

use std::collections::HashSet;
use std::future::ready;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::arguments::bad_usage_lines;
use super::exit::{Ending, Exit};
use super::signals::Signals;
use super::verbs::Verb;
use super::{Job, NamedUser, Output, OutputArgs, StopWords, TargetArgs};
use crate::access::similar_name;
use crate::aws::{Aws, Call, Connection, LoadError};
use crate::errors::{ErrorKind, Hinted, did_you_mean, harmless};
use crate::workflows::error::{Error, hints};
use crate::workflows::inventory::{Everybody, Readers};
use crate::workflows::outcome::Skipped;
use crate::workflows::plan::{Plan, Planned};

/// One run of a program, on all of its users.
pub struct Session {
    pub(super) out: Output,
    pub(super) signals: Signals,
    pub(super) target: TargetArgs,
}

/// A user who is planned for.
pub(super) type Ready<'a, W> = (Job<'a>, Plan<W>);

impl Session {
    /// A run of the command called `name` on so many users. From here on signals stop
    /// it, with these words.
    pub fn new(
        name: &'static str,
        target: &TargetArgs,
        output: &OutputArgs,
        connection: &Connection,
        users: usize,
        stop_words: StopWords,
    ) -> Self {
        let out = Output::new(name, output.clone(), connection.clone(), users);
        let signals = Signals::listen(stop_words, out.line.clone());
        Self { out, signals, target: target.clone() }
    }

    /// Loads the clients; with `--verbose`, each of their calls is printed. On a
    /// setting that can't be used, prints a line and exits with code 2. Fails
    /// where there are no credentials.
    pub(super) async fn load(&self) -> Result<Aws, LoadError> {
        let loaded = Aws::load(&self.out.connection).await;
        if let Ok(aws) = &loaded {
            let _ = self.out.pace.set(aws.pace.clone());
        }
        match loaded {
            Ok(aws) if self.out.args.verbose => {
                let out = self.out.for_all();
                Ok(aws.logging(Arc::new(move |call: Call<'_>| {
                    let ms = call.duration.as_millis();
                    let outcome = call.error.map_or(String::new(), |error| format!("  {error}"));
                    out.print(&harmless(&format!("  {} {ms} ms{outcome}", call.operation)));
                })))
            }
            Err(LoadError::NoProfile { name, profiles }) => {
                let advice = match similar_name(&name, &profiles) {
                    None => "; to see the profiles, run: aws configure list-profiles".to_owned(),
                    similar => did_you_mean(similar.map(String::as_str)),
                };
                let error = LoadError::NoProfile { name, profiles };
                bad_usage_lines(self.out.name, [format!("{error}{advice}")])
            }
            Err(error @ LoadError::Setting(_)) => bad_usage_lines(self.out.name, [error]),
            loaded => loaded,
        }
    }

    /// Plans, asks about, and does the same with each user.
    pub(super) async fn run<V: Verb>(&self, verb: &V, users: Vec<NamedUser>) -> Exit {
        match self.signals.cancel.run_until_cancelled(self.load()).await {
            // Boxed, since the compiler takes futures within futures only so deep.
            Some(Ok(aws)) => Box::pin(self.run_as(&aws, verb, users)).await,
            Some(Err(error)) => self.fail_all(verb, &users, &error.into()),
            None => self.conclude(&users, verb),
        }
    }

    /// Says that nothing came of the work on any of the users, for one reason.
    pub(super) fn fail_all<V: Verb>(
        &self,
        verb: &V,
        users: &[NamedUser],
        error: &anyhow::Error,
    ) -> Exit {
        // Errors can't be copied, but what they say can.
        let (message, hints) = (format!("{error:#}"), hints(error));
        let said = Hinted { message, hints, kind: ErrorKind::Other };
        for user in users {
            let target = verb.target(self, user);
            self.out.fail(&target, &verb.failed(&target, said.clone().into()));
            self.end(&user.name, Ending::after(error));
        }
        self.conclude(users, verb)
    }

    /// Does the same as [`run`](Self::run) by clients that are loaded.
    pub(super) async fn run_as<V: Verb>(&self, aws: &Aws, verb: &V, users: Vec<NamedUser>) -> Exit {
        let jobs: Vec<_> = users.iter().map(|user| Job::new(self, aws, verb, user)).collect();
        if V::PLANS_ALL_FIRST {
            let (planned, skipped) = self.plan_all(aws, verb, jobs).await;
            // Before the question, so that the admin knows who is missing.
            self.say_grouped(&users);
            let confirmed = verb.confirm(self, planned).await;
            let _line = self.out.count_users();
            verb.skip(self, skipped).await;
            let (last, first): (Vec<_>, Vec<_>) =
                confirmed.into_iter().partition(|(_, plan)| verb.goes_last(plan));
            for ready in [first, last] {
                let apply = async |(job, plan): Ready<'_, _>| job.apply(verb, plan).await;
                self.at_a_time(ready, apply).await;
            }
        } else {
            let _line = self.out.count_users();
            self.at_a_time(jobs, async |job: Job<'_>| job.plan_and_apply(verb).await).await;
        }
        self.conclude(&users, verb)
    }

    /// Plans for all users before anything is done. Returns the plans to carry out, and
    /// the users to skip.
    async fn plan_all<'a, V: Verb>(
        &self,
        aws: &Aws,
        verb: &V,
        jobs: Vec<Job<'a>>,
    ) -> (Vec<Ready<'a, V::Work>>, Vec<(Job<'a>, Skipped)>) {
        let line = self.out.count_checked();
        let everybody = Everybody::of(aws, &self.target.bucket);
        let plan = async |job: Job<'a>| (job.plan(verb, &everybody).await, job);
        let asked = self.signals.cancel.run_until_cancelled(everybody.all());
        let (planned, _) = tokio::join!(self.at_a_time(jobs, plan), asked);
        let run_in_region = planned.iter().find_map(|(planned, _)| match planned {
            Ok(Planned::Do(plan)) => Some(&plan.run),
            _ => None,
        });
        let readers = match run_in_region {
            Some(run) => everybody.readers(run),
            None => Readers::default(),
        };
        // Nothing moves at the terminal while somebody is asked.
        drop(line);
        let mut to_apply = Vec::new();
        let mut skipped = Vec::new();
        let shared = shared_errors(&planned);
        for (planned, job) in planned {
            match planned {
                Ok(Planned::Skip(outcome)) => skipped.push((job, outcome)),
                Ok(Planned::Do(mut plan)) => {
                    let readers_note = readers.note(&plan.preview.target);
                    match verb.review(&job, &mut plan, readers_note).await {
                        Ok(()) => {
                            to_apply.extend(job.unless_dry_run(verb, plan).map(|plan| (job, plan)))
                        }
                        Err(error) => job.failed(verb, error),
                    }
                }
                Err(error) if shared.contains(&error.to_string()) => {
                    Job { out: job.out.for_all(), ..job }.failed(verb, error.into());
                }
                Err(error) => job.failed(verb, error.into()),
            }
        }
        (to_apply, skipped)
    }

    /// Works on the items in order, as many at a time as there are jobs, and starts no
    /// new ones once interrupted. Returns the results as they came.
    pub(super) async fn at_a_time<T, R>(
        &self,
        items: Vec<T>,
        work: impl AsyncFn(T) -> R,
    ) -> Vec<R> {
        stream::iter(items)
            .take_while(|_| ready(!self.signals.cancel.is_cancelled()))
            .map(|item| work(item))
            .buffer_unordered(self.target.jobs())
            .collect()
            .await
    }
}

/// The errors of more than one user: they are about none in particular.
fn shared_errors<W>(planned: &[(Result<Planned<W>, Error>, Job<'_>)]) -> HashSet<String> {
    let mut seen = HashSet::new();
    let errors = planned.iter().filter_map(|(planned, _)| planned.as_ref().err());
    errors.map(ToString::to_string).filter(|error| !seen.insert(error.clone())).collect()
}
