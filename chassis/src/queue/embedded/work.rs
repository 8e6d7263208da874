//! The worker of one queue: runs what is ready, as many jobs at once as it may.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{sync::Notify, time::Instant};

use super::{
    journal::{Journal, Push},
    lanes::{End, Lanes},
    table::Stored,
};
use crate::{
    Env,
    bus::{backoff, panic_message},
    queue::{WorkError, Worker, WorkerConfig},
    trace::{self, TraceContext},
};

/// How long running jobs may take to finish when the process stops.
const STOP_GRACE: Duration = Duration::from_secs(10);

pub(super) struct Work {
    pub(super) env: Env,
    pub(super) queue: &'static str,
    pub(super) config: WorkerConfig,
    pub(super) worker: Arc<dyn Worker>,
    pub(super) journal: Arc<Journal>,
    pub(super) changed: Arc<Notify>,
}

impl Work {
    pub(super) async fn run(&self) {
        let mut running = FuturesUnordered::new();
        let mut stopping = pin!(self.env.stopping());
        loop {
            while running.len() < self.config.concurrency.max(1) {
                let now = self.env.now();
                let Some(job) = self.lanes(|lanes| lanes.next(now)) else { break };
                running.push(self.attempt(job));
            }
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = &mut stopping => break,
                Some((job, end)) = running.next() => {
                    self.finish(job, end);
                    while let Some(Some((job, end))) = running.next().now_or_never() {
                        self.finish(job, end);
                    }
                }
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
            }
        }
        let drained = async {
            while let Some((job, end)) = running.next().await {
                self.finish(job, end);
            }
        };
        if tokio::time::timeout(STOP_GRACE, drained).await.is_err() {
            tracing::warn!(queue = self.queue, "jobs were cut off; they will be done again");
        }
        self.lanes(Lanes::abandon);
        self.journal.board().release = true;
        // A push of nothing is answered when all that was finished is written.
        if let Err(error) = self.journal.push(Push::New(Vec::new())).await {
            tracing::warn!(queue = self.queue, %error, "finished jobs were not noted; they will be done again");
        }
    }

    /// When to look again. Asks the journal to write if it is time.
    fn wake_at(&self) -> Option<Instant> {
        let (now, instant) = (self.env.now(), Instant::now());
        let (write, wake_at) = self.lanes(|lanes| {
            let write = lanes.needs_journal(now, instant);
            // While the journal works, its end is what wakes.
            (write, if write { None } else { lanes.wake_at(now, instant) })
        });
        if write {
            self.journal.attend();
        }
        wake_at
    }

    fn finish(&self, job: Stored, end: End) {
        let outcome = match &end {
            End::Done => "done",
            End::Dead { .. } => "dead",
            End::Later { .. } => "retried",
        };
        metrics::counter!("queue_jobs_total", "queue" => self.queue, "outcome" => outcome).increment(1);
        self.lanes(|lanes| lanes.finish(job, end));
    }

    fn lanes<T>(&self, f: impl FnOnce(&mut Lanes) -> T) -> T {
        let mut board = self.journal.board();
        match board.queues.get_mut(self.queue) {
            Some(lanes) => f(lanes),
            None => f(board.queues.entry(self.queue.into()).or_default()),
        }
    }

    /// Does the job once.
    async fn attempt(&self, stored: Stored) -> (Stored, End) {
        let attempt = stored.attempts + 1;
        let cause = stored.job.traceparent.as_deref().and_then(TraceContext::parse);
        let trace = cause.map_or_else(|| TraceContext::root(&self.env), |cause| cause.child(&self.env));
        let work = AssertUnwindSafe(self.worker.work(&stored.job, attempt)).catch_unwind();
        crate::fail_point!(self.queue, "work.before");
        let result = trace::scope(trace, work).await;
        crate::fail_point!(self.queue, "work.after");
        let result =
            result.unwrap_or_else(|panic| Err(WorkError::Retry { reason: panic_message(&*panic), after: None }));
        let (job, queue) = (stored.job.id, self.queue);
        let end = match result {
            Ok(()) => End::Done,
            Err(WorkError::Retry { reason, after }) if attempt < self.config.attempts_max => {
                let pause = after
                    .unwrap_or_else(|| backoff(&self.env, attempt, self.config.backoff_base, self.config.backoff_max));
                tracing::warn!(queue, %job, attempt, reason, trace = trace.trace_id(), "a job will be tried again");
                let now = self.env.now();
                End::Later { attempts: attempt, ready_at: now.checked_add(pause).unwrap_or(now) }
            }
            Err(WorkError::Retry { reason, .. } | WorkError::Dead(reason)) => {
                tracing::error!(queue, %job, attempt, reason, trace = trace.trace_id(), "a job was given up");
                End::Dead { reason, attempts: attempt }
            }
        };
        (stored, end)
    }
}
