//! `--sync`: users are created and changed until they are as their rows say. Nobody is
//! deleted.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail};
use serde::Serialize;

use super::Verb;
use super::create::{doubt, lost_key};
use crate::access::{Grant, Target, UserName};
use crate::cli::exit::{Ending, Exit};
use crate::cli::once::names;
use crate::cli::{Folders, Job, NamedUser, Session};
use crate::commands;
use crate::handover::{Destination, HandedOver, KeyFiles};
use crate::iam;
use crate::workflows::create::{self, Create};
use crate::workflows::holdings::Holdings;
use crate::workflows::inventory::{Everybody, Inventory};
use crate::workflows::outcome::{Created, Failed, Outcome, Skipped, Updated};
use crate::workflows::plan::{Plan, Planned};
use crate::workflows::update::{self, Update, UpdateOptions};

struct Syncing {
    /// Everything but the access, which is the row's.
    options: create::CreateOptions,
    /// The bucket's users by name.
    found: HashMap<String, Holdings>,
    /// Those of them who have no row, by name.
    others: Vec<Target>,
    /// The hidden files in the output directory that killed runs may have left.
    leftovers: KeyFiles,
}

/// A user who has no row, as JSON.
#[derive(Serialize)]
struct Other<'a> {
    #[serde(flatten)]
    target: &'a Target,
    skipped: bool,
    reason: &'static str,
}

/// The work on one user.
enum Work {
    Create(Box<Plan<Create>>),
    Update(Box<Plan<Update>>),
}

/// What came of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Synced {
    Created(Created),
    Updated(Updated),
}

impl Session {
    /// Creates the users who are missing, gives the others the access that their rows name,
    /// and names those of the bucket who have no row.
    pub async fn sync(mut self, options: create::CreateOptions, users: Vec<NamedUser>) -> Exit {
        self.out.is_of_many = true;
        let find = async {
            let aws = self.load().await?;
            let at_a_time = self.target.jobs_to_list();
            let found = Inventory::new(&aws, &self.target.bucket, at_a_time).all().await?;
            Ok((aws, found))
        };
        let line = self.out.wait_for_response();
        let found = self.signals.or_interrupted(find).await;
        drop(line);
        let (aws, found) = match found {
            Ok(found) => found,
            Err(error) => {
                let nobody = Syncing {
                    options,
                    found: HashMap::new(),
                    others: Vec::new(),
                    leftovers: KeyFiles::default(),
                };
                return self.fail_all(&nobody, &users, &error);
            }
        };
        // IAM has no two names that differ only in case.
        let lower = |user: &UserName| user.as_str().to_ascii_lowercase();
        let rows: HashSet<_> = users.iter().map(|user| lower(&user.name)).collect();
        let others = found.iter().map(|holdings| holdings.target.clone());
        let mut others: Vec<_> = others.filter(|it| !rows.contains(&lower(&it.user))).collect();
        others.sort_by_cached_key(|target| target.user.to_string());
        let by_name = |holdings: Holdings| (holdings.target.user.to_string(), holdings);
        let found: HashMap<_, _> = found.into_iter().map(by_name).collect();
        let missing = users.iter().filter(|user| !found.contains_key(user.name.as_str()));
        let missing: Vec<_> = missing.cloned().collect();
        for shared in Folders::of(&missing, None, &self.target).shared() {
            self.out.note(&shared);
        }
        let leftovers = match &options.handover.to {
            Destination::Directory(dir) => KeyFiles::look(dir, &HashSet::new()),
            Destination::Open(_) => KeyFiles::default(),
        };
        // Boxed, since the compiler takes futures within futures only so deep.
        Box::pin(self.run_as(&aws, &Syncing { options, found, others, leftovers }, users)).await
    }
}

impl Verb for Syncing {
    type Work = Work;
    type Outcome = Synced;
    const PLANS_ALL_FIRST: bool = true;

    fn target(&self, session: &Session, user: &NamedUser) -> Target {
        session.target.new_target(user, None)
    }

    fn past_participle(&self) -> &'static str {
        "created or updated"
    }

    async fn plan(&self, job: &Job<'_>, everybody: &Everybody) -> Result<Planned<Work>> {
        match self.found.get(job.user().as_str()) {
            Some(holdings) => self.plan_existing(job, holdings).await,
            None => self.plan_missing(job, everybody).await,
        }
    }

    async fn apply(&self, plan: &Plan<Work>) -> Result<Synced, Failed> {
        match &plan.work {
            Work::Create(plan) => create::apply(plan).await.map(Synced::Created),
            Work::Update(plan) => update::apply(plan).await.map(Synced::Updated),
        }
    }

    async fn review(
        &self,
        _: &Job<'_>,
        plan: &mut Plan<Work>,
        readers_note: Option<String>,
    ) -> Result<()> {
        if let Work::Create(create) = &mut plan.work {
            let notes = readers_note.into_iter().chain(doubt(create));
            create.preview.notes.extend(notes);
            plan.preview.notes.clone_from(&create.preview.notes);
        }
        Ok(())
    }

    /// Names the users who stay as they are although they differ from their rows, and those
    /// who have no row.
    async fn skip(&self, session: &Session, skipped: Vec<(Job<'_>, Skipped)>) {
        let unchanged = skipped.iter().filter(|(_, outcome)| outcome.reason.is_none()).count();
        session.out.unchanged(unchanged);
        for (job, outcome) in skipped {
            job.out.result(&outcome, None);
            let ending = if let Some(why) = &outcome.reason {
                job.out.left(&outcome.target, '!', why);
                Ending::Left
            } else {
                Ending::Unchanged
            };
            session.end(job.user(), ending);
        }
        let out = session.out.for_all();
        for target in &self.others {
            out.result(&Other { target, skipped: true, reason: NOT_IN_FILE }, None);
            if session.out.args.dry_run {
                session.out.for_user(&target.user).left(target, '?', NOT_IN_FILE);
            }
        }
        // Before the hint.
        session.out.planned();
        if !self.others.is_empty() && !out.args.quiet {
            self.name_others(session);
        }
    }
}

