//! Making a read model again from the facts it follows from, while the service serves from the one it has.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Env, StoreError};

/// A read model that can be made again.
#[async_trait]
pub trait Rebuild: Send + Sync {
    /// What it is called: `search`.
    fn name(&self) -> &'static str;

    /// Makes it again and reports how far it is. Whoever reads meanwhile finds the old one or the new one. Ends early,
    /// with the old one in place, when the process stops.
    async fn run(&self, progress: Arc<Progress>) -> Result<(), StoreError>;
}

/// How far a rebuild is.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// There are so many things to do in all.
    pub fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// So many more are done.
    pub fn advance(&self, by: u64) {
        self.done.fetch_add(by, Ordering::Relaxed);
    }

    /// How many are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many there are; what came meanwhile counts too.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed).max(self.done())
    }
}

/// How the last rebuild went, or how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RebuildState {
    /// What is made again.
    #[schema(example = "search")]
    pub name: String,
    /// True while it runs.
    pub running: bool,
    /// True if it did not end well; the log tells why.
    pub failed: bool,
    /// How much is done.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
    /// When it began; absent if it never has since the service started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// Runs one rebuild at a time.
#[derive(Clone)]
pub(super) struct Rebuilds {
    env: Env,
    work: Arc<dyn Rebuild>,
    last: Arc<Mutex<Option<Run>>>,
}

struct Run {
    progress: Arc<Progress>,
    started_at: Timestamp,
    /// When it ended, and whether it ended well.
    ended: Option<(Timestamp, bool)>,
}

impl Rebuilds {
    pub(super) fn new(env: &Env, work: Arc<dyn Rebuild>) -> Self {
        Self { env: env.clone(), work, last: Arc::default() }
    }

    fn last(&self) -> MutexGuard<'_, Option<Run>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> RebuildState {
        let name = self.work.name().to_owned();
        match &*self.last() {
            None => RebuildState {
                name,
                running: false,
                failed: false,
                done: 0,
                total: 0,
                started_at: None,
                ended_at: None,
            },
            Some(Run { progress, started_at, ended }) => RebuildState {
                name,
                running: ended.is_none(),
                failed: ended.is_some_and(|(_, well)| !well),
                done: progress.done(),
                total: progress.total(),
                started_at: Some(*started_at),
                ended_at: ended.map(|(at, _)| at),
            },
        }
    }

    /// Starts it unless it runs.
    pub(super) fn start(&self) -> RebuildState {
        let progress = Arc::new(Progress::default());
        {
            let mut last = self.last();
            if last.as_ref().is_some_and(|run| run.ended.is_none()) {
                drop(last);
                return self.state();
            }
            *last = Some(Run { progress: Arc::clone(&progress), started_at: self.env.now(), ended: None });
        }
        // However the work ends, by a panic too, it has ended.
        let ending = Ending { rebuilds: self.clone(), well: false };
        self.env.spawn("rebuild", async move {
            let mut ending = ending;
            let name = ending.rebuilds.work.name();
            let work = Arc::clone(&ending.rebuilds.work);
            match work.run(progress).await {
                Ok(()) => ending.well = true,
                Err(error) => tracing::error!(%error, name, "a read model could not be made again"),
            }
        });
        self.state()
    }
}

/// Notes, when dropped, that a run has ended.
struct Ending {
    rebuilds: Rebuilds,
    well: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let now = self.rebuilds.env.now();
        if let Some(run) = self.rebuilds.last().as_mut() {
            run.ended = Some((now, self.well));
        }
    }
}
