//! One run of a program: plans what is to be done with each user, asks once, carries it
//! out, and concludes.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::exit::{Endings, Exit, ExitStatus};
use super::failure::fail;
use super::job::Job;
use super::verbs::Verb;
use super::{NamedUser, Output, OutputArgs, Signals, StopWords, TargetArgs};
use crate::aws::{Aws, Connection, LoadError};
use crate::workflows::inventory::Everybody;
use crate::workflows::outcome::Skipped;
use crate::workflows::plan::{Plan, Planned};

/// What all users of a program's run have in common.
pub struct Session {
    pub(super) out: Output,
    pub(super) signals: Signals,
    pub(super) target: TargetArgs,
    connection: Connection,
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
        Self {
            out: Output::new(name, output, connection, users),
            signals: Signals::listen(stop_words),
            target: target.clone(),
            connection: connection.clone(),
        }
    }

    /// Loads the clients, as [`Output::load`] does.
    pub(super) async fn load(&self) -> Result<Aws, LoadError> {
        self.out.load(&self.connection).await
    }

    /// Plans, asks about, and does the same with each user.
    pub(super) async fn run<V: Verb>(&self, verb: &V, users: Vec<NamedUser>) -> Exit {
        let mut endings = Endings::default();
        match self.signals.cancel.run_until_cancelled(self.load()).await {
            // Boxed, since the compiler takes futures within futures only so deep.
            Some(Ok(aws)) => return Box::pin(self.run_as(&aws, verb, users)).await,
            Some(Err(error)) => {
                for NamedUser { name, .. } in users {
                    let target = self.target.target(&name);
                    let failed = verb.failed(&target, error.clone().into());
                    let status = fail(&self.out.for_user(&name), &target, &failed);
                    endings.push(name, status);
                }
            }
            None => endings.not_started.extend(users.into_iter().map(|user| user.name)),
        }
        self.conclude(&endings, verb.past_participle())
    }

    /// Does the same as [`run`](Self::run) by clients that are loaded.
    pub(super) async fn run_as<V: Verb>(&self, aws: &Aws, verb: &V, users: Vec<NamedUser>) -> Exit {
        let mut endings = Endings::default();
        let jobs: Vec<_> = users.into_iter().map(|user| Job::new(self, aws, user)).collect();
        if V::PLANS_ALL_FIRST {
            let (plans, skipped) = self.plan_all(aws, verb, jobs, &mut endings).await;
            let plans = verb.confirm(self, plans, &mut endings).await;
            let _line = self.out.count_users();
            verb.skip(self, skipped, &mut endings).await;
            let apply = async |(job, plan): Ready<'_, _>| job.apply(verb, plan).await;
            let (finished, waiting) = self.at_a_time(plans, apply).await;
            endings.extend(finished, waiting.into_iter().map(|(job, _)| job));
        } else {
            let _line = self.out.count_users();
            let change = async |job: Job<'_>| job.plan_and_apply(verb).await;
            let (finished, waiting) = self.at_a_time(jobs, change).await;
            endings.extend(finished, waiting);
        }
        self.conclude(&endings, verb.past_participle())
    }

    /// Plans for all users before anything is done. Returns the plans to carry out, and
    /// the users to skip; how it ended for all others is in `endings`.
    async fn plan_all<'a, V: Verb>(
        &self,
        aws: &Aws,
        verb: &V,
        jobs: Vec<Job<'a>>,
        endings: &mut Endings,
    ) -> (Vec<Ready<'a, V::Work>>, Vec<(Job<'a>, Skipped)>) {
        let line = self.out.wait_for_response();
        let everybody = Everybody::ask(aws, &self.target.bucket);
        let (everybody, (planned, not_started)) = tokio::join!(
            self.signals.cancel.run_until_cancelled(everybody),
            self.at_a_time(jobs, async |job: Job<'a>| {
                let planned = job.plan(verb).await;
                (job, planned)
            })
        );
        // Nothing moves at the terminal while somebody is asked.
        drop(line);
        endings.extend([], not_started);
        let everybody = everybody.unwrap_or_default();
        let mut readers = None;
        let mut plans = Vec::new();
        let mut skipped = Vec::new();
        for (job, planned) in planned {
            let reviewed = match planned {
                Ok(Planned::Skip(outcome)) => {
                    skipped.push((job, outcome));
                    continue;
                }
                Ok(Planned::Do(plan)) => {
                    let readers = readers.get_or_insert_with(|| everybody.readers(&plan.run));
                    let note = readers.note(&plan.preview.target);
                    verb.review(&job, plan, note).await
                }
                Err(error) => Err(error),
            };
            match reviewed {
                Ok(plan) if self.out.dry_run => {
                    job.out.plan(&plan.preview);
                    endings.push(job.user().clone(), ExitStatus::Done);
                }
                Ok(plan) => plans.push((job, plan)),
                Err(error) => {
                    let status = job.failed(verb, error);
                    endings.push(job.user().clone(), status);
                }
            }
        }
        (plans, skipped)
    }

    /// Works on the items in order, as many at a time as there are jobs, and starts no
    /// new ones once interrupted. Returns the results as they came, and what was not started.
    pub(super) async fn at_a_time<T, R>(
        &self,
        items: Vec<T>,
        work: impl AsyncFn(T) -> R,
    ) -> (Vec<R>, Vec<T>) {
        let mut waiting = VecDeque::from(items);
        let mut under_way = FuturesUnordered::new();
        let mut results = Vec::new();
        loop {
            while under_way.len() < self.target.jobs()
                && !self.signals.cancel.is_cancelled()
                && let Some(item) = waiting.pop_front()
            {
                under_way.push(work(item));
            }
            match under_way.next().await {
                Some(result) => results.push(result),
                None => return (results, waiting.into()),
            }
        }
    }
}
