//! One event on its way through a consumer: tried, tried again, given up.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use contracts::event::Envelope;
use futures::FutureExt as _;
use tokio::{sync::Semaphore, time::Instant};

use super::{ConsumerConfig, window::Taken};
use crate::{
    Env,
    bus::{Bus, ConsumeError, Consumer, Record, backoff},
    trace::{self, TraceContext},
};

/// Handles the events of one topic for one group.
pub(super) struct Attempts {
    pub(super) env: Env,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) group: &'static str,
    pub(super) topic: &'static str,
    pub(super) config: ConsumerConfig,
    pub(super) consumer: Arc<dyn Consumer>,
    meters: Meters,
    /// Held while a handler runs, not while it waits for its next attempt.
    slots: Semaphore,
}

struct Meters {
    handled: metrics::Counter,
    retried: metrics::Counter,
    buried: metrics::Counter,
    seconds: metrics::Histogram,
}

/// What became of an event.
pub(super) enum Outcome {
    /// Handled or buried.
    Done,
    /// The process stops; the event comes again.
    Abandoned,
}

impl Attempts {
    pub(super) fn new(
        env: &Env,
        bus: Arc<dyn Bus>,
        (group, topic): (&'static str, &'static str),
        config: ConsumerConfig,
        consumer: Arc<dyn Consumer>,
    ) -> Self {
        let consumed = |outcome: &'static str| metrics::counter!("bus_consumed_total", "group" => group, "topic" => topic, "outcome" => outcome);
        let meters = Meters {
            handled: consumed("handled"),
            retried: consumed("retried"),
            buried: consumed("buried"),
            seconds: metrics::histogram!("bus_handler_seconds", "group" => group, "topic" => topic),
        };
        let slots = Semaphore::new(config.concurrency.max(1));
        Self { env: env.clone(), bus, group, topic, config, consumer, meters, slots }
    }

    /// Handles an event, however often that takes.
    pub(super) async fn settle(self: Arc<Self>, taken: Taken) -> (Taken, Outcome) {
        let outcome = match serde_json::from_slice::<Envelope>(&taken.delivery.record.payload) {
            Ok(envelope) => {
                let cause = envelope.traceparent.as_deref().and_then(TraceContext::parse);
                let trace = cause.map_or_else(|| TraceContext::root(&self.env), |cause| cause.child(&self.env));
                trace::scope(trace, self.attempt(&taken.delivery.record, &envelope)).await
            }
            Err(error) => self.bury(&taken.delivery.record, &format!("the envelope does not parse: {error}"), 1).await,
        };
        (taken, outcome)
    }

    async fn attempt(&self, record: &Record, envelope: &Envelope) -> Outcome {
        let mut failures = 0_u32;
        for attempt in 1.. {
            let error = match self.run(envelope).await {
                None => return Outcome::Abandoned,
                Some(Ok(())) => {
                    self.meters.handled.increment(1);
                    return Outcome::Done;
                }
                Some(Err(error)) => error,
            };
            let given_up = match error {
                ConsumeError::Poison(_) => true,
                ConsumeError::Outage(_) => false,
                ConsumeError::Retry(_) => {
                    failures += 1;
                    failures >= self.config.attempts_max
                }
            };
            if given_up {
                return self.bury(record, &error.to_string(), attempt).await;
            }
            self.meters.retried.increment(1);
            tracing::warn!(
                group = self.group, event = %record.id, event_type = envelope.event_type, key = record.key,
                attempt, %error, trace = trace::current().map(|trace| trace.trace_id()),
                "an event was not handled and will be tried again"
            );
            if !self.pause(attempt).await {
                return Outcome::Abandoned;
            }
        }
        Outcome::Abandoned
    }

    /// Runs the handler once; `None` if the process stops before it begins.
    async fn run(&self, envelope: &Envelope) -> Option<Result<(), ConsumeError>> {
        let _slot = self.slots.acquire().await.ok()?;
        if self.env.is_stopping() {
            return None;
        }
        let started = Instant::now();
        crate::fail_point!(self.group, "consume", self.topic, "before");
        let result = AssertUnwindSafe(self.consumer.consume(envelope)).catch_unwind().await;
        crate::fail_point!(self.group, "consume", self.topic, "after");
        self.meters.seconds.record(started.elapsed().as_secs_f64());
        Some(result.unwrap_or_else(|panic| Err(ConsumeError::Retry(panic_message(&*panic)))))
    }

    /// Keeps the event as a dead letter; the bus may need a while to take it.
    async fn bury(&self, record: &Record, reason: &str, attempts: u32) -> Outcome {
        // A replayed event is a letter of the topic it was published on.
        let record = Record { topic: self.topic.to_owned(), ..record.clone() };
        tracing::error!(
            group = self.group, event = %record.id, topic = self.topic, key = record.key, attempts, reason,
            "an event was given up; it waits among the dead letters"
        );
        for attempt in 1.. {
            match self.bus.bury(self.group, record.clone(), reason, attempts, self.env.now()).await {
                Ok(()) => break,
                Err(error) => tracing::warn!(group = self.group, %error, "a dead letter could not be kept yet"),
            }
            if !self.pause(attempt).await {
                return Outcome::Abandoned;
            }
        }
        self.meters.buried.increment(1);
        Outcome::Done
    }

    /// Waits before the next attempt; `false` if the process stops.
    pub(super) async fn pause(&self, attempt: u32) -> bool {
        let pause: Duration = backoff(&self.env, attempt, self.config.backoff_base, self.config.backoff_max);
        tokio::select! {
            biased;
            () = self.env.stopping() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// What a panic said, as the reason of a failed attempt.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a message"))
}
