//! The queue: work to be done once, one job after another within a key, with delay, retry and dead letters.
//!
//! The bus says what happened, to many; the queue says what to do, to one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use contracts::event::EventId;
use jiff::Timestamp;

#[cfg(any(test, feature = "contract-tests"))]
pub mod contract;
mod embedded;
#[cfg(test)]
mod tests;

pub use embedded::EmbeddedQueue;

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which queue: `payment.provider-calls`.
    pub queue: String,
    /// Jobs of one key run in the order they were pushed, one at a time.
    pub key: String,
    /// Pushing a job with the same id again does nothing while the first is there, and for some minutes after.
    pub id: EventId,
    /// Not before this instant.
    pub due_at: Timestamp,
    /// W3C trace context of what asked for it.
    pub traceparent: Option<String>,
    /// What to do, in JSON.
    pub payload: Bytes,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// Grows from one to the next.
    pub number: u64,
    /// The job.
    pub job: Job,
    /// What went wrong at the last attempt.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// The queue cannot take or give work now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue is unavailable: {0}")]
pub struct QueueError(pub String);

/// Why a job was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WorkError {
    /// Try again, after the queue's own pause or after `after`. Later jobs of the key wait.
    #[error("{reason}")]
    Retry {
        /// What went wrong.
        reason: String,
        /// A pause that the job knows better, such as a `Retry-After`.
        after: Option<Duration>,
    },
    /// It will never work: straight to the dead letters; later jobs of the key go on.
    #[error("{0}")]
    Dead(String),
}

impl From<crate::StoreError> for WorkError {
    fn from(error: crate::StoreError) -> Self {
        Self::Retry { reason: error.to_string(), after: None }
    }
}

impl From<serde_json::Error> for WorkError {
    fn from(error: serde_json::Error) -> Self {
        Self::Dead(format!("the job does not decode: {error}"))
    }
}

/// Does the jobs of one queue. A job may be given again after a crash: doing it twice must not matter.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Does `job`; `attempt` starts at 1.
    async fn work(&self, job: &Job, attempt: u32) -> Result<(), WorkError>;
}

/// How a queue is worked off.
#[derive(Debug, Clone, Copy)]
pub struct WorkerConfig {
    /// Jobs at once, over all keys.
    pub concurrency: usize,
    /// After so many attempts a job goes to the dead letters.
    pub attempts_max: u32,
    /// First pause between attempts; it doubles.
    pub backoff_base: Duration,
    /// Longest pause between attempts.
    pub backoff_max: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            concurrency: 64,
            attempts_max: 20,
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(60),
        }
    }
}

/// A durable work queue.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Adds jobs; idempotent by job id. They are durable once a later [`sync`](Self::sync) has returned: until
    /// then whoever pushed keeps them, to push them again.
    async fn push(&self, jobs: Vec<Job>) -> Result<(), QueueError>;

    /// Makes durable what was pushed so far; does nothing where `push` does that.
    async fn sync(&self) -> Result<(), QueueError>;

    /// Works `queue` off in background tasks until `env` stops. One worker per queue at a time.
    fn start_worker(&self, env: &crate::Env, queue: &'static str, config: WorkerConfig, worker: Arc<dyn Worker>);

    /// Dead jobs of all queues after the one with the number `after` (exclusive; 0 for the beginning), oldest first.
    async fn dead_jobs(&self, after: u64, limit: usize) -> Result<Vec<DeadJob>, QueueError>;

    /// Puts a dead job back at the end of its key, with its attempts forgotten. `false` if there is none.
    async fn replay_dead_job(&self, id: EventId) -> Result<bool, QueueError>;

    /// Drops a dead job for good. `false` if there is none.
    async fn discard_dead_job(&self, id: EventId) -> Result<bool, QueueError>;
}
