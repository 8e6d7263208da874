//! The queue in one SQLite file: needs no server.
//!
//! A job is in the file when `push` returns and on disk after `sync`: the outbox it came from holds it until
//! then. It goes to its worker without being read again. What cannot run
//! yet stays in the file only, so that memory is bounded by what runs, not by what waits.

mod journal;
mod lanes;
mod table;
mod work;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contracts::event::EventId;
use jiff::Timestamp;

use self::{
    journal::{Journal, Push},
    work::Work,
};
use super::{DeadJob, Job, Queue, QueueError, Worker, WorkerConfig};
use crate::{
    Env, StoreError,
    sqlite::{Database, Location, OpenError},
};

/// How long ids of done jobs are remembered. Whoever pushes a job and crashes before noting it pushes again
/// soon after it is back; so what counts is time in which this process runs.
const DONE_KEPT: Duration = Duration::from_secs(600);
const FORGET_INTERVAL: Duration = Duration::from_secs(30);

/// A durable work queue in one SQLite file.
pub struct EmbeddedQueue {
    journal: Arc<Journal>,
}

impl EmbeddedQueue {
    /// Opens or creates the queue and starts its background tasks.
    pub fn open(env: &Env, location: &Location) -> Result<Arc<Self>, OpenError> {
        let database = Database::open(location, &table::SCHEMA)?;
        let journal = Journal::new(env, database.clone());
        let task_env = env.clone();
        env.spawn("queue-forget", async move { forget_done(&task_env, &database).await });
        Ok(Arc::new(Self { journal }))
    }
}

async fn forget_done(env: &Env, database: &Database) {
    let started = tokio::time::Instant::now();
    loop {
        tokio::select! {
            biased;
            () = env.stopping() => return,
            () = tokio::time::sleep(FORGET_INTERVAL) => {}
        }
        if started.elapsed() < DONE_KEPT {
            continue;
        }
        let cutoff = env.now().checked_sub(DONE_KEPT).unwrap_or(Timestamp::MIN);
        let forgotten = async {
            while database.write(move |transaction| table::forget_done(transaction, cutoff)).await? {}
            Ok::<_, StoreError>(())
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "ids of done jobs stay for now");
        }
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn push(&self, jobs: Vec<Job>) -> Result<(), QueueError> {
        if jobs.is_empty() {
            return Ok(());
        }
        self.journal.push(Push::New(jobs.into_iter().map(Arc::new).collect())).await.map(|_| ())
    }

    async fn sync(&self) -> Result<(), QueueError> {
        Ok(self.journal.database.sync().await?)
    }

    fn start_worker(&self, env: &Env, queue: &'static str, config: WorkerConfig, worker: Arc<dyn Worker>) {
        let changed = {
            let mut board = self.journal.board();
            let lanes = board.queues.entry(queue.into()).or_default();
            lanes.attended = true;
            lanes.scan = true;
            Arc::clone(&lanes.changed)
        };
        let journal = Arc::clone(&self.journal);
        let work = Work { env: env.clone(), queue, config, worker, journal, changed };
        env.spawn("queue-worker", async move { work.run().await });
    }

    async fn dead_jobs(&self, after: u64, limit: usize) -> Result<Vec<DeadJob>, QueueError> {
        let jobs = self.journal.database.read(move |connection| table::dead_jobs(connection, after, limit)).await;
        Ok(jobs?)
    }

    async fn replay_dead_job(&self, id: EventId) -> Result<bool, QueueError> {
        match self.journal.database.read(move |connection| table::find_dead(connection, id)).await? {
            Some(dead) => {
                let replayed = self.journal.push(Push::Replay(Arc::new(dead.job))).await?;
                self.sync().await?;
                Ok(replayed)
            }
            None => Ok(false),
        }
    }

    async fn discard_dead_job(&self, id: EventId) -> Result<bool, QueueError> {
        let discard = move |transaction: &rusqlite::Connection| table::remove_dead(transaction, &id.to_string());
        Ok(self.journal.database.write(discard).await?)
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}
