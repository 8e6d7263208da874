//! The queue of a service: the real one, which dies with it, with jobs that are refused or done twice.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{
    Env,
    queue::{DeadJob, EmbeddedQueue, Job, Queue, QueueError, WorkError, Worker, WorkerConfig},
};
use contracts::event::EventId;

use crate::{fault::Fault, world::World};

/// The queue of one service.
pub struct SimQueue {
    pub(crate) world: Arc<World>,
    pub(crate) queue: Arc<EmbeddedQueue>,
}

#[async_trait]
impl Queue for SimQueue {
    async fn push(&self, jobs: Vec<Job>) -> Result<(), QueueError> {
        if self.world.strikes(Fault::QueueRefused, &"queue") {
            return Err(QueueError("the queue does not answer".to_owned()));
        }
        for job in &jobs {
            self.world.log(format_args!("{} gets job {} of {}", job.queue, job.id, job.key));
        }
        self.queue.push(jobs).await
    }

    async fn sync(&self) -> Result<(), QueueError> {
        self.queue.sync().await
    }

    fn start_worker(&self, env: &Env, queue: &'static str, config: WorkerConfig, worker: Arc<dyn Worker>) {
        let worker = Arc::new(Repeating { world: Arc::clone(&self.world), worker });
        self.queue.start_worker(env, queue, config, worker);
    }

    async fn dead_jobs(&self, after: u64, limit: usize) -> Result<Vec<DeadJob>, QueueError> {
        self.queue.dead_jobs(after, limit).await
    }

    async fn replay_dead_job(&self, id: EventId) -> Result<bool, QueueError> {
        self.queue.replay_dead_job(id).await
    }

    async fn discard_dead_job(&self, id: EventId) -> Result<bool, QueueError> {
        self.queue.discard_dead_job(id).await
    }
}

/// Does some jobs twice.
struct Repeating {
    world: Arc<World>,
    worker: Arc<dyn Worker>,
}

#[async_trait]
impl Worker for Repeating {
    async fn work(&self, job: &Job, attempt: u32) -> Result<(), WorkError> {
        self.world.log(format_args!("{} does job {} of {}", job.queue, job.id, job.key));
        let done = self.worker.work(job, attempt).await;
        if let Err(error) = &done {
            self.world.log(format_args!("{} has not done job {}: {error}", job.queue, job.id));
        }
        if done.is_ok() && self.world.strikes(Fault::QueueRepeated, &job.queue) {
            return self.worker.work(job, attempt + 1).await;
        }
        done
    }
}