const NOT_IN_FILE: &str = "not in the file";

impl Syncing {
    async fn plan_missing(&self, job: &Job<'_>, everybody: &Everybody) -> Result<Planned<Work>> {
        let grant = job.row.whole.apply_to(&Grant::default());
        if let Some(ended) = grant.ended() {
            let why =
                format!("not created, because access would have ended on {}", ended.in_words());
            return Ok(Planned::Skip(Skipped::because(&job.run.target, Vec::new(), why)));
        }
        grant.check_for(job.run.target.prefix())?;
        let folder = job.row.folder.clone();
        let handover = job.handover(&self.options.handover);
        let options = create::CreateOptions { folder, grant, handover, ..self.options.clone() };
        let plan = create::plan_among(&job.run, &options, everybody).await?;
        Ok(around(plan, Work::Create))
    }

    async fn plan_existing(&self, job: &Job<'_>, holdings: &Holdings) -> Result<Planned<Work>> {
        let target = &holdings.target;
        let row = job.row.folder.as_ref().map(|given| &given.prefix);
        if let Some(row) = row.filter(|row| *row != target.prefix()) {
            bail!(
                "user {} has the folder {}, but the file says {row}; a user's folder can't be changed",
                target.user,
                target.prefix()
            );
        }
        let keys = iam::access_keys(&job.run).await?;
        let ids = keys.iter().map(|key| key.id.clone()).collect();
        let why = if keys.is_empty() {
            Some("no access key; skipped")
        } else if keys.iter().all(|key| !key.is_active) {
            Some("suspended; skipped")
        } else if holdings.grant().is_none() {
            Some("policy missing or edited; skipped")
        } else {
            None
        };
        if let Some(why) = why {
            return Ok(Planned::Skip(Skipped::because(target, ids, why)));
        }
        let unchanged = Skipped::new(target, ids);
        if let Some(error) = self.lost_key(&unchanged) {
            return Err(error);
        }
        let tags = self.options.new_user.tags.clone();
        let change = UpdateOptions { access: job.row.whole.clone(), tags };
        let plan = update::plan_listed(&job.run, holdings, &change).await?;
        if plan.preview.steps.is_empty() {
            return Ok(Planned::Skip(unchanged));
        }
        Ok(around(plan, Work::Update))
    }

    /// The error for a user whose key a run has lost that was killed, if it was.
    fn lost_key(&self, user: &Skipped) -> Option<anyhow::Error> {
        let Destination::Directory(dir) = &self.options.handover.to else { return None };
        // Few users have such a file, and only for them all files are read.
        self.leftovers.leftover(&user.target.user)?;
        let ids = user.access_keys.iter().map(String::as_str).collect();
        lost_key(user, &KeyFiles::look(dir, &ids))
    }

    /// Names the users who have no row, with the command that shows what is theirs.
    fn name_others(&self, session: &Session) {
        let users: Vec<_> = self.others.iter().map(|target| target.user.clone()).collect();
        if !session.out.args.dry_run {
            session.out.note(&format!("{NOT_IN_FILE}: {}", names(&users)));
        }
        let delete = commands::delete_users(&session.target.bucket, &users);
        let words = "to see what deleting the users not in the file would remove, run";
        session.out.for_all().hint(words, Some(&delete.with(&["--dry-run"])));
    }
}

/// The plan of either workflow as one of this verb.
fn around<W>(plan: Plan<W>, work: fn(Box<Plan<W>>) -> Work) -> Planned<Work> {
    let (preview, run) = (plan.preview.clone(), plan.run.clone());
    Planned::Do(Plan { preview, run, work: work(Box::new(plan)) })
}

impl Outcome for Synced {
    fn summary(&self) -> String {
        match self {
            Self::Created(created) => created.summary(),
            Self::Updated(updated) => updated.summary(),
        }
    }

    fn advice(&self) -> Vec<String> {
        match self {
            Self::Created(created) => created.advice(),
            Self::Updated(updated) => updated.advice(),
        }
    }

    fn notes(&self) -> &[String] {
        match self {
            Self::Created(created) => created.notes(),
            Self::Updated(updated) => updated.notes(),
        }
    }

    fn has_changed(&self) -> bool {
        match self {
            Self::Created(created) => created.has_changed(),
            Self::Updated(updated) => updated.has_changed(),
        }
    }

    fn handed_over(&self) -> Option<&HandedOver> {
        match self {
            Self::Created(created) => created.handed_over(),
            Self::Updated(_) => None,
        }
    }
}
